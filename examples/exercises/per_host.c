// Answer to exercise 4: at most two downloads from one host at a time, and
// three in all.
//
// Two semaphores, one inside the other, always in the same order: first the
// host's, which fewer want. The other way around, three that wait for the same
// host would sit on all places of the program and keep other hosts idle: that
// takes 0.4 seconds.
//
// expect: at most 2 from a.example, 2 from b.example, 3 in all
// expect: 9 downloads, after 0.3 s

#include <stdio.h>

#include <asyncio.h>

struct count {
    int now, most;
};

struct host {
    const char *name;
    struct asyncio_semaphore places;
    struct count count;
};

static struct asyncio_semaphore places = ASYNCIO_SEMAPHORE(3);
static struct count all;
static int downloads;

static void enter(struct count *count)
{
    if (++count->now > count->most) count->most = count->now;
}

static int fetch(struct host *host)
{
    enter(&host->count);
    enter(&all);
    int err = asyncio_sleep(0.1); // stands for a download
    host->count.now--;
    all.now--;
    if (err == 0) downloads++;
    return err;
}

static int download(void *arg)
{
    struct host *host = arg;
    int err = asyncio_semaphore_acquire(&host->places);
    if (err < 0) return err;
    err = asyncio_semaphore_acquire(&places);
    if (err == 0) {
        err = fetch(host);
        asyncio_semaphore_release(&places);
    }
    asyncio_semaphore_release(&host->places);
    return err;
}

static int download_all(struct host *a, struct host *b)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 9; i++)
        asyncio_task_group_create_task(&group, download, i < 5 ? a : b);
    return asyncio_task_group_exit(&group, 0);
}

static int async_main(void *arg)
{
    (void)arg;
    struct host a = {"a.example", ASYNCIO_SEMAPHORE(2), {0, 0}};
    struct host b = {"b.example", ASYNCIO_SEMAPHORE(2), {0, 0}};
    double start = asyncio_time();
    int err = download_all(&a, &b);
    if (err < 0) return err;
    printf("at most %d from %s, %d from %s, %d in all\n", a.count.most, a.name,
           b.count.most, b.name, all.most);
    printf("%d downloads, after %.1f s\n", downloads, asyncio_time() - start);
    return 0;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
