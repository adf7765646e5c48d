// What the watchdog learns of a loop that is blocked, and how it asks.
#pragma once

#include "run/stack_trace.h"
#include "run/watchdog.h"

#define ASYNCIO__ANSWER_FRAMES 24

// Taken down on the loop's thread, wherever that was.
struct asyncio__answer {
    bool moved;               // it is not blocked any more
    char name[64], site[128]; // of the task that runs; or empty: a callback
    struct asyncio__frame frames[ASYNCIO__ANSWER_FRAMES];
    size_t count;
    asyncio_report_fn *report; // the loop's
    void *report_arg;
};

static inline uint64_t asyncio__watched_passes(struct asyncio_loop *loop)
{
    return atomic_load_explicit(&loop->passes, memory_order_relaxed);
}

// Once in a process, and again in one that was forked.
void asyncio__watchdog_ask_init(void);

// Takes the highest real-time signal that nobody handles. 0, or -EBUSY; and
// gives it back, to be called only after a take that went well.
int asyncio__watchdog_take_signal(void);
void asyncio__watchdog_return_signal(void);

// Asks the loop's thread where it is. The answer is good until it was heard;
// NULL: there is none. One question at a time.
const struct asyncio__answer *
asyncio__watchdog_ask(struct asyncio__watched *watched);
void asyncio__watchdog_heard(void);
