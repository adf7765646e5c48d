// Task groups: entering, spawning, joining, leaving. What goes wrong in them
// stands in test_group_errors.c, children that report ready in
// test_group_start.c.

#include <asyncio/group.h>

#include "runner/runner.h"

static int return_number(void *arg)
{
    return *(int *)arg;
}

static int sleep_for(void *arg)
{
    return asyncio_sleep(*(double *)arg);
}

static int sleep_for_ever(void *arg)
{
    int err = asyncio_sleep(ASYNCIO_FOREVER);
    if (arg && err == -ECANCELED) ++*(int *)arg;
    return err;
}

// Takes its time when it is cancelled.
static int clean_up_slowly(void *arg)
{
    int err = asyncio_sleep(ASYNCIO_FOREVER);
    if (err < 0 && asyncio_sleep(5) == 0 && arg) ++*(int *)arg;
    return err;
}

static int self_cancelling(void)
{
    return asyncio_task_cancelling(asyncio_current_task());
}

// --- joining ----------------------------------------------------------------

TEST(exit_returns_when_all_children_are_done_and_have_values)
{
    CONFORMS("TG-01");
    int numbers[] = {3, 4}, result = 0;
    double second = 1;
    struct asyncio_task *tasks[3];
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 2; i++)
        asyncio_task_group_create_task(&group, return_number, &numbers[i],
                                       .task = &tasks[i]);
    asyncio_task_group_create_task(&group, sleep_for, &second,
                                   .task = &tasks[2]);
    EXPECT(!asyncio_task_done(tasks[0]));
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(asyncio_task_result(tasks[i], &result), 0);
        EXPECT_EQ(result, numbers[i]);
    }
    EXPECT(asyncio_task_done(tasks[2]));
    EXPECT(asyncio_task_group_errors(&group) == NULL);
}

TEST(children_made_after_a_while_are_waited_for_too)
{
    CONFORMS("TG-02");
    double seconds[] = {1, 7}, start = asyncio_time();
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, sleep_for, &seconds[0]);
    int err = asyncio_sleep(3);
    asyncio_task_group_create_task(&group, sleep_for, &seconds[1]);
    EXPECT_EQ(asyncio_task_group_exit(&group, err), 0);
    EXPECT_GE(asyncio_time() - start, 10);
}

TEST(group_without_children_ends_at_once_with_the_code_of_its_body)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    uint64_t pass = asyncio_loop_passes(asyncio_get_running_loop());
    EXPECT_EQ(asyncio_task_group_exit(&group, 7), 7);
    EXPECT_EQ(asyncio_loop_passes(asyncio_get_running_loop()), pass);
}

TEST(child_that_the_body_cancels_is_no_error)
{
    CONFORMS("TG-03");
    struct asyncio_task *task;
    int cancels = 0;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, sleep_for_ever, &cancels,
                                   .task = &task);
    int err = asyncio_sleep(1);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(asyncio_task_group_exit(&group, err), 0);
    EXPECT_EQ(cancels, 1);
    EXPECT(asyncio_task_group_errors(&group) == NULL);
}

TEST(ended_children_are_forgotten)
{
    int number = 1;
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 50; i++) {
        asyncio_task_group_create_task(&group, return_number, &number);
        if (asyncio_sleep(0) < 0 || asyncio_sleep(0) < 0) break;
    }
    // This one and the main task.
    EXPECT_EQ(asyncio_all_tasks(asyncio_get_running_loop(), NULL, 0), 1);
    struct asyncio_testing_ledger ledger;
    asyncio_testing_ledger_read(&ledger);
    EXPECT_LE(ledger.tasks, 2);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
}

// --- children that spawn ----------------------------------------------------

struct brood {
    struct asyncio_task_group *group;
    int left, made;
    int refused; // the code
};

static int spawn_another(void *arg)
{
    struct brood *brood = arg;
    int err = asyncio_sleep(1);
    if (err < 0 || brood->left-- == 0) return err;
    brood->made++;
    return asyncio_task_group_create_task(brood->group, spawn_another, brood);
}

TEST(children_may_spawn_while_the_parent_waits_in_exit)
{
    CONFORMS("TG-15");
    ASYNCIO_WITH_TASK_GROUP(group);
    struct brood brood = {.group = &group, .left = 10};
    double start = asyncio_time();
    asyncio_task_group_create_task(&group, spawn_another, &brood);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(brood.made, 10);
    EXPECT_GE(asyncio_time() - start, 11);
}

// Deaf to cancels, until the group takes no more, or never fails.
static int spawn_for_ever(void *arg)
{
    struct brood *brood = arg;
    for (;;) {
        int err =
            asyncio_task_group_create_task(brood->group, sleep_for_ever, NULL);
        if (err < 0) {
            brood->refused = err;
            return 0;
        }
        if (++brood->made == 1000) return -EOVERFLOW;
        asyncio_ignore(asyncio_sleep(1));
    }
}

static int fail_later(void *arg)
{
    int err = asyncio_sleep(*(double *)arg);
    return err < 0 ? err : -EPROTO;
}

TEST(failure_ends_a_storm_of_spawns)
{
    CONFORMS("TG-16");
    ASYNCIO_WITH_TASK_GROUP(group);
    struct brood brood = {.group = &group};
    double seconds = 20.5;
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, spawn_for_ever, &brood);
    asyncio_task_group_create_task(&group, fail_later, &seconds);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), -EPROTO);
    EXPECT_EQ(brood.refused, -ESHUTDOWN);
    EXPECT_GE(brood.made, 60);
    EXPECT_EQ(asyncio_all_tasks(asyncio_get_running_loop(), NULL, 0), 1);
    const struct asyncio_error *errors = asyncio_task_group_errors(&group);
    if (EXPECT(errors != NULL)) EXPECT(errors->next == NULL);
}

TEST(group_that_was_left_takes_no_children)
{
    int number = 1;
    struct asyncio_task *task;
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(asyncio_task_group_create_task(&group, return_number, &number,
                                             .task = &task),
              -ESHUTDOWN);
    EXPECT_EQ(asyncio_await(task), -ESHUTDOWN);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), -EINVAL);
}

// --- entering ---------------------------------------------------------------

TEST(group_is_entered_once)
{
    CONFORMS("TG-18");
    struct asyncio_task_group group = {0};
    EXPECT_EQ(asyncio_task_group_enter(&group), 0);
    EXPECT_EQ(asyncio_task_group_enter(&group), -EBUSY);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(asyncio_task_group_enter(&group), -EALREADY);
    asyncio_task_group_close(&group);
    asyncio_task_group_close(&group);
    EXPECT_EQ(asyncio_task_group_enter(&group), -EALREADY);
}

TEST_PLAIN(group_wants_a_task)
{
    CONFORMS("TG-19");
    int number = 1;
    struct asyncio_task_group group = {0};
    EXPECT_EQ(asyncio_task_group_enter(&group), -EPERM);
    EXPECT_EQ(asyncio_task_group_create_task(&group, return_number, &number),
              -EINVAL);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), -EPERM);
    asyncio_task_group_close(&group);
}

static int enter_here(void *arg)
{
    int number = 1;
    EXPECT_EQ(asyncio_task_group_enter((struct asyncio_task_group *)arg),
              -EPERM);
    EXPECT_EQ(asyncio_task_group_create_task(arg, return_number, &number),
              -EINVAL);
    return 0;
}

TEST(callback_is_no_task_and_enters_no_group)
{
    CONFORMS("TG-19");
    struct asyncio_task_group group = {0};
    EXPECT_EQ(asyncio_call_soon(enter_here, &group), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_task_group_close(&group);
}

TEST(group_that_was_never_entered_takes_no_children)
{
    int number = 1;
    struct asyncio_task_group group = {0};
    EXPECT_EQ(asyncio_task_group_create_task(&group, return_number, &number),
              -EINVAL);
    EXPECT_EQ(asyncio_task_group_start(&group, return_number, &number),
              -EINVAL);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), -EINVAL);
    asyncio_task_group_cancel(&(struct asyncio_task_group){0});
    asyncio_task_group_close(&group);
}

TEST(children_belong_to_the_loop_of_the_group)
{
    int number = 1;
    struct asyncio_loop *here = asyncio_get_running_loop(), *other;
    if (asyncio_new_event_loop(&other) < 0) return;
    asyncio_set_event_loop(here);
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_task_group_create_task(&group, return_number, &number,
                                             .loop = other),
              -EXDEV);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(asyncio_loop_free(other), 0);
}

static int exit_of_a_stranger(void *arg)
{
    int err = asyncio_task_group_exit(arg, 0);
    asyncio_task_group_close(arg); // it is not this task's either
    return err == -EINVAL ? 0 : -EIO;
}

TEST(only_its_own_task_leaves_a_group)
{
    double second = 1;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, sleep_for, &second);
    asyncio_task_group_create_task(&group, exit_of_a_stranger, &group);
    int err = asyncio_sleep(0.5);
    EXPECT_EQ(asyncio_task_group_exit(&group, err), 0);
}

// --- the group's own cancel -------------------------------------------------

TEST(group_that_is_cancelled_ends_with_0)
{
    CONFORMS("TG-22");
    int cancels = 0;
    ASYNCIO_WITH_TASK_GROUP(group);
    int made = 0;
    for (int i = 0; i < 3; i++)
        made += asyncio_task_group_create_task(&group, sleep_for_ever,
                                               &cancels) == 0;
    int err = asyncio_sleep(1);
    asyncio_task_group_cancel(&group);
    if (err == 0) err = asyncio_sleep(1);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_task_group_exit(&group, err), made < 3 ? -ENOMEM : 0);
    EXPECT_EQ(cancels, 3);
    EXPECT_EQ(self_cancelling(), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
}

static int cancel_group_later(void *arg)
{
    int err = asyncio_sleep(1);
    asyncio_task_group_cancel(arg);
    return err;
}

TEST(child_may_cancel_its_group_while_the_parent_waits)
{
    CONFORMS("TG-22");
    int cancels = 0;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, sleep_for_ever, &cancels);
    asyncio_task_group_create_task(&group, cancel_group_later, &group);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(cancels, 1);
    EXPECT_EQ(self_cancelling(), 0);
}

static int end_the_group_when_cancelled(void *arg)
{
    int err = asyncio_sleep(3600);
    asyncio_task_group_cancel(arg);
    return err;
}

static int join_such_a_child(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, end_the_group_when_cancelled,
                                   &group);
    return asyncio_task_group_exit(&group, 0);
}

TEST(cancelled_parent_keeps_its_reason_when_a_child_ends_the_group)
{
    struct asyncio_task *task = asyncio_create_task(join_such_a_child, NULL);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task, .reason = "nobody waits for it");
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_STR(asyncio_strerror(-ECANCELED), "nobody waits for it");
    EXPECT_EQ(asyncio_task_cancelling(task), 1);
    asyncio_task_release(task);
}

TEST(group_is_cancelled_once)
{
    CONFORMS("TG-24");
    int cleaned = 0;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, clean_up_slowly, &cleaned);
    int err = asyncio_sleep(1);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_cancel(&group);
    EXPECT_EQ(self_cancelling(), 1);
    EXPECT_EQ(asyncio_task_group_exit(&group, err), 0);
    EXPECT_EQ(cleaned, 1);
    asyncio_task_group_cancel(&group);
    EXPECT_EQ(self_cancelling(), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
}

TEST(group_cancelled_before_it_is_entered_ends_at_once)
{
    int number = 1;
    struct asyncio_task_group group = {0};
    asyncio_task_group_cancel(&group);
    EXPECT_EQ(asyncio_task_group_enter(&group), 0);
    EXPECT_EQ(asyncio_task_group_create_task(&group, return_number, &number),
              -ESHUTDOWN);
    int err = asyncio_sleep(1);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_task_group_exit(&group, err), 0);
    EXPECT_EQ(self_cancelling(), 0);
    asyncio_task_group_close(&group);
}

// --- leaving without exit ---------------------------------------------------

static int leave_by_return(int *cleaned)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 2; i++)
        asyncio_task_group_create_task(&group, clean_up_slowly, cleaned);
    return asyncio_sleep(1);
}

TEST(return_out_of_the_block_cancels_joins_and_reports)
{
    int cleaned = 0;
    EXPECT_EQ(leave_by_return(&cleaned), 0);
    EXPECT_EQ(cleaned, 2);
    EXPECT_CONTAINS(expect_report(-ECANCELED), "2 children");
    EXPECT_EQ(self_cancelling(), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
}

TEST(break_and_goto_out_of_the_block_do_so_too)
{
    int cleaned = 0;
    for (;;) {
        ASYNCIO_WITH_TASK_GROUP(group);
        asyncio_task_group_create_task(&group, clean_up_slowly, &cleaned);
        if (asyncio_sleep(1) < 1) break;
    }
    EXPECT_EQ(cleaned, 1);
    {
        ASYNCIO_WITH_TASK_GROUP(group);
        asyncio_task_group_create_task(&group, clean_up_slowly, &cleaned);
        if (asyncio_sleep(1) < 1) goto out;
    }
out:
    EXPECT_EQ(cleaned, 2);
    expect_report(-ECANCELED);
    expect_report(-ECANCELED);
}

static int return_before_spawning(void)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    return -EINVAL;
}

TEST(return_before_there_are_children_needs_no_report)
{
    EXPECT_EQ(return_before_spawning(), -EINVAL);
    EXPECT_EQ(unexpected_reports(), 0);
}

static int fail_with_words(void *arg)
{
    (void)arg;
    return asyncio_raise(-EPROTO, "a child's words");
}

static int leave_after_a_failure(void)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, fail_with_words, NULL);
    return asyncio_sleep(1);
}

TEST(failure_is_reported_if_nobody_asks_exit_for_it)
{
    EXPECT_EQ(leave_after_a_failure(), -ECANCELED);
    EXPECT_CONTAINS(expect_report(-EPROTO), "a child's words");
    EXPECT_EQ(self_cancelling(), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
}

static int leave_and_sleep(void *arg)
{
    int cleaned = 0;
    asyncio_ignore(leave_by_return(&cleaned));
    *(int *)arg = asyncio_sleep(1);
    return cleaned;
}

TEST(cancel_that_comes_while_the_block_is_left_is_kept)
{
    int after = 0;
    struct asyncio_task *task = asyncio_create_task(leave_and_sleep, &after);
    EXPECT_EQ(asyncio_sleep(3), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), 2);
    EXPECT_EQ(after, -ECANCELED);
    EXPECT_EQ(asyncio_task_cancelling(task), 2);
    asyncio_task_release(task);
    expect_report(-ECANCELED);
}
