// What stands behind a thread's future, for those who run what it announces.
#pragma once

#include <asyncio/thread_future.h>

struct asyncio__cancel_hook {
    // Somebody has cancelled the future. Called once, under its lock, on the
    // thread that cancels.
    void (*cancelled)(struct asyncio__cancel_hook *hook);
    // The loop, open until the future ends, whose task it announces; or NULL.
    struct asyncio_loop *loop;
};

// Has `hook` called when the future is cancelled, until that one ends in any
// other way. The future is new, and known to nobody else.
void asyncio__thread_future_on_cancel(struct asyncio_thread_future *future,
                                      struct asyncio__cancel_hook *hook);

// Ends it from the side that runs it: the hook is not called. A negative result
// brings the words that the running task, or the thread, has for it. False if
// it has been cancelled: the hook was called.
bool asyncio__thread_future_end(struct asyncio_thread_future *future,
                                int result);
