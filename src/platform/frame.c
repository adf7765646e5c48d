// Walking the calls under way, by the unwind tables.
//
// The unwinder says for each call where its stack pointer stands; the frame
// reaches from there to where that of its caller stands. So a frame is known
// when the next one is.

#include "platform/frame.h"

#include <unwind.h>

struct walk {
    void (*fn)(struct asyncio__frame frame, void *arg);
    void *arg;
    uintptr_t function; // of the call seen last, or 0
};

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *arg)
{
    struct walk *walk = arg;
    uintptr_t stands = _Unwind_GetCFA(context);
    if (walk->function)
        walk->fn((struct asyncio__frame){stands, walk->function}, walk->arg);
    walk->function = _Unwind_GetRegionStart(context);
    return _URC_NO_REASON;
}

void asyncio__frames_each(void (*fn)(struct asyncio__frame frame, void *arg),
                          void *arg)
{
    struct walk walk = {fn, arg, 0};
    _Unwind_Backtrace(step, &walk);
}

// Frames come in the order of their ends.
struct search {
    uintptr_t address;
    struct asyncio__frame found; // `end` is 0 until then
};

static void compare(struct asyncio__frame frame, void *arg)
{
    struct search *search = arg;
    if (search->found.end == 0 && search->address < frame.end)
        search->found = frame;
}

bool asyncio__frame_with(uintptr_t address, struct asyncio__frame *frame)
{
    struct search search = {.address = address};
    asyncio__frames_each(compare, &search);
    *frame = search.found;
    return search.found.end != 0;
}
