// The process pool as an executor: how jobs come in, what a cancel does, and
// how a pool begins and ends.
//
// While a loop runs, it hears the pool's two descriptors as readers. Where no
// task can wait, at the end of a loop or of the program, the same two are heard
// by poll.

#include <asyncio/executor.h>

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "exec/launcher.h"
#include "exec/process_pool.h"
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
    asyncio__home_exit(&pool->guest);
    pool->loop = NULL;
}

static int join_loop(struct asyncio__process_pool *pool,
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
        struct asyncio__timer *timer = &pool->workers[i].timer;
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
    int n = asyncio__sys_poll(fds, 2, timeout_ms);

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

static void shut(struct asyncio_executor *executor)
{
    struct asyncio__process_pool *pool = pool_of(executor);

    while (pool->out > 0)
        hear_something(pool);
    // The foreman kills and reaps its workers, and then itself ends.
    asyncio__sys_shutdown(pool->socket, SHUT_WR);
    while (!pool->orphan)
        hear_something(pool);

    leave_loop(pool);
    asyncio__sys_close(pool->socket);
    asyncio__sys_close(pool->bell);
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
    struct asyncio_link *link;
    while ((link = list_pop(&pool->queue)))
        lose(pool, list_entry(link, struct asyncio__job, link));
    for (uint32_t i = 0; i < pool->count; i++) {
        struct asyncio__worker *worker = &pool->workers[i];
        struct asyncio__job *job = worker->job;
        asyncio__worker_kill(worker, -ECANCELED);
        worker->job = NULL;
        if (job) lose(pool, job);
    }
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
    asyncio__free(pool_of(executor));
}

// --- jobs -------------------------------------------------------------------

static int check_function(const struct asyncio__job *job)
{
    char name[128];
    if (asyncio__launcher_knows(job->fn)) return 0;
    return asyncio_raise(-EINVAL,
                         "%s is not known to the worker processes: its object "
                         "was loaded after their launcher was forked",
                         asyncio__job_name(job->fn, name, sizeof name));
}

static int check_job(const struct asyncio__process_pool *pool,
                     const struct asyncio__job *job)
{
    if (pool->orphan)
        return asyncio_raise(-EOWNERDEAD,
                             "the process that forks the workers has gone");
    if (job->arg && job->size == 0)
        return asyncio_raise(-EINVAL,
                             "a pointer means nothing in another process: say "
                             "how much goes there, .size = sizeof *arg");
    if (!job->arg && job->size > 0) return -EINVAL;
    if (job->size > ASYNCIO__MAILBOX_BYTES)
        return asyncio_raise(-E2BIG,
                             "an argument of %zu bytes is too large for a "
                             "process: the limit is %zu",
                             job->size, ASYNCIO__MAILBOX_BYTES);
    return check_function(job);
}

static void take_out_of_queue(struct asyncio__process_pool *pool,
                              struct asyncio__job *job)
{
    list_remove(&job->link);
    job->loop->held--;
    pool->out--;
    asyncio__job_unref(job);
}

static int start(struct asyncio_executor *executor, struct asyncio__job *job)
{
    struct asyncio__process_pool *pool = pool_of(executor);
    int err = check_job(pool, job);
    if (err < 0) return err;
    err = join_loop(pool, job->loop);
    if (err < 0) return err;

    job->worker = NULL;
    job->link = (struct asyncio_link){0};
    list_add_tail(&pool->queue, &asyncio__job_ref(job)->link);
    pool->out++;
    job->loop->held++;

    err = asyncio__pool_dispatch(pool);
    if (err == 0 || pool->alive > 0) return 0;
    take_out_of_queue(pool, job); // no worker lives, and none could be made
    return err;
}

static bool retract(struct asyncio_executor *executor, struct asyncio__job *job)
{
    if (job->worker || !list_linked(&job->link)) return false;
    take_out_of_queue(pool_of(executor), job);
    return true;
}

static void interrupt(struct asyncio_executor *executor,
                      struct asyncio__job *job)
{
    if (!job->worker) return;
    if (asyncio__worker_answered(job->worker))
        asyncio__pool_dispatch(pool_of(executor));
    else
        asyncio__worker_kill(job->worker, -ECANCELED);
}

// It runs on to its end; its answer has nowhere to go.
static void abandon(struct asyncio_executor *executor, struct asyncio__job *job)
{
    (void)executor;
    job->arg = NULL;
}

static int width(struct asyncio_executor *executor)
{
    return (int)pool_of(executor)->count;
}

// --- the beginning ----------------------------------------------------------

static const struct asyncio__executor_ops ops = {
    .call = asyncio__job_call,
    .start = start,
    .retract = retract,
    .interrupt = interrupt,
    .abandon = abandon,
    .width = width,
    .shutdown = shut,
    .free = free_pool,
};

static int check_sandbox(const struct asyncio_pool_options *options)
{
    int sandbox = options ? options->sandbox : 0;
    return sandbox == ASYNCIO_SANDBOX_NONE || sandbox == ASYNCIO_SANDBOX_STRICT
               ? 0
               : -EINVAL;
}

static int set_options(struct asyncio__process_pool *pool,
                       const struct asyncio_pool_options *options)
{
    double when;
    pool->timeout_ns = ASYNCIO__NEVER;
    pool->timeout = options ? options->timeout : 0;
    if (pool->timeout == 0) return 0;
    if (!(pool->timeout > 0)) return -EINVAL;
    return asyncio__deadline_in(0, pool->timeout, &when, &pool->timeout_ns);
}

static struct asyncio__process_pool *alloc_pool(uint32_t count)
{
    size_t size;
    struct asyncio__process_pool *pool;
    if (__builtin_mul_overflow(count, sizeof *pool->workers, &size) ||
        __builtin_add_overflow(size, sizeof *pool, &size))
        return NULL;
    pool = asyncio__alloc(size);
    if (!pool) return NULL;

    pool->count = count;
    pool->executor.ops = &ops;
    pool->retry.run = on_retry;
    pool->guest.leave = loop_closes;
    for (uint32_t i = 0; i < count; i++) {
        pool->workers[i].pool = pool;
        pool->workers[i].memory = -1;
    }
    return pool;
}

int(asyncio_process_pool_create)(struct asyncio_executor **made,
                                 const struct asyncio_pool_options *options)
{
    int count = options ? options->max_workers : 0;
    if (count < 0 || check_sandbox(options) < 0) return -EINVAL;
    uint32_t sandbox = options ? (uint32_t)options->sandbox : 0;
    if (options && options->initializer)
        return asyncio_raise(-ENOTSUP, "worker processes have no initializer");
    if (count == 0) count = asyncio__sys_processors();
    struct asyncio__process_pool *pool = alloc_pool((uint32_t)count);
    if (!pool) return -ENOMEM;

    int err = set_options(pool, options);
    if (err < 0) goto free_memory;
    err = asyncio__launcher_hold();
    if (err < 0) goto free_memory;
    err = asyncio__launcher_foreman(pool->count, sandbox, &pool->socket,
                                    &pool->bell);
    if (err < 0) goto drop_launcher;

    asyncio__executor_enter(&pool->executor);
    *made = &pool->executor;
    return 0;

drop_launcher:
    asyncio__launcher_drop();
free_memory:
    asyncio__free(pool);
    return err;
}
