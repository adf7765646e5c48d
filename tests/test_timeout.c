// Time limits: scopes that cancel their task when the time is up, and know it.

#include <time.h>

#include "runner/runner.h"

// Whatever happened before, nothing goes on behind the back of the test.
static void drop(struct asyncio_task *task)
{
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
}

static size_t timers(void)
{
    return asyncio_loop_timers(asyncio_get_running_loop());
}

static int cancelling(void)
{
    return asyncio_task_cancelling(asyncio_current_task());
}

// Within what the clock's unit can say.
static bool same_time(double a, double b)
{
    return a - b < 1e-6 && b - a < 1e-6;
}

// --- one scope --------------------------------------------------------------

TEST(scope_ends_a_long_sleep)
{
    CONFORMS("TMO-01");
    double start = asyncio_time();
    ASYNCIO_WITH_TIMEOUT(limit, 0.01);
    EXPECT(!asyncio_timeout_expired(&limit));
    int err = asyncio_sleep(10);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT(asyncio_timeout_expired(&limit));
    EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ETIMEDOUT);
    EXPECT(asyncio_timeout_expired(&limit));
    EXPECT(same_time(asyncio_time(), start + 0.01));
}

TEST(deadline_is_reported_exactly_as_it_was_given)
{
    CONFORMS("TMO-02");
    double when = asyncio_time() + 0.1 + 1e-10;
    struct asyncio_timeout limit = {0};
    EXPECT_EQ(asyncio_timeout_enter_at(&limit, when), 0);
    EXPECT(asyncio_timeout_when(&limit) == when);
    int err = asyncio_sleep(10);
    EXPECT(asyncio_time() >= when);
    EXPECT(asyncio_timeout_when(&limit) == when);
    EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ETIMEDOUT);
    EXPECT(asyncio_timeout_when(&limit) == when);
}

TEST(scope_left_in_time_leaves_no_timer)
{
    CONFORMS("TMO-03");
    size_t before = timers();
    ASYNCIO_WITH_TIMEOUT(limit, 10);
    EXPECT_EQ(timers(), before + 1);
    int err = asyncio_sleep(1);
    EXPECT_EQ(asyncio_timeout_exit(&limit, err), 0);
    EXPECT(!asyncio_timeout_expired(&limit));
    EXPECT_EQ(timers(), before);
    EXPECT_EQ(asyncio_sleep(20), 0);
}

TEST(value_of_the_body_passes_through)
{
    ASYNCIO_WITH_TIMEOUT(limit, 10);
    EXPECT_EQ(asyncio_timeout_exit(&limit, 42), 42);
}

TEST(scope_without_a_deadline_never_expires)
{
    CONFORMS("TMO-04");
    size_t before = timers();
    ASYNCIO_WITH_TIMEOUT(limit, ASYNCIO_FOREVER);
    EXPECT_EQ(timers(), before);
    EXPECT(asyncio_timeout_when(&limit) == ASYNCIO_FOREVER);
    int err = asyncio_sleep(1e8);
    EXPECT(asyncio_timeout_when(&limit) == ASYNCIO_FOREVER);
    EXPECT_EQ(asyncio_timeout_exit(&limit, err), 0);
    EXPECT(!asyncio_timeout_expired(&limit));
}

TEST(foreign_error_passes_through)
{
    CONFORMS("TMO-06");
    ASYNCIO_WITH_TIMEOUT(limit, 10);
    int err = asyncio_raise(-EPROTO, "not like this");
    EXPECT_EQ(asyncio_timeout_exit(&limit, err), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "not like this");
    EXPECT(!asyncio_timeout_expired(&limit));
    EXPECT_EQ(cancelling(), 0);
}

// CPython: test_timeouts.py, test_foreign_exception_on_timeout
TEST(foreign_error_after_the_deadline_passes_through)
{
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    EXPECT_EQ(asyncio_sleep(10), -ECANCELED);
    EXPECT_EQ(asyncio_timeout_exit(&limit, -EPROTO), -EPROTO);
    EXPECT(asyncio_timeout_expired(&limit));
    EXPECT_EQ(cancelling(), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
}

static int time_out(void *arg)
{
    int before = cancelling();
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    int err = asyncio_sleep(10);
    EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ETIMEDOUT);
    EXPECT_EQ(cancelling(), before);
    EXPECT_EQ(asyncio_sleep(1), 0);
    return *(int *)arg;
}

TEST(task_goes_on_after_a_limit_as_if_nothing_had_been)
{
    CONFORMS("TMO-07");
    int value = 4;
    struct asyncio_task *task = asyncio_create_task(time_out, &value);
    EXPECT_EQ(asyncio_await(task), 4);
    EXPECT(!asyncio_task_cancelled(task));
    drop(task);

    asyncio_task_cancel(asyncio_current_task()); // a request from before
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    EXPECT_EQ(time_out(&value), 4);
    EXPECT_EQ(asyncio_task_uncancel(asyncio_current_task()), 0);
}

TEST(body_that_swallows_ends_with_its_own_value)
{
    CONFORMS("TMO-13");
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    EXPECT_EQ(asyncio_sleep(10), -ECANCELED);
    EXPECT_EQ(asyncio_sleep(10), 0);
    EXPECT_EQ(cancelling(), 1);
    EXPECT_EQ(asyncio_timeout_exit(&limit, 0), 0);
    EXPECT(asyncio_timeout_expired(&limit));
    EXPECT_EQ(cancelling(), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
}

TEST(limit_of_no_time_is_up_at_the_first_wait)
{
    double limits[] = {0, -1, -1e300, -__builtin_inf()};
    for (int i = 0; i < 4; i++) {
        ASYNCIO_WITH_TIMEOUT(limit, limits[i]);
        int err = asyncio_sleep(10);
        EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ETIMEDOUT);
    }
}

TEST(cleanup_sees_why_it_was_cancelled)
{
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    int err = asyncio_sleep(10);
    EXPECT_STR(asyncio_strerror(err), "its time limit passed");
    EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ETIMEDOUT);
}

// --- requests from outside --------------------------------------------------

struct late_cancel {
    struct asyncio_task *task;
    struct asyncio_handle handle;
};

static int cancel_late(void *arg)
{
    struct late_cancel *late = arg;
    asyncio_task_cancel(late->task);
    return 0;
}

static int clean_up_in_a_limit(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    EXPECT_EQ(asyncio_sleep(10), -ECANCELED);
    int err = asyncio_sleep(10);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(cancelling(), 2);
    err = asyncio_timeout_exit(&limit, err);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT(asyncio_timeout_expired(&limit));
    EXPECT_EQ(cancelling(), 1);
    return err;
}

static int sleep_in_a_limit(void *arg)
{
    double *when = arg;
    struct asyncio_timeout limit = {0};
    EXPECT_EQ(asyncio_timeout_enter_at(&limit, *when), 0);
    int err = asyncio_timeout_exit(&limit, asyncio_sleep(10));
    EXPECT(asyncio_timeout_expired(&limit));
    EXPECT_EQ(cancelling(), 1);
    return err;
}

TEST(request_from_outside_wins_over_the_limit)
{
    CONFORMS("TMO-08");
    struct asyncio_task *task = asyncio_create_task(clean_up_in_a_limit, NULL);
    EXPECT_EQ(asyncio_sleep(2), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(asyncio_task_cancelling(task), 1);
    drop(task);

    // Both in one pass, so that one wait meets both.
    double when = asyncio_time() + 1;
    struct late_cancel late = {0};
    EXPECT_OR_RETURN(
        asyncio_call_at(when, cancel_late, &late, .handle = &late.handle) == 0);
    late.task = asyncio_create_task(sleep_in_a_limit, &when);
    EXPECT_EQ(asyncio_await(late.task), -ECANCELED);
    EXPECT(asyncio_task_cancelled(late.task));
    asyncio_handle_cancel(&late.handle);
    drop(late.task);
}

static int wait_in_a_limit(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_TIMEOUT(limit, 10);
    int err = asyncio_timeout_exit(&limit, asyncio_sleep(5));
    EXPECT(!asyncio_timeout_expired(&limit));
    return err;
}

// CPython: test_timeouts.py, test_outer_coro_is_not_cancelled and its kin
TEST(request_from_outside_before_the_deadline_is_no_timeout)
{
    struct asyncio_task *task = asyncio_create_task(wait_in_a_limit, NULL);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(asyncio_task_cancelling(task), 1);
    drop(task);
}

// --- nested -----------------------------------------------------------------

TEST(inner_scope_is_left_cancelled_when_the_outer_one_expires)
{
    CONFORMS("TMO-05");
    ASYNCIO_WITH_TIMEOUT(outer, 1);
    ASYNCIO_WITH_TIMEOUT(inner, 5);
    int err = asyncio_timeout_exit(&inner, asyncio_sleep(10));
    EXPECT_EQ(err, -ECANCELED);
    EXPECT(!asyncio_timeout_expired(&inner));
    err = asyncio_timeout_exit(&outer, err);
    EXPECT_EQ(err, -ETIMEDOUT);
    EXPECT(asyncio_timeout_expired(&outer));
    EXPECT_EQ(cancelling(), 0);
}

TEST(inner_scope_that_expires_leaves_the_outer_one_alone)
{
    ASYNCIO_WITH_TIMEOUT(outer, 5);
    ASYNCIO_WITH_TIMEOUT(inner, 1);
    int err = asyncio_timeout_exit(&inner, asyncio_sleep(10));
    EXPECT_EQ(err, -ETIMEDOUT);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_timeout_exit(&outer, 0), 0);
    EXPECT(!asyncio_timeout_expired(&outer));
}

TEST(of_two_scopes_that_expire_together_the_outer_one_says_so)
{
    ASYNCIO_WITH_TIMEOUT(outer, 1);
    struct asyncio_timeout inner = {0};
    EXPECT_EQ(asyncio_timeout_enter_at(&inner, asyncio_timeout_when(&outer)),
              0);
    int err = asyncio_timeout_exit(&inner, asyncio_sleep(10));
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_timeout_exit(&outer, err), -ETIMEDOUT);
    EXPECT_EQ(cancelling(), 0);
}

TEST(scope_in_the_clean_up_of_another_has_its_own_end)
{
    CONFORMS("TMO-14");
    ASYNCIO_WITH_TIMEOUT(outer, 1);
    int err = asyncio_sleep(10);
    {
        ASYNCIO_WITH_TIMEOUT(inner, 1);
        int second = asyncio_sleep(10);
        EXPECT_EQ(second, -ECANCELED);
        EXPECT_EQ(asyncio_timeout_exit(&inner, second), -ETIMEDOUT);
        EXPECT(asyncio_timeout_expired(&inner));
        EXPECT_EQ(cancelling(), 1);
    }
    EXPECT_EQ(asyncio_timeout_exit(&outer, err), -ETIMEDOUT);
    EXPECT(asyncio_timeout_expired(&outer));
    EXPECT_EQ(cancelling(), 0);
}

// --- moving the deadline ----------------------------------------------------

struct move {
    struct asyncio_timeout *limit;
    double when;
};

static int move_the_deadline(void *arg)
{
    struct move *move = arg;
    EXPECT_EQ(asyncio_timeout_reschedule(move->limit, move->when), 0);
    EXPECT(asyncio_timeout_when(move->limit) == move->when);
    return 0;
}

// Sleeps 5 s under a limit of 2 s, which another task moves after 1 s.
static int sleep_while_it_is_moved(double when)
{
    ASYNCIO_WITH_TIMEOUT(limit, 2);
    struct move move = {&limit, when};
    int err = asyncio_sleep(1);
    struct asyncio_task *task = asyncio_create_task(move_the_deadline, &move);
    if (err == 0) err = asyncio_sleep(5);
    EXPECT(asyncio_timeout_when(&limit) == when);
    drop(task);
    return asyncio_timeout_exit(&limit, err);
}

TEST(deadline_that_was_moved_by_another_task_holds)
{
    CONFORMS("TMO-09");
    size_t before = timers();
    EXPECT_EQ(sleep_while_it_is_moved(asyncio_time() + 100), 0);
    EXPECT_EQ(sleep_while_it_is_moved(ASYNCIO_FOREVER), 0);
    EXPECT_EQ(sleep_while_it_is_moved(asyncio_time() + 3), -ETIMEDOUT);
    EXPECT_EQ(sleep_while_it_is_moved(0), -ETIMEDOUT);
    EXPECT_EQ(timers(), before);
}

static void expect_fixed(struct asyncio_timeout *limit)
{
    double when = asyncio_timeout_when(limit);
    bool expired = asyncio_timeout_expired(limit);
    EXPECT_EQ(asyncio_timeout_reschedule(limit, asyncio_time() + 9), -EINVAL);
    EXPECT_EQ(asyncio_timeout_reschedule(limit, ASYNCIO_FOREVER), -EINVAL);
    EXPECT(asyncio_timeout_when(limit) == when);
    EXPECT_EQ(asyncio_timeout_expired(limit), expired);
}

TEST(scope_that_is_over_cannot_be_moved)
{
    CONFORMS("TMO-10");
    size_t before = timers();
    ASYNCIO_WITH_TIMEOUT(in_time, 1);
    EXPECT_EQ(asyncio_timeout_exit(&in_time, 0), 0);
    expect_fixed(&in_time); // finished

    ASYNCIO_WITH_TIMEOUT(late, 1);
    int err = asyncio_sleep(10);
    expect_fixed(&late); // expiring
    EXPECT_EQ(asyncio_timeout_exit(&late, err), -ETIMEDOUT);
    expect_fixed(&late); // expired
    EXPECT_EQ(timers(), before);

    struct asyncio_timeout never = {0};
    EXPECT_EQ(asyncio_timeout_reschedule(&never, asyncio_time()), -EINVAL);
}

// --- misuse -----------------------------------------------------------------

TEST(scope_is_entered_once)
{
    CONFORMS("TMO-11");
    struct asyncio_timeout limit = {0};
    EXPECT_EQ(asyncio_timeout_enter(&limit, 10), 0);
    EXPECT_EQ(asyncio_timeout_enter(&limit, 10), -EBUSY);
    EXPECT_EQ(asyncio_timeout_enter_at(&limit, 10), -EBUSY);
    EXPECT_EQ(asyncio_timeout_exit(&limit, 0), 0);
    EXPECT_EQ(asyncio_timeout_enter(&limit, 10), -EALREADY);
    EXPECT_EQ(asyncio_timeout_enter_at(&limit, 10), -EALREADY);
    EXPECT_EQ(asyncio_timeout_exit(&limit, 0), -EINVAL);
    asyncio_timeout_close(&limit);
}

struct visit {
    struct asyncio_timeout limit;
    int entered, entered_at, left;
};

static int enter_outside_a_task(void *arg)
{
    struct visit *visit = arg;
    visit->entered = asyncio_timeout_enter(&visit->limit, 1);
    visit->entered_at = asyncio_timeout_enter_at(&visit->limit, 1);
    visit->left = asyncio_timeout_exit(&visit->limit, 0);
    return 0;
}

TEST(callback_cannot_enter_a_scope)
{
    CONFORMS("TMO-12");
    struct visit visit = {0};
    struct asyncio_handle handle = {0};
    EXPECT_OR_RETURN(asyncio_call_soon(enter_outside_a_task, &visit,
                                       .handle = &handle) == 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(visit.entered, -EPERM);
    EXPECT_EQ(visit.entered_at, -EPERM);
    EXPECT_EQ(visit.left, -EPERM);

    // It was not opened, so a task may have it yet.
    EXPECT_EQ(asyncio_timeout_enter(&visit.limit, 1), 0);
    EXPECT_EQ(asyncio_timeout_exit(&visit.limit, asyncio_sleep(5)), -ETIMEDOUT);
}

TEST(scopes_are_left_in_order_and_by_their_own_task)
{
    ASYNCIO_WITH_TIMEOUT(outer, 10);
    ASYNCIO_WITH_TIMEOUT(inner, 10);
    EXPECT_EQ(asyncio_timeout_exit(&outer, 0), -EINVAL);
    EXPECT_EQ(asyncio_timeout_exit(&inner, 0), 0);
    EXPECT_EQ(asyncio_timeout_exit(&outer, 0), 0);

    struct asyncio_timeout never = {0};
    EXPECT_EQ(asyncio_timeout_exit(&never, 0), -EINVAL);
}

TEST(times_that_are_no_numbers_are_refused)
{
    struct asyncio_timeout limit = {0};
    EXPECT_EQ(asyncio_timeout_enter(&limit, __builtin_nan("")), -EINVAL);
    EXPECT_EQ(asyncio_timeout_exit(&limit, 0), -EINVAL);
    EXPECT_EQ(asyncio_timeout_enter_at(&limit, __builtin_nan("")), -EINVAL);
    EXPECT_EQ(asyncio_timeout_enter(&limit, 1e300), -EINVAL);
    EXPECT_EQ(asyncio_timeout_enter(&limit, 1), 0);
    EXPECT_EQ(asyncio_timeout_reschedule(&limit, __builtin_nan("")), -EINVAL);
    EXPECT_EQ(asyncio_timeout_exit(&limit, asyncio_sleep(5)), -ETIMEDOUT);
}

static int return_out_of_the_block(void)
{
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    int err = asyncio_sleep(10);
    if (err < 0) return err;
    return asyncio_timeout_exit(&limit, err);
}

TEST(any_way_out_of_the_block_ends_the_limit)
{
    size_t before = timers();
    EXPECT_EQ(return_out_of_the_block(), -ECANCELED);
    EXPECT_EQ(cancelling(), 0);
    EXPECT_EQ(timers(), before);
    for (int i = 0; i < 2; i++) {
        ASYNCIO_WITH_TIMEOUT(limit, 1);
        EXPECT_EQ(timers(), before + 1);
        continue;
    }
    EXPECT_EQ(timers(), before);
    EXPECT_EQ(asyncio_sleep(5), 0);
}

// --- on the system's clock, which is read late
// --------------------------------

TEST(limit_of_real_time_is_never_early, .real_time = true)
{
    double start = asyncio_time();
    ASYNCIO_WITH_TIMEOUT(limit, 0.02);
    int err = asyncio_sleep(10);
    EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ETIMEDOUT);
    EXPECT(asyncio_time() >= start + 0.02);
    EXPECT(asyncio_timeout_when(&limit) >= start + 0.02);
}

TEST(deadline_in_real_time_stands_once_it_was_asked_for, .real_time = true)
{
    double start = asyncio_time();
    ASYNCIO_WITH_TIMEOUT(limit, 100);
    double when = asyncio_timeout_when(&limit);
    EXPECT(when >= start + 100 && when <= asyncio_time() + 100);
    EXPECT_EQ(asyncio_sleep(0.001), 0);
    EXPECT(asyncio_timeout_when(&limit) == when);
    EXPECT_EQ(asyncio_timeout_reschedule(&limit, when + 1), 0);
    EXPECT(asyncio_timeout_when(&limit) == when + 1);
    EXPECT_EQ(asyncio_timeout_exit(&limit, 0), 0);
    EXPECT(asyncio_timeout_when(&limit) == when + 1);
}

TEST(limit_that_nobody_waited_in_has_a_deadline_all_the_same, .real_time = true)
{
    double start = asyncio_time();
    size_t before = timers();
    ASYNCIO_WITH_TIMEOUT(limit, 100);
    EXPECT_EQ(timers(), before + 1);
    EXPECT_EQ(asyncio_timeout_exit(&limit, 7), 7);
    EXPECT_EQ(timers(), before);
    double when = asyncio_timeout_when(&limit);
    EXPECT(when >= start + 100 && when < start + 160);
    EXPECT(asyncio_timeout_when(&limit) == when);
}

TEST(limit_around_a_sleep_as_long_ends_it, .real_time = true)
{
    for (int i = 0; i < 20; i++) {
        ASYNCIO_WITH_TIMEOUT(limit, 0.002);
        int err = asyncio_sleep(0.002);
        EXPECT_EQ(err, -ECANCELED);
        EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ETIMEDOUT);
    }
}

TEST(outer_limit_as_long_as_the_inner_one_says_so, .real_time = true)
{
    ASYNCIO_WITH_TIMEOUT(outer, 0.002);
    ASYNCIO_WITH_TIMEOUT(inner, 0.002);
    int err = asyncio_sleep(10);
    err = asyncio_timeout_exit(&inner, err);
    EXPECT_EQ(asyncio_timeout_exit(&outer, err), -ETIMEDOUT);
    EXPECT(asyncio_timeout_expired(&outer));
}

static double system_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// Whoever asks for some time gets about that, however long it computes before
// the loop looks at its clock.
TEST(time_spent_computing_counts, .real_time = true)
{
    ASYNCIO_WITH_TIMEOUT(limit, 0.05);
    double entered = system_time();
    while (system_time() < entered + 0.2)
        continue;
    int err = asyncio_sleep(0); // its time is up in this pass
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ETIMEDOUT);
    EXPECT(asyncio_timeout_when(&limit) <= entered + 0.05 + 0.02);
}

TEST(limits_of_one_pass_have_each_their_own_deadline, .real_time = true)
{
    ASYNCIO_WITH_TIMEOUT(later, 1000);
    ASYNCIO_WITH_TIMEOUT(sooner, 0.002);
    int err = asyncio_sleep(10);
    EXPECT(asyncio_timeout_expired(&sooner));
    EXPECT(!asyncio_timeout_expired(&later));
    err = asyncio_timeout_exit(&sooner, err);
    EXPECT_EQ(err, -ETIMEDOUT);
    EXPECT_EQ(asyncio_timeout_exit(&later, err), -ETIMEDOUT);
    EXPECT(!asyncio_timeout_expired(&later));
}
