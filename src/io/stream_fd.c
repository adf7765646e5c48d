// The transport of descriptors: each read (stream_fd_read.c) and each write is
// one operation of the poller, which is part of the stream.
//
// A write to a pipe whose reader is gone raises SIGPIPE, which would end the
// program, and no operation can be told not to. So pipes are written by a call
// that holds the signal back, as far as they have room, and waited for with a
// poll. Sockets have a flag for that.

#include "io/stream.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "platform/compiler.h"
#include "platform/sys.h"

static struct asyncio__stream_fds *fds_of(void *arg)
{
    return arg;
}

static int submit(struct asyncio_stream *stream, struct asyncio__op *op)
{
    int err = asyncio__poller_submit(stream->loop->poller, op);
    return err < 0 ? err : -EINPROGRESS;
}

// --- writing ----------------------------------------------------------------

static void write_done(struct asyncio__op *op)
{
    struct asyncio_stream *stream =
        list_entry(op, struct asyncio_stream, fds.write_op);
    asyncio_stream_did_write(stream, op->result);
}

static int write_pipe(struct asyncio_stream *stream,
                      struct asyncio__stream_fds *fds);

// The pipe has room, or nobody reads it.
static void pipe_ready(struct asyncio__op *op)
{
    struct asyncio_stream *stream =
        list_entry(op, struct asyncio_stream, fds.write_op);
    int result = op->result;
    if (result >= 0 && !stream->aborting)
        result = write_pipe(stream, &stream->fds);
    if (result != -EINPROGRESS) asyncio_stream_did_write(stream, result);
}

static int write_pipe(struct asyncio_stream *stream,
                      struct asyncio__stream_fds *fds)
{
    int sent;
    do
        sent = (int)asyncio__sys_writev_pipe(fds->write_fd, fds->parts,
                                             (int)fds->message.msg_iovlen);
    while (sent == -EINTR);
    if (sent != -EAGAIN) return sent;
    fds->write_op = (struct asyncio__op){.code = ASYNCIO__OP_POLL,
                                         .done = pipe_ready,
                                         .fd = fds->write_fd,
                                         .events = POLLOUT};
    return submit(stream, &fds->write_op);
}

static void keep_parts(struct asyncio__stream_fds *fds,
                       const struct iovec *parts, size_t count)
{
    if (count > ASYNCIO__PARTS_MAX) count = ASYNCIO__PARTS_MAX;
    memcpy(fds->parts, parts, count * sizeof *parts);
    fds->message = (struct msghdr){.msg_iov = fds->parts, .msg_iovlen = count};
}

// Apart, since its message is not to lie on the stack of all that write.
ASYNCIO__APART static int send_now(int fd, const struct iovec *parts,
                                   size_t count)
{
    int sent;
    if (count > ASYNCIO__PARTS_MAX) count = ASYNCIO__PARTS_MAX;
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                             .msg_iovlen = count};
    if (count == 1)
        sent = (int)asyncio__sys_send(fd, parts->iov_base, parts->iov_len,
                                      MSG_DONTWAIT);
    else
        sent = (int)asyncio__sys_sendmsg(fd, &message, MSG_DONTWAIT);
    return sent == -EINTR ? -EAGAIN : sent;
}

int asyncio__fds_send(struct asyncio_stream *stream, const struct iovec *parts,
                      size_t count)
{
    const struct asyncio__stream_fds *fds = &stream->fds;
    if (stream->transport != &asyncio__fd_transport ||
        fds->write_kind != ASYNCIO__FD_SOCKET)
        return 0;
    int sent = send_now(fds->write_fd, parts, count);
    bool later = sent == -EAGAIN || sent == -ENOMEM || sent == -ENOBUFS;
    return later ? 0 : sent;
}

static int write_socket(struct asyncio_stream *stream,
                        struct asyncio__stream_fds *fds,
                        const struct iovec *parts, size_t count)
{
    bool one = count == 1;
    if (stream->io->tries_first) {
        int sent = send_now(fds->write_fd, parts, count);
        if (sent != -EAGAIN) return sent;
    }
    if (!one) keep_parts(fds, parts, count);
    fds->write_op = (struct asyncio__op){
        .code = one ? ASYNCIO__OP_SEND : ASYNCIO__OP_SENDMSG,
        .done = write_done,
        .fd = fds->write_fd,
        .buffer = one ? parts->iov_base : &fds->message,
        .len = one ? (uint32_t)parts->iov_len : 0,
    };
    return submit(stream, &fds->write_op);
}

static int fds_write(struct asyncio_stream *stream, void *arg,
                     const struct iovec *parts, size_t count)
{
    struct asyncio__stream_fds *fds = fds_of(arg);
    if (fds->write_kind == ASYNCIO__FD_NONE) return -EBADF;
    if (fds->write_kind == ASYNCIO__FD_SOCKET)
        return write_socket(stream, fds, parts, count);
    keep_parts(fds, parts, count);
    if (fds->write_kind == ASYNCIO__FD_PIPE) return write_pipe(stream, fds);
    fds->write_op = (struct asyncio__op){.code = ASYNCIO__OP_WRITEV,
                                         .done = write_done,
                                         .fd = fds->write_fd,
                                         .buffer = fds->parts,
                                         .len = (uint32_t)count,
                                         .offset = -1};
    return submit(stream, &fds->write_op);
}

static void fds_cancel_write(struct asyncio_stream *stream, void *arg)
{
    asyncio__poller_cancel(stream->loop->poller, &fds_of(arg)->write_op);
}

// --- the end ----------------------------------------------------------------

bool asyncio__fds_can_end(const struct asyncio__stream_fds *fds)
{
    if (fds->write_kind == ASYNCIO__FD_SOCKET) return true;
    return fds->write_kind == ASYNCIO__FD_PIPE && !fds->keep_open &&
           fds->write_fd != fds->read_fd;
}

static void let_go(struct asyncio_stream *stream, bool keep_open, int fd)
{
    if (fd < 0) return;
    asyncio__poller_forget(stream->loop->poller, fd);
    asyncio__loop_disown(stream->loop, fd);
    if (!keep_open) asyncio__sys_close(fd);
}

static int fds_write_eof(struct asyncio_stream *stream, void *arg)
{
    struct asyncio__stream_fds *fds = fds_of(arg);
    if (fds->write_kind == ASYNCIO__FD_SOCKET)
        return asyncio__sys_shutdown(fds->write_fd, SHUT_WR);
    let_go(stream, false, fds->write_fd);
    fds->write_fd = -1;
    fds->write_kind = ASYNCIO__FD_NONE;
    return 0;
}

// Bytes are missing from here on, so nothing that follows would mean anything:
// the peer is to see an end, and who waits here for an answer is to know that
// none will come. What has come before can still be read.
void asyncio__fds_cut_off(struct asyncio_stream *stream, int err)
{
    struct asyncio__stream_fds *fds = &stream->fds;
    if (fds->keep_open) return;
    if (fds->write_kind == ASYNCIO__FD_SOCKET &&
        fds->read_fd == fds->write_fd) {
        if (!asyncio__fds_has_ended(fds)) fds->failure = err;
        asyncio__sys_shutdown(fds->write_fd, SHUT_RDWR);
    } else if (asyncio__fds_can_end(fds)) {
        fds_write_eof(stream, fds);
    }
}

static int fds_close(struct asyncio_stream *stream, void *arg, bool abort)
{
    (void)abort;
    struct asyncio__stream_fds *fds = fds_of(arg);
    let_go(stream, fds->keep_open, fds->read_fd);
    if (fds->write_fd != fds->read_fd)
        let_go(stream, fds->keep_open, fds->write_fd);
    return 0;
}

static int fds_fileno(const struct asyncio_stream *stream, void *arg)
{
    (void)stream;
    const struct asyncio__stream_fds *fds = fds_of(arg);
    return fds->read_fd >= 0 ? fds->read_fd : fds->write_fd;
}

const struct asyncio_transport asyncio__fd_transport = {
    .name = "connection",
    .read = asyncio__fds_read,
    .cancel_read = asyncio__fds_cancel_read,
    .write = fds_write,
    .cancel_write = fds_cancel_write,
    .write_eof = fds_write_eof,
    .close = fds_close,
    .at_eof = asyncio__fds_at_eof,
    .fileno = fds_fileno,
};

// --- opening ----------------------------------------------------------------

// How a descriptor is to be used, or why it cannot be.
static int kind_of(int fd)
{
    int type = asyncio__sys_socket_type(fd);
    if (type == SOCK_STREAM) return ASYNCIO__FD_SOCKET;
    if (type >= 0) return -EINVAL;
    if (type != -ENOTSOCK) return type;
    unsigned mode = asyncio__sys_file_mode(fd);
    if (S_ISDIR(mode)) return -EINVAL;
    return S_ISFIFO(mode) ? ASYNCIO__FD_PIPE : ASYNCIO__FD_OTHER;
}

// The same for one direction: what a descriptor was not opened for it is not
// used for.
static int kind_for(int fd, int direction)
{
    int kind = fd < 0 ? ASYNCIO__FD_NONE : kind_of(fd);
    if (kind <= 0) return kind;
    int flags = asyncio__sys_status_flags(fd);
    if (flags < 0) return flags;
    int mode = flags & O_ACCMODE;
    return mode == direction || mode == O_RDWR ? kind : ASYNCIO__FD_NONE;
}

static int fill(struct asyncio__stream_fds *fds, int read_fd, int write_fd)
{
    int read_kind = kind_for(read_fd, O_RDONLY);
    int write_kind = kind_for(write_fd, O_WRONLY);
    if (read_kind < 0) return read_kind;
    if (write_kind < 0) return write_kind;
    if (!read_kind && !write_kind) return -EBADF;
    if (read_fd == write_fd && !read_kind) read_fd = -1;
    if (read_fd == write_fd && !write_kind) write_fd = -1;
    *fds = (struct asyncio__stream_fds){.read_fd = read_fd,
                                        .write_fd = write_fd,
                                        .read_kind = (uint8_t)read_kind,
                                        .write_kind = (uint8_t)write_kind};
    return 0;
}

static int open_on(struct asyncio_loop *loop,
                   const struct asyncio__stream_fds *fds, long limit,
                   const char *site, struct asyncio_stream **out)
{
    int err = asyncio__loop_own(loop, fds->read_fd);
    if (err < 0) return err;
    bool two = fds->write_fd != fds->read_fd;
    if (two) err = asyncio__loop_own(loop, fds->write_fd);
    if (err < 0) goto fail_read;
    err = asyncio__stream_new(loop, limit, site, out);
    if (err < 0) goto fail_write;
    struct asyncio_stream *stream = *out;
    stream->fds = *fds;
    stream->transport = &asyncio__fd_transport;
    stream->transport_arg = &stream->fds;
    if (fds->write_kind == ASYNCIO__FD_NONE)
        stream->ends_writing = stream->write_ended = true;
    return 0;

fail_write:
    if (two) asyncio__loop_disown(loop, fds->write_fd);
fail_read:
    asyncio__loop_disown(loop, fds->read_fd);
    return err;
}

int asyncio__stream_of_socket(struct asyncio_loop *loop, int fd, long limit,
                              const char *site, struct asyncio_stream **out)
{
    const struct asyncio__stream_fds fds = {.read_fd = fd,
                                            .write_fd = fd,
                                            .read_kind = ASYNCIO__FD_SOCKET,
                                            .write_kind = ASYNCIO__FD_SOCKET};
    return open_on(loop, &fds, limit, site, out);
}

int(asyncio_stream_open_two)(struct asyncio_stream **stream, int read_fd,
                             int write_fd,
                             const struct asyncio_stream_options *options)
{
    struct asyncio_loop *loop = NULL;
    struct asyncio__stream_fds fds;
    int err = asyncio__loop_find(&loop);
    if (err < 0) return err;
    if (read_fd < 0 && write_fd < 0) return -EBADF;
    err = fill(&fds, read_fd, write_fd);
    if (err < 0) return err;
    fds.keep_open = options && options->keep_open;
    return open_on(loop, &fds, options ? options->limit : 0,
                   options ? options->site : NULL, stream);
}

int(asyncio_stream_open)(struct asyncio_stream **stream, int fd,
                         const struct asyncio_stream_options *options)
{
    return (asyncio_stream_open_two)(stream, fd, fd, options);
}

int(asyncio_open_stdio)(struct asyncio_stream **stream,
                        const struct asyncio_stream_options *options)
{
    struct asyncio_stream_options own = {0};
    if (options) own = *options;
    own.keep_open = true;
    return (asyncio_stream_open_two)(stream, 0, 1, &own);
}
