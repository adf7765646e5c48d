// Cases from the suites of asyncio, trio, anyio and Go that no sentence of
// docs/semantics.md states by itself. Each one names where it was learnt.

#include <asyncio/select.h>
#include <asyncio/testing.h>

#include <string.h>

#include "runner/runner.h"

static struct asyncio_future futures[6];

static void make_futures(void)
{
    memset(futures, 0, sizeof futures);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(1000);
}

static int await_future(void *arg)
{
    return asyncio_await((struct asyncio_future *)arg);
}

static int fail(void *arg)
{
    (void)arg;
    return -EIO;
}

static void settle(void)
{
    for (int i = 0; i < 5; i++)
        asyncio_ignore(asyncio_sleep(0));
}

static int end(struct asyncio_task *task)
{
    int result = asyncio_await(task);
    asyncio_task_release(task);
    return result;
}

// --- time limits: cpython/test_timeouts.py ----------------------------------

// test_timeout_zero_sleep_zero, test_timeout_in_the_past_sleep_zero
TEST(limit_that_is_up_ends_a_plain_yield)
{
    const double times[] = {0, -11};
    for (int i = 0; i < 2; i++) {
        ASYNCIO_WITH_TIMEOUT(limit, times[i]);
        int err = asyncio_sleep(0);
        EXPECT_EQ(err, -ECANCELED);
        EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ETIMEDOUT);
        EXPECT(asyncio_timeout_expired(&limit));
    }
}

// test_timeout_after_cancellation, test_cancel_in_timeout_after_cancellation
TEST(limit_in_the_clean_up_of_a_cancel_tells_its_own_from_others)
{
    struct asyncio_task *self = asyncio_current_task();
    asyncio_task_cancel(self);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    {
        ASYNCIO_WITH_TIMEOUT(limit, 0);
        int err = asyncio_sleep(1);
        EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ETIMEDOUT);
    }
    {
        ASYNCIO_WITH_TIMEOUT(limit, 1);
        asyncio_task_cancel(self);
        int err = asyncio_sleep(2);
        EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ECANCELED);
    }
    EXPECT_EQ(asyncio_task_cancelling(self), 2);
    asyncio_task_uncancel(self);
    EXPECT_EQ(asyncio_task_uncancel(self), 0);
}

static int fail_when_cancelled(void *arg)
{
    (void)arg;
    asyncio_ignore(asyncio_sleep(2));
    return -EDOM;
}

// test_timeout_taskgroup
TEST(failure_in_a_group_that_a_limit_ended_comes_through)
{
    ASYNCIO_WITH_TIMEOUT(limit, 0.01);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, fail_when_cancelled, NULL);
    int err = asyncio_sleep(2);
    err = asyncio_task_group_exit(&group, err);
    EXPECT_EQ(err, -EDOM);
    EXPECT_EQ(asyncio_timeout_exit(&limit, err), -EDOM);
    EXPECT(asyncio_timeout_expired(&limit));
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
}

// test_nested_timeouts
TEST(limit_that_passes_in_the_handler_of_an_inner_one_is_heard)
{
    ASYNCIO_WITH_TIMEOUT(outer, 2);
    {
        ASYNCIO_WITH_TIMEOUT(inner, 1);
        int err = asyncio_sleep(10);
        EXPECT_EQ(asyncio_timeout_exit(&inner, err), -ETIMEDOUT);
    }
    int err = asyncio_sleep(10);
    EXPECT_EQ(asyncio_timeout_exit(&outer, err), -ETIMEDOUT);
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
}

// test_uncancel_structured_blocks: a limit inside a task that was cancelled and
// has not taken that back is still told apart.
TEST(limits_count_from_what_was_there_at_their_entry)
{
    struct asyncio_task *self = asyncio_current_task();
    asyncio_task_cancel(self);
    EXPECT_EQ(asyncio_sleep(0), -ECANCELED);
    EXPECT_EQ(asyncio_wait_for(asyncio_sleep(5), 1), -ETIMEDOUT);
    EXPECT_EQ(asyncio_task_cancelling(self), 1);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, fail, NULL);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), -EIO);
    EXPECT_EQ(asyncio_task_uncancel(self), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
}

// --- tasks: cpython/test_tasks.py -------------------------------------------

static int catch_and_give(void *arg)
{
    int err = asyncio_await((struct asyncio_future *)arg);
    return err == -ECANCELED ? 42 : err;
}

// test_cancel_inner_future
TEST(task_may_handle_that_its_future_was_cancelled)
{
    make_futures();
    struct asyncio_task *task = asyncio_create_task(catch_and_give, futures);
    settle();
    asyncio_future_cancel(&futures[0]);
    EXPECT_EQ(asyncio_task_cancelling(task), 0);
    EXPECT_EQ(end(task), 42);
}

static int gather_all(void *arg)
{
    struct asyncio_task **tasks = arg;
    int results[2] = {1, 1};
    int err =
        asyncio_gather(tasks, 2, .results = results, .return_exceptions = true);
    EXPECT_EQ(err, -ECANCELED);
    return err;
}

// test_cancel_gather_2
TEST(cancelled_gather_is_cancelled_even_if_codes_are_results)
{
    struct asyncio_task *tasks[] = {asyncio_create_task(sleep_long, NULL),
                                    asyncio_create_task(sleep_long, NULL)};
    struct asyncio_task *waiter = asyncio_create_task(gather_all, tasks);
    settle();
    asyncio_task_cancel(waiter);
    EXPECT_EQ(asyncio_await(waiter), -ECANCELED);
    EXPECT(asyncio_task_cancelled(waiter));
    asyncio_task_release(waiter);
    EXPECT_EQ(end(tasks[0]), -ECANCELED);
    EXPECT_EQ(end(tasks[1]), -ECANCELED);
}

// test_result_exception_one_cancellation
TEST(cancelled_and_failed_members_are_results_like_any)
{
    make_futures();
    struct asyncio_future *list[] = {&futures[0], &futures[1], &futures[2]};
    int results[3] = {1, 1, 1};
    struct asyncio_gather gather = {0};
    EXPECT_OR_RETURN(asyncio_gather_start(&gather, list, 3, .results = results,
                                          .return_exceptions = true) == 0);
    asyncio_future_cancel(&futures[0]);
    asyncio_future_set_exception(&futures[1], -EIO);
    asyncio_future_set_result(&futures[2], 3);
    EXPECT_EQ(asyncio_await(&gather.future), 0);
    EXPECT_EQ(results[0], -ECANCELED);
    EXPECT_EQ(results[1], -EIO);
    EXPECT_EQ(results[2], 3);
    asyncio_gather_close(&gather);
}

// test_wait_first_exception_in_wait
TEST(wait_for_a_failure_that_is_there_does_not_wait)
{
    struct asyncio_task *tasks[] = {asyncio_create_task(sleep_long, NULL),
                                    asyncio_create_task(fail, NULL)};
    settle();
    double start = asyncio_time();
    bool done[2];
    EXPECT_EQ(asyncio_wait(tasks, 2, ASYNCIO_FOREVER,
                           .return_when = ASYNCIO_FIRST_EXCEPTION,
                           .done = done),
              1);
    EXPECT(!done[0] && done[1]);
    EXPECT_EQ(asyncio_time(), start);
    asyncio_task_cancel(tasks[0]);
    EXPECT_EQ(end(tasks[0]), -ECANCELED);
    EXPECT_EQ(end(tasks[1]), -EIO);
}

static int sleep_for(void *arg)
{
    double seconds = *(double *)arg;
    return asyncio_sleep(seconds);
}

// test_as_completed_with_timeout
TEST(entries_that_are_late_come_out_as_such_and_go_on)
{
    double times[] = {0.1, 0.15};
    struct asyncio_task *tasks[] = {asyncio_create_task(sleep_for, &times[0]),
                                    asyncio_create_task(sleep_for, &times[1])};
    ASYNCIO_WITH_AS_COMPLETED(it, tasks, 2, .timeout = 0.12);
    int result = -1;
    EXPECT_EQ(asyncio_as_completed_next(&it, &result), 0);
    EXPECT_EQ(asyncio_as_completed_next(&it, &result), -ETIMEDOUT);
    EXPECT_EQ(asyncio_as_completed_next(&it, &result), -ENODATA);
    EXPECT_EQ(end(tasks[0]), 0);
    EXPECT_EQ(end(tasks[1]), 0);
}

static int wait_with_limit(void *arg)
{
    return asyncio_wait_for((struct asyncio_task *)arg, 10);
}

// test_waitfor.py: test_wait_for_cancel_suppressed, _race_condition
TEST(work_that_ends_as_its_limit_passes_has_its_value)
{
    double second = 10;
    struct asyncio_task *task = asyncio_create_task(sleep_for, &second);
    struct asyncio_task *waiter = asyncio_create_task(wait_with_limit, task);
    EXPECT_EQ(asyncio_sleep(9.5), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(end(waiter), -ECANCELED);
    EXPECT_EQ(end(task), -ECANCELED);
}

// test_shield_both: cancelling outer does not disturb inner; then inner fails
TEST(shield_that_was_cancelled_before_does_not_cancel_later)
{
    make_futures();
    struct asyncio_task *inner = asyncio_create_task(await_future, futures);
    int err;
    {
        ASYNCIO_WITH_TIMEOUT(limit, 1);
        err = asyncio_shield(inner);
        err = asyncio_timeout_exit(&limit, err);
    }
    EXPECT_EQ(err, -ETIMEDOUT);
    asyncio_future_set_result(&futures[0], 6);
    EXPECT_EQ(end(inner), 6);
}

// --- task groups: cpython/test_taskgroups.py --------------------------------

static int nested_group(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, fail_when_cancelled, NULL);
    return asyncio_task_group_exit(&group, 0);
}

// test_nested_groups_both_cancelled, test_taskgroup_15 and after
TEST(inner_group_that_fails_while_it_is_cancelled_is_kept_whole)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, nested_group, NULL);
    EXPECT_EQ(asyncio_sleep(0.1), 0);
    asyncio_task_group_create_task(&group, fail, NULL);
    int err = asyncio_task_group_exit(&group, 0);
    EXPECT_EQ(err, -EIO);
    const struct asyncio_error *errors = asyncio_task_group_errors(&group);
    if (!EXPECT(errors)) return;
    const struct asyncio_error *first = errors, *second;
    EXPECT_EQ(first->code, -EIO);
    second = first->next;
    if (!EXPECT(second)) return;
    EXPECT_EQ(second->code, -EDOM);
    EXPECT(second->children && second->children->code == -EDOM);
}

static int cancel_parent_then_fail(void *arg)
{
    asyncio_task_cancel(arg);
    return -EIO;
}

// test_cancelling_level_preserved, test_error_and_cancel
TEST(child_that_cancels_its_parent_and_fails_leaves_one_request)
{
    struct asyncio_task *self = asyncio_current_task();
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, cancel_parent_then_fail, self);
    int err = asyncio_sleep(10);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_task_group_exit(&group, err), -EIO);
    EXPECT_EQ(asyncio_task_cancelling(self), 1);
    EXPECT_EQ(asyncio_sleep(0), -ECANCELED);
    EXPECT_EQ(asyncio_task_uncancel(self), 0);
}

// --- locks: cpython/test_locks.py -------------------------------------------

static struct asyncio_condition condition;
static struct asyncio_semaphore semaphore;
static int passed;

static int wait_on_condition(void *arg)
{
    int err = asyncio_condition_acquire(&condition);
    if (err < 0) return err;
    err = asyncio_condition_wait(&condition);
    trace("%s %d", (const char *)arg, err);
    asyncio_condition_release(&condition);
    return err;
}

// test_wait_cancel_after_notify
TEST(notifications_meant_for_two_reach_two_if_one_is_cancelled, .ordered = true)
{
    condition = (struct asyncio_condition){0};
    struct asyncio_task *tasks[3];
    static const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++)
        tasks[i] = asyncio_create_task(wait_on_condition, (void *)names[i]);
    settle();
    if (asyncio_condition_acquire(&condition) == 0) {
        asyncio_condition_notify(&condition, 1);
        asyncio_condition_notify(&condition, 1);
        asyncio_task_cancel(tasks[0]);
        asyncio_task_cancel(tasks[1]);
        asyncio_condition_release(&condition);
    }
    settle();
    EXPECT(asyncio_task_done(tasks[2]));
    EXPECT_EQ(end(tasks[0]), -ECANCELED);
    EXPECT_EQ(end(tasks[1]), -ECANCELED);
    asyncio_task_cancel(tasks[2]);
    EXPECT_EQ(end(tasks[2]), 0);
}

static int take_unit(void *arg)
{
    int err = asyncio_semaphore_acquire(&semaphore);
    if (err == 0) passed++;
    (void)arg;
    return err;
}

// test_acquire_no_hang, test_release_no_waiters, test_acquire_hang
TEST(units_released_in_one_pass_wake_as_many)
{
    semaphore = (struct asyncio_semaphore)ASYNCIO_SEMAPHORE(0);
    passed = 0;
    struct asyncio_task *tasks[4];
    for (int i = 0; i < 4; i++)
        tasks[i] = asyncio_create_task(take_unit, NULL);
    settle();
    asyncio_semaphore_release(&semaphore);
    asyncio_semaphore_release(&semaphore);
    asyncio_semaphore_release(&semaphore);
    asyncio_task_cancel(tasks[1]);
    settle();
    EXPECT_EQ(passed, 3);
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(end(tasks[i]), i == 1 ? -ECANCELED : 0);
    EXPECT_EQ(semaphore.value, 0);
    EXPECT(asyncio_semaphore_locked(&semaphore));
}

// --- scopes and nurseries: trio/test_run.py, anyio/test_taskgroups.py -------

// trio test_cancel_scope_cancelled_caught..., anyio test_nested_fail_after
TEST(outer_fail_limit_passes_through_an_inner_one)
{
    ASYNCIO_WITH_FAIL_AFTER(outer, 1);
    {
        ASYNCIO_WITH_FAIL_AFTER(inner, 5);
        int err = asyncio_sleep(10);
        err = asyncio_cancel_scope_exit(&inner, err);
        EXPECT_EQ(err, -ECANCELED);
        EXPECT(!asyncio_cancel_scope_cancelled(&inner));
        EXPECT(!asyncio_cancel_scope_caught(&inner));
    }
    EXPECT_EQ(asyncio_cancel_scope_exit(&outer, -ECANCELED), -ETIMEDOUT);
    EXPECT(asyncio_cancel_scope_caught(&outer));
}

// trio test_fail_after: a deadline that passed while nothing was awaited, or
// whose -ECANCELED was swallowed, is no failure.
TEST(fail_limit_is_silent_if_nobody_was_cancelled)
{
    ASYNCIO_WITH_FAIL_AFTER(scope, 1);
    EXPECT_EQ(asyncio_sleep(5), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, 7), 7);
    EXPECT(asyncio_cancel_scope_cancelled(&scope));
    EXPECT(!asyncio_cancel_scope_caught(&scope));
}

static int in_a_scope_of_its_own(void *arg)
{
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    int err = asyncio_sleep(1000);
    (void)arg;
    err = asyncio_cancel_scope_exit(&scope, err);
    EXPECT(!asyncio_cancel_scope_caught(&scope));
    return err;
}

// anyio test_cancel_host..., a native cancel is not a scope's
TEST(native_cancel_passes_through_scopes_that_are_not_cancelled)
{
    struct asyncio_task *task =
        asyncio_create_task(in_a_scope_of_its_own, NULL);
    settle();
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT(asyncio_task_cancelled(task));
    asyncio_task_release(task);
}

static int start_then_sleep(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(1);
    if (err == 0) err = asyncio_task_group_started(3);
    return err < 0 ? err : asyncio_sleep(1000);
}

// trio test_nursery_start_with_cancelled_nursery, anyio test_start_cancelled
TEST(start_under_a_scope_that_is_cancelled_starts_nobody)
{
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_cancel_scope_cancel(&scope);
    EXPECT_EQ(asyncio_task_group_start(&group, start_then_sleep, NULL),
              -ECANCELED);
    int err = asyncio_task_group_exit(&group, -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT(asyncio_cancel_scope_caught(&scope));
}

// anyio test_start_timeout: the limit around start ends the child
TEST(limit_around_a_start_ends_the_child_that_was_not_ready)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    {
        ASYNCIO_WITH_MOVE_ON_AFTER(scope, 0.5);
        int err = asyncio_task_group_start(&group, start_then_sleep, NULL);
        EXPECT_EQ(err, -ECANCELED);
        EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    }
    double start = asyncio_time();
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(asyncio_time(), start);
}

static int shielded_sleep(void *arg)
{
    ASYNCIO_WITH_CANCEL_SCOPE(shield, .shield = true);
    int err = asyncio_sleep(3);
    err = asyncio_cancel_scope_exit(&shield, err);
    *(bool *)arg = err == 0;
    return asyncio_sleep(0);
}

// anyio test_cancel_exiting_nested_group, trio test_cancel_shield...
TEST(group_joins_a_child_in_a_shield_before_its_scope_is_left)
{
    bool slept = false;
    double start = asyncio_time();
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 1);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, shielded_sleep, &slept);
    int err = asyncio_task_group_exit(&group, 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT(slept);
    EXPECT(asyncio_cancel_scope_caught(&scope));
    EXPECT_EQ(asyncio_time() - start, 3);
}

// --- channels and select: go/test/chan, trio/test_channel.py ----------------

ASYNCIO_CHANNEL_TYPE(numbers, int);

// go/test/chan/zerosize.go
TEST_PLAIN(items_may_be_of_no_size)
{
    struct asyncio_sender out;
    struct asyncio_receiver in;
    char item;
    EXPECT_OR_RETURN((asyncio_channel_create)(&out, &in, 0, 2, NULL) == 0);
    EXPECT_EQ((asyncio_sender_send_nowait)(&out, &item, 0), 0);
    EXPECT_EQ((asyncio_sender_send_nowait)(&out, &item, 0), 0);
    EXPECT_EQ((asyncio_sender_send_nowait)(&out, &item, 0), -EAGAIN);
    EXPECT_EQ((asyncio_receiver_receive_nowait)(&in, &item, 0), 0);
    (asyncio_sender_close)(&out);
    EXPECT_EQ((asyncio_receiver_receive_nowait)(&in, &item, 0), 0);
    EXPECT_EQ((asyncio_receiver_receive_nowait)(&in, &item, 0), -ENODATA);
    (asyncio_receiver_close)(&in);
}

// go/test/chan/select5.go, doubleselect.go: both directions of one channel
TEST(select_does_not_meet_itself)
{
    struct numbers_sender out;
    struct numbers_receiver in;
    EXPECT_OR_RETURN(asyncio_channel_create(&out, &in, 0) == 0);
    int sent = 1, received = 0;
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_SEND(&out, &sent),
        ASYNCIO_SELECT_RECEIVE(&in, &received),
        ASYNCIO_SELECT_RECEIVE(&in, &received),
        ASYNCIO_SELECT_AFTER(1),
    };
    EXPECT_EQ(asyncio_select_nowait(cases, 3), -EAGAIN);
    EXPECT_EQ(asyncio_select(cases, 4), 3);
    struct asyncio_channel_statistics now;
    EXPECT_EQ(asyncio_sender_statistics(&out, &now), 0);
    EXPECT_EQ(now.waiting_receivers, 0);
    EXPECT_EQ(now.waiting_senders, 0);
    asyncio_sender_close(&out);
    asyncio_receiver_close(&in);
}

struct filter {
    struct numbers_receiver in;
    struct numbers_sender out;
    int prime;
};

static int filter_out(void *arg)
{
    struct filter *filter = arg;
    int number, err;
    while ((err = asyncio_receiver_receive(&filter->in, &number)) == 0) {
        if (number % filter->prime == 0) continue;
        err = asyncio_sender_send(&filter->out, &number);
        if (err < 0) break;
    }
    asyncio_receiver_close(&filter->in);
    asyncio_sender_close(&filter->out);
    return err == -ENODATA || err == -EPIPE ? 0 : err;
}

static int count_up(void *arg)
{
    struct numbers_sender *out = arg;
    int err = 0;
    for (int number = 2; err == 0; number++)
        err = asyncio_sender_send(out, &number);
    asyncio_sender_close(out);
    return err == -EPIPE ? 0 : err;
}

// go/test/chan/sieve1.go
TEST(sieve_finds_the_primes)
{
    static const int primes[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29};
    struct filter filters[10];
    struct numbers_sender source;
    struct numbers_receiver in;
    EXPECT_OR_RETURN(asyncio_channel_create(&source, &in, 0) == 0);
    int found = 0;
    ASYNCIO_WITH_TASK_GROUP(group);
    if (asyncio_task_group_create_task(&group, count_up, &source) < 0)
        asyncio_sender_close(&source);
    for (int i = 0; i < 10; i++) {
        int prime;
        if (asyncio_receiver_receive(&in, &prime) < 0) break;
        EXPECT_EQ(prime, primes[i]);
        found++;
        struct filter *filter = &filters[i];
        *filter = (struct filter){.prime = prime};
        struct numbers_receiver next;
        if (asyncio_channel_create(&filter->out, &next, 0) < 0) break;
        filter->in = in;
        in = next;
        if (asyncio_task_group_create_task(&group, filter_out, filter) == 0)
            continue;
        asyncio_receiver_close(&filter->in);
        asyncio_sender_close(&filter->out);
    }
    EXPECT_EQ(found, 10);
    asyncio_receiver_close(&in);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
}

// trio test_receive_channel_clone_and_close, go/test/chan/select4.go
TEST(items_that_were_sent_before_the_end_come_out_of_a_select)
{
    struct numbers_sender out;
    struct numbers_receiver in;
    EXPECT_OR_RETURN(asyncio_channel_create(&out, &in, 3) == 0);
    int number = 1, count = 0;
    EXPECT_EQ(asyncio_sender_send_nowait(&out, &number), 0);
    EXPECT_EQ(asyncio_sender_send_nowait(&out, &number), 0);
    asyncio_sender_close(&out);
    for (;;) {
        struct asyncio_select_case one = ASYNCIO_SELECT_RECEIVE(&in, &number);
        EXPECT_OR_RETURN(asyncio_select(&one, 1) == 0);
        if (one.result < 0) {
            EXPECT_EQ(one.result, -ENODATA);
            break;
        }
        count++;
    }
    EXPECT_EQ(count, 2);
    asyncio_receiver_close(&in);
}

// --- queues: cpython/test_queues.py -----------------------------------------

static struct asyncio_queue queue;
static void *slots[1];

static int put_one(void *arg)
{
    return asyncio_queue_put(&queue, arg);
}

// test_cancelled_put_no_race, test_why_are_putters_waiting
TEST(cancelled_putter_takes_no_room_with_it)
{
    queue = (struct asyncio_queue)ASYNCIO_QUEUE(slots);
    static char items[4];
    EXPECT_EQ(asyncio_queue_put_nowait(&queue, &items[0]), 0);
    struct asyncio_task *first = asyncio_create_task(put_one, &items[1]);
    struct asyncio_task *second = asyncio_create_task(put_one, &items[2]);
    settle();
    char *item = NULL;
    EXPECT_EQ(asyncio_queue_get_nowait(&queue, &item), 0);
    EXPECT_SAME(item, &items[0]);
    asyncio_task_cancel(first);
    EXPECT_EQ(end(first), -ECANCELED);
    EXPECT_EQ(end(second), 0);
    EXPECT_EQ(asyncio_queue_get_nowait(&queue, &item), 0);
    EXPECT_SAME(item, &items[2]);
    EXPECT_EQ(asyncio_queue_get_nowait(&queue, &item), -EAGAIN);
    EXPECT_EQ(asyncio_queue_task_done(&queue), 0);
    EXPECT_EQ(asyncio_queue_task_done(&queue), 0);
    EXPECT_EQ(asyncio_queue_task_done(&queue), -EOVERFLOW);
    EXPECT_EQ(asyncio_queue_join(&queue), 0);
    asyncio_queue_destroy(&queue);
}

// --- futures: cpython/test_futures.py ---------------------------------------

static int note(struct asyncio_future *future, void *arg)
{
    (void)future;
    trace("%s", (const char *)arg);
    return 0;
}

static int add_another(struct asyncio_future *future, void *arg)
{
    trace("first");
    return asyncio_future_add_done_callback(future, note, arg);
}

static int remove_next(struct asyncio_future *future, void *arg)
{
    trace("removes");
    asyncio_future_remove_done_callback(future, note, arg);
    return 0;
}

// FutureDoneCallbackTests: test_add_done_callback in a callback; schedule order
TEST(callback_added_by_a_callback_runs_a_pass_later, .ordered = true)
{
    make_futures();
    static char again[] = "again", last[] = "last";
    EXPECT_EQ(asyncio_future_add_done_callback(futures, add_another, again), 0);
    EXPECT_EQ(asyncio_future_add_done_callback(futures, note, last), 0);
    asyncio_future_set_result(futures, 1);
    settle();
    EXPECT_TRACE("first", "last", "again");
}

// test_remove_done_callbacks: those that are queued already still run
TEST(callback_that_is_queued_cannot_be_removed, .ordered = true)
{
    make_futures();
    static char name[] = "noted";
    EXPECT_EQ(asyncio_future_add_done_callback(futures, remove_next, name), 0);
    EXPECT_EQ(asyncio_future_add_done_callback(futures, note, name), 0);
    asyncio_future_set_result(futures, 1);
    EXPECT_EQ(asyncio_future_remove_done_callback(futures, note, name), 0);
    settle();
    EXPECT_TRACE("removes", "noted");
}

// --- more of tasks and limits -----------------------------------------------

static int gather_two(void *arg)
{
    return asyncio_gather((struct asyncio_coroutine *)arg, 2);
}

// test_tasks.py: test_gather and wait_for; a limit ends all that it made
TEST(limit_on_a_gather_ends_its_members)
{
    struct asyncio_coroutine jobs[] = {ASYNCIO_COROUTINE(sleep_long, NULL),
                                       ASYNCIO_COROUTINE(sleep_long, NULL)};
    ASYNCIO_WITH_COROUTINE(both, gather_two, jobs);
    double start = asyncio_time();
    EXPECT_EQ(asyncio_wait_for(&both, 1), -ETIMEDOUT);
    EXPECT_EQ(asyncio_time() - start, 1);
    EXPECT_EQ(asyncio_all_tasks(asyncio_get_running_loop(), NULL, 0), 1);
}

static int limited_inside(void *arg)
{
    (void)arg;
    int err = asyncio_wait_for(asyncio_sleep(10), 5);
    return err == -ETIMEDOUT ? 1 : err;
}

// test_waitfor.py: test_nested_timeouts
TEST(inner_limit_is_its_own_and_the_outer_one_goes_on)
{
    EXPECT_EQ(asyncio_wait_for(limited_inside(NULL), 6), 1);
    EXPECT_EQ(asyncio_wait_for(limited_inside(NULL), 4), -ETIMEDOUT);
    ASYNCIO_WITH_COROUTINE(inside, limited_inside, NULL);
    EXPECT_EQ(asyncio_wait_for(&inside, 4), -ETIMEDOUT);
}

static struct asyncio_lock lock;

static int hold_lock(void *arg)
{
    ASYNCIO_WITH_LOCK(held, &lock);
    if (held_entered < 0) return held_entered;
    trace("%s", (const char *)arg);
    return asyncio_sleep(0);
}

// test_locks.py: test_acquire_fifo..., a releaser does not slip in again
TEST(who_releases_a_lock_queues_behind_those_who_wait, .ordered = true)
{
    lock = (struct asyncio_lock){0};
    if (asyncio_lock_acquire(&lock) < 0) return;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, hold_lock, "a");
    asyncio_task_group_create_task(&group, hold_lock, "b");
    settle();
    EXPECT_EQ(asyncio_lock_release(&lock), 0);
    EXPECT(asyncio_lock_locked(&lock));
    if (asyncio_lock_acquire(&lock) == 0) {
        trace("again");
        asyncio_lock_release(&lock);
    }
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_TRACE("a", "b", "again");
}

static int wait_in_shield(void *arg)
{
    ASYNCIO_WITH_CANCEL_SCOPE(shield, .shield = true);
    int err = asyncio_await((struct asyncio_future *)arg);
    return asyncio_cancel_scope_exit(&shield, err);
}

// anyio test_shielding_..., asyncio's cancel is not held off by a shield
TEST(shield_of_a_scope_holds_no_native_cancel_off)
{
    make_futures();
    struct asyncio_task *task = asyncio_create_task(wait_in_shield, futures);
    settle();
    asyncio_task_cancel(task);
    EXPECT_EQ(end(task), -ECANCELED);
    EXPECT(asyncio_future_cancelled(futures)); // nobody else waited for it
}

// trio test_cancel_points, test_nursery_cancel_doesnt_create_cyclic...: a scope
// whose deadline and whose task's limit come in one pass
TEST(limit_and_scope_that_end_together_are_both_told)
{
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 1);
    int err;
    {
        ASYNCIO_WITH_TIMEOUT(limit, 1);
        err = asyncio_sleep(10);
        EXPECT_EQ(err, -ECANCELED);
        err = asyncio_timeout_exit(&limit, err);
        EXPECT(err == -ECANCELED); // the scope around it wants it to end, too
    }
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT(asyncio_cancel_scope_caught(&scope));
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
}

// The same the other way round.
TEST(scope_within_a_limit_that_ends_with_it_leaves_the_limit_its_end)
{
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    int err;
    {
        ASYNCIO_WITH_MOVE_ON_AFTER(scope, 1);
        err = asyncio_sleep(10);
        err = asyncio_cancel_scope_exit(&scope, err);
    }
    if (err == 0) err = asyncio_sleep(10);
    EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ETIMEDOUT);
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
}

static int spawn_eagerly(void *arg)
{
    struct asyncio_task **task = arg;
    *task = asyncio_create_task(await_future, futures, .eager = true);
    EXPECT(!asyncio_current_task());
    return 0;
}

// test_eager_task_factory.py: eager tasks from callbacks and their current task
TEST(eager_task_of_a_callback_goes_on_as_any)
{
    make_futures();
    struct asyncio_task *task = NULL;
    if (asyncio_call_soon(spawn_eagerly, &task) < 0) return;
    settle();
    EXPECT_OR_RETURN(task);
    EXPECT(asyncio_current_task() != task);
    asyncio_future_set_result(futures, 8);
    EXPECT_EQ(end(task), 8);
}

static int spawn_deeper(void *arg)
{
    int *left = arg;
    if ((*left)-- == 0) return asyncio_sleep(0);
    struct asyncio_task *task =
        asyncio_create_task(spawn_deeper, arg, .eager = true);
    EXPECT(asyncio_current_task() != task);
    int err = asyncio_await(task);
    asyncio_task_release(task);
    return err;
}

// test_eager_start in depth: each within the step of the one before
TEST(eager_tasks_nest)
{
    int left = 50;
    EXPECT_EQ(spawn_deeper(&left), 0);
    EXPECT_EQ(left, -1);
}

static int wait_at_queue(void *arg)
{
    void *item;
    (void)arg;
    return asyncio_queue_get(&queue, &item);
}

// test_queues.py: QueueShutdownTestMixin, getters and putters in line
TEST(shutdown_ends_all_waits_with_one_code)
{
    queue = (struct asyncio_queue)ASYNCIO_QUEUE(slots);
    struct asyncio_task *getters[2] = {
        asyncio_create_task(wait_at_queue, NULL),
        asyncio_create_task(wait_at_queue, NULL)};
    settle();
    asyncio_queue_shutdown(&queue);
    asyncio_task_cancel(getters[0]); // it was woken by then
    EXPECT_EQ(end(getters[0]), -ECANCELED);
    EXPECT_EQ(end(getters[1]), -ESHUTDOWN);
    EXPECT_EQ(asyncio_queue_put(&queue, slots), -ESHUTDOWN);
    EXPECT_EQ(asyncio_queue_join(&queue), 0);
    asyncio_queue_destroy(&queue);
}

static int start_eager_child(void *arg)
{
    (void)arg;
    int err = asyncio_task_group_started(5);
    return err < 0 ? err : asyncio_sleep(1);
}

// trio test_nursery_start, of a child that is ready at once
TEST(eager_child_may_report_before_its_starter_waits)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_task_group_start(&group, start_eager_child, NULL,
                                       .eager = true),
              5);
    EXPECT_EQ(asyncio_task_group_start(&group, fail, NULL, .eager = true),
              -EIO);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
}
