// How tasks begin, go on, and end: what park.c and task.c share.
#pragma once

#include <assert.h>

#include "task/task.h"

// Ends a task that runs, or never ran: with its result, and everybody is told.
// The block may be gone when this returns.
void asyncio__task_end(struct asyncio_task *task, int result);

// A compact task ends, or will never run again: frees what is left of the time
// limits that it has entered and not left.
void asyncio__limits_drop(struct asyncio_task *task);

// Ends a task that was cancelled, or given an outcome, before it ever ran.
void asyncio__task_end_unbegun(struct asyncio_task *task);

// For a task that never ran: true if it may begin; false if it was cancelled
// before, and has ended by that.
static inline bool asyncio__task_begins(struct asyncio_task *task)
{
    if (!task->must_cancel && !task->future.state_) return true;
    asyncio__task_end_unbegun(task);
    return false;
}

// Lets a new task begin: queues it, or, if it is eager, runs its first step and
// returns when it waits or has ended. A child that ended so has not told its
// group, and its spawner has to: asyncio__group_child_done. The task may be
// gone afterwards, unless it was retained. Does nothing for a failed spawn.
void asyncio__task_launch(struct asyncio_task *task);

// Queues a new task. That its step is linked says that it was launched.
static inline void asyncio__task_first_ready(struct asyncio_loop *loop,
                                             struct asyncio_task *task)
{
    task->step.link.next = &loop->queue;
    asyncio__loop_add_task(loop, &task->step);
}

// The same for a task that was just made, and launched by nobody.
static inline void asyncio__task_launch_new(struct asyncio_task *task)
{
    if (asyncio__task_failed_spawn(task) || task->eager)
        asyncio__task_launch(task);
    else
        asyncio__task_first_ready(task->future.loop_, task);
}

// Ends the eager first step that runs: `task`, the running one, is parked or
// ready, and its spawner goes on. Returns when `task` has its turn again.
void asyncio__return_to_spawner(struct asyncio_loop *loop,
                                struct asyncio_task *task);

// Gives back a reference to a task that is no failed spawn; the last one frees
// it.
void asyncio__task_free(struct asyncio_task *task);
static inline void asyncio__task_let_go(struct asyncio_task *task)
{
    assert(task->future.references_ > 0);
    if (--task->future.references_ == 0) asyncio__task_free(task);
}

// Of many tasks, those that come next have not run for long: their stacks have
// left the cache, and the processor's notes of where they are in memory, too.
// To ask for one while the task before it runs takes most of that time away.
#define CROWD         1000
#define FETCHED_LINES 4 // of the cache; with more at a time, it drops them

static inline void asyncio__fetch_after(const struct asyncio_loop *loop,
                                        const struct asyncio_task *next)
{
    if (ASYNCIO__LIKELY(loop->blocks < CROWD)) return;
    // Behind a task of this pass comes another step, or else the mark.
    struct asyncio_link *after = next->step.link.next;
    const struct asyncio_task *task = asyncio__task_of(after);
    if (task->step.run != asyncio__task_step ||
        task->state != ASYNCIO__TASK_READY)
        return;
    const char *frames = task->context.sp;
    for (int i = 0; i < FETCHED_LINES; i++)
        __builtin_prefetch(frames + 64 * (ptrdiff_t)i, 1);
}

// Whose step comes next in this pass; NULL: the loop has to go on.
ASYNCIO__INLINE struct asyncio_task *
asyncio__next_task(struct asyncio_loop *loop)
{
    struct asyncio__step *step = asyncio__loop_first(loop);
    if (step == &loop->mark) {
        step = asyncio__loop_quick_pass(loop);
        if (!step) return NULL;
    }
    return asyncio__is_task_step(step) ? asyncio__task_of(&step->link) : NULL;
}

// The same, taken out of the queue; of new ones the first that may begin. It
// has no stack yet.
static inline struct asyncio_task *
asyncio__take_next_task(struct asyncio_loop *loop)
{
    struct asyncio_task *next;
    while ((next = asyncio__next_task(loop))) {
        asyncio__loop_leave_queue(loop, &next->step);
        if (next->state != ASYNCIO__TASK_NEW || asyncio__task_begins(next))
            break;
    }
    return next;
}

// Where to go on with a task that was taken out of the queue: it runs now. The
// loop's context if it was new, and ended for want of a stack.
struct asyncio__context *asyncio__context_of_next(struct asyncio_loop *loop,
                                                  struct asyncio_task *next);

// Lets others run; returns when somebody has made `task`, the running one,
// ready and its turn has come.
void asyncio__switch_away(struct asyncio_loop *loop, struct asyncio_task *task);

// Passes a cancel on to what a parked task waits for.
bool asyncio__cancel_wait(struct asyncio_task *task,
                          const struct asyncio_cancel_options *options);

// Takes back the request that a scope made itself. `entry` is the task's count
// when the scope was entered, `pending` whether a request was undelivered then.
// Returns true if no other request has come since.
bool asyncio__withdraw_cancel(struct asyncio_task *task, int entry,
                              bool pending);

// The function below all frames of a task's own: where a walk up its stack
// ends.
const void *asyncio__task_entry(void);

// Called by a task's end, if it is of a group: in the pass after.
void asyncio__group_child_done(struct asyncio__step *step);
