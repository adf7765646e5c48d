// Where a task stands, for all who show it.
#pragma once

#include <asyncio/introspect.h>

#include "platform/symbols.h"
#include "platform/unwind.h"

// Writes the task's innermost frames, at most `limit`, without the library's
// own above them, and returns how many. `frames` has room for
// ASYNCIO_STACK_FRAMES_MAX. Names are for the caller to ask for.
size_t asyncio__stack_trace(struct asyncio_task *task,
                            struct asyncio__symbols *symbols,
                            struct asyncio__frame *frames, size_t limit);

// How many of the innermost frames are the library's own; never all of them.
size_t asyncio__frames_skip(struct asyncio__symbols *symbols,
                            const struct asyncio__frame *frames, size_t count);

// Writes the frames in one line, as far as they fit: "boil < cook < main".
void asyncio__frames_line(struct asyncio__symbols *symbols,
                          const struct asyncio__frame *frames, size_t count,
                          char *line, size_t size);

// A frame as users see it.
void asyncio__frame_name(struct asyncio__symbols *symbols,
                         const struct asyncio__frame *frame,
                         struct asyncio_frame *named);
