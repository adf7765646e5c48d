// Writing to a pipe without SIGPIPE.
//
// The signal's default is the end of the program, and what it means for the
// program is not ours to change. Linux 6.18 has a flag for one write; before,
// the signal is blocked for this thread and, if it came, taken back before
// anybody can see it.

#include "platform/sys.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "platform/simulated.h"
#include "platform/sys_call.h"

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x100
#endif

static _Atomic(bool) knows_no_flag;

// Pipes of older kernels cannot be told not to wait; but what is no longer than
// PIPE_BUF does not wait if there is room at all.
static ssize_t write_some(int fd, const struct iovec *parts, int count)
{
    ssize_t sent = pwritev2(fd, parts, count, -1, RWF_NOWAIT);
    if (sent >= 0 || errno != EOPNOTSUPP) return sent;
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    if (poll(&room, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    size_t len = parts->iov_len < PIPE_BUF ? parts->iov_len : PIPE_BUF;
    return write(fd, parts->iov_base, len);
}

static ssize_t write_blocked(int fd, const struct iovec *parts, int count)
{
    const struct timespec at_once = {0};
    sigset_t pipe, before, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    bool had = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe, &before);

    ssize_t sent = write_some(fd, parts, count);
    int code = errno;
    if (sent < 0 && code == EPIPE && !had) sigtimedwait(&pipe, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = code;
    return sent;
}

static ssize_t write_quietly(int fd, const struct iovec *parts, int count)
{
    if (!atomic_load_explicit(&knows_no_flag, memory_order_relaxed)) {
        ssize_t sent =
            pwritev2(fd, parts, count, -1, RWF_NOWAIT | RWF_NOSIGNAL);
        if (sent >= 0 || errno != EOPNOTSUPP) return sent;
        atomic_store(&knows_no_flag, true);
    }
    return write_blocked(fd, parts, count);
}

ssize_t asyncio__sys_writev_pipe(int fd, const struct iovec *parts, int count)
{
    if (asyncio__is_simulated(fd))
        return asyncio__sim_writev(fd, parts, count, -1);
    return asyncio__sys_try(ASYNCIO__SYS_WRITE, __func__,
                            write_quietly(fd, parts, count));
}

unsigned asyncio__sys_file_mode(int fd)
{
    if (asyncio__is_simulated(fd)) return asyncio__sim_mode(fd);
    struct stat st;
    int saved = errno;
    int err = fstat(fd, &st);
    errno = saved;
    return err < 0 ? 0 : st.st_mode;
}
