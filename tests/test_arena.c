// Blocks side by side, that go at once.

#include "platform/arena.h"

#include <errno.h>
#include <stdint.h>

#include "faults.h"
#include "platform/sanitizer.h"
#include "platform/sys.h"
#include "runner/runner.h"

// Enough for pieces of the allocator and of the kernel.
#define SIZE  ((size_t)7 * ASYNCIO__ARENA_UNIT)
#define COUNT 20000

static bool is_clear(const char *block)
{
    for (size_t i = 0; i < SIZE; i++)
        if (block[i]) return false;
    return true;
}

static void fill(char *block, int number)
{
    for (size_t i = 0; i < SIZE; i++)
        block[i] = (char)(number % 127 + 1);
}

static bool is_filled(const char *block, int number)
{
    for (size_t i = 0; i < SIZE; i++)
        if (block[i] != (char)(number % 127 + 1)) return false;
    return true;
}

TEST_PLAIN(blocks_are_clear_and_nobody_elses)
{
    static char *blocks[COUNT];
    struct asyncio__arena arena = {.next = NULL};
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = asyncio__arena_get(&arena, SIZE);
        EXPECT_OR_RETURN(blocks[i] != NULL);
        EXPECT_EQ((uintptr_t)blocks[i] % ASYNCIO__ARENA_UNIT, 0);
        EXPECT(is_clear(blocks[i]));
        fill(blocks[i], i);
    }
    for (int i = 0; i < COUNT; i++)
        EXPECT(is_filled(blocks[i], i));
    asyncio__arena_drop(&arena);
}

TEST_PLAIN(walk_comes_by_each_block_in_order)
{
    static char *blocks[COUNT];
    struct asyncio__arena arena = {.next = NULL};
    struct asyncio__arena_walk walk = {.piece = NULL};
    EXPECT(asyncio__arena_walk(&arena, SIZE, &walk) == NULL);
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = asyncio__arena_get(&arena, SIZE);
        EXPECT_OR_RETURN(blocks[i] != NULL);
        // As far as there are any, and on when there is another one.
        EXPECT(asyncio__arena_walk(&arena, SIZE, &walk) == blocks[i]);
        EXPECT(asyncio__arena_walk(&arena, SIZE, &walk) == NULL);
    }
    walk = (struct asyncio__arena_walk){.piece = NULL};
    for (int i = 0; i < COUNT; i++)
        EXPECT(asyncio__arena_walk(&arena, SIZE, &walk) == blocks[i]);
    EXPECT(asyncio__arena_walk(&arena, SIZE, &walk) == NULL);
    asyncio__arena_drop(&arena);
}

TEST_PLAIN(blocks_may_be_of_several_sizes)
{
    struct asyncio__arena arena = {.next = NULL};
    char *last = NULL;
    for (size_t units = 1; units <= 32; units++) {
        size_t size = units * ASYNCIO__ARENA_UNIT;
        char *block = asyncio__arena_get(&arena, size);
        EXPECT_OR_RETURN(block != NULL);
        EXPECT(block != last);
        block[0] = block[size - 1] = 1;
        last = block;
    }
    asyncio__arena_drop(&arena);
}

TEST_PLAIN(dropped_arena_is_empty_and_ready)
{
    struct asyncio__arena arena = {.next = NULL};
    asyncio__arena_drop(&arena);
    for (int i = 0; i < 2; i++) {
        char *block = asyncio__arena_get(&arena, SIZE);
        EXPECT_OR_RETURN(block != NULL);
        EXPECT(is_clear(block));
        fill(block, i);
        asyncio__arena_drop(&arena);
        EXPECT(arena.oldest == NULL && arena.size == 0);
    }
}

TEST_PLAIN(each_block_can_be_denied, .faulty = true)
{
    struct asyncio__arena arena = {.next = NULL};
    for (int i = 0; i < 3; i++) {
        EXPECT(asyncio__arena_get(&arena, SIZE) != NULL);
        fail_next(ASYNCIO__SYS_ALLOC, -ENOMEM);
        EXPECT(asyncio__arena_get(&arena, SIZE) == NULL);
    }
    EXPECT(asyncio__arena_get(&arena, SIZE) != NULL);
    asyncio__arena_drop(&arena);
}

// Under sanitizers all is allocated.
#ifndef ASYNCIO__SANITIZED
TEST_PLAIN(without_a_mapping_it_stays_as_it_is, .faulty = true)
{
    struct asyncio__arena arena = {.next = NULL};
    while (arena.size < (size_t)1 << 20)
        EXPECT_OR_RETURN(asyncio__arena_get(&arena, SIZE) != NULL);
    fail_next(ASYNCIO__SYS_MMAP, -ENOMEM);
    while (asyncio__arena_get(&arena, SIZE))
        EXPECT_LT(arena.size, (size_t)2 << 20);
    EXPECT(asyncio__arena_get(&arena, SIZE) != NULL);
    EXPECT_EQ(arena.size, (size_t)2 << 20);
    asyncio__arena_drop(&arena);
}
#endif
