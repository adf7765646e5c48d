// Cancel scopes of one task: cancelling, absorbing, nesting, misuse.

#include "runner/runner.h"

static int cancelling(void)
{
    return asyncio_task_cancelling(asyncio_current_task());
}

static int cancel_soon(void *scope)
{
    asyncio_cancel_scope_cancel(scope, .reason = "somebody asked");
    return 0;
}

// --- cancelled by a call ----------------------------------------------------

TEST(cancelled_scope_ends_the_await_and_absorbs_it)
{
    CONFORMS("SCOPE-01");
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    EXPECT(!asyncio_cancel_scope_cancelled(&scope));
    EXPECT_EQ(asyncio_call_later(1, cancel_soon, &scope), 0);
    int err = asyncio_sleep(10);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_STR(asyncio_strerror(err), "somebody asked");
    EXPECT(!asyncio_cancel_scope_caught(&scope));
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT(asyncio_cancel_scope_caught(&scope));
    EXPECT(asyncio_cancel_scope_cancelled(&scope));
    EXPECT_EQ(cancelling(), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
}

TEST(second_cancel_changes_nothing)
{
    CONFORMS("SCOPE-02");
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    asyncio_cancel_scope_cancel(&scope, .reason = "the first");
    asyncio_cancel_scope_cancel(&scope, .reason = "the second");
    int err = asyncio_sleep(0);
    EXPECT_STR(asyncio_strerror(err), "the first");
    asyncio_cancel_scope_cancel(&scope);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT(asyncio_cancel_scope_caught(&scope));
    asyncio_cancel_scope_cancel(&scope);
    EXPECT_EQ(asyncio_sleep(1), 0);
}

TEST(every_await_inside_a_cancelled_scope_ends)
{
    CONFORMS("SCOPE-03");
    struct asyncio_semaphore free_one = ASYNCIO_SEMAPHORE(1);
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    asyncio_cancel_scope_cancel(&scope);
    double start = asyncio_time();
    for (int i = 0; i < 300; i++) {
        EXPECT_EQ(asyncio_sleep(0), -ECANCELED);
        EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
        EXPECT_EQ(asyncio_semaphore_acquire(&free_one), -ECANCELED);
    }
    EXPECT(asyncio_time() == start);
    EXPECT_EQ(free_one.value, 1);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, -ECANCELED), 0);
    EXPECT_EQ(asyncio_semaphore_acquire(&free_one), 0);
}

static int count_passes(void *arg)
{
    int *passes = arg;
    while (*passes < 3) {
        ++*passes;
        int err = asyncio_sleep(0);
        if (err < 0) return err;
    }
    return 0;
}

// Who swallows the code again and again cannot keep the thread for itself.
TEST(task_that_swallows_every_code_lets_others_run)
{
    int passes = 0;
    struct asyncio_task *other = asyncio_create_task(count_passes, &passes);
    struct asyncio_future done = {0};
    asyncio_future_set_result(&done, 0);
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    asyncio_cancel_scope_cancel(&scope);
    for (int i = 0; i < 10000 && passes < 3; i++)
        EXPECT_EQ(i % 2 ? asyncio_sleep(0) : asyncio_await(&done), -ECANCELED);
    EXPECT_EQ(passes, 3);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, -ECANCELED), 0);
    asyncio_ignore(asyncio_await(other));
    asyncio_task_release(other);
}

TEST(cancelled_scope_without_an_await_catches_nothing)
{
    CONFORMS("SCOPE-04");
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    asyncio_cancel_scope_cancel(&scope);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, 0), 0);
    EXPECT(asyncio_cancel_scope_cancelled(&scope));
    EXPECT(!asyncio_cancel_scope_caught(&scope));
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
}

TEST(value_and_error_of_the_body_pass_through)
{
    ASYNCIO_WITH_CANCEL_SCOPE(first);
    EXPECT_EQ(asyncio_cancel_scope_exit(&first, 42), 42);
    ASYNCIO_WITH_CANCEL_SCOPE(second);
    asyncio_cancel_scope_cancel(&second);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&second, -EPROTO), -EPROTO);
    EXPECT(!asyncio_cancel_scope_caught(&second));
}

// A code of somebody else: a future that was cancelled, say.
TEST(scope_that_was_not_cancelled_passes_the_code_on)
{
    struct asyncio_future future = {0};
    asyncio_future_cancel(&future);
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    int err = asyncio_await(&future);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), -ECANCELED);
    EXPECT(!asyncio_cancel_scope_caught(&scope));
}

TEST(scope_cancelled_before_it_is_entered)
{
    CONFORMS("SCOPE-05");
    struct asyncio_cancel_scope scope = {0};
    asyncio_cancel_scope_cancel(&scope, .reason = "too early");
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_cancel_scope_enter(&scope), 0);
    int err = asyncio_sleep(1);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_STR(asyncio_strerror(err), "too early");
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT(asyncio_cancel_scope_caught(&scope));
    EXPECT_EQ(asyncio_sleep(1), 0);
}

TEST(scope_that_is_never_entered_keeps_nothing_once_closed)
{
    struct asyncio_cancel_scope scope = {0};
    asyncio_cancel_scope_close(&scope);
    asyncio_cancel_scope_cancel(&scope, .reason = "never mind");
    asyncio_cancel_scope_close(&scope);
    asyncio_cancel_scope_close(&scope);
    EXPECT(asyncio_cancel_scope_cancelled(&scope));
}

// --- nesting ----------------------------------------------------------------

TEST(outermost_cancelled_scope_absorbs)
{
    CONFORMS("SCOPE-07");
    ASYNCIO_WITH_CANCEL_SCOPE(outer);
    ASYNCIO_WITH_CANCEL_SCOPE(middle);
    ASYNCIO_WITH_CANCEL_SCOPE(inner);
    asyncio_cancel_scope_cancel(&inner);
    asyncio_cancel_scope_cancel(&middle);
    int err = asyncio_sleep(1);
    EXPECT_EQ(err, -ECANCELED);
    err = asyncio_cancel_scope_exit(&inner, err);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT(!asyncio_cancel_scope_caught(&inner));
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    err = asyncio_cancel_scope_exit(&middle, err);
    EXPECT_EQ(err, 0);
    EXPECT(asyncio_cancel_scope_caught(&middle));
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&outer, err), 0);
    EXPECT(!asyncio_cancel_scope_caught(&outer));
    EXPECT(!asyncio_cancel_scope_cancelled(&outer));
}

static void cancel_outer_on_the_way_out(bool shield)
{
    ASYNCIO_WITH_CANCEL_SCOPE(outer);
    ASYNCIO_WITH_CANCEL_SCOPE(inner, .shield = shield);
    asyncio_cancel_scope_cancel(&inner);
    int err = asyncio_sleep(1);
    EXPECT_EQ(err, -ECANCELED);
    asyncio_cancel_scope_cancel(&outer);
    err = asyncio_cancel_scope_exit(&inner, err);
    EXPECT_EQ(err, shield ? 0 : -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_caught(&inner), shield);
    EXPECT_EQ(asyncio_cancel_scope_exit(&outer, err), 0);
    EXPECT_EQ(asyncio_cancel_scope_caught(&outer), !shield);
}

TEST(outer_scope_cancelled_meanwhile_absorbs_unless_the_inner_is_shielded)
{
    CONFORMS("SCOPE-08");
    cancel_outer_on_the_way_out(false);
    cancel_outer_on_the_way_out(true);
}

TEST(scope_entered_twice)
{
    CONFORMS("SCOPE-10");
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 5);
    double when = asyncio_cancel_scope_deadline(&scope);
    EXPECT_EQ(asyncio_cancel_scope_enter(&scope), -EBUSY);
    EXPECT_EQ(asyncio_fail_after(&scope, 1), -EBUSY);
    EXPECT(asyncio_cancel_scope_deadline(&scope) == when);
    int err = asyncio_sleep(10);
    EXPECT(asyncio_time() >= when);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT(asyncio_cancel_scope_caught(&scope));
    EXPECT_EQ(asyncio_cancel_scope_enter(&scope), -EALREADY);
    EXPECT_EQ(asyncio_move_on_after(&scope, 1), -EALREADY);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, 0), -EINVAL);
    EXPECT_EQ(asyncio_sleep(1), 0);
}

static int use_scope_of_another(void *scope)
{
    EXPECT_EQ(asyncio_cancel_scope_enter(scope), -EBUSY);
    EXPECT_EQ(asyncio_cancel_scope_exit(scope, 0), -EPERM);
    asyncio_cancel_scope_close(scope); // leaves it to its owner
    return 0;
}

TEST(scope_belongs_to_the_task_that_entered_it)
{
    CONFORMS("SCOPE-10");
    CONFORMS("SCOPE-11");
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 5);
    struct asyncio_task *other =
        asyncio_create_task(use_scope_of_another, &scope);
    asyncio_ignore(asyncio_await(other));
    asyncio_task_release(other);
    int err = asyncio_sleep(10);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
}

TEST(outer_scope_is_not_left_before_the_inner)
{
    CONFORMS("SCOPE-11");
    ASYNCIO_WITH_CANCEL_SCOPE(outer);
    ASYNCIO_WITH_CANCEL_SCOPE(inner);
    EXPECT_EQ(asyncio_cancel_scope_exit(&outer, 0), -EINVAL);
    asyncio_cancel_scope_cancel(&outer);
    int err = asyncio_sleep(1);
    EXPECT_EQ(err, -ECANCELED);
    err = asyncio_cancel_scope_exit(&inner, err);
    EXPECT_EQ(asyncio_cancel_scope_exit(&outer, err), 0);
}

TEST(scope_is_not_left_before_a_group_inside)
{
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, 0), -EINVAL);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, 0), 0);
}

TEST(scopes_and_limits_are_left_in_order)
{
    CONFORMS("SCOPE-11");
    ASYNCIO_WITH_TIMEOUT(outer, 5);
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    ASYNCIO_WITH_TIMEOUT(inner, 5);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, 0), -EINVAL);
    EXPECT_EQ(asyncio_timeout_exit(&outer, 0), -EINVAL);
    EXPECT_EQ(asyncio_timeout_exit(&inner, 0), 0);
    EXPECT_EQ(asyncio_timeout_exit(&outer, 0), -EINVAL);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, 0), 0);
    EXPECT_EQ(asyncio_timeout_exit(&outer, 0), 0);
}

TEST(closing_an_outer_scope_leaves_the_inner_in_order)
{
    ASYNCIO_WITH_CANCEL_SCOPE(outermost);
    ASYNCIO_WITH_CANCEL_SCOPE(outer);
    ASYNCIO_WITH_CANCEL_SCOPE(inner);
    asyncio_cancel_scope_cancel(&outer);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    asyncio_cancel_scope_close(&outer);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_cancel_scope_cancel(&outermost);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&inner, -ECANCELED), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&outermost, -ECANCELED), 0);
}

TEST_PLAIN(scope_outside_a_task_says_so)
{
    ASYNCIO_WITH_FAIL_AFTER(scope, 1);
    EXPECT_EQ(scope_entered, -EPERM);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, 0), -EPERM);
    EXPECT(asyncio_current_effective_deadline() == ASYNCIO_FOREVER);
}

static int leave_open(void *scope)
{
    return asyncio_cancel_scope_enter(scope);
}

TEST(task_that_ends_inside_a_scope_is_reported)
{
    struct asyncio_cancel_scope scope = {0};
    struct asyncio_task *task = asyncio_create_task(leave_open, &scope);
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
    EXPECT_CONTAINS(expect_report(-EINVAL), "cancel scope");
    asyncio_cancel_scope_cancel(&scope);
    EXPECT_EQ(asyncio_cancel_scope_enter(&scope), -EALREADY);
    asyncio_cancel_scope_close(&scope);
}

static int stay_inside(void *scope)
{
    EXPECT_EQ(asyncio_move_on_after(scope, 100), 0);
    return asyncio_sleep(ASYNCIO_FOREVER);
}

TEST_PLAIN(scope_outlives_a_loop_that_is_closed_around_it)
{
    static struct asyncio_cancel_scope scope;
    struct asyncio_loop *loop = NULL;
    EXPECT_OR_RETURN(asyncio_new_event_loop(&loop) == 0);
    struct asyncio_task *task =
        asyncio_create_task(stay_inside, &scope, .loop = loop);
    asyncio_loop_stop(loop);
    asyncio_ignore(asyncio_loop_run_forever(loop));
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    EXPECT_CONTAINS(expect_report(-ECANCELED), "pending");
    asyncio_cancel_scope_cancel(&scope);
    EXPECT_EQ(asyncio_cancel_scope_set_deadline(&scope, 1), -EINVAL);
    asyncio_cancel_scope_close(&scope);
}
