// The thread pool from within: jobs that go to a crew of threads, and post
// themselves back.
//
//     loop's thread      start ---.              .--> landed, wake
//                         door --> queue        /
//     a thread                       `-- work -'
//
// A job that has ended posts itself to its loop through that loop's home, and
// the thread never looks at it again. One that was abandoned is let go of by
// the thread itself. The pool's lock decides which of the two it is.
//
// Where the queue is bounded, who finds it full waits at its door, and is let
// in, in order of arrival, by whoever takes a job out of the queue.
#pragma once

#include <pthread.h>

#include "exec/job.h"

struct asyncio__thread_pool {
    struct asyncio_executor executor;
    struct asyncio__offload *crew; // NULL once nothing can start; see lock
    char name[16];                 // of the threads, as much as is shown
    uint32_t max_queued;           // or 0

    pthread_mutex_t lock;      // for all that follows, and for `crew`
    pthread_cond_t ended;      // a job has
    int width;                 // threads at most
    struct asyncio_link door;  // asyncio__job.offload of those that found the
                               // queue full, the oldest first
    size_t waiting;            // how many these are
    uint64_t finished, failed; // as in the statistics
    size_t out;                // jobs that threads may still touch the pool for
    struct asyncio__home *drained_home; // who waits for `out` to be 0
    struct asyncio__post drained;       // what is posted there then
    struct asyncio_task *drained_task;  // of a shutdown that waits
    struct asyncio__guest guest;        // of one that does not
};

// --- jobs (thread_job.c) ----------------------------------------------------

extern const char asyncio__thread_pool_broken[]; // words for that

// On a thread of the pool: runs the function, and sends the job back.
void asyncio__thread_job_work(struct asyncio__offload_job *offload);
void asyncio__thread_job_done(struct asyncio__offload_job *offload);

// Sends back one that is in no queue and will not begin. Any thread.
void asyncio__thread_job_fail(struct asyncio__job *job, int code);

// The last that is done for a job. Whoever waits for the pool to be empty is
// told by the one that leaves last. That one touches the pool no more, unless
// it is a thread of the pool's own: these are joined before the pool is freed.
void asyncio__thread_pool_leave(struct asyncio__thread_pool *pool);

// Whether a newcomer has to wait at the door; the lock is held.
bool asyncio__thread_pool_full(const struct asyncio__thread_pool *pool);

// Takes this job from the door; the lock is held.
void asyncio__thread_pool_pop(struct asyncio__thread_pool *pool,
                              struct asyncio__job *job);
// The first there, or NULL. Any thread.
struct asyncio__job *
asyncio__thread_pool_pop_door(struct asyncio__thread_pool *pool);

// Lets those at the door in while there is room. Any thread.
void asyncio__thread_pool_admit(struct asyncio__thread_pool *pool);
