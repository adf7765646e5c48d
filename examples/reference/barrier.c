// All of asyncio/barrier.h: walkers who meet before each leg of the way.
//
//     cc barrier.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

static struct asyncio_barrier hut = ASYNCIO_BARRIER(3);

static int walk(void *arg)
{
    double *hours = arg;
    for (int leg = 1; leg <= 2; leg++) {
        int err = asyncio_sleep(*hours / 100);
        if (err < 0) return err;
        int place = asyncio_barrier_wait(&hut); // until all are here
        if (place < 0) return place;
        if (place == asyncio_barrier_parties(&hut) - 1)
            printf("leg %d: the last one took %.0f hours\n", leg, *hours);
    }
    return 0;
}

static int wait_alone(void *arg)
{
    (void)arg;
    int err = asyncio_barrier_wait(&hut);
    printf("%s\n", err == -ESTALE ? "nobody will come" : "?");
    return err == -ESTALE ? 0 : err;
}

static int async_main(void *arg)
{
    (void)arg;
    double hours[] = {3, 1, 2};
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, walk, &hours[i]);
    int err = asyncio_task_group_exit(&group, 0);
    if (err < 0) return err;

    ASYNCIO_WITH_TASK_GROUP(late);
    asyncio_task_group_create_task(&late, wait_alone, NULL);
    err = asyncio_sleep(0.01);
    printf("%d waits\n", asyncio_barrier_n_waiting(&hut));
    asyncio_barrier_abort(&hut);
    err = asyncio_task_group_exit(&late, err);
    if (err < 0) return err;

    printf("the hut is %s\n", asyncio_barrier_broken(&hut) ? "shut" : "open");
    asyncio_barrier_reset(&hut);
    printf("the hut is %s\n", asyncio_barrier_broken(&hut) ? "shut" : "open");
    err = asyncio_barrier_init(&hut, 1); // for one, it is no barrier
    return err < 0 ? err : asyncio_barrier_wait(&hut);
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: leg 1: the last one took 3 hours
// expect: leg 2: the last one took 3 hours
// expect: 1 waits
// expect: nobody will come
// expect: the hut is shut
// expect: the hut is open
