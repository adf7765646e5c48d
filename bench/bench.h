// What the small benchmarks share: rounds, medians, and one line for a figure.
//
//     static int yields(long count) { ... }   // does it `count` times
//
//     static int async_main(void *arg)
//     {
//         return bench_figure("W1", "yield", yields, 1000000);
//     }
//
// prints the machine, and then, with nanoseconds for one time,
//
//     W1 libasyncio yield 6.71 6.68 7.02 ns
//
// which are workload, peer, metric, median, least, greatest, unit. ROUNDS is an
// argument of each program; of one round the figure alone is printed, as the
// programs in bench/peers do. With `--once METRIC COUNT` it does that once and
// prints nothing: for those who count instructions. Programs that can do the
// same with compact tasks take the word `compact` as their last argument.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <asyncio.h>

#define BENCH_ROUNDS_MAX 101

static int bench_rounds = 5;
static bool bench_processes;   // whether the program has a process pool
static const char *bench_only; // the one metric to be done once
static long bench_count;       // how often
static bool bench_compact;     // whether tasks are to be compact

static inline double bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline int bench_by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Prints a figure of which there is one for each round, which sorts them.
static inline void bench_print(const char *workload, const char *metric,
                               double *figures, const char *unit)
{
    qsort(figures, (size_t)bench_rounds, sizeof *figures, bench_by_size);
    printf("%s libasyncio%s %s %.2f", workload, bench_compact ? "_compact" : "",
           metric, figures[bench_rounds / 2]);
    if (bench_rounds > 1)
        printf(" %.2f %.2f", figures[0], figures[bench_rounds - 1]);
    printf(" %s\n", unit);
    fflush(stdout);
}

// Measures what it takes to do something once, doing it `count` times in each
// round. Returns 0, or the code that `body` failed with.
static inline int bench_figure(const char *workload, const char *metric,
                               int (*body)(long count), long count)
{
    double figures[BENCH_ROUNDS_MAX];
    if (bench_only)
        return strcmp(bench_only, metric) == 0 ? body(bench_count) : 0;
    for (int i = 0; i < bench_rounds; i++) {
        double start = bench_now_ns();
        int err = body(count);
        if (err < 0) return err;
        figures[i] = (bench_now_ns() - start) / (double)count;
    }
    bench_print(workload, metric, figures, "ns");
    return 0;
}

// Takes the word `compact` out of the arguments: for programs that know it.
static inline void bench_take_compact(int *argc, char **argv)
{
    bench_compact = *argc > 1 && strcmp(argv[*argc - 1], "compact") == 0;
    if (bench_compact) --*argc;
}

// Reads the arguments and prints the machine. Returns 0, or an exit status.
static inline int bench_begin(int argc, char **argv)
{
    struct utsname machine;
    if (argc == 4 && strcmp(argv[1], "--once") == 0) {
        bench_only = argv[2];
        bench_count = atol(argv[3]);
        return 0;
    }
    if (argc > 1) bench_rounds = atoi(argv[1]);
    if (argc > 2 || bench_rounds < 1 || bench_rounds > BENCH_ROUNDS_MAX) {
        fprintf(stderr, "usage: %s [ROUNDS | --once METRIC COUNT]\n", argv[0]);
        return 2;
    }
    uname(&machine);
    printf("# %d rounds, Linux %s %s, %ld processors\n", bench_rounds,
           machine.release, machine.machine, sysconf(_SC_NPROCESSORS_ONLN));
    fflush(stdout);
    return 0;
}

static inline int bench_main(int argc, char **argv, int (*fn)(void *arg))
{
    int status = bench_begin(argc, argv);
    return status != 0 ? status
                       : asyncio_main(fn, NULL, .processes = bench_processes);
}
