// Running a program: a loop from its making to its closing.
//
//     make -> main task -> cancel what is left -> join it -> close -> free

#include <asyncio/run.h>

#include <stdio.h>

#include <asyncio/error.h>

#include "exec/launcher.h"
#include "run/debug.h"
#include "run/overflow.h"
#include "task/future.h"

static int run_loop(struct asyncio_loop *loop)
{
    int err = asyncio__debug_attach(loop);
    if (err < 0) return err;
    bool reports = asyncio__overflow_report_begin();
    err = asyncio__loop_run(loop);
    asyncio__overflow_report_end(reports);
    return err;
}

int asyncio_loop_run_forever(struct asyncio_loop *loop)
{
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

// Runs until the future is done, and does not look at its outcome. 0, -EINTR,
// or why it could not be.
static int run_until_done(struct asyncio_loop *loop,
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
    int err = run_until_done(loop, future);
    return err < 0 ? err : asyncio__future_outcome(future);
}

int asyncio_loop_run_until_task(struct asyncio_loop *loop,
                                struct asyncio_task *task)
{
    if (task->immortal) return task->future.result_;
    return asyncio_loop_run_until_future(loop, &task->future);
}

int asyncio_loop_run_until_coroutine(struct asyncio_loop *loop,
                                     struct asyncio_coroutine *coroutine)
{
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

// --- asyncio_run ------------------------------------------------------------

// Cancels each task that is not done, but those it cancelled before.
static void cancel_since(struct asyncio_loop *loop, uint64_t *seen)
{
    list_for_each (link, &loop->tasks) {
        struct asyncio_task *task =
            list_entry(link, struct asyncio_task, sibling);
        if (task->number > *seen)
            (asyncio_task_cancel)(task, &(struct asyncio_cancel_options){
                                            .reason = "the run is over"});
    }
    *seen = loop->newest_task;
}

// Cancels what main left running, and joins it; what that starts, too.
static void wind_up(struct asyncio_loop *loop)
{
    uint64_t seen = 0;
    while (!list_empty(&loop->tasks)) {
        cancel_since(loop, &seen);
        struct asyncio_task *task =
            list_entry(list_first(&loop->tasks), struct asyncio_task, sibling);
        asyncio_task_retain(task);
        int err = run_until_done(loop, &task->future);
        asyncio_task_release(task);
        if (err < 0 && err != -EINTR) return; // the loop cannot run any more
    }
}

static int run_main(struct asyncio_loop *loop, int (*fn)(void *arg), void *arg,
                    const struct asyncio_run_options *options)
{
    struct asyncio_task *task =
        (asyncio_create_task)(fn, arg,
                              &(struct asyncio_task_options){
                                  .site = options ? options->site : NULL,
                                  .loop = loop});
    int result = asyncio_loop_run_until_task(loop, task);
    wind_up(loop);
    asyncio_task_release(task);
    return result;
}

static int run_in_new_loop(int (*fn)(void *arg), void *arg,
                           const struct asyncio_run_options *options)
{
    struct asyncio_loop *outside = asyncio__thread_loop, *loop;
    int result =
        asyncio_new_event_loop(&loop, .debug = options ? options->debug : 0,
                               .backend = options ? options->backend : NULL);
    if (result < 0) return result;

    result = run_main(loop, fn, arg, options);
    asyncio_loop_free(loop);
    asyncio__thread_loop = outside;
    return result;
}

int(asyncio_run)(int (*fn)(void *arg), void *arg,
                 const struct asyncio_run_options *options)
{
    bool processes = options && options->processes;
    if (asyncio__running_loop) return -EBUSY;

    int err = processes ? asyncio__launcher_hold() : 0;
    if (err < 0) return err;
    int result = run_in_new_loop(fn, arg, options);
    if (processes) asyncio__launcher_drop();
    return result;
}

int(asyncio_main)(int (*fn)(void *arg), void *arg,
                  const struct asyncio_run_options *options)
{
    int result = (asyncio_run)(fn, arg, options);
    if (result < 0) fprintf(stderr, "error: %s\n", asyncio_strerror(result));
    asyncio__failures_drop_thread();
    return result < 0;
}
