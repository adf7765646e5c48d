// The sandbox: what a worker process is left with when its job may turn on it.
//
//     a bell to ring, its log               write, on these descriptors only
//     shared memory that it is given        recvmsg and close, the same
//     the memory that it has                mmap, mprotect, never to execute
//     the time, sleep, futexes, signals     signals to itself only
//     its end
//
// Everything else is refused with -EPERM by the kernel (seccomp), and twice:
// Landlock takes away files, network and signals once more, limits and dropped
// capabilities stand behind it. There is no way out: what was given away stays
// away, for its threads too.
#pragma once

#include <asyncio/base.h>

// The steps into it.
enum asyncio__sandbox_step {
    ASYNCIO__SANDBOX_DESCRIPTORS,
    ASYNCIO__SANDBOX_LIMITS,
    ASYNCIO__SANDBOX_PRIVILEGES,
    ASYNCIO__SANDBOX_LANDLOCK,
    ASYNCIO__SANDBOX_SECCOMP,
    ASYNCIO__SANDBOX_TRIAL, // only asyncio__sandbox_try: it does not hold
};
const char *asyncio__sandbox_step_name(uint32_t step);

// The descriptors that a worker keeps: two to be written to, and one by which
// it may get one more at a time. They may be the same.
struct asyncio__doors {
    int bell, log, channel;
};

// Confines this process for good, keeping only these descriptors. Returns 0, or
// a negative errno with the step that failed: the process is not to go on.
int asyncio__sandbox_enter(const struct asyncio__doors *doors,
                           enum asyncio__sandbox_step *step);

// The same, and looks whether the sandbox holds.
int asyncio__sandbox_try(int socket, enum asyncio__sandbox_step *step);
