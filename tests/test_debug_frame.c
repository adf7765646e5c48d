// Arguments in frames that were left.

#include "runner/runner.h"

#include <string.h>

static void begin_debug(void)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    EXPECT_EQ(asyncio_loop_set_debug(loop, true), 0);
    EXPECT_EQ(asyncio_sleep(0.1), 0);
}

// Never looks at its argument: that may be gone.
static int live(void *arg)
{
    (void)arg;
    return asyncio_sleep(1);
}

static int die(void *arg)
{
    (void)arg;
    return 0;
}

static void join(struct asyncio_task *task)
{
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
}

// What is called through these has a frame of its own.
static struct asyncio_task *spawn(int (*fn)(void *arg))
{
    char local[64];
    memset(local, 1, sizeof local);
    return asyncio_create_task(fn, local, .name = "child");
}
static struct asyncio_task *(*volatile spawn_in_a_frame)(int (*fn)(void *arg)) =
    spawn;

static struct asyncio_task *spawn_copy(int (*fn)(void *arg))
{
    char local[64];
    memset(local, 1, sizeof local);
    return asyncio_create_task(fn, local, .copy = sizeof local);
}
static struct asyncio_task *(*volatile spawn_with_a_copy)(
    int (*fn)(void *arg)) = spawn_copy;

static int spawn_and_join(int (*fn)(void *arg))
{
    char local[64];
    memset(local, 1, sizeof local);
    struct asyncio_task *task = asyncio_create_task(fn, local);
    int err = asyncio_await(task);
    asyncio_task_release(task);
    return err;
}
static int (*volatile join_in_the_frame)(int (*fn)(void *arg)) = spawn_and_join;

static int spawn_member(struct asyncio_task_group *group)
{
    char local[64];
    memset(local, 1, sizeof local);
    return asyncio_task_group_create_task(group, live, local, .name = "member");
}
static int (*volatile spawn_member_in_a_frame)(
    struct asyncio_task_group *group) = spawn_member;

TEST(frame_left_with_a_live_childs_argument_is_reported_once)
{
    begin_debug();
    asyncio_task_set_name(asyncio_current_task(), "parent");
    struct asyncio_task *task = spawn_in_a_frame(live);
    EXPECT_EQ(asyncio_sleep(0.1), 0);
    const char *text = expect_report(-EFAULT);
    EXPECT_CONTAINS(text, "a frame of task parent, made at ");
    EXPECT_CONTAINS(text, "[task 'child', ");
    EXPECT_CONTAINS(text, "test_debug_frame.c:");
    EXPECT_EQ(asyncio_sleep(0.1), 0);
    EXPECT_EQ(unexpected_reports(), 0);
    join(task);
}

TEST(frame_that_joins_its_child_is_not)
{
    begin_debug();
    EXPECT_EQ(join_in_the_frame(live), 0);
    char local[64] = "";
    struct asyncio_task *task = asyncio_create_task(live, local);
    EXPECT_EQ(asyncio_sleep(0.1), 0);
    join(task);
    EXPECT_EQ(unexpected_reports(), 0);
}

TEST(child_with_a_copy_or_without_argument_is_not)
{
    begin_debug();
    struct asyncio_task *copying = spawn_with_a_copy(live),
                        *without = asyncio_create_task(live, NULL);
    join(copying);
    join(without);
    EXPECT_EQ(unexpected_reports(), 0);
}

static int spawn_and_wait(void *arg)
{
    struct asyncio_task **task = arg;
    char local[64];
    memset(local, 1, sizeof local);
    *task = asyncio_create_task(die, local);
    return asyncio_sleep(0.1); // the child has ended when the frame is left
}

TEST(child_that_has_ended_before_is_not)
{
    begin_debug();
    struct asyncio_task *child = NULL;
    EXPECT_EQ(spawn_and_wait(&child), 0);
    EXPECT_EQ(asyncio_sleep(0.1), 0);
    EXPECT_EQ(unexpected_reports(), 0);
    if (child) join(child);
}

static int spawn_and_end(void *arg)
{
    struct asyncio_task **task = arg;
    char local[64];
    memset(local, 1, sizeof local);
    *task = asyncio_create_task(live, local, .name = "child");
    return 0;
}

TEST(task_that_ends_has_left_all_its_frames)
{
    begin_debug();
    struct asyncio_task *child = NULL;
    join(asyncio_create_task(spawn_and_end, &child, .name = "parent"));
    EXPECT_CONTAINS(expect_report(-EFAULT), "a frame of task parent, ");
    EXPECT_OR_RETURN(child != NULL);
    join(child);
}

TEST(group_does_not_save_a_frame_below_its_own)
{
    begin_debug();
    ASYNCIO_WITH_TASK_GROUP(group);
    char local[64] = "";
    asyncio_task_group_create_task(&group, live, local);
    EXPECT_EQ(spawn_member_in_a_frame(&group), 0);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_CONTAINS(expect_report(-EFAULT), "[task 'member', ");
}

TEST(child_that_is_cancelled_before_it_runs_is_forgotten)
{
    begin_debug();
    char local[64] = "";
    struct asyncio_task *task = asyncio_create_task(live, local);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_release(task);
    EXPECT_EQ(unexpected_reports(), 0);
}

TEST(many_children_with_arguments_in_one_frame)
{
    enum { COUNT = 2000 };
    begin_debug();
    char locals[COUNT] = "";
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < COUNT; i++)
        asyncio_task_group_create_task(&group, i % 2 ? live : die, &locals[i]);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(unexpected_reports(), 0);
}
