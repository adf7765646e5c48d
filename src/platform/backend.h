// What a poller's front (poller.c) and its backends (uring.c, epoll.c) share.
//
// The front keeps the states and the counts, and calls `done`. A backend only
// says, by asyncio__poller_finish, that an operation has ended: it lies on the
// finished list then, and no callback runs while a backend is at work.
#pragma once

#include <poll.h>

#include "base/list.h"
#include "platform/poller.h"
#include "platform/sys.h"

struct asyncio__poller_kind {
    const char *name;
    void (*close)(struct asyncio__poller *poller);
    // The operation is PENDING already. May finish it at once.
    int (*submit)(struct asyncio__poller *poller, struct asyncio__op *op);
    // The operation is CANCELLING already, and not a CLOSE.
    void (*cancel)(struct asyncio__poller *poller, struct asyncio__op *op);
    // Undoes what POLL_AGAIN may have left; NULL: nothing.
    void (*forget)(struct asyncio__poller *poller, int fd);
    // Collects what has ended. Does not sleep if something is finished.
    int (*wait)(struct asyncio__poller *poller, int64_t timeout_ns);
    // Not asked if something is finished.
    enum asyncio__news (*news)(const struct asyncio__poller *poller);
    // Without the finished ones.
    size_t (*working)(const struct asyncio__poller *poller);
    void (*wake)(struct asyncio__poller *poller);
    // Only of a world with time of its own; else NULL.
    int64_t (*next)(const struct asyncio__poller *poller);
    int64_t (*begin)(struct asyncio__poller *poller,
                     int64_t (*clock)(void *arg), void *arg);
    // SOCK_NONBLOCK, or 0 if it wants descriptors in blocking mode: the kernel
    // of a ring says -EAGAIN for a non-blocking one instead of waiting.
    int mode;
    // Takes back what RECV_LENT has lent; NULL: it has none.
    void (*give_back)(struct asyncio__poller *poller,
                      struct asyncio__lent *lent);
    // What the poller makes in a world of its own; NULL: the system's. All get
    // `mode` and SOCK_CLOEXEC in `type` or `flags`.
    int (*socket)(struct asyncio__poller *poller, int family, int type,
                  int protocol);
    int (*socketpair)(struct asyncio__poller *poller, int family, int type,
                      int protocol, int fds[2]);
    int (*pipe)(struct asyncio__poller *poller, int fds[2], int flags);
};

// One who insists has nothing to fall back on.
int asyncio__uring_open(struct asyncio__poller **poller, bool insists);
int asyncio__epoll_open(struct asyncio__poller **poller);
int asyncio__sim_open(struct asyncio__poller **poller);

// Sets right what the kernel says about cancelling: nobody is told -ECANCELED
// who did not ask, and whoever asked hears it also where the kernel says
// "interrupted". Returns the result to be handed out.
int asyncio__op_meaning(const struct asyncio__op *op, int result);

// Notes the result of `op`, which must be in no list, for delivery.
static inline void asyncio__poller_finish(struct asyncio__poller *poller,
                                          struct asyncio__op *op, int result)
{
    op->result = result > 0 ? result : asyncio__op_meaning(op, result);
    op->state = ASYNCIO__OP_ENDED;
    list_add_tail(&poller->finished, &op->link);
}

// Puts one more piece to those that `op` is to hand out. Unless that is being
// cancelled, and comes only once more, it is called back for them.
void asyncio__poller_came(struct asyncio__poller *poller,
                          struct asyncio__op *op, struct asyncio__lent *lent);

#define ASYNCIO__OP_BIT(name) (UINT64_C(1) << ASYNCIO__OP_##name)

static inline bool asyncio__op_is_one_of(const struct asyncio__op *op,
                                         uint64_t codes)
{
    return codes >> op->code & 1;
}

static inline bool asyncio__op_is_of_socket(const struct asyncio__op *op)
{
    return op->code >= ASYNCIO__OP_ACCEPT;
}

// Whether it may go by the position of its descriptor.
static inline bool asyncio__op_has_position(const struct asyncio__op *op)
{
    return asyncio__op_is_one_of(
        op, ASYNCIO__OP_BIT(READ) | ASYNCIO__OP_BIT(WRITE) |
                ASYNCIO__OP_BIT(READV) | ASYNCIO__OP_BIT(WRITEV));
}

// Whether its buffer is a list of pieces of memory.
static inline bool asyncio__op_has_pieces(const struct asyncio__op *op)
{
    return asyncio__op_is_one_of(op, ASYNCIO__OP_BIT(READV) |
                                         ASYNCIO__OP_BIT(WRITEV));
}

// Whether its call may have to wait until the descriptor is ready.
static inline bool asyncio__op_transfers(const struct asyncio__op *op)
{
    return asyncio__op_has_position(op) || asyncio__op_is_of_socket(op);
}

// What for.
static inline uint16_t asyncio__op_readiness(const struct asyncio__op *op)
{
    const uint64_t reads = ASYNCIO__OP_BIT(READ) | ASYNCIO__OP_BIT(READV) |
                           ASYNCIO__OP_BIT(ACCEPT) | ASYNCIO__OP_BIT(RECV) |
                           ASYNCIO__OP_BIT(RECVMSG) |
                           ASYNCIO__OP_BIT(RECV_LENT);
    return asyncio__op_is_one_of(op, reads) ? POLLIN : POLLOUT;
}

// Under which name the hooks know a request: somebody else will carry it out,
// but a test must be able to make it fail as any other call.
enum asyncio__sys_call asyncio__op_call(const struct asyncio__op *op);

// How the calls of sockets are answered, for all backends (socket.c).

// To be called as the operation is submitted.
static inline void asyncio__op_begin(struct asyncio__op *op)
{
    if (asyncio__op_is_of_socket(op))
        op->events = 0, op->moved = op->vain = 0;
    else if (asyncio__op_has_position(op))
        op->events = 0;
}

// The flags of its call.
int asyncio__op_message_flags(const struct asyncio__op *op);

// Takes up what a call of the kernel has said. True: the operation has to wait
// for readiness, and its call is to be made again. Else *result is the outcome.
bool asyncio__op_goes_on(struct asyncio__op *op, int *result);

// The result to be handed out: bytes that have moved outweigh how it ended.
int asyncio__op_outcome(const struct asyncio__op *op, int result);

// A descriptor may be ready for everybody but for this one: a datagram's
// receiver is full, which its sender is not told of. Such an operation waits
// for so long instead of for readiness; 0: it has not come to that.
int64_t asyncio__op_pause_ns(const struct asyncio__op *op);
