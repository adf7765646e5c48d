// The stacks of one thread: a pool for each size up to 256 KiB, and larger ones
// with a mapping each.
//
// A pool has three layers. `idle` holds warm stacks, the last one given back in
// front. What has lain there for a while stands in `unneeded`, and behind that
// the slabs have cold ones. Getting takes from the front of the first layer
// that has any; trimming chills `unneeded` from the back, until a hot set is
// left, and when that is done, all that is idle has to show again that it is
// needed:
//
//     slab: cold --warm--> in use --put--> idle --get--> in use
//             ^                             |
//             `----trim---- unneeded <-----' when a trim is done
//
// So trimming touches no list that a busy pool uses, and getting and putting
// pay nothing for it.
//
// A large stack is unmapped when it is back, but not at once: its last user is
// still running on it then. It waits in `leaving` for the next get or trim.

#include "platform/stack.h"

#include <assert.h>

#include "base/list.h"
#include "platform/slab.h"
#include "platform/sys.h"

// Sizes of the pools: 16 KiB and its doubles.
#define SIZE_MIN        ((size_t)16 * 1024 * ASYNCIO__STACK_FACTOR)
#define POOLS           5
#define SIZE_MAX_POOLED (SIZE_MIN << (POOLS - 1))
#define SIZE_LIMIT      ((size_t)1 << 30)

// Slabs of a pool grow from 16 stacks to 64, if that is not too large a piece.
#define SLAB_COUNT_MIN 16
#define SLAB_COUNT_MAX 64
#define SLAB_SIZE_MAX  ((size_t)32 * 1024 * 1024)

// Warm stacks that are kept idle, and how many are chilled in one go.
#define IDLE_KEPT  64
#define TRIM_COUNT 64

struct pool {
    struct asyncio_link idle;     // asyncio__stack.link, the last one put first
    struct asyncio_link unneeded; // the same, since the last trim was done
    struct asyncio_link slabs;    // asyncio__slab.link, those with cold stacks
    struct asyncio_link warm;     // asyncio__slab.link, those without
    size_t stack_size;
    unsigned slab_count; // stacks of the next slab
};

struct asyncio__stacks {
    size_t used;                 // stacks that somebody has
    size_t warm;                 // those, and those that lie idle
    struct asyncio_link leaving; // asyncio__stack.link, large and given back
    struct pool pools[POOLS];
};

static struct asyncio__stack *stack_of(struct asyncio_link *link)
{
    return list_entry(link, struct asyncio__stack, link);
}

static struct asyncio__slab *slab_of(struct asyncio_link *link)
{
    return list_entry(link, struct asyncio__slab, link);
}

// Whether the caller runs on this stack, which was given back already.
static bool runs_on(const struct asyncio__stack *stack)
{
    return (uintptr_t)__builtin_frame_address(0) - (uintptr_t)stack->low <
           stack->size;
}

// ---- Pools ------------------------------------------------------------------

static struct asyncio__slab *pool_grow(struct pool *pool)
{
    size_t fit = SLAB_SIZE_MAX / pool->stack_size;
    unsigned count = pool->slab_count < fit ? pool->slab_count : (unsigned)fit;
    struct asyncio__slab *slab = asyncio__slab_map(pool->stack_size, count);
    if (!slab) return NULL;

    list_add_head(&pool->slabs, &slab->link);
    if (pool->slab_count < SLAB_COUNT_MAX) pool->slab_count *= 2;
    return slab;
}

static struct asyncio__stack *pool_warm(struct asyncio__stacks *stacks,
                                        struct pool *pool)
{
    struct asyncio_link *first = list_first(&pool->slabs);
    struct asyncio__slab *slab = first ? slab_of(first) : pool_grow(pool);
    if (!slab) return NULL;

    struct asyncio__stack *stack = asyncio__slab_warm(slab);
    stacks->warm++;
    if (slab->cold) return stack;
    list_remove(&slab->link);
    list_add_tail(&pool->warm, &slab->link);
    return stack;
}

// None of `unneeded` is run on: the loop slept since.
static struct asyncio__stack *pool_get_colder(struct asyncio__stacks *stacks,
                                              struct pool *pool)
{
    struct asyncio_link *link = list_pop(&pool->unneeded);
    return link ? stack_of(link) : pool_warm(stacks, pool);
}

static struct asyncio__stack *pool_get(struct asyncio__stacks *stacks,
                                       struct pool *pool)
{
    struct asyncio_link *link = list_first(&pool->idle);
    if (link && runs_on(stack_of(link)))
        link = link->next != &pool->idle ? link->next : NULL;
    if (!link) return pool_get_colder(stacks, pool);

    list_remove(link);
    return stack_of(link);
}

// Of the first `count` slabs, those without a warm stack go, but for one, so
// that a load that swings around a slab's edge does not map and unmap it all
// the time. That one stands last.
static void pool_unmap_cold(struct pool *pool, size_t count)
{
    list_for_each_safe (link, after, &pool->slabs) {
        struct asyncio_link *last = list_last(&pool->slabs);
        if (count-- == 0 || link == last) return;
        if (!asyncio__slab_is_cold(slab_of(link))) continue;
        list_remove(link);
        if (asyncio__slab_is_cold(slab_of(last)))
            asyncio__slab_unmap(slab_of(link));
        else
            list_add_tail(&pool->slabs, link);
    }
}

// Returns true if it has trimmed any.
static bool pool_trim(struct asyncio__stacks *stacks, struct pool *pool)
{
    struct asyncio__stack *chilled[TRIM_COUNT];
    size_t count = 0;

    while (count < TRIM_COUNT && !list_empty(&pool->unneeded) &&
           stacks->warm - stacks->used > IDLE_KEPT) {
        struct asyncio__stack *stack = stack_of(list_last(&pool->unneeded));
        list_remove(&stack->link);
        // Its slab has a cold stack now: those are kept in front.
        list_remove(&stack->slab->link);
        list_add_head(&pool->slabs, &stack->slab->link);
        chilled[count++] = stack;
        stacks->warm--;
    }
    if (count == 0) return false;
    asyncio__slab_chill(chilled, count);
    pool_unmap_cold(pool, count);
    return true;
}

// All that is idle counts as unneeded, until somebody needs it. Those that do
// so for longer stay behind.
static void pool_age(struct pool *pool)
{
    list_splice(&pool->idle, &pool->unneeded);
    list_splice(&pool->unneeded, &pool->idle);
}

static void unmap_all(struct asyncio_link *slabs)
{
    for (struct asyncio_link *link; (link = list_pop(slabs));)
        asyncio__slab_unmap(slab_of(link));
}

// ---- Large stacks -----------------------------------------------------------

static struct asyncio__stack *large_get(struct asyncio__stacks *stacks,
                                        size_t size)
{
    list_for_each (link, &stacks->leaving) {
        struct asyncio__stack *stack = stack_of(link);
        if (stack->size != size || runs_on(stack)) continue;
        list_remove(link);
        return stack;
    }
    struct asyncio__slab *slab = asyncio__slab_map(size, 1);
    if (!slab) return NULL;
    stacks->warm++;
    return asyncio__slab_warm(slab);
}

static void large_unmap(struct asyncio__stacks *stacks)
{
    list_for_each_safe (link, after, &stacks->leaving) {
        struct asyncio__stack *stack = stack_of(link);
        if (runs_on(stack)) continue;
        list_remove(link);
        asyncio__slab_unmap(stack->slab);
        stacks->warm--;
    }
}

// ---- All of them ------------------------------------------------------------

int asyncio__stacks_open(struct asyncio__stacks **stacks)
{
    struct asyncio__stacks *self = asyncio__alloc(sizeof(*self));
    if (!self) return -ENOMEM;

    for (unsigned i = 0; i < POOLS; i++) {
        self->pools[i].stack_size = SIZE_MIN << i;
        self->pools[i].slab_count = SLAB_COUNT_MIN;
    }
    *stacks = self;
    return 0;
}

void asyncio__stacks_close(struct asyncio__stacks *stacks)
{
    if (!stacks) return;
    assert(stacks->used == 0);

    large_unmap(stacks);
    for (unsigned i = 0; i < POOLS; i++) {
        unmap_all(&stacks->pools[i].slabs);
        unmap_all(&stacks->pools[i].warm);
    }
    asyncio__free(stacks);
}

// The smallest of the sizes 16 KiB, 32 KiB, ... that holds `size`. A page of
// more than 16 KiB makes it a page at least.
static size_t round_up(size_t size)
{
    size_t least = asyncio__guard_size();
    size_t rounded = SIZE_MIN;

    size = size ? size * ASYNCIO__STACK_FACTOR : ASYNCIO__STACK_SIZE;
    while (rounded < size || rounded < least)
        rounded *= 2;
    return rounded;
}

static struct pool *pool_for(struct asyncio__stacks *stacks, size_t size)
{
    return &stacks->pools[__builtin_ctzll(size) - __builtin_ctzll(SIZE_MIN)];
}

struct asyncio__stack *asyncio__stack_get(struct asyncio__stacks *stacks,
                                          size_t size)
{
    if (size > SIZE_LIMIT) return NULL;

    size = round_up(size);
    struct asyncio__stack *stack =
        size > SIZE_MAX_POOLED ? large_get(stacks, size)
                               : pool_get(stacks, pool_for(stacks, size));
    if (!list_empty(&stacks->leaving)) large_unmap(stacks);
    if (!stack) return NULL;

    asyncio__sanitizer_reuse(stack->low, (size_t)(stack->top - stack->low));
    stacks->used++;
    asyncio__stack_resume(stack);
    return stack;
}

void asyncio__stack_check(const struct asyncio__stack *stack)
{
    asyncio__guard_check(&stack->slab->guards, stack->index);
}

void asyncio__stack_put(struct asyncio__stacks *stacks,
                        struct asyncio__stack *stack)
{
    assert(stacks->used > 0);

    asyncio__stack_rest(stack);
    stacks->used--;
    if (stack->size > SIZE_MAX_POOLED) {
        list_add_head(&stacks->leaving, &stack->link);
        return;
    }
    list_add_head(&pool_for(stacks, stack->size)->idle, &stack->link);
}

bool asyncio__stacks_may_trim(const struct asyncio__stacks *stacks)
{
    return stacks->warm - stacks->used > IDLE_KEPT ||
           !list_empty(&stacks->leaving);
}

bool asyncio__stacks_trim(struct asyncio__stacks *stacks)
{
    large_unmap(stacks);
    for (unsigned i = 0; i < POOLS; i++)
        if (pool_trim(stacks, &stacks->pools[i])) return true;

    for (unsigned i = 0; i < POOLS; i++)
        pool_age(&stacks->pools[i]);
    return false;
}

bool asyncio__stack_overflowed(const struct asyncio__stack *stack,
                               const void *address)
{
    // Not asked from the system: we may be in a signal handler.
    size_t guard_size = stack->slab->guards.stride - stack->size;
    return (uintptr_t)stack->low - (uintptr_t)address - 1 < guard_size;
}
