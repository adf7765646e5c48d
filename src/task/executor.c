// The list of executors that live, and the way in for tasks.
//
// A pool's address is all that its users have, and they may use it too late.
// The list is short, one entry per pool, so that a walk under a lock costs
// nothing beside a trip to another thread.

#include "task/executor.h"

#include <pthread.h>

#include "task/task.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct asyncio_link alive; // asyncio_executor.link

struct asyncio_executor asyncio__executor_none;

void asyncio__executor_enter(struct asyncio_executor *executor)
{
    executor->references = 1;
    pthread_mutex_lock(&lock);
    list_add_tail(&alive, &executor->link);
    pthread_mutex_unlock(&lock);
}

// The address may be that of freed memory: it is compared and not followed. The
// lock is held.
static bool lives(const struct asyncio_executor *executor)
{
    list_for_each (link, &alive) {
        if (list_entry(link, struct asyncio_executor, link) == executor)
            return true;
    }
    return false;
}

bool asyncio__executor_leave(struct asyncio_executor *executor)
{
    pthread_mutex_lock(&lock);
    bool found = lives(executor);
    if (found) list_remove(&executor->link);
    pthread_mutex_unlock(&lock);
    return found;
}

bool asyncio__executor_hold(struct asyncio_executor *executor)
{
    pthread_mutex_lock(&lock);
    bool found = lives(executor);
    if (found) executor->references++;
    pthread_mutex_unlock(&lock);
    return found;
}

void asyncio__executor_drop(struct asyncio_executor *executor)
{
    pthread_mutex_lock(&lock);
    bool last = --executor->references == 0;
    pthread_mutex_unlock(&lock);
    if (last) executor->ops->free(executor);
}

void asyncio__executor_forget_all(void)
{
    pthread_mutex_init(&lock, NULL);
    alive = (struct asyncio_link){0};
}

int asyncio__executor_call(struct asyncio_executor *executor,
                           int (*fn)(void *arg), void *arg,
                           const struct asyncio_job_options *options)
{
    static const struct asyncio_job_options none;

    struct asyncio_loop *loop = NULL;
    int err = asyncio__loop_find(&loop);
    if (err < 0) return err;
    if (executor == &asyncio__executor_none)
        return asyncio__running_loop ? -ENOMEM : -EPERM;
    if (!executor || !asyncio__executor_hold(executor)) return -ESHUTDOWN;

    int result =
        executor->ops->call(executor, fn, arg, options ? options : &none);
    asyncio__executor_drop(executor);
    return result;
}
