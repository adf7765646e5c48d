// The end of a process pool: its jobs, its workers, its foreman.
//
//     shutdown --> no job is out --> the foreman is told --> it has gone
//
// Each step is waited for by the task that shuts the pool down; by nobody, if
// it said .nowait: then the last job to land queues the next step, and so does
// the news of the foreman's end. Where no task can wait, at the end of a loop
// or of the program, the pool's descriptors are heard by poll.

#include <asyncio/executor.h>

#include <poll.h>
#include <signal.h>

#include "exec/launcher.h"
#include "exec/process_pool.h"
#include "platform/sys.h"
#include "task/park.h"

static struct asyncio__process_pool *pool_of(struct asyncio_executor *executor)
{
    return list_entry(executor, struct asyncio__process_pool, executor);
}

// --- without a loop ---------------------------------------------------------

static void hear_by_poll(struct asyncio__process_pool *pool)
{
    struct pollfd fds[] = {
        {.fd = pool->silent ? -1 : pool->bell, .events = POLLIN},
        {.fd = pool->orphan ? -1 : pool->socket, .events = POLLIN},
    };
    int timeout_ms = pool->unsent ? 1 : asyncio__pool_next_limit_ms(pool);
    bool answered = asyncio__pool_listen(pool, true);
    int n = asyncio__sys_poll(fds, 2, answered ? 0 : timeout_ms);

    if (answered) asyncio__pool_collect(pool);
    if (n > 0 && fds[0].revents) asyncio__pool_hear_bell(pool);
    if (n > 0 && fds[1].revents) asyncio__pool_hear_foreman(pool);
    if (pool->unsent) asyncio__pool_go_on(pool);
}

// --- in a task --------------------------------------------------------------

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
    if (!task || task->compact || pool->loop != task->future.loop_) {
        hear_by_poll(pool);
        return;
    }
    pool->waiter = task;
    pool->loop->held++;
    asyncio_ignore(asyncio__park(&shutting_down, pool, NULL));
    pool->loop->held--;
}

// --- shutdown ---------------------------------------------------------------

// The foreman kills and reaps its workers, and then itself ends.
static void end_foreman(struct asyncio__process_pool *pool)
{
    if (!pool->ended) asyncio__sys_end_writing(pool->socket);
    pool->ended = pool->closed = true;
}

static void let_go(struct asyncio__process_pool *pool)
{
    asyncio__pool_leave_loop(pool);
    asyncio__sys_close(pool->socket);
    asyncio__sys_close(pool->bell);
    asyncio__symbols_close(&pool->symbols);
    asyncio__launcher_drop();
}

// A step of a shutdown that nobody waits for.
void asyncio__pool_end(struct asyncio__step *step)
{
    struct asyncio__process_pool *pool =
        list_entry(step, struct asyncio__process_pool, ending);
    if (pool->out > 0) return; // a map handed in more
    end_foreman(pool);
    if (!pool->orphan) return;
    let_go(pool);
    asyncio__executor_drop(&pool->executor);
}

void asyncio__pool_end_soon(struct asyncio__process_pool *pool)
{
    if (!pool->unattended || pool->out > 0 || list_linked(&pool->ending.link))
        return;
    asyncio__loop_queue(pool->loop, &pool->ending);
}

static bool ends_unattended(struct asyncio__process_pool *pool)
{
    struct asyncio_loop *loop = asyncio__running_loop;
    if (!loop || asyncio__pool_join_loop(pool, loop) < 0) return false;
    pool->unattended = true;
    asyncio__pool_end_soon(pool);
    return true;
}

bool asyncio__pool_shut(struct asyncio_executor *executor,
                        const struct asyncio_shutdown_options *options)
{
    struct asyncio__process_pool *pool = pool_of(executor);

    asyncio__pool_fail_door(pool, -ESHUTDOWN, NULL);
    if (options->cancel_pending) {
        pool->closed = true;
        asyncio__pool_recall(pool);
        asyncio__pool_fail_queue(pool, -ECANCELED, NULL);
    }
    if (options->nowait && ends_unattended(pool)) return false;
    while (pool->out > 0)
        hear_something(pool);
    end_foreman(pool);
    while (!pool->orphan)
        hear_something(pool);
    let_go(pool);
    return true;
}

// What runs fails when its worker has ended.
void asyncio__pool_stop(struct asyncio_executor *executor, int signal)
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

// --- the loop closes --------------------------------------------------------

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

// The workers end, and the pool is there for another loop; or it ends, too.
void asyncio__pool_loop_closes(struct asyncio__guest *guest)
{
    struct asyncio__process_pool *pool =
        list_entry(guest, struct asyncio__process_pool, guest);

    drop_jobs(pool);
    pool->waiter = NULL;
    if (pool->unattended) end_foreman(pool);
    while (pool->alive > 0 || (pool->unattended && !pool->orphan))
        hear_by_poll(pool);
    asyncio__pool_leave_loop(pool);
    if (!pool->unattended) return;
    let_go(pool);
    asyncio__executor_drop(&pool->executor);
}
