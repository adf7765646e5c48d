// How guards are installed, and what is done when the kernel will not.
//
// process_madvise names a process by a pidfd. Ours is the kernel's constant for
// "self", or one that is opened for the call: a descriptor that is kept would,
// after a fork, still mean the parent, and the child would throw away the
// parent's memory.

#include "platform/guard.h"

#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "platform/sys.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

// The kernel's name for the calling thread in place of a pidfd, since 6.15.
#define OWN_PIDFD (-10000)

#define GUARD_SIZE_MIN ((size_t)16 * 1024)

// The canary is the uppermost bytes of what would have been the guard.
#define CANARY_WORDS 8
#define CANARY       UINT64_C(0x5afe57ac4c0ffee5)

static atomic_bool bulk_refused;    // process_madvise on ourselves
static atomic_bool markers_refused; // MADV_GUARD_INSTALL
static atomic_bool markers_seen;    // to work, not only to be accepted
static atomic_ulong protected_count;

size_t asyncio__guard_size(void)
{
    static _Atomic(size_t) known; // 0: not asked yet
    size_t size = atomic_load_explicit(&known, memory_order_relaxed);
    if (size > 0) return size;

    long page = sysconf(_SC_PAGESIZE);
    size = (size_t)page > GUARD_SIZE_MIN ? (size_t)page : GUARD_SIZE_MIN;
    atomic_store_explicit(&known, size, memory_order_relaxed);
    return size;
}

// An error that will be the same tomorrow, unlike a lack of memory.
static bool is_refusal(ssize_t err)
{
    return err < 0 && err != -ENOMEM && err != -EAGAIN && err != -EINTR;
}

static ssize_t advise_self(const struct iovec *pieces, size_t count, int advice)
{
    ssize_t advised =
        asyncio__sys_process_madvise(OWN_PIDFD, pieces, count, advice, 0);
    if (advised != -EBADF) return advised;

    int pidfd = asyncio__sys_pidfd_open(getpid(), 0);
    if (pidfd < 0) return pidfd;
    advised = asyncio__sys_process_madvise(pidfd, pieces, count, advice, 0);
    asyncio__sys_close(pidfd);
    return advised;
}

static bool advise_at_once(const struct iovec *pieces, size_t count, int advice)
{
    if (atomic_load_explicit(&bulk_refused, memory_order_relaxed)) return false;

    size_t wanted = 0;
    for (size_t i = 0; i < count; i++)
        wanted += pieces[i].iov_len;

    ssize_t advised = advise_self(pieces, count, advice);
    if (is_refusal(advised)) bulk_refused = true;
    return advised >= 0 && (size_t)advised == wanted;
}

int asyncio__guard_advise(const struct iovec *pieces, size_t count, int advice)
{
    if (count > 1 && advise_at_once(pieces, count, advice)) return 0;

    // Some may have been done already: a second time does no harm.
    for (size_t i = 0; i < count; i++) {
        int err =
            asyncio__sys_madvise(pieces[i].iov_base, pieces[i].iov_len, advice);
        if (err < 0) return err;
    }
    return 0;
}

static char *guard_at(const struct asyncio__guards *guards, unsigned index)
{
    return guards->base + index * guards->stride;
}

// An emulator of the kernel may say yes to advice that it does not know: the
// first marker has to show that nobody can write there.
static bool markers_work(const struct asyncio__guards *guards)
{
    if (atomic_load_explicit(&markers_seen, memory_order_relaxed)) return true;
    ssize_t err = asyncio__sys_getrandom(guard_at(guards, 0), 1, 0);
    if (err >= 0) return false;
    if (err == -EFAULT) markers_seen = true;
    return true;
}

// Returns -ENOTSUP if the kernel has no such markers, for this memory or at
// all.
static int install_markers(const struct asyncio__guards *guards)
{
    if (atomic_load_explicit(&markers_refused, memory_order_relaxed))
        return -ENOTSUP;

    struct iovec pieces[64];
    for (unsigned i = 0; i < guards->count; i++)
        pieces[i] = (struct iovec){guard_at(guards, i), asyncio__guard_size()};
    int err = asyncio__guard_advise(pieces, guards->count, MADV_GUARD_INSTALL);
    if (err == 0 && markers_work(guards)) return 0;
    if (err < 0 && !is_refusal(err)) return err;

    markers_refused = true;
    return -ENOTSUP;
}

static unsigned long read_map_count_max(void)
{
    unsigned long usual = 65530;
    char text[32];

    int fd = asyncio__sys_openat(AT_FDCWD, "/proc/sys/vm/max_map_count",
                                 O_RDONLY, 0);
    if (fd < 0) return usual;
    ssize_t len = asyncio__sys_read(fd, text, sizeof(text) - 1);
    asyncio__sys_close(fd);
    if (len <= 0) return usual;

    text[len] = '\0';
    unsigned long count = strtoul(text, NULL, 10);
    return count > 0 ? count : usual;
}

// How many guards may be pages without access. Each splits one mapping in
// three, and a quarter of all mappings is ours to use.
static unsigned long protected_max(void)
{
    static atomic_ulong known;
    unsigned long max = atomic_load(&known);
    if (max == 0) {
        max = read_map_count_max() / 4 / 2 + 1;
        atomic_store(&known, max);
    }
    return max;
}

static bool protect(char *guard)
{
    if (atomic_fetch_add(&protected_count, 1) < protected_max() &&
        asyncio__sys_mprotect(guard, asyncio__guard_size(), PROT_NONE) == 0)
        return true;

    atomic_fetch_sub(&protected_count, 1);
    return false;
}

int asyncio__guards_install(struct asyncio__guards *guards)
{
    guards->protected_ = 0;
    guards->canaries = 0;
    int err = install_markers(guards);
    if (err != -ENOTSUP) return err;

    for (unsigned i = 0; i < guards->count; i++) {
        if (protect(guard_at(guards, i)))
            guards->protected_++;
        else
            guards->canaries |= UINT64_C(1) << i;
    }
    return 0;
}

void asyncio__guards_forget(struct asyncio__guards *guards)
{
    atomic_fetch_sub(&protected_count, guards->protected_);
    guards->protected_ = 0;
}

// NULL if this guard is of a better kind.
static uint64_t *canary_of(const struct asyncio__guards *guards, unsigned index)
{
    if (!(guards->canaries >> index & 1)) return NULL;
    char *end = guard_at(guards, index) + asyncio__guard_size();
    return (uint64_t *)(void *)end - CANARY_WORDS;
}

void asyncio__guard_plant(const struct asyncio__guards *guards, unsigned index)
{
    uint64_t *canary = canary_of(guards, index);
    for (unsigned i = 0; canary && i < CANARY_WORDS; i++)
        canary[i] = CANARY;
}

void asyncio__guard_check(const struct asyncio__guards *guards, unsigned index)
{
    const uint64_t *canary = canary_of(guards, index);
    for (unsigned i = 0; canary && i < CANARY_WORDS; i++) {
        if (canary[i] == CANARY) continue;
        // Memory of others may be overwritten: say it, and do nothing else.
        char line[160];
        int len = snprintf(line, sizeof(line),
                           "asyncio: a task overflowed its stack of %zu bytes "
                           "and wrote below it; give it a larger .stack_size\n",
                           guards->stride - asyncio__guard_size());
        asyncio__sys_write(STDERR_FILENO, line, (size_t)len);
        abort();
    }
}
