// The program behind ./dev simulate: many seeds of the scenario, on all
// processors.
//
//     simulate [--seeds N] [--first N] [--jobs N] [--hash]   N seeds, in a row
//     simulate --seed N [--trace]                            one of them
//
// Seeds run one after the other in a few processes, which share a table: a seed
// that ends its process, or does not end, is known by it and counts as failed.
// Each failure is a line with the command that runs it again. --hash prints one
// number made of all runs: another compiler has to come to the same.

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <asyncio/testing.h>

#include "simulate/scenario.h"

#define JOBS_MAX     64
#define HUNG_SECONDS 20 // real ones, for one seed
#define SHOWN_MAX    20 // failures

// What a process has come to; others read it.
struct job {
    pid_t pid;
    _Atomic(uint64_t) next; // the seed that runs, or is next
    uint64_t seen;          // by whoever watches, at
    time_t seen_at;
    uint64_t good, bad, hash;
    double seconds; // virtual
    struct scenario_counts counts;
};

static struct {
    uint64_t seeds, first, seed, jobs;
    bool hash, trace;
} options = {.seeds = 100000, .first = 1};

static struct job *table; // shared
static atomic_uint *shown;
static const char *program;

// ---- One seed ---------------------------------------------------------------

static void report(uint64_t seed, const char *words)
{
    if (atomic_fetch_add(shown, 1) >= SHOWN_MAX) return;
    printf("seed %" PRIu64 ": %s\n# replay: %s --seed %" PRIu64 " --trace\n",
           seed, words, program, seed);
    fflush(stdout);
}

static void add_counts(struct scenario_counts *sum,
                       const struct scenario_counts *part)
{
    sum->connections += part->connections;
    sum->retries += part->retries;
    sum->crashes += part->crashes;
    sum->cuts += part->cuts;
    sum->copies += part->copies;
    sum->disk_errors += part->disk_errors;
}

static void count_leak(const char *what, size_t size, const char *site,
                       void *arg)
{
    struct scenario *s = arg;
    scenario_blame(s, "leak: %s (%zu) made at %s", what, size, site);
}

static void print_line(const char *line, void *arg)
{
    (void)arg;
    puts(line);
}

static uint64_t run_seed(uint64_t seed, struct scenario *s)
{
    *s = (struct scenario){.seed = seed};
    uint64_t hash = scenario_run(s, options.trace ? print_line : NULL);
    asyncio_testing_ledger_each(count_leak, s);
    if (s->words[0]) {
        report(seed, s->words);
        asyncio_testing_ledger_start(); // what leaked is not blamed on others
    }
    return hash;
}

// ---- A process --------------------------------------------------------------

static uint64_t end_of_seeds(void)
{
    return options.first + options.seeds;
}

static void run_job(struct job *job)
{
    struct scenario s;
    for (;;) {
        uint64_t seed = job->next;
        if (seed >= end_of_seeds()) return;
        uint64_t hash = run_seed(seed, &s);
        job->hash ^= hash * (2 * seed + 1);
        job->good += s.words[0] == '\0';
        job->bad += s.words[0] != '\0';
        job->seconds += s.seconds;
        add_counts(&job->counts, &s.counts);
        job->next = seed + options.jobs;
    }
}

static int start_job(struct job *job)
{
    fflush(stdout);
    job->seen_at = time(NULL);
    pid_t pid = fork();
    if (pid < 0) return -errno;
    if (pid > 0) {
        job->pid = pid;
        return 0;
    }
    int err = asyncio_testing_ledger_start();
    if (err == 0) run_job(job);
    fflush(stdout);
    _exit(err == 0 ? 0 : 1);
}

// The seed that ended a process, and the next one in a new process.
static int go_on_after(struct job *job, const char *words)
{
    report(job->next, words);
    job->bad++;
    job->next += options.jobs;
    return start_job(job);
}

static int reap(struct job *job, uint64_t *running)
{
    int status;
    if (waitpid(job->pid, &status, WNOHANG) != job->pid) return 0;
    job->pid = 0;
    (*running)--;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    (*running)++;
    return go_on_after(job, "it has ended its process");
}

static void end_if_hung(struct job *job)
{
    time_t now = time(NULL);
    if (job->seen != job->next) {
        job->seen = job->next;
        job->seen_at = now;
    }
    if (now - job->seen_at > HUNG_SECONDS) kill(job->pid, SIGKILL);
}

static int watch(void)
{
    uint64_t running = options.jobs;
    while (running > 0) {
        const struct timespec pause = {.tv_nsec = 20000000};
        nanosleep(&pause, NULL);
        for (uint64_t i = 0; i < options.jobs; i++) {
            if (table[i].pid == 0) continue;
            int err = reap(&table[i], &running);
            if (err < 0) return err;
            if (table[i].pid != 0) end_if_hung(&table[i]);
        }
    }
    return 0;
}

// ---- All --------------------------------------------------------------------

static int share_table(void)
{
    size_t size = JOBS_MAX * sizeof *table + sizeof *shown;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return -errno;
    table = memory;
    shown = (atomic_uint *)(void *)(table + JOBS_MAX);
    return 0;
}

static int print_sum(void)
{
    struct job sum = {0};
    for (uint64_t i = 0; i < options.jobs; i++) {
        sum.good += table[i].good;
        sum.bad += table[i].bad;
        sum.hash ^= table[i].hash;
        sum.seconds += table[i].seconds;
        add_counts(&sum.counts, &table[i].counts);
    }
    if (options.hash) printf("hash %016" PRIx64 "\n", sum.hash);
    printf("simulate: %.1f hours, %" PRIu64 " connections, %" PRIu64
           " retries, %" PRIu64 " partitions, %" PRIu64 " power failures, "
           "%" PRIu64 " disk errors, %" PRIu64 " copies\n",
           sum.seconds / 3600, sum.counts.connections, sum.counts.retries,
           sum.counts.cuts, sum.counts.crashes, sum.counts.disk_errors,
           sum.counts.copies);
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", sum.good, sum.bad);
    return sum.bad == 0 && sum.good == options.seeds ? 0 : 1;
}

static int run_many(void)
{
    int err = share_table();
    for (uint64_t i = 0; i < options.jobs && err == 0; i++) {
        table[i].next = options.first + i;
        err = start_job(&table[i]);
    }
    if (err == 0) err = watch();
    if (err == 0) return print_sum();
    fprintf(stderr, "simulate: %s\n", strerror(-err));
    return 1;
}

static int run_one(void)
{
    struct scenario s;
    int err = share_table();
    if (err == 0) err = asyncio_testing_ledger_start();
    if (err < 0) return 1;
    uint64_t hash = run_seed(options.seed, &s);
    printf("seed %" PRIu64 ": hash %016" PRIx64 ", %s\n", options.seed, hash,
           s.words[0] ? s.words : "good");
    return s.words[0] ? 1 : 0;
}

_Noreturn static void refuse(const char *word)
{
    fprintf(stderr,
            "simulate: what is '%s'?\n"
            "usage: simulate [--seeds N] [--first N] [--jobs N] [--hash]\n"
            "       simulate --seed N [--trace]\n",
            word);
    exit(2);
}

static uint64_t number_of(const char *word)
{
    char *end;
    unsigned long long number = word ? strtoull(word, &end, 10) : 0;
    if (!word || *end || number == 0) refuse(word ? word : "nothing");
    return number;
}

static void parse(int argc, char **argv)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    options.jobs = processors > 0 ? (uint64_t)processors : 1;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--hash") == 0)
            options.hash = true;
        else if (strcmp(word, "--trace") == 0)
            options.trace = true;
        else if (strcmp(word, "--seeds") == 0)
            options.seeds = number_of(argv[++i]);
        else if (strcmp(word, "--first") == 0)
            options.first = number_of(argv[++i]);
        else if (strcmp(word, "--seed") == 0)
            options.seed = number_of(argv[++i]);
        else if (strcmp(word, "--jobs") == 0)
            options.jobs = number_of(argv[++i]);
        else
            refuse(word);
    }
    if (options.jobs > JOBS_MAX) options.jobs = JOBS_MAX;
}

int main(int argc, char **argv)
{
    program = argv[0];
    parse(argc, argv);
    signal(SIGCHLD, SIG_DFL); // an ignored one has no children to wait for
    return options.seed ? run_one() : run_many();
}
