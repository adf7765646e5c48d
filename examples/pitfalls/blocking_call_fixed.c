// The same in a thread: this task waits, the others run.
//
// expect: the work is done, and the heart went on beating

#include <stdio.h>

#include <asyncio.h>

static int beats;

static int beat(void *arg)
{
    (void)arg;
    int err;
    while ((err = asyncio_sleep(0.01)) == 0)
        beats++;
    return err;
}

static int work(void *arg) // for about 0.2 s, without a single wait
{
    (void)arg;
    double start = asyncio_time();
    while (asyncio_time() - start < 0.2)
        continue;
    return 0;
}

static int async_main(void *arg)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, beat, NULL);
    int err = asyncio_to_thread(work, arg);
    printf("the work is done, and the heart %s\n",
           beats > 0 ? "went on beating" : "stood still");
    asyncio_task_group_cancel(&group);
    return asyncio_task_group_exit(&group, err);
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
