// Cancel scopes: who is inside. Groups and their children, shields, and tasks
// that are in no scope.

#include "runner/runner.h"

static int sleep_long(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(1000);
    trace("slept: %s", err == -ECANCELED ? "cancelled" : "to the end");
    return err;
}

static int sleep_twice(void *arg)
{
    (void)arg;
    EXPECT_EQ(asyncio_sleep(1000), -ECANCELED);
    return asyncio_sleep(1000);
}

// Asleep inside a shield of its own; says which code ended it.
static int sleep_shielded(void *scope)
{
    EXPECT_EQ(asyncio_cancel_scope_enter(scope, .shield = true), 0);
    int err = asyncio_sleep(100);
    trace("shielded: %s", err == 0 ? "slept" : "cancelled");
    err = asyncio_cancel_scope_exit(scope, err);
    return err < 0 ? err : asyncio_sleep(0);
}

static int cancel_it(void *scope)
{
    asyncio_cancel_scope_cancel(scope, .reason = "enough");
    return 0;
}

static int lift_shield(void *scope)
{
    asyncio_cancel_scope_set_shield(scope, false);
    return 0;
}

static int soon(int (*fn)(void *arg), void *scope)
{
    return asyncio_call_later(1, fn, scope);
}

// --- shields ----------------------------------------------------------------

TEST(sleep_in_a_shield_ends_when_the_shield_is_lifted)
{
    CONFORMS("SCOPE-06");
    ASYNCIO_WITH_CANCEL_SCOPE(outer);
    ASYNCIO_WITH_CANCEL_SCOPE(inner, .shield = true);
    asyncio_cancel_scope_cancel(&outer);
    EXPECT_EQ(asyncio_sleep(1), 0);
    double start = asyncio_time();
    EXPECT_EQ(soon(lift_shield, &inner), 0);
    EXPECT_EQ(asyncio_sleep(100), -ECANCELED);
    EXPECT(asyncio_time() - start < 1.001);
    EXPECT(!asyncio_cancel_scope_shield(&inner));
    int err = asyncio_cancel_scope_exit(&inner, -ECANCELED);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&outer, err), 0);
}

TEST(shield_may_be_put_up_again)
{
    ASYNCIO_WITH_CANCEL_SCOPE(outer);
    ASYNCIO_WITH_CANCEL_SCOPE(inner);
    asyncio_cancel_scope_cancel(&outer);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    asyncio_cancel_scope_set_shield(&inner, true);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_cancel_scope_cancel(&inner);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&inner, -ECANCELED), 0);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&outer, -ECANCELED), 0);
}

TEST(loop_sleeps_while_a_cancelled_scope_holds_a_shield)
{
    CONFORMS("SCOPE-19");
    struct asyncio_cancel_scope shield = {0};
    double start = asyncio_time();
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, sleep_shielded, &shield);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_cancel_scope_cancel(&scope);
    uint64_t passes = asyncio_loop_passes(asyncio_get_running_loop());
    int err = asyncio_task_group_exit(&group, 0);
    EXPECT_LT(asyncio_loop_passes(asyncio_get_running_loop()) - passes, 20);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT_TRACE("shielded: slept");
    EXPECT_GT(asyncio_time() - start, 99);
}

// --- groups -----------------------------------------------------------------

static int nest(void *arg)
{
    int *depth = arg;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, sleep_long, NULL);
    if (--*depth > 0) asyncio_task_group_create_task(&group, nest, depth);
    return asyncio_task_group_exit(&group, asyncio_sleep(1000));
}

TEST(every_task_in_nested_groups_is_cancelled)
{
    CONFORMS("SCOPE-13");
    int depth = 3;
    double start = asyncio_time();
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    EXPECT_EQ(soon(cancel_it, &scope), 0);
    int err = nest(&depth);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(depth, 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT_TRACE("slept: cancelled", "slept: cancelled", "slept: cancelled");
    EXPECT_LT(asyncio_time() - start, 2);
}

static int say_that_it_begins(void *arg)
{
    trace("begins");
    int err = asyncio_sleep(0);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_STR(asyncio_strerror(err), "enough");
    return sleep_twice(arg);
}

TEST(child_of_a_cancelled_scope_begins_and_its_first_await_ends)
{
    CONFORMS("SCOPE-14");
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    cancel_it(&scope);
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_task_group_create_task(&group, say_that_it_begins, NULL),
              0);
    int err = asyncio_task_group_exit(&group, 0);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_STR(asyncio_strerror(err), "enough");
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT_TRACE("begins");
}

static int fail_on_cancel(void *arg)
{
    (void)arg;
    EXPECT_EQ(asyncio_sleep(1000), -ECANCELED);
    return asyncio_raise(-EPROTO, "clean-up failed");
}

static int fail(void *arg)
{
    (void)arg;
    return asyncio_raise(-EPROTO, "clean-up failed");
}

static void leave_with_the_real_error(int (*child)(void *arg))
{
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, sleep_long, NULL);
    asyncio_task_group_create_task(&group, child, NULL);
    asyncio_task_group_create_task(&group, sleep_twice, NULL);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_cancel_scope_cancel(&scope);
    int err = asyncio_task_group_exit(&group, asyncio_sleep(1));
    const struct asyncio_error *errors = asyncio_task_group_errors(&group);
    EXPECT_OR_RETURN(errors);
    EXPECT_EQ(errors->code, -EPROTO);
    EXPECT_SAME(errors->next, NULL);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "clean-up failed");
    EXPECT(!asyncio_cancel_scope_caught(&scope));
}

TEST(real_error_comes_out_of_a_cancelled_scope_alone)
{
    CONFORMS("SCOPE-15");
    leave_with_the_real_error(fail_on_cancel);
    leave_with_the_real_error(fail);
    EXPECT_EQ(asyncio_sleep(1), 0);
}

TEST(shielded_child_is_left_alone_and_joined)
{
    struct asyncio_cancel_scope shield = {0};
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, sleep_shielded, &shield);
    asyncio_task_group_create_task(&group, sleep_long, NULL);
    EXPECT_EQ(soon(cancel_it, &scope), 0);
    int err = asyncio_task_group_exit(&group, asyncio_sleep(50));
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT_TRACE("slept: cancelled", "shielded: slept");
}

TEST(child_belongs_to_the_scope_in_which_its_group_was_opened)
{
    ASYNCIO_WITH_CANCEL_SCOPE(outer);
    ASYNCIO_WITH_TASK_GROUP(group);
    {
        ASYNCIO_WITH_CANCEL_SCOPE(inner);
        asyncio_task_group_create_task(&group, sleep_long, NULL);
        asyncio_cancel_scope_cancel(&inner);
        int err = asyncio_sleep(1);
        EXPECT_EQ(asyncio_cancel_scope_exit(&inner, err), 0);
    }
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE();
    asyncio_cancel_scope_cancel(&outer);
    int err = asyncio_task_group_exit(&group, 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&outer, err), 0);
    EXPECT_TRACE("slept: cancelled");
}

// The limit does not hold the children, but it holds the wait for them.
TEST(scope_around_the_join_ends_the_children)
{
    double start = asyncio_time();
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, sleep_long, NULL);
    ASYNCIO_WITH_FAIL_AFTER(limit, 5);
    int err = asyncio_task_group_exit(&group, 0);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&limit, err), -ETIMEDOUT);
    EXPECT_TRACE("slept: cancelled");
    EXPECT_LT(asyncio_time() - start, 6);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

TEST(end_of_a_group_is_an_await_even_if_nobody_is_left)
{
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, nothing, NULL);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_cancel_scope_cancel(&scope);
    int err = asyncio_task_group_exit(&group, 0);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
}

static int report_ready(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(5);
    if (err == 0) err = asyncio_task_group_started(7);
    trace("report: %s", err == 0 ? "made" : "not made");
    return err < 0 ? err : asyncio_sleep(1000);
}

TEST(start_in_a_cancelled_scope_waits_for_the_child_to_end)
{
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_task_group_start(&group, report_ready, NULL), 7);
    EXPECT_TRACE("report: made");
    EXPECT_EQ(soon(cancel_it, &scope), 0);
    EXPECT_EQ(asyncio_task_group_start(&group, report_ready, NULL), -ECANCELED);
    EXPECT_TRACE("report: not made");
    EXPECT_EQ(asyncio_task_group_start(&group, report_ready, NULL), -ECANCELED);
    EXPECT_TRACE("report: not made");
    int err = asyncio_task_group_exit(&group, 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
}

static int report_in_a_shield(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_CANCEL_SCOPE(shield, .shield = true);
    int err = report_ready(NULL);
    return asyncio_cancel_scope_exit(&shield, err);
}

TEST(start_waits_for_a_shielded_child_in_peace)
{
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    ASYNCIO_WITH_TASK_GROUP(group);
    struct asyncio_task *child = NULL;
    EXPECT_EQ(soon(cancel_it, &scope), 0);
    uint64_t passes = asyncio_loop_passes(asyncio_get_running_loop());
    EXPECT_EQ(asyncio_task_group_start(&group, report_in_a_shield, NULL,
                                       .task = &child),
              -ECANCELED);
    EXPECT_LT(asyncio_loop_passes(asyncio_get_running_loop()) - passes, 20);
    EXPECT_TRACE("report: made");
    asyncio_task_cancel(child);
    int err = asyncio_task_group_exit(&group, 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
}

TEST(block_left_without_exit_joins_inside_a_cancelled_scope)
{
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    {
        ASYNCIO_WITH_TASK_GROUP(group);
        asyncio_task_group_create_task(&group, sleep_long, NULL);
        EXPECT_EQ(asyncio_sleep(1), 0);
        asyncio_cancel_scope_cancel(&scope);
    }
    EXPECT_TRACE("slept: cancelled");
    expect_report(-ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, asyncio_sleep(0)), 0);
}

// --- depth ------------------------------------------------------------------

#define DEEP 10000

TEST(no_depth_of_scopes_is_too_deep)
{
    static struct asyncio_cancel_scope scopes[DEEP];
    for (int i = 0; i < DEEP; i++)
        EXPECT_EQ(asyncio_cancel_scope_enter(&scopes[i]), 0);
    asyncio_cancel_scope_cancel(&scopes[0]);
    int err = asyncio_sleep(1);
    EXPECT_EQ(err, -ECANCELED);
    for (int i = DEEP; i-- > 0;)
        err = asyncio_cancel_scope_exit(&scopes[i], err);
    EXPECT_EQ(err, 0);
    EXPECT(asyncio_cancel_scope_caught(&scopes[0]));
    EXPECT(!asyncio_cancel_scope_caught(&scopes[1]));
}

// --- in no scope ------------------------------------------------------------

TEST(created_task_is_in_no_scope)
{
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    struct asyncio_task *task = asyncio_create_task(sleep_long, NULL);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_cancel_scope_cancel(&scope);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    EXPECT_EQ(asyncio_shield(task), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, -ECANCELED), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT(!asyncio_task_done(task));
    EXPECT_EQ(asyncio_task_cancelling(task), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_release(task);
    EXPECT_TRACE("slept: cancelled");
}

// As with any cancel: what is awaited unshielded is asked to end.
TEST(await_hands_the_cancellation_on_once)
{
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    struct asyncio_task *task = asyncio_create_task(sleep_long, NULL);
    EXPECT_EQ(soon(cancel_it, &scope), 0);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT(asyncio_task_cancelled(task));
    EXPECT_EQ(asyncio_task_cancelling(task), 1);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, -ECANCELED), 0);
    EXPECT_TRACE("slept: cancelled");
    asyncio_task_release(task);
}
