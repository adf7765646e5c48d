// How a wrapper of the system-call layer is built. Only sys_*.c include this.
#pragma once

#include <errno.h>
#include <sys/uio.h>

#include "platform/sys.h"

// Makes one call that reports by -1 and `errno`, unless it is denied. The value
// is the call's result or a negative errno; `errno` is left as it was.
#define asyncio__sys_try_unless(denied, call)                                  \
    __extension__({                                                            \
        long result_ = (denied);                                               \
        if (result_ == 0) {                                                    \
            int errno_ = errno;                                                \
            result_ = (long)(call);                                            \
            if (result_ < 0) {                                                 \
                result_ = -errno;                                              \
                errno = errno_;                                                \
            }                                                                  \
        }                                                                      \
        result_;                                                               \
    })

#define asyncio__sys_try(kind, site, call)                                     \
    asyncio__sys_try_unless(asyncio__sys_denied(kind, site), call)

// The same for a call that moves `len` bytes, a variable that the hooks may
// make one less.
#define asyncio__sys_try_bytes(kind, site, len, call)                          \
    asyncio__sys_try_unless(asyncio__sys_denied_bytes(kind, site, &(len)), call)

// The parts that a call moves, and a copy of them that is one byte shorter.
struct asyncio__sys_parts {
    const struct iovec *at;
    size_t count;
    struct iovec shorter[16];
};

// Whether the call is denied. If it is to come back short, `parts` become so.
int asyncio__sys_denied_parts(enum asyncio__sys_call call, const char *site,
                              struct asyncio__sys_parts *parts);

// Enters a new descriptor into the ledger and hands it, or an error, on.
static inline int asyncio__sys_made_fd(long fd, const char *site)
{
    if (fd >= 0) asyncio__sys_made(ASYNCIO__DESCRIPTOR, (uintptr_t)fd, 0, site);
    return (int)fd;
}
