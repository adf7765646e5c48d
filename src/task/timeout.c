// Time limits: a timer that cancels the task, and a scope that knows that it
// did.
//
// The scopes of a task form a chain, innermost first, so that asyncio_wait_for
// finds the one that it opened. A scope remembers how many cancel requests the
// task had on entry: if, its own taken back, there are no more, the -ECANCELED
// was its own and becomes -ETIMEDOUT.
//
// A limit in the frames of a compact task has a twin on the heap while it is
// entered: that is in the chain and on the wheel, and the one in the frames
// says where it is. Leaving brings the outcome back and frees it.

#include <asyncio/timeout.h>

#include "platform/sys.h"
#include "task/compact.h"
#include "task/future.h"
#include "task/park.h"
#include "task/run.h"
#include "task/scope.h"

// IDLE -> ACTIVE -> EXPIRING -> EXPIRED; ACTIVE -> LEFT; IDLE <-> FAILED
enum timeout_state {
    TIMEOUT_IDLE,
    TIMEOUT_ACTIVE,
    TIMEOUT_EXPIRING, // the task was cancelled and has not left yet
    TIMEOUT_DOUBLED,  // its twin, outer_, was entered in its place
    TIMEOUT_EXPIRED,
    TIMEOUT_LEFT,
    TIMEOUT_FAILED, // it could not be entered: error_ says why; it may be yet
};

enum timeout_flags {
    TIMEOUT_PENDING = 1, // a request was undelivered when it was entered
    TIMEOUT_IS_TWIN = 2,
};

struct twin {
    struct asyncio_timeout limit;
    struct asyncio_timeout *frame; // what it stands for; its task alone looks
};

static struct asyncio__timer *timer_of(struct asyncio_timeout *limit)
{
    _Static_assert(sizeof(struct asyncio__timer) <= sizeof limit->timer_,
                   "a timer has to fit into a timeout");
    return (struct asyncio__timer *)(void *)limit->timer_;
}

static const struct asyncio_cancel_options because_time_is_up = {
    .reason = "its time limit passed",
};

static void time_is_up(struct asyncio__timer *timer)
{
    struct asyncio_timeout *limit =
        list_entry(timer, struct asyncio_timeout, timer_);
    limit->state_ = TIMEOUT_EXPIRING;
    (asyncio_task_cancel)(limit->task_, &because_time_is_up);
}

static struct asyncio__timers *timers_of(struct asyncio_timeout *limit)
{
    return &limit->task_->future.loop_->timers;
}

// Itself, or its twin.
static inline struct asyncio_timeout *acting(struct asyncio_timeout *limit)
{
    return limit->state_ == TIMEOUT_DOUBLED ? limit->outer_ : limit;
}

static void arm(struct asyncio_timeout *limit, double when, int64_t when_ns);

// Most limits are left before they need a deadline, see loop/timer.h.
static void clock_read(struct asyncio__timer *timer)
{
    struct asyncio_timeout *limit =
        list_entry(timer, struct asyncio_timeout, timer_);
    int64_t begin_ns =
        asyncio__timer_begin_ns(timers_of(limit), limit->tick_ns_);
    int64_t when_ns;
    double when;
    asyncio__deadline_in(begin_ns, limit->when_, &when, &when_ns);
    arm(limit, when, when_ns);
}

// `when_` is then how long it is to last.
static bool lacks_deadline(const struct asyncio_timeout *limit)
{
    const struct asyncio__timer *timer = (const void *)limit->timer_;
    return timer->fire == clock_read;
}

static void arm(struct asyncio_timeout *limit, double when, int64_t when_ns)
{
    limit->when_ = when;
    struct asyncio__timer *timer = timer_of(limit);
    *timer = (struct asyncio__timer){.fire = time_is_up};
    if (when_ns != ASYNCIO__NEVER)
        asyncio__timer_arm(timers_of(limit), timer, when_ns);
}

static inline int may_enter(const struct asyncio_timeout *limit)
{
    switch (limit->state_) {
    case TIMEOUT_IDLE:
    case TIMEOUT_FAILED: return asyncio__task() ? 0 : -EPERM;
    case TIMEOUT_ACTIVE:
    case TIMEOUT_EXPIRING:
    case TIMEOUT_DOUBLED: return -EBUSY;
    default: return -EALREADY;
    }
}

static inline void enter(struct asyncio_timeout *limit,
                         struct asyncio_task *task)
{
    limit->task_ = task;
    limit->outer_ = task->limit;
    limit->cancelling_ = task->future.cancelling_;
    limit->flags_ = task->must_cancel; // TIMEOUT_PENDING
    limit->state_ = TIMEOUT_ACTIVE;
    limit->error_ = 0;
    task->limit = limit;
    asyncio__task_set_more(task);
}

static int fail_to_enter(struct asyncio_timeout *limit, int err)
{
    limit->state_ = TIMEOUT_FAILED;
    limit->error_ = err;
    return err;
}

static int enter_twin(struct asyncio_timeout *limit, double when,
                      int64_t when_ns)
{
    struct twin *twin = asyncio__alloc(sizeof *twin);
    if (!twin) return fail_to_enter(limit, -ENOMEM);
    twin->frame = limit;
    limit->state_ = TIMEOUT_DOUBLED;
    limit->outer_ = &twin->limit;
    enter(&twin->limit, asyncio__task());
    twin->limit.flags_ |= TIMEOUT_IS_TWIN;
    arm(&twin->limit, when, when_ns);
    return 0;
}

static int enter_until(struct asyncio_timeout *limit, double when,
                       int64_t when_ns, int err)
{
    if (err < 0) return fail_to_enter(limit, err);
    if (asyncio__reaches_compact(limit))
        return enter_twin(limit, when, when_ns);
    enter(limit, asyncio__task());
    arm(limit, when, when_ns);
    return 0;
}

static int enter_exactly(struct asyncio_timeout *limit, double seconds)
{
    int err = may_enter(limit);
    if (err == -EBUSY || err == -EALREADY) return err;
    double when = 0;
    int64_t when_ns = 0;
    if (err == 0)
        err = asyncio__deadline_in(asyncio__loop_now(asyncio__running_loop),
                                   seconds, &when, &when_ns);
    return enter_until(limit, when, when_ns, err);
}

int asyncio_timeout_enter(struct asyncio_timeout *limit, double seconds)
{
    struct asyncio_task *task = asyncio__task();
    if (!task || limit->state_ != TIMEOUT_IDLE ||
        !asyncio__loop_may_wait(task->future.loop_, seconds))
        return enter_exactly(limit, seconds);
    struct asyncio__timers *timers = &task->future.loop_->timers;
    enter(limit, task);
    limit->when_ = seconds;
    limit->tick_ns_ = asyncio__timer_tick_ns(timers);
    timer_of(limit)->fire = clock_read;
    asyncio__timer_arm_waiting(timers, timer_of(limit));
    return 0;
}

int asyncio_timeout_enter_at(struct asyncio_timeout *limit, double when)
{
    int err = may_enter(limit);
    if (err == -EBUSY || err == -EALREADY) return err;
    int64_t when_ns = 0;
    if (err == 0) err = asyncio__deadline_at(when, &when_ns);
    return enter_until(limit, when, when_ns, err);
}

static bool is_open(const struct asyncio_timeout *limit)
{
    return limit->state_ == TIMEOUT_ACTIVE || limit->state_ == TIMEOUT_EXPIRING;
}

// In debug mode: whether an active scope is of a loop on another thread.
static bool is_elsewhere(const struct asyncio_timeout *limit, const char *call)
{
    return asyncio__debug_somewhere() && is_open(limit) &&
           asyncio__future_elsewhere(&limit->task_->future, call);
}

// Brings the outcome of a twin that was left to where it is looked for.
static void bring_back(struct asyncio_timeout *limit)
{
    struct twin *twin = list_entry(limit, struct twin, limit);
    *twin->frame = *limit;
    twin->frame->flags_ = 0;
    asyncio__free(twin);
}

// Takes the scope out of its task's chain. True if it had cancelled the task
// and nobody else has since. A twin is gone then.
static bool leave(struct asyncio_timeout *limit)
{
    struct asyncio_timeout **place = &limit->task_->limit;
    while (*place && *place != limit)
        place = &(*place)->outer_;
    if (*place) *place = limit->outer_;

    bool expiring = limit->state_ == TIMEOUT_EXPIRING;
    asyncio__timer_disarm_soon(timers_of(limit), timer_of(limit));
    limit->state_ = expiring ? TIMEOUT_EXPIRED : TIMEOUT_LEFT;
    bool own =
        expiring && asyncio__withdraw_cancel(limit->task_, limit->cancelling_,
                                             limit->flags_ & TIMEOUT_PENDING);
    if (limit->flags_ & TIMEOUT_IS_TWIN) bring_back(limit);
    return own;
}

void asyncio__limits_drop(struct asyncio_task *task)
{
    struct asyncio_timeout *limit = task->limit, *outer;
    for (; limit; limit = outer) {
        outer = limit->outer_;
        if (!(limit->flags_ & TIMEOUT_IS_TWIN)) continue;
        asyncio__timer_disarm(timers_of(limit), timer_of(limit));
        asyncio__free(list_entry(limit, struct twin, limit));
    }
    task->limit = NULL;
}

// True if a cancel scope was entered inside and not left.
static bool holds_scope(const struct asyncio_timeout *limit)
{
    const struct asyncio_cancel_scope *scope = limit->task_->scope;
    return scope && scope->task_ == limit->task_ && scope->limit_ == limit;
}

// The limit itself has no words.
static int too_late(void)
{
    asyncio__failure_see_code(-ETIMEDOUT, NULL);
    return -ETIMEDOUT;
}

static int exit_with(struct asyncio_timeout *limit, int body)
{
    struct asyncio_task *task = limit->task_;
    // A cancelled scope around it wants the task to end, too.
    bool own = leave(limit) && !task->scope_cancelled;
    return own && body == -ECANCELED ? too_late() : body;
}

static int exit_otherwise(struct asyncio_timeout *limit, int body)
{
    if (limit->state_ == TIMEOUT_FAILED) return limit->error_;
    limit = acting(limit);
    if (is_elsewhere(limit, "asyncio_timeout_exit")) return -EPERM;
    struct asyncio_task *task = asyncio__task();
    if (!is_open(limit) || limit->task_ != task || task->limit != limit ||
        holds_scope(limit))
        return -EINVAL;
    return exit_with(limit, body);
}

// Mostly the innermost limit of the task that runs is left, in time, and there
// is no scope.
int asyncio_timeout_exit(struct asyncio_timeout *limit, int body)
{
    struct asyncio_task *task = asyncio__task();
    if (!task || task->limit != limit || task->scope ||
        limit->state_ != TIMEOUT_ACTIVE)
        return exit_otherwise(limit, body);
    task->limit = limit->outer_;
    asyncio__timer_disarm_soon(timers_of(limit), timer_of(limit));
    limit->state_ = TIMEOUT_LEFT;
    return body;
}

ASYNCIO__COLD static void close_entered(struct asyncio_timeout *limit)
{
    limit = acting(limit);
    if (!is_elsewhere(limit, "asyncio_timeout_close")) leave(limit);
}

// Mostly it was left.
void asyncio_timeout_close(struct asyncio_timeout *limit)
{
    if (!limit) return;
    bool entered =
        limit->state_ >= TIMEOUT_ACTIVE && limit->state_ <= TIMEOUT_DOUBLED;
    if (entered) close_entered(limit);
}

int asyncio_timeout_reschedule(struct asyncio_timeout *limit, double when)
{
    int64_t when_ns;
    int err = asyncio__deadline_at(when, &when_ns);
    if (err < 0) return err;
    limit = acting(limit);
    if (limit->state_ != TIMEOUT_ACTIVE) return -EINVAL;
    if (is_elsewhere(limit, __func__)) return -EPERM;
    asyncio__timer_disarm(timers_of(limit), timer_of(limit));
    arm(limit, when, when_ns);
    return 0;
}

double asyncio_timeout_when(const struct asyncio_timeout *limit)
{
    if (limit->state_ == TIMEOUT_IDLE || limit->state_ == TIMEOUT_FAILED)
        return ASYNCIO_FOREVER;
    if (limit->state_ == TIMEOUT_DOUBLED) return limit->outer_->when_;
    if (!lacks_deadline(limit)) return limit->when_;
    if (is_open(limit)) {
        (void)asyncio__loop_now(limit->task_->future.loop_);
        return limit->when_;
    }
    // It was left before it had one: this is when it would have ended at last.
    return (double)asyncio__timer_latest_begin_ns(limit->tick_ns_) / 1e9 +
           limit->when_;
}

bool asyncio_timeout_expired(const struct asyncio_timeout *limit)
{
    if (limit->state_ == TIMEOUT_DOUBLED) limit = limit->outer_;
    return limit->state_ == TIMEOUT_EXPIRING ||
           limit->state_ == TIMEOUT_EXPIRED;
}

// --- asyncio_wait_for -------------------------------------------------------

// Why the last call was not made. The macro asks for it right away.
static _Thread_local int refused;

bool asyncio__limit_enter(struct asyncio_timeout *limit, double seconds,
                          bool is_call)
{
    struct asyncio_task *task = asyncio__task();
    refused = is_call && seconds <= 0 ? -ETIMEDOUT : 0;
    if (refused < 0 && !task) refused = -EPERM;
    if (refused < 0 && task && task->scope_cancelled)
        refused = asyncio__begin_movable_await(task);
    if (refused == 0) refused = asyncio_timeout_enter(limit, seconds);
    limit = acting(limit);
    // An awaitable with no time left is treated on its own below.
    if (refused == 0 && seconds <= 0)
        asyncio__timer_disarm(timers_of(limit), timer_of(limit));
    limit->error_ = refused == 0 && seconds <= 0 ? -ETIMEDOUT : 0;
    return refused == 0;
}

int asyncio__limit_refused(void)
{
    return refused == -ETIMEDOUT ? too_late() : refused;
}

int asyncio__limit_exit(int code)
{
    return exit_with(asyncio__task()->limit, code);
}

// True if the limit left no time to begin with.
static bool none_left(void)
{
    return asyncio__task()->limit->error_ == -ETIMEDOUT;
}

// No time was given: what is done is taken, what is not is cancelled and its
// end waited for.
static int cancel_and_wait(struct asyncio_future *future)
{
    struct asyncio_task *task = asyncio__task();
    if (task->scope_cancelled) return asyncio_await_future(future);
    if (asyncio_future_done(future)) return asyncio__future_outcome(future);
    int cancelling = task->future.cancelling_;
    bool cancelled = task->must_cancel;
    asyncio__future_cancel_awaited(future, &because_time_is_up);
    int code = asyncio_await_future(future);
    cancelled |= task->future.cancelling_ > cancelling;
    cancelled |= task->scope_cancelled;
    return code == -ECANCELED && !cancelled ? too_late() : code;
}

int asyncio__limit_future(struct asyncio_future *future)
{
    if (!future) return asyncio__limit_exit(-EINVAL);
    if (none_left()) return asyncio__limit_exit(cancel_and_wait(future));
    return asyncio__limit_exit(asyncio_await_future(future));
}

int asyncio__limit_task(struct asyncio_task *task)
{
    return asyncio__limit_future(asyncio_task_future(task));
}

int asyncio__limit_coroutine(struct asyncio_coroutine *coroutine)
{
    if (!coroutine || !none_left())
        return asyncio__limit_exit(asyncio_await_coroutine(coroutine));
    int code = coroutine->state_ == ASYNCIO__COROUTINE_UNUSED ? -ETIMEDOUT
               : coroutine->state_ == ASYNCIO__COROUTINE_USED ? -EALREADY
                                                              : -EBUSY;
    if (code == -ETIMEDOUT && asyncio__task()->scope_cancelled)
        code = asyncio__begin_movable_await(asyncio__task());
    if (code == -ETIMEDOUT || code == -ECANCELED)
        coroutine->state_ = ASYNCIO__COROUTINE_USED;
    if (code == -ETIMEDOUT) code = too_late();
    return asyncio__limit_exit(code);
}
