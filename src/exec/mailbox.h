// Mailbox: the memory that a worker process shares with its parent, and through
// which jobs go there and come back, many at a time and in order.
//
//     number:    ... 7         8       9         10        11 ...
//     slot:      [ANSWERED] [BEGUN] [QUEUED] [WITHDRAWN] [QUEUED]
//                 parent     worker            parent      `- next
//                 takes it   runs it           took it back
//
// Each job has a number, and goes through the slot that the number names,
// modulo their count. Both sides move a slot from QUEUED by compare and
// exchange: a job either has begun, or was taken back, and each knows which.
//
// The worker sleeps on `asleep`; the parent's loop sleeps on a pipe, the bell,
// into which the worker writes a byte if the parent listens. The worker may
// write whatever it likes wherever it likes, at any time: the parent keeps its
// own account of what it sent (exec/ring.h), and believes nothing that it reads
// here.
#pragma once

#include <asyncio/base.h>

#include <assert.h>

// The largest argument that goes to a process, the jobs that are there at a
// time, and the room for the arguments of all of them. Pages that are not used
// are never there.
#define ASYNCIO__MAILBOX_BYTES ((size_t)1024 * 1024)
#define ASYNCIO__MAILBOX_SLOTS 64
#define ASYNCIO__MAILBOX_ROOM  (2 * ASYNCIO__MAILBOX_BYTES)

enum asyncio__slot_phase {
    ASYNCIO__SLOT_NONE,
    ASYNCIO__SLOT_QUEUED,
    ASYNCIO__SLOT_BEGUN,
    ASYNCIO__SLOT_ANSWERED,
    ASYNCIO__SLOT_WITHDRAWN,
};
#define ASYNCIO__SLOT_PHASES 8 // as many as a state has room for

struct asyncio__slot {
    // The number of the job, times ASYNCIO__SLOT_PHASES, plus its phase.
    _Alignas(64) _Atomic(uint32_t) state;
    int32_t result;  // answer
    uint64_t fn;     // request: the address of the function,
    uint64_t size;   // its argument's size,
    uint64_t offset; // where in `bytes` that is,
    uint64_t shared; // and the block of shared memory, or 0, with its
    uint32_t place;  // place on the desk
    // By the system's monotonic clock: when it began, and has ended.
    int64_t begun_ns, ended_ns;
};
static_assert(sizeof(struct asyncio__slot) == 64, "a line of the cache");

struct asyncio__words { // for a negative result
    uint64_t site;      // address of a string constant
    char text[1024];    // or ""
    char task[64];
};

struct asyncio__mailbox {
    _Alignas(64) _Atomic(uint32_t) asleep; // the worker sleeps, or is about to
    _Atomic(uint32_t) pace_ns; // what its jobs take, lately; 0: none has ended
    _Alignas(64) _Atomic(uint32_t) listening; // the parent waits for the bell
    _Atomic(int64_t) spin_ns; // the worker may look so long before it sleeps

    struct asyncio__slot slots[ASYNCIO__MAILBOX_SLOTS];
    struct asyncio__words words[ASYNCIO__MAILBOX_SLOTS];
    _Alignas(64) unsigned char bytes[ASYNCIO__MAILBOX_ROOM];
};

static inline uint32_t asyncio__slot_state(uint32_t number,
                                           enum asyncio__slot_phase phase)
{
    return number * ASYNCIO__SLOT_PHASES + phase;
}

static inline struct asyncio__slot *
asyncio__slot_of(struct asyncio__mailbox *box, uint32_t number)
{
    return &box->slots[number % ASYNCIO__MAILBOX_SLOTS];
}

// Works through a mailbox until it is killed. `doors` are the pipes to ring and
// to log to, and the channel by which descriptors of shared memory come;
// `sandbox` is enum asyncio_sandbox: it is entered before the first job.
struct asyncio__doors;
_Noreturn void asyncio__worker_run(int memory,
                                   const struct asyncio__doors *doors,
                                   uint32_t sandbox);
