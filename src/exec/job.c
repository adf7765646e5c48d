// A task that waits for a job, and what a cancel means to both.
//
// A cancel takes back a job that has not begun. One that runs is asked to end,
// where that is possible (a process is killed), and waited for: the memory that
// it works on is the caller's. Only .abandon leaves it behind.

#include "exec/job.h"

#include <string.h>

#include "exec/job_trace.h"
#include "exec/shared.h"
#include "platform/sys.h"
#include "task/park.h"

int asyncio__job_make(struct asyncio__job **made,
                      struct asyncio_executor *executor, int (*fn)(void *arg),
                      void *arg, const struct asyncio_job_options *options)
{
    size_t copy = arg ? options->copy : 0, bytes;
    int64_t timeout_ns;
    double when;
    int err = asyncio__deadline_in(0, options->timeout, &when, &timeout_ns);
    if (err < 0 || options->timeout < 0) return -EINVAL;
    if (__builtin_add_overflow(sizeof(struct asyncio__job), copy, &bytes))
        return -ENOMEM;
    struct asyncio__job *job = asyncio__alloc(bytes);
    if (!job) return -ENOMEM;

    atomic_init(&job->references, 1);
    atomic_init(&job->awaits, NULL);
    job->executor = executor;
    job->fn = fn;
    job->arg = arg;
    job->size = options->size ? options->size : options->copy;
    job->priority = options->priority;
    job->timeout = options->timeout;
    job->timeout_ns = timeout_ns;
    job->site = options->site;
    job->loop = asyncio__running_loop;
    asyncio_copy_context(&job->context);
    if (copy > 0) job->arg = memcpy(job->copy, arg, copy);
    if (options->shared) job->block = asyncio__block_hold(options->shared);
    if (options->shared && !job->block) {
        asyncio__job_unref(job);
        return asyncio_raise(-EINVAL,
                             "the .shared memory of this call was freed "
                             "or sealed");
    }
    *made = job;
    return 0;
}

void asyncio__job_unref(struct asyncio__job *job)
{
    if (atomic_fetch_sub(&job->references, 1) > 1) return;
    asyncio__failure_unref(job->failure);
    asyncio_context_close(&job->context);
    asyncio__block_drop(job->block);
    asyncio__free(job);
}

struct asyncio__cancel_hook asyncio__job_asked;

void asyncio__job_interrupt(struct asyncio__job *job)
{
    const struct asyncio__executor_ops *ops = job->executor->ops;
    atomic_store(&job->cancelled, true);
    struct asyncio__cancel_hook *hook =
        atomic_exchange(&job->awaits, &asyncio__job_asked);
    if (hook && hook != &asyncio__job_asked) hook->cancelled(hook);
    if (ops->interrupt) ops->interrupt(job->executor, job);
}

// --- a task waits -----------------------------------------------------------

static bool drops_result(const struct asyncio__job *job)
{
    return atomic_load(&job->cancelled) && !job->wanted;
}

// What the call holds is let go of by the task when it runs; or, if the loop
// closes before it does, here.
static void never_runs(struct asyncio__guest *guest)
{
    struct asyncio__job *job = list_entry(guest, struct asyncio__job, woken);
    struct asyncio_executor *executor = job->executor;
    asyncio__job_unref(job);
    asyncio__executor_drop(executor);
}

static void wake_caller(struct asyncio__job *job, int result)
{
    struct asyncio_task *task = job->owner;
    struct asyncio__home *home;
    job->owner = NULL;
    asyncio__wake(task, result);
    if (asyncio__home_of(job->loop, &home) < 0) return; // it had one at start
    job->woken = (struct asyncio__guest){.leave = never_runs};
    asyncio__home_enter(home, &job->woken);
}

static void call_landed(struct asyncio__job *job)
{
    if (!job->owner) return;
    asyncio__job_points_at(job, job->owner);
    wake_caller(job, drops_result(job) ? -ECANCELED : job->result);
}

static void leave(struct asyncio__job *job)
{
    wake_caller(job, -ECANCELED);
}

// The task is woken for good: it will not run, and nobody will cancel its wait.
static void call_lost(struct asyncio__job *job)
{
    struct asyncio_executor *executor = job->executor;
    struct asyncio_task *task = job->owner;
    if (!task) return; // it was abandoned
    job->owner = NULL;
    asyncio__wake(task, -ECANCELED);
    asyncio__job_unref(job);
    asyncio__executor_drop(executor);
}

static bool cancel_call(struct asyncio_task *task,
                        const struct asyncio_cancel_options *cancel)
{
    struct asyncio__job *job = task->wait.object;
    const struct asyncio__executor_ops *ops = job->executor->ops;
    (void)cancel;

    if (ops->retract(job->executor, job)) {
        leave(job);
        return true;
    }
    job->wanted = false;
    asyncio__job_interrupt(job);
    return true;
}

// A scope takes the result of what it cannot end; its task's next await ends.
static bool cancel_call_by_scope(struct asyncio_task *task,
                                 const struct asyncio_cancel_options *cancel)
{
    struct asyncio__job *job = task->wait.object;
    bool dropped = drops_result(job);

    bool taken = cancel_call(task, cancel);
    job->wanted = !dropped && !job->executor->ops->interrupt;
    return taken;
}

static bool cancel_by_abandoning(struct asyncio_task *task,
                                 const struct asyncio_cancel_options *cancel)
{
    struct asyncio__job *job = task->wait.object;
    const struct asyncio__executor_ops *ops = job->executor->ops;
    (void)cancel;

    atomic_store(&job->cancelled, true);
    leave(job);
    if (!ops->retract(job->executor, job)) ops->abandon(job->executor, job);
    return true;
}

static const struct asyncio__wait_kind waiting = {
    .name = "executor",
    .cancel = cancel_call,
    .cancel_by_scope = cancel_call_by_scope,
};
static const struct asyncio__wait_kind waiting_to_abandon = {
    .name = "executor",
    .cancel = cancel_by_abandoning,
};

static int wait_for_job(struct asyncio__job *job, bool abandon)
{
    job->owner = asyncio__task();
    int result =
        asyncio__park(abandon ? &waiting_to_abandon : &waiting, job, NULL);
    asyncio__home_exit(&job->woken);
    // A cancelled job may still be at work on its outcome.
    if (!drops_result(job) && result < 0 && result == job->result)
        asyncio__failure_see_code(result, job->failure);
    return result;
}

int asyncio__job_call(struct asyncio_executor *executor, int (*fn)(void *arg),
                      void *arg, const struct asyncio_job_options *options)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    if (!fn) return -EINVAL;
    int err = asyncio__begin_await(task);
    if (err < 0) return err;

    struct asyncio__job *job;
    err = asyncio__job_make(&job, executor, fn, arg, options);
    if (err < 0) return err;
    job->landed = call_landed;
    job->lost = call_lost;

    int result = executor->ops->start(executor, job);
    if (result == 0) result = wait_for_job(job, options->abandon);
    asyncio__job_unref(job);
    return result;
}
