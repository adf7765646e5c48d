// The clock that a test decides about, and the wait for all others to wait.

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "platform/clock.h"
#include "runner/runner.h"

static double real_time(void)
{
    return (double)asyncio__clock_real_ns() / 1e9;
}

// Real time that nobody notices but a clock with a rate.
static void let_real_time_pass(double seconds)
{
    double until = real_time() + seconds;
    while (real_time() < until)
        continue;
}

// Runs fn(arg) with this clock, and goes back to the one of the runner.
static int run_with(struct asyncio_testing_clock *clock, int (*fn)(void *arg),
                    void *arg)
{
    static struct asyncio_testing_clock usual;
    asyncio_testing_clock_use(clock);
    int err = asyncio_run(fn, arg);
    asyncio_testing_clock_use(&usual);
    return err;
}

// --- the object -------------------------------------------------------------

TEST_PLAIN(clock_that_is_not_told_to_move_stands_still, .real_time = true)
{
    CONFORMS("CLK-01");
    struct asyncio_testing_clock clock = ASYNCIO__ZERO;
    double start = asyncio_testing_clock_time(&clock);
    EXPECT_EQ(start, 1000);
    let_real_time_pass(0.002);
    EXPECT_EQ(asyncio_testing_clock_time(&clock), start);
    EXPECT_EQ(asyncio_testing_clock_jump(&clock, 10), 0);
    EXPECT_EQ(asyncio_testing_clock_time(&clock), start + 10);
    EXPECT_EQ(asyncio_testing_clock_jump(&clock, 0.25), 0);
    EXPECT_EQ(asyncio_testing_clock_jump(&clock, 0), 0);
    EXPECT_EQ(asyncio_testing_clock_time(&clock), start + 10.25);
}

static int look_at_standing_time(void *arg)
{
    struct asyncio_testing_clock *clock = arg;
    double start = asyncio_time();
    EXPECT_EQ(start, asyncio_testing_clock_time(clock));
    let_real_time_pass(0.002);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_time(), start);
    EXPECT_EQ(asyncio_testing_clock_jump(clock, 3600), 0);
    EXPECT_EQ(asyncio_time(), start + 3600);
    return 0;
}

TEST_PLAIN(loop_time_is_the_clocks, .real_time = true)
{
    CONFORMS("CLK-01");
    struct asyncio_testing_clock clock =
        ASYNCIO_TESTING_CLOCK(0, ASYNCIO_FOREVER);
    EXPECT_EQ(run_with(&clock, look_at_standing_time, &clock), 0);
    EXPECT_EQ(asyncio_testing_clock_time(&clock), 4600);
}

TEST_PLAIN(time_does_not_go_backwards_and_settings_are_sane)
{
    struct asyncio_testing_clock clock = ASYNCIO__ZERO;
    const double bad[] = {-1, -0.001, NAN};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EXPECT_EQ(asyncio_testing_clock_jump(&clock, bad[i]), -EINVAL);
        EXPECT_EQ(asyncio_testing_clock_set_rate(&clock, bad[i]), -EINVAL);
        EXPECT_EQ(asyncio_testing_clock_set_autojump_threshold(&clock, bad[i]),
                  -EINVAL);
    }
    EXPECT_EQ(asyncio_testing_clock_jump(&clock, INFINITY), -EINVAL);
    EXPECT_EQ(asyncio_testing_clock_jump(&clock, 1e30), -EINVAL);
    EXPECT_EQ(asyncio_testing_clock_set_rate(&clock, INFINITY), -EINVAL);
    EXPECT_EQ(asyncio_testing_clock_time(&clock), 1000);
    EXPECT_EQ(clock.rate, 0);
    EXPECT_EQ(clock.autojump_threshold, 0);
    EXPECT_EQ(asyncio_testing_clock_jump(&clock, 9e9), 0);
    EXPECT_EQ(asyncio_testing_clock_jump(&clock, 9e9), -EINVAL);
    EXPECT_EQ(asyncio_testing_clock_time(&clock), 9e9 + 1000);
}

// Real time is known to lie between two looks at it, so nothing is timed here.
TEST_PLAIN(clock_with_a_rate_passes_by_it, .real_time = true)
{
    CONFORMS("CLK-02");
    struct asyncio_testing_clock clock = ASYNCIO__ZERO;
    double before = real_time();
    EXPECT_EQ(asyncio_testing_clock_set_rate(&clock, 50), 0);
    EXPECT_EQ(clock.rate, 50);
    double begun = real_time();
    let_real_time_pass(0.002);
    double asked = real_time();
    double passed = asyncio_testing_clock_time(&clock) - 1000;
    double answered = real_time();
    EXPECT_GE(passed, (asked - begun) * 50 - 1e-6);
    EXPECT_LE(passed, (answered - before) * 50 + 1e-6);

    // What has passed stays when the rate changes.
    EXPECT_EQ(asyncio_testing_clock_set_rate(&clock, 0), 0);
    double now = asyncio_testing_clock_time(&clock);
    EXPECT_GE(now, 1000 + passed);
    let_real_time_pass(0.001);
    EXPECT_EQ(asyncio_testing_clock_time(&clock), now);
}

TEST_PLAIN(real_time_left_to_a_deadline_is_scaled)
{
    CONFORMS("CLK-02");
    struct asyncio_testing_clock clock = ASYNCIO__ZERO;
    EXPECT_EQ(asyncio_testing_clock_left(&clock, 999), 0);
    EXPECT_EQ(asyncio_testing_clock_left(&clock, 1000), 0);
    EXPECT_EQ(asyncio_testing_clock_left(&clock, 1001), ASYNCIO_FOREVER);
    EXPECT_EQ(asyncio_testing_clock_left(&clock, NAN), 0);

    EXPECT_EQ(asyncio_testing_clock_set_rate(&clock, 0.5), 0);
    double now = asyncio_testing_clock_time(&clock);
    double left = asyncio_testing_clock_left(&clock, now + 100);
    double later = asyncio_testing_clock_time(&clock);
    EXPECT_LE(left, 200.001);
    EXPECT_GE(left, (now + 100 - later) / 0.5 - 1e-6);
}

static int sleep_an_hour(void *arg)
{
    (void)arg;
    double start = asyncio_time();
    EXPECT_EQ(asyncio_sleep(3600), 0);
    EXPECT_GE(asyncio_time(), start + 3600);
    return 0;
}

TEST_PLAIN(sleep_takes_its_share_of_real_time, .real_time = true)
{
    CONFORMS("CLK-02");
    struct asyncio_testing_clock clock =
        ASYNCIO_TESTING_CLOCK(360000, ASYNCIO_FOREVER);
    double start = real_time();
    EXPECT_EQ(run_with(&clock, sleep_an_hour, NULL), 0);
    EXPECT_GE(real_time() - start, 0.01);
}

// --- jumping by itself ------------------------------------------------------

static int yawn(void *arg)
{
    int err = asyncio_sleep(*(double *)arg);
    trace("yawn");
    return err;
}

struct settler {
    double cushion, then_sleep;
    int err;
};

static int settle(void *arg)
{
    struct settler *settler = arg;
    settler->err = asyncio_testing_wait_all_tasks_blocked(settler->cushion);
    trace("settled at %g", asyncio_time());
    return settler->err < 0 ? settler->err : asyncio_sleep(settler->then_sleep);
}

static void settle_beside_a_sleeper(double cushion)
{
    double seconds = 100;
    struct settler settler = {.cushion = cushion, .then_sleep = 1000};
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, yawn, &seconds);
    asyncio_task_group_create_task(&group, settle, &settler);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(asyncio_time(), 2000);
    EXPECT_TRACE("settled at 1000", "yawn");
}

TEST(who_waits_for_all_to_wait_comes_before_the_jump)
{
    CONFORMS("CLK-03");
    settle_beside_a_sleeper(0);
}

TEST(who_waits_with_a_cushion_comes_before_the_jump_too)
{
    CONFORMS("CLK-03");
    settle_beside_a_sleeper(0.0005);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(100000);
}

TEST_PLAIN(clock_that_no_loop_uses_is_nobodys_business, .real_time = true)
{
    CONFORMS("CLK-04");
    struct asyncio_testing_clock used = ASYNCIO_TESTING_CLOCK(0, 0.002);
    struct asyncio_testing_clock other =
        ASYNCIO_TESTING_CLOCK(0, ASYNCIO_FOREVER);
    EXPECT_EQ(asyncio_testing_clock_set_autojump_threshold(&other, 0.001), 0);
    EXPECT_EQ(run_with(&used, sleep_long, NULL), 0);
    EXPECT_EQ(asyncio_testing_clock_time(&used), 101000);
    EXPECT_EQ(asyncio_testing_clock_time(&other), 1000);
}

static int disturb_the_other(void *arg)
{
    struct asyncio_testing_clock *other = arg;
    double start = asyncio_time();
    EXPECT_EQ(asyncio_testing_clock_jump(other, 77), 0);
    EXPECT_EQ(asyncio_testing_clock_set_rate(other, 1e6), 0);
    EXPECT_EQ(
        asyncio_testing_clock_set_autojump_threshold(other, ASYNCIO_FOREVER),
        0);
    EXPECT_EQ(asyncio_time(), start);
    EXPECT_EQ(asyncio_sleep(5), 0);
    EXPECT_EQ(asyncio_time(), start + 5);
    return 0;
}

TEST_PLAIN(running_loop_takes_no_settings_from_another_clock)
{
    CONFORMS("CLK-04");
    struct asyncio_testing_clock used = ASYNCIO__ZERO, other = ASYNCIO__ZERO;
    EXPECT_EQ(run_with(&used, disturb_the_other, &other), 0);
}

TEST_PLAIN(settings_made_before_the_run_hold_from_its_start, .real_time = true)
{
    CONFORMS("CLK-05");
    struct asyncio_testing_clock clock =
        ASYNCIO_TESTING_CLOCK(0, ASYNCIO_FOREVER);
    EXPECT_EQ(asyncio_testing_clock_set_autojump_threshold(&clock, 0.001), 0);
    EXPECT_EQ(asyncio_testing_clock_jump(&clock, 5), 0);
    EXPECT_EQ(run_with(&clock, sleep_long, NULL), 0);
    EXPECT_EQ(asyncio_testing_clock_time(&clock), 101005);
}

static int sleep_and_tell(void *arg)
{
    double *seconds = arg;
    int err = asyncio_sleep(*seconds);
    trace("%g is over", *seconds);
    return err;
}

static int jump_over_sleepers(void *arg)
{
    struct asyncio_testing_clock *clock = arg;
    double seconds[] = {5, 15};
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 2; i++)
        asyncio_task_group_create_task(&group, sleep_and_tell, &seconds[i]);
    asyncio_ignore(asyncio_testing_wait_all_tasks_blocked(0));
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_testing_clock_jump(clock, 10), 0);
    asyncio_ignore(asyncio_testing_wait_all_tasks_blocked(0));
    EXPECT_TRACE("5 is over");
    EXPECT_EQ(asyncio_testing_clock_jump(clock, 5), 0);
    return asyncio_task_group_exit(&group, 0);
}

TEST_PLAIN(jump_ends_the_sleeps_that_it_passes)
{
    CONFORMS("CLK-06");
    struct asyncio_testing_clock clock =
        ASYNCIO_TESTING_CLOCK(0, ASYNCIO_FOREVER);
    EXPECT_EQ(run_with(&clock, jump_over_sleepers, &clock), 0);
    EXPECT_TRACE("15 is over");
    EXPECT_EQ(asyncio_testing_clock_time(&clock), 1015);
}

static int jump_exactly(void *arg)
{
    struct asyncio_testing_clock *clock = arg;
    double seconds = 0.1;
    for (int i = 0; i < 50; i++) {
        ASYNCIO_WITH_TASK_GROUP(group);
        asyncio_task_group_create_task(&group, yawn, &seconds);
        asyncio_ignore(asyncio_testing_wait_all_tasks_blocked(0));
        EXPECT_EQ(asyncio_testing_clock_jump(clock, seconds), 0);
        asyncio_ignore(asyncio_testing_wait_all_tasks_blocked(0));
        EXPECT_TRACE("yawn");
        EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    }
    return 0;
}

TEST_PLAIN(jump_by_as_much_as_a_sleep_takes_ends_it)
{
    CONFORMS("CLK-06");
    struct asyncio_testing_clock clock =
        ASYNCIO_TESTING_CLOCK(0, ASYNCIO_FOREVER);
    EXPECT_EQ(run_with(&clock, jump_exactly, &clock), 0);
}

// --- the wait for all others to wait ----------------------------------------

TEST(all_with_the_smallest_cushion_come_first)
{
    struct settler settlers[] = {
        {.cushion = 0.0005}, {.cushion = 0}, {.cushion = 0}};
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, settle, &settlers[i]);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_TRACE("settled at 1000", "settled at 1000", "settled at 1000");
}

TEST(wait_for_all_to_wait_lets_work_go_on)
{
    struct asyncio_semaphore slots = ASYNCIO_SEMAPHORE(1);
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 20; i++) {
        asyncio_semaphore_release(&slots);
        asyncio_ignore(asyncio_semaphore_acquire(&slots));
    }
    EXPECT_EQ(asyncio_testing_wait_all_tasks_blocked(0), 0);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
}

// --- jobs that wait for the loop --------------------------------------------

static struct asyncio_loop *the_loop;

// Timers enough to jump to.
static int hang_on(void *arg)
{
    int err = 0;
    while (err == 0)
        err = asyncio_sleep(arg ? 36000 : 3599);
    return err;
}

static int nap(void *arg)
{
    return asyncio_sleep(*(double *)arg);
}

static int ask_and_wait(void *arg)
{
    return asyncio_from_thread_run(the_loop, nap, arg);
}

static int hand_in_and_wait(void *arg)
{
    struct asyncio_thread_future *future;
    int err = asyncio_run_coroutine_threadsafe(the_loop, nap, arg, &future);
    if (err < 0) return err;
    err = asyncio_thread_future_wait(future, ASYNCIO_FOREVER);
    asyncio_thread_future_release(future);
    return err;
}

// A limit of a thread's is real time, and ends by itself.
static int wait_in_vain(void *arg)
{
    struct asyncio_thread_future *future;
    int err = asyncio_run_coroutine_threadsafe(the_loop, hang_on, arg, &future);
    if (err < 0) return err;
    EXPECT_EQ(asyncio_thread_future_wait(future, 0), -ETIMEDOUT);
    EXPECT_EQ(asyncio_thread_future_wait(future, 0.001), -ETIMEDOUT);
    let_real_time_pass(0.002);
    asyncio_thread_future_cancel(future);
    asyncio_thread_future_release(future);
    return 0;
}

// The job that got its answer holds the clock again: it is not later than that.
static void expect_time_of_job(int (*job)(void *arg), double hours)
{
    the_loop = asyncio_get_running_loop();
    double begin = asyncio_time(), seconds = hours * 3600;
    struct asyncio_coroutine later = ASYNCIO_COROUTINE(hang_on, NULL);
    struct asyncio_task *other = asyncio_coroutine_create_task(&later);
    int err = asyncio_to_thread(job, &seconds);
    if (err == 0) EXPECT_EQ(asyncio_time() - begin, seconds);
    EXPECT_LE(err, 0);
    asyncio_task_cancel(other);
    asyncio_ignore(asyncio_await(other));
    asyncio_task_release(other);
}

TEST(job_that_waits_for_its_loop_does_not_hold_the_clock)
{
    expect_time_of_job(ask_and_wait, 1);
    expect_time_of_job(hand_in_and_wait, 2);
}

TEST(job_that_waits_with_a_limit_holds_the_clock)
{
    expect_time_of_job(wait_in_vain, 0);
}

TEST(wait_for_all_to_wait_can_be_cancelled)
{
    struct settler settler = {.cushion = 5};
    struct asyncio_task *task = asyncio_create_task(settle, &settler);
    EXPECT_EQ(asyncio_testing_wait_all_tasks_blocked(0), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(settler.err, -ECANCELED);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_testing_wait_all_tasks_blocked(0), 0);
}

TEST(cancel_after_the_wake_wins)
{
    struct settler settler = {.cushion = 0};
    struct asyncio_task *task = asyncio_create_task(settle, &settler);
    struct settler first = {.cushion = 0};
    EXPECT_EQ(settle(&first), 0);
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
}

TEST_PLAIN(wait_for_all_to_wait_wants_a_task_and_a_cushion)
{
    EXPECT_EQ(asyncio_testing_wait_all_tasks_blocked(0), -EPERM);
}

TEST(cushion_is_a_duration)
{
    EXPECT_EQ(asyncio_testing_wait_all_tasks_blocked(-1), -EINVAL);
    EXPECT_EQ(asyncio_testing_wait_all_tasks_blocked(NAN), -EINVAL);
    EXPECT_EQ(asyncio_testing_wait_all_tasks_blocked(1e300), -EINVAL);
}

TEST(wait_for_all_to_wait_works_with_the_systems_clock, .real_time = true)
{
    double long_time = 3600, moment = 0.005;
    struct asyncio_task *task = asyncio_create_task(yawn, &long_time);
    EXPECT_EQ(asyncio_testing_wait_all_tasks_blocked(0), 0);
    EXPECT_TRACE();
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
    EXPECT_TRACE("yawn");
    // No cushion is that soft: the sleeper wakes first.
    task = asyncio_create_task(yawn, &moment);
    EXPECT_EQ(asyncio_testing_wait_all_tasks_blocked(0.01), 0);
    EXPECT_TRACE("yawn");
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
}

// --- the environment --------------------------------------------------------

static int jump_an_hour(void *arg)
{
    (void)arg;
    double real = real_time();
    EXPECT_EQ(asyncio_time(), 1000);
    EXPECT_EQ(asyncio_sleep(3600), 0);
    EXPECT_EQ(asyncio_time(), 4600);
    EXPECT_LE(real_time() - real, 3600); // nobody has waited that long
    return 0;
}

// In a program that uses no clock of its own, and only if it is asked for.
TEST_PLAIN(environment_can_ask_for_time_that_jumps, .real_time = true)
{
    struct asyncio_loop *loop = NULL;
    static struct asyncio_testing_clock usual;
    asyncio_testing_clock_use(NULL);
    setenv("ASYNCIO_CLOCK", "virtual", true);
    EXPECT_EQ(asyncio_run(jump_an_hour, NULL), 0);

    EXPECT_EQ(asyncio_new_event_loop(&loop, .ignore_environment = true), 0);
    EXPECT(asyncio_time() != 1000);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    loop = NULL;
    setenv("ASYNCIO_CLOCK", "real", true);
    EXPECT_EQ(asyncio_new_event_loop(&loop), 0);
    EXPECT(asyncio_time() != 1000);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    loop = NULL;

    // A clock that is in use comes first.
    setenv("ASYNCIO_CLOCK", "virtual", true);
    struct asyncio_testing_clock clock = ASYNCIO__ZERO;
    EXPECT_EQ(asyncio_testing_clock_jump(&clock, 7), 0);
    asyncio_testing_clock_use(&clock);
    EXPECT_EQ(asyncio_new_event_loop(&loop), 0);
    EXPECT_EQ(asyncio_time(), 1007);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    unsetenv("ASYNCIO_CLOCK");
    asyncio_testing_clock_use(&usual);
}

// --- threads ----------------------------------------------------------------

static void *run_in_thread(void *arg)
{
    EXPECT_EQ(asyncio_run(sleep_long, arg), 0);
    return NULL;
}

TEST(loop_of_another_thread_has_a_clock_of_its_own)
{
    pthread_t thread;
    double start = asyncio_time();
    EXPECT_OR_RETURN(pthread_create(&thread, NULL, run_in_thread, NULL) == 0);
    pthread_join(thread, NULL);
    EXPECT_EQ(asyncio_time(), start);
}
