// The clock that a test decides about.
//
// It keeps how much of its time had passed at some real moment. A rate is
// applied to what has gone by since; whoever changes the rate, or moves the
// clock, settles that first:
//
//     now = start + passed + rate * (real now - since)
//
// Without a rate no real clock is asked, so runs are the same each time.

#include "loop/clock.h"

#include <math.h>

#include "loop/timer.h"
#include "platform/clock.h"

// Any number will do that is not 0, which means "not given" elsewhere.
#define START_NS INT64_C(1000000000000)

// As much as passes while we look away, for real or at any rate.
#define BEYOND 9.2e18

static int64_t rounded_up(double ns)
{
    if (!(ns < BEYOND)) return ASYNCIO__NEVER;
    int64_t whole = (int64_t)ns;
    return whole + ((double)whole < ns);
}

static int64_t run_ns(const struct asyncio_testing_clock *clock)
{
    if (clock->rate <= 0 || clock->since_ns_ == 0) return 0;
    double real_ns = (double)(asyncio__clock_real_ns() - clock->since_ns_);
    double room = (double)(INT64_MAX - START_NS - clock->passed_ns_);
    double ns = real_ns * clock->rate;
    return ns < room * 0.999 ? (int64_t)ns : (int64_t)(room * 0.999);
}

static void begin(struct asyncio_testing_clock *clock)
{
    if (clock->rate > 0 && clock->since_ns_ == 0)
        clock->since_ns_ = asyncio__clock_real_ns();
}

int64_t asyncio__testing_clock_now(struct asyncio_testing_clock *clock)
{
    begin(clock);
    return START_NS + clock->passed_ns_ + run_ns(clock);
}

int64_t asyncio__testing_clock_takes(const struct asyncio_testing_clock *clock,
                                     int64_t left_ns)
{
    if (left_ns <= 0) return 0;
    if (clock->rate <= 0) return -1;
    int64_t ns = rounded_up((double)left_ns / clock->rate);
    return ns == ASYNCIO__NEVER ? -1 : ns;
}

void asyncio__testing_clock_advance(struct asyncio_testing_clock *clock,
                                    int64_t when_ns)
{
    int64_t now_ns = asyncio__testing_clock_now(clock);
    if (when_ns > now_ns) clock->passed_ns_ += when_ns - now_ns;
}

int64_t asyncio__real_ns(double seconds)
{
    return rounded_up(seconds * 1e9);
}

// --- what tests call --------------------------------------------------------

int asyncio_testing_clock_set_rate(struct asyncio_testing_clock *clock,
                                   double rate)
{
    if (!(rate >= 0) || isinf(rate)) return -EINVAL;
    clock->passed_ns_ += run_ns(clock);
    clock->since_ns_ = asyncio__clock_real_ns();
    clock->rate = rate;
    return 0;
}

int asyncio_testing_clock_set_autojump_threshold(
    struct asyncio_testing_clock *clock, double seconds)
{
    if (!(seconds >= 0)) return -EINVAL;
    clock->autojump_threshold = seconds;
    return 0;
}

int asyncio_testing_clock_jump(struct asyncio_testing_clock *clock,
                               double seconds)
{
    double when;
    int64_t when_ns;
    if (!(seconds >= 0)) return -EINVAL;

    // As a timer reckons: what sleeps for as long is due after the jump.
    int err = asyncio__deadline_in(asyncio__testing_clock_now(clock), seconds,
                                   &when, &when_ns);
    if (err < 0 || when_ns == ASYNCIO__NEVER) return -EINVAL;
    asyncio__testing_clock_advance(clock, when_ns);
    return 0;
}

double asyncio_testing_clock_time(struct asyncio_testing_clock *clock)
{
    return (double)asyncio__testing_clock_now(clock) / 1e9;
}

double asyncio_testing_clock_left(struct asyncio_testing_clock *clock,
                                  double when)
{
    double left = when - asyncio_testing_clock_time(clock);
    if (!(left > 0)) return 0;
    return clock->rate > 0 ? left / clock->rate : ASYNCIO_FOREVER;
}
