// The network: hosts with addresses and names, how long a packet takes between
// them, and who cannot reach whom.
//
// Each host reaches itself by 127.0.0.0/8 and ::1, whatever is cut off.

#include "platform/sim.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "platform/sys.h"

struct host_address {
    struct asyncio_link link; // sim_host.addresses
    union sim_address address;
};

struct partition {
    struct asyncio_link link; // sim_network.partitions
    struct sim_host *a, *b;   // NULL: any
};

static struct sim_host *host_of(struct asyncio_link *link)
{
    return list_entry(link, struct sim_host, link);
}

static struct host_address *address_of(struct asyncio_link *link)
{
    return list_entry(link, struct host_address, link);
}

static struct partition *partition_of(struct asyncio_link *link)
{
    return list_entry(link, struct partition, link);
}

// ---- Hosts ------------------------------------------------------------------

static struct sim_host *find_host(const struct asyncio_simulator *world,
                                  const char *name)
{
    list_for_each (link, &world->network.hosts) {
        if (strcasecmp(host_of(link)->name, name) == 0) return host_of(link);
    }
    return NULL;
}

static struct sim_host *make_host(struct asyncio_simulator *world,
                                  const char *name)
{
    size_t size = strlen(name) + 1;
    struct sim_host *host = asyncio__sim_alloc(sizeof *host + size);
    if (!host) return NULL;
    memcpy(host->name, name, size);
    list_add_tail(&world->network.hosts, &host->link);
    return host;
}

static void free_host(struct sim_host *host)
{
    struct asyncio_link *link;
    while ((link = list_pop(&host->addresses)))
        asyncio__free(address_of(link));
    asyncio__free(host);
}

bool asyncio__sim_network_open(struct asyncio_simulator *world)
{
    world->network.here = make_host(world, "localhost");
    return world->network.here;
}

void asyncio__sim_network_close(struct asyncio_simulator *world)
{
    struct asyncio_link *link;
    asyncio__sim_drop_datagrams(world, &world->network.datagrams);
    while ((link = list_pop(&world->network.partitions)))
        asyncio__free(partition_of(link));
    while ((link = list_pop(&world->network.hosts)))
        free_host(host_of(link));
}

static bool parse(const char *text, union sim_address *address)
{
    *address = (union sim_address){0};
    if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1)
        address->any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) == 1)
        address->any.sa_family = AF_INET6;
    else
        return false;
    return true;
}

static bool same_place(const union sim_address *a, const union sim_address *b)
{
    if (a->any.sa_family != b->any.sa_family) return false;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16) == 0;
}

static bool is_local(const union sim_address *address)
{
    static const struct in6_addr one = IN6ADDR_LOOPBACK_INIT;
    if (address->any.sa_family == AF_INET)
        return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    return memcmp(&address->v6.sin6_addr, &one, sizeof one) == 0;
}

static bool is_wildcard(const union sim_address *address)
{
    if (address->any.sa_family == AF_INET)
        return address->v4.sin_addr.s_addr == INADDR_ANY;
    return IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr);
}

struct sim_host *asyncio__sim_owner(const struct asyncio_simulator *world,
                                    struct sim_host *from,
                                    const union sim_address *address)
{
    if (is_local(address) || is_wildcard(address)) return from;
    list_for_each (link, &world->network.hosts) {
        list_for_each (at, &host_of(link)->addresses) {
            if (same_place(&address_of(at)->address, address))
                return host_of(link);
        }
    }
    return NULL;
}

static void set_local(union sim_address *source, int family)
{
    *source = (union sim_address){0};
    source->any.sa_family = (sa_family_t)family;
    if (family == AF_INET)
        source->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        source->v6.sin6_addr = in6addr_loopback;
}

void asyncio__sim_source(const struct sim_host *host,
                         const union sim_address *like,
                         union sim_address *source)
{
    int family = like->any.sa_family;
    set_local(source, family);
    if (is_local(like) || is_wildcard(like)) return;
    list_for_each (link, &host->addresses) {
        const union sim_address *address = &address_of(link)->address;
        if (address->any.sa_family != family) continue;
        *source = *address;
        return;
    }
}

// ---- Packets ----------------------------------------------------------------

int64_t asyncio__sim_latency(struct asyncio_simulator *world)
{
    return asyncio__sim_takes(world, world->faults.latency,
                              world->faults.jitter);
}

static bool is_between(const struct partition *cut, const struct sim_host *a,
                       const struct sim_host *b)
{
    return (!cut->a || cut->a == a) && (!cut->b || cut->b == b);
}

bool asyncio__sim_is_cut(const struct asyncio_simulator *world,
                         const struct sim_host *a, const struct sim_host *b)
{
    if (a == b) return false;
    list_for_each (link, &world->network.partitions) {
        const struct partition *cut = partition_of(link);
        if (is_between(cut, a, b) || is_between(cut, b, a)) return true;
    }
    return false;
}

// ---- What tests call --------------------------------------------------------

int asyncio_simulator_add_host(struct asyncio_simulator *sim, const char *name,
                               const char *address)
{
    union sim_address parsed;
    if (!name[0] || !parse(address, &parsed) || is_local(&parsed) ||
        is_wildcard(&parsed))
        return -EINVAL;
    if (asyncio__sim_owner(sim, NULL, &parsed)) return -EADDRINUSE;

    struct host_address *entry = asyncio__sim_alloc(sizeof *entry);
    struct sim_host *host = find_host(sim, name);
    if (entry && !host) host = make_host(sim, name);
    if (!entry || !host) {
        asyncio__free(entry);
        return -ENOMEM;
    }
    entry->address = parsed;
    list_add_tail(&host->addresses, &entry->link);
    return 0;
}

int asyncio_simulator_set_host(struct asyncio_simulator *sim, const char *name)
{
    struct sim_host *host = find_host(sim, name);
    if (!host) return -ENOENT;
    sim->network.here = host;
    return 0;
}

// Both hosts by their names; NULL is NULL.
static int find_both(struct asyncio_simulator *sim, const char *a,
                     const char *b, struct sim_host *hosts[2])
{
    hosts[0] = a ? find_host(sim, a) : NULL;
    hosts[1] = b ? find_host(sim, b) : NULL;
    return (a && !hosts[0]) || (b && !hosts[1]) ? -ENOENT : 0;
}

int asyncio_simulator_partition(struct asyncio_simulator *sim, const char *a,
                                const char *b)
{
    struct sim_host *hosts[2];
    int err = find_both(sim, a, b, hosts);
    if (err < 0) return err;
    struct partition *cut = asyncio__sim_alloc(sizeof *cut);
    if (!cut) return -ENOMEM;
    cut->a = hosts[0];
    cut->b = hosts[1];
    list_add_tail(&sim->network.partitions, &cut->link);
    asyncio__sim_note(sim, "partition", 0, 0);
    return 0;
}

// Each cut that is not more than what is healed goes.
int asyncio_simulator_heal(struct asyncio_simulator *sim, const char *a,
                           const char *b)
{
    struct sim_host *hosts[2];
    int err = find_both(sim, a, b, hosts);
    if (err < 0) return err;
    struct partition healed = {.a = hosts[0], .b = hosts[1]};
    list_for_each_safe (link, after, &sim->network.partitions) {
        struct partition *cut = partition_of(link);
        if (!is_between(&healed, cut->a, cut->b) &&
            !is_between(&healed, cut->b, cut->a))
            continue;
        list_remove(link);
        asyncio__free(cut);
    }
    asyncio__sim_note(sim, "heal", 0, 0);
    return 0;
}

// ---- Names ------------------------------------------------------------------

static int each_local(int (*fn)(const struct sockaddr *address, socklen_t len,
                                void *arg),
                      void *arg)
{
    union sim_address address;
    set_local(&address, AF_INET);
    int err = fn(&address.any, sizeof address.v4, arg);
    if (err < 0) return err;
    set_local(&address, AF_INET6);
    return fn(&address.any, sizeof address.v6, arg);
}

int asyncio__sim_resolve(const char *name,
                         int (*fn)(const struct sockaddr *address,
                                   socklen_t len, void *arg),
                         void *arg)
{
    struct asyncio_simulator *world = asyncio__sim_world;
    struct sim_host *host = find_host(world, name);
    if (strcasecmp(name, "localhost") == 0) return each_local(fn, arg);
    if (!host || list_empty(&host->addresses)) return -ENOENT;
    if (asyncio__sim_strikes(world, world->faults.name_error)) return -EAGAIN;
    list_for_each (link, &host->addresses) {
        const union sim_address *address = &address_of(link)->address;
        bool v4 = address->any.sa_family == AF_INET;
        int err = fn(&address->any,
                     v4 ? sizeof address->v4 : sizeof address->v6, arg);
        if (err < 0) return err;
    }
    return 0;
}
