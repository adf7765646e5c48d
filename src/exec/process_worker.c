// Workers of a process pool, seen from the parent: started, given jobs, killed,
// and heard of for the last time.
//
// A worker that the foreman was told to start counts as one from then on: its
// mailbox is there before it is. Orders that find the socket full stay with the
// worker, and go out when the foreman has spoken: it answers every order. After
// any other failure they are tried again in the next pass.

#include "exec/process_pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "exec/foreman.h"
#include "platform/sys.h"

// --- orders -----------------------------------------------------------------

// Returns 0 or a negative errno. The end of the foreman is none: it is heard of
// as such.
static int order(const struct asyncio__worker *worker,
                 enum asyncio__order_kind kind, const int *fd)
{
    struct asyncio__process_pool *pool = worker->pool;
    const struct asyncio__order message = {kind,
                                           (uint32_t)(worker - pool->workers)};
    int err = asyncio__message_send(pool->socket, &message, sizeof message, fd,
                                    fd ? 1 : 0, MSG_DONTWAIT);
    return err == -EPIPE || err == -ECONNRESET ? 0 : err;
}

static int order_start(struct asyncio__worker *worker)
{
    int err = order(worker, ASYNCIO__ORDER_START, &worker->memory);
    if (err < 0) return err;
    asyncio__sys_close(worker->memory);
    worker->memory = -1;
    return 0;
}

// Has to be made, some time or other.
static void order_kill(struct asyncio__worker *worker)
{
    struct asyncio__process_pool *pool = worker->pool;
    int err = order(worker, ASYNCIO__ORDER_KILL, NULL);

    worker->kill_unsent = err < 0;
    if (err == 0) return;
    pool->unsent = true;
    if (err != -EAGAIN && !list_linked(&pool->retry.link))
        asyncio__loop_queue(pool->loop, &pool->retry);
}

static void vacate(struct asyncio__worker *worker)
{
    if (list_linked(&worker->link)) list_remove(&worker->link);
    if (worker->memory >= 0) asyncio__sys_close(worker->memory);
    asyncio__mailbox_close(worker->box);
    worker->box = NULL;
    worker->memory = -1;
    worker->kill_unsent = false;
    worker->cause = 0;
    worker->pid = 0;
    worker->state = ASYNCIO__WORKER_VACANT;
    worker->pool->alive--;
}

void asyncio__worker_kill(struct asyncio__worker *worker, int cause)
{
    struct asyncio__process_pool *pool = worker->pool;
    if (worker->state == ASYNCIO__WORKER_VACANT ||
        worker->state == ASYNCIO__WORKER_DYING)
        return;

    if (list_linked(&worker->link)) list_remove(&worker->link);
    if (worker->job) asyncio__timer_disarm(&pool->loop->timers, &worker->timer);
    worker->state = ASYNCIO__WORKER_DYING;
    worker->cause = cause;
    worker->kill_unsent = true;
    if (worker->memory < 0) order_kill(worker);
}

// --- jobs -------------------------------------------------------------------

void asyncio__pool_land(struct asyncio__process_pool *pool,
                        struct asyncio__job *job, int result)
{
    job->result = result;
    job->worker = NULL;
    job->loop->held--;
    pool->out--;
    job->landed(job);
    asyncio__job_unref(job);
}

// Takes the job from its worker.
static struct asyncio__job *take_job(struct asyncio__worker *worker)
{
    struct asyncio__job *job = worker->job;
    if (job) asyncio__timer_disarm(&worker->pool->loop->timers, &worker->timer);
    worker->job = NULL;
    return job;
}

bool asyncio__worker_answered(struct asyncio__worker *worker)
{
    if (worker->state != ASYNCIO__WORKER_BUSY ||
        !asyncio__mailbox_answered(worker->box))
        return false;

    struct asyncio__job *job = take_job(worker);
    int result =
        asyncio__mailbox_take(worker->box, job->arg, job->size, &job->failure);
    worker->state = ASYNCIO__WORKER_IDLE;
    list_add_head(&worker->pool->idle, &worker->link);
    asyncio__pool_land(worker->pool, job, result);
    return true;
}

static void time_is_up(struct asyncio__timer *timer)
{
    struct asyncio__worker *worker =
        list_entry(timer, struct asyncio__worker, timer);
    struct asyncio__process_pool *pool = worker->pool;

    if (asyncio__worker_answered(worker))
        asyncio__pool_dispatch(pool);
    else
        asyncio__worker_kill(worker, -ETIMEDOUT);
}

static void give_job(struct asyncio__worker *worker, struct asyncio__job *job)
{
    struct asyncio__process_pool *pool = worker->pool;

    worker->state = ASYNCIO__WORKER_BUSY;
    worker->job = job;
    job->worker = worker;
    asyncio__mailbox_send(worker->box, job->fn, job->arg, job->size);
    if (pool->timeout_ns == ASYNCIO__NEVER) return;

    worker->timer = (struct asyncio__timer){.fire = time_is_up};
    asyncio__timer_arm(&pool->loop->timers, &worker->timer,
                       asyncio__loop_now(pool->loop) + pool->timeout_ns);
}

// --- who does it ------------------------------------------------------------

static struct asyncio__worker *find_vacancy(struct asyncio__process_pool *pool)
{
    for (uint32_t i = 0; i < pool->count; i++)
        if (pool->workers[i].state == ASYNCIO__WORKER_VACANT)
            return &pool->workers[i];
    return NULL;
}

static int start_worker(struct asyncio__process_pool *pool)
{
    struct asyncio__worker *worker = find_vacancy(pool);
    if (!worker) return -EAGAIN;

    int err = asyncio__mailbox_open(&worker->box, &worker->memory);
    if (err < 0) return err;
    worker->state = ASYNCIO__WORKER_IDLE;
    pool->alive++;
    err = order_start(worker);
    if (err < 0 && err != -EAGAIN) {
        vacate(worker);
        return err;
    }
    list_add_head(&pool->idle, &worker->link);
    return 0;
}

int asyncio__pool_dispatch(struct asyncio__process_pool *pool)
{
    while (!list_empty(&pool->queue)) {
        int err = list_empty(&pool->idle) ? start_worker(pool) : 0;
        if (err < 0) return err;
        struct asyncio_link *worker = list_pop(&pool->idle);
        struct asyncio_link *job = list_pop(&pool->queue);
        give_job(list_entry(worker, struct asyncio__worker, link),
                 list_entry(job, struct asyncio__job, link));
    }
    return 0;
}

// --- the end of a worker ----------------------------------------------------

static void describe_end(int status, char *text, size_t size)
{
    int number = WTERMSIG(status);
    const char *name = sigabbrev_np(number);

    if (!WIFSIGNALED(status))
        snprintf(text, size, "exit status %d", WEXITSTATUS(status));
    else
        snprintf(text, size, "signal %d (%s%s)", number, name ? "SIG" : "",
                 name ? name : "real-time");
}

static struct asyncio__failure *words_for(const struct asyncio__job *job,
                                          int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static struct asyncio__failure *words_for(const struct asyncio__job *job,
                                          int code, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return asyncio__failure_make(code, text, job->site, "");
}

// What became of a job whose worker has ended without an answer.
static int judge(const struct asyncio__worker *worker, struct asyncio__job *job,
                 pid_t pid, int status)
{
    char name[128], end[96];
    asyncio__job_name(job->fn, name, sizeof name);
    describe_end(status, end, sizeof end);

    if (worker->cause == -ECANCELED) return -ECANCELED;
    if (worker->cause == -ETIMEDOUT) {
        job->failure = words_for(job, -ETIMEDOUT,
                                 "%s took longer than %g s: its worker process "
                                 "%d was killed",
                                 name, worker->pool->timeout, (int)pid);
        return -ETIMEDOUT;
    }
    job->failure =
        words_for(job, -EOWNERDEAD, "%s died with its worker process %d: %s",
                  name, (int)pid, end);
    return -EOWNERDEAD;
}

static void worker_ended(struct asyncio__worker *worker, pid_t pid, int status)
{
    asyncio__worker_answered(worker); // it may have died after its work
    struct asyncio__job *job = take_job(worker);
    int result = job ? judge(worker, job, pid, status) : 0;
    vacate(worker);
    if (job) asyncio__pool_land(worker->pool, job, result);
}

// The job goes back to the head of the queue, for a worker that lives.
static void worker_failed(struct asyncio__worker *worker)
{
    struct asyncio__process_pool *pool = worker->pool;
    struct asyncio__job *job = take_job(worker);
    int cause = worker->cause;
    vacate(worker);
    if (!job) return;

    job->worker = NULL;
    if (cause == 0)
        list_add_head(&pool->queue, &job->link);
    else
        asyncio__pool_land(pool, job, cause);
}

static void fail_queue(struct asyncio__process_pool *pool, const char *why)
{
    struct asyncio_link *link;
    while ((link = list_pop(&pool->queue))) {
        struct asyncio__job *job = list_entry(link, struct asyncio__job, link);
        job->failure = words_for(job, -EOWNERDEAD, "%s", why);
        asyncio__pool_land(pool, job, -EOWNERDEAD);
    }
}

static void fail_for_want_of_workers(struct asyncio__process_pool *pool,
                                     int err)
{
    char why[128];
    snprintf(why, sizeof why, "no worker process could be started: %s",
             strerror(-err));
    fail_queue(pool, why);
}

static void foreman_ended(struct asyncio__process_pool *pool)
{
    static const char why[] = "the process that forks the workers has gone";
    pool->orphan = true;

    for (uint32_t i = 0; i < pool->count; i++) {
        struct asyncio__worker *worker = &pool->workers[i];
        asyncio__worker_answered(worker);
        if (worker->state == ASYNCIO__WORKER_VACANT) continue;
        struct asyncio__job *job = take_job(worker);
        int result = worker->cause ? worker->cause : -EOWNERDEAD;
        vacate(worker);
        if (!job) continue;
        job->failure = words_for(job, result, "%s", why);
        asyncio__pool_land(pool, job, result);
    }
    fail_queue(pool, why);
}

// --- what is heard ----------------------------------------------------------

static void obey_notice(struct asyncio__process_pool *pool,
                        const struct asyncio__notice *notice)
{
    if (notice->worker >= pool->count) return;
    struct asyncio__worker *worker = &pool->workers[notice->worker];
    if (worker->state == ASYNCIO__WORKER_VACANT) return;

    if (notice->kind == ASYNCIO__NOTICE_STARTED)
        worker->pid = notice->pid;
    else if (notice->kind == ASYNCIO__NOTICE_ENDED)
        worker_ended(worker, notice->pid, notice->status);
    else if (notice->kind == ASYNCIO__NOTICE_FAILED)
        worker_failed(worker);

    if (notice->kind == ASYNCIO__NOTICE_FAILED && pool->alive == 0)
        fail_for_want_of_workers(pool, notice->status);
}

static void send_orders(struct asyncio__worker *worker)
{
    struct asyncio__process_pool *pool = worker->pool;

    int err = worker->memory >= 0 ? order_start(worker) : 0;
    if (err == 0 && worker->kill_unsent) order_kill(worker);
    if (err == 0 || err == -EAGAIN) return;
    worker_failed(worker);
    if (pool->alive == 0) fail_for_want_of_workers(pool, err);
}

void asyncio__pool_go_on(struct asyncio__process_pool *pool)
{
    if (pool->orphan) return;
    pool->unsent = false;
    for (uint32_t i = 0; i < pool->count; i++)
        send_orders(&pool->workers[i]);
    int err = asyncio__pool_dispatch(pool);
    if (err < 0 && pool->alive == 0) fail_for_want_of_workers(pool, err);
}

void asyncio__pool_hear_foreman(struct asyncio__process_pool *pool)
{
    struct asyncio__notice notice;
    int n;

    while ((n = asyncio__message_receive(pool->socket, &notice, sizeof notice,
                                         NULL, MSG_DONTWAIT)) > 0)
        obey_notice(pool, &notice);
    if (n == 0 || n == -ECONNRESET || n == -EPROTO) foreman_ended(pool);
    asyncio__pool_go_on(pool);
}

void asyncio__pool_hear_bell(struct asyncio__process_pool *pool)
{
    // Once: a worker that rings for ever must not keep us here. What is left is
    // heard in the next pass.
    char rings[4096];
    ssize_t n = asyncio__sys_read(pool->bell, rings, sizeof rings);
    if (n == 0) pool->silent = true;
    for (uint32_t i = 0; i < pool->count; i++)
        asyncio__worker_answered(&pool->workers[i]);
    asyncio__pool_go_on(pool);
}
