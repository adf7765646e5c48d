// All of asyncio/condition.h: a baker, and customers who wait for enough bread.
//
//     cc condition.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

struct shop {
    struct asyncio_lock lock; // of all that is in the shop
    struct asyncio_condition baked, opened;
    int loaves;
};

struct customer {
    struct shop *shop;
    const char *name;
    int wants;
};

static int enough(void *arg)
{
    struct customer *customer = arg;
    return customer->shop->loaves >= customer->wants;
}

static int buy(void *arg)
{
    struct customer *customer = arg;
    struct shop *shop = customer->shop;
    ASYNCIO_WITH_CONDITION(held, &shop->baked);
    if (held_entered < 0) return held_entered;
    int err = asyncio_condition_wait(&shop->opened); // gives the lock up
    if (err < 0) return err;                         // and has it again
    err = asyncio_condition_wait_for(&shop->baked, enough, customer);
    if (err < 0) return err;
    shop->loaves -= customer->wants;
    printf("%s takes %d\n", customer->name, customer->wants);
    return 0;
}

static int bake(struct shop *shop)
{
    for (int i = 0; i < 3; i++) {
        int err = asyncio_condition_acquire(&shop->baked);
        if (err < 0) return err;
        shop->loaves++;
        err = asyncio_condition_notify_all(&shop->baked);
        asyncio_condition_release(&shop->baked);
        if (err < 0) return err;
        err = asyncio_sleep(0.01);
        if (err < 0) return err;
    }
    return 0;
}

static int open_shop(struct shop *shop)
{
    int err = asyncio_condition_acquire_nowait(&shop->opened);
    if (err < 0) return err;
    printf("%zu wait, and the shop is %s\n",
           asyncio_condition_waiting(&shop->opened),
           asyncio_condition_locked(&shop->baked) ? "locked" : "free");
    err = asyncio_condition_notify(&shop->opened, 2);
    asyncio_lock_release(asyncio_condition_lock(&shop->opened)); // the same
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    struct shop shop = {.baked = ASYNCIO_CONDITION(&shop.lock)};
    asyncio_condition_init(&shop.opened, &shop.lock);
    struct customer customers[] = {{&shop, "Ada", 2}, {&shop, "Bob", 1}};

    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 2; i++)
        asyncio_task_group_create_task(&group, buy, &customers[i]);
    int err = asyncio_sleep(0.01);
    if (err == 0) err = open_shop(&shop);
    if (err == 0) err = bake(&shop);
    return asyncio_task_group_exit(&group, err);
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: 2 wait, and the shop is locked
// expect: Bob takes 1
// expect: Ada takes 2
