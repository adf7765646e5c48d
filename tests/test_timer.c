// Sleeping, and the wheel of timers as seen from outside: exact times, order,
// many timers at once, and what is left of those that were cancelled.

#include <math.h>
#include <stdlib.h>

#include "loop/timer.h"
#include "runner/runner.h"

static int say(void *arg)
{
    trace("%s", (const char *)arg);
    return 0;
}

static size_t timers(void)
{
    return asyncio_loop_timers(asyncio_get_running_loop());
}

static uint64_t passes(void)
{
    return asyncio_loop_passes(asyncio_get_running_loop());
}

static int64_t now_ns(void)
{
    return (int64_t)(asyncio_time() * 1e9 + 0.5);
}

// A sequence of numbers that is the same in every run.
static uint64_t draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return *state >> 33;
}

// --- sleep ------------------------------------------------------------------

static int sleep_between_callbacks(void *arg)
{
    (void)arg;
    EXPECT_EQ(asyncio_call_soon(say, "ready before"), 0);
    EXPECT_EQ(asyncio_call_soon(say, "ready before, too"), 0);
    int result = asyncio_sleep(0, .result = 42);
    trace("slept");
    return result;
}

TEST(sleep_of_zero_lets_all_that_is_ready_run_once, .ordered = true)
{
    CONFORMS("SCHED-09");
    struct asyncio_coroutine sleeper =
        ASYNCIO_COROUTINE(sleep_between_callbacks, NULL);
    EXPECT_EQ(asyncio_await(&sleeper), 42);
    EXPECT_TRACE("ready before", "ready before, too", "slept");
}

TEST(sleep_returns_the_result_it_was_given)
{
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_sleep(0, .result = 7), 7);
    EXPECT_EQ(asyncio_sleep(1, .result = 8), 8);
    EXPECT_EQ(asyncio_sleep(-1, .result = 9), 9);
    EXPECT_EQ((asyncio_sleep)(1, NULL), 0);
    EXPECT_EQ(asyncio_wait_for(asyncio_sleep(1, .result = 10), 2), 10);
    double start = asyncio_time();
    EXPECT_EQ(asyncio_sleep(1, .result = -1), -EINVAL);
    EXPECT_EQ(asyncio_time(), start);
}

static int sleep_zero_and_say(void *arg)
{
    int err = asyncio_sleep(0);
    trace("%s", (const char *)arg);
    return err;
}

TEST(tasks_that_sleep_for_zero_go_on_in_order, .ordered = true)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, sleep_zero_and_say, "a");
    asyncio_task_group_create_task(&group, sleep_zero_and_say, "b");
    asyncio_task_group_create_task(&group, sleep_zero_and_say, "c");
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_TRACE("a", "b", "c");
}

TEST(sleep_for_what_is_no_time_returns_at_once)
{
    CONFORMS("SCHED-10");
    const double bad[] = {NAN, -NAN, 1e300, 1.7976931348623157e308, 9.3e9};
    double start = asyncio_time();
    uint64_t before = passes();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT_EQ(asyncio_sleep(bad[i]), -EINVAL);
    EXPECT_EQ(asyncio_time(), start);
    EXPECT_EQ(passes(), before);
    EXPECT_EQ(timers(), 0);
    EXPECT_EQ(asyncio_sleep(-INFINITY), 0);
    EXPECT_EQ(asyncio_time(), start);
}

TEST(sleep_takes_exactly_its_time_by_the_virtual_clock)
{
    const double delays[] = {1e-9, 1e-6, 0.001, 0.5, 1, 60, 86400, 3e7, 1e9};
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        double when = asyncio_time() + delays[i];
        EXPECT_EQ(asyncio_sleep(delays[i]), 0);
        EXPECT_GE(asyncio_time(), when);
        EXPECT_LT(asyncio_time() - when, 1e-6);
    }
}

TEST_PLAIN(sleep_needs_a_task)
{
    EXPECT_EQ(asyncio_sleep(0), -EPERM);
    EXPECT_EQ(asyncio_sleep(1), -EPERM);
    EXPECT_EQ(asyncio_sleep(NAN), -EPERM);
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return asyncio_sleep(ASYNCIO_FOREVER);
}

TEST(sleep_for_ever_has_no_timer_and_ends_by_a_cancel)
{
    struct asyncio_task *task = asyncio_create_task(sleep_for_ever, NULL);
    EXPECT_EQ(asyncio_sleep(1e9), 0);
    EXPECT(!asyncio_task_done(task));
    EXPECT_EQ(timers(), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_release(task);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(1e6);
}

TEST(cancelled_sleep_takes_its_timer_along)
{
    struct asyncio_task *task = asyncio_create_task(sleep_long, NULL);
    EXPECT_EQ(asyncio_sleep(1), 0);
    double start = asyncio_time();
    EXPECT_EQ(timers(), 1);
    asyncio_task_cancel(task);
    EXPECT_EQ(timers(), 0);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(asyncio_time(), start);
    asyncio_task_release(task);
}

// --- cancelled timers -------------------------------------------------------

#define MANY 1000

TEST(cancelled_timers_are_gone_and_wake_nobody)
{
    CONFORMS("SCHED-06");
    static struct asyncio_handle handles[MANY];
    for (int i = 0; i < MANY; i++)
        EXPECT_EQ(asyncio_call_later(1 + i, say, "live", .handle = &handles[i]),
                  0);
    EXPECT_EQ(timers(), MANY);
    for (int i = 0; i < MANY; i++)
        if (i != 500) asyncio_handle_cancel(&handles[i]);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(timers(), 1);

    // The clock jumps to the first time that counts: nothing shortens that.
    double start = asyncio_time();
    uint64_t before = passes();
    EXPECT_EQ(asyncio_sleep(500.5), 0);
    EXPECT_EQ(asyncio_time(), start + 500.5);
    EXPECT_LE(passes() - before, 3);
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_sleep(0.5), 0);
    EXPECT_TRACE("live");
}

TEST(cancelled_timer_at_the_head_does_not_shorten_the_wait)
{
    struct asyncio_handle head = {0};
    EXPECT_EQ(asyncio_call_later(1, say, "never", .handle = &head), 0);
    asyncio_handle_cancel(&head);
    uint64_t before = passes();
    double start = asyncio_time();
    EXPECT_EQ(asyncio_sleep(2), 0);
    EXPECT_EQ(asyncio_time(), start + 2);
    EXPECT_LE(passes() - before, 2);
    EXPECT_TRACE();
}

// --- order ------------------------------------------------------------------

TEST(timers_of_one_time_run_in_order_of_the_calls)
{
    double when = asyncio_time() + 1000;
    EXPECT_EQ(asyncio_call_at(when, say, "a"), 0);
    EXPECT_EQ(asyncio_call_at(when, say, "b"), 0);
    EXPECT_EQ(asyncio_sleep(999.5), 0); // what is armed now is on another level
    EXPECT_EQ(asyncio_call_at(when, say, "c"), 0);
    EXPECT_EQ(asyncio_call_at(when - 0.25, say, "before"), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("before", "a", "b", "c");
}

TEST(overdue_timers_run_in_order_of_their_times)
{
    double now = asyncio_time();
    EXPECT_EQ(asyncio_call_at(now - 1, say, "second"), 0);
    EXPECT_EQ(asyncio_call_at(now - 2, say, "first"), 0);
    EXPECT_EQ(asyncio_call_at(now, say, "last"), 0);
    EXPECT_EQ(asyncio_call_at(now - 1, say, "third"), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("first", "second", "third", "last");
}

struct alarm {
    struct asyncio_handle handle;
    int64_t when_ns;
    bool cancelled, ran;
};

static const struct alarm *last_alarm;

// Those of one time are armed in the order in which they stand in the array.
static int ring(void *arg)
{
    struct alarm *alarm = arg;
    EXPECT(!alarm->ran && !alarm->cancelled);
    EXPECT_EQ(now_ns(), alarm->when_ns);
    if (last_alarm) {
        EXPECT_GE(alarm->when_ns, last_alarm->when_ns);
        if (alarm->when_ns == last_alarm->when_ns) EXPECT(alarm > last_alarm);
    }
    last_alarm = alarm;
    alarm->ran = true;
    return 0;
}

// From nanoseconds to a day and more; the short ones are often equal.
static int64_t draw_delay_ns(uint64_t *state)
{
    int64_t delay_ns = (int64_t)(1 + draw(state) % 1000);
    for (uint64_t times = draw(state) % 10; times > 0; times--)
        delay_ns *= 8;
    return delay_ns;
}

TEST(thousands_of_timers_run_exactly_in_order)
{
    enum { COUNT = 4000 };
    struct alarm *alarms = calloc(COUNT, sizeof *alarms);
    EXPECT_OR_RETURN(alarms != NULL);
    uint64_t state = 2026;
    int64_t start_ns = now_ns();
    for (int i = 0; i < COUNT; i++) {
        alarms[i].when_ns = start_ns + draw_delay_ns(&state);
        EXPECT_EQ(asyncio_call_at((double)alarms[i].when_ns / 1e9, ring,
                                  &alarms[i], .handle = &alarms[i].handle),
                  0);
    }
    for (int i = 0; i < COUNT; i++) {
        if (draw(&state) % 3) continue;
        asyncio_handle_cancel(&alarms[i].handle);
        alarms[i].cancelled = true;
    }
    EXPECT_EQ(asyncio_sleep(1e6), 0);
    for (int i = 0; i < COUNT; i++)
        EXPECT_NE(alarms[i].ran, alarms[i].cancelled);
    EXPECT_EQ(timers(), 0);
    for (int i = 0; i < COUNT; i++)
        asyncio_handle_cancel(&alarms[i].handle);
    free(alarms);
}

// --- a wheel that is late ---------------------------------------------------

struct late {
    struct asyncio__timer timer;
    int number; // in order of arming
    bool fired;
};

static const struct late *fired_last;
static int64_t wheel_ns; // what the clock shows the wheel

static void fire_late(struct asyncio__timer *timer)
{
    struct late *late = (struct late *)(void *)timer;
    EXPECT(!late->fired && timer->when_ns <= wheel_ns);
    if (fired_last) {
        EXPECT_GE(timer->when_ns, fired_last->timer.when_ns);
        if (timer->when_ns == fired_last->timer.when_ns)
            EXPECT_GT(late->number, fired_last->number);
    }
    fired_last = late;
    late->fired = true;
}

// Deadlines within `range_ns`, and a clock that is read every `step_ns`: short
// steps find slots that are not over, long ones many that are.
static void run_late(struct asyncio__timers *timers, struct late *all,
                     int count, int64_t range_ns, int64_t step_ns)
{
    uint64_t state = (uint64_t)(range_ns + step_ns);
    int64_t begin_ns = wheel_ns, end_ns = wheel_ns + range_ns;
    fired_last = NULL;
    for (int i = 0; i < count; i++) {
        all[i] = (struct late){.timer.fire = fire_late, .number = i};
        int64_t in_ns = (int64_t)draw(&state) % range_ns;
        if (i % 7 == 0) in_ns = range_ns - i; // against the order
        asyncio__timer_arm(timers, &all[i].timer, begin_ns + in_ns);
    }
    while (wheel_ns <= end_ns) {
        wheel_ns += step_ns;
        asyncio__timers_run(timers, wheel_ns);
        for (int i = 0; i < count; i++)
            EXPECT_EQ(all[i].fired, all[i].timer.when_ns <= wheel_ns);
    }
    EXPECT_EQ(timers->count, 0);
}

TEST_PLAIN(late_wheel_fires_in_order_all_the_same)
{
    enum { COUNT = 1000 };
    static struct asyncio__timers timers;
    struct late *all = calloc(COUNT, sizeof *all);
    EXPECT_OR_RETURN(all != NULL);
    wheel_ns = 1000000007;
    asyncio__timers_run(&timers, wheel_ns);
    for (int64_t range_ns = 2000; range_ns < 4000000000; range_ns *= 9)
        for (int64_t parts = 1; parts <= 1000; parts *= 10)
            run_late(&timers, all, COUNT, range_ns, 1 + range_ns / parts);
    free(all);
}

struct wanderer {
    uint64_t state;
    int left, ran;
};

static int wander(void *arg)
{
    struct wanderer *wanderer = arg;
    for (; wanderer->left > 0; wanderer->left--) {
        double delay = (double)draw_delay_ns(&wanderer->state) / 1e9;
        double when = asyncio_time() + delay;
        int err = asyncio_sleep(delay);
        if (err < 0) return err;
        EXPECT_GE(asyncio_time(), when);
        wanderer->ran++;
    }
    return 0;
}

TEST(many_tasks_sleep_at_once_and_all_wake)
{
    static struct wanderer wanderers[50];
    ASYNCIO_WITH_TASK_GROUP(group);
    for (unsigned i = 0; i < 50; i++) {
        wanderers[i] = (struct wanderer){.state = i, .left = 40};
        asyncio_task_group_create_task(&group, wander, &wanderers[i]);
    }
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    for (int i = 0; i < 50; i++)
        EXPECT_EQ(wanderers[i].ran, 40);
    EXPECT_EQ(timers(), 0);
}

struct canceller {
    struct asyncio_handle victim;
    bool ran;
};

static int victim_runs(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

static int cancel_victim(void *arg)
{
    struct canceller *canceller = arg;
    asyncio_handle_cancel(&canceller->victim);
    return 0;
}

// At any distance of the two, on whatever levels of the wheel they are.
TEST(timer_cancels_one_that_comes_after_it)
{
    for (double gap = 0; gap < 1e6; gap = gap * 8 + 1e-9) {
        struct canceller canceller = {.ran = false};
        struct asyncio_handle first = {0};
        double when = asyncio_time() + 1;
        EXPECT_EQ(
            asyncio_call_at(when, cancel_victim, &canceller, .handle = &first),
            0);
        EXPECT_EQ(asyncio_call_at(when + gap, victim_runs, &canceller.ran,
                                  .handle = &canceller.victim),
                  0);
        EXPECT_EQ(asyncio_sleep(2 + gap), 0);
        EXPECT(!canceller.ran);
        EXPECT(asyncio_handle_cancelled(&canceller.victim));
        EXPECT_EQ(timers(), 0);
        asyncio_handle_cancel(&first);
        asyncio_handle_cancel(&canceller.victim);
    }
}
