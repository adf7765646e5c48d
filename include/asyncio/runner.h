// A runner: one loop, on which main coroutines run one after the other.
//
//     struct asyncio_runner runner = {0};
//     int err = asyncio_runner_run(&runner, prepare, &state);
//     if (err >= 0) err = asyncio_runner_run(&runner, serve, &state);
//     asyncio_runner_close(&runner);
//
// All zero is ready, and makes its loop when it is first needed. Tasks that one
// run leaves behind stand still until the next one; close cancels and joins
// them. All its runs share one context (asyncio/context.h), unless they are
// given another with `.context`. Call all of it on one thread.
//
// While a run is under way on the process's main thread, and SIGINT does what
// it does by default, Ctrl-C cancels the main task: the wait that it is in, or
// its next one, returns -ECANCELED, so that it can clean up. A second Ctrl-C
// ends the process as SIGINT would. A disposition of the program's own is left
// alone, and so is one that it puts in place meanwhile.
#pragma once

#include <asyncio/context.h>
#include <asyncio/run.h>

ASYNCIO__BEGIN

// In your memory, where it stays while its loop is open.
struct asyncio_runner {
    struct asyncio_loop *loop_ ASYNCIO__UNSET;    // NULL: not made yet
    struct asyncio_loop *outside_ ASYNCIO__UNSET; // this thread's before
    struct asyncio_run_options options_ ASYNCIO__UNSET;
    struct asyncio_context context_ ASYNCIO__UNSET; // of all its runs
    int state_ ASYNCIO__UNSET;
    bool interrupted_ ASYNCIO__UNSET; // Ctrl-C ended the latest run
    void *reserved_[4] ASYNCIO__UNSET;
};

// Makes it ready, with options. Nothing is opened yet, so it may be forgotten.
ASYNCIO_API void(asyncio_runner_init)(
    struct asyncio_runner *runner, const struct asyncio_run_options *options);
#define asyncio_runner_init(...) ASYNCIO__RUNNER_INIT(__VA_ARGS__, )
#define ASYNCIO__RUNNER_INIT(runner, ...)                                      \
    (asyncio_runner_init)(runner,                                              \
                          ASYNCIO__OPTIONS(asyncio_run_options, __VA_ARGS__))

// Declares a runner that is closed where the block ends.
// like      `with asyncio.Runner() as runner:`
#define ASYNCIO_WITH_RUNNER(...) ASYNCIO__WITH_RUNNER(__VA_ARGS__, )
#define ASYNCIO__WITH_RUNNER(runner, ...)                                      \
    struct asyncio_runner runner                                               \
        __attribute__((cleanup(asyncio__runner_cleanup))) = ASYNCIO__ZERO;     \
    (asyncio_runner_init)(&runner,                                             \
                          ASYNCIO__OPTIONS(asyncio_run_options, __VA_ARGS__))
ASYNCIO_API void asyncio__runner_cleanup(struct asyncio_runner *runner);

// Hands its loop out, which is made if need be and becomes this thread's.
//
// returns   0; -ESHUTDOWN once it is closed; or the code with which the loop
//           could not be made
// owns      it stays the runner's
// like      Runner.get_loop
ASYNCIO_API int asyncio_runner_get_loop(struct asyncio_runner *runner,
                                        struct asyncio_loop **loop);

// Runs fn(arg) as the main task; `.name`, `.stack_size` and `.copy` are as in
// asyncio_create_task.
//
// returns   what fn returned; -EINTR if it ended cancelled by Ctrl-C and nobody
//           else had asked for that, or if the loop was stopped: the task then
//           stands still like others; -EBUSY inside a running loop, and a
//           report says that fn was never awaited; -ESHUTDOWN once the runner
//           is closed; -EINVAL for no function; as get_loop
// like      Runner.run
ASYNCIO_API int(asyncio_runner_run)(struct asyncio_runner *runner,
                                    int (*fn)(void *arg), void *arg,
                                    const struct asyncio_task_options *options);
#define asyncio_runner_run(...) ASYNCIO__RUNNER_RUN(__VA_ARGS__, )
#define ASYNCIO__RUNNER_RUN(runner, fn, arg, ...)                              \
    (asyncio_runner_run)(runner, fn, arg,                                      \
                         ASYNCIO__OPTIONS(asyncio_task_options, __VA_ARGS__))

// The same for an object: ASYNCIO_ANY(&coroutine).
//
// returns   as run; -EINVAL for a task or a future; -EALREADY or -EBUSY for a
//           coroutine object that was used, or is being awaited
ASYNCIO_API int(asyncio_runner_run_any)(
    struct asyncio_runner *runner, struct asyncio_any any,
    const struct asyncio_task_options *options);
#define asyncio_runner_run_any(...) ASYNCIO__RUNNER_RUN_ANY(__VA_ARGS__, )
#define ASYNCIO__RUNNER_RUN_ANY(runner, any, ...)                              \
    (asyncio_runner_run_any)(                                                  \
        runner, any, ASYNCIO__OPTIONS(asyncio_task_options, __VA_ARGS__))

// Cancels the tasks that are left and waits for them, shuts the default
// executor down and closes the loop. Errors of these tasks are reported. A
// zeroed runner is closed by it too.
//
// returns   0, also the second time; -EBUSY in a running loop
// like      Runner.close
ASYNCIO_API int asyncio_runner_close(struct asyncio_runner *runner);

ASYNCIO__END
