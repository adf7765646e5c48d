// Blocks of shared memory, and the few of them that a worker has mapped.
//
//     parent's desk:   [ id ][ id ][    ] ...     the same places,
//     worker's desk:   [map ][map ][    ] ...     filled by messages
//
// A descriptor goes to a worker over a socket of its own, with the place on the
// desk that it is for, before the first job that needs it. What a job in the
// mailbox needs is not replaced. The parent never reads from that socket.
#pragma once

#include <asyncio/shared.h>

#include <stdatomic.h>

#include "base/list.h"

#define ASYNCIO__DESK_PLACES 8

struct asyncio__block {
    struct asyncio_link link; // in the list of all
    uint64_t id;
    size_t size;
    void *data;
    int memory;          // or -1: it is sealed
    unsigned references; // under the lock: of the handle, and of jobs
    bool freed;          // the handle was
    bool sealed;         // no job gets it any more
};

// Holds the block that a handle names; NULL if there is none.
struct asyncio__block *asyncio__block_hold(const struct asyncio_shared *shared);
void asyncio__block_drop(struct asyncio__block *block); // accepts NULL

struct asyncio__desk_message {
    uint64_t id, size;
    uint32_t place;
    uint32_t reserved;
};

// --- the parent's side ------------------------------------------------------

struct asyncio__desk {
    bool open;
    int channel; // to the worker
    uint32_t clock;
    struct {
        uint64_t id;   // 0: nothing was sent
        uint32_t uses; // jobs in the mailbox that need it
        uint32_t used; // when last, by `clock`
    } places[ASYNCIO__DESK_PLACES];
};

// `far` is the worker's end, and the caller's to close.
int asyncio__desk_open(struct asyncio__desk *desk, int *far);
void asyncio__desk_close(struct asyncio__desk *desk); // accepts a zeroed one

// Sees to it that a worker has the block. Returns its place, in use from now
// on; -EAGAIN while there is none; or another negative errno.
int asyncio__desk_put(struct asyncio__desk *desk,
                      const struct asyncio__block *block);
void asyncio__desk_release(struct asyncio__desk *desk, int place);

// --- the worker's -----------------------------------------------------------

// From now on blocks are found as those of a worker: none.
void asyncio__desk_serve(int channel);
// The next job has this block, which lies in that place; 0: none.
void asyncio__desk_use(uint32_t place, uint64_t id);
