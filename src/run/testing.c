// What stands behind <asyncio/testing.h>: settings for loops, the ledger of
// what is in use, and the call that fails on demand.
//
// The ledger is a table of live things, keyed by kind and id, with memory of
// its own that it does not count. A thing that it has no memory for is left
// out: then it cannot be missed either, so a leak may stay unseen, but none is
// invented. An id that is made twice was given back by somebody who did not
// say so, and the newer entry holds.

#include <asyncio/testing.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "loop/testing.h"
#include "platform/clock.h"
#include "platform/sys.h"
#include "task/future.h"

#define BUCKETS 4096u // a power of two

struct entry {
    struct entry *next;
    uintptr_t id;
    size_t size;
    const char *site;
    enum asyncio__resource what;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry **table; // BUCKETS lists; NULL until the ledger starts

enum which { NO_CALLS, ALLOCATIONS, OTHER_CALLS };
static _Atomic(enum which) counted;
static _Atomic(uint64_t) count, failing;
static unsigned way;           // in which that one fails
static _Atomic(unsigned) ways; // that there are; 0: it has not come to that
static atomic_bool harmless;
static void (*on_failure)(int code, const char *site);

// ---- The ledger -------------------------------------------------------------

static struct entry **bucket_of(enum asyncio__resource what, uintptr_t id)
{
    uint64_t mixed = (id + what) * 0x9e3779b97f4a7c15u;
    return &table[(mixed >> 32) & (BUCKETS - 1)];
}

// The place that links the entry, or the end of its bucket.
static struct entry **find(enum asyncio__resource what, uintptr_t id)
{
    struct entry **at = bucket_of(what, id);
    while (*at && ((*at)->id != id || (*at)->what != what))
        at = &(*at)->next;
    return at;
}

static void made(enum asyncio__resource what, uintptr_t id, size_t size,
                 const char *site)
{
    pthread_mutex_lock(&lock);
    struct entry **at = find(what, id);
    if (!*at) *at = calloc(1, sizeof **at);
    if (*at) {
        (*at)->what = what;
        (*at)->id = id;
        (*at)->size = size;
        (*at)->site = site;
    }
    pthread_mutex_unlock(&lock);
}

static void gone(enum asyncio__resource what, uintptr_t id)
{
    pthread_mutex_lock(&lock);
    struct entry **at = find(what, id);
    struct entry *entry = *at;
    if (entry) *at = entry->next;
    pthread_mutex_unlock(&lock);
    free(entry);
}

static void forget_all(void)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        while (table[i]) {
            struct entry *entry = table[i];
            table[i] = entry->next;
            free(entry);
        }
    }
}

// ---- Faults -----------------------------------------------------------------

// The codes that a call can really fail with, as its manual says, but for those
// that tell of a mistake of the caller's; the one that is met most comes first.
static const short codes[][12] = {
    [ASYNCIO__SYS_ALLOC] = {ENOMEM},
    [ASYNCIO__SYS_MMAP] = {ENOMEM},
    [ASYNCIO__SYS_MADVISE] = {ENOMEM, EAGAIN},
    [ASYNCIO__SYS_OPEN] = {EMFILE, ENFILE, ENOMEM, EACCES, ENOENT, ENOTDIR,
                           ELOOP, ENOSPC, EROFS, EIO, EINTR},
    [ASYNCIO__SYS_CLOSE] = {EIO, ENOSPC, EDQUOT},
    [ASYNCIO__SYS_READ] = {EIO, ENOMEM, ENOBUFS, EINTR},
    [ASYNCIO__SYS_WRITE] = {ENOSPC, EIO, EDQUOT, EFBIG, EPIPE, ENOMEM, EINTR},
    [ASYNCIO__SYS_COPY] = {EIO, ENOSPC, EXDEV, EOPNOTSUPP, EDQUOT, ENOMEM,
                           EINTR},
    [ASYNCIO__SYS_FSYNC] = {EIO, ENOSPC, EDQUOT, EINTR},
    [ASYNCIO__SYS_NAME] = {EIO, ENOSPC, EACCES, EEXIST, ENOENT, EXDEV, EROFS,
                           EDQUOT, EMLINK, ENOMEM},
    [ASYNCIO__SYS_UNLINK] = {EIO, EBUSY, EACCES, ENOENT, EROFS, ENOMEM},
    [ASYNCIO__SYS_LOOK] = {EIO, EACCES, ENOENT, ENOTDIR, ELOOP, ENOMEM},
    [ASYNCIO__SYS_LIST] = {EIO, ENOENT, ENOMEM},
    [ASYNCIO__SYS_RESIZE] = {EIO, ENOSPC, EFBIG, EDQUOT, EPERM, EINTR},
    [ASYNCIO__SYS_CHMOD] = {EIO, EPERM, EROFS, ENOMEM},
    [ASYNCIO__SYS_SEEK] = {EIO},
    [ASYNCIO__SYS_EVENTFD] = {EMFILE, ENFILE, ENOMEM},
    [ASYNCIO__SYS_EPOLL_CTL] = {ENOMEM, ENOSPC},
    [ASYNCIO__SYS_EPOLL_WAIT] = {EINTR},
    [ASYNCIO__SYS_URING] = {ENOMEM, EMFILE, ENFILE, EPERM},
    [ASYNCIO__SYS_URING_ENTER] = {EAGAIN, EBUSY, ENOMEM, EINTR},
    [ASYNCIO__SYS_THREAD] = {EAGAIN},
    [ASYNCIO__SYS_FORK] = {EAGAIN, ENOMEM},
    [ASYNCIO__SYS_SOCKET] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES,
                             EAFNOSUPPORT},
    [ASYNCIO__SYS_BIND] = {EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOMEM},
    [ASYNCIO__SYS_ACCEPT] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED,
                             EPROTO, EPERM, ENETDOWN, EHOSTUNREACH, EINTR,
                             EAGAIN},
    [ASYNCIO__SYS_CONNECT] = {ECONNREFUSED, ETIMEDOUT, ENETUNREACH,
                              EHOSTUNREACH, EADDRNOTAVAIL, EACCES, ECONNRESET,
                              ENOBUFS, EINTR},
    [ASYNCIO__SYS_RECV] = {ECONNRESET, ETIMEDOUT, ECONNREFUSED, EHOSTUNREACH,
                           ENOMEM, ENOBUFS, EINTR, EAGAIN},
    [ASYNCIO__SYS_SEND] = {EPIPE, ECONNRESET, ETIMEDOUT, ENOBUFS, ENOMEM,
                           EHOSTUNREACH, EINTR, EAGAIN},
    [ASYNCIO__SYS_SOCKOPT] = {ENOBUFS, ENOMEM, ENOTCONN},
    [ASYNCIO__SYS_MEMFD] = {EMFILE, ENFILE, ENOMEM},
    [ASYNCIO__SYS_OTHER] = {EIO},
};

static unsigned count_codes(enum asyncio__sys_call call)
{
    unsigned n = 0;
    while (n < sizeof codes[call] / sizeof *codes[call] && codes[call][n])
        n++;
    return n;
}

// True if a careful program does not notice that a call failed so: it is made
// again.
static bool is_made_again(enum asyncio__sys_call call, int code)
{
    if (code == -EINTR) return true;
    return code == -EAGAIN &&
           (call == ASYNCIO__SYS_ACCEPT || call == ASYNCIO__SYS_RECV ||
            call == ASYNCIO__SYS_SEND);
}

static int before(enum asyncio__sys_call call, const char *site, size_t *len)
{
    bool memory = call == ASYNCIO__SYS_ALLOC || call == ASYNCIO__SYS_MMAP;
    if (counted != (memory ? ALLOCATIONS : OTHER_CALLS)) return 0;
    uint64_t ordinal = atomic_fetch_add(&count, 1) + 1;
    if (asyncio__testing.on_call) asyncio__testing.on_call(ordinal, site);
    if (ordinal != failing) return 0;

    unsigned code_count = count_codes(call);
    bool shorter = len && way == code_count;
    ways = code_count + (len ? 1 : 0);
    if (way >= ways) return 0;

    int code = shorter ? 0 : -codes[call][way];
    if (shorter) --*len;
    harmless = shorter || is_made_again(call, code);
    if (on_failure) on_failure(code, site);
    return code;
}

static const struct asyncio__sys_hooks hooks = {before, made, gone};

// ---- Settings ---------------------------------------------------------------

void asyncio_testing_seed(uint64_t seed)
{
    asyncio__testing.seed = seed;
    asyncio__testing.task_step = asyncio__task_step;
}

void asyncio_testing_reports(asyncio_report_fn *fn, void *arg)
{
    asyncio__testing.report = fn;
    asyncio__testing.report_arg = arg;
}

void asyncio_testing_force_done(struct asyncio_task *task, int result)
{
    if (!asyncio_task_done(task))
        asyncio__future_complete(&task->future, result, NULL);
}

// ---- What users call --------------------------------------------------------

static void lock_ledger(void)
{
    pthread_mutex_lock(&lock);
}

static void unlock_ledger(void)
{
    pthread_mutex_unlock(&lock);
}

int asyncio_testing_ledger_start(void)
{
    if (table) {
        pthread_mutex_lock(&lock);
        forget_all();
        pthread_mutex_unlock(&lock);
        return 0;
    }
    // A process that forks while another thread holds the lock would never get
    // it in the child.
    if (pthread_atfork(lock_ledger, unlock_ledger, unlock_ledger) != 0)
        return -ENOMEM;
    table = calloc(BUCKETS, sizeof *table);
    if (!table) return -ENOMEM;

    asyncio__sys_hooks = &hooks;
    return 0;
}

static void add(struct asyncio_testing_ledger *sum, const struct entry *entry)
{
    switch (entry->what) {
    case ASYNCIO__BYTES:
        sum->bytes += entry->size;
        sum->allocations++;
        break;
    case ASYNCIO__DESCRIPTOR: sum->descriptors++; break;
    case ASYNCIO__TASK: sum->tasks++; break;
    case ASYNCIO__STACK: sum->stacks++; break;
    case ASYNCIO__THREAD: sum->threads++; break;
    case ASYNCIO__TIMER: sum->timers++; break;
    case ASYNCIO__CHILD: sum->children++; break;
    case ASYNCIO__RESOURCES: break;
    }
}

void asyncio_testing_ledger_read(struct asyncio_testing_ledger *ledger)
{
    memset(ledger, 0, sizeof *ledger);
    if (!table) return;
    asyncio__failures_drop_thread();

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct entry *entry = table[i]; entry; entry = entry->next)
            add(ledger, entry);
    pthread_mutex_unlock(&lock);
}

bool asyncio_testing_ledger_settle(double seconds)
{
    int64_t end = asyncio__clock_real_ns() + (int64_t)(seconds * 1e9);
    struct asyncio_testing_ledger ledger;
    for (;;) {
        asyncio_testing_ledger_read(&ledger);
        if (ledger.threads == 0) return true;
        if (asyncio__clock_real_ns() >= end) return false;
        asyncio__sys_rest(1000000);
    }
}

void asyncio_testing_ledger_each(void (*fn)(const char *what, size_t size,
                                            const char *site, void *arg),
                                 void *arg)
{
    static const char *const names[] = {
        [ASYNCIO__BYTES] = "bytes",   [ASYNCIO__DESCRIPTOR] = "descriptor",
        [ASYNCIO__TASK] = "task",     [ASYNCIO__STACK] = "stack",
        [ASYNCIO__THREAD] = "thread", [ASYNCIO__TIMER] = "timer",
        [ASYNCIO__CHILD] = "child",
    };
    if (!table) return;
    asyncio__failures_drop_thread();

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct entry *entry = table[i]; entry; entry = entry->next)
            fn(names[entry->what], entry->size, entry->site, arg);
    pthread_mutex_unlock(&lock);
}

int asyncio_testing_fail_at(const char *calls, uint64_t ordinal)
{
    enum which which = NO_CALLS;
    if (strcmp(calls, "alloc") == 0) which = ALLOCATIONS;
    if (strcmp(calls, "syscall") == 0) which = OTHER_CALLS;
    if (which == NO_CALLS) return -EINVAL;

    int err = table ? 0 : asyncio_testing_ledger_start();
    if (err < 0) return err;

    counted = NO_CALLS;
    count = 0;
    way = 0;
    ways = 0;
    harmless = false;
    failing = ordinal;
    counted = which;
    return 0;
}

void asyncio_testing_on_failure(void (*fn)(int code, const char *site))
{
    on_failure = fn;
}

uint64_t asyncio_testing_calls(void)
{
    return count;
}

void asyncio_testing_fail_in_way(unsigned chosen)
{
    way = chosen;
}

unsigned asyncio_testing_ways(void)
{
    return ways;
}

bool asyncio_testing_failure_is_harmless(void)
{
    return harmless;
}
