// Workers: a program on many cores, with a loop and a thread for each.
//
//     static int worker(void *arg)
//     {
//         return serve(arg, asyncio_worker_number());
//     }
//
//     int err = asyncio_run_workers(worker, &config, .workers = 4);
//
// A task stays on the loop that made it, and so do locks, queues and futures:
// nothing of that is shared, and nothing needs a lock. What goes from worker to
// worker goes by the calls that docs/threads.md lists.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

struct asyncio_workers_options {
    ASYNCIO__OPTIONS_HEAD
    int workers ASYNCIO__UNSET;         // else one for each processor
    int8_t debug ASYNCIO__UNSET;        // as in struct asyncio_loop_options
    bool eager ASYNCIO__UNSET;          // the same
    const char *backend ASYNCIO__UNSET; // the same
    void *reserved_[4] ASYNCIO__UNSET;
};

// Runs fn(arg) once in each worker, as the main task of a loop of its own, and
// returns when all of them have ended. The first that fails, -ECANCELED
// included, cancels the main tasks of the others; one that has not begun then
// does not begin. Worker 0 is the calling thread: on the main thread, Ctrl-C
// cancels it, as in asyncio_run, and by that the others.
//
// returns   0 if every worker returned 0 or more; else the code of the first
//           failure, with its words; that of a worker that could not be
//           started, -EAGAIN, too; -EINTR after Ctrl-C; -EINVAL for no function
//           or a negative number; -EBUSY in a running loop; -ENOMEM
// thread    any without a running loop
ASYNCIO_API int(asyncio_run_workers)(
    int (*fn)(void *arg), void *arg,
    const struct asyncio_workers_options *options);
#define asyncio_run_workers(...) ASYNCIO__RUN_WORKERS(__VA_ARGS__, )
#define ASYNCIO__RUN_WORKERS(fn, arg, ...)                                     \
    (asyncio_run_workers)(                                                     \
        fn, arg, ASYNCIO__OPTIONS(asyncio_workers_options, __VA_ARGS__))

// On the thread of a worker its number, 0 or more; elsewhere -1.
ASYNCIO_API int asyncio_worker_number(void);

// How many there are in all, on the thread of a worker; elsewhere 0.
ASYNCIO_API int asyncio_worker_count(void);

ASYNCIO__END
