// Futures: set, failed, cancelled, awaited by one and watched by another.
//
//     cc future.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

static int announce(struct asyncio_future *future, void *arg)
{
    int result;
    int err = asyncio_future_result(future, &result);
    if (err == 0) printf("%s: %d\n", (const char *)arg, result);
    return err;
}

static int never_called(struct asyncio_future *future, void *arg)
{
    (void)future;
    (void)arg;
    return -EINVAL;
}

static int set_later(void *future)
{
    int err = asyncio_sleep(0.01);
    return err < 0 ? err : asyncio_future_set_result(future, 42);
}

static int value(void)
{
    struct asyncio_future answer;
    asyncio_future_init(&answer);
    struct asyncio_task *setter = asyncio_create_task(set_later, &answer);
    char line[80];

    asyncio_future_describe(&answer, line, sizeof line);
    printf("%s, %s\n", line,
           asyncio_future_done(&answer) ? "done" : "not done");
    int err = asyncio_future_add_done_callback(&answer, announce, "callback");
    if (err == 0)
        err = asyncio_future_add_done_callback(&answer, never_called, NULL);
    printf("taken back: %d\n",
           asyncio_future_remove_done_callback(&answer, never_called, NULL));
    if (err == 0) err = asyncio_await(&answer);
    printf("awaited: %d, of this loop: %d\n", err,
           asyncio_future_get_loop(&answer) == asyncio_get_running_loop());
    if (err >= 0) err = asyncio_shield(&answer); // done: returns at once
    int joined = asyncio_await(setter);
    asyncio_task_release(setter);
    return err < 0 ? err : joined;
}

static void failure(void)
{
    struct asyncio_future answer = {0};
    int code = 0;
    asyncio_future_set_exception(&answer, asyncio_raise(-EPROTO, "too short"));
    if (asyncio_future_exception(&answer, &code) < 0) return;
    const struct asyncio_error *error = asyncio_future_error(&answer);
    printf("failed: %s (%s)\n", error ? error->text : "",
           code == -EPROTO ? "EPROTO" : "?");
    asyncio_future_reset(&answer);
}

static void cancelled(void)
{
    struct asyncio_future answer = {0};
    asyncio_future_cancel(&answer, .reason = "nobody asks any more");
    // Whoever brings the value late need not care:
    int err = asyncio_future_set_result_unless_cancelled(&answer, 1);
    printf("late: %d, cancelled: %d\n", err, asyncio_future_cancelled(&answer));
    asyncio_future_reset(&answer);
}

static int async_main(void *arg)
{
    (void)arg;
    failure();
    cancelled();
    return value();
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: failed: too short (EPROTO)
// expect: late: 0, cancelled: 1
// expect: pending, not done
// expect: taken back: 1
// expect: callback: 42
// expect: awaited: 42, of this loop: 1
