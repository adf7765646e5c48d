// What stands behind the ends of a channel: its slots, its two lines, and what
// select and the ends for threads do with them.
//
//     send --> stored (at most `capacity`) --> receive
//       \                                       /
//        `--> line of senders   line of receivers: promised to one of them
//
// An item lies in a slot. A sender that waits keeps its item itself; when there
// is a place it is copied to a slot and the sender is told, and until that one
// has run it can be taken back. A receiver that waits is promised a slot, which
// is its own from then on; if it is cancelled instead of running, the slot goes
// to the next in line, or back to its place among the stored ones.
//
// What stays true: while a receiver waits nothing is stored, while a sender
// waits there is no place, and there are slots for all that can be stored and
// promised without another receiver joining the line.
#pragma once

#include <asyncio/channel.h>

#include <pthread.h>
#include <stdatomic.h>

#include "task/park.h"

struct asyncio__channel_slot {
    struct asyncio_link link;       // stored, promised or unused
    uint64_t order;                 // in which items were sent
    struct asyncio__waiter *sender; // told that it is sent, but has not run
    _Alignas(max_align_t) char item[];
};

// Makes a channel safe for threads. It is set before there is a second one.
struct asyncio__channel_guard {
    pthread_mutex_t lock;
    // Somebody is in `told`, or no end is open any more: has the loop attend to
    // it. Called without the lock.
    void (*attend)(struct asyncio__channel_guard *guard);
    void (*free)(struct asyncio__channel_guard *guard);
};

struct asyncio__channel {
    _Atomic(size_t) references;           // open ends, waiters, and the guard's
    struct asyncio__channel_guard *guard; // NULL: for one thread

    size_t item_size, slot_size; // bytes
    size_t capacity;
    size_t slots;                 // that there are
    struct asyncio_link stored;   // slots, in order
    struct asyncio_link promised; // slots, in no order
    struct asyncio_link unused;   // slots that were used before
    size_t stored_count, promised_count;
    char *fresh, *fresh_end;    // slots that never were
    struct asyncio_link blocks; // memory for more slots than it began with

    struct asyncio_link senders, receivers; // asyncio__waiter.link
    struct asyncio_link told; // the same, out of line and not told yet
    size_t waiting_senders, waiting_receivers;
    size_t open_senders, open_receivers;
    uint64_t newest_end;  // the number of the end that was made last
    uint64_t newest_item; // the order of the item sent last
    void (*drop)(void *item);
};

// All below, but for ref, unref and tell_all, within lock and unlock. Those
// whose wait that has ended are told after it, so that whatever they do does
// not disturb it.
void asyncio__channel_lock(struct asyncio__channel *channel);
void asyncio__channel_unlock(struct asyncio__channel *channel);
// The same, and tells nobody: for a task that has joined a line and has not
// parked yet, and so cannot be woken.
void asyncio__channel_unlock_joined(struct asyncio__channel *channel);
void asyncio__channel_tell_all(struct asyncio__channel *channel);

// In debug mode: whether tasks that stand in line are of a loop on another
// thread; then it was reported, and `call` returns -EPERM. Not under the lock.
bool asyncio__channel_used_elsewhere(struct asyncio__channel *channel,
                                     const char *call);

static inline bool asyncio__channel_elsewhere(struct asyncio__channel *channel,
                                              const char *call)
{
    return asyncio__debug_somewhere() && channel &&
           asyncio__channel_used_elsewhere(channel, call);
}

struct asyncio__channel *asyncio__channel_ref(struct asyncio__channel *channel);
void asyncio__channel_unref(struct asyncio__channel *channel);

// Sends or receives if that needs no waiting: 0, -EAGAIN, -EPIPE or -ENODATA.
int asyncio__channel_try_send(struct asyncio__channel *channel,
                              const void *item);
int asyncio__channel_try_receive(struct asyncio__channel *channel, void *item);

// Whether that would be anything but -EAGAIN for somebody whose own places in
// line have this mark, which may be NULL.
bool asyncio__channel_may_send(const struct asyncio__channel *channel,
                               const _Atomic(bool) *mark);
bool asyncio__channel_may_receive(const struct asyncio__channel *channel,
                                  const _Atomic(bool) *mark);

// Takes a place at the end of a line; the waiter holds the channel from then
// on. Its fields `tell`, `claimed` and `any` are set. Joining the receivers
// may fail with -ENOMEM.
void asyncio__channel_join_senders(struct asyncio__channel *channel,
                                   struct asyncio__waiter *waiter, uint64_t end,
                                   const void *item);
int asyncio__channel_join_receivers(struct asyncio__channel *channel,
                                    struct asyncio__waiter *waiter,
                                    uint64_t end);

// How a waiter comes out of it, after which it has to unref the channel. Leave:
// it was not told. Collect: it was told 0, and the item is copied out.
// Keep_sent: it was told 0, and its item is sent for good. Return: it was told
// 0 and will not have it. False: somebody received it, so that it is sent.
void asyncio__channel_leave(struct asyncio__channel *channel,
                            struct asyncio__waiter *waiter);
void asyncio__channel_collect(struct asyncio__channel *channel,
                              struct asyncio__waiter *waiter, void *item);
void asyncio__channel_keep_sent(struct asyncio__channel *channel,
                                struct asyncio__waiter *waiter);
bool asyncio__channel_return_sent(struct asyncio__channel *channel,
                                  struct asyncio__waiter *waiter);
void asyncio__channel_return_received(struct asyncio__channel *channel,
                                      struct asyncio__waiter *waiter);

// Opens an end and hands its number out; closes the one with this number.
uint64_t asyncio__channel_open_sender(struct asyncio__channel *channel);
uint64_t asyncio__channel_open_receiver(struct asyncio__channel *channel);
void asyncio__channel_close_sender(struct asyncio__channel *channel,
                                   uint64_t end);
void asyncio__channel_close_receiver(struct asyncio__channel *channel,
                                     uint64_t end);

// Ends the wait of everybody in both lines that is told on any thread.
void asyncio__channel_tell_threads(struct asyncio__channel *channel,
                                   int result);
