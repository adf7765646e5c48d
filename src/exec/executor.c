// Executors as users see them: the calls that find the pool and go there.

#include <asyncio/executor.h>

#include "exec/home.h"
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

void asyncio_executor_shutdown(struct asyncio_executor *executor)
{
    if (!asyncio__executor_leave(executor)) return;

    struct asyncio_loop *loop = asyncio__running_loop;
    if (loop && loop->default_executor == executor)
        loop->default_executor = &shut_down;
    executor->ops->shutdown(executor);
    asyncio__executor_drop(executor);
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
