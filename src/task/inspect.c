// Asking a task what it is, how it ended, and what it waits for.

#include <asyncio/introspect.h>

#include <stdio.h>
#include <stdlib.h>

#include "platform/sys.h"
#include "task/future.h"
#include "task/park.h"

bool asyncio_task_done(const struct asyncio_task *task)
{
    return task && asyncio_future_done(&task->future);
}

bool asyncio_task_cancelled(const struct asyncio_task *task)
{
    return task && asyncio_future_cancelled(&task->future);
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
    return task ? &task->future : NULL;
}

const char *asyncio_task_name(const struct asyncio_task *task)
{
    if (!task) return NULL;
    const char *name = asyncio__task_given_name(task);
    if (name) return name;
    // A name is rarely asked for: it is made then, and kept if there is memory.
    static _Thread_local char number[32];
    snprintf(number, sizeof number, "Task-%llu",
             (unsigned long long)task->number);
    struct asyncio_task *named = (void *)(uintptr_t)task;
    return asyncio_task_set_name(named, number) == 0 ? task->more->name
                                                     : number;
}

int asyncio_task_set_name(struct asyncio_task *task, const char *name)
{
    if (!task || !name || asyncio__task_failed_spawn(task)) return -EINVAL;
    if (asyncio__future_elsewhere(&task->future, __func__)) return -EPERM;
    struct asyncio__more *more = asyncio__task_more(task);
    char *copy = more ? asyncio__strdup(name) : NULL;
    if (!copy) return -ENOMEM;
    struct asyncio_loop *loop = task->future.loop_;
    if (loop->debugger) asyncio__debug_renames(loop, task, name);
    // Who looks at the task from a signal handler, or from outside, finds the
    // new name before the old one goes.
    char *old = more->name_owned ? more->name : NULL;
    more->name = copy;
    more->name_owned = true;
    asyncio__free(old);
    return 0;
}

static const char *state_word(const struct asyncio_task *task)
{
    if (asyncio_task_cancelled(task)) return "cancelled";
    if (asyncio_task_done(task)) return "finished";
    return task->future.cancelling_ > 0 ? "cancelling" : "pending";
}

// ", waits for a future 0x7ffd2c", or nothing.
static void describe_wait(const struct asyncio_task *task, char *text,
                          size_t size)
{
    text[0] = '\0';
    if (!asyncio__parked(task)) return;
    struct asyncio_task *awaited = asyncio__awaited_task(task);
    const char *what = task->wait.kind->name;
    if (awaited)
        snprintf(text, size, ", waits for %s %p (%s)", what, task->wait.object,
                 asyncio_task_name(awaited));
    else if (task->wait.object)
        snprintf(text, size, ", waits for %s %p", what, task->wait.object);
    else
        snprintf(text, size, ", waits for %s", what);
}

char *asyncio_task_describe(const struct asyncio_task *task, char *buffer,
                            size_t size)
{
    char wait[160];
    if (!task) {
        snprintf(buffer, size, "no task");
        return buffer;
    }
    describe_wait(task, wait, sizeof wait);
    snprintf(buffer, size, "%s: %s%s, made at %s", asyncio_task_name(task),
             state_word(task), wait, task->future.site_);
    return buffer;
}

void asyncio__each_awaited(const struct asyncio_task *task,
                           asyncio__awaited_fn *visit, void *arg)
{
    if (!asyncio__parked(task)) return;
    const struct asyncio__wait_kind *kind = task->wait.kind;
    struct asyncio_task *owner = kind->owner ? kind->owner(task) : NULL;
    if (owner) visit(&owner->future, arg);
    if (kind->each_awaited) kind->each_awaited(task, visit, arg);
}

struct asyncio_task *asyncio_task_parent(const struct asyncio_task *task)
{
    if (!task) return NULL;
    return task->group ? task->group->parent_ : NULL;
}

struct asyncio_task *asyncio_current_task(void)
{
    return asyncio__task();
}

static int by_number(const void *one, const void *other)
{
    uint64_t a = (*(struct asyncio_task *const *)one)->number;
    uint64_t b = (*(struct asyncio_task *const *)other)->number;
    return (a > b) - (a < b);
}

// Of a list in order, which is full: the last one makes room for this one if
// that was made before.
static void insert(struct asyncio_task **tasks, size_t count,
                   struct asyncio_task *task)
{
    if (count == 0 || tasks[count - 1]->number < task->number) return;
    size_t i = count - 1;
    for (; i > 0 && tasks[i - 1]->number > task->number; i--)
        tasks[i] = tasks[i - 1];
    tasks[i] = task;
}

size_t asyncio_all_tasks(struct asyncio_loop *loop, struct asyncio_task **tasks,
                         size_t count)
{
    if (!loop) loop = asyncio_get_event_loop();
    if (!loop || asyncio__wrong_thread(loop, __func__)) return 0;
    size_t found = 0;
    struct asyncio__task_walk walk = {.loop = loop};
    struct asyncio_task *task;
    while (found < count && (task = asyncio__task_walk(&walk)))
        tasks[found++] = task;
    if (found > 1)
        qsort(tasks, found, sizeof(struct asyncio_task *), by_number);
    while ((task = asyncio__task_walk(&walk))) {
        insert(tasks, count, task);
        found++;
    }
    return found;
}
