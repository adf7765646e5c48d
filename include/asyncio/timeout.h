// Time limits: a scope around any code, and a limit on one call.
//
//     ASYNCIO_WITH_TIMEOUT(limit, 5);           // for the rest of the block
//     int err = read_header(stream);
//     if (err >= 0) err = read_body(stream);
//     return asyncio_timeout_exit(&limit, err); // -ETIMEDOUT if it was that
//
//     err = asyncio_wait_for(asyncio_await(task), 5);
//
// When the time is up the task is cancelled once: the wait it is in returns
// -ECANCELED, and leaving the scope turns that into -ETIMEDOUT, unless somebody
// else cancelled the task too. Code that swallows the -ECANCELED goes on. No
// call of this library has a timed form of its own: this is it.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

// Lives in the frame of the task that is limited. All zero is not entered.
struct asyncio_timeout {
    void *timer_[4] ASYNCIO__UNSET;
    struct asyncio_task *task_ ASYNCIO__UNSET;
    struct asyncio_timeout *outer_ ASYNCIO__UNSET;
    double when_ ASYNCIO__UNSET;
    int state_ ASYNCIO__UNSET;
    int cancelling_ ASYNCIO__UNSET;  // the task's count when it was entered
    int flags_ ASYNCIO__UNSET;       // a request was undelivered then; a twin
    int error_ ASYNCIO__UNSET;       // why it could not be entered
    int64_t tick_ns_ ASYNCIO__UNSET; // of the system's clock, before it began
    void *reserved_[1] ASYNCIO__UNSET;
};

// Declares a limit on the rest of the block. Any way out of the block ends it,
// but only _exit can turn the -ECANCELED into -ETIMEDOUT.
#define ASYNCIO_WITH_TIMEOUT(limit, seconds)                                   \
    struct asyncio_timeout limit                                               \
        __attribute__((cleanup(asyncio_timeout_close)));                       \
    const int limit##_entered __attribute__((unused)) =                        \
        asyncio__timeout_begin(&limit, seconds)

// Starts the limit: `seconds` from now, or at a time of asyncio_time's clock.
// 0 or less is up at once, ASYNCIO_FOREVER never. `seconds` of the system's
// clock begin when the loop looks at that next, at most 20 ms from now: so a
// limit may be up a moment late, and never early. If entering failed, the scope
// limits nothing and _exit returns the reason; it may be entered later.
//
// In the frames of a compact task it needs memory while it is active, and only
// that task may ask it, move it or leave it: others would not find it there.
//
// returns   0; -EPERM outside a task; -EBUSY if it is active, -EALREADY if it
//           was left; -EINVAL for a time that is not a number or is too large;
//           -ENOMEM in the frames of a compact task
// suspends  never
// like      asyncio.timeout, asyncio.timeout_at
ASYNCIO_API int asyncio_timeout_enter(struct asyncio_timeout *limit,
                                      double seconds);
ASYNCIO_API int asyncio_timeout_enter_at(struct asyncio_timeout *limit,
                                         double when);

// What ASYNCIO_WITH_TIMEOUT does: enters a scope whose memory is not zero.
static inline int asyncio__timeout_begin(struct asyncio_timeout *limit,
                                         double seconds)
{
    limit->state_ = 0;
    return asyncio_timeout_enter(limit, seconds);
}

// Leaves the scope with the code that its body ended with.
//
// returns   `body`; -ETIMEDOUT in place of -ECANCELED if only this limit had
//           asked for it; -EINVAL if it is not the innermost one of this task
// suspends  never
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_timeout_exit(struct asyncio_timeout *limit, int body);

// Leaves it whatever its state: what the end of the block calls. Accepts a
// zeroed struct and a second call.
ASYNCIO_API void asyncio_timeout_close(struct asyncio_timeout *limit);

// Moves the deadline; ASYNCIO_FOREVER takes it away. From any task of the loop.
//
// returns   0; -EINVAL unless it is active and its time is not up
// like      Timeout.reschedule
ASYNCIO_API int asyncio_timeout_reschedule(struct asyncio_timeout *limit,
                                           double when);

// The deadline as it was given, or ASYNCIO_FOREVER.
// like      Timeout.when
ASYNCIO_API double asyncio_timeout_when(const struct asyncio_timeout *limit);

// True once the limit has cancelled the task, also after it was left.
// like      Timeout.expired
ASYNCIO_API bool asyncio_timeout_expired(const struct asyncio_timeout *limit);

// What asyncio_wait_for, below, is made of.
ASYNCIO_API bool asyncio__limit_enter(struct asyncio_timeout *limit,
                                      double seconds, bool is_call);
ASYNCIO_API int asyncio__limit_refused(void);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio__limit_exit(int code);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio__limit_task(struct asyncio_task *task);
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio__limit_future(struct asyncio_future *future);
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio__limit_coroutine(struct asyncio_coroutine *coroutine);

ASYNCIO__END

// asyncio_wait_for(x, seconds): `x` is a task, a future or a coroutine object,
// or simply a call that returns int:
//
//     err = asyncio_wait_for(asyncio_sleep(10), 0.5);
//
// A call is made inside the limit, or not at all if no time is left. What is
// awaited is cancelled when the time is up, and its clean-up waited for.
//
// returns   the outcome, or -ETIMEDOUT; another code if the clean-up ended so;
//           -EPERM outside a task; -EINVAL for a time that is not a number;
//           -ENOMEM in a compact task, and then nothing has begun
// cancel    of the caller is passed on to what it waits for
// like      asyncio.wait_for
#ifndef __cplusplus

// clang-format off
#define asyncio_wait_for(x, seconds)                                           \
    asyncio__look_at(                                                          \
        asyncio__limit_enter(&(struct asyncio_timeout){0}, (seconds),          \
                             _Generic((x), int: true, default: false))         \
            ? _Generic((x),                                                    \
                  int: asyncio__limit_exit,                                    \
                  struct asyncio_task *: asyncio__limit_task,                  \
                  struct asyncio_future *: asyncio__limit_future,              \
                  struct asyncio_coroutine *: asyncio__limit_coroutine)(x)     \
            : asyncio__limit_refused())
// clang-format on

// gcc does not see that the result of `a ? f() : g()` is ignored; here it does.
ASYNCIO_SUSPENDS static inline int asyncio__look_at(int code)
{
    return code;
}

#else

#include <type_traits>

struct asyncio__limit {
    asyncio_timeout scope = {};
    bool open;
    asyncio__limit(double seconds, bool is_call)
        : open(asyncio__limit_enter(&scope, seconds, is_call))
    {
    }
    ~asyncio__limit()
    {
        asyncio_timeout_close(&scope); // an exception came through
    }
    int exit(int x)
    {
        return asyncio__limit_exit(x);
    }
    int exit(asyncio_task *x)
    {
        return asyncio__limit_task(x);
    }
    int exit(asyncio_future *x)
    {
        return asyncio__limit_future(x);
    }
    int exit(asyncio_coroutine *x)
    {
        return asyncio__limit_coroutine(x);
    }
};
template <class Call>
ASYNCIO_SUSPENDS int asyncio__wait_for(double seconds, Call call)
{
    asyncio__limit limit(seconds, std::is_same<decltype(call()), int>::value);
    return limit.open ? limit.exit(call()) : asyncio__limit_refused();
}
#define asyncio_wait_for(x, seconds)                                           \
    asyncio__wait_for((seconds), [&] { return (x); })

#endif
