// Sockets: TCP, UDP and Unix, with POSIX's calls, that let other tasks run.
#pragma once

#include <asyncio/task.h>

#include <sys/socket.h>

ASYNCIO__BEGIN

struct asyncio_addrinfo;
struct asyncio_getaddrinfo_options;

// Looks up a host for everything that takes one, as asyncio_getaddrinfo does:
// see asyncio/dns.h. It runs in the task that wants to know, and may suspend.
typedef int
asyncio_resolve_fn(const char *host, const char *service,
                   struct asyncio_addrinfo **list,
                   const struct asyncio_getaddrinfo_options *options);

// From now on, names are looked up by `fn`, and its lists given back to
// `release`; with NULL by libc, on a thread. Linking libasyncio-dns sets its
// asyncio_getaddrinfo. A numeric address, and localhost, is nobody asked for.
// A list without an address is -ENOENT.
//
// thread    any, while nobody looks anything up
ASYNCIO_API void
asyncio_set_resolver(asyncio_resolve_fn *fn,
                     void (*release)(struct asyncio_addrinfo *list));

ASYNCIO__END
