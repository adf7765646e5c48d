// What tests change about loops.
#pragma once

#include <asyncio/loop.h>

struct asyncio__step;

// Where virtual time begins: any number will do that is not 0.
#define ASYNCIO__VIRTUAL_START INT64_C(1000000000000)

struct asyncio__testing {
    bool virtual_clock; // this and the seed are read when a loop is made
    uint64_t seed;
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
