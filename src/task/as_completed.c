// As completed: members that end are drawn in order of their ends.
//
// A member that ends goes to the first task that waits for one, its index being
// what the wait returns, or else into a line of its own; so nobody can take
// what another was woken for. If that one is cancelled before it runs, the
// member goes to the next task, or back to the head of the line.
//
//     pending --ends--> ended_ --next--> out        pending --ends--> out
//                                                    (somebody waited)
//
// There is one slot for each entry. Who waits has claimed one, so that as many
// tasks wait at most as outcomes will come.

#include <asyncio/as_completed.h>

#include <limits.h>

#include "platform/sys.h"
#include "task/compact.h"
#include "task/member.h"

// IDLE -> OPEN -> EXPIRED; OPEN, EXPIRED -> CLOSED; IDLE -> FAILED -> OPEN
enum iteration_state {
    ITERATION_IDLE,
    ITERATION_OPEN,
    ITERATION_EXPIRED, // the time has passed: what is pending will not come out
    ITERATION_CLOSED,
    ITERATION_FAILED, // it could not be entered: error_ says why; it may be yet
};

static struct asyncio__timer *timer_of(struct asyncio_as_completed *it)
{
    _Static_assert(sizeof(struct asyncio__timer) <= sizeof it->timer_,
                   "a timer has to fit into an iteration");
    return (struct asyncio__timer *)(void *)it->timer_;
}

static int index_of(const struct asyncio__member *member)
{
    struct asyncio_as_completed *it = member->owner;
    return (int)(member - it->members_);
}

// --- members that end -------------------------------------------------------

// Gives it to whoever waits first, or keeps it.
static void hand_out(struct asyncio__member *member)
{
    struct asyncio_as_completed *it = member->owner;
    struct asyncio_task *task = asyncio__first_waiter(&it->drawing_);
    if (task)
        asyncio__wake(task, index_of(member));
    else
        list_add_tail(&it->ended_, &member->step.link);
}

static void wake_closing(struct asyncio_as_completed *it)
{
    if (it->own_left_ > 0 || it->inside_ > 0) return;
    asyncio__wake_all(&it->closing_, 0);
}

static void count_done(struct asyncio__member *member)
{
    struct asyncio_as_completed *it = member->owner;
    it->own_left_ -= member->own;
    if (--it->left_ == 0)
        asyncio__timer_disarm(&it->loop_->timers, timer_of(it));
    if (it->state_ == ITERATION_OPEN)
        hand_out(member);
    else
        wake_closing(it);
}

static void member_ended(struct asyncio__step *step)
{
    count_done(asyncio__member_of(step));
}

static void time_is_up(struct asyncio__timer *timer)
{
    struct asyncio_as_completed *it =
        list_entry(timer, struct asyncio_as_completed, timer_);
    it->state_ = ITERATION_EXPIRED;
    asyncio__wake_all(&it->drawing_, -ETIMEDOUT);
}

// --- entering ---------------------------------------------------------------

static int check(struct asyncio_as_completed *it, enum asyncio_kind kind,
                 const void *list, size_t count)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    if (count > INT_MAX) return -EINVAL;
    if (asyncio__reaches_compact(it) || asyncio__reaches_compact(list))
        return asyncio__compact_refuse(task);
    int err = asyncio__entries_check(kind, list, count, &it->loop_);
    if (err < 0) return err;
    return asyncio__entries_contain(kind, list, count, task) ? -EDEADLK : 0;
}

// Those that are done already come first, in the order of the list.
static void watch(struct asyncio_as_completed *it)
{
    struct asyncio__member *member;
    for (size_t i = 0;
         (member = asyncio__next_member(it->members_, it->count_, &i));) {
        if (member->again) {
            asyncio__member_part(member);
            continue;
        }
        it->left_++;
        it->own_left_ += member->own;
        asyncio__member_watch(member, it->loop_);
    }
    it->slots_ = it->left_;
    for (size_t i = 0;
         (member = asyncio__next_member(it->members_, it->count_, &i));)
        if (asyncio_future_done(member->future)) count_done(member);
}

static int start(struct asyncio_as_completed *it, enum asyncio_kind kind,
                 const void *list, size_t count, double timeout,
                 const char *site)
{
    int err = check(it, kind, list, count);
    double when;
    int64_t when_ns = ASYNCIO__NEVER;
    if (err == 0 && timeout != 0)
        err = asyncio__deadline_in(asyncio__loop_now(it->loop_), timeout, &when,
                                   &when_ns);
    if (err == 0 && count > 0)
        err = asyncio__members_make(&it->members_, member_ended, it, kind, list,
                                    count, site);
    if (err < 0) return err;

    it->count_ = count;
    it->state_ = ITERATION_OPEN;
    *timer_of(it) = (struct asyncio__timer){.fire = time_is_up};
    watch(it);
    if (it->left_ > 0 && when_ns != ASYNCIO__NEVER)
        asyncio__timer_arm(&it->loop_->timers, timer_of(it), when_ns);
    return 0;
}

int(asyncio_as_completed_enter)(
    struct asyncio_as_completed *it, enum asyncio_kind kind, const void *list,
    size_t count, const struct asyncio_as_completed_options *options)
{
    if (it->state_ == ITERATION_OPEN || it->state_ == ITERATION_EXPIRED)
        return -EBUSY;
    *it = (struct asyncio_as_completed){0};
    int err = start(it, kind, list, count, options ? options->timeout : 0,
                    options ? options->site : NULL);
    if (err == 0) return 0;
    it->state_ = ITERATION_FAILED;
    it->error_ = err;
    return err;
}

// --- drawing ----------------------------------------------------------------

// A member was granted to a task that is cancelled before it ran.
static void give_back(struct asyncio_task *task)
{
    struct asyncio_as_completed *it = task->wait.object;
    struct asyncio__member *member = &it->members_[task->wait_result];
    struct asyncio_task *next = asyncio__first_waiter(&it->drawing_);
    if (next)
        asyncio__wake(next, task->wait_result);
    else
        list_add_head(&it->ended_, &member->step.link);
}

static void visit_members(const struct asyncio_task *waiter,
                          asyncio__awaited_fn *visit, void *arg)
{
    const struct asyncio_as_completed *it = waiter->wait.object;
    asyncio__members_visit(it->members_, it->count_, visit, arg);
}

static const struct asyncio__wait_kind drawing = {
    .name = "the next of a list",
    .give_back = give_back,
    .each_awaited = visit_members,
    .movable = true,
};

// In debug mode: whether its loop runs on another thread.
static bool is_elsewhere(const struct asyncio_as_completed *it,
                         const char *call)
{
    bool open = it->state_ == ITERATION_OPEN || it->state_ == ITERATION_EXPIRED;
    return open && asyncio__wrong_thread(it->loop_, call);
}

static int refuse(const struct asyncio_as_completed *it, const char *call)
{
    if (is_elsewhere(it, call)) return -EPERM;
    switch (it->state_) {
    case ITERATION_OPEN:
    case ITERATION_EXPIRED: return 0;
    case ITERATION_CLOSED: return -ESHUTDOWN;
    case ITERATION_FAILED: return it->error_;
    default: return -EINVAL;
    }
}

// The index of the next member that has ended.
static int draw(struct asyncio_as_completed *it)
{
    if (!list_empty(&it->ended_)) {
        int err = asyncio__checkpoint(); // others may draw meanwhile, or close
        if (err < 0) return err;
    }
    int err = refuse(it, __func__);
    if (err < 0) return err;
    struct asyncio_link *link = list_pop(&it->ended_);
    if (link)
        return index_of(
            asyncio__member_of(list_entry(link, struct asyncio__step, link)));
    if (it->state_ == ITERATION_EXPIRED) return -ETIMEDOUT;
    return asyncio__park(&drawing, it, &it->drawing_);
}

// Draws for a slot that was claimed, and gives that back if it was cancelled. A
// close waits until this is over.
static int draw_slot(struct asyncio_as_completed *it, int *result)
{
    it->inside_++;
    int index = draw(it);
    if (index == -ECANCELED) it->slots_++;
    if (index >= 0) {
        struct asyncio__member *member = &it->members_[index];
        if (result) *result = asyncio__future_outcome(member->future);
        asyncio__member_part(member);
    }
    it->inside_--;
    if (it->state_ == ITERATION_CLOSED) wake_closing(it);
    return index;
}

int asyncio_as_completed_next(struct asyncio_as_completed *it, int *result)
{
    int err = refuse(it, __func__);
    if (err == 0 && !asyncio__task()) err = -EPERM;
    if (err < 0) return err;
    if (it->slots_ == 0) return -ENODATA;
    it->slots_--;
    return draw_slot(it, result);
}

static int await_slot(void *arg)
{
    struct asyncio_as_completed *it = arg;
    int err = refuse(it, __func__);
    if (err < 0) return err;
    int result = 0;
    int index = draw_slot(it, &result);
    return index < 0 ? index : result;
}

int asyncio_as_completed_slot(struct asyncio_as_completed *it,
                              struct asyncio_coroutine *slot)
{
    int err = refuse(it, __func__);
    if (err < 0) return err;
    if (it->slots_ == 0) return -ENODATA;
    it->slots_--;
    *slot = ASYNCIO_COROUTINE(await_slot, it);
    return 0;
}

// --- closing ----------------------------------------------------------------

static const struct asyncio_cancel_options left_early = {
    .reason = "the iteration that made it was left",
};

static void cancel_own(struct asyncio_as_completed *it)
{
    struct asyncio__member *member;
    for (size_t i = 0;
         (member = asyncio__next_member(it->members_, it->count_, &i));)
        if (member->own) (asyncio_future_cancel)(member->future, &left_early);
}

void asyncio_as_completed_close(struct asyncio_as_completed *it)
{
    if (!it) return;
    if (it->state_ != ITERATION_OPEN && it->state_ != ITERATION_EXPIRED) return;
    if (is_elsewhere(it, __func__)) return;
    it->state_ = ITERATION_CLOSED;
    asyncio__timer_disarm(&it->loop_->timers, timer_of(it));
    asyncio__wake_all(&it->drawing_, -ESHUTDOWN);
    cancel_own(it);
    if (it->own_left_ > 0 || it->inside_ > 0)
        asyncio__members_join(it->members_, it->count_, &it->closing_);

    struct asyncio__member *member;
    for (size_t i = 0;
         (member = asyncio__next_member(it->members_, it->count_, &i));)
        asyncio__member_part(member);
    asyncio__free(it->members_);
    it->members_ = NULL;
    it->count_ = 0;
}
