// The watchdog: one thread for all loops that are watched.
//
// It looks at each a few times per limit. One that neither sleeps nor has made
// a pass since the last look is blocked; when that has lasted for the limit,
// the loop's thread is interrupted by a signal, whose handler takes down what
// only that thread may look at: which task runs, and its stack.
//
//     watchdog:  look ... blocked: ask --signal--> handler: take --> report
//
// How it asks is in watchdog_ask.c. Names are looked up and the report is made
// on the watchdog's thread. The lock is held from the question to the answer,
// so the thread that is asked is there; it is not held while a report is
// delivered, but the loop's run does not end before that is over.

#include "run/watchdog.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/signal_stack.h"
#include "platform/sys.h"
#include "run/stack_trace.h"
#include "run/watchdog_ask.h"

#define LOOKS_PER_LIMIT 4
#define INTERVAL_MIN_NS 1000000 // between two looks

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed; // of the fields below; made with the thread
static struct asyncio_link watched_loops; // asyncio__watched.link
static pthread_t thread;
static _Atomic(int) threads;             // 1 while there is one
static bool stopping;                    // it has to end
static struct asyncio__watched *telling; // whose report is being delivered

static struct asyncio__watched *watched_of(struct asyncio_link *link)
{
    return list_entry(link, struct asyncio__watched, link);
}

// --- the thread -------------------------------------------------------------

static struct timespec time_of(int64_t ns)
{
    return (struct timespec){ns / 1000000000, ns % 1000000000};
}

// The frames that are the program's own, in a line. Below those of a callback
// lies the loop, and whoever runs that.
static void describe_place(const struct asyncio__answer *answer, char *line,
                           size_t size)
{
    struct asyncio__symbols symbols = {0};
    const struct asyncio__frame *frames = answer->frames;
    size_t count = answer->count;
    size_t first = asyncio__frames_skip(&symbols, frames, count), end = first;
    while (end < count &&
           (answer->name[0] || end == first ||
            !asyncio__symbols_ours(&symbols, frames[end].address)))
        end++;
    asyncio__frames_line(&symbols, frames + first, end - first, line, size);
    asyncio__symbols_close(&symbols);
}

// Without an answer nobody knows more than that the loop is blocked.
static void report_unanswered(int64_t blocked_ns)
{
    asyncio__report(NULL, -ETIMEDOUT, NULL, NULL,
                    "the loop has not turned for %.3g s: its thread blocks "
                    "signals too",
                    (double)blocked_ns / 1e9);
}

static void report(const struct asyncio__answer *answer, int64_t blocked_ns)
{
    char place[320] = "", text[512];
    describe_place(answer, place, sizeof place);
    snprintf(text, sizeof text, "the loop has not turned for %.3g s: %s %s",
             (double)blocked_ns / 1e9,
             answer->name[0] ? "a task is in" : "a callback is in",
             place[0] ? place : "a place without a name");
    struct asyncio_report made = {-ETIMEDOUT, text, answer->name, answer->site};
    if (answer->report)
        answer->report(&made, answer->report_arg);
    else
        asyncio__report(NULL, made.code, made.task, made.site, "%s", text);
}

// Called and left with the lock held.
static void tell(struct asyncio__watched *watched, int64_t now_ns)
{
    watched->told = true;
    const struct asyncio__answer *answer = asyncio__watchdog_ask(watched);
    if (!answer || !answer->moved) {
        int64_t blocked_ns = now_ns - watched->since_ns;
        telling = watched;
        pthread_mutex_unlock(&lock);
        if (answer)
            report(answer, blocked_ns);
        else
            report_unanswered(blocked_ns);
        pthread_mutex_lock(&lock);
        telling = NULL;
        pthread_cond_broadcast(&changed);
    }
    asyncio__watchdog_heard();
}

// True if it has to be told of.
static bool is_blocked(struct asyncio__watched *watched, int64_t now_ns)
{
    uint64_t passes = asyncio__watched_passes(watched->loop);
    if (passes != watched->passes || atomic_load(&watched->loop->sleeping)) {
        watched->passes = passes;
        watched->since_ns = now_ns;
        watched->told = false;
    }
    return !watched->told && now_ns - watched->since_ns >= watched->limit_ns;
}

static void look_at_all(int64_t now_ns)
{
    list_for_each (link, &watched_loops) {
        struct asyncio__watched *watched = watched_of(link);
        if (!is_blocked(watched, now_ns)) continue;
        tell(watched, now_ns);
        return; // the list may have changed; the others have their turn soon
    }
}

// When this thread itself was held up, so was the whole process, by a debugger
// or a stop signal: what the loops did not do meanwhile is not held against
// them.
static void excuse_all(int64_t now_ns)
{
    list_for_each (link, &watched_loops)
        watched_of(link)->since_ns = now_ns;
}

static int64_t interval_ns(void)
{
    int64_t shortest_ns = INT64_MAX;
    list_for_each (link, &watched_loops)
        if (watched_of(link)->limit_ns < shortest_ns)
            shortest_ns = watched_of(link)->limit_ns;
    int64_t ns = shortest_ns / LOOKS_PER_LIMIT;
    return ns > INTERVAL_MIN_NS ? ns : INTERVAL_MIN_NS;
}

static void *watch(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    while (!stopping) {
        int64_t due_ns = asyncio__clock_real_ns() + interval_ns();
        struct timespec until = time_of(due_ns);
        pthread_cond_timedwait(&changed, &lock, &until);
        int64_t now_ns = asyncio__clock_real_ns();
        if (now_ns - due_ns > 2 * interval_ns() + INTERVAL_MIN_NS)
            excuse_all(now_ns);
        look_at_all(now_ns);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

// --- its life ---------------------------------------------------------------

static void make_condition(void)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr); // on Linux none of these can fail
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attr);
    pthread_condattr_destroy(&attr);
    asyncio__watchdog_ask_init();
}

// Only one thread starts or stops the watchdog at a time.
static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

// A forked process has neither the thread nor the loops.
static void forget_all(void)
{
    while (list_pop(&watched_loops))
        continue;
    telling = NULL;
    if (threads > 0) asyncio__watchdog_return_signal();
    threads = 0;
    make_condition();
    life = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_unlock(&lock);
}

static int once_err;

static void make_once(void)
{
    make_condition();
    once_err = -pthread_atfork(before_fork, after_fork, forget_all);
}

static int start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_once);
    int err = once_err;
    if (err == 0) err = asyncio__watchdog_take_signal();
    if (err < 0) return err;
    stopping = false;
    err = asyncio__sys_thread_start(&thread, 0, watch, NULL);
    if (err == 0)
        threads = 1;
    else
        asyncio__watchdog_return_signal();
    return err;
}

static void stop(void)
{
    asyncio__sys_thread_join(thread);
    asyncio__watchdog_return_signal();
    threads = 0;
}

static int join_watched(struct asyncio__watched *watched)
{
    pthread_mutex_lock(&life);
    int err = threads > 0 ? 0 : start();
    if (err == 0) {
        pthread_mutex_lock(&lock);
        list_add_tail(&watched_loops, &watched->link);
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_unlock(&life);
    return err;
}

static void leave_watched(struct asyncio__watched *watched)
{
    pthread_mutex_lock(&life);
    pthread_mutex_lock(&lock);
    while (telling == watched)
        pthread_cond_wait(&changed, &lock);
    if (list_linked(&watched->link)) list_remove(&watched->link);
    bool last = threads > 0 && list_empty(&watched_loops);
    if (last) stopping = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    if (last) stop();
    pthread_mutex_unlock(&life);
}

// The limit that was asked for, for this loop or in the environment; 0: none.
static int64_t limit_of(const struct asyncio_loop *loop)
{
    if (loop->watchdog_ns > 0) return loop->watchdog_ns;
    const char *word = getenv("ASYNCIO_WATCHDOG");
    double seconds = word ? strtod(word, NULL) : 0;
    return seconds > 0 && seconds < 1e9 ? (int64_t)(seconds * 1e9) : 0;
}

void asyncio__watchdog_begin(struct asyncio__watched *watched,
                             struct asyncio_loop *loop)
{
    *watched = (struct asyncio__watched){
        .loop = loop,
        .thread = pthread_self(),
        .limit_ns = limit_of(loop),
        .passes = asyncio__watched_passes(loop),
        .since_ns = asyncio__clock_real_ns(),
    };
    if (watched->limit_ns == 0) return;

    // The first walk may have to take locks and load things; this one does.
    struct asyncio__unwind_options options = {0};
    struct asyncio__frame frame;
    asyncio__unwind(NULL, &options, &frame, 1);
    int err = asyncio__signal_stack_hold();
    if (err == 0) {
        err = join_watched(watched);
        if (err < 0) asyncio__signal_stack_drop();
    }
    if (err == 0) return;
    watched->limit_ns = 0;
    asyncio__report(loop, err, NULL, NULL,
                    "the watchdog could not be started: the loop runs without");
}

void asyncio__watchdog_end(struct asyncio__watched *watched)
{
    if (watched->limit_ns == 0) return;
    leave_watched(watched);
    asyncio__signal_stack_drop();
}

int asyncio__watchdog_threads(void)
{
    return threads;
}
