// Jobs in a trace: a slice for each on the row of the thread, or the worker
// process, that ran it; an arrow to it from who handed it in, and one back.
#pragma once

#include "exec/job.h"
#include "platform/clock.h"
#include "platform/trace.h"

struct asyncio__worker;

// What the functions below do if there is a trace.
void asyncio__job_trace_sent(struct asyncio__job *job);
void asyncio__job_trace_ran(struct asyncio__job *job, int64_t begun_ns);
void asyncio__job_trace_answered(struct asyncio__worker *worker,
                                 struct asyncio__job *job, int result);

// It is handed in, by what runs now on its loop.
static inline void asyncio__job_sent(struct asyncio__job *job)
{
    job->trace = asyncio__tracing();
    if (job->trace) asyncio__job_trace_sent(job);
}

// A thread begins it: the time, if somebody wants to know that; and has run it.
static inline int64_t asyncio__job_begun_ns(const struct asyncio__job *job)
{
    return job->trace ? asyncio__clock_real_ns() : 0;
}
static inline void asyncio__job_ran(struct asyncio__job *job, int64_t begun_ns)
{
    if (job->trace) asyncio__job_trace_ran(job, begun_ns);
}

// A worker process has answered, or ended; `result` is the outcome.
static inline void asyncio__job_answered(struct asyncio__worker *worker,
                                         struct asyncio__job *job, int result)
{
    if (job->trace) asyncio__job_trace_answered(worker, job, result);
}

// The task is about to be woken by it.
void asyncio__job_points_at(const struct asyncio__job *job,
                            struct asyncio_task *task);
