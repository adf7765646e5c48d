// Cancelling is a request: the wait that a task is in returns -ECANCELED. The
// task cleans up and hands the code up; until then it has not ended.
//
// An await in the clean-up works as ever, for a request ends one wait. Whoever
// swallows the code goes on unharmed, which is seldom what the canceller meant.
//
//     cc 12_cancellation.c $(pkg-config --cflags --libs libasyncio)
//
// expect: polite: has the lock
// expect: polite: the user has left
// expect: polite: tells the server, and unlocks
// expect: polite: ended with "the user has left", lock free: yes
// expect: deaf: swallows the request
// expect: deaf: ended with 7, requests: 1

#include <stdio.h>

#include <asyncio.h>

static struct asyncio_lock lock;

static int polite(void *arg)
{
    (void)arg;
    int err = asyncio_lock_acquire(&lock);
    if (err < 0) return err;
    printf("polite: has the lock\n");
    err = asyncio_sleep(3600);
    if (err == -ECANCELED) {
        printf("polite: %s\n", asyncio_strerror(err));
        int told = asyncio_sleep(0.1); // a clean-up may wait, too
        printf("polite: tells the server, and unlocks\n");
        if (told < 0) err = told;
    }
    asyncio_lock_release(&lock); // on every way out
    return err;
}

static int deaf(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(3600);
    if (err == -ECANCELED) printf("deaf: swallows the request\n");
    return asyncio_sleep(0.1, .result = 7);
}

// Waits until the task has begun, cancels it, and waits until it has ended.
static int cancel(struct asyncio_task *task, const char *reason)
{
    int err = asyncio_sleep(0.1);
    if (err < 0) return err;
    asyncio_task_cancel(task, .reason = reason);
    return asyncio_await(task);
}

static int async_main(void *arg)
{
    struct asyncio_task *task = asyncio_create_task(polite, arg);
    int err = cancel(task, "the user has left");
    printf("polite: ended with \"%s\", lock free: %s\n", asyncio_strerror(err),
           asyncio_lock_locked(&lock) ? "no" : "yes");
    asyncio_task_release(task);
    if (err != -ECANCELED) return err;

    task = asyncio_create_task(deaf, arg);
    err = cancel(task, "the program ends");
    printf("deaf: ended with %d, requests: %d\n", err,
           asyncio_task_cancelling(task));
    asyncio_task_release(task);
    return err < 0 ? err : 0;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
