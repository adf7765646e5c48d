// Ends of a channel for other threads.
//
// A channel of a loop (asyncio/channel.h) may have ends that any thread uses,
// several at once if you like. They count as ends like all others, and threads
// stand in line with tasks:
//
//     struct jobs_thread_sender feed = {0};
//     asyncio_thread_sender_create(&feed, &out);   // on the loop
//     ... in a thread, which blocks while there is no room:
//     int err = asyncio_thread_sender_send(&feed, &job, 2.5);
//     asyncio_thread_sender_release(&feed);
//
// `struct jobs_thread_sender` is made by ASYNCIO_CHANNEL_TYPE. It is a handle:
// copy it, with a reference for each holder. When the loop is closed, whoever
// blocks gets -ESHUTDOWN, and so do later calls. The `drop` of the channel runs
// on the thread that closes the last receiver.
#pragma once

#include <asyncio/channel.h>

ASYNCIO__BEGIN

// --- sending ----------------------------------------------------------------

// Makes a sending end for threads, beside `sender`, with one reference.
//
// returns   0; -EBADF if `sender` is closed; -EPERM without a loop, -ESHUTDOWN
//           if that is closed; -EXDEV if threads know the channel by another
//           loop; -ENOMEM
// thread    the loop's, where all tasks are that use the channel
// owns      the reference: asyncio_thread_sender_release
ASYNCIO_API int(asyncio_thread_sender_create)(
    struct asyncio_thread_sender **made, struct asyncio_sender *sender);
#define asyncio_thread_sender_create(made, sender)                             \
    (asyncio_thread_sender_create)(                                            \
        ASYNCIO__SAME_TYPE(&(made)->end_, made, sender), &(sender)->end_)

// One more reference, and one less: the last one closes the end and frees it.
// Release accepts NULL.
//
// thread    any, as all below
ASYNCIO_API struct asyncio_thread_sender *(
    asyncio_thread_sender_retain)(struct asyncio_thread_sender *sender);
#define asyncio_thread_sender_retain(sender)                                   \
    (asyncio_thread_sender_retain)((sender)->end_)
ASYNCIO_API void(asyncio_thread_sender_release)(
    struct asyncio_thread_sender *sender);
#define asyncio_thread_sender_release(sender)                                  \
    (asyncio_thread_sender_release)((sender)->end_)

// Sends a copy of the item, blocking the thread while there is no room, for at
// most `seconds` of real time; ASYNCIO_FOREVER has no end.
//
// returns   0; -ETIMEDOUT: nothing was sent; -EPIPE if no receiver is open;
//           -EBADF if this end is closed, or was meanwhile; -ESHUTDOWN if the
//           loop is closed, or was meanwhile; -EINVAL for an item of another
//           size or what is no time; -EDEADLK on a thread whose loop runs
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_thread_sender_send)(
    struct asyncio_thread_sender *sender, const void *item, size_t size,
    double seconds);
#define asyncio_thread_sender_send(sender, item, seconds)                      \
    (asyncio_thread_sender_send)((sender)->end_, ASYNCIO__SENT(sender, item),  \
                                 sizeof *(sender)->type_, seconds)

// The same, but returns -EAGAIN instead of blocking; also on a loop's thread.
ASYNCIO_API int(asyncio_thread_sender_send_nowait)(
    struct asyncio_thread_sender *sender, const void *item, size_t size);
#define asyncio_thread_sender_send_nowait(sender, item)                        \
    (asyncio_thread_sender_send_nowait)(                                       \
        (sender)->end_, ASYNCIO__SENT(sender, item), sizeof *(sender)->type_)

// Closes the end: threads that block on it get -EBADF. Accepts a closed one,
// and NULL.
ASYNCIO_API void(asyncio_thread_sender_close)(
    struct asyncio_thread_sender *sender);
#define asyncio_thread_sender_close(sender)                                    \
    (asyncio_thread_sender_close)((sender)->end_)

// --- receiving --------------------------------------------------------------

// The same for receiving.
ASYNCIO_API int(asyncio_thread_receiver_create)(
    struct asyncio_thread_receiver **made, struct asyncio_receiver *receiver);
#define asyncio_thread_receiver_create(made, receiver)                         \
    (asyncio_thread_receiver_create)(                                          \
        ASYNCIO__SAME_TYPE(&(made)->end_, made, receiver), &(receiver)->end_)
ASYNCIO_API struct asyncio_thread_receiver *(
    asyncio_thread_receiver_retain)(struct asyncio_thread_receiver *receiver);
#define asyncio_thread_receiver_retain(receiver)                               \
    (asyncio_thread_receiver_retain)((receiver)->end_)
ASYNCIO_API void(asyncio_thread_receiver_release)(
    struct asyncio_thread_receiver *receiver);
#define asyncio_thread_receiver_release(receiver)                              \
    (asyncio_thread_receiver_release)((receiver)->end_)

// Takes the oldest item, blocking the thread while there is none.
//
// returns   0; -ENODATA if every sender is closed and every item was taken;
//           -ENOMEM; else as asyncio_thread_sender_send
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_thread_receiver_receive)(
    struct asyncio_thread_receiver *receiver, void *item, size_t size,
    double seconds);
#define asyncio_thread_receiver_receive(receiver, item, seconds)               \
    (asyncio_thread_receiver_receive)((receiver)->end_,                        \
                                      ASYNCIO__RECEIVED(receiver, item),       \
                                      sizeof *(receiver)->type_, seconds)
ASYNCIO_API int(asyncio_thread_receiver_receive_nowait)(
    struct asyncio_thread_receiver *receiver, void *item, size_t size);
#define asyncio_thread_receiver_receive_nowait(receiver, item)                 \
    (asyncio_thread_receiver_receive_nowait)(                                  \
        (receiver)->end_, ASYNCIO__RECEIVED(receiver, item),                   \
        sizeof *(receiver)->type_)
ASYNCIO_API void(asyncio_thread_receiver_close)(
    struct asyncio_thread_receiver *receiver);
#define asyncio_thread_receiver_close(receiver)                                \
    (asyncio_thread_receiver_close)((receiver)->end_)

ASYNCIO__END
