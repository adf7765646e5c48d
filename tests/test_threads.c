// Calls in threads: values, errors and words, what a cancel does, and the end
// of the loop.

#include "threads.h"

static int fail_with_words(void *arg)
{
    return asyncio_raise(-EPROTO, "no sense in %s", (const char *)arg);
}

static int fail_without_words(void *arg)
{
    (void)arg;
    return -EPROTO;
}

// --- values and errors ------------------------------------------------------

TEST(blocking_function_runs_on_another_thread_and_its_value_comes_back)
{
    CONFORMS("THR-01");
    pid_t thread = 0;
    int result = asyncio_to_thread(note_thread, &thread);
    EXPECT_OR_RETURN(result == 42);
    EXPECT_NE(thread, gettid());
    EXPECT_NE(thread, 0);
}

TEST(code_of_a_function_in_a_thread_comes_back_with_its_words)
{
    CONFORMS("THR-02");
    EXPECT_EQ(asyncio_to_thread(fail_with_words, "this"), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "no sense in this");
    const struct asyncio_error *error = asyncio_last_error();
    if (EXPECT(error)) EXPECT_CONTAINS(error->site, "test_threads.c");
}

static int await_a_failure(void *arg)
{
    (void)arg;
    return asyncio_to_thread(fail_without_words, NULL);
}

TEST(words_of_an_earlier_job_do_not_stick_to_a_thread)
{
    EXPECT_EQ(asyncio_to_thread(fail_with_words, "that"), -EPROTO);
    struct asyncio_task *task = asyncio_create_task(await_a_failure, NULL);
    EXPECT_EQ(asyncio_await(task), -EPROTO);
    EXPECT(!asyncio_future_error(asyncio_task_future(task)));
    asyncio_task_release(task);
}

static int add_one(void *arg)
{
    return ++*(int *)arg;
}

TEST(copy_is_what_the_function_works_on)
{
    int number = 1;
    EXPECT_EQ(asyncio_to_thread(add_one, &number, .copy = sizeof number), 2);
    EXPECT_EQ(number, 1);
    EXPECT_EQ(asyncio_to_thread(add_one, &number), 2);
    EXPECT_EQ(number, 2);
}

TEST(function_that_is_none_is_refused)
{
    EXPECT_EQ(asyncio_to_thread(NULL, NULL), -EINVAL);
    EXPECT_EQ(asyncio_executor_map(NULL, NULL, NULL, 0, 0), -EINVAL);
}

TEST_PLAIN(outside_a_loop_there_is_no_default_executor)
{
    EXPECT(asyncio_default_executor() != NULL);
    EXPECT_EQ(asyncio_to_thread(count_call, NULL), -EPERM);
    EXPECT_EQ(asyncio_executor_map(NULL, count_call, NULL, 0, 0), -EPERM);
    asyncio_executor_shutdown(asyncio_default_executor());
    asyncio_executor_shutdown(NULL);
}

TEST(tasks_of_a_group_run_in_threads)
{
    pid_t threads[3] = {0};
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, note_thread, &threads[i],
                                       .executor = ASYNCIO_THREADS);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    for (int i = 0; i < 3; i++) {
        EXPECT_NE(threads[i], 0);
        EXPECT_NE(threads[i], gettid());
    }
}

// --- cancelling -------------------------------------------------------------

TEST(abandoned_function_runs_on_to_its_end)
{
    CONFORMS("THR-03");
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool) == 0);
    make_gates();
    struct call call = {.pool = pool, .fn = pass_gate, .abandon = true};
    struct asyncio_task *task = begin_running(&call);
    if (task) {
        EXPECT(asyncio_task_cancel(task));
        EXPECT_EQ(asyncio_await(task), -ECANCELED);
        EXPECT_EQ(atomic_load(&calls), 0);
        sem_post(&gate);
    }
    asyncio_executor_shutdown(pool);
    EXPECT_EQ(atomic_load(&calls), 1);
    asyncio_task_release(task);
}

TEST(abandoned_copy_outlives_its_caller)
{
    struct asyncio_executor *pool;
    bool passed = false;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool) == 0);
    make_gates();
    struct call call = {.pool = pool,
                        .fn = pass_gate,
                        .arg = &passed,
                        .copy = sizeof passed,
                        .abandon = true};
    struct asyncio_task *task = begin_running(&call);
    if (task) {
        asyncio_task_cancel(task);
        EXPECT_EQ(asyncio_await(task), -ECANCELED);
        sem_post(&gate);
    }
    asyncio_task_release(task);
    asyncio_executor_shutdown(pool);
    EXPECT(!passed);
}

TEST(cancelled_call_waits_for_a_function_that_runs)
{
    make_gates();
    bool passed = false;
    struct call call = {.fn = pass_gate, .arg = &passed, .end = "call"};
    struct asyncio_task *task = begin_running(&call);
    EXPECT_OR_RETURN(task);

    EXPECT(asyncio_task_cancel(task));
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE();
    EXPECT(asyncio_task_cancel(task)); // a second request changes nothing
    sem_post(&gate);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT(passed);
    EXPECT_TRACE("call -125");
    asyncio_task_release(task);
}

TEST(time_limit_waits_for_a_function_that_runs, .real_time = true)
{
    make_gates();
    sem_post(&gate);
    int err = asyncio_wait_for(asyncio_to_thread(pass_gate, NULL), 3600);
    EXPECT_EQ(err, 7);
    EXPECT_EQ(asyncio_wait_for(asyncio_to_thread(pass_gate, NULL), -1),
              -ETIMEDOUT);
    EXPECT_EQ(atomic_load(&calls), 1);
}

TEST(queued_job_that_is_cancelled_never_runs)
{
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool, .max_workers = 1) == 0);
    make_gates();
    int number = 1;
    struct call first = {.pool = pool, .fn = pass_gate};
    struct call second = {.pool = pool, .fn = add_one, .arg = &number};
    struct call third = {.pool = pool, .fn = add_one, .arg = &number};
    struct asyncio_task *running = begin_running(&first);
    if (running) {
        struct asyncio_task *queued = begin_call(&second);
        struct asyncio_task *last = begin_call(&third);
        asyncio_task_cancel(queued);
        EXPECT_EQ(asyncio_await(queued), -ECANCELED);
        sem_post(&gate);
        EXPECT_EQ(asyncio_await(running), 7);
        EXPECT_EQ(asyncio_await(last), 2);
        asyncio_task_release(queued);
        asyncio_task_release(last);
    }
    asyncio_task_release(running);
    asyncio_executor_shutdown(pool);
}

static int ask_for_thread_work(void *arg)
{
    (void)arg;
    struct asyncio_task *self = asyncio_current_task();
    asyncio_task_cancel(self);
    return asyncio_to_thread(count_call, NULL);
}

TEST(pending_cancel_keeps_the_function_from_starting)
{
    CONFORMS("THR-05");
    make_gates();
    struct asyncio_task *task = asyncio_create_task(ask_for_thread_work, NULL);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(atomic_load(&calls), 0);
    asyncio_task_release(task);
}

static int poll_for_cancel(void *arg)
{
    (void)arg;
    int before = asyncio_check_cancelled();
    sem_post(&begun);
    down(&gate);
    atomic_store(&calls, asyncio_check_cancelled());
    return before;
}

TEST(job_can_ask_whether_it_was_cancelled)
{
    CONFORMS("THR-15");
    make_gates();
    struct call call = {.fn = poll_for_cancel};
    struct asyncio_task *task = begin_running(&call);
    EXPECT_OR_RETURN(task);
    asyncio_task_cancel(task);
    sem_post(&gate);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(atomic_load(&calls), -ECANCELED);
    EXPECT_EQ(asyncio_check_cancelled(), -EPERM);
    asyncio_task_release(task);

    sem_post(&gate);
    EXPECT_EQ(asyncio_to_thread(poll_for_cancel, NULL), 0);
    EXPECT_EQ(atomic_load(&calls), 0);
}

// --- the loop's end ---------------------------------------------------------

static int abandon_one(void *pool)
{
    struct call call = {.pool = pool, .fn = pass_gate, .abandon = true};
    struct asyncio_task *task = begin_running(&call);
    if (!task) return -EAGAIN;
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_release(task);
    return 0;
}

TEST_PLAIN(worker_that_ends_after_its_loop_touches_nothing_of_it)
{
    CONFORMS("THR-04");
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool) == 0);
    make_gates();
    EXPECT_EQ(asyncio_run(abandon_one, pool), 0); // its loop is freed now
    sem_post(&gate);
    asyncio_executor_shutdown(pool);
}

static int leave_a_call_behind(void *arg)
{
    struct call *call = arg;
    asyncio_task_release(begin_running(call));
    return 0;
}

TEST_PLAIN(loop_that_ends_waits_for_calls_of_its_tasks)
{
    struct call call = {.fn = pass_gate};
    make_gates();
    sem_post(&gate);
    asyncio_ignore(asyncio_run(leave_a_call_behind, &call));
    EXPECT_LE(atomic_load(&calls), 1);
}
