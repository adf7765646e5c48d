// Thread pools: how many threads, which ones, how a pool ends, and maps.

#include "threads.h"

// --- pools ------------------------------------------------------------------

static atomic_int prepared;
static _Thread_local int prepared_here;

static int prepare(void *arg)
{
    atomic_fetch_add(&prepared, 1);
    prepared_here++;
    return *(int *)arg;
}

static int ask_preparation(void *arg)
{
    (void)arg;
    return prepared_here;
}

TEST(initializer_has_run_once_in_each_thread_before_its_first_job)
{
    CONFORMS("THR-11");
    struct asyncio_executor *pool;
    char items[60] = {0};
    int results[60], fine = 0;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool, .max_workers = 3,
                                                .initializer = prepare,
                                                .initarg = &fine) == 0);
    for (int i = 0; i < 60; i++)
        results[i] = 1;
    EXPECT_EQ(asyncio_executor_map(pool, ask_preparation, items, 1, 60,
                                   .results = results),
              0);
    for (int i = 0; i < 60; i++)
        EXPECT_EQ(results[i], 1);
    asyncio_executor_shutdown(pool);
    EXPECT_LE(atomic_load(&prepared), 3);
}

TEST(pool_whose_initializer_fails_is_broken_for_good)
{
    CONFORMS("THR-12");
    struct asyncio_executor *pool;
    struct asyncio_task *tasks[4];
    int fails = -EIO, results[4];
    make_gates();
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool, .max_workers = 1,
                                                .initializer = prepare,
                                                .initarg = &fails) == 0);
    for (int i = 0; i < 4; i++)
        tasks[i] = asyncio_create_task(count_call, NULL, .executor = pool);
    EXPECT_EQ(
        asyncio_gather(tasks, 4, .results = results, .return_exceptions = true),
        0);
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(results[i], -EOWNERDEAD);
        asyncio_ignore(asyncio_await(tasks[i])); // if gather had no memory
        asyncio_task_release(tasks[i]);
    }
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), -EOWNERDEAD);
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), "initializer");
    EXPECT_EQ(atomic_load(&calls), 0);
    asyncio_executor_shutdown(pool);
}

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

TEST_PLAIN(limits_that_threads_cannot_have_are_refused_with_words)
{
    struct asyncio_executor *pool;
    EXPECT_EQ(asyncio_thread_pool_create(&pool, .timeout = 1), -ENOTSUP);
    EXPECT_CONTAINS(asyncio_strerror(-ENOTSUP), "a pool of processes");
    EXPECT_EQ(asyncio_thread_pool_create(&pool, .cpu_limit = 1), -ENOTSUP);
    EXPECT_EQ(asyncio_thread_pool_create(&pool, .memory_limit = 1), -ENOTSUP);
    EXPECT_EQ(asyncio_thread_pool_create(&pool, .max_jobs = 1), -ENOTSUP);
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
        asyncio_ignore(asyncio_await(tasks[i])); // if gather had no memory
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

TEST(map_hands_every_outcome_out_in_the_order_of_the_items)
{
    CONFORMS("THR-13");
    enum { COUNT = 20 };
    struct asyncio_executor *pool;
    int numbers[COUNT], results[COUNT];
    for (int i = 0; i < COUNT; i++)
        numbers[i] = i, results[i] = -1;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool, .max_workers = 3) == 0);
    EXPECT_EQ(asyncio_executor_map(pool, double_it, numbers, sizeof numbers[0],
                                   COUNT, .results = results,
                                   .return_exceptions = true),
              0);
    for (int i = 0; i < COUNT; i++)
        EXPECT_EQ(results[i], i == 13 ? -EDOM : 2 * i);
    asyncio_executor_shutdown(pool);
}

struct limited {
    struct asyncio_executor *pool;
    bool passed[10];
    int results[10];
    struct asyncio_timeout limit;
};

static int map_within_a_limit(void *arg)
{
    struct limited *limited = arg;
    int err = asyncio_timeout_enter(&limited->limit, 0.01);
    if (err == 0)
        err = asyncio_executor_map(limited->pool, pass_gate, limited->passed,
                                   sizeof limited->passed[0], 10,
                                   .results = limited->results);
    return asyncio_timeout_exit(&limited->limit, err);
}

TEST(map_whose_time_is_up_never_runs_what_has_not_begun, .real_time = true)
{
    CONFORMS("THR-14");
    struct limited limited = {0};
    EXPECT_OR_RETURN(
        asyncio_thread_pool_create(&limited.pool, .max_workers = 1) == 0);
    make_gates();
    for (int i = 0; i < 10; i++)
        limited.results[i] = -1;
    struct asyncio_task *task =
        asyncio_create_task(map_within_a_limit, &limited);
    while (!asyncio_task_done(task) && !asyncio_timeout_expired(&limited.limit))
        EXPECT_EQ(asyncio_sleep(0.001), 0);
    sem_post(&gate); // the first one ran until now
    EXPECT_EQ(asyncio_await(task), -ETIMEDOUT);
    asyncio_task_release(task);
    asyncio_executor_shutdown(limited.pool);
    EXPECT_LE(atomic_load(&calls), 1);
    for (int i = 1; i < 10; i++) {
        EXPECT(!limited.passed[i]);
        EXPECT_EQ(limited.results[i], -1);
    }
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
    if (!asyncio_task_done(task) && down_soon(&begun)) {
        asyncio_task_cancel(task);
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT(!asyncio_task_done(task));
        sem_post(&gate);
        EXPECT_EQ(asyncio_await(task), -ECANCELED);
    }
    asyncio_task_release(task);
    asyncio_executor_shutdown(pool);
}
