// File calls on names: what is called so, and how names come and go.

#include <asyncio/file.h>

#include <fcntl.h>
#include <limits.h>
#include <sys/sysmacros.h>

#include "io/file.h"

// ---- What is there ----------------------------------------------------------

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

int asyncio_fstatat(int folder, const char *path, struct stat *out, int flags)
{
    struct statx found = {0};
    if (!out) return -EFAULT;
    int err = asyncio__file_operate(&(struct asyncio__op){
        .code = ASYNCIO__OP_STATX,
        .fd = folder,
        .path = path,
        .buffer2 = &found,
        .flags = (uint32_t)flags,
        .mode = STATX_BASIC_STATS,
    });
    if (err >= 0) *out = stat_of(&found);
    return err;
}

int asyncio_stat(const char *path, struct stat *out)
{
    return asyncio_fstatat(AT_FDCWD, path, out, 0);
}

int asyncio_lstat(const char *path, struct stat *out)
{
    return asyncio_fstatat(AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW);
}

int asyncio_fstat(int fd, struct stat *out)
{
    // With an empty path, AT_FDCWD would be the working directory.
    if (fd < 0) return -EBADF;
    return asyncio_fstatat(fd, "", out, AT_EMPTY_PATH);
}

// ---- Names ------------------------------------------------------------------

// An operation on two names below the working directory.
static int change(enum asyncio__op_code code, const char *path,
                  const char *path2)
{
    return asyncio__file_operate(&(struct asyncio__op){
        .code = (uint8_t)code,
        .fd = AT_FDCWD,
        .path = path,
        .path2 = path2,
    });
}

int asyncio_rename(const char *from, const char *to)
{
    return change(ASYNCIO__OP_RENAME, from, to);
}

int asyncio_link(const char *from, const char *to)
{
    return change(ASYNCIO__OP_LINK, from, to);
}

int asyncio_symlink(const char *text, const char *path)
{
    return change(ASYNCIO__OP_SYMLINK, text, path);
}

int asyncio_unlink(const char *path)
{
    return asyncio_unlinkat(AT_FDCWD, path, 0);
}

int asyncio_mkdir(const char *path, mode_t mode)
{
    return asyncio_mkdirat(AT_FDCWD, path, mode);
}

int asyncio_rmdir(const char *path)
{
    return asyncio_unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int asyncio_unlinkat(int folder, const char *path, int flags)
{
    return asyncio__file_operate(&(struct asyncio__op){
        .code = ASYNCIO__OP_UNLINK,
        .fd = folder,
        .path = path,
        .flags = (uint32_t)flags,
    });
}

int asyncio_mkdirat(int folder, const char *path, mode_t mode)
{
    return asyncio__file_operate(&(struct asyncio__op){
        .code = ASYNCIO__OP_MKDIR,
        .fd = folder,
        .path = path,
        .mode = mode,
    });
}

int asyncio_readlink(const char *path, char *buffer, size_t size)
{
    return asyncio__file_operate(&(struct asyncio__op){
        .code = ASYNCIO__OP_READLINK,
        .fd = AT_FDCWD,
        .path = path,
        .buffer2 = buffer,
        .len = size > INT_MAX ? INT_MAX : (uint32_t)size,
    });
}
