// Calls of sockets that are more than one operation as it stands: addresses
// beside data, all of the data, descriptors that come along.

#include "io/socket.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "platform/sys.h"

#define FDS_MAX 253 // as many as the kernel lets one message carry

int asyncio__accept(struct asyncio_socket *socket, int fd,
                    struct sockaddr *address, socklen_t *len, int flags)
{
    struct asyncio__op op =
        asyncio__op_data(ASYNCIO__OP_ACCEPT, fd, address, 0, flags);
    op.buffer2 = address ? len : NULL;
    return asyncio__socket_operate(socket, &op);
}

int asyncio__recvfrom(struct asyncio_socket *socket, int fd, void *buffer,
                      size_t size, int flags, struct sockaddr *address,
                      socklen_t *len)
{
    struct iovec part = {.iov_base = buffer, .iov_len = size};
    struct msghdr message = {.msg_name = address,
                             .msg_namelen = address ? *len : 0,
                             .msg_iov = &part,
                             .msg_iovlen = 1};
    struct asyncio__op op =
        asyncio__op_data(ASYNCIO__OP_RECVMSG, fd, &message, 0, flags);

    int n = asyncio__socket_operate(socket, &op);
    if (n >= 0 && address) *len = message.msg_namelen;
    return n;
}

int asyncio__sendto(struct asyncio_socket *socket, int fd, const void *data,
                    size_t len, int flags, const struct sockaddr *address,
                    socklen_t address_len)
{
    // What sends only reads from these.
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    struct msghdr message = {.msg_name = (void *)(uintptr_t)address,
                             .msg_namelen = address_len,
                             .msg_iov = &part,
                             .msg_iovlen = 1};
    struct asyncio__op op =
        asyncio__op_data(ASYNCIO__OP_SENDMSG, fd, &message, 0, flags);
    return asyncio__socket_operate(socket, &op);
}

// A part may go before a cancel or an error comes; what that was, the next call
// says. Only a stream sends a part: so a datagram never meets MSG_WAITALL.
int asyncio__send_all(struct asyncio_socket *socket, const char *data,
                      size_t len, size_t *sent)
{
    int flags = 0;
    do {
        struct asyncio__op op = asyncio__op_data(
            ASYNCIO__OP_SEND, -1, data + *sent, len - *sent, flags);
        int n = asyncio__socket_operate(socket, &op);
        if (n < 0) return n;
        *sent += (size_t)n;
        flags = MSG_WAITALL;
    } while (*sent < len);
    return 0;
}

// --- descriptors that come along --------------------------------------------

union control {
    char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
    struct cmsghdr header;
};

int asyncio_socket_send_fds(struct asyncio_socket *socket, const void *data,
                            size_t len, const int *fds, size_t count)
{
    union control control;
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    // A stream would send none of them without a byte, and say that it did.
    if (count > FDS_MAX || (count > 0 && len == 0)) return -EINVAL;

    if (count > 0) {
        size_t size = count * sizeof *fds;
        memset(&control, 0, CMSG_SPACE(size));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(&control.header), fds, size);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(size);
    }
    return asyncio_socket_sendmsg(socket, &message, 0);
}

// Takes the descriptors of one control message, at most up to `max`.
static void take_fds(const struct cmsghdr *header, int *fds, size_t max,
                     size_t *count)
{
    const unsigned char *data = CMSG_DATA(header);
    size_t came = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return;
    for (size_t i = 0; i < came; i++) {
        int fd;
        memcpy(&fd, data + i * sizeof fd, sizeof fd);
        asyncio__sys_made(ASYNCIO__DESCRIPTOR, (uintptr_t)fd, 0, ASYNCIO_SITE);
        if (*count < max)
            fds[(*count)++] = fd;
        else
            asyncio__sys_close(fd);
    }
}

int asyncio_socket_recv_fds(struct asyncio_socket *socket, void *buffer,
                            size_t size, int *fds, size_t *count)
{
    union control control;
    struct iovec part = {.iov_base = buffer, .iov_len = size};
    size_t max = *count;
    *count = 0;
    if (max > FDS_MAX) return -EINVAL;

    // The kernel closes those for which there is no room.
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_LEN(max * sizeof *fds)};
    int n = asyncio_socket_recvmsg(socket, &message, 0);
    if (n < 0) return n;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header;
         header = CMSG_NXTHDR(&message, header))
        take_fds(header, fds, max, count);
    return n;
}
