// The hooks of the system-call layer, and the calls that belong to no family.

#include "platform/sys.h"

#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/sys_call.h"

const struct asyncio__sys_hooks *asyncio__sys_hooks;

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
