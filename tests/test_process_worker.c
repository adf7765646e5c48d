// Workers of the process pool that die, by themselves or because somebody wants
// it: one job fails, with words, and everything else goes on.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "exec/mailbox.h"
#include "processes.h"

static int abort_at_once(void *arg)
{
    (void)arg;
    abort();
}

static int write_to_nowhere(void *arg)
{
    (void)arg;
    *(volatile int *)((uintptr_t)getpid() * 8) = 1;
    return 0;
}

static int exit_with_99(void *arg)
{
    (void)arg;
    _exit(99);
}

ASYNCIO_JOB(abort_at_once)
ASYNCIO_JOB(exit_with_99)

// --- death ------------------------------------------------------------------

static void expect_death(int (*fn)(void *arg), const char *how,
                         const char *name)
{
    struct asyncio_executor *pool = make_pool(1);
    pid_t before = 0, after = 0;
    char pid[32];
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, report_pid, &before,
                                      .size = sizeof before),
              0);
    EXPECT_EQ(asyncio_run_in_executor(pool, fn, NULL), -EOWNERDEAD);
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), how);
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), name);
    snprintf(pid, sizeof pid, " %d:", (int)before);
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), pid);

    EXPECT_EQ(
        asyncio_run_in_executor(pool, report_pid, &after, .size = sizeof after),
        0);
    EXPECT_NE(after, before);
    asyncio_executor_shutdown(pool);
}

TEST(job_that_aborts_fails_alone)
{
    CONFORMS("PROC-03");
    expect_death(abort_at_once, "signal 6 (SIGABRT)", "abort_at_once");
}

TEST(job_that_writes_to_nowhere_fails_alone)
{
    expect_death(write_to_nowhere, "signal 11 (SIGSEGV)",
                 "test_process_worker");
}

TEST(job_that_exits_fails_with_the_status)
{
    CONFORMS("PROC-04");
    expect_death(exit_with_99, "exit status 99", "exit_with_99");
}

TEST(worker_killed_in_the_middle_fails_one_job_and_is_replaced)
{
    struct asyncio_executor *pool = make_pool(2);
    EXPECT_OR_RETURN(pool);
    struct call call = {.pool = pool, .fn = pass_gate};
    struct call other = {.pool = pool, .fn = pass_gate};
    struct asyncio_task *killed = begin_gate(&call);
    pid_t victim = atomic_load(&shared->pid);
    if (killed) {
        struct asyncio_task *survivor = begin_call(&other);
        EXPECT_EQ(kill(victim, SIGKILL), 0);
        EXPECT_EQ(asyncio_await(killed), -EOWNERDEAD);
        EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), "signal 9 (SIGKILL)");
        sem_post(&shared->gate);
        EXPECT_EQ(asyncio_await(survivor), 0);
        EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 1);
        asyncio_task_release(survivor);
    }
    asyncio_task_release(killed);
    asyncio_executor_shutdown(pool);
}

// Answers for its worker what no worker would, and dies before it is corrected.
static int lie(void *arg)
{
    struct asyncio__mailbox *box =
        (struct asyncio__mailbox *)(void *)((char *)arg -
                                            offsetof(struct asyncio__mailbox,
                                                     bytes));
    for (uint32_t i = 0; i < ASYNCIO__MAILBOX_SLOTS; i++) {
        memset(box->words[i].text, 'x', sizeof box->words[i].text);
        memset(box->words[i].task, 'y', sizeof box->words[i].task);
        box->words[i].site = 1;
        box->slots[i].size = box->slots[i].offset = UINT64_MAX;
        box->slots[i].fn = 1;
        box->slots[i].result = -EPROTO;
        atomic_store(&box->slots[i].state,
                     asyncio__slot_state(i, ASYNCIO__SLOT_ANSWERED));
    }
    atomic_store(&box->listening, 0); // no bell
    kill(getpid(), SIGKILL);
    pause();
    return 0;
}

TEST(worker_that_lies_harms_only_its_own_job)
{
    struct asyncio_executor *pool = make_pool(1);
    struct asyncio__mailbox *box = NULL;
    char number = 1;
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, lie, &number, .size = 1), -EPROTO);
    EXPECT_LT(strlen(asyncio_strerror(-EPROTO)), sizeof box->words->text);
    EXPECT_EQ(number, 1);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}

static int kill_self(void *arg)
{
    if (*(int *)arg % 10 != 3) return 0;
    kill(getpid(), SIGKILL);
    pause();
    return 0;
}

TEST(crashes_among_many_jobs_fail_only_their_own)
{
    enum { JOBS = 40 };
    struct asyncio_executor *pool = make_pool(2);
    struct asyncio_task *tasks[JOBS];
    int numbers[JOBS], results[JOBS];
    EXPECT_OR_RETURN(pool);
    for (int i = 0; i < JOBS; i++) {
        numbers[i] = i;
        tasks[i] = asyncio_create_task(kill_self, &numbers[i], .executor = pool,
                                       .size = sizeof numbers[i]);
    }
    EXPECT_EQ(asyncio_gather(tasks, JOBS, .results = results,
                             .return_exceptions = true),
              0);
    for (int i = 0; i < JOBS; i++) {
        EXPECT_EQ(results[i], i % 10 == 3 ? -EOWNERDEAD : 0);
        asyncio_ignore(asyncio_await(tasks[i])); // if gather had no memory
        asyncio_task_release(tasks[i]);
    }
    asyncio_executor_shutdown(pool);
}

static int die_with_a_large_argument(void *arg)
{
    (void)arg;
    kill(getpid(), SIGKILL);
    pause();
    return 0;
}

TEST(worker_that_dies_with_large_arguments_blocks_nobody)
{
    CONFORMS("PROC-06");
    enum { SIZE = 1024 * 1024, JOBS = 4 };
    struct asyncio_executor *pool = make_pool(2);
    struct asyncio_task *tasks[JOBS];
    EXPECT_OR_RETURN(pool);
    char *large = calloc(1, SIZE);
    for (int i = 0; i < JOBS; i++)
        tasks[i] = asyncio_create_task(die_with_a_large_argument, large,
                                       .executor = pool, .size = SIZE);
    for (int i = 0; i < JOBS; i++) {
        EXPECT_EQ(asyncio_await(tasks[i]), -EOWNERDEAD);
        asyncio_task_release(tasks[i]);
    }
    asyncio_executor_shutdown(pool);
    free(large);
}

TEST(pool_without_its_foreman_fails_every_job)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    struct call call = {.pool = pool, .fn = pass_gate};
    struct call queued = {.pool = pool, .fn = count_call};
    struct asyncio_task *first = begin_gate(&call);
    if (first) {
        struct asyncio_task *second = begin_call(&queued);
        EXPECT_EQ(kill(atomic_load(&shared->foreman), SIGKILL), 0);
        EXPECT_EQ(asyncio_await(first), -EOWNERDEAD);
        EXPECT_EQ(asyncio_await(second), -EOWNERDEAD);
        EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), -EOWNERDEAD);
        EXPECT_EQ(atomic_load(&shared->calls), 0);
        asyncio_task_release(second);
    }
    asyncio_task_release(first);
    asyncio_executor_shutdown(pool);
}

// --- cancelling, limits -----------------------------------------------------

TEST(cancel_kills_the_worker_and_the_next_job_has_a_new_one)
{
    CONFORMS("PROC-12");
    struct asyncio_executor *pool = make_pool(1);
    pid_t next = 0;
    EXPECT_OR_RETURN(pool);
    struct call call = {.pool = pool, .fn = pass_gate};
    struct asyncio_task *task = begin_gate(&call);
    if (task) {
        pid_t victim = atomic_load(&shared->pid);
        asyncio_task_cancel(task);
        EXPECT_EQ(asyncio_await(task), -ECANCELED);
        EXPECT(!is_alive(victim));
        EXPECT_EQ(asyncio_run_in_executor(pool, report_pid, &next,
                                          .size = sizeof next),
                  0);
        EXPECT_NE(next, victim);
    }
    asyncio_task_release(task);
    asyncio_executor_shutdown(pool);
    EXPECT_EQ(atomic_load(&shared->calls), 0);
}

TEST(cancelled_scope_kills_the_worker)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    struct call call = {.pool = pool, .fn = pass_gate};
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    ASYNCIO_WITH_TASK_GROUP(group);
    struct asyncio_task *child;
    asyncio_task_group_create_task(&group, make_call, &call, .task = &child);
    while (!call.entered && !asyncio_task_done(child))
        asyncio_ignore(asyncio_sleep(0));
    bool begun = down_meanwhile(&shared->begun, child);
    pid_t victim = atomic_load(&shared->pid);
    asyncio_cancel_scope_cancel(&scope);
    int err = asyncio_task_group_exit(&group, 0);
    EXPECT_EQ(err, -ECANCELED);
    if (EXPECT(begun)) EXPECT(!is_alive(victim));
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    asyncio_executor_shutdown(pool);
    EXPECT_EQ(atomic_load(&shared->calls), 0);
}

TEST(abandoned_job_runs_on)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    struct call call = {.pool = pool, .fn = pass_gate, .abandon = true};
    struct asyncio_task *task = begin_gate(&call);
    if (task) {
        asyncio_task_cancel(task);
        EXPECT_EQ(asyncio_await(task), -ECANCELED);
        sem_post(&shared->gate);
        EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 1);
    }
    asyncio_task_release(task);
    asyncio_executor_shutdown(pool);
}

TEST(queued_job_that_is_cancelled_never_runs)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    struct call first = {.pool = pool, .fn = pass_gate};
    struct call second = {.pool = pool, .fn = count_call};
    struct asyncio_task *running = begin_gate(&first);
    if (running) {
        struct asyncio_task *queued = begin_call(&second);
        asyncio_task_cancel(queued);
        EXPECT_EQ(asyncio_await(queued), -ECANCELED);
        sem_post(&shared->gate);
        EXPECT_EQ(asyncio_await(running), 0);
        asyncio_task_release(queued);
    }
    asyncio_task_release(running);
    asyncio_executor_shutdown(pool);
    EXPECT_LE(atomic_load(&shared->calls), 1);
}

static int ask_in_a_limit_that_is_up(void *pool)
{
    ASYNCIO_WITH_TIMEOUT(limit, -1);
    asyncio_ignore(asyncio_sleep(0)); // the request is delivered here,
    asyncio_task_cancel(asyncio_current_task()); // and this one is not
    int err = asyncio_run_in_executor(pool, count_call, NULL);
    return asyncio_timeout_exit(&limit, err);
}

TEST(cancelled_scope_starts_no_worker)
{
    CONFORMS("PROC-13");
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    struct asyncio_task *task =
        asyncio_create_task(ask_in_a_limit_that_is_up, pool);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_release(task);
    asyncio_executor_shutdown(pool);
    EXPECT_EQ(atomic_load(&shared->calls), 0);
}

static int run_for_ever(void *arg)
{
    (void)arg;
    for (volatile unsigned i = 0;; i++)
        continue;
    return 0;
}
ASYNCIO_JOB(run_for_ever)

TEST(job_that_takes_too_long_is_killed, .real_time = true)
{
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(share_memory());
    int err =
        asyncio_process_pool_create(&pool, .max_workers = 1, .timeout = 0.02);
    EXPECT_OR_RETURN(err == 0);
    EXPECT_EQ(asyncio_run_in_executor(pool, run_for_ever, NULL), -ETIMEDOUT);
    EXPECT_CONTAINS(asyncio_strerror(-ETIMEDOUT),
                    "run_for_ever took longer than 0.02 s");
    asyncio_executor_shutdown(pool);
}

TEST(limit_on_the_call_kills_what_computes, .real_time = true)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    int err = asyncio_wait_for(
        asyncio_run_in_executor(pool, run_for_ever, NULL), 0.02);
    EXPECT_EQ(err, -ETIMEDOUT);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}

TEST_PLAIN(limits_that_are_none_are_refused)
{
    struct asyncio_executor *pool;
    EXPECT_EQ(asyncio_process_pool_create(&pool, .max_workers = -1), -EINVAL);
    EXPECT_EQ(asyncio_process_pool_create(&pool, .timeout = -1), -EINVAL);
    EXPECT_EQ(asyncio_process_pool_create(&pool, .timeout = __builtin_nan("")),
              -EINVAL);
}
