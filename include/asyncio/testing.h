// For tests of programs on this library: virtual time, seeded order, a ledger
// of what is in use, and calls that fail on demand.
//
// Set it before the loop is made, in a process of the test's own:
//
//     asyncio_testing_virtual_clock(true);
//     asyncio_run(test, NULL);          // an hour of sleeping takes a moment
//
// All of it holds for the whole process. Call it on one thread, while no loop
// runs, but for what says otherwise.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

// Loops made from now on have a clock that jumps to the next timer whenever
// every task waits; it begins at the same time in every run. Work in progress
// (files, threads, processes) holds it.
ASYNCIO_API void asyncio_testing_virtual_clock(bool on);

// Loops made from now on run ready tasks in an order drawn from `seed`; 0 is
// the order in which they became ready.
ASYNCIO_API void asyncio_testing_seed(uint64_t seed);

// Reports for which a loop has no handler go to fn(report, arg), on that loop's
// thread; NULL has them printed again.
ASYNCIO_API void asyncio_testing_reports(asyncio_report_fn *fn, void *arg);

// Ends `task` with `result` behind its back, as a bug would.
ASYNCIO_API void asyncio_testing_force_done(struct asyncio_task *task,
                                            int result);

// --- the ledger -------------------------------------------------------------

// What is in use now.
struct asyncio_testing_ledger {
    size_t bytes, allocations, descriptors, tasks, stacks, threads, timers,
        children;
};

// Starts counting from zero, before anything else of the library is used. What
// was obtained earlier is not known, and giving it back changes nothing.
//
// returns   0, or -ENOMEM
ASYNCIO_API int asyncio_testing_ledger_start(void);

// Tells what is in use.
// thread    any
ASYNCIO_API void
asyncio_testing_ledger_read(struct asyncio_testing_ledger *ledger);

// Calls fn for each thing that is in use now, in no order: its kind ("bytes",
// "descriptor", ...), its size in bytes or 0, and the place where it was
// obtained. fn must not call the library.
ASYNCIO_API void asyncio_testing_ledger_each(
    void (*fn)(const char *what, size_t size, const char *site, void *arg),
    void *arg);

// --- faults -----------------------------------------------------------------

// Makes the `ordinal`-th call from now fail, counting from 1; 0 makes none fail
// and only counts. `calls` says which: "alloc" is memory from the allocator and
// from the kernel, "syscall" all other calls, each failing with a code that it
// may really have. Starts the ledger if need be.
//
// returns   0; -EINVAL for another word; -ENOMEM
ASYNCIO_API int asyncio_testing_fail_at(const char *calls, uint64_t ordinal);

// fn(code, site) is called when that call fails, on the thread that makes it.
// It must not call the library.
ASYNCIO_API void asyncio_testing_on_failure(void (*fn)(int code,
                                                       const char *site));

// How many such calls there were since then.
// thread    any
ASYNCIO_API uint64_t asyncio_testing_calls(void);

ASYNCIO__END
