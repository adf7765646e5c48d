// Wait: a task parked on the members of a list and, perhaps, a timer.
//
// A member that ends counts itself down and wakes the waiter once the condition
// holds; the waiter runs in the pass after that, and then asks every member
// anew. What the call made is freed before it returns, so whoever ends later
// finds nothing of it.

#include <asyncio/wait.h>

#include <limits.h>

#include "platform/sys.h"
#include "task/compact.h"
#include "task/member.h"
#include "task/run.h"

struct wait {
    struct asyncio_task *task;
    struct asyncio__member *members;
    size_t count;
    size_t left; // pending, each counted once
    enum asyncio_return_when until;
    bool met;
};

static void visit_members(const struct asyncio_task *waiter,
                          asyncio__awaited_fn *visit, void *arg)
{
    const struct wait *wait = waiter->wait.object;
    asyncio__members_visit(wait->members, wait->count, visit, arg);
}

static const struct asyncio__wait_kind waiting = {
    .name = "one or all of a list",
    .cancel = asyncio__cancel_timed,
    .each_awaited = visit_members,
};

// Counts a member that is done.
static void count_done(struct wait *wait, const struct asyncio_future *future)
{
    int result = future->result_;
    wait->left--;
    if (wait->left == 0 || wait->until == ASYNCIO_FIRST_COMPLETED ||
        (wait->until == ASYNCIO_FIRST_EXCEPTION && result < 0 &&
         result != -ECANCELED))
        wait->met = true;
}

static void member_ended(struct asyncio__step *step)
{
    struct asyncio__member *member = asyncio__member_of(step);
    struct wait *wait = member->owner;
    count_done(wait, member->future);
    if (wait->met) asyncio__wake_timed(wait->task, 0);
}

// A member for each future: those that stand in the list again are let go of.
static void watch(struct wait *wait)
{
    struct asyncio__member *member;
    for (size_t i = 0;
         (member = asyncio__next_member(wait->members, wait->count, &i));) {
        if (member->again) {
            asyncio__member_part(member);
            continue;
        }
        wait->left++;
        asyncio__member_watch(member, wait->task->future.loop_);
    }
    for (size_t i = 0;
         (member = asyncio__next_member(wait->members, wait->count, &i));)
        if (asyncio_future_done(member->future))
            count_done(wait, member->future);
}

static int park(struct wait *wait, double seconds, int64_t when_ns)
{
    if (wait->met) return asyncio__checkpoint();
    if (seconds <= 0) return asyncio__yield();
    return asyncio__park_until(&waiting, wait, when_ns);
}

// Marks who is done and counts them.
static int sort(const struct wait *wait,
                const struct asyncio_wait_options *options)
{
    int found = 0;
    for (size_t i = 0; i < wait->count; i++) {
        const struct asyncio_future *future = wait->members[i].future;
        bool done = future && asyncio_future_done(future);
        if (options && options->done) options->done[i] = done;
        if (options && options->pending) options->pending[i] = future && !done;
        found += done;
    }
    return found;
}

static void let_go(struct wait *wait)
{
    struct asyncio__member *member;
    for (size_t i = 0;
         (member = asyncio__next_member(wait->members, wait->count, &i));)
        asyncio__member_part(member);
    asyncio__free(wait->members);
}

static int check(struct wait *wait, enum asyncio_kind kind, const void *list)
{
    if (kind != ASYNCIO_TASKS && kind != ASYNCIO_FUTURES) return -EINVAL;
    if (wait->until > ASYNCIO_FIRST_EXCEPTION) return -EINVAL;
    if (wait->count == 0 || wait->count > INT_MAX) return -EINVAL;
    struct asyncio_loop *loop;
    int err = asyncio__entries_check(kind, list, wait->count, &loop);
    if (err < 0) return err;
    return asyncio__entries_contain(kind, list, wait->count, wait->task)
               ? -EDEADLK
               : 0;
}

int(asyncio_wait)(enum asyncio_kind kind, const void *list, size_t count,
                  double seconds, const struct asyncio_wait_options *options)
{
    struct wait wait = {
        .task = asyncio__task(),
        .count = count,
        .until = options ? options->return_when : ASYNCIO_ALL_COMPLETED,
    };
    if (!wait.task) return -EPERM;
    if (wait.task->compact) return asyncio__compact_refuse(wait.task);
    double when;
    int64_t when_ns;
    int err = check(&wait, kind, list);
    if (err == 0)
        err = asyncio__deadline_in(asyncio__loop_now(wait.task->future.loop_),
                                   seconds, &when, &when_ns);
    if (err == 0)
        err = asyncio__members_make(&wait.members, member_ended, &wait, kind,
                                    list, count, NULL);
    if (err < 0) return err;

    watch(&wait);
    err = park(&wait, seconds, when_ns);
    int found = err < 0 ? err : sort(&wait, options);
    let_go(&wait);
    return found;
}
