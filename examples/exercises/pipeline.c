// Answer to exercise 8: read, two that transform, write; no more than four
// items on their way; all ends in good order, and early if a stage fails.
//
// Each queue is shut down by whoever fills it: the first by the reader, the
// second by the last of the two in the middle. A stage that fails ends the
// group, which cancels the others where they wait: no queue has to be told.
//
// expect: 1 4 9 16 25 36 done: 0
// expect: 1 done: No space left on device

#include <stdio.h>

#include <asyncio.h>

#define ITEMS 6

struct line {
    struct asyncio_queue read, transformed;
    int items[ITEMS];
    int transformers; // that have not ended
    int room;         // of the disk
};

static int reader(void *arg)
{
    struct line *line = arg;
    int err = 0;
    for (int i = 0; i < ITEMS && err == 0; i++) {
        line->items[i] = i + 1;
        err = asyncio_queue_put(&line->read, &line->items[i]);
    }
    asyncio_queue_shutdown(&line->read);
    return err;
}

static int transformer(void *arg)
{
    struct line *line = arg;
    int err, *item;
    while ((err = asyncio_queue_get(&line->read, &item)) == 0) {
        *item *= *item;
        err = asyncio_queue_put(&line->transformed, item);
        if (err < 0) break;
    }
    if (--line->transformers == 0) asyncio_queue_shutdown(&line->transformed);
    return err == -ESHUTDOWN ? 0 : err;
}

static int writer(void *arg)
{
    struct line *line = arg;
    int err, *item;
    while ((err = asyncio_queue_get(&line->transformed, &item)) == 0) {
        err = asyncio_sleep(0.01); // the disk is slow
        if (err == 0 && line->room-- == 0) err = -ENOSPC;
        if (err < 0) return err;
        printf("%d ", *item);
    }
    return err == -ESHUTDOWN ? 0 : err;
}

static int run(int room)
{
    void *slots[2], *more[2];
    struct line line = {.read = ASYNCIO_QUEUE(slots),
                        .transformed = ASYNCIO_QUEUE(more),
                        .transformers = 2,
                        .room = room};
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, reader, &line);
    for (int i = 0; i < 2; i++)
        asyncio_task_group_create_task(&group, transformer, &line);
    asyncio_task_group_create_task(&group, writer, &line);
    return asyncio_task_group_exit(&group, 0);
}

static int async_main(void *arg)
{
    (void)arg;
    int err = run(100);
    printf("done: %d\n", err);
    if (err < 0) return err;
    err = run(1);
    printf("done: %s\n", asyncio_strerror(err));
    return err == -ENOSPC ? 0 : err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
