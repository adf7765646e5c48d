// Mailbox: the memory that a worker process shares with its parent, and through
// which one job at a time goes there and comes back.
//
//     parent: request, turn = WORKER, wake ---> worker: runs it
//     parent: takes the answer <--- rings --- worker: answer, turn = PARENT
//
// The worker sleeps on `turn`; the parent's loop sleeps on a pipe, the bell,
// into which the worker writes a byte. The worker may write whatever it likes
// wherever it likes, at any time: the parent keeps for itself how much it sent,
// and believes nothing that it reads here.
#pragma once

#include <asyncio/base.h>

struct asyncio__failure;

// The largest argument that goes to a process. Pages that are not used are
// never there.
#define ASYNCIO__MAILBOX_BYTES ((size_t)1024 * 1024)

struct asyncio__mailbox {
    _Atomic(uint32_t) turn;   // enum asyncio__turn; the worker's futex
    _Atomic(uint32_t) asleep; // the worker sleeps, or is about to

    uint64_t fn; // request: the address of the function
    uint64_t size;

    int32_t result;  // answer
    uint64_t site;   // address of a string constant, of the words
    char text[1024]; // words for a negative result, or ""
    char task[64];

    _Alignas(64) unsigned char bytes[ASYNCIO__MAILBOX_BYTES];
};

enum asyncio__turn {
    ASYNCIO__TURN_PARENT, // no job, or the answer is there
    ASYNCIO__TURN_WORKER, // there is a job
};

// --- the parent's side ------------------------------------------------------

// Makes one. `memory` is a descriptor of it, for the worker, and the caller's
// to close.
int asyncio__mailbox_open(struct asyncio__mailbox **box, int *memory);
void asyncio__mailbox_close(struct asyncio__mailbox *box);

// Sends a job; it is the parent's turn, and `size` is no larger than there is
// room.
void asyncio__mailbox_send(struct asyncio__mailbox *box, int (*fn)(void *arg),
                           const void *arg, size_t size);
bool asyncio__mailbox_answered(const struct asyncio__mailbox *box);

// Takes the answer: `size` bytes, as many as were sent, to `arg` unless it is
// NULL, and the words for a negative result, or NULL. Returns the result.
int asyncio__mailbox_take(const struct asyncio__mailbox *box, void *arg,
                          size_t size, struct asyncio__failure **words);

// --- the worker's -----------------------------------------------------------

// Works through a mailbox until it is killed. `bell` is the pipe to ring, and
// `sandbox` enum asyncio_sandbox: it is entered before the first job.
_Noreturn void asyncio__worker_run(int memory, int bell, uint32_t sandbox);
