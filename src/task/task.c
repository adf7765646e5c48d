// How tasks begin, run, end, and are given up.
//
// A task that ends looks for the next one as a parking task does; but where
// that one is new, it begins on the very stack that is free now, in the loop of
// `task_main`: no switch, and short tasks share one hot stack.

#include "task/task.h"

#include <assert.h>

#include "loop/debug.h"
#include "platform/sys.h"
#include "task/compact.h"
#include "task/future.h"
#include "task/park.h"
#include "task/run.h"
#include "task/scope.h"
#include "task/slot.h"
#include "task/variables.h"

// A task got an outcome behind its back: a bug somewhere, and the first outcome
// stays.
static void report_done_before(struct asyncio_task *task)
{
    asyncio__report(task->future.loop_, -EINVAL, asyncio_task_name(task),
                    task->future.site_,
                    "a task was done before its coroutine had ended");
}

// Of what only ASYNCIO__TASK_HAS_MORE says to be there, what a task that is
// done has not.
static void drop_more(struct asyncio_task *task)
{
    struct asyncio__more *more = task->more;
    asyncio__failures_drop(task);
    if (!more) return;
    if (more->locals) asyncio__task_end_variables(task);
    asyncio__free(more->select);
    more->select = NULL;
}

// The end of a task: everybody who waits is told, in the next pass. The block
// may be gone when this returns.
ASYNCIO__INLINE void end_task(struct asyncio_task *task, int result)
{
    // A request that no wait has delivered makes a value void. A failure is
    // what it is, as in asyncio: a group that fails while its parent is
    // cancelled leaves such a request behind, and its errors are not to be
    // lost.
    if (task->must_cancel && result >= 0) {
        asyncio__take_cancel(task);
        result = -ECANCELED;
    }
    struct asyncio_loop *loop = task->future.loop_;
    if (asyncio__task_has_more(task) && task->scope)
        asyncio__scope_task_ends(task);
    struct asyncio__failure *words =
        result < 0 ? asyncio__failure_ref(asyncio__failure_of(result)) : NULL;
    loop->task = NULL;
    if (asyncio__task_has_more(task)) drop_more(task);
    task->state = ASYNCIO__TASK_DONE;
    loop->tasks--;
    if (task->cancel_words) asyncio__forget_cancel_words(task);
    if (task->locks_owned > 0) asyncio__wake_orphans(task);
    if (loop->debugger) asyncio__debug_ended(loop, task);
    if (asyncio__future_is_done(&task->future)) {
        asyncio__failure_unref(words);
        report_done_before(task);
    } else {
        asyncio__future_complete(&task->future, result, words);
    }

    if (!task->group) {
        asyncio__task_let_go(task);
    } else if (!loop->spawner) {
        // The group's turn comes in the next pass; the reference goes with it.
        task->step.run = asyncio__group_child_done;
        asyncio__loop_queue(loop, &task->step);
    } // else it ended in its eager first step, and its spawner tells the group
}

void asyncio__task_end(struct asyncio_task *task, int result)
{
    task->future.loop_->task = task;
    end_task(task, result);
}

void asyncio__task_end_unbegun(struct asyncio_task *task)
{
    task->future.loop_->task = task;
    if (task->must_cancel) asyncio__take_cancel(task); // its words are kept
    end_task(task, -ECANCELED);
}

ASYNCIO__COLD static void end_without_stack(struct asyncio_task *task)
{
    asyncio__task_end(task, -ENOMEM);
}

static void task_main(void *arg);

static uint32_t stack_size_of(const struct asyncio_task *task)
{
    return task->has_stack_size ? task->more->stack_size : 0;
}

struct asyncio__stack *asyncio__task_stack(const struct asyncio_task *task)
{
    if (asyncio__task_state(task) == ASYNCIO__TASK_NEW) return NULL;
    return task->compact ? asyncio__compact_stack(task) : task->stack;
}

// The task begins on this stack, which from now on takes the place of what it
// is called with: returns that.
ASYNCIO__INLINE void *take_stack(struct asyncio_task *task,
                                 struct asyncio__stack *stack)
{
    void *arg = task->arg;
    task->stack = stack;
    task->state = ASYNCIO__TASK_READY;
    return arg;
}

// While a debugger looks on, each task has a stack on which nothing was before.
static bool may_reuse(const struct asyncio_loop *loop, uint32_t stack_size)
{
    return stack_size == 0 && !loop->debugger;
}

// Gives a new task a stack, and returns the context to switch to; the task has
// one of its own as soon as it runs. The loop's: there is no memory for a
// stack, and it has ended with -ENOMEM.
ASYNCIO__APART static struct asyncio__context *begin(struct asyncio_loop *loop,
                                                     struct asyncio_task *task)
{
    loop->task = task;
    if (loop->spare_stack && may_reuse(loop, stack_size_of(task))) {
        asyncio__stack_resume(loop->spare_stack);
        loop->spare_stack = NULL;
        return &loop->spare_context;
    }
    struct asyncio__stack *stack =
        asyncio__stack_get(loop->stacks, stack_size_of(task));
    if (!stack) {
        end_without_stack(task);
        return &loop->context;
    }
    void *arg = take_stack(task, stack);
    if (loop->debugger) asyncio__debug_begins(loop, task);
    asyncio__context_make(&task->context, stack, task_main, arg);
    return &task->context;
}

ASYNCIO__INLINE struct asyncio__context *
context_of_next(struct asyncio_loop *loop, struct asyncio_task *next)
{
    if (next->state == ASYNCIO__TASK_READY) {
        loop->task = next;
        return &next->context;
    }
    return next->state == ASYNCIO__TASK_NEW
               ? begin(loop, next)
               : asyncio__compact_context(loop, next);
}

struct asyncio__context *asyncio__context_of_next(struct asyncio_loop *loop,
                                                  struct asyncio_task *next)
{
    return context_of_next(loop, next);
}

// Gives the stack under our feet back and goes on elsewhere. Nobody can take
// the stack before we have left it.
_Noreturn static void leave_to(struct asyncio_loop *loop,
                               struct asyncio__stack *stack,
                               struct asyncio__context *here,
                               struct asyncio__context *to)
{
    asyncio__stack_put(loop->stacks, stack);
    asyncio__context_leave(here, to);
}

// Goes on elsewhere, and leaves the stack as it stands here to the next task
// that begins: returns when that is there.
static struct asyncio_task *stand_by(struct asyncio_loop *loop,
                                     struct asyncio__stack *stack,
                                     const struct asyncio__context *here,
                                     struct asyncio__context *to)
{
    asyncio__stack_rest(stack);
    loop->spare_stack = stack;
    asyncio__context_replace(&loop->spare_context, here);
    asyncio__context_switch(&loop->spare_context, to);
    return loop->task;
}

// With what the first one is called with.
static void task_main(void *arg)
{
    struct asyncio_loop *loop = asyncio__running_loop;
    struct asyncio_task *task = loop->task;
    struct asyncio__stack *stack = task->stack;
    uint32_t stack_size = stack_size_of(task);
    // As each task on this stack begins: its block may be gone when it has
    // ended.
    struct asyncio__context here = task->context;
    for (;;) {
        int result = task->fn(arg);

        if (!loop->spawner) loop->unblocked = 0; // its spawner's count goes on
        end_task(task, result);
        task = loop->spawner ? NULL : asyncio__take_next_task(loop);
        if (task) asyncio__fetch_after(loop, task);
        if (task && task->state == ASYNCIO__TASK_NEW &&
            stack_size_of(task) == stack_size) {
            loop->task = task;
        } else {
            struct asyncio__context *to = task ? context_of_next(loop, task)
                                          : loop->spawner
                                              ? loop->spawner->context
                                              : &loop->context;
            if (loop->spare_stack || !may_reuse(loop, stack_size))
                leave_to(loop, stack, &here, to);
            task = stand_by(loop, stack, &here, to);
        }
        arg = take_stack(task, stack);
        asyncio__context_replace(&task->context, &here);
        asyncio__context_renew();
    }
}

const void *asyncio__task_entry(void)
{
    return (const void *)(uintptr_t)task_main;
}

void asyncio__task_step(struct asyncio__step *step)
{
    struct asyncio_task *task = asyncio__task_of(&step->link);
    struct asyncio_loop *loop = task->future.loop_;
    if (task->state == ASYNCIO__TASK_NEW && !asyncio__task_begins(task)) return;
    struct asyncio__context *to = context_of_next(loop, task);
    if (to != &loop->context) asyncio__context_switch(&loop->context, to);
    assert(!loop->task);
}

// --- the eager first step ---------------------------------------------------

// Its spawner stands still meanwhile, as in a call: so these steps nest, and
// nobody else runs before the outermost is over.
static void run_first_step(struct asyncio_task *task)
{
    struct asyncio_loop *loop = task->future.loop_;
    struct asyncio__spawner here = {.outer = loop->spawner,
                                    .context = loop->task ? &loop->task->context
                                                          : &loop->context,
                                    .task = loop->task};
    loop->spawner = &here;
    const struct asyncio__stack *lent = loop->compact_stack;
    asyncio__loop_set_indirect(loop, true);
    loop->compact_stack = NULL;
    if (asyncio__task_begins(task)) {
        struct asyncio__context *to = context_of_next(loop, task);
        if (to != &loop->context) asyncio__context_switch(here.context, to);
    }
    loop->task = here.task;
    loop->spawner = here.outer;
    asyncio__loop_set_indirect(loop, here.outer || lent);
    loop->compact_stack = lent;
}

void asyncio__return_to_spawner(struct asyncio_loop *loop,
                                struct asyncio_task *task)
{
    asyncio__context_switch(&task->context, loop->spawner->context);
    assert(loop->task == task);
}

void asyncio__task_launch(struct asyncio_task *task)
{
    bool launched = asyncio__task_state(task) != ASYNCIO__TASK_NEW ||
                    list_linked(&task->step.link);
    if (asyncio__task_failed_spawn(task) || launched) return;
    struct asyncio_loop *loop = task->future.loop_;
    if (task->eager && asyncio__running_loop == loop)
        run_first_step(task);
    else
        asyncio__task_first_ready(loop, task);
}

// --- a loop that closes -----------------------------------------------------

// It was woken and will not run: what it was granted goes to others, who may
// outlive the loop. Those that this wakes come later in the list, or go with
// the loop as well.
static void return_grant(struct asyncio_task *task)
{
    asyncio__give_back(task);
    task->wait_result = -ECANCELED;
}

static void cancel_waits(struct asyncio_loop *loop)
{
    struct asyncio__task_walk walk = {.loop = loop};
    struct asyncio_task *task;
    while ((task = asyncio__task_walk(&walk))) {
        if (asyncio__parked(task)) asyncio__cancel_wait(task, NULL);
        if (task->wait.kind && task->woken) return_grant(task);
    }
}

// Tasks stand in the ring by halves, so all of them leave it at once; those
// that are dropped next find themselves out of it.
static bool take_task(struct asyncio__step *step)
{
    if (!asyncio__is_task_step(step)) return false;
    struct asyncio_task *task = asyncio__task_of(&step->link);
    if (asyncio__task_state(task) != ASYNCIO__TASK_NEW)
        task->state =
            ASYNCIO__TASK_PARKED | (task->state & ASYNCIO__TASK_COMPACT);
    return true;
}

static bool stands_ready(const struct asyncio_task *task)
{
    bool launched = list_linked(&task->step.link);
    enum asyncio__task_state state = asyncio__task_state(task);
    return state == ASYNCIO__TASK_READY ||
           (state == ASYNCIO__TASK_NEW && launched);
}

// A task that will never run again: what its frames hold is lost.
static void drop_task(struct asyncio_task *task)
{
    struct asyncio_loop *loop = task->future.loop_;
    asyncio__report(loop, -ECANCELED, asyncio_task_name(task),
                    task->future.site_,
                    "a task was pending when its loop was closed");
    if (stands_ready(task)) asyncio__loop_sift(loop, take_task);
    if (list_linked(&task->step.link)) list_remove(&task->step.link);
    bool begun = asyncio__task_state(task) != ASYNCIO__TASK_NEW;
    if (begun && task->compact) {
        asyncio__compact_drop(task);
    } else if (begun) {
        asyncio__context_destroy(&task->context);
        asyncio__stack_put(loop->stacks, task->stack);
    }
    if (asyncio__task_has_more(task)) drop_more(task);
    asyncio__forget_cancel_words(task);
    task->state = ASYNCIO__TASK_DONE;
    loop->tasks--;
    task->wait.kind = NULL;
    if (!asyncio_future_done(&task->future))
        asyncio__future_complete(&task->future, -ECANCELED, NULL);
    if (task->group) asyncio_task_release(task); // the group is gone with it
    asyncio_task_release(task);
}

static bool drop_child(struct asyncio__step *step)
{
    if (step->run != asyncio__group_child_done) return false;
    struct asyncio_task *task = asyncio__task_of(&step->link);
    asyncio_task_release(task);
    asyncio_task_release(task);
    return true;
}

// Children that ended and whose group was not told.
static void drop_children(struct asyncio_loop *loop)
{
    asyncio__loop_sift(loop, drop_child);
}

static void drop_spare_stack(struct asyncio_loop *loop)
{
    asyncio__context_destroy(&loop->spare_context);
    asyncio__stack_resume(loop->spare_stack);
    asyncio__stack_put(loop->stacks, loop->spare_stack);
    loop->spare_stack = NULL;
}

static void drop_tasks(struct asyncio_loop *loop)
{
    struct asyncio__task_walk walk = {.loop = loop};
    struct asyncio_task *task;
    asyncio__scopes_drop(loop); // while all frames are there
    while ((task = asyncio__task_walk(&walk)))
        drop_task(task);
    assert(loop->tasks == 0);
    if (loop->spare_stack) drop_spare_stack(loop);
    asyncio__slots_close(loop);
    asyncio__failure_unref(loop->cancel_words);
    loop->cancel_words = NULL;
    drop_children(loop);
    asyncio__future_callbacks_drop(loop);
}

const struct asyncio__task_floor asyncio__tasks_at_close = {
    .cancel_waits = cancel_waits,
    .drop = drop_tasks,
};
