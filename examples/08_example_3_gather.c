// Example 3. create_task and gather: begin many, wait for all of them.
//
// Gather puts each outcome where its task stands in the list, whoever ended
// first. When one fails the caller hears of it at once, and tasks that you made
// go on; with .return_exceptions a failure is an outcome like any other.
//
//     cc 08_example_3_gather.c $(pkg-config --cflags --libs libasyncio)
//
// expect: 0.3 s: 9 1 4
// expect: 0.2 s: page 13 is torn, the third is not done
// expect: 0.3 s: 1, page 13 is torn, 9

#include <stdio.h>

#include <asyncio.h>

struct page {
    int number;
    double seconds;
};

static double start;

static double now(void)
{
    return asyncio_time() - start;
}

static int read_page(void *arg)
{
    struct page *page = arg;
    int err = asyncio_sleep(page->seconds);
    if (err < 0) return err;
    if (page->number == 13) return asyncio_raise(-EIO, "page 13 is torn");
    return page->number * page->number;
}

static void begin(struct asyncio_task *tasks[3], struct page *pages)
{
    start = asyncio_time();
    for (int i = 0; i < 3; i++) // a copy is good as long as the task is
        tasks[i] =
            asyncio_create_task(read_page, &pages[i], .copy = sizeof pages[i]);
}

static int all_are_well(struct asyncio_task *tasks[3])
{
    int sizes[3];
    begin(tasks, (struct page[]){{3, 0.3}, {1, 0.1}, {2, 0.2}});
    int err = asyncio_gather(tasks, 3, .results = sizes);
    if (err == 0)
        printf("%.1f s: %d %d %d\n", now(), sizes[0], sizes[1], sizes[2]);
    return err;
}

static int one_is_torn(struct asyncio_task *tasks[3])
{
    int sizes[3];
    begin(tasks, (struct page[]){{1, 0.1}, {13, 0.2}, {3, 0.3}});
    int err = asyncio_gather(tasks, 3);
    printf("%.1f s: %s, the third is %s\n", now(), asyncio_strerror(err),
           asyncio_task_done(tasks[2]) ? "done" : "not done");

    // What has ended stays so: the same tasks can be gathered once more.
    err = asyncio_gather(tasks, 3, .results = sizes, .return_exceptions = true);
    if (err == 0)
        printf("%.1f s: %d, %s, %d\n", now(), sizes[0],
               asyncio_strerror(sizes[1]), sizes[2]);
    return err;
}

static int try(int (*story)(struct asyncio_task **))
{
    struct asyncio_task *tasks[3];
    int err = story(tasks);
    for (int i = 0; i < 3; i++)
        asyncio_task_release(tasks[i]);
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = try(all_are_well);
    return err < 0 ? err : try(one_is_torn);
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
