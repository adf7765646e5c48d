// Cancelling tasks: a request ends one wait, is counted, and can be taken back.

#include "runner/runner.h"

// Whatever happened before, nothing goes on behind the back of the test.
static void drop(struct asyncio_task *task)
{
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
}

static int wait_for_it(void *arg)
{
    return asyncio_await((struct asyncio_future *)arg);
}

// --- one request, one wait --------------------------------------------------

static int note_and_wait(void *arg)
{
    int err = asyncio_await((struct asyncio_future *)arg);
    trace("the wait ended");
    EXPECT_EQ(err, -ECANCELED);
    EXPECT(!asyncio_task_cancelled(asyncio_current_task()));
    return err;
}

TEST(cancel_ends_the_wait_when_the_task_runs_next)
{
    CONFORMS("CANC-01");
    CONFORMS("CANC-16");
    struct asyncio_future never = {0};
    struct asyncio_task *task = asyncio_create_task(note_and_wait, &never);
    EXPECT_EQ(asyncio_sleep(1), 0);

    EXPECT(asyncio_task_cancel(task));
    EXPECT_TRACE();
    EXPECT(!asyncio_task_done(task));
    EXPECT(!asyncio_task_cancelled(task));
    EXPECT_EQ(asyncio_task_cancelling(task), 1);

    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_TRACE("the wait ended");
    EXPECT(asyncio_task_cancelled(task));
    drop(task);
}

static int note_start(void *arg)
{
    trace("it began");
    return *(int *)arg;
}

TEST(task_cancelled_before_it_began_never_begins)
{
    int value = 1;
    struct asyncio_task *task = asyncio_create_task(note_start, &value);
    EXPECT(asyncio_task_cancel(task, .reason = "not needed"));
    EXPECT(!asyncio_task_done(task));
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_STR(asyncio_strerror(-ECANCELED), "not needed");
    EXPECT(asyncio_task_cancelled(task));
    EXPECT_TRACE();
    drop(task);
}

static int return_it(void *arg)
{
    return *(int *)arg;
}

TEST(cancel_of_a_task_that_is_done_changes_nothing)
{
    CONFORMS("CANC-02");
    int outcomes[] = {3, -EIO};
    for (int i = 0; i < 2; i++) {
        struct asyncio_task *task =
            asyncio_create_task(return_it, &outcomes[i]);
        int result = 0;
        EXPECT_EQ(asyncio_await(task), outcomes[i]);
        EXPECT(!asyncio_task_cancel(task));
        EXPECT(!asyncio_task_cancelled(task));
        EXPECT_EQ(asyncio_task_cancelling(task), 0);
        EXPECT_EQ(asyncio_task_result(task, &result), 0);
        EXPECT_EQ(result, outcomes[i]);
        drop(task);
    }
}

static int catch_once(void *arg)
{
    (void)arg;
    EXPECT_EQ(asyncio_sleep(3600), -ECANCELED);
    return 42;
}

TEST(task_that_handles_the_request_and_returns_a_value_is_finished)
{
    CONFORMS("CANC-03");
    struct asyncio_task *task = asyncio_create_task(catch_once, NULL);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), 42);
    EXPECT(asyncio_task_done(task));
    EXPECT(!asyncio_task_cancelled(task));
    drop(task);
}

static int ignore_and_go_on(void *arg)
{
    EXPECT_EQ(asyncio_sleep(3600), -ECANCELED);
    EXPECT_EQ(asyncio_await((struct asyncio_future *)arg), 7);
    EXPECT_EQ(asyncio_sleep(0), 0);
    return 8;
}

TEST(request_is_delivered_once)
{
    CONFORMS("CANC-04");
    struct asyncio_future future = {0};
    struct asyncio_task *task = asyncio_create_task(ignore_and_go_on, &future);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_future_set_result(&future, 7), 0);
    EXPECT_EQ(asyncio_await(task), 8);
    EXPECT_EQ(asyncio_task_cancelling(task), 1);
    drop(task);
}

static int change_the_code(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(3600);
    return err == -ECANCELED ? -EIO : err;
}

TEST(task_that_turns_the_request_into_an_error_has_failed)
{
    CONFORMS("CANC-12");
    struct asyncio_task *task = asyncio_create_task(change_the_code, NULL);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -EIO);
    EXPECT(!asyncio_task_cancelled(task));
    int code = 0;
    EXPECT_EQ(asyncio_task_exception(task, &code), 0);
    EXPECT_EQ(code, -EIO);
    drop(task);
}

static int clean_up_slowly(void *arg)
{
    (void)arg;
    EXPECT_EQ(asyncio_sleep(3600), -ECANCELED);
    trace("clean-up");
    int err = asyncio_sleep(3600);
    EXPECT_EQ(err, -ECANCELED);
    return err;
}

TEST(second_request_ends_a_wait_of_the_clean_up)
{
    CONFORMS("CANC-08");
    struct asyncio_task *task = asyncio_create_task(clean_up_slowly, NULL);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("clean-up");
    asyncio_task_cancel(task);
    double before = asyncio_time();
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_LT(asyncio_time() - before, 1);
    EXPECT_EQ(asyncio_task_cancelling(task), 2);
    drop(task);
}

static int cancel_it(void *arg)
{
    asyncio_task_cancel((struct asyncio_task *)arg);
    return 0;
}

static int sleep_very_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(1e8);
}

TEST(sleeping_task_is_cancelled_when_it_is_asked)
{
    CONFORMS("CANC-13");
    struct asyncio_task *task = asyncio_create_task(sleep_very_long, NULL);
    double start = asyncio_time();
    struct asyncio_handle timer = {0};
    EXPECT_EQ(asyncio_call_later(0.1, cancel_it, task, .handle = &timer), 0);
    int err = asyncio_await(task);
    asyncio_handle_cancel(&timer);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_GE(asyncio_time() - start, 0.1 - 1e-9);
    EXPECT_LT(asyncio_time() - start, 0.1 + 1e-3);
    EXPECT_EQ(asyncio_loop_timers(asyncio_get_running_loop()), 0);
    drop(task);
}

// --- a task that cancels itself ---------------------------------------------

static int cancel_self_and_sleep(void *arg)
{
    double before = asyncio_time();
    EXPECT(asyncio_task_cancel(asyncio_current_task()));
    int err = asyncio_sleep(*(double *)arg);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_time(), before);
    EXPECT_EQ(asyncio_sleep(0), 0); // that was it
    return err;
}

static int cancel_self_and_wait(void *arg)
{
    EXPECT(asyncio_task_cancel(asyncio_current_task()));
    EXPECT_EQ(asyncio_await((struct asyncio_future *)arg), -ECANCELED);
    return -ECANCELED;
}

TEST(task_that_cancels_itself_is_stopped_at_its_next_wait)
{
    CONFORMS("CANC-05");
    struct asyncio_future never = {0};
    double seconds = 3600;
    struct asyncio_task *sleeper =
        asyncio_create_task(cancel_self_and_sleep, &seconds);
    struct asyncio_task *waiter =
        asyncio_create_task(cancel_self_and_wait, &never);
    EXPECT_EQ(asyncio_await(sleeper), -ECANCELED);
    EXPECT_EQ(asyncio_await(waiter), -ECANCELED);
    EXPECT(asyncio_task_cancelled(sleeper));
    EXPECT(asyncio_task_cancelled(waiter));
    drop(sleeper);
    drop(waiter);
}

static int cancel_self_at_the_end(void *arg)
{
    EXPECT(asyncio_task_cancel(asyncio_current_task()));
    return *(int *)arg;
}

TEST(task_that_ends_with_a_request_undelivered_is_cancelled)
{
    CONFORMS("CANC-06");
    int value = 5;
    struct asyncio_task *task =
        asyncio_create_task(cancel_self_at_the_end, &value);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT(asyncio_task_cancelled(task));
    drop(task);
}

struct errand {
    struct asyncio_task *other;
    int outcome;
};

static int cancel_self_and_join(void *arg)
{
    struct errand *errand = arg;
    EXPECT(asyncio_task_cancel(asyncio_current_task()));
    errand->outcome = asyncio_await(errand->other);
    return errand->outcome;
}

TEST(task_that_cancels_itself_takes_what_it_awaits_with_it)
{
    CONFORMS("CANC-07");
    struct asyncio_future never = {0};
    struct errand errand = {asyncio_create_task(wait_for_it, &never), 0};
    EXPECT_EQ(asyncio_sleep(1), 0);
    struct asyncio_task *task =
        asyncio_create_task(cancel_self_and_join, &errand);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(errand.outcome, -ECANCELED);
    EXPECT(asyncio_task_cancelled(errand.other));
    EXPECT(asyncio_future_cancelled(&never));
    drop(errand.other);
    drop(task);
}

// --- counting ---------------------------------------------------------------

TEST(requests_are_counted_and_taken_back)
{
    CONFORMS("CANC-09");
    struct asyncio_task *me = asyncio_current_task();
    EXPECT_EQ(asyncio_task_cancelling(me), 0);
    EXPECT_EQ(asyncio_task_uncancel(me), 0);
    for (int n = 1; n <= 3; n++) {
        asyncio_task_cancel(me);
        EXPECT_EQ(asyncio_task_cancelling(me), n);
    }
    for (int n = 2; n >= 0; n--) {
        EXPECT_EQ(asyncio_task_uncancel(me), n);
        EXPECT_EQ(asyncio_task_cancelling(me), n);
    }
    EXPECT_EQ(asyncio_task_uncancel(me), 0);
    EXPECT_EQ(asyncio_task_cancelling(me), 0);
}

// CPython: test_tasks.py, test_uncancel_resets_must_cancel
TEST(request_that_was_taken_back_is_not_delivered)
{
    struct asyncio_task *me = asyncio_current_task();
    asyncio_task_cancel(me);
    asyncio_task_cancel(me);
    EXPECT_EQ(asyncio_task_uncancel(me), 1);
    EXPECT_EQ(asyncio_task_uncancel(me), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
}

TEST(one_of_two_requests_that_stays_is_delivered)
{
    struct asyncio_task *me = asyncio_current_task();
    asyncio_task_cancel(me);
    asyncio_task_cancel(me);
    EXPECT_EQ(asyncio_task_uncancel(me), 1);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_task_uncancel(me), 0);
}

static int handle_one_request(void *arg)
{
    (void)arg;
    EXPECT_EQ(asyncio_sleep(3600), -ECANCELED);
    EXPECT_EQ(asyncio_task_uncancel(asyncio_current_task()), 0);
    trace("handled");
    return asyncio_sleep(3600);
}

TEST(task_that_took_a_request_back_can_be_cancelled_again)
{
    CONFORMS("CANC-10");
    struct asyncio_task *task = asyncio_create_task(handle_one_request, NULL);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("handled");
    EXPECT(!asyncio_task_done(task));
    EXPECT_EQ(asyncio_task_cancelling(task), 0);

    EXPECT(asyncio_task_cancel(task));
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT(asyncio_task_cancelled(task));
    EXPECT_EQ(asyncio_task_cancelling(task), 1);
    drop(task);
}

struct alarm {
    struct asyncio_task *task;
    bool rang;
};

static int ring(void *arg)
{
    struct alarm *alarm = arg;
    alarm->rang = true;
    asyncio_task_cancel(alarm->task);
    return 0;
}

// A time limit as one would write it without asyncio_timeout.
static int limited_by_hand(double work, double seconds)
{
    struct alarm alarm = {asyncio_current_task(), false};
    struct asyncio_handle timer = {0};
    int err = asyncio_call_later(seconds, ring, &alarm, .handle = &timer);
    if (err < 0) return err;
    err = asyncio_sleep(work);
    asyncio_handle_cancel(&timer);
    if (!alarm.rang) return err;
    bool own = asyncio_task_uncancel(alarm.task) == 0;
    return own && err == -ECANCELED ? -ETIMEDOUT : err;
}

static int limit_by_hand(void *arg)
{
    (void)arg;
    EXPECT_EQ(limited_by_hand(1, 2), 0);
    EXPECT_EQ(limited_by_hand(2, 1), -ETIMEDOUT);
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    return 0;
}

static int limit_a_long_sleep(void *arg)
{
    (void)arg;
    return limited_by_hand(10, 1);
}

TEST(time_limit_written_by_hand_leaves_the_task_able_to_go_on)
{
    CONFORMS("CANC-11");
    struct asyncio_task *task = asyncio_create_task(limit_by_hand, NULL);
    EXPECT_EQ(asyncio_await(task), 0);
    EXPECT(!asyncio_task_cancelled(task));
    drop(task);
}

TEST(time_limit_written_by_hand_sees_a_request_from_outside)
{
    struct asyncio_task *task = asyncio_create_task(limit_a_long_sleep, NULL);
    double start = asyncio_time();
    struct asyncio_handle other = {0};
    EXPECT_EQ(asyncio_sleep(0.5), 0);
    int err = asyncio_call_at(start + 1, cancel_it, task, .handle = &other);
    EXPECT_EQ(err, 0);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(asyncio_task_cancelling(task), 1);
    asyncio_handle_cancel(&other);
    drop(task);
}
