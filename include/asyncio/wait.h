// Wait: until one, all, or the first failure of a list of tasks and futures, or
// until a time has passed; and see which are done.
//
//     bool done[2];
//     int count = asyncio_wait(tasks, 2, 1.5, .done = done);
//     if (count < 0) return count;
//
// It only looks: nothing is cancelled, neither by the time limit nor with the
// waiter, and nobody's outcome counts as seen. Ask each member how it ended.
// Coroutine objects are refused: nobody would be left to ask. Call it on the
// loop's thread.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

// What ends a wait; whatever it is, a wait ends when all are done.
enum asyncio_return_when {
    ASYNCIO_ALL_COMPLETED,
    ASYNCIO_FIRST_COMPLETED,
    ASYNCIO_FIRST_EXCEPTION, // the first that fails, not one that is cancelled
};

// The two sets come as marks beside the list, one for each entry. An entry that
// stands in the list twice is marked at its first place only.
struct asyncio_wait_options {
    ASYNCIO__OPTIONS_HEAD
    enum asyncio_return_when return_when ASYNCIO__UNSET; // else all
    bool *done ASYNCIO__UNSET;    // whether the entry is of the done
    bool *pending ASYNCIO__UNSET; // or of the others
    void *reserved_[3] ASYNCIO__UNSET;
};

// Waits until `return_when` holds, but no longer than `seconds`; with 0 or less
// it lets others run for one pass, ASYNCIO_FOREVER is no limit. Every entry
// that is done by the time the call returns counts, not only the one that ended
// the wait.
//
// returns   how many of the list are done, each counted once, also when the
//           time passed; -ECANCELED; -EINVAL for an empty list, an entry that
//           is neither task nor future, an unknown condition, or a time that is
//           not a number; -EDEADLK for the waiter itself; -EXDEV for an entry
//           of another loop; -EPERM outside a task; -ENOMEM
// suspends  unless the condition holds
// cancel    leaves the members alone
// owns      the marks are written when it returns a count; the list is read by
//           the call and may go while it waits, futures of yours have to stay
// like      asyncio.wait
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_wait)(
    enum asyncio_kind kind, const void *list, size_t count, double seconds,
    const struct asyncio_wait_options *options);
#define asyncio_wait(...) ASYNCIO__WAIT(__VA_ARGS__, )
#define ASYNCIO__WAIT(list, count, seconds, ...)                               \
    (asyncio_wait)(ASYNCIO__HANDLES(list), list, count, seconds,               \
                   ASYNCIO__OPTIONS(asyncio_wait_options, __VA_ARGS__))

ASYNCIO__END

// Tasks and futures, and nothing else.
#ifndef __cplusplus

// clang-format off
#define ASYNCIO__HANDLES(list)                                                 \
    _Generic((list),                                                           \
        struct asyncio_task **: ASYNCIO_TASKS,                                 \
        struct asyncio_task *const *: ASYNCIO_TASKS,                           \
        struct asyncio_future **: ASYNCIO_FUTURES,                             \
        struct asyncio_future *const *: ASYNCIO_FUTURES)
// clang-format on

#else

inline asyncio_kind ASYNCIO__HANDLES(asyncio_task *const *)
{
    return ASYNCIO_TASKS;
}
inline asyncio_kind ASYNCIO__HANDLES(asyncio_future *const *)
{
    return ASYNCIO_FUTURES;
}

#endif
