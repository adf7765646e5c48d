// Gather: a future that is done when its members are.
//
// Each member has a step in the waiters of its future. A future that stands
// twice in the list has one step, at its first place; the other places copy
// from it. What gather made out of coroutine objects is its own: when the
// outcome is known early, these are cancelled, and the future completes when
// they have ended. Members that were handed in are let go of at once.

#include <asyncio/gather.h>

#include <assert.h>

#include "platform/sys.h"
#include "task/future.h"
#include "task/park.h"
#include "task/run.h"

struct asyncio__gather_member {
    struct asyncio__step step; // in future->waiters_
    struct asyncio_gather *gather;
    struct asyncio_future *future;
    size_t first; // index of the first entry for the same future
    bool own;     // made here: ours to cancel, join and release
    bool ended;   // its outcome was seen
};

enum gather_flags {
    GATHER_EXCEPTIONS = 1, // codes are results
    GATHER_CANCELLED = 2,  // its members were asked to end
    GATHER_SETTLED = 4,    // the outcome is known; own tasks may be running
};

static struct asyncio__gather_member *member_of(struct asyncio__step *step)
{
    return list_entry(step, struct asyncio__gather_member, step);
}

// --- the end ----------------------------------------------------------------

static bool own_running(const struct asyncio_gather *gather)
{
    for (size_t i = 0; i < gather->count_; i++)
        if (gather->members_[i].own && !gather->members_[i].ended) return true;
    return false;
}

// Nobody looks at the members that are left but us: their failures count as
// seen.
static void let_go(struct asyncio_gather *gather)
{
    for (size_t i = 0; i < gather->count_; i++) {
        struct asyncio__gather_member *member = &gather->members_[i];
        if (member->ended || member->own || member->first != i) continue;
        struct asyncio_task *task = asyncio__future_task(member->future);
        if (task && !task->immortal) task->looked_at = true;
        if (list_linked(&member->step.link)) list_remove(&member->step.link);
        member->ended = true;
        if (task) asyncio_task_release(task);
    }
}

static void cancel_own(struct asyncio_gather *gather)
{
    for (size_t i = 0; i < gather->count_; i++)
        if (gather->members_[i].own && !gather->members_[i].ended)
            asyncio_ignore(
                (asyncio_future_cancel)(gather->members_[i].future, NULL) ? 0
                                                                          : -1);
}

static void complete(struct asyncio_gather *gather)
{
    if (asyncio_future_done(&gather->future)) return;
    struct asyncio__failure *words = gather->future.failure_;
    gather->future.failure_ = NULL;
    asyncio__future_complete(&gather->future, gather->outcome_, words);
}

static void settle(struct asyncio_gather *gather, int outcome,
                   struct asyncio__failure *words)
{
    if (gather->flags_ & GATHER_SETTLED) return;
    gather->flags_ |= GATHER_SETTLED;
    gather->outcome_ = outcome;
    gather->future.failure_ = asyncio__failure_ref(words);
    if (gather->left_ > 0) {
        let_go(gather);
        cancel_own(gather);
    }
    if (!own_running(gather)) complete(gather);
}

static void store(struct asyncio_gather *gather, size_t first, int result)
{
    if (!gather->results_) return;
    for (size_t i = first; i < gather->count_; i++)
        if (gather->members_[i].first == first) gather->results_[i] = result;
}

static void member_ended(struct asyncio_gather *gather,
                         struct asyncio__gather_member *member)
{
    struct asyncio_future *future = member->future;
    int result = future->result_;
    asyncio__future_look(future);
    member->ended = true;
    gather->left_--;
    store(gather, member->first, result);

    struct asyncio__failure *words = future->failure_;
    bool cancelled = gather->flags_ & GATHER_CANCELLED;
    if (result < 0 && !(gather->flags_ & GATHER_EXCEPTIONS))
        settle(gather, result, words);
    else if (gather->left_ == 0)
        settle(gather, cancelled ? -ECANCELED : 0, cancelled ? words : NULL);
    else if ((gather->flags_ & GATHER_SETTLED) && !own_running(gather))
        complete(gather);
    struct asyncio_task *task = asyncio__future_task(future);
    if (task) asyncio_task_release(task);
}

static void run_member(struct asyncio__step *step)
{
    struct asyncio__gather_member *member = member_of(step);
    member_ended(member->gather, member);
}

// --- cancelling -------------------------------------------------------------

static bool cancel_gather(struct asyncio_future *future,
                          const struct asyncio_cancel_options *options)
{
    struct asyncio_gather *gather =
        list_entry(future, struct asyncio_gather, future);
    bool taken = false;
    for (size_t i = 0; i < gather->count_; i++) {
        struct asyncio__gather_member *member = &gather->members_[i];
        if (member->ended || member->first != i) continue;
        taken |= (asyncio_future_cancel)(member->future, options);
    }
    if (taken) gather->flags_ |= GATHER_CANCELLED;
    return taken;
}

static const struct asyncio__future_kind gather_kind = {
    .name = "gather",
    .cancel = cancel_gather,
};

// --- the start --------------------------------------------------------------

static struct asyncio_any entry(enum asyncio_kind kind, const void *list,
                                size_t i)
{
    switch (kind) {
    case ASYNCIO_TASKS:
        return (struct asyncio_any){kind,
                                    ((struct asyncio_task *const *)list)[i]};
    case ASYNCIO_FUTURES:
        return (struct asyncio_any){kind,
                                    ((struct asyncio_future *const *)list)[i]};
    case ASYNCIO_COROUTINES:
        return (struct asyncio_any){
            kind, (struct asyncio_coroutine *)(uintptr_t)list + i};
    case ASYNCIO_ANYS: return ((const struct asyncio_any *)list)[i];
    }
    return (struct asyncio_any){ASYNCIO_ANYS, NULL};
}

static struct asyncio_future *future_of(struct asyncio_any any)
{
    if (any.kind == ASYNCIO_TASKS)
        return asyncio_task_future((struct asyncio_task *)any.object);
    return any.kind == ASYNCIO_FUTURES ? any.object : NULL;
}

// Says what is wrong with an entry, before anything was made of the others.
static int check(struct asyncio_any any, struct asyncio_loop *loop)
{
    if (!any.object || any.kind == ASYNCIO_ANYS) return -EINVAL;
    if (any.kind == ASYNCIO_COROUTINES) {
        struct asyncio_coroutine *coroutine = any.object;
        if (!coroutine->fn) return -EINVAL;
        return coroutine->state_ == ASYNCIO__COROUTINE_UNUSED ? 0 : -EALREADY;
    }
    struct asyncio_future *future = future_of(any);
    if (!future) return -EINVAL;
    return !future->loop_ || future->loop_ == loop ? 0 : -EXDEV;
}

static int check_all(enum asyncio_kind kind, const void *list, size_t count)
{
    struct asyncio_loop *loop = asyncio__running_loop;
    if (!loop) return -EPERM;
    for (size_t i = 0; i < count; i++) {
        int err = check(entry(kind, list, i), loop);
        if (err < 0) return err;
    }
    return 0;
}

// A coroutine object that stands twice in the list becomes one task: the marks
// that this leaves in `future` are the objects, until the tasks are made.
static size_t first_of(const struct asyncio__gather_member *members, size_t i,
                       const void *object, bool many)
{
    for (size_t j = 0; many && j < i; j++)
        if ((const void *)members[j].step.link.next == object) return j;
    return i;
}

// Long lists of coroutine objects cannot hold the same one twice: they are an
// array of values. So only lists of pointers are searched.
static int make_members(struct asyncio_gather *gather, enum asyncio_kind kind,
                        const void *list)
{
    for (size_t i = 0; i < gather->count_; i++) {
        struct asyncio__gather_member *member = &gather->members_[i];
        struct asyncio_any any = entry(kind, list, i);
        member->step.run = run_member;
        member->gather = gather;
        // Borrowed as a mark while members are made; no step is linked yet.
        member->step.link.next = any.object;
        member->first = first_of(gather->members_, i, any.object,
                                 kind != ASYNCIO_COROUTINES);
        if (member->first != i) continue;
        if (any.kind != ASYNCIO_COROUTINES) {
            member->future = future_of(any);
            continue;
        }
        struct asyncio_task *task = asyncio_coroutine_create_task(any.object);
        if (task->immortal) return task->future.result_;
        member->future = &task->future;
        member->own = true;
    }
    return 0;
}

// Undoes a start that failed: what was made has not run yet.
static void unmake_members(struct asyncio_gather *gather)
{
    for (size_t i = 0; i < gather->count_; i++) {
        struct asyncio__gather_member *member = &gather->members_[i];
        if (!member->own) continue;
        struct asyncio_task *task = asyncio__future_task(member->future);
        asyncio_task_cancel(task);
        asyncio_task_release(task);
    }
}

// Puts the members' steps where they will be seen; those that are done count at
// once, in the order of the list.
static void watch_members(struct asyncio_gather *gather)
{
    for (size_t i = 0; i < gather->count_; i++) {
        struct asyncio__gather_member *member = &gather->members_[i];
        member->step.link = (struct asyncio_link){NULL, NULL};
        if (member->first != i) {
            member->ended = true;
            gather->left_--;
            continue;
        }
        struct asyncio_task *task = asyncio__future_task(member->future);
        if (task && !member->own) asyncio_task_retain(task);
    }
    for (size_t i = 0; i < gather->count_; i++) {
        struct asyncio__gather_member *member = &gather->members_[i];
        if (member->ended) continue;
        if (asyncio_future_done(member->future)) {
            member_ended(gather, member);
        } else {
            asyncio_ignore(asyncio__future_bind(member->future));
            list_add_tail(&member->future->waiters_, &member->step.link);
        }
    }
}

static int start(struct asyncio_gather *gather, enum asyncio_kind kind,
                 const void *list, size_t count,
                 const struct asyncio_gather_options *options)
{
    *gather = (struct asyncio_gather){.count_ = count, .left_ = count};
    int err = check_all(kind, list, count);
    if (err < 0) return err;
    gather->future.loop_ = asyncio__running_loop;
    gather->future.kind_ = &gather_kind;
    gather->results_ = options ? options->results : NULL;
    if (options && options->return_exceptions)
        gather->flags_ |= GATHER_EXCEPTIONS;
    if (count == 0) {
        settle(gather, 0, NULL);
        return 0;
    }
    gather->members_ = asyncio__alloc_array(count, sizeof *gather->members_);
    if (!gather->members_) return -ENOMEM;
    err = make_members(gather, kind, list);
    if (err < 0) {
        unmake_members(gather);
        asyncio__free(gather->members_);
        *gather = (struct asyncio_gather){0};
        return err;
    }
    watch_members(gather);
    return 0;
}

int(asyncio_gather_start)(struct asyncio_gather *gather, enum asyncio_kind kind,
                          const void *list, size_t count,
                          const struct asyncio_gather_options *options)
{
    return start(gather, kind, list, count, options);
}

// Waits, deaf to cancels, until the tasks made here have ended. What cancels
// come meanwhile count, and are delivered by the caller's next wait.
static void join_own(struct asyncio_gather *gather)
{
    struct asyncio_task *task = asyncio__task();
    bool cancelled = task && task->must_cancel;
    if (task) task->must_cancel = false;
    while (task && own_running(gather) &&
           asyncio_shield_future(&gather->future) == -ECANCELED)
        cancelled |= !asyncio_future_done(&gather->future);
    if (task) task->must_cancel |= cancelled;
}

void asyncio_gather_close(struct asyncio_gather *gather)
{
    if (!gather->members_) {
        asyncio_future_reset(&gather->future);
        return;
    }
    settle(gather, -ECANCELED, NULL);
    join_own(gather);
    let_go(gather);
    asyncio__free(gather->members_);
    gather->members_ = NULL;
    gather->count_ = 0;
    asyncio__failure_unref(gather->future.failure_);
    gather->future.failure_ = NULL;
}

int(asyncio_gather)(enum asyncio_kind kind, const void *list, size_t count,
                    const struct asyncio_gather_options *options)
{
    if (!asyncio__task()) return -EPERM;
    struct asyncio_gather gather;
    int err = start(&gather, kind, list, count, options);
    if (err < 0) return err;
    err = asyncio_await_future(&gather.future);
    asyncio_gather_close(&gather);
    return err;
}
