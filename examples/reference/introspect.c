// Where tasks stand and who waits for whom: what a program that hangs can be
// made to tell.
//
//     cc introspect.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asyncio.h>

// A timer sets it: so nobody ever waits for ever here.
static struct asyncio_future done;

static int boil(void *arg)
{
    int err = asyncio_await_future(arg);
    if (err < 0) printf("not boiled\n");
    return err;
}

static int report(void *arg)
{
    (void)arg;
    return asyncio_future_set_result(&done, 0);
}

// The tree has addresses in it: only what is the same in each run is printed.
static int look_at_tree(FILE *file, char **text)
{
    int err = asyncio_print_task_tree(NULL, file);
    if (err == 0) err = asyncio_print_task_table(NULL, file);
    if (err == 0) err = asyncio_print_call_graph(&done, file);
    fflush(file);
    if (err < 0) return err;
    printf("tree: %s\n", strstr(*text, "(T) second: ") ? "yes" : "no");
    printf("graph: %s\n",
           strstr(*text, "awaited by (T) second") ? "yes" : "no");
    return 0;
}

static int look_at_graph(void)
{
    struct asyncio_call_graph graph;
    int err = asyncio_capture_call_graph(&graph, &done, .limit = 8);
    if (err < 0) return err;
    printf("awaiters of the future: %zu\n", graph.nodes[0].awaiter_count);
    for (size_t i = 1; i < graph.count; i++)
        printf("  %s, in %s\n", asyncio_task_name(graph.nodes[i].task),
               graph.nodes[i].frames[0].function);
    asyncio_call_graph_free(&graph);
    return 0;
}

static int look_at_one(struct asyncio_task *task, FILE *file)
{
    struct asyncio_frame frames[4];
    struct asyncio_task_row rows[8];
    size_t count = asyncio_task_get_stack(task, frames, 4);
    asyncio_task_print_stack(task, 1, file);
    printf("%s stands in %s, its parent is %s\n", asyncio_task_name(task),
           count > 0 ? frames[0].function : "nothing",
           asyncio_task_name(asyncio_task_parent(task)));
    int found = asyncio_task_table(NULL, rows, 8);
    printf("rows of the table: %d\n", found);
    return found < 0 ? found : 0;
}

static int look(FILE *file, char **text)
{
    struct asyncio_task *task;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, boil, &done, .name = "first",
                                   .task = &task);
    asyncio_task_group_create_task(&group, boil, &done, .name = "second");
    int err = asyncio_sleep(0); // they begin, and wait
    if (err == 0) err = look_at_one(task, file);
    if (err == 0) err = look_at_graph();
    if (err == 0) err = look_at_tree(file, text);
    if (err == 0) err = asyncio_call_soon(report, NULL);
    return asyncio_task_group_exit(&group, err);
}

static int async_main(void *arg)
{
    (void)arg;
    char *text = NULL;
    size_t size = 0;
    asyncio_task_set_name(asyncio_current_task(), "main");
    FILE *file = open_memstream(&text, &size);
    if (!file) return -ENOMEM;
    int err = look(file, &text);
    fclose(file);
    free(text);
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: first stands in boil, its parent is main
// expect: rows of the table: 3
// expect: awaiters of the future: 2
// expect:   first, in boil
// expect:   second, in boil
// expect: tree: yes
// expect: graph: yes
