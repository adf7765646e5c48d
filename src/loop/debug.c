// Debug mode: who wants it, what a pass is then, and calls from wrong threads.
//
// A call from another thread is reported where reports belong, on the loop's
// thread: the words travel there as a post.

#include "loop/debug.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop/testing.h"
#include "platform/sys.h"

#define SLOW_NS INT64_C(100000000)

// --- settings ---------------------------------------------------------------

static bool named_in_environment(void)
{
    const char *word = getenv("ASYNCIO_DEBUG");
    return word && *word && strcmp(word, "0") != 0;
}

bool asyncio__debug_wanted(int flag)
{
    if (flag == ASYNCIO_DEBUG_DEFAULT) return named_in_environment();
    return flag > 0;
}

bool asyncio__debug_here(void)
{
    struct asyncio_loop *loop = asyncio_get_event_loop();
    return loop ? asyncio__debug(loop)
                : asyncio__debug_wanted(ASYNCIO_DEBUG_DEFAULT);
}

// Seconds as nanoseconds; what is too long for that is never.
static int duration(double seconds, int64_t *ns)
{
    if (!(seconds >= 0)) return -EINVAL;
    *ns = seconds < 9e9 ? (int64_t)(seconds * 1e9) : ASYNCIO__NEVER;
    return 0;
}

int asyncio__debug_check(const struct asyncio_loop_options *options)
{
    int64_t ns;
    return options ? duration(options->slow_step, &ns) : 0;
}

void asyncio__debug_settings(struct asyncio_loop *loop,
                             const struct asyncio_loop_options *options)
{
    int flag = options ? options->debug : ASYNCIO_DEBUG_DEFAULT;
    bool ask = !options || !options->ignore_environment;
    if (flag == ASYNCIO_DEBUG_DEFAULT && !ask) flag = ASYNCIO_DEBUG_OFF;
    loop->debug = asyncio__debug_wanted(flag);
    loop->asks_environment = ask;
    loop->slow_ns =
        asyncio__testing.slow_ns ? asyncio__testing.slow_ns : SLOW_NS;
    if (options && options->slow_step > 0)
        duration(options->slow_step, &loop->slow_ns);
}

bool asyncio_loop_get_debug(const struct asyncio_loop *loop)
{
    return loop && asyncio__debug(loop);
}

int asyncio_loop_set_slow_callback_duration(struct asyncio_loop *loop,
                                            double seconds)
{
    if (!loop) return -EINVAL;
    if (asyncio__wrong_thread(loop, __func__)) return -EPERM;
    return duration(seconds, &loop->slow_ns);
}

double asyncio_loop_get_slow_callback_duration(const struct asyncio_loop *loop)
{
    if (!loop) return 0;
    if (loop->slow_ns == ASYNCIO__NEVER) return ASYNCIO_FOREVER;
    return (double)loop->slow_ns / 1e9;
}

// --- those who look on ------------------------------------------------------

void asyncio__look_on(struct asyncio_loop *loop,
                      struct asyncio__debugger *debugger)
{
    debugger->next = loop->debugger;
    loop->debugger = debugger;
    loop->each_pass_turns = true;
}

void asyncio__look_away(struct asyncio_loop *loop,
                        struct asyncio__debugger *debugger)
{
    struct asyncio__debugger **place = &loop->debugger;
    while (*place && *place != debugger)
        place = &(*place)->next;
    if (*place) *place = debugger->next;
}

// Each of them, also where one ends itself meanwhile.
#define FOR_EACH(debugger, after, loop)                                        \
    for (struct asyncio__debugger *debugger = (loop)->debugger, *after;        \
         debugger && (after = debugger->next, true); debugger = after)

void asyncio__debug_called(struct asyncio_loop *loop, const void *fn,
                           const char *site)
{
    FOR_EACH(debugger, after, loop)
    if (debugger->calls) debugger->calls(debugger, fn, site);
}

void asyncio__debug_made(struct asyncio_loop *loop, struct asyncio_task *task,
                         const void *arg)
{
    FOR_EACH(debugger, after, loop)
    if (debugger->made) debugger->made(debugger, task, arg);
}

void asyncio__debug_ended(struct asyncio_loop *loop, struct asyncio_task *task)
{
    FOR_EACH(debugger, after, loop)
    if (debugger->ended) debugger->ended(debugger, task);
}

void asyncio__debug_suspends(struct asyncio_loop *loop,
                             struct asyncio_task *task)
{
    FOR_EACH(debugger, after, loop)
    if (debugger->suspends) debugger->suspends(debugger, task);
}

void asyncio__debug_begins(struct asyncio_loop *loop, struct asyncio_task *task)
{
    FOR_EACH(debugger, after, loop)
    if (debugger->begins) debugger->begins(debugger, task);
}

void asyncio__debug_renames(struct asyncio_loop *loop,
                            struct asyncio_task *task, const char *name)
{
    FOR_EACH(debugger, after, loop)
    if (debugger->renames) debugger->renames(debugger, task, name);
}

void asyncio__debug_waits(struct asyncio_loop *loop, struct asyncio_task *task)
{
    FOR_EACH(debugger, after, loop)
    if (debugger->waits) debugger->waits(debugger, task);
}

void asyncio__debug_woken(struct asyncio_loop *loop, struct asyncio_task *task)
{
    FOR_EACH(debugger, after, loop)
    if (debugger->woken) debugger->woken(debugger, task);
}

uint32_t asyncio__debug_arrow(struct asyncio_loop *loop)
{
    uint32_t arrow = 0;
    FOR_EACH(debugger, after, loop)
    if (debugger->arrow) arrow = debugger->arrow(debugger);
    return arrow;
}

void asyncio__debug_step(struct asyncio__debugger *debugger,
                         struct asyncio__step *step)
{
    if (debugger)
        debugger->run_step(debugger, step);
    else
        step->run(step);
}

// --- a pass -----------------------------------------------------------------

// The steps wait in a list of our own, so that a task which looks for the next
// one finds none, and the thread's own stack goes on here. If the debugger ends
// meanwhile, that still holds to the end of the pass: what is left of it comes
// before what is ready now.
void asyncio__debug_pass(struct asyncio_loop *loop)
{
    struct asyncio_link pass = {NULL, NULL}, *link;
    struct asyncio__step *queued;
    while ((queued = asyncio__loop_take(loop)))
        list_add_tail(&pass, &queued->link);
    while ((link = list_pop(&pass))) {
        struct asyncio__step *step =
            list_entry(link, struct asyncio__step, link);
        asyncio__debug_step(loop->debugger, step);
    }
    loop->each_pass_turns = loop->seed || loop->debugger;
}

// --- calls from other threads -----------------------------------------------

_Atomic(unsigned) asyncio__debug_loops;

// Those that run in debug mode: asyncio_loop.debug_link. One that is in it
// cannot leave, and so is not closed, while somebody has the lock.
static struct asyncio_link loops;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void asyncio__debug_note(struct asyncio_loop *loop)
{
    bool runs = loop->state == ASYNCIO__LOOP_RUNNING && asyncio__debug(loop);
    if (runs == list_linked(&loop->debug_link)) return;
    pthread_mutex_lock(&lock);
    loop->thread = &asyncio__thread_loop;
    if (runs)
        list_add_tail(&loops, &loop->debug_link);
    else
        list_remove(&loop->debug_link);
    pthread_mutex_unlock(&lock);
    atomic_fetch_add(&asyncio__debug_loops, runs ? 1u : -1u);
}

void asyncio__debug_forget_loops(void)
{
    loops = (struct asyncio_link){NULL, NULL};
    lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    asyncio__debug_loops = 0;
}

struct told {
    struct asyncio__post post;
    struct asyncio_loop *loop;
    char text[200];
};

static void tell(struct asyncio__step *step)
{
    struct told *told = list_entry(step, struct told, post.step);
    asyncio__report(told->loop, -EPERM, NULL, NULL, "%s", told->text);
    asyncio__free(told);
}

bool asyncio__debug_drop(struct asyncio__step *step)
{
    if (step->run != tell) return false;
    asyncio__free(list_entry(step, struct told, post.step));
    return true;
}

// Without memory the code alone has to say it.
static void post_words(struct asyncio_loop *loop, const char *call)
{
    struct told *told = asyncio__alloc(sizeof *told);
    if (!told) return;
    char thread[32] = "";
    pthread_getname_np(pthread_self(), thread, sizeof thread);
    snprintf(told->text, sizeof told->text,
             "%s was called on thread %d (%s), but the loop runs on another: "
             "hand it over by asyncio_call_soon_threadsafe",
             call ? call : "a function", (int)gettid(), thread);
    told->post.step.run = tell;
    told->loop = loop;
    asyncio__loop_post(loop, &told->post);
}

// A loop that does not run belongs to whoever uses it.
bool asyncio__called_elsewhere(const struct asyncio_loop *loop,
                               const char *call)
{
    bool elsewhere = false;
    pthread_mutex_lock(&lock);
    list_for_each (link, &loops) {
        struct asyncio_loop *one =
            list_entry(link, struct asyncio_loop, debug_link);
        if (one != loop || one->thread == &asyncio__thread_loop) continue;
        elsewhere = true;
        post_words(one, call);
    }
    pthread_mutex_unlock(&lock);
    return elsewhere;
}
