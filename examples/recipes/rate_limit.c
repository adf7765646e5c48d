// So many per second, whoever asks: each one books the next free moment, and
// sleeps until then. Nobody runs in the background for it.
//
// expect: 0.0 s: request 0
// expect: 0.1 s: request 1
// expect: 0.2 s: request 2
// expect: 0.3 s: request 3

#include <stdio.h>

#include <asyncio.h>

static double start;

struct rate {
    double interval, next;
};

static int rate_wait(struct rate *rate)
{
    double now = asyncio_time();
    if (rate->next < now) rate->next = now;
    double mine = rate->next;
    rate->next += rate->interval; // no wait in between: nobody else has it
    return asyncio_sleep(mine - now);
}

static struct rate ten_per_second = {.interval = 0.1};

static int request(void *arg)
{
    int *number = arg;
    int err = rate_wait(&ten_per_second);
    if (err < 0) return err;
    printf("%.1f s: request %d\n", asyncio_time() - start, *number);
    return 0;
}

static int async_main(void *arg)
{
    (void)arg;
    int numbers[] = {0, 1, 2, 3};
    start = asyncio_time();
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 4; i++)
        asyncio_task_group_create_task(&group, request, &numbers[i]);
    return asyncio_task_group_exit(&group, 0);
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
