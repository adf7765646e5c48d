// What stands behind a future: states, kinds, and how one completes.
#pragma once

#include <assert.h>

#include "loop/debug.h"
#include "task/task.h"

enum asyncio__future_state {
    ASYNCIO__FUTURE_PENDING,
    ASYNCIO__FUTURE_DONE, // result_ holds; -ECANCELED is "cancelled"
};

// What makes the future of a task or a gather different from a plain one.
struct asyncio__future_kind {
    const char *name;
    // Asks for an early end. True if it was taken up: the outcome comes later.
    bool (*cancel)(struct asyncio_future *future,
                   const struct asyncio_cancel_options *options);
    // The futures that this one waits for itself; NULL: none.
    void (*each_awaited)(struct asyncio_future *future,
                         void (*visit)(struct asyncio_future *awaited,
                                       void *arg),
                         void *arg);
};

extern const struct asyncio__future_kind asyncio__task_kind;

enum asyncio__coroutine_state {
    ASYNCIO__COROUTINE_UNUSED,
    ASYNCIO__COROUTINE_RUNNING,
    ASYNCIO__COROUTINE_USED,
};

// In debug mode, reports an object that has not run because `call` refused it
// with `code`. Others, and NULL, are none of its concern.
void asyncio__coroutine_refused(const struct asyncio_coroutine *coroutine,
                                const char *call, int code);

// Queues everybody who waits for a future that is done.
void asyncio__future_tell(struct asyncio_future *future);

// Sets the outcome and queues everybody who waits. Takes over the reference to
// `words`, which may be NULL. The future has to be pending.
static inline void asyncio__future_complete(struct asyncio_future *future,
                                            int result,
                                            struct asyncio__failure *words)
{
    assert(future->state_ == ASYNCIO__FUTURE_PENDING);

    future->result_ = result;
    future->failure_ = words;
    future->state_ = ASYNCIO__FUTURE_DONE;
    if (!list_empty(&future->waiters_)) asyncio__future_tell(future);
}

// Ties a future that belongs to no loop yet to the one of this thread. 0,
// -EPERM without a loop, -EXDEV if it belongs to another.
int asyncio__future_bind(struct asyncio_future *future);

// As asyncio_shield_future on one that is pending, but a cancelled scope does
// not end the wait.
int asyncio__join_future(struct asyncio_future *future);

// Frees the callbacks that a loop which closes has queued and will not run.
void asyncio__future_callbacks_drop(struct asyncio_loop *loop);

// The task behind a future, or NULL.
static inline struct asyncio_task *
asyncio__future_task(struct asyncio_future *future)
{
    if (future->kind_ != &asyncio__task_kind) return NULL;
    return list_entry(future, struct asyncio_task, future);
}

// asyncio_future_done, in place.
static inline bool asyncio__future_is_done(const struct asyncio_future *future)
{
    return future->state_ == ASYNCIO__FUTURE_DONE;
}

// The task whose end this one awaits, unshielded, or NULL. Good until it runs.
struct asyncio_task *asyncio__awaited_task(const struct asyncio_task *task);

// True if it awaits one, unshielded: a cancel is passed on to that.
bool asyncio__awaits_future(const struct asyncio_task *task);

// Cancels it because somebody who waits for it was cancelled. A plain future
// gets no words by that: its owner, who would have to let go of them, does not
// know of it.
bool asyncio__future_cancel_awaited(
    struct asyncio_future *future,
    const struct asyncio_cancel_options *options);

// In debug mode: whether its loop runs on another thread; then it was reported.
static inline bool
asyncio__future_elsewhere(const struct asyncio_future *future, const char *call)
{
    return asyncio__wrong_thread(future->loop_, call);
}

// Says that somebody has taken care of how the future ends. That of a failed
// spawn says so from the start: it is other threads' as well.
static inline void asyncio__future_look(struct asyncio_future *future)
{
    if (!(future->flags_ & ASYNCIO__FUTURE_LOOKED_AT))
        future->flags_ |= ASYNCIO__FUTURE_LOOKED_AT;
}

// A done future's outcome, which now has been looked at; its words become the
// running task's.
static inline int asyncio__future_outcome(struct asyncio_future *future)
{
    asyncio__future_look(future);
    if (future->result_ < 0)
        asyncio__failure_see_code(future->result_, future->failure_);
    return future->result_;
}

// Makes a task that waits for asyncio__task_launch; never NULL. Two references,
// of which one is the loop's.
struct asyncio_task *asyncio__task_new(int (*fn)(void *arg), void *arg,
                                       const struct asyncio_task_options *o);
// The same for a coroutine object, which is used up by it.
struct asyncio_task *
asyncio__coroutine_task_new(struct asyncio_coroutine *coroutine,
                            const struct asyncio_task_options *options);

// The task that stands for a spawn that failed with this code.
struct asyncio_task *asyncio__failed_task(int code);
