// Signals: a task that waits until the program is told to stop.
//
//     cc signal.c $(pkg-config --cflags --libs libasyncio)

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <asyncio.h>

static int stop_soon(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(0.01);
    if (err == 0) kill(getpid(), SIGTERM);
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, stop_soon, NULL);
    int signal = asyncio_wait_signal(SIGINT, SIGTERM);
    printf("told to stop: %d\n", signal == SIGTERM);
    return asyncio_task_group_exit(&group, signal < 0 ? signal : 0);
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: told to stop: 1
