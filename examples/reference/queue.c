// All of asyncio/queue.h: a kitchen with a counter, a stack and a board.
//
//     cc queue.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>
#include <string.h>

#include <asyncio.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int cook(void *arg)
{
    struct asyncio_queue *counter = arg;
    const char *dishes[] = {"soup", "fish", "cake"};
    for (int i = 0; i < 3; i++) {
        int err = asyncio_queue_put(counter, dishes[i]); // waits for room
        if (err < 0) return err;
    }
    return 0;
}

static int serve(void *arg)
{
    struct asyncio_queue *counter = arg;
    const char *dish;
    int err;
    while ((err = asyncio_queue_get(counter, &dish)) == 0) {
        printf("%s\n", dish);
        asyncio_queue_task_done(counter);
    }
    return err == -ESHUTDOWN ? 0 : err;
}

static int run_counter(struct asyncio_queue *counter)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, cook, counter);
    int err = asyncio_sleep(0.01);
    printf("%zu of %zu, %s, %zu cook waits\n", asyncio_queue_size(counter),
           asyncio_queue_maxsize(counter),
           asyncio_queue_full(counter) ? "full" : "there is room",
           asyncio_queue_putters(counter));
    asyncio_task_group_create_task(&group, serve, counter);
    if (err == 0) err = asyncio_sleep(0.01);
    if (err == 0) err = asyncio_queue_join(counter); // all dishes are done
    printf("%s, %zu waiter waits\n",
           asyncio_queue_empty(counter) ? "empty" : "not empty",
           asyncio_queue_getters(counter));
    asyncio_queue_shutdown(counter); // nothing more comes
    return asyncio_task_group_exit(&group, err);
}

// Puts three names in, takes one out, and drops the rest.
static void drop(void *item, void *arg)
{
    printf("%s %s\n", (const char *)arg, (const char *)item);
}

static int first_of_three(struct asyncio_queue *queue, void *word)
{
    const char *names[] = {"Bob", "Ada", "Cy"}, *name;
    int err = 0;
    for (int i = 0; i < 3 && err == 0; i++)
        err = asyncio_queue_put_nowait(queue, names[i]);
    if (err == 0) err = asyncio_queue_get_nowait(queue, &name);
    if (err == 0) printf("%s first\n", name);
    asyncio_queue_shutdown(queue, .drop = drop, .arg = word, .immediate = true);
    asyncio_queue_destroy(queue); // frees what it grew to
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    void *slots[2];
    struct asyncio_queue counter = ASYNCIO_QUEUE(slots);
    int err = run_counter(&counter);
    if (err < 0) return err;

    struct asyncio_queue stack, board;
    err = asyncio_lifo_queue_init(&stack, NULL, 0); // without bound
    if (err == 0) err = first_of_three(&stack, "not");
    if (err < 0) return err;
    err = asyncio_priority_queue_init(&board, NULL, 0, by_name);
    if (err == 0) err = first_of_three(&board, "nor");
    if (err < 0) return err;

    err = asyncio_queue_init(&counter, slots, 2); // once more
    return err < 0 ? err : asyncio_queue_join(&counter);
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: 2 of 2, full, 1 cook waits
// expect: soup
// expect: fish
// expect: cake
// expect: empty, 1 waiter waits
// expect: Cy first
// expect: not Ada
// expect: not Bob
// expect: Ada first
// expect: nor Bob
// expect: nor Cy
