// The frames of a stack, innermost first: of the one that runs, of a context
// that stands still, or of what a signal has interrupted.
//
// They are found by the unwind tables that compilers write for every function,
// so nothing is asked of how the code of users was built. Nothing is allocated,
// and after a first call on any stack all of it is safe in signal handlers.
#pragma once

#include <asyncio/base.h>

struct asyncio__context;

struct asyncio__frame {
    const void *address;  // within the instruction that it stands in
    const void *function; // where its function begins
};

// What to leave out of a walk.
struct asyncio__unwind_options {
    const void *last; // a function: its frame and those beyond are left out
    bool interrupted; // begin with the frame that a signal has interrupted
};

// Writes up to `limit` frames and returns how many. `context` is one that
// stands still and has run before; NULL is the stack that runs, beginning with
// the caller.
size_t asyncio__unwind(struct asyncio__context *context,
                       const struct asyncio__unwind_options *options,
                       struct asyncio__frame *frames, size_t limit);
