// Task groups in which something fails or is cancelled: who is told, who is
// cancelled, and which code comes out.

#include <asyncio/group.h>

#include "runner/runner.h"

struct child {
    double seconds;
    int code;         // after that time
    int cleanup_code; // if it is cancelled, else -ECANCELED
    double cleanup;   // seconds that this takes
    bool cancelled;
};

static int run_child(void *arg)
{
    struct child *child = arg;
    int err = asyncio_sleep(child->seconds);
    if (err != -ECANCELED) return err < 0 ? err : child->code;
    child->cancelled = true;
    asyncio_ignore(asyncio_sleep(child->cleanup));
    return child->cleanup_code ? child->cleanup_code : err;
}

static int spawn(struct asyncio_task_group *group, struct child *child)
{
    return asyncio_task_group_create_task(group, run_child, child);
}

static int self_cancelling(void)
{
    return asyncio_task_cancelling(asyncio_current_task());
}

// Checks a list of failures: these codes, in this order.
#define EXPECT_ERRORS(errors, ...)                                             \
    expect_errors(errors, (const int[]){__VA_ARGS__, 0})

static void expect_errors(const struct asyncio_error *error, const int *codes)
{
    for (; error && *codes; error = error->next)
        EXPECT_EQ(error->code, *codes++);
    EXPECT(!error);
    EXPECT_EQ(*codes, 0);
}

// --- children that fail -----------------------------------------------------

TEST(failing_child_cancels_the_others)
{
    CONFORMS("TG-04");
    struct child fails = {.seconds = 1, .code = -EPROTO},
                 sleeps = {.seconds = 99};
    int good_path = 0;
    ASYNCIO_WITH_TASK_GROUP(group);
    spawn(&group, &fails);
    spawn(&group, &sleeps);
    int err = asyncio_task_group_exit(&group, 0);
    if (err >= 0) good_path++;
    EXPECT_EQ(err, -EPROTO);
    EXPECT_EQ(good_path, 0);
    EXPECT(sleeps.cancelled);
    EXPECT_ERRORS(asyncio_task_group_errors(&group), -EPROTO);
}

TEST(failing_child_cancels_the_body)
{
    CONFORMS("TG-05");
    struct child fails = {.seconds = 1, .code = -EPROTO};
    double start = asyncio_time();
    ASYNCIO_WITH_TASK_GROUP(group);
    spawn(&group, &fails);
    int err = asyncio_sleep(99);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_task_group_exit(&group, err), -EPROTO);
    EXPECT_ERRORS(asyncio_task_group_errors(&group), -EPROTO);
    EXPECT_LT(asyncio_time() - start, 2);
}

TEST(failures_of_one_pass_are_all_kept, .ordered = true)
{
    CONFORMS("TG-06");
    struct child one = {.seconds = 1, .code = -EPROTO},
                 two = {.seconds = 1, .code = -EPIPE};
    ASYNCIO_WITH_TASK_GROUP(group);
    spawn(&group, &one);
    spawn(&group, &two);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), -EPROTO);
    EXPECT_ERRORS(asyncio_task_group_errors(&group), -EPROTO, -EPIPE);
}

static int raise_words(void *arg)
{
    return asyncio_raise(-EPROTO, "words of %s", (const char *)arg);
}

TEST(failures_have_words_site_and_the_name_of_their_task, .ordered = true)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, raise_words, "a", .name = "Anna");
    asyncio_task_group_create_task(&group, raise_words, "b", .name = "Bert");
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "words of a");
    const struct asyncio_error *error = asyncio_task_group_errors(&group);
    if (!EXPECT(error && error->next)) return;
    EXPECT_STR(error->text, "words of a");
    EXPECT_STR(error->task, "Anna");
    EXPECT_CONTAINS(error->site, "test_group_errors.c");
    EXPECT_STR(error->next->text, "words of b");
    EXPECT_STR(error->next->task, "Bert");
}

TEST(group_that_failed_leaves_the_parents_count_at_0)
{
    CONFORMS("TG-17");
    struct child fails = {.seconds = 1, .code = -EPROTO};
    {
        ASYNCIO_WITH_TASK_GROUP(group);
        spawn(&group, &fails);
        int err = asyncio_sleep(99);
        EXPECT_EQ(self_cancelling(), 1);
        EXPECT_EQ(asyncio_task_group_exit(&group, err), -EPROTO);
        EXPECT_EQ(self_cancelling(), 0);
    }
    EXPECT_EQ(asyncio_sleep(1), 0);
    struct child again = {.seconds = 1, .code = -EPROTO};
    ASYNCIO_WITH_TASK_GROUP(group);
    spawn(&group, &again);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), -EPROTO);
    EXPECT_EQ(self_cancelling(), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
}

TEST(body_that_awaits_a_failing_child_does_not_hide_it, .ordered = true)
{
    CONFORMS("TG-29");
    struct child fails = {.seconds = 1, .code = -EPROTO};
    struct asyncio_task *task;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, run_child, &fails, .task = &task);
    EXPECT_EQ(asyncio_await(task), -EPROTO);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), -EPROTO);
    EXPECT_ERRORS(asyncio_task_group_errors(&group), -EPROTO);
    EXPECT_EQ(self_cancelling(), 0);
}

TEST(spawn_that_fails_is_a_failure_of_the_group)
{
    struct child sleeps = {.seconds = 99};
    struct asyncio_task *task;
    ASYNCIO_WITH_TASK_GROUP(group);
    spawn(&group, &sleeps);
    int err = asyncio_sleep(1);
    if (err == 0) {
        EXPECT_EQ(
            asyncio_task_group_create_task(&group, NULL, NULL, .task = &task),
            -EINVAL);
        EXPECT_EQ(asyncio_await(task), -EINVAL);
        err = asyncio_sleep(99);
    }
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_task_group_exit(&group, err), -EINVAL);
    EXPECT(sleeps.cancelled);
    EXPECT_EQ(self_cancelling(), 0);
}

// --- bodies that fail -------------------------------------------------------

TEST(failing_body_cancels_the_children_and_is_the_only_member)
{
    CONFORMS("TG-09");
    struct child one = {.seconds = 99}, two = {.seconds = 99};
    ASYNCIO_WITH_TASK_GROUP(group);
    spawn(&group, &one);
    spawn(&group, &two);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_task_group_exit(&group, -EDOM), -EDOM);
    EXPECT(one.cancelled);
    EXPECT(two.cancelled);
    EXPECT_ERRORS(asyncio_task_group_errors(&group), -EDOM);
    EXPECT_EQ(self_cancelling(), 0);
}

TEST(body_whose_clean_up_fails_adds_its_code)
{
    CONFORMS("TG-14");
    struct child fails = {.seconds = 1, .code = -EPROTO};
    ASYNCIO_WITH_TASK_GROUP(group);
    spawn(&group, &fails);
    EXPECT_EQ(asyncio_sleep(99), -ECANCELED);
    EXPECT_EQ(asyncio_task_group_exit(&group, -EDOM), -EPROTO);
    EXPECT_ERRORS(asyncio_task_group_errors(&group), -EPROTO, -EDOM);
    EXPECT_EQ(self_cancelling(), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
}

// --- cancelled from outside -------------------------------------------------

// A task with a group, what it is to do, and what it saw.
struct parent {
    struct child children[2]; // those that have seconds
    double body;              // seconds, else it goes to exit at once
    int turn_into;            // what the body makes of a -ECANCELED
    bool swallow;             // it goes on with 0 instead
    bool cancel_group;        // before it goes to exit
    bool end;                 // at once after exit
    int seen, left, count, after;
    struct asyncio_task_group *group;
};

static int run_parent(void *arg)
{
    struct parent *parent = arg;
    ASYNCIO_WITH_TASK_GROUP(group);
    parent->group = &group;
    for (int i = 0; i < 2; i++)
        if (parent->children[i].seconds > 0)
            spawn(&group, &parent->children[i]);
    parent->seen = parent->body > 0 ? asyncio_sleep(parent->body) : 0;
    int body = parent->seen;
    if (body < 0 && parent->turn_into) body = parent->turn_into;
    if (body < 0 && parent->swallow) body = 0;
    if (parent->cancel_group) asyncio_task_group_cancel(&group);
    parent->left = asyncio_task_group_exit(&group, body);
    parent->count = self_cancelling();
    if (!parent->end) parent->after = asyncio_sleep(1);
    return parent->left;
}

// Cancels the parent at these times (-1: no more). Returns how it ended.
static int play(struct parent *parent, double first, double second)
{
    struct asyncio_task *task = asyncio_create_task(run_parent, parent);
    double times[] = {first, second}, start = asyncio_time();
    for (int i = 0; i < 2 && times[i] >= 0; i++) {
        asyncio_ignore(asyncio_sleep(start + times[i] - asyncio_time()));
        asyncio_task_cancel(task);
    }
    int result = asyncio_await(task);
    asyncio_task_release(task);
    return result;
}

TEST(cancelled_parent_cancels_its_children_and_joins_them)
{
    CONFORMS("TG-07");
    struct parent parent = {
        .children = {{.seconds = 99, .cleanup = 5}, {.seconds = 99}},
        .body = 50};
    double start = asyncio_time();
    play(&parent, 1, -1);
    EXPECT_EQ(parent.seen, -ECANCELED);
    EXPECT_EQ(parent.left, -ECANCELED);
    EXPECT(parent.children[0].cancelled);
    EXPECT(parent.children[1].cancelled);
    EXPECT_GE(asyncio_time() - start, 6);
    EXPECT_EQ(parent.count, 1);
    EXPECT_EQ(parent.after, 0);
}

TEST(parent_cancelled_in_exit_cancels_its_children)
{
    CONFORMS("TG-07");
    struct parent parent = {.children = {{.seconds = 99}, {.seconds = 99}}};
    play(&parent, 1, -1);
    EXPECT_EQ(parent.left, -ECANCELED);
    EXPECT(parent.children[0].cancelled);
    EXPECT(parent.children[1].cancelled);
    EXPECT_EQ(parent.after, 0);
}

TEST(failures_in_clean_up_win_over_the_cancel)
{
    CONFORMS("TG-08");
    struct parent parent = {
        .children = {{.seconds = 99, .cleanup_code = -EIO},
                     {.seconds = 99, .cleanup_code = -EPIPE, .cleanup = 1}},
        .body = 50};
    play(&parent, 1, -1);
    EXPECT_EQ(parent.left, -EIO);
    EXPECT_EQ(parent.count, 1);
    EXPECT_EQ(parent.after, -ECANCELED); // it was not forgotten
}

// asyncio's test_taskgroup_08: the awaiter of the parent hears of them too.
TEST(failures_in_clean_up_are_how_a_cancelled_parent_ends)
{
    CONFORMS("TG-08");
    struct parent parent = {.children = {{.seconds = 99, .cleanup_code = -EIO}},
                            .end = true};
    EXPECT_EQ(play(&parent, 1, -1), -EIO);
    EXPECT_EQ(parent.left, -EIO);
}

TEST(cancel_of_a_group_without_children_comes_through)
{
    CONFORMS("TG-12");
    struct parent parent = {.body = 50};
    play(&parent, 1, -1);
    EXPECT_EQ(parent.seen, -ECANCELED);
    EXPECT_EQ(parent.left, -ECANCELED);
    EXPECT_EQ(parent.after, 0);
}

TEST(body_may_turn_the_cancel_into_its_own_code)
{
    CONFORMS("TG-13");
    struct parent parent = {.body = 50, .turn_into = -EDOM};
    play(&parent, 1, -1);
    EXPECT_EQ(parent.left, -EDOM);
    EXPECT_EQ(parent.count, 1);
}

TEST(cancel_that_the_body_swallows_is_gone)
{
    struct parent parent = {
        .children = {{.seconds = 3}}, .body = 50, .swallow = true};
    play(&parent, 1, -1);
    EXPECT_EQ(parent.left, 0);
    EXPECT(!parent.children[0].cancelled);
    EXPECT_EQ(parent.after, 0);
}

TEST(cancel_during_an_abort_waits_for_the_next_await)
{
    CONFORMS("TG-20");
    struct parent parent = {.children = {{.seconds = 1, .code = -EPROTO},
                                         {.seconds = 99, .cleanup = 9}},
                            .body = 50};
    play(&parent, 3, -1);
    EXPECT_EQ(parent.left, -EPROTO);
    EXPECT_EQ(parent.count, 1);
    EXPECT_EQ(parent.after, -ECANCELED);
}

TEST(cancel_that_was_pending_on_entry_is_not_taken_for_the_groups_own)
{
    struct parent failing = {.children = {{.seconds = 1, .code = -EPROTO},
                                          {.seconds = 99, .cleanup = 9}},
                             .body = 50,
                             .swallow = true};
    struct parent cancelling = {.body = 50, .cancel_group = true};
    asyncio_task_cancel(asyncio_current_task());
    EXPECT_EQ(run_parent(&failing), -EPROTO);
    EXPECT_EQ(failing.seen, -ECANCELED);
    EXPECT_EQ(failing.count, 1);
    EXPECT_EQ(failing.after, -ECANCELED);
    EXPECT_EQ(asyncio_task_uncancel(asyncio_current_task()), 0);

    asyncio_task_cancel(asyncio_current_task());
    EXPECT_EQ(run_parent(&cancelling), -ECANCELED);
    EXPECT_EQ(cancelling.count, 1);
    EXPECT_EQ(asyncio_task_uncancel(asyncio_current_task()), 0);
}

TEST(second_cancel_in_exit_cuts_no_clean_up_short)
{
    CONFORMS("TG-21");
    struct parent parent = {.children = {{.seconds = 99, .cleanup = 9},
                                         {.seconds = 99, .cleanup = 5}}};
    double start = asyncio_time();
    play(&parent, 1, 2);
    EXPECT_EQ(parent.left, -ECANCELED);
    EXPECT_EQ(parent.count, 2);
    EXPECT_EQ(parent.after, 0);
    EXPECT_GE(asyncio_time() - start, 10);
}

TEST(cancel_from_outside_wins_over_the_groups_own)
{
    CONFORMS("TG-23");
    struct parent parent = {.children = {{.seconds = 99, .cleanup = 9}},
                            .body = 1,
                            .cancel_group = true};
    play(&parent, 3, -1);
    EXPECT_EQ(parent.left, -ECANCELED);
    EXPECT_EQ(parent.count, 1);
    EXPECT_EQ(parent.after, 0);
}

TEST(time_limit_around_a_group_is_told_apart_from_it)
{
    struct parent parent = {.children = {{.seconds = 99}}};
    EXPECT_EQ(asyncio_wait_for(run_parent(&parent), 3), -ETIMEDOUT);
    EXPECT_EQ(parent.left, -ECANCELED);
    EXPECT_EQ(self_cancelling(), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
}

// --- groups in groups -------------------------------------------------------

TEST(failure_outside_ends_the_inner_group)
{
    CONFORMS("TG-10");
    struct child fails = {.seconds = 1, .code = -EPROTO},
                 sleeps = {.seconds = 99};
    ASYNCIO_WITH_TASK_GROUP(outer);
    spawn(&outer, &fails);
    int err;
    {
        ASYNCIO_WITH_TASK_GROUP(inner);
        spawn(&inner, &sleeps);
        err = asyncio_task_group_exit(&inner, 0);
        EXPECT_EQ(err, -ECANCELED);
        EXPECT(asyncio_task_group_errors(&inner) == NULL);
    }
    EXPECT_EQ(asyncio_task_group_exit(&outer, err), -EPROTO);
    EXPECT(sleeps.cancelled);
    EXPECT_ERRORS(asyncio_task_group_errors(&outer), -EPROTO);
    EXPECT_EQ(self_cancelling(), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
}

TEST(failure_inside_ends_the_outer_group_and_keeps_its_list)
{
    CONFORMS("TG-11");
    struct child fails = {.seconds = 1, .code = -EPROTO},
                 sleeps = {.seconds = 99};
    ASYNCIO_WITH_TASK_GROUP(outer);
    spawn(&outer, &sleeps);
    int err;
    {
        ASYNCIO_WITH_TASK_GROUP(inner);
        spawn(&inner, &fails);
        err = asyncio_task_group_exit(&inner, 0);
        EXPECT_EQ(err, -EPROTO);
    }
    EXPECT_EQ(asyncio_task_group_exit(&outer, err), -EPROTO);
    EXPECT(sleeps.cancelled);
    const struct asyncio_error *errors = asyncio_task_group_errors(&outer);
    EXPECT_ERRORS(errors, -EPROTO);
    if (errors) EXPECT_ERRORS(errors->children, -EPROTO);
    EXPECT_EQ(self_cancelling(), 0);
}

static int nest(void *arg)
{
    int *depth = arg;
    if (--*depth == 0) return asyncio_sleep(ASYNCIO_FOREVER);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, nest, depth);
    return asyncio_task_group_exit(&group, 0);
}

// Each level hands the cancel on when it runs: none of it recurses.
TEST(cancel_goes_down_through_deeply_nested_groups)
{
    int depth = 40;
    struct asyncio_task *task = asyncio_create_task(nest, &depth);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(depth, 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_all_tasks(asyncio_get_running_loop(), NULL, 0), 1);
}
