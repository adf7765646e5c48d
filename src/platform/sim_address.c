// Addresses of sockets: who is bound where, and who is found there.
//
// An internet socket is found by its address among those that are bound, on the
// host that has the address. A Unix socket is found by the inode that its path
// leads to, or, if its name begins with a zero, by that.

#include "platform/sim.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#define FIRST_PORT 32768
#define LAST_PORT  60999

static struct sim_socket *bound_of(struct asyncio_link *link)
{
    return list_entry(link, struct sim_socket, bound);
}

void asyncio__sim_give_address(const union sim_address *address, socklen_t len,
                               void *out, socklen_t *out_len)
{
    if (!out || !out_len) return;
    memcpy(out, address, len < *out_len ? len : *out_len);
    *out_len = len;
}

static in_port_t *port_of(union sim_address *address)
{
    return address->any.sa_family == AF_INET ? &address->v4.sin_port
                                             : &address->v6.sin6_port;
}

static in_port_t port_in(const union sim_address *address)
{
    return address->any.sa_family == AF_INET ? address->v4.sin_port
                                             : address->v6.sin6_port;
}

static bool is_any(const union sim_address *address)
{
    if (address->any.sa_family == AF_INET)
        return address->v4.sin_addr.s_addr == INADDR_ANY;
    return IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr);
}

// Whether two addresses share a place; a wildcard is every place.
static bool overlap(const union sim_address *a, const union sim_address *b)
{
    if (a->any.sa_family != b->any.sa_family) return false;
    if (port_in(a) != port_in(b)) return false;
    if (is_any(a) || is_any(b)) return true;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16) == 0;
}

static bool same_name(const struct sim_socket *socket,
                      const union sim_address *address, socklen_t len)
{
    return socket->local_len == len &&
           memcmp(&socket->local, address, len) == 0;
}

static socklen_t length_of(int family)
{
    return family == AF_INET ? sizeof(struct sockaddr_in)
                             : sizeof(struct sockaddr_in6);
}

// Whether `other` keeps `socket` from being bound there.
static bool excludes(const struct sim_socket *other,
                     const struct sim_socket *socket,
                     const union sim_address *address)
{
    if (other->family != socket->family || other->type != socket->type ||
        other->host != socket->host || !overlap(&other->local, address))
        return false;
    if (asyncio__sim_option(other, SOL_SOCKET, SO_REUSEPORT) &&
        asyncio__sim_option(socket, SOL_SOCKET, SO_REUSEPORT))
        return false;
    bool reuse = asyncio__sim_option(other, SOL_SOCKET, SO_REUSEADDR) &&
                 asyncio__sim_option(socket, SOL_SOCKET, SO_REUSEADDR);
    return !reuse ||
           (asyncio__sim_is_stream(other) && other->state == SIM_LISTENING);
}

static bool is_free(struct asyncio_simulator *world,
                    const struct sim_socket *socket,
                    const union sim_address *address)
{
    list_for_each (link, &world->network.bound) {
        const struct sim_socket *other = bound_of(link);
        if (other != socket && excludes(other, socket, address)) return false;
    }
    return true;
}

static int find_port(struct asyncio_simulator *world,
                     const struct sim_socket *socket,
                     union sim_address *address)
{
    uint16_t *next = &world->network.next_port;
    for (int i = FIRST_PORT; i <= LAST_PORT; i++) {
        if (*next < FIRST_PORT || *next > LAST_PORT) *next = FIRST_PORT;
        *port_of(address) = htons((*next)++);
        if (is_free(world, socket, address)) return 0;
    }
    return -EADDRINUSE;
}

static void settle_address(struct asyncio_simulator *world,
                           struct sim_socket *socket,
                           const union sim_address *address, socklen_t len)
{
    socket->local = *address;
    socket->local_len = len;
    list_add_tail(&world->network.bound, &socket->bound);
}

static int bind_inet(struct asyncio_simulator *world, struct sim_socket *socket,
                     union sim_address *address)
{
    struct sim_host *owner = asyncio__sim_owner(world, socket->host, address);
    if (!owner) return -EADDRNOTAVAIL;
    socket->host = owner;
    if (port_in(address) == 0) {
        int err = find_port(world, socket, address);
        if (err < 0) return err;
    } else if (!is_free(world, socket, address)) {
        return -EADDRINUSE;
    }
    settle_address(world, socket, address, length_of(socket->family));
    return 0;
}

int asyncio__sim_bind_anywhere(struct asyncio_simulator *world,
                               struct sim_socket *socket)
{
    union sim_address any = {.any.sa_family = (sa_family_t)socket->family};
    if (socket->family == AF_UNIX) return -EINVAL;
    return bind_inet(world, socket, &any);
}

int asyncio__sim_autobind(struct asyncio_simulator *world,
                          struct sim_socket *socket,
                          const union sim_address *towards)
{
    if (socket->local_len > 0 || socket->family == AF_UNIX) return 0;
    union sim_address source;
    asyncio__sim_source(socket->host, towards, &source);
    int err = find_port(world, socket, &source);
    if (err < 0) return err;
    settle_address(world, socket, &source, length_of(socket->family));
    return 0;
}

struct sim_socket *asyncio__sim_bound_at(struct asyncio_simulator *world,
                                         const struct sim_host *host,
                                         const union sim_address *address,
                                         int type, enum sim_socket_state state)
{
    struct sim_socket *found = NULL;
    uint64_t count = 0;
    list_for_each (link, &world->network.bound) {
        struct sim_socket *socket = bound_of(link);
        if (socket->host != host || socket->type != type ||
            (state == SIM_LISTENING && socket->state != state) ||
            !overlap(&socket->local, address))
            continue;
        // Several share a port by SO_REUSEPORT: chance decides.
        if (count++ == 0 || asyncio__sim_below(world, count) == 0)
            found = socket;
    }
    return found;
}

// ---- Unix sockets -----------------------------------------------------------

static int copy_path(const union sim_address *address, socklen_t len,
                     char path[static sizeof address->un.sun_path + 1])
{
    size_t size = len - offsetof(struct sockaddr_un, sun_path);
    memcpy(path, address->un.sun_path, size);
    path[size] = '\0';
    return 0;
}

static bool has_path(const union sim_address *address, socklen_t len)
{
    return len > offsetof(struct sockaddr_un, sun_path) &&
           address->un.sun_path[0] != '\0';
}

static int bind_path(struct asyncio_simulator *world, struct sim_socket *socket,
                     const union sim_address *address, socklen_t len)
{
    char path[sizeof address->un.sun_path + 1];
    struct sim_place place;
    copy_path(address, len, path);
    int err = asyncio__sim_walk(world, AT_FDCWD, path, false, &place);
    if (err < 0) return err;
    if (place.inode) return -EADDRINUSE;
    struct sim_inode *inode = asyncio__sim_inode_new(world, S_IFSOCK | 0755);
    if (!inode) return -ENOMEM;
    err = asyncio__sim_change(world, &place, inode, NULL, NULL);
    if (err < 0) {
        asyncio__sim_inode_unref(world, inode);
        return err;
    }
    inode->socket = socket;
    socket->inode = inode; // with the reference that it was made with
    return 0;
}

static struct sim_socket *find_name(struct asyncio_simulator *world,
                                    const union sim_address *address,
                                    socklen_t len)
{
    list_for_each (link, &world->network.bound) {
        struct sim_socket *socket = bound_of(link);
        if (socket->family == AF_UNIX && same_name(socket, address, len))
            return socket;
    }
    return NULL;
}

struct sim_socket *asyncio__sim_unix_at(struct asyncio_simulator *world,
                                        const union sim_address *address,
                                        socklen_t len, int *err)
{
    struct sim_socket *socket = NULL;
    *err = 0;
    if (!has_path(address, len)) {
        socket = find_name(world, address, len);
        if (!socket) *err = -ECONNREFUSED;
        return socket;
    }
    char path[sizeof address->un.sun_path + 1];
    struct sim_place place;
    copy_path(address, len, path);
    int walked = asyncio__sim_walk(world, AT_FDCWD, path, true, &place);
    if (walked == 0 && !place.inode) walked = -ENOENT;
    if (walked == 0) socket = place.inode->socket;
    if (!socket) *err = walked < 0 ? walked : -ECONNREFUSED;
    return socket;
}

// Only the family: the system finds a name.
static void make_name(struct asyncio_simulator *world,
                      union sim_address *address, socklen_t *len)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t number = ++world->file_count;
    *address = (union sim_address){.un.sun_family = AF_UNIX};
    for (int i = 5; i > 0; i--, number >>= 4)
        address->un.sun_path[i] = digits[number & 15];
    *len = offsetof(struct sockaddr_un, sun_path) + 6;
}

static int bind_unix(struct asyncio_simulator *world, struct sim_socket *socket,
                     union sim_address *address, socklen_t len)
{
    int err = 0;
    if (len < sizeof address->any.sa_family) return -EINVAL;
    if (len == sizeof address->any.sa_family) make_name(world, address, &len);
    if (has_path(address, len))
        err = bind_path(world, socket, address, len);
    else if (find_name(world, address, len))
        err = -EADDRINUSE;
    if (err == 0) settle_address(world, socket, address, len);
    return err;
}

// ---- Told and asked ---------------------------------------------------------

static int bind_to(struct asyncio_simulator *world, struct sim_socket *socket,
                   const struct sockaddr *name, socklen_t len)
{
    union sim_address address = {0};
    if (socket->local_len > 0 || len > sizeof address) return -EINVAL;
    memcpy(&address, name, len);
    if (address.any.sa_family != socket->family) return -EAFNOSUPPORT;
    if (socket->family == AF_UNIX)
        return bind_unix(world, socket, &address, len);
    if (len < length_of(socket->family)) return -EINVAL;
    return bind_inet(world, socket, &address);
}

int asyncio__sim_bind(int fd, const struct sockaddr *address, socklen_t len)
{
    struct asyncio_simulator *world = asyncio__sim_world;
    struct sim_socket *socket = asyncio__sim_socket_of(world, fd);
    if (!socket) return -EBADF;
    int err = bind_to(world, socket, address, len);
    asyncio__sim_note(world, "bind", fd, err);
    return err;
}

int asyncio__sim_getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
    const struct sim_socket *socket =
        asyncio__sim_socket_of(asyncio__sim_world, fd);
    if (!socket) return -EBADF;
    union sim_address none = {.any.sa_family = (sa_family_t)socket->family};
    socklen_t none_len = socket->family == AF_UNIX
                             ? (socklen_t)sizeof none.any.sa_family
                             : length_of(socket->family);
    bool bound = socket->local_len > 0;
    asyncio__sim_give_address(bound ? &socket->local : &none,
                              bound ? socket->local_len : none_len, address,
                              len);
    return 0;
}

int asyncio__sim_getpeername(int fd, struct sockaddr *address, socklen_t *len)
{
    const struct sim_socket *socket =
        asyncio__sim_socket_of(asyncio__sim_world, fd);
    if (!socket) return -EBADF;
    if (socket->state != SIM_CONNECTED) return -ENOTCONN;
    asyncio__sim_give_address(&socket->peer, socket->peer_len, address, len);
    return 0;
}
