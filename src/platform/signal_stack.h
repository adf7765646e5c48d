// A stack for signal handlers, for each thread that needs one: a task's stack
// is used up by the fault to be reported, or too small for a signal's frame.
#pragma once

#include <asyncio/base.h>

// Makes sure that the calling thread has a signal stack; one that is there
// already is left. Each success wants one of drop, on the same thread. Returns
// 0 or a negative errno.
int asyncio__signal_stack_hold(void);
void asyncio__signal_stack_drop(void);
