// Tasks: how they are made, in which order they run, and who gets to know how
// they ended.

#include <string.h>

#include "runner/runner.h"

static int count_call(void *arg)
{
    return ++*(int *)arg;
}

static size_t tasks(void)
{
    return asyncio_all_tasks(asyncio_get_running_loop(), NULL, 0);
}

static int await_future(void *arg)
{
    return asyncio_await((struct asyncio_future *)arg);
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return asyncio_sleep(ASYNCIO_FOREVER);
}

static int exception_of(struct asyncio_task *task)
{
    int code = 1;
    return asyncio_task_exception(task, &code) < 0 ? 1 : code;
}

// --- the beginning ----------------------------------------------------------

TEST(task_has_not_begun_while_its_maker_has_not_suspended)
{
    CONFORMS("TASK-01");
    int calls = 0, result = 0;
    struct asyncio_task *task = asyncio_create_task(count_call, &calls);
    EXPECT(!asyncio_task_done(task));
    EXPECT_EQ(asyncio_task_result(task, &result), -EINVAL);
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT(asyncio_task_done(task));
    EXPECT_EQ(asyncio_task_result(task, &result), 0);
    EXPECT_EQ(result, 1);
    EXPECT_EQ(calls, 1);
    asyncio_task_release(task);
}

TEST(spawn_of_what_is_no_coroutine_makes_no_task)
{
    CONFORMS("TASK-11");
    struct asyncio_coroutine nothing = {0};
    struct asyncio_future future = {0};
    struct asyncio_task *refused[] = {
        asyncio_create_task(NULL, NULL),
        asyncio_create_task(NULL, NULL, .name = "nothing"),
        asyncio_coroutine_create_task(&nothing),
        asyncio_coroutine_create_task(NULL),
        asyncio_ensure_future(ASYNCIO_ANY(&nothing)),
        asyncio_ensure_future(ASYNCIO_ANY(&future)),
        asyncio_ensure_future((struct asyncio_any){ASYNCIO_TASKS, NULL}),
    };
    EXPECT_EQ(tasks(), 1);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        EXPECT(asyncio_task_done(refused[i]));
        EXPECT_EQ(exception_of(refused[i]), -EINVAL);
        EXPECT_EQ(asyncio_await(refused[i]), -EINVAL);
        asyncio_task_release(refused[i]);
    }
}

TEST_PLAIN(spawn_without_a_loop_is_a_task_that_failed)
{
    int calls = 0;
    struct asyncio_task *task = asyncio_create_task(count_call, &calls);
    EXPECT_EQ(exception_of(task), -EPERM);
    EXPECT(!asyncio_task_cancel(task));
    EXPECT_EQ(asyncio_task_set_name(task, "nobody"), -EINVAL);
    EXPECT_SAME(asyncio_task_retain(task), task);
    asyncio_task_release(task);
    asyncio_task_release(task);
    EXPECT_EQ(calls, 0);
}

static int take_note(struct asyncio_future *future, void *arg)
{
    (void)future;
    return count_call(arg) < 0;
}

static int watch_a_failed_spawn(void *arg)
{
    struct asyncio_task *task = asyncio_create_task(NULL, NULL);
    int err = asyncio_future_add_done_callback(asyncio_task_future(task),
                                               take_note, arg);
    if (err == 0) err = asyncio_await(task);
    asyncio_task_release(task);
    return err;
}

TEST_PLAIN(spawn_that_failed_belongs_to_no_loop)
{
    int calls = 0;
    struct asyncio_loop *loop;
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(asyncio_run(watch_a_failed_spawn, &calls), -EINVAL);
    EXPECT_EQ(calls, 3);

    struct asyncio_task *task = asyncio_create_task(NULL, NULL);
    EXPECT_OR_RETURN(asyncio_new_event_loop(&loop) == 0);
    EXPECT_EQ(asyncio_loop_run_until_complete(loop, asyncio_task_future(task)),
              -EPERM);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    EXPECT_SAME(asyncio_future_get_loop(asyncio_task_future(task)), NULL);
}

static int sum_of_copy(void *arg)
{
    const int *numbers = arg;
    int err = asyncio_sleep(1);
    return err < 0 ? err : numbers[0] + numbers[1] + numbers[2];
}

TEST(task_keeps_a_copy_of_its_argument)
{
    int numbers[3] = {1, 10, 100};
    struct asyncio_task *task = asyncio_create_task(
        sum_of_copy, numbers, .copy = sizeof numbers, .name = "sum");
    memset(numbers, 0, sizeof numbers);
    EXPECT_EQ(asyncio_await(task), 111);
    EXPECT_STR(asyncio_task_name(task), "sum");
    asyncio_task_release(task);
}

static int is_nothing(void *arg)
{
    return arg == NULL;
}

TEST(copy_of_no_argument_is_none)
{
    struct asyncio_task *task =
        asyncio_create_task(is_nothing, NULL, .copy = 5, .name = "none");
    EXPECT_EQ(asyncio_await(task), 1);
    EXPECT_STR(asyncio_task_name(task), "none");
    asyncio_task_release(task);

    task = asyncio_create_task(is_nothing, &task, .copy = SIZE_MAX);
    EXPECT_EQ(asyncio_await(task), -ENOMEM);
    asyncio_task_release(task);
}

// --- the outcome ------------------------------------------------------------

TEST(nobody_else_can_set_the_outcome_of_a_task)
{
    CONFORMS("TASK-04");
    int calls = 0;
    struct asyncio_task *task = asyncio_create_task(count_call, &calls);
    struct asyncio_future *future = asyncio_task_future(task);
    EXPECT_EQ(asyncio_future_set_result(future, 9), -ENOTSUP);
    EXPECT_EQ(asyncio_future_set_result(future, -9), -ENOTSUP);
    EXPECT_EQ(asyncio_future_set_exception(future, -EIO), -ENOTSUP);
    EXPECT_EQ(asyncio_future_set_exception(future, 0), -ENOTSUP);
    EXPECT_EQ(asyncio_future_set_result_unless_cancelled(future, 9), -ENOTSUP);
    EXPECT(!asyncio_task_done(task));
    EXPECT_EQ(asyncio_await(task), 1);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(asyncio_future_set_result(future, 9), -ENOTSUP);
    asyncio_task_release(task);
}

TEST_PLAIN(task_whose_failure_nobody_looked_at_is_reported)
{
    struct asyncio_loop *loop;
    EXPECT_OR_RETURN(asyncio_new_event_loop(&loop) == 0);
    struct asyncio_future never = {0};
    asyncio_future_init(&never);
    asyncio_task_release(
        asyncio_create_task(await_future, &never, .name = "unseen"));
    asyncio_ignore(asyncio_future_set_exception(&never, -EPROTO));
    asyncio_loop_stop(loop);
    EXPECT_EQ(asyncio_loop_run_forever(loop), 0);
    EXPECT_CONTAINS(expect_report(-EPROTO), "unseen");
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}

static int fail_with_words(void *arg)
{
    (void)arg;
    return asyncio_raise(-EPROTO, "the key does not turn");
}

TEST(words_of_a_failure_come_with_the_outcome)
{
    struct asyncio_task *task = asyncio_create_task(fail_with_words, NULL);
    EXPECT_EQ(asyncio_await(task), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "the key does not turn");
    const struct asyncio_error *error =
        asyncio_future_error(asyncio_task_future(task));
    if (EXPECT(error != NULL)) EXPECT_CONTAINS(error->site, "test_task.c:");
    asyncio_task_release(task);
}

TEST(task_outlives_its_handle)
{
    int calls = 0;
    asyncio_task_release(asyncio_create_task(count_call, &calls));
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(tasks(), 1);
}

static int await_task(void *arg)
{
    return asyncio_await((struct asyncio_task *)arg);
}

TEST(many_may_await_one_task_and_each_sees_its_outcome)
{
    int calls = 0;
    struct asyncio_task *one = asyncio_create_task(count_call, &calls);
    struct asyncio_task *waiters[5];
    for (int i = 0; i < 5; i++)
        waiters[i] = asyncio_create_task(await_task, one);
    for (int i = 0; i < 5; i++) {
        EXPECT_EQ(asyncio_await(waiters[i]), 1);
        asyncio_task_release(waiters[i]);
    }
    EXPECT_EQ(asyncio_await(one), 1);
    EXPECT_EQ(calls, 1);
    asyncio_task_release(one);
}

static int await_oneself(void *arg)
{
    (void)arg;
    return asyncio_await(asyncio_current_task());
}

TEST(task_cannot_await_itself)
{
    struct asyncio_task *task = asyncio_create_task(await_oneself, NULL);
    EXPECT_EQ(asyncio_await(task), -EDEADLK);
    asyncio_task_release(task);
}

// --- waiting ----------------------------------------------------------------

struct stranger {
    struct asyncio_future future;
    struct asyncio_task *task;
};

static int await_the_stranger(void *arg)
{
    struct stranger *stranger = arg;
    EXPECT_EQ(asyncio_await(&stranger->future), -EXDEV);
    EXPECT_EQ(asyncio_shield(&stranger->future), -EXDEV);
    EXPECT_EQ(asyncio_wait_for(&stranger->future, 1), -EXDEV);
    EXPECT_EQ(asyncio_await(stranger->task), -EXDEV);
    struct asyncio_task *task =
        asyncio_ensure_future(ASYNCIO_ANY(stranger->task));
    EXPECT_EQ(exception_of(task), -EXDEV);
    asyncio_task_release(task);
    trace("refused");
    return 0;
}

TEST_PLAIN(future_of_another_loop_cannot_be_awaited)
{
    CONFORMS("TASK-05");
    struct stranger stranger = {.task = NULL};
    struct asyncio_loop *other;
    int calls = 0;
    EXPECT_OR_RETURN(asyncio_new_event_loop(&other) == 0);
    asyncio_future_init(&stranger.future);
    stranger.task = asyncio_create_task(count_call, &calls);
    if (!asyncio_task_done(stranger.task)) {
        EXPECT_EQ(asyncio_run(await_the_stranger, &stranger), 0);
        EXPECT_TRACE("refused");
        EXPECT_EQ(asyncio_loop_run_until_complete(other, stranger.task), 1);
        EXPECT_EQ(asyncio_future_set_result(&stranger.future, 1), 0);
        EXPECT_EQ(asyncio_run(await_the_stranger, &stranger), 0);
        EXPECT_TRACE("refused"); // done or not
    }
    asyncio_task_release(stranger.task);
    EXPECT_EQ(asyncio_loop_free(other), 0);
}

struct once {
    struct asyncio_future future;
    int resumed, value;
};

static int await_once(void *arg)
{
    struct once *once = arg;
    once->value = asyncio_await(&once->future);
    once->resumed++;
    int err = asyncio_sleep(ASYNCIO_FOREVER); // an extra wake would end this
    once->resumed++;
    return err;
}

TEST(completed_future_resumes_its_task_once_with_the_value)
{
    CONFORMS("TASK-12");
    struct once once = {.resumed = 0};
    struct asyncio_task *task = asyncio_create_task(await_once, &once);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(once.resumed, 0);
    EXPECT_EQ(asyncio_future_set_result(&once.future, 31), 0);
    EXPECT_EQ(once.resumed, 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(once.resumed, 1);
    EXPECT_EQ(once.value, 31);
    EXPECT_EQ(asyncio_future_set_result(&once.future, 32), -EINVAL);
    EXPECT_EQ(asyncio_sleep(100), 0);
    EXPECT_EQ(once.resumed, 1);
    EXPECT(!asyncio_task_done(task));
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_release(task);
}

// --- order ------------------------------------------------------------------

struct stepper {
    const char *name;
    int left;
};

static int step(void *arg)
{
    struct stepper *stepper = arg;
    for (; stepper->left > 0; stepper->left--) {
        trace("%s", stepper->name);
        int err = asyncio_sleep(0);
        if (err < 0) return err;
    }
    return 0;
}

TEST(two_tasks_that_yield_take_turns, .ordered = true)
{
    CONFORMS("TASK-08");
    struct stepper a = {"a", 4}, b = {"b", 4};
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, step, &a);
    asyncio_task_group_create_task(&group, step, &b);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_TRACE("a", "b", "a", "b", "a", "b", "a", "b");
}

TEST(tasks_begin_in_order_of_their_making, .ordered = true)
{
    struct stepper steppers[3] = {{"a", 1}, {"b", 1}, {"c", 1}};
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, step, &steppers[i]);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_TRACE("a", "b", "c");
}

TEST(hundreds_of_tasks_wait_at_once)
{
    struct asyncio_future gate = {0};
    static struct asyncio_task *waiting[800];
    for (int i = 0; i < 800; i++)
        waiting[i] = asyncio_create_task(await_future, &gate);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_future_set_result(&gate, 6), 0);
    for (int i = 0; i < 800; i++) {
        EXPECT_EQ(asyncio_await(waiting[i]), 6);
        asyncio_task_release(waiting[i]);
    }
}

// --- handles ----------------------------------------------------------------

TEST(ensure_future_hands_a_task_back_as_it_is)
{
    CONFORMS("TASK-09");
    int calls = 0;
    struct asyncio_task *task = asyncio_create_task(count_call, &calls);
    size_t before = tasks();
    struct asyncio_task *same = asyncio_ensure_future(ASYNCIO_ANY(task));
    EXPECT_SAME(same, task);
    EXPECT_EQ(tasks(), before);

    // Other calls that take one or the other do not make a second one, either.
    int result = 0;
    EXPECT_EQ(asyncio_gather(&task, 1, .results = &result), 0);
    EXPECT_EQ(result, 1);
    EXPECT_EQ(asyncio_shield(task), 1);
    EXPECT_EQ(asyncio_wait_for(task, 1), 1);
    EXPECT_EQ(calls, 1);
    asyncio_task_release(same);
    asyncio_task_release(task);

    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(count_call, &calls);
    task = asyncio_ensure_future(ASYNCIO_ANY(&coroutine));
    EXPECT_EQ(asyncio_await(task), 2);
    asyncio_task_release(task);
}

struct foreign {
    struct asyncio_task *task;
};

static int use_foreign_task(void *arg)
{
    struct foreign *foreign = arg;
    size_t before = tasks();
    struct asyncio_task *task =
        asyncio_ensure_future(ASYNCIO_ANY(foreign->task));
    EXPECT_EQ(exception_of(task), -EXDEV);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_gather(&foreign->task, 1), -EXDEV);
    EXPECT_EQ(tasks(), before);
    return 0;
}

TEST_PLAIN(ensure_future_refuses_the_task_of_another_loop)
{
    CONFORMS("TASK-09");
    struct asyncio_loop *other;
    int calls = 0;
    EXPECT_OR_RETURN(asyncio_new_event_loop(&other) == 0);
    struct foreign foreign = {asyncio_create_task(count_call, &calls)};
    if (!asyncio_task_done(foreign.task)) {
        EXPECT_EQ(asyncio_run(use_foreign_task, &foreign), 0);
        EXPECT_EQ(calls, 0);
        EXPECT_EQ(asyncio_loop_run_until_complete(other, foreign.task), 1);
    }
    asyncio_task_release(foreign.task);
    EXPECT_EQ(asyncio_loop_free(other), 0);
}

TEST(all_tasks_are_listed_in_order_of_their_making)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_task *a = asyncio_create_task(sleep_for_ever, NULL);
    struct asyncio_task *b = asyncio_create_task(sleep_for_ever, NULL);
    struct asyncio_task *list[3] = {NULL, NULL, NULL};
    EXPECT_EQ(asyncio_all_tasks(loop, list, 2), 3);
    EXPECT_SAME(list[0], asyncio_current_task());
    EXPECT_SAME(list[1], a);
    EXPECT_SAME(list[2], NULL);
    EXPECT_EQ(asyncio_all_tasks(loop, list, 3), 3);
    EXPECT_SAME(list[2], b);
    asyncio_task_cancel(a);
    asyncio_task_cancel(b);
    asyncio_ignore(asyncio_await(a));
    asyncio_ignore(asyncio_await(b));
    EXPECT_EQ(asyncio_all_tasks(loop, list, 3), 1);
    asyncio_task_release(a);
    asyncio_task_release(b);
}

// The memory of those that have ended is there for others, the latest first.
TEST(all_tasks_are_listed_in_that_order_whatever_was_before)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_task *made[8], *list[10] = {NULL};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 8; i++)
            made[i] = asyncio_create_task(sleep_for_ever, NULL);
        for (size_t count = 2; count < 10; count++) {
            EXPECT_EQ(asyncio_all_tasks(loop, list, count), 9);
            EXPECT_SAME(list[0], asyncio_current_task());
            for (size_t i = 1; i < count; i++)
                EXPECT_SAME(list[i], made[i - 1]);
            EXPECT_SAME(list[count], NULL);
        }
        memset(list, 0, sizeof list);
        for (int i = 0; i < 8; i++) {
            asyncio_task_cancel(made[i]);
            asyncio_ignore(asyncio_await(made[i]));
            asyncio_task_release(made[i]);
        }
    }
}

TEST(all_tasks_of_no_loop_are_those_of_this_threads)
{
    struct asyncio_task *self = NULL;
    EXPECT_EQ(asyncio_all_tasks(NULL, &self, 1), 1);
    EXPECT_SAME(self, asyncio_current_task());
}

TEST_PLAIN(without_a_loop_there_are_no_tasks)
{
    EXPECT_EQ(asyncio_all_tasks(NULL, NULL, 0), 0);
}

// --- outcomes that come too early -------------------------------------------

TEST(task_forced_done_before_its_first_step_does_not_run)
{
    CONFORMS("TASK-10");
    int calls = 0, result = 0;
    struct asyncio_task *task = asyncio_create_task(count_call, &calls);
    if (asyncio_task_done(task)) return;
    asyncio_testing_force_done(task, 12);
    EXPECT(asyncio_task_done(task));
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_CONTAINS(expect_report(-EINVAL), "done");
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(asyncio_task_result(task, &result), 0);
    EXPECT_EQ(result, 12);
    EXPECT_EQ(tasks(), 1);
    asyncio_task_release(task);
}

TEST(task_forced_done_while_it_waits_keeps_the_first_outcome)
{
    struct asyncio_future future = {0};
    int result = 0;
    struct asyncio_task *task = asyncio_create_task(await_future, &future);
    if (asyncio_task_done(task)) return;
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_testing_force_done(task, 12);
    EXPECT_EQ(asyncio_future_set_result(&future, 3), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    expect_report(-EINVAL);
    EXPECT_EQ(asyncio_task_result(task, &result), 0);
    EXPECT_EQ(result, 12);
    asyncio_task_release(task);
}
