// The calls behind the epoll poller's operations: on a thread for files, which
// block, and at once for what is ready.
//
//     submit -> crew's queue -> thread: the call -> posted -> wait: finished
//
// Each poller has its own crew, as each ring has its own workers, and closes
// it: nothing of a loop outlives it. Posting is a push on a lock-free stack,
// and wakes the poller only if it says that it sleeps.

#include "platform/epoll.h"

#include <assert.h>
#include <limits.h>
#include <linux/io_uring.h>
#include <sys/uio.h>

#include "platform/sys.h"

// Room for a system call and its path; nothing else runs there.
#define STACK_SIZE ((size_t)256 * 1024)

struct asyncio__epoll_job {
    struct asyncio__offload_job offload; // first: one address for both
    struct asyncio__epoll *poller;
    struct asyncio__op *op;
    struct asyncio__epoll_job *next; // in posted
    int result;
};

// ---- Calls ------------------------------------------------------------------

// One call moves at most this much, as the kernel has it; a count fits an int.
static size_t length(const struct asyncio__op *op)
{
    return op->len < INT_MAX ? op->len : INT_MAX;
}

static int read_or_write(const struct asyncio__op *op, int64_t offset,
                         size_t len, int flags)
{
    if (op->code == ASYNCIO__OP_READ)
        return (int)asyncio__sys_preadv2(op->fd, op->buffer, len, offset,
                                         flags);
    return (int)asyncio__sys_pwritev2(op->fd, op->buffer, len, offset, flags);
}

int asyncio__epoll_transfer(const struct asyncio__op *op)
{
    int64_t offset = op->offset;
    int result = read_or_write(op, offset, length(op), RWF_NOWAIT);

    // Pipes and sockets have no position, and io_uring does not insist.
    if (result == -ESPIPE) {
        offset = -1;
        result = read_or_write(op, offset, length(op), RWF_NOWAIT);
    }
    if (result != -EOPNOTSUPP) return result;

    // Some files, among them the pipes of older kernels, know no such flag.
    // Since it is ready it has something for us, or room for PIPE_BUF bytes.
    size_t len = length(op) < PIPE_BUF ? length(op) : PIPE_BUF;
    return read_or_write(op, offset, len, 0);
}

static int fsync_as_told(const struct asyncio__op *op)
{
    if (op->flags & IORING_FSYNC_DATASYNC)
        return asyncio__sys_fdatasync(op->fd);
    return asyncio__sys_fsync(op->fd);
}

static int call_once(const struct asyncio__op *op)
{
    switch ((enum asyncio__op_code)op->code) {
    case ASYNCIO__OP_OPEN:
        return asyncio__sys_openat(op->fd, op->path, (int)op->flags, op->mode);
    case ASYNCIO__OP_READ:
    case ASYNCIO__OP_WRITE: return read_or_write(op, op->offset, length(op), 0);
    case ASYNCIO__OP_FSYNC: return fsync_as_told(op);
    case ASYNCIO__OP_CLOSE: return asyncio__sys_close(op->fd);
    case ASYNCIO__OP_RENAME:
        return asyncio__sys_renameat2(op->fd, op->path, op->fd, op->path2,
                                      op->flags);
    case ASYNCIO__OP_UNLINK:
        return asyncio__sys_unlinkat(op->fd, op->path, (int)op->flags);
    case ASYNCIO__OP_MKDIR:
        return asyncio__sys_mkdirat(op->fd, op->path, op->mode);
    case ASYNCIO__OP_STATX:
        return asyncio__sys_statx(op->fd, op->path, (int)op->flags, op->mode,
                                  op->buffer2);
    default: return -EINVAL;
    }
}

static int call(const struct asyncio__op *op)
{
    int result;
    do
        result = call_once(op);
    while (result == -EINTR && op->code != ASYNCIO__OP_CLOSE);
    return result;
}

// ---- Threads ----------------------------------------------------------------

static void work(struct asyncio__offload_job *offload)
{
    struct asyncio__epoll_job *job = (struct asyncio__epoll_job *)offload;
    job->result = call(job->op);
}

// As soon as the job is posted it is the loop's thread's, and may be gone.
static void post(struct asyncio__offload_job *offload)
{
    struct asyncio__epoll_job *job = (struct asyncio__epoll_job *)offload;
    struct asyncio__epoll *e = job->poller;

    job->next = atomic_load(&e->posted);
    while (!atomic_compare_exchange_weak(&e->posted, &job->next, job))
        continue;
    if (atomic_exchange(&e->asleep, false))
        asyncio__sys_eventfd_signal(e->wake_fd);
}

// ---- The loop's side --------------------------------------------------------

static int open_crew(struct asyncio__epoll *e)
{
    if (e->crew) return 0;
    return asyncio__offload_open(
        &e->crew, &(struct asyncio__offload_options){.name = "asyncio-file",
                                                     .stack_size = STACK_SIZE});
}

static int start_job(struct asyncio__epoll *e, struct asyncio__op *op)
{
    int err = open_crew(e);
    if (err < 0) return err;

    struct asyncio__epoll_job *job = asyncio__alloc(sizeof *job);
    if (!job) return -ENOMEM;

    *job = (struct asyncio__epoll_job){
        .offload.work = work, .offload.done = post, .poller = e, .op = op};
    if (asyncio__op_transfers(op)) op->events = 0;
    op->job = job;
    err = asyncio__offload_submit(e->crew, &job->offload);
    if (err < 0) {
        asyncio__free(job);
        return err;
    }
    e->jobs++;
    return 0;
}

int asyncio__epoll_file(struct asyncio__epoll *e, struct asyncio__op *op)
{
    int err = start_job(e, op);
    if (err == 0 || op->code != ASYNCIO__OP_CLOSE) return err;

    // A close cannot be refused for want of a thread.
    op->link = (struct asyncio_link){0};
    asyncio__poller_finish(&e->base, op, call(op));
    return 0;
}

static void finish_job(struct asyncio__epoll_job *job, int result)
{
    struct asyncio__epoll *e = job->poller;
    struct asyncio__op *op = job->op;

    asyncio__free(job);
    e->jobs--;
    op->link = (struct asyncio_link){0};
    asyncio__poller_finish(&e->base, op, result);
}

void asyncio__epoll_retract(struct asyncio__epoll *e, struct asyncio__op *op)
{
    struct asyncio__epoll_job *job = op->job;
    if (asyncio__offload_retract(e->crew, &job->offload))
        finish_job(job, -ECANCELED);
}

void asyncio__epoll_take_posted(struct asyncio__epoll *e)
{
    struct asyncio__epoll_job *job = NULL, *older = NULL;
    // A look costs less than an exchange, and there is seldom anything.
    if (atomic_load(&e->posted)) job = atomic_exchange(&e->posted, NULL);

    // Turned round: what ended first is done first.
    while (job) {
        struct asyncio__epoll_job *next = job->next;
        job->next = older;
        older = job;
        job = next;
    }
    while (older) {
        struct asyncio__epoll_job *next = older->next;
        finish_job(older, older->result);
        older = next;
    }
}
