// The four terms: a function, a coroutine object, a task, a future; and how
// each is doing before and after.
//
// A coroutine is a function that may wait: call it, and it runs here and now.
// An object names a call that somebody will make, once. A task is a call that
// runs beside us. A future is only an outcome, set by whoever knows it; each
// task has one inside. `asyncio_await` takes the last three.
//
//     cc 02_terms.c $(pkg-config --cflags --libs libasyncio)
//
// expect: function:  called, 4
// expect: coroutine: unused
// expect: coroutine: used up, 9
// expect: coroutine: once more, Operation already in progress
// expect: task:      pending
// expect: task:      finished, 16
// expect: task:      cancelled, the other
// expect: future:    pending
// expect: future:    finished 25

#include <stdio.h>

#include <asyncio.h>

static char text[80];

static int square(void *arg)
{
    int *number = arg;
    int err = asyncio_sleep(0.1); // others may run meanwhile
    return err < 0 ? err : *number * *number;
}

static const char *state(const struct asyncio_task *task)
{
    if (!asyncio_task_done(task)) return "pending";
    return asyncio_task_cancelled(task) ? "cancelled" : "finished";
}

static int use_coroutine(int number)
{
    struct asyncio_coroutine call = ASYNCIO_COROUTINE(square, &number);
    asyncio_coroutine_describe(&call, text, sizeof text);
    printf("coroutine: %s\n", text);
    int result = asyncio_await(&call); // in this very task
    asyncio_coroutine_describe(&call, text, sizeof text);
    printf("coroutine: %s, %d\n", text, result);
    int again = asyncio_await(&call);
    printf("coroutine: once more, %s\n", asyncio_strerror(again));
    return again == -EALREADY ? result : again;
}

static int use_tasks(int number)
{
    struct asyncio_task *task = asyncio_create_task(square, &number);
    struct asyncio_task *other = asyncio_create_task(square, &number);
    printf("task:      %s\n", state(task));
    asyncio_task_cancel(other);
    int result = asyncio_await(task); // both run, side by side
    printf("task:      %s, %d\n", state(task), result);
    int again = asyncio_await(task); // as often as you like
    int cancelled = asyncio_await(other);
    printf("task:      %s, the other\n", state(other));
    asyncio_task_release(other); // the reference was ours
    asyncio_task_release(task);
    return cancelled == -ECANCELED ? again : cancelled;
}

static int set_result(void *future)
{
    return asyncio_future_set_result(future, 25);
}

static int use_future(void)
{
    struct asyncio_future future = {0};
    asyncio_future_describe(&future, text, sizeof text);
    printf("future:    %s\n", text);
    int err = asyncio_call_later(0.1, set_result, &future); // by no task
    if (err == 0) err = asyncio_await(&future);
    asyncio_future_describe(&future, text, sizeof text);
    printf("future:    %s\n", text);
    return err;
}

static int async_main(void *arg)
{
    printf("function:  called, %d\n", square(arg));
    int result = use_coroutine(3);
    if (result >= 0) result = use_tasks(4);
    return result < 0 ? result : use_future();
}

int main(void)
{
    int two = 2;
    return asyncio_main(async_main, &two);
}
