// Who runs, where it stands, and who waits for whom: names, a log of starts and
// ends, and the tree of all tasks.
//
// A name costs nothing until somebody asks for it, and turns every report,
// every error and each line of a log into one that can be understood. A program
// that hangs can print its tree: each task with the functions that it stands
// in.
//
//     cc 24_names_and_traces.c $(pkg-config --cflags --libs libasyncio)
//
// expect: 0.0 s: shop begins
// expect: 0.0 s: bread begins
// expect: 0.0 s: milk begins
// expect: 0.1 s: milk ends
// expect: bread, a child of shop, is in fetch, called by run_logged
// expect: tree: shop 1, bread 1, milk 0
// expect: 0.3 s: bread ends
// expect: 0.3 s: shop ends

#include <stdio.h>
#include <string.h>

#include <asyncio.h>

static double start;

static void log_line(const char *what)
{
    printf("%.1f s: %s %s\n", asyncio_time() - start,
           asyncio_task_name(asyncio_current_task()), what);
}

// Any coroutine, with a line before it and one after it.
struct call {
    int (*fn)(void *arg);
    void *arg;
};

static int run_logged(void *arg)
{
    struct call *call = arg;
    log_line("begins");
    int result = call->fn(call->arg);
    log_line(result < 0 ? asyncio_strerror(result) : "ends");
    return result;
}

static int fetch(void *seconds)
{
    return asyncio_sleep(*(double *)seconds);
}

static void look_at_stack(struct asyncio_task *task)
{
    struct asyncio_frame stack[2];
    if (asyncio_task_get_stack(task, stack, 2) == 2)
        printf("%s, a child of %s, is in %s, called by %s\n",
               asyncio_task_name(task),
               asyncio_task_name(asyncio_task_parent(task)), stack[0].function,
               stack[1].function);
}

// There are addresses in it: what is the same in each run is looked for.
static int look_at_tree(void)
{
    char tree[4096] = "";
    FILE *file = fmemopen(tree, sizeof tree, "w");
    if (!file) return -ENOMEM;
    int err = asyncio_print_task_tree(NULL, file);
    fclose(file);
    printf("tree: shop %d, bread %d, milk %d\n", !!strstr(tree, "(T) shop"),
           !!strstr(tree, "(T) bread"), !!strstr(tree, "(T) milk"));
    return err;
}

static int shop(void *arg)
{
    (void)arg;
    double long_way = 0.3, short_way = 0.1;
    struct call bread = {fetch, &long_way}, milk = {fetch, &short_way};
    struct asyncio_task *task;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, run_logged, &bread, .name = "bread",
                                   .task = &task);
    asyncio_task_group_create_task(&group, run_logged, &milk, .name = "milk");
    int err = asyncio_sleep(0.2);
    look_at_stack(task);
    if (err == 0) err = look_at_tree();
    return asyncio_task_group_exit(&group, err);
}

static int async_main(void *arg)
{
    start = asyncio_time();
    struct call shopping = {shop, arg};
    int err = asyncio_task_set_name(asyncio_current_task(), "shop");
    return err < 0 ? err : run_logged(&shopping);
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
