// The hooks of the system-call layer, and the calls that belong to no family.

#include "platform/sys.h"

#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "platform/sys_call.h"

const struct asyncio__sys_hooks *asyncio__sys_hooks;

// Of many parts only the first are looked at, and moved: a transfer may come
// back short by any number of bytes.
static int deny_parts(enum asyncio__sys_call call, const char *site,
                      struct asyncio__sys_parts *parts)
{
    const size_t most = sizeof parts->shorter / sizeof *parts->shorter;
    size_t count = parts->count < most ? parts->count : most;
    size_t sum = 0, last = 0;
    for (size_t i = 0; i < count; i++) {
        sum += parts->at[i].iov_len;
        if (parts->at[i].iov_len > 0) last = i;
    }
    size_t len = sum;
    int err = asyncio__sys_denied_bytes(call, site, &len);
    if (len == sum) return err;

    memcpy(parts->shorter, parts->at, count * sizeof *parts->at);
    parts->shorter[last].iov_len--;
    parts->at = parts->shorter;
    parts->count = count;
    return err;
}

int asyncio__sys_denied_parts(enum asyncio__sys_call call, const char *site,
                              struct asyncio__sys_parts *parts)
{
    if (__builtin_expect(!asyncio__sys_hooks, 1)) return 0;
    return deny_parts(call, site, parts);
}

int asyncio__sys_denied_on(int fd, enum asyncio__sys_call call,
                           const char *site, size_t *len)
{
    if (__builtin_expect(!asyncio__sys_hooks, 1)) return 0;
    if (*len > 1 && asyncio__sys_moves_bytes(fd))
        return asyncio__sys_denied_bytes(call, site, len);
    return asyncio__sys_denied(call, site);
}

bool asyncio__sys_moves_bytes(int fd)
{
    int type = SOCK_STREAM, saved = errno;
    socklen_t len = sizeof type;
    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
    errno = saved;
    return type == SOCK_STREAM;
}

ssize_t asyncio__sys_getrandom(void *buffer, size_t len, unsigned flags)
{
    return asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__,
                            getrandom(buffer, len, flags));
}

// By number: glibc has the wrapper only since 2.36. Closes on exec by itself.
int(asyncio__sys_pidfd_open)(pid_t pid, unsigned flags, const char *site)
{
    long fd = asyncio__sys_try(ASYNCIO__SYS_OTHER, site,
                               syscall(SYS_pidfd_open, pid, flags));
    return asyncio__sys_made_fd(fd, site);
}

int asyncio__sys_sigaction(int signal, const struct sigaction *action,
                           struct sigaction *old)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__,
                                 sigaction(signal, action, old));
}

int asyncio__sys_sigaltstack(const stack_t *stack, stack_t *old)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__,
                                 sigaltstack(stack, old));
}
