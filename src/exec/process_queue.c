// Jobs of a process pool that wait: for a worker, in the order of their
// priorities, or at the door of a queue that is full.
//
//     start --> queue --dispatch--> worker --> landed
//        \        ^ ^                 |
//         `-> door   `-- not begun ---'
//
// Only who is in the queue was handed in; those at the door are, in the order
// in which they came, as soon as there is a place. So there is somebody at the
// door only while the queue is full; and what workers have and did not begin
// counts as if it were in the queue.

#include <asyncio/executor.h>

#include "exec/job_trace.h"
#include "exec/launcher.h"
#include "exec/process_pool.h"
#include "platform/sys.h"

static struct asyncio__process_pool *pool_of(struct asyncio_executor *executor)
{
    return list_entry(executor, struct asyncio__process_pool, executor);
}

static struct asyncio__job *job_of(struct asyncio_link *link)
{
    return link ? list_entry(link, struct asyncio__job, link) : NULL;
}

// --- the queue --------------------------------------------------------------

// Behind all that matter as much or more.
static void enqueue(struct asyncio__process_pool *pool,
                    struct asyncio__job *job)
{
    job->ticket = pool->ticket++;
    struct asyncio_link *before = &pool->queue;
    struct asyncio_link *last = list_last(&pool->queue);
    while (last && last != &pool->queue &&
           job_of(last)->priority < job->priority) {
        before = last;
        last = last->prev;
    }
    if (before == &pool->queue)
        list_add_tail(&pool->queue, &job->link);
    else
        list_insert_before(before, &job->link);
    pool->queued++;
}

// The oldest job of a worker counts as one that runs.
static bool is_full(const struct asyncio__process_pool *pool)
{
    size_t behind = pool->given - pool->busy;
    return pool->max_queued > 0 && pool->queued + behind >= pool->max_queued;
}

static struct asyncio__job *pop_from_door(struct asyncio__process_pool *pool)
{
    struct asyncio__job *job = job_of(list_pop(&pool->door));
    if (!job) return NULL;
    job->at_door = false;
    pool->waiting--;
    return job;
}

void asyncio__pool_admit(struct asyncio__process_pool *pool)
{
    while (!list_empty(&pool->door) && !is_full(pool))
        enqueue(pool, pop_from_door(pool));
}

static struct asyncio__job *pop_from_queue(struct asyncio__process_pool *pool)
{
    struct asyncio__job *job = job_of(list_pop(&pool->queue));
    if (!job) return NULL;
    pool->queued--;
    return job;
}

struct asyncio__job *asyncio__pool_pop(struct asyncio__process_pool *pool)
{
    struct asyncio__job *job = pop_from_queue(pool);
    return job ? job : pop_from_door(pool);
}

struct asyncio__job *asyncio__pool_next(struct asyncio__process_pool *pool)
{
    return job_of(list_first(&pool->queue));
}

void asyncio__pool_take_next(struct asyncio__process_pool *pool)
{
    pop_from_queue(pool);
}

// It is older than nearly all that are there.
static bool goes_before(const struct asyncio__job *job,
                        const struct asyncio__job *other)
{
    if (job->priority != other->priority)
        return job->priority > other->priority;
    return (int32_t)(job->ticket - other->ticket) < 0;
}

void asyncio__pool_put_back(struct asyncio__process_pool *pool,
                            struct asyncio__job *job)
{
    struct asyncio_link *place = NULL;
    list_for_each (link, &pool->queue) {
        if (!goes_before(job, job_of(link))) continue;
        place = link;
        break;
    }
    if (place)
        list_insert_before(place, &job->link);
    else
        list_add_tail(&pool->queue, &job->link);
    pool->queued++;
}

// --- the end of a job -------------------------------------------------------

void asyncio__pool_land(struct asyncio__process_pool *pool,
                        struct asyncio__job *job, int result)
{
    job->result = result;
    job->worker = NULL;
    job->loop->held--;
    pool->out--;
    job->landed(job);
    asyncio__job_unref(job);
    asyncio__pool_end_soon(pool);
}

static void fail_job(struct asyncio__process_pool *pool,
                     struct asyncio__job *job, int code, const char *why)
{
    if (why) job->failure = asyncio__job_words(job, code, "%s", why);
    asyncio__pool_land(pool, job, code);
}

void asyncio__pool_fail_door(struct asyncio__process_pool *pool, int code,
                             const char *why)
{
    struct asyncio__job *job;
    while ((job = pop_from_door(pool)))
        fail_job(pool, job, code, why);
}

void asyncio__pool_fail_queue(struct asyncio__process_pool *pool, int code,
                              const char *why)
{
    struct asyncio__job *job;
    while ((job = pop_from_queue(pool)))
        fail_job(pool, job, code, why);
}

// --- who hands jobs in ------------------------------------------------------

static int check_function(const struct asyncio__job *job)
{
    char name[128];
    if (asyncio__launcher_knows(job->fn)) return 0;
    return asyncio_raise(-EINVAL,
                         "%s is not known to the worker processes: its object "
                         "was loaded after their launcher was forked",
                         asyncio__job_name(job->fn, name, sizeof name));
}

static int check_pool(const struct asyncio__process_pool *pool)
{
    if (pool->broken[0]) return asyncio_raise(-EOWNERDEAD, "%s", pool->broken);
    if (pool->closed) return -ESHUTDOWN;
    if (pool->orphan)
        return asyncio_raise(-EOWNERDEAD,
                             "the process that forks the workers has gone");
    return 0;
}

static int check_job(const struct asyncio__process_pool *pool,
                     const struct asyncio__job *job)
{
    int err = check_pool(pool);
    if (err < 0) return err;
    if (job->arg && job->size == 0)
        return asyncio_raise(-EINVAL,
                             "a pointer means nothing in another process: say "
                             "how much goes there, .size = sizeof *arg");
    if (!job->arg && job->size > 0) return -EINVAL;
    if (job->size > ASYNCIO__MAILBOX_BYTES)
        return asyncio_raise(-E2BIG,
                             "an argument of %zu bytes is too large for a "
                             "process: the limit is %zu; more than that "
                             "goes through asyncio_shared_alloc",
                             job->size, ASYNCIO__MAILBOX_BYTES);
    return check_function(job);
}

// In the queue, or at its door.
static void take_out(struct asyncio__process_pool *pool,
                     struct asyncio__job *job)
{
    list_remove(&job->link);
    if (job->at_door)
        pool->waiting--;
    else
        pool->queued--;
    job->at_door = false;
    job->loop->held--;
    pool->out--;
    asyncio__pool_admit(pool);
    asyncio__job_unref(job);
    asyncio__pool_end_soon(pool);
}

static void put_in(struct asyncio__process_pool *pool, struct asyncio__job *job)
{
    job->worker = NULL;
    job->link = (struct asyncio_link){0};
    job->at_door = is_full(pool);
    asyncio__job_ref(job);
    pool->out++;
    job->loop->held++;
    if (!job->at_door) {
        enqueue(pool, job);
        return;
    }
    list_add_tail(&pool->door, &job->link);
    pool->waiting++;
}

int asyncio__pool_start(struct asyncio_executor *executor,
                        struct asyncio__job *job)
{
    struct asyncio__process_pool *pool = pool_of(executor);
    int err = check_job(pool, job);
    if (err < 0) return err;
    err = asyncio__pool_join_loop(pool, job->loop);
    if (err < 0) return err;

    asyncio__job_sent(job);
    put_in(pool, job);
    pool->barren = false;
    err = asyncio__pool_dispatch(pool);
    if (err == 0 || pool->alive > 0) return 0;
    take_out(pool, job); // no worker lives, and none could be made
    return err;
}

bool asyncio__pool_retract(struct asyncio_executor *executor,
                           struct asyncio__job *job)
{
    struct asyncio__process_pool *pool = pool_of(executor);
    if (job->worker) {
        if (!asyncio__worker_withdraw(job)) return false;
        asyncio__pool_put_back(pool, job);
    }
    if (!list_linked(&job->link)) return false;
    take_out(pool, job);
    return true;
}

void asyncio__pool_interrupt(struct asyncio_executor *executor,
                             struct asyncio__job *job)
{
    struct asyncio__worker *worker = job->worker;
    if (!worker) return;
    bool more = asyncio__worker_collect(worker);
    if (job->worker == worker) more |= !asyncio__worker_isolate(worker);
    if (job->worker == worker) asyncio__worker_kill(worker, -ECANCELED);
    if (more) asyncio_ignore(asyncio__pool_dispatch(pool_of(executor)));
}

// It runs on to its end; its answer has nowhere to go.
void asyncio__pool_abandon(struct asyncio_executor *executor,
                           struct asyncio__job *job)
{
    (void)executor;
    job->arg = NULL;
}
