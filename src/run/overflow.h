// A readable end for stacks that overflow, while a loop runs on this thread.
// ASYNCIO_OVERFLOW_REPORT=0 in the environment leaves SIGSEGV alone.
#pragma once

#include <asyncio/base.h>

// Returns whether it was set up, for `end` to know.
bool asyncio__overflow_report_begin(void);
void asyncio__overflow_report_end(bool begun);
