// Where to connect to, or to listen at.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <asyncio/base.h>

struct asyncio__address {
    socklen_t len;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un path;
        struct sockaddr_storage storage;
    };
};

// The addresses of a host, at most `max`, best first; NULL and "" are this
// machine: all its interfaces if `passive`. A numeric address, and "localhost",
// is nobody asked for; a name the resolver that asyncio_set_resolver has named,
// or else libc on a thread. `service`, a name or a number, goes before `port`.
//
// Returns 0 and at least one, or a negative errno: -ENOENT for a host or a
// service that does not exist, -EINVAL for a port or a family that cannot be,
// what the resolver says, -ECANCELED. In a task; suspends only to ask.
int asyncio__addresses(const char *host, int port, const char *service,
                       int family, bool passive, struct asyncio__address *list,
                       size_t max, size_t *count);

// The address of a Unix socket: -EINVAL for no path, -ENAMETOOLONG.
int asyncio__address_of_path(const char *path,
                             struct asyncio__address *address);
