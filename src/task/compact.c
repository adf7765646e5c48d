// Compact tasks: how they begin, wait, come back and end. Where they stand is
// the slots' business (slot.c).
//
// All their switches but the last are made in one place here: a compact task
// always takes the detour that parks and yields have for tasks which are
// watched. Who runs next is not told apart until then, so tasks that are not
// compact know nothing of all this.

#include "task/compact.h"

#include <assert.h>

#include "loop/debug.h"
#include "platform/sys.h"
#include "task/park_here.h"
#include "task/run.h"
#include "task/slot.h"

static inline struct asyncio__stack *stack_of(const struct asyncio_task *task)
{
    return ASYNCIO__COMPACT_MOVES ? asyncio__slot_of(task)->stack : task->stack;
}

struct asyncio__stack *asyncio__compact_stack(const struct asyncio_task *task)
{
    return stack_of(task);
}

static bool has_begun(const struct asyncio_task *task)
{
    return asyncio__task_state(task) != ASYNCIO__TASK_NEW;
}

bool asyncio__is_in_compact(const struct asyncio_task *task,
                            const void *address)
{
    if (!task || !task->compact || !has_begun(task)) return false;
    const struct asyncio__stack *stack = stack_of(task);
    return (uintptr_t)address - (uintptr_t)stack->low < stack->size;
}

// --- refusals ---------------------------------------------------------------

int asyncio__compact_refuse(struct asyncio_task *task)
{
    struct asyncio_loop *loop = task->future.loop_;
    if (asyncio__debug(loop))
        asyncio__report(loop, -EFAULT, asyncio_task_name(task),
                        task->future.site_,
                        "a call is not for compact tasks, because others would "
                        "have addresses in its stack: make the task without "
                        ".compact, or the call in a task of its own");
    return -EFAULT;
}

static int refuse_wait(struct asyncio_task *task,
                       const struct asyncio__wait_kind *kind)
{
    struct asyncio_loop *loop = task->future.loop_;
    if (asyncio__debug(loop))
        asyncio__report(
            loop, -EFAULT, asyncio_task_name(task), task->future.site_,
            kind->movable ? "a compact task cannot wait for %s that lies in "
                            "its own stack: put it on the heap or into "
                            "static memory"
                          : "a compact task cannot wait for %s: make the "
                            "task without .compact",
            kind->name);
    return -EFAULT;
}

// Between here and the switch there are only frames of our own.
#define OWN_FRAMES 512

// Sees to it that the task can be put aside, whatever becomes of memory. Not in
// place: what it needs is not to be kept while the task waits.
ASYNCIO__APART static bool reserve(const struct asyncio_task *task)
{
    if (!ASYNCIO__COMPACT_MOVES) return true;
    char *here = __builtin_frame_address(0);
    return asyncio__slot_reserve(asyncio__slot_of(task),
                                 (size_t)(stack_of(task)->top - here) +
                                     OWN_FRAMES);
}

int asyncio__compact_may_wait(struct asyncio_task *task,
                              const struct asyncio__wait_kind *kind,
                              const void *object,
                              const struct asyncio_link *list)
{
    if (!kind->movable || asyncio__is_in_compact(task, object) ||
        asyncio__is_in_compact(task, list))
        return refuse_wait(task, kind);
    return 0;
}

// --- running ----------------------------------------------------------------

static void set_running(struct asyncio_loop *loop,
                        const struct asyncio__stack *stack)
{
    loop->compact_stack = stack;
    asyncio__loop_set_indirect(loop, stack);
}

// Of many tasks, those that come next have left the cache: what the next one
// will read is asked for as this one begins to run, and the block of the one
// behind it, which says where its frames are.
static inline void fetch_ahead(const struct asyncio_loop *loop)
{
    if (ASYNCIO__LIKELY(loop->blocks < CROWD)) return;
    struct asyncio_link *link = loop->queue.next;
    const struct asyncio_task *next = asyncio__task_of(link);
    if (next->step.run != asyncio__task_step) return;
    // Numbers: of the last one, what is behind it is not said yet.
    uintptr_t frames = (uintptr_t)next->image;
    uintptr_t behind =
        (uintptr_t)link->next - offsetof(struct asyncio_task, step);
    for (int i = 0; i < FETCHED_LINES; i++)
        __builtin_prefetch((void *)(frames + 64 * (uintptr_t)i), 1);
    for (int i = 0; i < FETCHED_LINES; i++)
        __builtin_prefetch((void *)(behind + 64 * (uintptr_t)i), 1);
}

// The next one of the queue, if it may begin right here, in the slot that has
// become free. Else where to go on instead.
static struct asyncio_task *take_next(struct asyncio_loop *loop,
                                      struct asyncio__slot *slot,
                                      struct asyncio__context **to)
{
    struct asyncio_task *next = asyncio__take_next_task(loop);
    *to = &loop->context;
    if (!next) return NULL;
    if (next->state == (ASYNCIO__TASK_NEW | ASYNCIO__TASK_COMPACT) &&
        !loop->debugger && asyncio__slot_reserve(slot, 0)) {
        if (!asyncio__task_begins(next)) return NULL;
        asyncio__slot_enter(slot, next);
        return next;
    }
    *to = asyncio__context_of_next(loop, next);
    return NULL;
}

// It has run to its end.
static void end(struct asyncio_loop *loop, struct asyncio_task *task,
                int result)
{
    set_running(loop, NULL);
    loop->unblocked = 0;
    if (asyncio__task_has_more(task)) asyncio__limits_drop(task);
    asyncio__task_end(task, result);
}

ASYNCIO__INLINE int run(struct asyncio_task *task,
                        const struct asyncio__stack *stack, void *arg)
{
    set_running(task->future.loop_, stack);
    return task->fn(arg);
}

// The occupant has run to its end. Sees that the slot has another one, or that
// its stack is left.
ASYNCIO__APART static void end_in_slot(struct asyncio__slot *slot, int result)
{
    struct asyncio_loop *loop = slot->loop;
    end(loop, slot->occupant, result);
    if (slot->stack->has_canary) asyncio__stack_check(slot->stack);
    asyncio__slot_leave(slot);
    struct asyncio__context *to;
    struct asyncio_task *task = take_next(loop, slot, &to);
    if (!task) asyncio__context_leave(&loop->context, to);
    fetch_ahead(loop);
    loop->task = task;
    task->state = ASYNCIO__TASK_READY | ASYNCIO__TASK_COMPACT;
    asyncio__context_renew();
}

// In a slot, for one task after another. While they are aside, others run in
// this very frame: so nothing in it is needed across a task's run but what
// follows from the slot.
static void main_in_slot(void *arg)
{
    struct asyncio__slot *slot = arg;
    slot->floor = asyncio__context_frame_end();
    for (;;) {
        struct asyncio_task *task = slot->occupant;
        int result = run(task, slot->stack, task->arg);
        end_in_slot(slot, result);
    }
}

// On a stack of its own.
static void main_alone(void *arg)
{
    struct asyncio_loop *loop = asyncio__running_loop;
    struct asyncio_task *task = loop->task;
    struct asyncio__stack *stack = task->stack;
    struct asyncio__context here = task->context;
    end(loop, task, run(task, stack, arg));
    struct asyncio_task *next = asyncio__take_next_task(loop);
    struct asyncio__context *to =
        next ? asyncio__context_of_next(loop, next) : &loop->context;
    asyncio__stack_put(loop->stacks, stack);
    asyncio__context_leave(&here, to);
}

// Has the step run from the thread's own stack, where nobody is in the way.
static struct asyncio__context *go_by_the_loop(struct asyncio_loop *loop,
                                               struct asyncio_task *next)
{
    asyncio__loop_put_back(loop, &next->step);
    loop->task = NULL;
    return &loop->context;
}

static struct asyncio__context *end_without_stack(struct asyncio_loop *loop,
                                                  struct asyncio_task *next)
{
    asyncio__task_end(next, -ENOMEM);
    return &loop->context;
}

static struct asyncio__context *begin_alone(struct asyncio_loop *loop,
                                            struct asyncio_task *next)
{
    struct asyncio__stack *stack = asyncio__stack_get(loop->stacks, 0);
    if (!stack) return end_without_stack(loop, next);
    asyncio__context_make(&next->context, stack, main_alone, next->arg);
    next->stack = stack;
    return &next->context;
}

static struct asyncio__context *begin_in_slot(struct asyncio_loop *loop,
                                              struct asyncio_task *next)
{
    bool elsewhere;
    struct asyncio__slot *slot = asyncio__slot_for_new(loop, &elsewhere);
    if (!slot && elsewhere) return go_by_the_loop(loop, next);
    if (!slot) return end_without_stack(loop, next);
    asyncio__slot_enter(slot, next);
    asyncio__context_make(&next->context, slot->stack, main_in_slot, slot);
    return &next->context;
}

static struct asyncio__context *begin(struct asyncio_loop *loop,
                                      struct asyncio_task *next)
{
    if (!asyncio__task_begins(next)) return &loop->context;
    struct asyncio__context *to = ASYNCIO__COMPACT_MOVES
                                      ? begin_in_slot(loop, next)
                                      : begin_alone(loop, next);
    if (to == &loop->context) return to;
    loop->task = next;
    next->state = ASYNCIO__TASK_READY | ASYNCIO__TASK_COMPACT;
    return to;
}

// No memory for the one that is in its place: others run first, and some may
// give memory back.
static struct asyncio__context *come_later(struct asyncio_loop *loop,
                                           struct asyncio_task *next)
{
    asyncio__loop_add_task(loop, &next->step);
    loop->task = NULL;
    return &loop->context;
}

static struct asyncio__context *come_back(struct asyncio_loop *loop,
                                          struct asyncio_task *next)
{
    struct asyncio__slot *slot =
        ASYNCIO__COMPACT_MOVES ? asyncio__slot_of(next) : NULL;
    if (slot && slot->occupant != next) {
        if (asyncio__slot_holds_caller(slot)) return go_by_the_loop(loop, next);
        if (!asyncio__slot_bring_in(next)) return come_later(loop, next);
    }
    loop->task = next;
    return &next->context;
}

struct asyncio__context *asyncio__compact_context(struct asyncio_loop *loop,
                                                  struct asyncio_task *next)
{
    fetch_ahead(loop);
    return asyncio__task_state(next) == ASYNCIO__TASK_NEW
               ? begin(loop, next)
               : come_back(loop, next);
}

// --- switching ---------------------------------------------------------------

// Who stands still, and who goes on. In registers, and what is kept is not: so
// whoever stands still has none to save.
struct hop {
    struct asyncio__context *from, *to;
};

// The straight way between compact tasks. All else, as any task goes on.
ASYNCIO__APART static struct hop find_hop(struct asyncio_loop *loop,
                                          struct asyncio_task *task,
                                          struct asyncio__kept *kept)
{
    struct hop hop = {.from = &task->context};
    assert(!loop->spawner);
    asyncio__context_keep(kept);
    (void)reserve(task); // for a yield, too; without, it may keep its place
    set_running(loop, NULL);
    loop->unblocked = 0;
    struct asyncio_task *next = asyncio__next_task(loop);
    if (!next || !(next->state & ASYNCIO__TASK_COMPACT)) {
        hop.to = asyncio__begin_or_turn(loop, task, next);
    } else {
        asyncio__loop_leave_queue(loop, &next->step);
        loop->task = NULL;
        hop.to = asyncio__compact_context(loop, next);
    }
    return hop;
}

// Returns the task.
ASYNCIO__INLINE struct asyncio_task *switch_away(struct asyncio_loop *loop,
                                                 struct asyncio_task *task)
{
    struct asyncio__kept kept;
    struct hop hop = find_hop(loop, task, &kept);
    if (hop.from != hop.to)
        hop.from = asyncio__context_switch_kept(hop.from, hop.to);
    asyncio__context_bring_back(&kept);
    task = list_entry(hop.from, struct asyncio_task, context);
    assert(asyncio__running_loop->task == task);
    set_running(asyncio__running_loop, stack_of(task));
    return task;
}

void asyncio__compact_switch_away(struct asyncio_loop *loop,
                                  struct asyncio_task *task)
{
    switch_away(loop, task);
}

int asyncio__compact_yield(struct asyncio_loop *loop, struct asyncio_task *task)
{
    task = switch_away(loop, task);
    return asyncio__cancel_pending(task) ? asyncio__cancelled_in_yield(task)
                                         : 0;
}

int asyncio__compact_wait(struct asyncio_loop *loop, struct asyncio_task *task)
{
    task = switch_away(loop, task);
    return asyncio__outcome_of_wait(task);
}

// --- from outside -----------------------------------------------------------

void asyncio__compact_drop(struct asyncio_task *task)
{
    asyncio__limits_drop(task);
    asyncio__context_destroy(&task->context);
    if (ASYNCIO__COMPACT_MOVES)
        asyncio__slot_forget(task);
    else
        asyncio__stack_put(task->future.loop_->stacks, task->stack);
}

static bool is_aside(const struct asyncio_task *task)
{
    return ASYNCIO__COMPACT_MOVES && task->compact && has_begun(task) &&
           asyncio__slot_of(task)->occupant != task;
}

bool asyncio__compact_put_in_place(struct asyncio_task *task)
{
    if (!is_aside(task)) return true;
    return !asyncio__slot_holds_caller(asyncio__slot_of(task)) &&
           asyncio__slot_bring_in(task);
}

void asyncio__compact_put_aside(struct asyncio_task *task)
{
    bool stands = task->compact && has_begun(task) &&
                  task->state != ASYNCIO__TASK_DONE && !is_aside(task);
    if (ASYNCIO__COMPACT_MOVES && stands)
        asyncio__slot_mark(asyncio__slot_of(task));
}
