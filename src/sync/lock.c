// Locks: a flag, and a line of tasks that wait for it to fall.
//
// The flag does not fall while somebody waits: release hands the lock to the
// first in line, and until that one has run the lock is granted, so that
// nobody else can take it or release it. A grant to a task that is cancelled
// first passes to the next.
//
// The number of the task that took the lock is kept for those who ask whose it
// is: a condition, and reports. It is no pointer, because a lock may be left
// locked, or vanish so, and the task must not be kept by that. The loop where
// the lock was taken is for debug mode, which looks it up and does not follow
// it.

#include "sync/lock.h"

#include "base/list.h"
#include "task/park.h"

static void grant(struct asyncio_lock *lock, struct asyncio_task *task)
{
    lock->locked_ = task;
    lock->granted_ = task;
    lock->holder_ = task ? task->number : 0;
    if (!task) return;
    lock->loop_ = task->future.loop_;
    asyncio__wake(task, 0);
}

static void pass_on(struct asyncio_lock *lock)
{
    grant(lock, asyncio__first_waiter(&lock->waiters_));
}

static void give_back(struct asyncio_task *task)
{
    pass_on(task->wait.object);
}

// The holder, if it is among the tasks of `loop` that have not ended. A search,
// so it is not for the usual way.
static struct asyncio_task *find_holder(const struct asyncio_lock *lock,
                                        const struct asyncio_loop *loop)
{
    struct asyncio__task_walk walk = {.loop = loop};
    struct asyncio_task *task;
    while ((task = asyncio__task_walk(&walk)))
        if (task->number == lock->holder_) return task;
    return NULL;
}

static struct asyncio_task *holder(const struct asyncio_task *waiter)
{
    return find_holder(waiter->wait.object, waiter->future.loop_);
}

static const struct asyncio__wait_kind waiting = {
    .name = "a lock",
    .give_back = give_back,
    .owner = holder,
    .movable = true,
};

static int take(struct asyncio_lock *lock)
{
    if (lock->locked_) return -EAGAIN;
    const struct asyncio_task *task = asyncio__task();
    lock->holder_ = task ? task->number : 0;
    lock->loop_ = asyncio__running_loop;
    lock->locked_ = true;
    return 0;
}

bool asyncio__lock_elsewhere(const struct asyncio_lock *lock, const char *call)
{
    if (!asyncio__debug_somewhere() || !lock->locked_) return false;
    return asyncio__wrong_thread(lock->loop_, call) ||
           asyncio__waiters_elsewhere(&lock->waiters_, call);
}

int asyncio_lock_acquire(struct asyncio_lock *lock)
{
    if (asyncio__lock_elsewhere(lock, __func__)) return -EPERM;
    if (!asyncio__task()) return -EPERM;
    int err = asyncio__checkpoint();
    if (err < 0) return err;
    err = take(lock);
    if (err != -EAGAIN) return err;

    err = asyncio__park(&waiting, lock, &lock->waiters_);
    if (err < 0) return err;
    lock->granted_ = false;
    return 0;
}

int asyncio_lock_acquire_nowait(struct asyncio_lock *lock)
{
    if (asyncio__lock_elsewhere(lock, __func__)) return -EPERM;
    return take(lock);
}

int asyncio_lock_release(struct asyncio_lock *lock)
{
    if (asyncio__lock_elsewhere(lock, __func__)) return -EPERM;
    if (!lock->locked_ || lock->granted_) return -EPERM;
    pass_on(lock);
    return 0;
}

bool asyncio_lock_locked(const struct asyncio_lock *lock)
{
    return lock->locked_;
}

size_t asyncio_lock_waiting(const struct asyncio_lock *lock)
{
    return list_count(&lock->waiters_);
}

// --- for conditions ---------------------------------------------------------

bool asyncio__lock_held(const struct asyncio_lock *lock)
{
    if (!lock->locked_ || lock->granted_) return false;
    const struct asyncio_loop *loop = asyncio__running_loop;
    const struct asyncio_task *task = asyncio__task();
    if (lock->holder_ == (task ? task->number : 0)) return true;
    return !loop || !find_holder(lock, loop);
}

static bool refuse_cancel(struct asyncio_task *task,
                          const struct asyncio_cancel_options *options)
{
    (void)task, (void)options;
    return false;
}

static const struct asyncio__wait_kind taking_again = {
    .name = "a lock",
    .cancel = refuse_cancel,
    .owner = holder,
    .keeps_result = true,
    .movable = true,
};

void asyncio__lock_take_again(struct asyncio_lock *lock)
{
    if (take(lock) == 0) return;
    // Nothing but a grant ends this wait.
    asyncio_ignore(asyncio__park(&taking_again, lock, &lock->waiters_));
    lock->granted_ = false;
}

// --- for the rest of a block ------------------------------------------------

int asyncio_lock_enter(struct asyncio_held *held, struct asyncio_lock *lock)
{
    int err = asyncio_lock_acquire(lock);
    if (err == 0) held->lock_ = lock;
    return err;
}

int asyncio_owner_lock_enter(struct asyncio_held *held,
                             struct asyncio_owner_lock *lock)
{
    int err = asyncio_owner_lock_acquire(lock);
    if (err == 0) held->owner_lock_ = lock;
    return err;
}

void asyncio_held_leave(struct asyncio_held *held)
{
    struct asyncio_held was = *held;
    *held = (struct asyncio_held){0};
    if (was.owner_lock_) asyncio_owner_lock_release(was.owner_lock_);
    if (was.lock_) asyncio_lock_release(was.lock_);
}
