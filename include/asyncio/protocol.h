// Callback protocols: connections served by callbacks, with no task or stack.
//
//     static void on_data(struct asyncio_stream *stream, void *arg,
//                         const void *data, size_t len)
//     {
//         asyncio_stream_write_nowait(stream, data, len);
//     }
//     static const struct asyncio_protocol echo = {.data_received = on_data};
//
//     static int on_connect(struct asyncio_stream *stream, void *arg)
//     {
//         return asyncio_stream_set_protocol(stream, &echo, arg);
//     }
//     err = asyncio_create_server(&server, on_connect, NULL, NULL, 8080);
//
// Each callback is told the stream and what was given with the protocol. They
// are called by the loop, in no task, one at a time, and never from inside the
// call that causes them, but for the two about writing: connection_made first,
// connection_lost last, once. What may be NULL says what it stands for. A
// protocol writes by asyncio_stream_write_nowait.
//
// Call all of it on the loop's thread.
#pragma once

#include <asyncio/stream.h>

ASYNCIO__BEGIN

// What is called for a stream, instead of a task that waits.
struct asyncio_protocol {
    // The connection is there. NULL: nothing.
    void (*connection_made)(struct asyncio_stream *stream, void *arg);

    // Bytes have come; they are gone when this returns. Needed unless the next
    // two are there.
    void (*data_received)(struct asyncio_stream *stream, void *arg,
                          const void *data, size_t len);

    // In place of it, bytes go into memory of yours: get_buffer sets how much
    // there is, at least 1, and the memory stays until buffer_updated, or the
    // next get_buffer, or connection_lost.
    void *(*get_buffer)(struct asyncio_stream *stream, void *arg, size_t *size);
    void (*buffer_updated)(struct asyncio_stream *stream, void *arg,
                           size_t len);

    // The peer has ended. True: the stream stays open for writing; else, and
    // for NULL, it is closed.
    bool (*eof_received)(struct asyncio_stream *stream, void *arg);

    // The connection is gone: err is 0, or why. NULL: nothing.
    void (*connection_lost)(struct asyncio_stream *stream, void *arg, int err);

    // More is unsent than the high-water mark; and no more than the low one.
    void (*pause_writing)(struct asyncio_stream *stream, void *arg);
    void (*resume_writing)(struct asyncio_stream *stream, void *arg);

    void *reserved_[4];
};

// Serves the stream by `protocol` from now on. What was read ahead goes to it
// first. connection_made is called for the first one of a stream. NULL gives
// the reading back to tasks.
//
// returns   0; -EINVAL without a way to receive; -EBUSY while a task reads, or,
//           for NULL, while reading for the protocol is under way: pause that
//           before; -EBADF for a stream that is closed; -EFAULT if one of them
//           lies in the frames of the compact task that calls
// like      transport.set_protocol
ASYNCIO_API int
asyncio_stream_set_protocol(struct asyncio_stream *stream,
                            const struct asyncio_protocol *protocol, void *arg);
ASYNCIO_API const struct asyncio_protocol *
asyncio_stream_get_protocol(const struct asyncio_stream *stream, void **arg);

// No bytes are received until resumed. Again and again, and on a stream that is
// closed, is fine.
//
// returns   0; -EINVAL if no protocol serves it
// like      ReadTransport.pause_reading, resume_reading, is_reading
ASYNCIO_API int asyncio_stream_pause_reading(struct asyncio_stream *stream);
ASYNCIO_API int asyncio_stream_resume_reading(struct asyncio_stream *stream);
ASYNCIO_API bool asyncio_stream_is_reading(const struct asyncio_stream *stream);

// Gives a new connection its protocol, by asyncio_stream_set_protocol. A
// negative code refuses it: it is closed.
typedef int asyncio_protocol_factory(struct asyncio_stream *stream, void *arg);

// Connects as asyncio_open_connection, and hands the stream to the factory.
//
// returns   as that; or what the factory returned, and there is no connection
// owns      asyncio_stream_free, also when the connection was lost
// like      loop.create_connection
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_create_connection)(
    struct asyncio_stream **stream, asyncio_protocol_factory *factory,
    void *arg, const char *host, int port,
    const struct asyncio_connection_options *options);
#define asyncio_create_connection(...) ASYNCIO__CREATE_CONNECTION(__VA_ARGS__, )
#define ASYNCIO__CREATE_CONNECTION(stream, factory, arg, host, port, ...)      \
    (asyncio_create_connection)(                                               \
        stream, factory, arg, host, port,                                      \
        ASYNCIO__OPTIONS(asyncio_connection_options, __VA_ARGS__))
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_create_unix_connection)(
    struct asyncio_stream **stream, asyncio_protocol_factory *factory,
    void *arg, const char *path, const struct asyncio_stream_options *options);
#define asyncio_create_unix_connection(...)                                    \
    ASYNCIO__CREATE_UNIX_CONNECTION(__VA_ARGS__, )
#define ASYNCIO__CREATE_UNIX_CONNECTION(stream, factory, arg, path, ...)       \
    (asyncio_create_unix_connection)(                                          \
        stream, factory, arg, path,                                            \
        ASYNCIO__OPTIONS(asyncio_stream_options, __VA_ARGS__))

ASYNCIO__END
