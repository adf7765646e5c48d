// The fault loop: every call that a test makes fails once.
//
// A first run counts the calls; then the test runs once for each of them, and
// that one fails. The test's own expectations are not asked. What is asked is
// that the process neither crashes nor hangs, gives everything back, and gives
// no sanitizer a reason to speak.

#include <inttypes.h>
#include <stdio.h>

#include "runner/run.h"

#define BAD_MAX 5 // runs that do not survive, until we go on to the next test

static struct {
    uint64_t tests, faults, crashes, leaks, hangs, lost;
} sum;

// Runs the test with the call of this ordinal failing. Returns how many calls
// it made, or 0 if the run did not survive.
static uint64_t survive(struct test__run *run, uint64_t ordinal)
{
    uint64_t calls = 0;
    run->ordinal = ordinal;
    if (test__run(run) < 0) {
        printf("# cannot run %s\n", run->test->name);
        sum.lost++;
        goto close;
    }
    if (run->outcome->fault_made) sum.faults++;
    sum.crashes += run->verdict == TEST__CRASHED;
    sum.leaks += run->verdict == TEST__LEAKED;
    sum.hangs += run->verdict == TEST__HUNG;
    if (run->verdict == TEST__PASSED)
        calls = run->outcome->calls + 1; // a test that makes none survived too
    else
        test__print_reasons(run);
close:
    test__run_close(run);
    return calls;
}

bool test__inject(const struct test *test, unsigned number, uint64_t seed,
                  const char *calls)
{
    struct test__run run = {
        .test = test, .seed = seed, .calls = calls, .lenient = true};
    uint64_t faults = sum.faults, bad = 0;

    uint64_t count = survive(&run, 0);
    for (uint64_t i = 1; i < count && bad < BAD_MAX; i++)
        if (survive(&run, i) == 0) bad++;

    if (bad == BAD_MAX) printf("# enough of %s: on to the next\n", test->name);

    bool survived = count > 0 && bad == 0;
    sum.tests++;
    printf("%s %u - %s (%" PRIu64 " faults)\n", survived ? "ok" : "not ok",
           number, test->name, sum.faults - faults);
    return survived;
}

void test__inject_summary(const char *calls)
{
    printf("# inject %s: tests=%" PRIu64 " faults=%" PRIu64 " crashes=%" PRIu64
           " leaks=%" PRIu64 " hangs=%" PRIu64 "\n",
           calls, sum.tests, sum.faults, sum.crashes, sum.leaks, sum.hangs);
}
