// Debug mode: the loop looks at what you do, and says in one line what is wrong
// and what to do about it.
//
//     asyncio_main(async_main, NULL, .debug = true);
//     ASYNCIO_DEBUG=1 ./program
//
// It reports, by the handler for reports (asyncio_set_exception_handler) and
// with the place where the task or callback was made:
//
//   - a step that took longer than 0.1 seconds         -ETIME
//   - a call from another thread than the loop's       -EPERM, so does the call
//   - a task that waits while it holds a mutex         -EDEADLK
//   - a frame left while a child's argument is in it   -EFAULT
//   - a stack used to more than three quarters         -EOVERFLOW
//   - a coroutine object that nobody ran               -EINVAL
//   - a stream that is freed while it is open          -EBADF
//   - a future that is reset, and failed unseen        the code it failed with
//
// Failures of tasks that nobody looked at and tasks left behind in a closed
// loop are reported in any case. Debug mode costs about 0.1 us for each step
// and 1 us for each task; without it, nothing of this is there.
// docs/debugging.md tells how each report comes about and what cannot be seen.
//
// Call all of it on the loop's thread, but for what says otherwise.
#pragma once

#include <asyncio/loop.h>

#include <stdio.h>

ASYNCIO__BEGIN

// How deep the stacks went of the tasks that were made at one place, and with
// one `.stack_size`. Of tasks that began in debug mode.
struct asyncio_stack_use {
    const char *site; // "file:line", cut in front if it is long
    size_t tasks;     // that have ended
    size_t used;      // bytes that the deepest of them used
    size_t size;      // bytes that each had
    size_t advised;   // the `.stack_size` to set
};

// Puts up to `count` of them into `uses`, the deepest first, and returns how
// many there are; 256 places are remembered, of all loops of the process.
//
// thread    any
ASYNCIO_API size_t asyncio_debug_stacks(struct asyncio_stack_use *uses,
                                        size_t count);

// Prints the same as a table, with the `.stack_size` to set where that differs.
//
// thread    any
ASYNCIO_API void asyncio_debug_print_stacks(FILE *out);

ASYNCIO__END
