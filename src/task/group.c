// Task groups: a list of children, and a parent that is told.
//
// A child that ended is dealt with in the pass after, by its own step: so two
// children that fail in one pass are both heard. The first failure cancels the
// children, and the parent too, whether it is busy with the body or waits for
// the end; that request is the group's own and is taken back at the end. What
// then remains of the parent's requests, beyond those that it had handled when
// it entered, came from outside.

#include <asyncio/group.h>

#include <assert.h>
#include <string.h>

#include "task/compact.h"
#include "task/future.h"
#include "task/park.h"
#include "task/run.h"
#include "task/scope.h"

// IDLE -> OPEN -> EXITING -> CLOSED; IDLE <-> FAILED -> OPEN
enum group_state {
    GROUP_IDLE,
    GROUP_OPEN,
    GROUP_EXITING, // the end waits for children, which may still make others
    GROUP_CLOSED,
    GROUP_FAILED, // it could not be entered: error_ says why; it may be yet
};

enum group_flags {
    GROUP_ABORTING = 1,  // the children are cancelled, no more are taken
    GROUP_REQUESTED = 2, // the group cancelled its parent, once
};

static bool is_open(const struct asyncio_task_group *group)
{
    return group->state_ == GROUP_OPEN || group->state_ == GROUP_EXITING;
}

static struct asyncio_task *child_of(struct asyncio_link *member)
{
    return list_entry(member, struct asyncio_task, member);
}

// --- failures ---------------------------------------------------------------

// Appends a failure to the group's list; `words` is shared, `task` names whose
// it is. Without memory only the first code is kept.
static void record(struct asyncio_task_group *group, int code,
                   struct asyncio__failure *words, const char *task)
{
    if (group->error_ == 0) group->error_ = code;
    struct asyncio__failure *child =
        words ? asyncio__failure_copy(words, task)
              : asyncio__failure_make(code, "", group->site_, task);
    if (!child) return;
    if (!group->failure_)
        group->failure_ = asyncio__failure_make(
            group->error_, words ? words->error.text : "", group->site_,
            asyncio_task_name(group->parent_));
    if (group->failure_)
        asyncio__failure_adopt(group->failure_, child);
    else
        asyncio__failure_unref(child);
}

static struct asyncio_cancel_options
ends_early(const struct asyncio_task_group *group)
{
    return (struct asyncio_cancel_options){
        .site = group->site_, .reason = "its task group ends early"};
}

// Once: what children do in their clean-up is not to be cut short.
static void cancel_children(struct asyncio_task_group *group)
{
    if (group->flags_ & GROUP_ABORTING) return;
    group->flags_ |= GROUP_ABORTING;
    struct asyncio_cancel_options why = ends_early(group);
    list_for_each (link, &group->children_)
        (asyncio_task_cancel)(child_of(link), &why);
}

// The group ends early: nothing that it waits for is worth going on. A parent
// that joins children who were told already need not be told, and keeps the
// words of who has told it.
static void abort_group(struct asyncio_task_group *group)
{
    bool joins = group->state_ == GROUP_EXITING;
    if (joins && group->flags_ & GROUP_ABORTING) return;
    cancel_children(group);
    if (group->flags_ & GROUP_REQUESTED) return;
    group->flags_ |= GROUP_REQUESTED;
    struct asyncio_cancel_options why = ends_early(group);
    (asyncio_task_cancel)(group->parent_, &why);
}

// Where a request for the parent has not been delivered yet, the body will get
// it: so that one counts as coming from outside while the group is open.
static void open_group(struct asyncio_task_group *group,
                       struct asyncio_task *parent)
{
    group->parent_ = parent;
    group->state_ = GROUP_OPEN;
    group->error_ = 0;
    group->cancelling_ = parent->future.cancelling_ - parent->must_cancel;
    asyncio__scope_add_group(group);
    if (group->flags_ & GROUP_ABORTING) abort_group(group);
}

int asyncio_task_group_enter_at(struct asyncio_task_group *group,
                                const char *site)
{
    if (is_open(group)) return -EBUSY;
    if (group->state_ == GROUP_CLOSED) return -EALREADY;

    group->site_ = site;
    struct asyncio_task *parent = asyncio__task();
    int err = parent ? 0 : -EPERM;
    if (asyncio__reaches_compact(group)) err = asyncio__compact_refuse(parent);
    if (err == 0) {
        open_group(group, parent);
        return 0;
    }
    group->state_ = GROUP_FAILED;
    group->error_ = err;
    return err;
}

// --- children ---------------------------------------------------------------

static void tell_parent(struct asyncio_task_group *group)
{
    struct asyncio_task *parent = asyncio__first_waiter(&group->waiter_);
    if (parent && group->live_ == 0) asyncio__wake(parent, 0);
}

// The child did not report ready: whoever started it learns why, and that is no
// failure of the group. True if that was so.
static bool answer_starter(struct asyncio_task *child)
{
    struct asyncio_future *started = child->more ? child->more->started : NULL;
    if (!started || asyncio_future_done(started)) return false;
    int code = child->future.result_;
    asyncio__future_complete(started, code < 0 ? code : -EPROTO,
                             asyncio__failure_ref(child->future.failure_));
    return true;
}

void asyncio__group_child_done(struct asyncio__step *step)
{
    struct asyncio_task *child = asyncio__task_of(&step->link);
    struct asyncio_task_group *group = child->group;
    int code = child->future.result_;

    group->live_--;
    bool answered = answer_starter(child);
    if (code < 0 && code != -ECANCELED && !answered) {
        record(group, code, child->future.failure_, asyncio_task_name(child));
        if (!(group->flags_ & GROUP_ABORTING)) abort_group(group);
    }
    asyncio__future_look(&child->future);
    list_remove(&child->member);
    child->group = NULL;
    if (child->kept) list_add_tail(&group->kept_, &child->member);
    tell_parent(group);
    asyncio__task_let_go(child);                   // the loop's
    if (!child->kept) asyncio__task_let_go(child); // the group's
}

// In debug mode: whether an open group is of a loop on another thread.
static bool is_elsewhere(const struct asyncio_task_group *group,
                         const char *call)
{
    return is_open(group) &&
           asyncio__future_elsewhere(&group->parent_->future, call);
}

static int refuse(const struct asyncio_task_group *group,
                  const struct asyncio_task_options *options, const char *call)
{
    bool ended = group->state_ == GROUP_EXITING && group->live_ == 0;
    if (ended || group->state_ == GROUP_CLOSED) return -ESHUTDOWN;
    if (!is_open(group)) return -EINVAL;
    struct asyncio_loop *loop = options ? options->loop : NULL;
    if (!loop) loop = asyncio_get_event_loop();
    if (asyncio__future_elsewhere(&group->parent_->future, call)) return -EPERM;
    if (loop != group->parent_->future.loop_) return -EXDEV;
    return group->flags_ & GROUP_ABORTING ? -ESHUTDOWN : 0;
}

// Makes a child, or a task that has ended with the reason why not.
static struct asyncio_task *
make_child(struct asyncio_task_group *group, int (*fn)(void *arg), void *arg,
           const struct asyncio_task_options *options)
{
    struct asyncio_task *child = asyncio__task_new(fn, arg, options);
    if (asyncio__task_failed_spawn(child)) return child;
    child->group = group;
    if (group->scope_) asyncio__scope_adopt(group->scope_, child);
    child->kept = options && options->task;
    list_add_tail(&group->children_, &child->member);
    group->live_++;
    return child;
}

// Lets a child begin. One that ends in its eager first step is dealt with at
// once, and is gone then if nobody else holds it.
static void launch(struct asyncio_task *child)
{
    asyncio__task_launch(child);
    if (child->state == ASYNCIO__TASK_DONE)
        asyncio__group_child_done(&child->step);
}

int(asyncio_task_group_create_task)(struct asyncio_task_group *group,
                                    int (*fn)(void *arg), void *arg,
                                    const struct asyncio_task_options *options)
{
    int err = refuse(group, options, __func__);
    struct asyncio_task *child = err < 0 ? asyncio__failed_task(err)
                                         : make_child(group, fn, arg, options);
    if (options && options->task) *options->task = child;
    if (err < 0) return err;
    if (!asyncio__task_failed_spawn(child)) {
        launch(child);
        return 0;
    }
    err = child->future.result_;
    record(group, err, NULL, "a child that could not be made");
    abort_group(group);
    return err;
}

// True if children hear of the parent's being cancelled from their own scope,
// as far as it reaches them: they may have shields.
static bool told_by_scope(const struct asyncio_task_group *group)
{
    return asyncio__scope_in_force(group->scope_) &&
           group->parent_->future.cancelling_ <= group->cancelling_;
}

// --- a child that says when it is ready -------------------------------------

// Waits for the child's word. A starter that is cancelled hands that on, unless
// the same scope tells the child, and waits all the same, for nobody else would
// hear how the child fails.
static int await_word(struct asyncio_task *child,
                      struct asyncio_future *started)
{
    int value = asyncio_shield_future(started);
    if (value != -ECANCELED) return value;
    if (!asyncio_future_done(started) && !told_by_scope(child->group)) {
        struct asyncio_cancel_options why = ends_early(child->group);
        (asyncio_task_cancel)(child, &why);
    }
    while (!asyncio_future_done(started))
        asyncio_ignore(asyncio__join_future(started));

    value = asyncio__future_outcome(started);
    bool failed = asyncio_task_done(child) && value == child->future.result_;
    return failed && value < 0 ? value : -ECANCELED;
}

int(asyncio_task_group_start)(struct asyncio_task_group *group,
                              int (*fn)(void *arg), void *arg,
                              const struct asyncio_task_options *options)
{
    if (is_elsewhere(group, __func__) || !asyncio__task()) return -EPERM;
    // What the child is to tell lies in this frame.
    struct asyncio_task *task = asyncio__task();
    if (task->compact) return asyncio__compact_refuse(task);
    int err = refuse(group, options, __func__);
    struct asyncio_task *child = err < 0 ? asyncio__failed_task(err)
                                         : make_child(group, fn, arg, options);
    if (options && options->task) *options->task = child;
    if (asyncio__task_failed_spawn(child)) return child->future.result_;

    struct asyncio__more *more = asyncio__task_more(child);
    if (!more) {
        asyncio_task_cancel(child, .reason = "there is no memory for it");
        launch(child);
        return -ENOMEM;
    }
    struct asyncio_future started = {.loop_ = child->future.loop_};
    more->started = &started;
    asyncio_task_retain(child);
    launch(child);
    int value = await_word(child, &started);
    more->started = NULL;
    asyncio_task_release(child);
    asyncio__future_look(&started);
    asyncio_future_reset(&started);
    return value;
}

int asyncio_task_group_started(int value)
{
    struct asyncio_task *task = asyncio__task();
    struct asyncio__more *more = task ? task->more : NULL;
    if (!more || (!more->started && !more->reported)) return -EPERM;
    if (value < 0) return -EINVAL;
    if (more->reported) return -EALREADY;
    more->reported = true;
    return asyncio_future_set_result(more->started, value);
}

// --- the end ----------------------------------------------------------------

void asyncio_task_group_cancel(struct asyncio_task_group *group)
{
    if (is_elsewhere(group, __func__)) return;
    if (group->state_ == GROUP_IDLE || group->state_ == GROUP_FAILED)
        group->flags_ |= GROUP_ABORTING; // it ends when it is entered
    bool ended = group->state_ == GROUP_EXITING && group->live_ == 0;
    if (is_open(group) && !ended) abort_group(group);
}

const struct asyncio_error *
asyncio_task_group_errors(const struct asyncio_task_group *group)
{
    return group->failure_ ? group->failure_->error.children : NULL;
}

// True if a cancel of the parent was not (or not only) the group's own doing.
static bool from_outside(const struct asyncio_task_group *group)
{
    return !(group->flags_ & GROUP_REQUESTED) ||
           group->parent_->future.cancelling_ > group->cancelling_;
}

// A scope that was entered after the group was opened does not hold the
// children, and wants the join to end.
static bool hand_on(struct asyncio_task *task,
                    const struct asyncio_cancel_options *options)
{
    struct asyncio_task_group *group = task->wait.object;
    (void)options;
    if (!asyncio__scope_in_force(group->scope_)) cancel_children(group);
    return false;
}

static void visit_children(const struct asyncio_task *waiter,
                           asyncio__awaited_fn *visit, void *arg)
{
    const struct asyncio_task_group *group = waiter->wait.object;
    list_for_each (link, &group->children_)
        visit(&child_of(link)->future, arg);
}

static const struct asyncio__wait_kind joining = {
    .name = "the tasks of a group",
    .cancel_by_scope = hand_on,
    .each_awaited = visit_children,
    .movable = true,
};

// Waits for every child, whatever happens, and takes the group's own request
// back. True if a cancel came from outside while it waited.
static bool finish(struct asyncio_task_group *group)
{
    bool cancelled = false;
    group->state_ = GROUP_EXITING;
    while (group->live_ > 0) {
        if (asyncio__park(&joining, group, &group->waiter_) != -ECANCELED)
            continue;
        cancelled = true;
        cancel_children(group);
    }
    group->state_ = GROUP_CLOSED;
    asyncio__scope_remove_group(group);
    if (group->flags_ & GROUP_REQUESTED)
        asyncio__withdraw_cancel(group->parent_, group->cancelling_, false);
    return cancelled && from_outside(group);
}

static int failed_exit(struct asyncio_task_group *group)
{
    // A cancel from outside is not lost: it waits for the next await.
    struct asyncio_task *parent = group->parent_;
    if (parent->future.cancelling_ > group->cancelling_)
        parent->must_cancel = true;
    asyncio__failure_see(group->failure_);
    return group->error_;
}

int asyncio_task_group_exit(struct asyncio_task_group *group, int body)
{
    if (group->state_ == GROUP_FAILED) return group->error_;
    if (is_elsewhere(group, __func__)) return -EPERM;
    if (group->state_ != GROUP_OPEN || group->parent_ != asyncio__task())
        return -EINVAL;

    bool told = body == -ECANCELED && told_by_scope(group);
    if (body < 0 && !told) cancel_children(group);
    bool cancelled = finish(group);
    if (body < 0 && body != -ECANCELED)
        record(group, body, asyncio__failure_of(body),
               asyncio_task_name(group->parent_));
    if (group->error_ < 0) return failed_exit(group);
    if (body == -ECANCELED) {
        cancelled |= from_outside(group);
        body = 0;
    }
    if (group->parent_->scope_cancelled) {
        asyncio__scope_see_words(group->parent_);
        cancelled = true;
    }
    return cancelled ? -ECANCELED : body;
}

// The block was left without exit, so nobody looks at how the group ended.
static void leave(struct asyncio_task_group *group)
{
    size_t running = group->live_;
    cancel_children(group);
    if (finish(group)) group->parent_->must_cancel = true;
    if (running == 0 && group->error_ == 0) return;

    int code = group->error_ < 0 ? group->error_ : -ECANCELED;
    asyncio__report(
        group->parent_->future.loop_, code, asyncio_task_name(group->parent_),
        group->site_,
        "a block was left without asyncio_task_group_exit: %zu "
        "children were cancelled%s%s",
        running, group->error_ < 0 ? "; first failure: " : "",
        group->error_ < 0 ? asyncio__failure_text(group->failure_, code) : "");
}

static void forget_kept(struct asyncio_task_group *group)
{
    struct asyncio_link *link;
    while ((link = list_pop(&group->kept_)))
        asyncio_task_release(child_of(link));
}

void asyncio_task_group_close(struct asyncio_task_group *group)
{
    if (!group) return;
    if (is_elsewhere(group, __func__)) return;
    if (group->state_ == GROUP_OPEN && group->parent_ == asyncio__task())
        leave(group);
    if (is_open(group)) return; // another task's: that one will close it
    forget_kept(group);
    asyncio__failure_unref(group->failure_);
    group->failure_ = NULL;
}
