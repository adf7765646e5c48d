// Sockets and pipes, and what they are told and asked.

#include "platform/sys.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/simulated.h"
#include "platform/sys_call.h"

// --- made -------------------------------------------------------------------

int(asyncio__sys_socket)(int family, int type, int protocol, const char *site)
{
    long fd = asyncio__sys_try(ASYNCIO__SYS_SOCKET, site,
                               socket(family, type | SOCK_CLOEXEC, protocol));
    return asyncio__sys_made_fd(fd, site);
}

static int made_pair(long err, const int fds[2], const char *site)
{
    if (err < 0) return (int)err;
    asyncio__sys_made_fd(fds[0], site);
    asyncio__sys_made_fd(fds[1], site);
    return 0;
}

int(asyncio__sys_socketpair)(int family, int type, int protocol, int fds[2],
                             const char *site)
{
    long err = asyncio__sys_try(
        ASYNCIO__SYS_SOCKET, site,
        socketpair(family, type | SOCK_CLOEXEC, protocol, fds));
    return made_pair(err, fds, site);
}

int(asyncio__sys_pipe)(int fds[2], int flags, const char *site)
{
    long err = asyncio__sys_try(ASYNCIO__SYS_SOCKET, site,
                                pipe2(fds, flags | O_CLOEXEC));
    return made_pair(err, fds, site);
}

int(asyncio__sys_accept4)(int fd, struct sockaddr *address, socklen_t *len,
                          int flags, const char *site)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_accept(fd, address, len, flags);
    long made =
        asyncio__sys_try(ASYNCIO__SYS_ACCEPT, site,
                         accept4(fd, address, len, flags | SOCK_CLOEXEC));
    return asyncio__sys_made_fd(made, site);
}

int(asyncio__sys_dup)(int fd, const char *site)
{
    if (asyncio__is_simulated(fd)) return asyncio__sim_dup(fd);
    long made = asyncio__sys_try(ASYNCIO__SYS_SOCKET, site,
                                 fcntl(fd, F_DUPFD_CLOEXEC, 0));
    return asyncio__sys_made_fd(made, site);
}

// --- names ------------------------------------------------------------------

int asyncio__sys_bind(int fd, const struct sockaddr *address, socklen_t len)
{
    if (asyncio__is_simulated(fd)) return asyncio__sim_bind(fd, address, len);
    return (int)asyncio__sys_try(ASYNCIO__SYS_BIND, __func__,
                                 bind(fd, address, len));
}

int asyncio__sys_listen(int fd, int backlog)
{
    if (asyncio__is_simulated(fd)) return asyncio__sim_listen(fd, backlog);
    return (int)asyncio__sys_try(ASYNCIO__SYS_BIND, __func__,
                                 listen(fd, backlog));
}

int asyncio__sys_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_connect_fd(fd, address, len);
    return (int)asyncio__sys_try(ASYNCIO__SYS_CONNECT, __func__,
                                 connect(fd, address, len));
}

int asyncio__sys_getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_getsockname(fd, address, len);
    return (int)asyncio__sys_try(ASYNCIO__SYS_SOCKOPT, __func__,
                                 getsockname(fd, address, len));
}

int asyncio__sys_getpeername(int fd, struct sockaddr *address, socklen_t *len)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_getpeername(fd, address, len);
    return (int)asyncio__sys_try(ASYNCIO__SYS_SOCKOPT, __func__,
                                 getpeername(fd, address, len));
}

// --- data -------------------------------------------------------------------

ssize_t asyncio__sys_recv(int fd, void *buffer, size_t len, int flags)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_recv(fd, buffer, len, flags);
    return asyncio__sys_try_unless(
        asyncio__sys_denied_on(fd, ASYNCIO__SYS_RECV, __func__, &len),
        recv(fd, buffer, len, flags));
}

ssize_t asyncio__sys_send(int fd, const void *buffer, size_t len, int flags)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_send(fd, buffer, len, flags);
    return asyncio__sys_try_unless(
        asyncio__sys_denied_on(fd, ASYNCIO__SYS_SEND, __func__, &len),
        send(fd, buffer, len, flags | MSG_NOSIGNAL));
}

// For a test, which may have them come back short: a message of which the last
// byte is missing.
static int denied_message(int fd, enum asyncio__sys_call call, const char *site,
                          struct asyncio__sys_parts *parts,
                          struct msghdr *message)
{
    *parts = (struct asyncio__sys_parts){.at = message->msg_iov,
                                         .count = message->msg_iovlen};
    if (!asyncio__sys_moves_bytes(fd)) return asyncio__sys_denied(call, site);
    int err = asyncio__sys_denied_parts(call, site, parts);
    message->msg_iov = (struct iovec *)(uintptr_t)parts->at;
    message->msg_iovlen = parts->count;
    return err;
}

ssize_t asyncio__sys_recvmsg(int fd, struct msghdr *message, int flags)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_recvmsg(fd, message, flags);
    struct iovec *parts = message->msg_iov;
    size_t count = message->msg_iovlen;
    struct asyncio__sys_parts shorter;
    int denied = 0;

    if (__builtin_expect(asyncio__sys_hooks != NULL, 0))
        denied =
            denied_message(fd, ASYNCIO__SYS_RECV, __func__, &shorter, message);
    ssize_t result = asyncio__sys_try_unless(
        denied, recvmsg(fd, message, flags | MSG_CMSG_CLOEXEC));
    message->msg_iov = parts;
    message->msg_iovlen = count;
    return result;
}

ssize_t asyncio__sys_sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_sendmsg(fd, message, flags);
    struct msghdr copy = *message;
    struct asyncio__sys_parts shorter;
    int denied = 0;

    if (__builtin_expect(asyncio__sys_hooks != NULL, 0))
        denied =
            denied_message(fd, ASYNCIO__SYS_SEND, __func__, &shorter, &copy);
    return asyncio__sys_try_unless(denied,
                                   sendmsg(fd, &copy, flags | MSG_NOSIGNAL));
}

ssize_t asyncio__sys_sendfile(int fd, int file, off_t *offset, size_t count)
{
    return asyncio__sys_try_bytes(ASYNCIO__SYS_COPY, __func__, count,
                                  sendfile(fd, file, offset, count));
}

ssize_t asyncio__sys_splice(int in, off_t *in_offset, int out,
                            off_t *out_offset, size_t len, unsigned flags)
{
    return asyncio__sys_try_bytes(
        ASYNCIO__SYS_COPY, __func__, len,
        splice(in, in_offset, out, out_offset, len, flags));
}

int asyncio__sys_shutdown(int fd, int how)
{
    if (asyncio__is_simulated(fd)) return asyncio__sim_shutdown(fd, how);
    return (int)asyncio__sys_try(ASYNCIO__SYS_SOCKOPT, __func__,
                                 shutdown(fd, how));
}

void asyncio__sys_end_writing(int fd)
{
    int saved = errno;
    shutdown(fd, SHUT_WR);
    errno = saved;
}

// --- options ----------------------------------------------------------------

int asyncio__sys_setsockopt(int fd, int level, int option, const void *value,
                            socklen_t len)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_setsockopt(fd, level, option, value, len);
    return (int)asyncio__sys_try(ASYNCIO__SYS_SOCKOPT, __func__,
                                 setsockopt(fd, level, option, value, len));
}

int asyncio__sys_getsockopt(int fd, int level, int option, void *value,
                            socklen_t *len)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_getsockopt(fd, level, option, value, len);
    return (int)asyncio__sys_try(ASYNCIO__SYS_SOCKOPT, __func__,
                                 getsockopt(fd, level, option, value, len));
}

int asyncio__sys_socket_type(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;
    int err = asyncio__sys_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
    return err < 0 ? err : type;
}

int asyncio__sys_status_flags(int fd)
{
    if (asyncio__is_simulated(fd)) return asyncio__sim_status_flags(fd);
    return (int)asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__,
                                 fcntl(fd, F_GETFL));
}

int asyncio__sys_set_nonblocking(int fd, bool nonblocking)
{
    int flags = asyncio__sys_status_flags(fd);
    if (flags < 0) return flags;
    int wanted = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (wanted == flags) return 0;
    if (asyncio__is_simulated(fd))
        return asyncio__sim_set_status_flags(fd, wanted);
    return (int)asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__,
                                 fcntl(fd, F_SETFL, wanted));
}

int asyncio__sys_poll(struct pollfd *fds, size_t count, int timeout_ms)
{
    if (count > 0 && asyncio__is_simulated(fds->fd))
        return asyncio__sim_poll(fds, count);
    return (int)asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__,
                                 poll(fds, count, timeout_ms));
}
