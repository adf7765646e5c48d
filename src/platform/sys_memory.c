// Memory from the allocator and from the kernel, with the ledger told of both.
//
// Everything is handed out zeroed, because all zero is a valid state of nearly
// every object here, and the C library gets large zeroed blocks for nothing.

#include "platform/sys.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "platform/sys_call.h"

const struct asyncio__allocator *asyncio__allocator;

static void *obtain(size_t size)
{
    const struct asyncio__allocator *allocator = asyncio__allocator;
    int saved = errno;
    void *p;

    if (allocator) {
        p = allocator->alloc(size, allocator->arg);
        if (p) memset(p, 0, size);
    } else {
        p = calloc(1, size);
    }
    errno = saved;
    return p;
}

void *(asyncio__alloc)(size_t size, const char *site)
{
    if (asyncio__sys_denied(ASYNCIO__SYS_ALLOC, site) < 0) return NULL;
    return asyncio__alloc_undenied(size, site);
}

void *asyncio__alloc_undenied(size_t size, const char *site)
{
    if (size == 0) size = 1;
    void *p = obtain(size);
    if (p) asyncio__sys_made(ASYNCIO__BYTES, (uintptr_t)p, size, site);
    return p;
}

void *(asyncio__alloc_array)(size_t count, size_t size, const char *site)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    return (asyncio__alloc)(bytes, site);
}

void *(asyncio__realloc_array)(void *p, size_t count, size_t new_count,
                               size_t size, const char *site)
{
    void *grown = (asyncio__alloc_array)(new_count, size, site);
    if (!grown) return NULL;

    size_t kept = count < new_count ? count : new_count;
    if (p && kept > 0) memcpy(grown, p, kept * size);
    asyncio__free(p);
    return grown;
}

char *(asyncio__strdup)(const char *text, const char *site)
{
    if (!text) return NULL;

    size_t size = strlen(text) + 1;
    char *copy = (asyncio__alloc)(size, site);
    if (copy) memcpy(copy, text, size);
    return copy;
}

void asyncio__free(void *p)
{
    const struct asyncio__allocator *allocator = asyncio__allocator;
    if (!p) return;

    asyncio__sys_gone(ASYNCIO__BYTES, (uintptr_t)p);
    int saved = errno;
    if (allocator)
        allocator->free(p, allocator->arg);
    else
        free(p);
    errno = saved;
}

int(asyncio__sys_mmap)(void **address, size_t size, int prot, int flags,
                       const char *site)
{
    int err = asyncio__sys_denied(ASYNCIO__SYS_MMAP, site);
    if (err < 0) return err;

    int saved = errno;
    void *p =
        mmap(NULL, size, prot, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        err = -errno;
        errno = saved;
        return err;
    }
    asyncio__sys_made(ASYNCIO__BYTES, (uintptr_t)p, size, site);
    *address = p;
    return 0;
}

int asyncio__sys_munmap(void *address, size_t size)
{
    asyncio__sys_gone(ASYNCIO__BYTES, (uintptr_t)address);
    int saved = errno;
    int err = munmap(address, size) < 0 ? -errno : 0;
    errno = saved;
    return err;
}

int asyncio__sys_madvise(void *address, size_t size, int advice)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_MADVISE, __func__,
                                 madvise(address, size, advice));
}

int asyncio__sys_mprotect(void *address, size_t size, int prot)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_OTHER, __func__,
                                 mprotect(address, size, prot));
}

// By number: the wrapper of the same name came to glibc late, and refuses
// advice that it does not know.
ssize_t asyncio__sys_process_madvise(int pidfd, const struct iovec *iovecs,
                                     size_t count, int advice, unsigned flags)
{
    return asyncio__sys_try(
        ASYNCIO__SYS_MADVISE, __func__,
        syscall(SYS_process_madvise, pidfd, iovecs, count, advice, flags));
}
