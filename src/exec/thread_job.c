// What threads of a pool do with jobs: run them, send them back, and let in the
// next that waits at the door.

#include "exec/job_trace.h"
#include "exec/thread_pool.h"

#include "platform/sys.h"

const char asyncio__thread_pool_broken[] = "the pool's initializer failed";

// The job that this thread works on.
static _Thread_local struct asyncio__job *current_job;

static struct asyncio__thread_pool *pool_of(const struct asyncio__job *job)
{
    return list_entry(job->executor, struct asyncio__thread_pool, executor);
}

static struct asyncio__job *job_of(struct asyncio__offload_job *offload)
{
    return list_entry(offload, struct asyncio__job, offload);
}

int asyncio_check_cancelled(void)
{
    if (!current_job) return -EPERM;
    return atomic_load(&current_job->cancelled) ? -ECANCELED : 0;
}

const struct asyncio_loop *asyncio__job_loop(void)
{
    return current_job ? current_job->loop : NULL;
}

bool asyncio__job_was_asked(void)
{
    return current_job &&
           atomic_load(&current_job->awaits) == &asyncio__job_asked;
}

void asyncio__job_begin_await(struct asyncio__cancel_hook *hook)
{
    struct asyncio__cancel_hook *none = NULL;
    if (!current_job) return;
    if (!atomic_compare_exchange_strong(&current_job->awaits, &none, hook))
        hook->cancelled(hook);
}

bool asyncio__job_end_await(struct asyncio__cancel_hook *hook)
{
    struct asyncio__cancel_hook *still = hook;
    if (!current_job) return true;
    return atomic_compare_exchange_strong(&current_job->awaits, &still, NULL);
}

// --- the door ---------------------------------------------------------------

bool asyncio__thread_pool_full(const struct asyncio__thread_pool *pool)
{
    if (pool->max_queued == 0 || !pool->crew) return false;
    return asyncio__offload_count(pool->crew).queued >= pool->max_queued;
}

void asyncio__thread_pool_pop(struct asyncio__thread_pool *pool,
                              struct asyncio__job *job)
{
    list_remove(&job->offload.link);
    job->at_door = false;
    pool->waiting--;
}

// The lock is held.
static struct asyncio__job *pop_first(struct asyncio__thread_pool *pool)
{
    struct asyncio_link *link = list_first(&pool->door);
    if (!link) return NULL;
    struct asyncio__job *job =
        job_of(list_entry(link, struct asyncio__offload_job, link));
    asyncio__thread_pool_pop(pool, job);
    return job;
}

struct asyncio__job *
asyncio__thread_pool_pop_door(struct asyncio__thread_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct asyncio__job *job = pop_first(pool);
    pthread_mutex_unlock(&pool->lock);
    return job;
}

// Returns whether somebody was let in, or failed at that.
static bool admit_one(struct asyncio__thread_pool *pool)
{
    int err = 0;
    pthread_mutex_lock(&pool->lock);
    struct asyncio__job *job =
        asyncio__thread_pool_full(pool) ? NULL : pop_first(pool);
    if (job)
        err = pool->crew ? asyncio__offload_submit(pool->crew, &job->offload)
                         : -ESHUTDOWN;
    pthread_mutex_unlock(&pool->lock);
    if (err < 0) asyncio__thread_job_fail(job, err);
    return job;
}

void asyncio__thread_pool_admit(struct asyncio__thread_pool *pool)
{
    while (pool->max_queued > 0 && admit_one(pool))
        continue;
}

// --- a job ------------------------------------------------------------------

// Words are counted without locks: what goes to another thread is a copy.
static struct asyncio__failure *words_for(int code)
{
    const struct asyncio__failure *seen = asyncio__failure_of(code);
    if (!seen) return NULL;
    return asyncio__failure_make(code, seen->error.text, seen->error.site,
                                 seen->error.task);
}

void asyncio__thread_job_work(struct asyncio__offload_job *offload)
{
    struct asyncio__job *job = job_of(offload);

    asyncio__thread_pool_admit(pool_of(job)); // there is a place now
    asyncio__failures_drop_thread();
    current_job = job;
    int64_t begun_ns = asyncio__job_begun_ns(job);
    job->result = asyncio_context_run(&job->context, job->fn, job->arg);
    asyncio__job_ran(job, begun_ns);
    current_job = NULL;
    if (job->result < 0) job->failure = words_for(job->result);
    asyncio__failures_drop_thread();
}

// The lock is held. Returns whom to tell that no job is out, or NULL.
static struct asyncio__home *leave(struct asyncio__thread_pool *pool)
{
    pool->out--;
    pthread_cond_broadcast(&pool->ended);
    if (pool->out > 0 || !pool->drained_home) return NULL;
    return asyncio__home_ref(pool->drained_home);
}

// Whoever is told may free the pool, unless this thread is one of its own:
// these are joined before.
static void tell_drained(struct asyncio__thread_pool *pool,
                         struct asyncio__home *home)
{
    if (!home) return;
    asyncio__home_post(home, &pool->drained);
    asyncio__home_unref(home);
}

void asyncio__thread_pool_leave(struct asyncio__thread_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct asyncio__home *home = leave(pool);
    pthread_mutex_unlock(&pool->lock);
    tell_drained(pool, home);
}

// The post comes after all that needs the lock: the loop, which may be looking
// out for it, is about to want the lock for the next job.
static void send_back(struct asyncio__job *job, bool has_run)
{
    struct asyncio__thread_pool *pool = pool_of(job);
    struct asyncio__home *home = job->home;

    pthread_mutex_lock(&pool->lock);
    if (has_run) *(job->result < 0 ? &pool->failed : &pool->finished) += 1;
    bool abandoned = job->abandoned;
    job->ended = true;
    struct asyncio__home *drained_home = leave(pool);
    pthread_mutex_unlock(&pool->lock);

    // From here on the loop's thread may free it: when it has landed, or
    // because the loop was closed, and then post does not touch it.
    if (abandoned)
        asyncio__job_unref(job);
    else
        asyncio__home_post(home, &job->post);
    asyncio__home_unref(home);
    tell_drained(pool, drained_home);
}

void asyncio__thread_job_fail(struct asyncio__job *job, int code)
{
    job->result = code;
    if (code == -EOWNERDEAD)
        job->failure = asyncio__failure_make(code, asyncio__thread_pool_broken,
                                             job->site, "");
    send_back(job, false);
}

void asyncio__thread_job_done(struct asyncio__offload_job *offload)
{
    struct asyncio__job *job = job_of(offload);

    if (offload->error == 0) {
        send_back(job, true);
        return;
    }
    asyncio__thread_pool_admit(pool_of(job));
    asyncio__thread_job_fail(job, offload->error);
}
