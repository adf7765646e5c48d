// How an operation is put into the words of io_uring.

#include "platform/uring_request.h"

#include <fcntl.h>
#include <liburing.h>

#include "platform/backend.h"

static void prepare_transfer(struct io_uring_sqe *sqe,
                             const struct asyncio__op *op)
{
    // Has met -EAGAIN: waits for readiness now, and comes again then.
    if (op->events)
        io_uring_prep_poll_add(sqe, op->fd, op->events);
    else if (op->code == ASYNCIO__OP_READ)
        io_uring_prep_read(sqe, op->fd, op->buffer, op->len,
                           (uint64_t)op->offset);
    else if (op->code == ASYNCIO__OP_WRITE)
        io_uring_prep_write(sqe, op->fd, op->buffer, op->len,
                            (uint64_t)op->offset);
    else if (op->code == ASYNCIO__OP_READV)
        io_uring_prep_readv(sqe, op->fd, op->buffer, op->len,
                            (uint64_t)op->offset);
    else
        io_uring_prep_writev(sqe, op->fd, op->buffer, op->len,
                             (uint64_t)op->offset);
}

static void prepare_name(struct io_uring_sqe *sqe, const struct asyncio__op *op)
{
    switch ((enum asyncio__op_code)op->code) {
    case ASYNCIO__OP_RENAME:
        io_uring_prep_renameat(sqe, op->fd, op->path, op->fd, op->path2,
                               op->flags);
        break;
    case ASYNCIO__OP_LINK:
        io_uring_prep_linkat(sqe, op->fd, op->path, op->fd, op->path2,
                             (int)op->flags);
        break;
    case ASYNCIO__OP_SYMLINK:
        io_uring_prep_symlinkat(sqe, op->path, op->fd, op->path2);
        break;
    case ASYNCIO__OP_UNLINK:
        io_uring_prep_unlinkat(sqe, op->fd, op->path, (int)op->flags);
        break;
    case ASYNCIO__OP_MKDIR:
        io_uring_prep_mkdirat(sqe, op->fd, op->path, op->mode);
        break;
    default: break;
    }
}

void asyncio__uring_prepare(struct io_uring_sqe *sqe,
                            const struct asyncio__op *op)
{
    switch ((enum asyncio__op_code)op->code) {
    case ASYNCIO__OP_NONE: io_uring_prep_nop(sqe); break;
    case ASYNCIO__OP_POLL:
        io_uring_prep_poll_add(sqe, op->fd, op->events);
        break;
    case ASYNCIO__OP_OPEN:
        io_uring_prep_openat(sqe, op->fd, op->path, (int)op->flags | O_CLOEXEC,
                             op->mode);
        break;
    case ASYNCIO__OP_READ:
    case ASYNCIO__OP_WRITE:
    case ASYNCIO__OP_READV:
    case ASYNCIO__OP_WRITEV: prepare_transfer(sqe, op); break;
    case ASYNCIO__OP_FSYNC: io_uring_prep_fsync(sqe, op->fd, op->flags); break;
    case ASYNCIO__OP_CLOSE: io_uring_prep_close(sqe, op->fd); break;
    case ASYNCIO__OP_RENAME:
    case ASYNCIO__OP_LINK:
    case ASYNCIO__OP_SYMLINK:
    case ASYNCIO__OP_UNLINK:
    case ASYNCIO__OP_MKDIR: prepare_name(sqe, op); break;
    case ASYNCIO__OP_ALLOCATE:
        io_uring_prep_fallocate(sqe, op->fd, (int)op->flags, op->offset,
                                op->size);
        break;
    case ASYNCIO__OP_STATX:
        io_uring_prep_statx(sqe, op->fd, op->path, (int)op->flags, op->mode,
                            op->buffer2);
        break;
    default: io_uring_prep_nop(sqe); break; // a lane's
    }
    io_uring_sqe_set_data(sqe, (void *)(uintptr_t)op);
}

// Under which name the hooks know a request: the kernel will carry it out, but
// a test must be able to make it fail as any other call.
enum asyncio__sys_call asyncio__uring_call(const struct asyncio__op *op)
{
    switch (op->code) {
    case ASYNCIO__OP_POLL: return ASYNCIO__SYS_URING;
    case ASYNCIO__OP_OPEN: return ASYNCIO__SYS_OPEN;
    case ASYNCIO__OP_READ:
    case ASYNCIO__OP_READV: return ASYNCIO__SYS_READ;
    case ASYNCIO__OP_WRITE:
    case ASYNCIO__OP_WRITEV: return ASYNCIO__SYS_WRITE;
    case ASYNCIO__OP_FSYNC: return ASYNCIO__SYS_FSYNC;
    default: return ASYNCIO__SYS_OTHER;
    }
}
