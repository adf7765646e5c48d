// The thread pool as an executor: how jobs are handed in and taken back on a
// loop's thread, and how a pool begins and ends.

#include <asyncio/executor.h>

#include <string.h>

#include "exec/job_trace.h"
#include "exec/thread_pool.h"
#include "platform/spin.h"
#include "platform/sys.h"
#include "task/compact.h"
#include "task/park.h"

static struct asyncio__thread_pool *pool_of(struct asyncio_executor *executor)
{
    return list_entry(executor, struct asyncio__thread_pool, executor);
}

// --- on the loop's thread ---------------------------------------------------

static void land(struct asyncio__step *step)
{
    struct asyncio__job *job = list_entry(step, struct asyncio__job, post.step);
    job->loop->held--;
    asyncio__home_exit(&job->guest);
    job->landed(job);
    asyncio__job_unref(job);
}

// To the queue, or to its door.
static int submit(struct asyncio__thread_pool *pool, struct asyncio__job *job)
{
    int err = 0;
    pthread_mutex_lock(&pool->lock);
    job->at_door = asyncio__thread_pool_full(pool);
    if (job->at_door)
        list_add_tail(&pool->door, &job->offload.link);
    else
        err = pool->crew ? asyncio__offload_submit(pool->crew, &job->offload)
                         : -ESHUTDOWN;
    if (err == 0) pool->out++;
    pool->waiting += job->at_door;
    pthread_mutex_unlock(&pool->lock);
    return err;
}

static void leave_loop(struct asyncio__guest *guest);

static int start(struct asyncio_executor *executor, struct asyncio__job *job)
{
    struct asyncio__home *home;
    if (job->timeout > 0)
        return asyncio_raise(-ENOTSUP, "a thread cannot be stopped when its "
                                       "time is up: a process can");
    int err = asyncio__home_of(job->loop, &home);
    if (err < 0) return err;

    job->offload =
        (struct asyncio__offload_job){.work = asyncio__thread_job_work,
                                      .done = asyncio__thread_job_done,
                                      .priority = job->priority};
    job->post = (struct asyncio__post){.step.run = land};
    job->guest = (struct asyncio__guest){.leave = leave_loop};
    job->home = asyncio__home_ref(home);
    job->ended = job->abandoned = false;

    asyncio__job_sent(job);
    asyncio__job_ref(job);
    err = submit(pool_of(executor), job);
    if (err < 0) {
        asyncio__home_unref(home);
        asyncio__job_unref(job);
        if (err == -EOWNERDEAD)
            asyncio_raise(err, "%s", asyncio__thread_pool_broken);
        return err;
    }
    asyncio__home_enter(home, &job->guest);
    job->loop->held++;
    return 0;
}

// Takes it back if no thread has begun it, with all that start gave it.
static bool take_back(struct asyncio__thread_pool *pool,
                      struct asyncio__job *job)
{
    pthread_mutex_lock(&pool->lock);
    bool taken = job->at_door;
    if (taken)
        asyncio__thread_pool_pop(pool, job);
    else
        taken =
            pool->crew && asyncio__offload_retract(pool->crew, &job->offload);
    pthread_mutex_unlock(&pool->lock);
    if (!taken) return false;

    asyncio__thread_pool_admit(pool);
    asyncio__home_unref(job->home);
    asyncio__job_unref(job);
    asyncio__thread_pool_leave(pool);
    return true;
}

static bool retract(struct asyncio_executor *executor, struct asyncio__job *job)
{
    if (!take_back(pool_of(executor), job)) return false;
    asyncio__home_exit(&job->guest);
    job->loop->held--;
    return true;
}

// If it has ended, its post is on its way, and lets go of it.
static void abandon(struct asyncio_executor *executor, struct asyncio__job *job)
{
    struct asyncio__thread_pool *pool = pool_of(executor);

    pthread_mutex_lock(&pool->lock);
    bool ended = job->ended;
    job->abandoned = !ended;
    if (!ended) {
        asyncio__home_exit(&job->guest);
        job->loop->held--;
    }
    pthread_mutex_unlock(&pool->lock);
}

static void wait_for_end(struct asyncio__thread_pool *pool,
                         const struct asyncio__job *job)
{
    pthread_mutex_lock(&pool->lock);
    while (!job->ended)
        pthread_cond_wait(&pool->ended, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

// The loop closes under a job that somebody waits for, and will wait for ever.
// The function may be using that task's stack, so it has to end first.
static void leave_loop(struct asyncio__guest *guest)
{
    struct asyncio__job *job = list_entry(guest, struct asyncio__job, guest);
    struct asyncio__thread_pool *pool = pool_of(job->executor);

    asyncio__job_ref(job);
    if (!take_back(pool, job)) {
        wait_for_end(pool, job);
        if (list_linked(&job->post.step.link))
            list_remove(&job->post.step.link);
        asyncio__job_unref(job);
    }
    job->lost(job);
    asyncio__job_unref(job);
}

// --- while it is there ------------------------------------------------------

static size_t width(struct asyncio_executor *executor)
{
    struct asyncio__thread_pool *pool = pool_of(executor);
    pthread_mutex_lock(&pool->lock);
    size_t threads = (size_t)pool->width;
    pthread_mutex_unlock(&pool->lock);
    if (pool->max_queued > 0 && pool->max_queued < threads)
        return threads + pool->max_queued;
    return 2 * threads;
}

static int resize(struct asyncio_executor *executor, int max_workers)
{
    struct asyncio__thread_pool *pool = pool_of(executor);
    pthread_mutex_lock(&pool->lock);
    pool->width = max_workers;
    if (pool->crew) asyncio__offload_resize(pool->crew, max_workers);
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

static void tell_statistics(struct asyncio_executor *executor,
                            struct asyncio_pool_statistics *statistics)
{
    struct asyncio__thread_pool *pool = pool_of(executor);
    struct asyncio__offload_counts counts = {0};

    pthread_mutex_lock(&pool->lock);
    if (pool->crew) counts = asyncio__offload_count(pool->crew);
    statistics->waiting = pool->waiting;
    statistics->finished = pool->finished;
    statistics->failed = pool->failed;
    pthread_mutex_unlock(&pool->lock);

    statistics->workers = counts.threads;
    statistics->queued = counts.queued;
    statistics->running = counts.running;
    statistics->idle = counts.threads - counts.running;
}

// --- the end ----------------------------------------------------------------

static void wake_drained(struct asyncio__step *step)
{
    struct asyncio__thread_pool *pool =
        list_entry(step, struct asyncio__thread_pool, drained.step);
    asyncio__wake(pool->drained_task, 0);
}

// A pool that is being shut down cannot be left half empty: the request stays
// for the task's next wait.
static bool stay(struct asyncio_task *task,
                 const struct asyncio_cancel_options *options)
{
    (void)task, (void)options;
    return false;
}

static const struct asyncio__wait_kind draining = {
    .name = "executor shutdown",
    .cancel = stay,
    .keeps_result = true,
};

// Has `run` called on this loop when no job is out. False if none is, or the
// loop has no home.
static bool hear_when_drained(struct asyncio__thread_pool *pool,
                              void (*run)(struct asyncio__step *step))
{
    struct asyncio__home *home;
    if (asyncio__home_of(asyncio__running_loop, &home) < 0) return false;

    pthread_mutex_lock(&pool->lock);
    bool wait = pool->out > 0;
    if (wait) {
        pool->drained_home = asyncio__home_ref(home);
        pool->drained.step.run = run;
    }
    pthread_mutex_unlock(&pool->lock);
    return wait;
}

// Lets the task wait until no job is out. Where that is not possible, closing
// the crew blocks for as long.
static void wait_until_drained(struct asyncio__thread_pool *pool)
{
    struct asyncio_task *task = asyncio__task();
    if (!task || task->compact) return;
    pool->drained_task = task;
    if (!hear_when_drained(pool, wake_drained)) return;

    task->future.loop_->held++;
    asyncio_ignore(asyncio__park(&draining, pool, NULL));
    task->future.loop_->held--;
    asyncio__home_unref(pool->drained_home);
}

// Nobody takes these any more, neither at the door nor, if so wanted, in the
// queue.
static void turn_away(struct asyncio__thread_pool *pool, bool cancel_pending)
{
    struct asyncio__offload_job *offload;
    struct asyncio__job *job;

    while ((job = asyncio__thread_pool_pop_door(pool)))
        asyncio__thread_job_fail(job, -ESHUTDOWN);
    while (cancel_pending &&
           (offload = asyncio__offload_retract_any(pool->crew)))
        asyncio__thread_job_fail(
            list_entry(offload, struct asyncio__job, offload), -ECANCELED);
}

// Joins the threads; whatever they still do is waited for.
static void close_crew(struct asyncio__thread_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct asyncio__offload *crew = pool->crew;
    pool->crew = NULL;
    pthread_mutex_unlock(&pool->lock);
    asyncio__offload_close(crew);
}

// A shutdown that did not wait comes to its end: with the last job, or with the
// loop.
static void retire(struct asyncio__thread_pool *pool)
{
    asyncio__home_exit(&pool->guest);
    close_crew(pool);
    asyncio__home_unref(pool->drained_home);
    asyncio__executor_drop(&pool->executor);
}

static void retire_drained(struct asyncio__step *step)
{
    retire(list_entry(step, struct asyncio__thread_pool, drained.step));
}

// The loop's own jobs are guests that came earlier, and have left.
static void retire_with_loop(struct asyncio__guest *guest)
{
    struct asyncio__thread_pool *pool =
        list_entry(guest, struct asyncio__thread_pool, guest);
    if (list_linked(&pool->drained.step.link))
        list_remove(&pool->drained.step.link);
    retire(pool);
}

static bool retires_later(struct asyncio__thread_pool *pool)
{
    if (!asyncio__running_loop || !hear_when_drained(pool, retire_drained))
        return false;
    pool->guest = (struct asyncio__guest){.leave = retire_with_loop};
    asyncio__home_enter(pool->drained_home, &pool->guest);
    return true;
}

static bool shut(struct asyncio_executor *executor,
                 const struct asyncio_shutdown_options *options)
{
    struct asyncio__thread_pool *pool = pool_of(executor);

    asyncio__offload_shutdown(pool->crew);
    turn_away(pool, options->cancel_pending);
    if (options->nowait && retires_later(pool)) return false;
    wait_until_drained(pool);
    close_crew(pool);
    return true;
}

static void free_pool(struct asyncio_executor *executor)
{
    struct asyncio__thread_pool *pool = pool_of(executor);
    pthread_cond_destroy(&pool->ended);
    pthread_mutex_destroy(&pool->lock);
    asyncio__free(pool);
}

// --- the beginning ----------------------------------------------------------

static const struct asyncio__executor_ops ops = {
    .call = asyncio__job_call,
    .start = start,
    .retract = retract,
    // A thread cannot be stopped; the function may look at
    // asyncio_check_cancelled.
    .interrupt = NULL,
    .abandon = abandon,
    .width = width,
    .resize = resize,
    .statistics = tell_statistics,
    .shutdown = shut,
    .free = free_pool,
};

static int default_width(void)
{
    int n = asyncio__sys_processors() + 4;
    return n < 32 ? n : 32;
}

static int open_crew(struct asyncio__thread_pool *pool,
                     const struct asyncio_pool_options *options)
{
    int most = options ? options->max_workers : 0;
    const char *name = options ? options->name : NULL;

    pool->width = most > 0 ? most : default_width();
    strncpy(pool->name, name ? name : "asyncio", sizeof pool->name - 1);
    return asyncio__offload_open(
        &pool->crew, &(struct asyncio__offload_options){
                         .threads_max = pool->width,
                         .name = pool->name,
                         .init = options ? options->initializer : NULL,
                         .init_arg = options ? options->initarg : NULL});
}

static bool has_limits(const struct asyncio_pool_options *options)
{
    return options->timeout != 0 || options->cpu_limit != 0 ||
           options->memory_limit > 0 || options->max_jobs > 0;
}

int(asyncio_thread_pool_create)(struct asyncio_executor **made,
                                const struct asyncio_pool_options *options)
{
    if (options && options->max_workers < 0) return -EINVAL;
    if (options && options->sandbox)
        return asyncio_raise(-ENOTSUP, "threads cannot be confined: a sandbox "
                                       "takes a pool of processes");
    if (options && has_limits(options))
        return asyncio_raise(-ENOTSUP, "threads cannot be limited, nor ended: "
                                       "that takes a pool of processes");
    int err = asyncio__compact_may_keep(options ? options->initarg : NULL);
    if (err < 0) return err;
    struct asyncio__thread_pool *pool = asyncio__alloc(sizeof *pool);
    if (!pool) return -ENOMEM;

    pool->executor.ops = &ops;
    pool->max_queued = options ? options->max_queued : 0;
    err = asyncio__spin_lock_init(&pool->lock);
    if (err < 0) goto free_memory;
    err = -pthread_cond_init(&pool->ended, NULL);
    if (err < 0) goto destroy_lock;
    err = open_crew(pool, options);
    if (err < 0) goto destroy_cond;

    asyncio__executor_enter(&pool->executor);
    *made = &pool->executor;
    return 0;

destroy_cond:
    pthread_cond_destroy(&pool->ended);
destroy_lock:
    pthread_mutex_destroy(&pool->lock);
free_memory:
    asyncio__free(pool);
    return err;
}
