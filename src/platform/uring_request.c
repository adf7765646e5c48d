// How an operation is put into the words of io_uring.

#include "platform/uring_request.h"

#include <fcntl.h>
#include <liburing.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/backend.h"

// What waits for time instead of readiness waits for one of these. The kernel
// reads them when it takes the entry.
static struct __kernel_timespec pauses[] = {
    {.tv_nsec = 1000000}, {.tv_nsec = 2000000},  {.tv_nsec = 4000000},
    {.tv_nsec = 8000000}, {.tv_nsec = 16000000},
};

static void prepare_wait(struct io_uring_sqe *sqe, const struct asyncio__op *op)
{
    int64_t pause_ns = asyncio__op_pause_ns(op);
    size_t i = 0;
    while (i + 1 < sizeof pauses / sizeof *pauses &&
           pauses[i].tv_nsec < pause_ns)
        i++;
    if (pause_ns > 0)
        io_uring_prep_timeout(sqe, &pauses[i], 0, 0);
    else
        io_uring_prep_poll_add(sqe, op->fd, op->events);
}

// Linux forgets what to send when a datagram has to wait for its receiver, and
// sends an empty one later. So we wait, and put the request anew. A stream's
// bytes it may wait for.
static int ring_flags(const struct asyncio__op *op)
{
    int flags = asyncio__op_message_flags(op);
    return op->code == ASYNCIO__OP_SENDMSG ? flags | MSG_DONTWAIT : flags;
}

void asyncio__uring_prepare_simple(struct io_uring_sqe *sqe,
                                   const struct asyncio__op *op)
{
    bool sends = op->code == ASYNCIO__OP_SEND;
    uint32_t flags = op->flags;
    if (sends) flags |= MSG_NOSIGNAL;
    if (sends && !(flags & MSG_WAITALL)) flags |= MSG_DONTWAIT;
    io_uring_prep_rw(sends ? IORING_OP_SEND : IORING_OP_RECV, sqe, op->fd,
                     (char *)op->buffer + op->moved, op->len - op->moved, 0);
    sqe->msg_flags = flags;
    io_uring_sqe_set_data(sqe, (void *)(uintptr_t)op);
}

// The kernel takes the memory from what the ring lends, when bytes are there.
static void prepare_lent(struct io_uring_sqe *sqe, const struct asyncio__op *op)
{
    if (op->flags & ASYNCIO__RECV_MORE)
        io_uring_prep_recv_multishot(sqe, op->fd, NULL, 0, 0);
    else
        io_uring_prep_recv(sqe, op->fd, NULL, ASYNCIO__LENT_SIZE, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
}

static void prepare_socket_call(struct io_uring_sqe *sqe,
                                const struct asyncio__op *op)
{
    int flags = ring_flags(op);

    switch (op->code) {
    case ASYNCIO__OP_ACCEPT:
        io_uring_prep_accept(sqe, op->fd, op->buffer, op->buffer2,
                             (int)op->flags | SOCK_CLOEXEC);
        break;
    case ASYNCIO__OP_CONNECT:
        io_uring_prep_connect(sqe, op->fd, op->buffer, op->len);
        break;
    case ASYNCIO__OP_RECV:
    case ASYNCIO__OP_SEND: asyncio__uring_prepare_simple(sqe, op); break;
    case ASYNCIO__OP_RECV_LENT: prepare_lent(sqe, op); break;
    case ASYNCIO__OP_RECVMSG:
        io_uring_prep_recvmsg(sqe, op->fd, op->buffer, (unsigned)flags);
        break;
    default:
        io_uring_prep_sendmsg(sqe, op->fd, op->buffer, (unsigned)flags);
        break;
    }
}

static void prepare_transfer(struct io_uring_sqe *sqe,
                             const struct asyncio__op *op)
{
    uint64_t offset = (uint64_t)op->offset;

    switch (op->code) {
    case ASYNCIO__OP_READ:
        io_uring_prep_read(sqe, op->fd, op->buffer, op->len, offset);
        break;
    case ASYNCIO__OP_WRITE:
        io_uring_prep_write(sqe, op->fd, op->buffer, op->len, offset);
        break;
    case ASYNCIO__OP_READV:
        io_uring_prep_readv(sqe, op->fd, op->buffer, op->len, offset);
        break;
    default:
        io_uring_prep_writev(sqe, op->fd, op->buffer, op->len, offset);
        break;
    }
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

static void prepare_call(struct io_uring_sqe *sqe, const struct asyncio__op *op)
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
}

void asyncio__uring_prepare(struct io_uring_sqe *sqe,
                            const struct asyncio__op *op)
{
    if (op->events && asyncio__op_transfers(op))
        prepare_wait(sqe, op);
    else if (asyncio__op_is_of_socket(op))
        prepare_socket_call(sqe, op);
    else
        prepare_call(sqe, op);
    io_uring_sqe_set_data(sqe, (void *)(uintptr_t)op);
}

// What has met -EAGAIN waits first, and makes its call then. The mask that says
// what is ready is no count: no byte has moved by that.
bool asyncio__uring_goes_on(struct asyncio__op *op, int *result)
{
    if (*result == -EINTR) return op->code != ASYNCIO__OP_CLOSE;
    if (!asyncio__op_transfers(op)) return false;
    if (op->events) {
        if (*result < 0 && *result != -ETIME) return false;
        op->events = 0;
        *result = -EAGAIN;
        return true;
    }
    if (!asyncio__op_goes_on(op, result)) return false;
    op->events = asyncio__op_readiness(op);
    return true;
}

// ---- Positions --------------------------------------------------------------

static size_t asked_for(const struct asyncio__op *op)
{
    if (!asyncio__op_has_pieces(op)) return op->len;
    const struct iovec *pieces = op->buffer;
    size_t len = 0;
    for (uint32_t i = 0; i < op->len; i++)
        len += pieces[i].iov_len;
    return len;
}

// One byte is moved or not. What has no position has none to mend.
void asyncio__uring_mark_position(struct asyncio__op *op)
{
    bool shifts =
        op->offset == -1 && (op->len > 1 || asyncio__op_has_pieces(op));
    op->position = shifts ? asyncio__sys_position(op->fd) : -1;
}

// Linux makes a second try for the rest, and when that fails reports the first
// one's count (seen with 6.18). A position that is elsewhere was moved.
void asyncio__uring_mend_position(const struct asyncio__op *op, int result)
{
    if (result <= 0 || op->position < 0) return;
    if ((size_t)result >= asked_for(op)) return;
    if (asyncio__sys_position(op->fd) != op->position) return;
    asyncio__sys_lseek(op->fd, op->position + result, SEEK_SET);
}

// ---- Bytes ------------------------------------------------------------------

// The parts of the request, if it is one with several; their number in *count.
static struct iovec *parts_of(const struct asyncio__op *op, size_t *count)
{
    const struct msghdr *message = op->buffer;
    switch (op->code) {
    case ASYNCIO__OP_READV:
    case ASYNCIO__OP_WRITEV: *count = op->len; return op->buffer;
    case ASYNCIO__OP_RECVMSG:
    case ASYNCIO__OP_SENDMSG:
        *count = message->msg_iovlen;
        return message->msg_iov;
    default: return NULL;
    }
}

size_t asyncio__uring_bytes(const struct asyncio__op *op)
{
    size_t count = 0, sum = 0;
    if (!asyncio__op_transfers(op) || op->code == ASYNCIO__OP_ACCEPT ||
        op->code == ASYNCIO__OP_CONNECT)
        return 0;
    if (asyncio__op_is_of_socket(op) && !asyncio__sys_moves_bytes(op->fd))
        return 0;
    const struct iovec *parts = parts_of(op, &count);
    for (size_t i = 0; i < count; i++)
        sum += parts[i].iov_len;
    return parts ? sum : op->len;
}

struct iovec *asyncio__uring_last_part(const struct asyncio__op *op)
{
    size_t count = 0;
    struct iovec *parts = parts_of(op, &count);
    while (count > 0 && parts[count - 1].iov_len == 0)
        count--;
    return count > 0 ? &parts[count - 1] : NULL;
}

void asyncio__uring_shorten(struct io_uring_sqe *sqe,
                            const struct asyncio__op *op)
{
    if (op->code == ASYNCIO__OP_RECV_LENT) {
        sqe->ioprio = 0;
        sqe->len = op->len;
    }
    sqe->len--;
}
