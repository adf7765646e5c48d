// Cancel scopes beside everything else that cancels: requests to a task, time
// limits, groups, gathers, and grants that come in the same pass.

#include "runner/runner.h"

static int sleep_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(1000);
}

static int cancel_scope(void *scope)
{
    asyncio_cancel_scope_cancel(scope);
    return 0;
}

static int cancel_task(void *task)
{
    asyncio_task_cancel(task, .reason = "a request");
    return 0;
}

static int soon(int (*fn)(void *arg), void *arg)
{
    return asyncio_call_later(1, fn, arg);
}

// --- a request to the task --------------------------------------------------

// What happens, in which order, to a task asleep in a scope.
enum order { SCOPE_FIRST, TASK_FIRST, TASK_WHILE_IT_RUNS };

struct story {
    enum order order;
    struct asyncio_cancel_scope scope;
};

static int sleep_in_scope(void *arg)
{
    struct story *story = arg;
    EXPECT_EQ(asyncio_cancel_scope_enter(&story->scope), 0);
    int err = asyncio_sleep(1000);
    EXPECT_EQ(err, -ECANCELED);
    if (story->order == TASK_WHILE_IT_RUNS) cancel_task(asyncio_current_task());
    err = asyncio_cancel_scope_exit(&story->scope, err);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT(!asyncio_cancel_scope_caught(&story->scope));
    EXPECT_STR(asyncio_strerror(err), "a request");
    EXPECT_EQ(asyncio_sleep(1), 0); // one request ends one await
    return err;
}

static void request_comes_out(enum order order)
{
    struct story story = {.order = order};
    struct asyncio_task *task = asyncio_create_task(sleep_in_scope, &story);
    EXPECT_EQ(asyncio_sleep(1), 0);
    if (order == TASK_FIRST) cancel_task(task);
    asyncio_cancel_scope_cancel(&story.scope);
    if (order == SCOPE_FIRST) cancel_task(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT(asyncio_task_cancelled(task));
    asyncio_task_release(task);
    asyncio_cancel_scope_close(&story.scope); // perhaps never entered
}

TEST(request_to_the_task_comes_out_of_a_cancelled_scope)
{
    request_comes_out(SCOPE_FIRST);
    request_comes_out(TASK_FIRST);
    request_comes_out(TASK_WHILE_IT_RUNS);
}

static int enter_with_a_request(void *arg)
{
    cancel_task(asyncio_current_task());
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    if (arg) asyncio_cancel_scope_cancel(&scope);
    int err = asyncio_sleep(1);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), -ECANCELED);
    EXPECT_EQ(asyncio_task_uncancel(asyncio_current_task()), 0);
    return asyncio_sleep(1);
}

TEST(request_that_was_pending_at_the_entry_comes_out)
{
    for (int i = 0; i < 2; i++) {
        struct asyncio_task *task =
            asyncio_create_task(enter_with_a_request, i ? &i : NULL);
        EXPECT_EQ(asyncio_await(task), 0);
        asyncio_task_release(task);
    }
}

static int clean_up(void *arg)
{
    (void)arg;
    EXPECT_EQ(asyncio_sleep(1000), -ECANCELED);
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 5);
    int err = asyncio_sleep(1000); // a last word, not for ever
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT(asyncio_cancel_scope_caught(&scope));
    return -ECANCELED;
}

TEST(scope_in_the_clean_up_of_a_cancelled_task_absorbs_its_own)
{
    struct asyncio_task *task = asyncio_create_task(clean_up, NULL);
    EXPECT_EQ(asyncio_sleep(1), 0);
    cancel_task(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_release(task);
}

static int sleep_in_shield(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_CANCEL_SCOPE(shield, .shield = true);
    int err = asyncio_sleep(1000);
    return asyncio_cancel_scope_exit(&shield, err);
}

TEST(shield_holds_no_request_off)
{
    double start = asyncio_time();
    struct asyncio_task *task = asyncio_create_task(sleep_in_shield, NULL);
    EXPECT_EQ(asyncio_sleep(1), 0);
    cancel_task(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT(asyncio_task_cancelled(task));
    asyncio_task_release(task);
    EXPECT_LT(asyncio_time() - start, 2);
}

// --- time limits ------------------------------------------------------------

TEST(limit_around_a_scope_says_so)
{
    for (int i = 0; i < 2; i++) {
        ASYNCIO_WITH_TIMEOUT(limit, 5);
        ASYNCIO_WITH_CANCEL_SCOPE(scope);
        int err = asyncio_sleep(10);
        EXPECT_EQ(err, -ECANCELED);
        if (i) asyncio_cancel_scope_cancel(&scope);
        err = asyncio_cancel_scope_exit(&scope, err);
        EXPECT_EQ(err, -ECANCELED);
        EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ETIMEDOUT);
    }
}

TEST(scope_around_a_limit_absorbs)
{
    for (int i = 0; i < 2; i++) {
        ASYNCIO_WITH_CANCEL_SCOPE(scope);
        ASYNCIO_WITH_TIMEOUT(limit, 5);
        if (!i) asyncio_cancel_scope_cancel(&scope);
        int err = asyncio_sleep(10);
        EXPECT_EQ(asyncio_timeout_expired(&limit), i == 1);
        asyncio_cancel_scope_cancel(&scope);
        err = asyncio_timeout_exit(&limit, err);
        EXPECT_EQ(err, -ECANCELED);
        EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
        EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
    }
}

TEST(limit_in_a_shield_is_its_own)
{
    ASYNCIO_WITH_CANCEL_SCOPE(outer);
    asyncio_cancel_scope_cancel(&outer);
    ASYNCIO_WITH_CANCEL_SCOPE(shield, .shield = true);
    EXPECT_EQ(asyncio_wait_for(asyncio_sleep(10), 5), -ETIMEDOUT);
    EXPECT_EQ(asyncio_cancel_scope_exit(&shield, 0), 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&outer, 0), 0);
}

// --- groups and gathers around and inside -----------------------------------

static int fail_later(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(5);
    return err < 0 ? err : -EPROTO;
}

TEST(group_around_a_scope_takes_its_request_back)
{
    for (int i = 0; i < 2; i++) {
        ASYNCIO_WITH_TASK_GROUP(group);
        asyncio_task_group_create_task(&group, fail_later, NULL);
        ASYNCIO_WITH_CANCEL_SCOPE(scope);
        int err = asyncio_sleep(10);
        EXPECT_EQ(err, -ECANCELED);
        if (i) asyncio_cancel_scope_cancel(&scope);
        err = asyncio_cancel_scope_exit(&scope, err);
        EXPECT_EQ(err, -ECANCELED);
        EXPECT_EQ(asyncio_task_group_exit(&group, err), -EPROTO);
        EXPECT_EQ(asyncio_sleep(1), 0);
    }
}

TEST(group_that_ends_early_inside_a_cancelled_scope)
{
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, sleep_long, NULL);
    asyncio_task_group_cancel(&group);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    asyncio_cancel_scope_cancel(&scope);
    int err = asyncio_task_group_exit(&group, -ECANCELED);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
}

static int ignore_once(void *count)
{
    EXPECT_EQ(asyncio_sleep(1000), -ECANCELED);
    EXPECT_EQ(asyncio_sleep(1000), -ECANCELED); // it is in the scope
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
    ++*(int *)count;
    return 3;
}

TEST(tasks_that_gather_makes_are_in_the_scope_of_the_caller)
{
    int count = 0;
    struct asyncio_coroutine jobs[2] = {ASYNCIO_COROUTINE(ignore_once, &count),
                                        ASYNCIO_COROUTINE(ignore_once, &count)};
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    EXPECT_EQ(soon(cancel_scope, &scope), 0);
    EXPECT_EQ(asyncio_gather(jobs, 2), -ECANCELED);
    EXPECT_EQ(count, 2);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, -ECANCELED), 0);
}

TEST(shield_inside_a_gathered_task_holds)
{
    int codes[2] = {-1, -1};
    double start = asyncio_time();
    struct asyncio_coroutine jobs[2] = {
        ASYNCIO_COROUTINE(sleep_in_shield, NULL),
        ASYNCIO_COROUTINE(sleep_long, NULL)};
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    EXPECT_EQ(soon(cancel_scope, &scope), 0);
    int err =
        asyncio_gather(jobs, 2, .results = codes, .return_exceptions = true);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(codes[0], 0);
    EXPECT_EQ(codes[1], -ECANCELED);
    EXPECT_GT(asyncio_time() - start, 999);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
}

// A gather that was begun outside does not know the scope, and is asked.
TEST(gather_begun_outside_the_scope_is_asked_to_end)
{
    double start = asyncio_time();
    struct asyncio_coroutine job = ASYNCIO_COROUTINE(sleep_long, NULL);
    struct asyncio_gather gather;
    EXPECT_EQ(asyncio_gather_start(&gather, &job, 1), 0);
    ASYNCIO_WITH_FAIL_AFTER(scope, 5);
    int err = asyncio_await(&gather.future);
    EXPECT_EQ(err, -ECANCELED);
    asyncio_gather_close(&gather);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), -ETIMEDOUT);
    EXPECT_LT(asyncio_time() - start, 6);
}

TEST(gather_outlives_the_scope_in_which_it_was_begun)
{
    struct asyncio_coroutine job = ASYNCIO_COROUTINE(sleep_long, NULL);
    struct asyncio_gather gather;
    {
        ASYNCIO_WITH_CANCEL_SCOPE(scope);
        EXPECT_EQ(asyncio_gather_start(&gather, &job, 1), 0);
        EXPECT_EQ(asyncio_cancel_scope_exit(&scope, asyncio_sleep(1)), 0);
    }
    EXPECT_EQ(asyncio_await(&gather.future), 0);
    asyncio_gather_close(&gather);
}

static int fail_when_cancelled(void *arg)
{
    (void)arg;
    EXPECT_EQ(asyncio_sleep(1000), -ECANCELED);
    return -EPROTO;
}

TEST(failure_of_what_was_awaited_is_not_lost)
{
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    struct asyncio_task *task = asyncio_create_task(fail_when_cancelled, NULL);
    EXPECT_EQ(soon(cancel_scope, &scope), 0);
    int err = asyncio_await(task);
    EXPECT_EQ(err, -EPROTO);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), -EPROTO);
    asyncio_task_release(task);
}

static int await_it(void *task)
{
    return asyncio_await((struct asyncio_task *)task);
}

TEST(circle_of_waits_through_a_scope_ends)
{
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    struct asyncio_task *task =
        asyncio_create_task(await_it, asyncio_current_task());
    // Nothing else would end it.
    if (soon(cancel_scope, &scope) < 0) asyncio_cancel_scope_cancel(&scope);
    int err = asyncio_await(task);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    asyncio_task_release(task);
}

// --- a grant and a cancel in one pass ---------------------------------------

struct line {
    struct asyncio_semaphore slots;
    struct asyncio_cancel_scope scope;
};

static int acquire_in_scope(void *arg)
{
    struct line *line = arg;
    EXPECT_EQ(asyncio_cancel_scope_enter(&line->scope), 0);
    int err = asyncio_semaphore_acquire(&line->slots);
    trace("in the scope: %s", err == 0 ? "has it" : "cancelled");
    return asyncio_cancel_scope_exit(&line->scope, err);
}

static int acquire(void *arg)
{
    struct line *line = arg;
    int err = asyncio_semaphore_acquire(&line->slots);
    trace("the next: %s", err == 0 ? "has it" : "cancelled");
    return err;
}

static void race(bool grant_first)
{
    struct line line = {0};
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, acquire_in_scope, &line);
    asyncio_task_group_create_task(&group, acquire, &line);
    EXPECT_EQ(asyncio_sleep(1), 0);
    if (!grant_first) asyncio_cancel_scope_cancel(&line.scope);
    asyncio_semaphore_release(&line.slots);
    if (grant_first) asyncio_cancel_scope_cancel(&line.scope);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT(asyncio_cancel_scope_caught(&line.scope));
    EXPECT_EQ(line.slots.value, 0);
    EXPECT_TRACE("in the scope: cancelled", "the next: has it");
    asyncio_cancel_scope_close(&line.scope); // perhaps never entered
}

TEST(grant_to_a_task_whose_scope_is_cancelled_goes_on, .ordered = true)
{
    race(true);
    race(false);
}
