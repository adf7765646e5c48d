// The thread pool: asyncio_to_thread, pools of one's own, what a cancel does,
// and how a pool ends.
//
// What a thread is doing is known by semaphores, not by waiting a while:
// `begun` says that a function runs, `gate` lets it go on.

#include <asyncio/executor.h>

#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

#include "runner/runner.h"

static sem_t begun, gate;
static atomic_int calls;

static void make_gates(void)
{
    sem_init(&begun, 0, 0);
    sem_init(&gate, 0, 0);
    atomic_store(&calls, 0);
}

static void down(sem_t *semaphore)
{
    while (sem_wait(semaphore) < 0)
        continue;
}

static int note_thread(void *arg)
{
    *(pid_t *)arg = gettid();
    return 42;
}

static int fail_with_words(void *arg)
{
    return asyncio_raise(-EPROTO, "no sense in %s", (const char *)arg);
}

static int fail_without_words(void *arg)
{
    (void)arg;
    return -EPROTO;
}

static int count_call(void *arg)
{
    (void)arg;
    return atomic_fetch_add(&calls, 1);
}

// Says that it runs, and ends when it may.
static int pass_gate(void *arg)
{
    sem_post(&begun);
    down(&gate);
    atomic_fetch_add(&calls, 1);
    if (arg) *(bool *)arg = true;
    return 7;
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
    EXPECT_CONTAINS(asyncio_last_error()->site, "test_threads.c");
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

struct call {
    struct asyncio_executor *pool;
    int (*fn)(void *arg);
    void *arg;
    size_t copy;
    bool abandon;
    const char *end; // for the story
    bool entered;
};

static int make_call(void *arg)
{
    struct call *call = arg;
    call->entered = true;
    int err =
        asyncio_run_in_executor(call->pool, call->fn, call->arg,
                                .copy = call->copy, .abandon = call->abandon);
    if (call->end) trace("%s %d", call->end, err);
    return err;
}

// A task that is in its call when this returns, or has failed.
static struct asyncio_task *begin_call(struct call *call)
{
    struct asyncio_task *task = asyncio_create_task(make_call, call);
    while (!call->entered && !asyncio_task_done(task))
        asyncio_ignore(asyncio_sleep(0));
    return task;
}

TEST(abandoned_function_runs_on_to_its_end)
{
    CONFORMS("THR-03");
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool) == 0);
    make_gates();
    struct call call = {.pool = pool, .fn = pass_gate, .abandon = true};
    struct asyncio_task *task = begin_call(&call);
    if (asyncio_task_done(task)) goto end; // no thread could be started
    down(&begun);

    EXPECT(asyncio_task_cancel(task));
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(atomic_load(&calls), 0);
    sem_post(&gate);
end:
    asyncio_executor_shutdown(pool);
    EXPECT_EQ(atomic_load(&calls), 1);
    asyncio_task_release(task);
}

TEST(abandoned_copy_outlives_its_caller)
{
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool) == 0);
    make_gates();
    {
        bool passed = false;
        struct call call = {.pool = pool,
                            .fn = pass_gate,
                            .arg = &passed,
                            .copy = sizeof passed,
                            .abandon = true};
        struct asyncio_task *task = begin_call(&call);
        if (!asyncio_task_done(task)) {
            down(&begun);
            asyncio_task_cancel(task);
            EXPECT_EQ(asyncio_await(task), -ECANCELED);
            sem_post(&gate);
        }
        asyncio_task_release(task);
        EXPECT(!passed);
    }
    asyncio_executor_shutdown(pool);
}

TEST(cancelled_call_waits_for_a_function_that_runs)
{
    make_gates();
    bool passed = false;
    struct call call = {.fn = pass_gate, .arg = &passed, .end = "call"};
    struct asyncio_task *task = begin_call(&call);
    EXPECT_OR_RETURN(!asyncio_task_done(task));
    down(&begun);

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
    struct asyncio_task *running = begin_call(&first);
    if (!asyncio_task_done(running)) {
        down(&begun);
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
    struct asyncio_task *task = begin_call(&call);
    EXPECT_OR_RETURN(!asyncio_task_done(task));
    down(&begun);
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

static int abandon_one(void *arg)
{
    struct call call = {.pool = arg, .fn = pass_gate, .abandon = true};
    struct asyncio_task *task = begin_call(&call);
    if (!asyncio_task_done(task)) {
        down(&begun);
        asyncio_task_cancel(task);
        EXPECT_EQ(asyncio_await(task), -ECANCELED);
    } else {
        sem_post(&gate);
    }
    asyncio_task_release(task);
    return 0;
}

TEST_PLAIN(worker_that_ends_after_its_loop_touches_nothing_of_it)
{
    CONFORMS("THR-04");
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool) == 0);
    make_gates();
    asyncio_ignore(asyncio_run(abandon_one, pool)); // its loop is freed now
    sem_post(&gate);
    asyncio_executor_shutdown(pool);
}

static int leave_a_call_behind(void *arg)
{
    struct call *call = arg;
    struct asyncio_task *task = begin_call(call);
    if (!asyncio_task_done(task)) down(&begun);
    asyncio_task_release(task);
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

// --- pools ------------------------------------------------------------------

static atomic_int running, most;

static int count_running(void *arg)
{
    (void)arg;
    int now = atomic_fetch_add(&running, 1) + 1;
    int seen = atomic_load(&most);
    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
        continue;
    atomic_fetch_sub(&running, 1);
    return 0;
}

TEST(pool_runs_no_more_jobs_at_a_time_than_it_has_threads)
{
    CONFORMS("THR-06");
    enum { LIMIT = 3 };
    struct asyncio_executor *pool;
    char items[2 * LIMIT * 20] = {0};
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool, .max_workers = LIMIT) ==
                     0);
    EXPECT_EQ(asyncio_executor_map(pool, count_running, items, 1, sizeof items),
              0);
    asyncio_executor_shutdown(pool);
    EXPECT_LE(atomic_load(&most), LIMIT);
    EXPECT_GE(atomic_load(&most), 1);
}

TEST(default_executor_that_was_shut_down_takes_no_work)
{
    CONFORMS("THR-07");
    EXPECT_EQ(asyncio_to_thread(count_call, NULL), 0);
    asyncio_executor_shutdown(asyncio_default_executor());
    EXPECT_EQ(asyncio_to_thread(count_call, NULL), -ESHUTDOWN);
    EXPECT_EQ(asyncio_run_in_executor(NULL, count_call, NULL), -ESHUTDOWN);
    EXPECT_EQ(asyncio_executor_map(NULL, count_call, "", 1, 1), -ESHUTDOWN);
    EXPECT_EQ(atomic_load(&calls), 1);
}

TEST(idle_thread_is_used_again)
{
    CONFORMS("THR-08");
    struct asyncio_executor *pool;
    pid_t threads[4] = {0};
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool, .max_workers = 4) == 0);
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(asyncio_run_in_executor(pool, note_thread, &threads[i]), 42);
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT_EQ(threads[i], threads[0]);
    }
    asyncio_executor_shutdown(pool);
}

TEST(shutdown_waits_for_all_that_was_queued, .ordered = true)
{
    CONFORMS("THR-09");
    enum { JOBS = 50 };
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool, .max_workers = 2) == 0);
    make_gates();
    struct call call = {.pool = pool, .fn = count_call};
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < JOBS; i++)
        asyncio_task_group_create_task(&group, make_call, &call);
    EXPECT_EQ(asyncio_sleep(0), 0); // each is in its call now
    asyncio_executor_shutdown(pool);
    EXPECT_EQ(atomic_load(&calls), JOBS);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
}

TEST(pool_that_was_shut_down_takes_no_job)
{
    CONFORMS("THR-10");
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool) == 0);
    asyncio_executor_shutdown(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), -ESHUTDOWN);
    EXPECT_EQ(asyncio_executor_map(pool, count_call, "", 1, 1), -ESHUTDOWN);
    struct asyncio_task *task =
        asyncio_create_task(count_call, NULL, .executor = pool);
    EXPECT_EQ(asyncio_await(task), -ESHUTDOWN);
    asyncio_task_release(task);
    asyncio_executor_shutdown(pool); // a second time
}

static int shut_pool(void *arg)
{
    asyncio_executor_shutdown(arg);
    trace("shut");
    return 0;
}

TEST(other_tasks_run_while_one_shuts_a_pool_down, .ordered = true)
{
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool) == 0);
    make_gates();
    struct call call = {.pool = pool, .fn = pass_gate, .end = "call"};
    struct asyncio_task *caller = begin_call(&call);
    struct asyncio_task *shutter = asyncio_create_task(shut_pool, pool);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_task_cancel(shutter); // waits for its next await: there is none
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), -ESHUTDOWN);
    sem_post(&gate);
    asyncio_ignore(asyncio_await(caller));
    asyncio_ignore(asyncio_await(shutter));
    EXPECT_TRACE("call 7", "shut");
    asyncio_task_release(caller);
    asyncio_task_release(shutter);
    asyncio_executor_shutdown(pool); // a second time, unless a spawn failed
}

static int run_a_job(void *pool)
{
    make_gates();
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    return 0;
}

TEST_PLAIN(pool_outlives_the_loops_that_use_it)
{
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool) == 0);
    asyncio_ignore(asyncio_run(run_a_job, pool));
    asyncio_ignore(asyncio_run(run_a_job, pool));
    asyncio_executor_shutdown(pool);
}

TEST_PLAIN(pool_of_less_than_no_threads_is_refused)
{
    struct asyncio_executor *pool;
    EXPECT_EQ(asyncio_thread_pool_create(&pool, .max_workers = -1), -EINVAL);
}

// --- many -------------------------------------------------------------------

static int double_it(void *arg)
{
    int *number = arg;
    if (*number == 13) return asyncio_raise(-EDOM, "13 is unlucky");
    return *number *= 2;
}

TEST(mapping_keeps_order_and_places_of_failures)
{
    CONFORMS("THR-13");
    enum { COUNT = 20 };
    int numbers[COUNT], results[COUNT];
    struct asyncio_task *tasks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        numbers[i] = i;
        tasks[i] = asyncio_create_task(double_it, &numbers[i],
                                       .executor = ASYNCIO_THREADS);
    }
    EXPECT_EQ(asyncio_gather(tasks, COUNT, .results = results,
                             .return_exceptions = true),
              0);
    for (int i = 0; i < COUNT; i++) {
        EXPECT_EQ(results[i], i == 13 ? -EDOM : 2 * i);
        asyncio_task_release(tasks[i]);
    }
}

TEST(map_works_on_every_item_in_place)
{
    enum { COUNT = 500 };
    struct asyncio_executor *pool;
    int numbers[COUNT];
    for (int i = 0; i < COUNT; i++)
        numbers[i] = i + 100;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool, .max_workers = 2) == 0);
    EXPECT_EQ(asyncio_executor_map(pool, double_it, numbers, sizeof numbers[0],
                                   COUNT),
              0);
    for (int i = 0; i < COUNT; i++)
        EXPECT_EQ(numbers[i], 2 * (i + 100));
    EXPECT_EQ(asyncio_executor_map(pool, double_it, NULL, 0, 0), 0);
    asyncio_executor_shutdown(pool);
}

TEST(first_failure_of_a_map_takes_back_what_has_not_begun)
{
    enum { COUNT = 500 };
    struct asyncio_executor *pool;
    int numbers[COUNT];
    for (int i = 0; i < COUNT; i++)
        numbers[i] = i == 0 ? 13 : i + 100;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool, .max_workers = 1) == 0);
    EXPECT_EQ(asyncio_executor_map(pool, double_it, numbers, sizeof numbers[0],
                                   COUNT),
              -EDOM);
    EXPECT_STR(asyncio_strerror(-EDOM), "13 is unlucky");
    EXPECT_EQ(numbers[COUNT - 1], COUNT - 1 + 100);
    asyncio_executor_shutdown(pool);
}

static int map_gates(void *pool)
{
    bool passed[10] = {false};
    int err =
        asyncio_executor_map(pool, pass_gate, passed, sizeof passed[0], 10);
    EXPECT_LE(atomic_load(&calls), 1);
    return err;
}

TEST(cancelled_map_waits_for_what_runs, .ordered = true)
{
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool, .max_workers = 1) == 0);
    make_gates();
    struct asyncio_task *task = asyncio_create_task(map_gates, pool);
    EXPECT_EQ(asyncio_sleep(0), 0);
    if (!asyncio_task_done(task)) {
        down(&begun);
        asyncio_task_cancel(task);
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT(!asyncio_task_done(task));
        sem_post(&gate);
        EXPECT_EQ(asyncio_await(task), -ECANCELED);
    }
    asyncio_task_release(task);
    asyncio_executor_shutdown(pool);
}
