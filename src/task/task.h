// The control block of a task: all that a task is, but for its stack.
//
//     NEW -> READY <-> PARKED; any -> DONE
//
// A task is a future (its outcome) with a step (its place in a queue), a stack
// and a context. It has the control block from its spawn, a stack from its
// first step; a task that is done has given its stack back.
#pragma once

#include <asyncio/group.h>
#include <asyncio/task.h>
#include <asyncio/timeout.h>

#include "loop/loop.h"
#include "task/failure.h"

struct asyncio__wait_kind;
struct asyncio__select;
struct asyncio__image;

enum asyncio__task_state {
    // The numbers are what docs/layout.md promises.
    ASYNCIO__TASK_NEW,   // never ran: it has no stack
    ASYNCIO__TASK_READY, // its step is queued; or it runs: it is loop->task,
                         // or that one's spawner
    ASYNCIO__TASK_PARKED = 3, // something has to wake it
    ASYNCIO__TASK_DONE,       // it has an outcome and no stack
    // Beside the first three, of a compact task, which so is none of those that
    // the straight way goes on with.
    ASYNCIO__TASK_COMPACT = 8,
    ASYNCIO__TASK_WAITS = ASYNCIO__TASK_PARKED & ~ASYNCIO__TASK_READY,
};

// asyncio_future.flags_. Those of tasks are here, because who gathers a task
// and lets go of it then looks at nothing but its future.
enum asyncio__future_flags {
    ASYNCIO__FUTURE_LISTED = 1, // while a list is read: an entry before has it
    ASYNCIO__FUTURE_LOOKED_AT = 2, // somebody has seen how it ended
    // Of tasks alone: `limit`, or some field below it, is set,
    ASYNCIO__TASK_HAS_MORE = 4,
    // the block is of the usual size and kept for reuse,
    ASYNCIO__TASK_SPARE = 8,
    // and a spawn has failed: static, of no loop;
    ASYNCIO__TASK_IMMORTAL = 16,
    // `compact`, where that is too far away.
    ASYNCIO__TASK_IS_COMPACT = 32,
};

// A place in a line, for what asks more of its waiters than a step: channels,
// where other threads wait beside tasks. Those who serve the line own what is
// in it while it is linked.
struct asyncio__waiter {
    struct asyncio_link link;
    uint64_t end;              // the number of the end that it came by
    const void *item;          // what it brings
    void *slot;                // what it was given, or what it brought is in
    struct asyncio_loop *loop; // of the task that waits; NULL: a thread does
    // The wait is over, with this result. On the loop's thread, unless `any`.
    void (*tell)(struct asyncio__waiter *waiter, int result);
    // Set by whoever serves it, first; a waiter of several things at once
    // shares it among its places, so that one of them is served. Or NULL.
    _Atomic(bool) *claimed;
    int result; // what tell was or will be given
    bool sends; // which of two lines it is in
    bool told;  // it was taken out of the line, with that result
    bool any;   // it is a thread's, and is told on any
};

// Sorted by how often it is touched, and it begins with a line of the cache.
// The first four lines are all that a task needs which is made, waits and ends;
// it is one line that each switch needs, and one, the future's, that those need
// who gather the task and let go of it. A group, or a timer, takes the fifth.
struct asyncio_task {
    struct asyncio_future future; // first: a task is a future

    struct asyncio__step step; // in a list of waiters, or ready
    uint8_t state;             // enum asyncio__task_state
    bool eager;                // to begin inside the call that makes it
    union {                    // looked at together, on the way into each wait
        struct {
            union { // and on the way out of it
                struct {
                    bool must_cancel : 1;     // a request no wait delivered
                    bool scope_cancelled : 1; // each await: -ECANCELED
                };
                uint8_t cancel_pending; // not 0: one of them
            };
            bool compact; // its frames are in a slot, or in `image`
        };
        uint16_t not_plain; // not 0: one of these
    };
    bool in_cancel; // a request passes through it to what it waits for
    bool kept;      // of a group: its handle was asked for
    uint8_t traced; // run/trace.c's own
    // Of a compact one that has begun:
    uint8_t slot : 6;
    bool in_reserve : 1; // its image is the slot's reserve
    struct asyncio__context context;

    struct asyncio__stack *stack;
    int (*fn)(void *arg);
    union {
        void *arg;
        struct asyncio__image *image; // of a compact one that has begun
    };
    struct asyncio_link sibling; // asyncio_loop.tasks
    uint32_t stack_size;
    uint32_t arrow; // in a trace: to its next step; 0: there is none

    struct {
        const struct asyncio__wait_kind *kind; // NULL: it does not wait
        void *object;
        int result;
        bool woken; // the result is there, the task has not run yet
    } wait;
    struct asyncio__failure *cancel_words; // of the latest request, or NULL
    struct asyncio_task_group *group;
    uint64_t number;
    const char *site;      // of the spawn
    int cancelling;        // requests counted and not taken back
    uint32_t cancel_round; // the latest that reached it

    struct asyncio_link member; // asyncio_task_group.children_, or kept_

    // One wait at a time, and what it needs of the loop. Each wait sets it.
    union {
        struct asyncio__timer timer;
        struct asyncio__op op;
        struct asyncio__waiter waiter;
    };
    struct asyncio_task *cancel_later; // asyncio_loop.cancel_later

    // What most tasks never have, and what is all zero unless its flags say
    // ASYNCIO__TASK_HAS_MORE: whoever sets something here sets that, too.
    // Cleared when the task is freed.
    struct asyncio_timeout *limit;      // innermost; asyncio_timeout.outer_
    struct asyncio_cancel_scope *scope; // innermost, its own or born in
    struct asyncio_link scoped;         // asyncio_cancel_scope.tasks_
    struct asyncio__failures failures;
    struct asyncio__select *select;     // its places in lines; made when needed
    struct asyncio_future *started;     // who waits for the child to be ready
    struct asyncio__variables **locals; // where they are; NULL: none was set
    struct asyncio__variables *own_locals; // unless they are a context's
    char *name; // behind the block or from the allocator; NULL: "Task-<number>"
    uint32_t locks_owned; // that this task alone may release
    bool name_owned;
    bool reported; // of a group: it said that it is ready
};

static inline struct asyncio_task *
asyncio__task_of(struct asyncio_link *step_link)
{
    return list_entry(step_link, struct asyncio_task, step.link);
}

static inline bool asyncio__task_has_more(const struct asyncio_task *task)
{
    return task->future.flags_ & ASYNCIO__TASK_HAS_MORE;
}

static inline void asyncio__task_set_more(struct asyncio_task *task)
{
    task->future.flags_ |= ASYNCIO__TASK_HAS_MORE;
}

// True of what a spawn that failed returns.
static inline bool asyncio__task_failed_spawn(const struct asyncio_task *task)
{
    return task->future.flags_ & ASYNCIO__TASK_IMMORTAL;
}

// For asyncio_loop.floor, of each loop that has seen a task or a future.
extern const struct asyncio__task_floor asyncio__tasks_at_close;

// Runs or resumes the task: what its step does.
void asyncio__task_step(struct asyncio__step *step);

static inline bool asyncio__is_task_step(const struct asyncio__step *step)
{
    return step->run == asyncio__task_step;
}

// The task that runs on this thread, or NULL.
static inline struct asyncio_task *asyncio__task(void)
{
    struct asyncio_loop *loop = asyncio__running_loop;
    return loop ? loop->task : NULL;
}

// Its state, whether or not it is compact.
static inline enum asyncio__task_state
asyncio__task_state(const struct asyncio_task *task)
{
    return task->state & ~ASYNCIO__TASK_COMPACT;
}

// Puts a task that was woken into the ready queue of its loop.
static inline void asyncio__task_ready(struct asyncio_loop *loop,
                                       struct asyncio_task *task)
{
    task->state &= (uint8_t)~ASYNCIO__TASK_WAITS;
    asyncio__loop_add_task(loop, &task->step);
}
