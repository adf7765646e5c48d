// Transports: what a stream stands on, for those who bring another one.
//
// A stream keeps the buffers, the waiting tasks and the marks; a transport
// moves bytes, and does not know of tasks. The library has one for descriptors;
// another library may bring one, such as encryption on top of another stream:
//
//     static const struct asyncio_transport tls = {.read = tls_read, ...};
//     err = asyncio_stream_create(&stream, &tls, connection);
//
// At most one read and one write are under way at a time. A call answers at
// once, or with -EINPROGRESS and later, from the loop, by asyncio_stream_did_*;
// until then the memory that it was given stays in place.
//
// Call all of it on the loop's thread.
#pragma once

#include <asyncio/stream.h>

ASYNCIO__BEGIN

// What carries a stream.
struct asyncio_transport {
    const char *name; // of its kind, for people: "TLS connection"

    // Reads up to `size` bytes, at least one. Answers how many, 0 at the end,
    // a negative errno, or -EINPROGRESS.
    int (*read)(struct asyncio_stream *stream, void *arg, void *buffer,
                size_t size);
    // The read under way is to end soon: with what it has, or -ECANCELED. It
    // may end from inside this call.
    void (*cancel_read)(struct asyncio_stream *stream, void *arg);

    // Writes from the parts, in order. Answers how many bytes it has taken, at
    // least one, a negative errno, or -EINPROGRESS.
    int (*write)(struct asyncio_stream *stream, void *arg,
                 const struct iovec *parts, size_t count);
    void (*cancel_write)(struct asyncio_stream *stream, void *arg);

    // Ends the direction of writing; nothing is under way there. NULL: it
    // cannot be ended by itself.
    int (*write_eof)(struct asyncio_stream *stream, void *arg);

    // Ends the connection; nothing is under way. With `abort` at once, else
    // when all that it has taken was sent. Answers 0 if it is gone, another
    // negative errno if it is gone and did not end well, or -EINPROGRESS. `arg`
    // is not used once it is gone.
    int (*close)(struct asyncio_stream *stream, void *arg, bool abort);

    // Whether a read would answer 0 now. NULL: it cannot be known.
    bool (*at_eof)(const struct asyncio_stream *stream, void *arg);

    // The descriptor, if there is one. NULL: there is none.
    int (*fileno)(const struct asyncio_stream *stream, void *arg);

    void *reserved_[4];
};

// Makes a stream of a transport, which has to be there until `close`.
//
// returns   0; -EINVAL for a limit below 1, or a transport without read, write
//           or close; -EPERM without a loop; -ENOMEM; -EFAULT if one of them
//           lies in the frames of the compact task that calls
// owns      asyncio_stream_free
ASYNCIO_API int(asyncio_stream_create)(
    struct asyncio_stream **stream, const struct asyncio_transport *transport,
    void *arg, const struct asyncio_stream_options *options);
#define asyncio_stream_create(...) ASYNCIO__STREAM_CREATE(__VA_ARGS__, )
#define ASYNCIO__STREAM_CREATE(stream, transport, arg, ...)                    \
    (asyncio_stream_create)(                                                   \
        stream, transport, arg,                                                \
        ASYNCIO__OPTIONS(asyncio_stream_options, __VA_ARGS__))

// What a stream stands on, and what was given with it; NULL once that is gone.
ASYNCIO_API const struct asyncio_transport *
asyncio_stream_get_transport(const struct asyncio_stream *stream, void **arg);

// The read, the write or the close that was answered with -EINPROGRESS has
// ended, with this result: of a close 0, or a negative errno, which wait_closed
// returns. The stream may be gone when these return.
ASYNCIO_API void asyncio_stream_did_read(struct asyncio_stream *stream,
                                         int result);
ASYNCIO_API void asyncio_stream_did_write(struct asyncio_stream *stream,
                                          int result);
ASYNCIO_API void asyncio_stream_did_close(struct asyncio_stream *stream,
                                          int result);

// Puts a transport between an open stream and what it stood on: `inner` is a
// new stream on the old transport, with what was read ahead; what is read and
// written next passes through the new one, which uses `inner`.
//
// returns   0; -EBUSY while somebody reads, or something is unsent; -EBADF,
//           -EINVAL, -ENOMEM, -EFAULT: nothing has changed
// owns      `inner` is the transport's: asyncio_stream_free, in `close`
// like      StreamWriter.start_tls, for what comes before the handshake
ASYNCIO_API int
asyncio_stream_upgrade(struct asyncio_stream *stream,
                       const struct asyncio_transport *transport, void *arg,
                       struct asyncio_stream **inner);

ASYNCIO__END
