// The watchdog. It watches real time, so these tests do too; but they wait for
// what it reports, and never for a while.

#include <asyncio/run.h>

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runner/runner.h"

#define LIMIT 0.5 // seconds: a loop on a busy machine begins within them

static _Atomic(unsigned) reports;
static char text[600], task[80], site[200];
static int code;
static pthread_t reporter;

// On the watchdog's thread; the last thing is to count.
static void take_report(const struct asyncio_report *report, void *arg)
{
    (void)arg;
    code = report->code;
    reporter = pthread_self();
    snprintf(text, sizeof text, "%s", report->text);
    snprintf(task, sizeof task, "%s", report->task);
    snprintf(site, sizeof site, "%s", report->site);
    atomic_fetch_add(&reports, 1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// Keeps the thread busy until there are so many reports; false: they never come
__attribute__((noinline)) static bool block_until(unsigned count)
{
    double began = now();
    while (atomic_load(&reports) < count)
        if (now() - began > 8) return false;
    return true;
}

__attribute__((noinline)) static int block_the_loop(unsigned count)
{
    int err = block_until(count) ? 0 : -ETIMEDOUT;
    __asm__ volatile("" ::: "memory");
    return err;
}

static int block_once(void *arg)
{
    (void)arg;
    if (asyncio_set_exception_handler(take_report, NULL) < 0) return -EPERM;
    int err = block_the_loop(1);
    __asm__ volatile("" ::: "memory");
    return err;
}

TEST_PLAIN(task_that_blocks_the_loop_is_named_with_its_stack, .real_time = true)
{
    EXPECT_EQ(asyncio_run(block_once, NULL, .watchdog = LIMIT), 0);
    EXPECT_EQ(reports, 1);
    EXPECT_EQ(code, -ETIMEDOUT);
    EXPECT_CONTAINS(text, "the loop has not turned for ");
    EXPECT_CONTAINS(text, "block_until < block_the_loop < block_once");
    EXPECT_CONTAINS(task, "Task-");
    EXPECT_CONTAINS(site, "test_watchdog.c:");
    EXPECT(!strchr(text, '\n'));
    EXPECT(!pthread_equal(reporter, pthread_self()));
}

static int block_twice(void *arg)
{
    (void)arg;
    if (asyncio_set_exception_handler(take_report, NULL) < 0) return -EPERM;
    int err = block_the_loop(1);
    double began = now();
    while (now() - began < 3 * LIMIT) // still the same blocking
        continue;
    EXPECT_EQ(reports, 1);
    if (err == 0) err = asyncio_sleep(0);
    return err < 0 ? err : block_the_loop(2);
}

TEST_PLAIN(each_blocking_is_reported_once, .real_time = true)
{
    EXPECT_EQ(asyncio_run(block_twice, NULL, .watchdog = LIMIT), 0);
    EXPECT_EQ(reports, 2);
}

static int block_in_a_child(void *arg)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, block_once, arg,
                                   .name = "the child");
    return asyncio_task_group_exit(&group, 0);
}

TEST_PLAIN(environment_asks_for_a_watchdog, .real_time = true)
{
    setenv("ASYNCIO_WATCHDOG", "0.5", 1);
    EXPECT_EQ(asyncio_run(block_in_a_child, NULL), 0);
    EXPECT_EQ(reports, 1);
    EXPECT_STR(task, "the child");
}

static int block_in_a_callback(void *arg)
{
    struct asyncio_future *done = arg;
    int err = block_the_loop(1);
    return err < 0 ? err : asyncio_future_set_result(done, 0);
}

static int call_who_blocks(void *arg)
{
    (void)arg;
    struct asyncio_future done = {0};
    if (asyncio_set_exception_handler(take_report, NULL) < 0) return -EPERM;
    int err = asyncio_call_soon(block_in_a_callback, &done);
    return err < 0 ? err : asyncio_await(&done);
}

TEST_PLAIN(callback_that_blocks_the_loop_is_reported, .real_time = true)
{
    EXPECT_EQ(asyncio_run(call_who_blocks, NULL, .watchdog = LIMIT), 0);
    EXPECT_CONTAINS(text, "a callback is in ");
    EXPECT_CONTAINS(text, "block_until < block_the_loop < block_in_a_callback");
    EXPECT(!strstr(text, "asyncio_run"));
    EXPECT_STR(task, "");
}

// --- what is no blocking ----------------------------------------------------

static int sleep_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(1.2);
}

TEST_PLAIN(loop_that_sleeps_is_not_blocked, .real_time = true)
{
    EXPECT_EQ(asyncio_run(sleep_long, NULL, .watchdog = 1), 0);
}

static int yield_for_long(void *arg)
{
    (void)arg;
    int err = 0;
    for (double began = now(); err == 0 && now() - began < 1.2;)
        err = asyncio_sleep(0);
    return err;
}

static void *run_a_loop_that_turns(void *arg)
{
    *(int *)arg = asyncio_run(yield_for_long, NULL, .watchdog = 1);
    return NULL;
}

// On a thread of its own, where the fault loop does not cancel each of its
// million awaits.
TEST_PLAIN(loop_that_turns_is_not_blocked, .real_time = true)
{
    int result = -1;
    pthread_t thread;
    EXPECT_OR_RETURN(
        pthread_create(&thread, NULL, run_a_loop_that_turns, &result) == 0);
    pthread_join(thread, NULL);
    EXPECT_EQ(result, 0);
}

// --- a thread that cannot answer --------------------------------------------

static int block_with_signals_off(void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    asyncio_testing_reports(take_report, NULL);
    int err = block_the_loop(1);
    // The question is still pending, and must not end the process later.
    *(sigset_t *)arg = before;
    return err;
}

TEST_PLAIN(thread_that_blocks_signals_is_reported_without_a_stack,
           .real_time = true)
{
    sigset_t before;
    EXPECT_EQ(asyncio_run(block_with_signals_off, &before, .watchdog = LIMIT),
              0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    EXPECT_EQ(reports, 1);
    EXPECT_CONTAINS(text, "its thread blocks signals too");
}

// --- manners ----------------------------------------------------------------

static bool any_handled(void)
{
    struct sigaction now;
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        if (sigaction(number, NULL, &now) == 0 && now.sa_handler != SIG_DFL)
            return true;
    return false;
}

static int expect_a_handler(void *arg)
{
    *(bool *)arg = any_handled();
    return 0;
}

TEST_PLAIN(signal_is_taken_only_while_a_watchdog_runs, .real_time = true)
{
    bool handled = true;
    EXPECT_EQ(asyncio_run(expect_a_handler, &handled), 0);
    EXPECT(!handled);
    EXPECT_EQ(asyncio_run(expect_a_handler, &handled, .watchdog = 60), 0);
    EXPECT(handled);
    EXPECT(!any_handled());
}

static _Atomic(unsigned) theirs;

static void count_theirs(int number)
{
    (void)number;
    atomic_fetch_add(&theirs, 1);
}

TEST_PLAIN(signals_that_the_program_handles_are_left_alone, .real_time = true)
{
    for (int number = SIGRTMIN; number <= SIGRTMAX - 2; number++)
        signal(number, count_theirs);
    signal(SIGRTMAX, count_theirs);
    EXPECT_EQ(asyncio_run(block_once, NULL, .watchdog = LIMIT), 0);
    EXPECT_EQ(reports, 1);
    EXPECT_EQ(theirs, 0);
    raise(SIGRTMAX);
    EXPECT_EQ(theirs, 1);
}

TEST_PLAIN(loop_runs_without_a_watchdog_if_there_is_no_signal_for_it)
{
    bool handled = false;
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        signal(number, count_theirs);
    EXPECT_EQ(asyncio_run(expect_a_handler, &handled, .watchdog = 1), 0);
    EXPECT_CONTAINS(expect_report(-EBUSY), "watchdog could not be started");
}

TEST_PLAIN(limit_that_is_no_time_is_refused)
{
    EXPECT_EQ(asyncio_run(sleep_long, NULL, .watchdog = -1), -EINVAL);
    EXPECT_EQ(asyncio_run(sleep_long, NULL, .watchdog = NAN), -EINVAL);
}

// --- several loops ----------------------------------------------------------

struct another {
    int result;
    atomic_bool ended;
};

static void *run_another(void *arg)
{
    struct another *another = arg;
    another->result = asyncio_run(block_in_a_child, NULL, .watchdog = LIMIT);
    another->ended = true;
    return NULL;
}

static int run_beside(void *arg)
{
    struct another *another = arg;
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_another, arg) != 0) return -EAGAIN;
    int err = 0;
    while (err == 0 && !another->ended)
        err = asyncio_sleep(0.001);
    pthread_join(thread, NULL);
    return err;
}

TEST_PLAIN(one_watchdog_watches_all_loops, .real_time = true)
{
    struct another another = {.result = -1};
    EXPECT_EQ(asyncio_run(run_beside, &another, .watchdog = 60), 0);
    EXPECT_EQ(another.result, 0);
    EXPECT_EQ(reports, 1);
    EXPECT_STR(task, "the child");
}
