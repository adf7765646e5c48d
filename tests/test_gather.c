// Gather: outcomes in their places, failures, lists of every kind. Cancelling
// and closing stand in test_gather_cancel.c.

#include <asyncio/gather.h>

#include <stdlib.h>

#include "runner/runner.h"

#define MANY 100000

struct job {
    const char *name;
    double seconds;
    int result;
};

static int work(void *arg)
{
    const struct job *job = arg;
    int err = asyncio_sleep(job->seconds);
    trace("%s %s", job->name, err == -ECANCELED ? "cancelled" : "done");
    return err < 0 ? err : job->result;
}

static int fail_with_words(void *arg)
{
    (void)arg;
    return asyncio_raise(-EPROTO, "these are the words");
}

// Starts one task for each job, to be released by release_all.
static void start_all(struct asyncio_task *tasks[], struct job jobs[],
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        tasks[i] = asyncio_create_task(work, &jobs[i]);
}

// Ends whatever still runs: the jobs are the caller's own.
static void release_all(struct asyncio_task *tasks[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        asyncio_task_cancel(tasks[i]);
        while (!asyncio_task_done(tasks[i]))
            asyncio_ignore(asyncio_await(tasks[i]));
        asyncio_task_release(tasks[i]);
    }
}

// --- results ----------------------------------------------------------------

TEST(results_stand_in_the_order_of_the_list, .ordered = true)
{
    CONFORMS("GATH-01");
    struct job jobs[] = {{"first", 2, 10}, {"second", 1, 20}, {"third", 3, 30}};
    struct asyncio_coroutine coroutines[3];
    for (int i = 0; i < 3; i++)
        coroutines[i] = ASYNCIO_COROUTINE(work, &jobs[i]);
    int results[3];
    EXPECT_EQ(asyncio_gather(coroutines, 3, .results = results), 0);
    trace("gathered");
    EXPECT_EQ(results[0], 10);
    EXPECT_EQ(results[1], 20);
    EXPECT_EQ(results[2], 30);
    EXPECT_TRACE("second done", "first done", "third done", "gathered");
}

TEST(tasks_are_gathered_and_stay_yours)
{
    CONFORMS("GATH-01");
    struct job jobs[] = {{"a", 2, 1}, {"b", 1, 2}, {"c", 3, 3}};
    struct asyncio_task *tasks[3];
    start_all(tasks, jobs, 3);
    int results[3] = {0};
    EXPECT_EQ(asyncio_gather(tasks, 3, .results = results), 0);
    EXPECT_EQ(results[0], 1);
    EXPECT_EQ(results[1], 2);
    EXPECT_EQ(results[2], 3);
    EXPECT_EQ(asyncio_await(tasks[1]), 2);
    release_all(tasks, 3);
}

static int set_to_five(void *arg)
{
    int err = asyncio_sleep(1);
    return err < 0 ? err : asyncio_future_set_result(arg, 5);
}

TEST(list_may_mix_tasks_futures_and_coroutine_objects)
{
    struct asyncio_future future = {0};
    struct job jobs[] = {{"task", 1, 4}, {"coroutine", 1, 6}};
    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(work, &jobs[1]);
    struct asyncio_coroutine setter = ASYNCIO_COROUTINE(set_to_five, &future);
    struct asyncio_task *task = asyncio_create_task(work, &jobs[0]);
    struct asyncio_any list[] = {ASYNCIO_ANY(task), ASYNCIO_ANY(&future),
                                 ASYNCIO_ANY(&coroutine), ASYNCIO_ANY(&setter)};
    int results[4];
    EXPECT_EQ(asyncio_gather(list, 4, .results = results), 0);
    EXPECT_EQ(results[0], 4);
    EXPECT_EQ(results[1], 5);
    EXPECT_EQ(results[2], 6);
    EXPECT_EQ(results[3], 0);
    EXPECT_EQ(asyncio_await(&coroutine), -EALREADY);
    asyncio_future_reset(&future);
    release_all(&task, 1);
}

TEST(nothing_is_gathered_at_once)
{
    CONFORMS("GATH-02");
    struct asyncio_coroutine none[1];
    int result = 77;
    EXPECT_EQ(asyncio_gather(none, 0, .results = &result), 0);
    EXPECT_EQ(result, 77);

    struct asyncio_gather gather;
    EXPECT_EQ(asyncio_gather_start(&gather, none, 0), 0);
    EXPECT(asyncio_future_done(&gather.future));
    EXPECT_EQ(asyncio_await(&gather.future), 0);
    asyncio_gather_close(&gather);
}

TEST(gather_of_what_is_done_is_done_before_the_call_returns)
{
    CONFORMS("GATH-10");
    struct job jobs[] = {{"a", 0, 1}, {"b", 0, 2}};
    struct asyncio_task *tasks[2];
    start_all(tasks, jobs, 2);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(asyncio_await(tasks[i]), i + 1);
    struct asyncio_future future = {0};
    EXPECT_EQ(asyncio_future_set_result(&future, 3), 0);

    struct asyncio_any list[] = {ASYNCIO_ANY(tasks[0]), ASYNCIO_ANY(&future),
                                 ASYNCIO_ANY(tasks[1])};
    int results[3] = {0};
    struct asyncio_gather gather;
    EXPECT_EQ(asyncio_gather_start(&gather, list, 3, .results = results), 0);
    EXPECT(asyncio_future_done(&gather.future));
    EXPECT_EQ(results[0], 1);
    EXPECT_EQ(results[1], 3);
    EXPECT_EQ(results[2], 2);
    asyncio_gather_close(&gather);
    release_all(tasks, 2);
}

TEST(entry_that_stands_twice_counts_once_and_has_two_places)
{
    struct job jobs[] = {{"a", 1, 1}, {"b", 1, 2}};
    struct asyncio_coroutine a = ASYNCIO_COROUTINE(work, &jobs[0]);
    struct asyncio_task *b = asyncio_create_task(work, &jobs[1]);
    struct asyncio_any list[] = {ASYNCIO_ANY(&a), ASYNCIO_ANY(b),
                                 ASYNCIO_ANY(&a), ASYNCIO_ANY(b),
                                 ASYNCIO_ANY(&a)};
    int results[5];
    EXPECT_EQ(asyncio_gather(list, 5, .results = results), 0);
    for (int i = 0; i < 5; i++)
        EXPECT_EQ(results[i], i % 2 ? 2 : 1);
    release_all(&b, 1);
}

TEST(gather_can_be_gathered)
{
    struct job jobs[] = {{"a", 1, 1}, {"b", 2, 2}, {"c", 3, 3}};
    struct asyncio_coroutine coroutines[3];
    for (int i = 0; i < 3; i++)
        coroutines[i] = ASYNCIO_COROUTINE(work, &jobs[i]);
    int inner[2], outer[2];
    struct asyncio_gather gather;
    EXPECT_EQ(asyncio_gather_start(&gather, coroutines, 2, .results = inner),
              0);
    struct asyncio_any list[] = {ASYNCIO_ANY(&gather.future),
                                 ASYNCIO_ANY(&coroutines[2])};
    EXPECT_EQ(asyncio_gather(list, 2, .results = outer), 0);
    EXPECT_EQ(outer[0], 0);
    EXPECT_EQ(outer[1], 3);
    EXPECT_EQ(inner[0], 1);
    EXPECT_EQ(inner[1], 2);
    asyncio_gather_close(&gather);
}

// --- failures ---------------------------------------------------------------

TEST(first_failure_is_returned_at_once_and_leaves_your_tasks_alone,
     .ordered = true)
{
    CONFORMS("GATH-03");
    struct job jobs[] = {
        {"a", 5, 1}, {"b", 5, 2}, {"c", 1, -EPROTO}, {"d", 5, 4}, {"e", 5, 5}};
    struct asyncio_task *tasks[5];
    start_all(tasks, jobs, 5);
    int results[5] = {77, 77, 77, 77, 77};
    EXPECT_EQ(asyncio_gather(tasks, 5, .results = results), -EPROTO);
    EXPECT_TRACE("c done");
    EXPECT_EQ(results[0], 77);
    EXPECT_EQ(results[2], -EPROTO);
    for (int i = 0; i < 5; i++) {
        EXPECT_EQ(asyncio_task_cancelling(tasks[i]), 0);
        EXPECT_EQ(asyncio_await(tasks[i]), jobs[i].result);
    }
    EXPECT_TRACE("a done", "b done", "d done", "e done");
    release_all(tasks, 5);
}

// unlike asyncio: who makes a task joins it.
TEST(tasks_that_gather_made_are_cancelled_and_joined_on_a_failure,
     .ordered = true)
{
    CONFORMS("GATH-03");
    struct job jobs[] = {{"a", 5, 1}, {"b", 1, -EPROTO}, {"c", 5, 3}};
    struct asyncio_coroutine coroutines[3];
    for (int i = 0; i < 3; i++)
        coroutines[i] = ASYNCIO_COROUTINE(work, &jobs[i]);
    int results[3];
    EXPECT_EQ(asyncio_gather(coroutines, 3, .results = results), -EPROTO);
    EXPECT_TRACE("b done", "a cancelled", "c cancelled");
    EXPECT_EQ(results[0], -ECANCELED);
    EXPECT_EQ(results[1], -EPROTO);
    EXPECT_EQ(results[2], -ECANCELED);
}

TEST(cancelled_member_fails_the_gather)
{
    struct job jobs[] = {{"a", 5, 1}, {"b", 5, 2}};
    struct asyncio_task *tasks[2];
    start_all(tasks, jobs, 2);
    asyncio_task_cancel(tasks[1]);
    EXPECT_EQ(asyncio_gather(tasks, 2), -ECANCELED);
    EXPECT(!asyncio_task_done(tasks[0]));
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
    release_all(tasks, 2);
}

TEST(codes_are_results_if_they_are_asked_for)
{
    struct job jobs[] = {{"a", 2, 1}, {"b", 1, -EPROTO}, {"c", 9, 3}};
    struct asyncio_task *tasks[3];
    start_all(tasks, jobs, 3);
    asyncio_task_cancel(tasks[2]);
    int results[3] = {0};
    EXPECT_EQ(
        asyncio_gather(tasks, 3, .results = results, .return_exceptions = true),
        0);
    EXPECT_EQ(results[0], 1);
    EXPECT_EQ(results[1], -EPROTO);
    EXPECT_EQ(results[2], -ECANCELED);
    release_all(tasks, 3);
}

TEST(words_of_the_failure_reach_the_waiter)
{
    struct asyncio_coroutine failing = ASYNCIO_COROUTINE(fail_with_words, NULL);
    EXPECT_EQ(asyncio_gather(&failing, 1), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "these are the words");
}

TEST(failures_after_the_first_count_as_seen)
{
    CONFORMS("GATH-07");
    struct job jobs[] = {{"a", 1, -EPROTO}, {"b", 2, -EPIPE}};
    struct asyncio_task *tasks[2];
    start_all(tasks, jobs, 2);
    struct asyncio_task *later = asyncio_task_retain(tasks[1]);
    EXPECT_EQ(asyncio_gather(tasks, 2), -EPROTO);
    asyncio_task_release(tasks[0]);
    asyncio_task_release(tasks[1]);
    EXPECT_EQ(asyncio_sleep(5), 0);
    EXPECT(asyncio_task_done(later));
    EXPECT_EQ(unexpected_reports(), 0);
    if (asyncio_task_cancel(later)) asyncio_ignore(asyncio_await(later));
    asyncio_task_release(later);
}

// --- what cannot be gathered ------------------------------------------------

static int never(void *arg)
{
    (void)arg;
    FAIL("this was not to run");
    return 0;
}

TEST(entry_that_is_nothing_is_refused_before_anything_starts)
{
    CONFORMS("GATH-09");
    struct asyncio_coroutine good = ASYNCIO_COROUTINE(never, NULL);
    struct asyncio_coroutine empty = {0};
    struct asyncio_any nothing = {ASYNCIO_TASKS, NULL};
    struct asyncio_any stranger = {ASYNCIO_ANYS, &good};
    struct asyncio_any bad[] = {nothing, stranger, ASYNCIO_ANY(&empty)};
    for (int i = 0; i < 3; i++) {
        struct asyncio_any list[] = {ASYNCIO_ANY(&good), bad[i]};
        EXPECT_EQ(asyncio_gather(list, 2), -EINVAL);
    }
    EXPECT_EQ((asyncio_gather)(ASYNCIO_COROUTINES, NULL, 2, NULL), -EINVAL);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(unexpected_reports(), 0);
    // It was not used up by that.
    good.fn = work;
    good.arg = &(struct job){"good", 0, 1};
    EXPECT_EQ(asyncio_await(&good), 1);
}

TEST(coroutine_object_is_gathered_once)
{
    struct job job = {"a", 0, 1};
    struct asyncio_coroutine once = ASYNCIO_COROUTINE(work, &job);
    EXPECT_EQ(asyncio_gather(&once, 1), 0);
    EXPECT_EQ(asyncio_gather(&once, 1), -EALREADY);
}

TEST(task_cannot_gather_itself)
{
    struct asyncio_task *self = asyncio_current_task();
    EXPECT_EQ(asyncio_gather(&self, 1), -EDEADLK);
}

TEST(failed_start_leaves_a_future_that_says_why)
{
    struct asyncio_gather gather;
    struct asyncio_task *none = NULL;
    EXPECT_EQ(asyncio_gather_start(&gather, &none, 1), -EINVAL);
    EXPECT_EQ(asyncio_await(&gather.future), -EINVAL);
    EXPECT(!asyncio_future_cancel(&gather.future));
    asyncio_gather_close(&gather);
}

TEST_PLAIN(members_of_two_loops_are_refused)
{
    CONFORMS("GATH-06");
    struct asyncio_loop *loops[2] = {NULL, NULL};
    struct asyncio_future a, b, *both[] = {&a, &b};
    struct asyncio_gather gather;
    if (asyncio_new_event_loop(&loops[0]) < 0) return;
    asyncio_future_init(&a);
    if (asyncio_new_event_loop(&loops[1]) < 0) goto free_first;
    asyncio_future_init(&b);

    EXPECT_EQ(asyncio_gather_start(&gather, both, 2), -EXDEV);
    asyncio_gather_close(&gather);
    EXPECT(!asyncio_future_done(&a));
    EXPECT_EQ(asyncio_loop_free(loops[1]), 0);
free_first:
    EXPECT_EQ(asyncio_loop_free(loops[0]), 0);
}

TEST(member_of_another_loop_is_refused)
{
    CONFORMS("GATH-06");
    struct asyncio_loop *here = asyncio_get_running_loop(), *other;
    struct asyncio_future foreign = {0}, ours, *both[] = {&ours, &foreign};
    if (asyncio_new_event_loop(&other) < 0) return;
    asyncio_set_event_loop(here);
    asyncio_future_init(&ours);
    foreign.loop_ = other;
    EXPECT_EQ(asyncio_gather(both, 2), -EXDEV);
    EXPECT_EQ(asyncio_loop_free(other), 0);
}

TEST_PLAIN(coroutine_objects_want_a_running_loop)
{
    CONFORMS("GATH-11");
    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(never, NULL);
    struct asyncio_gather gather;
    struct asyncio_loop *loop;
    EXPECT_EQ(asyncio_gather(&coroutine, 1), -EPERM);
    EXPECT_EQ(asyncio_gather_start(&gather, &coroutine, 1), -EPERM);
    if (asyncio_new_event_loop(&loop) < 0) return;
    EXPECT_EQ(asyncio_gather_start(&gather, &coroutine, 1), -EPERM);
    EXPECT_EQ(asyncio_gather(&coroutine, 1), -EPERM);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}

TEST_PLAIN(futures_can_be_gathered_before_their_loop_runs)
{
    struct asyncio_loop *loop;
    struct asyncio_future a, b, *both[] = {&a, &b};
    struct asyncio_gather gather;
    int results[2] = {0};
    if (asyncio_new_event_loop(&loop) < 0) return;
    asyncio_future_init(&a);
    asyncio_future_init(&b);
    if (asyncio_gather_start(&gather, both, 2, .results = results) == 0) {
        EXPECT_EQ(asyncio_future_set_result(&b, 2), 0);
        EXPECT_EQ(asyncio_future_set_result(&a, 1), 0);
        EXPECT_EQ(asyncio_loop_run_until_complete(loop, &gather.future), 0);
        EXPECT_EQ(results[0], 1);
        EXPECT_EQ(results[1], 2);
    }
    asyncio_gather_close(&gather);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}

// --- many -------------------------------------------------------------------

struct many {
    struct asyncio_future futures[MANY];
    struct asyncio_future *list[2 * MANY];
    int results[2 * MANY];
};

static int set_all(void *arg)
{
    struct many *many = arg;
    for (int i = MANY - 1; i >= 0; i--)
        asyncio_ignore(asyncio_future_set_result(&many->futures[i], i));
    return 0;
}

// A start or an end that looked at each pair of entries would take an hour.
TEST(hundred_thousand_that_stand_twice_are_gathered_in_a_moment)
{
    struct many *many = calloc(1, sizeof *many);
    EXPECT_OR_RETURN(many != NULL);
    for (int i = 0; i < MANY; i++)
        many->list[i] = many->list[2 * MANY - 1 - i] = &many->futures[i];
    if (EXPECT_EQ(asyncio_call_soon(set_all, many), 0)) {
        EXPECT_EQ(
            asyncio_gather(many->list, 2 * MANY, .results = many->results), 0);
        EXPECT_EQ(many->results[MANY - 1], MANY - 1);
        EXPECT_EQ(many->results[MANY], MANY - 1);
        EXPECT_EQ(many->results[2 * MANY - 1], 0);
        EXPECT_EQ(asyncio_sleep(0), 0); // the callback has run, whatever failed
    }
    free(many);
}
