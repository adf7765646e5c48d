// The process pool as an executor: how it begins, and hears of what happens:
// while a loop runs, that has the pool's two descriptors as readers.

#include <asyncio/executor.h>

#include <sys/socket.h>

#include "exec/launcher.h"
#include "exec/process_pool.h"
#include "exec/worker_log.h"
#include "platform/sys.h"
#include "task/compact.h"
#include "task/park.h"

static struct asyncio__process_pool *pool_of(struct asyncio_executor *executor)
{
    return list_entry(executor, struct asyncio__process_pool, executor);
}

// --- on a loop --------------------------------------------------------------

static void wake_waiter(struct asyncio__process_pool *pool)
{
    struct asyncio_task *task = pool->waiter;
    pool->waiter = NULL;
    if (task) asyncio__wake(task, 0);
}

static int on_foreman(void *arg)
{
    struct asyncio__process_pool *pool = arg;
    asyncio__pool_hear_foreman(pool);
    // At its end it is readable for ever; so is the bell.
    if (pool->orphan) asyncio_remove_reader(pool->socket);
    if (pool->orphan) asyncio__pool_end_soon(pool);
    wake_waiter(pool);
    return 0;
}

static int on_bell(void *arg)
{
    struct asyncio__process_pool *pool = arg;
    asyncio__pool_hear_bell(pool);
    if (pool->silent) asyncio_remove_reader(pool->bell);
    wake_waiter(pool);
    return 0;
}

static bool on_look(struct asyncio__source *source)
{
    struct asyncio__process_pool *pool =
        list_entry(source, struct asyncio__process_pool, source);
    bool any = asyncio__pool_collect(pool);
    if (source->due_ns != ASYNCIO__NEVER)
        any |= asyncio__pool_look_at_limits(pool);
    if (any) wake_waiter(pool);
    return any;
}

// Only a loop that sleeps wants to hear the bell.
bool asyncio__pool_listen(struct asyncio__process_pool *pool, bool listen)
{
    bool any = false;
    for (uint32_t i = 0; i < pool->count; i++) {
        struct asyncio__worker *worker = pool->workers[i];
        if (worker->state != ASYNCIO__WORKER_BUSY) continue;
        if (listen)
            any |= asyncio__ring_listen(&worker->ring);
        else
            asyncio__ring_ignore(&worker->ring);
    }
    return any;
}

static bool on_sleep(struct asyncio__source *source, bool sleeps)
{
    return asyncio__pool_listen(
        list_entry(source, struct asyncio__process_pool, source), sleeps);
}

static void on_retry(struct asyncio__step *step)
{
    struct asyncio__process_pool *pool =
        list_entry(step, struct asyncio__process_pool, retry);
    asyncio__pool_go_on(pool);
    wake_waiter(pool);
}

// The readers are those of the pool's loop, whichever this thread has now.
static void remove_readers(struct asyncio__process_pool *pool)
{
    struct asyncio_loop *running = asyncio__running_loop;
    struct asyncio_loop *other = asyncio__thread_loop;

    asyncio__running_loop = NULL;
    asyncio__thread_loop = pool->loop;
    asyncio_remove_reader(pool->socket);
    asyncio_remove_reader(pool->bell);
    asyncio__thread_loop = other;
    asyncio__running_loop = running;
}

void asyncio__pool_leave_loop(struct asyncio__process_pool *pool)
{
    if (!pool->loop) return;
    remove_readers(pool);
    if (list_linked(&pool->retry.link)) list_remove(&pool->retry.link);
    if (list_linked(&pool->source.link)) list_remove(&pool->source.link);
    if (list_linked(&pool->ending.link)) list_remove(&pool->ending.link);
    asyncio__home_exit(&pool->guest);
    pool->loop = NULL;
}

int asyncio__pool_join_loop(struct asyncio__process_pool *pool,
                            struct asyncio_loop *loop)
{
    struct asyncio__home *home;
    if (pool->loop == loop) return 0;
    if (pool->loop)
        return asyncio_raise(-EXDEV, "this pool of processes belongs to "
                                     "another loop until that closes");

    int err = asyncio__home_of(loop, &home);
    if (err < 0) return err;
    err = asyncio_add_reader(pool->socket, on_foreman, pool);
    if (err < 0) return err;
    pool->loop = loop;
    err = asyncio_add_reader(pool->bell, on_bell, pool);
    if (err < 0)
        asyncio__pool_leave_loop(pool);
    else
        asyncio__home_enter(home, &pool->guest);
    return err;
}

// --- while it is there ------------------------------------------------------

static struct asyncio_loop *loop_of(struct asyncio_executor *executor)
{
    return pool_of(executor)->loop;
}

static size_t width(struct asyncio_executor *executor)
{
    struct asyncio__process_pool *pool = pool_of(executor);
    size_t workers = pool->limit, most = workers * ASYNCIO__MAILBOX_SLOTS;
    if (pool->max_queued > 0 && workers + pool->max_queued < most)
        return workers + pool->max_queued;
    return most;
}

static int resize(struct asyncio_executor *executor, int max_workers)
{
    struct asyncio__process_pool *pool = pool_of(executor);
    int err = asyncio__pool_make_places(pool, (uint32_t)max_workers);
    if (err < 0) return err;

    pool->limit = (uint32_t)max_workers;
    asyncio__pool_trim(pool);
    asyncio__pool_go_on(pool);
    return 0;
}

static void count_workers(const struct asyncio__process_pool *pool,
                          struct asyncio_pool_statistics *statistics)
{
    for (uint32_t i = 0; i < pool->count; i++) {
        const struct asyncio__worker *worker = pool->workers[i];
        statistics->workers += worker->state != ASYNCIO__WORKER_VACANT;
        statistics->idle += worker->state == ASYNCIO__WORKER_IDLE;
    }
    statistics->running = pool->busy;
    statistics->queued = pool->queued + pool->given - pool->busy;
}

static void tell_statistics(struct asyncio_executor *executor,
                            struct asyncio_pool_statistics *statistics)
{
    const struct asyncio__process_pool *pool = pool_of(executor);
    count_workers(pool, statistics);
    statistics->waiting = pool->waiting;
    statistics->finished = pool->finished;
    statistics->failed = pool->failed;
    statistics->crashed = pool->crashed;
    statistics->replaced = pool->replaced;
}

// --- the beginning ----------------------------------------------------------

static void free_pool(struct asyncio_executor *executor)
{
    struct asyncio__process_pool *pool = pool_of(executor);
    asyncio__pool_free_places(pool);
    asyncio__free(pool);
}

static const struct asyncio__executor_ops ops = {
    .call = asyncio__job_call,
    .start = asyncio__pool_start,
    .retract = asyncio__pool_retract,
    .interrupt = asyncio__pool_interrupt,
    .abandon = asyncio__pool_abandon,
    .loop = loop_of,
    .width = width,
    .resize = resize,
    .statistics = tell_statistics,
    .stop = asyncio__pool_stop,
    .shutdown = asyncio__pool_shut,
    .free = free_pool,
};

static int check_sandbox(const struct asyncio_pool_options *options)
{
    int sandbox = options->sandbox;
    return sandbox == ASYNCIO_SANDBOX_NONE || sandbox == ASYNCIO_SANDBOX_STRICT
               ? 0
               : -EINVAL;
}

// A time that is given is more than 0; else there is no limit.
static int set_limit(double seconds, int64_t *limit_ns)
{
    double when;
    *limit_ns = ASYNCIO__NEVER;
    if (seconds == 0) return 0;
    if (!(seconds > 0)) return -EINVAL;
    return asyncio__deadline_in(0, seconds, &when, limit_ns);
}

static int set_options(struct asyncio__process_pool *pool,
                       const struct asyncio_pool_options *options)
{
    int count =
        options->max_workers ? options->max_workers : asyncio__sys_processors();
    if (count < 0 || check_sandbox(options) < 0) return -EINVAL;
    int err = set_limit(options->timeout, &pool->timeout_ns);
    if (err < 0) return err;
    err = set_limit(options->cpu_limit, &pool->processor_ns);
    if (err < 0) return err;

    pool->limit = (uint32_t)count;
    pool->timeout = options->timeout;
    pool->processor_limit = options->cpu_limit;
    pool->memory_limit = options->memory_limit;
    pool->max_jobs = options->max_jobs;
    pool->max_queued = options->max_queued;
    pool->initializer = options->initializer;
    pool->executor.ops = &ops;
    pool->retry.run = on_retry;
    pool->source.look = on_look;
    pool->source.sleep = on_sleep;
    pool->source.due_ns = ASYNCIO__NEVER;
    pool->ending.run = asyncio__pool_end;
    pool->guest.leave = asyncio__pool_loop_closes;
    return asyncio__pool_make_places(pool, pool->limit);
}

// The initializer runs in the workers, which have to have it.
static int check_initializer(const struct asyncio_pool_options *options)
{
    if (!options->initializer || asyncio__launcher_knows(options->initializer))
        return 0;
    return asyncio_raise(-EINVAL, "the initializer is not known to the worker "
                                  "processes: its object was loaded after "
                                  "their launcher was forked");
}

static int open_pool(struct asyncio__process_pool *pool,
                     const struct asyncio_pool_options *options)
{
    const struct asyncio__worker_setup setup = {
        .initializer = options->initializer,
        .initarg = options->initarg,
        .memory_limit = options->memory_limit,
        .sandbox = (uint64_t)options->sandbox,
    };
    int err = asyncio__launcher_hold();
    if (err < 0) return err;
    err = check_initializer(options);
    if (err == 0)
        err = asyncio__launcher_foreman(&setup, &pool->socket, &pool->bell);
    if (err < 0) asyncio__launcher_drop();
    return err;
}

int(asyncio_process_pool_create)(struct asyncio_executor **made,
                                 const struct asyncio_pool_options *options)
{
    static const struct asyncio_pool_options none;
    int err = asyncio__compact_may_keep(options ? options->initarg : NULL);
    if (err < 0) return err;
    struct asyncio__process_pool *pool = asyncio__alloc(sizeof *pool);
    if (!pool) return -ENOMEM;

    err = set_options(pool, options ? options : &none);
    if (err == 0) err = open_pool(pool, options ? options : &none);
    if (err < 0) {
        free_pool(&pool->executor);
        return err;
    }
    asyncio__executor_enter(&pool->executor);
    *made = &pool->executor;
    return 0;
}
