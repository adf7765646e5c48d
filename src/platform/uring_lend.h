// Memory that a ring lends to whoever receives.
#pragma once

#include "platform/poller.h"

struct io_uring;
struct io_uring_buf_ring;

struct asyncio__uring_lender {
    struct io_uring_buf_ring *ring; // what the kernel may take; NULL: not made
    struct asyncio__lent *lents;    // one for each buffer, by its number
    char *memory;                   // the buffers
    unsigned count;                 // those in use: with the kernel, or
    unsigned lent;                  // lent
    bool refused;                   // there is none to be had
};

// Makes it, if that was not tried yet. False: there is none.
bool asyncio__uring_lender_open(struct asyncio__uring_lender *lender,
                                struct io_uring *ring);
// When the ring is gone.
void asyncio__uring_lender_close(struct asyncio__uring_lender *lender);

// The buffer that a completion with these flags is about, of which `len` bytes
// are filled. Gives one back to the kernel.
struct asyncio__lent *asyncio__uring_lent(struct asyncio__uring_lender *lender,
                                          unsigned flags, size_t len);
void asyncio__uring_give_back(struct asyncio__uring_lender *lender,
                              struct asyncio__lent *lent);

// The kernel has found no buffer: if that is still so, it gets as many again,
// up to a number.
void asyncio__uring_lend_more(struct asyncio__uring_lender *lender);
