// The loop's life and its turn.
//
// Posts from other threads are a lock-free stack. The loop says that it sleeps
// before it looks at the stack a last time, and whoever posts looks at that
// after pushing: so either the loop sees the post, or the poster sees that a
// wake-up is due. A wake-up costs a system call, a post to a loop that is awake
// does not.

#include "loop/loop.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asyncio/threadsafe.h>

#include "loop/debug.h"
#include "loop/testing.h"
#include "platform/sys.h"

// While tasks only hand over to each other, the kernel is asked after this many
// passes, or this much time where time is read anyway.
#define QUICK_PASSES_MAX 64
#define LOOK_EVERY_NS    50000

// Refused so often, a loop that closes gives up.
#define DRAIN_FAILURES_MAX 1000

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

ASYNCIO__THREAD_LOCAL struct asyncio_loop *asyncio__thread_loop;
ASYNCIO__THREAD_LOCAL struct asyncio_loop *asyncio__running_loop;

// A program that waits only for its other threads sleeps often and not long:
// whether it can wake at all is asked when it has slept for this long.
#define STUCK_AFTER_NS 1000000000

// --- life -------------------------------------------------------------------

static int backend_of(const struct asyncio_loop_options *options,
                      enum asyncio__backend *backend)
{
    const char *name = options ? options->backend : NULL;
    bool ask = !options || !options->ignore_environment;
    *backend = ask ? ASYNCIO__BACKEND_AUTO : ASYNCIO__BACKEND_BEST;
    if (!name) return 0;
    if (strcmp(name, "uring") == 0)
        *backend = ASYNCIO__BACKEND_URING;
    else if (strcmp(name, "epoll") == 0)
        *backend = ASYNCIO__BACKEND_EPOLL;
    else if (strcmp(name, "sim") == 0)
        *backend = ASYNCIO__BACKEND_SIM;
    else
        return -EINVAL;
    return 0;
}

static int64_t time_of(void *loop)
{
    return asyncio__loop_now(loop);
}

// A simulated world has the time of its loop, which is never the system's, and
// does not go back when the next loop begins.
static void begin_world(struct asyncio_loop *loop)
{
    int64_t since_ns = asyncio__poller_begin(loop->poller, time_of, loop);
    if (since_ns < 0) return;
    if (!loop->clock) loop->clock = &loop->own_clock;
    asyncio__testing_clock_advance(loop->clock, since_ns);
}

// A program that knows nothing of tests can have a clock that jumps, too.
static bool virtual_by_environment(const struct asyncio_loop_options *options)
{
    if (options && options->ignore_environment) return false;
    const char *word = getenv("ASYNCIO_CLOCK");
    return word && strcmp(word, "virtual") == 0;
}

static void testing_settings(struct asyncio_loop *loop,
                             const struct asyncio_loop_options *options)
{
    loop->seed = loop->dice = asyncio__testing.seed;
    loop->each_pass_turns = loop->seed;
    if (asyncio__testing.clock) {
        bool ours =
            pthread_equal(asyncio__testing.clock_thread, pthread_self());
        loop->own_clock = asyncio__testing.settings;
        loop->clock = ours ? asyncio__testing.clock : &loop->own_clock;
    } else if (virtual_by_environment(options)) {
        loop->clock = &loop->own_clock;
    }
    bool watched =
        asyncio__testing.watched &&
        pthread_equal(asyncio__testing.watching_thread, pthread_self());
    loop->watched = watched ? ASYNCIO__WATCHED_BY_TEST : 0;
    begin_world(loop);
    loop->timers.now_ns = asyncio__loop_now(loop);
}

// A forked process shares ring and descriptors with its parent: what it did
// there would be done to the parent. So it has no loop, until it makes one.
static void forget_loops(void)
{
    asyncio__running_loop = asyncio__thread_loop = NULL;
    asyncio__debug_forget_loops();
    asyncio__loops_forget();
}

static int fork_err; // of the preparation below: 0, or -ENOMEM

static void prepare_for_forks(void)
{
    fork_err = -pthread_atfork(NULL, NULL, forget_loops);
}

int(asyncio_new_event_loop)(struct asyncio_loop **made,
                            const struct asyncio_loop_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    enum asyncio__backend backend;
    int err = backend_of(options, &backend);
    if (err == 0) err = asyncio__debug_check(options);
    if (err == 0) pthread_once(&once, prepare_for_forks);
    if (err == 0) err = fork_err;
    if (err < 0) return err;

    struct asyncio_loop *loop = asyncio__alloc(sizeof *loop);
    if (!loop) return -ENOMEM;
    err = asyncio__poller_open(&loop->poller, backend);
    if (err < 0) goto fail_loop;
    err = asyncio__stacks_open(&loop->stacks);
    if (err < 0) goto fail_poller;

    atomic_init(&loop->references, 1);
    loop->queue.next = loop->queue.prev = &loop->mark.link;
    testing_settings(loop, options);
    asyncio__debug_settings(loop, options);
    loop->eager = options && options->eager;
    asyncio__loop_enter(loop);
    asyncio__thread_loop = loop;
    *made = loop;
    return 0;

fail_poller:
    asyncio__poller_close(loop->poller);
fail_loop:
    asyncio__free(loop);
    return err;
}

void asyncio__loop_at_close(struct asyncio_loop *loop,
                            struct asyncio__at_close *hook)
{
    list_add_head(&loop->at_close, &hook->link);
}

// Waits until every operation has ended: each was asked to. What the kernel
// refuses, for want of memory for one, it does not refuse for ever.
static void drain_poller(struct asyncio_loop *loop)
{
    int failures = 0;
    asyncio__watches_cancel(loop);
    while (asyncio__poller_pending(loop->poller) > 0 &&
           failures < DRAIN_FAILURES_MAX) {
        int64_t next_ns = asyncio__poller_next(loop->poller);
        bool jump = next_ns != ASYNCIO__NEVER;
        if (jump) asyncio__testing_clock_advance(loop->clock, next_ns);
        if (asyncio__poller_wait(loop->poller, jump ? 0 : -1) < 0) failures++;
    }
    asyncio__watches_free(loop);
}

// Those that want to know are told first: what runs at the close may wait for
// whoever made them.
void asyncio__loop_drop_posts(struct asyncio_loop *loop)
{
    struct asyncio__post *post = asyncio__posted_take(loop), *next;
    for (; post; post = next) {
        next = post->next;
        if (post->drop)
            post->drop(post);
        else
            asyncio__loop_queue(loop, &post->step);
    }
}

static void run_hooks(struct asyncio_link *hooks)
{
    struct asyncio_link *link;
    while ((link = list_pop(hooks))) {
        struct asyncio__at_close *hook =
            list_entry(link, struct asyncio__at_close, link);
        hook->fn(hook);
    }
}

int asyncio_loop_close(struct asyncio_loop *loop)
{
    if (loop->state == ASYNCIO__LOOP_CLOSED) return 0;
    if (loop->state == ASYNCIO__LOOP_RUNNING) return -EBUSY;

    struct asyncio_link *link;
    asyncio__loop_leave(loop);
    asyncio__loop_drop_posts(loop);
    run_hooks(&loop->before_close);
    run_hooks(&loop->at_close);
    loop->state = ASYNCIO__LOOP_CLOSED;
    if (loop->floor) loop->floor->cancel_waits(loop);
    drain_poller(loop);
    if (loop->floor) loop->floor->drop(loop);
    asyncio__callbacks_drop(loop);
    while ((link = loop->spare_blocks)) {
        loop->spare_blocks = link->next;
        asyncio__free(link);
    }
    asyncio__poller_close(loop->poller);
    loop->poller = NULL;
    asyncio__stacks_close(loop->stacks);
    loop->stacks = NULL;
    asyncio__posted_close(loop);
    return 0;
}

int asyncio_loop_free(struct asyncio_loop *loop)
{
    if (!loop || loop->freed) return 0;
    int err = asyncio_loop_close(loop);
    if (err < 0) return err;
    if (asyncio__thread_loop == loop) asyncio__thread_loop = NULL;
    loop->freed = true;
    asyncio__loop_unref(loop);
    return 0;
}

// A task may be released after its loop.
void asyncio__loop_unref(struct asyncio_loop *loop)
{
    if (loop->freed && loop->blocks == 0) asyncio_loop_release(loop);
}

struct asyncio_loop *asyncio_loop_retain(struct asyncio_loop *loop)
{
    atomic_fetch_add(&loop->references, 1);
    return loop;
}

void asyncio_loop_release(struct asyncio_loop *loop)
{
    if (loop && atomic_fetch_sub(&loop->references, 1) == 1)
        asyncio__free(loop);
}

void asyncio_loop_set_eager(struct asyncio_loop *loop, bool eager)
{
    if (asyncio__wrong_thread(loop, __func__)) return;
    loop->eager = eager;
}

bool asyncio_loop_is_eager(const struct asyncio_loop *loop)
{
    return loop->eager;
}

bool asyncio_loop_is_running(const struct asyncio_loop *loop)
{
    return loop->state == ASYNCIO__LOOP_RUNNING;
}

bool asyncio_loop_is_closed(const struct asyncio_loop *loop)
{
    return loop->state == ASYNCIO__LOOP_CLOSED;
}

const char *asyncio_loop_backend(const struct asyncio_loop *loop)
{
    return loop->poller ? asyncio__poller_name(loop->poller) : "closed";
}

struct asyncio_loop *asyncio_get_running_loop(void)
{
    return asyncio__running_loop;
}

struct asyncio_loop *asyncio_get_event_loop(void)
{
    return asyncio__running_loop ? asyncio__running_loop : asyncio__thread_loop;
}

void asyncio_set_event_loop(struct asyncio_loop *loop)
{
    asyncio__thread_loop = loop;
}

int asyncio__loop_find(struct asyncio_loop **loop)
{
    struct asyncio_loop *running = asyncio__running_loop;
    if (!*loop) *loop = running ? running : asyncio__thread_loop;
    if (!*loop) return -EPERM;
    if (*loop == running) return 0;
    if ((*loop)->state == ASYNCIO__LOOP_CLOSED) return -ESHUTDOWN;
    return asyncio__wrong_thread(*loop, NULL) ? -EPERM : 0;
}

double asyncio_time(void)
{
    struct asyncio_loop *loop = asyncio_get_event_loop();
    int64_t now_ns = loop ? asyncio__loop_now(loop) : asyncio__clock_real_ns();
    return (double)now_ns / 1e9;
}

size_t asyncio_loop_timers(const struct asyncio_loop *loop)
{
    return loop->timers.count;
}

uint64_t asyncio_loop_passes(const struct asyncio_loop *loop)
{
    return loop->passes;
}

// --- what is ready ----------------------------------------------------------

struct asyncio__step *asyncio__loop_take(struct asyncio_loop *loop)
{
    struct asyncio__step *step = asyncio__loop_first(loop);
    if (step == &loop->mark) return NULL;
    asyncio__loop_leave_queue(loop, step);
    step->link = (struct asyncio_link){NULL, NULL};
    return step;
}

void asyncio__loop_sift(struct asyncio_loop *loop,
                        bool (*takes)(struct asyncio__step *step))
{
    struct asyncio__step *step;
    if (asyncio__loop_has_ready(loop)) asyncio__loop_begin_pass(loop);
    while ((step = asyncio__loop_take(loop)))
        if (!takes(step)) asyncio__loop_queue(loop, step);
}

// Moves a callback's step, which is the last, before all others of the next
// pass.
static void move_ahead(struct asyncio_loop *loop, struct asyncio__step *step)
{
    struct asyncio_link *mark = &loop->mark.link;
    if (mark->next == &step->link) return;
    list_remove(&step->link);
    step->link.prev = mark;
    step->link.next = mark->next;
    mark->next->prev = &step->link;
    mark->next = &step->link;
}

// --- posts ------------------------------------------------------------------

void asyncio__loop_post(struct asyncio_loop *loop, struct asyncio__post *post)
{
    struct asyncio__post *newest = loop->posts;
    do
        post->next = newest;
    while (!atomic_compare_exchange_weak(&loop->posts, &newest, post));

    if (atomic_load(&loop->sleeping) && atomic_exchange(&loop->sleeping, false))
        asyncio__poller_wake(loop->poller);
}

static bool has_posts(struct asyncio_loop *loop)
{
    return atomic_load_explicit(&loop->posts, memory_order_acquire);
}

void asyncio__loop_take_posts(struct asyncio_loop *loop)
{
    if (!has_posts(loop)) return;
    struct asyncio__post *newest = asyncio__posted_take(loop);
    struct asyncio__post *oldest = NULL;
    while (newest) {
        struct asyncio__post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    for (struct asyncio__post *post = oldest; post; post = oldest) {
        oldest = post->next;
        bool urgent = post->urgent;
        asyncio__posted_queue(loop, post);
        if (urgent) move_ahead(loop, &post->step);
    }
}

// --- the turn ---------------------------------------------------------------

// When something is due: the first timer, or what a simulated world does next.
static int64_t next_ns_of(struct asyncio_loop *loop)
{
    int64_t timer_ns = asyncio__timers_next(&loop->timers);
    if (!loop->clock) return timer_ns;
    int64_t world_ns = asyncio__poller_next(loop->poller);
    return world_ns < timer_ns ? world_ns : timer_ns;
}

// How long the poller may wait: until something is due, for ever if that does
// not come by itself, and not at all if there is something to run.
static int64_t idle_ns(struct asyncio_loop *loop, int64_t now_ns)
{
    if (asyncio__loop_has_ready(loop) || loop->stopping) return 0;
    int64_t next_ns = next_ns_of(loop);
    if (next_ns == ASYNCIO__NEVER) return -1;
    if (loop->clock) now_ns = asyncio__loop_now(loop);
    int64_t left_ns = next_ns - now_ns;
    if (loop->clock) return asyncio__testing_clock_takes(loop->clock, left_ns);
    return left_ns > 0 ? left_ns : 0;
}

static bool look_at_sources(struct asyncio_loop *loop)
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

static bool has_news(struct asyncio_loop *loop)
{
    return asyncio__loop_has_ready(loop) || has_posts(loop);
}

static bool has_come(struct asyncio_loop *loop)
{
    return has_posts(loop) ||
           (!list_empty(&loop->sources) && look_at_sources(loop));
}

// The kernel is asked now and then all the same, by whoever spins again and
// again with success.
static int look_before_spinning(struct asyncio_loop *loop, int64_t now_ns)
{
    if (now_ns - loop->looked_ns < LOOK_EVERY_NS ||
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
           !has_posts(loop) && loop->held == 0 &&
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
        if (idle_ns(loop, asyncio__loop_now(loop)) >= 0 || !all_quiet(loop))
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
// itself. ASYNCIO__NEVER: nothing will.
static int64_t patience_ns(struct asyncio_loop *loop)
{
    int64_t least_ns = ASYNCIO__NEVER;
    list_for_each (link, &loop->patient) {
        int64_t ns = list_entry(link, struct asyncio__timer, link)->when_ns;
        if (ns < least_ns) least_ns = ns;
    }
    bool held = loop->held > 0 || asyncio__poller_working(loop->poller) > 0;
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
    if (least_ns == ASYNCIO__NEVER && timeout_ns < 0)
        return sleep_for_ever(loop);
    if (least_ns == ASYNCIO__NEVER ||
        (timeout_ns >= 0 && timeout_ns <= least_ns))
        return sleep_in_poller(loop, timeout_ns);
    if (sleep_in_vain(loop, least_ns, &err)) lose_patience(loop, least_ns);
    return err;
}

// Asks the kernel for news. While there are things to run, not in every pass.
// `now_ns` is the time, where there are timers.
static int look(struct asyncio_loop *loop, int64_t now_ns)
{
    int64_t timeout_ns = idle_ns(loop, now_ns);
    if (timeout_ns != 0 && (loop->clock || !list_empty(&loop->patient)))
        return sleep_patiently(loop, timeout_ns);
    if (timeout_ns < 0) return sleep_for_ever(loop);
    if (timeout_ns > 0) return sleep_in_poller(loop, timeout_ns);

    bool skip = !loop->callbacks_ready && !loop->stopping &&
                asyncio__loop_passes(loop) < loop->look_at &&
                asyncio__poller_has_news(loop->poller) != ASYNCIO__NEWS_CERTAIN;
    if (skip && loop->timers.count > 0) {
        skip = now_ns - loop->looked_ns < LOOK_EVERY_NS;
        if (!skip) loop->looked_ns = now_ns;
    }
    if (skip) return 0;
    loop->look_at = asyncio__loop_passes(loop) + QUICK_PASSES_MAX;
    return asyncio__poller_wait(loop->poller, 0);
}

static void run_pass(struct asyncio_loop *loop)
{
    asyncio__loop_count_pass(loop);
    loop->callbacks_ready = false;
    if (asyncio__loop_has_ready(loop)) asyncio__loop_begin_pass(loop);
    if (loop->seed) asyncio__testing_shuffle(loop);
    if (loop->debugger) {
        asyncio__debug_pass(loop);
        return;
    }
    struct asyncio__step *step;
    while ((step = asyncio__loop_take(loop)))
        step->run(step);
}

static int turn(struct asyncio_loop *loop)
{
    if (!list_empty(&loop->sources)) look_at_sources(loop);
    // The clock is read once where nothing makes the loop wait: what is due
    // meanwhile is due in the next pass.
    bool waits = !asyncio__loop_has_ready(loop) || loop->clock;
    int64_t now_ns = loop->timers.count > 0 ? asyncio__loop_now(loop) : 0;
    int err = look(loop, now_ns);
    if (err < 0) return err;
    asyncio__loop_take_posts(loop);
    if (loop->timers.count > 0) {
        if (waits || now_ns == 0) now_ns = asyncio__loop_now(loop);
        asyncio__timers_run(&loop->timers, now_ns);
    }
    run_pass(loop);
    return 0;
}

int asyncio__loop_run(struct asyncio_loop *loop)
{
    if (loop->state == ASYNCIO__LOOP_CLOSED) return -ESHUTDOWN;
    if (loop->state == ASYNCIO__LOOP_RUNNING || asyncio__running_loop)
        return -EBUSY;

    struct asyncio_loop *outside = asyncio__thread_loop;
    asyncio__running_loop = asyncio__thread_loop = loop;
    loop->state = ASYNCIO__LOOP_RUNNING;
    asyncio__debug_note(loop);
    asyncio__context_adopt(&loop->context);
    asyncio__context_follow(&loop->spare_context, &loop->context);

    int err;
    do
        err = turn(loop);
    while (err == 0 && !loop->stopping);

    loop->stopping = false;
    loop->state = ASYNCIO__LOOP_IDLE;
    asyncio__debug_note(loop);
    asyncio__running_loop = NULL;
    asyncio__thread_loop = outside;
    return err;
}

void asyncio_loop_stop(struct asyncio_loop *loop)
{
    if (asyncio__wrong_thread(loop, __func__)) return;
    loop->stopping = true;
}

// --- reports ----------------------------------------------------------------

static void print_report(const struct asyncio_report *report)
{
    fprintf(stderr, "asyncio: %s%s%s%s%s%s\n", report->text,
            report->task[0] ? " [task " : "", report->task,
            report->site[0] ? (report->task[0] ? ", made at " : " [") : "",
            report->site, report->task[0] || report->site[0] ? "]" : "");
}

static void deliver_report(struct asyncio_loop *loop,
                           const struct asyncio_report *report)
{
    if (loop && loop->report)
        loop->report(report, loop->report_arg);
    else if (asyncio__testing.report)
        asyncio__testing.report(report, asyncio__testing.report_arg);
    else
        print_report(report);
}

void asyncio__report(struct asyncio_loop *loop, int code, const char *task,
                     const char *site, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    deliver_report(loop, &(struct asyncio_report){code, text, task ? task : "",
                                                  site ? site : ""});
}

int asyncio_set_exception_handler(asyncio_report_fn *fn, void *arg)
{
    struct asyncio_loop *loop = asyncio_get_event_loop();
    if (!loop || asyncio__wrong_thread(loop, __func__)) return -EPERM;
    loop->report = fn;
    loop->report_arg = arg;
    return 0;
}

void asyncio_call_exception_handler(const struct asyncio_report *report)
{
    struct asyncio_report whole = *report;
    if (!whole.text) whole.text = "";
    if (!whole.task) whole.task = "";
    if (!whole.site) whole.site = "";
    // The handler is the loop's own, but no report is lost.
    struct asyncio_loop *loop = asyncio_get_event_loop();
    if (loop && asyncio__wrong_thread(loop, __func__)) loop = NULL;
    deliver_report(loop, &whole);
}
