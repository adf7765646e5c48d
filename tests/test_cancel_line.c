// Cancelling a task that waits for another: the request goes down the line, and
// the outcome comes back up.

#include <string.h>

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

static int wait_for_task(void *arg)
{
    return asyncio_await(*(struct asyncio_task **)arg);
}

static int catch_once(void *arg)
{
    (void)arg;
    EXPECT_EQ(asyncio_sleep(3600), -ECANCELED);
    return 42;
}

// --- what the task waits for ------------------------------------------------

TEST(cancel_wins_over_a_future_that_has_just_completed)
{
    CONFORMS("CANC-14");
    struct asyncio_future future = {0};
    int value = 0;
    struct asyncio_task *task = asyncio_create_task(wait_for_it, &future);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_future_set_result(&future, 9), 0);
    EXPECT(asyncio_task_cancel(task));
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT(asyncio_task_cancelled(task));
    EXPECT_EQ(asyncio_future_result(&future, &value), 0);
    EXPECT_EQ(value, 9);
    EXPECT_EQ(asyncio_await(&future), 9);
    drop(task);
}

TEST(task_that_swallows_gives_its_waiter_a_value)
{
    CONFORMS("CANC-15");
    struct asyncio_task *inner = asyncio_create_task(catch_once, NULL);
    struct asyncio_task *outer = asyncio_create_task(wait_for_task, &inner);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT(asyncio_task_cancel(outer));
    EXPECT_EQ(asyncio_await(outer), 42);
    EXPECT(!asyncio_task_cancelled(outer));
    EXPECT_EQ(asyncio_task_cancelling(outer), 1);
    EXPECT_EQ(asyncio_task_cancelling(inner), 1);
    drop(outer);
    drop(inner);
}

TEST(cancelled_task_takes_its_future_along_and_lets_go_of_it)
{
    CONFORMS("CANC-17");
    struct asyncio_future future = {0};
    char text[256];
    struct asyncio_task *task = asyncio_create_task(wait_for_it, &future);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_CONTAINS(asyncio_task_describe(task, text, sizeof text),
                    "waits for");
    EXPECT(asyncio_task_cancel(task));
    EXPECT(asyncio_future_cancelled(&future));
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_describe(task, text, sizeof text);
    EXPECT(!strstr(text, "waits for"));
    drop(task);
}

// Awaits something else while it is being cancelled, and so more than once.
static int resist(void *arg)
{
    double until = asyncio_time() + 0.2;
    (void)arg;
    while (asyncio_time() < until)
        asyncio_ignore(asyncio_sleep(until - asyncio_time()));
    trace("the subtask ended");
    return -ECANCELED;
}

static int join_plainly(void *arg)
{
    int err = asyncio_await(*(struct asyncio_task **)arg);
    trace("its waiter ended");
    return err;
}

static int join_with_a_limit(void *arg)
{
    int err = asyncio_wait_for(*(struct asyncio_task **)arg, 3600);
    trace("its waiter ended");
    return err;
}

TEST(waiter_ends_after_a_subtask_that_resists)
{
    CONFORMS("CANC-18");
    int (*const ways[])(void *) = {join_plainly, join_with_a_limit};
    for (int i = 0; i < 2; i++) {
        struct asyncio_task *inner = asyncio_create_task(resist, NULL);
        struct asyncio_task *outer = asyncio_create_task(ways[i], &inner);
        for (int n = 0; n < 3; n++) {
            EXPECT_EQ(asyncio_sleep(0.05), 0);
            EXPECT(asyncio_task_cancel(outer));
        }
        EXPECT(!asyncio_task_done(outer));
        EXPECT_EQ(asyncio_await(outer), -ECANCELED);
        EXPECT_TRACE("the subtask ended", "its waiter ended");
        drop(outer);
        drop(inner);
    }
}

// --- lines and circles ------------------------------------------------------

#define LINE_LENGTH 300

TEST(line_of_tasks_longer_than_a_stack_is_deep_is_cancelled_from_its_head)
{
    static struct asyncio_task *tasks[LINE_LENGTH];
    struct asyncio_future never = {0};
    tasks[0] = asyncio_create_task(wait_for_it, &never);
    for (int i = 1; i < LINE_LENGTH; i++)
        tasks[i] = asyncio_create_task(wait_for_task, &tasks[i - 1]);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT(asyncio_task_cancel(tasks[LINE_LENGTH - 1], .reason = "no line"));
    EXPECT(asyncio_future_cancelled(&never));
    EXPECT_EQ(asyncio_await(tasks[LINE_LENGTH - 1]), -ECANCELED);
    EXPECT_STR(asyncio_strerror(-ECANCELED), "no line");
    for (int i = 0; i < LINE_LENGTH; i++) {
        EXPECT(asyncio_task_cancelled(tasks[i]));
        EXPECT_EQ(asyncio_task_cancelling(tasks[i]), 1);
        drop(tasks[i]);
    }
}

TEST(circle_of_tasks_that_await_each_other_can_be_cancelled)
{
    struct asyncio_task *a, *b, *c;
    a = asyncio_create_task(wait_for_task, &b);
    b = asyncio_create_task(wait_for_task, &c);
    c = asyncio_create_task(wait_for_task, &a);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(b);
    EXPECT_EQ(asyncio_await(a), -ECANCELED);
    EXPECT_EQ(asyncio_await(b), -ECANCELED);
    EXPECT_EQ(asyncio_await(c), -ECANCELED);
    drop(a);
    drop(b);
    drop(c);
}

static int gather_one(void *arg)
{
    return asyncio_gather((struct asyncio_task **)arg, 1);
}

TEST(circle_through_a_gather_can_be_cancelled)
{
    struct asyncio_task *a, *b;
    a = asyncio_create_task(gather_one, &b);
    b = asyncio_create_task(wait_for_task, &a);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(a);
    EXPECT_EQ(asyncio_await(a), -ECANCELED);
    EXPECT_EQ(asyncio_await(b), -ECANCELED);
    drop(a);
    drop(b);
}

static struct asyncio_task *nested[200];

// Gathers the one in front; the first one sleeps.
static int gather_the_one_in_front(void *arg)
{
    struct asyncio_task **place = arg;
    if (place == nested) return asyncio_sleep(ASYNCIO_FOREVER);
    return asyncio_gather(place - 1, 1);
}

static int cancel_it(void *arg)
{
    EXPECT(asyncio_task_cancel(arg, .reason = "too deep"));
    return 0;
}

TEST(gathers_nested_deeper_than_a_stack_are_cancelled_from_the_outermost)
{
    const size_t count = sizeof nested / sizeof *nested;
    struct asyncio_task *canceller;
    for (size_t i = 0; i < count; i++)
        nested[i] = asyncio_create_task(gather_the_one_in_front, &nested[i]);
    EXPECT_EQ(asyncio_sleep(1), 0);
    canceller = asyncio_create_task(cancel_it, nested[count - 1],
                                    .stack_size = 16 * 1024);
    if (!EXPECT_EQ(asyncio_await(canceller), 0))
        asyncio_task_cancel(nested[count - 1]);
    asyncio_task_release(canceller);
    EXPECT_EQ(asyncio_await(nested[count - 1]), -ECANCELED);
    EXPECT_STR(asyncio_strerror(-ECANCELED), "too deep");
    for (size_t i = 0; i < count; i++) {
        EXPECT(asyncio_task_cancelled(nested[i]));
        EXPECT_EQ(asyncio_task_cancelling(nested[i]), 1);
        drop(nested[i]);
    }
}

// Gathers the one in front, and the first one the last.
static int gather_around(void *arg)
{
    struct asyncio_task **place = arg;
    return asyncio_gather(place == nested ? nested + 99 : place - 1, 1);
}

TEST(long_circle_of_gathers_can_be_cancelled)
{
    for (int i = 0; i < 100; i++)
        nested[i] = asyncio_create_task(gather_around, &nested[i]);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT(asyncio_task_cancel(nested[50]));
    for (int i = 0; i < 100; i++) {
        EXPECT_EQ(asyncio_await(nested[i]), -ECANCELED);
        drop(nested[i]);
    }
}

static int wait_in_itself(void *arg)
{
    (void)arg;
    return asyncio_await(asyncio_current_task());
}

TEST(task_that_awaits_itself_is_refused)
{
    struct asyncio_task *task = asyncio_create_task(wait_in_itself, NULL);
    EXPECT_EQ(asyncio_await(task), -EDEADLK);
    drop(task);
}
