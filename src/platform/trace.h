// A trace: a file of what happened when, for viewers of time lines.
//
// It is an array of events in the Trace Event Format, which Perfetto and
// chrome://tracing open. Whoever has an event to tell puts it, as text, into a
// ring of bytes; one thread writes the ring to the file:
//
//     event() --> [ , {...}, {...}, {... ] --> file:  [ {...}, {...} ]
//     any thread          the ring             the writer
//
// A regular file is a whole array after each write, so it can be opened at any
// time, also after a crash. A pipe gets the bracket that closes it at the end;
// the format lets it be missing.
//
// There is one trace at a time, and its number is known to all: so who has
// nothing to tell looks at one word.
#pragma once

#include <asyncio/base.h>

#include <stdatomic.h>

// The number of the trace that is being written; 0: there is none. A file that
// is gone on with keeps its number.
extern _Atomic(uint32_t) asyncio__trace_number;

static inline uint32_t asyncio__tracing(void)
{
    return atomic_load_explicit(&asyncio__trace_number, memory_order_acquire);
}

// --- the file (trace.c) -----------------------------------------------------

// The longest name of a file.
#define ASYNCIO__TRACE_PATH 4096

// The name in the environment, ASYNCIO_TRACE; or NULL. A program that runs with
// more rights than its caller has is not told, and neither is one that was
// forked from a process with a trace, unless the name has a %p.
const char *asyncio__trace_wanted(void);

// The trace ended early, for this reason. Called on the writer.
typedef void asyncio__trace_failed_fn(int err, const char *path);

// Holds the trace that is being written, or else begins one; %p in the name
// becomes the number of the process. A file that this process has written, and
// nobody else since, goes on.
//
// Returns 0 and its number; -EBUSY if another process writes the file; or
// another negative errno.
int asyncio__trace_hold(const char *name, asyncio__trace_failed_fn *failed,
                        uint32_t *number);
// The same for one of its own, which only asyncio__trace_end ends: -EALREADY if
// one is being written, -EPERM where none ever is.
int asyncio__trace_begin(const char *name, asyncio__trace_failed_fn *failed);
// Lets go of the trace with this number; the last one ends it, and all that was
// told is in the file. Harmless if it has ended.
void asyncio__trace_drop(uint32_t number);
// Ends the trace for all who hold it, and the environment is not asked any
// more. False if there is none.
bool asyncio__trace_end(void);

// The writer ends, and begins again: for a fork that wants no other threads.
// What is told meanwhile is not lost.
void asyncio__trace_pause(void);
void asyncio__trace_go_on(void);

// How many threads of the process are writers: 0 or 1.
int asyncio__trace_threads(void);

// No trace is ever written in this process.
void asyncio__trace_never(void);

// Puts a text into the ring. Waits for room, but not for long: where the file
// takes nothing, texts are left out, and counted.
void asyncio__trace_put(const char *text, size_t len);

// When the trace began, by the system's monotonic clock.
int64_t asyncio__trace_began_ns(void);

// --- events (trace_event.c) -------------------------------------------------

// Something that an event says beside its name.
struct asyncio__trace_word {
    const char *key;  // NULL: nothing
    const char *text; // NULL: the number
    int64_t number;
};
#define ASYNCIO__TRACE_WORDS 3

struct asyncio__trace_event {
    char phase; // as the format has it: 'X', 'b', 's', ...
    const char *category;
    const char *name; // any bytes, cut if it is long
    int64_t at_ns;    // by the system's monotonic clock
    int64_t took_ns;  // of an 'X'
    int pid, tid;     // 0: this process, this thread
    uint64_t id;      // of those that belong together; 0: none
    struct asyncio__trace_word words[ASYNCIO__TRACE_WORDS];
};

// Any thread. Does nothing without a trace.
void asyncio__trace_event(const struct asyncio__trace_event *event);

// Names a row of the time line: `tid`, or this thread if 0.
void asyncio__trace_name_row(int tid, const char *name);

// The name of a function, static ones included: looked up once.
void asyncio__trace_function(const void *fn, char *name, size_t size);
// In a forked process: nobody is at that.
void asyncio__trace_forget_locks(void);

// A number for an arrow, or for a row that is no thread's.
uint32_t asyncio__trace_new_arrow(void);
int asyncio__trace_new_row(void);
