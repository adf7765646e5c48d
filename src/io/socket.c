// Sockets: a descriptor of the poller's world, in a struct of the caller's.

#include "io/socket.h"

#include <string.h>

#include "io/connect.h"
#include "platform/sys.h"

// --- open and close ---------------------------------------------------------

static int find_poller(struct asyncio__poller **poller)
{
    struct asyncio_loop *loop = NULL;
    int err = asyncio__loop_find(&loop);
    if (err == 0) *poller = loop->poller;
    return err;
}

int asyncio_socket_open(struct asyncio_socket *socket, int family, int type,
                        int protocol)
{
    struct asyncio__poller *poller = NULL;
    asyncio__socket_set(socket, -1);
    int err = find_poller(&poller);
    if (err < 0) return err;
    int fd = asyncio__poller_socket(poller, family, type, protocol);
    if (fd < 0) return fd;
    asyncio__socket_set(socket, fd);
    return 0;
}

int asyncio_socket_pair(struct asyncio_socket *a, struct asyncio_socket *b,
                        int family, int type, int protocol)
{
    struct asyncio__poller *poller = NULL;
    int fds[2] = {-1, -1};
    int err = find_poller(&poller);
    if (err == 0)
        err = asyncio__poller_socketpair(poller, family, type, protocol, fds);
    asyncio__socket_set(a, err < 0 ? -1 : fds[0]);
    asyncio__socket_set(b, err < 0 ? -1 : fds[1]);
    return err;
}

int(asyncio_socket_create_connection)(
    struct asyncio_socket *socket, const char *host, int port,
    const struct asyncio_create_connection_options *options)
{
    static const struct asyncio_create_connection_options defaults;
    if (!options) options = &defaults;
    asyncio__socket_set(socket, -1);
    int fd = asyncio__connect(&(struct asyncio__connect_options){
        .host = host,
        .port = port,
        .service = options->service,
        .family = options->family,
        .local_host = options->local_host,
        .local_port = options->local_port,
        .delay = options->happy_eyeballs_delay,
    });
    if (fd < 0) return fd;
    asyncio__socket_set(socket, fd);
    return 0;
}

int asyncio_socket_adopt(struct asyncio_socket *socket, int fd)
{
    struct asyncio__poller *poller = NULL;
    asyncio__socket_set(socket, -1);
    int err = find_poller(&poller);
    if (err < 0) return err;
    err = asyncio__sys_fd_flags(fd);
    if (err >= 0) err = asyncio__check_nonblocking(fd);
    if (err < 0) return err;
    asyncio__socket_set(socket, fd);
    return 0;
}

// Whoever waits is let go of as at a close.
int asyncio_socket_detach(struct asyncio_socket *socket)
{
    int fd = asyncio_socket_fileno(socket);
    if (fd < 0) return fd;
    int err = asyncio__sys_set_nonblocking(fd, true);
    if (err < 0) return err;
    return asyncio__socket_let_go(socket);
}

int asyncio_socket_fileno(const struct asyncio_socket *socket)
{
    return socket->fd_ == 0 ? -EBADF : asyncio__socket_fd(socket);
}

// --- settings ---------------------------------------------------------------

int asyncio_socket_bind(struct asyncio_socket *socket,
                        const struct sockaddr *address, socklen_t len)
{
    return asyncio__sys_bind(asyncio__socket_fd(socket), address, len);
}

int asyncio_socket_listen(struct asyncio_socket *socket, int backlog)
{
    return asyncio__sys_listen(asyncio__socket_fd(socket), backlog);
}

int asyncio_socket_shutdown(struct asyncio_socket *socket, int how)
{
    return asyncio__sys_shutdown(asyncio__socket_fd(socket), how);
}

int asyncio_socket_setsockopt(struct asyncio_socket *socket, int level,
                              int option, const void *value, socklen_t len)
{
    return asyncio__sys_setsockopt(asyncio__socket_fd(socket), level, option,
                                   value, len);
}

int asyncio_socket_getsockopt(const struct asyncio_socket *socket, int level,
                              int option, void *value, socklen_t *len)
{
    return asyncio__sys_getsockopt(asyncio__socket_fd(socket), level, option,
                                   value, len);
}

int asyncio_socket_getsockname(const struct asyncio_socket *socket,
                               struct sockaddr *address, socklen_t *len)
{
    return asyncio__sys_getsockname(asyncio__socket_fd(socket), address, len);
}

int asyncio_socket_getpeername(const struct asyncio_socket *socket,
                               struct sockaddr *address, socklen_t *len)
{
    return asyncio__sys_getpeername(asyncio__socket_fd(socket), address, len);
}

// --- connections ------------------------------------------------------------

int asyncio_socket_accept(struct asyncio_socket *socket,
                          struct asyncio_socket *peer, struct sockaddr *address,
                          socklen_t *len)
{
    struct asyncio_task *task = asyncio__task();
    int mode = task ? asyncio__poller_mode(task->future.loop_->poller) : 0;
    asyncio__socket_set(peer, -1);
    int fd = asyncio__accept(socket, -1, address, len, mode);
    if (fd < 0) return fd;
    asyncio__socket_set(peer, fd);
    return 0;
}

int asyncio_socket_connect(struct asyncio_socket *socket,
                           const struct sockaddr *address, socklen_t len)
{
    struct asyncio__op op =
        asyncio__op_data(ASYNCIO__OP_CONNECT, -1, address, len, 0);
    return asyncio__socket_operate(socket, &op);
}

// --- data -------------------------------------------------------------------

int asyncio_socket_recv(struct asyncio_socket *socket, void *buffer,
                        size_t size, int flags)
{
    struct asyncio__op op =
        asyncio__op_data(ASYNCIO__OP_RECV, -1, buffer, size, flags);
    return asyncio__socket_operate(socket, &op);
}

int asyncio_socket_recvfrom(struct asyncio_socket *socket, void *buffer,
                            size_t size, int flags, struct sockaddr *address,
                            socklen_t *len)
{
    return asyncio__recvfrom(socket, -1, buffer, size, flags, address, len);
}

int asyncio_socket_recvmsg(struct asyncio_socket *socket,
                           struct msghdr *message, int flags)
{
    if (!message) return -EFAULT;
    struct asyncio__op op =
        asyncio__op_data(ASYNCIO__OP_RECVMSG, -1, message, 0, flags);
    return asyncio__socket_operate(socket, &op);
}

int asyncio_socket_send(struct asyncio_socket *socket, const void *data,
                        size_t len, int flags)
{
    struct asyncio__op op =
        asyncio__op_data(ASYNCIO__OP_SEND, -1, data, len, flags & ~MSG_WAITALL);
    return asyncio__socket_operate(socket, &op);
}

int asyncio_socket_sendto(struct asyncio_socket *socket, const void *data,
                          size_t len, int flags, const struct sockaddr *address,
                          socklen_t address_len)
{
    return asyncio__sendto(socket, -1, data, len, flags, address, address_len);
}

int asyncio_socket_sendmsg(struct asyncio_socket *socket,
                           const struct msghdr *message, int flags)
{
    if (!message) return -EFAULT;
    struct asyncio__op op =
        asyncio__op_data(ASYNCIO__OP_SENDMSG, -1, message, 0, flags);
    return asyncio__socket_operate(socket, &op);
}

int(asyncio_socket_send_all)(struct asyncio_socket *socket, const void *data,
                             size_t len,
                             const struct asyncio_send_all_options *options)
{
    size_t sent = 0;
    int err = asyncio__send_all(socket, data, len, &sent);
    if (options && options->sent) *options->sent = sent;
    return err;
}
