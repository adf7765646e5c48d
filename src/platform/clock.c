// The system's monotonic clock, as one number of nanoseconds.

#include "platform/clock.h"

#include <time.h>

int64_t asyncio__clock_real_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
