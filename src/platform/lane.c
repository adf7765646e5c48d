// Threads that make blocking calls for a poller. Posting is a push on a
// lock-free stack, and wakes the poller only if it says that it sleeps.

#include "platform/lane.h"

#include <assert.h>

#include "platform/sys.h"

// Room for a system call and its path; nothing else runs there.
#define STACK_SIZE ((size_t)256 * 1024)

struct asyncio__lane_job {
    struct asyncio__offload_job offload; // first: one address for both
    struct asyncio__lane *lane;
    struct asyncio__op *op;
    struct asyncio__lane_job *next; // in posted
    int result;
};

// ---- Threads ----------------------------------------------------------------

static void work(struct asyncio__offload_job *offload)
{
    struct asyncio__lane_job *job = (struct asyncio__lane_job *)offload;
    job->result = asyncio__file_call(job->op);
}

// As soon as the job is posted it is the loop's thread's, and may be gone.
static void post(struct asyncio__offload_job *offload)
{
    struct asyncio__lane_job *job = (struct asyncio__lane_job *)offload;
    struct asyncio__lane *lane = job->lane;

    job->next = atomic_load(&lane->posted);
    while (!atomic_compare_exchange_weak(&lane->posted, &job->next, job))
        continue;
    if (atomic_exchange(&lane->asleep, false))
        asyncio__poller_wake(lane->poller);
}

// ---- The loop's side --------------------------------------------------------

static int open_crew(struct asyncio__lane *lane)
{
    if (lane->crew) return 0;
    return asyncio__offload_open(
        &lane->crew, &(struct asyncio__offload_options){
                         .name = "asyncio-file", .stack_size = STACK_SIZE});
}

static int start_job(struct asyncio__lane *lane, struct asyncio__op *op)
{
    int err = open_crew(lane);
    if (err < 0) return err;

    struct asyncio__lane_job *job = asyncio__alloc(sizeof *job);
    if (!job) return -ENOMEM;

    *job = (struct asyncio__lane_job){
        .offload.work = work, .offload.done = post, .lane = lane, .op = op};
    op->job = job;
    err = asyncio__offload_submit(lane->crew, &job->offload);
    if (err < 0) {
        asyncio__free(job);
        return err;
    }
    lane->jobs++;
    return 0;
}

int asyncio__lane_submit(struct asyncio__lane *lane, struct asyncio__op *op)
{
    if (asyncio__op_transfers(op)) op->events = 0;
    int err = start_job(lane, op);
    if (err == 0 || op->code != ASYNCIO__OP_CLOSE) return err;

    // A close cannot be refused for want of a thread.
    op->link = (struct asyncio_link){0};
    asyncio__poller_finish(lane->poller, op, asyncio__file_call(op));
    return 0;
}

static void finish_job(struct asyncio__lane_job *job, int result)
{
    struct asyncio__lane *lane = job->lane;
    struct asyncio__op *op = job->op;

    asyncio__free(job);
    lane->jobs--;
    op->link = (struct asyncio_link){0};
    asyncio__poller_finish(lane->poller, op, result);
}

void asyncio__lane_retract(struct asyncio__lane *lane, struct asyncio__op *op)
{
    struct asyncio__lane_job *job = op->job;
    if (asyncio__offload_retract(lane->crew, &job->offload))
        finish_job(job, -ECANCELED);
}

void asyncio__lane_collect(struct asyncio__lane *lane)
{
    struct asyncio__lane_job *job = NULL, *older = NULL;
    // A look costs less than an exchange, and there is seldom anything.
    if (asyncio__lane_has_news(lane))
        job = atomic_exchange(&lane->posted, NULL);

    // Turned round: what ended first is done first.
    while (job) {
        struct asyncio__lane_job *next = job->next;
        job->next = older;
        older = job;
        job = next;
    }
    while (older) {
        struct asyncio__lane_job *next = older->next;
        finish_job(older, older->result);
        older = next;
    }
}

void asyncio__lane_close(struct asyncio__lane *lane)
{
    asyncio__offload_close(lane->crew);
    assert(!atomic_load(&lane->posted));
}
