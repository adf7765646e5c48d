// Streams: bytes in order, to and from a peer.
//
// A stream is reader, writer and connection in one. It stands on a TCP or Unix
// connection, a pipe, a terminal or a file, and behaves the same on each:
//
//     struct asyncio_stream *stream;
//     int err = asyncio_open_connection(&stream, "example.org", 80);
//     if (err < 0) return err;
//     err = asyncio_stream_write(stream, "GET / HTTP/1.0\r\n\r\n", 18);
//     while (err >= 0 &&
//            (err = asyncio_stream_readline(stream, line, sizeof line)) > 0)
//         printf("%s", line);
//     asyncio_stream_close(stream);
//     asyncio_stream_free(stream);
//
// One task reads at a time, any number write. What is written is copied and
// sent behind the writer's back, in order; who writes faster than the peer
// reads waits at the high-water mark. Nothing is read ahead of what somebody
// asked for, so a peer that sends faster than it is read has to wait, too. A
// call that is cancelled has lost no byte, in either direction.
//
// Call all of it on the loop's thread.
#pragma once

#include <asyncio/socket.h>
#include <asyncio/task.h>

// Their headers are not included, so that the names in them stay free. A length
// of an address is `unsigned`, which Linux's socklen_t is.
struct iovec;
struct sockaddr;

ASYNCIO__BEGIN

struct asyncio_stream;

// What most calls return when they cannot be done:
//   -EBADF       the stream was closed on this side, or has no such direction
//   -EBUSY       another task reads
//   -ECANCELED   nothing was read or written
//   -EPERM       outside a task
//   -EXDEV       it belongs to another loop
// A direction that has failed once, say with -ECONNRESET, stays so: each later
// call returns that code.

// --- opening ----------------------------------------------------------------

// How much of a line, or up to a separator, is looked at, unless a stream says
// otherwise; and the marks between which writers wait.
#define ASYNCIO_STREAM_LIMIT 65536
#define ASYNCIO_STREAM_HIGH  65536
#define ASYNCIO_STREAM_LOW   16384

struct asyncio_connection_options {
    ASYNCIO__OPTIONS_HEAD
    const char *service ASYNCIO__UNSET; // "https", in place of the port
    long limit ASYNCIO__UNSET;          // else ASYNCIO_STREAM_LIMIT
    int family ASYNCIO__UNSET;          // AF_INET or AF_INET6, else both
    int local_port ASYNCIO__UNSET;
    const char *local_host ASYNCIO__UNSET;
    // Until the next address is tried beside those that have not answered,
    // else 0.25 seconds; ASYNCIO_FOREVER: each only after the one before
    double happy_eyeballs_delay ASYNCIO__UNSET;
    void *reserved_[2] ASYNCIO__UNSET;
};

// Connects to a port of `host`, a name or an address; to each of its addresses,
// until one answers.
//
// returns   0; -ENOENT for a name that is not known; -ECONNREFUSED and what
//           else the system says of a connection; -EINVAL for a port, limit,
//           family or delay that cannot be; -ENOMEM
// suspends  always
// cancel    no connection is left behind
// owns      asyncio_stream_free
// like      asyncio.open_connection
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_open_connection)(
    struct asyncio_stream **stream, const char *host, int port,
    const struct asyncio_connection_options *options);
#define asyncio_open_connection(...) ASYNCIO__OPEN_CONNECTION(__VA_ARGS__, )
#define ASYNCIO__OPEN_CONNECTION(stream, host, port, ...)                      \
    (asyncio_open_connection)(                                                 \
        stream, host, port,                                                    \
        ASYNCIO__OPTIONS(asyncio_connection_options, __VA_ARGS__))

struct asyncio_stream_options {
    ASYNCIO__OPTIONS_HEAD
    long limit ASYNCIO__UNSET;     // else ASYNCIO_STREAM_LIMIT
    bool keep_open ASYNCIO__UNSET; // closing the stream leaves descriptors open
    void *reserved_[4] ASYNCIO__UNSET;
};

// Connects to the Unix socket at `path`. A path that begins with a zero byte
// cannot be said here: write '@' for that, as in "@name".
// like      asyncio.open_unix_connection
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_open_unix_connection)(
    struct asyncio_stream **stream, const char *path,
    const struct asyncio_stream_options *options);
#define asyncio_open_unix_connection(...)                                      \
    ASYNCIO__OPEN_UNIX_CONNECTION(__VA_ARGS__, )
#define ASYNCIO__OPEN_UNIX_CONNECTION(stream, path, ...)                       \
    (asyncio_open_unix_connection)(                                            \
        stream, path, ASYNCIO__OPTIONS(asyncio_stream_options, __VA_ARGS__))

// Makes a stream of a descriptor that you have: a connected socket, an end of a
// pipe, a terminal, a file from its position on. Its mode, blocking or not, may
// be either. While the stream is open nobody else reads or writes it.
//
// returns   0; -EBADF; -EINVAL for a socket that is none of bytes, a folder, or
//           a limit below 1; -EBUSY if it is watched, or another stream's;
//           -ENOMEM
// suspends  never
// owns      the descriptor goes to the stream, on 0
// like      asyncio.open_connection with sock=, loop.connect_read_pipe
ASYNCIO_API int(asyncio_stream_open)(
    struct asyncio_stream **stream, int fd,
    const struct asyncio_stream_options *options);
#define asyncio_stream_open(...) ASYNCIO__STREAM_OPEN(__VA_ARGS__, )
#define ASYNCIO__STREAM_OPEN(stream, fd, ...)                                  \
    (asyncio_stream_open)(                                                     \
        stream, fd, ASYNCIO__OPTIONS(asyncio_stream_options, __VA_ARGS__))

// The same with one descriptor to read from and another to write to.
ASYNCIO_API int(asyncio_stream_open_two)(
    struct asyncio_stream **stream, int read_fd, int write_fd,
    const struct asyncio_stream_options *options);
#define asyncio_stream_open_two(...) ASYNCIO__STREAM_OPEN_TWO(__VA_ARGS__, )
#define ASYNCIO__STREAM_OPEN_TWO(stream, read_fd, write_fd, ...)               \
    (asyncio_stream_open_two)(                                                 \
        stream, read_fd, write_fd,                                             \
        ASYNCIO__OPTIONS(asyncio_stream_options, __VA_ARGS__))

// Standard input and output as one stream. Closing it leaves both open.
ASYNCIO_API int(asyncio_open_stdio)(
    struct asyncio_stream **stream,
    const struct asyncio_stream_options *options);
#define asyncio_open_stdio(...) ASYNCIO__OPEN_STDIO(__VA_ARGS__, )
#define ASYNCIO__OPEN_STDIO(stream, ...)                                       \
    (asyncio_open_stdio)(                                                      \
        stream, ASYNCIO__OPTIONS(asyncio_stream_options, __VA_ARGS__))

// A pipe: what is written to `writer` is read from `reader`.
ASYNCIO_API int(asyncio_open_pipe)(
    struct asyncio_stream **reader, struct asyncio_stream **writer,
    const struct asyncio_stream_options *options);
#define asyncio_open_pipe(...) ASYNCIO__OPEN_PIPE(__VA_ARGS__, )
#define ASYNCIO__OPEN_PIPE(reader, writer, ...)                                \
    (asyncio_open_pipe)(reader, writer,                                        \
                        ASYNCIO__OPTIONS(asyncio_stream_options, __VA_ARGS__))

// Two streams that are connected to each other.
ASYNCIO_API int(asyncio_open_pair)(
    struct asyncio_stream **one, struct asyncio_stream **other,
    const struct asyncio_stream_options *options);
#define asyncio_open_pair(...) ASYNCIO__OPEN_PAIR(__VA_ARGS__, )
#define ASYNCIO__OPEN_PAIR(one, other, ...)                                    \
    (asyncio_open_pair)(one, other,                                            \
                        ASYNCIO__OPTIONS(asyncio_stream_options, __VA_ARGS__))

// Lets go of the stream and closes it if need be; what was written before is
// still sent. Dropping one that is open is reported in debug mode. Accepts
// NULL.
//
// like      StreamWriter.__del__
ASYNCIO_API void asyncio_stream_free(struct asyncio_stream *stream);

// --- reading ----------------------------------------------------------------

// Reads what is there, up to `size` bytes, and waits only if that is nothing.
//
// returns   how many; 0 at the end, and for a size of 0
// suspends  only while there is nothing
// like      StreamReader.read
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_stream_read(struct asyncio_stream *stream, void *buffer, size_t size);

struct asyncio_partial_options {
    ASYNCIO__OPTIONS_HEAD
    size_t *partial ASYNCIO__UNSET; // set to how many bytes are in the buffer
    void *reserved_[4] ASYNCIO__UNSET;
};

// Reads exactly `size` bytes.
//
// returns   `size`; -ENODATA if it ended before: what had come is in the
//           buffer, `.partial` says how much; -EINVAL for more than INT_MAX
// suspends  only while there are not so many
// cancel    what has come stays in the stream
// like      StreamReader.readexactly
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_stream_readexactly)(
    struct asyncio_stream *stream, void *buffer, size_t size,
    const struct asyncio_partial_options *options);
#define asyncio_stream_readexactly(...)                                        \
    ASYNCIO__STREAM_READEXACTLY(__VA_ARGS__, )
#define ASYNCIO__STREAM_READEXACTLY(stream, buffer, size, ...)                 \
    (asyncio_stream_readexactly)(                                              \
        stream, buffer, size,                                                  \
        ASYNCIO__OPTIONS(asyncio_partial_options, __VA_ARGS__))

// Reads a line, with its newline, and adds a zero byte, as fgets does. The last
// line may lack the newline.
//
// returns   its length without the zero byte; 0 at the end; -EMSGSIZE if it is
//           longer than the stream's limit or does not fit: it is dropped, or
//           as much of it as has come; -EINVAL for a size of 0
// suspends  only while there is no line
// like      StreamReader.readline
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_stream_readline(struct asyncio_stream *stream, char *line, size_t size);

// Reads up to and with the first separator, which is `len` bytes long. No zero
// byte is added.
//
// returns   how many bytes; -ENODATA if it ended before: what had come is in
//           the buffer, `.partial` says how much; -EMSGSIZE if there are more
//           bytes before it than the stream's limit, or than fit: all of it
//           stays in the stream; -EINVAL for a separator of no bytes
// suspends  only while there is no separator
// like      StreamReader.readuntil
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_stream_readuntil)(
    struct asyncio_stream *stream, void *buffer, size_t size,
    const void *separator, size_t len,
    const struct asyncio_partial_options *options);
#define asyncio_stream_readuntil(...) ASYNCIO__STREAM_READUNTIL(__VA_ARGS__, )
#define ASYNCIO__STREAM_READUNTIL(stream, buffer, size, separator, len, ...)   \
    (asyncio_stream_readuntil)(                                                \
        stream, buffer, size, separator, len,                                  \
        ASYNCIO__OPTIONS(asyncio_partial_options, __VA_ARGS__))

// The same with several separators, of which the one that ends first counts.
//
// returns   also -EINVAL for none
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_stream_readuntil_any)(
    struct asyncio_stream *stream, void *buffer, size_t size,
    const struct iovec *separators, size_t count,
    const struct asyncio_partial_options *options);
#define asyncio_stream_readuntil_any(...)                                      \
    ASYNCIO__STREAM_READUNTIL_ANY(__VA_ARGS__, )
#define ASYNCIO__STREAM_READUNTIL_ANY(stream, buffer, size, separators, count, \
                                      ...)                                     \
    (asyncio_stream_readuntil_any)(                                            \
        stream, buffer, size, separators, count,                               \
        ASYNCIO__OPTIONS(asyncio_partial_options, __VA_ARGS__))

// True if the peer has ended and all of it was read.
// like      StreamReader.at_eof
ASYNCIO_API bool asyncio_stream_at_eof(struct asyncio_stream *stream);

// Sets the limit of lines and of readuntil.
//
// returns   0; -EINVAL for less than 1
ASYNCIO_API int asyncio_stream_set_limit(struct asyncio_stream *stream,
                                         long limit);

// --- writing ----------------------------------------------------------------

// Writes all of it. Waits as long as writing is paused, then takes the bytes;
// they are sent while others run. That it returned 0 says nothing about the
// peer: an error in sending ends the connection. The next call that writes
// returns it, and so do drain, wait_closed, and reads, when all was read that
// had come.
//
// returns   0; -EPIPE, -ECONNRESET and the like if the peer is gone; -ENOMEM
// suspends  only while writing is paused
// cancel    nothing of it was taken
// like      StreamWriter.write, and drain before it
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_stream_write(struct asyncio_stream *stream, const void *data,
                     size_t len);

// The same for several pieces that are one.
// like      StreamWriter.writelines
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_stream_writev(struct asyncio_stream *stream, const struct iovec *parts,
                      size_t count);

// Never waits: -EAGAIN while writing is paused, and nothing was taken. Needs no
// task.
ASYNCIO_API int asyncio_stream_write_nowait(struct asyncio_stream *stream,
                                            const void *data, size_t len);
ASYNCIO_API int asyncio_stream_writev_nowait(struct asyncio_stream *stream,
                                             const struct iovec *parts,
                                             size_t count);

// Sends `count` bytes of the file `fd` from `offset` on, or all to its end with
// a count of 0, after what was written before. The kernel moves them where it
// can, else they are read and written. Writing is paused for others meanwhile.
//
// returns   how many bytes, fewer than `count` only at the end of the file; or
//           a negative errno: then `.sent` bytes went before; -ENOTSUP with
//           `.no_fallback` where the kernel cannot; -EBADF also if the stream
//           was aborted
// suspends  until the system has taken all of it
// cancel    may have sent a part: `.sent` says how much. In either case the
//           file's position is where the bytes that were sent end
// like      loop.sendfile
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_stream_sendfile)(
    struct asyncio_stream *stream, int fd, off_t offset, size_t count,
    const struct asyncio_sendfile_options *options);
#define asyncio_stream_sendfile(...) ASYNCIO__STREAM_SENDFILE(__VA_ARGS__, )
#define ASYNCIO__STREAM_SENDFILE(stream, fd, offset, count, ...)               \
    (asyncio_stream_sendfile)(                                                 \
        stream, fd, offset, count,                                             \
        ASYNCIO__OPTIONS(asyncio_sendfile_options, __VA_ARGS__))

// Waits while writing is paused.
//
// returns   0, or what a write would return
// like      StreamWriter.drain
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_stream_drain(struct asyncio_stream *stream);

// Writing is paused when more than `high` bytes are unsent, until no more than
// `low` are; both in bytes. The change holds at once.
//
// returns   0; -EINVAL unless 0 <= low <= high
// like      WriteTransport.set_write_buffer_limits
ASYNCIO_API int asyncio_stream_set_write_limits(struct asyncio_stream *stream,
                                                long high, long low);
ASYNCIO_API void
asyncio_stream_get_write_limits(const struct asyncio_stream *stream,
                                size_t *high, size_t *low);

// How many bytes the system has not taken yet.
// like      WriteTransport.get_write_buffer_size
ASYNCIO_API size_t
asyncio_stream_write_buffer_size(const struct asyncio_stream *stream);

// Ends this direction when all was sent; the peer reads the end, and the other
// direction goes on. A second call changes nothing.
//
// returns   0; -ENOTSUP where it cannot be ended by itself: a terminal, a file
// like      StreamWriter.write_eof, can_write_eof
ASYNCIO_API int asyncio_stream_write_eof(struct asyncio_stream *stream);
ASYNCIO_API bool
asyncio_stream_can_write_eof(const struct asyncio_stream *stream);

// --- closing ----------------------------------------------------------------

// Closes the stream: what was written is still sent, then the connection ends.
// A task that reads or waits to write returns -EBADF. Accepts NULL, and a
// second call.
// like      StreamWriter.close
ASYNCIO_API void asyncio_stream_close(struct asyncio_stream *stream);

// The same at once: what was not sent is dropped.
// like      WriteTransport.abort
ASYNCIO_API void asyncio_stream_abort(struct asyncio_stream *stream);

// Waits until the connection is gone, whoever closes it, and a protocol of it
// (asyncio/protocol.h) was told.
//
// returns   0, or the first error that the connection had
// suspends  until then
// cancel    it goes on closing
// like      StreamWriter.wait_closed
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_stream_wait_closed(struct asyncio_stream *stream);

// True once close or abort was called, or the connection is gone.
// like      StreamWriter.is_closing
ASYNCIO_API bool asyncio_stream_is_closing(const struct asyncio_stream *stream);

// --- what it stands on ------------------------------------------------------

// The descriptor that is read, or else written; -EBADF when it is gone,
// -ENOTSUP if there is none. It stays the stream's.
ASYNCIO_API int asyncio_stream_fileno(const struct asyncio_stream *stream);

// The addresses of a socket, as the system calls of that name.
ASYNCIO_API int asyncio_stream_getsockname(const struct asyncio_stream *stream,
                                           struct sockaddr *address,
                                           unsigned *len);
ASYNCIO_API int asyncio_stream_getpeername(const struct asyncio_stream *stream,
                                           struct sockaddr *address,
                                           unsigned *len);

ASYNCIO__END
