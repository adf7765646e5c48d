// Coroutine objects: a function and its argument that run once, in whose task
// they are awaited or in one of their own.

#include <stdio.h>

#include "runner/runner.h"

static int count_call(void *arg)
{
    return ++*(int *)arg;
}

static size_t tasks(void)
{
    return asyncio_all_tasks(asyncio_get_running_loop(), NULL, 0);
}

TEST(coroutine_object_that_nobody_runs_does_nothing)
{
    CONFORMS("CORO-01");
    int calls = 0;
    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(count_call, &calls);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(tasks(), 1);
    EXPECT_SAME(coroutine.arg, &calls);
}

TEST(coroutine_object_can_be_awaited_once)
{
    CONFORMS("CORO-02");
    int calls = 0;
    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(count_call, &calls);
    EXPECT_EQ(asyncio_await(&coroutine), 1);
    EXPECT_EQ(asyncio_await(&coroutine), -EALREADY);

    struct asyncio_task *task = asyncio_coroutine_create_task(&coroutine);
    EXPECT_EQ(asyncio_await(task), -EALREADY);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_shield(&coroutine), -EALREADY);
    EXPECT_EQ(asyncio_wait_for(&coroutine, 1), -EALREADY);
    EXPECT_EQ(asyncio_wait_for(&coroutine, 0), -EALREADY);
    EXPECT_EQ(asyncio_gather(&coroutine, 1), -EALREADY);
    task = asyncio_ensure_future(ASYNCIO_ANY(&coroutine));
    EXPECT_EQ(asyncio_await(task), -EALREADY);
    asyncio_task_release(task);
    EXPECT_EQ(calls, 1);
}

TEST(coroutine_object_that_became_a_task_is_used_up)
{
    CONFORMS("CORO-02");
    int calls = 0;
    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(count_call, &calls);
    struct asyncio_task *first = asyncio_coroutine_create_task(&coroutine);
    struct asyncio_task *second = asyncio_coroutine_create_task(&coroutine);
    EXPECT_EQ(asyncio_await(second), -EALREADY);
    EXPECT_EQ(asyncio_await(first), 1);
    EXPECT_EQ(asyncio_await(&coroutine), -EALREADY);
    EXPECT_EQ(calls, 1);
    asyncio_task_release(first);
    asyncio_task_release(second);
}

static int await_itself(void *arg)
{
    struct asyncio_coroutine *itself = arg;
    EXPECT_EQ(asyncio_await(itself), -EBUSY);
    struct asyncio_task *task = asyncio_coroutine_create_task(itself);
    EXPECT_EQ(asyncio_await(task), -EBUSY);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_sleep(1), 0);
    return 5;
}

TEST(coroutine_object_is_busy_while_it_is_awaited)
{
    struct asyncio_coroutine coroutine;
    coroutine = ASYNCIO_COROUTINE(await_itself, &coroutine);
    EXPECT_EQ(asyncio_await(&coroutine), 5);
    EXPECT_EQ(asyncio_await(&coroutine), -EALREADY);
}

static int sleep_a_while(void *arg)
{
    (void)arg;
    return asyncio_sleep(5, .result = 8);
}

static int await_coroutine(void *arg)
{
    return asyncio_await((struct asyncio_coroutine *)arg);
}

TEST(coroutine_object_that_one_task_awaits_is_busy_for_another)
{
    int result = -1;
    struct asyncio_coroutine shared = ASYNCIO_COROUTINE(sleep_a_while, NULL);
    struct asyncio_task *first = asyncio_create_task(await_coroutine, &shared);
    EXPECT_EQ(asyncio_sleep(1), 0);
    if (!asyncio_task_done(first)) {
        EXPECT_EQ(asyncio_await(&shared), -EBUSY);
        EXPECT_EQ(asyncio_gather(&shared, 1), -EBUSY);
        EXPECT_EQ(asyncio_shield(&shared), -EBUSY);
        EXPECT_EQ(asyncio_wait_for(&shared, 1), -EBUSY);
        EXPECT_EQ(asyncio_await(first), 8);
    }
    EXPECT_EQ(asyncio_task_result(first, &result), 0);
    EXPECT_EQ(asyncio_await(&shared), -EALREADY);
    asyncio_task_release(first);
}

static const char *state_of(const struct asyncio_coroutine *coroutine)
{
    static char word[16];
    return asyncio_coroutine_describe(coroutine, word, sizeof word);
}

static int describe_itself(void *arg)
{
    EXPECT_STR(state_of(arg), "running");
    return 0;
}

TEST(coroutine_object_tells_how_it_is_doing)
{
    char cut[4];
    struct asyncio_coroutine awaited, spawned;
    awaited = ASYNCIO_COROUTINE(describe_itself, &awaited);
    EXPECT_STR(state_of(&awaited), "unused");
    EXPECT_EQ(asyncio_await(&awaited), 0);
    EXPECT_STR(state_of(&awaited), "used up");

    // A task has taken over what there was to be run.
    spawned = ASYNCIO_COROUTINE(sleep_a_while, NULL);
    struct asyncio_task *task = asyncio_coroutine_create_task(&spawned);
    EXPECT_STR(state_of(&spawned), "used up");
    EXPECT_EQ(asyncio_await(task), 8);
    asyncio_task_release(task);
    EXPECT_STR(asyncio_coroutine_describe(&awaited, cut, sizeof cut), "use");
}

struct part {
    struct asyncio_task *task; // in which it has to run
    int value;
};

static int value_after_a_while(void *arg)
{
    struct part *part = arg;
    EXPECT_SAME(asyncio_current_task(), part->task);
    EXPECT_EQ(tasks(), 1);
    int err = asyncio_sleep(1);
    EXPECT_SAME(asyncio_current_task(), part->task);
    return err < 0 ? err : part->value;
}

static int add_two(void *arg)
{
    struct asyncio_task *task = asyncio_current_task();
    struct part parts[2] = {{task, 30}, {task, 12}};
    struct asyncio_coroutine first =
        ASYNCIO_COROUTINE(value_after_a_while, &parts[0]);
    struct asyncio_coroutine second =
        ASYNCIO_COROUTINE(value_after_a_while, &parts[1]);
    (void)arg;
    int a = asyncio_await(&first);
    if (a < 0) return a;
    int b = asyncio_await(&second);
    return b < 0 ? b : a + b;
}

TEST(coroutine_combines_the_values_of_two_others_in_one_task)
{
    CONFORMS("CORO-03");
    struct asyncio_coroutine sum = ASYNCIO_COROUTINE(add_two, NULL);
    EXPECT_EQ(asyncio_await(&sum), 42);
    EXPECT_EQ(tasks(), 1);
}

static int await_the_next(void *arg)
{
    int *depth = arg, left = 99 - *depth;
    EXPECT_EQ(tasks(), 1);
    if (left == 0) {
        int err = asyncio_sleep(0);
        return err < 0 ? err : 1;
    }
    ++*depth;
    struct asyncio_coroutine next = ASYNCIO_COROUTINE(await_the_next, depth);
    int below = asyncio_await(&next);
    return below < 0 ? below : 1 + below;
}

// The number in the next task's name says how many were made before it.
static int number_of_next_task(void)
{
    int number = -1, none = 0;
    struct asyncio_task *task = asyncio_create_task(count_call, &none);
    sscanf(asyncio_task_name(task), "Task-%d", &number);
    EXPECT_EQ(asyncio_await(task), 1);
    asyncio_task_release(task);
    return number;
}

TEST(chain_of_a_hundred_coroutines_is_one_task)
{
    CONFORMS("CORO-04");
    int depth = 0, number = number_of_next_task();
    struct asyncio_coroutine first = ASYNCIO_COROUTINE(await_the_next, &depth);
    EXPECT_EQ(asyncio_await(&first), 100);
    EXPECT_EQ(number_of_next_task(), number + 1);
}

static int fail(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(1);
    return err < 0 ? err : asyncio_raise(-EPROTO, "expected a pear");
}

static int fail_and_go_on(void *arg)
{
    struct asyncio_coroutine failing = ASYNCIO_COROUTINE(fail, NULL);
    (void)arg;
    EXPECT_EQ(asyncio_await(&failing), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "expected a pear");
    trace("goes on");
    return 3;
}

TEST(code_of_a_coroutine_reaches_its_caller_who_goes_on)
{
    CONFORMS("CORO-05");
    struct asyncio_coroutine caller = ASYNCIO_COROUTINE(fail_and_go_on, NULL);
    EXPECT_EQ(asyncio_await(&caller), 3);
    EXPECT_TRACE("goes on");
}

TEST(coroutine_without_a_function_is_refused)
{
    struct asyncio_coroutine nothing = {0};
    EXPECT_EQ(asyncio_await(&nothing), -EINVAL);
    struct asyncio_task *task = asyncio_coroutine_create_task(&nothing);
    EXPECT_EQ(asyncio_await(task), -EINVAL);
    asyncio_task_release(task);
    EXPECT_EQ(tasks(), 1);
}

TEST_PLAIN(await_outside_a_task_does_not_use_the_object_up)
{
    int calls = 0;
    struct asyncio_loop *loop;
    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(count_call, &calls);
    EXPECT_EQ(asyncio_await(&coroutine), -EPERM);
    EXPECT_EQ(calls, 0);
    EXPECT_OR_RETURN(asyncio_new_event_loop(&loop) == 0);
    EXPECT_EQ(asyncio_loop_run_until_complete(loop, &coroutine), 1);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}
