// Pitfall: a loop that takes every negative code for a failure to try again.
// -ECANCELED is one of them: the task is told to stop, and does not.
//
// expect: told to stop
// expect: tries on, and ends when it has given up by itself

#include <stdio.h>

#include <asyncio.h>

static int poll_server(void *arg)
{
    (void)arg;
    for (int attempt = 0; attempt < 10; attempt++) {
        int err = asyncio_sleep(0.1); // stands for a request
        if (err < 0) continue;        // "it failed, so try again"
    }
    return 0;
}

static int async_main(void *arg)
{
    struct asyncio_task *task = asyncio_create_task(poll_server, arg);
    int err = asyncio_sleep(0.05);
    printf("told to stop\n");
    asyncio_task_cancel(task);
    double start = asyncio_time();
    int code = asyncio_await(task);
    asyncio_task_release(task);
    if (asyncio_time() - start > 0.5 && code == 0)
        printf("tries on, and ends when it has given up by itself\n");
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
