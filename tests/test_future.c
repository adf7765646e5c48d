// Futures: one outcome, set once; who waits learns of it in the next pass.

#include <string.h>

#include "runner/runner.h"

// Whatever happened before, nothing goes on behind the back of the test.
static void drop(struct asyncio_task *task)
{
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
}

// --- outcomes ---------------------------------------------------------------

TEST(value_that_was_set_reads_back)
{
    CONFORMS("FUT-01");
    int values[] = {0, 42};
    for (int i = 0; i < 2; i++) {
        struct asyncio_future future = {0};
        int result = -1, code = -1;
        EXPECT(!asyncio_future_done(&future));
        EXPECT_EQ(asyncio_future_result(&future, &result), -EINVAL);
        EXPECT_EQ(asyncio_future_exception(&future, &code), -EINVAL);
        EXPECT_EQ(asyncio_future_set_result(&future, values[i]), 0);
        EXPECT(asyncio_future_done(&future));
        EXPECT(!asyncio_future_cancelled(&future));
        EXPECT_EQ(asyncio_future_result(&future, &result), 0);
        EXPECT_EQ(result, values[i]);
        EXPECT_EQ(asyncio_future_exception(&future, &code), 0);
        EXPECT_EQ(code, 0);
        EXPECT_EQ(asyncio_await(&future), values[i]);
    }
}

static void expect_outcome(struct asyncio_future *future, int outcome)
{
    int result = 1;
    EXPECT_EQ(asyncio_future_set_result(future, 1000), -EINVAL);
    EXPECT_EQ(asyncio_future_set_exception(future, -EPROTO), -EINVAL);
    EXPECT_EQ(asyncio_future_result(future, &result), 0);
    EXPECT_EQ(result, outcome);
    EXPECT_EQ(asyncio_await(future), outcome);
}

TEST(first_outcome_stays)
{
    CONFORMS("FUT-02");
    struct asyncio_future with_value = {0}, with_error = {0};
    EXPECT_EQ(asyncio_future_set_result(&with_value, 3), 0);
    EXPECT_EQ(asyncio_future_set_exception(&with_error, -EIO), 0);
    expect_outcome(&with_value, 3);
    expect_outcome(&with_error, -EIO);
}

TEST(outcomes_of_the_wrong_sign_are_refused)
{
    struct asyncio_future future = {0};
    EXPECT_EQ(asyncio_future_set_result(&future, -1), -EINVAL);
    EXPECT_EQ(asyncio_future_set_exception(&future, 0), -EINVAL);
    EXPECT_EQ(asyncio_future_set_exception(&future, 1), -EINVAL);
    EXPECT(!asyncio_future_done(&future));
}

TEST(cancelled_future_is_done_at_once)
{
    CONFORMS("FUT-03");
    struct asyncio_future future = {0};
    int result = 0, code = 0;
    EXPECT(asyncio_future_cancel(&future));
    EXPECT(asyncio_future_done(&future));
    EXPECT(asyncio_future_cancelled(&future));
    EXPECT_EQ(asyncio_future_result(&future, &result), 0);
    EXPECT_EQ(result, -ECANCELED);
    EXPECT_EQ(asyncio_future_exception(&future, &code), 0);
    EXPECT_EQ(code, -ECANCELED);
    EXPECT_EQ(asyncio_future_set_result(&future, 1), -EINVAL);
    EXPECT_EQ(asyncio_future_set_exception(&future, -EIO), -EINVAL);
    EXPECT(asyncio_future_cancelled(&future));
    EXPECT(!asyncio_future_cancel(&future));
}

TEST(cancel_of_a_future_that_is_done_is_refused)
{
    CONFORMS("FUT-04");
    struct asyncio_future with_value = {0}, with_error = {0};
    EXPECT_EQ(asyncio_future_set_result(&with_value, 3), 0);
    EXPECT_EQ(asyncio_future_set_exception(&with_error, -EIO), 0);
    EXPECT(!asyncio_future_cancel(&with_value));
    EXPECT(!asyncio_future_cancel(&with_error));
    EXPECT(!asyncio_future_cancelled(&with_value));
    EXPECT(!asyncio_future_cancelled(&with_error));
    expect_outcome(&with_value, 3);
    expect_outcome(&with_error, -EIO);
}

static int wait_for_it(void *arg)
{
    return asyncio_await((struct asyncio_future *)arg);
}

TEST(error_code_is_read_and_awaited)
{
    CONFORMS("FUT-08");
    struct asyncio_future future = {0};
    int code = 0;
    struct asyncio_task *task = asyncio_create_task(wait_for_it, &future);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_future_set_exception(&future, -ENOSPC), 0);
    EXPECT_EQ(asyncio_future_exception(&future, &code), 0);
    EXPECT_EQ(code, -ENOSPC);
    EXPECT_EQ(asyncio_await(task), -ENOSPC); // waited before it was done
    EXPECT_EQ(asyncio_await(&future), -ENOSPC);
    drop(task);
}

TEST(value_for_a_cancelled_future_is_dropped_where_that_is_asked_for)
{
    CONFORMS("FUT-09");
    struct asyncio_future cancelled = {0}, pending = {0};
    EXPECT(asyncio_future_cancel(&cancelled));
    EXPECT_EQ(asyncio_future_set_result_unless_cancelled(&cancelled, 1), 0);
    EXPECT(asyncio_future_cancelled(&cancelled));
    EXPECT_EQ(asyncio_await(&cancelled), -ECANCELED);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(unexpected_reports(), 0);

    EXPECT_EQ(asyncio_future_set_result_unless_cancelled(&pending, 1), 0);
    EXPECT_EQ(asyncio_await(&pending), 1);
    EXPECT_EQ(asyncio_future_set_result_unless_cancelled(&pending, 2), -EINVAL);
    EXPECT_EQ(asyncio_await(&pending), 1);
}

// --- reasons ----------------------------------------------------------------

static int see_the_reason(void *arg)
{
    int err = asyncio_await((struct asyncio_future *)arg);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_STR(asyncio_strerror(err), "nobody needs it");
    const struct asyncio_error *error = asyncio_last_error();
    if (EXPECT(error)) {
        EXPECT_EQ(error->code, -ECANCELED);
        EXPECT_STR(error->text, "nobody needs it");
        EXPECT_CONTAINS(error->site, "test_future.c:");
        EXPECT_STR(error->task, "the one who cancels");
    }
    return 0;
}

TEST(awaiter_of_a_cancelled_future_sees_the_reason)
{
    CONFORMS("FUT-10");
    struct asyncio_future future = {0};
    asyncio_ignore(
        asyncio_task_set_name(asyncio_current_task(), "the one who cancels"));
    struct asyncio_task *task = asyncio_create_task(see_the_reason, &future);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT(asyncio_future_cancel(&future, .reason = "nobody needs it"));
    EXPECT_EQ(asyncio_await(task), 0);
    EXPECT_EQ(see_the_reason(&future), 0); // also later, when it is done
    const struct asyncio_error *error = asyncio_future_error(&future);
    if (EXPECT(error)) EXPECT_STR(error->text, "nobody needs it");
    asyncio_future_reset(&future);
    EXPECT(!asyncio_future_done(&future));
    EXPECT_SAME(asyncio_future_error(&future), NULL);
    drop(task);
}

TEST(future_that_is_cancelled_through_its_awaiter_holds_no_words)
{
    struct asyncio_future future = {0};
    struct asyncio_task *task = asyncio_create_task(wait_for_it, &future);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task, .reason = "enough");
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_STR(asyncio_strerror(-ECANCELED), "enough");
    EXPECT_SAME(asyncio_future_error(&future), NULL); // nothing to let go of
    drop(task);
}

TEST(description_tells_the_states_apart)
{
    char text[64];
    struct asyncio_future future = {0};
    EXPECT_STR(asyncio_future_describe(&future, text, sizeof text), "pending");
    asyncio_future_set_result(&future, 7);
    EXPECT_STR(asyncio_future_describe(&future, text, sizeof text),
               "finished 7");
    asyncio_future_reset(&future);
    asyncio_future_set_exception(&future, -EPROTO);
    EXPECT_STR(asyncio_future_describe(&future, text, sizeof text),
               "failed: Protocol error");
    asyncio_future_reset(&future);
    asyncio_future_cancel(&future);
    EXPECT_STR(asyncio_future_describe(&future, text, sizeof text),
               "cancelled");
}

// --- callbacks --------------------------------------------------------------

static int tell(struct asyncio_future *future, void *arg)
{
    EXPECT(asyncio_future_done(future));
    trace("%s", (const char *)arg);
    return 0;
}

static int tell_and_fail(struct asyncio_future *future, void *arg)
{
    asyncio_ignore(tell(future, arg));
    return -EIO;
}

static int add_three(struct asyncio_future *future)
{
    char *const words[] = {"first", "second", "third"};
    for (int i = 0; i < 3; i++) {
        int err = asyncio_future_add_done_callback(future, tell, words[i]);
        EXPECT_EQ(err, 0);
        if (err < 0) return err;
    }
    return 0;
}

TEST(callbacks_run_in_the_pass_after_in_order)
{
    CONFORMS("FUT-05");
    for (int how = 0; how < 3; how++) {
        struct asyncio_future future = {0};
        asyncio_ignore(add_three(&future));
        uint64_t pass = asyncio_loop_passes(asyncio_get_running_loop());
        if (how == 0) EXPECT_EQ(asyncio_future_set_result(&future, 1), 0);
        if (how == 1) EXPECT_EQ(asyncio_future_set_exception(&future, -EIO), 0);
        if (how == 2) EXPECT(asyncio_future_cancel(&future));
        EXPECT_TRACE();
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT_TRACE("first", "second", "third");
        EXPECT_EQ(asyncio_loop_passes(asyncio_get_running_loop()), pass + 1);
    }
}

TEST(callback_on_a_future_that_is_done_runs_in_the_next_pass)
{
    struct asyncio_future future = {0};
    EXPECT_EQ(asyncio_future_set_result(&future, 1), 0);
    asyncio_ignore(add_three(&future));
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("first", "second", "third");
}

TEST(callback_that_was_added_six_times_is_removed_six_times)
{
    CONFORMS("FUT-06");
    struct asyncio_future future = {0};
    char gone[] = "gone", other[] = "other";
    for (int i = 0; i < 6; i++) {
        if (i == 3)
            EXPECT_EQ(asyncio_future_add_done_callback(&future, tell, other),
                      0);
        EXPECT_EQ(asyncio_future_add_done_callback(&future, tell, gone), 0);
    }
    EXPECT_EQ(asyncio_future_remove_done_callback(&future, tell, gone), 6);
    EXPECT_EQ(asyncio_future_remove_done_callback(&future, tell, gone), 0);
    EXPECT_EQ(asyncio_future_set_result(&future, 1), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("other");
}

TEST(callback_that_fails_is_reported_and_stops_no_other)
{
    CONFORMS("FUT-07");
    struct asyncio_future future = {0};
    char first[] = "first", second[] = "second", third[] = "third";
    EXPECT_EQ(asyncio_future_add_done_callback(&future, tell, first), 0);
    EXPECT_EQ(asyncio_future_add_done_callback(&future, tell_and_fail, second),
              0);
    EXPECT_EQ(asyncio_future_add_done_callback(&future, tell, third), 0);
    EXPECT_EQ(asyncio_future_set_result(&future, 1), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("first", "second", "third");
    EXPECT_CONTAINS(expect_report(-EIO), "callback");
    EXPECT_EQ(asyncio_await(&future), 1);
}

static int remove_the_next(struct asyncio_future *future, void *arg)
{
    trace("removed %d", asyncio_future_remove_done_callback(future, tell, arg));
    return 0;
}

// CPython: test_futures.py, test_remove_done_callback; once the future is done
// its callbacks are on their way.
TEST(callback_that_is_queued_cannot_be_removed)
{
    struct asyncio_future future = {0};
    char word[] = "ran all the same";
    EXPECT_EQ(asyncio_future_add_done_callback(&future, remove_the_next, word),
              0);
    EXPECT_EQ(asyncio_future_add_done_callback(&future, tell, word), 0);
    EXPECT_EQ(asyncio_future_set_result(&future, 1), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("removed 0", "ran all the same");
}

TEST(reset_takes_callbacks_back)
{
    struct asyncio_future future = {0};
    char word[] = "never";
    EXPECT_EQ(asyncio_future_add_done_callback(&future, tell, word), 0);
    asyncio_future_reset(&future);
    EXPECT_EQ(asyncio_future_set_result(&future, 1), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE();
}

static int await_it(void *arg)
{
    return asyncio_await((struct asyncio_future *)arg);
}

TEST(what_is_waited_for_is_not_reset, .ordered = true)
{
    struct asyncio_future future = {0};
    struct asyncio_task *task = asyncio_create_task(await_it, &future);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_future_reset(&future);
    EXPECT_CONTAINS(expect_report(-EBUSY), "cannot be reset");
    asyncio_future_reset(asyncio_task_future(task));
    EXPECT_CONTAINS(expect_report(-EBUSY), "cannot be reset");
    EXPECT_EQ(asyncio_future_set_result(&future, 7), 0);
    EXPECT_EQ(asyncio_await(task), 7);
    asyncio_task_release(task);
}

TEST(callback_without_a_function_is_refused)
{
    struct asyncio_future future = {0};
    EXPECT_EQ(asyncio_future_add_done_callback(&future, NULL, NULL), -EINVAL);
}

TEST_PLAIN(future_without_a_loop_is_refused_where_it_needs_one)
{
    struct asyncio_future future = {0};
    EXPECT_EQ(asyncio_await(&future), -EPERM);
    EXPECT_EQ(asyncio_future_add_done_callback(&future, tell, NULL), -EPERM);
    EXPECT_EQ(asyncio_future_set_result(&future, 3), 0);
    int result = 0;
    EXPECT_EQ(asyncio_future_result(&future, &result), 0);
    EXPECT_EQ(result, 3);
}

static int add_tell(void *arg)
{
    static char word[] = "never";
    return asyncio_future_add_done_callback(arg, tell, word);
}

TEST_PLAIN(callback_is_dropped_if_its_loop_is_closed_before_the_future_is_done)
{
    struct asyncio_future future = {0};
    int result = 0;
    EXPECT_EQ(asyncio_run(add_tell, &future), 0);
    EXPECT_EQ(asyncio_future_set_result(&future, 7), 0);
    EXPECT_EQ(asyncio_future_result(&future, &result), 0);
    EXPECT_EQ(result, 7);
    EXPECT_TRACE();
}

TEST_PLAIN(future_whose_loop_was_closed_lets_go_of_its_callbacks)
{
    struct asyncio_future future = {0};
    EXPECT_EQ(asyncio_run(add_tell, &future), 0);
    asyncio_future_reset(&future);
    EXPECT_TRACE();
}
