// Wait: three conditions, a limit that is no error, and marks for who is done.
// It looks only: members are not cancelled, and their outcomes stay unseen.

#include <asyncio/wait.h>

#include "runner/runner.h"

struct job {
    double seconds;
    int result;
};

static int work(void *arg)
{
    const struct job *job = arg;
    int err = asyncio_sleep(job->seconds);
    return err < 0 ? err : job->result;
}

static void start_all(struct asyncio_task *tasks[], struct job jobs[],
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        tasks[i] = asyncio_create_task(work, &jobs[i]);
}

static void end_all(struct asyncio_task *tasks[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        asyncio_task_cancel(tasks[i]);
        while (!asyncio_task_done(tasks[i]))
            asyncio_ignore(asyncio_await(tasks[i]));
        int result;
        EXPECT_EQ(asyncio_task_result(tasks[i], &result), 0);
        asyncio_task_release(tasks[i]);
    }
}

static bool near(double seconds, double wanted)
{
    return seconds > wanted - 1e-6 && seconds < wanted + 1e-6;
}

// --- conditions -------------------------------------------------------------

TEST(waiting_for_all_ends_with_the_last)
{
    CONFORMS("WAIT-01");
    struct job jobs[] = {{0.1, 1}, {0.15, 2}};
    struct asyncio_task *tasks[2];
    bool done[2] = {false, false}, pending[2] = {true, true};
    start_all(tasks, jobs, 2);
    double begin = asyncio_time();
    EXPECT_EQ(asyncio_wait(tasks, 2, ASYNCIO_FOREVER, .done = done,
                           .pending = pending),
              2);
    EXPECT(near(asyncio_time() - begin, 0.15));
    EXPECT(done[0] && done[1]);
    EXPECT(!pending[0] && !pending[1]);
    EXPECT_EQ(asyncio_await(tasks[0]), 1);
    EXPECT_EQ(asyncio_await(tasks[1]), 2);
    end_all(tasks, 2);
}

TEST(waiting_for_the_first_leaves_the_other_running)
{
    CONFORMS("WAIT-02");
    struct job jobs[] = {{10, 1}, {0.1, 2}};
    struct asyncio_task *tasks[2];
    bool done[2], pending[2];
    start_all(tasks, jobs, 2);
    double begin = asyncio_time();
    EXPECT_EQ(asyncio_wait(tasks, 2, ASYNCIO_FOREVER,
                           .return_when = ASYNCIO_FIRST_COMPLETED, .done = done,
                           .pending = pending),
              1);
    EXPECT(near(asyncio_time() - begin, 0.1));
    EXPECT(!done[0] && done[1]);
    EXPECT(pending[0] && !pending[1]);
    EXPECT(!asyncio_task_done(tasks[0]));
    EXPECT_EQ(asyncio_task_cancelling(tasks[0]), 0);
    EXPECT_EQ(asyncio_await(tasks[0]), 1);
    end_all(tasks, 2);
}

static int yield_some(void *arg)
{
    for (int i = 0; i < *(int *)arg; i++) {
        int err = asyncio_sleep(0);
        if (err < 0) return err;
    }
    return 7;
}

TEST(whoever_is_done_by_the_time_the_waiter_runs_counts, .ordered = true)
{
    CONFORMS("WAIT-03");
    int passes[] = {0, 1};
    struct asyncio_task *tasks[2];
    bool done[2];
    for (int i = 0; i < 2; i++)
        tasks[i] = asyncio_create_task(yield_some, &passes[i]);
    EXPECT_EQ(asyncio_wait(tasks, 2, ASYNCIO_FOREVER, .done = done,
                           .return_when = ASYNCIO_FIRST_COMPLETED),
              2);
    EXPECT(done[0] && done[1]);
    end_all(tasks, 2);
}

TEST(waiting_for_the_first_error_ends_with_it)
{
    CONFORMS("WAIT-04");
    struct job jobs[] = {{0.01, -EPROTO}, {10, 1}, {0.001, 3}};
    struct asyncio_task *tasks[3];
    bool done[3];
    start_all(tasks, jobs, 3);
    double begin = asyncio_time();
    EXPECT_EQ(asyncio_wait(tasks, 3, ASYNCIO_FOREVER, .done = done,
                           .return_when = ASYNCIO_FIRST_EXCEPTION),
              2);
    EXPECT(near(asyncio_time() - begin, 0.01));
    EXPECT(done[0] && !done[1] && done[2]);
    EXPECT_EQ(asyncio_await(tasks[0]), -EPROTO);
    end_all(tasks, 3);
}

TEST(cancelled_member_is_no_first_error)
{
    struct job jobs[] = {{1, 1}, {2, 2}};
    struct asyncio_task *tasks[2];
    start_all(tasks, jobs, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT(asyncio_task_cancel(tasks[0]));
    double begin = asyncio_time();
    EXPECT_EQ(asyncio_wait(tasks, 2, ASYNCIO_FOREVER,
                           .return_when = ASYNCIO_FIRST_EXCEPTION),
              2);
    EXPECT(near(asyncio_time() - begin, 2));
    end_all(tasks, 2);
}

TEST(without_an_error_the_first_error_is_all)
{
    struct job jobs[] = {{1, 1}, {2, 2}};
    struct asyncio_task *tasks[2];
    start_all(tasks, jobs, 2);
    EXPECT_EQ(asyncio_wait(tasks, 2, 5, .return_when = ASYNCIO_FIRST_EXCEPTION),
              2);
    end_all(tasks, 2);
}

// --- the limit --------------------------------------------------------------

TEST(limit_is_no_error_and_cancels_nobody)
{
    CONFORMS("WAIT-05");
    struct job jobs[] = {{0.1, 1}, {0.15, 2}};
    struct asyncio_task *tasks[2];
    bool done[2], pending[2];
    start_all(tasks, jobs, 2);
    double begin = asyncio_time();
    EXPECT_EQ(asyncio_wait(tasks, 2, 0.11, .done = done, .pending = pending),
              1);
    EXPECT(near(asyncio_time() - begin, 0.11));
    EXPECT(done[0] && !done[1]);
    EXPECT(!pending[0] && pending[1]);
    EXPECT_EQ(asyncio_task_cancelling(tasks[1]), 0);
    EXPECT_EQ(asyncio_await(tasks[1]), 2);
    end_all(tasks, 2);
}

TEST(limit_with_nobody_done_is_0)
{
    struct asyncio_future future = {0}, *list[] = {&future};
    EXPECT_EQ(asyncio_wait(list, 1, 3600), 0);
    EXPECT(!asyncio_future_done(&future));
    EXPECT_EQ(asyncio_loop_timers(asyncio_get_running_loop()), 0);
}

TEST(no_time_is_one_look_after_one_pass, .ordered = true)
{
    int passes = 0;
    struct asyncio_task *task = asyncio_create_task(yield_some, &passes);
    uint64_t before = asyncio_loop_passes(asyncio_get_running_loop());
    EXPECT_EQ(asyncio_wait(&task, 1, 0), 1);
    EXPECT_EQ(asyncio_loop_passes(asyncio_get_running_loop()), before + 1);
    struct asyncio_future future = {0}, *list[] = {&future};
    EXPECT_EQ(asyncio_wait(list, 1, -1), 0);
    end_all(&task, 1);
}

TEST(timer_is_gone_when_members_were_faster)
{
    struct job job = {1, 1};
    struct asyncio_task *task;
    start_all(&task, &job, 1);
    EXPECT_EQ(asyncio_wait(&task, 1, 3600), 1);
    EXPECT_EQ(asyncio_loop_timers(asyncio_get_running_loop()), 0);
    end_all(&task, 1);
}

TEST(limit_and_member_at_the_same_time_wake_once)
{
    struct job jobs[] = {{1, 1}, {2, 2}};
    struct asyncio_task *tasks[2];
    start_all(tasks, jobs, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    int count =
        asyncio_wait(tasks, 2, 1, .return_when = ASYNCIO_FIRST_COMPLETED);
    EXPECT_LE(count, 1);
    EXPECT_EQ(asyncio_wait(tasks, 2, 5), 2);
    end_all(tasks, 2);
}

// --- outcomes ---------------------------------------------------------------

TEST(failure_is_found_only_by_asking_the_member)
{
    CONFORMS("WAIT-06");
    struct job jobs[] = {{0.1, -EPROTO}, {0.2, 5}};
    struct asyncio_task *tasks[2];
    start_all(tasks, jobs, 2);
    EXPECT_EQ(asyncio_wait(tasks, 2, ASYNCIO_FOREVER), 2);
    int code = 0;
    EXPECT_EQ(asyncio_task_exception(tasks[0], &code), 0);
    EXPECT_EQ(code, -EPROTO);
    end_all(tasks, 2);
}

TEST(waiting_is_not_looking)
{
    struct job job = {0.1, -EPROTO};
    struct asyncio_task *task = asyncio_create_task(work, &job);
    asyncio_ignore(asyncio_wait(&task, 1, 3600));
    bool failed = asyncio_task_done(task);
    asyncio_task_release(task);
    if (failed) expect_report(-EPROTO);
}

TEST(members_that_are_done_are_counted_at_once)
{
    struct asyncio_future a = {0}, b = {0}, *list[] = {&a, &b};
    bool done[2];
    EXPECT_EQ(asyncio_future_set_result(&a, 1), 0);
    uint64_t before = asyncio_loop_passes(asyncio_get_running_loop());
    EXPECT_EQ(asyncio_wait(list, 2, ASYNCIO_FOREVER, .done = done,
                           .return_when = ASYNCIO_FIRST_COMPLETED),
              1);
    EXPECT(done[0] && !done[1]);
    EXPECT_EQ(asyncio_future_set_exception(&b, -EPROTO), 0);
    EXPECT_EQ(asyncio_wait(list, 2, ASYNCIO_FOREVER), 2);
    EXPECT_EQ(asyncio_loop_passes(asyncio_get_running_loop()), before);
    asyncio_future_reset(&b);
}

// --- misuse -----------------------------------------------------------------

static struct asyncio_task *self;

static int wait_for_oneself(void *arg)
{
    (void)arg;
    return asyncio_wait(&self, 1, 1);
}

TEST(refuses_what_cannot_be_waited_for)
{
    CONFORMS("WAIT-07");
    struct asyncio_future future = {0}, *list[] = {&future, NULL};
    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(work, NULL);
    EXPECT_EQ(asyncio_wait(list, 0, ASYNCIO_FOREVER), -EINVAL);
    EXPECT_EQ(
        asyncio_wait(list, 1, 1, .return_when = (enum asyncio_return_when)3),
        -EINVAL);
    EXPECT_EQ(
        asyncio_wait(list, 1, 1, .return_when = (enum asyncio_return_when) - 1),
        -EINVAL);
    EXPECT_EQ(asyncio_wait(list, 2, 1), -EINVAL);
    EXPECT_EQ(asyncio_wait(list, 1, __builtin_nan("")), -EINVAL);
    EXPECT_EQ((asyncio_wait)(ASYNCIO_FUTURES, NULL, 1, 1, NULL), -EINVAL);
    EXPECT_EQ((asyncio_wait)(ASYNCIO_COROUTINES, &coroutine, 1, 1, NULL),
              -EINVAL);
    EXPECT_EQ((asyncio_wait)(ASYNCIO_ANYS, &ASYNCIO_ANY(&future), 1, 1, NULL),
              -EINVAL);
    EXPECT_EQ((asyncio_wait)((enum asyncio_kind)9, list, 1, 1, NULL), -EINVAL);
    EXPECT(!asyncio_future_done(&future));
}

TEST(nobody_waits_for_oneself)
{
    self = asyncio_create_task(wait_for_oneself, NULL);
    EXPECT_EQ(asyncio_await(self), -EDEADLK);
    asyncio_task_release(self);
}

TEST_PLAIN(waiting_wants_a_task)
{
    struct asyncio_future future = {0}, *list[] = {&future};
    EXPECT_EQ(asyncio_wait(list, 1, 1), -EPERM);
}

static int wait_on(void *arg)
{
    struct asyncio_future **list = arg;
    return asyncio_wait(list, 1, 1);
}

TEST_PLAIN(member_of_another_loop_is_refused)
{
    struct asyncio_loop *loop;
    if (asyncio_new_event_loop(&loop) < 0) return;
    struct asyncio_future future, *list[] = {&future};
    asyncio_future_init(&future);
    EXPECT_EQ(asyncio_run(wait_on, list), -EXDEV);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}

TEST(spawn_that_failed_is_a_done_member)
{
    struct asyncio_task *tasks[4];
    struct job job = {1, 1};
    for (int i = 0; i < 3; i++)
        tasks[i] = asyncio_create_task(NULL, NULL);
    tasks[3] = asyncio_create_task(work, &job);
    bool done[4];
    EXPECT_EQ(asyncio_wait(tasks, 4, 3600, .done = done), 2);
    EXPECT(done[0] && !done[1] && !done[2] && done[3]);
    end_all(tasks, 4);
}

// --- twice ------------------------------------------------------------------

TEST(member_that_stands_twice_counts_once)
{
    CONFORMS("WAIT-08");
    struct job jobs[] = {{0.1, 1}, {5, 2}};
    struct asyncio_task *tasks[2];
    start_all(tasks, jobs, 2);
    struct asyncio_task *list[] = {tasks[0], tasks[1], tasks[0], tasks[1]};
    bool done[4], pending[4];
    EXPECT_EQ(asyncio_wait(list, 4, 1, .done = done, .pending = pending), 1);
    EXPECT(done[0] && !done[1] && !done[2] && !done[3]);
    EXPECT(!pending[0] && pending[1] && !pending[2] && !pending[3]);
    EXPECT_EQ(asyncio_wait(list, 4, ASYNCIO_FOREVER, .done = done), 2);
    EXPECT(done[0] && done[1] && !done[2] && !done[3]);
    // Again with all of them done.
    EXPECT_EQ(asyncio_wait(list, 4, ASYNCIO_FOREVER, .pending = pending), 2);
    EXPECT(!pending[0] && !pending[1] && !pending[2] && !pending[3]);
    end_all(tasks, 2);
}

// --- cancelling the waiter --------------------------------------------------

struct waiter {
    struct asyncio_future *list[2];
    double seconds;
    int result;
};

static int wait_as_told(void *arg)
{
    struct waiter *waiter = arg;
    waiter->result = asyncio_wait(waiter->list, 2, waiter->seconds);
    return waiter->result;
}

TEST(cancelled_waiter_leaves_its_members_alone)
{
    struct asyncio_future a = {0}, b = {0};
    struct waiter waiters[] = {{{&a, &b}, ASYNCIO_FOREVER, 0},
                               {{&a, &b}, 3600, 0}};
    struct asyncio_task *tasks[2];
    for (int i = 0; i < 2; i++)
        tasks[i] = asyncio_create_task(wait_as_told, &waiters[i]);
    EXPECT_EQ(asyncio_sleep(1), 0);
    for (int i = 0; i < 2; i++) {
        asyncio_task_cancel(tasks[i]);
        asyncio_ignore(asyncio_await(tasks[i]));
        EXPECT_EQ(waiters[i].result, -ECANCELED);
    }
    EXPECT(!asyncio_future_done(&a) && !asyncio_future_done(&b));
    EXPECT_EQ(asyncio_loop_timers(asyncio_get_running_loop()), 0);
    EXPECT_EQ(asyncio_future_set_result(&a, 0), 0); // nobody hears of it
    end_all(tasks, 2);
}

TEST(cancel_meets_the_end_in_both_orders)
{
    for (int cancel_first = 0; cancel_first < 2; cancel_first++) {
        struct asyncio_future a = {0}, b = {0};
        struct waiter waiter = {{&a, &b}, 3600, 0};
        struct asyncio_task *task = asyncio_create_task(wait_as_told, &waiter);
        EXPECT_EQ(asyncio_sleep(0), 0);
        if (cancel_first) asyncio_task_cancel(task);
        EXPECT_EQ(asyncio_future_set_result(&a, 0), 0);
        EXPECT_EQ(asyncio_future_set_result(&b, 0), 0);
        EXPECT_EQ(asyncio_sleep(0), 0); // the waiter is awake, and has not run
        if (!cancel_first) asyncio_task_cancel(task);
        asyncio_ignore(asyncio_await(task));
        if (!asyncio_task_cancelled(task)) EXPECT_EQ(waiter.result, 2);
        end_all(&task, 1);
    }
}

static int cancel_oneself_and_wait(void *arg)
{
    asyncio_task_cancel(asyncio_current_task());
    return wait_as_told(arg);
}

TEST(request_that_is_pending_ends_the_wait_before_it_begins)
{
    double limits[] = {3600, 0, ASYNCIO_FOREVER};
    for (int i = 0; i < 3; i++) {
        struct asyncio_future a = {0}, b = {0};
        struct waiter waiter = {{&a, &b}, limits[i], 0};
        struct asyncio_task *task =
            asyncio_create_task(cancel_oneself_and_wait, &waiter);
        EXPECT_EQ(asyncio_await(task), -ECANCELED);
        EXPECT_EQ(waiter.result, -ECANCELED);
        end_all(&task, 1);
    }
}

TEST(wait_within_a_limit_is_ended_by_it)
{
    struct asyncio_future a = {0}, *list[] = {&a};
    EXPECT_EQ(asyncio_wait_for(asyncio_wait(list, 1, 3600), 1), -ETIMEDOUT);
    EXPECT(!asyncio_future_done(&a));
}

TEST(several_wait_for_the_same_members)
{
    struct asyncio_future a = {0}, b = {0};
    struct waiter waiters[3];
    struct asyncio_task *tasks[3];
    for (int i = 0; i < 3; i++) {
        waiters[i] = (struct waiter){{&a, &b}, ASYNCIO_FOREVER, 0};
        tasks[i] = asyncio_create_task(wait_as_told, &waiters[i]);
    }
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_future_set_result(&a, 0), 0);
    EXPECT_EQ(asyncio_future_set_result(&b, 0), 0);
    EXPECT_EQ(asyncio_wait(tasks, 3, 3600), 3);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(waiters[i].result, 2);
    end_all(tasks, 3);
}

static int describe(void *arg)
{
    char text[256];
    asyncio_task_describe(arg, text, sizeof text);
    EXPECT_CONTAINS(text, "one or all of a list");
    return 0;
}

TEST(description_says_what_it_waits_for)
{
    struct asyncio_future a = {0}, *list[] = {&a};
    if (asyncio_call_soon(describe, asyncio_current_task()) < 0) return;
    EXPECT_EQ(asyncio_wait(list, 1, 1), 0);
}
