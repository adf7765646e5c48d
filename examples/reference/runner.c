// The runner: one loop for several main coroutines, and tasks that stay on it
// from one to the next. Every call of asyncio/runner.h, and eager start.
//
//     cc runner.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

struct log {
    struct asyncio_task *writer;
    int lines;
};

static int write_lines(void *arg) // goes on from one run to the next
{
    struct log *log = arg;
    int err;
    while ((err = asyncio_sleep(0.01)) == 0)
        log->lines++;
    printf("the writer ends: %s\n", asyncio_strerror(err));
    return err;
}

static int prepare(void *arg)
{
    struct log *log = arg;
    log->writer = asyncio_create_task(write_lines, log, .name = "writer");
    return asyncio_task_done(log->writer) ? asyncio_await(log->writer) : 0;
}

static int serve(void *arg)
{
    const struct log *log = arg;
    int before = log->lines, err = 0;
    while (err == 0 && log->lines < before + 3)
        err = asyncio_sleep(0.01);
    if (err == 0) printf("three more lines\n");
    return err;
}

static int say(void *text)
{
    printf("%s\n", (const char *)text);
    return 0;
}

static int spawn_eagerly(void *arg)
{
    (void)arg;
    struct asyncio_task *task = asyncio_create_task(say, "begun at once");
    printf("spawned\n");
    int err = asyncio_await(task); // it is done: this does not wait
    asyncio_task_release(task);
    return err;
}

static int run_all(struct asyncio_runner *runner, struct log *log)
{
    struct asyncio_coroutine server = ASYNCIO_COROUTINE(serve, log);
    struct asyncio_loop *loop;
    int err = asyncio_runner_run(runner, prepare, log, .name = "prepare");
    if (err >= 0) err = asyncio_runner_run_any(runner, ASYNCIO_ANY(&server));
    if (err >= 0) err = asyncio_runner_get_loop(runner, &loop);
    if (err < 0) return err;
    asyncio_loop_set_eager(loop, !asyncio_loop_is_eager(loop));
    return asyncio_runner_run(runner, spawn_eagerly, NULL);
}

int main(void)
{
    struct asyncio_runner runner;
    struct log log = {NULL, 0};
    asyncio_runner_init(&runner, .debug = ASYNCIO_DEBUG_OFF);
    int err = run_all(&runner, &log);
    asyncio_runner_close(&runner); // cancels the writer, and waits for it
    asyncio_task_release(log.writer);

    ASYNCIO_WITH_RUNNER(another); // closed where the block ends
    if (err >= 0) err = asyncio_runner_run(&another, say, "another one");
    if (err < 0) printf("error: %s\n", asyncio_strerror(err));
    return err < 0;
}
// expect: three more lines
// expect: begun at once
// expect: spawned
// expect: the writer ends: the run is over
// expect: another one
