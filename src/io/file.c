// File calls on descriptors: each is one operation of the poller, for which the
// task parks.

#include <asyncio/file.h>

#include <fcntl.h>
#include <limits.h>
#include <linux/io_uring.h>

#include "io/file.h"
#include "platform/sys.h"

static const struct asyncio__wait_kind file_operation =
    ASYNCIO__OPERATION("a file");

int asyncio__file_operate(const struct asyncio__op *op)
{
    return asyncio__operate(op, &file_operation);
}

static uint32_t bounded(size_t len)
{
    return len > INT_MAX ? INT_MAX : (uint32_t)len;
}

int asyncio_open(const char *path, int flags, mode_t mode)
{
    return asyncio_openat(AT_FDCWD, path, flags, mode);
}

int asyncio_openat(int folder, const char *path, int flags, mode_t mode)
{
    return asyncio__file_operate(&(struct asyncio__op){
        .code = ASYNCIO__OP_OPEN,
        .fd = folder,
        .path = path,
        .flags = (uint32_t)flags | O_CLOEXEC,
        .mode = mode,
    });
}

int asyncio_close(int fd)
{
    if (!asyncio__task()) return -EPERM;
    return asyncio__close(fd);
}

// ---- Reading and writing ----------------------------------------------------

static int transfer(enum asyncio__op_code code, int fd, const void *buffer,
                    uint32_t len, off_t offset)
{
    return asyncio__file_operate(&(struct asyncio__op){
        .code = (uint8_t)code,
        .fd = fd,
        .buffer = (void *)(uintptr_t)buffer, // a WRITE only reads it
        .len = len,
        .offset = offset,
    });
}

int asyncio_read(int fd, void *buffer, size_t size)
{
    return transfer(ASYNCIO__OP_READ, fd, buffer, bounded(size), -1);
}

int asyncio_write(int fd, const void *buffer, size_t len)
{
    return transfer(ASYNCIO__OP_WRITE, fd, buffer, bounded(len), -1);
}

// An offset of -1 is the position, for an operation; for POSIX it is an error.
int asyncio_pread(int fd, void *buffer, size_t size, off_t offset)
{
    if (offset < 0) return -EINVAL;
    return transfer(ASYNCIO__OP_READ, fd, buffer, bounded(size), offset);
}

int asyncio_pwrite(int fd, const void *buffer, size_t len, off_t offset)
{
    if (offset < 0) return -EINVAL;
    return transfer(ASYNCIO__OP_WRITE, fd, buffer, bounded(len), offset);
}

static int transfer_pieces(enum asyncio__op_code code, int fd,
                           const struct iovec *pieces, int count, off_t offset)
{
    if (count < 0 || count > IOV_MAX) return -EINVAL;
    return transfer(code, fd, pieces, (uint32_t)count, offset);
}

int asyncio_readv(int fd, const struct iovec *pieces, int count)
{
    return transfer_pieces(ASYNCIO__OP_READV, fd, pieces, count, -1);
}

int asyncio_writev(int fd, const struct iovec *pieces, int count)
{
    return transfer_pieces(ASYNCIO__OP_WRITEV, fd, pieces, count, -1);
}

int asyncio_preadv(int fd, const struct iovec *pieces, int count, off_t offset)
{
    if (offset < 0) return -EINVAL;
    return transfer_pieces(ASYNCIO__OP_READV, fd, pieces, count, offset);
}

int asyncio_pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
    if (offset < 0) return -EINVAL;
    return transfer_pieces(ASYNCIO__OP_WRITEV, fd, pieces, count, offset);
}

// ---- All of it --------------------------------------------------------------

// From `offset` on, or at the position for -1.
static ssize_t read_all(int fd, char *buffer, size_t size, off_t offset)
{
    size_t len = 0;
    while (len < size) {
        off_t from = offset < 0 ? -1 : offset + (off_t)len;
        int more = transfer(ASYNCIO__OP_READ, fd, buffer + len,
                            bounded(size - len), from);
        if (more < 0) return more;
        if (more == 0) break;
        len += (size_t)more;
    }
    return (ssize_t)len;
}

// A count has to fit what is returned, and an offset what the kernel takes.
static bool is_too_long(size_t len, off_t offset)
{
    return len > SSIZE_MAX || (off_t)len > INT64_MAX - offset;
}

ssize_t asyncio_read_all(int fd, void *buffer, size_t size)
{
    if (size > SSIZE_MAX) return -EINVAL;
    return read_all(fd, buffer, size, -1);
}

ssize_t asyncio_pread_all(int fd, void *buffer, size_t size, off_t offset)
{
    if (offset < 0 || is_too_long(size, offset)) return -EINVAL;
    return read_all(fd, buffer, size, offset);
}

static int write_all(int fd, const char *rest, size_t len, off_t offset)
{
    while (len > 0) {
        int written =
            transfer(ASYNCIO__OP_WRITE, fd, rest, bounded(len), offset);
        if (written < 0) return written;
        if (written == 0) return -EIO; // it would go on like that for ever
        rest += written;
        len -= (size_t)written;
        if (offset >= 0) offset += written;
    }
    return 0;
}

int asyncio_write_all(int fd, const void *buffer, size_t len)
{
    return write_all(fd, buffer, len, -1);
}

int asyncio_pwrite_all(int fd, const void *buffer, size_t len, off_t offset)
{
    if (offset < 0 || is_too_long(len, offset)) return -EINVAL;
    return write_all(fd, buffer, len, offset);
}

// ---- Position, size, disk ---------------------------------------------------

// The kernel itself sets a position, and only asks the file system where
// something begins or ends.
static bool is_kernels_own(int whence)
{
    return whence == SEEK_SET || whence == SEEK_CUR;
}

off_t asyncio_lseek(int fd, off_t offset, int whence)
{
    if (!asyncio__task()) return -EPERM;
    if (is_kernels_own(whence)) return asyncio__sys_lseek(fd, offset, whence);
    int64_t position = 0;
    int err = asyncio__file_operate(&(struct asyncio__op){
        .code = ASYNCIO__OP_SEEK,
        .fd = fd,
        .offset = offset,
        .flags = (uint32_t)whence,
        .buffer2 = &position,
    });
    return err < 0 ? err : position;
}

int asyncio_ftruncate(int fd, off_t len)
{
    return asyncio__file_operate(&(struct asyncio__op){
        .code = ASYNCIO__OP_TRUNCATE,
        .fd = fd,
        .offset = len,
    });
}

int asyncio_fallocate(int fd, int mode, off_t offset, off_t len)
{
    return asyncio__file_operate(&(struct asyncio__op){
        .code = ASYNCIO__OP_ALLOCATE,
        .fd = fd,
        .flags = (uint32_t)mode,
        .offset = offset,
        .size = len,
    });
}

int asyncio_fchmod(int fd, mode_t mode)
{
    return asyncio__file_operate(&(struct asyncio__op){
        .code = ASYNCIO__OP_CHMOD,
        .fd = fd,
        .mode = mode,
    });
}

int asyncio_fsync(int fd)
{
    return asyncio__file_operate(
        &(struct asyncio__op){.code = ASYNCIO__OP_FSYNC, .fd = fd});
}

int asyncio_fdatasync(int fd)
{
    return asyncio__file_operate(&(struct asyncio__op){
        .code = ASYNCIO__OP_FSYNC,
        .fd = fd,
        .flags = IORING_FSYNC_DATASYNC,
    });
}
