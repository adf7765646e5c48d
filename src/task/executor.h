// What an executor is to the floors below it: something that a task can have a
// function run by, elsewhere, while it waits.
//
// The pools themselves are two floors up; here is the interface that they fill
// in, and the list of those that live. An executor is looked up in that list by
// its address before it is touched, so that a call on one that was shut down is
// a code and no crash, and is kept in memory while calls are under way.
#pragma once

#include <asyncio/executor.h>

#include "base/list.h"

struct asyncio__job;

struct asyncio__executor_ops {
    // Runs fn(arg) there, and the running task waits for it: the outcome of
    // `fn`, or what asyncio_run_in_executor returns instead. `options` is never
    // NULL.
    int (*call)(struct asyncio_executor *executor, int (*fn)(void *arg),
                void *arg, const struct asyncio_job_options *options);

    // The same in steps, on the loop's thread (exec/job.h). start: 0, or a
    // negative errno and the job was not taken. retract: true if the job had
    // not begun and never will. interrupt: it has begun and should end early;
    // NULL if there is no way. abandon: nobody waits for it any more.
    int (*start)(struct asyncio_executor *executor, struct asyncio__job *job);
    bool (*retract)(struct asyncio_executor *executor,
                    struct asyncio__job *job);
    void (*interrupt)(struct asyncio_executor *executor,
                      struct asyncio__job *job);
    void (*abandon)(struct asyncio_executor *executor,
                    struct asyncio__job *job);

    // The loop whose thread alone may call, or NULL if there is none now; NULL
    // for what any thread may call.
    struct asyncio_loop *(*loop)(struct asyncio_executor *executor);

    // How many jobs are worth having on their way at a time.
    size_t (*width)(struct asyncio_executor *executor);
    int (*resize)(struct asyncio_executor *executor, int max_workers);
    void (*statistics)(struct asyncio_executor *executor,
                       struct asyncio_pool_statistics *statistics);
    // Ends the workers with a signal; NULL if there is no way.
    void (*stop)(struct asyncio_executor *executor, int signal);

    // Waits for the jobs it has and lets go of threads and processes; may end
    // those that have not begun. Called once, when no new call can come. False
    // if that goes on without the caller: the list's reference goes along, and
    // is dropped at the end.
    bool (*shutdown)(struct asyncio_executor *executor,
                     const struct asyncio_shutdown_options *options);
    void (*free)(struct asyncio_executor *executor); // the memory, last of all
};

struct asyncio_executor {
    const struct asyncio__executor_ops *ops;
    struct asyncio_link link; // in the list of those that live
    unsigned references;      // of the list, and of each call under way
};

// What the default executor is where there can be none: without a loop, without
// memory. Calls on it say which.
extern struct asyncio_executor asyncio__executor_none;

// Runs fn(arg) on `executor`, while the running task waits. `options` may be
// NULL. -ESHUTDOWN if `executor` is NULL or was shut down.
int asyncio__executor_call(struct asyncio_executor *executor,
                           int (*fn)(void *arg), void *arg,
                           const struct asyncio_job_options *options);

// Enters a new executor into the list, with one reference, the list's.
void asyncio__executor_enter(struct asyncio_executor *executor);

// Takes it out of the list, so that no new call finds it; the list's reference
// goes to the caller. False if it is not in the list.
bool asyncio__executor_leave(struct asyncio_executor *executor);

// Looks for it in the list and holds it; false if it is not there.
bool asyncio__executor_hold(struct asyncio_executor *executor);
void asyncio__executor_drop(struct asyncio_executor *executor);

// A fork has no executors: forgets them all, in the child.
void asyncio__executor_forget_all(void);
