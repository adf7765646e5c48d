// What a loop does that has nothing to run (sleep.c).
#pragma once

#include "loop/loop.h"

// The kernel is asked so often where a loop could go on without, and reads the
// time anyway.
#define ASYNCIO__LOOK_EVERY_NS 50000

// Takes what sources have brought. True if any has brought something.
bool asyncio__loop_look_at_sources(struct asyncio_loop *loop);

// How long until something is due: 0 if it is, negative if nothing comes by
// itself. `now_ns` is the time, where there are timers.
int64_t asyncio__loop_due_in_ns(struct asyncio_loop *loop, int64_t now_ns);

// How long the loop may sleep: as above, but not at all if there is something
// to run.
static inline int64_t asyncio__loop_idle_ns(struct asyncio_loop *loop,
                                            int64_t now_ns)
{
    if (asyncio__loop_has_ready(loop) || loop->stopping) return 0;
    return asyncio__loop_due_in_ns(loop, now_ns);
}

// Sleeps, at most for so long: negative is for ever, 0 is not allowed. It may
// return for less than that. Returns 0 or a negative errno.
int asyncio__loop_sleep(struct asyncio_loop *loop, int64_t timeout_ns);
