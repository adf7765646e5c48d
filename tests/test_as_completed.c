// As completed: entries come out as they end, each to one drawer; what was made
// for the iteration does not outlive it.

#include <asyncio/as_completed.h>
#include <asyncio/gather.h>

#include "runner/runner.h"

struct job {
    double seconds;
    int result;
    int runs;
};

static int work(void *arg)
{
    struct job *job = arg;
    job->runs++;
    int err = asyncio_sleep(job->seconds);
    trace("%g s %s", job->seconds, err < 0 ? "cancelled" : "done");
    return err < 0 ? err : job->result;
}

static void fill(struct asyncio_coroutine list[], struct job jobs[], int count)
{
    for (int i = 0; i < count; i++)
        list[i] = ASYNCIO_COROUTINE(work, &jobs[i]);
}

static void end_task(struct asyncio_task *task)
{
    asyncio_task_cancel(task);
    while (!asyncio_task_done(task))
        asyncio_ignore(asyncio_await(task));
    int result;
    EXPECT_EQ(asyncio_task_result(task, &result), 0);
    asyncio_task_release(task);
}

static size_t timers(void)
{
    return asyncio_loop_timers(asyncio_get_running_loop());
}

// --- order ------------------------------------------------------------------

TEST(entries_come_out_in_the_order_in_which_they_end)
{
    struct job jobs[] = {{3, 30, 0}, {1, -EPROTO, 0}, {2, 20, 0}};
    struct asyncio_coroutine list[3];
    fill(list, jobs, 3);
    ASYNCIO_WITH_AS_COMPLETED(it, list, 3);
    int result = 0;
    EXPECT_EQ(asyncio_as_completed_next(&it, &result), 1);
    EXPECT_EQ(result, -EPROTO);
    EXPECT_EQ(asyncio_as_completed_next(&it, &result), 2);
    EXPECT_EQ(result, 20);
    EXPECT_EQ(asyncio_as_completed_next(&it, &result), 0);
    EXPECT_EQ(result, 30);
    EXPECT_EQ(asyncio_as_completed_next(&it, &result), -ENODATA);
    EXPECT_EQ(asyncio_as_completed_next(&it, &result), -ENODATA);
    EXPECT_EQ(result, 30);
}

TEST(handles_come_out_as_they_went_in)
{
    CONFORMS("ASC-01");
    struct job jobs[] = {{2, 20, 0}, {1, 10, 0}, {3, 30, 0}};
    struct asyncio_task *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = asyncio_create_task(work, &jobs[i]);
    struct asyncio_coroutine own = ASYNCIO_COROUTINE(work, &jobs[2]);
    struct asyncio_any list[] = {ASYNCIO_ANY(tasks[0]), ASYNCIO_ANY(&own),
                                 ASYNCIO_ANY(tasks[1])};
    {
        ASYNCIO_WITH_AS_COMPLETED(it, list, 3);
        int index, results[3] = {0}, count = 0;
        while ((index = asyncio_as_completed_next(&it, NULL)) >= 0) {
            if (list[index].kind == ASYNCIO_TASKS)
                EXPECT_EQ(
                    asyncio_task_result(list[index].object, &results[index]),
                    0);
            if (count < 3) trace("%d", index);
            count++;
        }
        EXPECT_EQ(count, 3);
        EXPECT_EQ(results[0], 20);
        EXPECT_EQ(results[2], 10);
    }
    EXPECT_EQ(jobs[0].runs + jobs[1].runs, 2);
    for (int i = 0; i < 3; i++)
        end_task(tasks[i]);
}

TEST(what_is_done_comes_first_and_at_once)
{
    struct asyncio_future a = {0}, b = {0}, *list[] = {&a, &b};
    EXPECT_EQ(asyncio_future_set_result(&b, 7), 0);
    struct asyncio_as_completed it = {0};
    int result = 0;
    uint64_t before = asyncio_loop_passes(asyncio_get_running_loop());
    if (asyncio_as_completed_enter(&it, list, 2) < 0) return;
    EXPECT_EQ(asyncio_as_completed_next(&it, &result), 1);
    EXPECT_EQ(result, 7);
    EXPECT_EQ(asyncio_loop_passes(asyncio_get_running_loop()), before);
    asyncio_as_completed_close(&it);
    EXPECT(!asyncio_future_done(&a));
}

TEST(no_entries_are_no_outcomes)
{
    struct asyncio_coroutine *none = NULL, slot;
    ASYNCIO_WITH_AS_COMPLETED(it, none, 0);
    EXPECT_EQ(it_entered, 0);
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -ENODATA);
    EXPECT_EQ(asyncio_as_completed_slot(&it, &slot), -ENODATA);
}

static int fail_with_words(void *arg)
{
    (void)arg;
    return asyncio_raise(-EPROTO, "these are the words");
}

TEST(words_come_out_with_the_code)
{
    struct asyncio_coroutine list[] = {
        ASYNCIO_COROUTINE(fail_with_words, NULL)};
    ASYNCIO_WITH_AS_COMPLETED(it, list, 1);
    int result = 0;
    if (asyncio_as_completed_next(&it, &result) < 0) return;
    EXPECT_EQ(result, -EPROTO);
    EXPECT_STR(asyncio_strerror(result), "these are the words");
}

// --- the limit --------------------------------------------------------------

TEST(timer_goes_with_the_last_end)
{
    CONFORMS("ASC-02");
    struct job jobs[] = {{0.1, 1, 0}, {0.2, 2, 0}};
    struct asyncio_coroutine list[2];
    fill(list, jobs, 2);
    ASYNCIO_WITH_AS_COMPLETED(it, list, 2, .timeout = 3600);
    EXPECT_EQ(timers(), 1);
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), 0);
    EXPECT_EQ(timers(), 2); // the limit, and a sleep
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), 1);
    EXPECT_EQ(timers(), 0);
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -ENODATA);
}

TEST(each_entry_that_is_late_comes_out_as_timed_out, .ordered = true)
{
    struct job jobs[] = {{1, 1, 0}, {20, 2, 0}, {30, 3, 0}};
    struct asyncio_coroutine list[3];
    fill(list, jobs, 3);
    {
        ASYNCIO_WITH_AS_COMPLETED(it, list, 3, .timeout = 5);
        double begin = asyncio_time();
        EXPECT_EQ(asyncio_as_completed_next(&it, NULL), 0);
        EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -ETIMEDOUT);
        EXPECT_GE(asyncio_time() - begin, 5);
        EXPECT_LT(asyncio_time() - begin, 6);
        EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -ETIMEDOUT);
        EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -ENODATA);
    }
    EXPECT_TRACE("1 s done", "20 s cancelled", "30 s cancelled");
}

TEST(what_ended_in_time_is_drawn_after_it)
{
    struct job jobs[] = {{1, 1, 0}, {20, 2, 0}};
    struct asyncio_coroutine list[2];
    fill(list, jobs, 2);
    ASYNCIO_WITH_AS_COMPLETED(it, list, 2, .timeout = 5);
    EXPECT_EQ(asyncio_sleep(10), 0);
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), 0);
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -ETIMEDOUT);
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -ENODATA);
}

TEST(limit_leaves_entries_of_yours_alone)
{
    struct job job = {10, 4, 0};
    struct asyncio_task *task = asyncio_create_task(work, &job);
    {
        ASYNCIO_WITH_AS_COMPLETED(it, &task, 1, .timeout = 1);
        EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -ETIMEDOUT);
    }
    EXPECT_EQ(asyncio_await(task), 4);
    end_task(task);
}

// --- going on, and slots ----------------------------------------------------

TEST(iteration_that_was_left_goes_on)
{
    CONFORMS("ASC-03");
    struct job jobs[] = {{1, 1, 0}, {2, 2, 0}, {3, 3, 0}, {4, 4, 0}};
    struct asyncio_coroutine list[4];
    fill(list, jobs, 4);
    ASYNCIO_WITH_AS_COMPLETED(it, list, 4);
    int index, seen = 0;
    while ((index = asyncio_as_completed_next(&it, NULL)) >= 0)
        if (++seen == 2) break;
    EXPECT_EQ(asyncio_sleep(1.5), 0);
    while ((index = asyncio_as_completed_next(&it, NULL)) >= 0) {
        EXPECT_EQ(index, seen);
        seen++;
    }
    EXPECT_EQ(index, -ENODATA);
    EXPECT_EQ(seen, 4);
}

TEST(slots_are_awaited_in_any_order)
{
    CONFORMS("ASC-04");
    struct job jobs[] = {{2, 20, 0}, {1, 10, 0}};
    struct asyncio_coroutine list[2], slots[3];
    fill(list, jobs, 2);
    ASYNCIO_WITH_AS_COMPLETED(it, list, 2);
    if (asyncio_as_completed_slot(&it, &slots[0]) < 0) return;
    EXPECT_EQ(asyncio_as_completed_slot(&it, &slots[1]), 0);
    EXPECT_EQ(asyncio_as_completed_slot(&it, &slots[2]), -ENODATA);
    EXPECT_EQ(asyncio_await(&slots[1]), 10);
    EXPECT_EQ(asyncio_await(&slots[0]), 20);
    EXPECT_EQ(asyncio_await(&slots[0]), -EALREADY);
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -ENODATA);
}

TEST(slots_of_different_tasks_yield_different_entries)
{
    CONFORMS("ASC-05");
    struct job jobs[] = {{3, 1, 0}, {1, 2, 0}, {2, 4, 0}};
    struct asyncio_coroutine list[3], slots[3];
    fill(list, jobs, 3);
    ASYNCIO_WITH_AS_COMPLETED(it, list, 3);
    for (int i = 0; i < 3; i++)
        if (asyncio_as_completed_slot(&it, &slots[i]) < 0) return;
    int results[3] = {0};
    EXPECT_EQ(asyncio_gather(slots, 3, .results = results), 0);
    EXPECT_EQ(results[0] | results[1] | results[2], 7);
    EXPECT_EQ(results[0] + results[1] + results[2], 7);
}

TEST(slots_of_entries_that_end_together_yield_different_entries)
{
    CONFORMS("ASC-05");
    struct asyncio_future a = {0}, b = {0}, *list[] = {&a, &b};
    struct asyncio_coroutine slots[2];
    ASYNCIO_WITH_AS_COMPLETED(it, list, 2);
    for (int i = 0; i < 2; i++)
        if (asyncio_as_completed_slot(&it, &slots[i]) < 0) return;
    struct asyncio_gather gather;
    if (asyncio_gather_start(&gather, slots, 2) < 0) return;
    asyncio_gather_close(&gather);
    EXPECT_EQ(asyncio_future_set_result(&a, 1), 0);
    EXPECT_EQ(asyncio_future_set_result(&b, 2), 0);
}

struct drawer {
    struct asyncio_as_completed *it;
    const char *name;
    int index, result;
};

static int draw(void *arg)
{
    struct drawer *drawer = arg;
    drawer->result = 0;
    drawer->index = asyncio_as_completed_next(drawer->it, &drawer->result);
    trace("%s draws %d", drawer->name, drawer->index);
    return drawer->index;
}

TEST(drawers_are_served_in_order_of_their_calls, .ordered = true)
{
    struct asyncio_future futures[3] = {0};
    struct asyncio_future *list[] = {&futures[0], &futures[1], &futures[2]};
    ASYNCIO_WITH_AS_COMPLETED(it, list, 3);
    struct drawer drawers[] = {{&it, "a", 0, 0}, {&it, "b", 0, 0}};
    struct asyncio_task *tasks[2];
    for (int i = 0; i < 2; i++)
        tasks[i] = asyncio_create_task(draw, &drawers[i]);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_future_set_result(&futures[2], 0), 0);
    EXPECT_EQ(asyncio_future_set_result(&futures[0], 0), 0);
    EXPECT_EQ(asyncio_future_set_result(&futures[1], 0), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    // Both were granted theirs and have not run: the newcomer gets the third.
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), 1);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("a draws 2", "b draws 0");
    for (int i = 0; i < 2; i++)
        end_task(tasks[i]);
}

// --- twice, and misuse ------------------------------------------------------

TEST(coroutine_that_stands_twice_runs_once_and_comes_out_once)
{
    CONFORMS("ASC-06");
    struct job jobs[] = {{1, 10, 0}, {2, 20, 0}};
    struct asyncio_coroutine a = ASYNCIO_COROUTINE(work, &jobs[0]);
    struct asyncio_coroutine b = ASYNCIO_COROUTINE(work, &jobs[1]);
    struct asyncio_any list[] = {ASYNCIO_ANY(&a), ASYNCIO_ANY(&b),
                                 ASYNCIO_ANY(&a)};
    ASYNCIO_WITH_AS_COMPLETED(it, list, 3);
    int result = 0;
    EXPECT_EQ(asyncio_as_completed_next(&it, &result), 0);
    EXPECT_EQ(result, 10);
    EXPECT_EQ(asyncio_as_completed_next(&it, &result), 1);
    EXPECT_EQ(result, 20);
    EXPECT_EQ(asyncio_as_completed_next(&it, &result), -ENODATA);
    EXPECT_EQ(jobs[0].runs, 1);
}

TEST(handle_that_stands_twice_comes_out_once)
{
    struct asyncio_future a = {0}, *list[] = {&a, &a};
    EXPECT_EQ(asyncio_future_set_result(&a, 5), 0);
    for (int i = 0; i < 2; i++) {
        ASYNCIO_WITH_AS_COMPLETED(it, list, 2);
        EXPECT_EQ(asyncio_as_completed_next(&it, NULL), 0);
        EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -ENODATA);
    }
}

TEST(single_future_is_no_list)
{
    CONFORMS("ASC-07");
    // The macro does not compile; a caller of the function may get it wrong.
    struct asyncio_future future = {0};
    struct asyncio_as_completed it = {0};
    EXPECT_EQ(
        (asyncio_as_completed_enter)(&it, ASYNCIO_FUTURES, &future, 1, NULL),
        -EINVAL);
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -EINVAL);
    EXPECT_EQ((asyncio_as_completed_enter)(&it, (enum asyncio_kind)7, &future,
                                           1, NULL),
              -EINVAL);
    EXPECT_EQ((asyncio_as_completed_enter)(&it, ASYNCIO_FUTURES, NULL, 1, NULL),
              -EINVAL);
    EXPECT(!asyncio_future_done(&future));
}

TEST(refuses_what_cannot_be_iterated)
{
    struct job job = {1, 1, 0};
    struct asyncio_coroutine used = ASYNCIO_COROUTINE(work, &job), slot;
    struct asyncio_as_completed it = {0};
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -EINVAL);
    EXPECT_EQ(asyncio_as_completed_slot(&it, &slot), -EINVAL);
    EXPECT_EQ(
        asyncio_as_completed_enter(&it, &used, 1, .timeout = __builtin_nan("")),
        -EINVAL);
    EXPECT_EQ(asyncio_await(&used), 1);
    EXPECT_EQ(asyncio_as_completed_enter(&it, &used, 1), -EALREADY);
    struct asyncio_task *me = asyncio_current_task();
    EXPECT_EQ(asyncio_as_completed_enter(&it, &me, 1), -EDEADLK);
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -EDEADLK);
    asyncio_as_completed_close(&it);
    struct asyncio_future future = {0}, *list[] = {&future};
    if (asyncio_as_completed_enter(&it, list, 1) < 0) return;
    EXPECT_EQ(asyncio_as_completed_enter(&it, list, 1), -EBUSY);
    asyncio_as_completed_close(&it);
    asyncio_as_completed_close(&it);
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -ESHUTDOWN);
    EXPECT_EQ(asyncio_as_completed_slot(&it, &slot), -ESHUTDOWN);
    EXPECT_EQ(asyncio_as_completed_enter(&it, list, 1), 0);
    asyncio_as_completed_close(&it);
}

TEST_PLAIN(iterating_wants_a_task)
{
    struct asyncio_future future = {0}, *list[] = {&future};
    struct asyncio_as_completed it = {0};
    EXPECT_EQ(asyncio_as_completed_enter(&it, list, 1), -EPERM);
    asyncio_as_completed_close(&it);
}

// --- cancelling -------------------------------------------------------------

TEST(cancelled_drawer_leaves_the_entry_to_the_next)
{
    struct asyncio_future a = {0}, *list[] = {&a};
    ASYNCIO_WITH_AS_COMPLETED(it, list, 1);
    struct drawer drawer = {&it, "a", 0, 0};
    struct asyncio_task *task = asyncio_create_task(draw, &drawer);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT(!asyncio_future_done(&a));
    EXPECT_EQ(asyncio_future_set_result(&a, 3), 0);
    EXPECT_EQ(asyncio_as_completed_next(&it, &drawer.result), 0);
    EXPECT_EQ(drawer.result, 3);
    end_task(task);
}

TEST(cancelled_drawer_passes_its_grant_on)
{
    struct asyncio_future a = {0}, b = {0}, *list[] = {&a, &b};
    ASYNCIO_WITH_AS_COMPLETED(it, list, 2);
    struct drawer drawers[] = {{&it, "a", 0, 0}, {&it, "b", 0, 0}};
    struct asyncio_task *tasks[2];
    for (int i = 0; i < 2; i++) {
        tasks[i] = asyncio_create_task(draw, &drawers[i]);
        EXPECT_EQ(asyncio_sleep(0), 0);
    }
    EXPECT_EQ(asyncio_future_set_result(&b, 3), 0);
    EXPECT_EQ(asyncio_sleep(0), 0); // granted, or already drawn by a seed
    asyncio_task_cancel(tasks[0]);
    asyncio_ignore(asyncio_await(tasks[0]));
    EXPECT_EQ(asyncio_future_set_result(&a, 4), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT(asyncio_task_done(tasks[1]));
    if (drawers[0].index == -ECANCELED) {
        EXPECT_EQ(drawers[1].index, 1);
        EXPECT_EQ(asyncio_as_completed_next(&it, NULL), 0);
    }
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -ENODATA);
    for (int i = 0; i < 2; i++)
        end_task(tasks[i]);
}

TEST(cancelled_slot_gives_its_claim_back)
{
    struct asyncio_future a = {0}, *list[] = {&a};
    struct asyncio_coroutine slot;
    ASYNCIO_WITH_AS_COMPLETED(it, list, 1);
    if (asyncio_as_completed_slot(&it, &slot) < 0) return;
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -ENODATA);
    EXPECT_EQ(asyncio_wait_for(asyncio_await(&slot), 1), -ETIMEDOUT);
    EXPECT_EQ(asyncio_future_set_result(&a, 3), 0);
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), 0);
}

TEST(request_that_is_pending_draws_nothing)
{
    struct asyncio_future a = {0}, *list[] = {&a};
    ASYNCIO_WITH_AS_COMPLETED(it, list, 1);
    asyncio_task_cancel(asyncio_current_task());
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -ECANCELED);
    asyncio_task_uncancel(asyncio_current_task());
    EXPECT_EQ(asyncio_future_set_result(&a, 3), 0);
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), 0);
}

TEST(cancelled_drawer_of_an_expired_iteration_loses_nothing)
{
    struct asyncio_future a = {0}, *list[] = {&a};
    ASYNCIO_WITH_AS_COMPLETED(it, list, 1, .timeout = 1);
    struct drawer drawer = {&it, "a", 0, 0};
    struct asyncio_task *task = asyncio_create_task(draw, &drawer);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    int rest = drawer.index == -ECANCELED ? -ETIMEDOUT : -ENODATA;
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), rest);
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -ENODATA);
    end_task(task);
}

// --- closing ----------------------------------------------------------------

static int slow_to_end(void *arg)
{
    int err = asyncio_sleep(3600);
    asyncio_ignore(asyncio_sleep(2));
    *(bool *)arg = true;
    return err;
}

static int leave_early(bool *cleaned)
{
    struct job job = {1, 1, 0};
    struct asyncio_coroutine list[] = {
        ASYNCIO_COROUTINE(slow_to_end, cleaned),
        ASYNCIO_COROUTINE(work, &job),
    };
    ASYNCIO_WITH_AS_COMPLETED(it, list, 2);
    return asyncio_as_completed_next(&it, NULL);
}

TEST(what_was_made_is_joined_before_the_block_is_left)
{
    bool cleaned = false;
    double begin = asyncio_time();
    EXPECT_EQ(leave_early(&cleaned), 1);
    EXPECT(cleaned);
    EXPECT_GE(asyncio_time() - begin, 3);
}

static int cancel_task(void *arg)
{
    asyncio_task_cancel(arg);
    return 0;
}

TEST(cancel_that_meets_the_join_waits_for_the_next_await)
{
    bool cleaned = false;
    if (asyncio_call_later(2, cancel_task, asyncio_current_task()) < 0) return;
    int index = leave_early(&cleaned);
    EXPECT_EQ(index, 1);
    EXPECT(cleaned);
    EXPECT_EQ(asyncio_sleep(100), -ECANCELED);
    asyncio_task_uncancel(asyncio_current_task());
}

TEST(close_sends_those_who_wait_away)
{
    struct asyncio_future a = {0}, *list[] = {&a};
    struct asyncio_task *tasks[2];
    struct drawer drawers[2];
    {
        ASYNCIO_WITH_AS_COMPLETED(it, list, 1);
        for (int i = 0; i < 2; i++) {
            drawers[i] = (struct drawer){&it, "x", 1, 0};
            tasks[i] = asyncio_create_task(draw, &drawers[i]);
        }
        EXPECT_EQ(asyncio_sleep(1), 0);
    }
    for (int i = 0; i < 2; i++)
        end_task(tasks[i]);
    // One had a claim, the other found none left.
    EXPECT_EQ(drawers[0].index + drawers[1].index, -ESHUTDOWN - ENODATA);
}

TEST(grant_is_drawn_before_a_close_is_over)
{
    struct asyncio_future a = {0}, *list[] = {&a};
    struct asyncio_task *task;
    struct drawer drawer = {NULL, "x", -1, 0};
    {
        ASYNCIO_WITH_AS_COMPLETED(it, list, 1);
        drawer.it = &it;
        task = asyncio_create_task(draw, &drawer);
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT_EQ(asyncio_future_set_result(&a, 9), 0);
        EXPECT_EQ(asyncio_sleep(0), 0);
        asyncio_task_cancel(task);
    }
    end_task(task);
    EXPECT(drawer.index == 0 || drawer.index == -ECANCELED);
}

static int close_it(void *arg)
{
    asyncio_as_completed_close(arg);
    return 0;
}

TEST(closed_by_a_callback_it_does_not_wait)
{
    struct job job = {10, 1, 0};
    struct asyncio_coroutine list[] = {ASYNCIO_COROUTINE(work, &job)};
    struct asyncio_as_completed it = {0};
    if (asyncio_as_completed_enter(&it, list, 1) < 0) return;
    if (asyncio_call_soon(close_it, &it) == 0) EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_as_completed_close(&it);
    EXPECT_EQ(asyncio_as_completed_next(&it, NULL), -ESHUTDOWN);
    EXPECT_EQ(asyncio_sleep(1), 0);
}
