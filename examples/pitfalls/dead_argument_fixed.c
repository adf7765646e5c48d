// The same with a copy: the task has its own letter, for as long as it runs. A
// group would do as well: it joins its children before the frame is left.
//
// expect: dear reader
// expect: done

#include <stdio.h>

#include <asyncio.h>

struct letter {
    char text[32];
};

static int post(void *arg)
{
    struct letter *letter = arg; // the task's own
    int err = asyncio_sleep(0.1);
    if (err == 0) printf("%s\n", letter->text);
    return err;
}

__attribute__((noinline)) static struct asyncio_task *write_and_post(void)
{
    struct letter letter = {"dear reader"};
    return asyncio_create_task(post, &letter, .copy = sizeof letter);
}

static int async_main(void *arg)
{
    (void)arg;
    struct asyncio_task *task = write_and_post();
    int err = asyncio_await(task);
    asyncio_task_release(task);
    if (err == 0) printf("done\n");
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL, .debug = true);
}
