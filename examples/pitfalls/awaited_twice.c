// Pitfall: a coroutine object is one call, to be made once. Whoever comes later
// finds it used up, or being awaited by another.
//
// expect: the first one: 42
// expect: once more: Operation already in progress
// expect: while another awaits it: Device or resource busy

#include <stdio.h>

#include <asyncio.h>

static int look_up(void *arg)
{
    int *answer = arg;
    int err = asyncio_sleep(0.1);
    return err < 0 ? err : *answer;
}

static int await_it(void *call)
{
    return asyncio_await((struct asyncio_coroutine *)call);
}

static int await_from_two_tasks(struct asyncio_coroutine *call)
{
    struct asyncio_coroutine both[] = {ASYNCIO_COROUTINE(await_it, call),
                                       ASYNCIO_COROUTINE(await_it, call)};
    int results[2];
    int err =
        asyncio_gather(both, 2, .results = results, .return_exceptions = true);
    return err < 0 ? err : results[1];
}

static int async_main(void *answer)
{
    struct asyncio_coroutine call = ASYNCIO_COROUTINE(look_up, answer);
    printf("the first one: %d\n", asyncio_await(&call));
    int err = asyncio_await(&call);
    printf("once more: %s\n", asyncio_strerror(err));

    struct asyncio_coroutine other = ASYNCIO_COROUTINE(look_up, answer);
    err = await_from_two_tasks(&other);
    printf("while another awaits it: %s\n", asyncio_strerror(err));
    return err == -EBUSY ? 0 : err;
}

int main(void)
{
    int answer = 42;
    return asyncio_main(async_main, &answer);
}
