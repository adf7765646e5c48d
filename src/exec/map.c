// One function on many items: as many jobs as keep the pool busy, each used
// again for the next item when it lands.
//
// The first failure takes back what has not begun, unless failures are results
// too; what runs may end. A cancel of the caller is a cancel of each job.

#include <asyncio/executor.h>

#include "exec/job.h"
#include "platform/sys.h"
#include "task/park.h"

struct map {
    struct asyncio_executor *executor;
    struct asyncio_task *task;
    char *items, *next; // the first, and the first that no job has taken
    size_t size, left;
    int *results; // by item, or NULL
    bool return_exceptions;
    struct asyncio__job **jobs; // owner is the map while a job is out
    size_t count;               // jobs
    size_t out;                 // jobs under way
    bool stopped;               // no more items
    int code;                   // 0, or what the whole returns
    struct asyncio__failure *failure;
    struct asyncio__guest woken; // the task has not run since
};

static void stop(struct map *map)
{
    map->stopped = true;
    for (size_t i = 0; i < map->count; i++) {
        struct asyncio__job *job = map->jobs[i];
        if (!job || !job->owner) continue;
        if (!map->executor->ops->retract(map->executor, job)) continue;
        job->owner = NULL;
        map->out--;
    }
}

static void fail(struct map *map, int code, struct asyncio__failure *failure)
{
    if (map->stopped) return;
    map->code = code;
    map->failure = asyncio__failure_ref(failure);
    stop(map);
}

static void free_map(struct map *map)
{
    for (size_t i = 0; map->jobs && i < map->count; i++)
        if (map->jobs[i]) asyncio__job_unref(map->jobs[i]);
    asyncio__free(map->jobs);
    asyncio__failure_unref(map->failure);
    asyncio__free(map);
}

// The map is let go of by the task when it runs; or, if the loop closes before
// it does, here.
static void never_runs(struct asyncio__guest *guest)
{
    struct map *map = list_entry(guest, struct map, woken);
    struct asyncio_executor *executor = map->executor;
    free_map(map);
    asyncio__executor_drop(executor);
}

static void wake_mapper(struct map *map, int code)
{
    struct asyncio__home *home;
    asyncio__wake(map->task, code);
    if (asyncio__home_of(map->task->future.loop_, &home) < 0)
        return; // it had one at start
    map->woken = (struct asyncio__guest){.leave = never_runs};
    asyncio__home_enter(home, &map->woken);
}

// What became of an item: true if that ends the whole.
static bool note(struct map *map, const void *item, int result)
{
    size_t index = (size_t)((const char *)item - map->items) / map->size;
    if (map->results && !map->stopped) map->results[index] = result;
    return result < 0 && !map->return_exceptions;
}

// Sends the next item off with a job that is free.
static void next_item(struct map *map, struct asyncio__job *job)
{
    if (map->stopped || map->left == 0) return;

    job->arg = map->next;
    asyncio__failure_unref(job->failure);
    job->failure = NULL;
    job->owner = map;
    int err = map->executor->ops->start(map->executor, job);
    if (err < 0) {
        job->owner = NULL;
        fail(map, err, asyncio__failure_of(err));
        return;
    }
    map->next += map->size;
    map->left--;
    map->out++;
}

static void map_landed(struct asyncio__job *job)
{
    struct map *map = job->owner;

    job->owner = NULL;
    map->out--;
    if (note(map, job->arg, job->result)) fail(map, job->result, job->failure);
    next_item(map, job);
    if (map->out == 0) wake_mapper(map, map->code);
}

static void map_lost(struct asyncio__job *job)
{
    struct map *map = job->owner;
    struct asyncio_executor *executor = map->executor;

    job->owner = NULL;
    if (--map->out > 0) return;
    asyncio__wake(map->task, -ECANCELED); // for good: it will not run
    free_map(map);
    asyncio__executor_drop(executor);
}

static bool cancel_map(struct asyncio_task *task,
                       const struct asyncio_cancel_options *cancel)
{
    struct map *map = task->wait.object;
    (void)cancel;

    stop(map);
    map->code = -ECANCELED;
    for (size_t i = 0; i < map->count; i++) {
        struct asyncio__job *job = map->jobs[i];
        if (!job || !job->owner) continue;
        asyncio__job_interrupt(job);
    }
    if (map->out == 0 && asyncio__parked(task)) wake_mapper(map, -ECANCELED);
    return true;
}

static const struct asyncio__wait_kind mapping = {
    .name = "executor map",
    .cancel = cancel_map,
};

static int make_jobs(struct map *map, int (*fn)(void *item),
                     const struct asyncio_shared *shared)
{
    const struct asyncio_job_options options = {.size = map->size,
                                                .shared = shared};

    map->jobs = asyncio__alloc_array(map->count, sizeof *map->jobs);
    if (!map->jobs) return -ENOMEM;
    for (size_t i = 0; i < map->count; i++) {
        int err =
            asyncio__job_make(&map->jobs[i], map->executor, fn, NULL, &options);
        if (err < 0) return err;
        map->jobs[i]->landed = map_landed;
        map->jobs[i]->lost = map_lost;
    }
    return 0;
}

static int run_map(struct map *map)
{
    for (size_t i = 0; i < map->count; i++)
        next_item(map, map->jobs[i]);

    int code = map->code;
    if (map->out > 0) code = asyncio__park(&mapping, map, NULL);
    asyncio__home_exit(&map->woken);
    if (code < 0 && code == map->code)
        asyncio__failure_see_code(code, map->failure);
    return code;
}

static int map_items(struct asyncio_executor *executor, int (*fn)(void *item),
                     void *items, size_t size, size_t count,
                     const struct asyncio_map_options *options)
{
    size_t most = executor->ops->width(executor);
    struct map *map = asyncio__alloc(sizeof *map);
    if (!map) return -ENOMEM;

    *map =
        (struct map){.executor = executor,
                     .task = asyncio__task(),
                     .items = items,
                     .next = items,
                     .results = options ? options->results : NULL,
                     .return_exceptions = options && options->return_exceptions,
                     .size = size,
                     .left = count,
                     .count = count < most ? count : most};
    int err = make_jobs(map, fn, options ? options->shared : NULL);
    if (err == 0) err = run_map(map);
    free_map(map);
    return err;
}

int(asyncio_executor_map)(struct asyncio_executor *executor,
                          int (*fn)(void *item), void *items, size_t size,
                          size_t count,
                          const struct asyncio_map_options *options)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    if (!fn || (count > 0 && (!items || size == 0))) return -EINVAL;
    int err = asyncio__begin_await(task);
    if (err < 0) return err;
    if (!executor) executor = asyncio_default_executor();
    if (!asyncio__executor_hold(executor))
        return executor == &asyncio__executor_none ? -ENOMEM : -ESHUTDOWN;

    err = map_items(executor, fn, items, size, count, options);
    asyncio__executor_drop(executor);
    return err;
}
