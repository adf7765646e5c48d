// The runner's own tests: what goes wrong in a test is caught, and named.
//
// Each runs another test inside itself, one that is not registered, and looks
// at the verdict and at the words.

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/sys.h"
#include "runner/run.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_LEAK_CHECKER true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_LEAK_CHECKER true
#endif
#endif
#ifndef HAVE_LEAK_CHECKER
#define HAVE_LEAK_CHECKER false
#endif

static struct test inner = {.name = "inner", .site = "here:1", .plain = true};
static struct test__run inner_run = {.test = &inner};

static enum test__verdict run_inner(void (*body)(void))
{
    test__run_close(&inner_run);
    inner.body = body;
    EXPECT_EQ(test__run(&inner_run), 0);
    return inner_run.verdict;
}

#define EXPECT_WORDS(part) EXPECT_CONTAINS(inner_run.outcome->words, part)

// ---- Expectations -----------------------------------------------------------

static void pass(void)
{
    EXPECT(true);
    EXPECT_EQ((size_t)3, 3);
    EXPECT_LT(-1, SIZE_MAX);
    EXPECT_STR("a", "a");
    EXPECT_TRACE();
    trace("one %d", 1);
    trace("two");
    EXPECT_TRACE("one 1", "two");
}

TEST_PLAIN(what_holds_passes_without_a_word)
{
    EXPECT_EQ(run_inner(pass), TEST__PASSED);
    EXPECT_STR(inner_run.outcome->words, "");
    test__run_close(&inner_run);
}

static void fail_each_kind(void)
{
    EXPECT(1 > 2);
    EXPECT_EQ(-ETIMEDOUT, -ECANCELED);
    EXPECT_EQ(0.5, 0);
    EXPECT_EQ((size_t)SIZE_MAX, -1);
    EXPECT_STR("found", "wanted");
    EXPECT_STR(NULL, "");
    EXPECT_CONTAINS("hay", "needle");
    EXPECT_SAME(&inner, NULL);
    trace("get b");
    EXPECT_TRACE("get a", "end");
    FAIL("with %s", "my words");
}

TEST_PLAIN(a_failed_expectation_prints_the_values_and_the_test_goes_on)
{
    EXPECT_EQ(run_inner(fail_each_kind), TEST__FAILED);
    EXPECT_EQ(inner_run.outcome->failures, 10);
    EXPECT_WORDS("test_runner.c:");
    EXPECT_WORDS("expected 1 > 2");
    EXPECT_WORDS("-ETIMEDOUT is -ETIMEDOUT (-110), expected == -ECANCELED"
                 " (-125)\n");
    EXPECT_WORDS("0.5 is 0.5, expected == 0");
    EXPECT_WORDS("is 18446744073709551615, expected == -1");
    EXPECT_WORDS("is \"found\", expected \"wanted\"");
    EXPECT_WORDS("is \"(NULL)\", expected \"\"");
    EXPECT_WORDS("with \"needle\" in it");
    EXPECT_WORDS("&inner is 0x");
    EXPECT_WORDS("* get b");
    EXPECT_WORDS("expected: get a");
    EXPECT_WORDS("expected: end");
    EXPECT_WORDS("with my words");
    test__run_close(&inner_run);
}

static int return_early(int value)
{
    EXPECT_OR_RETURN(value > 0, -EINVAL);
    return value;
}

static void use_return_early(void)
{
    EXPECT_EQ(return_early(0), -EINVAL);
    EXPECT_OR_RETURN(false);
    FAIL("it went on");
}

TEST_PLAIN(an_expectation_can_end_a_function)
{
    EXPECT_EQ(run_inner(use_return_early), TEST__FAILED);
    EXPECT_EQ(inner_run.outcome->failures, 2);
    EXPECT(!strstr(inner_run.outcome->words, "it went on"));
    test__run_close(&inner_run);
}

static void *fail_in_thread(void *arg)
{
    EXPECT_STR("in a thread", "");
    return arg;
}

static void fail_elsewhere(void)
{
    pthread_t thread;
    if (EXPECT_EQ(pthread_create(&thread, NULL, fail_in_thread, NULL), 0))
        pthread_join(thread, NULL);

    pid_t pid = fork();
    if (pid == 0) {
        EXPECT_STR("in a process", "");
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

TEST_PLAIN(expectations_work_in_threads_and_processes)
{
    EXPECT_EQ(run_inner(fail_elsewhere), TEST__FAILED);
    EXPECT_EQ(inner_run.outcome->failures, 2);
    EXPECT_WORDS("in a thread");
    EXPECT_WORDS("in a process");
    test__run_close(&inner_run);
}

static void fail_a_thousand_times(void)
{
    for (int i = 0; i < 1000; i++)
        EXPECT_STR("a text that is neither long nor short", "");
}

TEST_PLAIN(more_words_than_there_is_room_for_are_cut)
{
    EXPECT_EQ(run_inner(fail_a_thousand_times), TEST__FAILED);
    EXPECT_EQ(inner_run.outcome->failures, 1000);
    EXPECT_GT(inner_run.outcome->len, sizeof inner_run.outcome->words);
    test__run_close(&inner_run);
}

static void state_promises(void)
{
    CONFORMS("TMO-06");
    CONFORMS("QUE-07");
}

TEST_PLAIN(promises_are_recorded_with_backend_test_and_outcome)
{
    char path[256], found[256] = "", wanted[256];
    snprintf(path, sizeof path, "%s/record", test_folder());
    snprintf(wanted, sizeof wanted,
             "%s\tTMO-06\tinner\tpass\n%s\tQUE-07\tinner\tpass\n",
             test_backend(), test_backend());

    EXPECT_EQ(run_inner(state_promises), TEST__PASSED);
    setenv("ASYNCIO_TEST_RECORD", path, 1);
    test__record_promises(&inner_run);
    FILE *file = fopen(path, "re");
    if (EXPECT(file != NULL)) {
        found[fread(found, 1, sizeof found - 1, file)] = '\0';
        fclose(file);
    }
    EXPECT_STR(found, wanted);
    unlink(path);
    test__run_close(&inner_run);
}

// ---- Reports ----------------------------------------------------------------

static void report(int code, const char *text)
{
    test__collect_report(&(struct asyncio_report){code, text, "t", "a.c:1"},
                         NULL);
}

static void expect_one_of_two_reports(void)
{
    report(-EIO, "the one");
    report(-EPROTO, "the other");
    EXPECT_CONTAINS(expect_report(-EIO), "the one");
    EXPECT_EQ(unexpected_reports(), 1);
}

TEST_PLAIN(a_report_that_nobody_expected_fails_the_test)
{
    EXPECT_EQ(run_inner(expect_one_of_two_reports), TEST__FAILED);
    EXPECT_EQ(inner_run.outcome->failures, 1);
    EXPECT_WORDS("nobody expected -EPROTO (-71): the other [task 't', a.c:1]");
    test__run_close(&inner_run);
}

static void expect_a_report_twice(void)
{
    report(-EIO, "the one");
    expect_report(-EIO);
    EXPECT_STR(expect_report(-EIO), "");
}

TEST_PLAIN(a_report_is_expected_once)
{
    EXPECT_EQ(run_inner(expect_a_report_twice), TEST__FAILED);
    EXPECT_EQ(inner_run.outcome->failures, 1);
    EXPECT_WORDS("expected a report of -EIO (-5)");
    test__run_close(&inner_run);
}

// ---- Ends -------------------------------------------------------------------

static void crash(void)
{
    FAIL("said before");
    raise(SIGKILL);
}

TEST_PLAIN(a_crash_is_caught_and_what_was_said_before_is_kept)
{
    EXPECT_EQ(run_inner(crash), TEST__CRASHED);
    EXPECT_WORDS("said before");
    EXPECT_WORDS("crash: killed by SIGKILL");
    test__run_close(&inner_run);
}

static void end_by_itself(void)
{
    _exit(0);
}

TEST_PLAIN(a_test_that_ends_the_process_has_crashed)
{
    EXPECT_EQ(run_inner(end_by_itself), TEST__CRASHED);
    EXPECT_WORDS("crash: it ended by itself, with status 0");
    test__run_close(&inner_run);
}

static void hang(void)
{
    for (;;)
        pause();
}

static void hang_with_a_child(void)
{
    if (fork() == 0) setsid();
    hang();
}

TEST_PLAIN(a_hang_is_killed_with_everything_that_it_started)
{
    inner.limit = 0.2;
    EXPECT_EQ(run_inner(hang_with_a_child), TEST__HUNG);
    EXPECT_WORDS("hang: still running after 0.2 seconds");
    test__run_close(&inner_run);
}

static void wait_for_nobody(void)
{
    static struct asyncio_future never;
    asyncio_ignore(asyncio_await(&never));
}

TEST_PLAIN(a_hang_names_the_tasks_that_wait)
{
    inner.plain = false;
    inner.limit = 2; // time to get there
    EXPECT_EQ(run_inner(wait_for_nobody), TEST__HUNG);
    EXPECT_WORDS("Task-1");
    test__run_close(&inner_run);
}

// ---- Leaks ------------------------------------------------------------------

static void *volatile kept; // so that a leak checker has nothing to say

static void leak_bytes(void)
{
    kept = asyncio__alloc(123);
    asyncio__free(asyncio__alloc(5));
}

TEST_PLAIN(leaked_bytes_are_named_with_the_place_that_made_them)
{
    EXPECT_EQ(run_inner(leak_bytes), TEST__LEAKED);
    EXPECT_EQ(inner_run.outcome->leaks, 1);
    EXPECT_WORDS("leak: bytes (123) made at ");
    EXPECT_WORDS("test_runner.c:");
    test__run_close(&inner_run);
}

static void leak_descriptor(void)
{
    EXPECT_GE(open("/dev/zero", O_RDONLY | O_CLOEXEC), 0);
}

TEST_PLAIN(a_leaked_descriptor_is_named_by_what_it_is)
{
    EXPECT_EQ(run_inner(leak_descriptor), TEST__LEAKED);
    EXPECT_EQ(inner_run.outcome->leaks, 1);
    EXPECT_WORDS("is still open: /dev/zero");
    test__run_close(&inner_run);
}

static void close_output(void)
{
    close(STDOUT_FILENO);
}

TEST_PLAIN(closing_what_is_not_ones_own_fails)
{
    EXPECT_EQ(run_inner(close_output), TEST__FAILED);
    EXPECT_WORDS("1 was closed, but is not the test's");
    test__run_close(&inner_run);
}

static void *wait_for_ever(void *arg)
{
    hang();
    return arg;
}

static void leak_thread(void)
{
    pthread_t thread;
    EXPECT_EQ(pthread_create(&thread, NULL, wait_for_ever, NULL), 0);
}

TEST_PLAIN(a_leaked_thread_is_seen)
{
    EXPECT_EQ(run_inner(leak_thread), TEST__LEAKED);
    EXPECT_WORDS("leak: threads that still run: 1");
    test__run_close(&inner_run);
}

static void leak_zombie(void)
{
    siginfo_t info;
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
}

TEST_PLAIN(a_child_that_nobody_waited_for_is_seen)
{
    EXPECT_EQ(run_inner(leak_zombie), TEST__LEAKED);
    EXPECT_WORDS("leak: a child process that nobody has waited for");
    test__run_close(&inner_run);
}

static void leave_grandchild(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() == 0) hang();
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

TEST_PLAIN(a_process_left_behind_by_a_child_is_seen_and_killed)
{
    inner.limit = 2; // time to end itself
    EXPECT_EQ(run_inner(leave_grandchild), TEST__LEAKED);
    EXPECT_WORDS("leak: a process that it started was still running");
    test__run_close(&inner_run);
}

static void leave_files(void)
{
    char path[256];
    snprintf(path, sizeof path, "%s/left behind", test_folder());
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (EXPECT_GE(fd, 0)) close(fd);
}

TEST_PLAIN(temporary_files_left_behind_are_named_and_removed)
{
    EXPECT_EQ(run_inner(leave_files), TEST__LEAKED);
    EXPECT_WORDS("leak: left in its temporary folder: ./left behind");
    EXPECT_EQ(access(inner_run.folder, F_OK), -1);
    test__run_close(&inner_run);
}

static void leak_malloc(void)
{
    void *volatile p = malloc(77);
    p = NULL;
    (void)p;
}

TEST_PLAIN(a_leak_checker_has_its_say)
{
    EXPECT_EQ(run_inner(leak_malloc),
              HAVE_LEAK_CHECKER ? TEST__LEAKED : TEST__PASSED);
    test__run_close(&inner_run);
}

// ---- Faults -----------------------------------------------------------------

static void allocate_three(bool careful)
{
    void *all[3];
    for (int i = 0; i < 3; i++) {
        all[i] = asyncio__alloc(16);
        if (!careful) *(volatile char *)all[i] = 1;
    }
    for (int i = 0; i < 3; i++)
        asyncio__free(all[i]);
}

static void allocate_carefully(void)
{
    allocate_three(true);
}

TEST_PLAIN(calls_are_counted_and_the_one_asked_for_fails)
{
    inner_run.calls = "alloc";
    inner_run.lenient = true;
    EXPECT_EQ(run_inner(allocate_carefully), TEST__PASSED);
    EXPECT_EQ(inner_run.outcome->calls, 3);
    EXPECT(!inner_run.outcome->fault_made);

    inner_run.ordinal = 2;
    EXPECT_EQ(run_inner(allocate_carefully), TEST__PASSED);
    EXPECT(inner_run.outcome->fault_made);
    EXPECT_WORDS("the call that failed, with -ENOMEM: ");
    EXPECT_WORDS("test_runner.c:");
    test__run_close(&inner_run);
}

static void use_three(void)
{
    allocate_three(false);
}

TEST_PLAIN(a_failed_allocation_that_nobody_looks_at_is_a_crash)
{
    inner_run.calls = "alloc";
    inner_run.ordinal = 3;
    EXPECT_EQ(run_inner(use_three), TEST__CRASHED);
    test__run_close(&inner_run);
}

TEST_PLAIN(the_fault_loop_fails_each_call_once)
{
    inner.body = allocate_carefully;
    EXPECT(test__inject(&inner, 1, 0, "alloc"));
    inner.body = use_three;
    EXPECT(!test__inject(&inner, 2, 0, "alloc"));
    inner.body = leak_bytes;
    EXPECT(!test__inject(&inner, 3, 0, "alloc"));
}

static void make_eventfd(void)
{
    int fd = asyncio__sys_eventfd(0, 0);
    asyncio__free(asyncio__alloc(1));
    if (fd >= 0) asyncio__sys_close(fd);
    EXPECT_EQ(fd, -EMFILE);
}

TEST_PLAIN(system_calls_fail_with_a_code_of_their_own)
{
    inner_run.calls = "syscall";
    inner_run.ordinal = 1;
    EXPECT_EQ(run_inner(make_eventfd), TEST__PASSED);
    EXPECT_EQ(inner_run.outcome->failures, 0);
    test__run_close(&inner_run);
}

// ---- The ledger and the clock -----------------------------------------------

TEST_PLAIN(the_ledger_counts_what_is_in_use)
{
    struct asyncio_testing_ledger ledger;
    void *p = asyncio__alloc(10), *q = asyncio__alloc(20);
    int fd = asyncio__sys_eventfd(0, 0);

    asyncio_testing_ledger_read(&ledger);
    EXPECT_EQ(ledger.bytes, 30);
    EXPECT_EQ(ledger.allocations, 2);
    EXPECT_EQ(ledger.descriptors, 1);

    asyncio__free(p);
    asyncio__free(q);
    asyncio__sys_close(fd);
    asyncio_testing_ledger_read(&ledger);
    EXPECT_EQ(ledger.bytes + ledger.allocations + ledger.descriptors, 0);
}

TEST_PLAIN(only_known_kinds_of_calls_can_fail)
{
    EXPECT_EQ(asyncio_testing_fail_at("alloc", 0), 0);
    EXPECT_EQ(asyncio_testing_fail_at("malloc", 0), -EINVAL);
}

TEST(an_hour_of_sleep_takes_no_time)
{
    double before = asyncio_time();
    EXPECT_EQ(asyncio_sleep(3600), 0);
    EXPECT_EQ(asyncio_time() - before, 3600);
}

TEST(a_body_runs_as_the_main_task_of_a_loop)
{
    EXPECT(asyncio_get_running_loop() != NULL);
    EXPECT(asyncio_current_task() != NULL);
}

static void call_handler(void)
{
    asyncio_call_exception_handler(
        &(struct asyncio_report){.code = -EIO, .text = "from the loop"});
}

TEST(reports_of_the_loop_are_collected)
{
    call_handler();
    EXPECT_CONTAINS(expect_report(-EIO), "from the loop");
}

// ---- Order ------------------------------------------------------------------

#define RUNNERS 6

static int tell_number(void *arg)
{
    trace("%d", *(int *)arg);
    return 0;
}

static void tell_numbers(void)
{
    static int numbers[RUNNERS] = {0, 1, 2, 3, 4, 5};
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < RUNNERS; i++)
        asyncio_task_group_create_task(&group, tell_number, &numbers[i]);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_TRACE("0", "1", "2", "3", "4", "5");
}

TEST_PLAIN(a_seed_draws_an_order_and_draws_it_again)
{
    char first[sizeof inner_run.outcome->words];
    inner.plain = false;
    inner_run.seed = 2;

    EXPECT_EQ(run_inner(tell_numbers), TEST__FAILED);
    memcpy(first, inner_run.outcome->words, sizeof first);
    EXPECT_EQ(run_inner(tell_numbers), TEST__FAILED);
    EXPECT_STR(inner_run.outcome->words, first);
    test__run_close(&inner_run);
}

TEST_PLAIN(no_seed_changes_a_test_of_order)
{
    inner.plain = false;
    inner.ordered = true;
    inner_run.seed = 2;
    EXPECT_EQ(run_inner(tell_numbers), TEST__PASSED);
    test__run_close(&inner_run);
}
