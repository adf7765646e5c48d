// Gather: wait for all of a list, and have every outcome in its place.
//
//     struct asyncio_coroutine jobs[3] = { ... };
//     int results[3];
//     int err = asyncio_gather(jobs, 3, .results = results);
//
// A list is an array of tasks, futures, coroutine objects or `struct
// asyncio_any`, and a count. Who makes a task joins it: tasks that gather made
// out of coroutine objects are in the caller's cancel scopes, and are cancelled
// and joined before it ends; tasks and futures of yours go on when another one
// fails. The list itself is read by the call and may go afterwards.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

struct asyncio_gather_options {
    ASYNCIO__OPTIONS_HEAD
    int *results ASYNCIO__UNSET;           // one per entry, in the order given
    bool return_exceptions ASYNCIO__UNSET; // codes are results like any other
    void *reserved_[4] ASYNCIO__UNSET;
};

// Waits until all have ended, or one has failed or was cancelled. Cancelling
// the waiter cancels every member that is not done. An entry that stands twice
// in the list counts once and has its outcome in both places. If one fails, the
// results of those of yours that are not done are left as they were.
//
// returns   0; without return_exceptions the first failure's code, -ECANCELED
//           included; -ECANCELED if the waiter was cancelled; -EPERM outside a
//           task; -EINVAL for an entry that is none of the three; -EALREADY for
//           a coroutine object used before, -EBUSY for one that is awaited;
//           -EDEADLK for the waiter itself; -EXDEV; -ENOMEM: then nothing ran
// suspends  unless all are done
// like      asyncio.gather
// unlike    it, for coroutine objects: their tasks do not outlive the call
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_gather)(
    enum asyncio_kind kind, const void *list, size_t count,
    const struct asyncio_gather_options *options);
#define asyncio_gather(...) ASYNCIO__GATHER(__VA_ARGS__, )
#define ASYNCIO__GATHER(list, count, ...)                                      \
    (asyncio_gather)(ASYNCIO__KIND(list), list, count,                         \
                     ASYNCIO__OPTIONS(asyncio_gather_options, __VA_ARGS__))

// A gather that one holds, shields, cancels or gathers again: `future` is an
// ordinary future. It has to live, like the results, until it is closed. From
// the first failure on its outcome is settled: a cancel comes too late, even if
// tasks that it made are still being joined.
struct asyncio_gather {
    struct asyncio_future future ASYNCIO__UNSET;
    struct asyncio__member *members_ ASYNCIO__UNSET;
    size_t count_ ASYNCIO__UNSET;
    size_t left_ ASYNCIO__UNSET;     // members whose end has not been seen
    size_t own_left_ ASYNCIO__UNSET; // those of them that it made
    int *results_ ASYNCIO__UNSET;
    struct asyncio_link closing_ ASYNCIO__UNSET; // tasks that wait in close
    int flags_ ASYNCIO__UNSET;
    void *reserved_[2] ASYNCIO__UNSET;
};

// Starts it without waiting. If all are done, `gather->future` is done before
// the call returns. Coroutine objects want a running loop; tasks and futures
// can be gathered on a loop that does not run yet.
//
// returns   0; -EPERM without a loop, else the codes of asyncio_gather: then
//           nothing was started, and the future is done with that code
// owns      asyncio_gather_close, once the future is done or to end it early
ASYNCIO_API int(asyncio_gather_start)(
    struct asyncio_gather *gather, enum asyncio_kind kind, const void *list,
    size_t count, const struct asyncio_gather_options *options);
#define asyncio_gather_start(...) ASYNCIO__GATHER_START(__VA_ARGS__, )
#define ASYNCIO__GATHER_START(gather, list, count, ...)                        \
    (asyncio_gather_start)(                                                    \
        gather, ASYNCIO__KIND(list), list, count,                              \
        ASYNCIO__OPTIONS(asyncio_gather_options, __VA_ARGS__))

// Cancels and joins what the gather made, lets go of its members and frees what
// it holds; a future that was pending is cancelled by it. Outside a task, where
// nothing can be joined, what it made is cancelled and let go of. Accepts a
// zeroed struct and a second call.
//
// suspends  while tasks that it made are still running; a cancel that comes
//           meanwhile is kept for the next wait
ASYNCIO_API void asyncio_gather_close(struct asyncio_gather *gather);

ASYNCIO__END
