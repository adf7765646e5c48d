// What ./dev inject workers says.

#include "inject/workers.h"

bool inject_passed(const struct inject_counts *counts)
{
    return counts->jobs == counts->ended && counts->strange == 0 &&
           counts->twice == 0 && counts->unran == 0 && counts->missing == 0 &&
           counts->zombies == 0 && counts->children == 0 &&
           counts->descriptors == 0;
}

void inject_print(const struct inject_counts *counts, FILE *file)
{
    static const char *const kinds[] = {"SIGKILL", "SIGSEGV", "SIGSTOP",
                                        "out of memory"};
    static const char *const steps[] = {"starting", "idle",     "given",
                                        "running",  "answered", "any time"};
    fprintf(file, "# %-14s", "worker hit");
    for (int j = 0; j < INJECT_STEPS; j++)
        fprintf(file, "%10s", steps[j]);
    fprintf(file, "%10s\n", "in all");
    for (int i = 0; i < INJECT_KINDS; i++) {
        unsigned all = 0;
        fprintf(file, "# %-14s", kinds[i]);
        for (int j = 0; j < INJECT_STEPS; j++) {
            fprintf(file, "%10u", counts->made[i][j]);
            all += counts->made[i][j];
        }
        fprintf(file, "%10u\n", all);
    }
    fprintf(file,
            "# memory was limited by %s\n"
            "# jobs=%u ended=%u good=%u died=%u timed_out=%u strange=%u "
            "twice=%u unran=%u\n"
            "# missing=%u zombies=%u children=%u descriptors=%d\n"
            "# all workers work again after: median %.2f ms, p99 %.2f ms, "
            "longest %.2f ms\n",
            counts->cgroup ? "a cgroup" : "RLIMIT_AS", counts->jobs,
            counts->ended, counts->good, counts->dead, counts->late,
            counts->strange, counts->twice, counts->unran, counts->missing,
            counts->zombies, counts->children, counts->descriptors,
            counts->median_ms, counts->p99_ms, counts->longest_ms);
}
