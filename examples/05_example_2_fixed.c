// Example 2, fixed. All three are begun before the first is awaited.
//
// A task runs by itself, as soon as its maker waits for anything. So breakfast
// takes as long as its longest part, not as the sum. Nothing runs at the same
// time, and there is no thread: it is the waits that overlap.
//
//     cc 05_example_2_fixed.c $(pkg-config --cflags --libs libasyncio)
//
// expect: 0.0 s: three tasks, and nothing has begun
// expect: 0.0 s: coffee is begun
// expect: 0.0 s: toast is begun
// expect: 0.0 s: an egg is begun
// expect: 0.1 s: an egg is done
// expect: 0.2 s: toast is done
// expect: 0.3 s: coffee is done
// expect: 0.3 s: breakfast

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
    struct asyncio_task *tasks[3];
    start = asyncio_time();
    for (int i = 0; i < 3; i++)
        tasks[i] = asyncio_create_task(prepare, &dishes[i]);
    say("three tasks, and nothing has begun", "");

    // Each is awaited and released, also when one before it has failed. A group
    // does that by itself: example 5.
    int err = 0;
    for (int i = 0; i < 3; i++) {
        int code = asyncio_await(tasks[i]);
        if (err == 0) err = code;
        asyncio_task_release(tasks[i]);
    }
    if (err < 0) return err;
    say("breakfast", "");
    return 0;
}

int main(void)
{
    static struct dish dishes[] = {// tasks may outlive a block: example 5
                                   {"coffee", 0.3},
                                   {"toast", 0.2},
                                   {"an egg", 0.1}};
    return asyncio_main(async_main, dishes);
}
