// Executors as users see them: the calls that find the pool and go there.

#include <asyncio/executor.h>

#include <signal.h>

#include "exec/home.h"
#include "loop/debug.h"
#include "task/executor.h"

// What a loop's default executor is once that was shut down: in no list, so
// that calls on it say so.
static struct asyncio_executor shut_down;

int(asyncio_to_thread)(int (*fn)(void *arg), void *arg,
                       const struct asyncio_job_options *options)
{
    return asyncio__executor_call(asyncio_default_executor(), fn, arg, options);
}

int(asyncio_run_in_executor)(struct asyncio_executor *executor,
                             int (*fn)(void *arg), void *arg,
                             const struct asyncio_job_options *options)
{
    if (!executor) executor = asyncio_default_executor();
    return asyncio__executor_call(executor, fn, arg, options);
}

// True, and a report was made, if it belongs to a loop that runs in debug mode
// on another thread.
static bool elsewhere(struct asyncio_executor *executor, const char *call)
{
    if (!asyncio__debug_somewhere() || !asyncio__executor_hold(executor))
        return false;
    struct asyncio_loop *loop =
        executor->ops->loop ? executor->ops->loop(executor) : NULL;
    bool wrong = loop && asyncio__wrong_thread(loop, call);
    asyncio__executor_drop(executor);
    return wrong;
}

void(asyncio_executor_shutdown)(struct asyncio_executor *executor,
                                const struct asyncio_shutdown_options *options)
{
    static const struct asyncio_shutdown_options none;
    if (elsewhere(executor, __func__)) return;
    if (!asyncio__executor_leave(executor)) return;

    struct asyncio_loop *loop = asyncio__running_loop;
    if (loop && loop->default_executor == executor)
        loop->default_executor = &shut_down;
    if (executor->ops->shutdown(executor, options ? options : &none))
        asyncio__executor_drop(executor);
}

static int stop(struct asyncio_executor *executor, int signal, const char *call)
{
    if (!executor) return -ENOTSUP; // the default one has threads
    if (elsewhere(executor, call)) return -EPERM;
    if (!asyncio__executor_hold(executor)) return 0;
    bool can = executor->ops->stop;
    if (can) executor->ops->stop(executor, signal);
    asyncio__executor_drop(executor);
    return can ? 0 : -ENOTSUP;
}

int asyncio_executor_terminate(struct asyncio_executor *executor)
{
    return stop(executor, SIGTERM, __func__);
}

int asyncio_executor_kill(struct asyncio_executor *executor)
{
    return stop(executor, SIGKILL, __func__);
}

// Holds the one that is meant. Returns 0, or why there is none.
static int find(struct asyncio_executor **executor)
{
    if (!*executor) *executor = asyncio_default_executor();
    if (asyncio__executor_hold(*executor)) return 0;
    if (*executor != &asyncio__executor_none) return -ESHUTDOWN;
    return asyncio__running_loop ? -ENOMEM : -EPERM;
}

int asyncio_executor_resize(struct asyncio_executor *executor, int max_workers)
{
    if (max_workers < 1) return -EINVAL;
    if (elsewhere(executor, __func__)) return -EPERM;
    int err = find(&executor);
    if (err < 0) return err;
    err = executor->ops->resize(executor, max_workers);
    asyncio__executor_drop(executor);
    return err;
}

int asyncio_executor_statistics(struct asyncio_executor *executor,
                                struct asyncio_pool_statistics *statistics)
{
    *statistics = (struct asyncio_pool_statistics){0};
    if (elsewhere(executor, __func__)) return -EPERM;
    int err = find(&executor);
    if (err < 0) return err;
    executor->ops->statistics(executor, statistics);
    asyncio__executor_drop(executor);
    return 0;
}

// The loop's home comes first: it is what shuts the pool down with the loop.
struct asyncio_executor *asyncio_default_executor(void)
{
    struct asyncio_loop *loop = asyncio__running_loop;
    struct asyncio__home *home;
    if (!loop) return &asyncio__executor_none;
    if (loop->default_executor) return loop->default_executor;

    if (asyncio__home_of(loop, &home) < 0 ||
        asyncio_thread_pool_create(&loop->default_executor) < 0)
        return &asyncio__executor_none;
    return loop->default_executor;
}
