// Worker processes that are killed, that crash, that are stopped and that run
// out of memory, at each step of a job and at any time.
//
// Whatever happens to its worker, a job ends, once; the pool starts another
// worker, keeps no zombie and loses no descriptor. A worker that was stopped is
// not noticed as such: it is the time limit of a job that ends it. What is done
// in which order comes from the seed; the operating system adds its own.
#pragma once

#include <asyncio.h>

#include <stdio.h>

enum inject_kind {
    INJECT_KILL,
    INJECT_CRASH,
    INJECT_STOP,
    INJECT_MEMORY,
    INJECT_KINDS,
};

enum inject_step {
    INJECT_STARTING, // forked, and nothing done yet
    INJECT_IDLE,     // between two jobs
    INJECT_GIVEN,    // a job is there, and not seen yet
    INJECT_RUNNING,
    INJECT_ANSWERED, // the answer is written, and the bell not rung yet
    INJECT_ANY_TIME,
    INJECT_STEPS,
};

struct inject_plan {
    uint64_t seed;
    unsigned times[INJECT_KINDS];
};

struct inject_counts {
    unsigned made[INJECT_KINDS][INJECT_STEPS];
    unsigned jobs, ended; // have to be equal
    unsigned good, dead, late;
    unsigned strange;  // ended in a way that is none of these
    unsigned twice;    // jobs that ran more than once
    unsigned unran;    // jobs that ended well and did not run
    unsigned missing;  // workers that the pool had not again
    unsigned zombies;  // children of the foreman that nobody reaped
    unsigned children; // of ours that are left
    int descriptors;   // more than before
    bool cgroup;       // memory was limited by one
    double median_ms, p99_ms, longest_ms; // until all workers work again
};

// In a task, with no pool of processes open. Returns 0, or why there could be
// no pool.
int inject_workers(const struct inject_plan *plan,
                   struct inject_counts *counts);

void inject_print(const struct inject_counts *counts, FILE *file);

// Everything that has to be 0 or equal is.
bool inject_passed(const struct inject_counts *counts);
