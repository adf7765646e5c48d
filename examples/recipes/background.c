// A service in the background: the block goes on when it is ready, and ends it
// in good order when it has done its work.
//
// expect: cache: ready
// expect: main: works, with a cache of 64 places
// expect: cache: written to disk, and closed
// expect: main: all has ended

#include <stdio.h>

#include <asyncio.h>

static int run_cache(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(0.1); // opens what it needs
    if (err < 0) return err;
    printf("cache: ready\n");
    err = asyncio_task_group_started(64); // start, below, returns this
    while (err == 0)
        err = asyncio_sleep(1); // serves, until it is cancelled
    printf("cache: written to disk, and closed\n");
    return err;
}

static int work(void)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    int places = asyncio_task_group_start(&group, run_cache, NULL);
    int err = places < 0 ? places : asyncio_sleep(0.1);
    if (err == 0) printf("main: works, with a cache of %d places\n", places);
    asyncio_task_group_cancel(&group); // what is in the background ends
    return asyncio_task_group_exit(&group, err);
}

static int async_main(void *arg)
{
    (void)arg;
    int err = work();
    if (err == 0) printf("main: all has ended\n");
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
