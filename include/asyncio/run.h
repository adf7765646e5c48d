// Running a program: a loop, a main coroutine, and an orderly end.
//
//     int main(void) { return asyncio_main(async_main, NULL); }
//
// Who wants to run several main coroutines, one after the other, on one loop
// uses a runner (asyncio/runner.h); what is said there of Ctrl-C holds here.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

struct asyncio_run_options {
    ASYNCIO__OPTIONS_HEAD
    int8_t debug ASYNCIO__UNSET;        // as in struct asyncio_loop_options
    bool eager ASYNCIO__UNSET;          // the same
    bool processes ASYNCIO__UNSET;      // fork the pools' launcher first
    const char *backend ASYNCIO__UNSET; // as in struct asyncio_loop_options
    double watchdog ASYNCIO__UNSET;     // seconds; see below
    void *reserved_[3] ASYNCIO__UNSET;
};

// With `.watchdog = seconds`, or ASYNCIO_WATCHDOG=seconds in the environment of
// a program that names none, a thread sees to it that the loop turns: a
// function that keeps it from that for longer is reported once, with
// -ETIMEDOUT, while it still does. The report names the task, where it was made
// and the functions that it stands in. It is made on the watchdog's thread,
// since the loop's may never come back: a handler of
// asyncio_set_exception_handler is called there for it, and must not use the
// loop. The stack is read in a handler for a real-time signal that the program
// does not use; a system call that is interrupted by it is restarted where the
// kernel can do so. The loop pays nothing while it turns.

// Makes a loop, runs fn(arg) in it as its main task, then cancels the tasks
// that are left and waits for them, shuts the default executor down and closes
// the loop. Errors of leftover tasks are reported, and change nothing else.
//
// returns   what fn returned; -EBUSY in a running loop: fn has not begun;
//           -EINTR if the loop was stopped before fn ended, or if fn ended
//           cancelled by Ctrl-C; or the code with which the loop could not be
//           made; -EINVAL for a negative `.watchdog`
// like      asyncio.run
ASYNCIO_API int(asyncio_run)(int (*fn)(void *arg), void *arg,
                             const struct asyncio_run_options *options);
#define asyncio_run(...) ASYNCIO__RUN(__VA_ARGS__, )
#define ASYNCIO__RUN(fn, arg, ...)                                             \
    (asyncio_run)(fn, arg, ASYNCIO__OPTIONS(asyncio_run_options, __VA_ARGS__))

// The same for a program: an error that came out is printed to standard error
// with its words, and 1 is returned; else 0. After a Ctrl-C that ended fn it
// prints nothing and returns 130, which is how a shell shows a death by SIGINT:
// so what stands after this call, and what atexit has, still runs.
ASYNCIO_API int(asyncio_main)(int (*fn)(void *arg), void *arg,
                              const struct asyncio_run_options *options);
#define asyncio_main(...) ASYNCIO__MAIN(__VA_ARGS__, )
#define ASYNCIO__MAIN(fn, arg, ...)                                            \
    (asyncio_main)(fn, arg, ASYNCIO__OPTIONS(asyncio_run_options, __VA_ARGS__))

ASYNCIO__END
