// Barriers: a line of tasks that is let go when it is long enough.
//
// Each of those let go is woken with its place. Until the last of them has run,
// a reset or an abort can still make that void, so the barrier does not fill
// meanwhile: the line that then forms is of the next round.

#include <asyncio/barrier.h>

#include "base/list.h"
#include "task/park.h"

//     FILLING -> DRAINING -> FILLING; DRAINING or BROKEN -> RESETTING ->
//     FILLING any -> BROKEN; BROKEN -> FILLING if nobody is leaving
enum barrier_state {
    FILLING,   // the line is of this round, and shorter than it has parties
    DRAINING,  // it opened, and some have not left
    RESETTING, // some have not left, and will get -ESTALE
    BROKEN,    // there is no line
};

int asyncio_barrier_init(struct asyncio_barrier *barrier, int parties)
{
    *barrier = (struct asyncio_barrier){.parties_ = parties};
    return parties < 1 ? -EINVAL : 0;
}

// Lets the first `count` in line go: `code`, or their places.
static void let_go(struct asyncio_barrier *barrier, size_t count, int code)
{
    barrier->waiting_ -= count;
    for (int place = 0; (size_t)place < count; place++)
        asyncio__wake(asyncio__first_waiter(&barrier->waiters_),
                      code < 0 ? code : place);
}

// Opens the barrier for those in line, up to `count`.
static void open_for(struct asyncio_barrier *barrier, size_t count)
{
    barrier->leaving_ = count;
    barrier->state_ = count > 0 ? DRAINING : FILLING;
    let_go(barrier, count, 0);
}

// One of those let go runs, or was cancelled before it could. The last one lets
// the next round begin, which may be complete.
static void leave(struct asyncio_barrier *barrier)
{
    if (--barrier->leaving_ > 0 || barrier->state_ == BROKEN) return;
    barrier->state_ = FILLING;
    if (barrier->waiting_ >= (size_t)barrier->parties_)
        open_for(barrier, (size_t)barrier->parties_);
}

static bool cancel_wait(struct asyncio_task *task,
                        const struct asyncio_cancel_options *options)
{
    (void)options;
    struct asyncio_barrier *barrier = task->wait.object;
    barrier->waiting_--;
    asyncio__wake(task, -ECANCELED);
    return true;
}

static void give_back(struct asyncio_task *task)
{
    leave(task->wait.object);
}

static const struct asyncio__wait_kind waiting = {
    .name = "a barrier",
    .cancel = cancel_wait,
    .give_back = give_back,
    .movable = true,
};

static int wait_in_line(struct asyncio_barrier *barrier)
{
    barrier->waiting_++;
    int place = asyncio__park(&waiting, barrier, &barrier->waiters_);
    if (place == -EFAULT) barrier->waiting_--; // it did not begin
    if (place < 0) return place;
    bool stale = barrier->state_ != DRAINING;
    leave(barrier);
    return stale ? -ESTALE : place;
}

int asyncio_barrier_wait(struct asyncio_barrier *barrier)
{
    if (asyncio__waiters_elsewhere(&barrier->waiters_, __func__)) return -EPERM;
    if (!asyncio__task()) return -EPERM;
    if (barrier->parties_ < 1) return -EINVAL;
    int err = asyncio__checkpoint();
    if (err < 0) return err;
    if (barrier->state_ == BROKEN) return -ESTALE;

    size_t others = (size_t)barrier->parties_ - 1;
    if (barrier->state_ != FILLING || barrier->waiting_ < others)
        return wait_in_line(barrier);
    open_for(barrier, others);
    return (int)others;
}

void asyncio_barrier_reset(struct asyncio_barrier *barrier)
{
    if (asyncio__waiters_elsewhere(&barrier->waiters_, __func__)) return;
    if (barrier->state_ == FILLING) let_go(barrier, barrier->waiting_, -ESTALE);
    barrier->state_ = barrier->leaving_ > 0 ? RESETTING : FILLING;
}

void asyncio_barrier_abort(struct asyncio_barrier *barrier)
{
    if (asyncio__waiters_elsewhere(&barrier->waiters_, __func__)) return;
    barrier->state_ = BROKEN;
    let_go(barrier, barrier->waiting_, -ESTALE);
}

int asyncio_barrier_parties(const struct asyncio_barrier *barrier)
{
    return barrier->parties_;
}

int asyncio_barrier_n_waiting(const struct asyncio_barrier *barrier)
{
    return barrier->state_ == FILLING ? (int)barrier->waiting_ : 0;
}

bool asyncio_barrier_broken(const struct asyncio_barrier *barrier)
{
    return barrier->state_ == BROKEN;
}
