// Answer to exercise 6: the checksums of four blocks, on all processors, while
// the loop goes on.
//
// C threads run in parallel, so threads it is: they see the blocks where they
// lie. Processes would add a copy of each, and give a safety that a checksum
// of ours does not need. map waits for all, in their order.
//
// expect: 07800001 03c00001 01e00001 00f00001
// expect: and the loop went on

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <asyncio.h>

#define BLOCK (8 << 20)

struct block {
    const unsigned char *data;
    size_t len;
    uint32_t sum;
};

static int checksum(void *arg) // plain C: knows of no loop
{
    struct block *block = arg;
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < block->len; i++) {
        a = (a + block->data[i]) % 65521;
        b = (b + a) % 65521;
    }
    block->sum = b << 16 | a;
    return 0;
}

static int count_ticks(void *arg)
{
    int err, *ticks = arg;
    while ((err = asyncio_sleep(0.001)) == 0)
        ++*ticks;
    return err;
}

static int checksum_all(struct block *blocks, int *ticks)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, count_ticks, ticks);
    int err = asyncio_executor_map(ASYNCIO_THREADS, checksum, blocks,
                                   sizeof *blocks, 4);
    asyncio_task_group_cancel(&group);
    return asyncio_task_group_exit(&group, err);
}

static int async_main(void *arg)
{
    (void)arg;
    unsigned char *data = calloc(1, BLOCK);
    if (!data) return -ENOMEM;
    struct block blocks[4];
    for (int i = 0; i < 4; i++)
        blocks[i] = (struct block){data, BLOCK >> i, 0};
    int ticks = 0;
    int err = checksum_all(blocks, &ticks);
    for (int i = 0; i < 4 && err == 0; i++)
        printf("%08x%c", blocks[i].sum, i < 3 ? ' ' : '\n');
    if (err == 0 && ticks > 0) printf("and the loop went on\n");
    free(data);
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
