// asyncio_shield: waiting for something that outlives a cancelled waiter.

#include "runner/runner.h"

// Whatever happened before, nothing goes on behind the back of the test.
static void drop(struct asyncio_task *task)
{
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
}

static int wait_in_a_shield(void *arg)
{
    return asyncio_shield((struct asyncio_future *)arg);
}

static int shield_a_task(void *arg)
{
    return asyncio_shield(*(struct asyncio_task **)arg);
}

TEST(shield_ends_as_the_future_does)
{
    CONFORMS("SHLD-01");
    int outcomes[] = {5, -EIO};
    for (int i = 0; i < 2; i++) {
        struct asyncio_future future = {0};
        struct asyncio_task *task =
            asyncio_create_task(wait_in_a_shield, &future);
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT(!asyncio_task_done(task));
        if (outcomes[i] >= 0)
            EXPECT_EQ(asyncio_future_set_result(&future, outcomes[i]), 0);
        else
            EXPECT_EQ(asyncio_future_set_exception(&future, outcomes[i]), 0);
        EXPECT_EQ(asyncio_await(task), outcomes[i]);
        drop(task);
    }
}

static int fail_with_words(void *arg)
{
    (void)arg;
    return asyncio_raise(-EPROTO, "from behind the shield");
}

TEST(words_of_a_failure_come_through)
{
    struct asyncio_task *task = asyncio_create_task(fail_with_words, NULL);
    EXPECT_EQ(asyncio_shield(task), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "from behind the shield");
    drop(task);
}

// --- the waiter is cancelled ------------------------------------------------

// Static: the coroutine outlives the task that shields it.
static bool ended;

static int sleep_to_the_end(void *arg)
{
    int err = asyncio_sleep(*(double *)arg);
    if (err == 0) ended = true;
    return err;
}

static int shield_a_coroutine(void *arg)
{
    struct asyncio_coroutine work = ASYNCIO_COROUTINE(sleep_to_the_end, arg);
    int err = asyncio_shield(&work);
    EXPECT_EQ(err, -ECANCELED);
    return err;
}

TEST(shielded_coroutine_goes_on_to_its_end)
{
    CONFORMS("SHLD-02");
    double seconds = 10;
    ended = false;
    struct asyncio_task *task =
        asyncio_create_task(shield_a_coroutine, &seconds);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT(asyncio_task_cancelled(task));
    EXPECT(!ended);
    EXPECT_EQ(asyncio_sleep(20), 0);
    EXPECT(ended);
    drop(task);
}

TEST(shielded_task_and_future_know_nothing_of_the_cancel)
{
    double seconds = 10;
    ended = false;
    struct asyncio_future future = {0};
    struct asyncio_task *inner =
        asyncio_create_task(sleep_to_the_end, &seconds);
    struct asyncio_task *tasks[] = {
        asyncio_create_task(shield_a_task, &inner),
        asyncio_create_task(wait_in_a_shield, &future)};
    EXPECT_EQ(asyncio_sleep(1), 0);
    for (int i = 0; i < 2; i++) {
        asyncio_task_cancel(tasks[i], .reason = "not theirs");
        EXPECT_EQ(asyncio_await(tasks[i]), -ECANCELED);
        EXPECT_STR(asyncio_strerror(-ECANCELED), "not theirs");
        drop(tasks[i]);
    }
    EXPECT_EQ(asyncio_task_cancelling(inner), 0);
    EXPECT(!asyncio_future_done(&future));
    EXPECT_EQ(asyncio_await(inner), 0);
    EXPECT(ended);
    drop(inner);
}

// CPython: test_tasks.py, test_shield_effect: once more, and it still holds.
TEST(shield_can_be_waited_on_again)
{
    double seconds = 10;
    struct asyncio_task *inner =
        asyncio_create_task(sleep_to_the_end, &seconds);
    EXPECT_EQ(asyncio_wait_for(asyncio_shield(inner), 1), -ETIMEDOUT);
    EXPECT_EQ(asyncio_wait_for(asyncio_shield(inner), 1), -ETIMEDOUT);
    EXPECT_EQ(asyncio_shield(inner), 0);
    drop(inner);
}

TEST(shield_around_a_gather_keeps_its_children)
{
    CONFORMS("SHLD-05");
    struct asyncio_future futures[2] = {0};
    struct asyncio_future *list[] = {&futures[0], &futures[1]};
    int results[2] = {0, 0};
    struct asyncio_gather gather = {0};
    EXPECT_OR_RETURN(
        asyncio_gather_start(&gather, list, 2, .results = results) == 0);
    struct asyncio_task *task =
        asyncio_create_task(wait_in_a_shield, &gather.future);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT(!asyncio_future_done(&gather.future));
    EXPECT(!asyncio_future_done(&futures[0]));
    EXPECT(!asyncio_future_done(&futures[1]));

    EXPECT_EQ(asyncio_future_set_result(&futures[0], 1), 0);
    EXPECT_EQ(asyncio_future_set_result(&futures[1], 2), 0);
    EXPECT_EQ(asyncio_await(&gather.future), 0);
    EXPECT_EQ(results[0], 1);
    EXPECT_EQ(results[1], 2);
    drop(task);
    asyncio_gather_close(&gather);
}

// --- what is shielded is cancelled, or done ---------------------------------

static int see_it_cancelled(void *arg)
{
    int err = asyncio_shield((struct asyncio_future *)arg);
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
    return err;
}

TEST(shield_is_cancelled_when_the_future_is)
{
    CONFORMS("SHLD-03");
    struct asyncio_future future = {0};
    struct asyncio_task *task = asyncio_create_task(see_it_cancelled, &future);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT(asyncio_future_cancel(&future));
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT(asyncio_task_cancelled(task));
    drop(task);
}

static int note_turn(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

TEST(shield_of_what_is_done_does_not_wait)
{
    CONFORMS("SHLD-04");
    struct asyncio_future with_value = {0}, with_error = {0}, cancelled = {0};
    EXPECT_EQ(asyncio_future_set_result(&with_value, 8), 0);
    EXPECT_EQ(asyncio_future_set_exception(&with_error, -EIO), 0);
    EXPECT(asyncio_future_cancel(&cancelled));

    bool waited = false;
    struct asyncio_handle handle = {0};
    EXPECT_EQ(asyncio_call_soon(note_turn, &waited, .handle = &handle), 0);
    EXPECT_EQ(asyncio_shield(&with_value), 8);
    EXPECT_EQ(asyncio_shield(&with_error), -EIO);
    EXPECT_EQ(asyncio_shield(&cancelled), -ECANCELED);
    EXPECT(!waited);
    asyncio_handle_cancel(&handle);
}

// --- the task for a coroutine object ----------------------------------------

struct circumstances {
    struct asyncio_task *task;
    struct asyncio_loop *loop;
    size_t tasks;
};

static int look_around(void *arg)
{
    struct circumstances *here = arg;
    here->task = asyncio_current_task();
    here->loop = asyncio_get_running_loop();
    here->tasks = asyncio_all_tasks(here->loop, NULL, 0);
    return 11;
}

TEST(shielded_coroutine_is_a_task_of_the_running_loop)
{
    CONFORMS("SHLD-06");
    struct circumstances there = {0};
    struct asyncio_loop *loop = asyncio_get_running_loop();
    size_t tasks = asyncio_all_tasks(loop, NULL, 0);
    struct asyncio_coroutine work = ASYNCIO_COROUTINE(look_around, &there);
    EXPECT_EQ(asyncio_shield(&work), 11);
    EXPECT(there.task && there.task != asyncio_current_task());
    EXPECT_SAME(there.loop, loop);
    EXPECT_EQ(there.tasks, tasks + 1);
    EXPECT_EQ(asyncio_shield(&work), -EALREADY);
}

static int fail_later(void *arg)
{
    int err = asyncio_sleep(*(double *)arg);
    return err < 0 ? err : asyncio_raise(-EPROTO, "too late to be heard");
}

static int shield_a_failure(void *arg)
{
    struct asyncio_coroutine work = ASYNCIO_COROUTINE(fail_later, arg);
    return asyncio_shield(&work);
}

TEST(failure_behind_a_shield_that_was_left_is_reported_once)
{
    CONFORMS("SHLD-07");
    double seconds = 10;
    struct asyncio_task *task = asyncio_create_task(shield_a_failure, &seconds);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    drop(task);
    EXPECT_EQ(unexpected_reports(), 0);
    EXPECT_EQ(asyncio_sleep(20), 0);
    EXPECT_CONTAINS(expect_report(-EPROTO), "too late to be heard");
    EXPECT_EQ(unexpected_reports(), 0);
}

TEST_PLAIN(shield_outside_a_task_is_refused)
{
    struct asyncio_future future = {0};
    EXPECT_EQ(asyncio_shield(&future), -EPERM);
}
