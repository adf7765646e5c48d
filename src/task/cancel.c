// Cancelling: a request, and how it finds the wait that it ends.
//
// The request is counted in the task. If the task waits for another one, it is
// passed on along the line of those that wait for each other, to the one that
// waits for something else: step by step, so that no line is too long for the
// canceller's stack. Where the line ends at a gather, each of its members is
// cancelled from within; what is nested too deep for that is put off, and
// cancelled by the outermost call before it returns.

#include "task/task.h"

#include <string.h>

#include "task/future.h"
#include "task/park.h"
#include "task/run.h"

// Gathers within gathers that one call cancels by recursion: a level costs
// about 700 bytes of the canceller's stack.
#define DEPTH_MAX 8

static void request(struct asyncio_task *task, struct asyncio__failure *words)
{
    task->future.cancelling_++;
    task->cancel_round = task->future.loop_->cancel_round;
    task->in_cancel = true;
    asyncio__failure_unref(task->cancel_words);
    task->cancel_words = asyncio__failure_ref(words);
}

// Ends the wait that the task is in, or leaves the request for its next one.
static void end_wait(struct asyncio_task *task,
                     const struct asyncio_cancel_options *options)
{
    if (asyncio__parked(task) && asyncio__cancel_wait(task, options))
        task->must_cancel |= task->wait.kind->keeps_result;
    else
        task->must_cancel = true;
}

static struct asyncio_task *next_in_line(const struct asyncio_task *task)
{
    return asyncio__parked(task) ? asyncio__awaited_task(task) : NULL;
}

// Hands the request down the line of tasks that await one another. Such a line
// may be longer than a stack is deep, so nothing recurses here. It may also
// bite its own tail: there a wait that would never end does end.
static void cancel_line(struct asyncio_task *task,
                        const struct asyncio_cancel_options *options,
                        struct asyncio__failure *words)
{
    struct asyncio_task *last = task, *next;
    request(last, words);
    while ((next = next_in_line(last)) && !next->in_cancel) {
        request(next, words);
        last = next;
    }
    if (next)
        asyncio__wake(last, -ECANCELED);
    else
        end_wait(last, options);
    for (; task != last; task = asyncio__awaited_task(task))
        task->in_cancel = false;
    last->in_cancel = false;
}

static bool says(const struct asyncio__failure *words,
                 const struct asyncio_cancel_options *options)
{
    const struct asyncio_error *error = &words->error;
    const struct asyncio_task *by = asyncio__task();
    return error->site == options->site &&
           strcmp(error->text, options->reason ? options->reason : "") == 0 &&
           strcmp(error->task, by ? asyncio_task_name(by) : "") == 0;
}

// Who cancels one task at some place often cancels many: they share the words.
static struct asyncio__failure *
words_of(struct asyncio_loop *loop,
         const struct asyncio_cancel_options *options)
{
    if (!options || !options->site) return asyncio__failure_of_cancel(options);
    if (!loop->cancel_words || !says(loop->cancel_words, options)) {
        asyncio__failure_unref(loop->cancel_words);
        loop->cancel_words = asyncio__failure_of_cancel(options);
    }
    return asyncio__failure_ref(loop->cancel_words);
}

static void cancel_now(struct asyncio_task *task,
                       const struct asyncio_cancel_options *options)
{
    struct asyncio_loop *loop = task->future.loop_;
    struct asyncio__failure *words = words_of(loop, options);
    loop->cancel_depth++;
    cancel_line(task, options, words);
    loop->cancel_depth--;
    asyncio__failure_unref(words);
}

// Leaves a task to the outermost call. False if that has reached it already:
// a circle, which would never end.
static bool put_off(struct asyncio_loop *loop, struct asyncio_task *task)
{
    if (task->cancel_round == loop->cancel_round) return false;
    task->cancel_round = loop->cancel_round;
    task->put_off = true;
    loop->cancels_put_off++;
    return true;
}

// Cancels those that were put off, and maybe puts others off. Nobody runs
// meanwhile, so none of the loop's tasks ends. A walk over all of them, but
// nests so deep are rare.
static void cancel_put_off(struct asyncio_loop *loop,
                           const struct asyncio_cancel_options *options)
{
    struct asyncio__task_walk walk = {.loop = loop};
    struct asyncio_task *task;
    while ((task = asyncio__task_walk(&walk))) {
        if (!task->put_off) continue;
        task->put_off = false;
        loop->cancels_put_off--;
        cancel_now(task, options);
    }
}

bool(asyncio_task_cancel)(struct asyncio_task *task,
                          const struct asyncio_cancel_options *options)
{
    if (!task) return false;
    if (asyncio__future_elsewhere(&task->future, __func__)) return false;
    if (task->state == ASYNCIO__TASK_DONE || task->in_cancel) return false;
    struct asyncio_loop *loop = task->future.loop_;
    if (loop->cancel_depth == DEPTH_MAX) return put_off(loop, task);

    bool outermost = loop->cancel_depth == 0;
    if (outermost) loop->cancel_round++;
    cancel_now(task, options);
    while (outermost && loop->cancels_put_off > 0)
        cancel_put_off(loop, options);
    return true;
}

static void forget_request(struct asyncio_task *task)
{
    task->must_cancel = false;
    asyncio__forget_cancel_words(task);
}

int asyncio_task_uncancel(struct asyncio_task *task)
{
    if (!task) return -EINVAL;
    if (asyncio__future_elsewhere(&task->future, __func__)) return -EPERM;
    if (task->future.cancelling_ > 0 && --task->future.cancelling_ == 0 &&
        task->must_cancel)
        forget_request(task);
    return task->future.cancelling_;
}

int asyncio_task_cancelling(const struct asyncio_task *task)
{
    if (!task) return -EINVAL;
    return task->future.cancelling_;
}

bool asyncio__withdraw_cancel(struct asyncio_task *task, int entry,
                              bool pending)
{
    int left = asyncio_task_uncancel(task);
    if (left <= entry && !pending) forget_request(task);
    return left <= entry;
}
