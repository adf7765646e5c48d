// Where the simulated world meets the layer of system calls: descriptors that
// are numbers the kernel never gives out.
//
// A wrapper in sys_*.c that takes a descriptor asks asyncio__is_simulated
// first, which is one predicted branch, and hands such a call over. None of
// these waits: where the system call would, they return -EAGAIN. Each acts in
// the world of the calling thread and returns -EBADF where that has no such
// descriptor.
#pragma once

#include <asyncio/base.h>

#include <sys/socket.h>
#include <sys/types.h>

struct asyncio__op;
struct iovec;
struct msghdr;
struct pollfd;
struct statx;

#define ASYNCIO__SIM_FD (1 << 28)

static inline bool asyncio__is_simulated(int fd)
{
    return __builtin_expect(fd >= ASYNCIO__SIM_FD, 0);
}

int asyncio__sim_close(int fd);
// Carries out an operation on a descriptor as far as it goes at once.
int asyncio__sim_try(struct asyncio__op *op);
int asyncio__sim_fd_flags(int fd);
int asyncio__sim_status_flags(int fd); // O_ACCMODE, O_NONBLOCK, O_APPEND
int asyncio__sim_set_status_flags(int fd, int flags);
int asyncio__sim_dup(int fd);
int asyncio__sim_dup2(int fd, int to); // `to` has to be open, and is closed
// All of them simulated; only looks.
int asyncio__sim_poll(struct pollfd *fds, size_t count);
unsigned asyncio__sim_mode(int fd); // as st_mode; 0 if it cannot be had
bool asyncio__sim_is_storage(int fd);
int64_t asyncio__sim_lseek(int fd, int64_t offset, int whence);

// An offset of -1 is the position.
ssize_t asyncio__sim_read(int fd, void *buffer, size_t len, int64_t offset);
ssize_t asyncio__sim_write(int fd, const void *buffer, size_t len,
                           int64_t offset);
ssize_t asyncio__sim_readv(int fd, const struct iovec *parts, int count,
                           int64_t offset);
ssize_t asyncio__sim_writev(int fd, const struct iovec *parts, int count,
                            int64_t offset);
int asyncio__sim_fsync(int fd);
int asyncio__sim_truncate(int fd, int64_t size);
int asyncio__sim_statx(int folder, const char *path, int flags,
                       struct statx *out);
int asyncio__sim_unlink(int folder, const char *path, int flags);
int asyncio__sim_accept(int fd, struct sockaddr *address, socklen_t *len,
                        int flags);
int asyncio__sim_connect_fd(int fd, const struct sockaddr *address,
                            socklen_t len);
ssize_t asyncio__sim_recv(int fd, void *buffer, size_t len, int flags);
ssize_t asyncio__sim_send(int fd, const void *buffer, size_t len, int flags);
ssize_t asyncio__sim_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t asyncio__sim_sendmsg(int fd, const struct msghdr *message, int flags);

int asyncio__sim_bind(int fd, const struct sockaddr *address, socklen_t len);
int asyncio__sim_listen(int fd, int backlog);
int asyncio__sim_shutdown(int fd, int how);
int asyncio__sim_getsockname(int fd, struct sockaddr *address, socklen_t *len);
int asyncio__sim_getpeername(int fd, struct sockaddr *address, socklen_t *len);
int asyncio__sim_getsockopt(int fd, int level, int name, void *value,
                            socklen_t *len);
int asyncio__sim_setsockopt(int fd, int level, int name, const void *value,
                            socklen_t len);

// In the world of this thread, which there has to be.
int asyncio__sim_socket(int family, int type, int protocol);
int asyncio__sim_socketpair(int family, int type, int protocol, int fds[2]);
int asyncio__sim_pipe(int fds[2], int flags);
// A pipe with a name, of which nobody else ever opens an end; and what new
// files do not permit, with what they did not before.
int asyncio__sim_mkfifo(const char *path, mode_t mode);
mode_t asyncio__sim_umask(mode_t mask);

// The addresses of a host: calls fn for each. 0; -ENOENT for an unknown name;
// -EAGAIN for a fault.
int asyncio__sim_resolve(const char *host,
                         int (*fn)(const struct sockaddr *address,
                                   socklen_t len, void *arg),
                         void *arg);
// True if this thread has a world; and if a path below `folder` leads there.
bool asyncio__sim_is_here(void);
bool asyncio__sim_has_path(int folder, const char *path);
