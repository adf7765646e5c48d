// Locks: one task at a time.
//
//     static struct asyncio_lock lock; // all zero is ready
//
//     ASYNCIO_WITH_LOCK(held, &lock);  // to the end of the block
//     if (held_entered < 0) return held_entered;
//     return write_header(file);
//
// Between two waits of a task nobody else runs, so what does not wait needs no
// lock. Who waits is served in order of arrival: release hands the lock to the
// first in line, so that no newcomer can take it in between; when that one is
// cancelled before it runs, the lock goes to the next. Waiting allocates
// nothing. Call all of it on the loop's thread.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

// Any task may release it, whoever took it.
struct asyncio_lock {
    struct asyncio_link waiters_ ASYNCIO__UNSET;
    uint64_t holder_ ASYNCIO__UNSET; // number of the task that took it, or 0
    bool locked_ ASYNCIO__UNSET;
    bool granted_ ASYNCIO__UNSET; // to a waiter that has not run yet
    struct asyncio_loop *loop_ ASYNCIO__UNSET; // where it was taken, or NULL
    void *reserved_[1] ASYNCIO__UNSET;
};

// Takes the lock, waiting in line if somebody has it.
//
// returns   0; -ECANCELED: it was not taken; -EPERM outside a task
// suspends  only while it is locked
// like      asyncio.Lock.acquire
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_lock_acquire(struct asyncio_lock *lock);

// The same, but returns -EAGAIN instead of waiting. Never suspends.
ASYNCIO_API int asyncio_lock_acquire_nowait(struct asyncio_lock *lock);

// Gives it up, or hands it to the first in line.
//
// returns   0; -EPERM if nobody has it, or a waiter that has not run yet
// like      Lock.release
ASYNCIO_API int asyncio_lock_release(struct asyncio_lock *lock);

// True if acquire would wait.
// like      Lock.locked
ASYNCIO_API bool asyncio_lock_locked(const struct asyncio_lock *lock);

// How many tasks wait in line.
ASYNCIO_API size_t asyncio_lock_waiting(const struct asyncio_lock *lock);

// --- locks that know their owner --------------------------------------------

// A lock that belongs to the task that took it: nobody else may release it, and
// mistakes are told at once. It keeps a reference to its owner. All zero is
// ready; do not let go of its memory while somebody has it.
struct asyncio_owner_lock {
    struct asyncio_task *owner_ ASYNCIO__UNSET; // counted; NULL: it is free
    struct asyncio_link waiters_ ASYNCIO__UNSET;
    void *reserved_[2] ASYNCIO__UNSET;
};

// Takes the lock, waiting in line if somebody has it.
//
// returns   0; -EDEADLK if it is yours already; -EOWNERDEAD, with the owner's
//           name, if that has ended without a release, before or meanwhile;
//           -ECANCELED; -EPERM outside a task
// suspends  only while it is locked
// like      trio.Lock.acquire
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_owner_lock_acquire(struct asyncio_owner_lock *lock);

// The same, but returns -EAGAIN instead of waiting. Never suspends.
ASYNCIO_API int
asyncio_owner_lock_acquire_nowait(struct asyncio_owner_lock *lock);

// Gives it up, or hands it to the first in line.
//
// returns   0; -EPERM if it is not yours
// like      trio.Lock.release
ASYNCIO_API int asyncio_owner_lock_release(struct asyncio_owner_lock *lock);

// Takes over a lock whose owner has ended without a release: what it guards may
// be half done, and putting that right is up to you.
//
// returns   0: it is yours now; -EPERM if that is not so, or outside a task
// like      pthread_mutex_consistent
ASYNCIO_API int asyncio_owner_lock_recover(struct asyncio_owner_lock *lock);

// True if acquire would not take it at once.
ASYNCIO_API bool
asyncio_owner_lock_locked(const struct asyncio_owner_lock *lock);

// The task that has it, borrowed: running, or about to; or one that has ended.
// NULL if it is free.
ASYNCIO_API struct asyncio_task *
asyncio_owner_lock_owner(const struct asyncio_owner_lock *lock);

// How many tasks wait in line.
ASYNCIO_API size_t
asyncio_owner_lock_waiting(const struct asyncio_owner_lock *lock);

// --- for the rest of a block ------------------------------------------------

// What a block holds. Lives in the frame of the block; all zero is nothing.
struct asyncio_held {
    struct asyncio_lock *lock_ ASYNCIO__UNSET;
    struct asyncio_owner_lock *owner_lock_ ASYNCIO__UNSET;
    void *reserved_[2] ASYNCIO__UNSET;
};

// Takes a lock of either kind, by its address, and holds it to the end of the
// block, whatever way that is left. `held_entered`, by the name that you gave,
// is what acquire returned: look at it (compilers warn if you do not), for the
// block goes on without the lock if it is negative, and releases nothing then.
//
// suspends  as acquire
// like      async with lock
#define ASYNCIO_WITH_LOCK(held, lock)                                          \
    struct asyncio_held held __attribute__((cleanup(asyncio_held_leave))) =    \
        ASYNCIO__ZERO;                                                         \
    const int held##_entered = asyncio__lock_enter(&held, lock)

// What the block begins with.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_lock_enter(struct asyncio_held *held,
                                                    struct asyncio_lock *lock);
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_owner_lock_enter(struct asyncio_held *held,
                         struct asyncio_owner_lock *lock);

// Releases what is held: what the end of the block calls, and you may call
// before it. Accepts a zeroed struct and a second call.
ASYNCIO_API void asyncio_held_leave(struct asyncio_held *held);

ASYNCIO__END

#ifndef __cplusplus

// clang-format off
#define asyncio__lock_enter(held, lock)                                        \
    _Generic((lock),                                                           \
        struct asyncio_lock *: asyncio_lock_enter,                             \
        struct asyncio_owner_lock *: asyncio_owner_lock_enter)(held, lock)
// clang-format on

#else

ASYNCIO_SUSPENDS inline int asyncio__lock_enter(asyncio_held *held,
                                                asyncio_lock *lock)
{
    return asyncio_lock_enter(held, lock);
}
ASYNCIO_SUSPENDS inline int asyncio__lock_enter(asyncio_held *held,
                                                asyncio_owner_lock *lock)
{
    return asyncio_owner_lock_enter(held, lock);
}

#endif
