// What tests change about loops.
#pragma once

#include <asyncio/testing.h>

#include <pthread.h>

struct asyncio__step;

// Read when a loop is made, but for the reports.
struct asyncio__testing {
    struct asyncio_testing_clock *clock;   // NULL: the system's
    struct asyncio_testing_clock settings; // of `clock`, for other threads
    pthread_t clock_thread;                // whose loops use `clock` itself
    uint64_t seed;
    bool watched; // awaits are counted in the loops of this thread:
    pthread_t watching_thread;
    // For each call, or await, that is counted, with its number; or NULL. From
    // any thread.
    void (*on_call)(uint64_t ordinal, const char *site);
    // A test's loop is about to sleep, and nothing of its own will ever end
    // that; or NULL.
    void (*stuck)(struct asyncio_loop *loop);
    // What a step may take in loops that are not told; 0: the usual.
    int64_t slow_ns;
    void (*task_step)(struct asyncio__step *); // how to tell a task from others
    asyncio_report_fn *report; // NULL, or in place of standard error
    void *report_arg;
};

extern struct asyncio__testing asyncio__testing;

// The next number of the row that begins with *state.
uint64_t asyncio__draw(uint64_t *state);

// Puts the steps of tasks in this pass into an order drawn from the loop's
// seed; callbacks keep their places.
void asyncio__testing_shuffle(struct asyncio_loop *loop);
