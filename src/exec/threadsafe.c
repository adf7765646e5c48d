// Submissions: coroutines that other threads hand to a loop.
//
//     thread:  submission --post--> loop:  task --its end--> thread's future
//              cancel ------post--> loop:  task is cancelled
//
// A submission is one block. The loop holds it from the first post to the end
// of the task, and a cancel under way holds it too. The future's lock orders
// the two ends: either the task ends it first, and no cancel is posted, or the
// cancel comes first and what the task returns goes nowhere.
//
// A job that blocks for one takes it along when it is asked to end: its hook
// holds the submission, too, until the wait is over or the cancel was posted.
//
// When a loop closes, submissions end before anything else is undone: its
// executor waits for threads then, and one of these may wait for a submission.

#include <asyncio/threadsafe.h>

#include <stdatomic.h>
#include <string.h>

#include "exec/job.h"
#include "exec/thread_future.h"
#include "platform/sys.h"
#include "task/compact.h"
#include "task/future.h"
#include "task/variables.h"

struct submission {
    struct asyncio__post post, cancel_post;
    struct asyncio__step ended;        // among those who wait for the task
    struct asyncio__at_close at_close; // while it is on the loop
    struct asyncio__cancel_hook hook;
    struct asyncio__cancel_hook job_hook; // of the job that blocks for it
    atomic_uint references; // of the loop, a cancel under way, and a job
    struct asyncio_loop *loop;
    struct asyncio_context context; // of who submitted it, until it begins
    struct asyncio_thread_future *future;
    struct asyncio_task *task; // the loop's thread; NULL: not begun, or ended
    int (*fn)(void *arg);
    void *arg;
    const char *site;
    bool unseen; // nobody holds the future but us
    char name[]; // "" if none was given
};

static void unref(struct submission *submission)
{
    if (atomic_fetch_sub(&submission->references, 1) > 1) return;
    asyncio_thread_future_release(submission->future);
    asyncio_context_close(&submission->context);
    asyncio__free(submission);
}

// --- on the loop ------------------------------------------------------------

static void leave_loop(struct submission *submission)
{
    struct asyncio_task *task = submission->task;
    submission->task = NULL;
    if (list_linked(&submission->ended.link))
        list_remove(&submission->ended.link);
    if (list_linked(&submission->at_close.link))
        list_remove(&submission->at_close.link);
    asyncio_task_release(task);
    unref(submission);
}

// What the future does not carry on to somebody is looked at by nobody, and is
// reported when the task goes.
static void on_task_ended(struct asyncio__step *step)
{
    struct submission *submission = list_entry(step, struct submission, ended);
    struct asyncio_task *task = submission->task;
    int result = task->future.result_;
    asyncio__failure_see(task->future.failure_);
    if (asyncio__thread_future_end(submission->future, result) &&
        !submission->unseen)
        asyncio__future_look(&task->future);
    asyncio__failures_drop_thread();
    leave_loop(submission);
}

static void loop_closes(struct asyncio__at_close *hook)
{
    struct submission *submission =
        list_entry(hook, struct submission, at_close);
    asyncio__thread_future_end(submission->future, -ECANCELED);
    leave_loop(submission);
}

// The task begins with a copy of the variables that the submission brings.
static struct asyncio_task *make_task(struct submission *submission)
{
    struct asyncio__variables **before;
    int err = asyncio__variables_enter(&submission->context, &before);
    if (err < 0) return asyncio__failed_task(err);
    struct asyncio_task *task =
        (asyncio_create_task)(submission->fn, submission->arg,
                              &(struct asyncio_task_options){
                                  .site = submission->site,
                                  .name = *submission->name ? submission->name
                                                            : NULL,
                                  .loop = submission->loop});
    asyncio__variables_leave(&submission->context, before);
    return task;
}

static void begin(struct submission *submission)
{
    struct asyncio_task *task = make_task(submission);
    submission->task = task;
    if (asyncio_task_done(task)) {
        on_task_ended(&submission->ended);
        return;
    }
    list_add_tail(&task->future.waiters_, &submission->ended.link);
    submission->at_close.fn = loop_closes;
    list_add_head(&submission->loop->before_close, &submission->at_close.link);
}

static void on_post(struct asyncio__step *step)
{
    struct submission *submission =
        list_entry(step, struct submission, post.step);
    if (asyncio_thread_future_done(submission->future))
        unref(submission); // cancelled: it never begins
    else
        begin(submission);
}

static void on_cancel_post(struct asyncio__step *step)
{
    struct submission *submission =
        list_entry(step, struct submission, cancel_post.step);
    if (submission->task)
        (asyncio_task_cancel)(submission->task,
                              &(struct asyncio_cancel_options){
                                  .site = submission->site,
                                  .reason = "the thread that waits for it has "
                                            "cancelled it"});
    unref(submission);
}

static void drop_post(struct asyncio__post *post)
{
    struct submission *submission = list_entry(post, struct submission, post);
    asyncio__thread_future_end(submission->future, -ECANCELED);
    unref(submission);
}

static void drop_cancel_post(struct asyncio__post *post)
{
    unref(list_entry(post, struct submission, cancel_post));
}

// --- on any thread ----------------------------------------------------------

static void on_cancelled(struct asyncio__cancel_hook *hook)
{
    struct submission *submission = list_entry(hook, struct submission, hook);
    atomic_fetch_add(&submission->references, 1);
    if (!asyncio__loop_post_if_open(submission->loop, &submission->cancel_post))
        unref(submission); // not the last one: the future has not let go of us
}

// The reference of the job goes with the cancel.
static void on_job_asked(struct asyncio__cancel_hook *hook)
{
    struct submission *submission =
        list_entry(hook, struct submission, job_hook);
    if (!asyncio__loop_post_if_open(submission->loop, &submission->cancel_post))
        unref(submission);
}

static struct submission *
make_submission(struct asyncio_loop *loop, int (*fn)(void *arg), void *arg,
                const struct asyncio_threadsafe_options *options)
{
    const char *name = options && options->name ? options->name : "";
    size_t size = strlen(name) + 1;
    struct submission *submission = asyncio__alloc(sizeof *submission + size);
    if (!submission) return NULL;
    submission->post.step.run = on_post;
    submission->post.drop = drop_post;
    submission->cancel_post.step.run = on_cancel_post;
    submission->cancel_post.drop = drop_cancel_post;
    submission->ended.run = on_task_ended;
    submission->hook.cancelled = on_cancelled;
    submission->hook.loop = loop;
    submission->job_hook.cancelled = on_job_asked;
    atomic_init(&submission->references, 1);
    submission->loop = loop;
    asyncio_copy_context(&submission->context);
    submission->fn = fn;
    submission->arg = arg;
    submission->site = options ? options->site : "";
    memcpy(submission->name, name, size);
    return submission;
}

// Makes one with its future, which `unseen` says that nobody else will hold.
static int make_whole(struct asyncio_loop *loop, int (*fn)(void *arg),
                      void *arg,
                      const struct asyncio_threadsafe_options *options,
                      bool unseen, struct submission **made)
{
    if (!loop || !fn) return -EINVAL;
    int err = asyncio__compact_may_keep(arg);
    if (err < 0) return err;
    struct submission *submission = make_submission(loop, fn, arg, options);
    if (!submission) return -ENOMEM;
    err = asyncio_thread_future_create(&submission->future);
    if (err < 0) {
        unref(submission);
        return err;
    }
    asyncio__thread_future_on_cancel(submission->future, &submission->hook);
    submission->unseen = unseen;
    *made = submission;
    return 0;
}

// Hands the loop's reference over, or lets go of it.
static int post(struct submission *submission)
{
    if (asyncio__loop_post_if_open(submission->loop, &submission->post))
        return 0;
    unref(submission);
    return -ESHUTDOWN;
}

int(asyncio_run_coroutine_threadsafe)(
    struct asyncio_loop *loop, int (*fn)(void *arg), void *arg,
    struct asyncio_thread_future **handle,
    const struct asyncio_threadsafe_options *options)
{
    struct submission *submission;
    int err = make_whole(loop, fn, arg, options, !handle, &submission);
    if (err < 0) return err;
    struct asyncio_thread_future *future = submission->future;
    if (handle) asyncio_thread_future_retain(future);
    err = post(submission);
    if (err == 0 && handle) *handle = future;
    if (err < 0 && handle) asyncio_thread_future_release(future);
    return err;
}

// Blocks until it has ended, also where a job that blocks here is asked to end:
// then its task is, and what that has in the caller's frame is still needed.
// The submission may be gone once the job was asked.
static int wait_until_ended(struct submission *submission,
                            struct asyncio_thread_future *future)
{
    struct asyncio__cancel_hook *hook = &submission->job_hook;
    asyncio__job_begin_await(hook);
    int result = asyncio_thread_future_wait(future, ASYNCIO_FOREVER);
    if (asyncio__job_end_await(hook)) unref(submission);
    return result;
}

int(asyncio_from_thread_run)(struct asyncio_loop *loop, int (*fn)(void *arg),
                             void *arg,
                             const struct asyncio_threadsafe_options *options)
{
    struct submission *submission;
    if (asyncio__running_loop) return -EDEADLK;
    if (asyncio__job_was_asked()) return -ECANCELED; // it would begin first
    int err = make_whole(loop, fn, arg, options, false, &submission);
    if (err < 0) return err;
    struct asyncio_thread_future *future =
        asyncio_thread_future_retain(submission->future);
    atomic_fetch_add(&submission->references, 1); // of the wait for it
    int result = post(submission);
    if (result == 0)
        result = wait_until_ended(submission, future);
    else
        unref(submission);
    asyncio_thread_future_release(future);
    return result;
}
