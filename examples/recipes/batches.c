// Small things in batches: take what is there, up to four, and wait no longer
// than 0.1 s for a batch to fill. So a call that costs much is made seldom, and
// nothing lies about for long.
//
// expect: 0.0 s: wrote 4 rows
// expect: 0.1 s: wrote 2 rows
// expect: 0.2 s: wrote 1 row

#include <stdio.h>

#include <asyncio.h>

#define BATCH 4

static double start;

// Fills `rows` and returns how many; 0 at the end.
static int take_batch(struct asyncio_queue *queue, int *rows[BATCH])
{
    int err = asyncio_queue_get(queue, &rows[0]); // the first: any time
    if (err < 0) return err == -ESHUTDOWN ? 0 : err;
    double until = asyncio_time() + 0.1;
    int count = 1;
    while (count < BATCH && err == 0) {
        err = asyncio_wait_for(asyncio_queue_get(queue, &rows[count]),
                               until - asyncio_time());
        if (err == 0) count++;
    }
    return err == 0 || err == -ETIMEDOUT || err == -ESHUTDOWN ? count : err;
}

static int write_rows(void *arg)
{
    struct asyncio_queue *queue = arg;
    int *rows[BATCH], count;
    while ((count = take_batch(queue, rows)) > 0)
        printf("%.1f s: wrote %d row%s\n", asyncio_time() - start, count,
               count == 1 ? "" : "s");
    return count;
}

static int produce(struct asyncio_queue *queue)
{
    static int rows[7];
    int err = 0;
    for (int i = 0; i < 7 && err == 0; i++) {
        if (i == 6) err = asyncio_sleep(0.18); // the last one comes late
        if (err == 0) err = asyncio_queue_put(queue, &rows[i]);
    }
    asyncio_queue_shutdown(queue);
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    void *slots[8];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    start = asyncio_time();
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, write_rows, &queue);
    int err = produce(&queue);
    return asyncio_task_group_exit(&group, err);
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
