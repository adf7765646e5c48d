// Waiting for signals.
//
//     int signal = asyncio_wait_signal(SIGINT, SIGTERM);
//
// and reading one after the other, none of them lost in between:
//
//     struct asyncio_signal_stream signals;
//     int err = asyncio_signal_stream_open(&signals, SIGHUP, SIGTERM);
//     if (err < 0) return err;
//     while ((err = asyncio_signal_stream_read(&signals)) == SIGHUP)
//         reload();
//     asyncio_signal_stream_close(&signals);
//
// asyncio/loop.h has the callback form. Call all of it on the main thread, in a
// loop there.
#pragma once

#include <asyncio/task.h>

#include <signal.h>

ASYNCIO__BEGIN

// Waits until the process receives one of these signals. While a task waits for
// a signal, callbacks of the loop for it are not called, and it does nothing
// else either, such as cancelling the main task.
//
// returns   the signal's number; -EINVAL for none, or one that cannot be
//           caught; -EBUSY if another loop handles it, or another task or a
//           stream waits for it; -EPERM outside a task, or on another thread
//           than the main one; -ENOMEM
// suspends  always
// cancel    a signal that has come already is returned, and the request stays
// like      sigwait, trio.open_signal_receiver
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_wait_signal)(const int *signals,
                                                      size_t count);

// Signals as they come, from open to close.
struct asyncio_signal_stream {
    struct asyncio__signal_stream *private_ ASYNCIO__UNSET;
    void *reserved_[3] ASYNCIO__UNSET;
};

// Has these signals go to the stream, and nowhere else, until it is closed.
//
// returns   0; -EINVAL for none, or one that cannot be caught; -EBUSY if
// another
//           loop handles one, or somebody else waits for it; -EPERM without a
//           loop, or on another thread than the main one; -ENOMEM. On an error
//           each signal does what it did before
// suspends  never
// owns      asyncio_signal_stream_close
// like      trio.open_signal_receiver
ASYNCIO_API int(asyncio_signal_stream_open)(
    struct asyncio_signal_stream *stream, const int *signals, size_t count);

// The signal that has waited longest. One that came several times since it was
// read last is read once; of several that keep coming, each has its turn.
//
// returns   its number; -EBUSY if another task reads; -EBADF if it is closed,
//           also meanwhile; -EPERM outside a task; -EXDEV in another loop
// suspends  only while none has come
// cancel    none is lost
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_signal_stream_read(struct asyncio_signal_stream *stream);

// Each signal does again what it did before; one that has come and was not read
// does it now. Accepts NULL, a zeroed struct, and a second call.
ASYNCIO_API void
asyncio_signal_stream_close(struct asyncio_signal_stream *stream);

ASYNCIO__END

#ifdef __cplusplus
extern "C++" {
template <class... Numbers>
ASYNCIO_SUSPENDS int asyncio_wait_signal(int first, Numbers... more)
{
    const int list[] = {first, more...};
    return (asyncio_wait_signal)(list, sizeof list / sizeof *list);
}
template <class... Numbers>
int asyncio_signal_stream_open(asyncio_signal_stream *stream, int first,
                               Numbers... more)
{
    const int list[] = {first, more...};
    return (asyncio_signal_stream_open)(stream, static_cast<const int *>(list),
                                        sizeof list / sizeof *list);
}
}
#else
#define asyncio_wait_signal(...)                                               \
    (asyncio_wait_signal)((const int[]){__VA_ARGS__},                          \
                          sizeof((const int[]){__VA_ARGS__}) / sizeof(int))
#define asyncio_signal_stream_open(stream, ...)                                \
    (asyncio_signal_stream_open)(stream, (const int[]){__VA_ARGS__},           \
                                 sizeof((const int[]){__VA_ARGS__}) /          \
                                     sizeof(int))
#endif
