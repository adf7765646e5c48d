// Example 5. Three ways to run several, and what each does when one fails.
//
// A group and a gather of coroutine objects end what is left: when they return,
// nothing runs that they have begun. A gather of your own tasks only tells you:
// they go on, and are yours to end. Prefer the group. Its children may point
// into your frame, because none of them outlives the block.
//
//     cc 10_example_5_groups.c $(pkg-config --cflags --libs libasyncio)
//
// expect: a group:
// expect:   0.1 s: a burns
// expect:   0.1 s: b is told to stop
// expect:   0.1 s: all have ended
// expect: gather, coroutine objects:
// expect:   0.1 s: a burns
// expect:   0.1 s: b is told to stop
// expect:   0.1 s: all have ended
// expect: gather, tasks:
// expect:   0.1 s: a burns
// expect:   0.1 s: b goes on
// expect:   0.3 s: b is done

#include <stdio.h>

#include <asyncio.h>

static double start;

static void say(const char *text)
{
    printf("  %.1f s: %s\n", asyncio_time() - start, text);
}

static int a(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(0.1);
    if (err < 0) return err;
    say("a burns");
    return -EIO;
}

static int b(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(0.3);
    say(err == -ECANCELED ? "b is told to stop" : "b is done");
    return err;
}

static int in_a_group(void)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, a, NULL);
    asyncio_task_group_create_task(&group, b, NULL);
    int err = asyncio_task_group_exit(&group, 0); // the first failure
    say("all have ended");
    return err;
}

static int gather_coroutines(void)
{
    struct asyncio_coroutine both[] = {ASYNCIO_COROUTINE(a, NULL),
                                       ASYNCIO_COROUTINE(b, NULL)};
    int err = asyncio_gather(both, 2);
    say("all have ended");
    return err;
}

static int gather_tasks(void)
{
    struct asyncio_task *both[] = {asyncio_create_task(a, NULL),
                                   asyncio_create_task(b, NULL)};
    int err = asyncio_gather(both, 2);
    say(asyncio_task_done(both[1]) ? "b has ended" : "b goes on");
    int other = asyncio_await(both[1]);
    asyncio_task_release(both[0]);
    asyncio_task_release(both[1]);
    return other < 0 ? other : err;
}

static int run(const char *name, int (*way)(void))
{
    printf("%s:\n", name);
    start = asyncio_time();
    int err = way();
    return err == -EIO ? 0 : err; // that one burns is what we came for
}

static int async_main(void *arg)
{
    (void)arg;
    int err = run("a group", in_a_group);
    if (err == 0) err = run("gather, coroutine objects", gather_coroutines);
    return err < 0 ? err : run("gather, tasks", gather_tasks);
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
