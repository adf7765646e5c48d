// What does an item cost that goes from one task to another through a queue?
//
//     ./dev bench queue [ROUNDS]
//
// One task puts, another gets. With a single slot both wait for each item; with
// 128 of them, once for all.

#include "bench.h"

#define SLOTS_MAX 128

struct line {
    struct asyncio_queue queue;
    long count;
};

static int produce(void *arg)
{
    struct line *line = arg;
    int err = 0;
    for (long i = 0; i < line->count && err >= 0; i++)
        err = asyncio_queue_put(&line->queue, line);
    return err;
}

static int consume(void *arg)
{
    struct line *line = arg;
    struct line *item;
    int err = 0;
    for (long i = 0; i < line->count && err >= 0; i++)
        err = asyncio_queue_get(&line->queue, &item);
    return err;
}

static int pass_items(size_t slot_count, long count)
{
    static void *slots[SLOTS_MAX];
    struct line line = {.count = count};
    struct asyncio_coroutine both[] = {
        ASYNCIO_COROUTINE(produce, &line),
        ASYNCIO_COROUTINE(consume, &line),
    };
    int err = asyncio_queue_init(&line.queue, slots, slot_count);
    if (err >= 0) err = asyncio_gather(both, 2);
    asyncio_queue_destroy(&line.queue);
    return err;
}

static int through_one(long count)
{
    return pass_items(1, count);
}

static int through_many(long count)
{
    return pass_items(SLOTS_MAX, count);
}

static int async_main(void *arg)
{
    (void)arg;
    int err = bench_figure("W5", "q1", through_one, 500000);
    if (err >= 0) err = bench_figure("W5", "q128", through_many, 5000000);
    return err;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, async_main);
}
