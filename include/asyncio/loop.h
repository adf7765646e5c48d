// The event loop: callbacks, timers and descriptors, one pass after the other.
//
// A pass runs what is ready when it begins: first what was queued, then what
// the kernel reports, then timers that are due. What becomes ready meanwhile
// runs in the next pass, so nobody can starve the others. Most programs never
// see a loop: asyncio_run makes one, and the calls here act on the one that
// runs.
//
//     asyncio_call_later(0.5, on_timer, &state);
//
// A callback is a function like any coroutine, but it runs on the loop's own
// stack, in no task: it must not wait. A negative code that it returns is
// reported. Call all of it on the loop's thread, but for
// asyncio_call_soon_threadsafe (docs/threads.md). In a process forked from one
// with a loop there is none: calls are -EPERM, and it may run a loop of its
// own. It has to end by _exit or exec: what it returns to is the parent's.
#pragma once

#include <asyncio/base.h>

ASYNCIO__BEGIN

struct asyncio_loop;
struct asyncio__variables;

// For limits: never.
#define ASYNCIO_FOREVER __builtin_inf()

// --- a loop's life ----------------------------------------------------------

// What `.debug` may say; `true` is ASYNCIO_DEBUG_ON. Left out, the environment
// decides: debug mode is on if ASYNCIO_DEBUG is set there, and neither empty
// nor 0.
enum asyncio_debug {
    ASYNCIO_DEBUG_OFF = -1,
    ASYNCIO_DEBUG_DEFAULT = 0,
    ASYNCIO_DEBUG_ON = 1,
};

struct asyncio_loop_options {
    ASYNCIO__OPTIONS_HEAD
    int8_t debug ASYNCIO__UNSET; // enum asyncio_debug: see asyncio/debug.h
    // ASYNCIO_DEBUG, ASYNCIO_BACKEND and ASYNCIO_CLOCK are not asked: as
    // Python's -E.
    bool ignore_environment ASYNCIO__UNSET;
    bool eager ASYNCIO__UNSET; // as by asyncio_loop_set_eager
    // "uring", "epoll" or "sim"; else the simulated world that this thread
    // uses (asyncio/simulator.h), else what ASYNCIO_BACKEND in the environment
    // says, else io_uring where the kernel allows it.
    const char *backend ASYNCIO__UNSET;
    // Seconds that one step of the loop may take in debug mode, else 0.1.
    double slow_step ASYNCIO__UNSET;
    void *reserved_[3] ASYNCIO__UNSET;
};

// Makes a loop and makes it this thread's current one.
//
// returns   0, or a negative errno: -EINVAL for a backend of another name,
//           -ENOMEM, or what the kernel said
// owns      asyncio_loop_free
// like      asyncio.new_event_loop, asyncio.set_event_loop
ASYNCIO_API int(asyncio_new_event_loop)(
    struct asyncio_loop **loop, const struct asyncio_loop_options *options);
#define asyncio_new_event_loop(...) ASYNCIO__NEW_EVENT_LOOP(__VA_ARGS__, )
#define ASYNCIO__NEW_EVENT_LOOP(loop, ...)                                     \
    (asyncio_new_event_loop)(                                                  \
        loop, ASYNCIO__OPTIONS(asyncio_loop_options, __VA_ARGS__))

// Closes the loop: nothing can be queued any more, its descriptors are closed.
// What is still queued is dropped, tasks that are not done are reported. The
// struct itself lives until asyncio_loop_free, so that closed loops may be
// asked.
//
// returns   0, also when it was closed before; -EBUSY while it runs
// like      loop.close
ASYNCIO_API int asyncio_loop_close(struct asyncio_loop *loop);

// Closes the loop if need be and frees it. Accepts NULL. -EBUSY while it runs.
ASYNCIO_API int asyncio_loop_free(struct asyncio_loop *loop);

// Runs passes until stopped. While a loop runs, a task whose stack overflows
// ends the process with one line that says which and what to set; the handler
// of SIGSEGV that was there before gets all other faults. With
// ASYNCIO_OVERFLOW_REPORT=0 in the environment the signal is left alone.
//
// returns   0; -EBUSY while a loop runs on this thread; -ESHUTDOWN if closed
// like      loop.run_forever
ASYNCIO_API int asyncio_loop_run_forever(struct asyncio_loop *loop);

struct asyncio_future;
struct asyncio_task;
struct asyncio_coroutine;

// Runs passes until the future or task is done; a coroutine object becomes a
// task. A task that is left pending by stop can be run on later.
//
// returns   the outcome; -EINTR if stopped before; -EXDEV if it belongs to
//           another loop, -EBUSY or -ESHUTDOWN as run_forever: nothing has run
// like      loop.run_until_complete
ASYNCIO_API int asyncio_loop_run_until_future(struct asyncio_loop *loop,
                                              struct asyncio_future *future);
ASYNCIO_API int asyncio_loop_run_until_task(struct asyncio_loop *loop,
                                            struct asyncio_task *task);
ASYNCIO_API int
asyncio_loop_run_until_coroutine(struct asyncio_loop *loop,
                                 struct asyncio_coroutine *coroutine);

// Ends the run at the end of the pass under way. Before a run: that run makes
// one pass, which does not wait.
// like      loop.stop
ASYNCIO_API void asyncio_loop_stop(struct asyncio_loop *loop);

// Whether tasks of this loop begin inside the call that makes them; a task's
// own `.eager` or `.lazy` comes first. Holds for those made from now on.
// like      loop.set_task_factory(asyncio.eager_task_factory)
ASYNCIO_API void asyncio_loop_set_eager(struct asyncio_loop *loop, bool eager);
ASYNCIO_API bool asyncio_loop_is_eager(const struct asyncio_loop *loop);

// Whether it runs now, and whether it was closed.
// like      loop.is_running, loop.is_closed
ASYNCIO_API bool asyncio_loop_is_running(const struct asyncio_loop *loop);
ASYNCIO_API bool asyncio_loop_is_closed(const struct asyncio_loop *loop);

// "uring", "epoll" or "sim"; "closed" once it is.
ASYNCIO_API const char *asyncio_loop_backend(const struct asyncio_loop *loop);

// The loop that runs on this thread, or NULL.
// like      asyncio.get_running_loop
ASYNCIO_API struct asyncio_loop *asyncio_get_running_loop(void);

// The running loop, else the one last made or set on this thread, or NULL.
// like      asyncio.get_event_loop, asyncio.set_event_loop
ASYNCIO_API struct asyncio_loop *asyncio_get_event_loop(void);
ASYNCIO_API void asyncio_set_event_loop(struct asyncio_loop *loop);

// Turns debug mode on or off: asyncio/debug.h says what that does. From the
// next pass on, if the loop runs.
//
// returns   0; -ENOMEM: it is off; -ESHUTDOWN for a closed loop; -EPERM from
//           another thread than the one that the loop runs on
// like      loop.set_debug, loop.get_debug
ASYNCIO_API int asyncio_loop_set_debug(struct asyncio_loop *loop, bool on);
ASYNCIO_API bool asyncio_loop_get_debug(const struct asyncio_loop *loop);

// How long a callback or one step of a task may take before debug mode reports
// it, in seconds; 0 reports each.
//
// returns   0; -EINVAL for a negative duration or what is not a number
// like      loop.slow_callback_duration
ASYNCIO_API int
asyncio_loop_set_slow_callback_duration(struct asyncio_loop *loop,
                                        double seconds);
ASYNCIO_API double
asyncio_loop_get_slow_callback_duration(const struct asyncio_loop *loop);

// Seconds of the loop's monotonic clock: for differences and deadlines.
// like      loop.time
ASYNCIO_API double asyncio_time(void);

// --- callbacks and timers ---------------------------------------------------

// A queued callback, to cancel it or to ask for its time. Lives in your memory
// until it has run or was cancelled. All zero is queued nowhere.
struct asyncio_handle {
    void *core_[4] ASYNCIO__UNSET; // a step, or a timer
    int (*fn_)(void *arg) ASYNCIO__UNSET;
    void *arg_ ASYNCIO__UNSET;
    struct asyncio_loop *loop_ ASYNCIO__UNSET;
    const char *site_ ASYNCIO__UNSET;
    double when_ ASYNCIO__UNSET;
    int state_ ASYNCIO__UNSET;
    int owned_ ASYNCIO__UNSET;
    int64_t tick_ns_ ASYNCIO__UNSET; // of the system's clock, before it began
    struct asyncio__variables *carried_ ASYNCIO__UNSET; // of its maker's
};

struct asyncio_call_options {
    ASYNCIO__OPTIONS_HEAD
    struct asyncio_loop *loop ASYNCIO__UNSET;     // else this thread's
    struct asyncio_handle *handle ASYNCIO__UNSET; // else nobody can cancel it
    void *reserved_[4] ASYNCIO__UNSET;
};

// Runs fn(arg) in the next pass, in order of the calls.
//
// returns   0; -EPERM without a loop; -ESHUTDOWN if it is closed; -EINVAL for
//           no function; -EBUSY if the handle is queued; -ENOMEM; -EFAULT if
//           `arg` or the handle lies in the frames of the compact task that
//           calls (asyncio/task.h)
// suspends  never
// like      loop.call_soon
ASYNCIO_API int(asyncio_call_soon)(int (*fn)(void *arg), void *arg,
                                   const struct asyncio_call_options *options);
#define asyncio_call_soon(...) ASYNCIO__CALL_SOON(__VA_ARGS__, )
#define ASYNCIO__CALL_SOON(fn, arg, ...)                                       \
    (asyncio_call_soon)(fn, arg,                                               \
                        ASYNCIO__OPTIONS(asyncio_call_options, __VA_ARGS__))

// Runs fn(arg) `delay` seconds from now; never inside this call, also if the
// delay is 0 or negative. Timers of one time run in order of the calls. A delay
// of the system's clock begins when the loop looks at that next, at most 20 ms
// from now: so it may end a moment late, and never early.
//
// returns   as call_soon; -EINVAL too for a delay that is not a number or is
//           too large. ASYNCIO_FOREVER is a timer that never runs.
// like      loop.call_later
ASYNCIO_API int(asyncio_call_later)(double delay, int (*fn)(void *arg),
                                    void *arg,
                                    const struct asyncio_call_options *options);
#define asyncio_call_later(...) ASYNCIO__CALL_LATER(__VA_ARGS__, )
#define ASYNCIO__CALL_LATER(delay, fn, arg, ...)                               \
    (asyncio_call_later)(delay, fn, arg,                                       \
                         ASYNCIO__OPTIONS(asyncio_call_options, __VA_ARGS__))

// The same at a time of asyncio_time's clock, and no earlier.
// like      loop.call_at
ASYNCIO_API int(asyncio_call_at)(double when, int (*fn)(void *arg), void *arg,
                                 const struct asyncio_call_options *options);
#define asyncio_call_at(...) ASYNCIO__CALL_AT(__VA_ARGS__, )
#define ASYNCIO__CALL_AT(when, fn, arg, ...)                                   \
    (asyncio_call_at)(when, fn, arg,                                           \
                      ASYNCIO__OPTIONS(asyncio_call_options, __VA_ARGS__))

// The same as call_soon, and wakes the loop if it sleeps. A loop that has ended
// is recognised by its address; asyncio/threadsafe.h says what follows.
//
// returns   0; -ESHUTDOWN if the loop was closed or freed; -EINVAL for no loop
//           or no function; -ENOMEM; -EFAULT as call_soon
// thread    any
// like      loop.call_soon_threadsafe
ASYNCIO_API int asyncio_call_soon_threadsafe(struct asyncio_loop *loop,
                                             int (*fn)(void *arg), void *arg);

// The callback will not run. Harmless when it ran or was cancelled before.
// like      Handle.cancel, Handle.cancelled
ASYNCIO_API void asyncio_handle_cancel(struct asyncio_handle *handle);
ASYNCIO_API bool asyncio_handle_cancelled(const struct asyncio_handle *handle);

// The deadline of a timer as it was given, before and after it ran; 0 for one
// that is no timer.
// like      TimerHandle.when
ASYNCIO_API double asyncio_handle_when(const struct asyncio_handle *handle);

// How many timers are armed: callbacks, sleeping tasks and time limits.
ASYNCIO_API size_t asyncio_loop_timers(const struct asyncio_loop *loop);

// How many passes the loop has made.
ASYNCIO_API uint64_t asyncio_loop_passes(const struct asyncio_loop *loop);

// --- descriptors ------------------------------------------------------------

// Calls fn(arg) in each pass in which `fd` can be read (written) without
// waiting, or has failed, until removed. A second call for the same descriptor
// and direction replaces the first. Remove it before you close the descriptor.
//
// returns   0; -EPERM, -ESHUTDOWN, -EFAULT as call_soon; -EBADF; -EBUSY for
//           that of an open stream; -ENOMEM
// like      loop.add_reader, loop.add_writer
ASYNCIO_API int asyncio_add_reader(int fd, int (*fn)(void *arg), void *arg);
ASYNCIO_API int asyncio_add_writer(int fd, int (*fn)(void *arg), void *arg);

// Takes the callback back; it does not run any more.
//
// returns   1 if there was one, 0 if not, or a negative errno: -EBUSY for that
//           of an open stream
// like      loop.remove_reader, loop.remove_writer
ASYNCIO_API int asyncio_remove_reader(int fd);
ASYNCIO_API int asyncio_remove_writer(int fd);

// --- signals ----------------------------------------------------------------

// Calls fn(arg) on the loop each time the process receives `signal`. A second
// call for the same signal replaces the first. One loop at a time, on the main
// thread.
//
// returns   0; -EPERM, -ESHUTDOWN, -EFAULT as call_soon; -EPERM on another
//           thread; -EINVAL for a signal that cannot be caught; -EBUSY if
//           another loop handles it, or somebody waits for it
//           (asyncio/signal.h)
// like      loop.add_signal_handler
ASYNCIO_API int asyncio_add_signal_handler(int signal, int (*fn)(void *arg),
                                           void *arg);

// Takes the callback back, and restores what the signal did before.
//
// returns   1 if this loop handled it, 0 if not, or a negative errno: -EBUSY if
//           somebody waits for it
// like      loop.remove_signal_handler
ASYNCIO_API int asyncio_remove_signal_handler(int signal);

// --- reports ----------------------------------------------------------------

// Something went wrong that no caller is there to be told of.
struct asyncio_report {
    int code;         // a negative errno
    const char *text; // one line: what happened and what to do
    const char *task; // name of the task concerned, or ""
    const char *site; // "file:line" that it comes from, or ""
};

typedef void asyncio_report_fn(const struct asyncio_report *report, void *arg);

// Sends the reports of this thread's loop to fn(report, arg); NULL restores the
// default, which prints one line to standard error.
//
// returns   0; -EPERM without a loop; -EFAULT as call_soon
// like      loop.set_exception_handler
ASYNCIO_API int asyncio_set_exception_handler(asyncio_report_fn *fn, void *arg);

// Makes a report.
// like      loop.call_exception_handler
ASYNCIO_API void
asyncio_call_exception_handler(const struct asyncio_report *report);

ASYNCIO__END
