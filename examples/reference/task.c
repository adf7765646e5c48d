// Tasks: made, named, looked at, cancelled, shielded and awaited; and many of
// them, compact.
//
//     cc task.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

static int nap(void *seconds)
{
    return asyncio_sleep(*(double *)seconds, .result = 7);
}

static double brief = 0.01, endless = 3600;

static void look_at(const struct asyncio_task *task)
{
    int result, code;
    if (!asyncio_task_done(task)) return;
    if (asyncio_task_result(task, &result) < 0) return;
    if (asyncio_task_exception(task, &code) < 0) return;
    printf("%s: result %d, error %d, %s\n", asyncio_task_name(task), result,
           code, asyncio_task_cancelled(task) ? "cancelled" : "not cancelled");
}

// A coroutine object runs here when it is awaited, or beside us as a task.
static int coroutine_objects(void)
{
    struct asyncio_coroutine first = ASYNCIO_COROUTINE(nap, &brief);
    struct asyncio_coroutine second = ASYNCIO_COROUTINE(nap, &brief);
    struct asyncio_coroutine third = ASYNCIO_COROUTINE(nap, &brief);
    struct asyncio_coroutine fourth = ASYNCIO_COROUTINE(nap, &brief);

    char word[16];
    printf("%s, ", asyncio_coroutine_describe(&first, word, sizeof word));
    int sum = asyncio_await(&first);
    printf("%s\n", asyncio_coroutine_describe(&first, word, sizeof word));
    struct asyncio_task *task = asyncio_coroutine_create_task(&second);
    struct asyncio_task *other = asyncio_ensure_future(ASYNCIO_ANY(&fourth));
    sum += asyncio_await(task);
    sum += asyncio_shield(&third);
    sum += asyncio_await(other);
    asyncio_task_release(other);
    asyncio_task_release(task);
    return sum;
}

static int cancel_and_count(void)
{
    struct asyncio_task *task = asyncio_create_task(nap, &endless);
    int err = asyncio_sleep(0); // it begins
    asyncio_task_cancel(task, .reason = "no time left");
    printf("requests: %d\n", asyncio_task_cancelling(task));
    if (err == 0) err = asyncio_await(task);
    printf("awaited: %s\n", asyncio_strerror(err));
    asyncio_task_release(task);
    return err == -ECANCELED ? 0 : err;
}

// What asks to be cancelled and takes the request back goes on unharmed.
static int change_of_mind(void *arg)
{
    (void)arg;
    asyncio_task_cancel(asyncio_current_task());
    printf("requests left: %d\n",
           asyncio_task_uncancel(asyncio_current_task()));
    return asyncio_sleep(0);
}

static int visitors;

static int visit(void *arg)
{
    (void)arg;
    int err = asyncio_wait_for(asyncio_sleep(brief), 60);
    if (err == 0) visitors++;
    return err;
}

// Compact tasks share a few stacks and keep what they need while they wait, no
// more. What others are to see of them does not lie in their frames.
static int have_visitors(void)
{
    struct asyncio_task *tasks[500];
    int err = 0;
    for (int i = 0; i < 500; i++)
        tasks[i] = asyncio_create_task(visit, NULL, .compact = true);
    for (int i = 0; i < 500; i++) {
        int ended = asyncio_await(tasks[i]);
        if (err == 0) err = ended;
        asyncio_task_release(tasks[i]);
    }
    printf("visitors: %d\n", visitors);
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    struct asyncio_task *running[8];
    struct asyncio_task *task = asyncio_create_task(nap, &brief, .name = "nap");
    struct asyncio_task *same = asyncio_task_retain(task);
    struct asyncio_task *mind = asyncio_create_task(change_of_mind, NULL);
    char line[200];

    size_t count = asyncio_all_tasks(asyncio_get_running_loop(), running, 8);
    printf("%zu tasks\n", count);
    int err = asyncio_sleep(0);
    asyncio_task_describe(task, line, sizeof line);
    printf("%.32s\n", line);
    if (err == 0) err = asyncio_shield(task);
    if (err >= 0) err = asyncio_await(asyncio_task_future(task));
    if (err >= 0) err = asyncio_await(mind);
    if (err >= 0) err = asyncio_task_set_name(same, "the nap");
    look_at(same);
    asyncio_task_release(mind);
    asyncio_task_release(same);
    asyncio_task_release(task);
    if (err < 0) return err;

    printf("coroutine objects: %d\n", coroutine_objects());
    err = have_visitors();
    return err < 0 ? err : cancel_and_count();
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: 3 tasks
// expect: requests left: 0
// expect: nap: pending, waits for sleep, m
// expect: the nap: result 7, error 0, not cancelled
// expect: unused, used up
// expect: coroutine objects: 28
// expect: visitors: 500
// expect: requests: 1
// expect: awaited: no time left
