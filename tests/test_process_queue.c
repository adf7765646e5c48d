// Jobs that wait for a worker: in which order, how many, and what becomes of
// them when the pool ends.

#include "processes.h"

static struct asyncio_executor *make_bounded(uint32_t max_queued)
{
    struct asyncio_executor *pool;
    if (!share_memory()) return NULL;
    int err = asyncio_process_pool_create(&pool, .max_workers = 1,
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

static int take_turn(void *arg)
{
    (void)arg;
    return atomic_fetch_add(&shared->calls, 1);
}

static int run_ranked(void *arg)
{
    struct ranked *ranked = arg;
    ranked->turn = asyncio_run_in_executor(ranked->pool, take_turn, NULL,
                                           .priority = ranked->priority);
    return 0;
}

TEST(jobs_that_matter_more_run_first_and_equal_ones_in_turn, .ordered = true)
{
    struct asyncio_executor *pool = make_pool(1);
    const int priorities[] = {0, -1, 5, 0, 5, 7};
    const int turns[] = {4, 6, 2, 5, 3, 1}; // after the one at the gate
    struct ranked ranked[6];
    EXPECT_OR_RETURN(pool);
    struct call call = {.pool = pool, .fn = pass_gate};
    struct asyncio_task *running = begin_gate(&call);
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; running && i < 6; i++) {
        ranked[i] = (struct ranked){.pool = pool, .priority = priorities[i]};
        asyncio_task_group_create_task(&group, run_ranked, &ranked[i]);
    }
    EXPECT_EQ(asyncio_sleep(0), 0);
    sem_post(&shared->gate);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    for (int i = 0; running && i < 6; i++)
        EXPECT_EQ(ranked[i].turn, turns[i]);
    if (running) EXPECT_EQ(asyncio_await(running), 0);
    asyncio_task_release(running);
    asyncio_executor_shutdown(pool);
}

// --- a full queue -----------------------------------------------------------

TEST(queue_that_is_full_makes_callers_wait, .ordered = true)
{
    struct asyncio_executor *pool = make_bounded(2);
    struct asyncio_task *tasks[6];
    EXPECT_OR_RETURN(pool);
    struct call call = {.pool = pool, .fn = pass_gate};
    struct call queued = {.pool = pool, .fn = count_call};
    struct asyncio_task *running = begin_gate(&call);
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

    sem_post(&shared->gate);
    EXPECT_EQ(asyncio_await(running), 0);
    EXPECT_EQ(asyncio_await(tasks[1]), 1);
    EXPECT_EQ(asyncio_await(tasks[2]), 2);
    EXPECT_EQ(asyncio_await(tasks[4]), 3);
    EXPECT_EQ(asyncio_await(tasks[5]), 4);
    EXPECT_EQ(look(pool).finished, 5);
    for (int i = 0; i < 6; i++)
        asyncio_task_release(tasks[i]);
    asyncio_task_release(running);
    asyncio_executor_shutdown(pool);
}

TEST(map_goes_through_a_narrow_queue)
{
    enum { JOBS = 50 };
    struct asyncio_executor *pool = make_bounded(1);
    char items[JOBS] = {0};
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_executor_map(pool, count_call, items, 1, JOBS), 0);
    EXPECT_EQ(atomic_load(&shared->calls), JOBS);
    asyncio_executor_shutdown(pool);
}

// --- the end of those that wait ---------------------------------------------

struct ending {
    struct asyncio_executor *pool;
    struct asyncio_task *running, *queued, *waiting;
};

// One job at the gate, one in the queue, one that does not fit.
static bool fill(struct ending *ending)
{
    static struct call first, second, third;
    ending->pool = make_bounded(1);
    if (!ending->pool) return false;
    first = (struct call){.pool = ending->pool, .fn = pass_gate};
    second = third = (struct call){.pool = ending->pool, .fn = count_call};
    ending->running = begin_gate(&first);
    if (!ending->running) {
        asyncio_executor_shutdown(ending->pool);
        return false;
    }
    ending->queued = begin_call(&second);
    ending->waiting = begin_call(&third);
    return true;
}

static void expect_ends(const struct ending *ending, int running, int queued,
                        int waiting)
{
    EXPECT_EQ(asyncio_await(ending->running), running);
    EXPECT_EQ(asyncio_await(ending->queued), queued);
    EXPECT_EQ(asyncio_await(ending->waiting), waiting);
    asyncio_task_release(ending->running);
    asyncio_task_release(ending->queued);
    asyncio_task_release(ending->waiting);
}

static int shut_pending(void *pool)
{
    asyncio_executor_shutdown(pool, .cancel_pending = true);
    return 0;
}

TEST(shutdown_takes_back_what_has_not_begun, .ordered = true)
{
    struct ending ending;
    EXPECT_OR_RETURN(fill(&ending));
    struct asyncio_task *shutter =
        asyncio_create_task(shut_pending, ending.pool);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT(asyncio_task_done(ending.queued) || !asyncio_task_done(shutter));
    sem_post(&shared->gate);
    expect_ends(&ending, 0, -ECANCELED, -ESHUTDOWN);
    EXPECT_EQ(asyncio_await(shutter), 0);
    EXPECT_EQ(atomic_load(&shared->calls), 1);
    asyncio_task_release(shutter);
    asyncio_executor_shutdown(ending.pool); // if the task was not made
}

static int shut_plainly(void *pool)
{
    asyncio_executor_shutdown(pool);
    return 0;
}

TEST(shutdown_lets_in_nobody_who_waits_outside, .ordered = true)
{
    struct ending ending;
    EXPECT_OR_RETURN(fill(&ending));
    struct asyncio_task *shutter =
        asyncio_create_task(shut_plainly, ending.pool);
    EXPECT_EQ(asyncio_sleep(0), 0);
    sem_post(&shared->gate);
    expect_ends(&ending, 0, 1, -ESHUTDOWN);
    EXPECT_EQ(asyncio_await(shutter), 0);
    asyncio_task_release(shutter);
    asyncio_executor_shutdown(ending.pool);
}

// --- without waiting --------------------------------------------------------

TEST(shutdown_without_waiting_lets_jobs_come_to_their_ends, .ordered = true)
{
    struct ending ending;
    EXPECT_OR_RETURN(fill(&ending));
    asyncio_executor_shutdown(ending.pool, .nowait = true);
    EXPECT_EQ(atomic_load(&shared->calls), 0); // and yet it has returned
    EXPECT_EQ(asyncio_run_in_executor(ending.pool, count_call, NULL),
              -ESHUTDOWN);
    asyncio_executor_shutdown(ending.pool); // finds none
    EXPECT_EQ(asyncio_executor_kill(ending.pool), 0);
    EXPECT_EQ(atomic_load(&shared->calls), 0);
    sem_post(&shared->gate);
    expect_ends(&ending, 0, 1, -ESHUTDOWN);
}

TEST(shutdown_without_waiting_can_take_back_what_has_not_begun, .ordered = true)
{
    struct ending ending;
    EXPECT_OR_RETURN(fill(&ending));
    asyncio_executor_shutdown(ending.pool, .nowait = true,
                              .cancel_pending = true);
    EXPECT_EQ(atomic_load(&shared->calls), 0);
    sem_post(&shared->gate);
    expect_ends(&ending, 0, -ECANCELED, -ESHUTDOWN);
    EXPECT_EQ(atomic_load(&shared->calls), 1);
}

// What is left is taken back, and killed, by those who called for it.
TEST(shutdown_without_waiting_survives_cancels_of_all_that_is_left,
     .ordered = true)
{
    struct ending ending;
    EXPECT_OR_RETURN(fill(&ending));
    asyncio_executor_shutdown(ending.pool, .nowait = true);
    asyncio_task_cancel(ending.running);
    asyncio_task_cancel(ending.queued);
    expect_ends(&ending, -ECANCELED, -ECANCELED, -ESHUTDOWN);
    EXPECT(!is_alive(atomic_load(&shared->pid)));
}

// While the loop turns: its end is not needed for that.
TEST(shutdown_without_waiting_ends_the_workers_in_time, .real_time = true)
{
    struct asyncio_executor *pool = make_pool(2);
    EXPECT_OR_RETURN(pool);
    struct call call = {.pool = pool, .fn = pass_gate};
    struct asyncio_task *task = begin_gate(&call);
    asyncio_executor_shutdown(pool, .nowait = true);
    if (task) {
        pid_t worker = atomic_load(&shared->pid);
        sem_post(&shared->gate);
        EXPECT_EQ(asyncio_await(task), 0);
        while (is_alive(worker))
            if (asyncio_sleep(0.001) < 0) break;
    }
    asyncio_task_release(task);
}

static int leave_a_pool(void *arg)
{
    struct asyncio_executor *pool = make_pool(1);
    struct call call = {.pool = pool, .fn = pass_gate, .abandon = true};
    (void)arg;
    if (!pool) return -ENOMEM;
    struct asyncio_task *task = begin_gate(&call);
    asyncio_executor_shutdown(pool, .nowait = true);
    if (!task) return -ENOMEM;
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
    return 0;
}

// Nobody lets it pass the gate: it is killed, and nothing waits for ever.
TEST_PLAIN(loop_that_closes_ends_a_pool_that_nobody_waits_for)
{
    EXPECT_OR_RETURN(asyncio_run(leave_a_pool, NULL) == 0);
    EXPECT(!is_alive(atomic_load(&shared->pid)));
}

TEST(shutdown_without_waiting_ends_a_pool_with_nothing_to_do)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    asyncio_executor_shutdown(pool, .nowait = true);
    pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool, .nowait = true);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), -ESHUTDOWN);
}

static int count_in_map(void *arg)
{
    return count_call(arg) < 0 ? -1 : 0;
}

static int map_a_lot(void *pool)
{
    static char items[300];
    return asyncio_executor_map(pool, count_in_map, items, 1, sizeof items);
}

// It was handed in as a whole.
TEST(map_goes_on_behind_a_shutdown_that_does_not_wait)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    struct asyncio_task *task = asyncio_create_task(map_a_lot, pool);
    EXPECT_EQ(asyncio_sleep(0), 0);
    bool begun = !asyncio_task_done(task);
    asyncio_executor_shutdown(pool, .nowait = true);
    int err = asyncio_await(task);
    if (begun && EXPECT_EQ(err, 0)) EXPECT_EQ(atomic_load(&shared->calls), 300);
    asyncio_task_release(task);
}

static void expect_stopped(int (*stop)(struct asyncio_executor *pool))
{
    struct ending ending;
    EXPECT_OR_RETURN(fill(&ending));
    EXPECT_EQ(stop(ending.pool), 0);
    EXPECT_EQ(asyncio_run_in_executor(ending.pool, count_call, NULL),
              -ESHUTDOWN);
    expect_ends(&ending, -EOWNERDEAD, -ECANCELED, -ECANCELED);
    EXPECT_EQ(asyncio_run_in_executor(ending.pool, count_call, NULL),
              -ESHUTDOWN);
    EXPECT_EQ(stop(ending.pool), 0);
    EXPECT(!is_alive(atomic_load(&shared->pid)));
    EXPECT_EQ(atomic_load(&shared->calls), 0);
    asyncio_executor_shutdown(ending.pool);
    EXPECT_EQ(stop(ending.pool), 0);
}

TEST(workers_that_are_killed_finish_no_job)
{
    CONFORMS("PROC-10");
    expect_stopped(asyncio_executor_kill);
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), "SIGKILL");
}

TEST(workers_that_are_terminated_finish_no_job)
{
    CONFORMS("PROC-10");
    expect_stopped(asyncio_executor_terminate);
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), "SIGTERM");
}

TEST(worker_that_has_just_been_forked_can_be_terminated, .real_time = true)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    struct call call = {.pool = pool, .fn = pass_gate};
    struct asyncio_task *task = begin_call(&call);
    EXPECT_EQ(asyncio_executor_terminate(pool), 0);
    int err = asyncio_await(task); // as it had begun, or not
    EXPECT(err == -EOWNERDEAD || err == -ECANCELED);
    while (look(pool).workers > 0)
        EXPECT_EQ(asyncio_sleep(0.001), 0);
    asyncio_task_release(task);
    asyncio_executor_shutdown(pool);
}

TEST(killing_no_workers_does_nothing)
{
    CONFORMS("PROC-11");
    struct asyncio_executor *pool = make_pool(2);
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_executor_kill(pool), 0);
    EXPECT_EQ(asyncio_executor_terminate(pool), 0);
    EXPECT_EQ(look(pool).workers, 0);
    EXPECT_EQ(look(pool).replaced, 0);
    asyncio_executor_shutdown(pool);
    EXPECT_EQ(asyncio_executor_kill(pool), 0);
    EXPECT_EQ(asyncio_executor_kill(NULL), -ENOTSUP);
}

// --- another thread --------------------------------------------------------

static int misuse_pool(void *arg)
{
    struct asyncio_executor *pool = arg;
    struct asyncio_pool_statistics statistics;
    EXPECT_EQ(asyncio_executor_resize(pool, 2), -EPERM);
    EXPECT_EQ(asyncio_executor_statistics(pool, &statistics), -EPERM);
    EXPECT_EQ(asyncio_executor_terminate(pool), -EPERM);
    EXPECT_EQ(asyncio_executor_kill(pool), -EPERM);
    asyncio_executor_shutdown(pool);
    return 0;
}

TEST(pool_of_processes_is_used_on_its_loops_thread_only)
{
    struct asyncio_executor *pool = make_pool(1);
    struct asyncio_loop *loop = asyncio_get_running_loop();
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_loop_set_debug(loop, true), 0);
    EXPECT_GE(asyncio_run_in_executor(pool, count_call, NULL), 0);
    EXPECT_EQ(asyncio_to_thread(misuse_pool, pool), 0);
    for (int i = 0; i < 5; i++)
        EXPECT_CONTAINS(expect_report(-EPERM), "asyncio_executor_");
    EXPECT_EQ(unexpected_reports(), 0);

    EXPECT_EQ(look(pool).workers, 1);
    EXPECT_GE(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}

// --- no beginning -----------------------------------------------------------

TEST(cancelled_scope_reserves_no_worker)
{
    CONFORMS("PROC-13");
    struct asyncio_executor *pool = make_bounded(1);
    char items[3] = {0};
    EXPECT_OR_RETURN(pool);
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    asyncio_cancel_scope_cancel(&scope);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), -ECANCELED);
    int err = asyncio_executor_map(pool, count_call, items, 1, 3);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT_EQ(look(pool).workers, 0);
    EXPECT_EQ(look(pool).queued, 0);
    EXPECT_EQ(look(pool).waiting, 0);
    EXPECT_EQ(atomic_load(&shared->calls), 0);
    asyncio_executor_shutdown(pool);
}
