// Example 4. Work that does not wait: in threads, and in processes.
//
// C has no lock around all of its code, so threads use every processor. They
// take calls that block and calculations alike, and have your pointers. Worker
// processes are for what threads cannot give: a crash there is one failed call,
// a limit really ends the work, and memory is their own. A process has a copy
// of the struct, which is copied back.
//
//     cc 09_example_4_executors.c $(pkg-config --cflags --libs libasyncio)
//
// expect: two blocking calls have met
// expect: 2262 primes below 20000, by threads
// expect: 2262 primes below 20000, by processes
// expect: a crash: Owner died
// expect: an endless loop: Connection timed out
// expect: the pool goes on: 2262 primes below 20000, by processes

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asyncio.h>

struct range {
    int from, to, primes;
};

static int count_primes(void *arg)
{
    struct range *range = arg;
    for (int n = range->from; n < range->to; n++) {
        int factor = 2;
        while (factor * factor <= n && n % factor != 0)
            factor++;
        range->primes += factor * factor > n;
    }
    return 0;
}

static int crash(void *arg)
{
    (void)arg;
    abort();
}

static int loop_for_ever(void *arg)
{
    while (*(volatile int *)arg)
        continue;
    return 0;
}

static int meet(void *barrier) // blocks until another thread is here, too
{
    pthread_barrier_wait(barrier);
    return 0;
}

static int block_in_threads(void)
{
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 2);
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 2; i++)
        asyncio_task_group_create_task(&group, meet, &barrier,
                                       .executor = ASYNCIO_THREADS);
    int err = asyncio_task_group_exit(&group, 0);
    if (err == 0) printf("two blocking calls have met\n");
    pthread_barrier_destroy(&barrier);
    return err;
}

static int count_in(struct asyncio_executor *pool, const char *by)
{
    struct range halves[] = {{2, 10000, 0}, {10000, 20000, 0}};
    int err =
        asyncio_executor_map(pool, count_primes, halves, sizeof halves[0], 2);
    if (err == 0)
        printf("%d primes below 20000, by %s\n",
               halves[0].primes + halves[1].primes, by);
    return err;
}

static int survive(struct asyncio_executor *pool)
{
    int on = 1;
    int err = asyncio_run_in_executor(pool, crash, NULL);
    printf("a crash: %s\n", strerror(-err));
    err = asyncio_run_in_executor(pool, loop_for_ever, &on, .size = sizeof on,
                                  .timeout = 0.1);
    printf("an endless loop: %s\n", strerror(-err));
    printf("the pool goes on: ");
    return count_in(pool, "processes");
}

static int async_main(void *arg)
{
    (void)arg;
    struct asyncio_executor *pool;
    int err = asyncio_process_pool_create(&pool, .max_workers = 2);
    if (err < 0) return err;
    err = block_in_threads();
    if (err == 0) err = count_in(ASYNCIO_THREADS, "threads");
    if (err == 0) err = count_in(pool, "processes");
    if (err == 0) err = survive(pool);
    asyncio_executor_shutdown(pool);
    return err;
}

int main(void)
{
    // What starts the workers has to be forked before there are threads.
    return asyncio_main(async_main, NULL, .processes = true);
}
