// Eager start: a task that begins inside the call that makes it, and what
// everybody sees while it takes its first step.

#include "runner/runner.h"

static struct asyncio_loop *loop_here(void)
{
    return asyncio_get_running_loop();
}

static bool is_listed(const struct asyncio_task *task)
{
    struct asyncio_task *tasks[16];
    size_t count = asyncio_all_tasks(loop_here(), tasks, 16);
    for (size_t i = 0; i < count; i++)
        if (tasks[i] == task) return true;
    return false;
}

static int seven(void *arg)
{
    trace("%s", (const char *)arg);
    return 7;
}

static int block(void *arg)
{
    trace("%s begins", (const char *)arg);
    int err = asyncio_sleep(1);
    trace("%s goes on", (const char *)arg);
    return err < 0 ? err : 8;
}

// --- one child --------------------------------------------------------------

TEST(child_that_never_blocks_is_done_when_its_spawn_returns)
{
    CONFORMS("EAGR-01");
    uint64_t passes = asyncio_loop_passes(loop_here());
    struct asyncio_task *self = asyncio_current_task();
    struct asyncio_task *task = asyncio_create_task(seven, "a", .eager = true);
    EXPECT(asyncio_task_done(task));
    EXPECT_TRACE("a");
    EXPECT_SAME(asyncio_current_task(), self);
    EXPECT_EQ(asyncio_await(task), 7);
    EXPECT_EQ(asyncio_loop_passes(loop_here()), passes);
    asyncio_task_release(task);
}

TEST(child_that_blocks_has_run_up_to_there_when_its_spawn_returns)
{
    CONFORMS("EAGR-02");
    struct asyncio_task *task = asyncio_create_task(block, "a", .eager = true);
    trace("spawned");
    EXPECT(!asyncio_task_done(task));
    EXPECT_EQ(asyncio_await(task), 8);
    EXPECT_TRACE("a begins", "spawned", "a goes on");
    asyncio_task_release(task);
}

struct sight {
    struct asyncio_task *self;
    const char *name;
    bool listed, done;
};

static int look_around(void *arg)
{
    struct sight *sight = arg;
    sight->self = asyncio_current_task();
    sight->listed = is_listed(sight->self);
    sight->done = asyncio_task_done(sight->self);
    EXPECT_STR(asyncio_task_name(sight->self), sight->name);
    return 0;
}

TEST(child_is_listed_in_its_first_step_and_not_when_it_is_done)
{
    CONFORMS("EAGR-03");
    CONFORMS("EAGR-06");
    struct sight sight = {.name = "early bird"};
    struct asyncio_task *task = asyncio_create_task(
        look_around, &sight, .name = "early bird", .eager = true);
    EXPECT_SAME(sight.self, task);
    EXPECT(sight.listed && !sight.done);
    EXPECT(!is_listed(task));
    asyncio_task_release(task);
}

static int sleep_long(void *arg)
{
    int err = asyncio_sleep(3600);
    if (arg) *(int *)arg = err;
    return err;
}

TEST(blocked_child_is_cancelled_with_a_reason)
{
    CONFORMS("EAGR-04");
    int met = 0;
    struct asyncio_task *task =
        asyncio_create_task(sleep_long, &met, .eager = true);
    EXPECT(asyncio_task_cancel(task, .reason = "enough of it"));
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT(asyncio_task_cancelled(task));
    EXPECT_CONTAINS(asyncio_strerror(-ECANCELED), "enough of it");
    EXPECT_EQ(met, -ECANCELED);
    asyncio_task_release(task);
}

TEST(lazy_child_of_an_eager_loop_begins_when_its_spawner_waits, .ordered = true)
{
    CONFORMS("EAGR-05");
    asyncio_loop_set_eager(loop_here(), true);
    EXPECT(asyncio_loop_is_eager(loop_here()));
    struct asyncio_task *lazy =
        asyncio_create_task(seven, "lazy", .lazy = true);
    struct asyncio_task *task = asyncio_create_task(seven, "eager");
    EXPECT_TRACE("eager");
    EXPECT(!asyncio_task_done(lazy));
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("lazy");
    EXPECT_EQ(asyncio_await(lazy), 7);
    asyncio_task_release(lazy);
    asyncio_task_release(task);

    asyncio_loop_set_eager(loop_here(), false);
    task = asyncio_create_task(seven, "usual");
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_await(task), 7);
    EXPECT_TRACE("usual");
    asyncio_task_release(task);
}

TEST(start_that_is_eager_and_lazy_is_refused)
{
    struct asyncio_task *task =
        asyncio_create_task(seven, "a", .eager = true, .lazy = true);
    EXPECT_EQ(asyncio_await(task), -EINVAL);
    EXPECT_TRACE();
    asyncio_task_release(task);
}

TEST_PLAIN(spawn_onto_a_loop_that_does_not_run_is_queued)
{
    struct asyncio_loop *loop = NULL;
    EXPECT_OR_RETURN(asyncio_new_event_loop(&loop, .eager = true) == 0);
    struct asyncio_task *task = asyncio_create_task(seven, "a");
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_loop_run_until_complete(loop, task), 7);
    EXPECT_TRACE("a");
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}

// --- who spawns -------------------------------------------------------------

static int spawn_from_callback(void *arg)
{
    struct asyncio_task **task = arg;
    EXPECT_SAME(asyncio_current_task(), NULL);
    task[0] = asyncio_create_task(seven, "a", .eager = true);
    EXPECT(asyncio_task_done(task[0]));
    task[1] = asyncio_create_task(block, "b", .eager = true);
    EXPECT_SAME(asyncio_current_task(), NULL);
    trace("callback ends");
    return 0;
}

TEST(callback_may_spawn_eagerly)
{
    struct asyncio_task *tasks[2] = {NULL, NULL};
    EXPECT_OR_RETURN(asyncio_call_soon(spawn_from_callback, tasks) == 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    if (tasks[1]) EXPECT_EQ(asyncio_await(tasks[1]), 8);
    EXPECT_TRACE("a", "b begins", "callback ends", "b goes on");
    asyncio_task_release(tasks[0]);
    asyncio_task_release(tasks[1]);
}

struct nest {
    int left;
    struct asyncio_task *child;
};

static int descend(void *arg)
{
    int left = *(int *)arg;
    if (left == 0) return asyncio_sleep(1);
    int next = left - 1;
    struct asyncio_task *self = asyncio_current_task();
    struct asyncio_task *child =
        asyncio_create_task(descend, &next, .eager = true);
    EXPECT_SAME(asyncio_current_task(), self);
    trace("%d", left);
    int err = asyncio_await(child);
    asyncio_task_release(child);
    return err < 0 ? err : err + 1;
}

TEST(eager_starts_nest)
{
    int left = 4;
    struct asyncio_task *task =
        asyncio_create_task(descend, &left, .eager = true);
    trace("main");
    EXPECT_EQ(asyncio_await(task), 4);
    EXPECT_TRACE("1", "2", "3", "4", "main");
    asyncio_task_release(task);
}

TEST(eager_starts_nest_deeply)
{
    int left = 300;
    double start = asyncio_time();
    struct asyncio_task *task =
        asyncio_create_task(descend, &left, .eager = true);
    EXPECT(asyncio_task_done(task) || asyncio_time() == start);
    EXPECT_EQ(asyncio_await(task), 300);
    asyncio_task_release(task);
}

static int cancel_spawner(void *arg)
{
    EXPECT(asyncio_task_cancel(arg, .reason = "by its child"));
    return 0;
}

TEST(child_may_cancel_its_spawner_in_its_first_step)
{
    struct asyncio_task *self = asyncio_current_task();
    struct asyncio_task *child =
        asyncio_create_task(cancel_spawner, self, .eager = true);
    EXPECT(asyncio_task_done(child));
    EXPECT_EQ(asyncio_task_cancelling(self), 1);
    EXPECT_EQ(asyncio_sleep(3600), -ECANCELED);
    EXPECT_EQ(asyncio_task_uncancel(self), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_release(child);
}

static int cancel_itself(void *arg)
{
    asyncio_task_cancel(asyncio_current_task());
    int err = asyncio_sleep(3600);
    trace("%s", err == -ECANCELED ? "cancelled" : "not cancelled");
    return arg ? 0 : err;
}

TEST(child_that_cancels_itself_is_stopped_at_its_first_wait)
{
    double start = asyncio_time();
    struct asyncio_task *task =
        asyncio_create_task(cancel_itself, NULL, .eager = true);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(asyncio_time(), start);
    EXPECT_TRACE("cancelled");
    asyncio_task_release(task);
}

static int await_spawner(void *arg)
{
    int err = asyncio_shield((struct asyncio_task *)arg);
    trace("spawner ended with %d", err);
    return 0;
}

static int spawn_who_awaits_us(void *arg)
{
    struct asyncio_task **child = arg;
    *child = asyncio_create_task(await_spawner, asyncio_current_task(),
                                 .eager = true);
    return 3;
}

TEST(child_may_wait_for_its_spawner)
{
    struct asyncio_task *child = NULL;
    struct asyncio_task *task =
        asyncio_create_task(spawn_who_awaits_us, &child, .eager = true);
    EXPECT_EQ(asyncio_await(task), 3);
    if (child) EXPECT_EQ(asyncio_await(child), 0);
    EXPECT_TRACE("spawner ended with 3");
    asyncio_task_release(child);
    asyncio_task_release(task);
}

// --- what belongs to a task -------------------------------------------------

static int fail_with_words(void *arg)
{
    errno = ENOTTY;
    return asyncio_raise(-EPROTO, "no sense in %s", (const char *)arg);
}

TEST(words_and_errno_of_the_first_step_are_the_childs)
{
    asyncio_ignore(asyncio_raise(-EPROTO, "the spawner's"));
    errno = ENOENT;
    struct asyncio_task *task =
        asyncio_create_task(fail_with_words, "that", .eager = true);
    EXPECT_EQ(errno, ENOENT);
    EXPECT_STR(asyncio_strerror(-EPROTO), "the spawner's");
    EXPECT_EQ(asyncio_await(task), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "no sense in that");
    asyncio_task_release(task);
}

TEST(failure_of_a_first_step_that_nobody_looks_at_is_reported)
{
    asyncio_task_release(
        asyncio_create_task(fail_with_words, "it", .eager = true));
    EXPECT_CONTAINS(expect_report(-EPROTO), "no sense in it");
}

static int yield_once(void *arg)
{
    trace("%s", (const char *)arg);
    int err = asyncio_sleep(0);
    trace("%s again", (const char *)arg);
    return err;
}

TEST(child_that_yields_takes_its_place_in_the_queue, .ordered = true)
{
    struct asyncio_task *first = asyncio_create_task(seven, "first");
    struct asyncio_task *task =
        asyncio_create_task(yield_once, "eager", .eager = true);
    EXPECT_EQ(asyncio_await(task), 0);
    EXPECT_TRACE("eager", "first", "eager again");
    EXPECT_EQ(asyncio_await(first), 7);
    asyncio_task_release(first);
    asyncio_task_release(task);
}

static struct asyncio_semaphore plenty = ASYNCIO_SEMAPHORE(1000);

static int take_one(void *arg)
{
    (void)arg;
    int err = asyncio_semaphore_acquire(&plenty);
    asyncio_semaphore_release(&plenty);
    return err;
}

static int note_turn(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

// A spawner that never waits itself, of children that never block.
TEST(eager_children_do_not_starve_the_others)
{
    bool turn = false;
    struct asyncio_task *other = asyncio_create_task(note_turn, &turn);
    for (int i = 0; i < 1000 && !turn; i++) {
        struct asyncio_task *task =
            asyncio_create_task(take_one, NULL, .eager = true);
        asyncio_ignore(asyncio_await(task));
        asyncio_task_release(task);
    }
    EXPECT(turn);
    EXPECT_EQ(asyncio_await(other), 0);
    asyncio_task_release(other);
}

// --- groups -----------------------------------------------------------------

TEST(group_on_an_eager_loop_runs_its_children_as_they_are_made)
{
    asyncio_loop_set_eager(loop_here(), true);
    uint64_t passes = asyncio_loop_passes(loop_here());
    struct asyncio_task *kept = NULL;
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_task_group_create_task(&group, seven, "a"), 0);
    trace("made");
    EXPECT_EQ(asyncio_task_group_create_task(&group, seven, "b", .task = &kept),
              0);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(asyncio_loop_passes(loop_here()), passes);
    EXPECT_TRACE("a", "made", "b");
    int result = 0;
    EXPECT_EQ(asyncio_task_result(kept, &result), 0);
    EXPECT_EQ(result, 7);
}

TEST(child_that_fails_in_its_first_step_ends_the_group)
{
    int met = 0;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, sleep_long, &met, .eager = true);
    EXPECT_EQ(asyncio_task_group_create_task(&group, fail_with_words, "this",
                                             .eager = true),
              0);
    EXPECT_EQ(asyncio_task_group_create_task(&group, seven, "late"),
              -ESHUTDOWN);
    EXPECT_EQ(asyncio_sleep(3600), -ECANCELED);
    EXPECT_EQ(asyncio_task_group_exit(&group, -ECANCELED), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "no sense in this");
    EXPECT_EQ(met, -ECANCELED);
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
    EXPECT_TRACE();
}

static int say_ready(void *arg)
{
    int err = asyncio_task_group_started(5);
    return err < 0 || !arg ? err : asyncio_sleep(1);
}

TEST(child_that_is_ready_in_its_first_step_answers_at_once)
{
    bool block_after = true;
    uint64_t passes = asyncio_loop_passes(loop_here());
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_task_group_start(&group, say_ready, NULL, .eager = true),
              5);
    EXPECT_EQ(asyncio_task_group_start(&group, say_ready, &block_after,
                                       .eager = true),
              5);
    EXPECT_EQ(asyncio_loop_passes(loop_here()), passes);
    EXPECT_EQ(
        asyncio_task_group_start(&group, seven, "not ready", .eager = true),
        -EPROTO);
    EXPECT_EQ(
        asyncio_task_group_start(&group, fail_with_words, "it", .eager = true),
        -EPROTO);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_TRACE("not ready");
}

// A grandchild of the group, made while the parent waits in exit.
static int spawn_sibling(void *arg)
{
    struct asyncio_task_group *group = arg;
    int err = asyncio_sleep(1);
    if (err == 0)
        err =
            asyncio_task_group_create_task(group, seven, "late", .eager = true);
    return err;
}

TEST(child_may_spawn_eagerly_into_a_group_that_waits)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, spawn_sibling, &group);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_TRACE("late");
}

// --- gather -----------------------------------------------------------------

#define WIDTH 3

static int steps;

static int gather_below(void *arg)
{
    int levels = *(int *)arg, below = levels - 1;
    steps++;
    if (levels == 0) return 0;
    struct asyncio_coroutine list[WIDTH];
    for (int i = 0; i < WIDTH; i++)
        list[i] = ASYNCIO_COROUTINE(gather_below, &below);
    return asyncio_gather(list, WIDTH);
}

TEST(nested_gathers_of_what_never_blocks_queue_nothing)
{
    CONFORMS("EAGR-07");
    int levels = 4;
    struct asyncio_task *other = asyncio_create_task(seven, "other");
    asyncio_loop_set_eager(loop_here(), true);
    uint64_t passes = asyncio_loop_passes(loop_here());
    EXPECT_EQ(gather_below(&levels), 0);
    EXPECT_EQ(steps, 1 + 3 + 9 + 27 + 81);
    EXPECT_EQ(asyncio_loop_passes(loop_here()), passes);
    EXPECT_TRACE(); // what stood in the queue all the time has not run
    EXPECT_EQ(asyncio_await(other), 7);
    asyncio_task_release(other);
}

static int cancel_gather(void *arg)
{
    EXPECT(asyncio_future_cancel(&((struct asyncio_gather *)arg)->future));
    return 0;
}

TEST(member_may_cancel_its_gather_in_its_first_step)
{
    struct asyncio_gather gather;
    struct asyncio_coroutine list[] = {
        ASYNCIO_COROUTINE(sleep_long, NULL),
        ASYNCIO_COROUTINE(cancel_gather, &gather),
        ASYNCIO_COROUTINE(seven, "never begins")};
    asyncio_loop_set_eager(loop_here(), true);
    EXPECT_OR_RETURN(asyncio_gather_start(&gather, list, 3) == 0);
    EXPECT_EQ(asyncio_await(&gather.future), -ECANCELED);
    asyncio_gather_close(&gather);
    EXPECT_TRACE();
}

TEST(eager_gather_counts_what_stands_twice_once)
{
    struct asyncio_coroutine once = ASYNCIO_COROUTINE(seven, "once");
    struct asyncio_any list[] = {ASYNCIO_ANY(&once), ASYNCIO_ANY(&once)};
    int results[2] = {0, 0};
    asyncio_loop_set_eager(loop_here(), true);
    EXPECT_EQ(asyncio_gather(list, 2, .results = results), 0);
    EXPECT_EQ(results[0] + results[1], 14);
    EXPECT_TRACE("once");
}

// --- the end of a run -------------------------------------------------------

static int leave_one_behind(void *arg)
{
    asyncio_task_release(asyncio_create_task(sleep_long, arg));
    return 0;
}

TEST_PLAIN(eager_run_winds_up_what_is_left)
{
    int met = 0;
    EXPECT_EQ(asyncio_run(leave_one_behind, &met, .eager = true), 0);
    EXPECT_EQ(met, -ECANCELED);
}
