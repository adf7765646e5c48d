// Example 2. Why asynchronous can still be one after the other.
//
// Every wait is asyncio's now, and yet breakfast takes as long as before. A
// coroutine object runs when it is awaited, and only then; whoever awaits the
// first has not yet begun the second. Nobody else is there to use the time.
//
//     cc 04_example_2_sequential.c $(pkg-config --cflags --libs libasyncio)
//
// expect: 0.0 s: three objects, and nothing has begun
// expect: 0.0 s: coffee is begun
// expect: 0.3 s: coffee is done
// expect: 0.3 s: toast is begun
// expect: 0.5 s: toast is done
// expect: 0.5 s: an egg is begun
// expect: 0.6 s: an egg is done
// expect: 0.6 s: breakfast

#include <stdio.h>

#include <asyncio.h>

struct dish {
    const char *name;
    double seconds;
};

static double start;

static void say(const char *what, const char *how)
{
    printf("%.1f s: %s%s\n", asyncio_time() - start, what, how);
}

static int prepare(void *arg)
{
    struct dish *dish = arg;
    say(dish->name, " is begun");
    int err = asyncio_sleep(dish->seconds);
    if (err < 0) return err;
    say(dish->name, " is done");
    return 0;
}

static int async_main(void *arg)
{
    struct dish *dishes = arg;
    struct asyncio_coroutine coffee = ASYNCIO_COROUTINE(prepare, &dishes[0]);
    struct asyncio_coroutine toast = ASYNCIO_COROUTINE(prepare, &dishes[1]);
    struct asyncio_coroutine egg = ASYNCIO_COROUTINE(prepare, &dishes[2]);
    start = asyncio_time();
    say("three objects, and nothing has begun", "");

    // The same as prepare(&dishes[0]), prepare(&dishes[1]), prepare(...).
    int err = asyncio_await(&coffee);
    if (err == 0) err = asyncio_await(&toast);
    if (err == 0) err = asyncio_await(&egg);
    if (err < 0) return err;
    say("breakfast", "");
    return 0;
}

int main(void)
{
    struct dish dishes[] = {{"coffee", 0.3}, {"toast", 0.2}, {"an egg", 0.1}};
    return asyncio_main(async_main, dishes);
}
