// The calls of sockets for the epoll poller, made so that they do not wait.
//
// Messages have a flag for that. Accepting and connecting have none, so the
// descriptor has to be non-blocking, and is made so: between readiness and the
// call somebody else may have been served.

#include "platform/epoll.h"

#include <limits.h>
#include <sys/socket.h>

#include "platform/sys.h"

static int accept_now(const struct asyncio__op *op)
{
    int err = asyncio__sys_set_nonblocking(op->fd, true);
    if (err < 0) return err;
    return asyncio__sys_accept4(op->fd, op->buffer, op->buffer2,
                                (int)op->flags);
}

static int connect_now(const struct asyncio__op *op)
{
    int err = asyncio__sys_set_nonblocking(op->fd, true);
    if (err < 0) return err;
    return asyncio__sys_connect(op->fd, op->buffer, op->len);
}

// Where to go on, and how much is left, as far as an int can count.
static char *rest(const struct asyncio__op *op)
{
    return (char *)op->buffer + op->moved;
}

static size_t left(const struct asyncio__op *op)
{
    return (op->len < INT_MAX ? op->len : INT_MAX) - op->moved;
}

static int call_once(const struct asyncio__op *op)
{
    int flags = asyncio__op_message_flags(op) | MSG_DONTWAIT;

    switch (op->code) {
    case ASYNCIO__OP_ACCEPT: return accept_now(op);
    case ASYNCIO__OP_CONNECT: return connect_now(op);
    case ASYNCIO__OP_RECV:
        return (int)asyncio__sys_recv(op->fd, rest(op), left(op), flags);
    case ASYNCIO__OP_SEND:
        return (int)asyncio__sys_send(op->fd, rest(op), left(op), flags);
    case ASYNCIO__OP_RECVMSG:
        return (int)asyncio__sys_recvmsg(op->fd, op->buffer, flags);
    default: return (int)asyncio__sys_sendmsg(op->fd, op->buffer, flags);
    }
}

// What was interrupted is made again here: one that must not wait has no
// readiness to wait for.
int asyncio__epoll_socket(const struct asyncio__op *op)
{
    int result;
    do
        result = call_once(op);
    while (result == -EINTR);
    return result;
}
