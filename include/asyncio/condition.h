// Conditions: waiting, with a lock, for something that others change under it.
//
//     static struct asyncio_condition changed; // all zero: with its own lock
//
//     ASYNCIO_WITH_CONDITION(held, &changed);
//     if (held_entered < 0) return held_entered;
//     int err = asyncio_condition_wait_for(&changed, has_stock, &shop);
//     if (err >= 0) take_stock(&shop);
//     return err;
//
// wait gives the lock up while it waits, and has it again when it returns,
// whatever it returns. Notifications are for those who wait now, in order of
// arrival. One that reached a task which is cancelled goes to the next, so a
// task may be notified although what it waits for is not so: look again, or
// leave that to wait_for. Waiting allocates nothing. Call all of it on the
// loop's thread.
#pragma once

#include <asyncio/lock.h>

ASYNCIO__BEGIN

// All zero is one with a lock of its own. There is nothing to destroy.
struct asyncio_condition {
    struct asyncio_lock *given_ ASYNCIO__UNSET; // NULL: it uses its own
    struct asyncio_lock own_ ASYNCIO__UNSET;
    struct asyncio_link waiters_ ASYNCIO__UNSET;
    void *reserved_[2] ASYNCIO__UNSET;
};

// How one begins its life that shares `lock`, a pointer, with others.
// clang-format off
#define ASYNCIO_CONDITION(lock)                                                \
    {(lock), {{NULL, NULL}, 0, false, false, NULL, {NULL}}, {NULL, NULL},      \
     {NULL, NULL}}
// clang-format on

// The same, later. NULL: a lock of its own.
ASYNCIO_API void asyncio_condition_init(struct asyncio_condition *condition,
                                        struct asyncio_lock *lock);

// Its lock, for all that asyncio/lock.h does with one.
ASYNCIO_API struct asyncio_lock *
asyncio_condition_lock(struct asyncio_condition *condition);

// As asyncio_lock_acquire and so on, with the condition's lock.
// like      Condition.acquire, release, locked
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_condition_acquire(struct asyncio_condition *condition);
ASYNCIO_API int
asyncio_condition_acquire_nowait(struct asyncio_condition *condition);
ASYNCIO_API int asyncio_condition_release(struct asyncio_condition *condition);
ASYNCIO_API bool
asyncio_condition_locked(const struct asyncio_condition *condition);

// Holds the condition's lock to the end of the block: as ASYNCIO_WITH_LOCK.
// like      async with condition
#define ASYNCIO_WITH_CONDITION(held, condition)                                \
    ASYNCIO_WITH_LOCK(held, asyncio_condition_lock(condition))

// Gives the lock up, waits to be notified, and takes the lock again.
//
// returns   0; -ECANCELED; -EPERM outside a task, or if another task has the
//           lock or nobody. A lock whose holder has ended is anybody's.
// suspends  always
// cancel    the lock is taken again first, however long that takes. If the task
//           had been notified, another one is in its place.
// like      asyncio.Condition.wait
// unlike    it, where another task holds the lock: asyncio does not notice
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_condition_wait(struct asyncio_condition *condition);

// Waits until `predicate(arg)` is not 0. It is called with the lock held, now
// and after each notification, and must not suspend.
//
// returns   what the predicate returned; a negative value of it ends the wait
//           too; -EINVAL for no predicate; else as wait
// suspends  only if the predicate is 0 at first
// like      Condition.wait_for
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_condition_wait_for(struct asyncio_condition *condition,
                           int (*predicate)(void *arg), void *arg);

// Wakes the first `count` of those who wait, or all. They return one by one, as
// they get the lock.
//
// returns   0; -EPERM if the caller does not hold the lock, as in wait
// suspends  never
// like      Condition.notify, Condition.notify_all
ASYNCIO_API int asyncio_condition_notify(struct asyncio_condition *condition,
                                         size_t count);
ASYNCIO_API int
asyncio_condition_notify_all(struct asyncio_condition *condition);

// How many tasks wait to be notified.
ASYNCIO_API size_t
asyncio_condition_waiting(const struct asyncio_condition *condition);

ASYNCIO__END
