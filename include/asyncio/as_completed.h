// As completed: the entries of a list, one after the other, as they end.
//
//     ASYNCIO_WITH_AS_COMPLETED(answers, fetches, 3);
//     int index, result;
//     while ((index = asyncio_as_completed_next(&answers, &result)) >= 0)
//         if (result >= 0) return index; // cancels and joins the others
//
// A list is an array of tasks, futures, coroutine objects or `struct
// asyncio_any`, and a count. Coroutine objects become tasks, which are
// cancelled and joined before the block is left; tasks and futures of yours go
// on. An entry that stands in the list twice comes out once. An iteration that
// was left can be gone on with, and several tasks may draw from one. Call all
// of it on the loop's thread.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

struct asyncio__member;

// Lives in the frame that iterates. All zero is not entered.
struct asyncio_as_completed {
    void *timer_[4] ASYNCIO__UNSET;
    struct asyncio__member *members_ ASYNCIO__UNSET;
    size_t count_ ASYNCIO__UNSET;
    struct asyncio_link ended_ ASYNCIO__UNSET;   // members, in order
    struct asyncio_link drawing_ ASYNCIO__UNSET; // tasks that wait in next
    struct asyncio_link closing_ ASYNCIO__UNSET; // tasks that wait in close
    struct asyncio_loop *loop_ ASYNCIO__UNSET;
    size_t left_ ASYNCIO__UNSET;     // members that are pending
    size_t own_left_ ASYNCIO__UNSET; // those of them that were made here
    size_t slots_ ASYNCIO__UNSET;    // outcomes that nobody has laid claim to
    size_t inside_ ASYNCIO__UNSET;   // tasks in next, waiting or about to run
    int state_ ASYNCIO__UNSET;
    int error_ ASYNCIO__UNSET; // why it could not be entered
    void *reserved_[2] ASYNCIO__UNSET;
};

struct asyncio_as_completed_options {
    ASYNCIO__OPTIONS_HEAD
    // Seconds for all of it: what has not ended then comes out as -ETIMEDOUT.
    double timeout ASYNCIO__UNSET;
    void *reserved_[4] ASYNCIO__UNSET;
};

// Declares an iteration for the rest of the block. Any way out of the block
// cancels and joins the tasks that were made for it.
#define ASYNCIO_WITH_AS_COMPLETED(...) ASYNCIO__WITH_AS_COMPLETED(__VA_ARGS__, )
#define ASYNCIO__WITH_AS_COMPLETED(it, list, count, ...)                       \
    struct asyncio_as_completed it                                             \
        __attribute__((cleanup(asyncio_as_completed_close))) = ASYNCIO__ZERO;  \
    const int it##_entered __attribute__((unused)) =                           \
        (asyncio_as_completed_enter)(&it, ASYNCIO__KIND(list), list, count,    \
                                     ASYNCIO__OPTIONS(                         \
                                         asyncio_as_completed_options,         \
                                         __VA_ARGS__))

// Starts it. If that failed, next returns the reason: this one needs no check.
// The list is read by the call and may go afterwards; your futures have to live
// until they have come out or it is closed.
//
// returns   0; -EINVAL for what is no list, an entry that is none of the three
//           or a time that is not a number; -EALREADY for a coroutine object
//           used before, -EBUSY for one that is awaited, and for an iteration
//           that is open; -EDEADLK for the caller itself; -EXDEV for an entry
//           of another loop; -EPERM outside a task; -ENOMEM: then nothing ran
// suspends  never
// owns      asyncio_as_completed_close
// like      asyncio.as_completed
// unlike    it, for coroutine objects: their tasks do not outlive the block
ASYNCIO_API int(asyncio_as_completed_enter)(
    struct asyncio_as_completed *it, enum asyncio_kind kind, const void *list,
    size_t count, const struct asyncio_as_completed_options *options);
#define asyncio_as_completed_enter(...)                                        \
    ASYNCIO__AS_COMPLETED_ENTER(__VA_ARGS__, )
#define ASYNCIO__AS_COMPLETED_ENTER(it, list, count, ...)                      \
    (asyncio_as_completed_enter)(                                              \
        it, ASYNCIO__KIND(list), list, count,                                  \
        ASYNCIO__OPTIONS(asyncio_as_completed_options, __VA_ARGS__))

// Waits for the entry that ends next, puts its outcome into *result, unless
// that is NULL, and returns its place in the list. Tasks that wait here at the
// same time get different entries, in order of their calls.
//
// returns   an index; -ENODATA when every entry has come out or was laid claim
//           to; -ETIMEDOUT, once for each entry that had not ended in time;
//           -ECANCELED: nothing has come out; -ESHUTDOWN if it was closed;
//           -EINVAL if it was not entered; -EPERM outside a task
// suspends  only while no entry is ready
// cancel    leaves the entries alone
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_as_completed_next(struct asyncio_as_completed *it, int *result);

// Lays claim to one outcome, without waiting: `slot` becomes a coroutine object
// that ends as the entry that ends next when it is awaited, or with a code of
// next. Slots may be awaited in any order, by any task, and like any other
// coroutine object be spawned, gathered or limited. One that is cancelled while
// it waits gives its claim back.
//
// returns   0; -ENODATA if there is nothing left to claim; -EINVAL, -ESHUTDOWN
//           as next
// suspends  never
// owns      await it before the iteration is closed, or not at all
ASYNCIO_API int asyncio_as_completed_slot(struct asyncio_as_completed *it,
                                          struct asyncio_coroutine *slot);

// Cancels and joins the tasks that it made and lets go of the rest; who waits
// in next returns -ESHUTDOWN first. Outside a task, where nothing can be
// joined, what it made is cancelled and let go of. Accepts a zeroed struct and
// a second call.
//
// suspends  while tasks that it made are still running; a cancel that comes
//           meanwhile is kept for the next wait
ASYNCIO_API void asyncio_as_completed_close(struct asyncio_as_completed *it);

ASYNCIO__END
