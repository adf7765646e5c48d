// Conditions: a line of tasks that have given up a lock and want it back.
//
// A wait has two halves. In the first the task stands in the condition's line,
// and a cancel ends it at once. In the second it wants the lock, and a cancel
// must not end that: the caller counts on holding the lock when the call
// returns. Such a cancel stays with the task and is taken up when the lock is
// there.
//
// A notification is for one task. Whoever had it and leaves with -ECANCELED
// has not acted on it, so it goes to the next in line: by give_back in the
// first half, by hand after the second.

#include <asyncio/condition.h>

#include <stdint.h>

#include "base/list.h"
#include "sync/lock.h"
#include "task/park.h"

static const struct asyncio_lock *
lock_of(const struct asyncio_condition *condition)
{
    return condition->given_ ? condition->given_ : &condition->own_;
}

void asyncio_condition_init(struct asyncio_condition *condition,
                            struct asyncio_lock *lock)
{
    *condition = (struct asyncio_condition){.given_ = lock};
}

struct asyncio_lock *asyncio_condition_lock(struct asyncio_condition *condition)
{
    return condition->given_ ? condition->given_ : &condition->own_;
}

int asyncio_condition_acquire(struct asyncio_condition *condition)
{
    return asyncio_lock_acquire(asyncio_condition_lock(condition));
}

int asyncio_condition_acquire_nowait(struct asyncio_condition *condition)
{
    return asyncio_lock_acquire_nowait(asyncio_condition_lock(condition));
}

int asyncio_condition_release(struct asyncio_condition *condition)
{
    return asyncio_lock_release(asyncio_condition_lock(condition));
}

bool asyncio_condition_locked(const struct asyncio_condition *condition)
{
    return asyncio_lock_locked(lock_of(condition));
}

static void wake_some(struct asyncio_condition *condition, size_t count)
{
    struct asyncio_task *task;
    while (count-- > 0 && (task = asyncio__first_waiter(&condition->waiters_)))
        asyncio__wake(task, 0);
}

static void give_back(struct asyncio_task *task)
{
    wake_some(task->wait.object, 1);
}

static const struct asyncio__wait_kind waiting = {
    .name = "a condition",
    .give_back = give_back,
    .movable = true,
};

// In debug mode: whether the lock, or those who wait, are of a loop on another
// thread.
static bool is_elsewhere(const struct asyncio_condition *condition,
                         const char *call)
{
    return asyncio__lock_elsewhere(lock_of(condition), call) ||
           asyncio__waiters_elsewhere(&condition->waiters_, call);
}

int asyncio_condition_wait(struct asyncio_condition *condition)
{
    struct asyncio_task *task = asyncio__task();
    struct asyncio_lock *lock = asyncio_condition_lock(condition);
    if (is_elsewhere(condition, __func__)) return -EPERM;
    if (!task || !asyncio__lock_held(lock)) return -EPERM;

    asyncio_lock_release(lock);
    int err = asyncio__park(&waiting, condition, &condition->waiters_);
    asyncio__lock_take_again(lock);
    if (!asyncio__cancel_pending(task)) return err;

    // Cancelled while it wanted the lock, perhaps a second time.
    asyncio__take_cancel(task);
    if (err == 0) wake_some(condition, 1);
    return -ECANCELED;
}

int asyncio_condition_wait_for(struct asyncio_condition *condition,
                               int (*predicate)(void *arg), void *arg)
{
    if (is_elsewhere(condition, __func__)) return -EPERM;
    if (!asyncio__task()) return -EPERM;
    if (!predicate) return -EINVAL;
    int value = asyncio__checkpoint();
    if (value < 0) return value;
    while ((value = predicate(arg)) == 0) {
        int err = asyncio_condition_wait(condition);
        if (err < 0) return err;
    }
    return value;
}

int asyncio_condition_notify(struct asyncio_condition *condition, size_t count)
{
    if (is_elsewhere(condition, __func__)) return -EPERM;
    if (!asyncio__lock_held(lock_of(condition))) return -EPERM;
    wake_some(condition, count);
    return 0;
}

int asyncio_condition_notify_all(struct asyncio_condition *condition)
{
    return asyncio_condition_notify(condition, SIZE_MAX);
}

size_t asyncio_condition_waiting(const struct asyncio_condition *condition)
{
    return list_count(&condition->waiters_);
}
