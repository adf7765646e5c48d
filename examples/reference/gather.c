// Gather: a list of awaitables, each outcome in its place; and one that is held
// and awaited later.
//
//     cc gather.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

static int square(void *arg)
{
    int number = *(int *)arg;
    int err = asyncio_sleep(0.001 * number);
    if (err < 0) return err;
    return number == 13 ? asyncio_raise(-ERANGE, "13 brings bad luck")
                        : number * number;
}

// Wait for all of them; the first failure would end the call.
static int all(void)
{
    int numbers[] = {3, 1, 2}, results[3];
    struct asyncio_coroutine jobs[3];
    for (int i = 0; i < 3; i++)
        jobs[i] = ASYNCIO_COROUTINE(square, &numbers[i]);
    int err = asyncio_gather(jobs, 3, .results = results);
    if (err == 0) printf("%d %d %d\n", results[0], results[1], results[2]);
    return err;
}

// Collect failures beside values.
static int each(void)
{
    int numbers[] = {2, 13}, results[2];
    struct asyncio_coroutine jobs[2];
    for (int i = 0; i < 2; i++)
        jobs[i] = ASYNCIO_COROUTINE(square, &numbers[i]);
    int err =
        asyncio_gather(jobs, 2, .results = results, .return_exceptions = true);
    if (err < 0) return err;
    printf("%d, %s\n", results[0], results[1] == -ERANGE ? "ERANGE" : "?");
    return 0;
}

// Hold the gather itself: it is a future, to await, shield or cancel.
static int held(void)
{
    int number = 5, result = 0;
    struct asyncio_coroutine job = ASYNCIO_COROUTINE(square, &number);
    struct asyncio_gather gather = {0};
    int err = asyncio_gather_start(&gather, &job, 1, .results = &result);
    if (err == 0) err = asyncio_await(&gather.future);
    asyncio_gather_close(&gather);
    if (err == 0) printf("%d\n", result);
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = all();
    if (err == 0) err = each();
    return err < 0 ? err : held();
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: 9 1 4
// expect: 4, ERANGE
// expect: 25
