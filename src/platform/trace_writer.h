// The ring of a trace, and the thread that writes it to the file: what trace.c,
// which opens the file and closes it, has of them.
#pragma once

#include <sys/types.h>

#include "platform/trace.h"

// Changed only while there is no writer, but for `end`, which is the writer's
// then.
struct asyncio__trace_file {
    char path[ASYNCIO__TRACE_PATH]; // of the latest one that was written
    int fd;                         // or -1
    bool regular;
    off_t end; // of the events in it
    _Atomic(int64_t) began_ns;
    asyncio__trace_failed_fn *failed;
};
extern struct asyncio__trace_file asyncio__trace_file;

// What stands behind the last event of a whole file.
#define ASYNCIO__TRACE_ENDING "\n]\n"
#define ASYNCIO__TRACE_ENDS   (sizeof ASYNCIO__TRACE_ENDING - 1)

// Makes an empty ring: 0 or -ENOMEM; and frees it. Without a writer.
int asyncio__trace_ring_open(void);
void asyncio__trace_ring_close(void);

// The writer, for a file that has events already, or is to have some, or not: 0
// or a negative errno. It ends when all is written, and closes the array of a
// pipe if nothing will follow. Stopping none is harmless.
int asyncio__trace_writer_start(bool any);
void asyncio__trace_writer_stop(bool closing);
bool asyncio__trace_writer_runs(void);
// Waits until all is written, but not for ever.
void asyncio__trace_writer_hurry(int64_t most_ns);

// The file takes nothing any more; and whether that is so.
void asyncio__trace_break_off(int err);
bool asyncio__trace_is_broken(void);

// Of the ring, around a fork; and in the new process, after the latter: no
// writer is there.
void asyncio__trace_ring_lock(void);
void asyncio__trace_ring_unlock(void);
void asyncio__trace_ring_forget(void);
// Once, before all else.
void asyncio__trace_ring_init(void);
