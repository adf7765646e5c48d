// A thousandth of ./dev inject workers: what befalls worker processes ends
// their jobs, and nothing else.

#include "inject/workers.h"
#include "runner/runner.h"

static void hit_workers(uint64_t seed)
{
    const struct inject_plan plan = {
        .seed = seed,
        .times = {[INJECT_KILL] = 10,
                  [INJECT_CRASH] = 2,
                  [INJECT_STOP] = 2,
                  [INJECT_MEMORY] = 1},
    };
    struct inject_counts counts;
    int err = inject_workers(&plan, &counts);
    EXPECT_EQ(err, 0);
    if (err < 0) return;
    inject_print(&counts, stdout); // shown if something fails
    EXPECT_EQ(counts.ended, counts.jobs);
    EXPECT_EQ(counts.strange, 0);
    EXPECT_EQ(counts.twice, 0);
    EXPECT_EQ(counts.unran, 0);
    EXPECT_EQ(counts.missing, 0);
    EXPECT_EQ(counts.zombies, 0);
    EXPECT_EQ(counts.children, 0);
    EXPECT_EQ(counts.descriptors, 0);
}

TEST(workers_that_are_hit_cost_their_jobs_and_nothing_else, .real_time = true,
     .faulty = true, .limit = 60)
{
    hit_workers(1);
}

TEST(workers_that_are_hit_in_another_order, .real_time = true, .faulty = true,
     .limit = 60)
{
    hit_workers(2);
}
