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
// An entry that stands twice in the list is two members: each takes the outcome
// to its own place, but only the first one cancels.

#include <asyncio/gather.h>

#include <assert.h>

#include "platform/sys.h"
#include "task/compact.h"
#include "task/member.h"

enum gather_flags {
    GATHER_EXCEPTIONS = 1, // codes are results
    GATHER_CANCELLED = 2,  // its members were asked to end
    GATHER_SETTLED = 4,    // the outcome is known: its future holds it already
};

// The next member, from index *i on, whose end has not been seen; or NULL.
static struct asyncio__member *next_member(const struct asyncio_gather *gather,
                                           size_t *i)
{
    return asyncio__next_member(gather->members_, gather->count_, i);
}

// --- the end ----------------------------------------------------------------

static void store(struct asyncio__member *member)
{
    struct asyncio_gather *gather = member->owner;
    if (gather->results_)
        gather->results_[member - gather->members_] = member->future->result_;
}

// The member and its future have no more to do with each other.
static void part(struct asyncio__member *member)
{
    struct asyncio_gather *gather = member->owner;
    gather->left_--;
    gather->own_left_ -= member->own;
    asyncio__member_part(member);
}

// Nobody but the gather looks at how the rest of its members end: failures of
// theirs count as seen, if the gather itself has failed.
static void let_go(struct asyncio__member *member, bool failed)
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
    struct asyncio__member *member;
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
    asyncio__wake_all(&gather->closing_, 0);
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

static void member_ended(struct asyncio__member *member)
{
    struct asyncio_gather *gather = member->owner;
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
    member_ended(asyncio__member_of(step));
}

static bool cancel_gather(struct asyncio_future *future,
                          const struct asyncio_cancel_options *options)
{
    struct asyncio_gather *gather =
        list_entry(future, struct asyncio_gather, future);
    if (gather->flags_ & GATHER_SETTLED) return false;
    bool taken = false;
    struct asyncio__member *member;
    for (size_t i = 0; (member = next_member(gather, &i));)
        if (!member->again)
            taken |= asyncio__future_cancel_awaited(member->future, options);
    if (taken) gather->flags_ |= GATHER_CANCELLED;
    return taken;
}

static void visit_members(struct asyncio_future *future,
                          asyncio__awaited_fn *visit, void *arg)
{
    struct asyncio_gather *gather =
        list_entry(future, struct asyncio_gather, future);
    asyncio__members_visit(gather->members_, gather->count_, visit, arg);
}

static const struct asyncio__future_kind gather_kind = {
    .name = "gather",
    .cancel = cancel_gather,
    .each_awaited = visit_members,
};

// --- the start --------------------------------------------------------------

// Puts the members' steps where they will be seen; those that are done count at
// once, in the order of the list.
static void watch_members(struct asyncio_gather *gather)
{
    struct asyncio__member *member;
    for (size_t i = 0; (member = next_member(gather, &i));)
        asyncio__member_watch(member, gather->future.loop_);
    for (size_t i = 0; (member = next_member(gather, &i));)
        if (asyncio_future_done(member->future)) member_ended(member);
    if (gather->count_ == 0) settle(gather, 0, NULL, false);
    complete_if_over(gather);
}

// Whether something that outlives this call lies in the frames of the compact
// task that makes it.
static bool reaches_compact(const struct asyncio_gather *gather,
                            const void *list,
                            const struct asyncio_gather_options *options)
{
    return asyncio__reaches_compact(gather) || asyncio__reaches_compact(list) ||
           asyncio__reaches_compact(options ? options->results : NULL);
}

int(asyncio_gather_start)(struct asyncio_gather *gather, enum asyncio_kind kind,
                          const void *list, size_t count,
                          const struct asyncio_gather_options *options)
{
    *gather = (struct asyncio_gather){.count_ = count, .left_ = count};
    int err = asyncio__entries_check(kind, list, count, &gather->future.loop_);
    if (err == 0 && reaches_compact(gather, list, options))
        err = asyncio__compact_refuse(asyncio__task());
    if (err == 0 && count > 0)
        err =
            asyncio__members_make(&gather->members_, run_member, gather, kind,
                                  list, count, options ? options->site : NULL);
    if (err < 0) {
        asyncio__entries_refused(kind, list, count, "asyncio_gather", err);
        // Who awaits it all the same learns why.
        *gather = (struct asyncio_gather){.flags_ = GATHER_SETTLED};
        asyncio__future_complete(&gather->future, err, NULL);
        return err;
    }
    gather->future.kind_ = &gather_kind;
    for (size_t i = 0; i < count; i++)
        gather->own_left_ += gather->members_[i].own;
    gather->results_ = options ? options->results : NULL;
    if (options && options->return_exceptions)
        gather->flags_ |= GATHER_EXCEPTIONS;
    watch_members(gather);
    return 0;
}

// --- closing ----------------------------------------------------------------

void asyncio_gather_close(struct asyncio_gather *gather)
{
    if (!gather) return;
    if (asyncio__future_elsewhere(&gather->future, __func__)) return;
    if (gather->members_ && !asyncio_future_done(&gather->future)) {
        settle(gather, -ECANCELED, NULL, false);
        complete_if_over(gather);
        if (gather->own_left_ > 0)
            asyncio__members_join(gather->members_, gather->count_,
                                  &gather->closing_);
        // Only where no task could wait: what is left ends by itself.
        struct asyncio__member *member;
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

int(asyncio_gather)(enum asyncio_kind kind, const void *list, size_t count,
                    const struct asyncio_gather_options *options)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    if (list && asyncio__entries_contain(kind, list, count, task))
        return -EDEADLK;
    struct asyncio_gather gather;
    int err = (asyncio_gather_start)(&gather, kind, list, count, options);
    if (err < 0) return err;
    err = asyncio_await_future(&gather.future);
    asyncio_gather_close(&gather);
    return err;
}
