// What the calls of sockets share: how a task waits for one.
#pragma once

#include <asyncio/socket.h>

#include "io/operation.h"

static inline int asyncio__socket_fd(const struct asyncio_socket *socket)
{
    return socket->fd_ - 1; // -1: closed
}

static inline void asyncio__socket_set(struct asyncio_socket *socket, int fd)
{
    *socket = (struct asyncio_socket){.fd_ = fd < 0 ? 0 : fd + 1};
}

// Carries out an operation on a socket (unless `op` names another descriptor of
// it), or with NULL on the descriptor in `op`, which in debug mode has to be
// non-blocking. Returns its result, or a negative errno; -EBADF for a socket
// that is or was closed.
int asyncio__socket_operate(struct asyncio_socket *socket,
                            const struct asyncio__op *op);

// Ends what waits for an open socket with -EBADF. The struct is closed then,
// and the descriptor that is returned is not.
int asyncio__socket_let_go(struct asyncio_socket *socket);

// What a message, or a part of one, is as an operation.
struct asyncio__op asyncio__op_data(enum asyncio__op_code code, int fd,
                                    const void *data, size_t len, int flags);

// -EINVAL in debug mode for a descriptor in blocking mode.
int asyncio__check_nonblocking(int fd);

// For both kinds of calls; `socket` is NULL for a descriptor.
int asyncio__accept(struct asyncio_socket *socket, int fd,
                    struct sockaddr *address, socklen_t *len, int flags);
int asyncio__recvfrom(struct asyncio_socket *socket, int fd, void *buffer,
                      size_t size, int flags, struct sockaddr *address,
                      socklen_t *len);
int asyncio__sendto(struct asyncio_socket *socket, int fd, const void *data,
                    size_t len, int flags, const struct sockaddr *address,
                    socklen_t address_len);

// Sends all of it; *sent says how much went, also after a failure.
int asyncio__send_all(struct asyncio_socket *socket, const char *data,
                      size_t len, size_t *sent);
