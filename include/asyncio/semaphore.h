// Semaphores and limiters: at most so many at a time.
//
//     static struct asyncio_semaphore slots = ASYNCIO_SEMAPHORE(4);
//
// Who waits is served in order of arrival. A released unit is handed to the
// first in line, so that no newcomer can take it in between; when that one is
// cancelled before it runs, the unit goes to the next. Waiting allocates
// nothing. Call all of it on the loop's thread.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

// Read the value, never write it.
struct asyncio_semaphore {
    long value ASYNCIO__UNSET; // units that nobody has or was promised
    long bound ASYNCIO__UNSET; // the most that value may be, or 0 for no bound
    struct asyncio_link waiters_ ASYNCIO__UNSET;
    long granted_ ASYNCIO__UNSET; // units handed to waiters that have not run
    void *reserved_[2] ASYNCIO__UNSET;
};

// How one begins its life with `value` units, wherever it is declared.
// clang-format off
#define ASYNCIO_SEMAPHORE(value)                                               \
    {(value), 0, {NULL, NULL}, 0, {NULL, NULL}}
#define ASYNCIO_BOUNDED_SEMAPHORE(value)                                       \
    {(value), (value), {NULL, NULL}, 0, {NULL, NULL}}
// clang-format on

// Gives it `value` units; 0 makes it locked from the start. The bounded form
// never holds more than `bound`.
//
// returns   0; -EINVAL for a negative value, or a bound below it or below 1
// like      asyncio.Semaphore, asyncio.BoundedSemaphore
ASYNCIO_API int asyncio_semaphore_init(struct asyncio_semaphore *semaphore,
                                       long value);
ASYNCIO_API int
asyncio_bounded_semaphore_init(struct asyncio_semaphore *semaphore, long value,
                               long bound);

// Takes a unit, waiting in line if there is none.
//
// returns   0; -ECANCELED: no unit was taken; -EPERM outside a task
// suspends  only while it is locked
// like      Semaphore.acquire
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_semaphore_acquire(struct asyncio_semaphore *semaphore);

// The same, but returns -EAGAIN instead of waiting. Never suspends.
ASYNCIO_API int
asyncio_semaphore_acquire_nowait(struct asyncio_semaphore *semaphore);

// Gives a unit back. Not tied to who took it.
//
// returns   0; -EOVERFLOW at the bound, or past the largest long
// like      Semaphore.release
ASYNCIO_API int asyncio_semaphore_release(struct asyncio_semaphore *semaphore);

// True if acquire would wait: there is no unit, or somebody is before you.
// like      Semaphore.locked
ASYNCIO_API bool
asyncio_semaphore_locked(const struct asyncio_semaphore *semaphore);

// How many tasks wait in line.
ASYNCIO_API size_t
asyncio_semaphore_waiting(const struct asyncio_semaphore *semaphore);

// A limiter knows who has its units: each task, or each borrower that you name
// by a pointer, has at most one.
struct asyncio_limiter {
    struct asyncio_semaphore semaphore_ ASYNCIO__UNSET;
    struct asyncio_link borrowers_ ASYNCIO__UNSET;
    void *reserved_[2] ASYNCIO__UNSET;
};

// Gives it `units` to lend.
//
// returns   0; -EINVAL for a negative number
// like      trio.CapacityLimiter
ASYNCIO_API int asyncio_limiter_init(struct asyncio_limiter *limiter,
                                     long units);

// Takes a unit for `borrower`; NULL is the current task.
//
// returns   0; -EALREADY if it has one or waits for one; -ECANCELED; -EPERM
//           outside a task; -ENOMEM
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_limiter_acquire(struct asyncio_limiter *limiter, const void *borrower);

// The same, but returns -EAGAIN instead of waiting. Never suspends; needs no
// task, if `borrower` is named.
ASYNCIO_API int asyncio_limiter_acquire_nowait(struct asyncio_limiter *limiter,
                                               const void *borrower);

// Gives it back.
//
// returns   0; -EPERM if `borrower` has none
ASYNCIO_API int asyncio_limiter_release(struct asyncio_limiter *limiter,
                                        const void *borrower);

// Gives it another number of units to lend. Who waits gets those that are more;
// of those that are fewer nobody is deprived: none is lent until so many came
// back.
//
// returns   0; -EINVAL for a negative number
// suspends  never
// like      trio's CapacityLimiter.total_tokens
ASYNCIO_API int asyncio_limiter_set_units(struct asyncio_limiter *limiter,
                                          long units);
ASYNCIO_API long asyncio_limiter_units(const struct asyncio_limiter *limiter);

// How many units are lent, or promised to a borrower that has not run yet; and
// how many borrowers wait in line.
ASYNCIO_API long
asyncio_limiter_borrowed(const struct asyncio_limiter *limiter);
ASYNCIO_API size_t
asyncio_limiter_waiting(const struct asyncio_limiter *limiter);

ASYNCIO__END
