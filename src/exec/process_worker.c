// Workers of a process pool, seen from the parent: started, given jobs, killed.
//
// A worker that the foreman was told to start counts as one from then on: its
// mailbox is there before it is. Orders that find the socket full stay with the
// worker, and go out when the foreman has spoken: it answers every order. After
// any other failure they are tried again in the next pass.
//
// A job's limits are the parent's to watch: a worker has no say in them. How
// long it took is known by a timer; what it used of processors is looked up
// when it may be too much for the first time, and again as long as it is not.

#include "exec/process_pool.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "exec/foreman.h"
#include "platform/sys.h"

// --- places -----------------------------------------------------------------

static int make_place(struct asyncio__process_pool *pool, uint32_t number)
{
    struct asyncio__worker *worker = asyncio__alloc(sizeof *worker);
    if (!worker) return -ENOMEM;
    worker->pool = pool;
    worker->number = number;
    worker->memory = worker->log = worker->log_end = -1;
    pool->workers[number] = worker;
    return 0;
}

int asyncio__pool_make_places(struct asyncio__process_pool *pool,
                              uint32_t count)
{
    struct asyncio__worker **workers;
    if (count <= pool->count) return 0;
    workers = asyncio__realloc_array(pool->workers, pool->count, count,
                                     sizeof *pool->workers);
    if (!workers) return -ENOMEM;

    int err = 0;
    pool->workers = workers;
    while (err == 0 && pool->count < count) {
        err = make_place(pool, pool->count);
        if (err == 0) pool->count++;
    }
    return err;
}

void asyncio__pool_free_places(struct asyncio__process_pool *pool)
{
    for (uint32_t i = 0; i < pool->count; i++)
        asyncio__free(pool->workers[i]);
    asyncio__free(pool->workers);
}

// --- orders -----------------------------------------------------------------

// Returns 0 or a negative errno. The end of the foreman is none: it is heard of
// as such.
static int order(const struct asyncio__worker *worker,
                 enum asyncio__order_kind kind, int signal, const int *fds)
{
    const struct asyncio__order message = {kind, worker->number, signal};
    int err =
        asyncio__message_send(worker->pool->socket, &message, sizeof message,
                              fds, fds ? 2 : 0, MSG_DONTWAIT);
    return err == -EPIPE || err == -ECONNRESET ? 0 : err;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) asyncio__sys_close(*fd);
    *fd = -1;
}

static int order_start(struct asyncio__worker *worker)
{
    const int fds[2] = {worker->memory, worker->log_end};
    int err = order(worker, ASYNCIO__ORDER_START, 0, fds);
    if (err < 0) return err;
    close_fd(&worker->memory);
    close_fd(&worker->log_end);
    return 0;
}

// Has to be made, some time or other.
static void order_signal(struct asyncio__worker *worker)
{
    struct asyncio__process_pool *pool = worker->pool;
    int err = order(worker, ASYNCIO__ORDER_SIGNAL, worker->unsent, NULL);

    if (err == 0) worker->unsent = 0;
    if (err == 0) return;
    pool->unsent = true;
    if (err != -EAGAIN && !list_linked(&pool->retry.link))
        asyncio__loop_queue(pool->loop, &pool->retry);
}

void asyncio__worker_signal(struct asyncio__worker *worker, int signal)
{
    if (worker->state == ASYNCIO__WORKER_VACANT ||
        worker->state == ASYNCIO__WORKER_DYING)
        return;
    worker->unsent = signal;
    if (worker->memory < 0) order_signal(worker);
}

void asyncio__worker_kill(struct asyncio__worker *worker, int cause)
{
    struct asyncio__process_pool *pool = worker->pool;
    if (worker->state == ASYNCIO__WORKER_VACANT ||
        worker->state == ASYNCIO__WORKER_DYING)
        return;

    if (list_linked(&worker->link)) list_remove(&worker->link);
    if (worker->job) asyncio__timer_disarm(&pool->loop->timers, &worker->timer);
    worker->cause = cause;
    asyncio__worker_signal(worker, SIGKILL);
    worker->state = ASYNCIO__WORKER_DYING;
}

int asyncio__worker_send_orders(struct asyncio__worker *worker)
{
    int err = worker->memory >= 0 ? order_start(worker) : 0;
    if (err == 0 && worker->unsent) order_signal(worker);
    return err == -EAGAIN ? 0 : err;
}

void asyncio__worker_vacate(struct asyncio__worker *worker)
{
    if (list_linked(&worker->link)) list_remove(&worker->link);
    close_fd(&worker->memory);
    close_fd(&worker->log_end);
    close_fd(&worker->log);
    asyncio__mailbox_close(worker->box);
    worker->box = NULL;
    worker->first.kind = ASYNCIO__LOG_NOTHING;
    worker->unsent = 0;
    worker->cause = 0;
    worker->overspent = false;
    worker->pid = 0;
    worker->state = ASYNCIO__WORKER_VACANT;
    worker->pool->alive--;
    worker->pool->barren = false;
}

// --- a start ----------------------------------------------------------------

static struct asyncio__worker *find_vacancy(struct asyncio__process_pool *pool)
{
    for (uint32_t i = 0; i < pool->count; i++)
        if (pool->workers[i]->state == ASYNCIO__WORKER_VACANT)
            return pool->workers[i];
    return NULL;
}

static int open_channels(struct asyncio__worker *worker)
{
    int log[2];
    int err = asyncio__sys_pipe(log, O_NONBLOCK);
    if (err < 0) return err;
    err = asyncio__mailbox_open(&worker->box, &worker->memory);
    if (err < 0) {
        asyncio__sys_close(log[0]);
        asyncio__sys_close(log[1]);
        return err;
    }
    worker->log = log[0];
    worker->log_end = log[1];
    return 0;
}

int asyncio__worker_start(struct asyncio__process_pool *pool)
{
    struct asyncio__worker *worker =
        pool->alive < pool->limit ? find_vacancy(pool) : NULL;
    if (!worker || (pool->barren && pool->alive > 0)) return -EAGAIN;

    int err = open_channels(worker);
    if (err < 0) return err;
    worker->state = ASYNCIO__WORKER_IDLE;
    worker->jobs = 0;
    pool->alive++;
    err = order_start(worker);
    if (err < 0 && err != -EAGAIN) {
        asyncio__worker_vacate(worker);
        return err;
    }
    if (worker->used) pool->replaced++;
    worker->used = true;
    list_add_head(&pool->idle, &worker->link);
    return 0;
}

// --- jobs -------------------------------------------------------------------

struct asyncio__job *asyncio__worker_take_job(struct asyncio__worker *worker)
{
    struct asyncio__job *job = worker->job;
    if (job) asyncio__timer_disarm(&worker->pool->loop->timers, &worker->timer);
    worker->job = NULL;
    return job;
}

// Those that are not about to end.
static uint32_t living(const struct asyncio__process_pool *pool)
{
    uint32_t living = 0;
    for (uint32_t i = 0; i < pool->count; i++)
        living += pool->workers[i]->state == ASYNCIO__WORKER_IDLE ||
                  pool->workers[i]->state == ASYNCIO__WORKER_BUSY;
    return living;
}

static bool is_spent(const struct asyncio__worker *worker)
{
    const struct asyncio__process_pool *pool = worker->pool;
    if (pool->max_jobs > 0 && worker->jobs >= pool->max_jobs) return true;
    if (pool->broken[0]) return true;
    return pool->count > pool->limit && living(pool) > pool->limit;
}

// It has nothing to do any more: is idle, or ends.
static void release(struct asyncio__worker *worker)
{
    bool spent = is_spent(worker);
    worker->state = ASYNCIO__WORKER_IDLE;
    list_add_head(&worker->pool->idle, &worker->link);
    if (spent) asyncio__worker_kill(worker, -ESHUTDOWN);
}

void asyncio__pool_trim(struct asyncio__process_pool *pool)
{
    struct asyncio_link *link;
    while (living(pool) > pool->limit && (link = list_pop(&pool->idle)))
        asyncio__worker_kill(list_entry(link, struct asyncio__worker, link),
                             -ESHUTDOWN);
}

bool asyncio__worker_answered(struct asyncio__worker *worker)
{
    struct asyncio__process_pool *pool = worker->pool;
    if (worker->state != ASYNCIO__WORKER_BUSY ||
        !asyncio__mailbox_answered(worker->box))
        return false;

    struct asyncio__job *job = asyncio__worker_take_job(worker);
    int result =
        asyncio__mailbox_take(worker->box, job->arg, job->size, &job->failure);
    worker->jobs++;
    if (result < 0)
        pool->failed++;
    else
        pool->finished++;
    release(worker);
    asyncio__pool_land(pool, job, result);
    return true;
}

// --- limits -----------------------------------------------------------------

void asyncio__worker_read_first(struct asyncio__worker *worker)
{
    if (worker->first.kind == ASYNCIO__LOG_NOTHING)
        asyncio__log_read(worker->log, &worker->first);
}

// What it had used before its job: the first one comes after the set-up.
static int64_t used_before_ns(struct asyncio__worker *worker)
{
    if (worker->jobs > 0) return worker->processor_ns;
    asyncio__worker_read_first(worker);
    return worker->first.kind == ASYNCIO__LOG_READY ? worker->first.processor_ns
                                                    : INT64_MAX;
}

// What its job may still use of processors. Before the job has begun that is
// all of it.
static int64_t allowance_ns(struct asyncio__worker *worker)
{
    int64_t limit = worker->pool->processor_ns;
    if (limit == ASYNCIO__NEVER || worker->pid == 0) return limit;
    int64_t used = asyncio__sys_processor_ns(worker->pid);
    int64_t before = used_before_ns(worker);
    return used < before ? limit : limit - (used - before);
}

static void watch_limits(struct asyncio__worker *worker, int64_t allowance);

static void time_is_up(struct asyncio__timer *timer)
{
    struct asyncio__worker *worker =
        list_entry(timer, struct asyncio__worker, timer);
    struct asyncio__process_pool *pool = worker->pool;

    if (asyncio__worker_answered(worker)) {
        asyncio__pool_dispatch(pool);
        return;
    }
    int64_t allowance = allowance_ns(worker);
    worker->overspent = allowance <= 0;
    if (allowance > 0 && asyncio__loop_now(pool->loop) < worker->deadline_ns)
        watch_limits(worker, allowance);
    else
        asyncio__worker_kill(worker, -ETIMEDOUT);
}

// The timer is due when one of the limits may be reached. Those of a processor
// and of the loop are different clocks: not again at once, for a little rest.
static void watch_limits(struct asyncio__worker *worker, int64_t allowance)
{
    struct asyncio_loop *loop = worker->pool->loop;
    int64_t when = worker->deadline_ns, check;
    if (when == ASYNCIO__NEVER && allowance == ASYNCIO__NEVER) return;
    if (allowance < 1000000) allowance = 1000000;
    if (!__builtin_add_overflow(asyncio__loop_now(loop), allowance, &check) &&
        check < when)
        when = check;
    if (when == ASYNCIO__NEVER) return;
    worker->timer = (struct asyncio__timer){.fire = time_is_up};
    asyncio__timer_arm(&loop->timers, &worker->timer, when);
}

static int64_t deadline_ns(const struct asyncio__worker *worker)
{
    int64_t limit = worker->job->timeout > 0 ? worker->job->timeout_ns
                                             : worker->pool->timeout_ns;
    int64_t when;
    if (limit == ASYNCIO__NEVER ||
        __builtin_add_overflow(asyncio__loop_now(worker->pool->loop), limit,
                               &when))
        return ASYNCIO__NEVER;
    return when;
}

void asyncio__worker_give(struct asyncio__worker *worker,
                          struct asyncio__job *job)
{
    struct asyncio__process_pool *pool = worker->pool;

    worker->state = ASYNCIO__WORKER_BUSY;
    worker->job = job;
    job->worker = worker;
    if (pool->processor_ns != ASYNCIO__NEVER && worker->pid > 0)
        worker->processor_ns = asyncio__sys_processor_ns(worker->pid);
    asyncio__mailbox_send(worker->box, job->fn, job->arg, job->size);
    worker->deadline_ns = deadline_ns(worker);
    watch_limits(worker, pool->processor_ns);
}
