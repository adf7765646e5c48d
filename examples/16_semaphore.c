// A semaphore: as many tasks as you like, and only so many at work at a time.
//
// Six downloads, two places. The others wait in line, in order, and cost a
// little memory; the server never sees more than two. What a place is good for
// lies between acquire and release, and release is on every way out.
//
//     cc 16_semaphore.c $(pkg-config --cflags --libs libasyncio)
//
// expect: without: 6 at a time, done after 0.1 s
// expect: with:    2 at a time, done after 0.3 s

#include <stdio.h>

#include <asyncio.h>

static struct asyncio_semaphore places = ASYNCIO_SEMAPHORE(2);
static int at_work, most;

static int download(void *arg)
{
    (void)arg;
    if (++at_work > most) most = at_work;
    int err = asyncio_sleep(0.1); // stands for asyncio_http_download
    at_work--;
    return err;
}

static int download_in_turn(void *arg)
{
    int err = asyncio_semaphore_acquire(&places);
    if (err < 0) return err; // cancelled in the line: there is no place to free
    err = download(arg);
    asyncio_semaphore_release(&places);
    return err;
}

static int download_all(const char *how, int (*one)(void *))
{
    double start = asyncio_time();
    most = 0;
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 6; i++)
        asyncio_task_group_create_task(&group, one, NULL);
    int err = asyncio_task_group_exit(&group, 0);
    if (err == 0)
        printf("%s %d at a time, done after %.1f s\n", how, most,
               asyncio_time() - start);
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = download_all("without:", download);
    return err < 0 ? err : download_all("with:   ", download_in_turn);
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
