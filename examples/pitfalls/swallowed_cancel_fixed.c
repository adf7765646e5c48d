// The same, but a cancel is no failure: it goes straight up.
//
// expect: told to stop
// expect: has stopped at once: Operation canceled

#include <stdio.h>

#include <asyncio.h>

static int poll_server(void *arg)
{
    (void)arg;
    for (int attempt = 0; attempt < 10; attempt++) {
        int err = asyncio_sleep(0.1);      // stands for a request
        if (err == -ECANCELED) return err; // somebody wants us to stop
        if (err < 0) continue;             // it failed, so try again
    }
    return 0;
}

static int async_main(void *arg)
{
    struct asyncio_task *task = asyncio_create_task(poll_server, arg);
    int err = asyncio_sleep(0.05);
    printf("told to stop\n");
    asyncio_task_cancel(task);
    int code = asyncio_await(task);
    asyncio_task_release(task);
    printf("has stopped at once: %s\n", asyncio_strerror(code));
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
