// The jobs of ./dev inject workers, and what they share with the parent.
#pragma once

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

// Mapped before the pool is made.
extern struct inject_board {
    atomic_int at_start;      // a signal for the next worker that starts
    _Atomic(int64_t) shot_ns; // when the last one was about to be hit
    atomic_uint runs[];       // of each job, by number
} * inject_board;

// What a job is given, and answers.
struct inject_order {
    unsigned number;
    int signal;
    int spin_us;
    pid_t pid; // answer: the worker
    char cgroup[256];
};

static inline int64_t inject_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int inject_work(void *arg);         // for spin_us
int inject_hit_in_job(void *arg);   // by the signal
int inject_hit_at_bell(void *arg);  // the answer is written then
int inject_spend_memory(void *arg); // until there is none in the cgroup

// A fork handler: hits this process if it is to be.
void inject_hit_at_start(void);
