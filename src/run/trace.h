// A trace of the loops: who ran when, and why not.
#pragma once

struct asyncio_loop;

// Looks on at a loop that is about to run, or runs, on this thread, if a trace
// is being written or the environment wants one. If that cannot be, it is
// reported, and the loop runs without.
void asyncio__trace_attach(struct asyncio_loop *loop);

// Says that a trace has ended early: what asyncio__trace_hold wants.
void asyncio__trace_report_failure(int err, const char *path);
