// How the transport of descriptors reads.
//
// Most reads are one operation of the poller, which moves the bytes. But a
// poller serves many connections in one go, and what each of them is sent would
// have left the processor's caches before its task looks at it, if that is
// much. So who is sent much waits until something is there, and moves the bytes
// when it runs, right before it uses them. The same goes for a poller that has
// to ask the system first whether there is something (epoll): there two calls
// of the system are saved, too, the one that finds nothing and, most of the
// time, the one that says what is waited for.
//
//     RECV:   read -> the poller receives -> did_read -> the task runs
//     POLL:   read -> the poller waits -> ready -> the task runs, and receives
//
// A protocol has no task that would run, and is served by RECV; or, with such a
// poller, as soon as that says that there is something.

#include "io/stream.h"

#include <poll.h>
#include <sys/socket.h>

#include "platform/sys.h"

// So much is more than moves unseen from one cache to another.
#define LARGE_LEAST 4096

// After a try in vain so many are left out, doubled each time up to this.
#define SKIP_MOST 15

// After so many tries in a row that were not, others are to run, too.
#define TRIES_MOST 32

static struct asyncio__stream_fds *fds_of(void *arg)
{
    return arg;
}

// A connection that we have cut off seems to end.
static int end_or_failure(const struct asyncio__stream_fds *fds, int result)
{
    return result == 0 ? fds->failure : result;
}

// Remembers how the peer sends.
static void note(struct asyncio__stream_fds *fds, int got, size_t size)
{
    fds->more = got == (int)size;
    if (got > 0) fds->large = got >= LARGE_LEAST;
}

static int receive_now(struct asyncio__stream_fds *fds, void *buffer,
                       size_t size)
{
    int got = (int)asyncio__sys_recv(fds->read_fd, buffer, size, MSG_DONTWAIT);
    if (got == -EAGAIN || got == -EINTR) return -EAGAIN;
    note(fds, got, size);
    return end_or_failure(fds, got);
}

int asyncio__fds_receive(struct asyncio_stream *stream, void *buffer,
                         size_t size)
{
    return receive_now(&stream->fds, buffer, size);
}

// --- trying first -----------------------------------------------------------

// The last read was filled, so there is likely to be more. Messages may have
// the size of the buffer, though: then there never is.
static bool is_worth_a_try(struct asyncio__stream_fds *fds)
{
    if (!fds->more) return false;
    if (fds->skip == 0) return true;
    fds->skip--;
    return false;
}

static void leave_out_some(struct asyncio__stream_fds *fds, bool vain)
{
    if (!vain) {
        fds->vain = 0;
        fds->skip = ++fds->tries % TRIES_MOST == 0;
        return;
    }
    if (fds->vain < SKIP_MOST) fds->vain = (uint8_t)(2 * fds->vain + 1);
    fds->skip = fds->vain;
}

static int try_read(struct asyncio__stream_fds *fds, void *buffer, size_t size)
{
    int got = receive_now(fds, buffer, size);
    leave_out_some(fds, got == -EAGAIN);
    return got;
}

// --- the operations ---------------------------------------------------------

static int submit(struct asyncio_stream *stream)
{
    int err =
        asyncio__poller_submit(stream->loop->poller, &stream->fds.read_op);
    return err < 0 ? err : -EINPROGRESS;
}

static void ended(struct asyncio__op *op)
{
    struct asyncio_stream *stream =
        list_entry(op, struct asyncio_stream, fds.read_op);
    note(&stream->fds, op->result, op->len);
    asyncio_stream_did_read(stream, end_or_failure(&stream->fds, op->result));
}

static void readable(struct asyncio__op *op)
{
    struct asyncio_stream *stream =
        list_entry(op, struct asyncio_stream, fds.read_op);
    if (op->result < 0)
        asyncio_stream_did_read(stream, op->result);
    else
        asyncio__stream_readable(stream);
}

// The same for a protocol. What was there may be gone: then it waits again, if
// it still wants to.
static void receivable(struct asyncio__op *op)
{
    struct asyncio_stream *stream =
        list_entry(op, struct asyncio_stream, fds.read_op);
    int got = op->result;
    if (got >= 0) got = receive_now(&stream->fds, op->buffer, op->len);
    asyncio_stream_did_read(stream, got == -EAGAIN ? -ECANCELED : got);
}

static int await_input(struct asyncio_stream *stream)
{
    struct asyncio__op *op = &stream->fds.read_op;
    op->code = ASYNCIO__OP_POLL;
    op->done = stream->protocol ? receivable : readable;
    op->events = POLLIN;
    op->flags = ASYNCIO__POLL_AGAIN;
    return submit(stream);
}

int asyncio__fds_read(struct asyncio_stream *stream, void *arg, void *buffer,
                      size_t size)
{
    struct asyncio__stream_fds *fds = fds_of(arg);
    if (fds->read_kind == ASYNCIO__FD_NONE) return -EBADF;
    bool socket = fds->read_kind == ASYNCIO__FD_SOCKET;
    bool calls = socket && (fds->large || stream->io->tries_first);
    if (calls && is_worth_a_try(fds)) {
        int got = try_read(fds, buffer, size);
        if (got != -EAGAIN) return got;
    }
    fds->read_op = (struct asyncio__op){.fd = fds->read_fd,
                                        .buffer = buffer,
                                        .len = (uint32_t)size,
                                        .pace = fds->read_op.pace};
    if (calls && (!stream->protocol || stream->io->tries_first))
        return await_input(stream);
    fds->read_op.code = socket ? ASYNCIO__OP_RECV : ASYNCIO__OP_READ;
    fds->read_op.done = ended;
    if (!socket) fds->read_op.offset = -1;
    return submit(stream);
}

void asyncio__fds_cancel_read(struct asyncio_stream *stream, void *arg)
{
    asyncio__poller_cancel(stream->loop->poller, &fds_of(arg)->read_op);
}

// --- the end ----------------------------------------------------------------

bool asyncio__fds_has_ended(const struct asyncio__stream_fds *fds)
{
    struct pollfd poll = {.fd = fds->read_fd, .events = POLLRDHUP};
    if (asyncio__sys_poll(&poll, 1, 0) < 0) return false;
    return poll.revents & (POLLRDHUP | POLLHUP);
}

// An answer is there, so whatever else is said is worth another try.
static bool is_drained(int fd)
{
    char byte;
    ssize_t got = -EINTR;
    for (int i = 0; i < 3 && (got == -EINTR || got == -EAGAIN); i++)
        got = asyncio__sys_recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0;
}

// The end without a byte before it, as far as the system knows by now.
bool asyncio__fds_at_eof(const struct asyncio_stream *stream, void *arg)
{
    (void)stream;
    const struct asyncio__stream_fds *fds = fds_of(arg);
    struct pollfd poll = {.fd = fds->read_fd, .events = POLLIN};
    if (fds->failure) return false;
    if (fds->read_kind == ASYNCIO__FD_SOCKET)
        return asyncio__fds_has_ended(fds) && is_drained(fds->read_fd);
    if (fds->read_kind != ASYNCIO__FD_PIPE) return false;
    if (asyncio__sys_poll(&poll, 1, 0) < 0) return false;
    return (poll.revents & POLLHUP) && !(poll.revents & POLLIN);
}
