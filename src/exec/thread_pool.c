// The thread pool: jobs that go to a crew of threads, and post themselves back.
//
//     loop's thread      start ---------.            .--> landed, wake
//     a thread                           `-- work --'
//
// A job that has ended posts itself to its loop through that loop's home, and
// the thread never looks at it again. One that was abandoned is let go of by
// the thread itself. The pool's lock decides which of the two it is.

#include <asyncio/executor.h>

#include <assert.h>
#include <string.h>

#include "exec/job.h"
#include "platform/sys.h"
#include "task/park.h"

struct thread_pool {
    struct asyncio_executor executor;
    struct asyncio__offload *crew; // NULL once nothing can start; see lock
    int width;                     // threads at most
    char name[16];                 // of the threads, as much as is shown

    pthread_mutex_t lock; // for all that follows, and for `crew`
    pthread_cond_t ended; // a job has
    size_t out;           // jobs that threads may still touch the pool for
    struct asyncio__home *drained_home; // whose task waits for `out` to be 0
    struct asyncio__post drained;       // what is posted there then
    struct asyncio_task *drained_task;
};

// The job that this thread works on.
static _Thread_local struct asyncio__job *current_job;

static struct thread_pool *pool_of(struct asyncio_executor *executor)
{
    return list_entry(executor, struct thread_pool, executor);
}

static struct asyncio__job *job_of(struct asyncio__offload_job *offload)
{
    return list_entry(offload, struct asyncio__job, offload);
}

// --- on a thread of the pool ------------------------------------------------

// Words are counted without locks: what goes to another thread is a copy.
static struct asyncio__failure *words_for(int code)
{
    const struct asyncio__failure *seen = asyncio__failure_of(code);
    if (!seen) return NULL;
    return asyncio__failure_make(code, seen->error.text, seen->error.site,
                                 seen->error.task);
}

static void work(struct asyncio__offload_job *offload)
{
    struct asyncio__job *job = job_of(offload);

    asyncio__failures_drop_thread();
    current_job = job;
    job->result = asyncio_context_run(&job->context, job->fn, job->arg);
    current_job = NULL;
    if (job->result < 0) job->failure = words_for(job->result);
    asyncio__failures_drop_thread();
}

// The last that is done for a job: whoever waits for the pool to be empty may
// go on as soon as the lock is free, and joins this thread before freeing the
// pool.
static void leave_pool(struct thread_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->out--;
    if (pool->out == 0 && pool->drained_home)
        asyncio__home_post(pool->drained_home, &pool->drained);
    pthread_cond_broadcast(&pool->ended);
    pthread_mutex_unlock(&pool->lock);
}

static const char broken_words[] = "the pool's initializer failed";

static void done(struct asyncio__offload_job *offload)
{
    struct asyncio__job *job = job_of(offload);
    struct thread_pool *pool = pool_of(job->executor);
    struct asyncio__home *home = job->home;

    if (offload->error < 0) {
        job->result = offload->error;
        job->failure =
            asyncio__failure_make(job->result, broken_words, job->site, "");
    }

    pthread_mutex_lock(&pool->lock);
    bool abandoned = job->abandoned;
    job->ended = true;
    pthread_mutex_unlock(&pool->lock);

    // From here on the loop's thread may free it: when it has landed, or
    // because the loop was closed, and then post does not touch it.
    if (abandoned)
        asyncio__job_unref(job);
    else
        asyncio__home_post(home, &job->post);
    asyncio__home_unref(home);
    leave_pool(pool);
}

int asyncio_check_cancelled(void)
{
    if (!current_job) return -EPERM;
    return atomic_load(&current_job->cancelled) ? -ECANCELED : 0;
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

static int submit(struct thread_pool *pool, struct asyncio__job *job)
{
    pthread_mutex_lock(&pool->lock);
    int err = pool->crew ? asyncio__offload_submit(pool->crew, &job->offload)
                         : -ESHUTDOWN;
    if (err == 0) pool->out++;
    pthread_mutex_unlock(&pool->lock);
    return err;
}

static void leave_loop(struct asyncio__guest *guest);

static int start(struct asyncio_executor *executor, struct asyncio__job *job)
{
    struct asyncio__home *home;
    int err = asyncio__home_of(job->loop, &home);
    if (err < 0) return err;

    job->offload = (struct asyncio__offload_job){.work = work, .done = done};
    job->post = (struct asyncio__post){.step.run = land};
    job->guest = (struct asyncio__guest){.leave = leave_loop};
    job->home = asyncio__home_ref(home);
    job->ended = job->abandoned = false;

    asyncio__job_ref(job);
    err = submit(pool_of(executor), job);
    if (err < 0) {
        asyncio__home_unref(home);
        asyncio__job_unref(job);
        if (err == -EOWNERDEAD) asyncio_raise(err, "%s", broken_words);
        return err;
    }
    asyncio__home_enter(home, &job->guest);
    job->loop->held++;
    return 0;
}

// Takes it back if no thread has begun it, with all that start gave it.
static bool take_back(struct thread_pool *pool, struct asyncio__job *job)
{
    pthread_mutex_lock(&pool->lock);
    bool taken =
        pool->crew && asyncio__offload_retract(pool->crew, &job->offload);
    pthread_mutex_unlock(&pool->lock);
    if (!taken) return false;

    asyncio__home_unref(job->home);
    asyncio__job_unref(job);
    leave_pool(pool);
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
    struct thread_pool *pool = pool_of(executor);

    pthread_mutex_lock(&pool->lock);
    bool ended = job->ended;
    job->abandoned = !ended;
    if (!ended) {
        asyncio__home_exit(&job->guest);
        job->loop->held--;
    }
    pthread_mutex_unlock(&pool->lock);
}

static void wait_for_end(struct thread_pool *pool,
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
    struct thread_pool *pool = pool_of(job->executor);

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

static int width(struct asyncio_executor *executor)
{
    return pool_of(executor)->width;
}

// --- the end ----------------------------------------------------------------

static void wake_drained(struct asyncio__step *step)
{
    struct thread_pool *pool =
        list_entry(step, struct thread_pool, drained.step);
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

// Lets the task wait until no job is out. Where that is not possible, closing
// the crew blocks for as long.
static void wait_until_drained(struct thread_pool *pool)
{
    struct asyncio_task *task = asyncio__task();
    struct asyncio__home *home;
    if (!task || asyncio__home_of(task->future.loop_, &home) < 0) return;

    pthread_mutex_lock(&pool->lock);
    bool wait = pool->out > 0;
    if (wait) {
        pool->drained_home = asyncio__home_ref(home);
        pool->drained_task = task;
        pool->drained.step.run = wake_drained;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!wait) return;

    task->future.loop_->held++;
    asyncio_ignore(asyncio__park(&draining, pool, NULL));
    task->future.loop_->held--;
    asyncio__home_unref(home);
}

static void shut(struct asyncio_executor *executor)
{
    struct thread_pool *pool = pool_of(executor);

    asyncio__offload_shutdown(pool->crew);
    wait_until_drained(pool);

    pthread_mutex_lock(&pool->lock);
    struct asyncio__offload *crew = pool->crew;
    pool->crew = NULL;
    pthread_mutex_unlock(&pool->lock);
    asyncio__offload_close(crew);
}

static void free_pool(struct asyncio_executor *executor)
{
    struct thread_pool *pool = pool_of(executor);
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
    .shutdown = shut,
    .free = free_pool,
};

static int default_width(void)
{
    int n = asyncio__sys_processors() + 4;
    return n < 32 ? n : 32;
}

static int open_crew(struct thread_pool *pool,
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

int(asyncio_thread_pool_create)(struct asyncio_executor **made,
                                const struct asyncio_pool_options *options)
{
    if (options && options->max_workers < 0) return -EINVAL;
    if (options && options->sandbox)
        return asyncio_raise(-ENOTSUP, "threads cannot be confined: a sandbox "
                                       "takes a pool of processes");
    struct thread_pool *pool = asyncio__alloc(sizeof *pool);
    if (!pool) return -ENOMEM;

    pool->executor.ops = &ops;
    int err = -pthread_mutex_init(&pool->lock, NULL);
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
