// Signals: a task that reads them as they come, and one that waits until the
// program is told to stop.
//
//     cc signal.c $(pkg-config --cflags --libs libasyncio)

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <asyncio.h>

static int send_soon(void *arg)
{
    int err = asyncio_sleep(0.01);
    if (err == 0) kill(getpid(), *(const int *)arg);
    return err;
}

// None of them is lost, whatever is done between two reads.
static int read_signals(void)
{
    struct asyncio_signal_stream signals = {0};
    int err = asyncio_signal_stream_open(&signals, SIGHUP, SIGUSR1);
    if (err < 0) return err;
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGUSR1);
    for (int i = 0; err >= 0 && i < 2; i++) {
        err = asyncio_signal_stream_read(&signals);
        if (err > 0) printf("%s\n", err == SIGHUP ? "read again" : "report");
    }
    asyncio_signal_stream_close(&signals);
    return err < 0 ? err : 0;
}

static int async_main(void *arg)
{
    static int stop = SIGTERM;
    (void)arg;
    int err = read_signals();
    if (err < 0) return err;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, send_soon, &stop);
    int signal = asyncio_wait_signal(SIGINT, SIGTERM);
    printf("told to stop: %d\n", signal == SIGTERM);
    return asyncio_task_group_exit(&group, signal < 0 ? signal : 0);
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: read again
// expect: report
// expect: told to stop: 1
