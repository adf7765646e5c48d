// Select: a task with a place in many lines at once.
//
// Where no case can go ahead, the task takes a place for each (select_place.c),
// and parks until one of them is served. What that one was given is collected
// when the task runs, or returned if it is cancelled before.

#include "sync/select.h"

#include <limits.h>

#include "platform/sys.h"
#include "task/compact.h"
#include "task/future.h"

#define ROOM_MIN 4

static struct asyncio__select *room_for(struct asyncio_task *task, size_t count)
{
    struct asyncio__more *more = asyncio__task_more(task);
    struct asyncio__select *select = more ? more->select : NULL;
    if (!more || (select && select->room >= count)) return select;

    size_t room = count < ROOM_MIN ? ROOM_MIN : count, bytes;
    if (__builtin_mul_overflow(room, sizeof *select->places, &bytes) ||
        __builtin_add_overflow(bytes, sizeof *select, &bytes))
        return NULL;
    struct asyncio__select *larger = asyncio__alloc(bytes);
    if (!larger) return NULL;
    asyncio__free(select);
    larger->task = task;
    larger->room = room;
    more->select = larger;
    return larger;
}

// --- waiting ----------------------------------------------------------------

static bool return_to_channel(struct asyncio__select_place *place,
                              struct asyncio__channel *channel)
{
    bool returned = true;
    asyncio__channel_lock(channel);
    if (place->kind == ASYNCIO_SELECT_SENDS)
        returned = asyncio__channel_return_sent(channel, &place->waiter);
    else
        asyncio__channel_return_received(channel, &place->waiter);
    asyncio__channel_unlock(channel);
    return returned;
}

static bool is_of_channel(const struct asyncio__select_place *place)
{
    return place->kind == ASYNCIO_SELECT_SENDS ||
           place->kind == ASYNCIO_SELECT_RECEIVES;
}

// Returns what the chosen place was given. False: its item was received, and
// so it holds the channel no more, should that be asked again.
static bool return_chosen(struct asyncio__select_place *place)
{
    bool returned = true;
    if (is_of_channel(place) && !place->object) return false;
    if (is_of_channel(place) && place->waiter.result == 0)
        returned = return_to_channel(place, place->object);
    asyncio__select_release(place);
    return returned;
}

static bool give_back(struct asyncio_task *task)
{
    return return_chosen(&task->more->select->places[task->wait_result]);
}

// A thread has served one of the places, and we have not heard of it yet.
static void hear(struct asyncio__select *select)
{
    for (size_t i = 0; i < select->count && !select->over; i++)
        if (is_of_channel(&select->places[i]))
            asyncio__channel_tell_all(select->places[i].object);
}

// What was chosen is returned, also while the last operations end. If it was
// served but a moment ago, the request stays, and it is returned later.
static bool cancel_select(struct asyncio_task *task,
                          const struct asyncio_cancel_options *options)
{
    struct asyncio__select *select = task->more->select;
    (void)options;
    if (asyncio__select_claim(select)) {
        asyncio__select_settle(select, -ECANCELED);
        asyncio__select_wake_if_over(select);
        return true;
    }
    if (!select->over) hear(select);
    if (!asyncio__parked(task) || select->chosen < 0) return false;
    if (!return_chosen(&select->places[select->chosen])) return false;
    select->chosen = -ECANCELED;
    return true;
}

// One that was chosen and returned again is not waited for any more.
static void visit_futures(const struct asyncio_task *waiter,
                          asyncio__awaited_fn *visit, void *arg)
{
    const struct asyncio__select *select = waiter->more->select;
    for (size_t i = 0; i < select->count; i++) {
        const struct asyncio__select_place *place = &select->places[i];
        if (place->kind == ASYNCIO_SELECT_FUTURES && place->object)
            visit(place->object, arg);
    }
}

static const struct asyncio__wait_kind selecting = {
    .name = "one of several things",
    .cancel = cancel_select,
    .try_give_back = give_back,
    .each_awaited = visit_futures,
    .may_end_otherwise = true,
};

// A cancel has to wait until the poller has let go.
static bool leave_pending(struct asyncio_task *task,
                          const struct asyncio_cancel_options *options)
{
    (void)task;
    (void)options;
    return false;
}

static const struct asyncio__wait_kind letting_go = {
    .name = "descriptors to be let go of",
    .cancel = leave_pending,
    .keeps_result = true,
};

// Gives up what was begun. False: a thread has served one of the places, and
// that counts.
static bool take_back(struct asyncio__select *select)
{
    if (!asyncio__select_claim(select)) return false;
    asyncio__select_settle(select, -EAGAIN);
    if (select->polls > 0)
        asyncio_ignore(asyncio__park(&letting_go, NULL, NULL));
    return true;
}

static int collect(struct asyncio__select_place *place,
                   const struct asyncio_select_case *one)
{
    struct asyncio__channel *channel = place->object;
    int result = place->waiter.result;
    if (!channel || result < 0) return result;
    asyncio__channel_lock(channel);
    if (place->kind == ASYNCIO_SELECT_SENDS)
        asyncio__channel_keep_sent(channel, &place->waiter);
    else
        asyncio__channel_collect(channel, &place->waiter,
                                 (void *)(uintptr_t)one->item);
    asyncio__channel_unlock(channel);
    return result;
}

// What the chosen case comes to, once the task runs again.
static int outcome(struct asyncio__select_place *place,
                   const struct asyncio_select_case *one)
{
    int result = 0;
    switch (place->kind) {
    case ASYNCIO_SELECT_SENDS:
    case ASYNCIO_SELECT_RECEIVES: result = collect(place, one); break;
    case ASYNCIO_SELECT_FUTURES:
        result = asyncio__future_outcome(place->object);
        break;
    case ASYNCIO_SELECT_POLLS: result = place->op.result; break;
    default: break;
    }
    asyncio__select_release(place);
    return result;
}

static int wait(struct asyncio__select *select,
                struct asyncio_select_case *cases)
{
    int chosen = asyncio__park(&selecting, NULL, NULL);
    if (chosen < 0) return chosen;
    cases[chosen].result = outcome(&select->places[chosen], &cases[chosen]);
    return chosen;
}

static int check_all(const struct asyncio_select_case *cases, size_t count,
                     struct asyncio_loop *loop)
{
    if (count > INT_MAX || (!cases && count > 0)) return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        int err = asyncio__select_check(&cases[i], loop);
        if (err < 0) return err;
    }
    return 0;
}

int asyncio_select(struct asyncio_select_case *cases, size_t count)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    struct asyncio_loop *loop = task->future.loop_;
    int err = asyncio__refuse_compact();
    if (err == 0) err = asyncio__checkpoint();
    if (err == 0) err = check_all(cases, count, loop);
    if (err < 0) return err;

    int64_t now_ns = asyncio__loop_now(loop);
    do {
        err = asyncio__select_at_once(cases, count, loop, now_ns);
        if (err != -EAGAIN) return err;
        struct asyncio__select *select = room_for(task, count);
        if (!select) return -ENOMEM;
        err = asyncio__select_take_places(select, cases, count, now_ns);
        if (err == 0 || !take_back(select)) return wait(select, cases);
    } while (err == -EAGAIN);
    return err;
}

int asyncio_select_nowait(struct asyncio_select_case *cases, size_t count)
{
    struct asyncio_loop *loop = NULL;
    int err = asyncio__loop_find(&loop);
    if (err == 0) err = check_all(cases, count, loop);
    if (err < 0) return err;
    return asyncio__select_at_once(cases, count, loop, asyncio__loop_now(loop));
}
