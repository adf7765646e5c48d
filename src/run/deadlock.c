// The report of a deadlock. The loop asks when it is about to sleep with no
// timer, nothing queued and no operation under way.
//
// What may end such a sleep is another thread, or a signal that ends the
// process. A false alarm would be worse than none, so:
//
//     tasks wait in a circle, no other thread     reported, always
//     tasks wait in a circle, other threads       in debug mode
//     no circle, no other thread                  in debug mode, unless a task
//                                                 sleeps for ever on purpose
//     no circle, other threads                    never: that is how programs
//                                                 wait for their threads

#include "run/deadlock.h"

#include <stdio.h>
#include <string.h>

#include "platform/sys.h"
#include "platform/trace.h"
#include "run/graph.h"
#include "run/watchdog.h"
#include "task/future.h"
#include "task/park.h"

#define TEXT_SIZE 400

struct circle {
    char text[TEXT_SIZE];
    const struct asyncio_task *first; // NULL: there is none
    uint64_t mark;                    // differs from circle to circle
    bool alone;                       // there is no other thread
};

static struct asyncio_task *task_of(const struct asyncio__graph *graph,
                                    size_t node)
{
    return asyncio__future_task(graph->nodes[node]);
}

// Adds words to a text, or three dots where they do not fit any more.
static void add(char *text, const char *words)
{
    size_t len = strlen(text);
    if (len + strlen(words) + sizeof "..." <= TEXT_SIZE)
        memcpy(text + len, words, strlen(words) + 1);
    else if (len < 3 || strcmp(text + len - 3, "...") != 0)
        memcpy(text + len, "...", sizeof "...");
}

static void add_wait(char *text, const struct asyncio_task *task,
                     const struct asyncio_task *awaited)
{
    add(text, *text ? ", " : "");
    add(text, asyncio_task_name(task));
    add(text, " waits for ");
    add(text, task->wait.kind->name);
    if (!awaited) return;
    add(text, " (");
    add(text, asyncio_task_name(awaited));
    add(text, ")");
}

// Another thread may do what one of these waits for besides.
static bool may_open(const struct asyncio__graph *graph, const size_t *nodes,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct asyncio_task *task = task_of(graph, nodes[i]);
        if (asyncio__parked(task) && task->wait.kind->may_end_otherwise)
            return true;
    }
    return false;
}

// Takes the first circle down: "a waits for a task (b), b waits for a lock (a)"
static void take_circle(const struct asyncio__graph *graph, const size_t *nodes,
                        size_t count, void *arg)
{
    struct circle *circle = arg;
    if (circle->first) return;
    if (!circle->alone && may_open(graph, nodes, count)) return;
    circle->first = task_of(graph, nodes[0]);
    for (size_t i = 0; i < count; i++) {
        struct asyncio_task *task = task_of(graph, nodes[i]);
        if (!asyncio__parked(task)) continue;
        add_wait(circle->text, task, task_of(graph, nodes[(i + 1) % count]));
        circle->mark = circle->mark * 31 + task->number;
    }
}

static void take_all(struct circle *all, const struct asyncio_loop *loop)
{
    struct asyncio__task_walk walk = {.loop = loop};
    struct asyncio_task *task;
    while ((task = asyncio__task_walk(&walk))) {
        if (asyncio__sleeps(task) || !asyncio__parked(task)) {
            all->mark = 0;
            return;
        }
        add_wait(all->text, task, NULL);
        all->mark = all->mark * 31 + task->number;
    }
}

static int find_circle(struct circle *circle, struct asyncio_loop *loop)
{
    struct asyncio__graph graph;
    int err = asyncio__graph_make(&graph, loop, NULL);
    if (err < 0) return err;
    err = asyncio__graph_circles(&graph, take_circle, circle);
    asyncio__graph_free(&graph);
    return err;
}

static void report_circle(struct asyncio_loop *loop,
                          const struct circle *circle)
{
    asyncio__report(loop, -EDEADLK, asyncio_task_name(circle->first),
                    circle->first->future.site_,
                    "tasks wait for each other in a circle%s: %s",
                    circle->alone ? ", and nothing can wake them"
                                  : "; only another thread could wake them",
                    circle->text);
}

static void report_all(struct asyncio_loop *loop, const struct circle *all)
{
    asyncio__report(loop, -EDEADLK, NULL, NULL,
                    "every task waits, and nothing is under way that could "
                    "wake one: %s",
                    all->text);
}

void asyncio__deadlock_check(struct asyncio_loop *loop)
{
    struct circle circle = {.text = ""};
    if (loop->tasks == 0) return;
    int threads = asyncio__sys_threads() - asyncio__watchdog_threads() -
                  asyncio__trace_threads();
    bool alone = threads == 1;
    if (!alone && !loop->debug) return;
    // A thread that is gone may have posted before it went.
    if (asyncio__loop_has_posts(loop)) return;
    circle.alone = alone;
    if (find_circle(&circle, loop) < 0) return;
    if (!circle.first && alone && loop->debug) take_all(&circle, loop);
    if (circle.mark == 0 || circle.mark == loop->stuck_before) return;

    loop->stuck_before = circle.mark;
    if (circle.first)
        report_circle(loop, &circle);
    else
        report_all(loop, &circle);
}
