// Frames of functions on the stack that runs.
#pragma once

#include <asyncio/base.h>

// The frame of one call of a function: while the call lasts, no other has both.
struct asyncio__frame {
    uintptr_t end;      // where the frame of its caller begins
    uintptr_t function; // where its code begins
};

// The frame in which `address` lies, of a call that is under way. False if none
// is known: code without unwind tables cannot be looked through.
bool asyncio__frame_with(uintptr_t address, struct asyncio__frame *frame);

// Calls fn(frame, arg) for each call that is under way, the innermost first.
void asyncio__frames_each(void (*fn)(struct asyncio__frame frame, void *arg),
                          void *arg);
