// Answer to exercise 1: in which order are these lines printed?
//
// A task begins when its maker first waits, and not where it is made. From then
// on those that are ready take turns, in the order in which they became ready:
// each sleep of 0 puts its task behind the others, main among them.
//
// expect: main: two tasks are made
// expect: a: one
// expect: b: one
// expect: main: has let the others run
// expect: a: two
// expect: b: two
// expect: main: both have ended

#include <stdio.h>

#include <asyncio.h>

static int twice(void *arg)
{
    const char *name = arg;
    printf("%s: one\n", name);
    int err = asyncio_sleep(0);
    if (err == 0) printf("%s: two\n", name);
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    static char a[] = "a", b[] = "b";
    struct asyncio_task *tasks[] = {asyncio_create_task(twice, a),
                                    asyncio_create_task(twice, b)};
    printf("main: two tasks are made\n");
    int err = asyncio_sleep(0);
    printf("main: has let the others run\n");
    int joined = asyncio_gather(tasks, 2);
    printf("main: both have ended\n");
    asyncio_task_release(tasks[0]);
    asyncio_task_release(tasks[1]);
    return err < 0 ? err : joined;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
