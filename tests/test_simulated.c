// A client, a server and a copy job under faults, for a few of the seeds that
// ./dev simulate runs by the thousand.

#include "runner/runner.h"
#include "simulate/scenario.h"

static uint64_t run(uint64_t seed)
{
    struct scenario s = {.seed = seed};
    uint64_t hash = scenario_run(&s, NULL);
    if (s.words[0]) FAIL("seed %llu: %s", (unsigned long long)seed, s.words);
    return hash;
}

TEST_PLAIN(no_byte_is_lost_and_everybody_ends, .limit = 60)
{
    for (uint64_t seed = 1; seed <= 100; seed++)
        run(seed);
}

TEST_PLAIN(a_seed_is_the_same_run_each_time, .limit = 60)
{
    for (uint64_t seed = 1; seed <= 10; seed++)
        EXPECT_EQ(run(seed), run(seed));
}
