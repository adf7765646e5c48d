// Tasks: how they are made, run, and end.
//
// A task that ends looks for the next one as a parking task does; but where
// that one is new, it begins on the very stack that is free now, in the loop of
// `task_main`: no switch, and short tasks share one hot stack.
//
// Two references keep a control block: the loop's, until the task is done and
// everybody was told, and that of whoever made it.

#include "task/task.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "loop/testing.h"
#include "platform/sys.h"
#include "task/executor.h"
#include "task/future.h"
#include "task/park.h"
#include "task/run.h"

// --- making -----------------------------------------------------------------

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
                   .result_ = (code)},                                         \
        .state = ASYNCIO__TASK_DONE, .immortal = true, .looked_at = true,      \
        .name = (char[]){"a task that could not be made"},                     \
    }
static struct asyncio_task failed_tasks[] = {
    FAILED_TASK(-ENOMEM),    FAILED_TASK(-EINVAL),   FAILED_TASK(-EPERM),
    FAILED_TASK(-ESHUTDOWN), FAILED_TASK(-EALREADY), FAILED_TASK(-EBUSY),
    FAILED_TASK(-EXDEV),
};

struct asyncio_task *asyncio__failed_task(int code)
{
    size_t count = sizeof failed_tasks / sizeof *failed_tasks;
    for (size_t i = 0; i < count; i++)
        if (failed_tasks[i].future.result_ == code) return &failed_tasks[i];
    return &failed_tasks[0];
}

// The block, and behind it what the task keeps of the options: the call for an
// executor, the copy of the argument, the name.
struct extra {
    size_t call, copy, name; // bytes
};

static size_t aligned(size_t size)
{
    size_t unit = _Alignof(max_align_t);
    return (size + unit - 1) / unit * unit;
}

static struct extra extra_of(const struct asyncio_task_options *options)
{
    struct extra extra = {0};
    if (!options) return extra;
    if (options->executor) extra.call = aligned(sizeof(struct executor_call));
    extra.copy = aligned(options->copy);
    if (options->name) extra.name = strlen(options->name) + 1;
    return extra;
}

static struct asyncio_task *new_block(struct asyncio_loop *loop,
                                      struct extra extra)
{
    size_t more = extra.call + extra.copy + extra.name;
    if (more == 0) {
        struct asyncio_link *link = list_pop(&loop->spare_blocks);
        if (link) {
            struct asyncio_task *task = (void *)link;
            asyncio__clear(task, offsetof(struct asyncio_task, op));
            task->spare = true;
            loop->blocks++;
            return task;
        }
    }
    struct asyncio_task *task = asyncio__alloc(aligned(sizeof *task) + more);
    if (!task) return NULL;
    task->spare = more == 0;
    loop->blocks++;
    return task;
}

static void fill_extra(struct asyncio_task *task, struct extra extra,
                       const struct asyncio_task_options *options)
{
    char *place = (char *)task + aligned(sizeof *task);
    if (extra.copy) {
        memcpy(place + extra.call, task->arg, options->copy);
        task->arg = place + extra.call;
    }
    if (extra.name) {
        task->name = place + extra.call + extra.copy;
        memcpy(task->name, options->name, extra.name);
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
}

static const struct asyncio__task_floor task_floor;

struct asyncio_task *asyncio__task_make(int (*fn)(void *arg), void *arg,
                                        const struct asyncio_task_options *o)
{
    struct asyncio_loop *loop = o ? o->loop : NULL;
    int err = asyncio__loop_find(&loop);
    if (err == 0 && !fn) err = -EINVAL;
    if (err < 0) return asyncio__failed_task(err);

    struct extra extra = extra_of(o);
    struct asyncio_task *task = new_block(loop, extra);
    if (!task) return asyncio__failed_task(-ENOMEM);
    loop->floor = &task_floor;
    task->future.loop_ = loop;
    task->future.kind_ = &asyncio__task_kind;
    task->step.run = asyncio__task_step;
    task->fn = fn;
    task->arg = arg;
    task->number = ++loop->tasks_made;
    task->site = o && o->site ? o->site : "";
    task->stack_size = o ? o->stack_size : 0;
    task->references = 2;
    fill_extra(task, extra, o);
    list_add_tail(&loop->tasks, &task->sibling);
    list_add_tail(&loop->ready, &task->step.link);
    asyncio__sys_made(ASYNCIO__TASK, (uintptr_t)task, sizeof *task, task->site);
    return task;
}

struct asyncio_task *(
    asyncio_create_task)(int (*fn)(void *arg), void *arg,
                         const struct asyncio_task_options *options)
{
    return asyncio__task_make(fn, arg, options);
}

struct asyncio_task *(
    asyncio_coroutine_create_task)(struct asyncio_coroutine *coroutine,
                                   const struct asyncio_task_options *options)
{
    if (!coroutine || !coroutine->fn) return asyncio__failed_task(-EINVAL);
    if (coroutine->state_ != ASYNCIO__COROUTINE_UNUSED)
        return asyncio__failed_task(-EALREADY);
    struct asyncio_task *task =
        asyncio__task_make(coroutine->fn, coroutine->arg, options);
    if (!task->immortal) coroutine->state_ = ASYNCIO__COROUTINE_USED;
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
    if (!task->immortal && task->future.loop_ != loop)
        return asyncio__failed_task(-EXDEV);
    return asyncio_task_retain(task);
}

// --- references -------------------------------------------------------------

struct asyncio_task *asyncio_task_retain(struct asyncio_task *task)
{
    if (!task->immortal) task->references++;
    return task;
}

static void report_unseen(struct asyncio_task *task)
{
    int code = task->future.result_;
    if (task->looked_at || code >= 0 || code == -ECANCELED) return;
    struct asyncio__failure *failure = task->future.failure_;
    const char *text = failure ? failure->error.text : strerror(-code);
    asyncio__report(task->future.loop_, code, asyncio_task_name(task),
                    task->site,
                    "a task failed and nobody looked at its result: %s", text);
}

static void free_task(struct asyncio_task *task)
{
    struct asyncio_loop *loop = task->future.loop_;
    report_unseen(task);
    asyncio__sys_gone(ASYNCIO__TASK, (uintptr_t)task);
    asyncio__failure_unref(task->future.failure_);
    asyncio__failure_unref(task->cancel_words);
    asyncio__failures_drop(&task->failures);
    if (task->name_owned) asyncio__free(task->name);
    if (task->spare && loop->state != ASYNCIO__LOOP_CLOSED)
        // The block's first words: its future's list, which is empty.
        list_add_head(&loop->spare_blocks, &task->future.waiters_);
    else
        asyncio__free(task);
    loop->blocks--;
    asyncio__loop_unref(loop);
}

void asyncio_task_release(struct asyncio_task *task)
{
    if (!task || task->immortal) return;
    assert(task->references > 0);
    if (--task->references == 0) free_task(task);
}

// --- running ----------------------------------------------------------------

// A task got an outcome behind its back: a bug somewhere, and the first outcome
// stays.
static void report_done_before(struct asyncio_task *task)
{
    asyncio__report(task->future.loop_, -EINVAL, asyncio_task_name(task),
                    task->site,
                    "a task was done before its coroutine had ended");
}

// The end of a task: everybody who waits is told, in the next pass. The block
// may be gone when this returns.
static void end_task(struct asyncio_task *task, int result)
{
    if (task->must_cancel) {
        asyncio__take_cancel(task);
        result = -ECANCELED;
    }
    struct asyncio__failure *words =
        result < 0 ? asyncio__failure_ref(asyncio__failure_of(result)) : NULL;
    task->future.loop_->task = NULL;
    asyncio__failures_drop(&task->failures);
    task->state = ASYNCIO__TASK_DONE;
    list_remove(&task->sibling);
    if (asyncio_future_done(&task->future)) {
        asyncio__failure_unref(words);
        report_done_before(task);
    } else {
        asyncio__future_complete(&task->future, result, words);
    }

    if (task->group) {
        // The group's turn comes in the next pass; the reference goes with it.
        task->step.run = asyncio__group_child_done;
        asyncio__loop_queue(task->future.loop_, &task->step);
    } else {
        asyncio_task_release(task);
    }
}

bool asyncio__task_begins(struct asyncio_task *task)
{
    if (!task->must_cancel && !asyncio_future_done(&task->future)) return true;
    task->future.loop_->task = task;
    end_task(task, -ECANCELED);
    return false;
}

static void task_main(void *arg);

bool asyncio__task_begin(struct asyncio_task *task)
{
    struct asyncio_loop *loop = task->future.loop_;
    task->stack = asyncio__stack_get(loop->stacks, task->stack_size);
    if (!task->stack) {
        loop->task = task;
        end_task(task, -ENOMEM);
        return false;
    }
    asyncio__context_make(&task->context, task->stack, task_main, task);
    return true;
}

// Gives the stack under our feet back and goes on as another task, or as the
// loop. Nobody can take the stack before we have left it.
_Noreturn static void leave(struct asyncio_loop *loop,
                            struct asyncio__stack *stack,
                            struct asyncio__context *here,
                            struct asyncio_task *next)
{
    if (next && next->state == ASYNCIO__TASK_NEW && !asyncio__task_begin(next))
        next = NULL;
    if (next) {
        loop->task = next;
        next->state = ASYNCIO__TASK_RUNNING;
    }
    asyncio__stack_put(loop->stacks, stack);
    asyncio__context_leave(here, next ? &next->context : &loop->context);
}

static void task_main(void *arg)
{
    struct asyncio_task *task = arg;
    struct asyncio_loop *loop = task->future.loop_;
    for (;;) {
        int result = task->fn(task->arg);

        struct asyncio__context here = task->context;
        struct asyncio__stack *stack = task->stack;
        size_t stack_size = task->stack_size;
        loop->unblocked = 0;
        end_task(task, result);

        task = asyncio__next_task(loop);
        if (!task || task->state != ASYNCIO__TASK_NEW ||
            task->stack_size != stack_size)
            leave(loop, stack, &here, task);
        task->stack = stack;
        task->context = here;
        task->state = ASYNCIO__TASK_RUNNING;
        loop->task = task;
    }
}

void asyncio__task_step(struct asyncio__step *step)
{
    struct asyncio_task *task = asyncio__task_of(&step->link);
    struct asyncio_loop *loop = task->future.loop_;
    if (task->state == ASYNCIO__TASK_NEW &&
        (!asyncio__task_begins(task) || !asyncio__task_begin(task)))
        return;
    loop->task = task;
    task->state = ASYNCIO__TASK_RUNNING;
    asyncio__context_switch(&loop->context, &task->context);
    assert(!loop->task);
}

// --- cancelling -------------------------------------------------------------

static void remember_words(struct asyncio_task *task,
                           const struct asyncio_cancel_options *options)
{
    if (!options || !options->reason) return;
    struct asyncio_task *by = asyncio__task();
    asyncio__failure_unref(task->cancel_words);
    task->cancel_words =
        asyncio__failure_make(-ECANCELED, options->reason, options->site,
                              by ? asyncio_task_name(by) : "");
}

bool(asyncio_task_cancel)(struct asyncio_task *task,
                          const struct asyncio_cancel_options *options)
{
    if (task->state == ASYNCIO__TASK_DONE || task->in_cancel) return false;
    task->cancelling++;
    remember_words(task, options);

    bool taken = false;
    if (asyncio__parked(task)) {
        task->in_cancel = true;
        taken = asyncio__cancel_wait(task, options);
        task->in_cancel = false;
    }
    if (!taken || task->wait.kind->keeps_result) task->must_cancel = true;
    return true;
}

int asyncio_task_uncancel(struct asyncio_task *task)
{
    if (task->cancelling > 0 && --task->cancelling == 0)
        task->must_cancel = false;
    return task->cancelling;
}

int asyncio_task_cancelling(const struct asyncio_task *task)
{
    return task->cancelling;
}

bool asyncio__withdraw_cancel(struct asyncio_task *task, int entry,
                              bool pending)
{
    int left = asyncio_task_uncancel(task);
    if (left <= entry && !pending) task->must_cancel = false;
    return left <= entry;
}

// --- asking -----------------------------------------------------------------

bool asyncio_task_done(const struct asyncio_task *task)
{
    return asyncio_future_done(&task->future);
}

bool asyncio_task_cancelled(const struct asyncio_task *task)
{
    return asyncio_future_cancelled(&task->future);
}

int asyncio_task_result(const struct asyncio_task *task, int *result)
{
    // Looking at a result is not a change that a caller could see.
    return asyncio_future_result(asyncio_task_future((void *)(uintptr_t)task),
                                 result);
}

int asyncio_task_exception(const struct asyncio_task *task, int *code)
{
    return asyncio_future_exception(
        asyncio_task_future((void *)(uintptr_t)task), code);
}

struct asyncio_future *asyncio_task_future(struct asyncio_task *task)
{
    return &task->future;
}

const char *asyncio_task_name(const struct asyncio_task *task)
{
    if (task->name) return task->name;
    // A name is rarely asked for: it is made then, and kept if there is memory.
    static _Thread_local char number[32];
    snprintf(number, sizeof number, "Task-%llu",
             (unsigned long long)task->number);
    struct asyncio_task *named = (void *)(uintptr_t)task;
    return asyncio_task_set_name(named, number) == 0 ? task->name : number;
}

int asyncio_task_set_name(struct asyncio_task *task, const char *name)
{
    if (task->immortal) return -EINVAL;
    char *copy = asyncio__strdup(name);
    if (!copy) return -ENOMEM;
    if (task->name_owned) asyncio__free(task->name);
    task->name = copy;
    task->name_owned = true;
    return 0;
}

static const char *state_word(const struct asyncio_task *task)
{
    if (asyncio_task_cancelled(task)) return "cancelled";
    if (asyncio_task_done(task)) return "finished";
    return task->cancelling > 0 ? "cancelling" : "pending";
}

char *asyncio_task_describe(const struct asyncio_task *task, char *buffer,
                            size_t size)
{
    bool waits = asyncio__parked(task);
    char object[32] = "";
    if (waits && task->wait.object)
        snprintf(object, sizeof object, " %p", task->wait.object);
    snprintf(buffer, size, "%s: %s%s%s%s, made at %s", asyncio_task_name(task),
             state_word(task), waits ? ", waits for " : "",
             waits ? task->wait.kind->name : "", object, task->site);
    return buffer;
}

struct asyncio_task *asyncio_current_task(void)
{
    return asyncio__task();
}

size_t asyncio_all_tasks(struct asyncio_loop *loop, struct asyncio_task **tasks,
                         size_t count)
{
    size_t found = 0;
    list_for_each (link, &loop->tasks) {
        if (found < count)
            tasks[found] = list_entry(link, struct asyncio_task, sibling);
        found++;
    }
    return found;
}

// --- a loop that closes -----------------------------------------------------

static void cancel_waits(struct asyncio_loop *loop)
{
    list_for_each_safe (link, after, &loop->tasks) {
        struct asyncio_task *task =
            list_entry(link, struct asyncio_task, sibling);
        if (asyncio__parked(task)) asyncio__cancel_wait(task, NULL);
    }
}

// A task that will never run again: what its frames hold is lost.
static void drop_task(struct asyncio_task *task)
{
    struct asyncio_loop *loop = task->future.loop_;
    asyncio__report(loop, -ECANCELED, asyncio_task_name(task), task->site,
                    "a task was pending when its loop was closed");
    if (list_linked(&task->step.link)) list_remove(&task->step.link);
    if (task->stack) {
        asyncio__context_destroy(&task->context);
        asyncio__stack_put(loop->stacks, task->stack);
    }
    list_remove(&task->sibling);
    asyncio__failures_drop(&task->failures);
    task->state = ASYNCIO__TASK_DONE;
    task->wait.kind = NULL;
    if (!asyncio_future_done(&task->future))
        asyncio__future_complete(&task->future, -ECANCELED, NULL);
    if (task->group) asyncio_task_release(task); // the group is gone with it
    asyncio_task_release(task);
}

// Children that ended and whose group was not told.
static void drop_children(struct asyncio_loop *loop)
{
    list_for_each_safe (link, after, &loop->ready) {
        struct asyncio_task *task = asyncio__task_of(link);
        if (task->step.run != asyncio__group_child_done) continue;
        list_remove(link);
        asyncio_task_release(task);
        asyncio_task_release(task);
    }
}

static void drop_tasks(struct asyncio_loop *loop)
{
    struct asyncio_link *link;
    while ((link = list_first(&loop->tasks)))
        drop_task(list_entry(link, struct asyncio_task, sibling));
    drop_children(loop);
}

static const struct asyncio__task_floor task_floor = {
    .cancel_waits = cancel_waits,
    .drop = drop_tasks,
};
