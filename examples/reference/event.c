// All of asyncio/event.h: a race in which nobody starts before the signal.
//
//     cc event.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

static struct asyncio_event go; // all zero: it has not happened

static int run_race(void *name)
{
    int err = asyncio_event_wait(&go);
    if (err < 0) return err;
    printf("%s starts\n", (const char *)name);
    return 0;
}

static int async_main(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_TASK_GROUP(race);
    asyncio_task_group_create_task(&race, run_race, "hare");
    asyncio_task_group_create_task(&race, run_race, "tortoise");
    int err = asyncio_sleep(0.01);
    printf("%zu wait for the signal\n", asyncio_event_waiting(&go));
    asyncio_event_set(&go);
    err = asyncio_task_group_exit(&race, err);
    if (err < 0) return err;

    // Who comes late does not wait, until it is cleared.
    err = run_race("snail");
    if (err < 0) return err;
    asyncio_event_clear(&go);
    printf("the signal is %s\n", asyncio_event_is_set(&go) ? "up" : "down");
    err = asyncio_wait_for(asyncio_event_wait(&go), 0.01);
    return err == -ETIMEDOUT ? 0 : err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: 2 wait for the signal
// expect: hare starts
// expect: tortoise starts
// expect: snail starts
// expect: the signal is down
