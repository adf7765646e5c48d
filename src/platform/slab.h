// A slab: one mapping that holds up to 64 stacks of one size and their guards.
//
// A stack of a slab is cold or warm. A cold one has no memory behind it, and
// its bit in `cold` is all that is known of it: so it is before its first use,
// and after it was chilled. A warm one has its struct asyncio__stack.
#pragma once

#include "platform/guard.h"
#include "platform/stack.h"

struct asyncio__slab {
    struct asyncio_link link; // for whoever keeps slabs
    char *base;
    size_t size; // of the mapping
    size_t stack_size;
    uint64_t cold; // a bit for each stack
    struct asyncio__guards guards;
};

// Maps a slab of `count` cold stacks, 1 to 64. `stack_size` is whole pages.
// NULL if there is no memory.
struct asyncio__slab *asyncio__slab_map(size_t stack_size, unsigned count);

// Accepts NULL.
void asyncio__slab_unmap(struct asyncio__slab *slab);

// Warms one of the cold stacks; there must be one.
struct asyncio__stack *asyncio__slab_warm(struct asyncio__slab *slab);

// Makes `count` warm stacks, at most 64, cold and returns their memory.
void asyncio__slab_chill(struct asyncio__stack *const *stacks, size_t count);

// True if no stack of it is warm.
bool asyncio__slab_is_cold(const struct asyncio__slab *slab);
