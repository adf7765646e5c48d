// Asking a task what it is, how it ended, and what it waits for.

#include <asyncio/introspect.h>

#include <stdio.h>

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
    if (!task || !name || asyncio__task_failed_spawn(task)) return -EINVAL;
    if (asyncio__future_elsewhere(&task->future, __func__)) return -EPERM;
    char *copy = asyncio__strdup(name);
    if (!copy) return -ENOMEM;
    struct asyncio_loop *loop = task->future.loop_;
    if (loop->debugger) asyncio__debug_renames(loop, task, name);
    // Who looks at the task from a signal handler, or from outside, finds the
    // new name before the old one goes.
    char *old = task->name_owned ? task->name : NULL;
    asyncio__task_set_more(task);
    task->name = copy;
    task->name_owned = true;
    asyncio__free(old);
    return 0;
}

static const char *state_word(const struct asyncio_task *task)
{
    if (asyncio_task_cancelled(task)) return "cancelled";
    if (asyncio_task_done(task)) return "finished";
    return task->cancelling > 0 ? "cancelling" : "pending";
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
             state_word(task), wait, task->site);
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

size_t asyncio_all_tasks(struct asyncio_loop *loop, struct asyncio_task **tasks,
                         size_t count)
{
    if (!loop) loop = asyncio_get_event_loop();
    if (!loop || asyncio__wrong_thread(loop, __func__)) return 0;
    size_t found = 0;
    list_for_each (link, &loop->tasks) {
        if (found < count)
            tasks[found] = list_entry(link, struct asyncio_task, sibling);
        found++;
    }
    return found;
}
