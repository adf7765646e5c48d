// What does it cost to wait in a long line?
//
//     ./dev bench semaphore [ROUNDS] [compact]
//
// Ten thousand tasks take one of eight units twenty times, and let others run
// while they have it. The figure is for one time, with its share of making the
// tasks. `free` is for a unit that is there: nobody waits.

#include "bench.h"

#define TASKS 10000
#define TIMES 20

static struct asyncio_semaphore units = ASYNCIO_SEMAPHORE(8);

static int take_turns(void *arg)
{
    (void)arg;
    int err = 0;
    for (int i = 0; i < TIMES && err >= 0; i++) {
        err = asyncio_semaphore_acquire(&units);
        if (err < 0) return err;
        err = asyncio_sleep(0);
        asyncio_semaphore_release(&units);
    }
    return err;
}

static int in_line(long count)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (long i = 0; i < count / TIMES; i++)
        asyncio_task_group_create_task(&group, take_turns, NULL,
                                       .compact = bench_compact);
    return asyncio_task_group_exit(&group, 0);
}

static int alone(long count)
{
    int err = 0;
    for (long i = 0; i < count && err >= 0; i++) {
        err = asyncio_semaphore_acquire(&units);
        if (err >= 0) err = asyncio_semaphore_release(&units);
    }
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = bench_figure("W6", "sem", in_line, TASKS * TIMES);
    if (err >= 0 && !bench_compact)
        err = bench_figure("W6", "free", alone, 5000000);
    return err;
}

int main(int argc, char **argv)
{
    bench_take_compact(&argc, argv);
    return bench_main(argc, argv, async_main);
}
