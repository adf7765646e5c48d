// The test's own process: sets the library up for a test, runs the body, and
// compares what is in use with what was.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop/loop.h"
#include "loop/testing.h"
#include "runner/run.h"

// A build with UBSan goes on after a report unless it is told otherwise, and
// then nobody would see it.
const char *__ubsan_default_options(void);
__attribute__((visibility("default"))) const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:print_stacktrace=1";
}

static bool in_fault_loop;

size_t test_amount(size_t much, size_t enough)
{
    return in_fault_loop ? enough : much;
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

static int main_task_in_scope(void *arg)
{
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    return asyncio_cancel_scope_exit(&scope, main_task(arg));
}

// A loop that cannot be made, or stops before its main task ends, is a failure;
// a test of that is TEST_PLAIN.
static void run_body(const struct test__run *run)
{
    const struct test *test = run->test;
    bool in_scope = run->calls && strcmp(run->calls, "scope") == 0;
    if (test->plain) {
        test->body();
        return;
    }
    int err = asyncio_run(in_scope ? main_task_in_scope : main_task,
                          (void *)(uintptr_t)test);
    expect__compare(err, "==", 0, "asyncio_run", "0", test->site);
}

static void note_tasks(struct asyncio_loop *loop)
{
    struct asyncio_task *tasks[32];
    char line[512];
    size_t count = loop ? asyncio_all_tasks(loop, tasks, 32) : 0;
    for (size_t i = 0; i < count && i < 32; i++)
        test__note("    %s",
                   asyncio_task_describe(tasks[i], line, sizeof line));
}

// Not safe in general, but a test that hangs mostly sleeps in its poller, where
// nothing is half done; and it is killed in any case.
_Noreturn void test__last_words(int signal)
{
    (void)signal;
    note_tasks(asyncio_get_running_loop());
    _exit(1);
}

// Nobody waits ten seconds for what can be known at once. A thread that is gone
// may have posted before it went.
static void give_up(struct asyncio_loop *loop)
{
    if (test__surroundings_busy() || atomic_load(&loop->posts)) return;
    atomic_store(&test__outcome->stuck, true);
    test__note("lost wake-up: every task waits, and nothing is under way that"
               " could wake one");
    note_tasks(loop);
    _exit(1);
}

bool test__is_cancel(const char *calls)
{
    return strcmp(calls, "alloc") != 0 && strcmp(calls, "syscall") != 0;
}

static void note_cancel(struct asyncio_task *task)
{
    char line[512];
    atomic_store(&test__outcome->fault_made, true);
    test__note("cancelled: %s", asyncio_task_describe(task, line, sizeof line));
}

static void note_fault(int code, const char *site)
{
    atomic_store(&test__outcome->fault_made, true);
    if (code < 0)
        test__note("the call that failed, with -%s: %s", strerrorname_np(-code),
                   site);
    else
        test__note("the call that came back short: %s", site);
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

static struct asyncio_testing_clock test_clock; // jumps when every task waits

static int set_up(const struct test__run *run)
{
    const struct test *test = run->test;
    in_fault_loop = run->calls != NULL;
    asyncio_testing_clock_use(test->real_time ? NULL : &test_clock);
    asyncio_testing_seed(test->ordered ? 0 : run->seed);
    // In debug mode a machine that has much else to do would report slow steps.
    // A test of these says itself what is slow.
    asyncio__testing.slow_ns = ASYNCIO__NEVER;
    asyncio_testing_reports(test__collect_report, NULL);
    asyncio_testing_on_failure(note_fault);
    asyncio_testing_on_cancel(note_cancel);

    int err = asyncio_testing_ledger_start();
    if (err == 0) err = test__world_open(run);
    if (err < 0 || !run->calls) return err;
    if (run->ordinal == 0) test__alike_watch();
    if (test__is_cancel(run->calls)) {
        asyncio__testing.stuck = test->stuck ? NULL : give_up;
        return asyncio_testing_cancel_at(run->calls, run->ordinal);
    }
    err = asyncio_testing_fail_at(run->calls, run->ordinal);
    asyncio_testing_fail_in_way(run->way);
    return err;
}

void test__perform(const struct test__run *run)
{
    test__outcome = run->outcome;
    test__surroundings_remember();

    int err = set_up(run);
    if (err < 0)
        test__fail(run->test->site, "cannot begin: %s", strerrorname_np(-err));
    else
        run_body(run);

    bool cancels = run->calls && test__is_cancel(run->calls);
    atomic_store(&test__outcome->calls,
                 cancels ? asyncio_testing_awaits() : asyncio_testing_calls());
    if (asyncio_testing_swallowed() > 0) {
        atomic_store(&test__outcome->swallowed, true);
        test__note("swallowed: the wait that was cancelled went on as if"
                   " nothing had been asked");
    }
    test__outcome->ways = asyncio_testing_ways();
    test__outcome->harmless =
        asyncio_testing_failure_is_harmless() && !run->test->short_counts;
    if (!run->lenient || test__outcome->harmless) test__check_reports();
    test__world_close();
    asyncio_testing_ledger_settle(2);
    asyncio_testing_ledger_each(note_leak, NULL);
    test__surroundings_compare();
    atomic_store(&test__outcome->finished, true);
}
