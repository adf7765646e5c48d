// A trace of a part of a program's life, with a mark in it.
//
//     cc trace.c $(pkg-config --cflags --libs libasyncio)
//
// ASYNCIO_TRACE=trace.json writes one of all of it, and needs no call. The file
// opens in ui.perfetto.dev and chrome://tracing.

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <asyncio.h>

static int boil(void *arg)
{
    const char *name = arg;
    int err = asyncio_sleep(0.01);
    asyncio_trace_mark(name);
    return err;
}

static int cook(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, boil, "done", .name = "eggs");
    return asyncio_task_group_exit(&group, 0);
}

static int async_main(void *path)
{
    int err = asyncio_trace_start(path);
    if (err < 0) return asyncio_raise(err, "there is no trace");
    err = cook(NULL);
    int stopped = asyncio_trace_stop();
    return err < 0 ? err : stopped;
}

// How many lines of a file have both words in them.
static int count(const char *path, const char *one, const char *other)
{
    char line[4096];
    int found = 0;
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        found += strstr(line, one) && strstr(line, other);
    if (file) fclose(file);
    return found;
}

int main(void)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/trace-%d.json", (int)getpid());
    int status = asyncio_main(async_main, path);
    printf("eggs ran %d times\n", count(path, "\"X\"", "eggs"));
    printf("eggs slept %d time\n", count(path, "\"b\"", "sleep"));
    printf("there is %d mark\n", count(path, "\"i\"", "done"));
    unlink(path);
    return status;
}
// expect: eggs ran 2 times
// expect: eggs slept 1 time
// expect: there is 1 mark
