// How much of a stack was used: painted with zeros before, and looked at after.
//
// Nobody writes to a stack but downward from its top, so the lowest byte that
// is not zero tells how deep it went, or nearly: a frame may end in zeros.
// Pages that the stack never reached are not made by looking at them.

#include "platform/stack.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "platform/sys.h"

void asyncio__stack_paint(struct asyncio__stack *stack)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    char *last = (char *)((uintptr_t)stack->top & ~(page - 1));
    size_t below = (size_t)(last - stack->low);
    asyncio__sanitizer_look_away(true);
    if (below > 0 && asyncio__sys_madvise(stack->low, below, MADV_DONTNEED) < 0)
        memset(stack->low, 0, below);
    memset(last, 0, (size_t)(stack->top - last));
    asyncio__sanitizer_look_away(false);
}

// What a stack was left with may be marked as out of bounds.
#define NOT_CHECKED __attribute__((no_sanitize_address, no_sanitize_thread))

NOT_CHECKED static inline bool is_zero(const uint64_t *words)
{
    return (words[0] | words[1] | words[2] | words[3] | words[4] | words[5] |
            words[6] | words[7]) == 0;
}

NOT_CHECKED size_t asyncio__stack_used(const struct asyncio__stack *stack)
{
    const uint64_t *word = (const void *)stack->low;
    const uint64_t *end = (const void *)stack->top;
    asyncio__sanitizer_look_away(true);
    while (end - word >= 8 && is_zero(word))
        word += 8;
    while (word < end && *word == 0)
        word++;
    asyncio__sanitizer_look_away(false);
    return stack->size - (size_t)((const char *)word - stack->low);
}

void asyncio__stack_wipe(struct asyncio__stack *stack, size_t used)
{
    char *deepest = stack->low + (stack->size - used);
    asyncio__sanitizer_reuse(deepest, (size_t)(stack->top - deepest));
    asyncio__sanitizer_look_away(true);
    memset(deepest, 0, (size_t)(stack->top - deepest));
    asyncio__sanitizer_look_away(false);
}
