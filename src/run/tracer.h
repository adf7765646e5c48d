// The tracer of a loop: what its two files share. trace.c is told what happens,
// tracer.c writes it down.
#pragma once

#include "loop/debug.h"
#include "platform/trace.h"
#include "task/task.h"

// Eager steps within each other that are shown; what is deeper is not.
#define ASYNCIO__TRACE_DEPTH 32

// The ends of tasks that others hear of, remembered at a time.
#define ASYNCIO__TRACE_TOLD 256

struct asyncio__trace_slice {
    struct asyncio_task *task; // NULL: a callback
    int64_t since_ns;
};

// A task has ended, and a step of the library's will tell whoever waits for it.
struct asyncio__trace_told {
    const struct asyncio__step *step;
    int64_t at_ns;
    uint64_t pass; // in which that was
};

struct asyncio__tracer {
    struct asyncio__debugger hooks; // asyncio_loop.debugger
    struct asyncio__at_close at_close;
    struct asyncio_loop *loop;
    uint32_t number; // of the trace
    bool looks_on;
    uint32_t held; // the number of the environment's, which it holds; or 0
    int tid;       // of the loop's thread
    int64_t last_ns;

    bool in_step;       // slices[0] is that of a step
    const void *called; // the user's function that it calls, or NULL
    int64_t blamed_ns;  // or when what it hears of has happened; 0
    unsigned depth;     // slices that are open
    struct asyncio__trace_slice slices[ASYNCIO__TRACE_DEPTH];
    // By the step; a later one takes the place.
    struct asyncio__trace_told told[ASYNCIO__TRACE_TOLD];
};

// Its trace has ended, or another has begun.
bool asyncio__tracer_is_over(const struct asyncio__tracer *tracer);

// The time. No two things on a thread are at the same time: so it is clear what
// is within what.
int64_t asyncio__tracer_now_ns(struct asyncio__tracer *tracer);

// asyncio_task_name would make one and keep it.
const char *asyncio__tracer_name_of(const struct asyncio_task *task,
                                    char number[32]);

// Whether a slice is open that is shown; an arrow that begins in one, at a
// time; one to the task, which was made or woken.
bool asyncio__tracer_in_slice(const struct asyncio__tracer *tracer);
uint32_t asyncio__tracer_begin_arrow(const struct asyncio__tracer *tracer,
                                     int64_t at_ns);
void asyncio__tracer_point_at(struct asyncio__tracer *tracer,
                              struct asyncio_task *task);

// A step will hear of what has just happened, in the next pass; and when that
// was of which this one hears, or 0.
void asyncio__tracer_note_told(struct asyncio__tracer *tracer,
                               const struct asyncio__step *step);
int64_t asyncio__tracer_told_ns(struct asyncio__tracer *tracer,
                                const struct asyncio__step *step);

// A task's own row, and its waits there. Ends what was not begun: nothing.
void asyncio__tracer_begin_row(struct asyncio__tracer *tracer,
                               struct asyncio_task *task, const char *name);
void asyncio__tracer_end_row(struct asyncio__tracer *tracer,
                             struct asyncio_task *task);
void asyncio__tracer_begin_wait(struct asyncio__tracer *tracer,
                                struct asyncio_task *task);
void asyncio__tracer_end_wait(struct asyncio__tracer *tracer,
                              struct asyncio_task *task);

// The slice of a task that runs now, or of a step that is none's; and the
// innermost one is over.
void asyncio__tracer_open_slice(struct asyncio__tracer *tracer,
                                struct asyncio_task *task);
void asyncio__tracer_close_slice(struct asyncio__tracer *tracer);
