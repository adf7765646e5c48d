// Log: what a worker process says about itself, in a pipe of its own: that it
// is set up, or why not; and when a fault ends it, where that was.
//
//     start --> READY --> (FAULT)
//        `----> FAILED
//
// What stands in a pipe cannot be taken back. So a job that has turned against
// its parent may add lies about its own end, but not that its worker never came
// to be. It can fill the pipe, and no more: its end never blocks, and the
// parent reads a few entries when the worker has ended. Of what a job may have
// written it shows two numbers and names of its own functions. A sandbox lets
// the log be written to: whose job is hostile wants to know most where it
// crashed.
#pragma once

#include <asyncio/base.h>

struct asyncio__symbols;

#define ASYNCIO__LOG_FRAMES 24

enum asyncio__log_kind {
    ASYNCIO__LOG_NOTHING, // the log is empty
    ASYNCIO__LOG_READY,
    ASYNCIO__LOG_FAILED, // `code` and `text` say why; the worker exits
    ASYNCIO__LOG_FAULT,
};

struct asyncio__log_entry {
    uint32_t kind; // enum asyncio__log_kind
    int32_t code;  // of a failure, or the signal of a fault
    char text[256];
    int64_t processor_ns;  // of one that is ready: used so far
    uint64_t address;      // of the fault; if `has_address`
    uint32_t has_address;  // it is no signal that somebody sent
    uint32_t memory_is_up; // there was next to none left
    uint32_t frame_count;
    uint64_t frames[ASYNCIO__LOG_FRAMES]; // the innermost first
};

// --- the worker's side ------------------------------------------------------

// What a worker is made with. The same for all of a pool. It is sent as it
// lies in memory, so no field is followed by padding.
struct asyncio__worker_setup {
    int (*initializer)(void *arg); // or NULL
    void *initarg;
    uint64_t memory_limit; // bytes beyond those at the start, or 0
    uint64_t sandbox;      // enum asyncio_sandbox, entered after all that
};

// Limits the worker, has faults logged, and runs the initializer. Ends the
// process if any of it fails. `log` is the pipe's end to write, non-blocking.
void asyncio__worker_set_up(const struct asyncio__worker_setup *setup, int log);

// --- the parent's -----------------------------------------------------------

// Reads the next entry of a log, whose end to read is `log`; an empty one if
// there is none.
void asyncio__log_read(int log, struct asyncio__log_entry *entry);

// Writes about a fault: " at 0x18 in parse < read < decode", up to the function
// `last`, which began it; or "".
void asyncio__log_describe(const struct asyncio__log_entry *fault,
                           struct asyncio__symbols *symbols,
                           int (*last)(void *arg), char *text, size_t size);
