// From an address to the names of its host and its service.
//
// libc writes numbers, and services, which are in a file; names of hosts come
// from the resolver.

#include <asyncio/dns.h>
#include <asyncio/error.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "io/lookup.h"

#define FLAGS (NI_NUMERICHOST | NI_NUMERICSERV | NI_NAMEREQD | NI_DGRAM)

static int code_of(int code)
{
    switch (code) {
    case 0: return 0;
    case EAI_MEMORY: return -ENOMEM;
    case EAI_OVERFLOW: return -ENOSPC;
    default: return asyncio_raise(-EINVAL, "%s", gai_strerror(code));
    }
}

static int copy_name(char *to, size_t size, const char *name)
{
    size_t len = strlen(name);
    if (len >= size) return -ENOSPC;
    memcpy(to, name, len + 1);
    return 0;
}

static int write_number(const struct sockaddr *addr, socklen_t len, char *host,
                        size_t size)
{
    return code_of(
        getnameinfo(addr, len, host, (socklen_t)size, NULL, 0, NI_NUMERICHOST));
}

// The address whose name is looked for: an IPv4 address in the clothes of an
// IPv6 one is an IPv4 address. False: it is none of ours.
static bool read_address(const struct sockaddr *addr, socklen_t len,
                         struct asyncio__name_address *address)
{
    if (addr->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in v4;
        memcpy(&v4, addr, sizeof v4);
        address->family = AF_INET;
        address->v4 = v4.sin_addr;
        return true;
    }
    if (addr->sa_family != AF_INET6 || len < sizeof(struct sockaddr_in6))
        return false;
    struct sockaddr_in6 v6;
    memcpy(&v6, addr, sizeof v6);
    address->family = AF_INET6;
    address->v6 = v6.sin6_addr;
    if (!IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) return true;
    address->family = AF_INET;
    memcpy(&address->v4, &v6.sin6_addr.s6_addr[12], sizeof address->v4);
    return true;
}

static bool is_this_machine(const struct asyncio__name_address *address)
{
    if (address->family == AF_INET)
        return ntohl(address->v4.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&address->v6);
}

// What the resolver knows or finds out. -ENOENT: the host has no name.
static int find_name(struct asyncio_resolver *resolver,
                     const struct asyncio__name_address *address, char *host,
                     size_t size)
{
    struct asyncio__answer *answer;
    const struct asyncio__name_subject subject = {.address = *address};
    int err = asyncio__pick_resolver(&resolver);
    if (err < 0) return err;
    if (is_this_machine(address)) {
        err = asyncio__resolver_known(resolver, &subject, &answer);
        if (err == -ENOENT) return copy_name(host, size, "localhost");
    } else {
        err = asyncio__resolver_ask(resolver, &subject, &answer);
    }
    if (err < 0) return err;
    if (answer->status == ARES_SUCCESS)
        err = *answer->name ? copy_name(host, size, answer->name) : -ENOENT;
    else
        err = answer->status;
    if (err > 0) {
        char number[64];
        const void *bytes = &address->v4;
        inet_ntop(address->family, bytes, number, sizeof number);
        err = asyncio__explain_ares(number, err);
    }
    asyncio__answer_unref(answer);
    return err;
}

static int find_host(const struct sockaddr *addr, socklen_t len, char *host,
                     size_t size,
                     const struct asyncio_getnameinfo_options *options)
{
    struct asyncio__name_address address;
    if (!read_address(addr, len, &address)) return -EINVAL;
    if (options->flags & NI_NUMERICHOST)
        return options->flags & NI_NAMEREQD
                   ? -EINVAL
                   : write_number(addr, len, host, size);
    int err = find_name(options->resolver, &address, host, size);
    if (err != -ENOENT) return err;
    if (!(options->flags & NI_NAMEREQD))
        return write_number(addr, len, host, size);
    char number[80] = "";
    (void)write_number(addr, len, number, sizeof number);
    return asyncio_raise(-ENOENT, "address '%s' has no name", number);
}

int(asyncio_getnameinfo)(const struct sockaddr *addr, socklen_t len, char *host,
                         size_t host_size, char *service, size_t service_size,
                         const struct asyncio_getnameinfo_options *options)
{
    static const struct asyncio_getnameinfo_options defaults;
    if (!options) options = &defaults;
    if (host && host_size > 0) host[0] = '\0';
    if (service && service_size > 0) service[0] = '\0';
    if (!asyncio_current_task()) return -EPERM;
    if (!addr || len < sizeof addr->sa_family || (options->flags & ~FLAGS))
        return -EINVAL;
    if ((!host || host_size == 0) && (!service || service_size == 0))
        return -EINVAL;
    int err = asyncio__await_nothing();
    if (err == 0 && service && service_size > 0)
        err = code_of(
            getnameinfo(addr, len, NULL, 0, service, (socklen_t)service_size,
                        options->flags & (NI_NUMERICSERV | NI_DGRAM)));
    if (err == 0 && host && host_size > 0)
        err = find_host(addr, len, host, host_size, options);
    return err;
}
