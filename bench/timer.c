// What does time cost: limits that are never reached, and many sleepers?
//
//     ./dev bench timer [ROUNDS] [compact]
//
// A callback that is due later is cancelled, one at a time; a million are made,
// and then cancelled. A block with a time limit is entered and left. And a
// hundred thousand tasks sleep for 1 to 100 milliseconds: what that costs is
// the time of the processor, for all of them, with their making; it is the one
// figure of compact tasks.

#include "bench.h"

#define SLEEPERS 100000

static int limits(long count)
{
    int err = 0;
    for (long i = 0; i < count && err >= 0; i++) {
        ASYNCIO_WITH_TIMEOUT(limit, 30 + (double)(i % 60));
        err = asyncio_timeout_exit(&limit, 0);
    }
    return err;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int one_armed(long count)
{
    struct asyncio_handle handle;
    int err = 0;
    for (long i = 0; i < count && err >= 0; i++) {
        err = asyncio_call_later(30 + (double)(i % 60), nothing, NULL,
                                 .handle = &handle);
        asyncio_handle_cancel(&handle);
    }
    return err;
}

static int many_armed(long count)
{
    struct asyncio_handle *handles = calloc((size_t)count, sizeof *handles);
    if (!handles) return -ENOMEM;
    int err = 0;
    for (long i = 0; i < count && err >= 0; i++)
        err = asyncio_call_later(30 + (double)(i % 60), nothing, NULL,
                                 .handle = &handles[i]);
    for (long i = 0; i < count; i++)
        asyncio_handle_cancel(&handles[i]);
    free(handles);
    return err;
}

static int nap(void *arg)
{
    return asyncio_sleep((double)(intptr_t)arg / 1000);
}

static int sleepers(long count)
{
    unsigned seed = 1;
    ASYNCIO_WITH_TASK_GROUP(group);
    for (long i = 0; i < count; i++) {
        seed = seed * 1664525 + 1013904223;
        intptr_t milliseconds = 1 + (intptr_t)(seed >> 16) % 100;
        asyncio_task_group_create_task(&group, nap, (void *)milliseconds,
                                       .compact = bench_compact);
    }
    return asyncio_task_group_exit(&group, 0);
}

static double processor_ms(void)
{
    return (double)clock() * 1e3 / CLOCKS_PER_SEC;
}

static int sleepers_figure(void)
{
    double figures[BENCH_ROUNDS_MAX];
    for (int i = 0; i < bench_rounds; i++) {
        double start = processor_ms();
        int err = sleepers(SLEEPERS);
        if (err < 0) return err;
        figures[i] = processor_ms() - start;
    }
    bench_print("W7", "sleep_cpu", figures, "ms");
    return 0;
}

static int async_main(void *arg)
{
    (void)arg;
    if (bench_compact) return bench_only ? -EINVAL : sleepers_figure();
    int err = bench_figure("W7", "tmo_seq", one_armed, 1000000);
    if (err >= 0) err = bench_figure("W7", "tmo_bulk", many_armed, 1000000);
    if (err >= 0) err = bench_figure("W7", "limit", limits, 1000000);
    if (err >= 0 && !bench_only) err = sleepers_figure();
    return err;
}

int main(int argc, char **argv)
{
    bench_take_compact(&argc, argv);
    return bench_main(argc, argv, async_main);
}
