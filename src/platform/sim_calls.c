// Calls on simulated descriptors that the layer of system calls hands over:
// each is an operation, carried out as far as it goes at once.

#include <fcntl.h>
#include <linux/io_uring.h>

#include "platform/sim.h"

static uint32_t bounded(size_t len)
{
    return len < INT_MAX ? (uint32_t)len : INT_MAX;
}

static int transfer(enum asyncio__op_code code, int fd, void *buffer,
                    uint32_t len, int64_t offset)
{
    return asyncio__sim_try(&(struct asyncio__op){.code = (uint8_t)code,
                                                  .fd = fd,
                                                  .buffer = buffer,
                                                  .len = len,
                                                  .offset = offset});
}

ssize_t asyncio__sim_read(int fd, void *buffer, size_t len, int64_t offset)
{
    return transfer(ASYNCIO__OP_READ, fd, buffer, bounded(len), offset);
}

// An operation has one pointer for both directions.
ssize_t asyncio__sim_write(int fd, const void *buffer, size_t len,
                           int64_t offset)
{
    return transfer(ASYNCIO__OP_WRITE, fd, (void *)(uintptr_t)buffer,
                    bounded(len), offset);
}

ssize_t asyncio__sim_readv(int fd, const struct iovec *parts, int count,
                           int64_t offset)
{
    return transfer(ASYNCIO__OP_READV, fd, (void *)(uintptr_t)parts,
                    (uint32_t)count, offset);
}

ssize_t asyncio__sim_writev(int fd, const struct iovec *parts, int count,
                            int64_t offset)
{
    return transfer(ASYNCIO__OP_WRITEV, fd, (void *)(uintptr_t)parts,
                    (uint32_t)count, offset);
}

int asyncio__sim_fsync(int fd)
{
    return asyncio__sim_try(
        &(struct asyncio__op){.code = ASYNCIO__OP_FSYNC, .fd = fd});
}

int asyncio__sim_truncate(int fd, int64_t size)
{
    return asyncio__sim_try(&(struct asyncio__op){
        .code = ASYNCIO__OP_TRUNCATE, .fd = fd, .offset = size});
}

int asyncio__sim_statx(int folder, const char *path, int flags,
                       struct statx *out)
{
    return asyncio__sim_try(&(struct asyncio__op){.code = ASYNCIO__OP_STATX,
                                                  .fd = folder,
                                                  .path = path,
                                                  .flags = (uint32_t)flags,
                                                  .buffer2 = out});
}

int asyncio__sim_unlink(int folder, const char *path, int flags)
{
    return asyncio__sim_try(&(struct asyncio__op){.code = ASYNCIO__OP_UNLINK,
                                                  .fd = folder,
                                                  .path = path,
                                                  .flags = (uint32_t)flags});
}

unsigned asyncio__sim_mode(int fd)
{
    struct statx found = {0};
    int err = asyncio__sim_statx(fd, "", AT_EMPTY_PATH, &found);
    return err < 0 ? 0 : found.stx_mode;
}

int asyncio__sim_accept(int fd, struct sockaddr *address, socklen_t *len,
                        int flags)
{
    return asyncio__sim_try(&(struct asyncio__op){.code = ASYNCIO__OP_ACCEPT,
                                                  .fd = fd,
                                                  .buffer = address,
                                                  .buffer2 = len,
                                                  .flags = (uint32_t)flags});
}

int asyncio__sim_connect_fd(int fd, const struct sockaddr *address,
                            socklen_t len)
{
    return asyncio__sim_try(
        &(struct asyncio__op){.code = ASYNCIO__OP_CONNECT,
                              .fd = fd,
                              .buffer = (void *)(uintptr_t)address,
                              .len = len});
}

ssize_t asyncio__sim_recv(int fd, void *buffer, size_t len, int flags)
{
    return asyncio__sim_try(&(struct asyncio__op){.code = ASYNCIO__OP_RECV,
                                                  .fd = fd,
                                                  .buffer = buffer,
                                                  .len = bounded(len),
                                                  .flags = (uint32_t)flags});
}

ssize_t asyncio__sim_send(int fd, const void *buffer, size_t len, int flags)
{
    return asyncio__sim_try(
        &(struct asyncio__op){.code = ASYNCIO__OP_SEND,
                              .fd = fd,
                              .buffer = (void *)(uintptr_t)buffer,
                              .len = bounded(len),
                              .flags = (uint32_t)flags});
}

ssize_t asyncio__sim_recvmsg(int fd, struct msghdr *message, int flags)
{
    return asyncio__sim_try(&(struct asyncio__op){.code = ASYNCIO__OP_RECVMSG,
                                                  .fd = fd,
                                                  .buffer = message,
                                                  .flags = (uint32_t)flags});
}

ssize_t asyncio__sim_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return asyncio__sim_try(
        &(struct asyncio__op){.code = ASYNCIO__OP_SENDMSG,
                              .fd = fd,
                              .buffer = (void *)(uintptr_t)message,
                              .flags = (uint32_t)flags});
}
