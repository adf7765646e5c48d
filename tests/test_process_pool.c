// The process pool: jobs on copies, workers that die, limits that kill, and an
// end that leaves nothing behind.
//
// Jobs and tests talk through memory that both had before the launcher was
// forked: what a job does is known by semaphores there.

#include <asyncio/executor.h>

#include <limits.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/runner.h"

static struct shared {
    sem_t begun, gate;
    atomic_int pid;     // of the worker that runs
    atomic_int foreman; // its parent
    atomic_int calls;
} * shared;

// Before the pool: only what is mapped then is in its workers.
static bool share_memory(void)
{
    void *memory = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!EXPECT(memory != MAP_FAILED)) return false;
    shared = memory;
    sem_init(&shared->begun, 1, 0);
    sem_init(&shared->gate, 1, 0);
    return true;
}

static struct asyncio_executor *make_pool(int workers)
{
    struct asyncio_executor *pool;
    if (!share_memory()) return NULL;
    int err = asyncio_process_pool_create(&pool, .max_workers = workers);
    return EXPECT_EQ(err, 0) ? pool : NULL;
}

static void down(sem_t *semaphore)
{
    while (sem_wait(semaphore) < 0)
        continue;
}

// --- jobs -------------------------------------------------------------------

static int report_pid(void *arg)
{
    *(pid_t *)arg = getpid();
    return 0;
}

struct numbers {
    int from, to;
};

static int double_it(void *arg)
{
    struct numbers *numbers = arg;
    if (numbers->from == 13) return asyncio_raise(-EDOM, "13 is unlucky");
    numbers->to = 2 * numbers->from;
    return 1;
}

static int fail_with_words(void *arg)
{
    (void)arg;
    return asyncio_raise(-EPROTO, "process %d is unhappy", (int)getpid());
}

// Says who it is and stays until it may go on.
static int pass_gate(void *arg)
{
    (void)arg;
    atomic_store(&shared->pid, getpid());
    atomic_store(&shared->foreman, getppid());
    sem_post(&shared->begun);
    down(&shared->gate);
    return atomic_fetch_add(&shared->calls, 1);
}

static int count_call(void *arg)
{
    (void)arg;
    return atomic_fetch_add(&shared->calls, 1);
}

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

ASYNCIO_JOB(pass_gate)
ASYNCIO_JOB(abort_at_once)
ASYNCIO_JOB(exit_with_99)

// --- tasks that wait for a job ----------------------------------------------

struct call {
    struct asyncio_executor *pool;
    int (*fn)(void *arg);
    bool abandon;
    bool entered;
};

static int make_call(void *arg)
{
    struct call *call = arg;
    call->entered = true;
    return asyncio_run_in_executor(call->pool, call->fn, NULL,
                                   .abandon = call->abandon);
}

// A task whose job is with a worker or in the queue, or that has failed.
static struct asyncio_task *begin_call(struct call *call)
{
    struct asyncio_task *task = asyncio_create_task(make_call, call);
    while (!call->entered && !asyncio_task_done(task))
        asyncio_ignore(asyncio_sleep(0));
    return task;
}

// One that is in the middle of pass_gate. NULL if that failed.
static struct asyncio_task *begin_gate(struct call *call)
{
    struct asyncio_task *task = begin_call(call);
    if (!asyncio_task_done(task)) {
        down(&shared->begun);
        return task;
    }
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
    return NULL;
}

static bool is_alive(pid_t pid)
{
    return kill(pid, 0) == 0;
}

// --- values, errors, words --------------------------------------------------

TEST(job_runs_in_another_process_and_the_next_one_in_the_same)
{
    CONFORMS("PROC-01");
    struct asyncio_executor *pool = make_pool(2);
    pid_t first = 0, second = 0;
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(
        asyncio_run_in_executor(pool, report_pid, &first, .size = sizeof first),
        0);
    EXPECT_EQ(asyncio_run_in_executor(pool, report_pid, &second,
                                      .size = sizeof second),
              0);
    EXPECT_NE(first, getpid());
    EXPECT_NE(first, 0);
    EXPECT_EQ(second, first);
    asyncio_executor_shutdown(pool);
}

TEST(code_and_words_of_a_job_arrive_and_the_worker_stays)
{
    CONFORMS("PROC-02");
    struct asyncio_executor *pool = make_pool(1);
    pid_t worker = 0;
    char words[64];
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, report_pid, &worker,
                                      .size = sizeof worker),
              0);
    snprintf(words, sizeof words, "process %d is unhappy", (int)worker);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(asyncio_run_in_executor(pool, fail_with_words, NULL),
                  -EPROTO);
        EXPECT_STR(asyncio_strerror(-EPROTO), words);
        EXPECT_CONTAINS(asyncio_last_error()->site, "test_process_pool.c");
    }
    asyncio_executor_shutdown(pool);
}

TEST(struct_goes_there_and_comes_back)
{
    struct asyncio_executor *pool = make_pool(1);
    struct numbers numbers = {.from = 21};
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, double_it, &numbers,
                                      .size = sizeof numbers),
              1);
    EXPECT_EQ(numbers.to, 42);

    struct asyncio_task *task = asyncio_create_task(
        double_it, &numbers, .executor = pool, .size = sizeof numbers);
    numbers.from = 4;
    EXPECT_EQ(asyncio_await(task), 1);
    EXPECT_EQ(numbers.to, 8);
    asyncio_task_release(task);
    asyncio_executor_shutdown(pool);
}

TEST(arguments_that_mean_nothing_to_a_process_are_refused_with_words)
{
    struct asyncio_executor *pool = make_pool(1);
    struct numbers numbers = {0};
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, double_it, &numbers), -EINVAL);
    EXPECT_CONTAINS(asyncio_strerror(-EINVAL), ".size");
    EXPECT_EQ(asyncio_run_in_executor(pool, double_it, NULL, .size = 8),
              -EINVAL);
    EXPECT_EQ(asyncio_run_in_executor(pool, double_it, &numbers,
                                      .size = SIZE_MAX / 2),
              -E2BIG);
    EXPECT_CONTAINS(asyncio_strerror(-E2BIG), "too large");
    asyncio_executor_shutdown(pool);
}

// Code that no object holds, as that of a library loaded later.
TEST(function_that_the_workers_do_not_have_is_refused_with_words)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    int (*nowhere)(void *arg) = (int (*)(void *))(uintptr_t)pool;
    EXPECT_EQ(asyncio_run_in_executor(pool, nowhere, NULL), -EINVAL);
    EXPECT_CONTAINS(asyncio_strerror(-EINVAL), "loaded after");
    asyncio_executor_shutdown(pool);
}

static int print_a_line(void *arg)
{
    (void)arg;
    printf("printed by a job\n");
    return 0;
}

static int print_to_a_pipe(void *pool)
{
    printf("printed before\n");
    fflush(stdout); // as a terminal would
    EXPECT_EQ(asyncio_run_in_executor(pool, print_a_line, NULL), 0);
    printf("printed after\n");
    return 0;
}

// The launcher is forked with the first line still in a buffer.
static int make_pool_and_print(void *arg)
{
    struct asyncio_executor *pool;
    (void)arg;
    printf("first line\n");
    int err = asyncio_process_pool_create(&pool, .max_workers = 1);
    if (err < 0) return err;
    err = print_to_a_pipe(pool);
    fflush(stdout);
    asyncio_executor_shutdown(pool);
    return err;
}

TEST_PLAIN(what_a_job_prints_is_shown_once_and_in_time)
{
    char text[256] = "";
    int saved = dup(STDOUT_FILENO);
    FILE *file = tmpfile();
    EXPECT_OR_RETURN(file && saved >= 0);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);

    int err = asyncio_run(make_pool_and_print, NULL);

    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    EXPECT_EQ(err, 0);
    EXPECT_STR(text, "first line\nprinted before\nprinted by a job\n"
                     "printed after\n");
}

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
    expect_death(write_to_nowhere, "signal 11 (SIGSEGV)", "test_process_pool");
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
    struct asyncio_task *survivor = killed ? begin_gate(&other) : NULL;
    if (survivor) {
        EXPECT_EQ(kill(victim, SIGKILL), 0);
        EXPECT_EQ(asyncio_await(killed), -EOWNERDEAD);
        EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), "signal 9 (SIGKILL)");
        EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
        sem_post(&shared->gate);
        EXPECT_EQ(asyncio_await(survivor), 1);
    }
    asyncio_task_release(killed);
    asyncio_task_release(survivor);
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

// --- many -------------------------------------------------------------------

TEST(two_hundred_jobs_run_on_two_workers)
{
    enum { JOBS = 200 };
    struct asyncio_executor *pool = make_pool(2);
    struct numbers numbers[JOBS];
    EXPECT_OR_RETURN(pool);
    for (int i = 0; i < JOBS; i++)
        numbers[i] = (struct numbers){.from = i + 100};
    EXPECT_EQ(
        asyncio_executor_map(pool, double_it, numbers, sizeof numbers[0], JOBS),
        0);
    for (int i = 0; i < JOBS; i++)
        EXPECT_EQ(numbers[i].to, 2 * (i + 100));
    asyncio_executor_shutdown(pool);
}

TEST(first_failure_of_a_map_is_what_it_returns)
{
    enum { JOBS = 200 };
    struct asyncio_executor *pool = make_pool(1);
    struct numbers numbers[JOBS];
    EXPECT_OR_RETURN(pool);
    for (int i = 0; i < JOBS; i++)
        numbers[i] = (struct numbers){.from = i == 2 ? 13 : i + 100};
    EXPECT_EQ(
        asyncio_executor_map(pool, double_it, numbers, sizeof numbers[0], JOBS),
        -EDOM);
    EXPECT_STR(asyncio_strerror(-EDOM), "13 is unlucky");
    EXPECT_EQ(numbers[1].to, 202);
    EXPECT_EQ(numbers[JOBS - 1].to, 0);
    asyncio_executor_shutdown(pool);
}

// Leaves the foreman's socket room for very few orders.
static void narrow_sockets(void)
{
    int smallest = 1;
    for (int fd = 3; fd < 256; fd++)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest);
}

TEST(orders_that_find_the_socket_full_are_sent_later)
{
    CONFORMS("PROC-14");
    enum { JOBS = 100 };
    struct asyncio_executor *pool = make_pool(30);
    struct asyncio_task *tasks[JOBS];
    EXPECT_OR_RETURN(pool);
    struct call call = {.pool = pool, .fn = pass_gate};
    struct asyncio_task *first = begin_gate(&call);
    if (first) {
        narrow_sockets();
        kill(atomic_load(&shared->foreman), SIGSTOP);
        for (int i = 0; i < JOBS; i++)
            tasks[i] = asyncio_create_task(count_call, NULL, .executor = pool);
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT_EQ(asyncio_sleep(0), 0);
        kill(atomic_load(&shared->foreman), SIGCONT);
        for (int i = 0; i < JOBS; i++) {
            EXPECT_GE(asyncio_await(tasks[i]), 0);
            asyncio_task_release(tasks[i]);
        }
        sem_post(&shared->gate);
        EXPECT_EQ(asyncio_await(first), JOBS);
    }
    asyncio_task_release(first);
    asyncio_executor_shutdown(pool);
}

// --- beginning and end ------------------------------------------------------

static int shut_pool(void *pool)
{
    asyncio_executor_shutdown(pool);
    trace("shut");
    return 0;
}

TEST(shutdown_waits_for_jobs_and_ends_the_workers, .ordered = true)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    struct call first = {.pool = pool, .fn = pass_gate};
    struct call second = {.pool = pool, .fn = count_call};
    struct asyncio_task *running = begin_gate(&first);
    pid_t worker = atomic_load(&shared->pid);
    if (running) {
        struct asyncio_task *queued = begin_call(&second);
        struct asyncio_task *shutter = asyncio_create_task(shut_pool, pool);
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), -ESHUTDOWN);
        EXPECT_TRACE();
        sem_post(&shared->gate);
        EXPECT_EQ(asyncio_await(running), 0);
        EXPECT_EQ(asyncio_await(queued), 1);
        EXPECT_EQ(asyncio_await(shutter), 0);
        EXPECT_TRACE("shut");
        EXPECT(!is_alive(worker));
        asyncio_task_release(queued);
        asyncio_task_release(shutter);
    }
    asyncio_task_release(running);
    asyncio_executor_shutdown(pool); // a second time, unless a spawn failed
}

static int leave_a_job_behind(void *pool)
{
    struct call call = {.pool = pool, .fn = pass_gate, .abandon = true};
    struct asyncio_task *task = begin_gate(&call);
    if (task) {
        asyncio_task_cancel(task);
        EXPECT_EQ(asyncio_await(task), -ECANCELED);
    }
    asyncio_task_release(task);
    return 0;
}

static int run_one(void *pool)
{
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    return 0;
}

TEST_PLAIN(pool_goes_from_loop_to_loop_and_its_jobs_do_not)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    asyncio_ignore(asyncio_run(leave_a_job_behind, pool));
    if (atomic_load(&shared->pid)) EXPECT(!is_alive(atomic_load(&shared->pid)));
    asyncio_ignore(asyncio_run(run_one, pool));
    asyncio_executor_shutdown(pool);
    EXPECT_LE(atomic_load(&shared->calls), 1);
}

TEST_PLAIN(pool_that_was_never_used_ends_without_a_loop)
{
    struct asyncio_executor *pool = make_pool(3);
    asyncio_executor_shutdown(pool);
}

static int sleep_in_thread(void *arg)
{
    (void)arg;
    return 0;
}

static int make_pool_too_late(void *arg)
{
    struct asyncio_executor *pool;
    int *err = arg;
    int thread = asyncio_to_thread(sleep_in_thread, NULL);
    *err = asyncio_process_pool_create(&pool);
    if (*err == 0) asyncio_executor_shutdown(pool);
    if (thread == 0)
        EXPECT_CONTAINS(asyncio_strerror(-EBUSY), ".processes = true");
    return 0;
}

TEST_PLAIN(pool_that_comes_after_threads_says_what_to_do)
{
    int err = 0;
    asyncio_ignore(asyncio_run(make_pool_too_late, &err));
    EXPECT_EQ(err, -EBUSY);
}

static int make_pool_after_threads(void *arg)
{
    struct asyncio_executor *pool;
    (void)arg;
    EXPECT_EQ(asyncio_to_thread(sleep_in_thread, NULL), 0);
    int err = asyncio_process_pool_create(&pool, .max_workers = 1);
    if (!EXPECT_EQ(err, 0)) return err;
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
    return 0;
}

TEST_PLAIN(run_with_processes_forks_before_there_are_threads)
{
    EXPECT_OR_RETURN(share_memory());
    asyncio_ignore(
        asyncio_run(make_pool_after_threads, NULL, .processes = true));
}

static int die_in_the_middle(void *pool)
{
    struct call call = {.pool = pool, .fn = pass_gate};
    struct asyncio_task *task = begin_gate(&call);
    kill(getpid(), SIGKILL);
    asyncio_task_release(task);
    return 0;
}

// The runner waits for every process that a test leaves, and complains of those
// that do not end.
TEST_PLAIN(workers_end_with_a_parent_that_is_killed)
{
    EXPECT_OR_RETURN(share_memory());
    pid_t parent = fork();
    if (parent == 0) {
        struct asyncio_executor *pool;
        if (asyncio_process_pool_create(&pool, .max_workers = 1) == 0)
            asyncio_ignore(asyncio_run(die_in_the_middle, pool));
        _exit(0);
    }
    EXPECT_OR_RETURN(parent > 0);
    waitpid(parent, NULL, 0);
}
