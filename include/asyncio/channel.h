// Channels: items of one type on their way from some tasks to others.
//
// A channel has two kinds of ends, for sending and for receiving, and room for
// so many items in between; with no room, a sender waits until its item is
// taken. Name the type of the items once; each call is checked against it by
// the compiler:
//
//     ASYNCIO_CHANNEL_TYPE(jobs, struct job);
//
//     struct jobs_sender out;
//     struct jobs_receiver in;
//     int err = asyncio_channel_create(&out, &in, 8);
//     ...
//     err = asyncio_sender_send(&out, &job);       // in one task
//     err = asyncio_receiver_receive(&in, &job);   // in another
//
// Items are copied in and out, and come out in the order in which they went in.
// Whoever waits is served in order of arrival: an item goes to the receiver
// that is first in line, a place to the first sender. If that one is cancelled
// before it runs, it goes to the next.
//
// Clone an end for each task that is to have its own, and close each one: when
// all senders are closed and the items have been taken, receivers learn that it
// is over (-ENODATA), and when all receivers are, senders do (-EPIPE). A closed
// end answers -EBADF, and so does one that is all zero. An end may be moved,
// but has one owner. The channel is gone with its last end. Call all of it on
// the loop's thread; asyncio/thread_channel.h has ends for other threads.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

struct asyncio__channel;
struct asyncio_thread_sender;
struct asyncio_thread_receiver;

// The ends, whatever the items are.
struct asyncio_sender {
    struct asyncio__channel *channel_ ASYNCIO__UNSET; // NULL: closed
    uint64_t number_ ASYNCIO__UNSET;                  // of this end
    void *reserved_[2] ASYNCIO__UNSET;
};

// The same for receiving.
struct asyncio_receiver {
    struct asyncio__channel *channel_ ASYNCIO__UNSET;
    uint64_t number_ ASYNCIO__UNSET;
    void *reserved_[2] ASYNCIO__UNSET;
};

// Declares `struct name_sender` and `struct name_receiver`, the ends of a
// channel for items of this type, and the ends for threads. `type_` is never
// set: it only says which type that is.
#define ASYNCIO_CHANNEL_TYPE(name, type)                                       \
    ASYNCIO__END_TYPE(name##_sender, struct asyncio_sender, type)              \
    ASYNCIO__END_TYPE(name##_receiver, struct asyncio_receiver, type)          \
    ASYNCIO__END_TYPE(name##_thread_sender, struct asyncio_thread_sender *,    \
                      type)                                                    \
    ASYNCIO__END_TYPE(name##_thread_receiver,                                  \
                      struct asyncio_thread_receiver *, type)                  \
    struct asyncio__end_of_channel_type

#define ASYNCIO__END_TYPE(tag, end, type)                                      \
    struct tag {                                                               \
        end end_ ASYNCIO__UNSET;                                               \
        __typeof__(type) *type_ ASYNCIO__UNSET;                                \
    };

struct asyncio_channel_options {
    ASYNCIO__OPTIONS_HEAD
    // Called with each item that was sent and that nobody will receive, because
    // every receiver is closed. It must not use the channel.
    void (*drop)(void *item) ASYNCIO__UNSET;
    void *reserved_[4] ASYNCIO__UNSET;
};

// Makes a channel with room for `capacity` items, which may be 0, and its first
// two ends.
//
// returns   0; -EINVAL for a negative capacity; -ENOMEM
// owns      both ends: asyncio_sender_close, asyncio_receiver_close
// like      trio.open_memory_channel
ASYNCIO_API int(asyncio_channel_create)(
    struct asyncio_sender *sender, struct asyncio_receiver *receiver,
    size_t item_size, long capacity,
    const struct asyncio_channel_options *options);
#define asyncio_channel_create(...) ASYNCIO__CHANNEL_CREATE(__VA_ARGS__, )
#define ASYNCIO__CHANNEL_CREATE(sender, receiver, capacity, ...)               \
    (asyncio_channel_create)(                                                  \
        &(sender)->end_,                                                       \
        ASYNCIO__SAME_TYPE(&(receiver)->end_, sender, receiver),               \
        sizeof *(sender)->type_, capacity,                                     \
        ASYNCIO__OPTIONS(asyncio_channel_options, __VA_ARGS__))

// --- sending ----------------------------------------------------------------

// Sends a copy of the item, waiting in line while there is no room. Without a
// macro, `size` is that of the item.
//
// returns   0; -EPIPE if no receiver is open; -EBADF if this end is closed, or
//           was while it waited; -ECANCELED: nothing was sent; -EPERM outside a
//           task; -EINVAL for an item of another size
// suspends  only while there is no room
// owns      what the item refers to goes along with it on 0, else stays yours
// cancel    a cancel that comes after the item was received stays for the next
//           wait, and this call is 0
// like      MemorySendChannel.send
ASYNCIO_API
ASYNCIO_SUSPENDS int(asyncio_sender_send)(struct asyncio_sender *sender,
                                          const void *item, size_t size);
#define asyncio_sender_send(sender, item)                                      \
    (asyncio_sender_send)(&(sender)->end_, ASYNCIO__SENT(sender, item),        \
                          sizeof *(sender)->type_)

// The same, but returns -EAGAIN instead of waiting. Needs no task.
ASYNCIO_API int(asyncio_sender_send_nowait)(struct asyncio_sender *sender,
                                            const void *item, size_t size);
#define asyncio_sender_send_nowait(sender, item)                               \
    (asyncio_sender_send_nowait)(&(sender)->end_, ASYNCIO__SENT(sender, item), \
                                 sizeof *(sender)->type_)

// Makes another sending end of the same channel.
//
// returns   0, or -EBADF if `sender` is closed: `clone` is closed then
// owns      the clone: asyncio_sender_close
// like      MemorySendChannel.clone
ASYNCIO_API int(asyncio_sender_clone)(struct asyncio_sender *sender,
                                      struct asyncio_sender *clone);
#define asyncio_sender_clone(sender, clone)                                    \
    (asyncio_sender_clone)(&(sender)->end_,                                    \
                           ASYNCIO__SAME_TYPE(&(clone)->end_, sender, clone))

// Closes this end: tasks that wait on it get -EBADF. Accepts a closed one.
// like      MemorySendChannel.close
ASYNCIO_API void(asyncio_sender_close)(struct asyncio_sender *sender);
#define asyncio_sender_close(sender) (asyncio_sender_close)(&(sender)->end_)

// --- receiving --------------------------------------------------------------

// Takes the oldest item, waiting in line while there is none.
//
// returns   0; -ENODATA if every sender is closed and every item was taken;
//           -EBADF if this end is closed, or was while it waited; -ECANCELED:
//           nothing was taken; -EPERM outside a task; -EINVAL for an item of
//           another size; -ENOMEM if more tasks wait than there is room for
// suspends  only while there is no item
// owns      what the item refers to is yours on 0
// like      MemoryReceiveChannel.receive
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_receiver_receive)(
    struct asyncio_receiver *receiver, void *item, size_t size);
#define asyncio_receiver_receive(receiver, item)                               \
    (asyncio_receiver_receive)(&(receiver)->end_,                              \
                               ASYNCIO__RECEIVED(receiver, item),              \
                               sizeof *(receiver)->type_)

// The same, but returns -EAGAIN instead of waiting. Needs no task.
ASYNCIO_API int(asyncio_receiver_receive_nowait)(
    struct asyncio_receiver *receiver, void *item, size_t size);
#define asyncio_receiver_receive_nowait(receiver, item)                        \
    (asyncio_receiver_receive_nowait)(&(receiver)->end_,                       \
                                      ASYNCIO__RECEIVED(receiver, item),       \
                                      sizeof *(receiver)->type_)

// Makes another receiving end of the same channel. Each item goes to one of
// them.
//
// returns   0, or -EBADF if `receiver` is closed: `clone` is closed then
// owns      the clone: asyncio_receiver_close
// like      MemoryReceiveChannel.clone
ASYNCIO_API int(asyncio_receiver_clone)(struct asyncio_receiver *receiver,
                                        struct asyncio_receiver *clone);
#define asyncio_receiver_clone(receiver, clone)                                \
    (asyncio_receiver_clone)(                                                  \
        &(receiver)->end_,                                                     \
        ASYNCIO__SAME_TYPE(&(clone)->end_, receiver, clone))

// Closes this end: tasks that wait on it get -EBADF. With the last one, what
// was sent and not received is dropped. Accepts a closed one.
// like      MemoryReceiveChannel.close
ASYNCIO_API void(asyncio_receiver_close)(struct asyncio_receiver *receiver);
#define asyncio_receiver_close(receiver)                                       \
    (asyncio_receiver_close)(&(receiver)->end_)

// --- looking ----------------------------------------------------------------

// What a channel is like now.
struct asyncio_channel_statistics {
    size_t items;             // sent, and promised to nobody
    size_t capacity;          // items that there is room for
    size_t senders;           // ends that are open, those for threads included
    size_t receivers;         // the same
    size_t waiting_senders;   // tasks and threads that wait in line
    size_t waiting_receivers; // the same
};

// Hands it out.
//
// returns   0, or -EBADF if this end is closed
// like      MemorySendChannel.statistics
ASYNCIO_API int(asyncio_sender_statistics)(
    struct asyncio_sender *sender,
    struct asyncio_channel_statistics *statistics);
#define asyncio_sender_statistics(sender, statistics)                          \
    (asyncio_sender_statistics)(&(sender)->end_, statistics)
ASYNCIO_API int(asyncio_receiver_statistics)(
    struct asyncio_receiver *receiver,
    struct asyncio_channel_statistics *statistics);
#define asyncio_receiver_statistics(receiver, statistics)                      \
    (asyncio_receiver_statistics)(&(receiver)->end_, statistics)

ASYNCIO__END

// --- what the compiler checks -----------------------------------------------

// ASYNCIO__SENT and _RECEIVED are `item`, if that points to what `end` carries;
// ASYNCIO__SAME_TYPE is `value`, if two ends carry the same. Anything else does
// not compile.
#ifndef __cplusplus

#define ASYNCIO__SENT(end, item)                                               \
    _Generic((item), __typeof__((end)->type_): (item),                         \
             const __typeof__(*(end)->type_) *: (item))
#define ASYNCIO__RECEIVED(end, item)                                           \
    _Generic((item), __typeof__((end)->type_) : (item))
#define ASYNCIO__SAME_TYPE(value, a, b)                                        \
    _Generic((a)->type_, __typeof__((b)->type_) : (value))

#else

extern "C++" {
template <class T> struct asyncio__type {
    using same = T;
};
template <class T> T *asyncio__item(typename asyncio__type<T>::same *item)
{
    return item;
}
template <class A, class B> struct asyncio__types {
    static constexpr bool same = false;
};
template <class A> struct asyncio__types<A, A> {
    static constexpr bool same = true;
};
template <bool same, class Value> Value asyncio__if_same(Value value)
{
    static_assert(same, "these are ends for items of different types");
    return value;
}
}
#define ASYNCIO__SENT(end, item)                                               \
    asyncio__item<const __typeof__(*(end)->type_)>(item)
#define ASYNCIO__RECEIVED(end, item)                                           \
    asyncio__item<__typeof__(*(end)->type_)>(item)
#define ASYNCIO__SAME_TYPE(value, a, b)                                        \
    asyncio__if_same<                                                          \
        asyncio__types<decltype((a)->type_), decltype((b)->type_)>::same>(     \
        value)

#endif
