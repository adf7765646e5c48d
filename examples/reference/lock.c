// All of asyncio/lock.h: one coffee machine, one key to the store room.
//
//     cc lock.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

static struct asyncio_lock machine;   // all zero: free
static struct asyncio_owner_lock key; // knows who has it

static int brew(void *name)
{
    ASYNCIO_WITH_LOCK(held, &machine); // to the end of the block
    if (held_entered < 0) return held_entered;
    printf("coffee for %s, %zu wait\n", (const char *)name,
           asyncio_lock_waiting(&machine));
    return asyncio_sleep(0.01);
}

static int lose_key(void *arg)
{
    (void)arg;
    return asyncio_owner_lock_acquire(&key); // and ends with it
}

static int use_machine(void)
{
    int err = asyncio_lock_acquire(&machine); // without a block: release it
    if (err < 0) return err;
    ASYNCIO_WITH_TASK_GROUP(guests);
    asyncio_task_group_create_task(&guests, brew, "Ada");
    asyncio_task_group_create_task(&guests, brew, "Bob");
    err = asyncio_sleep(0.01);
    printf("a try: %s\n",
           asyncio_lock_acquire_nowait(&machine) == -EAGAIN ? "busy" : "free");
    asyncio_lock_release(&machine); // goes to Ada
    return asyncio_task_group_exit(&guests, err);
}

static int use_key(void)
{
    ASYNCIO_WITH_LOCK(held, &key);
    if (held_entered < 0) return held_entered;
    printf("the key is %s\n",
           asyncio_owner_lock_owner(&key) == asyncio_current_task() ? "ours"
                                                                    : "lost");
    asyncio_held_leave(&held); // before the end of the block

    struct asyncio_task *guest = asyncio_create_task(lose_key, NULL);
    int err = asyncio_await(guest);
    asyncio_task_release(guest);
    if (err < 0) return err;
    if (asyncio_owner_lock_acquire_nowait(&key) != -EOWNERDEAD) return -EINVAL;
    printf("the key went with a guest, %zu wait\n",
           asyncio_owner_lock_waiting(&key));
    err = asyncio_owner_lock_recover(&key);
    if (err == 0) err = asyncio_owner_lock_release(&key);
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = use_machine();
    if (err == 0) err = use_key();
    printf("machine %s, key %s\n",
           asyncio_lock_locked(&machine) ? "busy" : "free",
           asyncio_owner_lock_locked(&key) ? "taken" : "back");
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: a try: busy
// expect: coffee for Ada, 1 wait
// expect: coffee for Bob, 0 wait
// expect: the key is ours
// expect: the key went with a guest, 0 wait
// expect: machine free, key back
