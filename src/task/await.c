// Awaiting a future, a task or a coroutine object, with or without a shield.
//
// What a cancel of the waiter does is the only difference: it is passed on to
// what is awaited, or, behind a shield, ends the wait alone. What is awaited
// cannot vanish meanwhile: the waiter holds a task, and a future is its owner's
// to keep.

#include "task/future.h"

#include "task/park_here.h"

static bool cancel_awaited(struct asyncio_task *task,
                           const struct asyncio_cancel_options *options)
{
    struct asyncio_future *future = task->wait.object;
    if (asyncio__future_cancel_awaited(future, options)) return true;
    if (asyncio_future_done(future)) return false;
    // It is a task that is being cancelled up the chain: they wait for each
    // other in a circle, which ends here.
    asyncio__wake(task, -ECANCELED);
    return true;
}

static void visit_awaited(const struct asyncio_task *waiter,
                          asyncio__awaited_fn *visit, void *arg)
{
    visit(waiter->wait.object, arg);
}

static const struct asyncio__wait_kind awaiting = {
    .name = "a future",
    .cancel = cancel_awaited,
    .each_awaited = visit_awaited,
    .movable = true,
};

static const struct asyncio__wait_kind awaiting_task = {
    .name = "a task",
    .cancel = cancel_awaited,
    .each_awaited = visit_awaited,
    .movable = true,
};

// Its cancel is the usual one: only the waiter leaves.
static const struct asyncio__wait_kind shielding = {
    .name = "a shield",
    .each_awaited = visit_awaited,
    .movable = true,
};

// What is joined ends by itself, so a scope leaves the wait alone.
static bool wait_on(struct asyncio_task *task,
                    const struct asyncio_cancel_options *options)
{
    (void)task, (void)options;
    return false;
}

static const struct asyncio__wait_kind joining = {
    .name = "a future",
    .cancel_by_scope = wait_on,
    .movable = true,
};

bool asyncio__awaits_future(const struct asyncio_task *task)
{
    const struct asyncio__wait_kind *kind = task->wait.kind;
    return kind == &awaiting || kind == &awaiting_task;
}

struct asyncio_task *asyncio__awaited_task(const struct asyncio_task *task)
{
    if (!asyncio__awaits_future(task)) return NULL;
    return asyncio__future_task(task->wait.object);
}

// Nobody waits but tasks; and in debug mode a thread is told who may.
ASYNCIO__COLD static int refuse_outside(const struct asyncio_future *future)
{
    (void)asyncio__future_elsewhere(future, "asyncio_await");
    return -EPERM;
}

ASYNCIO__APART static int wait_for_end(struct asyncio_future *future,
                                       const struct asyncio__wait_kind *kind)
{
    struct asyncio_task *target = asyncio__future_task(future);
    if (target)
        target->future.references_++; // it has ended if it is a failed spawn
    int result = asyncio__park_here(kind, future, &future->waiters_);
    // A cancel that won says nothing of the outcome: there may be none yet.
    if (asyncio__future_is_done(future) && future->result_ == result)
        result = asyncio__future_outcome(future);
    if (target) asyncio__task_let_go(target);
    return result;
}

static inline int await(struct asyncio_future *future,
                        const struct asyncio__wait_kind *kind)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return refuse_outside(future);
    if (future->loop_ && future->loop_ != task->future.loop_) return -EXDEV;
    if (asyncio__future_is_done(future)) {
        int err = asyncio__checkpoint();
        return err < 0 ? err : asyncio__future_outcome(future);
    }
    future->loop_ = task->future.loop_;
    return future == &task->future ? -EDEADLK : wait_for_end(future, kind);
}

int asyncio_await_future(struct asyncio_future *future)
{
    if (!future) return -EINVAL;
    return await(future, &awaiting);
}

int asyncio_await_task(struct asyncio_task *task)
{
    if (!task) return -EINVAL;
    return await(&task->future, &awaiting_task);
}

int asyncio_await_coroutine(struct asyncio_coroutine *coroutine)
{
    if (!coroutine || !coroutine->fn) return -EINVAL;
    if (!asyncio__task()) return -EPERM;
    if (coroutine->state_ == ASYNCIO__COROUTINE_RUNNING) return -EBUSY;
    if (coroutine->state_ == ASYNCIO__COROUTINE_USED) return -EALREADY;

    coroutine->state_ = ASYNCIO__COROUTINE_RUNNING;
    int result = coroutine->fn(coroutine->arg);
    coroutine->state_ = ASYNCIO__COROUTINE_USED;
    return result;
}

int asyncio_shield_future(struct asyncio_future *future)
{
    if (!future) return -EINVAL;
    return await(future, &shielding);
}

int asyncio__join_future(struct asyncio_future *future)
{
    return await(future, &joining);
}

int asyncio_shield_task(struct asyncio_task *task)
{
    if (!task) return -EINVAL;
    return await(&task->future, &shielding);
}

int asyncio_shield_coroutine(struct asyncio_coroutine *coroutine)
{
    struct asyncio_task *task = asyncio_coroutine_create_task(coroutine);
    int result = asyncio_shield_task(task);
    asyncio_task_release(task);
    return result;
}
