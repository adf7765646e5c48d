// Processes: made, waited for and ended; and the memory that they share.

#include "platform/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "platform/sys_call.h"

// --- children ---------------------------------------------------------------

pid_t(asyncio__sys_fork)(const char *site)
{
    pid_t pid = (pid_t)asyncio__sys_try(ASYNCIO__SYS_FORK, site, fork());
    if (pid == 0) asyncio__sys_hooks = NULL;
    if (pid > 0) asyncio__sys_made(ASYNCIO__CHILD, (uintptr_t)pid, 0, site);
    return pid;
}

// Somebody else may have waited for it already; it is gone all the same.
int asyncio__sys_reap_status(pid_t child)
{
    int saved = errno, status = -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    errno = saved;
    asyncio__sys_gone(ASYNCIO__CHILD, (uintptr_t)child);
    return status;
}

void asyncio__sys_reap(pid_t child)
{
    asyncio__sys_reap_status(child);
}

pid_t asyncio__sys_reap_any(int *status)
{
    pid_t pid = (pid_t)asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__,
                                        waitpid(-1, status, WNOHANG));
    if (pid > 0) asyncio__sys_gone(ASYNCIO__CHILD, (uintptr_t)pid);
    return pid;
}

int asyncio__sys_kill(pid_t pid, int signal)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__,
                                 kill(pid, signal));
}

static int64_t read_processor_ns(pid_t pid)
{
    struct timespec used;
    clockid_t clock;
    int code = clock_getcpuclockid(pid, &clock);
    if (code == 0 && clock_gettime(clock, &used) == 0)
        return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
    if (code != 0) errno = code;
    return -1;
}

int64_t asyncio__sys_processor_ns(pid_t pid)
{
    return asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__,
                            read_processor_ns(pid));
}

#define EXITING 0x4u // the kernel's mark

// Some that stand beside our threads take no part in a fork: the kernel's
// workers for our rings, which are told by their name, and threads that have
// ended and may have been joined, but are not yet taken off the list.
static bool is_no_longer_ours(const char *thread)
{
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT;
    ssize_t len = read(fd, line, sizeof line - 1);
    close(fd);
    if (len <= 0) return len < 0 && errno == ESRCH;

    const char *name = strchr(line, '('), *rest = strrchr(line, ')');
    unsigned marks = 0;
    if (rest) sscanf(rest, ") %*c %*d %*d %*d %*d %*d %u", &marks);
    return (name && strncmp(name, "(iou-", 5) == 0) || marks & EXITING;
}

struct census {
    nlink_t before; // how many the kernel knew of when the list began
    nlink_t listed;
    int ours; // of these
};

static bool take_census(struct census *census)
{
    struct stat about = {0};
    DIR *folder = opendir("/proc/self/task");
    if (!folder) return false;

    *census = (struct census){0};
    if (fstat(dirfd(folder), &about) == 0) census->before = about.st_nlink;
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        census->listed++; // "." and ".." are links, too
        if (entry->d_name[0] != '.' && !is_no_longer_ours(entry->d_name))
            census->ours++;
    }
    closedir(folder);
    return true;
}

// The kernel ends the list early when a thread ends that it has just named. So
// one is only believed that has as many as there were before it.
static int count_threads(void)
{
    struct census census;
    do {
        if (!take_census(&census)) return -1;
    } while (census.listed < census.before);
    return census.ours;
}

int asyncio__sys_threads(void)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__, count_threads());
}

// --- signals ----------------------------------------------------------------

int(asyncio__sys_signalfd)(const sigset_t *mask, const char *site)
{
    long fd = asyncio__sys_try(ASYNCIO__SYS_OTHER, site,
                               signalfd(-1, mask, SFD_CLOEXEC | SFD_NONBLOCK));
    return asyncio__sys_made_fd(fd, site);
}

// --- shared memory ----------------------------------------------------------

// Nobody can shrink it under a reader, which would be a SIGBUS there.
static int make_memfd(const char *name, size_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -1;
    int seals = F_SEAL_SHRINK | F_SEAL_GROW;
    if (ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS, seals) == 0)
        return fd;
    int code = errno;
    close(fd);
    errno = code;
    return -1;
}

int(asyncio__sys_memfd)(const char *name, size_t size, const char *site)
{
    long fd =
        asyncio__sys_try(ASYNCIO__SYS_MEMFD, site, make_memfd(name, size));
    return asyncio__sys_made_fd(fd, site);
}

int(asyncio__sys_mmap_shared)(void **address, size_t size, int fd,
                              const char *site)
{
    int err = asyncio__sys_denied(ASYNCIO__SYS_MMAP, site);
    if (err < 0) return err;

    int saved = errno;
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) err = -errno;
    errno = saved;
    if (err < 0) return err;

    asyncio__sys_made(ASYNCIO__BYTES, (uintptr_t)p, size, site);
    *address = p;
    return 0;
}

// 0, or -1 with errno.
static int map_own(void *address, size_t size, int fd)
{
    void *p = mmap(address, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_FIXED, fd, 0);
    return p == MAP_FAILED ? -1 : 0;
}

int asyncio__sys_mmap_own(void *address, size_t size, int fd)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_MMAP, __func__,
                                 map_own(address, size, fd));
}

int asyncio__sys_seal_content(int fd)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_MEMFD, __func__,
                                 fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
}

static int move_onto(void *from, size_t size, void *address)
{
    void *p = mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, address);
    return p == MAP_FAILED ? -1 : 0;
}

int asyncio__sys_mremap_onto(void *from, size_t size, void *address)
{
    int err = (int)asyncio__sys_try(ASYNCIO__SYS_MMAP, __func__,
                                    move_onto(from, size, address));
    if (err == 0) asyncio__sys_gone(ASYNCIO__BYTES, (uintptr_t)from);
    return err;
}

int asyncio__sys_futex_wait(_Atomic(uint32_t) *word, uint32_t value)
{
    return (int)asyncio__sys_try(
        ASYNCIO__SYS_OTHER, __func__,
        syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0));
}

void asyncio__sys_futex_wake(_Atomic(uint32_t) *word)
{
    int saved = errno;
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
    errno = saved;
}

// --- in a child -------------------------------------------------------------

// An old kernel has no such call: then one by one, as far as the limit goes.
int asyncio__sys_close_from(int first)
{
    if (close_range((unsigned)first, ~0U, 0) == 0) return 0;
    long end = sysconf(_SC_OPEN_MAX);
    for (int fd = first; fd < end; fd++)
        close(fd);
    return 0;
}

int asyncio__sys_dup3(int fd, int to, int flags)
{
    return dup3(fd, to, flags) < 0 ? -errno : 0;
}

int asyncio__sys_die_with_parent(void)
{
    return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : 0;
}

void asyncio__sys_set_name(const char *name)
{
    prctl(PR_SET_NAME, name);
}

void asyncio__sys_handle(int number, void (*handler)(int number))
{
    signal(number, handler);
}

void asyncio__sys_drop_handlers(void)
{
    struct sigaction action;

    for (int i = 1; i < NSIG; i++) {
        if (sigaction(i, NULL, &action) < 0) continue;
        if (action.sa_handler == SIG_IGN || action.sa_handler == SIG_DFL)
            continue;
        signal(i, SIG_DFL);
    }
}

void asyncio__sys_sigprocmask(int how, const sigset_t *mask, sigset_t *old)
{
    sigprocmask(how, mask, old);
}

// What the limit counts: the sixth word, in pages, with the stack.
static int read_data_size(uint64_t *size)
{
    char text[128] = "";
    unsigned long long pages;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    if (len <= 0 ||
        sscanf(text, "%*s %*s %*s %*s %*s %llu", &pages) != 1) // NOLINT(cert-*)
        return -EIO;
    *size = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return 0;
}

// Not the address space: of that a program reserves much that it never uses,
// with a sanitizer nearly all there is.
int asyncio__sys_limit_memory(uint64_t size)
{
    struct rlimit limit;
    uint64_t now = 0, end;
    int err = read_data_size(&now);
    if (err < 0) return err;
    if (getrlimit(RLIMIT_DATA, &limit) < 0) return -errno;
    if (__builtin_add_overflow(now, size, &end) || end > limit.rlim_max)
        end = limit.rlim_max;
    limit.rlim_cur = limit.rlim_max = end;
    return setrlimit(RLIMIT_DATA, &limit) < 0 ? -errno : 0;
}

bool asyncio__sys_has_memory(uint64_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return false;
    munmap(p, size);
    return true;
}

pid_t asyncio__sys_getpid(void)
{
    return getpid();
}

bool asyncio__sys_is_first_thread(void)
{
    return gettid() == getpid();
}

pid_t asyncio__sys_getppid(void)
{
    return getppid();
}

_Noreturn void asyncio__sys_exit(int status)
{
    _exit(status);
}
