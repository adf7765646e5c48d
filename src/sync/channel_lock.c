// The lock of a channel that threads use, whom to tell when it is let go of,
// and the references that keep a channel.
//
// A channel without a guard is used on one thread: there is no lock then, but
// those whose wait has ended are told at the same moment.

#include <assert.h>

#include "platform/sys.h"
#include "sync/channel.h"

void asyncio__channel_lock(struct asyncio__channel *channel)
{
    if (channel->guard) pthread_mutex_lock(&channel->guard->lock);
}

void asyncio__channel_unlock(struct asyncio__channel *channel)
{
    struct asyncio__channel_guard *guard = channel->guard;
    bool told = !list_empty(&channel->told);
    if (!guard) {
        if (told) asyncio__channel_tell_all(channel);
        return;
    }
    bool ended = channel->open_senders == 0 && channel->open_receivers == 0;
    pthread_mutex_unlock(&guard->lock);
    if (told || ended) guard->attend(guard);
}

// Nobody's wait ends because another joins. Whom a thread has served in the
// meantime, it sees to it itself that they are told.
void asyncio__channel_unlock_joined(struct asyncio__channel *channel)
{
    if (channel->guard) pthread_mutex_unlock(&channel->guard->lock);
}

static struct asyncio__waiter *next_told(struct asyncio__channel *channel)
{
    struct asyncio__channel_guard *guard = channel->guard;
    if (guard) pthread_mutex_lock(&guard->lock);
    struct asyncio_link *link = list_pop(&channel->told);
    if (guard) pthread_mutex_unlock(&guard->lock);
    return link ? list_entry(link, struct asyncio__waiter, link) : NULL;
}

void asyncio__channel_tell_all(struct asyncio__channel *channel)
{
    struct asyncio__waiter *waiter;
    while ((waiter = next_told(channel)))
        waiter->tell(waiter, waiter->result);
}

// The loop of the first task in a line, or NULL.
static struct asyncio_loop *loop_in(const struct asyncio_link *line)
{
    list_for_each (link, line) {
        const struct asyncio__waiter *waiter =
            list_entry(link, struct asyncio__waiter, link);
        if (waiter->loop) return waiter->loop;
    }
    return NULL;
}

bool asyncio__channel_used_elsewhere(struct asyncio__channel *channel,
                                     const char *call)
{
    asyncio__channel_lock(channel);
    struct asyncio_loop *loop = loop_in(&channel->senders);
    if (!loop) loop = loop_in(&channel->receivers);
    asyncio__channel_unlock_joined(channel);
    return loop && asyncio__wrong_thread(loop, call);
}

struct asyncio__channel *asyncio__channel_ref(struct asyncio__channel *channel)
{
    atomic_fetch_add(&channel->references, 1);
    return channel;
}

void asyncio__channel_unref(struct asyncio__channel *channel)
{
    if (atomic_fetch_sub(&channel->references, 1) > 1) return;

    assert(channel->stored_count == 0 && channel->promised_count == 0);
    struct asyncio_link *link;
    while ((link = list_pop(&channel->blocks)))
        asyncio__free(link);
    if (channel->guard) channel->guard->free(channel->guard);
    asyncio__free(channel);
}
