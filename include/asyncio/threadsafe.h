// From another thread into a loop: coroutines that run there, while the thread
// goes on or waits.
//
//     struct asyncio_thread_future *answer;
//     int err = asyncio_run_coroutine_threadsafe(loop, ask, &request, &answer);
//     ...
//     if (err == 0) err = asyncio_thread_future_wait(answer, 5);
//     asyncio_thread_future_release(answer);
//
// A loop may end while threads still hold its address. The calls here, and
// asyncio_call_soon_threadsafe, look the address up among the loops that are
// open, and never follow one that is not: -ESHUTDOWN, and no crash. A loop that
// is made later may be given the same address. Who must not take it for the old
// one holds that: asyncio_loop_retain keeps the memory, and so the address,
// though not the loop open. docs/threads.md lists all that may cross threads.
#pragma once

#include <asyncio/thread_future.h>

ASYNCIO__BEGIN

struct asyncio_threadsafe_options {
    ASYNCIO__OPTIONS_HEAD
    const char *name ASYNCIO__UNSET; // of the task, copied
    void *reserved_[4] ASYNCIO__UNSET;
};

// Has the loop run fn(arg) as a task, and hands out the future of its outcome.
// Submissions of one thread begin in order. Cancelling the future cancels the
// task: if it has begun, its next wait returns -ECANCELED, otherwise it never
// begins. If the loop is closed first, the future is cancelled. `future` may be
// NULL, for who does not want to know; a failure is reported then. The task has
// a copy of the variables (asyncio/context.h) that there are where this is
// called.
//
// returns   0; -ESHUTDOWN if the loop was closed or freed; -EINVAL for no loop
//           or no function; -ENOMEM; -EFAULT if `arg` lies in the frames of
//           the compact task that calls: then nothing was handed out
// owns      the future is yours: asyncio_thread_future_release; `arg` has to be
//           there until the task has ended, which a cancel does not wait for
// thread    any
// like      asyncio.run_coroutine_threadsafe
ASYNCIO_API int(asyncio_run_coroutine_threadsafe)(
    struct asyncio_loop *loop, int (*fn)(void *arg), void *arg,
    struct asyncio_thread_future **future,
    const struct asyncio_threadsafe_options *options);
#define asyncio_run_coroutine_threadsafe(...)                                  \
    ASYNCIO__RUN_COROUTINE_THREADSAFE(__VA_ARGS__, )
#define ASYNCIO__RUN_COROUTINE_THREADSAFE(loop, fn, arg, future, ...)          \
    (asyncio_run_coroutine_threadsafe)(                                        \
        loop, fn, arg, future,                                                 \
        ASYNCIO__OPTIONS(asyncio_threadsafe_options, __VA_ARGS__))

// The same, and blocks the calling thread until it has ended. So `arg` may lie
// in the caller's frame.
//
// returns   the outcome of fn; -ECANCELED too if the loop was closed before;
//           -EDEADLK at once on a thread whose loop runs; as above
// cancel    in a job of an executor whose caller is cancelled, before or
//           meanwhile, the coroutine is; this returns when that has ended. Not
//           in one that was left behind by .abandon
// thread    any without a running loop: those of asyncio_to_thread, above all
// like      anyio.from_thread.run, trio.from_thread.run
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_from_thread_run)(
    struct asyncio_loop *loop, int (*fn)(void *arg), void *arg,
    const struct asyncio_threadsafe_options *options);
#define asyncio_from_thread_run(...) ASYNCIO__FROM_THREAD_RUN(__VA_ARGS__, )
#define ASYNCIO__FROM_THREAD_RUN(loop, fn, arg, ...)                           \
    (asyncio_from_thread_run)(                                                 \
        loop, fn, arg,                                                         \
        ASYNCIO__OPTIONS(asyncio_threadsafe_options, __VA_ARGS__))

// Keeps a loop's address its own after it was closed and freed, until released.
// Retain it where it cannot have been freed yet: on its own thread, or while it
// is retained already. Release accepts NULL. The loop is closed by whoever made
// it; a retained one that is closed may still be asked whether it is.
//
// thread    any
ASYNCIO_API struct asyncio_loop *asyncio_loop_retain(struct asyncio_loop *loop);
ASYNCIO_API void asyncio_loop_release(struct asyncio_loop *loop);

ASYNCIO__END
