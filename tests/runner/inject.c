// The fault loop: every call that a test makes fails once.
//
// A first run counts the calls; then the test runs once for each of them, and
// that one fails. Cancels are made in the same manner: once for each await and
// each way to cancel there. A system call fails in each of its ways in turn:
// with each code that it may have, and by coming back a byte short. The test's
// own expectations are not asked, unless it was a failure that nobody is to
// notice. What is asked is that the process neither crashes nor hangs, gives
// everything back, and gives no sanitizer a reason to speak; and that no cancel
// is swallowed.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runner/run.h"

#define SLOW    2.0 // seconds
#define BAD_MAX 5   // runs that do not survive, until we go on to the next test

bool test__every;
uint64_t test__share = 1;

static unsigned ways_to_fail; // in which the call of the latest run can fail

static struct {
    uint64_t tests, faults, alike, crashes, leaks, hangs, swallowed, wrong,
        lost;
} sum;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// A test that waits in vain, but not for ever, makes the loop a long one.
static void note_slow(const struct test__run *run, double seconds)
{
    if (seconds < SLOW || run->verdict != TEST__PASSED) return;
    printf("# slow: it took %.1f seconds\n", seconds);
    test__print_reasons(run);
}

// Runs the test with the call of this ordinal failing. Returns how many calls
// it made, or 0 if the run did not survive.
static uint64_t survive(struct test__run *run, uint64_t ordinal)
{
    uint64_t calls = 0;
    double start = now();
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
    sum.swallowed += run->verdict == TEST__SWALLOWED;
    sum.wrong += run->verdict == TEST__FAILED;
    ways_to_fail = run->outcome->ways;
    note_slow(run, now() - start);
    if (run->verdict == TEST__PASSED)
        calls = run->outcome->calls + 1; // a test that makes none survived too
    else
        test__print_reasons(run);
close:
    test__run_close(run);
    return calls;
}

// One call, in each of its ways; the first run tells how many there are.
// Returns how many runs did not survive.
static uint64_t survive_ways(struct test__run *run, uint64_t ordinal)
{
    uint64_t bad = 0;
    run->way = 0;
    do {
        if (survive(run, ordinal) == 0) bad++;
        run->way++;
    } while (run->way < ways_to_fail && bad < BAD_MAX);
    run->way = 0;
    return bad;
}

// Whether the call belongs to the share that is asked for, which is another one
// in each test.
static bool is_in_share(const struct test__run *run, uint64_t ordinal)
{
    uint64_t phase = 0;
    for (const char *name = run->test->name; *name; name++)
        phase = phase * 31 + (unsigned char)*name;
    return (ordinal + phase % test__share) % test__share == 0;
}

// Each call of one kind in its turn, but for most of those that are alike. True
// if all were survived.
static bool survive_each(struct test__run *run, const char *calls)
{
    uint64_t bad = 0;
    run->calls = calls;

    uint64_t count = survive(run, 0);
    bool *chosen = test__alike_choose(count > 0 ? count - 1 : 0);
    for (uint64_t i = 1; i < count && bad < BAD_MAX; i++) {
        if (!is_in_share(run, i)) continue;
        if (chosen[i] || test__every)
            bad += survive_ways(run, i);
        else
            sum.alike++;
    }
    free(chosen);

    if (bad >= BAD_MAX)
        printf("# enough of %s: on to the next\n", run->test->name);
    return count > 0 && bad == 0;
}

static bool survive_cancels(struct test__run *run)
{
    static const char *const ways[] = {"task", "twice", "race", "scope"};
    bool survived = true;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        survived &= survive_each(run, ways[i]);
    return survived;
}

bool test__inject(const struct test *test, unsigned number, uint64_t seed,
                  const char *calls)
{
    if (test->faulty) {
        printf("ok %u - %s # SKIP it is a fault loop itself\n", number,
               test->name);
        return true;
    }
    struct test__run run = {.test = test, .seed = seed, .lenient = true};
    uint64_t faults = sum.faults, alike = sum.alike;
    if (test__alike_open() < 0) {
        printf("not ok %u - %s: there is no memory\n", number, test->name);
        return false;
    }
    bool survived = strcmp(calls, "cancel") == 0 ? survive_cancels(&run)
                                                 : survive_each(&run, calls);
    test__alike_close();
    sum.tests++;
    printf("%s %u - %s (%" PRIu64 " %s", survived ? "ok" : "not ok", number,
           test->name, sum.faults - faults,
           strcmp(calls, "cancel") == 0 ? "cancels" : "faults");
    if (sum.alike > alike)
        printf(", and %" PRIu64 " alike left out", sum.alike - alike);
    printf(")\n");
    return survived;
}

void test__inject_summary(const char *calls)
{
    printf("# inject %s: tests=%" PRIu64 " faults=%" PRIu64 " alike=%" PRIu64
           " crashes=%" PRIu64 " leaks=%" PRIu64 " hangs=%" PRIu64
           " swallowed=%" PRIu64 " wrong=%" PRIu64 "\n",
           calls, sum.tests, sum.faults, sum.alike, sum.crashes, sum.leaks,
           sum.hangs, sum.swallowed, sum.wrong);
}
