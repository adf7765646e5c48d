// Jobs on their way: from the queue into the mailboxes of workers, and back.
//
// A worker that has nothing to do comes first, then a new one, and only then
// does a job wait behind another one in a mailbox; how many do depends on how
// long they take, so that the worker need not be woken for each. What waits
// there is still the pool's: it comes back for a job that matters more, for a
// worker that has nothing to do, and from a worker that ends. So nothing stays
// behind a job that takes long, and none is lost with another.

#include "exec/job_trace.h"
#include "exec/process_pool.h"

// What may lie in a mailbox ahead of its worker, in time.
#define AHEAD_NS 100000

// How many jobs a worker may have; one, until it is known how long they take.
static uint32_t depth_of(const struct asyncio__worker *worker)
{
    uint32_t pace_ns =
        atomic_load_explicit(&worker->ring.box->pace_ns, memory_order_relaxed);
    if (pace_ns == 0) return 1;
    uint32_t depth = AHEAD_NS / pace_ns;
    if (depth > ASYNCIO__MAILBOX_SLOTS) return ASYNCIO__MAILBOX_SLOTS;
    return depth > 0 ? depth : 1;
}

void asyncio__worker_settle(struct asyncio__worker *worker)
{
    struct asyncio__process_pool *pool = worker->pool;
    if (worker->state != ASYNCIO__WORKER_IDLE &&
        worker->state != ASYNCIO__WORKER_BUSY)
        return;

    if (list_linked(&worker->link)) list_remove(&worker->link);
    worker->state =
        worker->ring.count > 0 ? ASYNCIO__WORKER_BUSY : ASYNCIO__WORKER_IDLE;
    if (worker->state == ASYNCIO__WORKER_IDLE)
        list_add_head(&pool->idle, &worker->link);
    else if (worker->ring.count < asyncio__worker_room(worker))
        list_add_tail(&pool->roomy, &worker->link);
    asyncio__worker_watch(worker);
    if (worker->state == ASYNCIO__WORKER_IDLE &&
        asyncio__worker_is_spent(worker))
        asyncio__worker_kill(worker, -ESHUTDOWN);
}

static void look_for_answers(struct asyncio__process_pool *pool)
{
    bool looks = list_linked(&pool->source.link);
    if (pool->given > 0 && !looks)
        list_add_tail(&pool->loop->sources, &pool->source.link);
    else if (pool->given == 0 && looks)
        list_remove(&pool->source.link);
}

// The job is its worker's no more.
static void leave_worker(struct asyncio__job *job)
{
    struct asyncio__worker *worker = job->worker;
    struct asyncio__process_pool *pool = worker->pool;
    if (job->place >= 0) asyncio__desk_release(&worker->desk, job->place);
    job->worker = NULL;
    pool->given--;
    if (worker->ring.count == 0) pool->busy--;
    look_for_answers(pool);
}

// In the next pass: tasks that were woken go first, and may bring new jobs.
static void go_on_soon(struct asyncio__process_pool *pool)
{
    if (pool->loop && !list_linked(&pool->retry.link))
        asyncio__loop_queue(pool->loop, &pool->retry);
}

// --- to a worker ------------------------------------------------------------

// A worker that has nothing to do and whose channel is full, of what jobs that
// were taken back would have needed, is replaced.
static bool share_block(struct asyncio__worker *worker,
                        struct asyncio__job *job)
{
    job->place = -1;
    if (!job->block) return true;
    job->place = asyncio__desk_put(&worker->desk, job->block);
    if (job->place >= 0) return true;
    if (worker->ring.count > 0) return false;
    if (++job->returns >= ASYNCIO__RETURNS_MAX) return true; // it finds nothing
    asyncio__worker_kill(worker, -ECANCELED);
    return false;
}

static void give_job(struct asyncio__worker *worker, struct asyncio__job *job)
{
    struct asyncio__process_pool *pool = worker->pool;
    if (pool->given == 0 || job->priority < pool->lowest)
        pool->lowest = job->priority;
    job->worker = worker;
    asyncio__ring_send(&worker->ring, job);
    pool->given++;
    if (worker->ring.count == 1) pool->busy++;
    look_for_answers(pool);
    asyncio__worker_settle(worker);
}

// What matters less than the next job makes way for it, if it has not begun.
static void make_way(struct asyncio__process_pool *pool, int priority)
{
    pool->lowest = priority;
    for (uint32_t i = 0; i < pool->count; i++) {
        struct asyncio__worker *worker = pool->workers[i];
        struct asyncio__job *job;
        if (worker->state != ASYNCIO__WORKER_BUSY) continue;
        while ((job = asyncio__ring_latest(&worker->ring)) &&
               job->priority < priority && asyncio__worker_withdraw(job))
            asyncio__pool_put_back(pool, job);
    }
}

static struct asyncio__worker *find_roomy(struct asyncio__process_pool *pool,
                                          size_t size)
{
    list_for_each (link, &pool->roomy) {
        struct asyncio__worker *worker =
            list_entry(link, struct asyncio__worker, link);
        if (asyncio__ring_fits(&worker->ring, size)) return worker;
    }
    return NULL;
}

// A worker for the next job; NULL and a code if there is none.
static struct asyncio__worker *find_worker(struct asyncio__process_pool *pool,
                                           const struct asyncio__job *job,
                                           int *err)
{
    *err = list_empty(&pool->idle) ? asyncio__worker_start(pool) : 0;
    if (list_empty(&pool->idle) && pool->given > 0 &&
        job->priority > pool->lowest)
        make_way(pool, job->priority);
    struct asyncio_link *idle = list_first(&pool->idle);
    return idle ? list_entry(idle, struct asyncio__worker, link)
                : find_roomy(pool, job->size);
}

int asyncio__pool_dispatch(struct asyncio__process_pool *pool)
{
    struct asyncio__job *job;
    asyncio__pool_admit(pool);
    while ((job = asyncio__pool_next(pool))) {
        int err;
        struct asyncio__worker *worker = find_worker(pool, job, &err);
        if (!worker) return err;
        if (!share_block(worker, job)) return 0; // until something has ended
        asyncio__pool_take_next(pool);
        give_job(worker, job);
        asyncio__pool_admit(pool);
    }
    return 0;
}

// --- and back ---------------------------------------------------------------

static void take_answer(struct asyncio__worker *worker,
                        struct asyncio__job *job, int result)
{
    struct asyncio__process_pool *pool = worker->pool;
    leave_worker(job);
    asyncio__job_answered(worker, job, result);
    worker->jobs++;
    if (result < 0)
        pool->failed++;
    else
        pool->finished++;
    asyncio__worker_settle(worker);
    asyncio__pool_land(pool, job, result);
}

bool asyncio__worker_collect(struct asyncio__worker *worker)
{
    struct asyncio__process_pool *pool = worker->pool;
    struct asyncio__job *job;
    bool any = false;
    int result;
    if (worker->state != ASYNCIO__WORKER_BUSY) return false;

    worker->depth = depth_of(worker);
    for (int i = 0; i < ASYNCIO__MAILBOX_SLOTS; i++) {
        if (worker->state != ASYNCIO__WORKER_BUSY) break;
        job = asyncio__ring_take(&worker->ring, &result);
        if (!job) break;
        any = true;
        take_answer(worker, job, result);
    }
    if (any && pool->given > pool->busy && !list_empty(&pool->idle))
        go_on_soon(pool);
    return any;
}

bool asyncio__pool_collect(struct asyncio__process_pool *pool)
{
    bool any = false;
    for (uint32_t i = 0; i < pool->count && pool->given > 0; i++)
        any |= asyncio__worker_collect(pool->workers[i]);
    if (any) asyncio_ignore(asyncio__pool_dispatch(pool));
    return any;
}

bool asyncio__worker_withdraw(struct asyncio__job *job)
{
    struct asyncio__worker *worker = job->worker;
    if (!asyncio__ring_withdraw(&worker->ring, job)) return false;
    leave_worker(job);
    asyncio__worker_settle(worker);
    go_on_soon(worker->pool);
    return true;
}

void asyncio__worker_keep_oldest(struct asyncio__worker *worker)
{
    while (worker->ring.count > 1) {
        struct asyncio__job *job = asyncio__ring_latest(&worker->ring);
        if (!asyncio__worker_withdraw(job)) return;
        asyncio__pool_put_back(worker->pool, job);
    }
}

// It may answer while we take the others back, and begin the next.
bool asyncio__worker_isolate(struct asyncio__worker *worker)
{
    asyncio__worker_keep_oldest(worker);
    return worker->ring.count <= 1 || !asyncio__worker_collect(worker);
}

void asyncio__pool_recall(struct asyncio__process_pool *pool)
{
    for (uint32_t i = 0; i < pool->count; i++) {
        struct asyncio__worker *worker = pool->workers[i];
        struct asyncio__job *job;
        if (worker->state != ASYNCIO__WORKER_BUSY) continue;
        while ((job = asyncio__ring_latest(&worker->ring)) &&
               asyncio__worker_withdraw(job))
            asyncio__pool_put_back(pool, job);
    }
}

// For workers that have nothing to do, or that could be there.
void asyncio__pool_level(struct asyncio__process_pool *pool)
{
    bool could = pool->alive < pool->limit && !pool->barren;
    if (pool->queued > 0 || pool->given == pool->busy) return;
    if (list_empty(&pool->idle) && !could) return;
    for (uint32_t i = 0; i < pool->count; i++)
        if (pool->workers[i]->state == ASYNCIO__WORKER_BUSY)
            asyncio__worker_keep_oldest(pool->workers[i]);
}

// --- a worker that has ended ------------------------------------------------

// Behind one that had not ended, only a worker that lies has begun it.
static void fail_begun(struct asyncio__process_pool *pool,
                       struct asyncio__job *job)
{
    pool->crashed++;
    job->failure =
        asyncio__job_words(job, -EOWNERDEAD, "its worker process has ended");
    asyncio__pool_land(pool, job, -EOWNERDEAD);
}

// What nobody waits for any more does not run again.
static void give_back(struct asyncio__process_pool *pool,
                      struct asyncio__job *job, bool begun)
{
    leave_worker(job);
    if (atomic_load(&job->cancelled) || pool->closed)
        asyncio__pool_land(pool, job, -ECANCELED);
    else if (begun)
        fail_begun(pool, job);
    else
        asyncio__pool_put_back(pool, job);
}

void asyncio__worker_give_back(struct asyncio__worker *worker, bool all)
{
    while (worker->ring.count > (all ? 0 : 1)) {
        struct asyncio__job *job = asyncio__ring_latest(&worker->ring);
        bool begun = asyncio__ring_begun(&worker->ring, job);
        asyncio__ring_drop_latest(&worker->ring);
        give_back(worker->pool, job, begun);
    }
}

struct asyncio__job *asyncio__worker_drop_oldest(struct asyncio__worker *worker)
{
    struct asyncio__job *job = asyncio__ring_drop_oldest(&worker->ring);
    if (job) leave_worker(job);
    return job;
}
