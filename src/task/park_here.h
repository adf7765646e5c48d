// The wait itself, for the few places that are worth a copy of it.
//
// A task that returns from a wait returns to where its own call came from, and
// the processor expects it where the task that ran before has come from. Each
// return that is saved by expanding the wait, and the switch, in the function
// that users call saves it a wrong guess. Elsewhere asyncio__park does. (A jump
// would be guessed better than the last return, but makes others worse that
// come later: docs/performance.md.)
#pragma once

#include <assert.h>

#include "task/park.h"
#include "task/run.h"

// The context that goes on where the step of `next` is not that of a task which
// has waited, or there is none: a new one's, or the loop's.
struct asyncio__context *asyncio__begin_or_turn(struct asyncio_loop *loop,
                                                struct asyncio_task *task,
                                                struct asyncio_task *next);

// asyncio__context_switch of a task. Where the thread has what is kept is
// looked up in the loop that either has at hand: in the thread's own, the
// compiler would hold on to the place in a register meanwhile. Returns the
// task.
ASYNCIO__INLINE struct asyncio_task *
asyncio__switch_context(struct asyncio_loop *loop, struct asyncio_task *task,
                        struct asyncio__context *to)
{
    int error_number = *loop->home.error_number;
    // Two copies of it, so that without C++ nothing is asked on arrival.
    if (loop->home.exceptions) {
        struct asyncio__exceptions exceptions = *loop->home.exceptions;
        to = asyncio__context_switch_kept(&task->context, to);
        task = list_entry(to, struct asyncio_task, context);
        *task->future.loop_->home.exceptions = exceptions;
    } else {
        to = asyncio__context_switch_kept(&task->context, to);
        task = list_entry(to, struct asyncio_task, context);
    }
    int *here = task->future.loop_->home.error_number;
    // Mostly nothing has changed it, and not to write is cheaper.
    if (*here != error_number) *here = error_number;
    return task;
}

// Lets others run, as asyncio__switch_away. Every wait goes through here, and
// mostly to a task that has waited, too: that is a straight line of few steps.
// Not for a detour. Returns the task, which then needs no register meanwhile.
ASYNCIO__INLINE struct asyncio_task *
asyncio__switch_to_next(struct asyncio_loop *loop, struct asyncio_task *task)
{
    struct asyncio_task *next = asyncio__next_task(loop);
    struct asyncio__context *to;
    if (loop->unblocked) loop->unblocked = 0;
    if (ASYNCIO__LIKELY(next && next->state == ASYNCIO__TASK_READY)) {
        asyncio__fetch_after(loop, next);
        asyncio__loop_leave_queue(loop, &next->step);
        loop->task = next;
        to = &next->context;
    } else {
        to = asyncio__begin_or_turn(loop, task, next);
    }
    if (!ASYNCIO__CONTEXT_MAY_STAY && to == &task->context) return task;
    task = asyncio__switch_context(loop, task, to);
    assert(task->future.loop_->task == task);
    return task;
}

// What a wait returns that a cancel had to do with.
int asyncio__outcome_with_cancel(struct asyncio_task *task);

// What a yield returns then.
ASYNCIO__COLD int asyncio__cancelled_in_yield(struct asyncio_task *task);

// What a wait returns, once the task runs again.
ASYNCIO__INLINE int asyncio__outcome_of_wait(struct asyncio_task *task)
{
    int result = task->wait_result;
    if (asyncio__cancel_pending(task) || result == -ECANCELED ||
        task->cancel_words)
        return asyncio__outcome_with_cancel(task);
    task->wait.kind = NULL;
    return result;
}

// The rest of a wait where a test watches the loop, or in an eager first step.
ASYNCIO__COLD int asyncio__wait_by_detour(struct asyncio_loop *loop,
                                          struct asyncio_task *task);

// A wait where a cancel is pending, or the task is compact: it may be that the
// wait does not begin.
ASYNCIO__COLD int asyncio__park_otherwise(struct asyncio_loop *loop,
                                          struct asyncio_task *task,
                                          const struct asyncio__wait_kind *kind,
                                          void *object,
                                          struct asyncio_link *list);

// Notes what a task waits for from now on.
ASYNCIO__INLINE void asyncio__begin_wait(struct asyncio_task *task,
                                         const struct asyncio__wait_kind *kind,
                                         void *object,
                                         struct asyncio_link *list)
{
    task->wait.kind = kind;
    task->wait.object = object;
    task->woken = false;
    task->state |= ASYNCIO__TASK_WAITS;
    if (list)
        list_add_tail(list, &task->step.link);
    else
        task->step.link.next = NULL; // in no list
}

// asyncio__park, in place, of the task that runs in `loop`.
ASYNCIO__INLINE int asyncio__park_in(struct asyncio_loop *loop,
                                     const struct asyncio__wait_kind *kind,
                                     void *object, struct asyncio_link *list)
{
    struct asyncio_task *task = loop->task;
    if (task->not_plain)
        return asyncio__park_otherwise(loop, task, kind, object, list);
    asyncio__begin_wait(task, kind, object, list);
    if (loop->detour) return asyncio__wait_by_detour(loop, task);
    task = asyncio__switch_to_next(loop, task);
    return asyncio__outcome_of_wait(task);
}

// The same where it is not known that a task runs.
ASYNCIO__INLINE int asyncio__park_here(const struct asyncio__wait_kind *kind,
                                       void *object, struct asyncio_link *list)
{
    if (!asyncio__task()) return -EPERM;
    return asyncio__park_in(asyncio__running_loop, kind, object, list);
}
