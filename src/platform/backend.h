// What a poller's front (poller.c) and its backends (uring.c, epoll.c) share.
//
// The front keeps the states and the counts, and calls `done`. A backend only
// says, by asyncio__poller_finish, that an operation has ended: it lies on the
// finished list then, and no callback runs while a backend is at work.
#pragma once

#include <poll.h>

#include "platform/poller.h"

struct asyncio__poller_kind {
    const char *name;
    void (*close)(struct asyncio__poller *poller);
    // The operation is PENDING already. May finish it at once.
    int (*submit)(struct asyncio__poller *poller, struct asyncio__op *op);
    // The operation is CANCELLING already, and not a CLOSE.
    void (*cancel)(struct asyncio__poller *poller, struct asyncio__op *op);
    // Collects what has ended. Does not sleep if something is finished.
    int (*wait)(struct asyncio__poller *poller, int64_t timeout_ns);
    // Not asked if something is finished.
    enum asyncio__news (*news)(const struct asyncio__poller *poller);
    // Without the finished ones.
    size_t (*working)(const struct asyncio__poller *poller);
    void (*wake)(struct asyncio__poller *poller);
};

// The first member of each backend's own struct.
struct asyncio__poller {
    const struct asyncio__poller_kind *kind;
    struct asyncio_link finished; // ENDED, `done` to be called
    size_t pending;               // submitted, `done` not called yet
    uint64_t delivered;           // calls of `done`, ever
};

int asyncio__uring_open(struct asyncio__poller **poller);
int asyncio__epoll_open(struct asyncio__poller **poller);

// Notes the result of `op`, which must be in no list, for delivery. Sets right
// what the kernel says about cancelling: nobody is told -ECANCELED who did not
// ask, and whoever asked hears it also where the kernel says "interrupted".
void asyncio__poller_finish(struct asyncio__poller *poller,
                            struct asyncio__op *op, int result);

#define ASYNCIO__OP_BIT(name) (UINT64_C(1) << ASYNCIO__OP_##name)

static inline bool asyncio__op_is_one_of(const struct asyncio__op *op,
                                         uint64_t codes)
{
    return codes >> op->code & 1;
}

static inline bool asyncio__op_transfers(const struct asyncio__op *op)
{
    return asyncio__op_is_one_of(
        op, ASYNCIO__OP_BIT(READ) | ASYNCIO__OP_BIT(WRITE) |
                ASYNCIO__OP_BIT(READV) | ASYNCIO__OP_BIT(WRITEV));
}

// What a transfer has to wait for where it would block.
static inline uint16_t asyncio__op_readiness(const struct asyncio__op *op)
{
    bool reads = asyncio__op_is_one_of(op, ASYNCIO__OP_BIT(READ) |
                                               ASYNCIO__OP_BIT(READV));
    return reads ? POLLIN : POLLOUT;
}
