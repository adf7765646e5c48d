// The system's monotonic clock, in nanoseconds.
#pragma once

#include <asyncio/base.h>

// Cannot fail.
int64_t asyncio__clock_real_ns(void);

// The same clock as it stood at the latest tick of the system: for a tenth of
// the price, and behind by a tick. Ticks are 1 to 10 milliseconds apart.
int64_t asyncio__clock_tick_ns(void);
#define ASYNCIO__TICK_NS_MAX INT64_C(10000000)
