// A shield: what has begun is ended, although nobody waits for it any more.
//
// asyncio_shield waits for a task without handing a cancel on to it. The waiter
// gives up at once, the task goes on; so somebody has to keep it, and join it
// in the end. For a few lines of clean-up a shielded scope is simpler: the next
// example has one.
//
//     cc 14_shield.c $(pkg-config --cflags --libs libasyncio)
//
// expect: 0.0 s: the order is written
// expect: 0.1 s: the client has gone: Operation canceled
// expect: 0.3 s: the order is on disk
// expect: 0.3 s: joined: 42

#include <stdio.h>

#include <asyncio.h>

static double start;
static struct asyncio_task *writing; // kept by the program, not by the request

static void say(const char *what, const char *more)
{
    printf("%.1f s: %s%s\n", asyncio_time() - start, what, more);
}

static int write_order(void *arg)
{
    (void)arg;
    say("the order is written", "");
    int err = asyncio_sleep(0.3); // half an order must not be left behind
    if (err < 0) return err;
    say("the order is on disk", "");
    return 42;
}

static int handle_request(void *arg)
{
    writing = asyncio_create_task(write_order, arg);
    return asyncio_shield(writing);
}

static int async_main(void *arg)
{
    start = asyncio_time();
    struct asyncio_task *request = asyncio_create_task(handle_request, arg);
    int err = asyncio_sleep(0.1);
    asyncio_task_cancel(request); // the client hangs up
    int ended = asyncio_await(request);
    say("the client has gone: ", asyncio_strerror(ended));
    asyncio_task_release(request);

    // Before the program ends, it ends what it has begun.
    int order = asyncio_await(writing);
    if (order == 42) say("joined: ", "42");
    asyncio_task_release(writing);
    if (err == 0 && ended != -ECANCELED) err = ended;
    return order < 0 ? order : err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
