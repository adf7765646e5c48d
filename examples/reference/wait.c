// asyncio/wait.h: who is done after a second, and who is first.
//
//     cc wait.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

static int boil(void *seconds)
{
    return asyncio_sleep(*(double *)seconds);
}

// After a look at the clock the slow ones go on: a limit is no error here.
static int look_at(struct asyncio_task *eggs[], size_t count)
{
    bool done[3], pending[3];
    int n = asyncio_wait(eggs, count, 1, .done = done, .pending = pending);
    if (n < 0) return n;
    printf("after 1 s: %d done\n", n);
    for (size_t i = 0; i < count; i++)
        printf("egg %zu%s%s\n", i, done[i] ? " is done" : "",
               pending[i] ? " goes on" : "");
    return 0;
}

static int async_main(void *arg)
{
    double *seconds = arg;
    struct asyncio_task *eggs[3];
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, boil, &seconds[i],
                                       .task = &eggs[i]);

    int err = asyncio_wait(eggs, 3, ASYNCIO_FOREVER,
                           .return_when = ASYNCIO_FIRST_COMPLETED);
    if (err >= 0) printf("the first: %d done\n", err);
    if (err >= 0) err = look_at(eggs, 3);
    if (err >= 0) err = asyncio_wait(eggs, 3, ASYNCIO_FOREVER);
    if (err >= 0) printf("all: %d done\n", err);
    return asyncio_task_group_exit(&group, err);
}

int main(void)
{
    double seconds[] = {0.1, 1.3, 0.3};
    return asyncio_main(async_main, seconds);
}
// expect: the first: 1 done
// expect: after 1 s: 2 done
// expect: egg 0 is done
// expect: egg 1 goes on
// expect: egg 2 is done
// expect: all: 3 done
