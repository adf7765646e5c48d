// Gather: a future that is done when its members are.
//
// Each entry of the list is a member: a step in the waiters of its future. Once
// the outcome is known, by the last member or by the first that failed, those
// that were handed in are let go of. Tasks that gather made out of coroutine
// objects are its own: they are cancelled, and the future completes when they
// have ended.
//
//     RUNNING --outcome known--> SETTLED --own tasks ended--> future done
//
// Members are linked in one go, without a switch, so an entry whose future has
// been seen before in this list finds our own step last in its waiters.

#include <asyncio/gather.h>

#include <assert.h>

#include "platform/sys.h"
#include "task/future.h"
#include "task/park.h"
#include "task/run.h"

struct asyncio__gather_member {
    struct asyncio__step step; // in future->waiters_, queued when it is done
    struct asyncio_gather *gather;
    struct asyncio_future *future; // a task's is counted; NULL: seen, or let go
    bool own;                      // made here: ours to cancel and join
    bool again;                    // an earlier member has the same future
};

enum gather_flags {
    GATHER_EXCEPTIONS = 1, // codes are results
    GATHER_CANCELLED = 2,  // its members were asked to end
    GATHER_SETTLED = 4,    // the outcome is known: its future holds it already
};

static struct asyncio__gather_member *member_of(struct asyncio__step *step)
{
    return list_entry(step, struct asyncio__gather_member, step);
}

// The next member, from index *i on, whose end has not been seen; or NULL.
static struct asyncio__gather_member *
next_member(const struct asyncio_gather *gather, size_t *i)
{
    while (*i < gather->count_) {
        struct asyncio__gather_member *member = &gather->members_[(*i)++];
        if (member->future) return member;
    }
    return NULL;
}

// --- the end ----------------------------------------------------------------

static void store(struct asyncio__gather_member *member)
{
    struct asyncio_gather *gather = member->gather;
    if (gather->results_)
        gather->results_[member - gather->members_] = member->future->result_;
}

// The member and its future have no more to do with each other.
static void part(struct asyncio__gather_member *member)
{
    struct asyncio_task *task = asyncio__future_task(member->future);
    if (list_linked(&member->step.link)) list_remove(&member->step.link);
    member->future = NULL;
    member->gather->left_--;
    member->gather->own_left_ -= member->own;
    asyncio_task_release(task);
}

// Nobody but the gather looks at how the rest of its members end: failures of
// theirs count as seen, if the gather itself has failed.
static void let_go(struct asyncio__gather_member *member, bool failed)
{
    if (asyncio_future_done(member->future)) store(member);
    if (failed) asyncio__future_look(member->future);
    part(member);
}

static const struct asyncio_cancel_options ends_early = {
    .reason = "the gather that made it ends early",
};

// Fixes the outcome. Own tasks are asked to end, once, others are left alone.
static void settle(struct asyncio_gather *gather, int outcome,
                   struct asyncio__failure *words, bool failed)
{
    if (gather->flags_ & GATHER_SETTLED) return;
    bool asked = gather->flags_ & GATHER_CANCELLED;
    gather->flags_ |= GATHER_SETTLED;
    gather->future.result_ = outcome;
    gather->future.failure_ = asyncio__failure_ref(words);
    struct asyncio__gather_member *member;
    for (size_t i = 0; (member = next_member(gather, &i));) {
        if (!member->own)
            let_go(member, failed);
        else if (!asked && !member->again)
            (asyncio_future_cancel)(member->future, &ends_early);
    }
}

static void complete_if_over(struct asyncio_gather *gather)
{
    struct asyncio_future *future = &gather->future;
    if (!(gather->flags_ & GATHER_SETTLED) || gather->own_left_ > 0 ||
        asyncio_future_done(future))
        return;
    asyncio__future_complete(future, future->result_, future->failure_);
    struct asyncio_task *closing;
    while ((closing = asyncio__first_waiter(&gather->closing_)))
        asyncio__wake(closing, 0);
}

// All have ended, and none in a way that ended the gather before.
static void settle_by_last(struct asyncio_gather *gather, int result,
                           struct asyncio__failure *words)
{
    if (!(gather->flags_ & GATHER_CANCELLED))
        settle(gather, 0, NULL, false);
    else
        settle(gather, -ECANCELED, result == -ECANCELED ? words : NULL, false);
}

static void member_ended(struct asyncio__gather_member *member)
{
    struct asyncio_gather *gather = member->gather;
    int result = member->future->result_;
    struct asyncio__failure *words =
        asyncio__failure_ref(member->future->failure_);

    asyncio__future_look(member->future);
    store(member);
    part(member);
    if (result < 0 && !(gather->flags_ & GATHER_EXCEPTIONS))
        settle(gather, result, words, true);
    else if (gather->left_ == 0)
        settle_by_last(gather, result, words);
    complete_if_over(gather);
    asyncio__failure_unref(words);
}

static void run_member(struct asyncio__step *step)
{
    member_ended(member_of(step));
}

static bool cancel_gather(struct asyncio_future *future,
                          const struct asyncio_cancel_options *options)
{
    struct asyncio_gather *gather =
        list_entry(future, struct asyncio_gather, future);
    if (gather->flags_ & GATHER_SETTLED) return false;
    bool taken = false;
    struct asyncio__gather_member *member;
    for (size_t i = 0; (member = next_member(gather, &i));)
        if (!member->again)
            taken |= asyncio__future_cancel_awaited(member->future, options);
    if (taken) gather->flags_ |= GATHER_CANCELLED;
    return taken;
}

static const struct asyncio__future_kind gather_kind = {
    .name = "gather",
    .cancel = cancel_gather,
};

// --- the list ---------------------------------------------------------------

static struct asyncio_any entry(enum asyncio_kind kind, const void *list,
                                size_t i)
{
    struct asyncio_any any = {kind, NULL};
    switch (kind) {
    case ASYNCIO_TASKS:
        any.object = ((struct asyncio_task *const *)list)[i];
        break;
    case ASYNCIO_FUTURES:
        any.object = ((struct asyncio_future *const *)list)[i];
        break;
    case ASYNCIO_COROUTINES:
        any.object = (struct asyncio_coroutine *)(uintptr_t)list + i;
        break;
    case ASYNCIO_ANYS: any = ((const struct asyncio_any *)list)[i]; break;
    }
    return any;
}

// The coroutine object that an entry is, or NULL.
static struct asyncio_coroutine *coroutine_of(struct asyncio_any any)
{
    return any.kind == ASYNCIO_COROUTINES ? any.object : NULL;
}

// The future that an entry has before anything is made of it, or NULL.
static struct asyncio_future *future_of(struct asyncio_any any)
{
    if (any.kind == ASYNCIO_FUTURES || !any.object) return any.object;
    return any.kind == ASYNCIO_TASKS ? asyncio_task_future(any.object) : NULL;
}

static int check_coroutine(const struct asyncio_coroutine *coroutine)
{
    if (!asyncio__running_loop) return -EPERM;
    if (!coroutine->fn) return -EINVAL;
    switch (coroutine->state_) {
    case ASYNCIO__COROUTINE_UNUSED: return 0;
    case ASYNCIO__COROUTINE_RUNNING: return -EBUSY;
    default: return -EALREADY;
    }
}

// Says what is wrong with an entry. The first that belongs to a loop decides
// which one it is, if none is running.
static int check(struct asyncio_any any, struct asyncio_loop **loop)
{
    if (coroutine_of(any)) return check_coroutine(any.object);
    struct asyncio_future *future = future_of(any);
    if (!future) return -EINVAL;
    if (!*loop) *loop = future->loop_;
    return !future->loop_ || future->loop_ == *loop ? 0 : -EXDEV;
}

// Looks at all entries before anything is made of one. Hands the loop out.
static int check_all(enum asyncio_kind kind, const void *list, size_t count,
                     struct asyncio_loop **loop)
{
    if (!list && count > 0) return -EINVAL;
    *loop = asyncio__running_loop;
    for (size_t i = 0; i < count; i++) {
        int err = check(entry(kind, list, i), loop);
        if (err < 0) return err;
    }
    if (!*loop) *loop = asyncio_get_event_loop();
    return *loop ? 0 : -EPERM;
}

// --- the start --------------------------------------------------------------

// The future of the task for a coroutine object, with the task's reference: of
// the one made for an earlier entry with the same object, or of a new one. The
// object names it until the whole list has been read. NULL without memory.
static struct asyncio_future *own_future(struct asyncio_coroutine *coroutine,
                                         const char *site)
{
    struct asyncio_future *future = coroutine->reserved_;
    if (future)
        return &asyncio_task_retain(asyncio__future_task(future))->future;
    struct asyncio_task *task =
        (asyncio_coroutine_create_task)(coroutine,
                                        &(struct asyncio_task_options){
                                            .site = site});
    if (task->immortal) return NULL;
    coroutine->reserved_ = &task->future;
    return &task->future;
}

static int make_member(struct asyncio__gather_member *member,
                       struct asyncio_gather *gather, struct asyncio_any any,
                       const char *site)
{
    struct asyncio_coroutine *coroutine = coroutine_of(any);
    member->step.run = run_member;
    member->gather = gather;
    member->own = coroutine;
    member->future = coroutine ? own_future(coroutine, site) : future_of(any);
    if (!member->future) return -ENOMEM;
    gather->own_left_ += member->own;
    struct asyncio_task *task = asyncio__future_task(member->future);
    if (task && !member->own) asyncio_task_retain(task);
    return 0;
}

static void mark_coroutines(enum asyncio_kind kind, const void *list,
                            size_t count, int state)
{
    for (size_t i = 0; i < count; i++) {
        struct asyncio_coroutine *coroutine =
            coroutine_of(entry(kind, list, i));
        if (!coroutine) continue;
        coroutine->reserved_ = NULL;
        coroutine->state_ = state;
    }
}

// Undoes a start that failed. None of the tasks has run, and none will.
static void unmake_members(struct asyncio_gather *gather)
{
    struct asyncio__gather_member *member;
    for (size_t i = 0; (member = next_member(gather, &i));) {
        if (member->own) (asyncio_future_cancel)(member->future, &ends_early);
        part(member);
    }
    asyncio__free(gather->members_);
}

static int make_members(struct asyncio_gather *gather, enum asyncio_kind kind,
                        const void *list, const char *site)
{
    size_t count = gather->count_;
    gather->members_ = asyncio__alloc_array(count, sizeof *gather->members_);
    if (!gather->members_) return -ENOMEM;
    int err = 0;
    for (size_t i = 0; i < count && err == 0; i++)
        err = make_member(&gather->members_[i], gather, entry(kind, list, i),
                          site);
    if (err < 0) unmake_members(gather);
    mark_coroutines(kind, list, count,
                    err < 0 ? ASYNCIO__COROUTINE_UNUSED
                            : ASYNCIO__COROUTINE_USED);
    return err;
}

static void watch_member(struct asyncio__gather_member *member)
{
    struct asyncio_future *future = member->future;
    if (asyncio_future_done(future)) return;
    if (!future->loop_) future->loop_ = member->gather->future.loop_;

    struct asyncio_link *last = list_last(&future->waiters_);
    struct asyncio__step *step =
        last ? list_entry(last, struct asyncio__step, link) : NULL;
    member->again = step && step->run == run_member &&
                    member_of(step)->gather == member->gather;
    list_add_tail(&future->waiters_, &member->step.link);
}

// Puts the members' steps where they will be seen; those that are done count at
// once, in the order of the list.
static void watch_members(struct asyncio_gather *gather)
{
    struct asyncio__gather_member *member;
    for (size_t i = 0; (member = next_member(gather, &i));)
        watch_member(member);
    for (size_t i = 0; (member = next_member(gather, &i));)
        if (asyncio_future_done(member->future)) member_ended(member);
    if (gather->count_ == 0) settle(gather, 0, NULL, false);
    complete_if_over(gather);
}

int(asyncio_gather_start)(struct asyncio_gather *gather, enum asyncio_kind kind,
                          const void *list, size_t count,
                          const struct asyncio_gather_options *options)
{
    *gather = (struct asyncio_gather){.count_ = count, .left_ = count};
    int err = check_all(kind, list, count, &gather->future.loop_);
    if (err == 0 && count > 0)
        err = make_members(gather, kind, list, options ? options->site : NULL);
    if (err < 0) {
        // Who awaits it all the same learns why.
        *gather = (struct asyncio_gather){.flags_ = GATHER_SETTLED};
        asyncio__future_complete(&gather->future, err, NULL);
        return err;
    }
    gather->future.kind_ = &gather_kind;
    gather->results_ = options ? options->results : NULL;
    if (options && options->return_exceptions)
        gather->flags_ |= GATHER_EXCEPTIONS;
    watch_members(gather);
    return 0;
}

// --- closing ----------------------------------------------------------------

// Cancels that come while own tasks are joined stay for the next wait.
static bool leave_pending(struct asyncio_task *task,
                          const struct asyncio_cancel_options *options)
{
    (void)task;
    (void)options;
    return false;
}

static const struct asyncio__wait_kind joining = {
    .name = "the tasks of a gather",
    .cancel = leave_pending,
    .keeps_result = true,
};

void asyncio_gather_close(struct asyncio_gather *gather)
{
    if (gather->members_ && !asyncio_future_done(&gather->future)) {
        settle(gather, -ECANCELED, NULL, false);
        complete_if_over(gather);
        if (gather->own_left_ > 0)
            asyncio_ignore(asyncio__park(&joining, gather, &gather->closing_));
        // Only where no task could wait: what is left ends by itself.
        struct asyncio__gather_member *member;
        for (size_t i = 0; (member = next_member(gather, &i));)
            part(member);
        complete_if_over(gather);
    }
    asyncio__free(gather->members_);
    gather->members_ = NULL;
    gather->count_ = 0;
    asyncio__failure_unref(gather->future.failure_);
    gather->future.failure_ = NULL;
}

static bool contains(enum asyncio_kind kind, const void *list, size_t count,
                     const struct asyncio_task *task)
{
    for (size_t i = 0; i < count; i++)
        if (future_of(entry(kind, list, i)) == &task->future) return true;
    return false;
}

int(asyncio_gather)(enum asyncio_kind kind, const void *list, size_t count,
                    const struct asyncio_gather_options *options)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    if (list && contains(kind, list, count, task)) return -EDEADLK;
    struct asyncio_gather gather;
    int err = (asyncio_gather_start)(&gather, kind, list, count, options);
    if (err < 0) return err;
    err = asyncio_await_future(&gather.future);
    asyncio_gather_close(&gather);
    return err;
}
