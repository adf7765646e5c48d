// Making tasks, and the references that keep them.
//
// A task is one block of memory, the control block, and a second one if its
// options ask for something that it has to keep. Blocks are kept by the loop
// for the next spawn. Two references hold a block: the loop's, until the task
// is done and everybody was told, and that of whoever made it.

#include "task/task.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "loop/debug.h"
#include "platform/sys.h"
#include "task/compact.h"
#include "task/executor.h"
#include "task/future.h"
#include "task/run.h"
#include "task/variables.h"

// What a task that runs in an executor hands to it.
struct executor_call {
    struct asyncio_executor *executor;
    int (*fn)(void *arg);
    void *arg;
    struct asyncio_job_options options;
};

static int call_in_executor(void *arg)
{
    struct executor_call *call = arg;
    return asyncio__executor_call(call->executor, call->fn, call->arg,
                                  &call->options);
}

// Spawns that failed: tasks that have ended with the reason, one for each code
// that there can be. They belong to no loop, are never freed, and are all that
// is left to say when there is no memory.
#define FAILED_TASK(code)                                                      \
    {                                                                          \
        .future = {.kind_ = &asyncio__task_kind,                               \
                   .state_ = ASYNCIO__FUTURE_DONE,                             \
                   .result_ = (code),                                          \
                   .flags_ =                                                   \
                       ASYNCIO__FUTURE_LOOKED_AT | ASYNCIO__TASK_IMMORTAL,     \
                   .site_ = ""},                                               \
        .state = ASYNCIO__TASK_DONE, .more = &of_failed_tasks,                 \
    }
static struct asyncio__more of_failed_tasks = {
    .name = (char[]){"a task that could not be made"},
};
static struct asyncio_task failed_tasks[] = {
    FAILED_TASK(-ENOMEM),    FAILED_TASK(-EINVAL),   FAILED_TASK(-EPERM),
    FAILED_TASK(-ESHUTDOWN), FAILED_TASK(-EALREADY), FAILED_TASK(-EBUSY),
    FAILED_TASK(-EXDEV),     FAILED_TASK(-EFAULT),
};

ASYNCIO__COLD struct asyncio_task *asyncio__failed_task(int code)
{
    size_t count = sizeof failed_tasks / sizeof *failed_tasks;
    for (size_t i = 0; i < count; i++)
        if (failed_tasks[i].future.result_ == code) return &failed_tasks[i];
    return &failed_tasks[0];
}

// What the task keeps of the options: in front what few tasks have, and behind
// that the call for an executor, the copy of the argument, the name.
struct extra {
    size_t call, copy, name; // bytes
};

static size_t aligned(size_t size)
{
    size_t unit = _Alignof(max_align_t);
    return (size + unit - 1) / unit * unit;
}

static struct extra extra_of(const struct asyncio_task_options *options,
                             const void *arg)
{
    struct extra extra = {0};
    if (options->executor) extra.call = aligned(sizeof(struct executor_call));
    if (arg) extra.copy = aligned(options->copy);
    if (options->name) extra.name = strlen(options->name) + 1;
    return extra;
}

// Numbers, for names, grow in the order in which a loop's tasks are made, and
// no two tasks of the process share one: each thread takes them by the block,
// and a new one if the loop has come from another thread.
#define NUMBERS_AT_ONCE 1000

static uint64_t next_number(const struct asyncio_loop *loop)
{
    static _Atomic(uint64_t) taken;
    static ASYNCIO__THREAD_LOCAL struct {
        uint64_t last, end;
    } mine;
    if (mine.last == mine.end || mine.last < loop->newest_task) {
        mine.last = atomic_fetch_add(&taken, NUMBERS_AT_ONCE);
        mine.end = mine.last + NUMBERS_AT_ONCE;
    }
    return ++mine.last;
}

static struct asyncio_task *task_of_block(struct asyncio_link *link)
{
    return list_entry(link, struct asyncio_task, future.waiters_);
}

static void push_compact(struct asyncio_loop *loop, struct asyncio_link *link)
{
    loop->spare_turn = (loop->spare_turn - 1) % ASYNCIO__SPARE_LISTS;
    struct asyncio_link **list = &loop->spare_compact[loop->spare_turn];
    link->next = *list;
    *list = link;
}

// Compact tasks come by the thousands and end in any order, so that these
// blocks may be anywhere: the one that is to be taken next but three is asked
// for now.
static struct asyncio_link *pop_compact(struct asyncio_loop *loop)
{
    struct asyncio_link **list = &loop->spare_compact[loop->spare_turn];
    struct asyncio_link *link = *list;
    if (!link) return NULL;
    *list = link->next;
    loop->spare_turn = (loop->spare_turn + 1) % ASYNCIO__SPARE_LISTS;
    __builtin_prefetch(*list, 1);
    return link;
}

// A block where none is spare of one's own kind.
ASYNCIO__APART static struct asyncio_task *
usual_block(struct asyncio_loop *loop)
{
    struct asyncio_link *link = pop_compact(loop);
    if (link) return task_of_block(link);
    return asyncio__arena_get(&loop->task_blocks, ASYNCIO__TASK_SIZE);
}

// What only ASYNCIO__TASK_HAS_MORE says to be there.
#define MORE_BEGINS offsetof(struct asyncio_task, limit)
#define MORE_ENDS   sizeof(struct asyncio_task)

static inline bool is_clear(const struct asyncio_task *task)
{
    const char *bytes = (const char *)task;
    for (size_t i = MORE_BEGINS; i < MORE_ENDS; i++)
        if (bytes[i]) return false;
    return !task->more && !task->wait.kind;
}

// A block that waits for nothing and has nothing of what most tasks never have.
static inline struct asyncio_task *new_block(struct asyncio_loop *loop)
{
    struct asyncio_link *link = loop->spare_blocks;
    if (!link) return usual_block(loop);
    loop->spare_blocks = link->next;
    assert(is_clear(task_of_block(link)));
    return task_of_block(link);
}

// Whether a new task has variables from the start.
static bool has_variables(const struct asyncio_task_options *o)
{
    if (o->context) return true;
    return atomic_load_explicit(&asyncio__variables_in_use,
                                memory_order_relaxed) &&
           asyncio__has_variables();
}

static struct asyncio_task *new_compact_block(struct asyncio_loop *loop)
{
    struct asyncio_link *link = pop_compact(loop);
    if (!link) return new_block(loop);
    assert(is_clear(task_of_block(link)));
    return task_of_block(link);
}

// Whether all that is unusual about it is that it is to be compact, and that
// can be.
static bool is_plainly_compact(const struct asyncio_loop *loop,
                               const struct asyncio_task_options *o)
{
    uintptr_t other = (uintptr_t)o->executor | o->copy | (uintptr_t)o->name |
                      o->stack_size | (uintptr_t)loop->compact_stack;
    return o->compact && !other && !o->eager && !o->lazy && !has_variables(o);
}

// What is wrong with a spawn that is not of the usual kind, or 0.
static int refusal(const struct asyncio_loop *loop, const void *arg,
                   const struct asyncio_task_options *o)
{
    if (o->eager && o->lazy) return -EINVAL;
    if (o->compact && (o->eager || o->executor || o->stack_size > 0))
        return -EINVAL;
    if (o->copy > SIZE_MAX / 2) return -ENOMEM; // sums of it stay right
    const void *lent = o->copy ? NULL : arg;
    bool reaches = asyncio__loop_lends(loop, lent) ||
                   asyncio__loop_lends(loop, o->context);
    return reaches ? -EFAULT : 0;
}

// What is unusual is in the options.
ASYNCIO__APART static struct asyncio_task *
new_block_with_extra(struct asyncio_loop *loop, const void *arg,
                     const struct asyncio_task_options *options)
{
    if (is_plainly_compact(loop, options)) return new_compact_block(loop);
    if (refusal(loop, arg, options) < 0) return NULL;
    struct extra extra = extra_of(options, arg);
    size_t behind = extra.call + extra.copy + extra.name;
    if (!behind && !options->stack_size && !has_variables(options))
        return new_block(loop);
    struct asyncio__more *more = asyncio__alloc(aligned(sizeof *more) + behind);
    struct asyncio_task *task = more ? new_block(loop) : NULL;
    if (task)
        task->more = more;
    else
        asyncio__free(more);
    return task;
}

// Why there is no block.
ASYNCIO__COLD static struct asyncio_task *
failed_spawn(const struct asyncio_loop *loop, const void *arg,
             const struct asyncio_task_options *options)
{
    int err = refusal(loop, arg, options);
    return asyncio__failed_task(err < 0 ? err : -ENOMEM);
}

ASYNCIO__COLD static void fill_extra(struct asyncio_task *task,
                                     const struct asyncio_task_options *options)
{
    struct asyncio__more *more = task->more;
    if (options->lazy) task->eager = false;
    if (options->compact) asyncio__task_make_compact(task);
    if (!more) return;
    struct extra extra = extra_of(options, task->arg);
    char *place = (char *)more + aligned(sizeof *more);
    asyncio__task_set_more(task);
    more->stack_size = options->stack_size;
    task->has_stack_size = options->stack_size > 0;
    if (extra.copy) {
        memcpy(place + extra.call, task->arg, options->copy);
        task->arg = place + extra.call;
    }
    if (extra.name) {
        more->name = place + extra.call + extra.copy;
        memcpy(more->name, options->name, extra.name);
    }
    if (extra.call) {
        struct executor_call *call = (void *)place;
        *call = (struct executor_call){
            options->executor,
            task->fn,
            task->arg,
            {.site = options->site, .size = options->size}};
        task->fn = call_in_executor;
        task->arg = call;
    }
    if (has_variables(options))
        asyncio__task_begin_variables(task, options->context);
}

ASYNCIO__COLD static int find_loop(int (*fn)(void *arg),
                                   const struct asyncio_task_options *o,
                                   struct asyncio_loop **loop)
{
    *loop = o->loop;
    int err = asyncio__loop_find(loop);
    if (err < 0) return err;
    return fn ? 0 : -EINVAL;
}

// Mostly the loop is the one that runs.
static inline int check(int (*fn)(void *arg),
                        const struct asyncio_task_options *o,
                        struct asyncio_loop **loop)
{
    *loop = asyncio__running_loop;
    if (ASYNCIO__LIKELY(*loop && !o->loop && fn)) return 0;
    return find_loop(fn, o, loop);
}

// In place, because who makes a task is mostly who launches it.
ASYNCIO__INLINE struct asyncio_task *
new_task(int (*fn)(void *arg), void *arg, const struct asyncio_task_options *o)
{
    static const struct asyncio_task_options none = {0};
    if (!o) o = &none;
    struct asyncio_loop *loop;
    int err = check(fn, o, &loop);
    if (err < 0) return asyncio__failed_task(err);

    bool extra =
        (uintptr_t)o->executor | o->copy | (uintptr_t)o->name | o->stack_size |
        o->lazy | o->compact | (uintptr_t)o->context |
        (uintptr_t)loop->compact_stack |
        atomic_load_explicit(&asyncio__variables_in_use, memory_order_relaxed);
    struct asyncio_task *task =
        extra ? new_block_with_extra(loop, arg, o) : new_block(loop);
    if (!task) return failed_spawn(loop, arg, o);
    loop->blocks++;
    loop->floor = &asyncio__tasks_at_close;
    task->future = (struct asyncio_future){
        .loop_ = loop,
        .kind_ = &asyncio__task_kind,
        .references_ = 2,
        .site_ = o->site ? o->site : "",
    };
    task->step = (struct asyncio__step){.run = asyncio__task_step};
    task->state = ASYNCIO__TASK_NEW;
    task->not_plain = 0;
    task->marks = 0;
    task->woken = false;
    task->slot = 0;
    task->locks_owned = 0;
    task->eager = o->eager | loop->eager;
    task->fn = fn;
    task->arg = arg;
    task->cancel_words = NULL;
    task->group = NULL;
    task->number = loop->newest_task = next_number(loop);
    if (extra && is_plainly_compact(loop, o))
        asyncio__task_make_compact(task);
    else if (extra)
        fill_extra(task, o);
    loop->tasks++;
    asyncio__sys_made(ASYNCIO__TASK, (uintptr_t)task, sizeof *task,
                      task->future.site_);
    if (loop->debugger) asyncio__debug_made(loop, task, o->copy ? NULL : arg);
    return task;
}

struct asyncio_task *asyncio__task_new(int (*fn)(void *arg), void *arg,
                                       const struct asyncio_task_options *o)
{
    return new_task(fn, arg, o);
}

struct asyncio_task *(
    asyncio_create_task)(int (*fn)(void *arg), void *arg,
                         const struct asyncio_task_options *options)
{
    struct asyncio_task *task = new_task(fn, arg, options);
    asyncio__task_launch_new(task);
    return task;
}

struct asyncio_task *
asyncio__coroutine_task_new(struct asyncio_coroutine *coroutine,
                            const struct asyncio_task_options *options)
{
    if (!coroutine || !coroutine->fn) return asyncio__failed_task(-EINVAL);
    if (coroutine->state_ == ASYNCIO__COROUTINE_RUNNING)
        return asyncio__failed_task(-EBUSY);
    if (coroutine->state_ == ASYNCIO__COROUTINE_USED)
        return asyncio__failed_task(-EALREADY);
    struct asyncio_task *task =
        asyncio__task_new(coroutine->fn, coroutine->arg, options);
    if (asyncio__task_failed_spawn(task))
        asyncio__coroutine_refused(coroutine, "asyncio_coroutine_create_task",
                                   task->future.result_);
    else
        coroutine->state_ = ASYNCIO__COROUTINE_USED;
    return task;
}

struct asyncio_task *(
    asyncio_coroutine_create_task)(struct asyncio_coroutine *coroutine,
                                   const struct asyncio_task_options *options)
{
    struct asyncio_task *task = asyncio__coroutine_task_new(coroutine, options);
    asyncio__task_launch_new(task);
    return task;
}

struct asyncio_task *asyncio_ensure_future(struct asyncio_any any)
{
    struct asyncio_loop *loop = NULL;
    int err = asyncio__loop_find(&loop);
    if (err < 0) return asyncio__failed_task(err);
    if (any.object && any.kind == ASYNCIO_COROUTINES)
        return (asyncio_coroutine_create_task)(any.object, NULL);
    if (!any.object || any.kind != ASYNCIO_TASKS)
        return asyncio__failed_task(-EINVAL);
    struct asyncio_task *task = any.object;
    if (!asyncio__task_failed_spawn(task) && task->future.loop_ != loop)
        return asyncio__failed_task(-EXDEV);
    return asyncio_task_retain(task);
}

struct asyncio_task *asyncio__task_walk(struct asyncio__task_walk *walk)
{
    struct asyncio_task *task;
    do
        task = asyncio__arena_walk(&walk->loop->task_blocks, ASYNCIO__TASK_SIZE,
                                   &walk->at);
    while (task && task->state == ASYNCIO__TASK_DONE);
    return task;
}

struct asyncio__more *asyncio__task_more(struct asyncio_task *task)
{
    if (!task->more) {
        task->more = asyncio__alloc(sizeof *task->more);
        if (task->more) asyncio__task_set_more(task);
    }
    return task->more;
}

// --- references -------------------------------------------------------------

struct asyncio_task *asyncio_task_retain(struct asyncio_task *task)
{
    if (!task) return NULL;
    if (asyncio__future_elsewhere(&task->future, __func__)) return task;
    if (!asyncio__task_failed_spawn(task)) task->future.references_++;
    return task;
}

static inline void report_unseen(struct asyncio_task *task)
{
    int code = task->future.result_;
    if (code >= 0 || code == -ECANCELED ||
        task->future.flags_ & ASYNCIO__FUTURE_LOOKED_AT)
        return;
    asyncio__report(task->future.loop_, code, asyncio_task_name(task),
                    task->future.site_,
                    "a task failed and nobody looked at its result: %s",
                    asyncio__failure_text(task->future.failure_, code));
}

static void drop_more(struct asyncio_task *task)
{
    struct asyncio__more *more = task->more;
    if (more && more->name_owned) asyncio__free(more->name);
    asyncio__free(more);
    task->more = NULL;
    asyncio__clear((char *)task + MORE_BEGINS, MORE_ENDS - MORE_BEGINS);
}

// The block's first words are its future's list, which is empty.
static inline void free_spare(struct asyncio_loop *loop,
                              struct asyncio_task *task)
{
    assert(task->state == ASYNCIO__TASK_DONE);
    struct asyncio_link *link = &task->future.waiters_;
    if (task->future.flags_ & ASYNCIO__TASK_IS_COMPACT) {
        push_compact(loop, link);
        return;
    }
    link->next = loop->spare_blocks;
    loop->spare_blocks = link;
}

void asyncio__task_free(struct asyncio_task *task)
{
    struct asyncio_loop *loop = task->future.loop_;
    report_unseen(task);
    asyncio__sys_gone(ASYNCIO__TASK, (uintptr_t)task);
    if (task->future.failure_) asyncio__failure_unref(task->future.failure_);
    if (asyncio__task_has_more(task)) drop_more(task);
    free_spare(loop, task);
    loop->blocks--;
    if (loop->freed) asyncio__loop_unref(loop);
}

void asyncio_task_release(struct asyncio_task *task)
{
    if (!task || asyncio__task_failed_spawn(task)) return;
    if (asyncio__future_elsewhere(&task->future, __func__)) return;
    asyncio__task_let_go(task);
}
