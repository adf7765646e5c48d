// Cancel scopes: deadlines, and scopes that are named for them.

#include "runner/runner.h"

static size_t timers(void)
{
    return asyncio_loop_timers(asyncio_get_running_loop());
}

TEST(move_on_scope_ends_quietly_when_its_time_is_up)
{
    double start = asyncio_time();
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 5);
    int err = asyncio_sleep(10);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_CONTAINS(asyncio_strerror(err), "deadline");
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT(asyncio_cancel_scope_caught(&scope));
    EXPECT(asyncio_time() - start < 5.001);
}

TEST(fail_scope_says_that_its_time_was_up)
{
    double when = asyncio_time() + 0.1 + 1e-10;
    ASYNCIO_WITH_FAIL_AT(scope, when);
    EXPECT(asyncio_cancel_scope_deadline(&scope) == when);
    int err = asyncio_sleep(10);
    EXPECT(asyncio_time() >= when);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), -ETIMEDOUT);
    EXPECT(asyncio_cancel_scope_caught(&scope));
    EXPECT(asyncio_cancel_scope_deadline(&scope) == when);

    ASYNCIO_WITH_FAIL_AFTER(called_off, 5);
    asyncio_cancel_scope_cancel(&called_off);
    err = asyncio_sleep(10);
    EXPECT_EQ(asyncio_cancel_scope_exit(&called_off, err), 0);
    ASYNCIO_WITH_FAIL_AFTER(in_time, 5);
    EXPECT_EQ(asyncio_cancel_scope_exit(&in_time, asyncio_sleep(1)), 0);
    EXPECT(!asyncio_cancel_scope_cancelled(&in_time));
}

TEST(time_that_is_up_already_cancels_at_once)
{
    ASYNCIO_WITH_MOVE_ON_AFTER(now, 0);
    EXPECT(asyncio_cancel_scope_cancelled(&now));
    int err = asyncio_sleep(0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&now, err), 0);
    ASYNCIO_WITH_MOVE_ON_AT(past, -ASYNCIO_FOREVER);
    err = asyncio_sleep(1);
    EXPECT_EQ(asyncio_cancel_scope_exit(&past, err), 0);
    EXPECT(asyncio_cancel_scope_caught(&past));
    EXPECT(asyncio_cancel_scope_deadline(&past) == -ASYNCIO_FOREVER);
}

TEST(deadline_moved)
{
    CONFORMS("SCOPE-09");
    struct asyncio_future done = {0};
    asyncio_future_set_result(&done, 0);
    ASYNCIO_WITH_MOVE_ON_AFTER(into_the_past, 5);
    EXPECT_EQ(
        asyncio_cancel_scope_set_deadline(&into_the_past, asyncio_time() - 1),
        0);
    EXPECT_EQ(asyncio_await(&done), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_set_deadline(&into_the_past, 1e6), -EINVAL);
    EXPECT_EQ(asyncio_cancel_scope_exit(&into_the_past, -ECANCELED), 0);

    double start = asyncio_time();
    ASYNCIO_WITH_MOVE_ON_AT(later, start + 5);
    EXPECT_EQ(asyncio_cancel_scope_set_deadline(&later, start + 10), 0);
    EXPECT_EQ(asyncio_sleep(7), 0);
    EXPECT(!asyncio_cancel_scope_cancelled(&later));
    EXPECT_EQ(asyncio_sleep(7), -ECANCELED);
    EXPECT(asyncio_time() >= start + 10 && asyncio_time() < start + 10.001);
    EXPECT_EQ(asyncio_cancel_scope_exit(&later, -ECANCELED), 0);

    ASYNCIO_WITH_FAIL_AFTER(taken_away, 5);
    EXPECT_EQ(asyncio_cancel_scope_set_deadline(&taken_away, ASYNCIO_FOREVER),
              0);
    EXPECT_EQ(timers(), 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&taken_away, asyncio_sleep(100)), 0);
}

TEST(deadline_set_before_the_scope_is_entered)
{
    struct asyncio_cancel_scope scope = {0};
    EXPECT(asyncio_cancel_scope_deadline(&scope) == ASYNCIO_FOREVER);
    double when = asyncio_time() + 3;
    EXPECT_EQ(asyncio_cancel_scope_set_deadline(&scope, when), 0);
    EXPECT_EQ(asyncio_cancel_scope_set_deadline(&scope, 0. / 0.), -EINVAL);
    EXPECT(asyncio_cancel_scope_deadline(&scope) == when);
    EXPECT_EQ(asyncio_cancel_scope_enter(&scope), 0);
    int err = asyncio_sleep(5);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT(asyncio_cancel_scope_caught(&scope));
}

TEST(time_that_is_none_is_refused_and_said_at_the_exit)
{
    struct asyncio_cancel_scope scope = {0};
    EXPECT_EQ(asyncio_move_on_after(&scope, 0. / 0.), -EINVAL);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, 0), -EINVAL);
    EXPECT_EQ(asyncio_move_on_at(&scope, 1e10), -EINVAL);
    EXPECT_EQ(asyncio_fail_after(&scope, 1), 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, asyncio_sleep(2)), -ETIMEDOUT);
}

TEST(effective_deadline)
{
    CONFORMS("SCOPE-12");
    EXPECT(asyncio_current_effective_deadline() == ASYNCIO_FOREVER);
    double now = asyncio_time();
    ASYNCIO_WITH_MOVE_ON_AT(outer, now + 5);
    EXPECT(asyncio_current_effective_deadline() == now + 5);
    ASYNCIO_WITH_MOVE_ON_AT(inner, now + 9);
    EXPECT(asyncio_current_effective_deadline() == now + 5);
    asyncio_cancel_scope_set_shield(&inner, true);
    EXPECT(asyncio_cancel_scope_shield(&inner));
    EXPECT(asyncio_current_effective_deadline() == now + 9);
    ASYNCIO_WITH_CANCEL_SCOPE(innermost);
    EXPECT(asyncio_current_effective_deadline() == now + 9);
    asyncio_cancel_scope_cancel(&outer);
    EXPECT(asyncio_current_effective_deadline() == now + 9);
    asyncio_cancel_scope_set_shield(&inner, false);
    EXPECT(asyncio_current_effective_deadline() == -ASYNCIO_FOREVER);
    EXPECT_EQ(asyncio_cancel_scope_exit(&innermost, 0), 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&inner, 0), 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&outer, 0), 0);
    EXPECT(asyncio_current_effective_deadline() == ASYNCIO_FOREVER);
}

TEST(deadline_passes_in_a_task_that_never_blocks, .real_time = true)
{
    CONFORMS("SCOPE-17");
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 3600);
    EXPECT_EQ(asyncio_sleep(0), 0);
    double when = asyncio_time() + 0.01;
    EXPECT_EQ(asyncio_cancel_scope_set_deadline(&scope, when), 0);
    while (asyncio_time() <= when)
        ;
    EXPECT_EQ(asyncio_sleep(0), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, -ECANCELED), 0);
    EXPECT(asyncio_cancel_scope_caught(&scope));
}

TEST(question_sees_a_deadline_that_has_passed, .real_time = true)
{
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 0.005);
    struct asyncio_future done = {0};
    asyncio_future_set_result(&done, 0);
    while (!asyncio_cancel_scope_cancelled(&scope))
        ;
    EXPECT_EQ(asyncio_await(&done), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, -ECANCELED), 0);
}

TEST(deadline_passes_before_the_scope_is_entered)
{
    struct asyncio_cancel_scope scope = {0};
    double now = asyncio_time();
    EXPECT_EQ(asyncio_cancel_scope_set_deadline(&scope, now + 1), 0);
    EXPECT(!asyncio_cancel_scope_cancelled(&scope));
    EXPECT_EQ(asyncio_cancel_scope_set_deadline(&scope, now), 0);
    EXPECT(asyncio_cancel_scope_cancelled(&scope));
    EXPECT_EQ(asyncio_cancel_scope_set_deadline(&scope, now + 1), -EINVAL);
    EXPECT(asyncio_cancel_scope_cancelled(&scope));

    EXPECT_EQ(asyncio_cancel_scope_enter(&scope), 0);
    int err = asyncio_sleep(1);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT(asyncio_cancel_scope_caught(&scope));
}

TEST(ten_thousand_deadlines_are_one_timer)
{
    CONFORMS("SCOPE-18");
    size_t before = timers();
    double start = asyncio_time();
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 1);
    for (int i = 0; i < 10000; i++) {
        double when = start + 10 + i * 1e-3;
        EXPECT_EQ(asyncio_cancel_scope_set_deadline(&scope, when), 0);
        if (i % 1000 == 0) EXPECT_EQ(asyncio_sleep(0), 0);
    }
    EXPECT_EQ(timers(), before + 1);
    EXPECT_EQ(asyncio_sleep(100), -ECANCELED);
    EXPECT(asyncio_time() >= start + 19.999);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, -ECANCELED), 0);
    EXPECT_EQ(timers(), before);
}
