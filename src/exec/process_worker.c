// Workers of a process pool, seen from the parent: their places, how they are
// started and ended.
//
// A worker that the foreman was told to start counts as one from then on: its
// mailbox is there before it is. Orders that find the socket full stay with the
// worker, and go out when the foreman has spoken: it answers every order. If it
// owes no answer, and after any other failure, they are tried again in the next
// pass.

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
    worker->memory = worker->log = worker->log_end = worker->far = -1;
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
// as such. Whatever made the socket unfit for orders, from then on it is so,
// and the foreman finds its end and goes: one that stayed would say nothing,
// and its workers would never come.
static int order(const struct asyncio__worker *worker,
                 enum asyncio__order_kind kind, int signal, const int *fds)
{
    const struct asyncio__order message = {kind, worker->number, signal};
    int err = asyncio__message_send(
        worker->pool->socket, &message, sizeof message, fds,
        fds ? ASYNCIO__MESSAGE_FDS : 0, MSG_DONTWAIT);
    if (err == 0) worker->pool->unanswered++;
    if (err != -EPIPE && err != -ECONNRESET) return err;
    asyncio__sys_end_writing(worker->pool->socket);
    return 0;
}

static void send_later(struct asyncio__process_pool *pool, int err)
{
    pool->unsent = true;
    if (err == -EAGAIN && pool->unanswered > 0) return;
    if (!list_linked(&pool->retry.link))
        asyncio__loop_queue(pool->loop, &pool->retry);
}

static void close_fd(int *fd)
{
    if (*fd >= 0) asyncio__sys_close(*fd);
    *fd = -1;
}

// The foreman has them, or nobody will.
static void close_far_ends(struct asyncio__worker *worker)
{
    close_fd(&worker->memory);
    close_fd(&worker->log_end);
    close_fd(&worker->far);
}

static int order_start(struct asyncio__worker *worker)
{
    const int fds[] = {worker->memory, worker->log_end, worker->far};
    int err = order(worker, ASYNCIO__ORDER_START, 0, fds);
    if (err == -EAGAIN) send_later(worker->pool, err);
    if (err < 0) return err;
    close_far_ends(worker);
    return 0;
}

// Has to be made, some time or other.
static void order_signal(struct asyncio__worker *worker)
{
    int err = order(worker, ASYNCIO__ORDER_SIGNAL, worker->unsent, NULL);
    if (err == 0)
        worker->unsent = 0;
    else
        send_later(worker->pool, err);
}

static bool is_alive(const struct asyncio__worker *worker)
{
    return worker->state != ASYNCIO__WORKER_VACANT &&
           worker->state != ASYNCIO__WORKER_DYING;
}

static void send_signal(struct asyncio__worker *worker, int signal)
{
    worker->unsent = signal;
    if (worker->memory < 0) order_signal(worker);
}

void asyncio__worker_signal(struct asyncio__worker *worker, int signal)
{
    if (is_alive(worker)) send_signal(worker, signal);
}

void asyncio__worker_kill(struct asyncio__worker *worker, int cause)
{
    if (!is_alive(worker)) return;

    worker->state = ASYNCIO__WORKER_DYING;
    worker->cause = cause;
    if (list_linked(&worker->link)) list_remove(&worker->link);
    asyncio__worker_watch(worker);
    // First, so that the signal hits no other job.
    asyncio__worker_keep_oldest(worker);
    send_signal(worker, SIGKILL);
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
    close_far_ends(worker);
    close_fd(&worker->log);
    asyncio__desk_close(&worker->desk);
    asyncio__ring_close(&worker->ring);
    worker->state = ASYNCIO__WORKER_VACANT;
    asyncio__worker_watch(worker);
    worker->first.kind = ASYNCIO__LOG_NOTHING;
    worker->unsent = 0;
    worker->cause = 0;
    worker->overspent = false;
    worker->pid = 0;
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

static int open_log(struct asyncio__worker *worker)
{
    int log[2];
    int err = asyncio__sys_pipe(log, O_NONBLOCK);
    if (err < 0) return err;
    worker->log = log[0];
    worker->log_end = log[1];
    return 0;
}

// What is open when one of them fails is closed by vacating the place.
static int open_channels(struct asyncio__worker *worker)
{
    int err = open_log(worker);
    if (err == 0) err = asyncio__ring_open(&worker->ring, &worker->memory);
    if (err == 0) err = asyncio__desk_open(&worker->desk, &worker->far);
    return err;
}

int asyncio__worker_start(struct asyncio__process_pool *pool)
{
    struct asyncio__worker *worker =
        pool->alive < pool->limit ? find_vacancy(pool) : NULL;
    if (!worker || (pool->barren && pool->alive > 0)) return -EAGAIN;

    worker->state = ASYNCIO__WORKER_IDLE;
    worker->jobs = 0;
    worker->depth = 1;
    pool->alive++;
    int err = open_channels(worker);
    if (err == 0) err = order_start(worker);
    if (err < 0 && err != -EAGAIN) {
        asyncio__worker_vacate(worker);
        return err;
    }
    if (worker->used) pool->replaced++;
    worker->used = true;
    list_add_head(&pool->idle, &worker->link);
    return 0;
}

// --- too many ---------------------------------------------------------------

// Those that are not about to end.
static uint32_t living(const struct asyncio__process_pool *pool)
{
    uint32_t living = 0;
    for (uint32_t i = 0; i < pool->count; i++)
        living += pool->workers[i]->state == ASYNCIO__WORKER_IDLE ||
                  pool->workers[i]->state == ASYNCIO__WORKER_BUSY;
    return living;
}

bool asyncio__worker_is_spent(const struct asyncio__worker *worker)
{
    const struct asyncio__process_pool *pool = worker->pool;
    if (pool->max_jobs > 0 && worker->jobs >= pool->max_jobs) return true;
    if (pool->broken[0]) return true;
    return pool->count > pool->limit && living(pool) > pool->limit;
}

uint32_t asyncio__worker_room(const struct asyncio__worker *worker)
{
    const struct asyncio__process_pool *pool = worker->pool;
    if (pool->count > pool->limit && living(pool) > pool->limit) return 0;
    if (pool->max_jobs == 0) return worker->depth;
    uint32_t left = pool->max_jobs - worker->jobs;
    return left < worker->depth ? left : worker->depth;
}

void asyncio__pool_trim(struct asyncio__process_pool *pool)
{
    struct asyncio_link *link;
    while (living(pool) > pool->limit && (link = list_pop(&pool->idle)))
        asyncio__worker_kill(list_entry(link, struct asyncio__worker, link),
                             -ESHUTDOWN);
}
