// What the programs for others share: clocks, counters, one line for a figure.
//
//     #define PEER "libuv"
//     #include "peer.h"
//     ...
//     peer_print("W1", "yield", nanoseconds, "ns");
//
// prints `W1 libuv yield 13.02 ns`: workload, peer, metric, value, unit. Each
// program is called with the workload, which it does once; echo and http are
// servers and take their port, too. Status 3 says: this peer does not do that.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

// How much there is to do, the same for all who can.
#define GATHERED     100000
#define BATCH        1000
#define SEMAPHORE    8
#define LINE_TASKS   10000
#define LINE_TIMES   20
#define SLEEPERS     100000
#define LIMITS       1000000
#define POSTS        1000000
#define THREAD_CALLS 50000
#define DOES_NOT     3

static inline double peer_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline double peer_now_ns(void)
{
    return peer_clock_ns(CLOCK_MONOTONIC);
}

static inline double peer_processor_ns(void)
{
    return peer_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

// A line of /proc/self/status that is about KiB, as bytes.
static inline double peer_status_bytes(const char *format)
{
    char line[128];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, format, &kib) == 1) break;
    if (file) fclose(file);
    return (double)kib * 1024;
}

static inline double peer_resident(void)
{
    return peer_status_bytes("VmRSS: %ld");
}

static inline double peer_page_tables(void)
{
    return peer_status_bytes("VmPTE: %ld");
}

static inline void peer_print(const char *workload, const char *metric,
                              double value, const char *unit)
{
    printf("%s " PEER " %s %.3f %s\n", workload, metric, value, unit);
    fflush(stdout);
}

// Ends a program that has not done what it was to be measured at.
static inline void peer_check(int right, const char *what)
{
    if (right) return;
    fprintf(stderr, PEER ": %s\n", what);
    _exit(1);
}

// The most memory so far, in MB.
static inline void peer_print_peak(const char *workload)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    peer_print(workload, "peak_rss", (double)usage.ru_maxrss / 1024, "MB");
}

// What tasks that sleep take, measured before and after they were made.
struct peer_memory {
    double resident, page_tables, start_ns;
};

static inline struct peer_memory peer_memory_before(void)
{
    struct peer_memory before = {peer_resident(), peer_page_tables(), 0};
    before.start_ns = peer_now_ns();
    return before;
}

static inline void peer_print_memory(struct peer_memory before, long count)
{
    double taken = peer_now_ns() - before.start_ns, all = (double)count;
    double resident = peer_resident() - before.resident;
    double tables = peer_page_tables() - before.page_tables;
    const char *size = count == 1000000 ? "1M" : "100k";
    char metric[32];
    snprintf(metric, sizeof metric, "%s_rss", size);
    peer_print("W4", metric, resident / all, "B/task");
    snprintf(metric, sizeof metric, "%s_pte", size);
    peer_print("W4", metric, tables / all, "B/task");
    snprintf(metric, sizeof metric, "%s_create", size);
    peer_print("W4", metric, taken / all, "ns/task");
}

// 1 to 100, the same row of numbers for all.
static inline int peer_milliseconds(void)
{
    static uint32_t seed = 1;
    seed = seed * 1664525 + 1013904223;
    return 1 + (int)(seed >> 16) % 100;
}
