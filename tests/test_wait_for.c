// asyncio_wait_for: a limit on one awaitable, or on one call.

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

static int sleep_and_return(void *arg)
{
    int err = asyncio_sleep(*(double *)arg);
    return err < 0 ? err : 7;
}

// --- in time ----------------------------------------------------------------

TEST(work_that_is_done_in_time_gives_its_value)
{
    CONFORMS("WFOR-01");
    double second = 1;
    size_t before = timers();
    struct asyncio_future future = {0};
    struct asyncio_task *task = asyncio_create_task(sleep_and_return, &second);
    struct asyncio_coroutine coroutine =
        ASYNCIO_COROUTINE(sleep_and_return, &second);

    EXPECT_EQ(asyncio_wait_for(task, 5), 7);
    EXPECT_EQ(asyncio_wait_for(&coroutine, 5), 7);
    EXPECT_EQ(asyncio_wait_for(sleep_and_return(&second), 5), 7);
    EXPECT_EQ(asyncio_future_set_result(&future, 8), 0);
    EXPECT_EQ(asyncio_wait_for(&future, 5), 8);
    EXPECT_EQ(timers(), before);
    EXPECT_EQ(asyncio_sleep(20), 0);
    drop(task);
}

static int refuse(void *arg)
{
    (void)arg;
    return asyncio_raise(-EPROTO, "not like this");
}

TEST(error_of_the_work_passes_through)
{
    struct asyncio_task *task = asyncio_create_task(refuse, NULL);
    EXPECT_EQ(asyncio_wait_for(task, 5), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "not like this");
    EXPECT_EQ(asyncio_wait_for(refuse(NULL), 5), -EPROTO);
    drop(task);
}

static int set_it(void *arg)
{
    return asyncio_future_set_result((struct asyncio_future *)arg, 9);
}

TEST(without_a_limit_it_is_a_plain_await)
{
    CONFORMS("WFOR-07");
    size_t before = timers();
    double long_time = 1e6;
    struct asyncio_task *task =
        asyncio_create_task(sleep_and_return, &long_time);
    EXPECT_EQ(asyncio_wait_for(task, ASYNCIO_FOREVER), 7);
    drop(task);

    struct asyncio_future future = {0};
    struct asyncio_handle handle = {0};
    EXPECT_OR_RETURN(
        asyncio_call_later(1e6, set_it, &future, .handle = &handle) == 0);
    EXPECT_EQ(asyncio_wait_for(&future, ASYNCIO_FOREVER), 9);
    EXPECT_EQ(timers(), before);

    task = asyncio_create_task(refuse, NULL);
    EXPECT_EQ(asyncio_wait_for(task, ASYNCIO_FOREVER), -EPROTO);
    drop(task);
    EXPECT_EQ(asyncio_wait_for(sleep_and_return(&long_time), ASYNCIO_FOREVER),
              7);
}

// --- too late ---------------------------------------------------------------

TEST(task_that_takes_too_long_is_cancelled)
{
    CONFORMS("WFOR-02");
    double start = asyncio_time(), long_time = 3600;
    struct asyncio_task *task =
        asyncio_create_task(sleep_and_return, &long_time);
    EXPECT_EQ(asyncio_wait_for(task, 0.1), -ETIMEDOUT);
    EXPECT_LT(asyncio_time() - start, 1);
    EXPECT(asyncio_task_done(task));
    EXPECT(asyncio_task_cancelled(task));
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
    EXPECT_EQ(timers(), 0);
    drop(task);
}

TEST(future_coroutine_and_call_that_take_too_long_end)
{
    double long_time = 3600;
    struct asyncio_future never = {0};
    struct asyncio_coroutine coroutine =
        ASYNCIO_COROUTINE(sleep_and_return, &long_time);
    EXPECT_EQ(asyncio_wait_for(&never, 1), -ETIMEDOUT);
    EXPECT(asyncio_future_cancelled(&never));
    EXPECT_EQ(asyncio_wait_for(&coroutine, 1), -ETIMEDOUT);
    EXPECT_EQ(asyncio_wait_for(asyncio_sleep(10), 1), -ETIMEDOUT);
    EXPECT_EQ(asyncio_wait_for(asyncio_wait_for(asyncio_sleep(10), 5), 1),
              -ETIMEDOUT);
    EXPECT_EQ(asyncio_wait_for(asyncio_wait_for(asyncio_sleep(10), 1), 5),
              -ETIMEDOUT);
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
}

static int clean_up_for_a_while(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(3600);
    EXPECT_EQ(asyncio_sleep(2), 0);
    trace("cleaned up");
    return err;
}

TEST(limit_waits_for_the_clean_up)
{
    CONFORMS("WFOR-03");
    struct asyncio_task *task = asyncio_create_task(clean_up_for_a_while, NULL);
    double start = asyncio_time();
    EXPECT_EQ(asyncio_wait_for(task, 1), -ETIMEDOUT);
    EXPECT_TRACE("cleaned up");
    EXPECT(asyncio_task_cancelled(task));
    EXPECT_GE(asyncio_time() - start, 3 - 1e-6);
    drop(task);
    EXPECT_EQ(asyncio_wait_for(clean_up_for_a_while(NULL), 1), -ETIMEDOUT);
    EXPECT_TRACE("cleaned up");
}

static int fail_in_the_clean_up(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(3600);
    return err == -ECANCELED ? -EIO : err;
}

TEST(error_of_the_clean_up_comes_out)
{
    CONFORMS("WFOR-04");
    double limits[] = {1, 0};
    for (int i = 0; i < 2; i++) {
        struct asyncio_task *task =
            asyncio_create_task(fail_in_the_clean_up, NULL);
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT_EQ(asyncio_wait_for(task, limits[i]), -EIO);
        EXPECT(!asyncio_task_cancelled(task));
        drop(task);
    }
    EXPECT_EQ(asyncio_wait_for(fail_in_the_clean_up(NULL), 1), -EIO);
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
}

static int swallow(void *arg)
{
    (void)arg;
    EXPECT_EQ(asyncio_sleep(3600), -ECANCELED);
    return 3;
}

TEST(value_of_a_task_that_swallows_comes_out)
{
    double limits[] = {1, 0};
    for (int i = 0; i < 2; i++) {
        struct asyncio_task *task = asyncio_create_task(swallow, NULL);
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT_EQ(asyncio_wait_for(task, limits[i]), 3);
        drop(task);
    }
}

// --- no time at all ---------------------------------------------------------

static int note_start(void *arg)
{
    trace("it began");
    return *(int *)arg;
}

TEST(nothing_begins_when_no_time_is_left)
{
    CONFORMS("WFOR-05");
    double limits[] = {0, -1, -__builtin_inf()};
    int value = 1;
    for (int i = 0; i < 3; i++) {
        struct asyncio_coroutine coroutine =
            ASYNCIO_COROUTINE(note_start, &value);
        EXPECT_EQ(asyncio_wait_for(&coroutine, limits[i]), -ETIMEDOUT);
        EXPECT_EQ(asyncio_wait_for(&coroutine, limits[i]), -EALREADY);
        EXPECT_EQ(asyncio_wait_for(note_start(&value), limits[i]), -ETIMEDOUT);
    }
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE();
}

TEST(running_task_is_cancelled_and_joined_when_no_time_is_left)
{
    CONFORMS("WFOR-06");
    double limits[] = {0, -1};
    for (int i = 0; i < 2; i++) {
        struct asyncio_task *task =
            asyncio_create_task(clean_up_for_a_while, NULL);
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT_EQ(asyncio_wait_for(task, limits[i]), -ETIMEDOUT);
        EXPECT_TRACE("cleaned up");
        EXPECT(asyncio_task_done(task));
        EXPECT(asyncio_task_cancelled(task));
        drop(task);
    }
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
}

TEST(what_is_done_already_needs_no_time)
{
    struct asyncio_future future = {0};
    int value = 6;
    struct asyncio_task *task = asyncio_create_task(note_start, &value);
    EXPECT_EQ(asyncio_future_set_result(&future, 5), 0);
    EXPECT_EQ(asyncio_wait_for(&future, 0), 5);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_wait_for(task, -1), 6);
    drop(task);
}

// --- a waiter that is cancelled ---------------------------------------------

struct wait {
    struct asyncio_task *other;
    double limit;
};

static int wait_for_other(void *arg)
{
    struct wait *wait = arg;
    return asyncio_wait_for(wait->other, wait->limit);
}

TEST(cancelled_waiter_takes_the_task_with_it)
{
    CONFORMS("WFOR-08");
    double limits[] = {100, ASYNCIO_FOREVER}, long_time = 3600;
    for (int i = 0; i < 2; i++) {
        struct wait wait = {asyncio_create_task(sleep_and_return, &long_time),
                            limits[i]};
        struct asyncio_task *waiter =
            asyncio_create_task(wait_for_other, &wait);
        EXPECT_EQ(asyncio_sleep(1), 0);
        asyncio_task_cancel(waiter);
        EXPECT_EQ(asyncio_await(waiter), -ECANCELED);
        EXPECT(asyncio_task_cancelled(waiter));
        EXPECT(asyncio_task_cancelled(wait.other));
        EXPECT_EQ(timers(), 0);
        drop(waiter);
        drop(wait.other);
    }
}

TEST(request_that_was_pending_is_not_taken_for_the_limit)
{
    double limits[] = {1, 0}, long_time = 3600;
    for (int i = 0; i < 2; i++) {
        struct asyncio_task *task =
            asyncio_create_task(sleep_and_return, &long_time);
        EXPECT_EQ(asyncio_sleep(1), 0);
        asyncio_task_cancel(asyncio_current_task());
        EXPECT_EQ(asyncio_wait_for(task, limits[i]), -ECANCELED);
        EXPECT_EQ(asyncio_task_uncancel(asyncio_current_task()), 0);
        EXPECT(asyncio_task_cancelled(task));
        drop(task);
    }
}

static int clean_up_in_haste(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(3600);
    EXPECT_EQ(asyncio_sleep(2), -ECANCELED);
    return err;
}

TEST(waiter_cancelled_while_the_clean_up_runs_is_cancelled)
{
    double limits[] = {2, 0};
    for (int i = 0; i < 2; i++) {
        struct wait wait = {asyncio_create_task(clean_up_in_haste, NULL),
                            limits[i]};
        EXPECT_EQ(asyncio_sleep(1), 0);
        struct asyncio_task *waiter =
            asyncio_create_task(wait_for_other, &wait);
        EXPECT_EQ(asyncio_sleep(limits[i] + 1), 0);
        asyncio_task_cancel(waiter); // meets the second sleep of the other
        EXPECT_EQ(asyncio_await(waiter), -ECANCELED);
        drop(waiter);
        drop(wait.other);
    }
}

TEST(task_that_was_cancelled_by_itself_is_no_timeout)
{
    double long_time = 3600, limits[] = {5, ASYNCIO_FOREVER};
    for (int i = 0; i < 2; i++) {
        struct asyncio_task *task =
            asyncio_create_task(sleep_and_return, &long_time);
        asyncio_task_cancel(task);
        EXPECT_EQ(asyncio_wait_for(task, limits[i]), -ECANCELED);
        drop(task);
    }
}

// --- with a shield ----------------------------------------------------------

TEST(shielded_task_outlives_the_limit)
{
    CONFORMS("WFOR-09");
    double two = 2;
    struct asyncio_task *task = asyncio_create_task(sleep_and_return, &two);
    EXPECT_EQ(asyncio_wait_for(asyncio_shield(task), 1), -ETIMEDOUT);
    EXPECT(!asyncio_task_done(task));
    EXPECT_EQ(asyncio_wait_for(asyncio_shield(task), 0), -ETIMEDOUT);
    EXPECT_EQ(asyncio_task_cancelling(task), 0);
    EXPECT_EQ(asyncio_await(task), 7);
    drop(task);
}

// --- misuse -----------------------------------------------------------------

TEST(limit_that_is_no_number_is_refused_and_nothing_begins)
{
    int value = 1;
    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(note_start, &value);
    EXPECT_EQ(asyncio_wait_for(&coroutine, __builtin_nan("")), -EINVAL);
    EXPECT_EQ(asyncio_wait_for(note_start(&value), __builtin_nan("")), -EINVAL);
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_wait_for(&coroutine, 1), 1); // it was not used up
}

TEST_PLAIN(outside_a_task_nothing_begins)
{
    int value = 1;
    EXPECT_EQ(asyncio_wait_for(note_start(&value), 1), -EPERM);
    EXPECT_EQ(asyncio_wait_for(note_start(&value), 0), -EPERM);
    EXPECT_TRACE();
}
