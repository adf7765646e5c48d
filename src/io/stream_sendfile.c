// A file on a stream: the kernel moves it where it can.
//
//     wait for a turn -> all before it is sent -> the file -> writing goes on
//
// Its sender has the stream for itself as long as that takes: writing is paused
// for all others. On a socket the stream looks as if its transport had a write
// under way, and what the kernel cannot move is copied below. On everything
// else, pieces are read and written here.

#include <limits.h>
#include <unistd.h>

#include <asyncio/file.h>

#include "io/socket.h"
#include "io/stream.h"
#include "platform/sys.h"
#include "task/compact.h"

#define PIECE ((size_t)64 << 10)

struct job {
    struct asyncio_stream *stream;
    int file;
    off_t offset;
    size_t count, sent;
    bool no_fallback;
};

static bool is_socket(const struct asyncio_stream *stream)
{
    return stream->transport == &asyncio__fd_transport &&
           stream->fds.write_kind == ASYNCIO__FD_SOCKET;
}

// An abort takes the socket away from us and closes the connection: then
// nothing of the stream is ours any more.
static int send_by_socket(struct job *job)
{
    struct asyncio_stream *stream = job->stream;
    struct asyncio_socket socket;
    struct asyncio_sendfile_options options = {.sent = &job->sent,
                                               .no_fallback = job->no_fallback};

    asyncio__socket_set(&socket, stream->fds.write_fd);
    stream->file_socket = &socket;
    stream->writing = true;
    int n = (asyncio_socket_sendfile)(&socket, job->file, job->offset,
                                      job->count, &options);
    if (stream->file_socket != &socket) return -EBADF;
    stream->file_socket = NULL;
    stream->writing = false;
    return n < 0 ? n : 0;
}

static int send_piece(struct job *job, char *buffer)
{
    size_t left = job->count - job->sent;
    int len = asyncio_pread(job->file, buffer, left < PIECE ? left : PIECE,
                            job->offset + (off_t)job->sent);
    if (len <= 0) return len;
    int err = asyncio__stream_add(job->stream, buffer, (size_t)len);
    if (err < 0) return err;
    job->sent += (size_t)len;
    err = asyncio__stream_flush(job->stream);
    return err < 0 ? err : len;
}

static int send_by_pieces(struct job *job)
{
    if (job->no_fallback) return -ENOTSUP;
    char *buffer = asyncio__alloc(PIECE);
    if (!buffer) return -ENOMEM;
    int n = 1;
    while (n > 0 && job->sent < job->count)
        n = send_piece(job, buffer);
    asyncio__free(buffer);
    asyncio__sys_lseek(job->file, job->offset + (off_t)job->sent, SEEK_SET);
    return n < 0 ? n : 0;
}

// Sends it as the only one that writes.
static int send_alone(struct job *job, struct asyncio_task *task)
{
    struct asyncio_stream *stream = job->stream;
    stream->file_sender = task;
    asyncio__stream_pause(stream);
    int err = asyncio__stream_flush(stream);
    if (err == 0)
        err = is_socket(stream) ? send_by_socket(job) : send_by_pieces(job);
    if (stream->file_sender == task) {
        stream->file_sender = NULL;
        asyncio__stream_file_ended(stream, err);
    }
    return err;
}

void asyncio__stream_stop_file(struct asyncio_stream *stream)
{
    struct asyncio_socket *socket = stream->file_socket;
    stream->file_sender = NULL;
    stream->file_socket = NULL;
    if (!socket) return;
    stream->writing = false;
    asyncio__socket_let_go(socket);
}

int(asyncio_stream_sendfile)(struct asyncio_stream *stream, int fd,
                             off_t offset, size_t count,
                             const struct asyncio_sendfile_options *options)
{
    if (!stream) return -EBADF;
    struct job job = {.stream = stream, .file = fd, .offset = offset};
    job.count = count > 0 && count < INT_MAX ? count : INT_MAX;
    job.no_fallback = options && options->no_fallback;
    int err = asyncio__refuse_compact();
    if (err == 0) err = asyncio__stream_wait_to_write(stream);
    if (err == 0 && offset < 0) err = -EINVAL;
    if (err == 0) {
        stream->calls++;
        err = send_alone(&job, asyncio__task());
        asyncio__stream_leave(stream);
    }
    if (options && options->sent) *options->sent = job.sent;
    return err < 0 ? err : (int)job.sent;
}
