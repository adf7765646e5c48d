// The order in which you await is not the order in which things run.
//
// Tasks begin in the order in which they were made, and end when their work
// ends. Awaiting is only where you hear of it: late for one that ended long
// ago. Who wants to hear of each as it ends asks as_completed.
//
//     cc 06_await_order.c $(pkg-config --cflags --libs libasyncio)
//
// expect: slow and quick are made
// expect: slow begins
// expect: quick begins
// expect: quick ends
// expect: slow ends
// expect: slow is awaited
// expect: quick is awaited
// expect: slow begins
// expect: quick begins
// expect: quick ends
// expect: quick is completed
// expect: slow ends
// expect: slow is completed

#include <stdio.h>

#include <asyncio.h>

struct runner {
    const char *name;
    double seconds;
};

static struct runner runners[] = {{"slow", 0.2}, {"quick", 0.1}};

static int run(void *arg)
{
    struct runner *runner = arg;
    printf("%s begins\n", runner->name);
    int err = asyncio_sleep(runner->seconds);
    if (err == 0) printf("%s ends\n", runner->name);
    return err;
}

static int await_in_order(void)
{
    struct asyncio_task *slow = asyncio_create_task(run, &runners[0]);
    struct asyncio_task *quick = asyncio_create_task(run, &runners[1]);
    printf("slow and quick are made\n");
    int err = asyncio_await(slow);
    printf("slow is awaited\n");
    int other = asyncio_await(quick); // done already: returns at once
    printf("quick is awaited\n");
    asyncio_task_release(slow);
    asyncio_task_release(quick);
    return err < 0 ? err : other;
}

static int take_as_completed(void)
{
    struct asyncio_coroutine runs[2];
    for (int i = 0; i < 2; i++)
        runs[i] = ASYNCIO_COROUTINE(run, &runners[i]);
    ASYNCIO_WITH_AS_COMPLETED(ended, runs, 2);
    int index, result;
    while ((index = asyncio_as_completed_next(&ended, &result)) >= 0) {
        if (result < 0) return result;
        printf("%s is completed\n", runners[index].name);
    }
    return index == -ENODATA ? 0 : index;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = await_in_order();
    return err < 0 ? err : take_as_completed();
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
