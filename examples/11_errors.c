// An error says more than its number: words, place and task travel with it, and
// a failed group shows one entry for each child that failed.
//
//     cc 11_errors.c $(pkg-config --cflags --libs libasyncio)
//
// expect: expected '#', found 'o'
// expect:   line 2: expected '#', found 'o'
// expect:   line 3: Invalid argument

#include <stdio.h>

#include <asyncio.h>

static int parse(void *arg)
{
    const char *line = arg;
    if (line[0] != '#')
        return asyncio_raise(-EPROTO, "expected '#', found '%c'", line[0]);
    return 0;
}

static int refuse(void *arg)
{
    (void)arg;
    return -EINVAL; // a plain code is an error too, without words
}

static void print_tree(const struct asyncio_error *error, int depth)
{
    for (; error; error = error->next) {
        printf("%*s%s: %s\n", 2 * depth, "", error->task,
               error->text[0] ? error->text : asyncio_strerror(error->code));
        print_tree(error->children, depth + 1);
    }
}

static int parse_all(void)
{
    char good[] = "#ok", bad[] = "oops";
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, parse, good, .name = "line 1");
    asyncio_task_group_create_task(&group, parse, bad, .name = "line 2");
    asyncio_task_group_create_task(&group, refuse, NULL, .name = "line 3");
    return asyncio_task_group_exit(&group, 0);
}

static int async_main(void *arg)
{
    (void)arg;
    int err = parse_all();
    printf("%s\n", asyncio_strerror(err));
    print_tree(asyncio_last_error()->children, 1);
    return 0;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
