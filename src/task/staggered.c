// The staggered race: members that are made one by one.
//
// The caller's task makes an attempt, waits until that one has failed, the race
// is won or the delay has passed, and makes the next. Who ends is noted by the
// member's step, so the first step that brings a value is the winner, also
// where two attempts succeed in one pass.

#include <asyncio/staggered.h>

#include <limits.h>
#include <string.h>

#include "platform/sys.h"
#include "task/compact.h"
#include "task/member.h"
#include "task/run.h"

struct race {
    struct asyncio_task *task;
    struct asyncio__member *members; // `started` of them are made
    int *codes;                      // how each ended; behind the members
    size_t count, started;
    size_t left;     // that began and have not ended
    size_t own_left; // those of them that were made here
    int winner;      // its index, or -1
    bool failed;     // the latest attempt: the next one is due
    struct asyncio_link closing;
};

static void visit_attempts(const struct asyncio_task *waiter,
                           asyncio__awaited_fn *visit, void *arg)
{
    const struct race *race = waiter->wait.object;
    asyncio__members_visit(race->members, race->started, visit, arg);
}

static const struct asyncio__wait_kind racing = {
    .name = "an attempt of a race",
    .cancel = asyncio__cancel_timed,
    .each_awaited = visit_attempts,
};

// --- attempts that end ------------------------------------------------------

static void note(struct race *race, struct asyncio__member *member)
{
    int result = member->future->result_;
    size_t i = (size_t)(member - race->members);
    bool first = result >= 0 && race->winner < 0;
    race->codes[i] = result < 0 || first ? result : -ECANCELED;
    if (first) race->winner = (int)i;
    if (result < 0 && i + 1 == race->started) race->failed = true;
    race->left--;
    race->own_left -= member->own;
}

static void attempt_ended(struct asyncio__step *step)
{
    struct asyncio__member *member = asyncio__member_of(step);
    struct race *race = member->owner;
    asyncio__future_look(member->future);
    note(race, member);
    struct asyncio_task *closing = asyncio__first_waiter(&race->closing);
    if (closing && race->own_left == 0) asyncio__wake(closing, 0);
    if (closing) return;
    if (race->winner >= 0 || race->failed || race->left == 0)
        asyncio__wake_timed(race->task, 0);
}

// --- the start --------------------------------------------------------------

// An attempt that cannot be made has failed with the reason.
static void start_next(struct race *race, enum asyncio_kind kind,
                       const void *list, const char *site)
{
    size_t i = race->started++;
    struct asyncio__member *member = &race->members[i];
    race->failed = false;
    int err =
        asyncio__member_make(member, attempt_ended, race, kind, list, i, site);
    if (err < 0) {
        race->codes[i] = err;
        race->failed = true;
        return;
    }
    race->left++;
    race->own_left += member->own;
    asyncio__member_watch(member, race->task->future.loop_);
    if (!asyncio_future_done(member->future)) return;
    asyncio__future_look(member->future);
    note(race, member);
}

// True if some attempt has succeeded, perhaps without its step having run.
static bool is_won(const struct race *race)
{
    if (race->winner >= 0) return true;
    for (size_t i = 0; i < race->started; i++) {
        struct asyncio_future *future = race->members[i].future;
        if (future && asyncio_future_done(future) && future->result_ >= 0)
            return true;
    }
    return false;
}

static bool may_start(const struct race *race)
{
    return race->started < race->count && !is_won(race);
}

// Until the latest attempt has failed, `delay` has passed, or all is over.
static int wait_for_turn(const struct race *race, double delay)
{
    double when;
    int64_t when_ns = ASYNCIO__NEVER;
    if (may_start(race)) {
        if (delay <= 0) return asyncio__yield();
        int64_t now_ns = asyncio__loop_now(race->task->future.loop_);
        int err = asyncio__deadline_in(now_ns, delay, &when, &when_ns);
        if (err < 0) return err;
    }
    return asyncio__park_until(&racing, (void *)(uintptr_t)race, when_ns);
}

// Returns 0 once the race is won or lost, or the code that ended it.
static int run(struct race *race, enum asyncio_kind kind, const void *list,
               double delay, const char *site)
{
    bool due = true;
    while (race->winner < 0) {
        if (may_start(race) && (due || race->failed)) {
            start_next(race, kind, list, site);
            due = false;
        } else {
            if (race->left == 0) break;
            int err = wait_for_turn(race, delay);
            if (err < 0) return err;
            due = true;
        }
    }
    return 0;
}

// --- the end ----------------------------------------------------------------

static const struct asyncio_cancel_options lost = {
    .reason = "the race that it is of is over",
};

// Ends what was made here.
static void end(struct race *race)
{
    // Those whom a cancelled scope tells are not told twice.
    struct asyncio_cancel_options why = lost;
    if (race->task->scope_cancelled) why.scope_ = race->task->scope;
    struct asyncio__member *member;
    for (size_t i = 0;
         (member = asyncio__next_member(race->members, race->started, &i));)
        if (member->own) (asyncio_future_cancel)(member->future, &why);
    if (race->own_left > 0)
        asyncio__members_join(race->members, race->started, &race->closing);
}

// The code of a race that nobody won, with its words.
static int verdict(const struct race *race)
{
    size_t i = 0;
    while (i < race->started && race->codes[i] == -ECANCELED)
        i++;
    if (i == race->started) return -ECANCELED;
    struct asyncio_future *future = race->members[i].future;
    return future ? asyncio__future_outcome(future) : race->codes[i];
}

static void let_go(struct race *race)
{
    struct asyncio__member *member;
    for (size_t i = 0;
         (member = asyncio__next_member(race->members, race->started, &i));)
        asyncio__member_part(member);
    asyncio__free(race->members);
}

static int check(const struct race *race, enum asyncio_kind kind,
                 const void *list, double delay)
{
    if (!race->task) return -EPERM;
    if (race->task->compact) return asyncio__compact_refuse(race->task);
    if (race->count > INT_MAX) return -EINVAL;
    double when;
    int64_t when_ns;
    int64_t now_ns = asyncio__loop_now(race->task->future.loop_);
    int err = asyncio__deadline_in(now_ns, delay, &when, &when_ns);
    if (err < 0) return err;
    struct asyncio_loop *loop;
    err = asyncio__entries_check(kind, list, race->count, &loop);
    if (err < 0) return err;
    if (asyncio__entries_contain(kind, list, race->count, race->task))
        return -EDEADLK;
    return race->count == 0 ? -ENODATA : 0;
}

static int prepare(struct race *race)
{
    race->members = asyncio__alloc_array(race->count, sizeof *race->members +
                                                          sizeof *race->codes);
    if (!race->members) return -ENOMEM;
    race->codes = (int *)(void *)(race->members + race->count);
    for (size_t i = 0; i < race->count; i++)
        race->codes[i] = -ECANCELED; // of yours, if it is still pending then
    return 0;
}

int(asyncio_staggered_race)(enum asyncio_kind kind, const void *list,
                            size_t count, double delay,
                            const struct asyncio_race_options *options)
{
    struct race race = {.task = asyncio__task(), .count = count, .winner = -1};
    if (options && options->started) *options->started = 0;
    int err = check(&race, kind, list, delay);
    if (err == 0 && race.task->scope_cancelled)
        err = asyncio__begin_await(race.task);
    if (err == 0) err = prepare(&race);
    if (err < 0) return err;

    err = run(&race, kind, list, delay, options ? options->site : NULL);
    end(&race);
    if (err == 0 && race.winner < 0) err = verdict(&race);
    if (options && options->results)
        memcpy(options->results, race.codes, race.started * sizeof *race.codes);
    if (options && options->started) *options->started = race.started;
    let_go(&race);
    return err < 0 ? err : race.winner;
}
