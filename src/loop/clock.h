// What a loop's clock shows: the system's time, or that of a test.
#pragma once

#include <asyncio/testing.h>

// The time of a test's clock; it begins to run by that if it has a rate.
int64_t asyncio__testing_clock_now(struct asyncio_testing_clock *clock);

// How long it really takes until it shows a time that is `left_ns` ahead,
// rounded up; -1 if that never comes.
int64_t asyncio__testing_clock_takes(const struct asyncio_testing_clock *clock,
                                     int64_t left_ns);

// Moves it to `when_ns`, or not at all if that has passed.
void asyncio__testing_clock_advance(struct asyncio_testing_clock *clock,
                                    int64_t when_ns);

// A duration as the real nanoseconds that it takes; ASYNCIO__NEVER for one that
// is infinite or beyond measure.
int64_t asyncio__real_ns(double seconds);
