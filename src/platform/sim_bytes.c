// The bytes of an operation, whichever of its forms it has: one buffer, parts,
// or a message of parts.

#include "platform/sim.h"

#include <string.h>
#include <sys/uio.h>

static void take_buffer(struct sim_bytes *bytes, const struct asyncio__op *op,
                        size_t done)
{
    size_t len = op->len < INT_MAX ? op->len : INT_MAX;
    bytes->one =
        (struct iovec){(char *)op->buffer + done, len > done ? len - done : 0};
    bytes->parts = &bytes->one;
    bytes->count = 1;
}

static int count_up(struct sim_bytes *bytes)
{
    if (bytes->count > IOV_MAX) return -EINVAL;
    for (size_t i = 0; i < bytes->count; i++) {
        if (bytes->parts[i].iov_len > (size_t)INT_MAX - bytes->len)
            return -EINVAL;
        bytes->len += bytes->parts[i].iov_len;
    }
    return 0;
}

int asyncio__sim_bytes(struct sim_bytes *bytes, const struct asyncio__op *op)
{
    *bytes = (struct sim_bytes){0};
    switch ((enum asyncio__op_code)op->code) {
    case ASYNCIO__OP_READV:
    case ASYNCIO__OP_WRITEV:
        bytes->parts = op->buffer;
        bytes->count = op->len;
        break;
    case ASYNCIO__OP_RECVMSG:
    case ASYNCIO__OP_SENDMSG:
        bytes->message = op->buffer;
        bytes->parts = bytes->message->msg_iov;
        bytes->count = bytes->message->msg_iovlen;
        bytes->flags = op->flags;
        break;
    case ASYNCIO__OP_RECV:
    case ASYNCIO__OP_SEND:
        take_buffer(bytes, op, op->moved);
        bytes->flags = op->flags;
        break;
    default: take_buffer(bytes, op, 0); break;
    }
    return count_up(bytes);
}

static void copy(const struct sim_bytes *bytes, size_t offset, char *to,
                 const char *from, size_t len)
{
    for (size_t i = 0; i < bytes->count && len > 0; i++) {
        const struct iovec *part = &bytes->parts[i];
        if (offset >= part->iov_len) {
            offset -= part->iov_len;
            continue;
        }
        size_t n = part->iov_len - offset;
        if (n > len) n = len;
        char *place = (char *)part->iov_base + offset;
        if (to) {
            memcpy(to, place, n);
            to += n;
        } else {
            memcpy(place, from, n);
            from += n;
        }
        len -= n;
        offset = 0;
    }
}

void asyncio__sim_bytes_get(const struct sim_bytes *bytes, size_t offset,
                            void *to, size_t len)
{
    copy(bytes, offset, to, NULL, len);
}

void asyncio__sim_bytes_put(const struct sim_bytes *bytes, size_t offset,
                            const void *from, size_t len)
{
    copy(bytes, offset, NULL, from, len);
}
