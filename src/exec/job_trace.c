// Jobs in a trace.
//
//     loop     [task ]                       [task ]
//                  \                         ^
//     thread        v[ job                 ]/
//
// A thread tells of its jobs itself. A worker process writes no trace: it says
// when it began and ended, and the parent tells, who believes as much of it as
// can be true. Workers have rows of their own, by their places in the pool, so
// that one that replaces another goes on in its row.

#include "exec/job_trace.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exec/process_pool.h"
#include "loop/debug.h"
#include "platform/clock.h"
#include "task/task.h"

void asyncio__job_trace_sent(struct asyncio__job *job)
{
    struct asyncio_loop *loop = job->loop;
    job->sent_ns = asyncio__clock_real_ns();
    job->arrow = loop->debugger ? asyncio__debug_arrow(loop) : 0;
    job->arrow_back = 0;
}

static void put_arrow(char phase, int64_t at_ns, int tid, uint32_t arrow)
{
    asyncio__trace_event(&(struct asyncio__trace_event){.phase = phase,
                                                        .category = "arrow",
                                                        .name = "arrow",
                                                        .at_ns = at_ns,
                                                        .tid = tid,
                                                        .id = arrow});
}

// The arrows end and begin within the slice.
static void put_job(struct asyncio__job *job, int tid, int64_t begun_ns,
                    int64_t ended_ns, int result,
                    const struct asyncio__trace_word *more)
{
    char name[128], failed[80];
    asyncio__trace_function(asyncio__address_of(job->fn), name, sizeof name);
    snprintf(failed, sizeof failed, "failed: %s", strerror(-result));
    struct asyncio__trace_event event = {
        .phase = 'X',
        .category = "job",
        .name = name,
        .at_ns = begun_ns,
        .took_ns = ended_ns - begun_ns,
        .tid = tid,
        .words = {{.key = "result",
                   .text = result < 0 ? failed : NULL,
                   .number = result}},
    };
    if (job->site)
        event.words[1] =
            (struct asyncio__trace_word){.key = "called at", .text = job->site};
    if (more) event.words[job->site ? 2 : 1] = *more;
    asyncio__trace_event(&event);
    if (job->arrow) put_arrow('f', begun_ns + 1, tid, job->arrow);
    job->arrow = 0;
    job->arrow_back = asyncio__trace_new_arrow();
    put_arrow('s', ended_ns - 1, tid, job->arrow_back);
}

static void name_thread(uint32_t trace)
{
    static _Thread_local uint32_t named;
    char name[32] = "thread";
    if (named == trace) return;
    named = trace;
    pthread_getname_np(pthread_self(), name, sizeof name);
    asyncio__trace_name_row(0, name);
}

void asyncio__job_trace_ran(struct asyncio__job *job, int64_t begun_ns)
{
    int64_t ended_ns = asyncio__clock_real_ns();
    if (job->trace != asyncio__tracing()) return;
    if (ended_ns < begun_ns + 3) ended_ns = begun_ns + 3;
    name_thread(job->trace);
    put_job(job, 0, begun_ns, ended_ns, job->result, NULL);
}

// --- worker processes -------------------------------------------------------

static void name_worker(struct asyncio__worker *worker, uint32_t trace)
{
    char name[32];
    if (worker->named == trace) return;
    if (worker->row == 0) worker->row = asyncio__trace_new_row();
    worker->named = trace;
    snprintf(name, sizeof name, "worker process %u", worker->number);
    asyncio__trace_name_row(worker->row, name);
}

static int64_t between(int64_t least, int64_t value, int64_t most)
{
    if (value > most) value = most;
    return value < least ? least : value;
}

// One that has died has not said when it ended, and maybe not when it began.
void asyncio__job_trace_answered(struct asyncio__worker *worker,
                                 struct asyncio__job *job, int result)
{
    int64_t now_ns = asyncio__clock_real_ns();
    if (job->trace != asyncio__tracing()) return;
    int64_t least_ns =
        worker->shown_ns > job->sent_ns ? worker->shown_ns : job->sent_ns;
    int64_t begun_ns = between(least_ns, job->begun_ns, now_ns);
    int64_t ended_ns = job->ended_ns ? job->ended_ns : now_ns;
    ended_ns = between(begun_ns + 3, ended_ns, now_ns);
    worker->shown_ns = ended_ns + 1;
    name_worker(worker, job->trace);
    const struct asyncio__trace_word pid = {
        .key = worker->pid ? "process" : NULL, .number = worker->pid};
    put_job(job, worker->row, begun_ns, ended_ns, result, &pid);
}

void asyncio__job_points_at(const struct asyncio__job *job,
                            struct asyncio_task *task)
{
    if (!job->trace || job->trace != asyncio__tracing() || !job->arrow_back)
        return;
    struct asyncio__more *more = asyncio__task_more(task);
    if (more) more->arrow = job->arrow_back;
}
