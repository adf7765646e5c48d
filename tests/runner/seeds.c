// The same test in many orders: one process for each seed.
//
// The last thing that a seed changes is which of the tasks that are ready runs
// first. So a test that checks an order says `.ordered`, and one that is about
// the operating system has its order from there: these run once.

#include <inttypes.h>
#include <stdio.h>

#include "runner/run.h"

#define BAD_MAX 3 // seeds that fail, until we go on to the next test

static struct {
    uint64_t tests, runs, failed;
} sum;

static bool pass(struct test__run *run)
{
    bool passed = test__run(run) == 0 && run->verdict == TEST__PASSED;
    sum.runs++;
    if (!passed) {
        sum.failed++;
        if (run->outcome) test__print_reasons(run);
    }
    test__run_close(run);
    return passed;
}

bool test__seeds(const struct test *test, unsigned number, uint64_t seeds)
{
    struct test__run run = {.test = test};
    uint64_t count = test->ordered || test->real_time ? 1 : seeds, bad = 0;

    for (run.seed = 1; run.seed <= count && bad < BAD_MAX; run.seed++)
        if (!pass(&run)) bad++;
    sum.tests++;
    printf("%s %u - %s (%" PRIu64 " seeds)\n", bad == 0 ? "ok" : "not ok",
           number, test->name, run.seed - 1);
    return bad == 0;
}

void test__seeds_summary(void)
{
    printf("# seeds: tests=%" PRIu64 " runs=%" PRIu64 " failed=%" PRIu64 "\n",
           sum.tests, sum.runs, sum.failed);
}
