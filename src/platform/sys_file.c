// Files and folders: calls that may sleep in the kernel for as long as a disk
// or a network takes. The loop makes none of them on its own thread.

#include "platform/sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "platform/simulated.h"
#include "platform/sys_call.h"

int(asyncio__sys_openat)(int folder, const char *path, int flags, mode_t mode,
                         const char *site)
{
    long fd = asyncio__sys_try(ASYNCIO__SYS_OPEN, site,
                               openat(folder, path, flags | O_CLOEXEC, mode));
    return asyncio__sys_made_fd(fd, site);
}

// A denial is reported, but the descriptor goes first: Linux does the same when
// a close reports an error.
int asyncio__sys_close(int fd)
{
    if (asyncio__is_simulated(fd)) return asyncio__sim_close(fd);
    int denied = asyncio__sys_denied(ASYNCIO__SYS_CLOSE, __func__);
    if (fd >= 0) asyncio__sys_gone(ASYNCIO__DESCRIPTOR, (uintptr_t)fd);

    int saved = errno;
    int err = close(fd) < 0 ? -errno : 0;
    errno = saved;
    return err < 0 ? err : denied;
}

ssize_t asyncio__sys_read(int fd, void *buffer, size_t len)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_read(fd, buffer, len, -1);
    return asyncio__sys_try_bytes(ASYNCIO__SYS_READ, __func__, len,
                                  read(fd, buffer, len));
}

ssize_t asyncio__sys_write(int fd, const void *buffer, size_t len)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_write(fd, buffer, len, -1);
    return asyncio__sys_try_bytes(ASYNCIO__SYS_WRITE, __func__, len,
                                  write(fd, buffer, len));
}

ssize_t asyncio__sys_pread(int fd, void *buffer, size_t len, off_t offset)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_read(fd, buffer, len, offset);
    return asyncio__sys_try_bytes(ASYNCIO__SYS_READ, __func__, len,
                                  pread(fd, buffer, len, offset));
}

ssize_t asyncio__sys_pwrite(int fd, const void *buffer, size_t len,
                            off_t offset)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_write(fd, buffer, len, offset);
    return asyncio__sys_try_bytes(ASYNCIO__SYS_WRITE, __func__, len,
                                  pwrite(fd, buffer, len, offset));
}

ssize_t asyncio__sys_preadv2(int fd, const struct iovec *parts, int count,
                             off_t offset, int flags)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_readv(fd, parts, count, offset);
    struct asyncio__sys_parts all = {.at = parts, .count = (size_t)count};
    return asyncio__sys_try_unless(
        asyncio__sys_denied_parts(ASYNCIO__SYS_READ, __func__, &all),
        preadv2(fd, all.at, (int)all.count, offset, flags));
}

ssize_t asyncio__sys_pwritev2(int fd, const struct iovec *parts, int count,
                              off_t offset, int flags)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_writev(fd, parts, count, offset);
    struct asyncio__sys_parts all = {.at = parts, .count = (size_t)count};
    return asyncio__sys_try_unless(
        asyncio__sys_denied_parts(ASYNCIO__SYS_WRITE, __func__, &all),
        pwritev2(fd, all.at, (int)all.count, offset, flags));
}

int asyncio__sys_fsync(int fd)
{
    if (asyncio__is_simulated(fd)) return asyncio__sim_fsync(fd);
    return (int)asyncio__sys_try(ASYNCIO__SYS_FSYNC, __func__, fsync(fd));
}

int asyncio__sys_fdatasync(int fd)
{
    if (asyncio__is_simulated(fd)) return asyncio__sim_fsync(fd);
    return (int)asyncio__sys_try(ASYNCIO__SYS_FSYNC, __func__, fdatasync(fd));
}

int asyncio__sys_renameat2(int old_folder, const char *old_path, int new_folder,
                           const char *new_path, unsigned flags)
{
    return (int)asyncio__sys_try(
        ASYNCIO__SYS_NAME, __func__,
        renameat2(old_folder, old_path, new_folder, new_path, flags));
}

int asyncio__sys_unlinkat(int folder, const char *path, int flags)
{
    if (asyncio__sim_has_path(folder, path))
        return asyncio__sim_unlink(folder, path, flags);
    return (int)asyncio__sys_try(ASYNCIO__SYS_UNLINK, __func__,
                                 unlinkat(folder, path, flags));
}

int asyncio__sys_mkdirat(int folder, const char *path, mode_t mode)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_NAME, __func__,
                                 mkdirat(folder, path, mode));
}

int asyncio__sys_statx(int folder, const char *path, int flags, unsigned mask,
                       struct statx *out)
{
    if (asyncio__is_simulated(folder))
        return asyncio__sim_statx(folder, path, flags, out);
    if (asyncio__sim_has_path(folder, path))
        return asyncio__sim_statx(folder, path, flags, out);
    return (int)asyncio__sys_try(ASYNCIO__SYS_LOOK, __func__,
                                 statx(folder, path, flags, mask, out));
}

int asyncio__sys_linkat(int old_folder, const char *old_path, int new_folder,
                        const char *new_path, int flags)
{
    return (int)asyncio__sys_try(
        ASYNCIO__SYS_NAME, __func__,
        linkat(old_folder, old_path, new_folder, new_path, flags));
}

int asyncio__sys_symlinkat(const char *text, int folder, const char *path)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_NAME, __func__,
                                 symlinkat(text, folder, path));
}

ssize_t asyncio__sys_readlinkat(int folder, const char *path, void *buffer,
                                size_t size)
{
    return asyncio__sys_try(ASYNCIO__SYS_LOOK, __func__,
                            readlinkat(folder, path, buffer, size));
}

// By number: the C library's own is bounded to what its readdir needs.
ssize_t asyncio__sys_getdents64(int fd, void *buffer, size_t size)
{
    return asyncio__sys_try(ASYNCIO__SYS_LIST, __func__,
                            syscall(SYS_getdents64, fd, buffer, size));
}

int asyncio__sys_flock(int fd, int operation)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__,
                                 flock(fd, operation));
}

int asyncio__sys_ftruncate(int fd, off_t len)
{
    if (asyncio__is_simulated(fd)) return asyncio__sim_truncate(fd, len);
    return (int)asyncio__sys_try(ASYNCIO__SYS_RESIZE, __func__,
                                 ftruncate(fd, len));
}

int asyncio__sys_fallocate(int fd, int mode, off_t offset, off_t len)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_RESIZE, __func__,
                                 fallocate(fd, mode, offset, len));
}

int asyncio__sys_fchmod(int fd, mode_t mode)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_CHMOD, __func__,
                                 fchmod(fd, mode));
}

off_t asyncio__sys_lseek(int fd, off_t offset, int whence)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_lseek(fd, offset, whence);
    return asyncio__sys_try(ASYNCIO__SYS_SEEK, __func__,
                            lseek(fd, offset, whence));
}

off_t asyncio__sys_position(int fd)
{
    int saved = errno;
    off_t position = lseek(fd, 0, SEEK_CUR);
    if (position < 0) position = -errno;
    errno = saved;
    return position;
}

ssize_t asyncio__sys_copy_file_range(int from, off_t *from_offset, int to,
                                     off_t *to_offset, size_t len,
                                     unsigned flags)
{
    return asyncio__sys_try_bytes(
        ASYNCIO__SYS_COPY, __func__, len,
        copy_file_range(from, from_offset, to, to_offset, len, flags));
}

bool asyncio__sys_is_storage(int fd)
{
    if (asyncio__is_simulated(fd)) return asyncio__sim_is_storage(fd);
    struct stat st;
    int saved = errno;
    int err = fstat(fd, &st);

    errno = saved;
    if (err < 0) return false;
    return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode);
}

int asyncio__sys_fd_flags(int fd)
{
    if (asyncio__is_simulated(fd)) return asyncio__sim_fd_flags(fd);
    return (int)asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__,
                                 fcntl(fd, F_GETFD));
}
