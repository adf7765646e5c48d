// Compact tasks: many of them share few stacks.
//
// A compact task runs in a slot, an ordinary stack of its loop, and keeps the
// same one for life. It stays there when it waits, until another task of that
// slot is to run: then the frames of the first are put aside, in a block that
// is as large as they are, and come back to the same addresses later. A task
// that ends leaves its slot free at once, so short ones never move:
//
//     NEW -> IN PLACE <-> ASIDE (task.image); IN PLACE -> DONE
//
// For its maker and for whoever it waits for it is a task like others. What is
// different is that nobody but itself may have an address in its stack, because
// somebody else's frames may be there by the time it is used. So nothing pins a
// task to its slot, and each call that would give such an address away refuses,
// with -EFAULT, in every build and whether or not it would have to wait. A wait
// is for compact tasks if its kind says `movable`.
//
// Under sanitizers, and where the switch is ucontext's, a compact task keeps a
// stack of its own, and the same calls refuse.
#pragma once

#include "task/park.h"
#include "task/task.h"

#if defined(ASYNCIO__SANITIZED) || defined(ASYNCIO__MSAN) ||                   \
    defined(ASYNCIO_CONTEXT_UCONTEXT)
#define ASYNCIO__COMPACT_MOVES false
#else
#define ASYNCIO__COMPACT_MOVES true
#endif

// Says of a new task that it is compact.
static inline void asyncio__task_make_compact(struct asyncio_task *task)
{
    task->future.flags_ |= ASYNCIO__TASK_IS_COMPACT;
    task->compact = true;
    task->eager = false;
    task->state = ASYNCIO__TASK_NEW | ASYNCIO__TASK_COMPACT;
}

// True if `task` is compact and `address` lies in its stack. Accepts NULL for
// both.
bool asyncio__is_in_compact(const struct asyncio_task *task,
                            const void *address);

// The same of the task that runs.
static inline bool asyncio__reaches_compact(const void *address)
{
    struct asyncio_loop *loop = asyncio__running_loop;
    return loop && asyncio__loop_lends(loop, address);
}

// For calls that would leave something of theirs, or of their callers, in the
// frames of a compact task: 0, or -EFAULT if one runs. In debug mode that is
// reported.
ASYNCIO__COLD int asyncio__compact_refuse(struct asyncio_task *task);
static inline int asyncio__refuse_compact(void)
{
    struct asyncio_task *task = asyncio__task();
    return task && task->compact ? asyncio__compact_refuse(task) : 0;
}

// For calls that would keep an address of their callers': 0, or -EFAULT if it
// lies in the frames of the compact task that runs. In debug mode that is
// reported.
static inline int asyncio__compact_may_keep(const void *address)
{
    return asyncio__reaches_compact(address)
               ? asyncio__compact_refuse(asyncio__task())
               : 0;
}

// 0 if the task may begin such a wait, or -EFAULT.
int asyncio__compact_may_wait(struct asyncio_task *task,
                              const struct asyncio__wait_kind *kind,
                              const void *object,
                              const struct asyncio_link *list);

// asyncio__switch_away for one of them.
void asyncio__compact_switch_away(struct asyncio_loop *loop,
                                  struct asyncio_task *task);

// The rest of a yield of one of them, which is queued.
int asyncio__compact_yield(struct asyncio_loop *loop,
                           struct asyncio_task *task);

// The rest of a wait of one of them that has begun: what the wait returns. Its
// frame is the last that the task keeps of its wait, so it is called at the end
// of others, which have none any more.
int asyncio__compact_wait(struct asyncio_loop *loop, struct asyncio_task *task);

// asyncio__context_of_next for one of them. The loop's context may also mean
// that it has to be brought in from there, and its step is in the queue again.
struct asyncio__context *asyncio__compact_context(struct asyncio_loop *loop,
                                                  struct asyncio_task *next);

// Where the frames of one of them are, that has begun: its slot's stack, or its
// own.
struct asyncio__stack *asyncio__compact_stack(const struct asyncio_task *task);

// Takes the stack away from one that will never run again.
void asyncio__compact_drop(struct asyncio_task *task);

// Brings the frames of a task that stands still to where they are in use, for
// those who look at them. False: they cannot be. True of other tasks.
bool asyncio__compact_put_in_place(struct asyncio_task *task);

// For debug mode, when a task has had its turn, on the thread's own stack: puts
// the frames of a compact one aside, and marks their place, so that whoever
// writes there is seen when it is needed next.
void asyncio__compact_put_aside(struct asyncio_task *task);
