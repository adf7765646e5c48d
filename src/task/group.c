// Task groups: a list of children, and a parent that is told.
//
// A child that ended is dealt with in the pass after, by its own step: so two
// children that fail in one pass are both heard. The first failure cancels the
// children, and the parent too if it is still busy with the body or waits in
// exit; that request is the group's own and is taken back in exit, which can so
// tell it from a cancel from outside.

#include <asyncio/group.h>

#include <assert.h>
#include <string.h>

#include "task/future.h"
#include "task/park.h"
#include "task/run.h"

// IDLE -> OPEN -> EXITING -> CLOSED; IDLE -> FAILED
enum group_state {
    GROUP_IDLE,
    GROUP_OPEN,
    GROUP_EXITING, // exit waits for children, which may still make others
    GROUP_CLOSED,
    GROUP_FAILED, // it could not be entered: error_ says why
};

enum group_flags {
    GROUP_ABORTING = 1,  // the children were cancelled, no more are taken
    GROUP_REQUESTED = 2, // the group cancelled its parent, once
    GROUP_PENDING = 4,   // the parent had an undelivered request on entry
};

static struct asyncio_task *child_of(struct asyncio_link *member)
{
    return list_entry(member, struct asyncio_task, member);
}

int asyncio_task_group_enter_at(struct asyncio_task_group *group,
                                const char *site)
{
    if (group->state_ == GROUP_OPEN || group->state_ == GROUP_EXITING)
        return -EBUSY;
    if (group->state_ != GROUP_IDLE) return -EALREADY;

    struct asyncio_task *parent = asyncio__task();
    group->site_ = site;
    group->parent_ = parent;
    group->state_ = parent ? GROUP_OPEN : GROUP_FAILED;
    group->error_ = parent ? 0 : -EPERM;
    if (!parent) return -EPERM;
    group->cancelling_ = parent->cancelling;
    if (parent->must_cancel) group->flags_ |= GROUP_PENDING;
    return 0;
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

static void cancel_children(struct asyncio_task_group *group)
{
    group->flags_ |= GROUP_ABORTING;
    list_for_each (link, &group->children_)
        asyncio_task_cancel(child_of(link));
}

// The group ends early: nothing that it waits for is worth going on.
static void abort_group(struct asyncio_task_group *group)
{
    if (!(group->flags_ & GROUP_ABORTING)) cancel_children(group);
    if (group->flags_ & GROUP_REQUESTED) return;
    group->flags_ |= GROUP_REQUESTED;
    asyncio_task_cancel(group->parent_);
}

const struct asyncio_error *
asyncio_task_group_errors(const struct asyncio_task_group *group)
{
    return group->failure_ ? group->failure_->error.children : NULL;
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
    struct asyncio_future *started = child->started;
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
    asyncio_task_release(child);                   // the loop's
    if (!child->kept) asyncio_task_release(child); // the group's
}

static int refuse(struct asyncio_task_group *group)
{
    switch (group->state_) {
    case GROUP_OPEN: break;
    case GROUP_EXITING:
        if (group->live_ == 0) return -ESHUTDOWN;
        break;
    case GROUP_CLOSED: return -ESHUTDOWN;
    default: return -EINVAL;
    }
    return group->flags_ & GROUP_ABORTING ? -ESHUTDOWN : 0;
}

static int spawn(struct asyncio_task_group *group, int (*fn)(void *arg),
                 void *arg, const struct asyncio_task_options *options,
                 struct asyncio_task **out)
{
    struct asyncio_task *child = asyncio__task_make(fn, arg, options);
    if (options && options->task) *options->task = child;
    *out = child;
    if (child->immortal) {
        int code = child->future.result_;
        record(group, code, NULL, "a child that could not be made");
        abort_group(group);
        return code;
    }
    child->group = group;
    child->kept = options && options->task;
    list_add_tail(&group->children_, &child->member);
    group->live_++;
    return 0;
}

int(asyncio_task_group_create_task)(struct asyncio_task_group *group,
                                    int (*fn)(void *arg), void *arg,
                                    const struct asyncio_task_options *options)
{
    int err = refuse(group);
    struct asyncio_task *child;
    if (err == 0) return spawn(group, fn, arg, options, &child);
    if (options && options->task) *options->task = asyncio__failed_task(err);
    return err;
}

// --- a child that says when it is ready -------------------------------------

int(asyncio_task_group_start)(struct asyncio_task_group *group,
                              int (*fn)(void *arg), void *arg,
                              const struct asyncio_task_options *options)
{
    if (!asyncio__task()) return -EPERM;
    int err = refuse(group);
    if (err < 0) return err;

    struct asyncio_task *child;
    struct asyncio_future started = {0};
    err = spawn(group, fn, arg, options, &child);
    if (err < 0) return err;
    asyncio_ignore(asyncio__future_bind(&started));
    child->started = &started;
    asyncio_task_retain(child);
    int value = asyncio_shield_future(&started);
    if (value == -ECANCELED && !asyncio_future_done(&started)) {
        asyncio_task_cancel(child);
        while (!asyncio_future_done(&started))
            asyncio_ignore(asyncio_shield_future(&started));
    }
    child->started = NULL;
    asyncio_task_release(child);
    asyncio_future_reset(&started);
    return value;
}

int asyncio_task_group_started(int value)
{
    struct asyncio_task *task = asyncio__task();
    if (!task || (!task->started && !task->reported)) return -EPERM;
    if (value < 0) return -EINVAL;
    if (task->reported) return -EALREADY;
    task->reported = true;
    return asyncio_future_set_result(task->started, value);
}

// --- the end ----------------------------------------------------------------

void asyncio_task_group_cancel(struct asyncio_task_group *group)
{
    bool ended = group->state_ == GROUP_EXITING && group->live_ == 0;
    if (ended || group->state_ == GROUP_IDLE || group->state_ > GROUP_EXITING)
        return;
    abort_group(group);
}

static const struct asyncio__wait_kind joining = {
    .name = "the tasks of a group",
};

// Waits for every child, whatever happens. True if a cancel came meanwhile.
static bool join(struct asyncio_task_group *group)
{
    bool cancelled = false;
    while (group->live_ > 0) {
        if (asyncio__park(&joining, group, &group->waiter_) != -ECANCELED)
            continue;
        cancelled = true;
        if (!(group->flags_ & GROUP_ABORTING)) cancel_children(group);
    }
    return cancelled;
}

// Takes the group's own request back. True if the parent has been cancelled by
// others since it entered the group.
static bool cancelled_from_outside(struct asyncio_task_group *group)
{
    if (!(group->flags_ & GROUP_REQUESTED)) return true;
    return !asyncio__withdraw_cancel(group->parent_, group->cancelling_,
                                     group->flags_ & GROUP_PENDING);
}

static int failed_exit(struct asyncio_task_group *group)
{
    // A cancel from outside is not lost: it waits for the next await.
    struct asyncio_task *parent = group->parent_;
    if (parent->cancelling > group->cancelling_) parent->must_cancel = true;
    asyncio__failure_see(group->failure_);
    return group->error_;
}

int asyncio_task_group_exit(struct asyncio_task_group *group, int body)
{
    if (group->state_ == GROUP_FAILED) return group->error_;
    if (group->state_ != GROUP_OPEN || group->parent_ != asyncio__task())
        return -EINVAL;

    group->state_ = GROUP_EXITING;
    if (body < 0 && !(group->flags_ & GROUP_ABORTING)) cancel_children(group);
    bool cancelled = join(group) || body == -ECANCELED;
    group->state_ = GROUP_CLOSED;

    bool outside = cancelled_from_outside(group);
    if (body < 0 && body != -ECANCELED)
        record(group, body, asyncio__failure_of(body),
               asyncio_task_name(group->parent_));
    if (group->error_ < 0) return failed_exit(group);
    if (cancelled && outside) return -ECANCELED;
    return body == -ECANCELED ? 0 : body;
}

static void forget_kept(struct asyncio_task_group *group)
{
    struct asyncio_link *link;
    while ((link = list_pop(&group->kept_)))
        asyncio_task_release(child_of(link));
}

void asyncio_task_group_close(struct asyncio_task_group *group)
{
    if (group->state_ == GROUP_OPEN) {
        if (group->live_ > 0)
            asyncio__report(group->parent_->future.loop_, -ECANCELED,
                            asyncio_task_name(group->parent_), group->site_,
                            "a block was left with %zu children running: they "
                            "were cancelled; leave it by "
                            "asyncio_task_group_exit",
                            group->live_);
        // What is pending for the parent stays so: nobody sees this result.
        int err = asyncio_task_group_exit(group, -ECANCELED);
        if (err == -ECANCELED && group->parent_->cancelling > 0)
            group->parent_->must_cancel = true;
    }
    forget_kept(group);
    asyncio__failure_unref(group->failure_);
    group->failure_ = NULL;
}
