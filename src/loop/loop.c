// The loop's life and its turn.
//
// A turn asks for the kernel's news, queues what is due, and runs a pass of
// what is ready. If there is nothing to run it sleeps first (sleep.c). Close
// undoes in an order that lets everybody who waits still be told: posts, hooks,
// waits, operations, tasks, and at last poller and stacks.

#include "loop/loop.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <asyncio/threadsafe.h>

#include "loop/debug.h"
#include "loop/sleep.h"
#include "loop/testing.h"
#include "platform/sys.h"

// While tasks only hand over to each other, the kernel is asked after this many
// passes, or after ASYNCIO__LOOK_EVERY_NS where time is read anyway.
#define QUICK_PASSES_MAX 64

// Refused so often, a loop that closes gives up.
#define DRAIN_FAILURES_MAX 1000

ASYNCIO__THREAD_LOCAL struct asyncio_loop *asyncio__thread_loop;
ASYNCIO__THREAD_LOCAL struct asyncio_loop *asyncio__running_loop;

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
    loop->detour = watched ? ASYNCIO__WATCHED_BY_TEST : 0;
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
    if (!loop) return 0;
    if (loop->state == ASYNCIO__LOOP_CLOSED) return 0;
    if (loop->state == ASYNCIO__LOOP_RUNNING) return -EBUSY;

    asyncio__loop_leave(loop);
    asyncio__loop_drop_posts(loop);
    run_hooks(&loop->before_close);
    run_hooks(&loop->at_close);
    loop->state = ASYNCIO__LOOP_CLOSED;
    if (loop->floor) loop->floor->cancel_waits(loop);
    drain_poller(loop);
    if (loop->floor) loop->floor->drop(loop);
    asyncio__callbacks_drop(loop);
    loop->spare_blocks = NULL;
    memset(loop->spare_compact, 0, sizeof loop->spare_compact);
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
    if (!loop->freed || loop->blocks > 0) return;
    asyncio__arena_drop(&loop->task_blocks);
    asyncio_loop_release(loop);
}

struct asyncio_loop *asyncio_loop_retain(struct asyncio_loop *loop)
{
    if (!loop) return NULL;
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
    if (!loop) return;
    if (asyncio__wrong_thread(loop, __func__)) return;
    loop->eager = eager;
}

bool asyncio_loop_is_eager(const struct asyncio_loop *loop)
{
    return loop && loop->eager;
}

bool asyncio_loop_is_running(const struct asyncio_loop *loop)
{
    return loop && loop->state == ASYNCIO__LOOP_RUNNING;
}

bool asyncio_loop_is_closed(const struct asyncio_loop *loop)
{
    return !loop || loop->state == ASYNCIO__LOOP_CLOSED;
}

const char *asyncio_loop_backend(const struct asyncio_loop *loop)
{
    if (!loop) return "closed";
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
    return loop ? loop->timers.count : 0;
}

uint64_t asyncio_loop_passes(const struct asyncio_loop *loop)
{
    return loop ? loop->passes : 0;
}

// --- the turn ---------------------------------------------------------------

// Asks the kernel for news. While there are things to run, not in every pass.
// `now_ns` is the time, where there are timers.
static int look(struct asyncio_loop *loop, int64_t now_ns)
{
    int64_t timeout_ns = asyncio__loop_idle_ns(loop, now_ns);
    if (timeout_ns != 0) return asyncio__loop_sleep(loop, timeout_ns);

    bool skip = !loop->callbacks_ready && !loop->stopping &&
                asyncio__loop_passes(loop) < loop->look_at &&
                asyncio__poller_has_news(loop->poller) != ASYNCIO__NEWS_CERTAIN;
    if (skip && loop->timers.count > 0) {
        skip = now_ns - loop->looked_ns < ASYNCIO__LOOK_EVERY_NS;
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
    if (!list_empty(&loop->sources)) asyncio__loop_look_at_sources(loop);
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
    loop->home = asyncio__context_home;

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
    if (!loop) return;
    if (asyncio__wrong_thread(loop, __func__)) return;
    loop->stopping = true;
}
