// Messages between the parent, the launcher and the foremen: a few words, and
// descriptors from above to below.

#include "exec/foreman.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "platform/sys.h"

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(ASYNCIO__MESSAGE_FDS * sizeof(int))];
};

// Nothing was moved, and whoever may wait makes the call again: a socket that
// would not wait for its caller does not change that.
static bool is_to_be_repeated(ssize_t n, int flags)
{
    return n == -EINTR || (n == -EAGAIN && !(flags & MSG_DONTWAIT));
}

int asyncio__message_send(int socket, const void *message, size_t len,
                          const int *fds, size_t fd_count, int flags)
{
    struct iovec part = {(void *)(uintptr_t)message, len};
    union control control = {0};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

    if (fd_count > 0) {
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(fd_count * sizeof *fds);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(fd_count * sizeof *fds);
        memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof *fds);
    }

    ssize_t n;
    do
        n = asyncio__sys_sendmsg(socket, &header, flags);
    while (is_to_be_repeated(n, flags));
    return n < 0 ? (int)n : 0;
}

static void take_fds(struct msghdr *header, int *fds)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(header);
    for (int i = 0; i < ASYNCIO__MESSAGE_FDS; i++)
        fds[i] = -1;
    if (!control || control->cmsg_level != SOL_SOCKET ||
        control->cmsg_type != SCM_RIGHTS)
        return;
    memcpy(fds, CMSG_DATA(control), control->cmsg_len - CMSG_LEN(0));
}

int asyncio__message_receive(int socket, void *message, size_t len, int *fds,
                             int flags)
{
    struct iovec part = {message, len};
    union control control = {0};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

    if (fds) {
        header.msg_control = &control;
        header.msg_controllen =
            CMSG_LEN(ASYNCIO__MESSAGE_FDS * sizeof(int)); // no room for more
    }

    ssize_t n;
    do
        n = asyncio__sys_recvmsg(socket, &header, flags);
    while (is_to_be_repeated(n, flags));
    if (n <= 0) return (int)n;
    if (fds) take_fds(&header, fds);
    return (size_t)n == len && !(header.msg_flags & MSG_TRUNC) ? 1 : -EPROTO;
}
