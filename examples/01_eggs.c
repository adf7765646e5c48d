// The smallest whole program: tasks in a group, under a time limit. Shows that
// they wait side by side, and that no child outlives the block.
//
//     cc 01_eggs.c $(pkg-config --cflags --libs libasyncio)
//
// expect: an egg of 0.1 s is done
// expect: an egg of 0.2 s is done
// expect: an egg of 0.3 s is done
// expect: the last one was too slow

#include <stdio.h>

#include <asyncio.h>

static int boil(void *arg) // a coroutine: a plain function, on its own stack
{
    double *seconds = arg;
    int err = asyncio_sleep(*seconds); // the others run meanwhile
    if (err == 0) printf("an egg of %.1f s is done\n", *seconds);
    return err; // -ECANCELED, perhaps
}

static int boil_all(double *eggs, int count)
{
    ASYNCIO_WITH_TASK_GROUP(group); // no child outlives this block
    for (int i = 0; i < count; i++)
        asyncio_task_group_create_task(&group, boil, &eggs[i]);
    return asyncio_task_group_exit(&group, 0); // joins them all
}

static int async_main(void *eggs)
{
    int err = asyncio_wait_for(boil_all(eggs, 4), 0.5);
    if (err != -ETIMEDOUT) return err;
    printf("the last one was too slow\n");
    return 0;
}

int main(void)
{
    double eggs[] = {0.3, 0.1, 0.2, 600};
    return asyncio_main(async_main, eggs);
}
