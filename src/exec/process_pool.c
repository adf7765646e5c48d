// The process pool as an executor: how it begins and ends, and hears of what
// happens.
//
// While a loop runs, it hears the pool's two descriptors as readers. Where no
// task can wait, at the end of a loop or of the program, the same two are heard
// by poll.

#include <asyncio/executor.h>

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "exec/launcher.h"
#include "exec/process_pool.h"
#include "exec/worker_log.h"
#include "platform/sys.h"
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
    if (!asyncio__pool_collect(pool)) return false;
    wake_waiter(pool);
    return true;
}

// Only a loop that sleeps wants to hear the bell.
static bool listen_to_workers(struct asyncio__process_pool *pool, bool listen)
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
    return listen_to_workers(
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

static void leave_loop(struct asyncio__process_pool *pool)
{
    if (!pool->loop) return;
    remove_readers(pool);
    if (list_linked(&pool->retry.link)) list_remove(&pool->retry.link);
    if (list_linked(&pool->source.link)) list_remove(&pool->source.link);
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
        leave_loop(pool);
    else
        asyncio__home_enter(home, &pool->guest);
    return err;
}

// --- without a loop ---------------------------------------------------------

// How long until a job's time is up; -1: none has a limit. Those whose time is
// up are dealt with.
static int next_timeout_ms(struct asyncio__process_pool *pool)
{
    int64_t first_ns = ASYNCIO__NEVER;
    if (!pool->loop) return -1;

    int64_t now_ns = asyncio__loop_now(pool->loop);
    for (uint32_t i = 0; i < pool->count; i++) {
        struct asyncio__timer *timer = &pool->workers[i]->timer;
        if (!asyncio__timer_armed(timer)) continue;
        if (timer->when_ns < first_ns) first_ns = timer->when_ns;
        if (timer->when_ns > now_ns) continue;
        asyncio__timer_disarm(&pool->loop->timers, timer);
        timer->fire(timer);
        return 0;
    }
    if (first_ns == ASYNCIO__NEVER) return -1;
    int64_t ms = (first_ns - now_ns) / 1000000 + 1;
    return ms < 1000 ? (int)ms : 1000;
}

static void hear_by_poll(struct asyncio__process_pool *pool)
{
    struct pollfd fds[] = {
        {.fd = pool->silent ? -1 : pool->bell, .events = POLLIN},
        {.fd = pool->orphan ? -1 : pool->socket, .events = POLLIN},
    };
    int timeout_ms = pool->unsent ? 1 : next_timeout_ms(pool);
    bool answered = listen_to_workers(pool, true);
    int n = asyncio__sys_poll(fds, 2, answered ? 0 : timeout_ms);

    if (answered) asyncio__pool_collect(pool);
    if (n > 0 && fds[0].revents) asyncio__pool_hear_bell(pool);
    if (n > 0 && fds[1].revents) asyncio__pool_hear_foreman(pool);
    if (pool->unsent) asyncio__pool_go_on(pool);
}

// --- the end ----------------------------------------------------------------

static bool stay(struct asyncio_task *task,
                 const struct asyncio_cancel_options *options)
{
    (void)task, (void)options;
    return false; // the request is for the task's next wait
}

static const struct asyncio__wait_kind shutting_down = {
    .name = "executor shutdown",
    .cancel = stay,
    .keeps_result = true,
};

static void hear_something(struct asyncio__process_pool *pool)
{
    struct asyncio_task *task = asyncio__task();
    if (!task || pool->loop != task->future.loop_) {
        hear_by_poll(pool);
        return;
    }
    pool->waiter = task;
    pool->loop->held++;
    asyncio_ignore(asyncio__park(&shutting_down, pool, NULL));
    pool->loop->held--;
}

static void shut(struct asyncio_executor *executor, bool cancel_pending)
{
    struct asyncio__process_pool *pool = pool_of(executor);

    asyncio__pool_fail_door(pool, -ESHUTDOWN, NULL);
    if (cancel_pending) {
        pool->closed = true;
        asyncio__pool_recall(pool);
        asyncio__pool_fail_queue(pool, -ECANCELED, NULL);
    }
    while (pool->out > 0)
        hear_something(pool);
    // The foreman kills and reaps its workers, and then itself ends.
    asyncio__sys_end_writing(pool->socket);
    while (!pool->orphan)
        hear_something(pool);

    leave_loop(pool);
    asyncio__sys_close(pool->socket);
    asyncio__sys_close(pool->bell);
    asyncio__symbols_close(&pool->symbols);
    asyncio__launcher_drop();
}

static void lose(struct asyncio__process_pool *pool, struct asyncio__job *job)
{
    job->worker = NULL;
    pool->out--;
    job->lost(job);
    asyncio__job_unref(job);
}

// Nobody will ever take what these jobs bring.
static void drop_jobs(struct asyncio__process_pool *pool)
{
    struct asyncio__job *job;
    for (uint32_t i = 0; i < pool->count; i++) {
        struct asyncio__worker *worker = pool->workers[i];
        asyncio__worker_kill(worker, -ECANCELED);
        while ((job = asyncio__worker_drop_oldest(worker)))
            lose(pool, job);
    }
    while ((job = asyncio__pool_pop(pool)))
        lose(pool, job);
}

// The loop closes: the workers end, and the pool is there for another loop.
static void loop_closes(struct asyncio__guest *guest)
{
    struct asyncio__process_pool *pool =
        list_entry(guest, struct asyncio__process_pool, guest);

    drop_jobs(pool);
    pool->waiter = NULL;
    while (pool->alive > 0)
        hear_by_poll(pool);
    leave_loop(pool);
}

static void free_pool(struct asyncio_executor *executor)
{
    struct asyncio__process_pool *pool = pool_of(executor);
    asyncio__pool_free_places(pool);
    asyncio__free(pool);
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

// What runs fails when its worker has ended.
static void stop(struct asyncio_executor *executor, int signal)
{
    struct asyncio__process_pool *pool = pool_of(executor);

    pool->closed = true;
    asyncio__pool_recall(pool);
    asyncio__pool_fail_queue(pool, -ECANCELED, NULL);
    asyncio__pool_fail_door(pool, -ECANCELED, NULL);
    for (uint32_t i = 0; i < pool->count; i++) {
        if (signal == SIGKILL)
            asyncio__worker_kill(pool->workers[i], -EOWNERDEAD);
        else
            asyncio__worker_signal(pool->workers[i], signal);
    }
}

// --- the beginning ----------------------------------------------------------

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
    .stop = stop,
    .shutdown = shut,
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
    pool->guest.leave = loop_closes;
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
    struct asyncio__process_pool *pool = asyncio__alloc(sizeof *pool);
    if (!pool) return -ENOMEM;

    int err = set_options(pool, options ? options : &none);
    if (err == 0) err = open_pool(pool, options ? options : &none);
    if (err < 0) {
        free_pool(&pool->executor);
        return err;
    }
    asyncio__executor_enter(&pool->executor);
    *made = &pool->executor;
    return 0;
}
