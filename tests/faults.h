// One call of a kind that fails, for tests of what comes of it.
#pragma once

#include <stdatomic.h>

#include "platform/sys.h"
#include "runner/runner.h"

static const struct asyncio__sys_hooks *faults__outer;
static _Atomic(int) faults__call = -1, faults__code;

static inline int faults__before(enum asyncio__sys_call call, const char *site,
                                 size_t *len)
{
    int expected = (int)call;
    if (atomic_compare_exchange_strong(&faults__call, &expected, -1))
        return faults__code;
    return faults__outer && faults__outer->before
               ? faults__outer->before(call, site, len)
               : 0;
}

// The next call of that kind fails with `code`. The first time, before anything
// runs on a thread. A test that uses it is .faulty.
static inline void fail_next(enum asyncio__sys_call call, int code)
{
    static struct asyncio__sys_hooks hooks;
    if (asyncio__sys_hooks != &hooks) {
        faults__outer = asyncio__sys_hooks;
        if (faults__outer) hooks = *faults__outer;
        hooks.before = faults__before;
        asyncio__sys_hooks = &hooks;
    }
    faults__code = code;
    faults__call = (int)call;
}
