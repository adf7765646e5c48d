// The lane of a poller: operations that only a blocking call can carry out, on
// threads of the poller's own. For epoll that is all of files, for io_uring
// what a ring cannot do.
//
//     submit -> crew's queue -> thread: the call -> posted -> collect: finished
//
// Each poller has its own crew, as each ring has its own workers in the kernel,
// and closes it: nothing of a loop outlives it.
#pragma once

#include <stdatomic.h>

#include "platform/backend.h"
#include "platform/offload.h"

struct asyncio__lane_job;

// All zero but for the poller is a lane without work.
struct asyncio__lane {
    struct asyncio__poller *poller;
    struct asyncio__offload *crew; // made with the first operation
    size_t jobs;                   // operations under way
    // What threads have finished, the latest first. Any thread adds, the
    // loop's thread takes all.
    _Atomic(struct asyncio__lane_job *) posted;
    atomic_bool asleep; // the poller is, or is about to: who posts wakes it
};

// Hands an operation to a thread. Returns 0 or a negative errno; a CLOSE is not
// refused, and made here if need be.
int asyncio__lane_submit(struct asyncio__lane *lane, struct asyncio__op *op);

// Takes an operation back, and finishes it, if no thread has begun it.
void asyncio__lane_retract(struct asyncio__lane *lane, struct asyncio__op *op);

// Finishes what threads have posted.
void asyncio__lane_collect(struct asyncio__lane *lane);

// Joins the threads. No operation may be under way.
void asyncio__lane_close(struct asyncio__lane *lane);

// Whether there is something to collect.
static inline bool asyncio__lane_has_news(const struct asyncio__lane *lane)
{
    return atomic_load(&lane->posted);
}

// To be asked before the poller sleeps: true if it may. What a thread posts
// from then on wakes it, and what was posted before is seen now.
static inline bool asyncio__lane_may_sleep(struct asyncio__lane *lane)
{
    if (lane->jobs == 0) return true;
    atomic_store(&lane->asleep, true);
    return !asyncio__lane_has_news(lane);
}

// To be said when it has slept.
static inline void asyncio__lane_woke(struct asyncio__lane *lane)
{
    if (lane->jobs > 0) atomic_store(&lane->asleep, false);
}

// Makes the call that `op` stands for, which may block. Any thread.
int asyncio__file_call(const struct asyncio__op *op);

// The same for READ, WRITE, READV, WRITEV, once, at `offset` (-1: the position)
// and with flags such as RWF_NOWAIT.
int asyncio__file_transfer(const struct asyncio__op *op, int64_t offset,
                           int flags);
