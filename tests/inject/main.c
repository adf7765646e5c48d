// The program behind ./dev inject workers: 10,000 workers killed, 1,000
// crashed, 1,000 stopped, 200 out of memory.
//
//     inject_workers [--seed N] [--share N]     one in N of them

#include <asyncio.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inject/workers.h"

static struct inject_plan plan = {
    .seed = 1,
    .times = {[INJECT_KILL] = 10000,
              [INJECT_CRASH] = 1000,
              [INJECT_STOP] = 1000,
              [INJECT_MEMORY] = 200},
};
static struct inject_counts counts;

static int async_main(void *arg)
{
    (void)arg;
    return inject_workers(&plan, &counts);
}

// The number behind an option; there is no way without one.
static unsigned long number_of(const char *word)
{
    char *end = NULL;
    unsigned long number = word ? strtoul(word, &end, 10) : 0;
    if (word && !*end && number > 0) return number;
    fprintf(stderr, "usage: inject_workers [--seed N] [--share N]\n");
    exit(2);
}

int main(int argc, char **argv)
{
    unsigned long share = 1;
    for (int i = 1; i < argc; i += 2) {
        unsigned long number = number_of(argv[i + 1]);
        if (strcmp(argv[i], "--seed") == 0)
            plan.seed = number;
        else if (strcmp(argv[i], "--share") == 0)
            share = number;
        else
            number_of(NULL);
    }
    for (int i = 0; i < INJECT_KINDS; i++)
        plan.times[i] = (unsigned)((plan.times[i] + share - 1) / share);

    int err = asyncio_run(async_main, NULL);
    if (err < 0) {
        fprintf(stderr, "inject workers: %s\n", asyncio_strerror(err));
        return 1;
    }
    inject_print(&counts, stdout);
    printf("%s\n# replay: %s --seed %llu --share %lu\n",
           inject_passed(&counts) ? "ok" : "not ok", argv[0],
           (unsigned long long)plan.seed, share);
    return inject_passed(&counts) ? 0 : 1;
}
