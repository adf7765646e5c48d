// What does it cost to make a task, run it, and have its result?
//
//     ./dev bench spawn [ROUNDS]
//
// The task counts and returns. First one at a time: made, awaited, let go of.
// Then a thousand are made, and then a thousand awaited. Last a thousand
// children of a group, which joins them.

#include "bench.h"

#define BATCH 1000

static int count_up(void *arg)
{
    ++*(long *)arg;
    return 0;
}

static int one_at_a_time(long count)
{
    long counted = 0;
    int err = 0;
    for (long i = 0; i < count && err >= 0; i++) {
        struct asyncio_task *task = asyncio_create_task(count_up, &counted);
        err = asyncio_await(task);
        asyncio_task_release(task);
    }
    return err;
}

static int batches(long count)
{
    static struct asyncio_task *tasks[BATCH];
    long counted = 0;
    int first = 0;
    for (; count > 0 && first >= 0; count -= BATCH) {
        for (int i = 0; i < BATCH; i++)
            tasks[i] = asyncio_create_task(count_up, &counted);
        for (int i = 0; i < BATCH; i++) {
            int err = asyncio_await(tasks[i]);
            if (first >= 0 && err < 0) first = err;
            asyncio_task_release(tasks[i]);
        }
    }
    return first;
}

static int children(long count)
{
    long counted = 0;
    int err = 0;
    for (; count > 0 && err >= 0; count -= BATCH) {
        ASYNCIO_WITH_TASK_GROUP(group);
        for (int i = 0; i < BATCH; i++)
            asyncio_task_group_create_task(&group, count_up, &counted);
        err = asyncio_task_group_exit(&group, 0);
    }
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = bench_figure("W2", "spawn_seq", one_at_a_time, 500000);
    if (err >= 0) err = bench_figure("W2", "spawn_batch", batches, 1000000);
    if (err >= 0) err = bench_figure("W2", "spawn_group", children, 1000000);
    return err;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, async_main);
}
