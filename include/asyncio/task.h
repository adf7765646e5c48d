// Coroutine objects and tasks: functions that may wait, and who runs them.
//
// A coroutine is `int fn(void *arg)`: it runs on a stack of its own, may call
// anything, and returns a value >= 0 or a negative code. Call it, and it runs
// in your task; hand it to asyncio_create_task, and it runs beside you:
//
//     struct asyncio_task *task = asyncio_create_task(download, &image);
//     ...
//     int err = asyncio_await(task);
//     asyncio_task_release(task);
//
// A task made so outlives the block: its argument has to be static, heap or
// `.copy`. Where tasks and their arguments share a block, use a group
// (asyncio/group.h): it joins them before the block is left.
//
// Cancelling is a request. It ends one wait of the task with -ECANCELED, once;
// code that ignores it goes on unharmed. A task that returns -ECANCELED, or a
// value while a request is undelivered, is cancelled; on any other negative
// code it failed, else it finished. Call all of it on the loop's thread.
#pragma once

#include <asyncio/future.h>

ASYNCIO__BEGIN

// --- coroutine objects ------------------------------------------------------

// A function and its argument, to be run once. On your stack, like any value.
struct asyncio_coroutine {
    int (*fn)(void *arg) ASYNCIO__UNSET;
    void *arg ASYNCIO__UNSET;
    int state_ ASYNCIO__UNSET; // unused, running, used up
    void *reserved_ ASYNCIO__UNSET;
    const char *site_ ASYNCIO__UNSET; // of its making, or NULL
};

#ifdef __cplusplus
#define ASYNCIO_COROUTINE(fn, arg)                                             \
    (asyncio_coroutine{(fn), (arg), 0, NULL, ASYNCIO_SITE})
#else
#define ASYNCIO_COROUTINE(fn, arg)                                             \
    ((struct asyncio_coroutine){(fn), (arg), 0, NULL, ASYNCIO_SITE})
#endif

// Declares a coroutine object that is to be run before the block ends: awaited,
// or given to a call that makes a task of it. In debug mode one that was not is
// reported when the block is left. Of an object made by ASYNCIO_COROUTINE
// nobody hears when it is forgotten: C has no destructors.
#define ASYNCIO_WITH_COROUTINE(name, fn, arg)                                  \
    struct asyncio_coroutine name                                              \
        __attribute__((cleanup(asyncio_coroutine_close))) =                    \
            ASYNCIO_COROUTINE(fn, arg)

// Uses the object up, and reports it in debug mode if it had never run: what
// the end of the block calls. Accepts a zeroed struct and a second call.
// like      coroutine.close, and "coroutine ... was never awaited"
ASYNCIO_API void asyncio_coroutine_close(struct asyncio_coroutine *coroutine);

// Writes a word about it: "unused", "running", or "used up" once it has ended
// or a task was made of it. Returns `buffer`.
// like      inspect.getcoroutinestate
ASYNCIO_API char *
asyncio_coroutine_describe(const struct asyncio_coroutine *coroutine,
                           char *buffer, size_t size);

// --- tasks ------------------------------------------------------------------

struct asyncio_task; // counted; made by create_task
struct asyncio_executor;
struct asyncio_context;

struct asyncio_task_options {
    ASYNCIO__OPTIONS_HEAD
    const char *name ASYNCIO__UNSET;    // copied; else "Task-1", "Task-2", ...
    size_t copy ASYNCIO__UNSET;         // bytes of *arg: the task gets a copy
    uint32_t stack_size ASYNCIO__UNSET; // bytes, to 1 GiB; else 64 KiB
    bool eager ASYNCIO__UNSET;   // begins inside the call: see create_task
    bool lazy ASYNCIO__UNSET;    // does not, whatever the loop is set to
    bool compact ASYNCIO__UNSET; // has no stack of its own: see create_task
    struct asyncio_executor *executor ASYNCIO__UNSET; // run it there instead
    size_t size ASYNCIO__UNSET; // bytes of *arg that go to a process and back
    struct asyncio_task **task ASYNCIO__UNSET; // in a group: takes the handle
    struct asyncio_loop *loop ASYNCIO__UNSET;  // else this thread's
    // Whose variables it shares; else it has its maker's (asyncio/context.h).
    struct asyncio_context *context ASYNCIO__UNSET;
};

// Makes a task; it begins in the next pass, not inside this call.
//
// With `.eager`, or on a loop that is set to it (asyncio_loop_set_eager), it
// begins at once, on a stack of its own, and the call returns when it first
// waits or has ended: one that never waits is done by then, and was in no
// queue. So it may be made in a callback too, which goes on in the same way.
// Where the loop does not run, it begins as usual.
//
// With `.compact` it shares its stack with others of its kind. While it waits,
// and another of them needs the place, its frames are kept elsewhere, and take
// no more memory than they fill: for tasks by the hundred thousand that mostly
// wait. It begins in the next pass, whatever the loop is set to. Nobody else
// may have the address of anything in its frames: a call that would give it
// away, or that waits in a way for which that cannot be known, returns -EFAULT
// and does nothing. So do all that keep an argument for a callback, a task, a
// thread or a server. Not looked at are the items of a queue and the values of
// variables (asyncio/context.h), nor what a struct points to that is given
// away. What others are to see lies elsewhere: on the heap, in static memory,
// in its `.copy`, or in the frame of a task that is not compact.
// Time limits and cancel scopes are for its frames, too: what the runtime has
// to find is kept on the heap as long as they are open.
//
// returns   never NULL. A spawn that failed is a task that has ended with the
//           reason: -EINVAL no function, or both eager and lazy, or compact
//           and eager, of a stack size, or with an executor; -ENOMEM; -EFAULT
//           `arg` lies in the frames of the compact task that makes it; -EPERM
//           no loop, -ESHUTDOWN
// suspends  never; an eager start runs the new task, and no other
// owns      the reference is yours: asyncio_task_release, done or not
// like      asyncio.create_task, asyncio.eager_task_factory
ASYNCIO_API ASYNCIO_SUSPENDS struct asyncio_task *(
    asyncio_create_task)(int (*fn)(void *arg), void *arg,
                         const struct asyncio_task_options *options);
#define asyncio_create_task(...) ASYNCIO__CREATE_TASK(__VA_ARGS__, )
#define ASYNCIO__CREATE_TASK(fn, arg, ...)                                     \
    (asyncio_create_task)(fn, arg,                                             \
                          ASYNCIO__OPTIONS(asyncio_task_options, __VA_ARGS__))

// The same for a coroutine object, which is used up by it.
//
// returns   as create_task; the reason is -EALREADY too, for an object that was
//           used before, and -EBUSY for one that is being awaited
ASYNCIO_API ASYNCIO_SUSPENDS struct asyncio_task *(
    asyncio_coroutine_create_task)(struct asyncio_coroutine *coroutine,
                                   const struct asyncio_task_options *options);
#define asyncio_coroutine_create_task(...)                                     \
    ASYNCIO__COROUTINE_CREATE_TASK(__VA_ARGS__, )
#define ASYNCIO__COROUTINE_CREATE_TASK(coroutine, ...)                         \
    (asyncio_coroutine_create_task)(                                           \
        coroutine, ASYNCIO__OPTIONS(asyncio_task_options, __VA_ARGS__))

// Another reference to the same task, and letting go of one. The last one frees
// it once it is done; a failure that nobody looked at is reported then. Release
// accepts NULL.
ASYNCIO_API struct asyncio_task *asyncio_task_retain(struct asyncio_task *task);
ASYNCIO_API void asyncio_task_release(struct asyncio_task *task);

// Asks the task to end: the wait it is in, or else its next one, returns
// -ECANCELED; if it waits for another task or future, that is cancelled. Each
// call counts. Nothing of the task runs inside this call. When -ECANCELED is
// there, asyncio_last_error tells who asked for it, where and why.
//
// returns   false if the task was done
// like      Task.cancel
ASYNCIO_API bool(asyncio_task_cancel)(
    struct asyncio_task *task, const struct asyncio_cancel_options *options);
#define asyncio_task_cancel(...) ASYNCIO__TASK_CANCEL(__VA_ARGS__, )
#define ASYNCIO__TASK_CANCEL(task, ...)                                        \
    (asyncio_task_cancel)(                                                     \
        task, ASYNCIO__OPTIONS(asyncio_cancel_options, __VA_ARGS__))

// Takes one request back and returns how many remain; at 0 none is delivered.
// The other only counts them.
// like      Task.uncancel, Task.cancelling
ASYNCIO_API int asyncio_task_uncancel(struct asyncio_task *task);
ASYNCIO_API int asyncio_task_cancelling(const struct asyncio_task *task);

// Whether it has ended, and whether by being cancelled.
// like      Task.done, Task.cancelled
ASYNCIO_API bool asyncio_task_done(const struct asyncio_task *task);
ASYNCIO_API bool asyncio_task_cancelled(const struct asyncio_task *task);

// As asyncio_future_result and asyncio_future_exception.
ASYNCIO_API int asyncio_task_result(const struct asyncio_task *task,
                                    int *result);
ASYNCIO_API int asyncio_task_exception(const struct asyncio_task *task,
                                       int *code);

// The task as a future: for callbacks, and for calls that take futures.
ASYNCIO_API struct asyncio_future *
asyncio_task_future(struct asyncio_task *task);

// Its name. A new one is copied: 0, or -ENOMEM and the old one stays.
// like      Task.get_name, Task.set_name
ASYNCIO_API const char *asyncio_task_name(const struct asyncio_task *task);
ASYNCIO_API int asyncio_task_set_name(struct asyncio_task *task,
                                      const char *name);

// Writes one line about it: name; pending, cancelling, cancelled or finished;
// where it was made; what it waits for. Returns `buffer`.
ASYNCIO_API char *asyncio_task_describe(const struct asyncio_task *task,
                                        char *buffer, size_t size);

// The task that runs now, or NULL. Borrowed.
// like      asyncio.current_task
ASYNCIO_API struct asyncio_task *asyncio_current_task(void);

// Puts up to `count` tasks of the loop that are not done into `tasks`,
// borrowed, in order of their making, and returns how many there are. NULL for
// the loop is this thread's.
// like      asyncio.all_tasks
ASYNCIO_API size_t asyncio_all_tasks(struct asyncio_loop *loop,
                                     struct asyncio_task **tasks, size_t count);

// --- waiting ----------------------------------------------------------------

struct asyncio_sleep_options {
    ASYNCIO__OPTIONS_HEAD
    int result ASYNCIO__UNSET; // what it returns in the end, 0 or more
};

// Lets others run for `seconds`; 0 or less: one pass.
//
// returns   0, or the `.result` given; -ECANCELED; -EINVAL for what is not a
//           number or too large, or a negative result; -EPERM outside a task
// like      asyncio.sleep
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_sleep)(
    double seconds, const struct asyncio_sleep_options *options);
#define asyncio_sleep(...) ASYNCIO__SLEEP(__VA_ARGS__, )
#define ASYNCIO__SLEEP(seconds, ...)                                           \
    asyncio__sleep(seconds,                                                    \
                   ASYNCIO__OPTIONS(asyncio_sleep_options, __VA_ARGS__))

// What asyncio_sleep(0) is, where the compiler sees the 0.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio__yield(void);

ASYNCIO_SUSPENDS static inline int
asyncio__sleep(double seconds, const struct asyncio_sleep_options *options)
{
    bool plain = seconds <= 0 && options->result == 0;
    return __builtin_constant_p(plain) && plain
               ? asyncio__yield()
               : (asyncio_sleep)(seconds, options);
}

// Waits for an outcome and returns it: write asyncio_await(x), which chooses
// among these by the type of `x`. The words of a failure become the waiter's.
//
// returns   the outcome; -EPERM outside a task; -EXDEV if it belongs to another
//           loop; -EDEADLK for oneself; -EALREADY for a coroutine used before,
//           -EBUSY for one that is being awaited
// suspends  for a task or future only if it is not done; a coroutine runs here,
//           in the caller's task
// cancel    is passed on to what it waits for; the call returns when that ends
// like      await
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_await_task(struct asyncio_task *task);
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_await_future(struct asyncio_future *future);
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_await_coroutine(struct asyncio_coroutine *coroutine);

// asyncio_shield(x): the same, but cancelling the caller leaves what it waits
// for alone. A coroutine object becomes a task; its argument has to outlive the
// caller then.
//
// cancel    returns -ECANCELED; what is shielded goes on
// like      asyncio.shield
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_shield_task(struct asyncio_task *task);
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_shield_future(struct asyncio_future *future);
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_shield_coroutine(struct asyncio_coroutine *coroutine);

// --- one of the three -------------------------------------------------------

// For lists that mix tasks, futures and coroutine objects: ASYNCIO_ANY(task).
enum asyncio_kind {
    ASYNCIO_TASKS,
    ASYNCIO_FUTURES,
    ASYNCIO_COROUTINES,
    ASYNCIO_ANYS,
};

// One entry of such a list.
struct asyncio_any {
    enum asyncio_kind kind;
    void *object;
};

// The task for a coroutine object or a task: a task is handed back as it is,
// with one more reference.
//
// returns   never NULL, as create_task; the reason is -EXDEV too, for a task of
//           another loop, and -EINVAL for what is neither
// owns      the reference is yours: asyncio_task_release
// like      asyncio.ensure_future
ASYNCIO_API ASYNCIO_SUSPENDS struct asyncio_task *
asyncio_ensure_future(struct asyncio_any any);

ASYNCIO__END

// --- the forms that choose by type ------------------------------------------

#ifndef __cplusplus

// clang-format off
#define asyncio_await(x)                                                       \
    _Generic((x),                                                              \
        struct asyncio_task *: asyncio_await_task,                             \
        struct asyncio_future *: asyncio_await_future,                         \
        struct asyncio_coroutine *: asyncio_await_coroutine)(x)

#define asyncio_shield(x)                                                      \
    _Generic((x),                                                              \
        struct asyncio_task *: asyncio_shield_task,                            \
        struct asyncio_future *: asyncio_shield_future,                        \
        struct asyncio_coroutine *: asyncio_shield_coroutine)(x)

// asyncio_loop_run_until_future, _task or _coroutine, by the type of `x`.
#define asyncio_loop_run_until_complete(loop, x)                               \
    _Generic((x),                                                              \
        struct asyncio_task *: asyncio_loop_run_until_task,                    \
        struct asyncio_future *: asyncio_loop_run_until_future,                \
        struct asyncio_coroutine *: asyncio_loop_run_until_coroutine)(loop, x)

#define ASYNCIO_ANY(x)                                                         \
    ((struct asyncio_any){                                                     \
        _Generic((x),                                                          \
            struct asyncio_task *: ASYNCIO_TASKS,                              \
            struct asyncio_future *: ASYNCIO_FUTURES,                          \
            struct asyncio_coroutine *: ASYNCIO_COROUTINES), (x)})

#define ASYNCIO__KIND(list)                                                    \
    _Generic((list),                                                           \
        struct asyncio_task **: ASYNCIO_TASKS,                                 \
        struct asyncio_task *const *: ASYNCIO_TASKS,                           \
        struct asyncio_future **: ASYNCIO_FUTURES,                             \
        struct asyncio_future *const *: ASYNCIO_FUTURES,                       \
        struct asyncio_coroutine *: ASYNCIO_COROUTINES,                        \
        struct asyncio_any *: ASYNCIO_ANYS)
// clang-format on

#else

#define ASYNCIO__OVERLOADS(name)                                               \
    ASYNCIO_SUSPENDS inline int name(asyncio_task *x)                          \
    {                                                                          \
        return name##_task(x);                                                 \
    }                                                                          \
    ASYNCIO_SUSPENDS inline int name(asyncio_future *x)                        \
    {                                                                          \
        return name##_future(x);                                               \
    }                                                                          \
    ASYNCIO_SUSPENDS inline int name(asyncio_coroutine *x)                     \
    {                                                                          \
        return name##_coroutine(x);                                            \
    }
ASYNCIO__OVERLOADS(asyncio_await)
ASYNCIO__OVERLOADS(asyncio_shield)

inline int asyncio_loop_run_until_complete(asyncio_loop *loop, asyncio_task *x)
{
    return asyncio_loop_run_until_task(loop, x);
}
inline int asyncio_loop_run_until_complete(asyncio_loop *loop,
                                           asyncio_future *x)
{
    return asyncio_loop_run_until_future(loop, x);
}
inline int asyncio_loop_run_until_complete(asyncio_loop *loop,
                                           asyncio_coroutine *x)
{
    return asyncio_loop_run_until_coroutine(loop, x);
}

inline asyncio_any ASYNCIO_ANY(asyncio_task *x)
{
    return {ASYNCIO_TASKS, x};
}
inline asyncio_any ASYNCIO_ANY(asyncio_future *x)
{
    return {ASYNCIO_FUTURES, x};
}
inline asyncio_any ASYNCIO_ANY(asyncio_coroutine *x)
{
    return {ASYNCIO_COROUTINES, x};
}

inline asyncio_kind ASYNCIO__KIND(asyncio_task *const *)
{
    return ASYNCIO_TASKS;
}
inline asyncio_kind ASYNCIO__KIND(asyncio_future *const *)
{
    return ASYNCIO_FUTURES;
}
inline asyncio_kind ASYNCIO__KIND(asyncio_coroutine *)
{
    return ASYNCIO_COROUTINES;
}
inline asyncio_kind ASYNCIO__KIND(asyncio_any *)
{
    return ASYNCIO_ANYS;
}

#endif
