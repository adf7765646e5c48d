// The three awaitables: a coroutine object, a task, a future; awaited,
// gathered, and a task that has its own copy of its argument.
//
//     cc 07_awaitables.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

static int square(void *arg)
{
    int *number = arg;
    int err = asyncio_sleep(0.1 * *number);
    if (err < 0) return err;
    return *number * *number;
}

static int gather_by_kind(int numbers[3])
{
    struct asyncio_coroutine jobs[3];
    int results[3];
    for (int i = 0; i < 3; i++)
        jobs[i] = ASYNCIO_COROUTINE(square, &numbers[i]);
    int err = asyncio_gather(jobs, 3, .results = results);
    if (err < 0) return err;
    printf("gathered %d %d %d\n", results[0], results[1], results[2]);
    return 0;
}

static struct asyncio_task *square_later(int number)
{
    return asyncio_create_task(square, &number, .copy = sizeof number);
}

static int async_main(void *arg)
{
    (void)arg;
    int numbers[3] = {1, 2, 3};
    int err = gather_by_kind(numbers);
    if (err < 0) return err;

    struct asyncio_task *task = square_later(9);
    struct asyncio_coroutine direct = ASYNCIO_COROUTINE(square, &numbers[1]);
    printf("awaited %d, ", asyncio_await(&direct));    // here, no task is made
    printf("called %d, ", square(&numbers[2]));        // the same, simpler
    printf("%d done, ", asyncio_wait(&task, 1, 0.01)); // a look, no cancel
    printf("task %d\n", asyncio_await(task));
    asyncio_task_release(task);

    struct asyncio_future future = {0};
    struct asyncio_coroutine again = ASYNCIO_COROUTINE(square, &numbers[0]);
    struct asyncio_any mixed[] = {ASYNCIO_ANY(&again), ASYNCIO_ANY(&future)};
    asyncio_future_set_result(&future, 42);
    int results[2];
    err = asyncio_gather(mixed, 2, .results = results);
    if (err >= 0) printf("mixed %d %d\n", results[0], results[1]);
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: gathered 1 4 9
// expect: awaited 4, called 9, 0 done, task 81
// expect: mixed 1 42
