// How the calls of sockets are answered, for all backends: what is an outcome,
// and what has to wait and come again.
//
// A backend makes a call that does not wait, asks here what became of it, waits
// for readiness if told so, and makes the call again.

#include <sys/socket.h>

#include "platform/backend.h"
#include "platform/sys.h"

// Other waiters may have been quicker; only after so many vain tries it is
// likely that the kernel does not tell the truth about readiness.
#define VAIN_MAX 4

int asyncio__op_message_flags(const struct asyncio__op *op)
{
    int flags = (int)op->flags;

    switch (op->code) {
    case ASYNCIO__OP_RECV: return flags;
    case ASYNCIO__OP_SEND: return flags | MSG_NOSIGNAL;
    case ASYNCIO__OP_RECVMSG: return (flags & ~MSG_WAITALL) | MSG_CMSG_CLOEXEC;
    case ASYNCIO__OP_SENDMSG: return (flags & ~MSG_WAITALL) | MSG_NOSIGNAL;
    default: return 0;
    }
}

// A connection that is being made is asked for again when the descriptor is
// ready: the same call tells then how it ended.
static bool connecting(struct asyncio__op *op, int *result)
{
    if (*result == -EINPROGRESS || *result == -EALREADY) {
        op->moved = 1;
        *result = -EAGAIN;
    } else if (*result == -EISCONN && op->moved) {
        *result = 0;
    }
    return *result == -EAGAIN;
}

static bool may_wait(const struct asyncio__op *op)
{
    return op->code == ASYNCIO__OP_ACCEPT || !(op->flags & MSG_DONTWAIT);
}

static bool moves_all(const struct asyncio__op *op)
{
    return (op->code == ASYNCIO__OP_RECV || op->code == ASYNCIO__OP_SEND) &&
           op->flags & MSG_WAITALL && !(op->flags & MSG_DONTWAIT);
}

// A datagram is whole, however short.
static bool moves_on(struct asyncio__op *op, int *result)
{
    if (*result <= 0) return false;
    op->vain = 0;
    op->moved += (uint32_t)*result;
    *result = (int)op->moved;
    return op->moved < op->len &&
           asyncio__sys_socket_type(op->fd) == SOCK_STREAM;
}

static bool call_goes_on(struct asyncio__op *op, int *result)
{
    if (op->code == ASYNCIO__OP_CONNECT) return connecting(op, result);
    if (*result == -EAGAIN) return may_wait(op);
    return moves_all(op) && moves_on(op, result);
}

bool asyncio__op_goes_on(struct asyncio__op *op, int *result)
{
    if (!asyncio__op_is_of_socket(op)) return *result == -EAGAIN;
    bool goes_on = call_goes_on(op, result);
    if (*result == -EAGAIN) op->vain++;
    return goes_on;
}

int asyncio__op_outcome(const struct asyncio__op *op, int result)
{
    bool counts = op->code == ASYNCIO__OP_RECV || op->code == ASYNCIO__OP_SEND;
    return counts && op->moved > 0 && result <= 0 ? (int)op->moved : result;
}

int64_t asyncio__op_pause_ns(const struct asyncio__op *op)
{
    if (!asyncio__op_is_of_socket(op) || op->vain < VAIN_MAX) return 0;
    uint32_t doubled = op->vain - VAIN_MAX;
    return (int64_t)1000000 << (doubled < 4 ? doubled : 4);
}
