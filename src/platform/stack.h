// Stacks for tasks: reused hot, guarded below, and never moved.
//
//     a slab, one mapping:  | guard | stack 0 | guard | stack 1 | ...
//                                   low    top ^ end: struct asyncio__stack
//
// The last stack given back is the first to be given out, so tasks that come
// and go share a few warm ones. Tops differ by some cache lines, because equal
// addresses below the page would compete for the same lines of the cache. The
// memory of stacks that nobody has needed for a while goes back to the system
// when the loop has nothing to run. Below each stack lies a guard
// (see guard.h). All stacks of one struct asyncio__stacks belong to one thread.
//
// A single frame larger than the guard can step over it: build code with large
// local arrays with -fstack-clash-protection.
#pragma once

#include <asyncio/base.h>

#include "platform/sanitizer.h"
#include "platform/sys.h"

// Sanitizers put so much around variables that frames need four times as much.
#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN) || defined(ASYNCIO__MSAN)
#define ASYNCIO__STACK_FACTOR 4
#else
#define ASYNCIO__STACK_FACTOR 1
#endif

// The size of a stack when nobody says otherwise.
#define ASYNCIO__STACK_SIZE ((size_t)64 * 1024 * ASYNCIO__STACK_FACTOR)

struct asyncio__slab;

// Lies at the upper end of its own stack, on a page that is in use anyway.
struct asyncio__stack {
    struct asyncio_link link; // where it waits, while nobody has it
    char *low;                // the lowest usable byte; the guard ends here
    char *top;                // where the first frame begins, 16-aligned
    size_t size;              // bytes from `low` to the end of this struct
    struct asyncio__slab *slab;
    unsigned index; // which one of the slab
    bool has_canary;
};

struct asyncio__stacks; // the stacks of one thread

int asyncio__stacks_open(struct asyncio__stacks **stacks);

// Every stack has to be back. Accepts NULL.
void asyncio__stacks_close(struct asyncio__stacks *stacks);

// A stack of at least `size` bytes, of which up to 2 KiB are ours (under
// sanitizers four times as many); 0 is the usual size. Never the one on which
// the caller runs. NULL if there is no memory.
struct asyncio__stack *asyncio__stack_get(struct asyncio__stacks *stacks,
                                          size_t size);

// Gives it back. May be called while still running on it: nothing of it is
// touched, and the caller leaves it by asyncio__context_leave before anything
// else runs on this thread. If it has a canary for a guard and the canary is
// dead, the process ends here, with a line that says so.
void asyncio__stack_put(struct asyncio__stacks *stacks,
                        struct asyncio__stack *stack);

// Checks a stack as put does, and counts it as given back, where its user keeps
// it for the next one; resume says that this one is there. May be called while
// running on it.
void asyncio__stack_check(const struct asyncio__stack *stack);
static inline void asyncio__stack_rest(const struct asyncio__stack *stack)
{
    if (stack->has_canary) asyncio__stack_check(stack);
    asyncio__sys_gone(ASYNCIO__STACK, (uintptr_t)stack);
}
static inline void asyncio__stack_resume(const struct asyncio__stack *stack)
{
    asyncio__sys_made(ASYNCIO__STACK, (uintptr_t)stack, stack->size,
                      ASYNCIO_SITE);
}

// For a loop about to sleep, on the thread's own stack. may_trim: more stacks
// lie idle than are kept in any case. trim gives back memory of those that
// nobody has needed since a trim was done, a bounded amount in one call. It
// returns true if there is more to give, and false when it is done for now:
// what lies idle then is looked at by the next one, so that comes a while
// later.
bool asyncio__stacks_may_trim(const struct asyncio__stacks *stacks);
bool asyncio__stacks_trim(struct asyncio__stacks *stacks);

// Whether an access to `address` was an overflow of this stack. Safe in signal
// handlers.
bool asyncio__stack_overflowed(const struct asyncio__stack *stack,
                               const void *address);

// ---- Use (stack_use.c) ------------------------------------------------------

// Makes a stack all zero, on which nobody runs.
void asyncio__stack_paint(struct asyncio__stack *stack);

// How many of its bytes were used since, with those that are ours.
size_t asyncio__stack_used(const struct asyncio__stack *stack);

// Makes the bytes zero again that were used. Nobody runs on it.
void asyncio__stack_wipe(struct asyncio__stack *stack, size_t used);

// ---- Overflow (overflow.c) --------------------------------------------------

// Makes a stack overflow end in one readable line, on standard error, before
// the process dies of the signal as it would anyway. `describe` writes that
// line with its line feed about the stack in whose guard `address` lies, and
// returns true; false says that it is none of ours, and the handler that was
// there before gets the signal. It runs in the signal handler on the thread
// that overflowed, on another stack.
//
// The handler is the process's; an alternate signal stack is given to the
// calling thread, if it has none. Each successful call wants one of unwatch, on
// the same thread. All callers pass the same function. Returns 0 or a negative
// errno.
int asyncio__overflow_watch(bool (*describe)(void *address, char *line,
                                             size_t size));

// Undoes one asyncio__overflow_watch. The last one takes the handler out,
// unless somebody else's was put on top: then it stays and passes signals on.
void asyncio__overflow_unwatch(void);
