// A loop that has nothing to run: how long it may sleep, and how it does.
//
// The sleep itself is the poller's, and ends with the kernel's news, a wake-up
// or the time. Three things may come before it. While jobs are out that may end
// at any moment, or where the kernel's news were quick of late, the loop spins:
// it looks at memory for as long as being woken would take. Where calls come
// from other threads faster than they can wake a loop, it naps for a moment and
// lets them gather. And where something comes of it that nothing runs, it
// sleeps patiently: no longer than it takes until that is certain. A test's
// clock is such a thing, it jumps; so is a program that has nothing under way,
// and can only wait for itself.
//
// A sleep is also when stacks go back to the system that tasks needed once. As
// long as there may be some, no sleep is longer than a second, and the kernel
// is asked between one handful and the next.
//
// Other threads, and sources, are told of the sleep before the last look at
// what they have brought (queue.c), and of its end.

#include "loop/sleep.h"

#include "loop/testing.h"

// With more jobs out than this, sleeping until several have ended costs less
// than seeing each at once.
#define SPIN_FOR_MAX 4

// Whoever posts again and again is better served by a loop that sleeps until
// there is much, than by one that snatches each post as it comes: after so many
// that were there at the first look.
#define STREAM_MAX 8

// So many calls came from other threads, and no further apart, that more are
// under way: a nap, from which nobody wakes the loop, costs them less than to
// meet it at the gate, or to wake it, for each handful. So long it is at most.
#define CROWD         64
#define CROWD_PACE_NS 150
#define NAP_NS        50000

// A program that waits only for its other threads sleeps often and not long:
// whether it can wake at all is asked when it has slept for this long.
#define STUCK_AFTER_NS 1000000000

// Stacks that nobody has needed for so long are given back.
#define UNNEEDED_NS 1000000000

// When something is due: the first timer, or what a simulated world does next.
static int64_t next_ns_of(struct asyncio_loop *loop)
{
    int64_t timer_ns = asyncio__timers_next(&loop->timers);
    if (!loop->clock) return timer_ns;
    int64_t world_ns = asyncio__poller_next(loop->poller);
    return world_ns < timer_ns ? world_ns : timer_ns;
}

int64_t asyncio__loop_due_in_ns(struct asyncio_loop *loop, int64_t now_ns)
{
    int64_t next_ns = next_ns_of(loop);
    if (next_ns == ASYNCIO__NEVER) return -1;
    if (loop->clock) now_ns = asyncio__loop_now(loop);
    int64_t left_ns = next_ns - now_ns;
    if (loop->clock) return asyncio__testing_clock_takes(loop->clock, left_ns);
    return left_ns > 0 ? left_ns : 0;
}

bool asyncio__loop_look_at_sources(struct asyncio_loop *loop)
{
    bool any = false;
    list_for_each_safe (link, after, &loop->sources) {
        struct asyncio__source *source =
            list_entry(link, struct asyncio__source, link);
        any |= source->look(source);
    }
    return any;
}

static bool tell_sources(struct asyncio_loop *loop, bool sleeps)
{
    bool any = false;
    list_for_each (link, &loop->sources) {
        struct asyncio__source *source =
            list_entry(link, struct asyncio__source, link);
        any |= source->sleep(source, sleeps);
    }
    return any;
}

// How long it really is until a source is to be asked.
static int64_t source_due_ns(const struct asyncio_loop *loop)
{
    int64_t due_ns = ASYNCIO__NEVER;
    list_for_each (link, &loop->sources) {
        const struct asyncio__source *source =
            list_entry(link, struct asyncio__source, link);
        if (source->due_ns < due_ns) due_ns = source->due_ns;
    }
    if (due_ns == ASYNCIO__NEVER) return due_ns;
    int64_t left_ns = due_ns - asyncio__clock_real_ns();
    return left_ns > 0 ? left_ns : 0;
}

static bool has_news(struct asyncio_loop *loop)
{
    return asyncio__loop_has_ready(loop) || asyncio__loop_has_posts(loop);
}

static bool has_come(struct asyncio_loop *loop)
{
    return asyncio__loop_has_posts(loop) ||
           (!list_empty(&loop->sources) && asyncio__loop_look_at_sources(loop));
}

// The kernel is asked now and then all the same, by whoever spins again and
// again with success.
static int look_before_spinning(struct asyncio_loop *loop, int64_t now_ns)
{
    if (now_ns - loop->looked_ns < ASYNCIO__LOOK_EVERY_NS ||
        asyncio__poller_has_news(loop->poller) == ASYNCIO__NEWS_NONE)
        return 0;
    loop->looked_ns = now_ns;
    return asyncio__poller_wait(loop->poller, 0);
}

// Jobs are out that may end at any moment: looks for that, in place of a sleep.
// True if there is something to run, or `err`.
static bool spin(struct asyncio_loop *loop, int64_t timeout_ns, int *err)
{
    struct asyncio__spin_watch watch;
    *err = 0;
    if (timeout_ns >= 0 && timeout_ns < asyncio__spin_ns()) return false;
    if (!asyncio__spin_begin(&loop->spin, &watch)) return false;

    *err = look_before_spinning(loop, watch.last_ns);
    bool found = *err < 0 || asyncio__loop_has_ready(loop);
    bool posted = false, first = true;
    while (!found && !posted && asyncio__spin_goes_on(&watch)) {
        if (asyncio__poller_has_news(loop->poller) == ASYNCIO__NEWS_CERTAIN)
            break;
        for (int i = 0; i < ASYNCIO__SPIN_LOOKS && !posted; i++) {
            posted = has_come(loop);
            if (!posted) asyncio__spin_pause();
        }
        loop->stream = posted && first ? loop->stream + 1 : 0;
        first = false;
    }
    asyncio__spin_end(&loop->spin, &watch, found || posted);
    return found || posted;
}

// Nothing but the kernel can bring news: looks for that, where the last looks
// were worth while. One connection that asks and waits for its answer is served
// twice as fast by a loop that does not sleep in between.
static bool spin_for_kernel(struct asyncio_loop *loop, int64_t timeout_ns,
                            int *err)
{
    struct asyncio__spin_watch watch;
    *err = 0;
    if (loop->clock || asyncio__poller_pending(loop->poller) == 0) return false;
    if (timeout_ns >= 0 && timeout_ns < asyncio__spin_ns()) return false;
    if (!asyncio__spin_begin_for_kernel(&loop->kernel_spin, &watch))
        return false;

    uint64_t before = asyncio__poller_delivered(loop->poller);
    bool found = false;
    do
        for (int i = 0; i < ASYNCIO__SPIN_LOOKS && !found; i++) {
            if (asyncio__poller_has_news(loop->poller) != ASYNCIO__NEWS_NONE)
                *err = asyncio__poller_wait(loop->poller, 0);
            found = *err < 0 || has_news(loop) ||
                    asyncio__poller_delivered(loop->poller) != before;
            if (!found) asyncio__spin_pause();
        }
    while (!found && asyncio__spin_goes_on(&watch));
    asyncio__spin_end(&loop->kernel_spin, &watch, found);
    return found;
}

static bool is_crowded(struct asyncio_loop *loop)
{
    if (loop->calls_ran < CROWD) return false;
    int64_t now_ns = asyncio__clock_real_ns();
    int64_t pace_ns = (now_ns - loop->counted_ns) / (int64_t)loop->calls_ran;
    loop->calls_ran = 0;
    loop->counted_ns = now_ns;
    return pace_ns <= CROWD_PACE_NS;
}

// Calls that have come already wait as well: at such a pace it is the nap that
// makes them many.
static int nap(struct asyncio_loop *loop, int64_t timeout_ns)
{
    if (timeout_ns < 0 || timeout_ns > NAP_NS) timeout_ns = NAP_NS;
    return asyncio__poller_wait(loop->poller, timeout_ns);
}

static int sleep_in_poller(struct asyncio_loop *loop, int64_t timeout_ns)
{
    int err;
    if (is_crowded(loop)) return nap(loop, timeout_ns);

    bool few = loop->held > 0 && loop->held <= SPIN_FOR_MAX;
    bool stream = loop->stream > STREAM_MAX;
    loop->stream = stream ? 0 : loop->stream;
    if (few && !stream && spin(loop, timeout_ns, &err)) return err;
    if (loop->held == 0 && spin_for_kernel(loop, timeout_ns, &err)) return err;

    atomic_store(&loop->sleeping, true);
    if (atomic_load(&loop->posts)) timeout_ns = 0;
    if (!list_empty(&loop->sources) && tell_sources(loop, true)) timeout_ns = 0;
    err = asyncio__poller_wait(loop->poller, timeout_ns);
    atomic_store(&loop->sleeping, false);
    if (!list_empty(&loop->sources)) tell_sources(loop, false);
    return err;
}

static bool all_quiet(struct asyncio_loop *loop)
{
    return !asyncio__loop_has_ready(loop) && !loop->stopping &&
           !asyncio__loop_has_posts(loop) && loop->held == 0 &&
           asyncio__poller_pending(loop->poller) == 0;
}

// Sleeps with no timer to end it. With nothing under way, nobody in this
// program can end it either, unless it has other threads.
static int sleep_for_ever(struct asyncio_loop *loop)
{
    if (loop->stuck && all_quiet(loop)) {
        int64_t asleep_ns = asyncio__clock_real_ns();
        bool wait = !loop->clock; // a test's clock does not move meanwhile
        int err = wait ? sleep_in_poller(loop, STUCK_AFTER_NS) : 0;
        if (err < 0 || !all_quiet(loop)) return err;
        if (wait && asyncio__clock_real_ns() - asleep_ns < STUCK_AFTER_NS)
            return 0;
        loop->stuck(loop);
        if (asyncio__loop_idle_ns(loop, asyncio__loop_now(loop)) >= 0 ||
            !all_quiet(loop))
            return 0;
    }
    return sleep_in_poller(loop, -1);
}

// The end of an operation may begin another: only a look that brings no news
// says that everything waits.
static int look_until_quiet(struct asyncio_loop *loop)
{
    uint64_t before;
    int err;
    do {
        before = asyncio__poller_delivered(loop->poller);
        err = asyncio__poller_wait(loop->poller, 0);
    } while (err == 0 && !asyncio__loop_has_ready(loop) &&
             asyncio__poller_delivered(loop->poller) != before);
    return err;
}

// How long nothing may run until something comes of it: somebody waits for
// that, or else a test's clock jumps, unless work is under way that will end by
// itself: a job that waits for a task of ours will not. ASYNCIO__NEVER: nothing
// will.
static int64_t patience_ns(struct asyncio_loop *loop)
{
    int64_t least_ns = ASYNCIO__NEVER;
    list_for_each (link, &loop->patient) {
        int64_t ns = list_entry(link, struct asyncio__timer, link)->when_ns;
        if (ns < least_ns) least_ns = ns;
    }
    bool held = loop->held > atomic_load(&loop->asking) ||
                asyncio__poller_working(loop->poller) > 0;
    if (!list_empty(&loop->patient) || !loop->clock || held) return least_ns;
    if (next_ns_of(loop) == ASYNCIO__NEVER) return least_ns;
    return asyncio__real_ns(loop->clock->autojump_threshold);
}

// Nothing has run for so long: this is what comes of it.
static void lose_patience(struct asyncio_loop *loop, int64_t patience_ns)
{
    if (list_empty(&loop->patient)) {
        asyncio__testing_clock_advance(loop->clock, next_ns_of(loop));
        return;
    }
    list_for_each_safe (link, after, &loop->patient) {
        struct asyncio__timer *timer =
            list_entry(link, struct asyncio__timer, link);
        if (timer->when_ns > patience_ns) continue;
        list_remove(link);
        timer->fire(timer);
    }
}

// Sleeps, where something comes of it if nothing runs for a while. True if
// nothing has for `patience_ns`.
static bool sleep_in_vain(struct asyncio_loop *loop, int64_t patience_ns,
                          int *err)
{
    if (patience_ns == 0) return true;
    uint64_t before = asyncio__poller_delivered(loop->poller);
    int64_t until_ns = asyncio__clock_real_ns() + patience_ns;
    *err = sleep_in_poller(loop, patience_ns);
    return *err == 0 && !has_news(loop) &&
           asyncio__poller_delivered(loop->poller) == before &&
           asyncio__clock_real_ns() >= until_ns;
}

// True if only another thread, or another process, could end the sleep.
static bool is_stuck(struct asyncio_loop *loop, int64_t timeout_ns)
{
    return timeout_ns < 0 && loop->held == 0 &&
           asyncio__poller_pending(loop->poller) == 0;
}

static int sleep_patiently(struct asyncio_loop *loop, int64_t timeout_ns)
{
    int err = look_until_quiet(loop);
    if (err < 0 || has_news(loop)) return err;

    int64_t least_ns = patience_ns(loop);
    if (least_ns == ASYNCIO__NEVER && asyncio__testing.stuck &&
        is_stuck(loop, timeout_ns))
        asyncio__testing.stuck(loop);
    int64_t due_ns = source_due_ns(loop);
    if (due_ns < least_ns && (timeout_ns < 0 || due_ns < timeout_ns))
        return sleep_in_poller(loop, due_ns);
    if (least_ns == ASYNCIO__NEVER && timeout_ns < 0)
        return sleep_for_ever(loop);
    if (least_ns == ASYNCIO__NEVER ||
        (timeout_ns >= 0 && timeout_ns <= least_ns))
        return sleep_in_poller(loop, timeout_ns);
    if (sleep_in_vain(loop, least_ns, &err)) lose_patience(loop, least_ns);
    return err;
}

// Gives back stacks that were needed once. Returns how long the loop may sleep
// then: not at all, but for a look at the kernel, while there is more to give.
static int64_t trim_stacks(struct asyncio_loop *loop, int64_t timeout_ns)
{
    int64_t now_ns = asyncio__loop_now(loop);
    if (now_ns >= loop->trim_ns) {
        if (asyncio__stacks_trim(loop->stacks)) return 0;
        loop->trim_ns = now_ns + UNNEEDED_NS;
        if (!asyncio__stacks_may_trim(loop->stacks)) return timeout_ns;
    }
    if (loop->clock) return timeout_ns; // such time does not come by waiting
    int64_t left_ns = loop->trim_ns - now_ns;
    return timeout_ns < 0 || timeout_ns > left_ns ? left_ns : timeout_ns;
}

int asyncio__loop_sleep(struct asyncio_loop *loop, int64_t timeout_ns)
{
    if (asyncio__stacks_may_trim(loop->stacks)) {
        timeout_ns = trim_stacks(loop, timeout_ns);
        if (timeout_ns == 0) return asyncio__poller_wait(loop->poller, 0);
    }
    if (loop->clock || !list_empty(&loop->patient))
        return sleep_patiently(loop, timeout_ns);
    if (timeout_ns < 0) return sleep_for_ever(loop);
    return sleep_in_poller(loop, timeout_ns);
}
