// Running a program: what main returned comes out, and nothing is left behind.
//
//     cc run.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

static int clean_up(void *arg)
{
    int err = asyncio_sleep(3600);
    printf("%s: left over, and cancelled\n", (const char *)arg);
    return err;
}

static int leave_something(void *arg)
{
    (void)arg;
    struct asyncio_task *task = asyncio_create_task(clean_up, "logger");
    asyncio_task_release(task); // it goes on without us
    return asyncio_sleep(0, .result = 3);
}

static int async_main(void *arg)
{
    printf("main was given %d\n", *(int *)arg);
    return 0;
}

int main(void)
{
    int result = asyncio_run(leave_something, NULL, .backend = "epoll");
    printf("run returned %d\n", result);
    return asyncio_main(async_main, &result); // a status for the shell
}
// expect: logger: left over, and cancelled
// expect: run returned 3
// expect: main was given 3
