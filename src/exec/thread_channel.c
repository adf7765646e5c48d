// Ends of channels for threads.
//
// All of a channel that has such an end happens under the lock of its guard
// (channel_guard.c), on whatever thread. A thread that waits stands in line
// beside the tasks, with a condition of its own, and is told where it is
// served.

#include <asyncio/thread_channel.h>

#include <stdatomic.h>
#include <time.h>

#include "exec/channel_guard.h"
#include "platform/clock.h"
#include "platform/sys.h"

// --- an end -----------------------------------------------------------------

struct end {
    _Atomic(size_t) references;
    struct asyncio__channel *channel; // held
    uint64_t number;
    bool open; // under the channel's lock
};

struct asyncio_thread_sender {
    struct end end;
};

struct asyncio_thread_receiver {
    struct end end;
};

typedef uint64_t open_fn(struct asyncio__channel *channel);
typedef void close_fn(struct asyncio__channel *channel, uint64_t end);

static int make_end(struct end **made, struct asyncio__channel *channel,
                    open_fn *open)
{
    if (!channel) return -EBADF;
    struct end *end = asyncio__alloc(sizeof *end);
    if (!end) return -ENOMEM;
    int err = asyncio__channel_share(channel);
    if (err < 0) {
        asyncio__free(end);
        return err;
    }
    atomic_init(&end->references, 1);
    end->channel = asyncio__channel_ref(channel);
    asyncio__channel_lock(channel);
    end->number = open(channel);
    end->open = true;
    asyncio__channel_unlock(channel);
    *made = end;
    return 0;
}

static void close_end(struct end *end, close_fn *close)
{
    asyncio__channel_lock(end->channel);
    if (end->open) close(end->channel, end->number);
    end->open = false;
    asyncio__channel_unlock(end->channel);
}

static void release_end(struct end *end, close_fn *close)
{
    if (atomic_fetch_sub(&end->references, 1) > 1) return;
    close_end(end, close);
    asyncio__channel_unref(end->channel);
    asyncio__free(end);
}

// Why it cannot be used, or 0; under the lock.
static int check(const struct end *end, size_t size)
{
    if (!end->open) return -EBADF;
    if (asyncio__channel_cut_off(end->channel)) return -ESHUTDOWN;
    return size == end->channel->item_size ? 0 : -EINVAL;
}

// --- a thread in line -------------------------------------------------------

struct thread_waiter {
    struct asyncio__waiter waiter;
    pthread_cond_t told;
};

static void tell_thread(struct asyncio__waiter *waiter, int result)
{
    struct thread_waiter *thread =
        list_entry(waiter, struct thread_waiter, waiter);
    (void)result;
    pthread_cond_signal(&thread->told);
}

static int init_waiter(struct thread_waiter *thread)
{
    pthread_condattr_t attr;
    *thread = (struct thread_waiter){
        .waiter = {.tell = tell_thread, .any = true},
    };
    int err = -pthread_condattr_init(&attr);
    if (err < 0) return err;
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    err = -pthread_cond_init(&thread->told, &attr);
    pthread_condattr_destroy(&attr);
    return err;
}

// Blocks until it is told, or leaves the line when time is up; under the lock.
static int block(struct thread_waiter *thread, struct asyncio__channel *channel,
                 int64_t end_ns)
{
    pthread_mutex_t *lock = &channel->guard->lock;
    struct timespec until = {.tv_sec = end_ns / 1000000000,
                             .tv_nsec = end_ns % 1000000000};
    int code = 0;
    while (!thread->waiter.told && code == 0)
        code = end_ns == ASYNCIO__NEVER
                   ? pthread_cond_wait(&thread->told, lock)
                   : pthread_cond_timedwait(&thread->told, lock, &until);
    if (thread->waiter.told) return thread->waiter.result;
    asyncio__channel_leave(channel, &thread->waiter);
    return -ETIMEDOUT;
}

// The deadline, if this thread may block.
static int may_block(double seconds, int64_t *end_ns)
{
    double when;
    if (asyncio__running_loop) return -EDEADLK;
    return asyncio__deadline_in(asyncio__clock_real_ns(), seconds, &when,
                                end_ns);
}

// --- sending ----------------------------------------------------------------

int(asyncio_thread_sender_create)(struct asyncio_thread_sender **made,
                                  struct asyncio_sender *sender)
{
    struct end *end = NULL;
    int err = make_end(&end, sender->channel_, asyncio__channel_open_sender);
    *made = (struct asyncio_thread_sender *)(void *)end;
    return err;
}

struct asyncio_thread_sender *(
    asyncio_thread_sender_retain)(struct asyncio_thread_sender *sender)
{
    if (!sender) return NULL;
    atomic_fetch_add(&sender->end.references, 1);
    return sender;
}

void(asyncio_thread_sender_release)(struct asyncio_thread_sender *sender)
{
    if (sender) release_end(&sender->end, asyncio__channel_close_sender);
}

void(asyncio_thread_sender_close)(struct asyncio_thread_sender *sender)
{
    if (sender) close_end(&sender->end, asyncio__channel_close_sender);
}

static int block_sender(struct end *end, const void *item, int64_t end_ns)
{
    struct asyncio__channel *channel = end->channel;
    struct thread_waiter thread;
    int err = init_waiter(&thread);
    if (err < 0) return err;
    asyncio__channel_join_senders(channel, &thread.waiter, end->number, item);
    err = block(&thread, channel, end_ns);
    pthread_cond_destroy(&thread.told);
    // The end, which the caller holds, holds the channel as well.
    asyncio__channel_unref(channel);
    return err;
}

int(asyncio_thread_sender_send)(struct asyncio_thread_sender *sender,
                                const void *item, size_t size, double seconds)
{
    int64_t end_ns;
    if (!sender) return -EBADF;
    struct end *end = &sender->end;
    int err = may_block(seconds, &end_ns);
    if (err < 0) return err;

    asyncio__channel_lock(end->channel);
    err = check(end, size);
    if (err == 0) err = asyncio__channel_try_send(end->channel, item);
    if (err == -EAGAIN) err = block_sender(end, item, end_ns);
    asyncio__channel_unlock(end->channel);
    return err;
}

int(asyncio_thread_sender_send_nowait)(struct asyncio_thread_sender *sender,
                                       const void *item, size_t size)
{
    if (!sender) return -EBADF;
    struct end *end = &sender->end;
    asyncio__channel_lock(end->channel);
    int err = check(end, size);
    if (err == 0) err = asyncio__channel_try_send(end->channel, item);
    asyncio__channel_unlock(end->channel);
    return err;
}

// --- receiving --------------------------------------------------------------

int(asyncio_thread_receiver_create)(struct asyncio_thread_receiver **made,
                                    struct asyncio_receiver *receiver)
{
    struct end *end = NULL;
    int err =
        make_end(&end, receiver->channel_, asyncio__channel_open_receiver);
    *made = (struct asyncio_thread_receiver *)(void *)end;
    return err;
}

struct asyncio_thread_receiver *(
    asyncio_thread_receiver_retain)(struct asyncio_thread_receiver *receiver)
{
    if (!receiver) return NULL;
    atomic_fetch_add(&receiver->end.references, 1);
    return receiver;
}

void(asyncio_thread_receiver_release)(struct asyncio_thread_receiver *receiver)
{
    if (receiver) release_end(&receiver->end, asyncio__channel_close_receiver);
}

void(asyncio_thread_receiver_close)(struct asyncio_thread_receiver *receiver)
{
    if (receiver) close_end(&receiver->end, asyncio__channel_close_receiver);
}

static int block_receiver(struct end *end, void *item, int64_t end_ns)
{
    struct asyncio__channel *channel = end->channel;
    struct thread_waiter thread;
    int err = init_waiter(&thread);
    if (err < 0) return err;
    err = asyncio__channel_join_receivers(channel, &thread.waiter, end->number);
    if (err == 0) {
        err = block(&thread, channel, end_ns);
        if (err == 0) asyncio__channel_collect(channel, &thread.waiter, item);
        asyncio__channel_unref(channel);
    }
    pthread_cond_destroy(&thread.told);
    return err;
}

int(asyncio_thread_receiver_receive)(struct asyncio_thread_receiver *receiver,
                                     void *item, size_t size, double seconds)
{
    int64_t end_ns;
    if (!receiver) return -EBADF;
    struct end *end = &receiver->end;
    int err = may_block(seconds, &end_ns);
    if (err < 0) return err;

    asyncio__channel_lock(end->channel);
    err = check(end, size);
    if (err == 0) err = asyncio__channel_try_receive(end->channel, item);
    if (err == -EAGAIN) err = block_receiver(end, item, end_ns);
    asyncio__channel_unlock(end->channel);
    return err;
}

int(asyncio_thread_receiver_receive_nowait)(
    struct asyncio_thread_receiver *receiver, void *item, size_t size)
{
    if (!receiver) return -EBADF;
    struct end *end = &receiver->end;
    asyncio__channel_lock(end->channel);
    int err = check(end, size);
    if (err == 0) err = asyncio__channel_try_receive(end->channel, item);
    asyncio__channel_unlock(end->channel);
    return err;
}
