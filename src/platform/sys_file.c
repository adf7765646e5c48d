// Files and folders: calls that may sleep in the kernel for as long as a disk
// or a network takes. The loop makes none of them on its own thread.

#include "platform/sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

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
    int denied = asyncio__sys_denied(ASYNCIO__SYS_OTHER, __func__);
    if (fd >= 0) asyncio__sys_gone(ASYNCIO__DESCRIPTOR, (uintptr_t)fd);

    int saved = errno;
    int err = close(fd) < 0 ? -errno : 0;
    errno = saved;
    return err < 0 ? err : denied;
}

ssize_t asyncio__sys_read(int fd, void *buffer, size_t len)
{
    return asyncio__sys_try(ASYNCIO__SYS_READ, __func__, read(fd, buffer, len));
}

ssize_t asyncio__sys_write(int fd, const void *buffer, size_t len)
{
    return asyncio__sys_try(ASYNCIO__SYS_WRITE, __func__,
                            write(fd, buffer, len));
}

ssize_t asyncio__sys_pread(int fd, void *buffer, size_t len, off_t offset)
{
    return asyncio__sys_try(ASYNCIO__SYS_READ, __func__,
                            pread(fd, buffer, len, offset));
}

ssize_t asyncio__sys_pwrite(int fd, const void *buffer, size_t len,
                            off_t offset)
{
    return asyncio__sys_try(ASYNCIO__SYS_WRITE, __func__,
                            pwrite(fd, buffer, len, offset));
}

ssize_t asyncio__sys_preadv2(int fd, void *buffer, size_t len, off_t offset,
                             int flags)
{
    struct iovec part = {.iov_base = buffer, .iov_len = len};
    return asyncio__sys_try(ASYNCIO__SYS_READ, __func__,
                            preadv2(fd, &part, 1, offset, flags));
}

ssize_t asyncio__sys_pwritev2(int fd, const void *buffer, size_t len,
                              off_t offset, int flags)
{
    // The kernel only reads from it; struct iovec has one pointer for both.
    struct iovec part = {.iov_base = (void *)(uintptr_t)buffer, .iov_len = len};
    return asyncio__sys_try(ASYNCIO__SYS_WRITE, __func__,
                            pwritev2(fd, &part, 1, offset, flags));
}

int asyncio__sys_fsync(int fd)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_FSYNC, __func__, fsync(fd));
}

int asyncio__sys_fdatasync(int fd)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_FSYNC, __func__, fdatasync(fd));
}

int asyncio__sys_renameat2(int old_folder, const char *old_path, int new_folder,
                           const char *new_path, unsigned flags)
{
    return (int)asyncio__sys_try(
        ASYNCIO__SYS_OTHER, __func__,
        renameat2(old_folder, old_path, new_folder, new_path, flags));
}

int asyncio__sys_unlinkat(int folder, const char *path, int flags)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__,
                                 unlinkat(folder, path, flags));
}

int asyncio__sys_mkdirat(int folder, const char *path, mode_t mode)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__,
                                 mkdirat(folder, path, mode));
}

int asyncio__sys_statx(int folder, const char *path, int flags, unsigned mask,
                       struct statx *out)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__,
                                 statx(folder, path, flags, mask, out));
}

bool asyncio__sys_is_storage(int fd)
{
    struct stat st;
    int saved = errno;
    int err = fstat(fd, &st);

    errno = saved;
    if (err < 0) return false;
    return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode);
}

int asyncio__sys_fd_flags(int fd)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__,
                                 fcntl(fd, F_GETFD));
}
