// What does it cost to cancel a task that sleeps, and to have its end?
//
//     ./dev bench cancel_storm [ROUNDS] [compact]
//
// A hundred thousand tasks sleep; all are cancelled, then all are awaited. What
// is measured begins with the first cancel.

#include "bench.h"

#define SLEEPERS 100000

static struct asyncio_task *tasks[SLEEPERS];

static int sleep_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(1000);
}

static int put_to_sleep(long count)
{
    for (long i = 0; i < count; i++)
        tasks[i] =
            asyncio_create_task(sleep_long, NULL, .compact = bench_compact);
    return asyncio_sleep(0);
}

static int cancel_all(long count)
{
    int first = 0;
    for (long i = 0; i < count; i++)
        asyncio_task_cancel(tasks[i]);
    for (long i = 0; i < count; i++) {
        int err = asyncio_await(tasks[i]);
        if (first == 0 && err != -ECANCELED) first = -EIO;
        asyncio_task_release(tasks[i]);
    }
    return first;
}

static int async_main(void *arg)
{
    (void)arg;
    double figures[BENCH_ROUNDS_MAX];
    long count = bench_only ? bench_count : SLEEPERS;
    int rounds = bench_only ? 1 : bench_rounds;
    for (int i = 0; i < rounds; i++) {
        int err = put_to_sleep(count);
        double start = bench_now_ns();
        if (err >= 0) err = cancel_all(count);
        if (err < 0) return err;
        figures[i] = (bench_now_ns() - start) / (double)count;
    }
    if (!bench_only) bench_print("W10", "cancel", figures, "ns");
    return 0;
}

int main(int argc, char **argv)
{
    bench_take_compact(&argc, argv);
    return bench_main(argc, argv, async_main);
}
