// How a wrapper of the system-call layer is built. Only sys_*.c include this.
#pragma once

#include <errno.h>

#include "platform/sys.h"

// Makes one call that reports by -1 and `errno`, unless the hooks deny it. The
// value is the call's result or a negative errno; `errno` is left as it was.
#define asyncio__sys_try(kind, site, call)                                     \
    __extension__({                                                            \
        long result_ = asyncio__sys_denied(kind, site);                        \
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

// Enters a new descriptor into the ledger and hands it, or an error, on.
static inline int asyncio__sys_made_fd(long fd, const char *site)
{
    if (fd >= 0) asyncio__sys_made(ASYNCIO__DESCRIPTOR, (uintptr_t)fd, 0, site);
    return (int)fd;
}
