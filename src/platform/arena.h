// An arena: blocks side by side, that all go at once.
//
// What there is many of, and is touched one after the other, wants to lie so:
// the allocator puts words of its own between its blocks, and begins them
// anywhere in a line of the cache. The pieces that the blocks are cut from grow
// with the arena. Large ones are made of huge pages, where the system has them:
// then a page fault is for thousands of blocks, and the processor's notes of
// where memory is suffice for millions.
//
// The blocks of one that has them of one size alone can be walked through, in
// the order in which they were got: those who list them need no links.
#pragma once

#include "platform/sys.h"

// As long as a line of the cache: blocks begin at multiples of it.
#define ASYNCIO__ARENA_UNIT 64

// All zero is an empty one.
struct asyncio__arena {
    char *next, *end; // what is left of the newest piece
    struct asyncio__arena_piece *oldest, *newest;
    size_t size; // of the newest piece, as far as it is for blocks
};

// In the unit before the first block of each.
struct asyncio__arena_piece {
    struct asyncio__arena_piece *next; // newer
    char *end;     // where its blocks end, once there is a newer one
    void *memory;  // as it was obtained
    size_t mapped; // bytes; 0: it is the allocator's
};

// A block of so many bytes, a multiple of the unit and at most 2 KiB; zeroed.
// NULL: there is no memory. A test may deny each, as if all were allocated.
void *asyncio__arena_grow(struct asyncio__arena *arena, size_t size);
static inline void *asyncio__arena_get(struct asyncio__arena *arena,
                                       size_t size)
{
    if (asyncio__sys_denied(ASYNCIO__SYS_ALLOC, __func__) < 0) return NULL;
    if ((size_t)(arena->end - arena->next) < size)
        return asyncio__arena_grow(arena, size);
    void *block = arena->next;
    arena->next += size;
    return block;
}

// How far somebody has come who walks through an arena. All zero begins.
struct asyncio__arena_walk {
    const struct asyncio__arena_piece *piece;
    char *next;
};

// The next block of an arena whose blocks are all of this size; NULL: that was
// the last. More may be got meanwhile.
void *asyncio__arena_walk(const struct asyncio__arena *arena, size_t size,
                          struct asyncio__arena_walk *walk);

// Gives all blocks back; the arena is empty then.
void asyncio__arena_drop(struct asyncio__arena *arena);
