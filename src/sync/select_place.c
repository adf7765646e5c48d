// The places of a select: how each is taken, served and given up.
//
// The first that is served is claimed for all of them, by whoever serves it;
// the others are given up before anybody else runs, so that nobody serves a
// task that does not listen any more. Only the poller does not let go at once:
// the task is woken when the last of its operations has ended.

#include "sync/select.h"
#include "task/future.h"

bool asyncio__select_claim(struct asyncio__select *select)
{
    return !atomic_exchange(&select->claimed, true);
}

// --- giving places up -------------------------------------------------------

// Lets go of what a place holds; it is in no line any more.
void asyncio__select_release(struct asyncio__select_place *place)
{
    void *object = place->object;
    place->object = NULL;
    if (!object) return;
    if (place->kind == ASYNCIO_SELECT_FUTURES)
        asyncio_task_release(asyncio__future_task(object));
    else
        asyncio__channel_unref(object);
}

static void leave_channel(struct asyncio__select_place *place)
{
    struct asyncio__channel *channel = place->object;
    asyncio__channel_lock(channel);
    asyncio__channel_leave(channel, &place->waiter);
    asyncio__channel_unlock(channel);
}

static void give_up(struct asyncio__select_place *place)
{
    struct asyncio__select *select = place->select;
    struct asyncio_loop *loop = select->task->future.loop_;
    switch (place->kind) {
    case ASYNCIO_SELECT_SENDS:
    case ASYNCIO_SELECT_RECEIVES: leave_channel(place); break;
    case ASYNCIO_SELECT_FUTURES:
        if (list_linked(&place->step.link)) list_remove(&place->step.link);
        break;
    case ASYNCIO_SELECT_DELAYS:
        asyncio__timer_disarm(&loop->timers, &place->timer);
        break;
    case ASYNCIO_SELECT_POLLS:
        asyncio__poller_cancel(loop->poller, &place->op);
        break;
    default: break;
    }
    asyncio__select_release(place);
    place->kind = ASYNCIO_SELECT_NOTHING;
}

// The select was claimed, and this is what comes of it.
void asyncio__select_settle(struct asyncio__select *select, int chosen)
{
    select->chosen = chosen;
    select->over = true;
    for (size_t i = 0; i < select->count; i++)
        if (chosen < 0 || i != (size_t)chosen) give_up(&select->places[i]);
}

void asyncio__select_wake_if_over(struct asyncio__select *select)
{
    if (select->over && select->polls == 0)
        asyncio__wake(select->task, select->chosen);
}

static void choose(struct asyncio__select_place *place)
{
    struct asyncio__select *select = place->select;
    asyncio__select_settle(select, (int)(place - select->places));
}

// --- being served -----------------------------------------------------------

// A channel claims before it tells.
static void told(struct asyncio__waiter *waiter, int result)
{
    struct asyncio__select_place *place =
        list_entry(waiter, struct asyncio__select_place, waiter);
    (void)result;
    choose(place);
    asyncio__select_wake_if_over(place->select);
}

static void future_done(struct asyncio__step *step)
{
    struct asyncio__select_place *place =
        list_entry(step, struct asyncio__select_place, step);
    if (!asyncio__select_claim(place->select)) return;
    choose(place);
    asyncio__select_wake_if_over(place->select);
}

static void time_up(struct asyncio__timer *timer)
{
    struct asyncio__select_place *place =
        list_entry(timer, struct asyncio__select_place, timer);
    if (!asyncio__select_claim(place->select)) return;
    choose(place);
    asyncio__select_wake_if_over(place->select);
}

static void polled(struct asyncio__op *op)
{
    struct asyncio__select_place *place =
        list_entry(op, struct asyncio__select_place, op);
    struct asyncio__select *select = place->select;
    select->polls--;
    if (asyncio__select_claim(select)) choose(place);
    asyncio__select_wake_if_over(select);
}

// --- taking places ----------------------------------------------------------

// -EAGAIN: a thread has changed the channel since it was looked at.
static int join_channel(struct asyncio__select_place *place,
                        const struct asyncio_select_case *one)
{
    struct asyncio__channel *channel = asyncio__select_channel(one);
    const _Atomic(bool) *mark = &place->select->claimed;
    bool sends = one->kind == ASYNCIO_SELECT_SENDS;
    int err = -EAGAIN;

    place->waiter = (struct asyncio__waiter){
        .tell = told,
        .claimed = &place->select->claimed,
        .loop = place->select->task->future.loop_,
    };
    asyncio__channel_lock(channel);
    if (sends && !asyncio__channel_may_send(channel, mark)) {
        struct asyncio_sender *end = one->object;
        asyncio__channel_join_senders(channel, &place->waiter, end->number_,
                                      one->item);
        err = 0;
    } else if (!sends && !asyncio__channel_may_receive(channel, mark)) {
        struct asyncio_receiver *end = one->object;
        err = asyncio__channel_join_receivers(channel, &place->waiter,
                                              end->number_);
    }
    asyncio__channel_unlock_joined(channel);
    place->object = channel;
    return err;
}

static int join_future(struct asyncio__select_place *place,
                       struct asyncio_future *future)
{
    int err = asyncio__future_bind(future);
    if (err < 0) return err;
    struct asyncio_task *task = asyncio__future_task(future);
    if (task) asyncio_task_retain(task);
    place->step = (struct asyncio__step){.run = future_done};
    place->object = future;
    list_add_tail(&future->waiters_, &place->step.link);
    return 0;
}

static int arm_timer(struct asyncio__select_place *place,
                     const struct asyncio_select_case *one, int64_t now_ns)
{
    struct asyncio_loop *loop = place->select->task->future.loop_;
    int64_t when_ns;
    int err = asyncio__select_deadline(one, now_ns, &when_ns);
    if (err < 0) return err;
    place->timer = (struct asyncio__timer){.fire = time_up};
    if (when_ns != ASYNCIO__NEVER)
        asyncio__timer_arm(&loop->timers, &place->timer, when_ns);
    return 0;
}

static int submit_poll(struct asyncio__select_place *place,
                       const struct asyncio_select_case *one)
{
    struct asyncio__select *select = place->select;
    place->op = (struct asyncio__op){
        .code = ASYNCIO__OP_POLL,
        .fd = one->fd,
        .events = (uint16_t)one->events,
        .done = polled,
    };
    int err =
        asyncio__poller_submit(select->task->future.loop_->poller, &place->op);
    if (err == 0) select->polls++;
    return err == -EAGAIN ? -ENOMEM : err; // the former would mean: look again
}

static int take_place(struct asyncio__select_place *place,
                      const struct asyncio_select_case *one, int64_t now_ns)
{
    int err = 0;
    enum asyncio_select_kind kind = one->kind;
    place->kind = ASYNCIO_SELECT_NOTHING;
    place->object = NULL;
    if (asyncio__select_disabled(one)) return 0;
    switch (kind) {
    case ASYNCIO_SELECT_SENDS:
    case ASYNCIO_SELECT_RECEIVES: err = join_channel(place, one); break;
    case ASYNCIO_SELECT_FUTURES:
    case ASYNCIO_SELECT_TASKS:
        kind = ASYNCIO_SELECT_FUTURES;
        err = join_future(place, asyncio__select_future(one));
        break;
    case ASYNCIO_SELECT_POLLS: err = submit_poll(place, one); break;
    default:
        kind = ASYNCIO_SELECT_DELAYS;
        err = arm_timer(place, one, now_ns);
        break;
    }
    if (err == 0) place->kind = kind;
    return err;
}

// Takes a place for each case, as far as that goes.
int asyncio__select_take_places(struct asyncio__select *select,
                                const struct asyncio_select_case *cases,
                                size_t count, int64_t now_ns)
{
    atomic_store(&select->claimed, false);
    select->over = false;
    select->polls = 0;
    for (select->count = 0; select->count < count; select->count++) {
        struct asyncio__select_place *place = &select->places[select->count];
        place->select = select;
        int err = take_place(place, &cases[select->count], now_ns);
        if (err < 0) return err;
    }
    return 0;
}
