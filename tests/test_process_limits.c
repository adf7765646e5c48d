// Limits of a process pool: jobs per worker, time, processor, memory; and what
// is said of a job that died.

#include <stdlib.h>
#include <string.h>

#include "processes.h"

static struct asyncio_executor *
make_limited(const struct asyncio_pool_options *options)
{
    struct asyncio_executor *pool;
    if (!share_memory()) return NULL;
    int err = (asyncio_process_pool_create)(&pool, options);
    return EXPECT_EQ(err, 0) ? pool : NULL;
}

static pid_t ask_pid(struct asyncio_executor *pool)
{
    pid_t pid = 0;
    EXPECT_EQ(
        asyncio_run_in_executor(pool, report_pid, &pid, .size = sizeof pid), 0);
    return pid;
}

// --- jobs per worker --------------------------------------------------------

TEST(worker_that_has_done_its_jobs_is_replaced)
{
    CONFORMS("PROC-07");
    struct asyncio_executor *pool = make_limited(
        &(struct asyncio_pool_options){.max_workers = 1, .max_jobs = 3});
    struct asyncio_pool_statistics now;
    pid_t pids[4];
    EXPECT_OR_RETURN(pool);
    for (int i = 0; i < 4; i++) {
        pids[i] = ask_pid(pool);
        EXPECT_EQ(asyncio_executor_statistics(pool, &now), 0);
        EXPECT_LE(now.workers, 1);
    }
    EXPECT_EQ(pids[1], pids[0]);
    EXPECT_EQ(pids[2], pids[0]);
    EXPECT_NE(pids[3], pids[0]);
    EXPECT(!is_alive(pids[0]));
    EXPECT_EQ(now.finished, 4);
    EXPECT_EQ(now.replaced, 1);
    EXPECT_EQ(now.crashed, 0);
    asyncio_executor_shutdown(pool);
}

TEST(each_of_many_jobs_has_a_process_of_its_own)
{
    enum { JOBS = 12 };
    struct asyncio_executor *pool = make_limited(
        &(struct asyncio_pool_options){.max_workers = 2, .max_jobs = 1});
    pid_t pids[JOBS] = {0};
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_executor_map(pool, report_pid, pids, sizeof *pids, JOBS),
              0);
    for (int i = 0; i < JOBS; i++)
        for (int other = 0; other < i; other++)
            EXPECT_NE(pids[i], pids[other]);
    asyncio_executor_shutdown(pool);
}

// --- time -------------------------------------------------------------------

static int run_for_ever(void *arg)
{
    (void)arg;
    for (volatile unsigned i = 0;; i++)
        continue;
    return 0;
}
ASYNCIO_JOB(run_for_ever)

TEST(limit_of_a_job_goes_before_that_of_its_pool, .real_time = true)
{
    struct asyncio_executor *pool = make_limited(
        &(struct asyncio_pool_options){.max_workers = 1, .timeout = 3600});
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(
        asyncio_run_in_executor(pool, run_for_ever, NULL, .timeout = 0.02),
        -ETIMEDOUT);
    EXPECT_CONTAINS(asyncio_strerror(-ETIMEDOUT),
                    "run_for_ever took longer than 0.02 s");
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL, .timeout = 60),
              0);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL, .timeout = -1),
              -EINVAL);
    asyncio_executor_shutdown(pool);
}

// No timer of the loop can be due while a job holds its clock.
TEST(limits_of_a_job_are_real_time_whatever_clock_the_loop_has)
{
    struct asyncio_executor *pool = make_limited(
        &(struct asyncio_pool_options){.max_workers = 2, .cpu_limit = 0.06});
    EXPECT_OR_RETURN(pool);
    double begin = asyncio_time();
    EXPECT_EQ(asyncio_run_in_executor(pool, run_for_ever, NULL), -ETIMEDOUT);
    EXPECT_CONTAINS(asyncio_strerror(-ETIMEDOUT), "of a processor");
    asyncio_executor_shutdown(pool);

    pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(
        asyncio_run_in_executor(pool, run_for_ever, NULL, .timeout = 0.02),
        -ETIMEDOUT);
    EXPECT_CONTAINS(asyncio_strerror(-ETIMEDOUT), "took longer than 0.02 s");
    EXPECT_EQ(asyncio_time(), begin);
    asyncio_executor_shutdown(pool);
}

struct impatient {
    struct asyncio_executor *pool;
    bool over;
};

static int call_with_limit(void *arg)
{
    struct impatient *impatient = arg;
    int err = asyncio_run_in_executor(impatient->pool, run_for_ever, NULL,
                                      .timeout = 0.02);
    impatient->over = true;
    return err == -ETIMEDOUT ? 0 : err;
}

TEST(limit_of_a_job_is_seen_by_a_loop_that_never_sleeps)
{
    struct impatient impatient = {.pool = make_pool(1)};
    EXPECT_OR_RETURN(impatient.pool);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, call_with_limit, &impatient);
    int err = 0;
    while (err == 0 && !impatient.over)
        err = asyncio_sleep(0);
    EXPECT_EQ(asyncio_task_group_exit(&group, err), 0);
    asyncio_executor_shutdown(impatient.pool);
}

static int stay_asleep(void *arg)
{
    (void)arg;
    usleep(80000);
    return 0;
}

TEST(limit_of_processor_time_counts_no_sleep, .real_time = true)
{
    struct asyncio_executor *pool = make_limited(
        &(struct asyncio_pool_options){.max_workers = 1, .cpu_limit = 0.06});
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, stay_asleep, NULL), 0);
    EXPECT_EQ(asyncio_run_in_executor(pool, run_for_ever, NULL), -ETIMEDOUT);
    EXPECT_CONTAINS(asyncio_strerror(-ETIMEDOUT),
                    "run_for_ever used more than 0.06 s of a processor");
    EXPECT_EQ(asyncio_run_in_executor(pool, stay_asleep, NULL), 0);
    asyncio_executor_shutdown(pool);
}

// It takes longer than a job may.
static int take_long_to_prepare(void *arg)
{
    struct timespec used;
    (void)arg;
    do
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    while (used.tv_sec == 0 && used.tv_nsec < 150000000);
    return 0;
}

TEST(limit_of_processor_time_counts_no_initializer, .real_time = true)
{
    struct asyncio_executor *pool = make_limited(&(struct asyncio_pool_options){
        .max_workers = 1,
        .cpu_limit = 0.06,
        .initializer = take_long_to_prepare,
    });
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, stay_asleep, NULL), 0);
    EXPECT_EQ(asyncio_run_in_executor(pool, run_for_ever, NULL), -ETIMEDOUT);
    EXPECT_CONTAINS(asyncio_strerror(-ETIMEDOUT), "of a processor");
    EXPECT_EQ(asyncio_run_in_executor(pool, stay_asleep, NULL), 0);
    asyncio_executor_shutdown(pool);
}

// --- memory -----------------------------------------------------------------

#define LIMIT ((size_t)64 << 20)

// A sanitizer ends the process where malloc would return NULL.
#ifdef __SANITIZE_ADDRESS__
#define MALLOC_RETURNS false
#elif defined(__SANITIZE_THREAD__)
#define MALLOC_RETURNS false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MALLOC_RETURNS false
#endif
#endif
#ifndef MALLOC_RETURNS
#define MALLOC_RETURNS true
#endif

static int ask_for_much(void *arg)
{
    size_t *size = arg;
    void *volatile memory = malloc(*size);
    if (!memory) return -ENOMEM;
    memset(memory, 1, *size);
    free(memory);
    return 0;
}

// Does not look at what it gets.
static int ask_for_ever(void *arg)
{
    (void)arg;
    for (;;) {
        volatile char *volatile memory = malloc(65536);
        memory[8] = 1;
    }
    return 0;
}
ASYNCIO_JOB(ask_for_ever)

TEST(worker_at_its_memory_limit_gets_no_more)
{
    struct asyncio_executor *pool = make_limited(&(struct asyncio_pool_options){
        .max_workers = 1, .memory_limit = LIMIT});
    size_t small = LIMIT / 4, large = 2 * LIMIT;
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, ask_for_much, &small,
                                      .size = sizeof small),
              0);
    EXPECT_EQ(asyncio_run_in_executor(pool, ask_for_much, &large,
                                      .size = sizeof large),
              MALLOC_RETURNS ? -ENOMEM : -EOWNERDEAD);
    EXPECT_EQ(asyncio_run_in_executor(pool, ask_for_ever, NULL), -EOWNERDEAD);
    if (MALLOC_RETURNS) {
        EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), "(SIGSEGV) at 0x8 in "
                                                       "ask_for_ever");
        EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD),
                        "used up its 67108864 bytes of memory");
    }
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}

// --- where it died ----------------------------------------------------------

__attribute__((noinline)) static int third(volatile int *where)
{
    *where = 1;
    return *where;
}

__attribute__((noinline)) static int second(volatile int *where)
{
    return third(where) + 1;
}

static int first(void *arg)
{
    volatile int *volatile where = (volatile int *)(uintptr_t)0x18;
    (void)arg;
    return second(where) + 1;
}

TEST(death_by_a_fault_names_the_place)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, first, NULL), -EOWNERDEAD);
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD),
                    "signal 11 (SIGSEGV) at 0x18 in third < second < first");
    asyncio_executor_shutdown(pool);
}

static int go_deeper(volatile char *above)
{
    volatile char here[4096];
    here[0] = above[0];
    if (here[0] == 0) return 0; // never
    return go_deeper(here) + here[0];
}

static int use_up_the_stack(void *arg)
{
    char start = 1;
    (void)arg;
    return go_deeper(&start);
}

TEST(death_by_a_stack_that_is_used_up_is_told_too)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, use_up_the_stack, NULL),
              -EOWNERDEAD);
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), "(SIGSEGV) at 0x");
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), "go_deeper < ");
    asyncio_executor_shutdown(pool);
}

static int lose_the_stack(void *arg)
{
    (void)arg;
#if defined(__x86_64__)
    __asm__ volatile("mov $64, %rsp; mov $64, %rbp; movl $1, (%rsp)");
#endif
    abort();
}

ASYNCIO_JOB(lose_the_stack)

TEST(death_without_a_stack_is_told_all_the_same)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, lose_the_stack, NULL), -EOWNERDEAD);
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), "lose_the_stack");
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), ": signal ");
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}

TEST(signal_from_outside_has_no_address)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    struct call call = {.pool = pool, .fn = pass_gate};
    struct asyncio_task *task = begin_gate(&call);
    if (task) {
        kill(atomic_load(&shared->pid), SIGSEGV);
        EXPECT_EQ(asyncio_await(task), -EOWNERDEAD);
        EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD),
                        "signal 11 (SIGSEGV) in ");
        EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), "pass_gate");
    }
    asyncio_task_release(task);
    asyncio_executor_shutdown(pool);
}

// Writes into whatever is open what a worker might have said, and dies.
static int forge_the_log(void *arg)
{
    (void)arg;
    unsigned char noise[600];
    memset(noise, 0xff, sizeof noise);
    for (int fd = 3; fd < 16; fd++)
        for (int i = 0; i < 100; i++)
            if (write(fd, noise, sizeof noise) < 0) break;
    kill(getpid(), SIGKILL);
    pause();
    return 0;
}

TEST(worker_that_lies_about_its_death_harms_only_its_own_job)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, forge_the_log, NULL), -EOWNERDEAD);
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), "signal 9 (SIGKILL)");
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}
