// What does a call cost that a worker process answers?
//
//     ./dev bench processes [ROUNDS]
//
// A function that does nothing runs in a pool of two worker processes: one call
// after the other, each awaited; one call after a rest, when the worker sleeps;
// and many on their way at a time. ./dev bench executors has more of it.

#include "bench.h"

#define CALLS      5000
#define COLD_CALLS 100
#define BULK       200000

static struct asyncio_executor *pool;

static int add_one(void *number)
{
    return ++*(int *)number;
}
ASYNCIO_JOB(add_one)

static int call(int number)
{
    int sum =
        asyncio_run_in_executor(pool, add_one, &number, .size = sizeof number);
    return sum < 0 || sum == number ? sum : -EIO;
}

static int one_by_one(double *us)
{
    int err = 0;
    for (int i = 0; i < 200 && err >= 0; i++)
        err = call(i);
    double start = bench_now_ns();
    for (int i = 0; i < CALLS && err >= 0; i++)
        err = call(i);
    *us = (bench_now_ns() - start) / CALLS / 1e3;
    return err;
}

static int rested(double *us)
{
    int err = 0;
    *us = 0;
    for (int i = 0; i < COLD_CALLS && err >= 0; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        double start = bench_now_ns();
        err = call(i);
        *us += (bench_now_ns() - start) / COLD_CALLS / 1e3;
    }
    return err;
}

static int many(double *per_second)
{
    static int items[BULK], results[BULK];
    for (int i = 0; i < BULK; i++)
        items[i] = i;
    double start = bench_now_ns();
    int err = asyncio_executor_map(pool, add_one, items, sizeof *items, BULK,
                                   .results = results);
    *per_second = BULK / (bench_now_ns() - start) * 1e9;
    for (int i = 0; i < BULK && err >= 0; i++)
        if (results[i] != i + 1) err = -EIO;
    return err;
}

static int measure(void)
{
    double hot[BENCH_ROUNDS_MAX], cold[BENCH_ROUNDS_MAX],
        bulk[BENCH_ROUNDS_MAX];
    for (int i = 0; i < bench_rounds; i++) {
        int err = one_by_one(&hot[i]);
        if (err >= 0) err = rested(&cold[i]);
        if (err >= 0) err = many(&bulk[i]);
        if (err < 0) return err;
    }
    bench_print("W12", "roundtrip", hot, "us");
    bench_print("W12", "roundtrip_cold", cold, "us");
    bench_print("W12", "bulk2w", bulk, "calls/s");
    return 0;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = asyncio_process_pool_create(&pool, .max_workers = 2);
    if (err < 0) return err;
    err = measure();
    asyncio_executor_shutdown(pool);
    return err;
}

int main(int argc, char **argv)
{
    bench_processes = true;
    return bench_main(argc, argv, async_main);
}
