// A program whose trace is looked at: traced STORY [N].
//
//     all    something of everything that a trace shows
//     loops  three loops at once
//     many   N tasks that are there at once
//     exit   ends in the middle of a run
//     crash  is ended by a signal, when the trace has begun to be written
//     again  runs itself, with the same environment

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asyncio.h>

// Of each loop, as it is of one thread.
static _Thread_local struct asyncio_semaphore slots = ASYNCIO_SEMAPHORE(2);
static const char *self;
static size_t amount = 1000;

static int square(void *arg)
{
    int *number = arg;
    return *number *= *number;
}

static int nested(void *arg)
{
    int *depth = arg, deeper = *depth - 1;
    if (*depth == 0) return asyncio_sleep(0);
    struct asyncio_task *task =
        asyncio_create_task(nested, &deeper, .eager = true);
    int err = asyncio_await(task);
    asyncio_task_release(task);
    return err;
}

static int worker(void *arg)
{
    int number = *(int *)arg;
    int err = asyncio_semaphore_acquire(&slots);
    if (err < 0) return err;
    err = asyncio_sleep(0.001 * number);
    asyncio_trace_mark("has slept");
    if (err == 0) err = asyncio_to_thread(square, &number);
    asyncio_semaphore_release(&slots);
    return err;
}

static int in_group(void *arg)
{
    static int numbers[] = {1, 2, 3, 4, 5};
    (void)arg;
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "worker \"%d\"", i);
        asyncio_task_group_create_task(&group, worker, &numbers[i],
                                       .name = name);
    }
    return asyncio_task_group_exit(&group, 0);
}

static int in_gather(void)
{
    static int depth = 40;
    struct asyncio_coroutine both[] = {ASYNCIO_COROUTINE(in_group, NULL),
                                       ASYNCIO_COROUTINE(nested, &depth)};
    return asyncio_gather(both, 2);
}

static int in_processes(void)
{
    struct asyncio_executor *pool;
    int numbers[] = {1, 2, 3, 4, 5, 6, 7, 8};
    int err = asyncio_process_pool_create(&pool, .max_workers = 2);
    if (err < 0) return err;
    err = asyncio_executor_map(pool, square, numbers, sizeof *numbers, 8);
    if (err >= 0)
        err = asyncio_run_in_executor(pool, square, numbers,
                                      .size = sizeof *numbers);
    asyncio_executor_shutdown(pool);
    return err < 0 ? err : 0;
}

static int too_late(void *arg)
{
    (void)arg;
    int err = asyncio_wait_for(asyncio_sleep(3600), 0.005);
    return err == -ETIMEDOUT ? 0 : err;
}

static int called(void *arg)
{
    struct asyncio_task *task = asyncio_create_task(too_late, NULL);
    asyncio_task_set_name(task, "renamed");
    *(struct asyncio_task **)arg = task;
    return 0;
}

static int all(void *arg)
{
    struct asyncio_task *task = NULL;
    (void)arg;
    int err = asyncio_call_soon(called, &task);
    if (err == 0) err = in_gather();
    if (err == 0) err = in_processes();
    if (err == 0 && task) err = asyncio_await(task);
    asyncio_task_release(task);
    return err;
}

static int hold(void *arg)
{
    return asyncio_await((struct asyncio_future *)arg);
}

static int many(void *arg)
{
    (void)arg;
    struct asyncio_future gate = {0};
    ASYNCIO_WITH_TASK_GROUP(group);
    for (size_t i = 0; i < amount; i++)
        asyncio_task_group_create_task(&group, hold, &gate);
    int err = asyncio_sleep(0);
    asyncio_future_set_result(&gate, 0);
    return asyncio_task_group_exit(&group, err);
}

static int leave(void *arg)
{
    int err = in_group(arg);
    if (err == 0) exit(0);
    return err;
}

static int crash(void *arg)
{
    struct stat trace = {0};
    int err = 0;
    while (err == 0 && trace.st_size < 10000) {
        err = in_group(arg);
        stat(getenv("ASYNCIO_TRACE"), &trace);
    }
    if (err == 0) abort();
    return err;
}

static int again(void *arg)
{
    int err = in_group(arg);
    pid_t child = err == 0 ? fork() : -1;
    if (child == 0) execl(self, self, "many", "10", (char *)NULL);
    int status = -1;
    if (child > 0) waitpid(child, &status, 0);
    return status == 0 ? err : -EPROTO;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*fn)(void *arg);
    } stories[] = {{"all", all},     {"many", many},   {"exit", leave},
                   {"crash", crash}, {"again", again}, {"loops", NULL}};
    self = argv[0];
    if (argc > 2) amount = strtoul(argv[2], NULL, 10);
    for (size_t i = 0; argc > 1 && i < sizeof stories / sizeof *stories; i++) {
        if (strcmp(stories[i].name, argv[1]) != 0) continue;
        if (stories[i].fn)
            return asyncio_main(stories[i].fn, NULL, .processes = i == 0);
        return asyncio_run_workers(in_group, NULL, .workers = 3) < 0;
    }
    fprintf(stderr, "usage: traced STORY [N]\n");
    return 2;
}
