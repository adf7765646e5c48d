// Traces: a file of who ran when and what everybody waited for, which Perfetto
// (ui.perfetto.dev) and chrome://tracing show as a time line.
//
//     ASYNCIO_TRACE=trace.json ./program
//
// needs no call: all loops of the program are in it, from their first run until
// they close. A %p in the name stands for the number of the process. The calls
// here are for programs that want a trace of a part of their life, and marks in
// it.
//
// It shows each step of each task, each callback, wait, and job in a thread or
// a worker process, with arrows from who made or woke a task to what it did
// next. Times are the system's, also where a test has a virtual clock. While a
// trace is written, a step costs about a microsecond; without one, nothing.
//
// docs/debugging.md tells how to read it. All of it may be called on any
// thread.
#pragma once

#include <asyncio/base.h>

ASYNCIO__BEGIN

// Begins a trace of all loops: those that run, and those that will. A file that
// is there is written anew.
//
// returns   0; -EALREADY if a trace is being written; -EBUSY if another process
//           writes this file; -EINVAL for an empty name; -EPERM in a worker
//           process; -ENOMEM; or why the file cannot be written
// suspends  never
ASYNCIO_API int asyncio_trace_start(const char *path);

// Ends the trace; what has happened until now is in the file when this returns.
// One that the environment asked for does not begin again. A trace that is not
// ended is complete when the program exits, but for what happens at last.
//
// returns   0; -ENOENT if none is being written
// suspends  never
ASYNCIO_API int asyncio_trace_stop(void);

// Puts a mark into the trace, at this moment, on this thread's row: up to 120
// bytes of it. Does nothing without a trace.
ASYNCIO_API void asyncio_trace_mark(const char *text);

ASYNCIO__END
