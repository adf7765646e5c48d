// The test's own process: sets the library up for a test, runs the body, and
// compares what is in use with what was.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/run.h"
#include "task/failure.h"

// A build with UBSan goes on after a report unless it is told otherwise, and
// then nobody would see it.
const char *__ubsan_default_options(void);
__attribute__((visibility("default"))) const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:print_stacktrace=1";
}

const char *test_folder(void)
{
    return getenv("TMPDIR");
}

static int main_task(void *arg)
{
    const struct test *test = arg;
    test->body();
    return 0;
}

// A loop that cannot be made, or stops before its main task ends, is a failure;
// a test of that is TEST_PLAIN.
static void run_body(const struct test *test)
{
    if (test->plain) {
        test->body();
        return;
    }
    int err = asyncio_run(main_task, (void *)(uintptr_t)test);
    expect__compare(err, "==", 0, "asyncio_run", "0", test->site);
}

// Not safe in general, but a test that hangs mostly sleeps in its poller, where
// nothing is half done; and it is killed in any case.
_Noreturn void test__last_words(int signal)
{
    struct asyncio_task *tasks[32];
    struct asyncio_loop *loop = asyncio_get_running_loop();
    char line[512];
    (void)signal;

    size_t count = loop ? asyncio_all_tasks(loop, tasks, 32) : 0;
    for (size_t i = 0; i < count && i < 32; i++)
        test__note("    %s",
                   asyncio_task_describe(tasks[i], line, sizeof line));
    _exit(1);
}

static void note_fault(int code, const char *site)
{
    atomic_store(&test__outcome->fault_made, true);
    test__note("the call that failed, with -%s: %s", strerrorname_np(-code),
               site);
}

static void note_leak(const char *what, size_t size, const char *site,
                      void *arg)
{
    (void)arg;
    atomic_fetch_add(&test__outcome->leaks, 1);
    if (size > 0)
        test__note("leak: %s (%zu) made at %s", what, size, site);
    else
        test__note("leak: %s made at %s", what, site);
}

static int set_up(const struct test__run *run)
{
    const struct test *test = run->test;
    asyncio_testing_virtual_clock(!test->real_time);
    asyncio_testing_seed(test->ordered ? 0 : run->seed);
    asyncio_testing_reports(test__collect_report, NULL);
    asyncio_testing_on_failure(note_fault);

    int err = asyncio_testing_ledger_start();
    if (err < 0 || !run->calls) return err;
    return asyncio_testing_fail_at(run->calls, run->ordinal);
}

void test__perform(const struct test__run *run)
{
    test__outcome = run->outcome;
    test__surroundings_remember();

    int err = set_up(run);
    if (err < 0)
        test__fail(run->test->site, "cannot begin: %s", strerrorname_np(-err));
    else
        run_body(run->test);
    asyncio__failures_drop_thread(); // the words of a run that failed

    atomic_store(&test__outcome->calls, asyncio_testing_calls());
    if (!run->lenient) test__check_reports();
    asyncio_testing_ledger_each(note_leak, NULL);
    test__surroundings_compare();
    atomic_store(&test__outcome->finished, true);
}
