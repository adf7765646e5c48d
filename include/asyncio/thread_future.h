// A future that threads share, and its reflection on a loop.
//
// A worker thread completes it; a task awaits the reflection:
//
//     struct asyncio_thread_future *answer;                // both hold it
//     asyncio_thread_future_create(&answer);
//     ... hand it to the thread: asyncio_thread_future_set_result(answer, 42)
//     asyncio_wrap_future(&reflection, answer);
//     int value = asyncio_await(&reflection.future);
//
// Cancelling the reflection cancels the thread's future if that is pending.
#pragma once

#include <asyncio/future.h>

ASYNCIO__BEGIN

struct asyncio_thread_future; // counted, with a lock of its own

// Makes one, pending, with one reference.
//
// returns   0 or -ENOMEM
// thread    any, as all asyncio_thread_future_ calls
// like      concurrent.futures.Future
ASYNCIO_API int
asyncio_thread_future_create(struct asyncio_thread_future **future);
ASYNCIO_API struct asyncio_thread_future *
asyncio_thread_future_retain(struct asyncio_thread_future *future);
ASYNCIO_API void
asyncio_thread_future_release(struct asyncio_thread_future *future);

// Give it its outcome: a value of 0 or more, or a negative code.
//
// returns   0, or -EINVAL if it is done or the number has the wrong sign
ASYNCIO_API int
asyncio_thread_future_set_result(struct asyncio_thread_future *future,
                                 int result);
ASYNCIO_API int
asyncio_thread_future_set_exception(struct asyncio_thread_future *future,
                                    int code);

// Cancels it, unless it has an outcome.
//
// returns   true if it is cancelled now
ASYNCIO_API bool
asyncio_thread_future_cancel(struct asyncio_thread_future *future);

// Whether it has an outcome, and whether that is -ECANCELED.
ASYNCIO_API bool
asyncio_thread_future_done(struct asyncio_thread_future *future);
ASYNCIO_API bool
asyncio_thread_future_cancelled(struct asyncio_thread_future *future);

// As asyncio_future_result: -EINVAL while it is pending.
ASYNCIO_API int
asyncio_thread_future_result(struct asyncio_thread_future *future, int *result);

// Blocks the calling thread until it is done. Not for loop threads.
//
// returns   the outcome; -ETIMEDOUT; -EDEADLK on a thread whose loop runs
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_thread_future_wait(struct asyncio_thread_future *future,
                           double seconds);

// The reflection: an ordinary future of one loop.
struct asyncio_wrapped_future {
    struct asyncio_future future ASYNCIO__UNSET;
    void *private_[4] ASYNCIO__UNSET;
};

// Ties `wrapped` to a thread's future, on the current loop. It has to live
// until its future is done and asyncio_wrapped_future_close was called.
//
// returns   0; -EPERM without a loop; -ENOMEM
// like      asyncio.wrap_future
ASYNCIO_API int asyncio_wrap_future(struct asyncio_wrapped_future *wrapped,
                                    struct asyncio_thread_future *future);

// Lets go of the thread's future. Accepts a zeroed struct and a second call.
ASYNCIO_API void
asyncio_wrapped_future_close(struct asyncio_wrapped_future *wrapped);

ASYNCIO__END
