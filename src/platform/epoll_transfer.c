// Reads and writes of the epoll poller, on what can be polled: at once, when it
// is ready, and without ever waiting.

#include "platform/epoll.h"

#include <limits.h>
#include <sys/uio.h>

// The first part with room in it is good for one call of a few bytes.
static struct iovec first_part(const struct asyncio__op *op)
{
    const struct iovec *parts = op->buffer;
    for (uint32_t i = 0; i < op->len; i++)
        if (parts[i].iov_len > 0) return parts[i];
    return (struct iovec){0};
}

// The same operation, but so short that it cannot block. Since its descriptor
// is ready, that has something for us, or room for PIPE_BUF bytes.
static struct asyncio__op shortened(const struct asyncio__op *op)
{
    struct asyncio__op brief = *op;
    size_t len = op->len;
    if (asyncio__op_has_pieces(op)) {
        struct iovec part = first_part(op);
        brief.code = op->code == ASYNCIO__OP_READV ? ASYNCIO__OP_READ
                                                   : ASYNCIO__OP_WRITE;
        brief.buffer = part.iov_base;
        len = part.iov_len;
    }
    brief.len = len < PIPE_BUF ? (uint32_t)len : PIPE_BUF;
    return brief;
}

int asyncio__epoll_transfer(const struct asyncio__op *op)
{
    int64_t offset = op->offset;
    int result = asyncio__file_transfer(op, offset, RWF_NOWAIT);

    // Pipes and sockets have no position, and io_uring does not insist.
    if (result == -ESPIPE) {
        offset = -1;
        result = asyncio__file_transfer(op, offset, RWF_NOWAIT);
    }
    if (result != -EOPNOTSUPP) return result;

    // Some files, among them the pipes of older kernels, know no such flag.
    struct asyncio__op brief = shortened(op);
    return asyncio__file_transfer(&brief, offset, 0);
}
