// What a process holds beyond the library's own ledger: descriptors, threads
// and child processes, from whomever it has them.

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "platform/trace_writer.h"
#include "runner/run.h"

#define DESCRIPTORS 4096 // those beyond were not open at the start

static bool was_open[DESCRIPTORS];
static unsigned threads_before;

// Calls fn with each number that names an entry of the folder; `self` is the
// descriptor that reads it.
static void each_number(const char *folder, void (*fn)(int number, int self))
{
    DIR *entries = opendir(folder);
    if (!entries) return;

    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL) {
        char *end;
        long number = strtol(entry->d_name, &end, 10);
        if (end != entry->d_name && *end == '\0')
            fn((int)number, dirfd(entries));
    }
    closedir(entries);
}

// ---- Descriptors ------------------------------------------------------------

static void remember_descriptor(int fd, int self)
{
    if (fd != self && fd < DESCRIPTORS) was_open[fd] = true;
}

static void miss_descriptor(int fd, int self)
{
    char link[64], target[256];
    if (fd == self) return;
    if (fd < DESCRIPTORS && was_open[fd]) return;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, target, sizeof target - 1);
    target[len > 0 ? len : 0] = '\0';
    atomic_fetch_add(&test__outcome->leaks, 1);
    test__note("leak: descriptor %d is still open: %s", fd, target);
}

static void miss_closed(void)
{
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        if (was_open[fd] && fcntl(fd, F_GETFD) < 0)
            test__fail("descriptor", "%d was closed, but is not the test's",
                       fd);
}

// ---- Threads ----------------------------------------------------------------

// The kernel's marks of a thread, from /proc/<pid>/stat.
#define EXITING   0x4u    // joined already, but not yet taken off the list
#define IO_WORKER 0x10u   // a ring's own, which ends when the kernel pleases
#define KERNELS   0x4000u // the same, in newer kernels

#define PATIENCE_S 2 // with a thread that is about to end

static unsigned threads_now, threads_listed;

// What stands in a stat file behind the name in brackets. False: it is gone.
static bool read_stat(const char *path, unsigned *flags, unsigned *threads)
{
    char line[512];
    FILE *file = fopen(path, "re");
    if (!file) return false;
    char *rest = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    fclose(file);
    return rest && sscanf(rest,
                          ") %*c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u"
                          " %*u %*d %*d %*d %*d %u",
                          flags, threads) == 2;
}

static void count_thread(int id, int self)
{
    char path[64];
    unsigned flags, threads;
    (void)self;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", id);
    threads_listed++;
    if (!read_stat(path, &flags, &threads)) return;
    if (!(flags & (EXITING | IO_WORKER | KERNELS))) threads_now++;
}

// ThreadSanitizer starts threads of its own beside the first one of ours, and
// an emulator's thread goes on for a while when ours has ended and was joined:
// so there the ledger alone tells.
#if defined(__SANITIZE_THREAD__) || defined(ASYNCIO_EMULATED)
#define COUNTS_THREADS 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COUNTS_THREADS 0
#endif
#endif
#ifndef COUNTS_THREADS
#define COUNTS_THREADS 1
#endif

// The kernel ends the list early when a thread ends that it was just about to
// name: so a list is only believed that has as many as there were before it.
static unsigned count_threads(void)
{
    unsigned flags, threads;
    do {
        threads_now = threads_listed = threads = 0;
        read_stat("/proc/self/stat", &flags, &threads);
        each_number("/proc/self/task", count_thread);
    } while (threads_listed < threads);
    return COUNTS_THREADS ? threads_now : 0;
}

// A thread that nobody joins has still some steps to go when it has said that
// it ends. One that stays is waited for in vain.
static unsigned count_lasting_threads(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    time_t until_s = now.tv_sec + PATIENCE_S;
    unsigned threads;
    do {
        threads = count_threads();
        if (threads > threads_before) sched_yield();
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (threads > threads_before && now.tv_sec < until_s);
    return threads;
}

// ---- Children ---------------------------------------------------------------

// Also one that has ended counts, as long as nobody has asked how.
static bool has_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

// Loops of several threads may ask at the same time, and one that waits for
// another's count is a thread too. The writer of a trace wakes nobody.
bool test__surroundings_busy(void)
{
    static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&counting);
    unsigned idle = threads_before + asyncio__trace_writer_runs();
    bool busy = count_threads() > idle || has_children();
    pthread_mutex_unlock(&counting);
    return busy;
}

void test__surroundings_remember(void)
{
    memset(was_open, 0, sizeof was_open);
    each_number("/proc/self/fd", remember_descriptor);
    threads_before = count_threads();
}

void test__surroundings_compare(void)
{
    each_number("/proc/self/fd", miss_descriptor);
    miss_closed();

    unsigned threads = count_lasting_threads();
    if (threads > threads_before) {
        atomic_fetch_add(&test__outcome->leaks, threads - threads_before);
        test__note("leak: threads that still run: %u",
                   threads - threads_before);
    }
    if (has_children()) {
        atomic_fetch_add(&test__outcome->leaks, 1);
        test__note("leak: a child process that nobody has waited for");
    }
}
