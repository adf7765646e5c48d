// Descriptors that tell of events: eventfd and epoll.

#include "platform/sys.h"

#include <limits.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "platform/sys_call.h"

int(asyncio__sys_eventfd)(unsigned count, int flags, const char *site)
{
    long fd = asyncio__sys_try(ASYNCIO__SYS_EVENTFD, site,
                               eventfd(count, flags | EFD_CLOEXEC));
    return asyncio__sys_made_fd(fd, site);
}

void asyncio__sys_eventfd_signal(int fd)
{
    const uint64_t one = 1;
    int saved = errno;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    errno = saved;
}

int(asyncio__sys_epoll_create1)(int flags, const char *site)
{
    long fd = asyncio__sys_try(ASYNCIO__SYS_EVENTFD, site,
                               epoll_create1(flags | EPOLL_CLOEXEC));
    return asyncio__sys_made_fd(fd, site);
}

int asyncio__sys_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_EPOLL_CTL, __func__,
                                 epoll_ctl(epfd, op, fd, event));
}

// Whole milliseconds, rounded up: waking early would make the caller spin.
static int milliseconds(const struct timespec *timeout)
{
    if (!timeout) return -1;
    if (timeout->tv_sec >= INT_MAX / 1000) return INT_MAX;
    return (int)timeout->tv_sec * 1000 +
           (int)((timeout->tv_nsec + 999999) / 1000000);
}

int asyncio__sys_epoll_pwait2(int epfd, struct epoll_event *events, int count,
                              const struct timespec *timeout)
{
    static atomic_bool missing;

    if (!atomic_load_explicit(&missing, memory_order_relaxed)) {
        int n = (int)asyncio__sys_try(
            ASYNCIO__SYS_EPOLL_WAIT, __func__,
            epoll_pwait2(epfd, events, count, timeout, NULL));
        // Old seccomp filters answer what they do not know with EPERM.
        if (n != -ENOSYS && n != -EPERM) return n;
        atomic_store_explicit(&missing, true, memory_order_relaxed);
    }
    return (int)asyncio__sys_try(
        ASYNCIO__SYS_EPOLL_WAIT, __func__,
        epoll_wait(epfd, events, count, milliseconds(timeout)));
}
