// The system's monotonic clock, as one number of nanoseconds.

#include "platform/clock.h"

#include <time.h>

static inline int64_t ns_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t asyncio__clock_real_ns(void)
{
    return ns_of(CLOCK_MONOTONIC);
}

int64_t asyncio__clock_tick_ns(void)
{
    return ns_of(CLOCK_MONOTONIC_COARSE);
}
