// Cancel scopes, as users hold them: entering, leaving, deadlines.
//
// What a scope does to the tasks inside is scope_tree.c. A scope counts no
// cancel requests of its own into the task; so when it is left, it knows by the
// task's count whether somebody else wants the task to end too, and then the
// -ECANCELED is not its own to absorb.
//
// A scope in the frames of a compact task has a twin on the heap while it is
// open: that is in the tree and on the wheel, and the one in the frames says
// where it is. Leaving brings the outcome back and frees it.

#include "task/scope.h"

#include "platform/sys.h"
#include "task/compact.h"
#include "task/park.h"

// IDLE -> OPEN -> LEFT; IDLE <-> FAILED -> OPEN
enum scope_state {
    SCOPE_IDLE,
    SCOPE_OPEN,
    SCOPE_LEFT,
    SCOPE_FAILED,  // it could not be entered: error_ says why; it may be yet
    SCOPE_DOUBLED, // its twin, parent_, is open in its place
};

struct twin {
    struct asyncio_cancel_scope scope;
    struct asyncio_cancel_scope *frame; // what it stands for; its task alone
                                        // looks there
};

static bool has(const struct asyncio_cancel_scope *scope, int flag)
{
    return asyncio__scope_has(scope, flag);
}

static struct asyncio__timer *timer_of(struct asyncio_cancel_scope *scope)
{
    _Static_assert(sizeof(struct asyncio__timer) <= sizeof scope->timer_,
                   "a timer has to fit into a scope");
    return (struct asyncio__timer *)(void *)scope->timer_;
}

// Itself, or its twin.
static struct asyncio_cancel_scope *acting(struct asyncio_cancel_scope *scope)
{
    return scope->state_ == SCOPE_DOUBLED ? scope->parent_ : scope;
}

static struct asyncio_loop *loop_of(const struct asyncio_cancel_scope *scope)
{
    return scope->task_->future.loop_;
}

// In debug mode: whether its task's loop runs on another thread; then that was
// reported.
static bool is_elsewhere(const struct asyncio_cancel_scope *scope,
                         const char *call)
{
    return scope->state_ == SCOPE_OPEN &&
           asyncio__wrong_thread(loop_of(scope), call);
}

static void disarm(struct asyncio_cancel_scope *scope)
{
    if (scope->task_)
        asyncio__timer_disarm(&loop_of(scope)->timers, timer_of(scope));
}

// --- cancelling -------------------------------------------------------------

void(asyncio_cancel_scope_cancel)(struct asyncio_cancel_scope *scope,
                                  const struct asyncio_cancel_options *options)
{
    scope = acting(scope);
    if (has(scope, ASYNCIO__SCOPE_CANCELLED) || scope->state_ == SCOPE_LEFT)
        return;
    if (is_elsewhere(scope, __func__)) return;
    scope->flags_ |= ASYNCIO__SCOPE_CANCELLED;
    scope->words_ = asyncio__failure_of_cancel(options);
    disarm(scope);
    if (scope->state_ == SCOPE_OPEN) asyncio__scope_changed(scope);
}

static void time_is_up(struct asyncio__timer *timer)
{
    struct asyncio_cancel_scope *scope =
        list_entry(timer, struct asyncio_cancel_scope, timer_);
    scope->flags_ |= ASYNCIO__SCOPE_EXPIRED;
    (asyncio_cancel_scope_cancel)(scope, &(struct asyncio_cancel_options){
                                             .reason = "its deadline passed"});
}

// Arms the timer of an open scope, or lets it expire now.
static void arm(struct asyncio_cancel_scope *scope)
{
    int64_t when_ns;
    disarm(scope);
    if (!has(scope, ASYNCIO__SCOPE_DEADLINE) ||
        has(scope, ASYNCIO__SCOPE_CANCELLED) ||
        asyncio__deadline_at(scope->deadline_, &when_ns) < 0 ||
        when_ns == ASYNCIO__NEVER)
        return;
    struct asyncio__timer *timer = timer_of(scope);
    *timer = (struct asyncio__timer){.when_ns = when_ns, .fire = time_is_up};
    if (when_ns <= asyncio__loop_now(loop_of(scope)))
        time_is_up(timer);
    else
        asyncio__timer_arm(&loop_of(scope)->timers, timer, when_ns);
}

// --- entering ---------------------------------------------------------------

static int fail_to_enter(struct asyncio_cancel_scope *scope, int err)
{
    scope->state_ = SCOPE_FAILED;
    scope->error_ = err;
    return err;
}

static void open_scope(struct asyncio_cancel_scope *scope,
                       struct asyncio_task *task,
                       const struct asyncio_cancel_scope_options *options)
{
    if (options && options->shield) scope->flags_ |= ASYNCIO__SCOPE_SHIELD;
    scope->state_ = SCOPE_OPEN;
    // A request that is undelivered will be, inside: it counts as one that came
    // from elsewhere.
    scope->cancelling_ = task->future.cancelling_ - task->must_cancel;
    scope->limit_ = task->limit;
    asyncio__scope_push(scope, task);
    arm(scope);
}

static int open_twin(struct asyncio_cancel_scope *scope,
                     struct asyncio_task *task,
                     const struct asyncio_cancel_scope_options *options)
{
    struct twin *twin = asyncio__alloc(sizeof *twin);
    if (!twin) return fail_to_enter(scope, -ENOMEM);
    *twin = (struct twin){.scope = *scope, .frame = scope};
    twin->scope.flags_ |= ASYNCIO__SCOPE_IS_TWIN;
    scope->state_ = SCOPE_DOUBLED;
    scope->parent_ = &twin->scope;
    scope->words_ = NULL; // they are the twin's now
    open_scope(&twin->scope, task, options);
    return 0;
}

static int may_enter(const struct asyncio_cancel_scope *scope)
{
    if (scope->state_ == SCOPE_OPEN || scope->state_ == SCOPE_DOUBLED)
        return -EBUSY;
    return scope->state_ == SCOPE_LEFT ? -EALREADY : 0;
}

int(asyncio_cancel_scope_enter)(
    struct asyncio_cancel_scope *scope,
    const struct asyncio_cancel_scope_options *options)
{
    int err = may_enter(scope);
    if (err < 0) return err;
    struct asyncio_task *task = asyncio__task();
    if (!task) return fail_to_enter(scope, -EPERM);
    if (asyncio__reaches_compact(scope)) return open_twin(scope, task, options);
    open_scope(scope, task, options);
    return 0;
}

static int enter_at(struct asyncio_cancel_scope *scope, double when, int flags,
                    const struct asyncio_cancel_scope_options *options)
{
    int err = may_enter(scope);
    if (err < 0) return err;
    int64_t when_ns;
    err = asyncio__task() ? asyncio__deadline_at(when, &when_ns) : -EPERM;
    if (err < 0) return fail_to_enter(scope, err);
    scope->flags_ |= ASYNCIO__SCOPE_DEADLINE | flags;
    scope->deadline_ = when;
    return (asyncio_cancel_scope_enter)(scope, options);
}

// What is 0 or less is now.
static double time_after(double seconds)
{
    return asyncio_time() + (seconds <= 0 ? 0 : seconds);
}

int(asyncio_move_on_after)(struct asyncio_cancel_scope *scope, double seconds,
                           const struct asyncio_cancel_scope_options *options)
{
    return enter_at(scope, time_after(seconds), 0, options);
}

int(asyncio_move_on_at)(struct asyncio_cancel_scope *scope, double when,
                        const struct asyncio_cancel_scope_options *options)
{
    return enter_at(scope, when, 0, options);
}

int(asyncio_fail_after)(struct asyncio_cancel_scope *scope, double seconds,
                        const struct asyncio_cancel_scope_options *options)
{
    return enter_at(scope, time_after(seconds), ASYNCIO__SCOPE_FAIL, options);
}

int(asyncio_fail_at)(struct asyncio_cancel_scope *scope, double when,
                     const struct asyncio_cancel_scope_options *options)
{
    return enter_at(scope, when, ASYNCIO__SCOPE_FAIL, options);
}

// --- leaving ----------------------------------------------------------------

static void forget(struct asyncio_cancel_scope *scope)
{
    disarm(scope);
    asyncio__failure_unref(scope->words_);
    scope->words_ = NULL;
    scope->state_ = SCOPE_LEFT;
    scope->task_ = NULL;
}

static struct twin *twin_of(struct asyncio_cancel_scope *scope)
{
    return has(scope, ASYNCIO__SCOPE_IS_TWIN)
               ? list_entry(scope, struct twin, scope)
               : NULL;
}

void asyncio__scope_drop(struct asyncio_cancel_scope *scope)
{
    forget(scope);
    asyncio__free(twin_of(scope));
}

// A twin is gone then, and the outcome where it is looked for.
static void leave(struct asyncio_cancel_scope *scope)
{
    struct twin *twin = twin_of(scope);
    asyncio__scope_pop(scope);
    forget(scope);
    if (!twin) return;
    *twin->frame = *scope;
    twin->frame->flags_ &= ~ASYNCIO__SCOPE_IS_TWIN;
    asyncio__free(twin);
}

// Says whether a -ECANCELED on its way out ends here.
static bool absorbs(const struct asyncio_cancel_scope *scope)
{
    if (!has(scope, ASYNCIO__SCOPE_CANCELLED)) return false;
    bool reaches_in = !has(scope, ASYNCIO__SCOPE_SHIELD) &&
                      asyncio__scope_in_force(scope->parent_);
    if (reaches_in) return false;
    struct asyncio_task *task = scope->task_;
    if (task->future.cancelling_ <= scope->cancelling_) return true;
    // Somebody cancelled the task as well, and this is how it hears of it.
    if (task->must_cancel) asyncio__take_cancel(task);
    return false;
}

// True if a time limit was entered inside and not left.
static bool holds_limit(const struct asyncio_cancel_scope *scope)
{
    const struct asyncio_timeout *innermost = scope->task_->limit;
    const struct asyncio_timeout *limit = innermost;
    while (limit && limit != scope->limit_)
        limit = limit->outer_;
    return limit == scope->limit_ && limit != innermost;
}

static bool is_innermost(const struct asyncio_cancel_scope *scope)
{
    return scope->task_->scope == scope && list_empty(&scope->groups_) &&
           !holds_limit(scope);
}

int asyncio_cancel_scope_exit(struct asyncio_cancel_scope *scope, int body)
{
    struct asyncio_cancel_scope *open = acting(scope);
    if (open->state_ == SCOPE_FAILED) return open->error_;
    if (open->state_ != SCOPE_OPEN) return -EINVAL;
    if (is_elsewhere(open, __func__)) return -EPERM;
    if (open->task_ != asyncio__task()) return -EPERM;
    if (!is_innermost(open)) return -EINVAL;

    bool caught = body == -ECANCELED && absorbs(open);
    leave(open);
    if (!caught) return body;
    scope->flags_ |= ASYNCIO__SCOPE_CAUGHT;
    bool late =
        has(scope, ASYNCIO__SCOPE_FAIL) && has(scope, ASYNCIO__SCOPE_EXPIRED);
    if (!late) return 0;
    asyncio__failure_see_code(-ETIMEDOUT, NULL);
    return -ETIMEDOUT;
}

void asyncio_cancel_scope_close(struct asyncio_cancel_scope *scope)
{
    if (!scope) return;
    scope = acting(scope);
    if (is_elsewhere(scope, __func__)) return;
    if (scope->state_ == SCOPE_OPEN) {
        if (scope->task_ == asyncio__task()) leave(scope);
        return;
    }
    asyncio__failure_unref(scope->words_);
    scope->words_ = NULL;
}

// --- asking and changing ----------------------------------------------------

// True if its deadline has passed and nobody has noticed: the task was busy, or
// has not entered it yet.
static bool is_late(const struct asyncio_cancel_scope *scope)
{
    if (has(scope, ASYNCIO__SCOPE_CANCELLED)) return false;
    if (!has(scope, ASYNCIO__SCOPE_DEADLINE)) return false;
    if (scope->state_ == SCOPE_LEFT) return false;

    int64_t when_ns;
    struct asyncio_loop *loop =
        scope->state_ == SCOPE_OPEN ? loop_of(scope) : asyncio_get_event_loop();
    if (!loop || asyncio__deadline_at(scope->deadline_, &when_ns) < 0)
        return false;
    return when_ns <= asyncio__loop_now(loop);
}

bool asyncio_cancel_scope_cancelled(struct asyncio_cancel_scope *scope)
{
    scope = acting(scope);
    if (is_late(scope)) time_is_up(timer_of(scope));
    return has(scope, ASYNCIO__SCOPE_CANCELLED);
}

bool asyncio_cancel_scope_caught(const struct asyncio_cancel_scope *scope)
{
    return has(scope, ASYNCIO__SCOPE_CAUGHT);
}

double asyncio_cancel_scope_deadline(const struct asyncio_cancel_scope *scope)
{
    if (scope->state_ == SCOPE_DOUBLED) scope = scope->parent_;
    return has(scope, ASYNCIO__SCOPE_DEADLINE) ? scope->deadline_
                                               : ASYNCIO_FOREVER;
}

int asyncio_cancel_scope_set_deadline(struct asyncio_cancel_scope *scope,
                                      double when)
{
    int64_t when_ns;
    int err = asyncio__deadline_at(when, &when_ns);
    if (err < 0) return err;
    scope = acting(scope);
    if (is_elsewhere(scope, __func__)) return -EPERM;
    if (has(scope, ASYNCIO__SCOPE_CANCELLED) || scope->state_ == SCOPE_LEFT)
        return -EINVAL;
    scope->flags_ |= ASYNCIO__SCOPE_DEADLINE;
    scope->deadline_ = when;
    if (scope->state_ == SCOPE_OPEN) arm(scope);
    return 0;
}

bool asyncio_cancel_scope_shield(const struct asyncio_cancel_scope *scope)
{
    if (scope->state_ == SCOPE_DOUBLED) scope = scope->parent_;
    return has(scope, ASYNCIO__SCOPE_SHIELD);
}

void asyncio_cancel_scope_set_shield(struct asyncio_cancel_scope *scope,
                                     bool shield)
{
    scope = acting(scope);
    if (is_elsewhere(scope, __func__)) return;
    scope->flags_ &= ~ASYNCIO__SCOPE_SHIELD;
    if (shield) scope->flags_ |= ASYNCIO__SCOPE_SHIELD;
    if (scope->state_ == SCOPE_OPEN) asyncio__scope_changed(scope);
}

double asyncio_current_effective_deadline(void)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return ASYNCIO_FOREVER;
    if (task->scope_cancelled) return -ASYNCIO_FOREVER;

    double earliest = ASYNCIO_FOREVER;
    const struct asyncio_cancel_scope *scope = task->scope;
    while (scope) {
        double when = asyncio_cancel_scope_deadline(scope);
        if (when < earliest) earliest = when;
        scope = has(scope, ASYNCIO__SCOPE_SHIELD) ? NULL : scope->parent_;
    }
    return earliest;
}
