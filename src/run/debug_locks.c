// Locks of threads that are held when a step is over.
//
// A task that waits with a mutex in its hands stops every thread that wants it
// and, if another task of the same loop wants it, the loop: for ever, since the
// one that would unlock it cannot run. One report for each place of locking and
// each spawn site.

#include <stdio.h>

#include "platform/symbol.h"
#include "platform/sys.h"
#include "run/debug.h"

// True the first time. Without memory it is reported again.
static bool is_new(struct asyncio__debug_state *debugger, const void *taken_at,
                   const char *site)
{
    list_for_each (link, &debugger->locks_seen) {
        struct asyncio__lock_seen *seen =
            list_entry(link, struct asyncio__lock_seen, link);
        if (seen->taken_at == taken_at && seen->site == site) return false;
    }
    struct asyncio__lock_seen *seen = asyncio__alloc(sizeof *seen);
    if (!seen) return true;
    seen->taken_at = taken_at;
    seen->site = site;
    list_add_head(&debugger->locks_seen, &seen->link);
    return true;
}

static void report(struct asyncio__debug_state *debugger,
                   const struct asyncio_task *task,
                   const struct asyncio__held_lock *lock)
{
    char place[128], name[128];
    asyncio__symbol(lock->taken_at, place, sizeof place);
    asyncio__symbol(lock->lock, name, sizeof name);
    const char *what = !task ? "a callback returned"
                       : task->state == ASYNCIO__TASK_DONE
                           ? "a task ended"
                           : "a task was suspended";
    asyncio__report(debugger->loop, -EDEADLK,
                    task ? asyncio_task_name(task) : NULL,
                    task ? task->future.site_ : debugger->called_site,
                    "%s while it held the lock %s, taken in %s: unlock it "
                    "before, or use a lock of asyncio's",
                    what, name, place);
}

void asyncio__locks_known(void)
{
    struct asyncio__held_lock lock;
    while (asyncio__next_held_lock(&lock)) {
    }
}

void asyncio__locks_check(struct asyncio__debug_state *debugger,
                          struct asyncio_task *task)
{
    struct asyncio__held_lock lock;
    const char *site = task ? task->future.site_ : debugger->called_site;
    while (asyncio__next_held_lock(&lock))
        if (is_new(debugger, lock.taken_at, site))
            report(debugger, task, &lock);
}

void asyncio__locks_forget(struct asyncio__debug_state *debugger)
{
    struct asyncio_link *link;
    while ((link = list_pop(&debugger->locks_seen)))
        asyncio__free(list_entry(link, struct asyncio__lock_seen, link));
}
