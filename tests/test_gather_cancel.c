// Gather that is cancelled or closed, in each state that it can be in.

#include <asyncio/gather.h>

#include "runner/runner.h"

// A coroutine that waits, and takes its time when it is cancelled.
struct job {
    const char *name;
    double seconds, cleanup;
    int result;         // if it was not cancelled
    int cleanup_result; // else, if not 0
    int cancels;        // seen
};

static int work(void *arg)
{
    struct job *job = arg;
    int err = asyncio_sleep(job->seconds);
    if (err == 0) return job->result;
    if (err == -ECANCELED) job->cancels++;
    if (job->cleanup > 0 && asyncio_sleep(job->cleanup) == -ECANCELED)
        job->cancels++;
    trace("%s cleaned up", job->name);
    return job->cleanup_result ? job->cleanup_result : err;
}

// What a task does with a gather, and what it saw.
struct scene {
    struct asyncio_coroutine coroutines[2];
    struct asyncio_task *tasks[2];
    struct asyncio_gather gather;
    struct job jobs[2];
    int results[2];
    int outcome, after;
};

#define SCENE(a, b)                                                            \
    {                                                                          \
        .jobs = { a, b }                                                       \
    }
#define JOB(...) ((struct job){__VA_ARGS__})

static void make_coroutines(struct scene *scene)
{
    for (int i = 0; i < 2; i++)
        scene->coroutines[i] = ASYNCIO_COROUTINE(work, &scene->jobs[i]);
}

static int gather_coroutines(void *arg)
{
    struct scene *scene = arg;
    make_coroutines(scene);
    scene->outcome =
        asyncio_gather(scene->coroutines, 2, .results = scene->results);
    scene->after = asyncio_sleep(0);
    return scene->outcome;
}

static int gather_collecting(void *arg)
{
    struct scene *scene = arg;
    make_coroutines(scene);
    scene->outcome =
        asyncio_gather(scene->coroutines, 2, .results = scene->results,
                       .return_exceptions = true);
    return scene->outcome;
}

static int gather_tasks(void *arg)
{
    struct scene *scene = arg;
    scene->outcome = asyncio_gather(scene->tasks, 2, .results = scene->results);
    return scene->outcome;
}

static int start_and_close(void *arg)
{
    struct scene *scene = arg;
    make_coroutines(scene);
    int err = asyncio_gather_start(&scene->gather, scene->coroutines, 2,
                                   .results = scene->results);
    if (err == 0) err = asyncio_sleep(1);
    asyncio_gather_close(&scene->gather);
    asyncio_gather_close(&scene->gather);
    trace("closed");
    scene->after = asyncio_sleep(1);
    return err;
}

static void make_tasks(struct scene *scene)
{
    for (int i = 0; i < 2; i++)
        scene->tasks[i] = asyncio_create_task(work, &scene->jobs[i]);
}

static void release_tasks(struct scene *scene)
{
    for (int i = 0; i < 2; i++) {
        asyncio_task_cancel(scene->tasks[i]);
        while (!asyncio_task_done(scene->tasks[i]))
            asyncio_ignore(asyncio_await(scene->tasks[i]));
        asyncio_task_release(scene->tasks[i]);
    }
}

// Runs `fn` in a task that is cancelled at the seconds given, -1 for no more.
// Returns how it ended.
static int run_and_cancel(int (*fn)(void *arg), struct scene *scene,
                          double first, double second)
{
    struct asyncio_task *task = asyncio_create_task(fn, scene);
    double start = asyncio_time();
    double times[] = {first, second};
    for (int i = 0; i < 2 && times[i] >= 0; i++) {
        asyncio_ignore(asyncio_sleep(start + times[i] - asyncio_time()));
        asyncio_task_cancel(task);
    }
    int result = asyncio_await(task);
    asyncio_task_release(task);
    return result;
}

// --- cancelling the waiter --------------------------------------------------

TEST(cancelled_waiter_cancels_every_member_that_is_not_done)
{
    CONFORMS("GATH-04");
    struct scene scene =
        SCENE(JOB("a", .seconds = 1, .result = 5), JOB("b", .seconds = 9));
    EXPECT_EQ(run_and_cancel(gather_coroutines, &scene, 3, -1), -ECANCELED);
    EXPECT_EQ(scene.outcome, -ECANCELED);
    EXPECT_EQ(scene.after, 0);
    EXPECT_EQ(scene.jobs[0].cancels, 0);
    EXPECT_EQ(scene.jobs[1].cancels, 1);
    EXPECT_EQ(scene.results[0], 5);
    EXPECT_EQ(scene.results[1], -ECANCELED);
}

TEST(cancelled_waiter_cancels_tasks_of_yours_too)
{
    CONFORMS("GATH-04");
    struct scene scene = SCENE(JOB("a", .seconds = 9), JOB("b", .seconds = 9));
    make_tasks(&scene);
    EXPECT_EQ(run_and_cancel(gather_tasks, &scene, 1, -1), -ECANCELED);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT(asyncio_task_cancelled(scene.tasks[0]));
    EXPECT(asyncio_task_cancelled(scene.tasks[1]));
    release_tasks(&scene);
}

TEST(waiter_cancelled_before_it_waits_starts_no_body)
{
    struct scene scene = SCENE(JOB("a", .seconds = 9), JOB("b", .seconds = 9));
    make_coroutines(&scene);
    asyncio_task_cancel(asyncio_current_task());
    EXPECT_EQ(asyncio_gather(scene.coroutines, 2), -ECANCELED);
    EXPECT_EQ(asyncio_task_uncancel(asyncio_current_task()), 0);
    EXPECT_EQ(scene.jobs[0].cancels + scene.jobs[1].cancels, 0);
}

TEST(clean_up_of_own_tasks_is_waited_for_and_not_cut_short, .ordered = true)
{
    struct scene scene = SCENE(JOB("a", .seconds = 9, .cleanup = 5),
                               JOB("b", .seconds = 9, .cleanup = 2));
    EXPECT_EQ(run_and_cancel(gather_coroutines, &scene, 1, -1), -ECANCELED);
    EXPECT_TRACE("b cleaned up", "a cleaned up");
    EXPECT_EQ(scene.jobs[0].cancels, 1);
    EXPECT_EQ(scene.jobs[1].cancels, 1);
    EXPECT_EQ(scene.after, 0);
}

TEST(member_that_stands_twice_is_asked_once)
{
    struct job job = {"a", .seconds = 9};
    struct asyncio_task *task = asyncio_create_task(work, &job);
    struct asyncio_task *twice[] = {task, task};
    struct asyncio_gather gather;
    if (asyncio_gather_start(&gather, twice, 2) == 0) {
        EXPECT_EQ(asyncio_sleep(1), 0);
        asyncio_future_cancel(&gather.future);
        EXPECT_EQ(asyncio_task_cancelling(task), 1);
        EXPECT_EQ(asyncio_await(&gather.future), -ECANCELED);
    }
    asyncio_gather_close(&gather);
    if (!asyncio_task_done(task)) asyncio_ignore(asyncio_await(task));
    EXPECT_EQ(job.cancels, 1);
    asyncio_task_release(task);
}

// asyncio's test_cancel_gather_2: codes as results do not hide a cancel.
TEST(collecting_gather_is_cancelled_all_the_same)
{
    struct scene scene = SCENE(JOB("a", .seconds = 9, .cleanup_result = 7),
                               JOB("b", .seconds = 9, .cleanup_result = -EIO));
    EXPECT_EQ(run_and_cancel(gather_collecting, &scene, 1, -1), -ECANCELED);
    EXPECT_EQ(scene.results[0], 7);
    EXPECT_EQ(scene.results[1], -EIO);
}

TEST(error_in_the_clean_up_wins_over_the_cancel)
{
    struct scene scene = SCENE(JOB("a", .seconds = 9, .cleanup_result = -EIO),
                               JOB("b", .seconds = 9, .cleanup = 3));
    EXPECT_EQ(run_and_cancel(gather_coroutines, &scene, 1, -1), -EIO);
    EXPECT_EQ(scene.jobs[1].cancels, 1);
    EXPECT_EQ(scene.results[1], -ECANCELED);
}

TEST(cancel_while_own_tasks_are_joined_is_not_lost)
{
    struct scene scene = SCENE(JOB("a", .seconds = 1, .result = -EIO),
                               JOB("b", .seconds = 9, .cleanup = 5));
    double start = asyncio_time();
    EXPECT_EQ(run_and_cancel(gather_coroutines, &scene, 3, -1), -ECANCELED);
    EXPECT_EQ(scene.outcome, -ECANCELED);
    EXPECT_EQ(scene.after, 0);
    EXPECT_EQ(scene.jobs[1].cancels, 1);
    EXPECT_EQ(scene.results[0], -EIO);
    EXPECT_GE(asyncio_time() - start, 6);
}

TEST(second_cancel_while_own_tasks_are_joined_waits_for_the_next_await)
{
    struct scene scene = SCENE(JOB("a", .seconds = 1, .result = -EIO),
                               JOB("b", .seconds = 9, .cleanup = 5));
    EXPECT_EQ(run_and_cancel(gather_coroutines, &scene, 3, 4), -ECANCELED);
    EXPECT_EQ(scene.outcome, -ECANCELED);
    EXPECT_EQ(scene.after, -ECANCELED);
    EXPECT_EQ(scene.jobs[1].cancels, 1);
}

TEST(time_limit_cancels_and_joins_what_was_gathered)
{
    struct scene scene =
        SCENE(JOB("a", .seconds = 9, .cleanup = 1), JOB("b", .seconds = 9));
    make_coroutines(&scene);
    EXPECT_EQ(asyncio_wait_for(asyncio_gather(scene.coroutines, 2), 3),
              -ETIMEDOUT);
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
    EXPECT_TRACE("b cleaned up", "a cleaned up");
}

// --- cancelling the gather --------------------------------------------------

static int await_future(void *arg)
{
    return asyncio_await((struct asyncio_future *)arg);
}

struct refusal {
    struct asyncio_gather gather;
    struct asyncio_future future;
    bool asked, taken;
};

static int cancel_it(struct asyncio_future *future, void *arg)
{
    struct refusal *refusal = arg;
    (void)future;
    refusal->asked = true;
    refusal->taken = asyncio_future_cancel(&refusal->gather.future);
    return 0;
}

// asyncio's test_cancel_gather_1.
TEST(gather_whose_members_are_done_takes_no_cancel, .ordered = true)
{
    CONFORMS("GATH-05");
    struct refusal refusal = {0};
    int result = 0;
    struct asyncio_coroutine child =
        ASYNCIO_COROUTINE(await_future, &refusal.future);
    int err =
        asyncio_gather_start(&refusal.gather, &child, 1, .results = &result);
    if (err == 0) {
        EXPECT_EQ(asyncio_sleep(0), 0); // the child waits for the future
        err = asyncio_future_add_done_callback(&refusal.future, cancel_it,
                                               &refusal);
        EXPECT_EQ(asyncio_future_set_result(&refusal.future, 42), 0);
        EXPECT_EQ(asyncio_await(&refusal.gather.future), 0);
    }
    if (EXPECT_EQ(err, 0)) {
        EXPECT(refusal.asked);
        EXPECT(!refusal.taken);
        EXPECT_EQ(result, 42);
    }
    asyncio_gather_close(&refusal.gather);
}

TEST(gather_that_is_done_takes_no_cancel_and_disturbs_nobody)
{
    CONFORMS("GATH-08");
    struct scene scene = SCENE(JOB("a", .seconds = 1, .result = -EPROTO),
                               JOB("b", .seconds = 5, .result = 3));
    make_tasks(&scene);
    if (asyncio_gather_start(&scene.gather, scene.tasks, 2) == 0) {
        EXPECT_EQ(asyncio_await(&scene.gather.future), -EPROTO);
        EXPECT(!asyncio_future_cancel(&scene.gather.future));
        EXPECT_EQ(asyncio_task_cancelling(scene.tasks[1]), 0);
        EXPECT_EQ(asyncio_await(scene.tasks[1]), 3);
    }
    asyncio_gather_close(&scene.gather);
    release_tasks(&scene);
}

TEST(cancelled_gather_ends_when_its_members_have)
{
    struct scene scene =
        SCENE(JOB("a", .seconds = 9, .cleanup = 2), JOB("b", .seconds = 9));
    make_coroutines(&scene);
    if (asyncio_gather_start(&scene.gather, scene.coroutines, 2) == 0) {
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT(asyncio_future_cancel(&scene.gather.future,
                                     .reason = "not needed"));
        EXPECT(!asyncio_future_done(&scene.gather.future));
        EXPECT_EQ(asyncio_await(&scene.gather.future), -ECANCELED);
        EXPECT_STR(asyncio_strerror(-ECANCELED), "not needed");
        EXPECT_EQ(scene.jobs[0].cancels, 1);
    }
    asyncio_gather_close(&scene.gather);
}

TEST(cancel_reaches_futures_and_inner_gathers)
{
    struct asyncio_future plain = {0}, *list[] = {&plain};
    struct asyncio_gather inner, outer = {0};
    if (asyncio_gather_start(&inner, list, 1) == 0) {
        struct asyncio_future *inners[] = {&inner.future};
        if (asyncio_gather_start(&outer, inners, 1) == 0) {
            EXPECT(asyncio_future_cancel(&outer.future));
            EXPECT(asyncio_future_cancelled(&plain));
            EXPECT_EQ(asyncio_await(&outer.future), -ECANCELED);
            EXPECT(asyncio_future_cancelled(&inner.future));
        }
    }
    asyncio_gather_close(&outer);
    asyncio_gather_close(&inner);
    asyncio_future_reset(&plain);
}

TEST(shielded_gather_goes_on_when_the_waiter_is_cancelled)
{
    struct scene scene =
        SCENE(JOB("a", .seconds = 5, .result = 1), JOB("b", .result = 2));
    make_coroutines(&scene);
    if (asyncio_gather_start(&scene.gather, scene.coroutines, 2,
                             .results = scene.results) == 0) {
        EXPECT_EQ(asyncio_wait_for(asyncio_shield(&scene.gather.future), 1),
                  -ETIMEDOUT);
        EXPECT_EQ(asyncio_await(&scene.gather.future), 0);
        EXPECT_EQ(scene.results[0], 1);
        EXPECT_EQ(scene.results[1], 2);
    }
    asyncio_gather_close(&scene.gather);
}

// --- closing ----------------------------------------------------------------

TEST(zeroed_gather_can_be_closed)
{
    struct asyncio_gather gather = {0};
    asyncio_gather_close(&gather);
    asyncio_gather_close(&gather);
    EXPECT(!asyncio_future_done(&gather.future));
}

TEST(close_cancels_and_joins_what_the_gather_made, .ordered = true)
{
    struct scene scene =
        SCENE(JOB("a", .seconds = 9, .cleanup = 5), JOB("b", .seconds = 9));
    EXPECT_EQ(run_and_cancel(start_and_close, &scene, -1, -1), 0);
    EXPECT_TRACE("b cleaned up", "a cleaned up", "closed");
    EXPECT_EQ(scene.after, 0);
    EXPECT_EQ(scene.results[0], -ECANCELED);
    EXPECT(asyncio_future_cancelled(&scene.gather.future));
}

TEST(close_before_anything_ran_starts_no_body)
{
    struct scene scene = SCENE(JOB("a", .seconds = 9), JOB("b", .seconds = 9));
    make_coroutines(&scene);
    if (asyncio_gather_start(&scene.gather, scene.coroutines, 2) == 0)
        asyncio_gather_close(&scene.gather);
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_sleep(0), 0);
}

TEST(cancel_that_comes_while_closing_waits_for_the_next_await)
{
    struct scene scene = SCENE(JOB("a", .seconds = 9, .cleanup = 5),
                               JOB("b", .seconds = 9, .cleanup = 6));
    EXPECT_EQ(run_and_cancel(start_and_close, &scene, 2, 3), 0);
    EXPECT_TRACE("a cleaned up", "b cleaned up", "closed");
    EXPECT_EQ(scene.after, -ECANCELED);
    EXPECT_EQ(scene.jobs[0].cancels, 1);
}

TEST(close_leaves_tasks_of_yours_alone)
{
    struct scene scene = SCENE(JOB("a", .seconds = 5, .result = 1),
                               JOB("b", .seconds = 5, .result = 2));
    make_tasks(&scene);
    if (asyncio_gather_start(&scene.gather, scene.tasks, 2) == 0)
        asyncio_gather_close(&scene.gather);
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(asyncio_task_cancelling(scene.tasks[i]), 0);
        EXPECT_EQ(asyncio_await(scene.tasks[i]), i + 1);
    }
    release_tasks(&scene);
}

TEST(failure_after_an_early_close_is_reported)
{
    struct job job = {"a", .seconds = 1, .result = -EPROTO};
    struct asyncio_task *task = asyncio_create_task(work, &job);
    struct asyncio_gather gather;
    int err = asyncio_gather_start(&gather, &task, 1);
    asyncio_gather_close(&gather);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_sleep(2), 0);
    if (err == 0) EXPECT_CONTAINS(expect_report(-EPROTO), "nobody looked");
}

static int close_it(void *arg)
{
    asyncio_gather_close(arg);
    return 0;
}

TEST(two_tasks_may_close_at_a_time)
{
    struct scene scene =
        SCENE(JOB("a", .seconds = 9, .cleanup = 5), JOB("b", .seconds = 9));
    make_coroutines(&scene);
    if (asyncio_gather_start(&scene.gather, scene.coroutines, 2) < 0) return;
    EXPECT_EQ(asyncio_sleep(1), 0);
    struct asyncio_task *other = asyncio_create_task(close_it, &scene.gather);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_gather_close(&scene.gather);
    EXPECT_EQ(asyncio_await(other), 0);
    asyncio_task_release(other);
    EXPECT_EQ(scene.jobs[0].cancels, 1);
}

TEST(close_wakes_whoever_awaits_the_gather)
{
    struct scene scene = SCENE(JOB("a", .seconds = 9), JOB("b", .seconds = 9));
    make_coroutines(&scene);
    if (asyncio_gather_start(&scene.gather, scene.coroutines, 2) < 0) return;
    struct asyncio_task *waiter =
        asyncio_create_task(await_future, &scene.gather.future);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_gather_close(&scene.gather);
    EXPECT_EQ(asyncio_await(waiter), -ECANCELED);
    EXPECT_EQ(asyncio_task_cancelling(waiter), 0);
    asyncio_task_release(waiter);
}

// In a callback nobody can wait: what the gather made ends by itself.
TEST(close_outside_a_task_lets_own_tasks_end_by_themselves)
{
    struct scene scene =
        SCENE(JOB("a", .seconds = 9, .cleanup = 1), JOB("b", .seconds = 9));
    make_coroutines(&scene);
    if (asyncio_gather_start(&scene.gather, scene.coroutines, 2) < 0) return;
    EXPECT_EQ(asyncio_sleep(1), 0);
    int err = asyncio_call_soon(close_it, &scene.gather);
    EXPECT_EQ(asyncio_sleep(0), 0);
    if (err == 0) EXPECT(asyncio_future_cancelled(&scene.gather.future));
    asyncio_gather_close(&scene.gather);
    EXPECT_EQ(asyncio_sleep(5), 0);
    EXPECT_EQ(scene.jobs[0].cancels, 1);
    EXPECT_EQ(scene.jobs[1].cancels, 1);
}
