// The signal stacks of threads: made for the first that asks on a thread, taken
// back by the last.

#include "platform/signal_stack.h"

#include <assert.h>
#include <unistd.h>

#include "platform/stack.h"
#include "platform/sys.h"

// The signal frame holds every register of the processor and may be large; on
// top of that a handler needs this much, to walk a stack above all.
#define HANDLER_SIZE ((size_t)16 * 1024 * ASYNCIO__STACK_FACTOR)

// What this thread got from us, and how many hold it.
static __thread struct {
    unsigned count;
    void *memory;
} held;

static int make(void)
{
    stack_t now;
    int err = asyncio__sys_sigaltstack(NULL, &now);
    if (err < 0) return err;
    if (!(now.ss_flags & SS_DISABLE)) return 0; // It has one: ASan's, a user's.

    stack_t stack = {.ss_size = (size_t)sysconf(_SC_MINSIGSTKSZ)};
    stack.ss_size += HANDLER_SIZE;
    stack.ss_sp = asyncio__alloc(stack.ss_size);
    if (!stack.ss_sp) return -ENOMEM;
    err = asyncio__sys_sigaltstack(&stack, NULL);
    if (err < 0) {
        asyncio__free(stack.ss_sp);
        return err;
    }
    held.memory = stack.ss_sp;
    return 0;
}

int asyncio__signal_stack_hold(void)
{
    int err = held.count > 0 ? 0 : make();
    if (err == 0) held.count++;
    return err;
}

// Leaves alone what somebody else has put in its place meanwhile.
void asyncio__signal_stack_drop(void)
{
    assert(held.count > 0);

    if (--held.count > 0 || !held.memory) return;
    stack_t now, none = {.ss_flags = SS_DISABLE};
    if (sigaltstack(NULL, &now) == 0 && now.ss_sp == held.memory)
        sigaltstack(&none, NULL);
    asyncio__free(held.memory);
    held.memory = NULL;
}
