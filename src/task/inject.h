// Cancels at a chosen await: what asyncio_testing_cancel_at stands on.
//
// Park, yield and wake call these in a loop that a test watches, and no other.
#pragma once

#include "task/task.h"

// The running task is about to let others run: it is parked, or ready.
void asyncio__inject_await(struct asyncio_task *task);

// It was woken and has not run yet.
void asyncio__inject_woken(struct asyncio_task *task);

// It runs again, and its wait returns `result`.
void asyncio__inject_resumed(struct asyncio_task *task, int result);
