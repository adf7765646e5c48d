// The tracer: a debugger that writes what it sees into a trace.
//
// The row of the loop's thread has a slice for each step of a task, and for
// each callback of the user's. A task that begins eagerly has one within that
// of its maker. Each task has a row of its own, too, from its making to its
// end, and on it a slice for each wait:
//
//     thread   [eggs   ]  [toast  ][eggs  ]
//                     |             ^
//     eggs     [------+----------------------]
//                     [ sleep     ]
//
// An arrow goes from where a task was made, or woken, to its next step. What
// wakes may lie behind the one who is to blame for it: then the arrow begins
// where that task has ended.
//
// The tracer stays with the loop until that closes. It knows the number of its
// trace: once that has ended, there is nothing to be said.

#include "run/trace.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <asyncio/workers.h>

#include "platform/sys.h"
#include "run/tracer.h"
#include "task/park.h"

static struct asyncio__tracer *tracer_of(struct asyncio__debugger *hooks)
{
    return list_entry(hooks, struct asyncio__tracer, hooks);
}

// --- what it is told --------------------------------------------------------

static uint32_t arrow(struct asyncio__debugger *hooks)
{
    struct asyncio__tracer *tracer = tracer_of(hooks);
    if (asyncio__tracer_is_over(tracer) || !asyncio__tracer_in_slice(tracer))
        return 0;
    return asyncio__tracer_begin_arrow(tracer, asyncio__tracer_now_ns(tracer));
}

// A step that was taken eagerly, within that of its maker, is over.
static void close_eager(struct asyncio__tracer *tracer,
                        const struct asyncio_task *task)
{
    unsigned depth = tracer->depth;
    if (depth <= (tracer->in_step ? 1 : 0)) return;
    if (depth > ASYNCIO__TRACE_DEPTH || tracer->slices[depth - 1].task == task)
        asyncio__tracer_close_slice(tracer);
}

static void look_away(struct asyncio__tracer *tracer)
{
    if (!tracer->looks_on) return;
    asyncio__look_away(tracer->loop, &tracer->hooks);
    tracer->loop->detour &= (uint8_t)~ASYNCIO__WATCHED_BY_TRACE;
    tracer->looks_on = false;
}

// A task that ends may be gone when its step returns, so it is held here.
static void run_step(struct asyncio__debugger *hooks,
                     struct asyncio__step *step)
{
    struct asyncio__tracer *tracer = tracer_of(hooks);
    struct asyncio__debugger *next = hooks->next;
    if (asyncio__tracer_is_over(tracer)) {
        look_away(tracer);
        asyncio__debug_step(next, step);
        return;
    }
    struct asyncio_task *task =
        asyncio__is_task_step(step) ? asyncio__task_of(&step->link) : NULL;
    if (task) asyncio_task_retain(task);
    tracer->blamed_ns = task ? 0 : asyncio__tracer_told_ns(tracer, step);
    tracer->called = NULL;
    tracer->depth = 0;
    tracer->in_step = true;
    asyncio__tracer_open_slice(tracer, task);
    asyncio__debug_step(next, step);
    // All that began eagerly within the step has stood still before it.
    tracer->depth = 1;
    asyncio__tracer_close_slice(tracer);
    tracer->in_step = false;
    tracer->blamed_ns = 0;
    tracer->called = NULL;
    asyncio_task_release(task);
}

static void calls(struct asyncio__debugger *hooks, const void *fn,
                  const char *site)
{
    (void)site;
    tracer_of(hooks)->called = fn;
}

static void made(struct asyncio__debugger *hooks, struct asyncio_task *task,
                 const void *arg)
{
    struct asyncio__tracer *tracer = tracer_of(hooks);
    char number[32];
    (void)arg;
    task->traced_row = task->traced_wait = false;
    if (asyncio__tracer_is_over(tracer)) return;
    asyncio__tracer_begin_row(tracer, task,
                              asyncio__tracer_name_of(task, number));
    asyncio__tracer_point_at(tracer, task);
}

static void begins(struct asyncio__debugger *hooks, struct asyncio_task *task)
{
    struct asyncio__tracer *tracer = tracer_of(hooks);
    if (!asyncio__tracer_is_over(tracer) && tracer->loop->spawner)
        asyncio__tracer_open_slice(tracer, task);
}

static void waits(struct asyncio__debugger *hooks, struct asyncio_task *task)
{
    struct asyncio__tracer *tracer = tracer_of(hooks);
    if (asyncio__tracer_is_over(tracer)) return;
    if (asyncio__task_state(task) == ASYNCIO__TASK_PARKED && task->traced_row)
        asyncio__tracer_begin_wait(tracer, task);
    close_eager(tracer, task);
}

static void woken(struct asyncio__debugger *hooks, struct asyncio_task *task)
{
    struct asyncio__tracer *tracer = tracer_of(hooks);
    if (asyncio__tracer_is_over(tracer)) return;
    asyncio__tracer_end_wait(tracer, task);
    asyncio__tracer_point_at(tracer, task);
}

static void ended(struct asyncio__debugger *hooks, struct asyncio_task *task)
{
    struct asyncio__tracer *tracer = tracer_of(hooks);
    if (asyncio__tracer_is_over(tracer)) return;
    asyncio__tracer_end_row(tracer, task);
    list_for_each (link, &task->future.waiters_)
        asyncio__tracer_note_told(tracer,
                                  list_entry(link, struct asyncio__step, link));
    if (task->group) asyncio__tracer_note_told(tracer, &task->step);
    close_eager(tracer, task);
}

// Its row is called by the new name from now on.
static void renames(struct asyncio__debugger *hooks, struct asyncio_task *task,
                    const char *name)
{
    struct asyncio__tracer *tracer = tracer_of(hooks);
    char number[32];
    bool waits = task->traced_wait;
    if (asyncio__tracer_is_over(tracer) || task->state == ASYNCIO__TASK_DONE)
        return;
    if (strcmp(name, asyncio__tracer_name_of(task, number)) == 0) return;
    asyncio__tracer_end_row(tracer, task);
    asyncio__tracer_begin_row(tracer, task, name);
    if (waits) asyncio__tracer_begin_wait(tracer, task);
}

// --- coming and going -------------------------------------------------------

// What is there already when it begins to look on.
static void begin_rows(struct asyncio__tracer *tracer)
{
    struct asyncio__task_walk walk = {.loop = tracer->loop};
    struct asyncio_task *task;
    while ((task = asyncio__task_walk(&walk))) {
        char number[32];
        if (task->more) task->more->arrow = 0;
        asyncio__tracer_begin_row(tracer, task,
                                  asyncio__tracer_name_of(task, number));
        if (asyncio__parked(task)) asyncio__tracer_begin_wait(tracer, task);
    }
}

static void name_thread(const struct asyncio__tracer *tracer)
{
    char name[32] = "loop";
    int worker = asyncio_worker_number();
    if (worker >= 0) snprintf(name, sizeof name, "loop %d", worker);
    asyncio__trace_name_row(tracer->tid, name);
}

static void loop_closes(struct asyncio__at_close *hook)
{
    struct asyncio__tracer *tracer =
        list_entry(hook, struct asyncio__tracer, at_close);
    struct asyncio_loop *loop = tracer->loop;
    struct asyncio__task_walk walk = {.loop = loop};
    struct asyncio_task *task;
    while ((task = asyncio__task_walk(&walk)))
        if (!asyncio__tracer_is_over(tracer))
            asyncio__tracer_end_row(tracer, task);
    look_away(tracer);
    if (tracer->held) asyncio__trace_drop(tracer->held);
    loop->tracer = NULL;
    asyncio__free(tracer);
}

static struct asyncio__tracer *make_tracer(struct asyncio_loop *loop)
{
    struct asyncio__tracer *tracer = asyncio__alloc(sizeof *tracer);
    if (!tracer) return NULL;
    tracer->hooks = (struct asyncio__debugger){.run_step = run_step,
                                               .calls = calls,
                                               .made = made,
                                               .ended = ended,
                                               .begins = begins,
                                               .renames = renames,
                                               .waits = waits,
                                               .woken = woken,
                                               .arrow = arrow};
    tracer->loop = loop;
    tracer->at_close.fn = loop_closes;
    asyncio__loop_at_close(loop, &tracer->at_close);
    loop->tracer = tracer;
    return tracer;
}

static void look_on(struct asyncio__tracer *tracer, uint32_t number)
{
    struct asyncio_loop *loop = tracer->loop;
    bool is_new = tracer->number != number;
    int tid = (int)gettid();
    bool moved = tracer->tid != tid;
    tracer->number = number;
    tracer->tid = tid;
    if (is_new || moved) name_thread(tracer);
    if (is_new) begin_rows(tracer);
    if (tracer->looks_on) return;
    tracer->in_step = false;
    tracer->depth = 0;
    asyncio__look_on(loop, &tracer->hooks);
    loop->detour |= ASYNCIO__WATCHED_BY_TRACE;
    tracer->looks_on = true;
}

// The file takes nothing any more.
void asyncio__trace_report_failure(int err, const char *path)
{
    asyncio__report(NULL, err, NULL, NULL,
                    "the trace ends early, and the program goes on: %s cannot "
                    "be written (%s)",
                    path, strerror(-err));
}

static void report_refusal(struct asyncio_loop *loop, const char *name, int err)
{
    const char *why = err == -EBUSY ? "another process writes it; %p in the "
                                      "name stands for the process"
                                    : strerror(-err);
    asyncio__report(loop, err, NULL, NULL,
                    "there is no trace in %s, and the program goes on: %s",
                    name, why);
}

// Holds the trace that the environment wants, once for each loop.
static void hold_wanted(struct asyncio_loop *loop)
{
    const char *name = loop->asks_environment ? asyncio__trace_wanted() : NULL;
    if (!name || (loop->tracer && loop->tracer->held)) return;
    int err = loop->tracer || make_tracer(loop) ? 0 : -ENOMEM;
    if (err == 0)
        err = asyncio__trace_hold(name, asyncio__trace_report_failure,
                                  &loop->tracer->held);
    if (err < 0) report_refusal(loop, name, err);
}

void asyncio__trace_attach(struct asyncio_loop *loop)
{
    if (loop->state == ASYNCIO__LOOP_CLOSED) return;
    hold_wanted(loop);
    uint32_t number = asyncio__tracing();
    if (number == 0) return;
    if (loop->tracer || make_tracer(loop))
        look_on(loop->tracer, number);
    else
        report_refusal(loop, "it", -ENOMEM);
}
