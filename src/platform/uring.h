// What the three files of the poller on io_uring share: uring_queue.c fills the
// submission ring, uring_reap.c empties the completion ring, uring.c does the
// rest.
#pragma once

#include <liburing.h>

#include "platform/lane.h"

#include <time.h>

#include "base/list.h"
#include "platform/compiler.h"
#include "platform/sys.h"
#include "platform/uring_lend.h"
#include "platform/uring_request.h"

// Operations that are one request to the kernel, where nothing goes wrong.
#define ASYNCIO__URING_SIMPLE (ASYNCIO__OP_BIT(RECV) | ASYNCIO__OP_BIT(SEND))

#define ASYNCIO__SQ_KEPT_BACK 16 // entries for cancels and the wake-up

// User data of entries of our own; no operation has such an address.
#define ASYNCIO__DATA_WAKE   1
#define ASYNCIO__DATA_CANCEL 2

struct asyncio__uring {
    struct asyncio__poller base;
    struct io_uring ring;
    // Operations in the submission ring or with the kernel, but for those that
    // wait for somebody else: these are in no list, because their neighbours
    // would be written to at their end, long after they were last in use.
    struct asyncio_link files;
    struct asyncio_link to_cancel; // not in there: the cancel is still to send
    struct asyncio_link last;      // not in there yet: to be queued last
    int wake_fd;
    bool enabled;
    bool wake_armed;     // an entry reads from wake_fd
    uint64_t wake_count; // where it reads to
    uint32_t waits;      // calls of wait, ever
    struct asyncio__lane lane;
    struct asyncio__uring_lender lender;
    // For a test, the operation that is to come back short, and where its
    // caller's length is one less until then.
    struct asyncio__op *shortened;
    struct iovec *shortened_part;
};

static inline struct asyncio__op *asyncio__uring_op(struct asyncio_link *link)
{
    return list_entry(link, struct asyncio__op, link);
}

// ---- The submission ring ----------------------------------------------------

// Hands over all that is queued. With `sleep` it returns when something has
// been completed, or after `timeout` (NULL: none).
int asyncio__uring_enter(struct asyncio__uring *u, bool sleep, unsigned flags,
                         const struct timespec *timeout);

// Makes room for an entry and `spare` others.
ASYNCIO__COLD int asyncio__uring_flush(struct asyncio__uring *u,
                                       unsigned spare);

// The next free entry, leaving `spare` others; flushes the ring if it must.
static inline int asyncio__uring_take(struct asyncio__uring *u, unsigned spare,
                                      struct io_uring_sqe **sqe)
{
    struct io_uring_sq *sq = &u->ring.sq;
    if (io_uring_sq_space_left(&u->ring) <= spare) {
        int err = asyncio__uring_flush(u, spare);
        if (err < 0) return err;
    }
    *sqe = &sq->sqes[sq->sqe_tail++ & sq->ring_mask];
    return 0;
}

// Queues an entry for `op` and leaves `spare` others free. With `shorter` it is
// to move one byte less, until it is made whole.
int asyncio__uring_queue(struct asyncio__uring *u, struct asyncio__op *op,
                         unsigned spare, bool shorter);
void asyncio__uring_make_whole(struct asyncio__uring *u);

// Queues those that are to be queued last. Those that stay behind find no room:
// the next wait tries again.
int asyncio__uring_queue_last(struct asyncio__uring *u);

// What a receive that has ended tells of the next one.
static inline void asyncio__uring_learn_pace(const struct asyncio__uring *u,
                                             struct asyncio__op *op)
{
    if (op->code == ASYNCIO__OP_RECV) op->pace = op->pace != u->waits;
}

// Files are listed, what waits for somebody else is not.
void asyncio__uring_list(struct asyncio__uring *u, struct asyncio__op *op);

// Queues a cancel, now or later; queues those that were left for later; and the
// read that a wake-up ends.
void asyncio__uring_cancel_in_ring(struct asyncio__uring *u,
                                   struct asyncio__op *op);
void asyncio__uring_send_late_cancels(struct asyncio__uring *u);
void asyncio__uring_arm_wake(struct asyncio__uring *u);

// ---- The completion ring ----------------------------------------------------

// Takes up what the kernel has completed.
void asyncio__uring_reap(struct asyncio__uring *u);
