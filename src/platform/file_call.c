// What an operation on a file is as a blocking call.

#include "platform/lane.h"

#include <limits.h>
#include <linux/io_uring.h>
#include <sys/uio.h>

#include "platform/sys.h"

// One call moves at most this much, as the kernel has it; a count fits an int.
static size_t length(const struct asyncio__op *op)
{
    return op->len < INT_MAX ? op->len : INT_MAX;
}

int asyncio__file_transfer(const struct asyncio__op *op, int64_t offset,
                           int flags)
{
    struct iovec one = {.iov_base = op->buffer, .iov_len = length(op)};
    const struct iovec *parts = &one;
    int count = 1;
    if (asyncio__op_has_pieces(op)) {
        parts = op->buffer;
        count = (int)op->len;
    }
    if (asyncio__op_readiness(op) == POLLIN)
        return (int)asyncio__sys_preadv2(op->fd, parts, count, offset, flags);
    return (int)asyncio__sys_pwritev2(op->fd, parts, count, offset, flags);
}

static int fsync_as_told(const struct asyncio__op *op)
{
    if (op->flags & IORING_FSYNC_DATASYNC)
        return asyncio__sys_fdatasync(op->fd);
    return asyncio__sys_fsync(op->fd);
}

// A position may be larger than a result.
static int seek(const struct asyncio__op *op)
{
    int64_t position = asyncio__sys_lseek(op->fd, op->offset, (int)op->flags);
    if (position < 0) return (int)position;
    *(int64_t *)op->buffer2 = position;
    return 0;
}

// Whoever has asked keeps the offsets.
static int move(const struct asyncio__op *op)
{
    off_t from = op->offset, to = op->size;
    if (op->code == ASYNCIO__OP_SENDFILE)
        return (int)asyncio__sys_sendfile(op->fd, op->fd2,
                                          from < 0 ? NULL : &from, length(op));
    return (int)asyncio__sys_splice(op->fd, from < 0 ? NULL : &from, op->fd2,
                                    to < 0 ? NULL : &to, length(op), op->flags);
}

static int call_with_paths(const struct asyncio__op *op)
{
    switch ((enum asyncio__op_code)op->code) {
    case ASYNCIO__OP_OPEN:
        return asyncio__sys_openat(op->fd, op->path, (int)op->flags, op->mode);
    case ASYNCIO__OP_RENAME:
        return asyncio__sys_renameat2(op->fd, op->path, op->fd, op->path2,
                                      op->flags);
    case ASYNCIO__OP_UNLINK:
        return asyncio__sys_unlinkat(op->fd, op->path, (int)op->flags);
    case ASYNCIO__OP_MKDIR:
        return asyncio__sys_mkdirat(op->fd, op->path, op->mode);
    case ASYNCIO__OP_STATX:
        return asyncio__sys_statx(op->fd, op->path, (int)op->flags, op->mode,
                                  op->buffer2);
    case ASYNCIO__OP_LINK:
        return asyncio__sys_linkat(op->fd, op->path, op->fd, op->path2,
                                   (int)op->flags);
    case ASYNCIO__OP_SYMLINK:
        return asyncio__sys_symlinkat(op->path, op->fd, op->path2);
    case ASYNCIO__OP_READLINK:
        return (int)asyncio__sys_readlinkat(op->fd, op->path, op->buffer2,
                                            length(op));
    default: return -EINVAL;
    }
}

static int call_once(const struct asyncio__op *op)
{
    switch ((enum asyncio__op_code)op->code) {
    case ASYNCIO__OP_READ:
    case ASYNCIO__OP_WRITE:
    case ASYNCIO__OP_READV:
    case ASYNCIO__OP_WRITEV: return asyncio__file_transfer(op, op->offset, 0);
    case ASYNCIO__OP_FSYNC: return fsync_as_told(op);
    case ASYNCIO__OP_CLOSE: return asyncio__sys_close(op->fd);
    case ASYNCIO__OP_LIST:
        return (int)asyncio__sys_getdents64(op->fd, op->buffer, length(op));
    case ASYNCIO__OP_TRUNCATE:
        return asyncio__sys_ftruncate(op->fd, op->offset);
    case ASYNCIO__OP_ALLOCATE:
        return asyncio__sys_fallocate(op->fd, (int)op->flags, op->offset,
                                      op->size);
    case ASYNCIO__OP_CHMOD: return asyncio__sys_fchmod(op->fd, op->mode);
    case ASYNCIO__OP_SEEK: return seek(op);
    case ASYNCIO__OP_COPY:
        return (int)asyncio__sys_copy_file_range(op->fd, NULL, op->fd2, NULL,
                                                 length(op), 0);
    case ASYNCIO__OP_SENDFILE:
    case ASYNCIO__OP_SPLICE: return move(op);
    default: return call_with_paths(op);
    }
}

int asyncio__file_call(const struct asyncio__op *op)
{
    int result;
    do
        result = call_once(op);
    while (result == -EINTR && op->code != ASYNCIO__OP_CLOSE);
    return result;
}
