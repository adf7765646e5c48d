// The guard of a channel: how those in line who belong to the loop hear that a
// thread has served them, and what becomes of the threads when it closes.
//
// A task can only be told on its loop: whoever serves one elsewhere posts the
// guard there, once, and the loop tells all who are due.
//
//     ends, waiters --> channel --> guard --> home of the loop
//                          ^          |
//                          '----------' while the loop is open, and while a
//                                       post is under way
//
// When the loop closes, threads that block are told first, before the loop
// waits for the threads of its executor, which may be among these.

#include "exec/channel_guard.h"

#include "exec/home.h"
#include "platform/sys.h"

struct guard {
    struct asyncio__channel_guard base; // first
    struct asyncio__channel *channel;
    struct asyncio__home *home;
    struct asyncio_loop *loop; // under the lock; NULL once they have parted
    struct asyncio__at_close at_close; // the loop's thread only
    struct asyncio__guest guest;       // the same
    struct asyncio__post post;
    bool posted; // under the lock: the post is under way
    bool closed; // the same: the loop has begun to close
};

static struct guard *guard_of(const struct asyncio__channel *channel)
{
    return (struct guard *)(void *)channel->guard;
}

// --- the loop's part --------------------------------------------------------

// Whether the loop has no more to do with the channel; then it has none from
// now on. While a post is under way, that will see to it.
static bool has_ended(struct guard *guard)
{
    struct asyncio__channel *channel = guard->channel;
    pthread_mutex_lock(&guard->base.lock);
    bool ended = channel->open_senders == 0 && channel->open_receivers == 0 &&
                 !guard->posted && guard->loop;
    if (ended) guard->loop = NULL;
    pthread_mutex_unlock(&guard->base.lock);
    return ended;
}

// On the loop's thread.
static void attend_here(struct guard *guard)
{
    asyncio__channel_tell_all(guard->channel);
    if (!has_ended(guard)) return;
    asyncio__home_exit(&guard->guest);
    if (list_linked(&guard->at_close.link)) list_remove(&guard->at_close.link);
    asyncio__channel_unref(guard->channel);
}

static void on_post(struct asyncio__step *step)
{
    struct guard *guard = list_entry(step, struct guard, post.step);
    struct asyncio__channel *channel = guard->channel;
    pthread_mutex_lock(&guard->base.lock);
    guard->posted = false;
    pthread_mutex_unlock(&guard->base.lock);
    attend_here(guard);
    asyncio__channel_unref(channel);
}

// The lock is held over the post, so that a loop that closes finds it made or
// not made. The caller holds the channel.
static void attend(struct asyncio__channel_guard *base)
{
    struct guard *guard = (struct guard *)(void *)base;
    pthread_mutex_lock(&base->lock);
    bool here = guard->loop && guard->loop == asyncio__running_loop;
    if (!here && guard->loop && !guard->posted) {
        asyncio__channel_ref(guard->channel);
        guard->posted = asyncio__home_post(guard->home, &guard->post);
        if (!guard->posted) asyncio__channel_unref(guard->channel);
    }
    pthread_mutex_unlock(&base->lock);
    if (here) attend_here(guard);
}

static void loop_begins_to_close(struct asyncio__at_close *hook)
{
    struct guard *guard = list_entry(hook, struct guard, at_close);
    pthread_mutex_lock(&guard->base.lock);
    guard->closed = true;
    asyncio__channel_tell_threads(guard->channel, -ESHUTDOWN);
    pthread_mutex_unlock(&guard->base.lock);
}

// Tasks that were served and have not heard of it are told when the loop
// cancels their waits.
static void leave(struct asyncio__guest *guest)
{
    struct guard *guard = list_entry(guest, struct guard, guest);
    struct asyncio__channel *channel = guard->channel;
    pthread_mutex_lock(&guard->base.lock);
    bool posted = guard->posted;
    guard->posted = false;
    guard->loop = NULL;
    pthread_mutex_unlock(&guard->base.lock);
    if (posted) {
        list_remove(&guard->post.step.link);
        asyncio__channel_unref(channel);
    }
    asyncio__channel_unref(channel);
}

static void free_guard(struct asyncio__channel_guard *base)
{
    struct guard *guard = (struct guard *)(void *)base;
    pthread_mutex_destroy(&base->lock);
    asyncio__home_unref(guard->home);
    asyncio__free(guard);
}

static int make_guard(struct guard **made, struct asyncio__channel *channel,
                      struct asyncio__home *home)
{
    struct guard *guard = asyncio__alloc(sizeof *guard);
    if (!guard) return -ENOMEM;
    int err = -pthread_mutex_init(&guard->base.lock, NULL);
    if (err < 0) {
        asyncio__free(guard);
        return err;
    }
    guard->base.attend = attend;
    guard->base.free = free_guard;
    guard->channel = channel;
    guard->home = asyncio__home_ref(home);
    guard->loop = home->loop;
    guard->at_close.fn = loop_begins_to_close;
    guard->guest.leave = leave;
    guard->post.step.run = on_post;
    *made = guard;
    return 0;
}

static bool is_guarded_by(struct asyncio__channel *channel,
                          const struct asyncio_loop *loop)
{
    asyncio__channel_lock(channel);
    bool same = guard_of(channel)->loop == loop;
    pthread_mutex_unlock(&channel->guard->lock);
    return same;
}

int asyncio__channel_share(struct asyncio__channel *channel)
{
    struct asyncio_loop *loop = NULL;
    struct asyncio__home *home;
    struct guard *guard = NULL;
    int err = asyncio__loop_find(&loop);
    if (err < 0) return err;
    if (channel->guard) return is_guarded_by(channel, loop) ? 0 : -EXDEV;
    err = asyncio__home_of(loop, &home);
    if (err == 0) err = make_guard(&guard, channel, home);
    if (err < 0) return err;

    asyncio__channel_ref(channel); // as long as the loop is open
    asyncio__home_enter(home, &guard->guest);
    asyncio__loop_at_close(loop, &guard->at_close);
    channel->guard = &guard->base;
    return 0;
}

bool asyncio__channel_cut_off(const struct asyncio__channel *channel)
{
    return guard_of(channel)->closed;
}
