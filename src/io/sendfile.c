// Bytes that the kernel moves by itself: sendfile and splice.
//
//     a thread: the call, which does not wait -> -EAGAIN -> the loop waits
//     until the one that holds it up is ready -> a thread: the call again ...
//
// The call itself may have to wait for a disk, so a thread makes it; it may not
// wait for the other end, so the socket has to be non-blocking meanwhile. What
// the kernel cannot move is read and sent.

#include <fcntl.h>
#include <limits.h>
#include <poll.h>

#include "io/socket.h"
#include "platform/sys.h"

#define AT_ONCE    ((size_t)4 << 20) // as much as may delay a cancel
#define COPY_SIZE  ((size_t)64 << 10)
#define VAIN_MAX   4
#define VAIN_PAUSE 0.002

static const struct asyncio__wait_kind reading = ASYNCIO__OPERATION("a file");

// ---- Waiting ----------------------------------------------------------------

static int wait_ready(struct asyncio_socket *socket, int fd, int events)
{
    struct asyncio__op op = {
        .code = ASYNCIO__OP_POLL, .fd = fd, .events = (uint16_t)events};
    int mask = asyncio__socket_operate(socket, &op);
    return mask < 0 ? mask : 0;
}

static bool is_ready(int fd, int events)
{
    struct pollfd one = {.fd = fd, .events = (short)events};
    return asyncio__sys_poll(&one, 1, 0) != 0;
}

// ---- One call ---------------------------------------------------------------

static int send_some(struct asyncio_socket *socket, int out, int in,
                     int64_t offset, size_t count)
{
    struct asyncio__op op = {
        .code = ASYNCIO__OP_SENDFILE,
        .fd = out,
        .fd2 = in,
        .offset = offset,
        .len = (uint32_t)(count < AT_ONCE ? count : AT_ONCE),
    };
    for (;;) {
        int n = asyncio__socket_operate(socket, &op);
        if (n != -EAGAIN) return n;
        int err = wait_ready(socket, out, POLLOUT);
        if (err < 0) return err;
    }
}

int asyncio_sendfile(int out, int in, off_t *offset, size_t count)
{
    int err = asyncio__task() ? asyncio__check_nonblocking(out) : -EPERM;
    if (err == 0 && offset && *offset < 0) err = -EINVAL;
    if (err == 0) err = asyncio__sys_set_nonblocking(out, true);
    if (err < 0) return err;
    int n = send_some(NULL, out, in, offset ? *offset : -1, count);
    if (n > 0 && offset) *offset += n;
    return n;
}

// Waits for the side that is not ready. If both are, it will not be told when
// there is room enough, and comes again after a while.
static int wait_for_either(int in, int out, unsigned vain)
{
    if (vain >= VAIN_MAX) return asyncio_sleep(VAIN_PAUSE);
    if (!is_ready(in, POLLIN)) return wait_ready(NULL, in, POLLIN);
    return wait_ready(NULL, out, POLLOUT);
}

static int splice_when_ready(struct asyncio__op *op, bool waits)
{
    for (unsigned vain = 0;; vain++) {
        int n = asyncio__operate(op, &reading);
        if (n != -EAGAIN || !waits) return n;
        int err = wait_for_either(op->fd, op->fd2, vain);
        if (err < 0) return err;
    }
}

static int make_nonblocking(int fd)
{
    int err = asyncio__check_nonblocking(fd);
    return err < 0 ? err : asyncio__sys_set_nonblocking(fd, true);
}

int asyncio_splice(int in, off_t *in_offset, int out, off_t *out_offset,
                   size_t len, unsigned flags)
{
    if (!asyncio__task()) return -EPERM;
    if ((in_offset && *in_offset < 0) || (out_offset && *out_offset < 0))
        return -EINVAL;
    // A file is never waited for, whatever its mode.
    int err = in_offset ? 0 : make_nonblocking(in);
    if (err == 0 && !out_offset) err = make_nonblocking(out);
    if (err < 0) return err;

    struct asyncio__op op = {
        .code = ASYNCIO__OP_SPLICE,
        .fd = in,
        .fd2 = out,
        .offset = in_offset ? *in_offset : -1,
        .size = out_offset ? *out_offset : -1,
        .len = (uint32_t)(len < AT_ONCE ? len : AT_ONCE),
        .flags = flags | SPLICE_F_NONBLOCK,
    };
    int n = splice_when_ready(&op, !(flags & SPLICE_F_NONBLOCK));
    if (n > 0 && in_offset) *in_offset += n;
    if (n > 0 && out_offset) *out_offset += n;
    return n;
}

// ---- All of it --------------------------------------------------------------

// What is sent, and how far it is.
struct job {
    struct asyncio_socket *socket;
    int out, file;
    off_t offset;
    size_t count, sent;
    bool no_fallback;
};

// What the kernel moves. -EINVAL or the like: it cannot.
static int let_kernel_send(struct job *job)
{
    while (job->sent < job->count) {
        int n =
            send_some(job->socket, job->out, job->file,
                      job->offset + (off_t)job->sent, job->count - job->sent);
        if (n <= 0) return n;
        job->sent += (size_t)n;
    }
    return 0;
}

static int copy(struct job *job, char *buffer)
{
    while (job->sent < job->count) {
        size_t left = job->count - job->sent, sent = 0;
        struct asyncio__op op =
            asyncio__op_data(ASYNCIO__OP_READ, job->file, buffer,
                             left < COPY_SIZE ? left : COPY_SIZE, 0);
        op.offset = job->offset + (off_t)job->sent;
        int n = asyncio__operate(&op, &reading);
        if (n <= 0) return n;
        int err = asyncio__send_all(job->socket, buffer, (size_t)n, &sent);
        job->sent += sent;
        if (err < 0) return err;
    }
    return 0;
}

static int read_and_send(struct job *job)
{
    char *buffer = asyncio__alloc(COPY_SIZE);
    if (!buffer) return -ENOMEM;
    int err = copy(job, buffer);
    asyncio__free(buffer);
    return err;
}

static bool is_refusal(int err)
{
    return err == -EINVAL || err == -ENOSYS || err == -EOPNOTSUPP;
}

// The poller may want it in blocking mode otherwise.
static int send_unblocked(struct job *job)
{
    int flags = asyncio__sys_status_flags(job->out);
    if (flags < 0) return flags;
    int err = asyncio__sys_set_nonblocking(job->out, true);
    if (err == 0) err = let_kernel_send(job);
    if (!(flags & O_NONBLOCK)) asyncio__sys_set_nonblocking(job->out, false);
    return err;
}

// The thread has a descriptor of its own: the socket's may be closed meanwhile,
// and its number become somebody else's.
static int send_in_some_way(struct job *job)
{
    job->out = asyncio__sys_dup(asyncio__socket_fd(job->socket));
    if (job->out < 0) return job->no_fallback ? job->out : read_and_send(job);
    int err = send_unblocked(job);
    asyncio__sys_close(job->out);
    if (!is_refusal(err)) return err;
    return job->no_fallback ? -ENOTSUP : read_and_send(job);
}

int(asyncio_socket_sendfile)(struct asyncio_socket *socket, int fd,
                             off_t offset, size_t count,
                             const struct asyncio_sendfile_options *options)
{
    struct job job = {.socket = socket, .file = fd, .offset = offset};
    job.count = count > 0 && count < INT_MAX ? count : INT_MAX;
    job.no_fallback = options && options->no_fallback;
    int err = -EPERM;
    if (asyncio__task()) err = socket->fd_ == 0 ? -EBADF : 0;
    if (err == 0 && offset < 0) err = -EINVAL;
    if (err == 0) {
        err = send_in_some_way(&job);
        asyncio__sys_lseek(fd, offset + (off_t)job.sent, SEEK_SET);
    }
    if (options && options->sent) *options->sent = job.sent;
    return err < 0 ? err : (int)job.sent;
}
