// Cancel scopes: a piece of code, and all tasks in it, that can be ended.
//
//     ASYNCIO_WITH_MOVE_ON_AFTER(scope, 5);     // for the rest of the block
//     int err = ask_everybody(&answers);
//     return asyncio_cancel_scope_exit(&scope, err); // 0 if time was up
//
// A scope is cancelled by its deadline or by asyncio_cancel_scope_cancel. From
// then on every await inside returns -ECANCELED, whether it would have had to
// wait or not, until the scope is left; leaving it turns its own -ECANCELED
// into 0, or -ETIMEDOUT for a fail limit. asyncio_task_cancel and the limits of
// asyncio/timeout.h end one await, once; a scope ends all of them, so code that
// swallows a code cannot get away with it.
//
// Scopes nest. The innermost cancelled one that no cancelled scope surrounds
// absorbs the -ECANCELED. A cancellation reaches every scope inside, but not
// into one that is shielded. A child of a group is inside the scopes that were
// open in its parent where the group was opened; a task that a call makes out
// of a coroutine object and joins (gather) is inside the caller's. Tasks of
// asyncio_create_task and asyncio_shield are in no scope.
//
// What a scope cannot end: a file operation or a function in a thread that has
// begun (it returns its result, and the next await -ECANCELED), and the end of
// a group, which joins its children in any case. asyncio_task_cancel asks a
// task in a scope or in a shield as it asks any: that -ECANCELED is not the
// scope's, and goes on its way. Call all of it on the loop's thread.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

struct asyncio_timeout;

// Lives in the frame of the task that enters it. All zero is not entered; it
// may be cancelled, shielded and given a deadline before.
struct asyncio_cancel_scope {
    void *timer_[4] ASYNCIO__UNSET;
    struct asyncio_link scopes_ ASYNCIO__UNSET;  // sibling_ of those inside
    struct asyncio_link tasks_ ASYNCIO__UNSET;   // this is their innermost
    struct asyncio_link groups_ ASYNCIO__UNSET;  // opened inside, and still so
    struct asyncio_link sibling_ ASYNCIO__UNSET; // parent_->scopes_
    struct asyncio_cancel_scope *parent_ ASYNCIO__UNSET;
    struct asyncio_cancel_scope *changed_ ASYNCIO__UNSET;
    struct asyncio_task *task_ ASYNCIO__UNSET;
    struct asyncio_timeout *limit_ ASYNCIO__UNSET;  // innermost at the entry
    struct asyncio__failure *words_ ASYNCIO__UNSET; // who cancelled it, and why
    double deadline_ ASYNCIO__UNSET;                // if there is one
    int state_ ASYNCIO__UNSET;
    int flags_ ASYNCIO__UNSET;
    int cancelling_ ASYNCIO__UNSET; // the task's count when it was entered
    int error_ ASYNCIO__UNSET;      // why it could not be entered
    void *reserved_[2] ASYNCIO__UNSET;
};

struct asyncio_cancel_scope_options {
    ASYNCIO__OPTIONS_HEAD
    bool shield ASYNCIO__UNSET; // cancelled scopes around it do not reach in
    void *reserved_[4] ASYNCIO__UNSET;
};

// Enters the scope. With asyncio_cancel_scope_enter it has the deadline that
// was set before, or none; the others set it: `seconds` from now, or a time of
// asyncio_time's clock. A deadline that has passed cancels at once,
// ASYNCIO_FOREVER is none. Leaving a move-on scope that was cancelled returns
// 0; leaving a fail scope returns -ETIMEDOUT if it was the deadline that
// cancelled it. If entering failed, the scope does nothing and _exit returns
// the reason; it may be entered later.
//
// In the frames of a compact task it needs memory while it is open, and only
// that task may cancel, change or leave it: others would not find it there.
//
// returns   0; -EPERM outside a task; -EBUSY if it is open, -EALREADY if it was
//           left; -EINVAL for a time that is not a number or is too large;
//           -ENOMEM in the frames of a compact task
// suspends  never
// like      trio's CancelScope, move_on_after, move_on_at, fail_after, fail_at
// unlike    trio's fail_after, where the scope was cancelled by a call: that is
//           no timeout, and leaving it returns 0
ASYNCIO_API int(asyncio_cancel_scope_enter)(
    struct asyncio_cancel_scope *scope,
    const struct asyncio_cancel_scope_options *options);
ASYNCIO_API int(asyncio_move_on_after)(
    struct asyncio_cancel_scope *scope, double seconds,
    const struct asyncio_cancel_scope_options *options);
ASYNCIO_API int(asyncio_move_on_at)(
    struct asyncio_cancel_scope *scope, double when,
    const struct asyncio_cancel_scope_options *options);
ASYNCIO_API int(asyncio_fail_after)(
    struct asyncio_cancel_scope *scope, double seconds,
    const struct asyncio_cancel_scope_options *options);
ASYNCIO_API int(asyncio_fail_at)(
    struct asyncio_cancel_scope *scope, double when,
    const struct asyncio_cancel_scope_options *options);
#define asyncio_cancel_scope_enter(...) ASYNCIO__SCOPE_ENTER(__VA_ARGS__, )
#define ASYNCIO__SCOPE_ENTER(scope, ...)                                       \
    (asyncio_cancel_scope_enter)(scope, ASYNCIO__SCOPE_OPTIONS(__VA_ARGS__))
#define asyncio_move_on_after(...)                                             \
    ASYNCIO__SCOPE_LIMIT(asyncio_move_on_after, __VA_ARGS__, )
#define asyncio_move_on_at(...)                                                \
    ASYNCIO__SCOPE_LIMIT(asyncio_move_on_at, __VA_ARGS__, )
#define asyncio_fail_after(...)                                                \
    ASYNCIO__SCOPE_LIMIT(asyncio_fail_after, __VA_ARGS__, )
#define asyncio_fail_at(...)                                                   \
    ASYNCIO__SCOPE_LIMIT(asyncio_fail_at, __VA_ARGS__, )
#define ASYNCIO__SCOPE_LIMIT(function, scope, time, ...)                       \
    (function)(scope, time, ASYNCIO__SCOPE_OPTIONS(__VA_ARGS__))
#define ASYNCIO__SCOPE_OPTIONS(...)                                            \
    ASYNCIO__OPTIONS(asyncio_cancel_scope_options, __VA_ARGS__)

// Declares a scope around the rest of the block:
//
//     ASYNCIO_WITH_CANCEL_SCOPE(scope, .shield = true);
//
// Any way out of the block leaves it, but only _exit can turn the -ECANCELED
// into another code. Declare a group after the scope that it is to be in.
#define ASYNCIO_WITH_CANCEL_SCOPE(...) ASYNCIO__WITH_CANCEL_SCOPE(__VA_ARGS__, )
#define ASYNCIO__WITH_CANCEL_SCOPE(scope, ...)                                 \
    ASYNCIO__WITH_SCOPE(scope) =                                               \
        (asyncio_cancel_scope_enter)(&scope,                                   \
                                     ASYNCIO__SCOPE_OPTIONS(__VA_ARGS__))
#define ASYNCIO_WITH_MOVE_ON_AFTER(...)                                        \
    ASYNCIO__WITH_SCOPE_LIMIT(asyncio_move_on_after, __VA_ARGS__, )
#define ASYNCIO_WITH_MOVE_ON_AT(...)                                           \
    ASYNCIO__WITH_SCOPE_LIMIT(asyncio_move_on_at, __VA_ARGS__, )
#define ASYNCIO_WITH_FAIL_AFTER(...)                                           \
    ASYNCIO__WITH_SCOPE_LIMIT(asyncio_fail_after, __VA_ARGS__, )
#define ASYNCIO_WITH_FAIL_AT(...)                                              \
    ASYNCIO__WITH_SCOPE_LIMIT(asyncio_fail_at, __VA_ARGS__, )
#define ASYNCIO__WITH_SCOPE_LIMIT(function, scope, time, ...)                  \
    ASYNCIO__WITH_SCOPE(scope) =                                               \
        (function)(&scope, time, ASYNCIO__SCOPE_OPTIONS(__VA_ARGS__))
#define ASYNCIO__WITH_SCOPE(scope)                                             \
    struct asyncio_cancel_scope scope                                          \
        __attribute__((cleanup(asyncio_cancel_scope_close))) = ASYNCIO__ZERO;  \
    const int scope##_entered __attribute__((unused))

// Leaves the scope with the code that its body ended with.
//
// returns   `body`; in place of -ECANCELED, if this scope was cancelled, no
//           cancelled one around it reaches in, and nobody has cancelled the
//           task as well: 0, or -ETIMEDOUT for a fail scope whose deadline it
//           was. -EPERM in another task than the one that entered it; -EINVAL
//           if it is not open, or a scope, group or time limit inside it is
// suspends  never
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_cancel_scope_exit(struct asyncio_cancel_scope *scope, int body);

// Leaves it whatever is open inside, and lets go of what it holds: what the end
// of the block calls. What is inside is from then on in the scope around it.
// Another task cannot. Accepts a zeroed struct and a second call; to be called
// too for a scope that was cancelled and never entered.
ASYNCIO_API void asyncio_cancel_scope_close(struct asyncio_cancel_scope *scope);

// Cancels everything inside, now and from now on; from any task of the loop or
// a callback. Nothing of these tasks runs inside this call. Nothing happens if
// it is cancelled already, or was left; before it is entered, its first await
// will be the one to end.
//
// like      trio's CancelScope.cancel
ASYNCIO_API void(asyncio_cancel_scope_cancel)(
    struct asyncio_cancel_scope *scope,
    const struct asyncio_cancel_options *options);
#define asyncio_cancel_scope_cancel(...) ASYNCIO__SCOPE_CANCEL(__VA_ARGS__, )
#define ASYNCIO__SCOPE_CANCEL(scope, ...)                                      \
    (asyncio_cancel_scope_cancel)(                                             \
        scope, ASYNCIO__OPTIONS(asyncio_cancel_options, __VA_ARGS__))

// Whether this very scope was cancelled, by a call or by its deadline; one
// whose deadline has passed while the task was busy, or before it was entered,
// is cancelled by the question. And whether leaving it has turned a -ECANCELED
// into another code.
//
// like      trio's CancelScope.cancel_called, cancelled_caught
ASYNCIO_API bool
asyncio_cancel_scope_cancelled(struct asyncio_cancel_scope *scope);
ASYNCIO_API bool
asyncio_cancel_scope_caught(const struct asyncio_cancel_scope *scope);

// The deadline as it was given, or ASYNCIO_FOREVER. It may be set before the
// scope is entered, and moved while it is open, by any task of the loop; into
// the past, it cancels at once.
//
// returns   0; -EINVAL for a time that is not a number or is too large, or if
//           the scope was cancelled or left
// like      trio's CancelScope.deadline
ASYNCIO_API double
asyncio_cancel_scope_deadline(const struct asyncio_cancel_scope *scope);
ASYNCIO_API int
asyncio_cancel_scope_set_deadline(struct asyncio_cancel_scope *scope,
                                  double when);

// Whether it is shielded from the scopes around it. It may be set before the
// scope is entered and changed while it is open, by any task of the loop: where
// a shield is lifted under a cancelled scope, the waits inside end.
//
// like      trio's CancelScope.shield
ASYNCIO_API bool
asyncio_cancel_scope_shield(const struct asyncio_cancel_scope *scope);
ASYNCIO_API void
asyncio_cancel_scope_set_shield(struct asyncio_cancel_scope *scope,
                                bool shield);

// When the scopes around the current task will cancel it: the earliest deadline
// among those up to the nearest shield, -ASYNCIO_FOREVER if one of them is
// cancelled, ASYNCIO_FOREVER if there is none, or no task. The limits of
// asyncio/timeout.h are not counted: a shield does not hold them off.
//
// like      trio.current_effective_deadline
ASYNCIO_API double asyncio_current_effective_deadline(void);

ASYNCIO__END
