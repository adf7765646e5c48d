// What the tracer writes: arrows, the rows of tasks, slices of steps.

#include "run/tracer.h"

#include <stdio.h>
#include <string.h>

#include "platform/clock.h"
#include "task/future.h"
#include "task/park.h"

bool asyncio__tracer_is_over(const struct asyncio__tracer *tracer)
{
    return tracer->number != asyncio__tracing();
}

// No two things on a thread are at the same time: so it is clear what is within
// what.
int64_t asyncio__tracer_now_ns(struct asyncio__tracer *tracer)
{
    int64_t ns = asyncio__clock_real_ns();
    if (ns <= tracer->last_ns) ns = tracer->last_ns + 1;
    return tracer->last_ns = ns;
}

// asyncio_task_name would make one and keep it.
const char *asyncio__tracer_name_of(const struct asyncio_task *task,
                                    char number[32])
{
    const char *name = asyncio__task_given_name(task);
    if (name) return name;
    snprintf(number, 32, "Task-%llu", (unsigned long long)task->number);
    return number;
}

// --- arrows -----------------------------------------------------------------

static void put_arrow(const struct asyncio__tracer *tracer, char phase,
                      int64_t at_ns, uint32_t arrow)
{
    asyncio__trace_event(&(struct asyncio__trace_event){.phase = phase,
                                                        .category = "arrow",
                                                        .name = "arrow",
                                                        .at_ns = at_ns,
                                                        .tid = tracer->tid,
                                                        .id = arrow});
}

uint32_t asyncio__tracer_begin_arrow(const struct asyncio__tracer *tracer,
                                     int64_t at_ns)
{
    uint32_t arrow = asyncio__trace_new_arrow();
    put_arrow(tracer, 's', at_ns, arrow);
    return arrow;
}

bool asyncio__tracer_in_slice(const struct asyncio__tracer *tracer)
{
    if (tracer->depth > 1) return true;
    return tracer->depth == 1 && (tracer->slices[0].task || tracer->called);
}

static struct asyncio__trace_told *told_of(struct asyncio__tracer *tracer,
                                           const struct asyncio__step *step)
{
    uint64_t mixed = (uintptr_t)step * 0x9e3779b97f4a7c15u;
    return &tracer->told[(mixed >> 32) % ASYNCIO__TRACE_TOLD];
}

// The step hears of what has just happened, in the next pass.
void asyncio__tracer_note_told(struct asyncio__tracer *tracer,
                               const struct asyncio__step *step)
{
    *told_of(tracer, step) = (struct asyncio__trace_told){
        step, tracer->last_ns, asyncio__loop_passes(tracer->loop)};
}

// When what the step hears of has happened; 0: nobody knows.
int64_t asyncio__tracer_told_ns(struct asyncio__tracer *tracer,
                                const struct asyncio__step *step)
{
    struct asyncio__trace_told *told = told_of(tracer, step);
    uint64_t passes = asyncio__loop_passes(tracer->loop) - told->pass;
    if (told->step != step || passes > 1) return 0;
    told->step = NULL;
    return told->at_ns;
}

void asyncio__tracer_point_at(struct asyncio__tracer *tracer,
                              struct asyncio_task *task)
{
    struct asyncio__more *more = asyncio__task_more(task);
    if (!more || more->arrow) return; // from where it has worked elsewhere
    int64_t at_ns = asyncio__tracer_in_slice(tracer)
                        ? asyncio__tracer_now_ns(tracer)
                        : tracer->blamed_ns;
    if (at_ns > 0) more->arrow = asyncio__tracer_begin_arrow(tracer, at_ns);
}

// --- a task's own row -------------------------------------------------------

static struct asyncio__trace_event event_of(struct asyncio__tracer *tracer,
                                            char phase,
                                            const struct asyncio_task *task,
                                            const char *name)
{
    return (struct asyncio__trace_event){.phase = phase,
                                         .category = "task",
                                         .name = name,
                                         .at_ns =
                                             asyncio__tracer_now_ns(tracer),
                                         .tid = tracer->tid,
                                         .id = task->number};
}

void asyncio__tracer_begin_row(struct asyncio__tracer *tracer,
                               struct asyncio_task *task, const char *name)
{
    char function[64];
    struct asyncio__trace_event event = event_of(tracer, 'b', task, name);
    asyncio__trace_function(asyncio__address_of(task->fn), function,
                            sizeof function);
    event.words[0].key = "runs";
    event.words[0].text = function;
    event.words[1].key = "made at";
    event.words[1].text = task->future.site_;
    asyncio__trace_event(&event);
    task->traced_row = true;
    task->traced_wait = false;
}

void asyncio__tracer_end_wait(struct asyncio__tracer *tracer,
                              struct asyncio_task *task)
{
    if (!task->traced_wait) return;
    task->traced_wait = false;
    struct asyncio__trace_event event =
        event_of(tracer, 'e', task, task->wait.kind->name);
    asyncio__trace_event(&event);
}

void asyncio__tracer_begin_wait(struct asyncio__tracer *tracer,
                                struct asyncio_task *task)
{
    char number[32];
    struct asyncio_task *awaited = asyncio__awaited_task(task);
    struct asyncio__trace_event event =
        event_of(tracer, 'b', task, task->wait.kind->name);
    if (awaited) {
        event.words[0].key = "for";
        event.words[0].text = asyncio__tracer_name_of(awaited, number);
    }
    asyncio__trace_event(&event);
    task->traced_wait = true;
}

void asyncio__tracer_end_row(struct asyncio__tracer *tracer,
                             struct asyncio_task *task)
{
    char number[32];
    if (!task->traced_row) return;
    asyncio__tracer_end_wait(tracer, task);
    struct asyncio__trace_event event =
        event_of(tracer, 'e', task, asyncio__tracer_name_of(task, number));
    asyncio__trace_event(&event);
}

// --- slices -----------------------------------------------------------------

// What comes of the step that is over.
static const char *outcome_of(const struct asyncio_task *task, char text[80])
{
    if (asyncio__task_state(task) == ASYNCIO__TASK_PARKED)
        return task->wait.kind->name;
    if (task->state != ASYNCIO__TASK_DONE) return "others run";
    int code = task->future.result_;
    if (!asyncio__future_is_done(&task->future) || code >= 0) return "end";
    if (code == -ECANCELED) return "end, cancelled";
    snprintf(text, 80, "end, failed: %s", strerror(-code));
    return text;
}

static void put_slice(const struct asyncio__tracer *tracer,
                      const struct asyncio__trace_slice *slice, int64_t end_ns)
{
    char name[128], outcome[80];
    struct asyncio__trace_event event = {.phase = 'X',
                                         .category = "callback",
                                         .at_ns = slice->since_ns,
                                         .took_ns = end_ns - slice->since_ns,
                                         .tid = tracer->tid};
    if (slice->task) {
        event.category = "task";
        event.name = asyncio__tracer_name_of(slice->task, name);
        event.words[0] = (struct asyncio__trace_word){
            .key = "then", .text = outcome_of(slice->task, outcome)};
    } else {
        asyncio__trace_function(tracer->called, name, sizeof name);
        event.name = name;
    }
    asyncio__trace_event(&event);
}

// The one that has waited, or was just made, runs.
void asyncio__tracer_open_slice(struct asyncio__tracer *tracer,
                                struct asyncio_task *task)
{
    unsigned depth = tracer->depth++;
    if (depth >= ASYNCIO__TRACE_DEPTH) return;
    tracer->slices[depth] = (struct asyncio__trace_slice){
        .task = task, .since_ns = asyncio__tracer_now_ns(tracer)};
    struct asyncio__more *more = task ? task->more : NULL;
    if (!more || !more->arrow) return;
    put_arrow(tracer, 'f', asyncio__tracer_now_ns(tracer), more->arrow);
    more->arrow = 0;
}

void asyncio__tracer_close_slice(struct asyncio__tracer *tracer)
{
    unsigned depth = --tracer->depth;
    if (depth >= ASYNCIO__TRACE_DEPTH) return;
    const struct asyncio__trace_slice *slice = &tracer->slices[depth];
    if (slice->task || tracer->called)
        put_slice(tracer, slice, asyncio__tracer_now_ns(tracer));
}
