// Running: a loop, until something is done; and a program, which is one run of
// a runner.

#include "run/run.h"

#include <asyncio/runner.h>

#include <signal.h>
#include <stdio.h>

#include <asyncio/error.h>

#include "run/deadlock.h"
#include "run/debug.h"
#include "run/note.h"
#include "run/overflow.h"
#include "run/trace.h"
#include "run/watchdog.h"
#include "task/future.h"

static int run_loop(struct asyncio_loop *loop)
{
    if (loop->state != ASYNCIO__LOOP_IDLE || asyncio__running_loop)
        return asyncio__loop_run(loop); // which says why not
    int err = asyncio__debug_attach(loop);
    if (err < 0) return err;

    asyncio__trace_attach(loop);
    struct asyncio__watched watched;
    bool reports = asyncio__overflow_report_begin();
    asyncio__watchdog_begin(&watched, loop);
    loop->stuck = asyncio__deadlock_check;
    loop->layout = &asyncio__layout;
    err = asyncio__loop_run(loop);
    asyncio__watchdog_end(&watched);
    asyncio__overflow_report_end(reports);
    return err;
}

int asyncio_loop_run_forever(struct asyncio_loop *loop)
{
    if (!loop) return -EINVAL;
    return run_loop(loop);
}

// Stands among those who wait for a future, and stops the loop when it is done.
// It is gone when the run is over, so that it cannot stop the next one.
struct until_done {
    struct asyncio__step step;
    struct asyncio_loop *loop;
};

static void stop_loop(struct asyncio__step *step)
{
    asyncio_loop_stop(list_entry(step, struct until_done, step)->loop);
}

int asyncio__run_until_done(struct asyncio_loop *loop,
                            struct asyncio_future *future)
{
    if (loop->state == ASYNCIO__LOOP_CLOSED) return -ESHUTDOWN;
    if (asyncio__running_loop) return -EBUSY;
    if (future->loop_ && future->loop_ != loop) return -EXDEV;

    if (!asyncio_future_done(future)) future->loop_ = loop;
    struct until_done until = {.step = {.run = stop_loop}, .loop = loop};
    if (asyncio_future_done(future))
        asyncio__loop_queue(loop, &until.step);
    else
        list_add_tail(&future->waiters_, &until.step.link);
    int err = run_loop(loop);
    if (list_linked(&until.step.link)) list_remove(&until.step.link);
    if (err < 0) return err;
    return asyncio_future_done(future) ? 0 : -EINTR;
}

int asyncio_loop_run_until_future(struct asyncio_loop *loop,
                                  struct asyncio_future *future)
{
    if (!loop || !future) return -EINVAL;
    int err = asyncio__run_until_done(loop, future);
    return err < 0 ? err : asyncio__future_outcome(future);
}

int asyncio_loop_run_until_task(struct asyncio_loop *loop,
                                struct asyncio_task *task)
{
    if (!loop || !task) return -EINVAL;
    if (asyncio__task_failed_spawn(task)) return task->future.result_;
    return asyncio_loop_run_until_future(loop, &task->future);
}

int asyncio_loop_run_until_coroutine(struct asyncio_loop *loop,
                                     struct asyncio_coroutine *coroutine)
{
    if (!loop || !coroutine) return -EINVAL;
    // Said before the coroutine is used up.
    int err = loop->state == ASYNCIO__LOOP_CLOSED ? -ESHUTDOWN : 0;
    if (err == 0 && asyncio__running_loop) err = -EBUSY;
    asyncio__coroutine_refused(coroutine, __func__, err);
    if (err < 0) return err;
    struct asyncio_task *task =
        asyncio_coroutine_create_task(coroutine, .loop = loop);
    int result = asyncio_loop_run_until_task(loop, task);
    asyncio_task_release(task);
    return result;
}

// --- programs ---------------------------------------------------------------

static int run_once(struct asyncio_runner *runner, int (*fn)(void *arg),
                    void *arg, const struct asyncio_run_options *options)
{
    (asyncio_runner_init)(runner, options);
    if (asyncio__running_loop) return -EBUSY;
    int result =
        (asyncio_runner_run)(runner, fn, arg,
                             &(struct asyncio_task_options){
                                 .site = options ? options->site : NULL});
    asyncio_runner_close(runner);
    return result;
}

int(asyncio_run)(int (*fn)(void *arg), void *arg,
                 const struct asyncio_run_options *options)
{
    struct asyncio_runner runner;
    return run_once(&runner, fn, arg, options);
}

int(asyncio_main)(int (*fn)(void *arg), void *arg,
                  const struct asyncio_run_options *options)
{
    struct asyncio_runner runner;
    int result = run_once(&runner, fn, arg, options);
    int status = runner.interrupted_ ? 128 + SIGINT : result < 0;
    if (status == 1) fprintf(stderr, "error: %s\n", asyncio_strerror(result));
    asyncio__failures_drop_thread();
    return status;
}
