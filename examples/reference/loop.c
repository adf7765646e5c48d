// The loop without tasks: callbacks, timers, descriptors, signals and reports.
//
//     cc loop.c $(pkg-config --cflags --libs libasyncio)

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <asyncio.h>

static int fds[2];

static int say(void *text)
{
    printf("%s\n", (const char *)text);
    return 0;
}

static int on_room(void *arg)
{
    (void)arg;
    return asyncio_remove_writer(fds[1]) < 0 || write(fds[1], "x", 1) != 1
               ? -EIO
               : 0;
}

static int on_byte(void *arg)
{
    char byte;
    if (read(fds[0], &byte, 1) != 1) return -EIO;
    printf("a byte came through the pipe\n");
    asyncio_loop_stop(arg);
    return asyncio_remove_reader(fds[0]) < 0 ? -EIO : 0;
}

static int on_signal(void *arg)
{
    (void)arg;
    printf("signal\n");
    return asyncio_remove_signal_handler(SIGUSR1) < 0 ? -EIO : 0;
}

static void on_report(const struct asyncio_report *report, void *arg)
{
    (void)arg;
    printf("report: %s\n", report->text);
}

static int begin(void *loop)
{
    static struct asyncio_handle handle;
    int err = asyncio_call_later(60, say, "never", .handle = &handle);
    if (err < 0) return err;
    printf("timers: %zu, due: %d\n", asyncio_loop_timers(loop),
           asyncio_handle_when(&handle) > asyncio_time());
    asyncio_handle_cancel(&handle);
    printf("cancelled: %d\n", asyncio_handle_cancelled(&handle));

    err = asyncio_call_at(asyncio_time() + 0.01, say, "later");
    if (err == 0) err = asyncio_add_signal_handler(SIGUSR1, on_signal, NULL);
    if (err == 0) err = asyncio_add_reader(fds[0], on_byte, loop);
    if (err == 0) err = asyncio_call_later(0.05, on_room, NULL);
    raise(SIGUSR1);
    asyncio_call_exception_handler(
        &(struct asyncio_report){.code = -EIO, .text = "something broke"});
    return err;
}

static int use(struct asyncio_loop *loop)
{
    printf("current: %d, running: %d\n", asyncio_get_event_loop() == loop,
           asyncio_loop_is_running(loop));
    int err = asyncio_set_exception_handler(on_report, NULL);
    if (err == 0) err = asyncio_call_soon(begin, loop);
    if (err == 0) err = asyncio_call_soon_threadsafe(loop, say, "soon");
    if (err == 0) err = asyncio_add_writer(fds[1], on_room, NULL);
    if (err == 0) err = asyncio_remove_writer(fds[1]) == 1 ? 0 : -EIO;
    return err < 0 ? err : asyncio_loop_run_forever(loop);
}

static int seven(void *arg)
{
    (void)arg;
    return asyncio_get_running_loop() ? 7 : -EPERM;
}

// Runs until something is done: a coroutine object, a task, a future.
static void complete(struct asyncio_loop *loop)
{
    struct asyncio_coroutine job = ASYNCIO_COROUTINE(seven, NULL);
    struct asyncio_future future = {0};
    struct asyncio_task *task = asyncio_create_task(seven, NULL);
    int first = asyncio_loop_run_until_complete(loop, &job);
    int second = asyncio_loop_run_until_complete(loop, task);
    asyncio_future_set_result(&future, 7);
    int third = asyncio_loop_run_until_complete(loop, &future);
    printf("complete: %d %d %d, passes: %d\n", first, second, third,
           asyncio_loop_passes(loop) > 0);
    asyncio_task_release(task);
}

int main(void)
{
    struct asyncio_loop *loop;
    if (pipe(fds) < 0) return 1;
    int err = asyncio_new_event_loop(&loop);
    if (err < 0) return 1;
    asyncio_set_event_loop(loop);
    err = use(loop);
    complete(loop);
    asyncio_loop_close(loop);
    printf("closed: %d, %s\n", asyncio_loop_is_closed(loop),
           asyncio_loop_backend(loop));
    asyncio_loop_free(loop);
    if (err < 0) fprintf(stderr, "%s\n", strerror(-err));
    return err < 0;
}
// expect: current: 1, running: 0
// expect: timers: 1, due: 1
// expect: cancelled: 1
// expect: report: something broke
// expect: soon
// expect: signal
// expect: later
// expect: a byte came through the pipe
// expect: complete: 7 7 7, passes: 1
// expect: closed: 1, closed
