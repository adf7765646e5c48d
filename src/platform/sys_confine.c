// What a process gives away for good: capabilities, files, system calls.

#include "platform/sys.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/sys_call.h"

// Their numbers are the same on every architecture. Headers may be older than
// the kernel.
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#ifndef SYS_landlock_restrict_self
#define SYS_landlock_restrict_self 446
#endif
#define LANDLOCK_ASK_VERSION 1

static int outcome_of(long result)
{
    return result < 0 ? -errno : (int)result;
}

int asyncio__sys_close_range(int first, int last)
{
    if (last < first) return 0;
    return outcome_of(syscall(SYS_close_range, first, last, 0));
}

int asyncio__sys_limit(int resource, uint64_t limit)
{
    const struct rlimit both = {limit, limit};
    return outcome_of(setrlimit((__rlimit_resource_t)resource, &both));
}

int asyncio__sys_hide_memory(void)
{
    return outcome_of(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
}

int asyncio__sys_drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version =
                                                  _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    return outcome_of(syscall(SYS_capset, &header, none));
}

int asyncio__sys_no_new_privileges(void)
{
    return outcome_of(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

int asyncio__sys_landlock_version(void)
{
    return outcome_of(
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_ASK_VERSION));
}

int asyncio__sys_landlock(const void *ruleset, size_t size)
{
    int fd = outcome_of(syscall(SYS_landlock_create_ruleset, ruleset, size, 0));
    if (fd < 0) return fd;
    int err = outcome_of(syscall(SYS_landlock_restrict_self, fd, 0));
    close(fd);
    return err;
}

// A thread that cannot be brought under the filter is named by the result.
int asyncio__sys_seccomp(const struct sock_fprog *filter)
{
    int err = outcome_of(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                 SECCOMP_FILTER_FLAG_TSYNC, filter));
    return err > 0 ? -ESRCH : err;
}
