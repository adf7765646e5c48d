// Tasks side by side, for the suites of what tasks wait for in line.
#pragma once

#include "runner/runner.h"

// Starts fn(&actors[i]) in tasks[i], for each of `count`; to be ended by
// end_all.
#define start_all(tasks, fn, actors, count)                                    \
    start_each(tasks, fn, actors, sizeof *(actors), count)

static inline void start_each(struct asyncio_task *tasks[],
                              int (*fn)(void *arg), void *actors, size_t size,
                              size_t count)
{
    for (size_t i = 0; i < count; i++)
        tasks[i] = asyncio_create_task(fn, (char *)actors + i * size);
}

static inline void end_all(struct asyncio_task *tasks[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        asyncio_task_cancel(tasks[i]);
        asyncio_ignore(asyncio_await(tasks[i]));
        asyncio_task_release(tasks[i]);
    }
}
