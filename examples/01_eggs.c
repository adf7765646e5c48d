// The smallest whole program: tasks in a group, under a time limit. Shows that
// they wait side by side, and that no child outlives the block.

#include <asyncio.h>
#include <stdio.h>

static int boil(void *arg) // a coroutine: a plain function, on its own stack
{
    double *seconds = arg;
    int err = asyncio_sleep(*seconds); // others run meanwhile
    if (err < 0) return err;           // cancelled, perhaps
    printf("an egg of %.1f s is done\n", *seconds);
    return 0;
}

static int async_main(void *arg)
{
    double *eggs = arg;
    ASYNCIO_WITH_TIMEOUT(limit, 0.5); // no longer than this
    ASYNCIO_WITH_TASK_GROUP(group);   // no child outlives the block
    for (int i = 0; i < 4; i++)
        asyncio_task_group_create_task(&group, boil, &eggs[i]);
    return asyncio_timeout_exit(&limit, asyncio_task_group_exit(&group, 0));
}

int main(void)
{
    double eggs[] = {0.3, 0.1, 0.2, 600};
    int err = asyncio_run(async_main, eggs);
    if (err == -ETIMEDOUT) printf("the last one was too slow\n");
    return 0;
}
// expect: an egg of 0.1 s is done
// expect: an egg of 0.2 s is done
// expect: an egg of 0.3 s is done
// expect: the last one was too slow
