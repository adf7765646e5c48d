// The same with a group: all are begun, then all are waited for.
//
// expect: 0.1 s: page 1
// expect: 0.1 s: page 2
// expect: 0.1 s: page 3

#include <stdio.h>

#include <asyncio.h>

static double start;

static int fetch(void *arg)
{
    int *number = arg;
    int err = asyncio_sleep(0.1); // stands for a request
    if (err < 0) return err;
    printf("%.1f s: page %d\n", asyncio_time() - start, *number);
    return 0;
}

static int fetch_all(int *numbers, int count)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < count; i++)
        asyncio_task_group_create_task(&group, fetch, &numbers[i]);
    return asyncio_task_group_exit(&group, 0);
}

static int async_main(void *arg)
{
    (void)arg;
    int numbers[] = {1, 2, 3};
    start = asyncio_time();
    return fetch_all(numbers, 3);
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
