// Time as the loop sees it: monotonic nanoseconds, real or virtual.
//
// Virtual time stands still while anything can run, and jumps to the next timer
// when every task waits: an hour takes no time and passes the same way in every
// run. It starts at a fixed number, so that traces compare.
#pragma once

#include <asyncio/base.h>

struct asyncio__clock {
    int64_t virtual_ns; // time now, or 0 if the clock is the system's
};

// The system's monotonic clock. Cannot fail.
int64_t asyncio__clock_real_ns(void);

static inline int64_t asyncio__clock_now(const struct asyncio__clock *clock)
{
    return clock->virtual_ns ? clock->virtual_ns : asyncio__clock_real_ns();
}
