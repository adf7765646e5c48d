// Limits and callbacks on a system whose ticks come late, as on a virtual
// machine that was not run for a while: the cheap clock stands still, the exact
// one does not. Nothing may begin, or end, before it was asked for.

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runner/runner.h"

static time_t behind_s; // the cheap clock, in seconds

// In place of the C library's.
int clock_gettime(clockid_t clock, struct timespec *now)
{
    int err = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_MONOTONIC_COARSE) now->tv_sec -= behind_s;
    return err;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int note_time(void *arg)
{
    *(double *)arg = asyncio_time();
    return 0;
}

TEST(limit_begins_no_earlier_than_the_time_that_was_just_read,
     .real_time = true)
{
    behind_s = 5;
    double start = asyncio_time();
    ASYNCIO_WITH_TIMEOUT(limit, 100);
    double when = asyncio_timeout_when(&limit);
    EXPECT(when >= start + 100 && when <= asyncio_time() + 100);
    EXPECT_EQ(asyncio_timeout_exit(&limit, 0), 0);
    behind_s = 0;
}

TEST(limit_that_was_left_ends_no_earlier_either, .real_time = true)
{
    behind_s = 5;
    double start = asyncio_time();
    ASYNCIO_WITH_TIMEOUT(limit, 100);
    EXPECT_EQ(asyncio_timeout_exit(&limit, 0), 0);
    EXPECT(asyncio_timeout_when(&limit) >= start + 100);
    behind_s = 0;
}

TEST(callback_begins_no_earlier_than_the_time_that_was_just_read,
     .real_time = true)
{
    struct asyncio_handle handle = {0};
    behind_s = 5;
    double start = asyncio_time();
    EXPECT_EQ(asyncio_call_later(100, nothing, NULL, .handle = &handle), 0);
    double when = asyncio_handle_when(&handle);
    EXPECT(when >= start + 100 && when <= asyncio_time() + 100);
    asyncio_handle_cancel(&handle);
    behind_s = 0;
}

TEST(callback_that_was_cancelled_was_due_no_earlier_either, .real_time = true)
{
    struct asyncio_handle handle = {0};
    behind_s = 5;
    double start = asyncio_time();
    EXPECT_EQ(asyncio_call_later(100, nothing, NULL, .handle = &handle), 0);
    asyncio_handle_cancel(&handle);
    EXPECT(asyncio_handle_when(&handle) >= start + 100);
    behind_s = 0;
}

TEST(callback_is_called_in_time_while_ticks_are_late, .real_time = true)
{
    double called = 0;
    behind_s = 5;
    double start = asyncio_time();
    EXPECT_EQ(asyncio_call_later(0.01, note_time, &called), 0);
    while (called == 0)
        asyncio_ignore(asyncio_sleep(0.001));
    EXPECT(called >= start + 0.01);
    behind_s = 0;
}
