// When it is worth while to spin.

#include "platform/spin.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/sys.h"

#define DEFAULT_US 20
#define MOST_US    1000
#define RARE       5 // one sleep in 2^5
#define RAREST     8

// A gap between two readings of the clock that no look explains.
#define PREEMPTED_NS 50000

// --- whether at all ---------------------------------------------------------

// The start of a small file; "" if there is none.
static void read_start(const char *path, char *text, size_t size)
{
    int fd = asyncio__sys_openat(AT_FDCWD, path, O_RDONLY, 0);
    ssize_t len = fd < 0 ? 0 : asyncio__sys_read(fd, text, size - 1);
    if (fd >= 0) asyncio__sys_close(fd);
    text[len > 0 ? len : 0] = '\0';
}

// Version 2 says "max 100000" or "50000 100000"; version 1 says -1 or 50000.
static bool limits(const char *folder, const char *group, const char *file)
{
    char path[512], text[64];
    int len = snprintf(path, sizeof path, "%s%s/%s", folder, group, file);
    if (len < 0 || (size_t)len >= sizeof path) return false;
    read_start(path, text, sizeof text);
    return text[0] >= '1' && text[0] <= '9';
}

// Looks from our control group upward.
static bool has_quota(void)
{
    char text[512];
    read_start("/proc/self/cgroup", text, sizeof text);
    char *group = strstr(text, "0::/");
    group = group ? group + 3 : strcpy(text, "/");
    group[strcspn(group, "\n")] = '\0';

    for (char *slash; (slash = strrchr(group, '/')); *slash = '\0')
        if (limits("/sys/fs/cgroup", group, "cpu.max")) return true;
    return limits("/sys/fs/cgroup", "", "cpu.max") ||
           limits("/sys/fs/cgroup/cpu", "", "cpu.cfs_quota_us");
}

static int64_t spin_ns;

static void decide(void)
{
    const char *text = getenv("ASYNCIO_SPIN_US");
    long us = text && *text ? strtol(text, NULL, 10) : DEFAULT_US;
    if (us <= 0 || asyncio__sys_processors() < 2 || has_quota()) return;
    spin_ns = (us < MOST_US ? us : MOST_US) * (int64_t)1000;
}

int64_t asyncio__spin_ns(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, decide);
    return spin_ns;
}

// --- one look ---------------------------------------------------------------

bool asyncio__spin_begin(struct asyncio__spin *spin,
                         struct asyncio__spin_watch *watch, int64_t ns)
{
    if (ns <= 0) return false;
    if (spin->skip > 0) {
        spin->skip--;
        return false;
    }
    watch->last_ns = asyncio__clock_real_ns();
    watch->until_ns = watch->last_ns + ns;
    watch->ns = ns;
    watch->preempted = false;
    return true;
}

bool asyncio__spin_goes_on(struct asyncio__spin_watch *watch)
{
    int64_t now_ns = asyncio__clock_real_ns();
    if (now_ns - watch->last_ns > PREEMPTED_NS) watch->preempted = true;
    watch->last_ns = now_ns;
    return now_ns < watch->until_ns;
}

void asyncio__spin_end(struct asyncio__spin *spin,
                       const struct asyncio__spin_watch *watch, bool found)
{
    bool late = watch->until_ns - watch->last_ns < watch->ns * 3 / 4;
    if (watch->preempted)
        spin->in_vain = RAREST;
    else if (found && !late)
        spin->in_vain /= 2;
    else if (spin->in_vain < RARE)
        spin->in_vain++;
    spin->skip = spin->in_vain > 0 ? (1u << spin->in_vain) - 1 : 0;
}

// --- locks ------------------------------------------------------------------

int asyncio__spin_lock_init(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attr;
    int code = pthread_mutexattr_init(&attr);
    if (code != 0) return -code;
#ifdef __GLIBC__
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
#endif
    code = pthread_mutex_init(lock, &attr);
    pthread_mutexattr_destroy(&attr);
    return -code;
}
