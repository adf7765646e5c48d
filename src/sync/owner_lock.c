// Locks that know their owner: a counted reference to a task.
//
// From the hand-over on the first in line is the owner, also before it has run.
// Each task counts the locks that it owns: one that ends with locks in its
// hands wakes those who wait for them (park.h). The lock then stays with the
// task that is gone, and says so, until somebody recovers it.

#include <asyncio/lock.h>

#include <asyncio/error.h>

#include "base/list.h"
#include "task/park.h"

static void set_owner(struct asyncio_owner_lock *lock,
                      struct asyncio_task *task)
{
    struct asyncio_task *before = lock->owner_;
    lock->owner_ = task ? asyncio_task_retain(task) : NULL;
    if (task && task->locks_owned < UINT8_MAX) task->locks_owned++;
    if (!before) return;
    // Once they were too many to count, some are there until it ends.
    if (before->locks_owned < UINT8_MAX) before->locks_owned--;
    asyncio_task_release(before);
}

static void pass_on(struct asyncio_owner_lock *lock)
{
    struct asyncio_task *next = asyncio__first_waiter(&lock->waiters_);
    set_owner(lock, next);
    if (next) asyncio__wake(next, 0);
}

static void give_back(struct asyncio_task *task)
{
    pass_on(task->wait.object);
}

static struct asyncio_task *owner(const struct asyncio_task *waiter)
{
    const struct asyncio_owner_lock *lock = waiter->wait.object;
    return lock->owner_;
}

static const struct asyncio__wait_kind waiting = {
    .name = "a lock",
    .give_back = give_back,
    .owner = owner,
    .dies_with_owner = true,
    .movable = true,
};

// In debug mode: whether its owner's loop runs on another thread; then that was
// reported.
static bool is_elsewhere(const struct asyncio_owner_lock *lock,
                         const char *call)
{
    return lock->owner_ &&
           asyncio__wrong_thread(lock->owner_->future.loop_, call);
}

static bool is_orphan(const struct asyncio_owner_lock *lock)
{
    return lock->owner_ && asyncio_task_done(lock->owner_);
}

int asyncio_owner_lock_acquire(struct asyncio_owner_lock *lock)
{
    if (is_elsewhere(lock, __func__) || !asyncio__task()) return -EPERM;
    int err = asyncio__checkpoint();
    if (err < 0) return err;
    err = asyncio_owner_lock_acquire_nowait(lock);
    if (err == -EAGAIN) err = asyncio__park(&waiting, lock, &lock->waiters_);
    if (err != -EOWNERDEAD || !is_orphan(lock)) return err;
    return asyncio_raise(err, "the task %s ended without releasing its lock",
                         asyncio_task_name(lock->owner_));
}

int asyncio_owner_lock_acquire_nowait(struct asyncio_owner_lock *lock)
{
    if (is_elsewhere(lock, __func__)) return -EPERM;
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    if (lock->owner_ == task) return -EDEADLK;
    if (lock->owner_) return is_orphan(lock) ? -EOWNERDEAD : -EAGAIN;
    set_owner(lock, task);
    return 0;
}

int asyncio_owner_lock_release(struct asyncio_owner_lock *lock)
{
    if (is_elsewhere(lock, __func__)) return -EPERM;
    struct asyncio_task *task = asyncio__task();
    if (!task || lock->owner_ != task) return -EPERM;
    pass_on(lock);
    return 0;
}

int asyncio_owner_lock_recover(struct asyncio_owner_lock *lock)
{
    if (is_elsewhere(lock, __func__)) return -EPERM;
    struct asyncio_task *task = asyncio__task();
    if (!task || !is_orphan(lock)) return -EPERM;
    set_owner(lock, task);
    return 0;
}

bool asyncio_owner_lock_locked(const struct asyncio_owner_lock *lock)
{
    return lock->owner_;
}

struct asyncio_task *
asyncio_owner_lock_owner(const struct asyncio_owner_lock *lock)
{
    return lock->owner_;
}

size_t asyncio_owner_lock_waiting(const struct asyncio_owner_lock *lock)
{
    return list_count(&lock->waiters_);
}
