// Task groups: joined before the block is left, with every failure kept.
//
//     cc group.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

static int serve(void *arg)
{
    int *port = arg;
    int err = asyncio_sleep(0.01); // binds, loads, ...
    if (err < 0) return err;
    err = asyncio_task_group_started(*port);
    return err < 0 ? err : asyncio_sleep(3600);
}

static int fail(void *arg)
{
    return asyncio_raise(*(int *)arg, "child %d", *(int *)arg);
}

// Start a server, use it, and end the group early.
static int with_server(void)
{
    int port = 8080;
    struct asyncio_task *handle = NULL;
    ASYNCIO_WITH_TASK_GROUP(group);
    int err = asyncio_task_group_start(&group, serve, &port, .task = &handle);
    printf("%s is ready on %d\n", handle ? "the server" : "nobody", err);
    asyncio_task_group_cancel(&group);
    return asyncio_task_group_exit(&group, err < 0 ? err : 0);
}

// Both children fail in the same pass; both are told.
static int with_failures(void)
{
    int codes[] = {-EIO, -EPROTO};
    struct asyncio_task_group group = {0};
    int err = asyncio_task_group_enter(&group);
    if (err < 0) return err;
    for (int i = 0; i < 2; i++)
        asyncio_task_group_create_task(&group, fail, &codes[i]);
    err = asyncio_task_group_exit(&group, 0);
    const struct asyncio_error *all = asyncio_task_group_errors(&group);
    for (; all; all = all->next)
        printf("failed: %s\n", all->text);
    printf("the first was EIO: %d\n", err == -EIO);
    asyncio_task_group_close(&group);
    return 0;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = with_server();
    return err < 0 ? err : with_failures();
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: the server is ready on 8080
// expect: failed: child -5
// expect: failed: child -71
// expect: the first was EIO: 1
