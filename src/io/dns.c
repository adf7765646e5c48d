// Lookups: what the C library answers without asking anybody, then c-ares.
//
// A lookup is a block of its own that two sides hold: the task that waits for
// it, and c-ares, which calls `answered` exactly once. Whoever is last frees
// it, so that a cancelled task can go at once and a late answer touches nothing
// that is gone. c-ares runs in callbacks of the loop and in the task that asks;
// tasks are only made ready from there, and nothing of c-ares is on the stack
// when the resolver is freed.

#include <asyncio/dns.h>
#include <asyncio/error.h>
#include <asyncio/socket.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/resolver.h"

struct lookup {
    struct asyncio_resolver *resolver;
    struct asyncio_future done; // the task's, until it has left
    struct asyncio_addrinfo *list;
    int status;    // of c-ares
    bool answered; // c-ares has let go of it
    bool left;     // the task has
};

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
    struct node *node = calloc(1, sizeof *node + name_size);
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
        free(list);
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

static const char *canonname_of(const struct ares_addrinfo *answer)
{
    const struct ares_addrinfo_cname *cname = answer->cnames;
    while (cname && cname->next)
        cname = cname->next;
    return cname && cname->name ? cname->name : answer->name;
}

static int copy_of_ares(const struct ares_addrinfo *answer,
                        struct asyncio_addrinfo **list)
{
    struct asyncio_addrinfo **end = list;
    const char *canonname = canonname_of(answer);
    const struct ares_addrinfo_node *from = answer->nodes;
    for (; from; from = from->ai_next) {
        *end = make_node(from->ai_addr, from->ai_addrlen, canonname);
        if (!*end) return -ENOMEM;
        (*end)->family = from->ai_family;
        (*end)->type = from->ai_socktype;
        (*end)->protocol = from->ai_protocol;
        canonname = NULL;
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
    int code = getaddrinfo(ours ? NULL : host, ours && !service ? "0" : service,
                           &here, &found);
    if (code == 0) {
        int err = copy_of_libc(found, list);
        freeaddrinfo(found);
        return err;
    }
    switch (code) {
    case EAI_NONAME:
    case EAI_ADDRFAMILY:
    case EAI_NODATA:
        if (host && host[0] && !(hints->ai_flags & AI_NUMERICHOST))
            return -EAGAIN;
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

// The service as a number, for c-ares: it takes what is no number for a name,
// and "80x" for 80.
static int find_port(const char *service, const struct addrinfo *hints,
                     char text[static 8])
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
    snprintf(text, 8, "%u", (unsigned)ntohs(address.sin_port));
    freeaddrinfo(found);
    return 0;
}

// ---- Asking -----------------------------------------------------------------

static void lookup_free(struct lookup *lookup)
{
    asyncio_freeaddrinfo(lookup->list);
    free(lookup);
}

// c-ares has an answer, or has given up; also from inside the call that asks.
static void answered(void *arg, int status, int timeouts,
                     struct ares_addrinfo *answer)
{
    (void)timeouts;
    struct lookup *lookup = arg;
    lookup->answered = true;
    lookup->status = status;
    if (lookup->left) {
        lookup_free(lookup);
    } else {
        lookup->resolver->waiting--;
        bool found = status == ARES_SUCCESS && answer;
        if (found && copy_of_ares(answer, &lookup->list) < 0)
            lookup->status = ARES_ENOMEM;
        asyncio_ignore(
            asyncio_future_set_result_unless_cancelled(&lookup->done, 0));
    }
    ares_freeaddrinfo(answer);
}

// The code for one of c-ares', with its own in the words.
static int explain(const char *host, int status)
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

static int outcome(struct lookup *lookup, const char *host,
                   struct asyncio_addrinfo **list)
{
    if (lookup->status == ARES_ECANCELLED)
        return asyncio_raise(-ENOMEM,
                             "cannot look up host '%s': its sockets "
                             "could not be watched",
                             host);
    if (lookup->status != ARES_SUCCESS) return explain(host, lookup->status);
    if (!lookup->list) return explain(host, ARES_ENODATA);
    *list = lookup->list;
    lookup->list = NULL;
    return 0;
}

// Leaves a lookup to c-ares, which has no way to take back a single one. When
// nobody waits for any of them, all are taken back.
static void abandon(struct lookup *lookup)
{
    struct asyncio_resolver *resolver = lookup->resolver;
    lookup->left = true;
    if (--resolver->waiting > 0) return;
    ares_cancel(resolver->channel);
    asyncio__resolver_turn(resolver);
}

static int ask(struct asyncio_resolver *resolver, const char *host,
               const char *port, const struct addrinfo *hints,
               struct asyncio_addrinfo **list)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup) return -ENOMEM;
    lookup->resolver = resolver;
    resolver->waiting++;
    asyncio_future_init(&lookup->done);

    struct ares_addrinfo_hints wanted = {
        .ai_family = hints->ai_family,
        .ai_socktype = hints->ai_socktype,
        .ai_protocol = hints->ai_protocol,
        .ai_flags = ARES_AI_NUMERICSERV,
    };
    if (hints->ai_flags & AI_CANONNAME) wanted.ai_flags |= ARES_AI_CANONNAME;
    ares_getaddrinfo(resolver->channel, host, port, &wanted, answered, lookup);
    asyncio__resolver_turn(resolver);

    int err = asyncio_await(&lookup->done);
    asyncio_future_reset(&lookup->done);
    if (err >= 0) err = outcome(lookup, host, list);
    if (lookup->answered)
        lookup_free(lookup); // the resolver may be gone
    else
        abandon(lookup);
    return err;
}

static int look_out(struct asyncio_resolver *resolver, const char *host,
                    const char *service, const struct addrinfo *hints,
                    struct asyncio_addrinfo **list)
{
    char port[8] = "";
    int err = service ? find_port(service, hints, port) : 0;
    if (err < 0) return err;
    if (resolver) {
        if (resolver->loop != asyncio_get_running_loop()) return -EXDEV;
        return ask(resolver, host, service ? port : NULL, hints, list);
    }

    err = asyncio_resolver_create(&resolver);
    if (err < 0) return err;
    err = ask(resolver, host, service ? port : NULL, hints, list);
    asyncio_resolver_free(resolver);
    return err;
}

// An answer that is here already is awaited too: a cancelled scope ends that.
static int await_nothing(void)
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
    int err = await_nothing();
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
