// What debug mode keeps of a loop, shared by the files that look at it.
//
// A task that the debugger has seen made, or begin, has a record until it ends.
// Where there is no memory for a record, the task is not watched, and nothing
// else is lost.
#pragma once

#include "loop/debug.h"
#include "platform/frame.h"
#include "platform/held_locks.h"
#include "platform/symbols.h"
#include "task/task.h"

#define ASYNCIO__RECORD_BUCKETS 2048 // a power of two

struct asyncio__record {
    struct asyncio_link link; // asyncio__debug_state.records
    struct asyncio_task *task;
    bool painted; // its stack was all zero when it began

    // A child whose argument lies in its maker's stack.
    struct asyncio_link borrowed; // asyncio__record.lent, of its maker
    struct asyncio__frame frame;  // where it lies
    bool left;                    // the maker has left that frame
    struct asyncio_link lent;     // asyncio__record.borrowed, of its children
};

// A lock that was reported as held: where it was taken, and whose step it was.
struct asyncio__lock_seen {
    struct asyncio_link link; // asyncio__debug_state.locks_seen
    const void *taken_at;
    const char *site;
};

struct asyncio__debug_state {
    struct asyncio__debugger hooks; // asyncio_loop.debugger
    struct asyncio__at_close at_close;
    struct asyncio_loop *loop;
    struct asyncio_task *task;    // whose step is under way, or NULL
    struct asyncio__stack *clean; // is all zero, and nobody has had it since

    bool busy; // it runs a step, or reports
    bool over; // it was ended meanwhile, and goes when it is not busy

    const void *called; // the user's function that the step calls, or NULL
    const char *called_site;
    struct asyncio__symbols symbols; // read when the first name is asked for

    struct asyncio_link records[ASYNCIO__RECORD_BUCKETS];
    struct asyncio_link locks_seen; // asyncio__lock_seen.link
};

// The record of a task, or NULL; made if there is memory.
struct asyncio__record *
asyncio__record_of(struct asyncio__debug_state *debugger,
                   const struct asyncio_task *task);
struct asyncio__record *
asyncio__record_make(struct asyncio__debug_state *debugger,
                     struct asyncio_task *task);
void asyncio__record_free(struct asyncio__record *record);

// The one that looks on at this loop for debug mode, or NULL.
struct asyncio__debug_state *asyncio__debug_find(struct asyncio_loop *loop);

// Gives a loop in debug mode the one who looks on. 0, also if there is one or
// the mode is off; -ENOMEM.
int asyncio__debug_attach(struct asyncio_loop *loop);

// --- arguments in frames (debug_frames.c) -----------------------------------

// A task was made with `arg`.
void asyncio__frames_made(struct asyncio__debug_state *debugger,
                          struct asyncio_task *child, const void *arg);
// The task that runs is about to stand still: looks which of its frames stand.
void asyncio__frames_look(struct asyncio__record *maker);
// It stands still, or has ended: reports the children whose arguments lie in
// frames that it has left.
void asyncio__frames_check(struct asyncio__record *maker);

// --- locks (debug_locks.c) --------------------------------------------------

// What this thread holds now is no concern of the step that begins.
void asyncio__locks_known(void);
// Reports the locks that the step, which is over, has taken and still holds: of
// the task, or of a callback if NULL.
void asyncio__locks_check(struct asyncio__debug_state *debugger,
                          struct asyncio_task *task);
void asyncio__locks_forget(struct asyncio__debug_state *debugger);

// --- stacks (debug_stacks.c) ------------------------------------------------

// Counts how much of its stack a task has used, which was painted, and returns
// it.
size_t asyncio__stack_count(struct asyncio_task *task);
// Counts those of all tasks that the thread's loop has.
void asyncio__stacks_count(struct asyncio__debug_state *debugger);
