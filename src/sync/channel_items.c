// Channels from within: where an item is, and whose turn it is.
//
// Each function changes the state and then lets whoever can go on do so; those
// whose wait ends by that are collected, and told when the lock is let go of.
// A waiter is claimed before anything is done for it: one that waits for
// several things is claimed once, and then passed over in the other lines,
// which it leaves as soon as it hears of it.

#include <assert.h>
#include <string.h>

#include "platform/sys.h"
#include "sync/channel.h"

// Slots are made for this many more receivers in line at a time, at least.
#define SLOTS_AT_ONCE 8

struct block {
    struct asyncio_link link; // asyncio__channel.blocks; first
    _Alignas(max_align_t) char slots[];
};

static struct asyncio__channel_slot *slot_of(struct asyncio_link *link)
{
    return list_entry(link, struct asyncio__channel_slot, link);
}

static struct asyncio__waiter *waiter_of(struct asyncio_link *link)
{
    return list_entry(link, struct asyncio__waiter, link);
}

// --- waiters ----------------------------------------------------------------

static bool served(const struct asyncio__waiter *waiter)
{
    return waiter->claimed && atomic_load(waiter->claimed);
}

static bool claim(struct asyncio__waiter *waiter)
{
    return !waiter->claimed || !atomic_exchange(waiter->claimed, true);
}

// The first in line that can be served, claimed; or NULL.
static struct asyncio__waiter *first(struct asyncio_link *line)
{
    list_for_each (link, line)
        if (claim(waiter_of(link))) return waiter_of(link);
    return NULL;
}

// Whether there is one, for somebody who is not served by places of its own.
static bool has_first(const struct asyncio_link *line,
                      const _Atomic(bool) *mark)
{
    list_for_each (link, line) {
        const struct asyncio__waiter *waiter = waiter_of(link);
        if (!served(waiter) && (!mark || waiter->claimed != mark)) return true;
    }
    return false;
}

static void leave_line(struct asyncio__channel *channel,
                       struct asyncio__waiter *waiter)
{
    list_remove(&waiter->link);
    if (waiter->sends)
        channel->waiting_senders--;
    else
        channel->waiting_receivers--;
}

// Ends the wait of one that was claimed.
static void tell(struct asyncio__channel *channel,
                 struct asyncio__waiter *waiter, int result)
{
    leave_line(channel, waiter);
    waiter->result = result;
    waiter->told = true;
    if (waiter->any)
        waiter->tell(waiter, result);
    else
        list_add_tail(&channel->told, &waiter->link);
}

// --- slots ------------------------------------------------------------------

static struct asyncio__channel_slot *take_slot(struct asyncio__channel *channel)
{
    struct asyncio_link *link = list_pop(&channel->unused);
    if (link) return slot_of(link);

    assert(channel->fresh < channel->fresh_end);
    void *slot = channel->fresh;
    channel->fresh += channel->slot_size;
    return slot;
}

static void put_slot(struct asyncio__channel *channel,
                     struct asyncio__channel_slot *slot)
{
    slot->sender = NULL;
    list_add_head(&channel->unused, &slot->link);
}

// Sees to it that one more receiver may join the line: each in line, and each
// that was promised an item, may come to need a slot beside the stored ones.
static int reserve_slot(struct asyncio__channel *channel)
{
    size_t needed = channel->capacity + channel->promised_count +
                    channel->waiting_receivers + 1;
    if (needed <= channel->slots) return 0;

    size_t bytes;
    if (__builtin_mul_overflow(SLOTS_AT_ONCE, channel->slot_size, &bytes) ||
        __builtin_add_overflow(sizeof(struct block), bytes, &bytes))
        return -ENOMEM;
    struct block *block = asyncio__alloc(bytes);
    if (!block) return -ENOMEM;
    list_add_tail(&channel->blocks, &block->link);
    for (size_t i = 0; i < SLOTS_AT_ONCE; i++)
        put_slot(channel, (void *)(block->slots + i * channel->slot_size));
    channel->slots += SLOTS_AT_ONCE;
    return 0;
}

static struct asyncio__channel_slot *fill_slot(struct asyncio__channel *channel,
                                               const void *item)
{
    struct asyncio__channel_slot *slot = take_slot(channel);
    slot->order = ++channel->newest_item;
    slot->sender = NULL;
    memcpy(slot->item, item, channel->item_size);
    return slot;
}

static void store(struct asyncio__channel *channel,
                  struct asyncio__channel_slot *slot)
{
    list_add_tail(&channel->stored, &slot->link);
    channel->stored_count++;
}

// One that was promised, among those that were sent before it and after it.
static void store_again(struct asyncio__channel *channel,
                        struct asyncio__channel_slot *slot)
{
    struct asyncio_link *place = NULL;
    list_for_each (link, &channel->stored) {
        place = link;
        if (slot_of(link)->order > slot->order) break;
        place = NULL;
    }
    if (place)
        list_insert_before(place, &slot->link);
    else
        list_add_tail(&channel->stored, &slot->link);
    channel->stored_count++;
}

// Takes a stored item out; its sender, if it has not run, cannot have it back.
static void unstore(struct asyncio__channel *channel,
                    struct asyncio__channel_slot *slot)
{
    list_remove(&slot->link);
    channel->stored_count--;
    if (slot->sender) slot->sender->slot = NULL;
}

static void promise(struct asyncio__channel *channel,
                    struct asyncio__channel_slot *slot,
                    struct asyncio__waiter *receiver)
{
    receiver->slot = slot;
    list_add_tail(&channel->promised, &slot->link);
    channel->promised_count++;
    tell(channel, receiver, 0);
}

static struct asyncio__channel_slot *unpromise(struct asyncio__channel *channel,
                                               struct asyncio__waiter *receiver)
{
    struct asyncio__channel_slot *slot = receiver->slot;
    receiver->slot = NULL;
    list_remove(&slot->link);
    channel->promised_count--;
    return slot;
}

// --- going on ---------------------------------------------------------------

// Gives the places that there are to senders in line.
static void accept_senders(struct asyncio__channel *channel)
{
    struct asyncio__waiter *sender;
    while (channel->stored_count < channel->capacity &&
           (sender = first(&channel->senders))) {
        struct asyncio__channel_slot *slot = fill_slot(channel, sender->item);
        if (!sender->any) slot->sender = sender;
        sender->slot = slot;
        store(channel, slot);
        tell(channel, sender, 0);
    }
}

// As long as an item is promised it may come back.
static bool over(const struct asyncio__channel *channel)
{
    return channel->open_senders == 0 && channel->stored_count == 0 &&
           channel->promised_count == 0;
}

static void go_on(struct asyncio__channel *channel)
{
    struct asyncio__waiter *receiver;
    accept_senders(channel);
    while (over(channel) && (receiver = first(&channel->receivers)))
        tell(channel, receiver, -ENODATA);
}

int asyncio__channel_try_send(struct asyncio__channel *channel,
                              const void *item)
{
    if (channel->open_receivers == 0) return -EPIPE;
    struct asyncio__waiter *receiver = first(&channel->receivers);
    if (receiver) {
        promise(channel, fill_slot(channel, item), receiver);
        return 0;
    }
    if (channel->stored_count >= channel->capacity) return -EAGAIN;
    store(channel, fill_slot(channel, item));
    return 0;
}

int asyncio__channel_try_receive(struct asyncio__channel *channel, void *item)
{
    struct asyncio_link *link = list_first(&channel->stored);
    if (link) {
        struct asyncio__channel_slot *slot = slot_of(link);
        unstore(channel, slot);
        memcpy(item, slot->item, channel->item_size);
        put_slot(channel, slot);
        go_on(channel);
        return 0;
    }
    struct asyncio__waiter *sender = first(&channel->senders);
    if (sender) {
        memcpy(item, sender->item, channel->item_size);
        tell(channel, sender, 0);
        return 0;
    }
    return over(channel) ? -ENODATA : -EAGAIN;
}

bool asyncio__channel_may_send(const struct asyncio__channel *channel,
                               const _Atomic(bool) *mark)
{
    return channel->open_receivers == 0 ||
           channel->stored_count < channel->capacity ||
           has_first(&channel->receivers, mark);
}

bool asyncio__channel_may_receive(const struct asyncio__channel *channel,
                                  const _Atomic(bool) *mark)
{
    return channel->stored_count > 0 || over(channel) ||
           has_first(&channel->senders, mark);
}

// --- waiting ----------------------------------------------------------------

static void prepare(struct asyncio__channel *channel,
                    struct asyncio__waiter *waiter, uint64_t end)
{
    asyncio__channel_ref(channel);
    waiter->end = end;
    waiter->slot = NULL;
    waiter->told = false;
    waiter->link = (struct asyncio_link){0};
}

void asyncio__channel_join_senders(struct asyncio__channel *channel,
                                   struct asyncio__waiter *waiter, uint64_t end,
                                   const void *item)
{
    prepare(channel, waiter, end);
    waiter->item = item;
    waiter->sends = true;
    list_add_tail(&channel->senders, &waiter->link);
    channel->waiting_senders++;
}

int asyncio__channel_join_receivers(struct asyncio__channel *channel,
                                    struct asyncio__waiter *waiter,
                                    uint64_t end)
{
    int err = reserve_slot(channel);
    if (err < 0) return err;
    prepare(channel, waiter, end);
    waiter->sends = false;
    list_add_tail(&channel->receivers, &waiter->link);
    channel->waiting_receivers++;
    return 0;
}

void asyncio__channel_leave(struct asyncio__channel *channel,
                            struct asyncio__waiter *waiter)
{
    assert(!waiter->told);
    leave_line(channel, waiter);
}

void asyncio__channel_keep_sent(struct asyncio__channel *channel,
                                struct asyncio__waiter *waiter)
{
    struct asyncio__channel_slot *slot = waiter->slot;
    (void)channel;
    if (slot) slot->sender = NULL;
}

void asyncio__channel_collect(struct asyncio__channel *channel,
                              struct asyncio__waiter *waiter, void *item)
{
    struct asyncio__channel_slot *slot = unpromise(channel, waiter);
    memcpy(item, slot->item, channel->item_size);
    put_slot(channel, slot);
    go_on(channel);
}

bool asyncio__channel_return_sent(struct asyncio__channel *channel,
                                  struct asyncio__waiter *waiter)
{
    struct asyncio__channel_slot *slot = waiter->slot;
    if (!slot) return false;
    unstore(channel, slot);
    put_slot(channel, slot);
    go_on(channel);
    return true;
}

void asyncio__channel_return_received(struct asyncio__channel *channel,
                                      struct asyncio__waiter *waiter)
{
    struct asyncio__channel_slot *slot = unpromise(channel, waiter);
    struct asyncio__waiter *next = NULL;
    if (channel->open_receivers == 0) {
        if (channel->drop) channel->drop(slot->item);
        put_slot(channel, slot);
    } else if ((next = first(&channel->receivers))) {
        promise(channel, slot, next);
    } else {
        store_again(channel, slot);
    }
    go_on(channel);
}

// --- ends -------------------------------------------------------------------

uint64_t asyncio__channel_open_sender(struct asyncio__channel *channel)
{
    channel->open_senders++;
    return ++channel->newest_end;
}

uint64_t asyncio__channel_open_receiver(struct asyncio__channel *channel)
{
    channel->open_receivers++;
    return ++channel->newest_end;
}

// Ends the waits of those in line that came by this end; 0: by any.
static void end_waits(struct asyncio__channel *channel,
                      struct asyncio_link *line, uint64_t end, int result)
{
    list_for_each_safe (link, after, line) {
        struct asyncio__waiter *waiter = waiter_of(link);
        if ((end == 0 || waiter->end == end) && claim(waiter))
            tell(channel, waiter, result);
    }
}

void asyncio__channel_close_sender(struct asyncio__channel *channel,
                                   uint64_t end)
{
    end_waits(channel, &channel->senders, end, -EBADF);
    channel->open_senders--;
    go_on(channel);
}

static void drop_stored(struct asyncio__channel *channel)
{
    struct asyncio_link *link;
    while ((link = list_first(&channel->stored))) {
        struct asyncio__channel_slot *slot = slot_of(link);
        unstore(channel, slot);
        if (channel->drop) channel->drop(slot->item);
        put_slot(channel, slot);
    }
}

void asyncio__channel_close_receiver(struct asyncio__channel *channel,
                                     uint64_t end)
{
    end_waits(channel, &channel->receivers, end, -EBADF);
    if (--channel->open_receivers > 0) return;
    end_waits(channel, &channel->senders, 0, -EPIPE);
    drop_stored(channel);
}

void asyncio__channel_tell_threads(struct asyncio__channel *channel, int result)
{
    struct asyncio_link *lines[] = {&channel->senders, &channel->receivers};
    for (int i = 0; i < 2; i++) {
        list_for_each_safe (link, after, lines[i])
            if (waiter_of(link)->any) tell(channel, waiter_of(link), result);
    }
}
