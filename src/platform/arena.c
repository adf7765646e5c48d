// The pieces of an arena: from the allocator while it is small, so that a few
// blocks take a few kilobytes, and then from the kernel.
//
//     a piece:  | struct piece | block | block | ...        |
//                              next of the arena --^    end --^

#include "platform/arena.h"

#include <assert.h>
#include <sys/mman.h>

#include "platform/sanitizer.h"

#define UNIT         ((size_t)ASYNCIO__ARENA_UNIT)
#define LEAST_SIZE   ((size_t)4096)
#define HUGE_PAGE    ((size_t)2 * 1024 * 1024)
#define LARGEST_SIZE (16 * HUGE_PAGE)

_Static_assert(sizeof(struct asyncio__arena_piece) <= UNIT,
               "it takes one unit");

static void *align(void *memory, size_t unit)
{
    uintptr_t end = (uintptr_t)memory + unit - 1;
    return (char *)memory + (end / unit * unit - (uintptr_t)memory);
}

static struct asyncio__arena_piece *piece_of_allocator(size_t size)
{
    void *memory = asyncio__alloc(size + UNIT);
    if (!memory) return NULL;
    struct asyncio__arena_piece *piece = align(memory, UNIT);
    *piece = (struct asyncio__arena_piece){.memory = memory};
    return piece;
}

// Huge pages begin at multiples of their size.
static struct asyncio__arena_piece *piece_of_kernel(size_t size)
{
    void *memory;
    size_t mapped = size + HUGE_PAGE;
    int err = asyncio__sys_mmap(&memory, mapped, PROT_READ | PROT_WRITE,
                                MAP_NORESERVE);
    if (err < 0) return NULL;
    struct asyncio__arena_piece *piece = align(memory, HUGE_PAGE);
    // A kernel without huge pages refuses, and is right.
    asyncio__sys_madvise(piece, size, MADV_HUGEPAGE);
    *piece = (struct asyncio__arena_piece){.memory = memory, .mapped = mapped};
    return piece;
}

// LeakSanitizer does not look for addresses in mappings, only in what is the
// allocator's.
static bool is_of_kernel(size_t size)
{
#ifdef ASYNCIO__SANITIZED
    (void)size;
    return false;
#else
    return size >= HUGE_PAGE;
#endif
}

void *asyncio__arena_grow(struct asyncio__arena *arena, size_t size)
{
    assert(size % UNIT == 0 && size <= LEAST_SIZE / 2);

    size_t wanted = arena->size ? arena->size * 2 : LEAST_SIZE;
    if (wanted > LARGEST_SIZE) wanted = LARGEST_SIZE;
    struct asyncio__arena_piece *piece = is_of_kernel(wanted)
                                             ? piece_of_kernel(wanted)
                                             : piece_of_allocator(wanted);
    if (!piece) return NULL;

    if (arena->newest) {
        arena->newest->end = arena->next;
        arena->newest->next = piece;
    } else {
        arena->oldest = piece;
    }
    arena->newest = piece;
    arena->size = wanted;
    arena->next = (char *)piece + UNIT + size;
    arena->end = (char *)piece + wanted;
    return (char *)piece + UNIT;
}

void *asyncio__arena_walk(const struct asyncio__arena *arena, size_t size,
                          struct asyncio__arena_walk *walk)
{
    const struct asyncio__arena_piece *piece = walk->piece;
    if (!piece) {
        piece = arena->oldest;
        if (!piece) return NULL;
        walk->next = (char *)(uintptr_t)piece + UNIT;
    } else if (piece->next && walk->next == piece->end) {
        piece = piece->next;
        walk->next = (char *)(uintptr_t)piece + UNIT;
    }
    walk->piece = piece;
    if (!piece->next && walk->next == arena->next) return NULL;
    void *block = walk->next;
    walk->next += size;
    return block;
}

void asyncio__arena_drop(struct asyncio__arena *arena)
{
    struct asyncio__arena_piece *piece = arena->oldest;
    while (piece) {
        struct asyncio__arena_piece *next = piece->next;
        if (piece->mapped)
            asyncio__sys_munmap(piece->memory, piece->mapped);
        else
            asyncio__free(piece->memory);
        piece = next;
    }
    *arena = (struct asyncio__arena){.next = NULL};
}
