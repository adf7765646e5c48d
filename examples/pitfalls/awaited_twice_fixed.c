// The same with a task: it runs once, keeps its outcome, and may be awaited by
// anybody, as often as they like.
//
// expect: the first one: 42
// expect: once more: 42
// expect: while another awaits it: 42

#include <stdio.h>

#include <asyncio.h>

static int look_up(void *arg)
{
    int *answer = arg;
    int err = asyncio_sleep(0.1);
    return err < 0 ? err : *answer;
}

static int await_it(void *task)
{
    return asyncio_await((struct asyncio_task *)task);
}

static int await_from_two_tasks(struct asyncio_task *task)
{
    struct asyncio_coroutine both[] = {ASYNCIO_COROUTINE(await_it, task),
                                       ASYNCIO_COROUTINE(await_it, task)};
    int results[2];
    int err =
        asyncio_gather(both, 2, .results = results, .return_exceptions = true);
    return err < 0 ? err : results[1];
}

static int async_main(void *answer)
{
    struct asyncio_task *task = asyncio_create_task(look_up, answer);
    printf("the first one: %d\n", asyncio_await(task));
    printf("once more: %d\n", asyncio_await(task));
    asyncio_task_release(task);

    struct asyncio_task *other = asyncio_create_task(look_up, answer);
    int result = await_from_two_tasks(other);
    printf("while another awaits it: %d\n", result);
    asyncio_task_release(other);
    return result < 0 ? result : 0;
}

int main(void)
{
    int answer = 42;
    return asyncio_main(async_main, &answer);
}
