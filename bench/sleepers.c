// What memory does a task take that sleeps, and how long is one in the making?
//
//     ./dev bench sleepers [ROUNDS [TASKS]] [compact]
//
// A hundred thousand tasks, or as many as are asked for, begin to sleep. What
// the process has grown by then, in memory and in page tables, and the time up
// to there, are divided by their number. Each round is a process of its own,
// which has freed nothing yet.

#include <sys/mman.h>
#include <sys/wait.h>

#include "bench.h"

static long tasks = 100000;
static double (*taken)[BENCH_ROUNDS_MAX]; // three figures, shared with children
static int current;                       // round

static int sleep_long(void *started)
{
    ++*(long *)started;
    return asyncio_sleep(1000);
}

static double status_bytes(const char *key)
{
    char line[128];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, key, &kib) == 1) break;
    if (file) fclose(file);
    return (double)kib * 1024;
}

// Leaves the process with its figures, as a million cancels are not asked for.
static int fall_asleep(void *arg)
{
    static long started;
    double resident = status_bytes("VmRSS: %ld");
    double tables = status_bytes("VmPTE: %ld");
    double start = bench_now_ns();
    (void)arg;
    for (long i = 0; i < tasks; i++)
        asyncio_task_release(asyncio_create_task(sleep_long, &started,
                                                 .compact = bench_compact));
    while (started < tasks) {
        int err = asyncio_sleep(0);
        if (err < 0) return err;
    }
    double all = (double)tasks;
    taken[2][current] = (bench_now_ns() - start) / all;
    taken[0][current] = (status_bytes("VmRSS: %ld") - resident) / all;
    taken[1][current] = (status_bytes("VmPTE: %ld") - tables) / all;
    _exit(0);
}

static bool measure(void)
{
    int status = 1;
    pid_t process = fork();
    if (process == 0) {
        int err = asyncio_run(fall_asleep, NULL);
        fprintf(stderr, "sleepers: %s\n", asyncio_strerror(err));
        _exit(1);
    }
    return waitpid(process, &status, 0) == process && status == 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name, *unit;
    } about[] = {{"rss", "B/task"}, {"pte", "B/task"}, {"create", "ns/task"}};
    bench_take_compact(&argc, argv);
    if (argc == 3 && atol(argv[2]) > 0) tasks = atol(argv[--argc]);
    int status = bench_begin(argc, argv);
    if (status != 0) return status;
    taken = mmap(NULL, 3 * sizeof *taken, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (taken == MAP_FAILED) return 1;
    for (current = 0; current < bench_rounds; current++)
        if (!measure()) return 1;
    for (int i = 0; i < 3; i++) {
        char metric[32];
        bool million = tasks % 1000000 == 0;
        snprintf(metric, sizeof metric, "%ld%s_%s",
                 tasks / (million ? 1000000 : 1000), million ? "M" : "k",
                 about[i].name);
        bench_print("W4", metric, taken[i], about[i].unit);
    }
    return 0;
}
