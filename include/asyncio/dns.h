// Names to addresses, on the loop (library libasyncio-dns).
//
//     struct asyncio_addrinfo *list;
//     int err = asyncio_getaddrinfo("debian.org", "https", &list);
//     if (err < 0) return err;
//     ... connect to list->addr, or to list->next->addr, ...
//     asyncio_freeaddrinfo(list);
//
// A numeric address is answered at once, and so is localhost, which is this
// machine; a name is looked for in /etc/hosts and then asked of the name
// servers, for IPv4 and IPv6 together. Servers that never answer are given up
// after a minute and more: limit a lookup from outside, with asyncio_wait_for
// or asyncio_timeout.
//
// A resolver remembers what servers said: addresses and names for as long as
// they allow (at most a day), and that something does not exist for 5 seconds.
// Tasks that ask the same at the same time ask once. /etc/hosts,
// /etc/resolv.conf and /etc/nsswitch.conf are looked at again at most once a
// second, when somebody asks; if one of the first two has changed, what was
// remembered is forgotten. More than 256 questions at a time wait in line, and
// many at once go out by and by, so that the server gets them all.
//
// Where nsswitch.conf names other sources of hosts than files and dns, libc is
// asked, on one of up to 8 threads of the loop: at once for names without a
// dot and those below .local, and else for names that the servers do not know.
// What it says is not remembered.
//
// Call all of it on the loop's thread.
#pragma once

#include <asyncio/task.h>

#include <sys/socket.h>

ASYNCIO__BEGIN

// Lookups that share name servers and what these have said.
struct asyncio_resolver;

struct asyncio_resolver_options {
    ASYNCIO__OPTIONS_HEAD
    // "127.0.0.1:5353,[::1]:53", asked in this order, and nobody else, libc
    // included; else those of resolv.conf
    const char *servers ASYNCIO__UNSET;
    double try_seconds ASYNCIO__UNSET; // for the first answer, else 5
    int tries ASYNCIO__UNSET;     // of each server, else 4, each twice as long
    int port ASYNCIO__UNSET;      // of servers without one, else 53
    int cache_max ASYNCIO__UNSET; // answers remembered, else 1024; -1: none
    // Files that are read in place of those of /etc.
    const char *hosts ASYNCIO__UNSET;
    const char *resolv_conf ASYNCIO__UNSET;
    const char *nsswitch_conf ASYNCIO__UNSET;
};

// Makes a resolver for the running loop.
//
// returns   0; -EPERM without a running loop; -EINVAL for servers or times that
//           cannot be; -ENOMEM
// suspends  never
// owns      asyncio_resolver_free; when its loop closes, lookups end and what
//           it had open is closed
ASYNCIO_API int(asyncio_resolver_create)(
    struct asyncio_resolver **resolver,
    const struct asyncio_resolver_options *options);
#define asyncio_resolver_create(...) ASYNCIO__RESOLVER_CREATE(__VA_ARGS__, )
#define ASYNCIO__RESOLVER_CREATE(resolver, ...)                                \
    (asyncio_resolver_create)(                                                 \
        resolver, ASYNCIO__OPTIONS(asyncio_resolver_options, __VA_ARGS__))

// Closes its sockets and frees it. Lookups that are under way end with
// -ESHUTDOWN. Accepts NULL.
ASYNCIO_API void asyncio_resolver_free(struct asyncio_resolver *resolver);

// One address of a list.
struct asyncio_addrinfo {
    struct asyncio_addrinfo *next; // the next best, or NULL
    int family, type, protocol;    // what socket() takes
    socklen_t addr_len;
    struct sockaddr *addr;
    const char *canonname; // with AI_CANONNAME: of the first entry, else NULL
};

struct asyncio_getaddrinfo_options {
    ASYNCIO__OPTIONS_HEAD
    // Who asks; else one that the loop has of its own.
    struct asyncio_resolver *resolver ASYNCIO__UNSET;
    int family ASYNCIO__UNSET; // AF_INET or AF_INET6, else both
    int type ASYNCIO__UNSET;   // else SOCK_STREAM
    int protocol ASYNCIO__UNSET;
    int flags ASYNCIO__UNSET; // AI_PASSIVE, AI_CANONNAME, AI_NUMERIC...
    void *reserved_[2] ASYNCIO__UNSET;
};

// Looks up `host` and `service`, a name or a number; one of them may be NULL.
// The addresses that are likely to be reached come first (RFC 6724).
//
// returns   0 and at least one address in `list`; -ENOENT for a host or service
//           that does not exist; -ETIMEDOUT if no server answered; -EAGAIN if
//           they could not say; -EPROTO if they talked nonsense; -EINVAL for
//           options that cannot be; -EXDEV for the resolver of another loop;
//           -ESHUTDOWN if it was freed; -EPERM outside a task; -ENOMEM
// suspends  only to ask a name server
// cancel    returns at once; when nobody else waits for the same, the servers
//           are asked no more, and what libc says later is dropped
// owns      the list is yours on 0: asyncio_freeaddrinfo
// like      loop.getaddrinfo, getaddrinfo
// unlike    both: a type of 0 is SOCK_STREAM, so that each address comes once
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_getaddrinfo)(
    const char *host, const char *service, struct asyncio_addrinfo **list,
    const struct asyncio_getaddrinfo_options *options);
#define asyncio_getaddrinfo(...) ASYNCIO__GETADDRINFO(__VA_ARGS__, )
#define ASYNCIO__GETADDRINFO(host, service, list, ...)                         \
    (asyncio_getaddrinfo)(                                                     \
        host, service, list,                                                   \
        ASYNCIO__OPTIONS(asyncio_getaddrinfo_options, __VA_ARGS__))

// Frees a list of asyncio_getaddrinfo. Accepts NULL.
ASYNCIO_API void asyncio_freeaddrinfo(struct asyncio_addrinfo *list);

struct asyncio_getnameinfo_options {
    ASYNCIO__OPTIONS_HEAD
    struct asyncio_resolver *resolver ASYNCIO__UNSET; // as above
    // NI_NUMERICHOST, NI_NUMERICSERV, NI_NAMEREQD, NI_DGRAM
    int flags ASYNCIO__UNSET;
    void *reserved_[4] ASYNCIO__UNSET;
};

// Finds the name of the host of an address, and that of the service of its
// port, both as text with a 0 behind it; one of them may be NULL with a size of
// 0. A host without a name is its number, and so is a service. 127.0.0.0/8 and
// ::1 are called as the hosts file says, else localhost: no server is asked.
//
// returns   0; -ENOENT with NI_NAMEREQD if the host has no name; -ENOSPC if the
//           text does not fit; -EINVAL for an address or flags that cannot be;
//           else as asyncio_getaddrinfo
// suspends  only to ask a name server
// cancel    as asyncio_getaddrinfo
// like      loop.getnameinfo, getnameinfo
// unlike    getnameinfo: libc's other sources are not asked for the host
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_getnameinfo)(
    const struct sockaddr *addr, socklen_t len, char *host, size_t host_size,
    char *service, size_t service_size,
    const struct asyncio_getnameinfo_options *options);
#define asyncio_getnameinfo(...) ASYNCIO__GETNAMEINFO(__VA_ARGS__, )
#define ASYNCIO__GETNAMEINFO(addr, len, host, host_size, service,              \
                             service_size, ...)                                \
    (asyncio_getnameinfo)(                                                     \
        addr, len, host, host_size, service, service_size,                     \
        ASYNCIO__OPTIONS(asyncio_getnameinfo_options, __VA_ARGS__))

ASYNCIO__END
