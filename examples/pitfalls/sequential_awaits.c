// Pitfall: each task is awaited where it was made, so they run one after the
// other, and making tasks of them has gained nothing.
//
// expect: 0.1 s: page 1
// expect: 0.2 s: page 2
// expect: 0.3 s: page 3

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
    int err = 0;
    for (int i = 0; i < count && err == 0; i++) {
        struct asyncio_task *task =
            asyncio_create_task(fetch, &numbers[i], .copy = sizeof numbers[i]);
        err = asyncio_await(task); // nobody else has been begun yet
        asyncio_task_release(task);
    }
    return err;
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
