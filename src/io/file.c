// File calls: each is one operation of the poller, for which the task parks.

#include <asyncio/file.h>

#include <fcntl.h>
#include <limits.h>
#include <linux/io_uring.h>
#include <sys/sysmacros.h>

#include "io/operation.h"

static const struct asyncio__wait_kind file_operation =
    ASYNCIO__OPERATION("a file");

static int perform(const struct asyncio__op *op)
{
    return asyncio__operate(op, &file_operation);
}

static uint32_t bounded(size_t len)
{
    return len > INT_MAX ? INT_MAX : (uint32_t)len;
}

int asyncio_open(const char *path, int flags, mode_t mode)
{
    return perform(&(struct asyncio__op){
        .code = ASYNCIO__OP_OPEN,
        .fd = AT_FDCWD,
        .path = path,
        .flags = (uint32_t)flags | O_CLOEXEC,
        .mode = mode,
    });
}

static int transfer(enum asyncio__op_code code, int fd, const void *buffer,
                    size_t len, off_t offset)
{
    return perform(&(struct asyncio__op){
        .code = (uint8_t)code,
        .fd = fd,
        .buffer = (void *)(uintptr_t)buffer, // a WRITE only reads it
        .len = bounded(len),
        .offset = offset,
    });
}

int asyncio_read(int fd, void *buffer, size_t size)
{
    return transfer(ASYNCIO__OP_READ, fd, buffer, size, -1);
}

int asyncio_write(int fd, const void *buffer, size_t len)
{
    return transfer(ASYNCIO__OP_WRITE, fd, buffer, len, -1);
}

// An offset of -1 is the position, for an operation; for POSIX it is an error.
int asyncio_pread(int fd, void *buffer, size_t size, off_t offset)
{
    if (offset < 0) return -EINVAL;
    return transfer(ASYNCIO__OP_READ, fd, buffer, size, offset);
}

int asyncio_pwrite(int fd, const void *buffer, size_t len, off_t offset)
{
    if (offset < 0) return -EINVAL;
    return transfer(ASYNCIO__OP_WRITE, fd, buffer, len, offset);
}

int asyncio_write_all(int fd, const void *buffer, size_t len)
{
    const char *rest = buffer;
    while (len > 0) {
        int written = asyncio_write(fd, rest, len);
        if (written < 0) return written;
        if (written == 0) return -EIO; // it would go on like that for ever
        rest += written;
        len -= (size_t)written;
    }
    return 0;
}

int asyncio_fsync(int fd)
{
    return perform(&(struct asyncio__op){.code = ASYNCIO__OP_FSYNC, .fd = fd});
}

int asyncio_fdatasync(int fd)
{
    return perform(&(struct asyncio__op){
        .code = ASYNCIO__OP_FSYNC,
        .fd = fd,
        .flags = IORING_FSYNC_DATASYNC,
    });
}

int asyncio_close(int fd)
{
    if (!asyncio__task()) return -EPERM;
    // The poller does not drop a close, whatever becomes of the task.
    return asyncio__close(fd);
}

static struct timespec time_of(const struct statx_timestamp *time)
{
    return (struct timespec){.tv_sec = time->tv_sec,
                             .tv_nsec = (long)time->tv_nsec};
}

static struct stat stat_of(const struct statx *from)
{
    return (struct stat){
        .st_dev = makedev(from->stx_dev_major, from->stx_dev_minor),
        .st_ino = from->stx_ino,
        .st_nlink = from->stx_nlink,
        .st_mode = from->stx_mode,
        .st_uid = from->stx_uid,
        .st_gid = from->stx_gid,
        .st_rdev = makedev(from->stx_rdev_major, from->stx_rdev_minor),
        .st_size = (off_t)from->stx_size,
        .st_blksize = (blksize_t)from->stx_blksize,
        .st_blocks = (blkcnt_t)from->stx_blocks,
        .st_atim = time_of(&from->stx_atime),
        .st_mtim = time_of(&from->stx_mtime),
        .st_ctim = time_of(&from->stx_ctime),
    };
}

int asyncio_stat(const char *path, struct stat *out)
{
    struct statx found = {0};
    int err = perform(&(struct asyncio__op){
        .code = ASYNCIO__OP_STATX,
        .fd = AT_FDCWD,
        .path = path,
        .buffer2 = &found,
        .mode = STATX_BASIC_STATS,
    });
    if (err >= 0) *out = stat_of(&found);
    return err;
}

int asyncio_rename(const char *from, const char *to)
{
    return perform(&(struct asyncio__op){
        .code = ASYNCIO__OP_RENAME,
        .fd = AT_FDCWD,
        .path = from,
        .path2 = to,
    });
}

int asyncio_unlink(const char *path)
{
    return perform(&(struct asyncio__op){
        .code = ASYNCIO__OP_UNLINK,
        .fd = AT_FDCWD,
        .path = path,
    });
}

int asyncio_mkdir(const char *path, mode_t mode)
{
    return perform(&(struct asyncio__op){
        .code = ASYNCIO__OP_MKDIR,
        .fd = AT_FDCWD,
        .path = path,
        .mode = mode,
    });
}
