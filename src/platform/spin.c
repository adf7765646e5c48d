// When it is worth while to spin.

#include "platform/spin.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/sys.h"

#define DEFAULT_US 20
#define MOST_US    1000
#define RARE       5 // one sleep in 2^5
#define RAREST     8

// How often to ask whether others want the processors.
#define ASK_EVERY_NS 2000000

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

static int64_t allowed_ns;
static int online, ours; // processors of the machine, and those we may use

static void decide(void)
{
    online = asyncio__sys_processors_online();
    ours = asyncio__sys_processors();
    const char *text = getenv("ASYNCIO_SPIN_US");
    long us = text && *text ? strtol(text, NULL, 10) : DEFAULT_US;
    if (us <= 0 || online < 2 || has_quota()) return;
    allowed_ns = (us < MOST_US ? us : MOST_US) * (int64_t)1000;
}

// For news of the kernel: it has them from anywhere.
static int64_t allowed_for_kernel(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, decide);
    return allowed_ns;
}

// For news of our own threads and processes, which need a processor meanwhile.
static int64_t allowed(void)
{
    int64_t ns = allowed_for_kernel();
    return ours > 1 ? ns : 0;
}

// --- whether now ------------------------------------------------------------

static _Atomic(int64_t) ask_ns; // when to ask again
static atomic_bool crowded;     // what came of it

// Whether more threads of the machine run or want to than it has processors.
// "0.52 0.58 0.59 3/211 10287": it is 3 here, and one of them is this thread.
static bool is_crowded(void)
{
    char text[64];
    int running;
    read_start("/proc/loadavg", text, sizeof text);
    return sscanf(text, "%*s %*s %*s %d", &running) == 1 && running > online;
}

static bool crowded_at(int64_t now_ns)
{
    int64_t next_ns = atomic_load_explicit(&ask_ns, memory_order_relaxed);
    if (now_ns >= next_ns && atomic_compare_exchange_strong(
                                 &ask_ns, &next_ns, now_ns + ASK_EVERY_NS))
        atomic_store_explicit(&crowded, is_crowded(), memory_order_relaxed);
    return atomic_load_explicit(&crowded, memory_order_relaxed);
}

int64_t asyncio__spin_ns(void)
{
    bool now = atomic_load_explicit(&crowded, memory_order_relaxed);
    return now ? 0 : allowed();
}

// --- one look ---------------------------------------------------------------

bool asyncio__spin_begin_for(struct asyncio__spin *spin,
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

bool asyncio__spin_begin(struct asyncio__spin *spin,
                         struct asyncio__spin_watch *watch)
{
    return asyncio__spin_begin_for(spin, watch, allowed()) &&
           !crowded_at(watch->last_ns);
}

bool asyncio__spin_begin_for_kernel(struct asyncio__spin *spin,
                                    struct asyncio__spin_watch *watch)
{
    return asyncio__spin_begin_for(spin, watch, allowed_for_kernel()) &&
           !crowded_at(watch->last_ns);
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
