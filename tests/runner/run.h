// One run of one test in a process of its own, as the runner sees it.
//
// The runner fills in what is asked, test__run forks, and the verdict and the
// words are there when it returns, also when the process crashed: it writes
// into memory that both share. Only the runner and its own tests include this.
#pragma once

#include "runner/runner.h"

#include <stdatomic.h>
#include <sys/types.h>

#define TEST__PROMISES 48

// Shared by the runner and the processes of the test.
struct test__outcome {
    atomic_bool finished; // the body returned, and the ledger was compared
    atomic_uint failures; // expectations that did not hold
    atomic_uint leaks;    // resources that were not given back
    atomic_size_t len;    // of `words`; may exceed its size
    char words[32 * 1024];
    atomic_uint promise_count;
    char promises[TEST__PROMISES][16]; // what CONFORMS named
    _Atomic(uint64_t) calls; // that could have been made to fail, or awaits
    char skipped[160];       // why it cannot be made here, or ""
    atomic_bool fault_made;
    atomic_bool harmless;  // expectations hold in spite of the fault
    atomic_uint ways;      // in which the call that failed can
    atomic_bool stuck;     // its tasks wait for what will never come
    atomic_bool swallowed; // a cancel never arrived
};

// In order of gravity.
enum test__verdict {
    TEST__PASSED,
    TEST__FAILED,
    TEST__SWALLOWED,
    TEST__LEAKED,
    TEST__CRASHED,
    TEST__HUNG,
};

struct test__run {
    const struct test *test;
    uint64_t seed;
    // What fails or is counted: "alloc", "syscall"; or who is cancelled:
    // "task", "twice", "race", "scope"; or NULL.
    const char *calls;
    uint64_t ordinal; // which call or await; 0: none
    unsigned way;     // in which that call fails
    bool lenient;     // expectations and reports are not asked

    enum test__verdict verdict;
    struct test__outcome *outcome;
    int output; // a file with what was printed; the test's stdout and stderr
    char folder[64];
};

// Where this process's expectations go. Never NULL inside a test.
extern struct test__outcome *test__outcome;

// Runs it and waits for its end, but no longer than its limit. Returns 0, or a
// negative errno if it could not be begun. test__run_close in either case; it
// accepts a zeroed run.
int test__run(struct test__run *run);
// The same in this very process, without a limit, for a debugger.
int test__run_here(struct test__run *run);
void test__run_close(struct test__run *run);

// Prints what happened as lines of TAP: the verdict; why, with the command that
// replays it; where to record, for each promise that the test named.
void test__print_verdict(unsigned number, const struct test__run *run);
void test__print_reasons(const struct test__run *run);
void test__record_promises(const struct test__run *run);

// In the test's process: runs the body and compares what is in use before and
// after it.
void test__perform(const struct test__run *run);

// The signal handler of a test that hangs: says which tasks there are, and ends
// the process.
_Noreturn void test__last_words(int signal);

// What fault loops take: all calls, also those alike; and one of so many.
extern bool test__every;
extern uint64_t test__share;

// Which calls of a test are alike (alike.c). Between open and close, a run with
// test__alike_watch, in the test's process, says what each call is; then
// test__alike_choose returns which of so many calls to take, by ordinal, for
// free().
int test__alike_open(void);
void test__alike_watch(void);
bool *test__alike_choose(uint64_t count);
void test__alike_close(void);

// True if that is a word of asyncio_testing_cancel_at.
bool test__is_cancel(const char *calls);

// Fails every call that `test` makes once, or for "cancel" cancels at every
// await in each of the ways, each in a run of its own, and prints one line of
// TAP. True if it survived them all.
bool test__inject(const struct test *test, unsigned number, uint64_t seed,
                  const char *calls);
void test__inject_summary(const char *calls);

// Runs the test in the orders of the seeds 1 to `seeds`, and prints one line of
// TAP. True if it passed in all. A test that checks an order, or needs real
// time, runs once.
bool test__seeds(const struct test *test, unsigned number, uint64_t seeds);
void test__seeds_summary(void);

// Adds a line to the words of the outcome.
void test__note(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Takes a report; to be given to loops.
void test__collect_report(const struct asyncio_report *report, void *arg);
// Fails the test for each report that nobody expected.
void test__check_reports(void);

// Makes the simulated world of a test on `sim`, and nothing elsewhere; returns
// 0 or a negative errno. At the end, what it left open or in its folder is a
// leak.
int test__world_open(const struct test__run *run);
void test__world_close(void);

// What the process holds that the library's ledger does not know of.
// True if something beyond this thread may still be at work for the test.
bool test__surroundings_busy(void);
void test__surroundings_remember(void);
void test__surroundings_compare(void);
