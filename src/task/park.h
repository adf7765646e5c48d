// Park and wake: the one way in which a task waits.
//
// A task parks on something: its step joins a list there, or nothing when a
// timer or an operation will wake it, and the thread goes on with other work.
// Whoever has what it waits for wakes it, once, with a result:
//
//     RUNNING --park--> PARKED --wake(result)--> READY --resume--> RUNNING
//                          |                       |
//                       cancel: kind->cancel     cancel: the grant goes back
//
// What was waited for decides what a cancel means; that is its `kind`. The
// step, the timer and the operation block are part of the task, so waiting
// allocates nothing, and nothing of it lies on the stack.
#pragma once

#include "loop/debug.h"
#include "task/inject.h"
#include "task/task.h"

// Called for each future that somebody waits for.
typedef void asyncio__awaited_fn(struct asyncio_future *future, void *arg);

struct asyncio__wait_kind {
    const char *name; // of what is waited for, for people: "semaphore"

    // A cancel while parked. NULL: leave the list and wake with -ECANCELED.
    // Else it asks the thing to end early, and returns true if it will see to
    // it that the task is woken with the right code; false leaves the request
    // for the next wait.
    bool (*cancel)(struct asyncio_task *task,
                   const struct asyncio_cancel_options *options);

    // The same for a cancelled scope, if that means something else here; what
    // the wait brings is then kept in any case. NULL: as `cancel`.
    bool (*cancel_by_scope)(struct asyncio_task *task,
                            const struct asyncio_cancel_options *options);

    // A cancel came after wake(0) and before the task ran: the grant is
    // returned. NULL: there is nothing to give back.
    void (*give_back)(struct asyncio_task *task);

    // Who has to act before the wait can end, as far as is known: the task that
    // owns a lock. NULL, or returning NULL: unknown.
    struct asyncio_task *(*owner)(const struct asyncio_task *waiter);

    // When that task ends, which counts in `locks_owned`, nobody can act any
    // more: the wait ends with -EOWNERDEAD.
    bool dies_with_owner;

    // The same, in place of it, where that may be too late: false, and what was
    // granted is kept, and the cancel waits for the next await.
    bool (*try_give_back)(struct asyncio_task *task);

    // What was granted is kept, and the cancel waits for the next await: an
    // operation of the kernel that has happened.
    bool keeps_result;

    // For whoever asks who waits for whom: calls visit for each future, tasks
    // among them, whose end is waited for. NULL: none is known.
    void (*each_awaited)(const struct asyncio_task *waiter,
                         asyncio__awaited_fn *visit, void *arg);

    // Those are not all that can end it: something else may, such as an item
    // that another thread sends.
    bool may_end_otherwise;

    // A compact task may wait so: nobody else has the address of anything on
    // the waiter's stack, unless `object` or the list lies there, which is seen
    // when the wait begins. Else the wait is refused with -EFAULT.
    bool movable;
};

// Waits on `object`, a thing of `kind`, until woken. `list`, if not NULL, is
// where the task's step joins the waiters, last.
//
// Returns what wake was given; or -ECANCELED: then the step is in no list and
// the grant, if there was one, went back. A request that is pending already, or
// a cancelled scope, ends the wait before it begins (unless kind->cancel takes
// it up). -EPERM outside a task. Never call it with a resource half taken.
int asyncio__park(const struct asyncio__wait_kind *kind, void *object,
                  struct asyncio_link *list);

// Makes a parked task ready: takes its step out of the list it waits in. On the
// loop's thread.
void asyncio__wake(struct asyncio_task *task, int result);

// Asks for what a parked task has on its stack where it stands, or in its
// image, and will need next: for whoever wakes many in a row, none of which has
// run for long. They come from memory together then, and not each as its turn
// comes.
static inline void asyncio__fetch_frames(const struct asyncio_task *task)
{
    // What it calls next is below where it stands; of an image, not yet there.
    const char *frames =
        task->compact ? (const char *)task->image : task->context.sp;
    for (int line = task->compact ? 0 : -3; line < 5; line++)
        __builtin_prefetch(frames + 64 * (ptrdiff_t)line, 1);
}

// Of a loop that is watched: tells those who watch.
ASYNCIO__COLD void asyncio__tell_woken(struct asyncio_loop *loop,
                                       struct asyncio_task *task);

// The same for one whose step was just taken out of the list.
static inline void asyncio__wake_removed(struct asyncio_task *task, int result)
{
    struct asyncio_loop *loop = task->future.loop_;
    task->wait_result = result;
    task->woken = true;
    asyncio__task_ready(loop, task);
    if (loop->detour & ASYNCIO__WATCHED) asyncio__tell_woken(loop, task);
}

// Wakes the first in `list`, which is not empty.
static inline void asyncio__wake_first(struct asyncio_link *list, int result)
{
    struct asyncio_link *first = list_first(list);
    list_leave_first(list, first);
    asyncio__wake_removed(asyncio__task_of(first), result);
}

// Wakes all in `list`, in order of arrival.
void asyncio__wake_all(struct asyncio_link *list, int result);

// Wakes whoever waits for something that `task`, which ends, has not released.
void asyncio__wake_orphans(struct asyncio_task *task);

// Returns what a task that was woken was granted, for one that will not have
// it. False: it cannot be returned.
bool asyncio__give_back(struct asyncio_task *task);

// In debug mode: whether those who wait are of a loop on another thread; then
// it was reported. For what belongs to no loop by itself: `call` returns
// -EPERM.
bool asyncio__waiters_are_elsewhere(const struct asyncio_link *list,
                                    const char *call);

static inline bool asyncio__waiters_elsewhere(const struct asyncio_link *list,
                                              const char *call)
{
    return asyncio__debug_somewhere() &&
           asyncio__waiters_are_elsewhere(list, call);
}

// The task whose step waits first in `list`, or NULL.
struct asyncio_task *asyncio__first_waiter(const struct asyncio_link *list);

// Calls visit for each future that the task waits for: none unless it is
// parked. Allocates nothing, and must not change anything.
void asyncio__each_awaited(const struct asyncio_task *task,
                           asyncio__awaited_fn *visit, void *arg);

// True if it waits for time to pass, and maybe for ever on purpose.
bool asyncio__sleeps(const struct asyncio_task *task);

// True from park to wake.
static inline bool asyncio__parked(const struct asyncio_task *task)
{
    return task->wait.kind && !task->woken;
}

// Operations in a row that may go on without blocking.
#define ASYNCIO__UNBLOCKED_MAX 128

// What the function below does where it does something.
int asyncio__checkpoint_stop(struct asyncio_loop *loop);

// To be called by an operation before it takes without blocking what it came
// for: lets others run after 128 of these in a row. 0, or -ECANCELED: then the
// task is in a cancelled scope, or was cancelled while others ran.
static inline int asyncio__checkpoint(void)
{
    struct asyncio_loop *loop = asyncio__running_loop;
    if (!loop) return 0;
    bool cancelled = loop->task && loop->task->scope_cancelled;
    if (!cancelled && ++loop->unblocked < ASYNCIO__UNBLOCKED_MAX) return 0;
    return asyncio__checkpoint_stop(loop);
}

// True if an await is not to begin: a cancel was asked for that no wait has
// delivered, or the task is in a cancelled scope.
static inline bool asyncio__cancel_pending(const struct asyncio_task *task)
{
    return task->not_plain && task->cancel_pending; // mostly it is plain
}

// To be called by an operation before it begins: 0, or -ECANCELED if it is not
// to begin; the request is delivered by that. -EFAULT in a compact task, unless
// it is said to be movable, as its wait is.
int asyncio__begin_await(struct asyncio_task *task);
int asyncio__begin_movable_await(struct asyncio_task *task);

// Takes the pending request up: the caller returns -ECANCELED.
void asyncio__take_cancel(struct asyncio_task *task);

// Lets go of what is remembered of the latest request.
void asyncio__forget_cancel_words(struct asyncio_task *task);
