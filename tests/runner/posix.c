// What a suite calls of POSIX itself, in the world where its loop lives.
//
// A suite of files, sockets or streams also plays the other side: it opens a
// pipe, looks whether a file is there, fills a socket. On `sim` these calls
// have to reach the simulated world, or it would test nothing. Suites that run
// there are linked with --wrap for the names below (tests/meson.build), so that
// their calls come here: a simulated descriptor, or a new thing while this
// thread has a world, is the world's; everything else is the system's.
//
// None of these waits in the simulated world.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "platform/poller.h"
#include "platform/simulated.h"

// As a system call answers.
static long answer(long result)
{
    if (result >= 0) return result;
    errno = (int)-result;
    return -1;
}

#define WRAP(type, name, parameters)                                           \
    type __real_##name parameters;                                             \
    type __wrap_##name parameters;                                             \
    type __wrap_##name parameters

// ---- Descriptors ------------------------------------------------------------

WRAP(int, close, (int fd))
{
    if (!asyncio__is_simulated(fd)) return __real_close(fd);
    return (int)answer(asyncio__sim_close(fd));
}

WRAP(ssize_t, read, (int fd, void *buffer, size_t len))
{
    if (!asyncio__is_simulated(fd)) return __real_read(fd, buffer, len);
    return answer(asyncio__sim_read(fd, buffer, len, -1));
}

WRAP(ssize_t, write, (int fd, const void *buffer, size_t len))
{
    if (!asyncio__is_simulated(fd)) return __real_write(fd, buffer, len);
    return answer(asyncio__sim_write(fd, buffer, len, -1));
}

WRAP(ssize_t, pread64, (int fd, void *buffer, size_t len, off_t offset))
{
    if (!asyncio__is_simulated(fd))
        return __real_pread64(fd, buffer, len, offset);
    return answer(asyncio__sim_read(fd, buffer, len, offset));
}

WRAP(ssize_t, pwrite64, (int fd, const void *buffer, size_t len, off_t offset))
{
    if (!asyncio__is_simulated(fd))
        return __real_pwrite64(fd, buffer, len, offset);
    return answer(asyncio__sim_write(fd, buffer, len, offset));
}

WRAP(off_t, lseek64, (int fd, off_t offset, int whence))
{
    if (!asyncio__is_simulated(fd)) return __real_lseek64(fd, offset, whence);
    return answer(asyncio__sim_lseek(fd, offset, whence));
}

WRAP(int, ftruncate64, (int fd, off_t size))
{
    if (!asyncio__is_simulated(fd)) return __real_ftruncate64(fd, size);
    return (int)answer(asyncio__sim_truncate(fd, size));
}

WRAP(int, fchmod, (int fd, mode_t mode))
{
    if (!asyncio__is_simulated(fd)) return __real_fchmod(fd, mode);
    return (int)answer(asyncio__sim_try(&(struct asyncio__op){
        .code = ASYNCIO__OP_CHMOD, .fd = fd, .mode = mode}));
}

WRAP(int, dup, (int fd))
{
    if (!asyncio__is_simulated(fd)) return __real_dup(fd);
    return (int)answer(asyncio__sim_dup(fd));
}

WRAP(int, dup2, (int fd, int to))
{
    if (!asyncio__is_simulated(fd)) return __real_dup2(fd, to);
    return (int)answer(asyncio__sim_dup2(fd, to));
}

int __real_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...)
{
    va_list rest;
    va_start(rest, command);
    long argument = va_arg(rest, long);
    va_end(rest);
    if (!asyncio__is_simulated(fd))
        return __real_fcntl64(fd, command, argument);
    switch (command) {
    case F_GETFD: return (int)answer(asyncio__sim_fd_flags(fd));
    case F_SETFD: return 0;
    case F_GETFL: return (int)answer(asyncio__sim_status_flags(fd));
    case F_SETFL:
        return (int)answer(asyncio__sim_set_status_flags(fd, (int)argument));
    case F_SETPIPE_SZ: return (int)argument;
    default: return (int)answer(-EINVAL);
    }
}

WRAP(int, poll, (struct pollfd * fds, nfds_t count, int timeout_ms))
{
    if (count == 0 || !asyncio__is_simulated(fds[0].fd))
        return __real_poll(fds, count, timeout_ms);
    return asyncio__sim_poll(fds, count);
}

// ---- Pipes and sockets ------------------------------------------------------

WRAP(int, pipe2, (int fds[2], int flags))
{
    if (!asyncio__sim_is_here()) return __real_pipe2(fds, flags);
    return (int)answer(asyncio__sim_pipe(fds, flags));
}

WRAP(int, pipe, (int fds[2]))
{
    if (!asyncio__sim_is_here()) return __real_pipe(fds);
    return (int)answer(asyncio__sim_pipe(fds, 0));
}

WRAP(int, socket, (int family, int type, int protocol))
{
    if (!asyncio__sim_is_here()) return __real_socket(family, type, protocol);
    return (int)answer(asyncio__sim_socket(family, type, protocol));
}

WRAP(int, socketpair, (int family, int type, int protocol, int fds[2]))
{
    if (!asyncio__sim_is_here())
        return __real_socketpair(family, type, protocol, fds);
    return (int)answer(asyncio__sim_socketpair(family, type, protocol, fds));
}

WRAP(int, bind, (int fd, const struct sockaddr *address, socklen_t len))
{
    if (!asyncio__is_simulated(fd)) return __real_bind(fd, address, len);
    return (int)answer(asyncio__sim_bind(fd, address, len));
}

WRAP(int, listen, (int fd, int backlog))
{
    if (!asyncio__is_simulated(fd)) return __real_listen(fd, backlog);
    return (int)answer(asyncio__sim_listen(fd, backlog));
}

WRAP(int, accept4,
     (int fd, struct sockaddr *address, socklen_t *len, int flags))
{
    if (!asyncio__is_simulated(fd))
        return __real_accept4(fd, address, len, flags);
    return (int)answer(asyncio__sim_accept(fd, address, len, flags));
}

WRAP(int, accept, (int fd, struct sockaddr *address, socklen_t *len))
{
    if (!asyncio__is_simulated(fd)) return __real_accept(fd, address, len);
    return (int)answer(asyncio__sim_accept(fd, address, len, 0));
}

WRAP(int, connect, (int fd, const struct sockaddr *address, socklen_t len))
{
    if (!asyncio__is_simulated(fd)) return __real_connect(fd, address, len);
    return (int)answer(asyncio__sim_connect_fd(fd, address, len));
}

WRAP(ssize_t, recv, (int fd, void *buffer, size_t len, int flags))
{
    if (!asyncio__is_simulated(fd)) return __real_recv(fd, buffer, len, flags);
    return answer(asyncio__sim_recv(fd, buffer, len, flags));
}

WRAP(ssize_t, send, (int fd, const void *buffer, size_t len, int flags))
{
    if (!asyncio__is_simulated(fd)) return __real_send(fd, buffer, len, flags);
    return answer(asyncio__sim_send(fd, buffer, len, flags));
}

WRAP(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags))
{
    if (!asyncio__is_simulated(fd)) return __real_recvmsg(fd, message, flags);
    return answer(asyncio__sim_recvmsg(fd, message, flags));
}

WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags))
{
    if (!asyncio__is_simulated(fd)) return __real_sendmsg(fd, message, flags);
    return answer(asyncio__sim_sendmsg(fd, message, flags));
}

WRAP(ssize_t, recvfrom,
     (int fd, void *buffer, size_t len, int flags, struct sockaddr *address,
      socklen_t *address_len))
{
    struct iovec part = {buffer, len};
    struct msghdr message = {.msg_name = address,
                             .msg_namelen = address_len ? *address_len : 0,
                             .msg_iov = &part,
                             .msg_iovlen = 1};
    if (!asyncio__is_simulated(fd))
        return __real_recvfrom(fd, buffer, len, flags, address, address_len);
    ssize_t received = answer(asyncio__sim_recvmsg(fd, &message, flags));
    if (address_len) *address_len = message.msg_namelen;
    return received;
}

WRAP(ssize_t, sendto,
     (int fd, const void *buffer, size_t len, int flags,
      const struct sockaddr *address, socklen_t address_len))
{
    struct iovec part = {(void *)(uintptr_t)buffer, len};
    struct msghdr message = {.msg_name = (void *)(uintptr_t)address,
                             .msg_namelen = address_len,
                             .msg_iov = &part,
                             .msg_iovlen = 1};
    if (!asyncio__is_simulated(fd))
        return __real_sendto(fd, buffer, len, flags, address, address_len);
    return answer(asyncio__sim_sendmsg(fd, &message, flags));
}

WRAP(int, shutdown, (int fd, int how))
{
    if (!asyncio__is_simulated(fd)) return __real_shutdown(fd, how);
    return (int)answer(asyncio__sim_shutdown(fd, how));
}

WRAP(int, getsockname, (int fd, struct sockaddr *address, socklen_t *len))
{
    if (!asyncio__is_simulated(fd)) return __real_getsockname(fd, address, len);
    return (int)answer(asyncio__sim_getsockname(fd, address, len));
}

WRAP(int, getpeername, (int fd, struct sockaddr *address, socklen_t *len))
{
    if (!asyncio__is_simulated(fd)) return __real_getpeername(fd, address, len);
    return (int)answer(asyncio__sim_getpeername(fd, address, len));
}

WRAP(int, getsockopt,
     (int fd, int level, int name, void *value, socklen_t *len))
{
    if (!asyncio__is_simulated(fd))
        return __real_getsockopt(fd, level, name, value, len);
    return (int)answer(asyncio__sim_getsockopt(fd, level, name, value, len));
}

WRAP(int, setsockopt,
     (int fd, int level, int name, const void *value, socklen_t len))
{
    if (!asyncio__is_simulated(fd))
        return __real_setsockopt(fd, level, name, value, len);
    return (int)answer(asyncio__sim_setsockopt(fd, level, name, value, len));
}

// ---- Paths ------------------------------------------------------------------

static int name_call(struct asyncio__op op)
{
    op.fd = AT_FDCWD;
    return (int)answer(asyncio__sim_try(&op));
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    if (!asyncio__sim_is_here()) return __real_open64(path, flags, mode);
    return name_call((struct asyncio__op){.code = ASYNCIO__OP_OPEN,
                                          .path = path,
                                          .flags = (uint32_t)flags,
                                          .mode = mode});
}

int __real_openat64(int folder, const char *path, int flags, ...);
int __wrap_openat64(int folder, const char *path, int flags, ...);
int __wrap_openat64(int folder, const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    if (!asyncio__sim_is_here() || (folder != AT_FDCWD && path[0] != '/'))
        return __real_openat64(folder, path, flags, mode);
    return __wrap_open64(path, flags, mode);
}

WRAP(int, unlink, (const char *path))
{
    if (!asyncio__sim_is_here()) return __real_unlink(path);
    return name_call(
        (struct asyncio__op){.code = ASYNCIO__OP_UNLINK, .path = path});
}

WRAP(int, rmdir, (const char *path))
{
    if (!asyncio__sim_is_here()) return __real_rmdir(path);
    return name_call((struct asyncio__op){
        .code = ASYNCIO__OP_UNLINK, .path = path, .flags = AT_REMOVEDIR});
}

WRAP(int, mkdir, (const char *path, mode_t mode))
{
    if (!asyncio__sim_is_here()) return __real_mkdir(path, mode);
    return name_call((struct asyncio__op){
        .code = ASYNCIO__OP_MKDIR, .path = path, .mode = mode});
}

WRAP(int, mkfifo, (const char *path, mode_t mode))
{
    if (!asyncio__sim_is_here()) return __real_mkfifo(path, mode);
    return (int)answer(asyncio__sim_mkfifo(path, mode));
}

WRAP(mode_t, umask, (mode_t mask))
{
    if (!asyncio__sim_is_here()) return __real_umask(mask);
    return asyncio__sim_umask(mask);
}

WRAP(int, chmod, (const char *path, mode_t mode))
{
    if (!asyncio__sim_is_here()) return __real_chmod(path, mode);
    int fd = __wrap_open64(path, O_RDONLY);
    if (fd < 0) return -1;
    int err = __wrap_fchmod(fd, mode);
    __wrap_close(fd);
    return err;
}

WRAP(int, rename, (const char *from, const char *to))
{
    if (!asyncio__sim_is_here()) return __real_rename(from, to);
    return name_call((struct asyncio__op){
        .code = ASYNCIO__OP_RENAME, .path = from, .path2 = to});
}

WRAP(int, symlink, (const char *text, const char *path))
{
    if (!asyncio__sim_is_here()) return __real_symlink(text, path);
    return name_call((struct asyncio__op){
        .code = ASYNCIO__OP_SYMLINK, .path = text, .path2 = path});
}

WRAP(int, link, (const char *from, const char *to))
{
    if (!asyncio__sim_is_here()) return __real_link(from, to);
    return name_call((struct asyncio__op){
        .code = ASYNCIO__OP_LINK, .path = from, .path2 = to});
}

WRAP(ssize_t, readlink, (const char *path, char *buffer, size_t size))
{
    if (!asyncio__sim_is_here()) return __real_readlink(path, buffer, size);
    return name_call((struct asyncio__op){.code = ASYNCIO__OP_READLINK,
                                          .path = path,
                                          .buffer2 = buffer,
                                          .len = (uint32_t)size});
}

static int look_at(int folder, const char *path, int flags, struct stat *out)
{
    struct statx found = {0};
    int err = asyncio__sim_try(&(struct asyncio__op){.code = ASYNCIO__OP_STATX,
                                                     .fd = folder,
                                                     .path = path,
                                                     .flags = (uint32_t)flags,
                                                     .buffer2 = &found});
    if (err < 0) return (int)answer(err);
    *out = (struct stat){
        .st_dev = makedev(found.stx_dev_major, found.stx_dev_minor),
        .st_ino = found.stx_ino,
        .st_nlink = found.stx_nlink,
        .st_mode = found.stx_mode,
        .st_size = (off_t)found.stx_size,
        .st_blksize = (blksize_t)found.stx_blksize,
        .st_blocks = (blkcnt_t)found.stx_blocks,
        .st_mtim = {found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec},
        .st_ctim = {found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec},
    };
    return 0;
}

WRAP(int, stat64, (const char *path, struct stat *out))
{
    if (!asyncio__sim_is_here()) return __real_stat64(path, out);
    return look_at(AT_FDCWD, path, 0, out);
}

WRAP(int, lstat64, (const char *path, struct stat *out))
{
    if (!asyncio__sim_is_here()) return __real_lstat64(path, out);
    return look_at(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, out);
}

WRAP(int, fstat64, (int fd, struct stat *out))
{
    if (!asyncio__is_simulated(fd)) return __real_fstat64(fd, out);
    return look_at(fd, "", AT_EMPTY_PATH, out);
}

WRAP(int, access, (const char *path, int mode))
{
    struct stat found;
    if (!asyncio__sim_is_here()) return __real_access(path, mode);
    return look_at(AT_FDCWD, path, 0, &found);
}

WRAP(int, remove, (const char *path))
{
    if (!asyncio__sim_is_here()) return __real_remove(path);
    int err = __wrap_unlink(path);
    return err < 0 && errno == EISDIR ? __wrap_rmdir(path) : err;
}

typedef int visit_fn(const char *path, const struct stat *found, int kind,
                     struct FTW *place);

// What is below a folder first, then itself.
static int visit(const char *path, visit_fn *fn, int depth)
{
    char entries[4096], below[1024];
    struct stat found;
    struct FTW place = {.level = depth};
    long len;
    int err = 0;
    if (look_at(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &found) < 0) return -1;
    if (!S_ISDIR(found.st_mode)) return fn(path, &found, FTW_F, &place);
    int fd = __wrap_open64(path, O_RDONLY);
    while (err == 0 && (len = asyncio__sim_try(&(struct asyncio__op){
                            .code = ASYNCIO__OP_LIST,
                            .fd = fd,
                            .buffer = entries,
                            .len = sizeof entries})) > 0) {
        for (long at = 0; at < len && err == 0;) {
            struct dirent64 *entry = (struct dirent64 *)(void *)(entries + at);
            at += entry->d_reclen;
            if (strcmp(entry->d_name, ".") == 0 ||
                strcmp(entry->d_name, "..") == 0)
                continue;
            int whole =
                snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
            err = whole < (int)sizeof below ? visit(below, fn, depth + 1)
                                            : -ENAMETOOLONG;
        }
    }
    __wrap_close(fd);
    return err ? err : fn(path, &found, FTW_DP, &place);
}

WRAP(int, nftw64, (const char *path, visit_fn *fn, int fds, int flags))
{
    if (!asyncio__sim_is_here()) return __real_nftw64(path, fn, fds, flags);
    return visit(path, fn, 0);
}
