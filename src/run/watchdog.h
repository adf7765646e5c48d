// The thread that sees to it that loops turn.
#pragma once

#include <pthread.h>

#include "loop/loop.h"

// A loop that is watched, for the time of a run, in the frame of whoever runs
// it.
struct asyncio__watched {
    struct asyncio_link link; // of those that are watched
    struct asyncio_loop *loop;
    pthread_t thread; // the loop's
    int64_t limit_ns; // 0: it is not watched
    uint64_t passes;  // when it was last looked at
    int64_t since_ns; // since when it has made none
    bool told;        // that was reported
};

// Watches a loop that is about to run on this thread, if that was asked for. If
// it cannot be, that is reported, and the loop runs without.
void asyncio__watchdog_begin(struct asyncio__watched *watched,
                             struct asyncio_loop *loop);
void asyncio__watchdog_end(struct asyncio__watched *watched);

// How many threads of the process are watchdogs: 0 or 1.
int asyncio__watchdog_threads(void);
