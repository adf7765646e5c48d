// The process pool: jobs on copies, words from elsewhere, many jobs, and an end
// that leaves nothing behind.

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "processes.h"

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
        const struct asyncio_error *error = asyncio_last_error();
        if (EXPECT(error)) EXPECT_CONTAINS(error->site, "test_process_pool.c");
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
        if (EXPECT(!asyncio_task_done(shutter)))
            EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL),
                      -ESHUTDOWN);
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

// Who joined it goes on before the kernel has closed all that only it had open.
static void *end_slowly(void *arg)
{
    if (unshare(CLONE_FILES) < 0) return NULL;
    for (int i = 0; i < 500; i++)
        asyncio_ignore(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
    return arg;
}

static int make_pools_behind_threads(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct asyncio_executor *pool;
        pthread_t thread;
        if (pthread_create(&thread, NULL, end_slowly, NULL) != 0) continue;
        pthread_join(thread, NULL);
        int err = asyncio_process_pool_create(&pool, .max_workers = 1);
        if (!EXPECT_EQ(err, 0)) return err;
        asyncio_executor_shutdown(pool);
    }
    return 0;
}

// The kernel lists such a thread for a moment more.
TEST_PLAIN(pool_can_be_made_right_after_a_thread_was_joined)
{
#ifdef ASYNCIO_EMULATED
    SKIP("an emulator's own thread goes on for a moment");
    return;
#endif
    EXPECT_EQ(asyncio_run(make_pools_behind_threads, NULL), 0);
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
