// What a process pool hears: answers, by the bell; and from the foreman, which
// workers have started and how they ended.
//
// The job that a worker has begun when it ends lands here, once: with its
// answer if that was there first, and else with what is known of the death.
// What it has not begun is left to the next one, as are the jobs of a worker
// that could not be started; if there is none that could ever take them, they
// fail, so that nothing waits for ever.

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "exec/foreman.h"
#include "exec/job_trace.h"
#include "exec/process_pool.h"
#include "platform/sys.h"

// --- the end of a worker ----------------------------------------------------

static void break_pool(struct asyncio__process_pool *pool, const char *why)
{
    struct asyncio_link *link;
    snprintf(pool->broken, sizeof pool->broken, "%s", why);
    asyncio__pool_recall(pool);
    while ((link = list_pop(&pool->idle)))
        asyncio__worker_kill(list_entry(link, struct asyncio__worker, link),
                             -ESHUTDOWN);
    asyncio__pool_fail_queue(pool, -EOWNERDEAD, pool->broken);
    asyncio__pool_fail_door(pool, -EOWNERDEAD, pool->broken);
}

// The job that it was at is lost. One that it was given, and had not begun, is
// none of it, unless workers die of it again and again.
static struct asyncio__job *lost_job(struct asyncio__worker *worker)
{
    struct asyncio__job *job = asyncio__ring_oldest(&worker->ring);
    if (!job) return NULL;
    bool lost = worker->state == ASYNCIO__WORKER_DYING ||
                asyncio__ring_begun(&worker->ring, job) ||
                ++job->returns >= ASYNCIO__RETURNS_MAX;
    asyncio__worker_give_back(worker, !lost);
    return lost ? asyncio__worker_drop_oldest(worker) : NULL;
}

static void worker_ended(struct asyncio__worker *worker, pid_t pid, int status)
{
    struct asyncio__process_pool *pool = worker->pool;
    char broken[sizeof pool->broken];

    asyncio__worker_collect(worker); // it may have died after its work
    struct asyncio__job *job = lost_job(worker);
    int result =
        asyncio__worker_judge(worker, job, pid, status, broken, sizeof broken);
    if (job) asyncio__job_answered(worker, job, result);
    asyncio__worker_vacate(worker);
    if (job) {
        pool->crashed++;
        asyncio__pool_land(pool, job, result);
    }
    if (broken[0] && !pool->broken[0]) break_pool(pool, broken);
}

// Its jobs go back to the head of the queue, for a worker that lives.
static void worker_failed(struct asyncio__worker *worker)
{
    struct asyncio__process_pool *pool = worker->pool;
    int cause = worker->cause;
    asyncio__worker_give_back(worker, cause == 0);
    struct asyncio__job *job = asyncio__worker_drop_oldest(worker);
    asyncio__worker_vacate(worker);
    pool->barren = true;
    if (job) asyncio__pool_land(pool, job, cause);
}

static void fail_for_want_of_workers(struct asyncio__process_pool *pool,
                                     int err)
{
    char why[128];
    snprintf(why, sizeof why, "no worker process could be started: %s",
             strerror(-err));
    asyncio__pool_fail_queue(pool, -EOWNERDEAD, why);
    asyncio__pool_fail_door(pool, -EOWNERDEAD, why);
}

static void foreman_ended(struct asyncio__process_pool *pool)
{
    static const char why[] = "the process that forks the workers has gone";
    pool->orphan = true;

    for (uint32_t i = 0; i < pool->count; i++) {
        struct asyncio__worker *worker = pool->workers[i];
        asyncio__worker_collect(worker);
        if (worker->state == ASYNCIO__WORKER_VACANT) continue;
        asyncio__worker_give_back(worker, false);
        struct asyncio__job *job = asyncio__worker_drop_oldest(worker);
        int result = worker->cause ? worker->cause : -EOWNERDEAD;
        asyncio__worker_vacate(worker);
        if (!job) continue;
        job->failure = asyncio__job_words(job, result, "%s", why);
        pool->crashed++;
        asyncio__pool_land(pool, job, result);
    }
    asyncio__pool_fail_queue(pool, -EOWNERDEAD, why);
    asyncio__pool_fail_door(pool, -EOWNERDEAD, why);
}

// --- what is heard ----------------------------------------------------------

static void count_answer(struct asyncio__process_pool *pool, uint32_t kind)
{
    if (kind != ASYNCIO__NOTICE_ENDED && pool->unanswered > 0)
        pool->unanswered--;
}

static void obey_notice(struct asyncio__process_pool *pool,
                        const struct asyncio__notice *notice)
{
    count_answer(pool, notice->kind);
    if (notice->worker >= pool->count) return;
    struct asyncio__worker *worker = pool->workers[notice->worker];
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
    int err = asyncio__worker_send_orders(worker);
    if (err == 0) return;
    worker_failed(worker);
    if (pool->alive == 0) fail_for_want_of_workers(pool, err);
}

void asyncio__pool_go_on(struct asyncio__process_pool *pool)
{
    if (pool->orphan) return;
    pool->unsent = false;
    for (uint32_t i = 0; i < pool->count; i++)
        send_orders(pool->workers[i]);
    asyncio__pool_level(pool);
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
    asyncio__pool_collect(pool);
    asyncio__pool_go_on(pool);
}
