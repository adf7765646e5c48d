#include <sys/socket.h>
// The calls of sockets for descriptors that users have opened themselves.

#include "io/socket.h"

static int transfer(enum asyncio__op_code code, int fd, const void *data,
                    size_t len, int flags)
{
    struct asyncio__op op = asyncio__op_data(code, fd, data, len, flags);
    return asyncio__socket_operate(NULL, &op);
}

int asyncio_accept(int fd, struct sockaddr *address, socklen_t *len)
{
    return asyncio__accept(NULL, fd, address, len, SOCK_NONBLOCK);
}

int asyncio_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    return transfer(ASYNCIO__OP_CONNECT, fd, address, len, 0);
}

int asyncio_recv(int fd, void *buffer, size_t size, int flags)
{
    return transfer(ASYNCIO__OP_RECV, fd, buffer, size, flags);
}

int asyncio_recvfrom(int fd, void *buffer, size_t size, int flags,
                     struct sockaddr *address, socklen_t *len)
{
    return asyncio__recvfrom(NULL, fd, buffer, size, flags, address, len);
}

int asyncio_recvmsg(int fd, struct msghdr *message, int flags)
{
    if (!message) return -EFAULT;
    return transfer(ASYNCIO__OP_RECVMSG, fd, message, 0, flags);
}

int asyncio_send(int fd, const void *data, size_t len, int flags)
{
    return transfer(ASYNCIO__OP_SEND, fd, data, len, flags & ~MSG_WAITALL);
}

int asyncio_sendto(int fd, const void *data, size_t len, int flags,
                   const struct sockaddr *address, socklen_t address_len)
{
    return asyncio__sendto(NULL, fd, data, len, flags, address, address_len);
}

int asyncio_sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (!message) return -EFAULT;
    return transfer(ASYNCIO__OP_SENDMSG, fd, message, 0, flags);
}
