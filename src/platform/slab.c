// The mapping behind stacks: how it is divided, warmed and given back.
//
// Nothing is written to a stack before it is first used, so a slab costs
// address space and the entries of its guards and no memory. Huge pages are
// declined: one touched byte would take two megabytes.

#include "platform/slab.h"

#include <assert.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "platform/sys.h"

#define STACKS_MAX 64

// Sixteen tops, two cache lines apart. They stay in the upper half of the page
// that holds struct asyncio__stack, so that a small task touches one page.
#define COLOURS     16
#define COLOUR_SIZE 128

// The bits of `count` stacks.
static uint64_t all_of(unsigned count)
{
    return ~UINT64_C(0) >> (64 - count);
}

struct asyncio__slab *asyncio__slab_map(size_t stack_size, unsigned count)
{
    assert(count >= 1 && count <= STACKS_MAX);

    void *base;
    size_t stride = asyncio__guard_size() + stack_size;
    struct asyncio__slab *slab = asyncio__alloc(sizeof(*slab));
    if (!slab) return NULL;
    slab->size = stride * count;
    slab->stack_size = stack_size;
    slab->cold = all_of(count);
    slab->guards.stride = stride;
    slab->guards.count = count;

    int err = asyncio__sys_mmap(&base, slab->size, PROT_READ | PROT_WRITE,
                                MAP_NORESERVE);
    if (err < 0) goto fail_slab;
    slab->base = slab->guards.base = base;
    // A kernel without huge pages refuses, and is right.
    asyncio__sys_madvise(base, slab->size, MADV_NOHUGEPAGE);
    err = asyncio__guards_install(&slab->guards);
    if (err < 0) goto fail_mapping;
    return slab;

fail_mapping:
    asyncio__sys_munmap(base, slab->size);
fail_slab:
    asyncio__free(slab);
    return NULL;
}

void asyncio__slab_unmap(struct asyncio__slab *slab)
{
    if (!slab) return;

    // Marks of ASan outlive a mapping, and would meet whoever comes next.
    asyncio__sanitizer_reuse(slab->base, slab->size);
    asyncio__guards_forget(&slab->guards);
    asyncio__sys_munmap(slab->base, slab->size);
    asyncio__free(slab);
}

struct asyncio__stack *asyncio__slab_warm(struct asyncio__slab *slab)
{
    assert(slab->cold);

    unsigned index = (unsigned)__builtin_ctzll(slab->cold);
    slab->cold &= slab->cold - 1;
    char *end = slab->base + (index + 1) * slab->guards.stride;
    char *low = end - slab->stack_size;
    asyncio__sanitizer_reuse(low, slab->stack_size);
    asyncio__guard_plant(&slab->guards, index);

    // The struct has a cache line of its own at the very end.
    struct asyncio__stack *stack = (void *)(end - 64);
    _Static_assert(sizeof(*stack) <= 64, "it fits into one cache line");
    *stack = (struct asyncio__stack){
        .low = low,
        .top = (char *)stack - index % COLOURS * COLOUR_SIZE,
        .size = slab->stack_size,
        .slab = slab,
        .index = index,
        .has_canary = slab->guards.canaries >> index & 1,
    };
    return stack;
}

void asyncio__slab_chill(struct asyncio__stack *const *stacks, size_t count)
{
    assert(count <= STACKS_MAX);

    struct iovec pieces[STACKS_MAX];
    for (size_t i = 0; i < count; i++) {
        struct asyncio__slab *slab = stacks[i]->slab;
        uint64_t bit = UINT64_C(1) << stacks[i]->index;
        slab->cold |= bit;
        pieces[i] = (struct iovec){stacks[i]->low, stacks[i]->size};
        if (!(slab->guards.canaries & bit)) continue;
        // A canary has a page of its own below the stack.
        pieces[i].iov_base = stacks[i]->low - asyncio__guard_size();
        pieces[i].iov_len += asyncio__guard_size();
    }
    // If the kernel refuses, because memory is locked, it stays in use.
    asyncio__guard_advise(pieces, count, MADV_DONTNEED);
}

bool asyncio__slab_is_cold(const struct asyncio__slab *slab)
{
    return slab->cold == all_of(slab->guards.count);
}
