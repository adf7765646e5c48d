// The parent's account of a mailbox: which jobs are in it, where, and how far.
//
//     first                        next
//       v                            v
//     [job][NULL][job][job][job]          NULL: it was taken back
//
// Jobs leave at the front, in order; from the middle they are taken back, if
// they have not begun.
#pragma once

#include "exec/mailbox.h"

struct asyncio__failure;
struct asyncio__job;

struct asyncio__ring {
    struct asyncio__mailbox *box; // NULL: there is none
    uint32_t first;  // the number of the oldest job that is not over
    uint32_t next;   // of the next one; as `first`: there is none
    uint32_t count;  // jobs in it
    int64_t spin_ns; // as the worker was told
    struct asyncio__place {
        struct asyncio__job *job; // NULL: taken back
        size_t start, end;        // of its argument, in the mailbox's bytes
    } places[ASYNCIO__MAILBOX_SLOTS];
};

// `memory` is a descriptor of the mailbox, for the worker, and the caller's to
// close. Returns 0 or a negative errno.
int asyncio__ring_open(struct asyncio__ring *ring, int *memory);
void asyncio__ring_close(struct asyncio__ring *ring); // accepts a closed one

// Whether there is room for one more job with an argument of this size.
bool asyncio__ring_fits(const struct asyncio__ring *ring, size_t size);
// Sends a job, for which there is room.
void asyncio__ring_send(struct asyncio__ring *ring, struct asyncio__job *job);

// The oldest job, the latest one; or NULL.
struct asyncio__job *asyncio__ring_oldest(const struct asyncio__ring *ring);
struct asyncio__job *asyncio__ring_latest(const struct asyncio__ring *ring);
// What the worker says about it: for what no liar can gain from.
bool asyncio__ring_oldest_answered(const struct asyncio__ring *ring);
bool asyncio__ring_begun(const struct asyncio__ring *ring,
                         const struct asyncio__job *job);

// Takes the oldest job's answer to its argument, and the words; NULL if there
// is none yet.
struct asyncio__job *asyncio__ring_take(struct asyncio__ring *ring,
                                        int *result);

// Takes a job back. False if it has begun.
bool asyncio__ring_withdraw(struct asyncio__ring *ring,
                            struct asyncio__job *job);

// The worker has ended: removes the oldest job, the latest one; NULL if there
// is none.
struct asyncio__job *asyncio__ring_drop_oldest(struct asyncio__ring *ring);
struct asyncio__job *asyncio__ring_drop_latest(struct asyncio__ring *ring);

// Asks for the bell, or for silence. True if an answer is there already.
bool asyncio__ring_listen(struct asyncio__ring *ring);
void asyncio__ring_ignore(struct asyncio__ring *ring);
