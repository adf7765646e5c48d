// The system's monotonic clock, in nanoseconds.
#pragma once

#include <asyncio/base.h>

// Cannot fail.
int64_t asyncio__clock_real_ns(void);
