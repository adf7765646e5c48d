// Signals that a task or a stream has for itself, for as long as it wants them.
#pragma once

#include <asyncio/loop.h>

#define ASYNCIO__SIGNALS 65 // Linux numbers them from 1 to 64

// What holds a signal, and what the loop did about it before, which is kept for
// afterwards.
struct asyncio__signal_hold {
    int signal;           // 0: none
    bool had_callback;    // of the program's
    int (*fn)(void *arg); // this one
    void *arg;
    struct asyncio__variables *carried;
};

// Has fn(arg) called for each of them from now on, and nothing else. Returns 0,
// or as asyncio_add_signal_handler; -EBUSY if it is held already. All zero
// before.
int asyncio__signal_hold(struct asyncio__signal_hold *hold, int signal,
                         int (*fn)(void *arg), void *arg);

// Undoes it. True: it had come once more, of which nobody has heard.
bool asyncio__signal_release(struct asyncio__signal_hold *hold);
