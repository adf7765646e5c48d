// What a callback carries of its maker: context variables.
//
// The room above knows what they are, and says how they are taken along, from
// the moment on in which somebody sets one. A callback that is made before
// that, or where none is set, carries nothing and pays a look at a pointer.
#pragma once

#include <stdatomic.h>
#include <stddef.h>

struct asyncio__variables;

struct asyncio__carrier {
    // Those that there are here, held; NULL if none is set.
    struct asyncio__variables *(*take)(void);
    struct asyncio__variables *(*hold)(struct asyncio__variables *variables);
    void (*drop)(struct asyncio__variables *variables);
    // Calls fn(arg), which sees these, and none if NULL; and drops them.
    int (*call)(struct asyncio__variables *variables, int (*fn)(void *arg),
                void *arg);
};

extern _Atomic(const struct asyncio__carrier *) asyncio__carrier;

static inline struct asyncio__variables *asyncio__carry(void)
{
    const struct asyncio__carrier *carrier =
        atomic_load_explicit(&asyncio__carrier, memory_order_relaxed);
    return carrier ? carrier->take() : NULL;
}

static inline void asyncio__carry_drop(struct asyncio__variables **carried)
{
    if (!*carried) return;
    atomic_load_explicit(&asyncio__carrier, memory_order_relaxed)
        ->drop(*carried);
    *carried = NULL;
}

// Calls fn(arg) with what is carried for this call alone.
static inline int asyncio__carry_call(struct asyncio__variables *carried,
                                      int (*fn)(void *arg), void *arg)
{
    if (!carried) return fn(arg);
    return atomic_load_explicit(&asyncio__carrier, memory_order_relaxed)
        ->call(carried, fn, arg);
}

// The same with what goes on being carried, for the calls to come.
static inline int asyncio__carry_each(struct asyncio__variables *carried,
                                      int (*fn)(void *arg), void *arg)
{
    const struct asyncio__carrier *carrier =
        atomic_load_explicit(&asyncio__carrier, memory_order_relaxed);
    return carrier ? carrier->call(carrier->hold(carried), fn, arg) : fn(arg);
}
