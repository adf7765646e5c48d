// The runner: a loop from its making to its closing.
//
//     READY --first need--> OPEN --close--> CLOSED
//       '----------------close----------------^
//
//     run:    make the main task -> run until it is done
//     close:  cancel what is left -> join it -> close the loop -> free it

#include <asyncio/runner.h>

#include "exec/launcher.h"
#include "run/interrupt.h"
#include "run/run.h"
#include "task/future.h"

enum runner_state {
    RUNNER_READY, // it has options, and no loop
    RUNNER_OPEN,
    RUNNER_CLOSED,
};

void(asyncio_runner_init)(struct asyncio_runner *runner,
                          const struct asyncio_run_options *options)
{
    if (!runner) return;
    *runner = (struct asyncio_runner){.state_ = RUNNER_READY};
    if (options) runner->options_ = *options;
}

void asyncio__runner_cleanup(struct asyncio_runner *runner)
{
    asyncio_runner_close(runner);
}

// --- its loop ---------------------------------------------------------------

static int open_loop(struct asyncio_runner *runner)
{
    const struct asyncio_run_options *options = &runner->options_;
    // Written so that what is not a number is refused too.
    if (!(options->watchdog >= 0 && options->watchdog < 1e9)) return -EINVAL;
    // The launcher is forked before there is a ring or a thread.
    int err = options->processes ? asyncio__launcher_hold() : 0;
    if (err < 0) return err;
    runner->outside_ = asyncio__thread_loop;
    err = (asyncio_new_event_loop)(&runner->loop_,
                                   &(struct asyncio_loop_options){
                                       .site = options->site,
                                       .debug = options->debug,
                                       .eager = options->eager,
                                       .backend = options->backend});
    if (err < 0 && options->processes) asyncio__launcher_drop();
    if (err < 0) return err;
    runner->loop_->watchdog_ns = (int64_t)(options->watchdog * 1e9);
    asyncio_copy_context(&runner->context_);
    runner->state_ = RUNNER_OPEN;
    return 0;
}

int asyncio_runner_get_loop(struct asyncio_runner *runner,
                            struct asyncio_loop **loop)
{
    if (!runner) return -EINVAL;
    if (runner->state_ == RUNNER_CLOSED) return -ESHUTDOWN;
    int err = runner->state_ == RUNNER_READY ? open_loop(runner) : 0;
    if (err == 0) *loop = runner->loop_;
    return err;
}

// --- a run ------------------------------------------------------------------

// Ctrl-C ended the task, and nobody else asked for its end.
static bool was_interrupted(struct asyncio_task *task)
{
    return asyncio_task_cancelled(task) && asyncio_task_uncancel(task) == 0;
}

static int run_task(struct asyncio_runner *runner, struct asyncio_task *task,
                    bool armed)
{
    if (armed) asyncio__interrupt_main(task);
    int result = asyncio_loop_run_until_task(runner->loop_, task);
    bool asked = armed && asyncio__interrupt_end();
    runner->interrupted_ = asked && was_interrupted(task);
    return runner->interrupted_ ? -EINTR : result;
}

static int report_never_awaited(const struct asyncio_task_options *options)
{
    struct asyncio_task *task = asyncio__task();
    asyncio__report(asyncio__running_loop, -EBUSY,
                    task ? asyncio_task_name(task) : NULL,
                    options ? options->site : NULL,
                    "a coroutine was never awaited: a loop runs already, so no "
                    "runner can; await it instead");
    return -EBUSY;
}

static int run_coroutine(struct asyncio_runner *runner,
                         struct asyncio_coroutine *coroutine,
                         const struct asyncio_task_options *options)
{
    struct asyncio_loop *loop;
    runner->interrupted_ = false;
    if (runner->state_ == RUNNER_CLOSED) return -ESHUTDOWN;
    if (!coroutine || !coroutine->fn) return -EINVAL;
    if (asyncio__running_loop) return report_never_awaited(options);
    int err = asyncio_runner_get_loop(runner, &loop);
    if (err < 0) return err;
    int armed = asyncio__interrupt_begin(loop);
    if (armed < 0) return armed;

    struct asyncio_task_options with = {.site = ""};
    if (options) with = *options;
    with.loop = loop;
    if (!with.context) with.context = &runner->context_;
    struct asyncio_task *task =
        (asyncio_coroutine_create_task)(coroutine, &with);
    int result = run_task(runner, task, armed);
    asyncio_task_release(task);
    return result;
}

int(asyncio_runner_run)(struct asyncio_runner *runner, int (*fn)(void *arg),
                        void *arg, const struct asyncio_task_options *options)
{
    if (!runner) return -EINVAL;
    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(fn, arg);
    return run_coroutine(runner, &coroutine, options);
}

int(asyncio_runner_run_any)(struct asyncio_runner *runner,
                            struct asyncio_any any,
                            const struct asyncio_task_options *options)
{
    if (!runner) return -EINVAL;
    bool right = any.kind == ASYNCIO_COROUTINES;
    return run_coroutine(runner, right ? any.object : NULL, options);
}

// --- the end ----------------------------------------------------------------

// Cancels each task that is not done, but those it cancelled before.
static void cancel_since(struct asyncio_loop *loop, uint64_t *seen)
{
    struct asyncio__task_walk walk = {.loop = loop};
    struct asyncio_task *task;
    while ((task = asyncio__task_walk(&walk)))
        if (task->number > *seen)
            (asyncio_task_cancel)(task, &(struct asyncio_cancel_options){
                                            .reason = "the run is over"});
    *seen = loop->newest_task;
}

// Cancels what the runs left behind, and joins it; what that starts, too.
static void wind_up(struct asyncio_loop *loop)
{
    uint64_t seen = 0;
    while (loop->tasks > 0) {
        cancel_since(loop, &seen);
        struct asyncio__task_walk walk = {.loop = loop};
        struct asyncio_task *task = asyncio__task_walk(&walk);
        asyncio_task_retain(task);
        int err = asyncio__run_until_done(loop, &task->future);
        asyncio_task_release(task);
        if (err < 0 && err != -EINTR) return; // the loop cannot run any more
    }
}

// The loop that was this thread's before, if it is still there.
static void step_back(struct asyncio_runner *runner)
{
    struct asyncio_loop *loop = runner->loop_, *outside = runner->outside_;
    bool current = asyncio__thread_loop == loop;
    asyncio_loop_free(loop);
    if (current && asyncio__loop_is_open(outside))
        asyncio__thread_loop = outside;
}

int asyncio_runner_close(struct asyncio_runner *runner)
{
    if (asyncio__running_loop) return -EBUSY;
    if (!runner) return 0;
    bool open = runner->state_ == RUNNER_OPEN;
    runner->state_ = RUNNER_CLOSED;
    if (!open) return 0;

    wind_up(runner->loop_);
    step_back(runner);
    runner->loop_ = NULL;
    asyncio_context_close(&runner->context_);
    asyncio__interrupt_forget();
    if (runner->options_.processes) asyncio__launcher_drop();
    return 0;
}
