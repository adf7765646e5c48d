// Lookups: what the C library answers without asking anybody, then the
// resolver, and libc on a thread for names that only it can know.
//
// Such names exist where nsswitch.conf has sources beside files and DNS. Those
// of one label and those below .local are left to libc there, which knows whom
// to ask; of the others it is asked when the servers say that there is no such
// name. Whoever names servers means them alone.

#include <asyncio/dns.h>
#include <asyncio/error.h>
#include <asyncio/socket.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "io/lookup.h"
#include "io/names.h"
#include "platform/sys.h"

// ---- The list ---------------------------------------------------------------

struct node {
    struct asyncio_addrinfo info; // first: users hold a pointer to it
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } addr;
    char canonname[];
};

static struct asyncio_addrinfo *make_node(const struct sockaddr *addr,
                                          socklen_t len, const char *canonname)
{
    size_t name_size = canonname ? strlen(canonname) + 1 : 0;
    struct node *node = asyncio__alloc(sizeof *node + name_size);
    if (!node) return NULL;
    if (len > sizeof node->addr) len = sizeof node->addr;
    memcpy(&node->addr, addr, len);
    if (canonname) memcpy(node->canonname, canonname, name_size);
    node->info.addr = &node->addr.any;
    node->info.addr_len = len;
    node->info.canonname = canonname ? node->canonname : NULL;
    return &node->info;
}

void asyncio_freeaddrinfo(struct asyncio_addrinfo *list)
{
    while (list) {
        struct asyncio_addrinfo *next = list->next;
        asyncio__free(list);
        list = next;
    }
}

static int copy_of_libc(const struct addrinfo *from,
                        struct asyncio_addrinfo **list)
{
    struct asyncio_addrinfo **end = list;
    for (; from; from = from->ai_next) {
        *end = make_node(from->ai_addr, from->ai_addrlen, from->ai_canonname);
        if (!*end) return -ENOMEM;
        (*end)->family = from->ai_family;
        (*end)->type = from->ai_socktype;
        (*end)->protocol = from->ai_protocol;
        end = &(*end)->next;
    }
    return 0;
}

static socklen_t write_address(struct sockaddr_storage *to,
                               const struct asyncio__name_address *from,
                               in_port_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port};
    if (from->family == AF_INET) {
        v4.sin_addr = from->v4;
        memcpy(to, &v4, sizeof v4);
        return sizeof v4;
    }
    v6.sin6_addr = from->v6;
    v6.sin6_scope_id = from->scope;
    memcpy(to, &v6, sizeof v6);
    return sizeof v6;
}

static int protocol_of(const struct addrinfo *hints)
{
    if (hints->ai_protocol) return hints->ai_protocol;
    return hints->ai_socktype == SOCK_STREAM  ? IPPROTO_TCP
           : hints->ai_socktype == SOCK_DGRAM ? IPPROTO_UDP
                                              : 0;
}

static int copy_of_answer(const struct asyncio__answer *answer,
                          const struct addrinfo *hints, in_port_t port,
                          struct asyncio_addrinfo **list)
{
    struct asyncio_addrinfo **end = list;
    const char *name = hints->ai_flags & AI_CANONNAME ? answer->name : NULL;
    for (size_t i = 0; i < answer->count; i++) {
        struct sockaddr_storage address;
        socklen_t len = write_address(&address, &answer->addresses[i], port);
        *end = make_node((struct sockaddr *)&address, len, name);
        if (!*end) return -ENOMEM;
        (*end)->family = address.ss_family;
        (*end)->type = hints->ai_socktype;
        (*end)->protocol = protocol_of(hints);
        name = NULL;
        end = &(*end)->next;
    }
    return 0;
}

// ---- Without asking anybody -------------------------------------------------

// Whether `host` is "localhost" or below it: names that are this machine's own
// and are not asked for (RFC 6761, 6.3), whatever a hosts file says or lacks.
static bool is_this_machine(const char *host)
{
    static const char name[] = "localhost";
    size_t len = host ? strlen(host) : 0, own = sizeof name - 1;
    if (len > 0 && host[len - 1] == '.') len--;
    if (len < own || strncasecmp(host + len - own, name, own) != 0)
        return false;
    return len == own || host[len - own - 1] == '.';
}

// What getaddrinfo says of things that need no server: numeric addresses, no
// host at all, and the service. -EAGAIN: the host is a name.
static int look_here(const char *host, const char *service,
                     const struct addrinfo *hints,
                     struct asyncio_addrinfo **list)
{
    struct addrinfo here = *hints, *found = NULL;
    bool ours = is_this_machine(host);
    if (ours) here.ai_flags &= ~(AI_PASSIVE | AI_CANONNAME);
    here.ai_flags |= AI_NUMERICHOST;
    int code =
        asyncio__is_no_port(service)
            ? EAI_SERVICE
            : getaddrinfo(ours ? NULL : host, ours && !service ? "0" : service,
                          &here, &found);
    if (code == 0) {
        int err = copy_of_libc(found, list);
        freeaddrinfo(found);
        return err;
    }
    bool may_ask = host && host[0] && !(hints->ai_flags & AI_NUMERICHOST);
    if (code == EAI_NONAME && may_ask) return -EAGAIN;
    switch (code) {
    case EAI_NONAME:
    case EAI_ADDRFAMILY: // a literal address of the other family
    case EAI_NODATA:
        return asyncio_raise(-ENOENT, "no address '%s' for service '%s' (%s)",
                             host ? host : "", service ? service : "",
                             gai_strerror(code));
    case EAI_SERVICE:
        return asyncio_raise(-ENOENT, "unknown service '%s' (%s)", service,
                             gai_strerror(code));
    case EAI_MEMORY: return -ENOMEM;
    default: return asyncio_raise(-EINVAL, "%s", gai_strerror(code));
    }
}

// The port of a service, in the order of the network.
static int find_port(const char *service, const struct addrinfo *hints,
                     in_port_t *port)
{
    struct addrinfo any = {
        .ai_family = AF_INET,
        .ai_socktype = hints->ai_socktype,
        .ai_protocol = hints->ai_protocol,
        .ai_flags = hints->ai_flags & AI_NUMERICSERV,
    };
    struct addrinfo *found = NULL;
    int code = getaddrinfo(NULL, service, &any, &found);
    if (code == EAI_MEMORY) return -ENOMEM;
    if (code != 0)
        return asyncio_raise(-ENOENT, "unknown service '%s' (%s)", service,
                             gai_strerror(code));
    struct sockaddr_in address;
    memcpy(&address, found->ai_addr, sizeof address);
    *port = address.sin_port;
    freeaddrinfo(found);
    return 0;
}

// ---- Asking -----------------------------------------------------------------

int asyncio__explain_ares(const char *host, int status)
{
    int code = -EPROTO;
    switch (status) {
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_ENONAME:
    case ARES_EBADNAME: code = -ENOENT; break;
    case ARES_ETIMEOUT: code = -ETIMEDOUT; break;
    case ARES_ESERVFAIL:
    case ARES_EREFUSED:
    case ARES_ECONNREFUSED: code = -EAGAIN; break;
    case ARES_ENOMEM: return -ENOMEM;
    case ARES_EDESTRUCTION: code = -ESHUTDOWN; break;
    default: break;
    }
    return asyncio_raise(code, "%s host '%s' (c-ares %d: %s)",
                         code == -ENOENT ? "unknown" : "cannot look up", host,
                         status, ares_strerror(status));
}

static int take(struct asyncio__answer *answer, const char *host,
                const struct addrinfo *hints, in_port_t port,
                struct asyncio_addrinfo **list)
{
    int err = answer->status == ARES_SUCCESS
                  ? copy_of_answer(answer, hints, port, list)
                  : asyncio__explain_ares(host, answer->status);
    asyncio__answer_unref(answer);
    return err;
}

static int ask_libc(const char *host, const char *service,
                    const struct addrinfo *hints,
                    struct asyncio_addrinfo **list)
{
    struct addrinfo *found = NULL;
    int err = asyncio__ask_libc(host, service ? service : "0", hints, &found);
    if (err < 0) return err;
    err = copy_of_libc(found, list);
    freeaddrinfo(found);
    return err;
}

// Names that other sources than DNS are there for: of one label, or of the
// local network (RFC 6762).
static bool is_local(const char *host)
{
    static const char local[] = ".local";
    size_t len = strlen(host), own = sizeof local - 1;
    if (len > 0 && host[len - 1] == '.') len--;
    if (!memchr(host, '.', len)) return true;
    return len > own && strncasecmp(host + len - own, local, own) == 0;
}

static int look_out(struct asyncio_resolver *resolver, const char *host,
                    const char *service, const struct addrinfo *hints,
                    struct asyncio_addrinfo **list)
{
    in_port_t port = 0;
    int err = service ? find_port(service, hints, &port) : 0;
    if (err == 0) err = asyncio__pick_resolver(&resolver);
    if (err == 0) err = asyncio__resolver_look(resolver);
    if (err < 0) return err;

    // The resolver may be gone when the answer is there.
    bool others = resolver->other_sources && !resolver->line.servers;
    struct asyncio__answer *answer;
    struct asyncio__name_subject subject = {.host = host,
                                            .family = hints->ai_family};
    if (others && is_local(host)) return ask_libc(host, service, hints, list);
    err = asyncio__resolver_ask(resolver, &subject, &answer);
    if (err == 0) err = take(answer, host, hints, port, list);
    if (err != -ENOENT || !others) return err;
    return ask_libc(host, service, hints, list);
}

int asyncio__pick_resolver(struct asyncio_resolver **resolver)
{
    if (!*resolver) return asyncio__default_resolver(resolver);
    if (!(*resolver)->loop) return -ESHUTDOWN;
    return (*resolver)->loop == asyncio_get_running_loop() ? 0 : -EXDEV;
}

int asyncio__await_nothing(void)
{
    struct asyncio_future ready = {0};
    int err = asyncio_future_set_result(&ready, 0);
    return err < 0 ? err : asyncio_await(&ready);
}

int(asyncio_getaddrinfo)(const char *host, const char *service,
                         struct asyncio_addrinfo **list,
                         const struct asyncio_getaddrinfo_options *options)
{
    static const struct asyncio_getaddrinfo_options defaults;
    if (!options) options = &defaults;
    *list = NULL;
    if (!asyncio_current_task()) return -EPERM;
    if (!host && !service) return -EINVAL;
    int err = asyncio__await_nothing();
    if (err < 0) return err;

    struct addrinfo hints = {
        .ai_family = options->family,
        .ai_socktype = options->type ? options->type : SOCK_STREAM,
        .ai_protocol = options->protocol,
        .ai_flags = options->flags & ~AI_ADDRCONFIG,
    };
    err = look_here(host, service, &hints, list);
    if (err == -EAGAIN)
        err = look_out(options->resolver, host, service, &hints, list);
    if (err < 0) {
        asyncio_freeaddrinfo(*list);
        *list = NULL;
    }
    return err;
}

// Linked, it looks up the names of the whole program.
__attribute__((constructor)) static void offer_as_resolver(void)
{
    asyncio_set_resolver(asyncio_getaddrinfo, asyncio_freeaddrinfo);
}
