// Waiting for signals.
//
//     int signal = asyncio_wait_signal(SIGINT, SIGTERM);
//
// asyncio/loop.h has the callback form.
#pragma once

#include <asyncio/task.h>

#include <signal.h>

ASYNCIO__BEGIN

// Waits until the process receives one of these signals. While a task waits for
// a signal, callbacks of the loop for it are not called, and it does nothing
// else either, such as cancelling the main task.
//
// returns   the signal's number; -EINVAL for none, or one that cannot be
//           caught; -EBUSY if another loop handles it, or another task waits
//           for it; -EPERM outside a task; -ENOMEM
// suspends  always
// cancel    a signal that has come already is returned, and the request stays
// like      sigwait, trio.open_signal_receiver
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_wait_signal)(const int *signals,
                                                      size_t count);

ASYNCIO__END

#ifdef __cplusplus
extern "C++" {
template <class... Numbers>
ASYNCIO_SUSPENDS int asyncio_wait_signal(int first, Numbers... more)
{
    const int list[] = {first, more...};
    return (asyncio_wait_signal)(list, sizeof list / sizeof *list);
}
}
#else
#define asyncio_wait_signal(...)                                               \
    (asyncio_wait_signal)((const int[]){__VA_ARGS__},                          \
                          sizeof((const int[]){__VA_ARGS__}) / sizeof(int))
#endif
