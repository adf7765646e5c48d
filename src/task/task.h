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
    // Of tasks alone: it has seen a failure, or has `more`, or `limit` or some
    // field below it is set;
    ASYNCIO__TASK_HAS_MORE = 4,
    // and a spawn has failed: static, of no loop;
    ASYNCIO__TASK_IMMORTAL = 8,
    // `compact`, where that is too far away.
    ASYNCIO__TASK_IS_COMPACT = 16,
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

// What few tasks have: made when needed, by calls that may fail, or with the
// task, if its options ask for something of it. Freed with the task.
struct asyncio__more {
    char *name;                              // NULL: "Task-<number>"
    struct asyncio__failures_before *before; // failures, before the last one
    struct asyncio__variables **locals;    // where they are; NULL: none was set
    struct asyncio__variables *own_locals; // unless they are a context's
    struct asyncio__select *select; // its places in lines; made when needed
    struct asyncio_future *started; // who waits for the child to be ready
    uint32_t stack_size;            // 0: the usual one
    uint32_t arrow;  // in a trace: to its next step; 0: there is none
    bool name_owned; // it is the allocator's, and not behind this
    bool reported;   // of a group: it said that it is ready
};

// Blocks lie side by side in their loop's arena, which is how all of them are
// found, and begin with a line of the cache. Three lines are all that a task
// needs which is made, lets others run and ends: one is the future's, for those
// who gather the task and let go of it; one is what each switch needs; and one
// is for the beginning and the end, and for its group. A wait takes the fourth.
// Of five lines each: were it an even number, tasks would have half of the
// cache for their first lines.
struct asyncio_task {
    // First: a task is a future. Until it ends, `failure_` is the last one that
    // it has seen.
    struct asyncio_future future;

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
    union {
        struct {
            bool in_cancel : 1;      // a request passes through it to what it
                                     // waits for
            bool put_off : 1;        // of a cancel: to a later moment
            bool kept : 1;           // of a group: its handle was asked for
            bool has_stack_size : 1; // in `more`
            bool in_reserve : 1;     // compact: its image is its slot's reserve
            bool traced_row : 1;     // in a trace: its row has begun
            bool traced_wait : 1;    // and its wait
        };
        uint8_t marks; // all of these: none, to begin with
    };
    bool woken;          // the result of its wait is there, it has not run yet
    uint8_t slot;        // of a compact one that has begun
    uint8_t locks_owned; // that it alone may release; 255: or more, or fewer
    struct asyncio__context context;

    union {
        void *arg;                    // until it begins
        struct asyncio__stack *stack; // then, unless it is in a slot
        struct asyncio__image *image; // then: while it is not in its place
    };
    int (*fn)(void *arg);
    struct asyncio__failure *cancel_words; // of the latest request, or NULL
    struct asyncio_task_group *group;
    struct asyncio_link member; // asyncio_task_group.children_, or kept_
    uint64_t number;
    struct asyncio__more *more; // NULL: none of it

    struct {
        const struct asyncio__wait_kind *kind; // NULL: it does not wait
        void *object;
    } wait;
    int wait_result;       // once it was woken
    uint32_t cancel_round; // the latest that reached it
    // One wait at a time, and what it needs of the loop. Each wait sets it.
    union {
        struct asyncio__timer timer;
        struct asyncio__op op;
        struct asyncio__waiter waiter;
    };

    // What most tasks never have, and what is all zero unless its flags say
    // ASYNCIO__TASK_HAS_MORE: whoever sets something here sets that, too.
    // Cleared when the task is freed.
    struct asyncio_timeout *limit;      // innermost; asyncio_timeout.outer_
    struct asyncio_cancel_scope *scope; // innermost, its own or born in
    struct asyncio_link scoped;         // asyncio_cancel_scope.tasks_
};

// From one block to the next.
#define ASYNCIO__TASK_SIZE                                                     \
    ((sizeof(struct asyncio_task) + ASYNCIO__ARENA_UNIT - 1) /                 \
     ASYNCIO__ARENA_UNIT * ASYNCIO__ARENA_UNIT)

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

// What few tasks have, made if it is not there; NULL: there is no memory.
struct asyncio__more *asyncio__task_more(struct asyncio_task *task);

// The name that it was given, or NULL. Reads nothing that may be gone, for
// signal handlers.
static inline const char *
asyncio__task_given_name(const struct asyncio_task *task)
{
    return task->more ? task->more->name : NULL;
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

// Where its frames are, or will be when it is brought back; NULL: it has not
// begun. Of one that has ended, where they were.
struct asyncio__stack *asyncio__task_stack(const struct asyncio_task *task);

// Through all tasks of a loop that are not done, in the order of their blocks:
// those that were made first come first, but for blocks that were used before.
//
//     struct asyncio__task_walk walk = {.loop = loop};
//     struct asyncio_task *task;
//     while ((task = asyncio__task_walk(&walk))) ...
//
// Any of them may end meanwhile, and others may be made.
struct asyncio__task_walk {
    const struct asyncio_loop *loop;
    struct asyncio__arena_walk at;
};
struct asyncio_task *asyncio__task_walk(struct asyncio__task_walk *walk);

// Puts a task that was woken into the ready queue of its loop.
static inline void asyncio__task_ready(struct asyncio_loop *loop,
                                       struct asyncio_task *task)
{
    task->state &= (uint8_t)~ASYNCIO__TASK_WAITS;
    asyncio__loop_add_task(loop, &task->step);
}
