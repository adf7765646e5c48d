// Semaphores and limiters: at most so many at a time.
//
//     cc semaphore.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

static struct asyncio_semaphore slots;
static int busy, most;

static int work(void *arg)
{
    (void)arg;
    int err = asyncio_semaphore_acquire(&slots);
    if (err < 0) return err;
    if (++busy > most) most = busy;
    err = asyncio_sleep(0.01);
    busy--;
    asyncio_semaphore_release(&slots);
    return err;
}

static int ten_at_two(void)
{
    int err = asyncio_semaphore_init(&slots, 2);
    if (err < 0) return err;
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 10; i++)
        asyncio_task_group_create_task(&group, work, NULL);
    err = asyncio_task_group_exit(&group, 0);
    printf("at most %d at a time\n", most);
    return err;
}

static int bounded(void)
{
    struct asyncio_semaphore seat;
    int err = asyncio_bounded_semaphore_init(&seat, 1, 1);
    if (err < 0) return err;
    printf("released too often: %s\n",
           asyncio_semaphore_release(&seat) == -EOVERFLOW ? "EOVERFLOW" : "?");
    err = asyncio_semaphore_acquire_nowait(&seat);
    printf("taken: %d, locked: %d, waiting: %zu\n", err,
           asyncio_semaphore_locked(&seat), asyncio_semaphore_waiting(&seat));
    return asyncio_semaphore_release(&seat);
}

// A limiter knows who has its units.
static int limited(void)
{
    struct asyncio_limiter desks;
    const char *me = "me";
    int err = asyncio_limiter_init(&desks, 3);
    if (err == 0) err = asyncio_limiter_acquire(&desks, me);
    if (err < 0) return err;
    err = asyncio_limiter_acquire(&desks, me);
    printf("lent: %ld, twice: %s\n", asyncio_limiter_borrowed(&desks),
           err == -EALREADY ? "EALREADY" : "?");

    err = asyncio_limiter_set_units(&desks, 1);
    if (err < 0) return err;
    err = asyncio_limiter_acquire_nowait(&desks, "you");
    printf("of %ld: %s, in line: %zu\n", asyncio_limiter_units(&desks),
           err == -EAGAIN ? "EAGAIN" : "?", asyncio_limiter_waiting(&desks));
    return asyncio_limiter_release(&desks, me);
}

static int async_main(void *arg)
{
    (void)arg;
    int err = ten_at_two();
    if (err == 0) err = bounded();
    return err < 0 ? err : limited();
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: at most 2 at a time
// expect: released too often: EOVERFLOW
// expect: taken: 0, locked: 1, waiting: 0
// expect: lent: 1, twice: EALREADY
// expect: of 1: EAGAIN, in line: 0
