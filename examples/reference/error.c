// Words beside a negative code: raised at the bottom, read at the top.
//
//     cc error.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>
#include <string.h>

#include <asyncio.h>

static int parse(const char *line)
{
    if (line[0] == '#') return 0;
    return asyncio_raise(-EPROTO, "expected '#', found '%c'", line[0]);
}

static int read_config(void *line)
{
    int err = parse(line);
    if (err < 0) asyncio_ignore(asyncio_sleep(0)); // a clean-up that waits
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    struct asyncio_task *task =
        asyncio_create_task(read_config, "x = 1", .name = "reader");
    int err = asyncio_await(task);
    asyncio_task_release(task);
    const struct asyncio_error *error = asyncio_last_error();
    if (!error) return err;
    printf("%s\n", asyncio_strerror(err));
    printf("in task %s, at %s\n", error->task, strrchr(error->site, '/') + 1);
    printf("a plain code: %s\n", asyncio_strerror(-ENOENT));
    return 0;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: expected '#', found 'x'
// expect: in task reader, at error.c:13
// expect: a plain code: No such file or directory
