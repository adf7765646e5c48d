// Jobs that wait for a thread: in which order, how many, and what becomes of
// them when the pool changes its size or ends.

#include "threads.h"

static struct asyncio_executor *make_pool(int threads, uint32_t max_queued)
{
    struct asyncio_executor *pool;
    make_gates();
    int err = asyncio_thread_pool_create(&pool, .max_workers = threads,
                                         .max_queued = max_queued);
    return EXPECT_EQ(err, 0) ? pool : NULL;
}

static struct asyncio_pool_statistics look(struct asyncio_executor *pool)
{
    struct asyncio_pool_statistics now;
    EXPECT_EQ(asyncio_executor_statistics(pool, &now), 0);
    return now;
}

// --- order ------------------------------------------------------------------

struct ranked {
    struct asyncio_executor *pool;
    int priority;
    int turn; // when it ran
};

static int run_ranked(void *arg)
{
    struct ranked *ranked = arg;
    ranked->turn = asyncio_run_in_executor(ranked->pool, count_call, NULL,
                                           .priority = ranked->priority);
    return 0;
}

TEST(jobs_that_matter_more_run_first_and_equal_ones_in_turn, .ordered = true)
{
    struct asyncio_executor *pool = make_pool(1, 0);
    const int priorities[] = {0, -1, 5, 0, 5, 7};
    const int turns[] = {4, 6, 2, 5, 3, 1}; // after the one at the gate
    struct ranked ranked[6];
    EXPECT_OR_RETURN(pool);
    struct call call = {.pool = pool, .fn = pass_gate};
    struct asyncio_task *running = begin_running(&call);
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; running && i < 6; i++) {
        ranked[i] = (struct ranked){.pool = pool, .priority = priorities[i]};
        asyncio_task_group_create_task(&group, run_ranked, &ranked[i]);
    }
    EXPECT_EQ(asyncio_sleep(0), 0);
    sem_post(&gate);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    for (int i = 0; running && i < 6; i++)
        EXPECT_EQ(ranked[i].turn, turns[i]);
    if (running) EXPECT_EQ(asyncio_await(running), 7);
    asyncio_task_release(running);
    asyncio_executor_shutdown(pool);
}

// --- a full queue -----------------------------------------------------------

TEST(queue_that_is_full_makes_callers_wait, .ordered = true)
{
    struct asyncio_executor *pool = make_pool(1, 2);
    struct asyncio_task *tasks[6];
    EXPECT_OR_RETURN(pool);
    struct call call = {.pool = pool, .fn = pass_gate};
    struct call queued = {.pool = pool, .fn = count_call};
    struct asyncio_task *running = begin_running(&call);
    if (!running) asyncio_executor_shutdown(pool);
    EXPECT_OR_RETURN(running);
    for (int i = 0; i < 6; i++) {
        queued.entered = false;
        tasks[i] = begin_call(&queued);
    }
    EXPECT_EQ(look(pool).queued, 2);
    EXPECT_EQ(look(pool).waiting, 4);
    EXPECT_EQ(look(pool).running, 1);

    asyncio_task_cancel(tasks[3]); // at the door: it was never handed in
    EXPECT_EQ(asyncio_await(tasks[3]), -ECANCELED);
    EXPECT_EQ(look(pool).waiting, 3);
    asyncio_task_cancel(tasks[0]); // in the queue: the next one comes in
    EXPECT_EQ(asyncio_await(tasks[0]), -ECANCELED);
    EXPECT_EQ(look(pool).queued, 2);
    EXPECT_EQ(look(pool).waiting, 2);

    sem_post(&gate);
    EXPECT_EQ(asyncio_await(running), 7);
    EXPECT_EQ(asyncio_await(tasks[1]), 1);
    EXPECT_EQ(asyncio_await(tasks[2]), 2);
    EXPECT_EQ(asyncio_await(tasks[4]), 3);
    EXPECT_EQ(asyncio_await(tasks[5]), 4);
    for (int i = 0; i < 6; i++)
        asyncio_task_release(tasks[i]);
    asyncio_task_release(running);
    asyncio_executor_shutdown(pool);
}

TEST(map_goes_through_a_narrow_queue)
{
    enum { JOBS = 200 };
    struct asyncio_executor *pool = make_pool(3, 1);
    char items[JOBS] = {0};
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_executor_map(pool, count_call, items, 1, JOBS), 0);
    EXPECT_EQ(atomic_load(&calls), JOBS);
    asyncio_executor_shutdown(pool);
}

static int fail_to_prepare(void *arg)
{
    (void)arg;
    down(&gate);
    return -EIO;
}

TEST(pool_that_breaks_turns_away_who_waits_outside)
{
    struct asyncio_executor *pool;
    struct asyncio_task *tasks[4];
    make_gates();
    EXPECT_OR_RETURN(
        asyncio_thread_pool_create(&pool, .max_workers = 1, .max_queued = 1,
                                   .initializer = fail_to_prepare) == 0);
    struct call queued = {.pool = pool, .fn = count_call};
    for (int i = 0; i < 4; i++) {
        queued.entered = false;
        tasks[i] = begin_call(&queued);
    }
    sem_post(&gate);
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(asyncio_await(tasks[i]), -EOWNERDEAD);
        asyncio_task_release(tasks[i]);
    }
    EXPECT_EQ(atomic_load(&calls), 0);
    asyncio_executor_shutdown(pool);
}

// --- the end ----------------------------------------------------------------

static int shut_pending(void *pool)
{
    asyncio_executor_shutdown(pool, .cancel_pending = true);
    return 0;
}

TEST(shutdown_takes_back_what_has_not_begun, .ordered = true)
{
    struct asyncio_executor *pool = make_pool(1, 1);
    EXPECT_OR_RETURN(pool);
    struct call first = {.pool = pool, .fn = pass_gate};
    struct call second = {.pool = pool, .fn = count_call}, third = second;
    struct asyncio_task *running = begin_running(&first);
    if (running) {
        struct asyncio_task *queued = begin_call(&second);
        struct asyncio_task *waiting = begin_call(&third);
        struct asyncio_task *shutter = asyncio_create_task(shut_pending, pool);
        EXPECT_EQ(asyncio_sleep(0), 0);
        sem_post(&gate);
        EXPECT_EQ(asyncio_await(queued), -ECANCELED);
        EXPECT_EQ(asyncio_await(waiting), -ESHUTDOWN);
        EXPECT_EQ(asyncio_await(running), 7);
        EXPECT_EQ(asyncio_await(shutter), 0);
        EXPECT_EQ(atomic_load(&calls), 1);
        asyncio_task_release(queued);
        asyncio_task_release(waiting);
        asyncio_task_release(shutter);
    }
    asyncio_task_release(running);
    asyncio_executor_shutdown(pool);
}

TEST(shutdown_leaves_a_loop_that_closes_with_jobs_outside_whole)
{
    struct asyncio_executor *pool = make_pool(1, 1);
    EXPECT_OR_RETURN(pool);
    struct call calls_[3];
    struct asyncio_task *tasks[3];
    for (int i = 0; i < 3; i++) {
        calls_[i] = (struct call){.pool = pool, .fn = count_call};
        tasks[i] = begin_call(&calls_[i]);
    }
    asyncio_executor_shutdown(pool);
    for (int i = 0; i < 3; i++) {
        asyncio_ignore(asyncio_await(tasks[i]));
        asyncio_task_release(tasks[i]);
    }
    EXPECT_LE(atomic_load(&calls), 3);
}

// --- the end, without waiting ------------------------------------------------

// like Executor.shutdown(wait=False): test_hang_issue39205,
// test_shutdown_no_wait
TEST(shutdown_without_waiting_lets_jobs_come_to_their_ends, .ordered = true)
{
    struct asyncio_executor *pool = make_pool(1, 1);
    EXPECT_OR_RETURN(pool);
    struct call first = {.pool = pool, .fn = pass_gate};
    struct call second = {.pool = pool, .fn = count_call}, third = second;
    struct asyncio_task *running = begin_running(&first);
    if (running) {
        struct asyncio_task *queued = begin_call(&second);
        struct asyncio_task *waiting = begin_call(&third);
        asyncio_executor_shutdown(pool, .nowait = true);
        EXPECT_EQ(atomic_load(&calls), 0); // and yet it has returned
        EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), -ESHUTDOWN);
        asyncio_executor_shutdown(pool); // finds none
        EXPECT_EQ(atomic_load(&calls), 0);
        sem_post(&gate);
        EXPECT_EQ(asyncio_await(waiting), -ESHUTDOWN);
        EXPECT_EQ(asyncio_await(running), 7);
        EXPECT_EQ(asyncio_await(queued), 1);
        asyncio_task_release(queued);
        asyncio_task_release(waiting);
    }
    asyncio_task_release(running);
    asyncio_executor_shutdown(pool);
}

TEST(shutdown_without_waiting_can_take_back_what_has_not_begun, .ordered = true)
{
    struct asyncio_executor *pool = make_pool(1, 0);
    EXPECT_OR_RETURN(pool);
    struct call first = {.pool = pool, .fn = pass_gate};
    struct call second = {.pool = pool, .fn = count_call};
    struct asyncio_task *running = begin_running(&first);
    if (running) {
        struct asyncio_task *queued = begin_call(&second);
        asyncio_executor_shutdown(pool, .nowait = true, .cancel_pending = true);
        EXPECT_EQ(asyncio_await(queued), -ECANCELED);
        sem_post(&gate);
        EXPECT_EQ(asyncio_await(running), 7);
        EXPECT_EQ(atomic_load(&calls), 1);
        asyncio_task_release(queued);
    }
    asyncio_task_release(running);
    asyncio_executor_shutdown(pool);
}

TEST(shutdown_without_waiting_ends_a_pool_with_nothing_to_do)
{
    struct asyncio_executor *pool = make_pool(2, 0);
    EXPECT_OR_RETURN(pool);
    asyncio_executor_shutdown(pool, .nowait = true);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), -ESHUTDOWN);
    pool = make_pool(2, 0);
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool, .nowait = true);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), -ESHUTDOWN);
}

// What was queued goes back with its caller, who is gone.
TEST(shutdown_without_waiting_survives_cancels_of_all_that_is_left,
     .ordered = true)
{
    struct asyncio_executor *pool = make_pool(1, 0);
    EXPECT_OR_RETURN(pool);
    struct call first = {.pool = pool, .fn = pass_gate, .abandon = true};
    struct call second = {.pool = pool, .fn = count_call};
    struct asyncio_task *running = begin_running(&first);
    if (running) {
        struct asyncio_task *queued = begin_call(&second);
        asyncio_executor_shutdown(pool, .nowait = true);
        asyncio_task_cancel(queued);
        asyncio_task_cancel(running);
        EXPECT_EQ(asyncio_await(queued), -ECANCELED);
        EXPECT_EQ(asyncio_await(running), -ECANCELED);
        sem_post(&gate); // nobody waits for it but the loop's end
        asyncio_task_release(queued);
    }
    asyncio_task_release(running);
    asyncio_executor_shutdown(pool);
}

static int leave_a_pool(void *arg)
{
    struct asyncio_executor *pool;
    struct call call = {.fn = pass_gate, .abandon = true};
    (void)arg;
    int err = asyncio_thread_pool_create(&pool, .max_workers = 1);
    if (err < 0) return err;
    call.pool = pool;
    struct asyncio_task *task = begin_running(&call);
    asyncio_executor_shutdown(pool, .nowait = true);
    if (!task) return -ENOMEM;
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
    sem_post(&gate);
    return 0;
}

TEST_PLAIN(loop_that_closes_waits_for_a_pool_that_nobody_waits_for)
{
    make_gates();
    if (EXPECT_EQ(asyncio_run(leave_a_pool, NULL), 0))
        EXPECT_EQ(atomic_load(&calls), 1);
}

TEST_PLAIN(shutdown_without_waiting_waits_where_there_is_no_loop)
{
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(asyncio_thread_pool_create(&pool) == 0);
    asyncio_executor_shutdown(pool, .nowait = true);
    asyncio_executor_shutdown(pool, .nowait = true);
}

// --- another size, numbers, refusals ----------------------------------------

TEST(pool_that_grows_runs_what_waits_at_once)
{
    struct asyncio_executor *pool = make_pool(1, 0);
    EXPECT_OR_RETURN(pool);
    struct call calls_[3];
    struct asyncio_task *tasks[3];
    for (int i = 0; i < 3; i++) {
        calls_[i] = (struct call){.pool = pool, .fn = pass_gate};
        tasks[i] = begin_call(&calls_[i]);
    }
    EXPECT_EQ(asyncio_executor_resize(pool, 0), -EINVAL);
    EXPECT_EQ(asyncio_executor_resize(pool, 3), 0);
    for (int i = 0; i < 3; i++)
        if (!asyncio_task_done(tasks[i])) EXPECT(down_soon(&begun));
    EXPECT_LE(look(pool).running, 3);
    for (int i = 0; i < 3; i++)
        sem_post(&gate);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(asyncio_await(tasks[i]), 7);
        asyncio_task_release(tasks[i]);
    }
    EXPECT_EQ(asyncio_executor_resize(pool, 1), 0);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 3);
    EXPECT_EQ(look(pool).finished, 4);
    EXPECT_EQ(look(pool).failed, 0);
    asyncio_executor_shutdown(pool);
}

TEST(threads_cannot_be_stopped)
{
    struct asyncio_executor *pool = make_pool(1, 0);
    struct asyncio_pool_statistics now;
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_executor_terminate(pool), -ENOTSUP);
    EXPECT_EQ(asyncio_executor_kill(pool), -ENOTSUP);
    EXPECT_EQ(asyncio_executor_kill(NULL), -ENOTSUP);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL, .timeout = 1),
              -ENOTSUP);
    EXPECT_EQ(asyncio_to_thread(count_call, NULL), 0);
    EXPECT_EQ(asyncio_executor_statistics(NULL, &now), 0);
    EXPECT_EQ(now.finished, 1);
    asyncio_executor_shutdown(pool);
    EXPECT_EQ(asyncio_executor_statistics(pool, &now), -ESHUTDOWN);
}
