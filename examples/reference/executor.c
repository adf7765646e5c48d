// Executors: threads for calls that block, processes for calls that crash.
//
//     cc executor.c $(pkg-config --cflags --libs libasyncio)

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <asyncio.h>

struct sum {
    int from, to;
    long total;
};

static int add(void *arg)
{
    struct sum *sum = arg;
    for (int i = sum->from; i <= sum->to; i++) {
        if (asyncio_check_cancelled() == -ECANCELED) return -ECANCELED;
        sum->total += i;
    }
    return 0;
}

static int crash(void *arg)
{
    (void)arg;
    _exit(3);
}
ASYNCIO_JOB(crash)

static int in_threads(void)
{
    struct sum whole = {1, 100, 0};
    struct sum parts[] = {{1, 10, 0}, {11, 20, 0}, {21, 30, 0}};
    struct asyncio_executor *pool;
    int err = asyncio_to_thread(add, &whole);
    if (err < 0) return err;
    printf("a thread says %ld\n", whole.total);

    err = asyncio_thread_pool_create(&pool, .max_workers = 2, .name = "adder");
    if (err < 0) return err;
    err = asyncio_executor_map(pool, add, parts, sizeof *parts, 3);
    asyncio_executor_shutdown(pool, .nowait = true); // its jobs would go on
    printf("a pool says %ld\n",
           parts[0].total + parts[1].total + parts[2].total);
    if (err < 0) return err;
    return asyncio_run_in_executor(asyncio_default_executor(), add, &whole);
}

// A pool with limits, which is ended by force.
static int with_limits(void)
{
    struct asyncio_pool_statistics now;
    struct asyncio_executor *pool;
    struct sum sum = {1, 4, 0};
    int err = asyncio_process_pool_create(
        &pool, .max_workers = 1, .max_queued = 8, .max_jobs = 1,
        .memory_limit = 256 << 20, .cpu_limit = 5);
    if (err < 0) return err;
    err = asyncio_executor_resize(pool, 2);
    for (int i = 0; i < 2 && err == 0; i++)
        err = asyncio_run_in_executor(pool, add, &sum, .size = sizeof sum,
                                      .priority = 1, .timeout = 10);
    if (err == 0) err = asyncio_executor_statistics(pool, &now);
    if (err == 0) printf("%d jobs are done\n", (int)now.finished);
    if (err == 0) err = asyncio_executor_terminate(pool); // asks
    if (err == 0) err = asyncio_executor_kill(pool);      // does not
    asyncio_executor_shutdown(pool, .cancel_pending = true);
    return err;
}

static int in_processes(void)
{
    struct sum sum = {1, 10, 0};
    struct asyncio_executor *pool;
    int err = asyncio_process_pool_create(&pool, .max_workers = 1);
    if (err < 0) return err;
    err = asyncio_run_in_executor(pool, add, &sum, .size = sizeof sum);
    printf("a process says %ld\n", sum.total);
    int crashed = asyncio_run_in_executor(pool, crash, NULL);
    printf("a crash is %s\n", crashed == -EOWNERDEAD ? "EOWNERDEAD" : "?");
    int again = asyncio_run_in_executor(pool, add, &sum, .size = sizeof sum);
    printf("the next job is %d\n", again);
    asyncio_executor_shutdown(pool);
    return err;
}

static int open_a_file(void *arg)
{
    (void)arg;
    FILE *file = fopen("/etc/passwd", "r");
    if (!file) return -errno;
    fclose(file);
    return 0;
}

// For hostile input. -ENOTSUP where the kernel cannot confine a process: a
// program that reads such input then rather does not.
static int in_a_sandbox(void)
{
    struct sum sum = {1, 10, 0};
    struct asyncio_executor *pool;
    int err = asyncio_process_pool_create(&pool, .max_workers = 1,
                                          .sandbox = ASYNCIO_SANDBOX_STRICT,
                                          .timeout = 60);
    if (err < 0) return err;
    err = asyncio_run_in_executor(pool, add, &sum, .size = sizeof sum);
    printf("a sandbox says %ld\n", sum.total);
    int opened = asyncio_run_in_executor(pool, open_a_file, NULL);
    printf("a file there is %s\n", opened == -EPERM ? "EPERM" : "?");
    asyncio_executor_shutdown(pool);
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = in_threads();
    if (err == 0) err = in_processes();
    if (err == 0) err = in_a_sandbox();
    return err < 0 ? err : with_limits();
}

int main(void)
{
    // Before any thread or loop exists; .processes = true does the same.
    if (asyncio_process_init() < 0) return 1;
    return asyncio_main(async_main, NULL);
}
// expect: a thread says 5050
// expect: a pool says 465
// expect: a process says 55
// expect: a crash is EOWNERDEAD
// expect: the next job is 0
// expect: a sandbox says 55
// expect: a file there is EPERM
// expect: 2 jobs are done
