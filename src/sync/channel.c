// Channels as their users see them: the two kinds of ends, and how a task
// waits at one.
//
// Here a call checks its end, tries, and if need be takes a place in line and
// parks. What it waits for comes to it by channel_items.c.

#include "sync/channel.h"

#include <stdalign.h>

#include "platform/sys.h"
#include "task/compact.h"

// Receivers that may be in line at a time before more slots have to be made.
#define SPARE_SLOTS 2

// --- making one -------------------------------------------------------------

// Each slot, and the first one behind the channel itself, begins at a multiple
// of this.
static bool add_aligned(size_t *sum, size_t size)
{
    const size_t unit = alignof(max_align_t);
    if (__builtin_add_overflow(*sum, size, sum)) return false;
    if (__builtin_add_overflow(*sum, unit - 1, sum)) return false;
    *sum = *sum / unit * unit;
    return true;
}

// Hands out the bytes of a slot, of what comes before the first, and of all.
static int measure(size_t item_size, size_t slots, size_t *slot_size,
                   size_t *head, size_t *whole)
{
    *slot_size = offsetof(struct asyncio__channel_slot, item);
    *head = 0;
    if (!add_aligned(slot_size, item_size) ||
        !add_aligned(head, sizeof(struct asyncio__channel)) ||
        __builtin_mul_overflow(*slot_size, slots, whole) ||
        __builtin_add_overflow(*whole, *head, whole))
        return -ENOMEM;
    return 0;
}

static struct asyncio__channel *make_channel(size_t item_size, size_t capacity)
{
    size_t slots = capacity + SPARE_SLOTS, slot_size, head, whole;
    if (measure(item_size, slots, &slot_size, &head, &whole) < 0) return NULL;
    struct asyncio__channel *channel = asyncio__alloc(whole);
    if (!channel) return NULL;

    atomic_init(&channel->references, 2); // one for each end
    channel->item_size = item_size;
    channel->slot_size = slot_size;
    channel->capacity = capacity;
    channel->slots = slots;
    channel->fresh = (char *)channel + head;
    channel->fresh_end = (char *)channel + whole;
    return channel;
}

int(asyncio_channel_create)(struct asyncio_sender *sender,
                            struct asyncio_receiver *receiver, size_t item_size,
                            long capacity,
                            const struct asyncio_channel_options *options)
{
    *sender = (struct asyncio_sender){0};
    *receiver = (struct asyncio_receiver){0};
    if (capacity < 0) return -EINVAL;
    struct asyncio__channel *channel =
        make_channel(item_size, (size_t)capacity);
    if (!channel) return -ENOMEM;

    channel->drop = options ? options->drop : NULL;
    sender->channel_ = receiver->channel_ = channel;
    sender->number_ = asyncio__channel_open_sender(channel);
    receiver->number_ = asyncio__channel_open_receiver(channel);
    return 0;
}

// --- waiting at an end ------------------------------------------------------

// A waiter that has failed lets go of the channel at once: the task may never
// run again. Whoever tells it holds the channel.
static void tell_task(struct asyncio__waiter *waiter, int result)
{
    struct asyncio_task *task = list_entry(waiter, struct asyncio_task, waiter);
    if (result < 0) asyncio__channel_unref(task->wait.object);
    asyncio__wake(task, result);
}

// One that a thread has served already hears of it now: then the request stays,
// and what it was granted goes back.
static bool cancel_wait(struct asyncio_task *task,
                        const struct asyncio_cancel_options *options)
{
    struct asyncio__channel *channel = task->wait.object;
    (void)options;

    asyncio__channel_lock(channel);
    bool told = task->waiter.told;
    if (!told) asyncio__channel_leave(channel, &task->waiter);
    asyncio__channel_unlock(channel);
    if (told) {
        asyncio__channel_tell_all(channel);
        return false;
    }
    asyncio__channel_unref(channel);
    asyncio__wake(task, -ECANCELED);
    return true;
}

static bool return_sent(struct asyncio_task *task)
{
    struct asyncio__channel *channel = task->wait.object;
    asyncio__channel_lock(channel);
    bool returned = asyncio__channel_return_sent(channel, &task->waiter);
    asyncio__channel_unlock(channel);
    if (returned) asyncio__channel_unref(channel);
    return returned;
}

static bool return_received(struct asyncio_task *task)
{
    struct asyncio__channel *channel = task->wait.object;
    asyncio__channel_lock(channel);
    asyncio__channel_return_received(channel, &task->waiter);
    asyncio__channel_unlock(channel);
    asyncio__channel_unref(channel);
    return true;
}

static const struct asyncio__wait_kind sending = {
    .name = "a place in a channel",
    .cancel = cancel_wait,
    .try_give_back = return_sent,
    .movable = true,
};

static const struct asyncio__wait_kind receiving = {
    .name = "an item of a channel",
    .cancel = cancel_wait,
    .try_give_back = return_received,
    .movable = true,
};

static struct asyncio__waiter *prepare(struct asyncio_task *task)
{
    task->waiter = (struct asyncio__waiter){
        .tell = tell_task,
        .loop = task->future.loop_,
    };
    return &task->waiter;
}

// --- sending ----------------------------------------------------------------

static int check_sender(const struct asyncio_sender *sender, size_t size,
                        const char *call)
{
    if (!sender->channel_) return -EBADF;
    if (asyncio__channel_elsewhere(sender->channel_, call)) return -EPERM;
    return size == sender->channel_->item_size ? 0 : -EINVAL;
}

static int wait_for_place(struct asyncio__channel *channel,
                          struct asyncio_task *task)
{
    int err = asyncio__park(&sending, channel, NULL);
    if (err < 0) return err;
    asyncio__channel_lock(channel);
    asyncio__channel_keep_sent(channel, &task->waiter);
    asyncio__channel_unlock(channel);
    asyncio__channel_unref(channel);
    return 0;
}

int(asyncio_sender_send)(struct asyncio_sender *sender, const void *item,
                         size_t size)
{
    struct asyncio_task *task = asyncio__task();
    if (asyncio__channel_elsewhere(sender->channel_, __func__) || !task)
        return -EPERM;
    int err =
        asyncio__reaches_compact(item) ? asyncio__compact_refuse(task) : 0;
    if (err == 0) err = asyncio__checkpoint();
    if (err == 0) err = check_sender(sender, size, __func__);
    if (err < 0) return err;

    struct asyncio__channel *channel = sender->channel_;
    asyncio__channel_lock(channel);
    err = asyncio__channel_try_send(channel, item);
    if (err != -EAGAIN) {
        asyncio__channel_unlock(channel);
        return err;
    }
    asyncio__channel_join_senders(channel, prepare(task), sender->number_,
                                  item);
    asyncio__channel_unlock_joined(channel);
    return wait_for_place(channel, task);
}

int(asyncio_sender_send_nowait)(struct asyncio_sender *sender, const void *item,
                                size_t size)
{
    int err = check_sender(sender, size, __func__);
    if (err < 0) return err;
    asyncio__channel_lock(sender->channel_);
    err = asyncio__channel_try_send(sender->channel_, item);
    asyncio__channel_unlock(sender->channel_);
    return err;
}

int(asyncio_sender_clone)(struct asyncio_sender *sender,
                          struct asyncio_sender *clone)
{
    struct asyncio__channel *channel = sender->channel_;
    *clone = (struct asyncio_sender){0};
    if (!channel) return -EBADF;
    if (asyncio__channel_elsewhere(channel, __func__)) return -EPERM;
    clone->channel_ = asyncio__channel_ref(channel);
    asyncio__channel_lock(channel);
    clone->number_ = asyncio__channel_open_sender(channel);
    asyncio__channel_unlock(channel);
    return 0;
}

void(asyncio_sender_close)(struct asyncio_sender *sender)
{
    if (!sender) return;
    struct asyncio__channel *channel = sender->channel_;
    if (!channel) return;
    if (asyncio__channel_elsewhere(channel, __func__)) return;
    sender->channel_ = NULL;
    asyncio__channel_lock(channel);
    asyncio__channel_close_sender(channel, sender->number_);
    asyncio__channel_unlock(channel);
    asyncio__channel_unref(channel);
}

// --- receiving --------------------------------------------------------------

static int check_receiver(const struct asyncio_receiver *receiver, size_t size,
                          const char *call)
{
    if (!receiver->channel_) return -EBADF;
    if (asyncio__channel_elsewhere(receiver->channel_, call)) return -EPERM;
    return size == receiver->channel_->item_size ? 0 : -EINVAL;
}

static int wait_for_item(struct asyncio__channel *channel,
                         struct asyncio_task *task, void *item)
{
    int err = asyncio__park(&receiving, channel, NULL);
    if (err < 0) return err;
    asyncio__channel_lock(channel);
    asyncio__channel_collect(channel, &task->waiter, item);
    asyncio__channel_unlock(channel);
    asyncio__channel_unref(channel);
    return 0;
}

int(asyncio_receiver_receive)(struct asyncio_receiver *receiver, void *item,
                              size_t size)
{
    struct asyncio_task *task = asyncio__task();
    if (asyncio__channel_elsewhere(receiver->channel_, __func__) || !task)
        return -EPERM;
    int err = asyncio__checkpoint();
    if (err == 0) err = check_receiver(receiver, size, __func__);
    if (err < 0) return err;

    struct asyncio__channel *channel = receiver->channel_;
    asyncio__channel_lock(channel);
    err = asyncio__channel_try_receive(channel, item);
    if (err != -EAGAIN) {
        asyncio__channel_unlock(channel);
        return err;
    }
    err = asyncio__channel_join_receivers(channel, prepare(task),
                                          receiver->number_);
    asyncio__channel_unlock_joined(channel);
    return err < 0 ? err : wait_for_item(channel, task, item);
}

int(asyncio_receiver_receive_nowait)(struct asyncio_receiver *receiver,
                                     void *item, size_t size)
{
    int err = check_receiver(receiver, size, __func__);
    if (err < 0) return err;
    asyncio__channel_lock(receiver->channel_);
    err = asyncio__channel_try_receive(receiver->channel_, item);
    asyncio__channel_unlock(receiver->channel_);
    return err;
}

int(asyncio_receiver_clone)(struct asyncio_receiver *receiver,
                            struct asyncio_receiver *clone)
{
    struct asyncio__channel *channel = receiver->channel_;
    *clone = (struct asyncio_receiver){0};
    if (!channel) return -EBADF;
    if (asyncio__channel_elsewhere(channel, __func__)) return -EPERM;
    clone->channel_ = asyncio__channel_ref(channel);
    asyncio__channel_lock(channel);
    clone->number_ = asyncio__channel_open_receiver(channel);
    asyncio__channel_unlock(channel);
    return 0;
}

void(asyncio_receiver_close)(struct asyncio_receiver *receiver)
{
    if (!receiver) return;
    struct asyncio__channel *channel = receiver->channel_;
    if (!channel) return;
    if (asyncio__channel_elsewhere(channel, __func__)) return;
    receiver->channel_ = NULL;
    asyncio__channel_lock(channel);
    asyncio__channel_close_receiver(channel, receiver->number_);
    asyncio__channel_unlock(channel);
    asyncio__channel_unref(channel);
}

// --- looking ----------------------------------------------------------------

static int look(struct asyncio__channel *channel,
                struct asyncio_channel_statistics *statistics, const char *call)
{
    if (!channel) return -EBADF;
    if (asyncio__channel_elsewhere(channel, call)) return -EPERM;
    asyncio__channel_lock(channel);
    *statistics = (struct asyncio_channel_statistics){
        .items = channel->stored_count,
        .capacity = channel->capacity,
        .senders = channel->open_senders,
        .receivers = channel->open_receivers,
        .waiting_senders = channel->waiting_senders,
        .waiting_receivers = channel->waiting_receivers,
    };
    asyncio__channel_unlock(channel);
    return 0;
}

int(asyncio_sender_statistics)(struct asyncio_sender *sender,
                               struct asyncio_channel_statistics *statistics)
{
    return look(sender->channel_, statistics, __func__);
}

int(asyncio_receiver_statistics)(struct asyncio_receiver *receiver,
                                 struct asyncio_channel_statistics *statistics)
{
    return look(receiver->channel_, statistics, __func__);
}
