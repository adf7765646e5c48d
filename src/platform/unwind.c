// Walking a stack with the compiler's own unwinder.
//
// For a context that stands still the walk begins in a call that looks as if
// that context had made it (asyncio__context_call). So the unwinder does the
// same in every case: it starts where it is called, and what lies between there
// and the first frame that is wanted is dropped.

#include "platform/unwind.h"

#include <unwind.h>

#include "platform/context.h"

struct walk {
    const struct asyncio__unwind_options *options;
    struct asyncio__frame *frames;
    size_t count, limit;
    unsigned skip;     // innermost frames that are our own
    bool until_signal; // the signal's frame has not been seen yet
};

static const void *pointer(uintptr_t address)
{
    return (const void *)address; // NOLINT(performance-no-int-to-ptr)
}

// A return address may be that of the next function; the byte before is not.
static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *arg)
{
    struct walk *walk = arg;
    int exact = 0;
    uintptr_t address = _Unwind_GetIPInfo(context, &exact);
    const void *function = pointer(_Unwind_GetRegionStart(context));
    if (address == 0 || walk->count == walk->limit) return _URC_END_OF_STACK;
    if (function && function == walk->options->last) return _URC_END_OF_STACK;
    if (exact) walk->until_signal = false;
    if (walk->until_signal) return _URC_NO_REASON;
    if (walk->skip > 0) {
        walk->skip--;
        return _URC_NO_REASON;
    }
    walk->frames[walk->count++] = (struct asyncio__frame){
        .address = pointer(exact ? address : address - 1),
        .function = function,
    };
    return _URC_NO_REASON;
}

// Is itself the first frame that the unwinder sees.
__attribute__((noinline)) static void unwind(void *arg)
{
    _Unwind_Backtrace(visit, arg);
    __asm__ volatile("" ::: "memory"); // no tail call: the frame is counted
}

__attribute__((noinline)) size_t
asyncio__unwind(struct asyncio__context *context,
                const struct asyncio__unwind_options *options,
                struct asyncio__frame *frames, size_t limit)
{
    struct walk walk = {.options = options, .frames = frames, .limit = limit};
    walk.until_signal = options->interrupted;
    if (options->interrupted) unwind(&walk);
    if (walk.count > 0) return walk.count;

    // No signal's frame: a sanitizer calls handlers itself, a little later.
    walk.until_signal = false;
    walk.skip = 2; // unwind, and who called it
    if (context)
        asyncio__context_call(context, unwind, &walk);
    else
        unwind(&walk);
    return walk.count;
}
