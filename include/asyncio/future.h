// A future: something that will have an outcome, set once, by anybody.
//
// It lives in your own struct, beside the value that it announces; all zero is
// pending and ready to use:
//
//     struct request { int64_t question, answer; struct asyncio_future done; };
//
// An outcome is a value >= 0, a negative code, or "cancelled" (-ECANCELED). Who
// awaits it, or has a callback on it, learns of it in the next pass. It belongs
// to the loop that first sees it, and has to live until everybody who awaits it
// has returned and each callback has run. Call all of it on the loop's thread.
#pragma once

#include <asyncio/loop.h>

ASYNCIO__BEGIN

struct asyncio__failure;
struct asyncio_cancel_scope;
struct asyncio__future_kind;

// Read it through the functions below.
struct asyncio_future {
    struct asyncio_link waiters_ ASYNCIO__UNSET; // steps to queue when done
    struct asyncio_loop *loop_ ASYNCIO__UNSET;
    const struct asyncio__future_kind *kind_ ASYNCIO__UNSET; // NULL: plain
    struct asyncio__failure *failure_ ASYNCIO__UNSET; // words for its code
    int result_ ASYNCIO__UNSET;
    short state_ ASYNCIO__UNSET;
    short flags_ ASYNCIO__UNSET;
    int cancelling_ ASYNCIO__UNSET;      // of a task's: requests not taken back
    unsigned references_ ASYNCIO__UNSET; // of a task's: to the task
    const char *site_ ASYNCIO__UNSET;    // where it was made, or NULL
};

// Makes it pending, of the current loop, recording the place. An all-zero one
// joins a loop when it is first awaited or completed.
// like      loop.create_future
#define asyncio_future_init(future) asyncio_future_init_at(future, ASYNCIO_SITE)
ASYNCIO_API void asyncio_future_init_at(struct asyncio_future *future,
                                        const char *site);

// Lets go of what the words of its error occupy; for futures that may have
// been given an error that has words, or been cancelled with a reason. (One
// that is cancelled because its awaiter was has none.) The struct is pending
// again afterwards, without callbacks. Accepts a zeroed one. One that somebody
// waits for, or is that of a task or a gather, is left alone, and that is
// reported. In debug mode, an error that nobody has looked at is reported.
ASYNCIO_API void asyncio_future_reset(struct asyncio_future *future);

// Gives it a value, 0 or more.
//
// returns   0; -EINVAL if it is done already, or for a negative value; -ENOTSUP
//           for the future of a task
// like      Future.set_result
ASYNCIO_API int asyncio_future_set_result(struct asyncio_future *future,
                                          int result);

// Gives it an error: a negative code, with the words that the current task has
// for it. -ECANCELED cancels.
//
// returns   as set_result; -EINVAL for a code that is not negative
// like      Future.set_exception
ASYNCIO_API int asyncio_future_set_exception(struct asyncio_future *future,
                                             int code);

// The same as set_result, but leaves a cancelled future as it is and returns 0.
ASYNCIO_API int
asyncio_future_set_result_unless_cancelled(struct asyncio_future *future,
                                           int result);

struct asyncio_cancel_options {
    ASYNCIO__OPTIONS_HEAD
    const char *reason ASYNCIO__UNSET; // found by asyncio_strerror(-ECANCELED)
    const struct asyncio_cancel_scope *scope_ ASYNCIO__UNSET; // whose doing
    void *reserved_[3] ASYNCIO__UNSET;
};

// Cancels it: whoever awaits it gets -ECANCELED. For the future of a task, the
// task is asked to end; for that of a gather, its members are.
//
// returns   true if it was pending and took the request
// like      Future.cancel
ASYNCIO_API bool(asyncio_future_cancel)(
    struct asyncio_future *future,
    const struct asyncio_cancel_options *options);
#define asyncio_future_cancel(...) ASYNCIO__FUTURE_CANCEL(__VA_ARGS__, )
#define ASYNCIO__FUTURE_CANCEL(future, ...)                                    \
    (asyncio_future_cancel)(                                                   \
        future, ASYNCIO__OPTIONS(asyncio_cancel_options, __VA_ARGS__))

// Whether it has an outcome, and whether that is -ECANCELED.
// like      Future.done, Future.cancelled
ASYNCIO_API bool asyncio_future_done(const struct asyncio_future *future);
ASYNCIO_API bool asyncio_future_cancelled(const struct asyncio_future *future);

// Hands the outcome out: the value, or the negative code it ended with
// (-ECANCELED if cancelled).
//
// returns   0, or -EINVAL if there is no outcome yet
// like      Future.result
ASYNCIO_API int asyncio_future_result(struct asyncio_future *future,
                                      int *result);

// Hands the error code out: 0 if it has a value.
//
// returns   0, or -EINVAL if there is no outcome yet
// like      Future.exception
ASYNCIO_API int asyncio_future_exception(struct asyncio_future *future,
                                         int *code);

// The words that travel with its error or cancellation, or NULL.
ASYNCIO_API const struct asyncio_error *
asyncio_future_error(struct asyncio_future *future);

typedef int asyncio_future_fn(struct asyncio_future *future, void *arg);

// Calls fn(future, arg) in the pass after it is done, in order of the calls; in
// the next pass if it is done. A negative code that fn returns is reported.
//
// returns   0, -EINVAL for no function, -ENOMEM, -ESHUTDOWN; -EFAULT if the
//           future or `arg` lies in the frames of the compact task that calls
// like      Future.add_done_callback
ASYNCIO_API int asyncio_future_add_done_callback(struct asyncio_future *future,
                                                 asyncio_future_fn *fn,
                                                 void *arg);

// Takes back every callback with this function and argument that has not been
// queued yet, and returns how many.
// like      Future.remove_done_callback
ASYNCIO_API int
asyncio_future_remove_done_callback(struct asyncio_future *future,
                                    asyncio_future_fn *fn, void *arg);

// Its loop, or NULL if it has none yet.
// like      Future.get_loop
ASYNCIO_API struct asyncio_loop *
asyncio_future_get_loop(const struct asyncio_future *future);

// Writes one line about it: "pending", "finished 7", "failed: words",
// "cancelled". Returns `buffer`.
ASYNCIO_API char *asyncio_future_describe(const struct asyncio_future *future,
                                          char *buffer, size_t size);

ASYNCIO__END
