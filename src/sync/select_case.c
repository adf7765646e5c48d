// The cases of a select: what is wrong with one, whether it can go ahead, and
// how it does without waiting.

#include <limits.h>
#include <poll.h>

#include "loop/testing.h"
#include "platform/sys.h"
#include "sync/select.h"
#include "task/future.h"

struct asyncio__channel *
asyncio__select_channel(const struct asyncio_select_case *one)
{
    if (one->kind == ASYNCIO_SELECT_SENDS)
        return ((struct asyncio_sender *)one->object)->channel_;
    return ((struct asyncio_receiver *)one->object)->channel_;
}

struct asyncio_future *
asyncio__select_future(const struct asyncio_select_case *one)
{
    if (one->kind == ASYNCIO_SELECT_TASKS)
        return asyncio_task_future(one->object);
    return one->object;
}

bool asyncio__select_disabled(const struct asyncio_select_case *one)
{
    if (one->disabled) return true;
    switch (one->kind) {
    case ASYNCIO_SELECT_NOTHING: return true;
    case ASYNCIO_SELECT_DELAYS:
    case ASYNCIO_SELECT_TIMES: return false;
    case ASYNCIO_SELECT_POLLS: return one->fd < 0;
    default: return !one->object;
    }
}

int asyncio__select_deadline(const struct asyncio_select_case *one,
                             int64_t now_ns, int64_t *when_ns)
{
    double when;
    if (one->kind == ASYNCIO_SELECT_TIMES)
        return asyncio__deadline_at(one->seconds, when_ns);
    return asyncio__deadline_in(now_ns, one->seconds, &when, when_ns);
}

// --- what is wrong with it --------------------------------------------------

static int check_future(struct asyncio_future *future,
                        struct asyncio_loop *loop)
{
    if (future->loop_ && future->loop_ != loop) return -EXDEV;
    struct asyncio_task *task = asyncio__task();
    return task && future == &task->future ? -EDEADLK : 0;
}

static int check_channel(const struct asyncio_select_case *one)
{
    struct asyncio__channel *channel = asyncio__select_channel(one);
    if (asyncio__channel_elsewhere(channel, "asyncio_select")) return -EPERM;
    return channel && channel->item_size != one->size ? -EINVAL : 0;
}

int asyncio__select_check(const struct asyncio_select_case *one,
                          struct asyncio_loop *loop)
{
    int64_t when_ns;
    if (asyncio__select_disabled(one)) return 0;
    switch (one->kind) {
    case ASYNCIO_SELECT_SENDS:
    case ASYNCIO_SELECT_RECEIVES: return check_channel(one);
    case ASYNCIO_SELECT_FUTURES:
    case ASYNCIO_SELECT_TASKS:
        return check_future(asyncio__select_future(one), loop);
    case ASYNCIO_SELECT_DELAYS:
    case ASYNCIO_SELECT_TIMES:
        return asyncio__select_deadline(one, asyncio__loop_now(loop), &when_ns);
    case ASYNCIO_SELECT_POLLS: return one->events ? 0 : -EINVAL;
    default: return -EINVAL;
    }
}

// --- whether it can go ahead ------------------------------------------------

static int channel_ready(const struct asyncio_select_case *one)
{
    struct asyncio__channel *channel = asyncio__select_channel(one);
    if (!channel) return 1; // closed: it fails at once
    asyncio__channel_lock(channel);
    bool ready = one->kind == ASYNCIO_SELECT_SENDS
                     ? asyncio__channel_may_send(channel, NULL)
                     : asyncio__channel_may_receive(channel, NULL);
    asyncio__channel_unlock(channel);
    return ready;
}

// What the kernel says becomes the result, should this one be chosen.
static int descriptor_ready(struct asyncio_select_case *one)
{
    struct pollfd poll = {.fd = one->fd, .events = one->events};
    int err = asyncio__sys_poll(&poll, 1, 0);
    if (err == -EINTR) return 0; // the poller will tell
    one->result = poll.revents & POLLNVAL ? -EBADF : poll.revents;
    return err;
}

// 1, 0, or a code if that cannot be known.
static int ready(struct asyncio_select_case *one, int64_t now_ns)
{
    int64_t when_ns = ASYNCIO__NEVER;
    if (asyncio__select_disabled(one)) return 0;
    switch (one->kind) {
    case ASYNCIO_SELECT_SENDS:
    case ASYNCIO_SELECT_RECEIVES: return channel_ready(one);
    case ASYNCIO_SELECT_FUTURES:
    case ASYNCIO_SELECT_TASKS:
        return asyncio_future_done(asyncio__select_future(one));
    case ASYNCIO_SELECT_POLLS: return descriptor_ready(one);
    default:
        asyncio__select_deadline(one, now_ns, &when_ns);
        return when_ns <= now_ns;
    }
}

// --- how it goes ahead ------------------------------------------------------

// -EAGAIN: a thread was faster.
static int perform(struct asyncio_select_case *one)
{
    switch (one->kind) {
    case ASYNCIO_SELECT_SENDS:
        one->result =
            (asyncio_sender_send_nowait)(one->object, one->item, one->size);
        return one->result;
    case ASYNCIO_SELECT_RECEIVES:
        one->result =
            (asyncio_receiver_receive_nowait)(one->object,
                                              (void *)(uintptr_t)one->item,
                                              one->size);
        return one->result;
    case ASYNCIO_SELECT_FUTURES:
    case ASYNCIO_SELECT_TASKS:
        one->result = asyncio__future_outcome(asyncio__select_future(one));
        return 0;
    case ASYNCIO_SELECT_POLLS: return 0; // the result is there
    default: one->result = 0; return 0;
    }
}

// The number of one that is ready, each as likely as the others; or -EAGAIN.
static int draw(struct asyncio_select_case *cases, size_t count,
                struct asyncio_loop *loop, int64_t now_ns)
{
    int chosen = -EAGAIN;
    unsigned found = 0;
    for (size_t i = 0; i < count; i++) {
        int can = ready(&cases[i], now_ns);
        if (can < 0) return can;
        if (!can) continue;
        found++;
        if (found == 1 || asyncio__draw(&loop->dice) % found == 0)
            chosen = (int)i;
    }
    return chosen;
}

int asyncio__select_at_once(struct asyncio_select_case *cases, size_t count,
                            struct asyncio_loop *loop, int64_t now_ns)
{
    int chosen;
    do
        chosen = draw(cases, count, loop, now_ns);
    while (chosen >= 0 && perform(&cases[chosen]) == -EAGAIN);
    return chosen;
}
