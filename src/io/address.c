// Where to connect to, or to listen at: what can be said without asking, and
// who is asked for the rest.

#include "io/address.h"

#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <asyncio/dns.h>
#include <asyncio/error.h>
#include <asyncio/socket.h>

#include "io/names.h"
#include "platform/simulated.h"

// What somebody has set in the place of libc.
static asyncio_resolve_fn *resolve;
static void (*release)(struct asyncio_addrinfo *list);

void asyncio_set_resolver(asyncio_resolve_fn *fn,
                          void (*release_list)(struct asyncio_addrinfo *list))
{
    resolve = fn;
    release = release_list;
}

// The addresses found so far.
struct found {
    struct asyncio__address *list;
    size_t max, count;
};

static void add(struct found *found, const struct sockaddr *address,
                socklen_t len)
{
    if (found->count == found->max || !address) return;
    if (len > sizeof(struct sockaddr_storage)) return;
    struct asyncio__address *to = &found->list[found->count++];
    to->len = len;
    memcpy(&to->storage, address, len);
}

static void add_all(struct found *found, const struct addrinfo *from)
{
    for (; from; from = from->ai_next)
        add(found, from->ai_addr, from->ai_addrlen);
}

int asyncio__explain_gai(int code, const char *host, const char *service)
{
    int err;
    switch (code) {
    case EAI_NONAME:
    case EAI_ADDRFAMILY:
    case EAI_NODATA: err = -ENOENT; break;
    case EAI_SERVICE:
        return asyncio_raise(-ENOENT, "unknown service '%s' (%s)", service,
                             gai_strerror(code));
    case EAI_AGAIN: err = -EAGAIN; break;
    case EAI_FAIL: err = -EPROTO; break;
    case EAI_MEMORY: return -ENOMEM;
    default: err = -EINVAL; break;
    }
    return asyncio_raise(err, "%s host '%s' (%s)",
                         err == -ENOENT ? "unknown" : "cannot look up",
                         host ? host : "", gai_strerror(code));
}

// What needs nobody to be asked. -EAGAIN: the host is a name. A literal address
// of the other family is no name either, which only getaddrinfo's code tells.
static int look_here(const char *host, const char *service,
                     const struct addrinfo *hints, struct found *found)
{
    struct addrinfo here = *hints, *answer = NULL;
    here.ai_flags |= AI_NUMERICHOST;
    int code = asyncio__is_no_port(service)
                   ? EAI_SERVICE
                   : getaddrinfo(host, service, &here, &answer);
    if (code == 0) {
        add_all(found, answer);
        freeaddrinfo(answer);
        return 0;
    }
    if (code == EAI_NONAME && host) return -EAGAIN;
    return asyncio__explain_gai(code, host, service);
}

static int ask_resolver(const char *host, const char *service,
                        const struct addrinfo *hints, struct found *found)
{
    struct asyncio_getaddrinfo_options options = {
        .family = hints->ai_family,
        .type = hints->ai_socktype,
        .flags = hints->ai_flags,
    };
    struct asyncio_addrinfo *list = NULL;
    int err = resolve(host, service, &list, &options);
    for (const struct asyncio_addrinfo *from = list; err >= 0 && from;
         from = from->next)
        add(found, from->addr, from->addr_len);
    if (list && release) release(list);
    return err < 0 ? err : 0;
}

static int ask_libc(const char *host, const char *service,
                    const struct addrinfo *hints, struct found *found)
{
    struct addrinfo *answer = NULL;
    int err = asyncio__ask_libc(host, service, hints, &answer);
    if (err < 0) return err;
    add_all(found, answer);
    freeaddrinfo(answer);
    return 0;
}

// What a simulated world has of a host; -ENOENT if it has none of that name, or
// there is no world.
struct wanted {
    struct found *found;
    int family;
    in_port_t port;
};

static int add_wanted(const struct sockaddr *address, socklen_t len, void *arg)
{
    const struct wanted *wanted = arg;
    struct asyncio__address with_port;
    if (wanted->family != AF_UNSPEC && wanted->family != address->sa_family)
        return 0;
    memcpy(&with_port.storage, address, len);
    if (address->sa_family == AF_INET)
        with_port.v4.sin_port = wanted->port;
    else
        with_port.v6.sin6_port = wanted->port;
    add(wanted->found, &with_port.any, len);
    return 0;
}

static int ask_world(const char *host, const char *service,
                     const struct addrinfo *hints, struct found *found)
{
    struct asyncio__address here;
    struct found port = {.list = &here, .max = 1};
    struct addrinfo any = *hints;
    any.ai_family = AF_INET;
    if (!asyncio__sim_is_here()) return -ENOENT;
    int err = look_here(NULL, service, &any, &port);
    if (err < 0) return err;
    struct wanted wanted = {found, hints->ai_family, here.v4.sin_port};
    return asyncio__sim_resolve(host, add_wanted, &wanted);
}

// A name that is this machine's own is not asked for (RFC 6761, 6.3).
static bool is_this_machine(const char *host)
{
    return !*host || strcasecmp(host, "localhost") == 0 ||
           strcasecmp(host, "localhost.") == 0;
}

static int look_up(const char *host, const char *service,
                   const struct addrinfo *hints, struct found *found)
{
    int err = look_here(host, service, hints, found);
    if (err != -EAGAIN || !host) return err;
    err = ask_world(host, service, hints, found);
    if (err == -EAGAIN)
        return asyncio_raise(err, "cannot look up host '%s' (simulated)", host);
    if (err != -ENOENT) return err;
    return resolve ? ask_resolver(host, service, hints, found)
                   : ask_libc(host, service, hints, found);
}

int asyncio__addresses(const char *host, int port, const char *service,
                       int family, bool passive, struct asyncio__address *list,
                       size_t max, size_t *count)
{
    char number[12];
    if (port < 0 || port > 65535) return -EINVAL;
    if (family != AF_UNSPEC && family != AF_INET && family != AF_INET6)
        return -EINVAL;
    snprintf(number, sizeof number, "%d", port);
    if (host && *host) passive = false;
    struct addrinfo hints = {.ai_family = family,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = passive ? AI_PASSIVE : 0};
    if (host && is_this_machine(host)) host = NULL;

    struct found found = {.list = list, .max = max};
    int err = look_up(host, service ? service : number, &hints, &found);
    *count = found.count;
    if (err == 0 && found.count == 0)
        err = asyncio_raise(-ENOENT, "host '%s' has no address",
                            host ? host : "");
    return err;
}

int asyncio__address_of_path(const char *path, struct asyncio__address *address)
{
    size_t len = path ? strlen(path) : 0;
    *address = (struct asyncio__address){0};
    if (len == 0) return -EINVAL;
    if (len >= sizeof address->path.sun_path) return -ENAMETOOLONG;
    address->path.sun_family = AF_UNIX;
    memcpy(address->path.sun_path, path, len);
    size_t used = offsetof(struct sockaddr_un, sun_path) + len;
    if (path[0] == '@')
        address->path.sun_path[0] = '\0'; // its length is part of the name
    else
        used++;
    address->len = (socklen_t)used;
    return 0;
}
