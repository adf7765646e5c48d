// How a server comes to listen: at the addresses of a host, at a path, or at a
// socket that its user has.
//
// It is whole before its handle is filled in: what fails half-way closes what
// was opened, and removes the path that was made.

#include "io/server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "io/address.h"
#include "platform/sys.h"
#include "task/compact.h"
#include "task/park.h"

#define BACKLOG       100
#define PORTS_TO_TRY  16
#define ADDRESSES_MAX 16

static int set(int fd, int level, int option)
{
    const int on = 1;
    return asyncio__sys_setsockopt(fd, level, option, &on, sizeof on);
}

static int prepare(int fd, int family,
                   const struct asyncio_server_options *options)
{
    int err = 0;
    if (family != AF_UNIX) err = set(fd, SOL_SOCKET, SO_REUSEADDR);
    if (err == 0 && options->reuse_port)
        err = set(fd, SOL_SOCKET, SO_REUSEPORT);
    if (err == 0 && family == AF_INET6)
        err = set(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    // Connections inherit it. Where it is not known it does not matter.
    if (err == 0 && family != AF_UNIX) set(fd, IPPROTO_TCP, TCP_NODELAY);
    return err;
}

// Binding has made a file, unless the name begins with a zero byte.
static void unbind(const struct sockaddr *address)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)address;
    if (address->sa_family == AF_UNIX && un->sun_path[0] != '\0')
        asyncio__sys_unlinkat(AT_FDCWD, un->sun_path, 0);
}

static int listen_at(struct asyncio__server *server,
                     const struct asyncio_server_options *options,
                     const struct sockaddr *address, socklen_t len)
{
    int family = address->sa_family;
    int fd =
        asyncio__poller_socket(server->loop->poller, family, SOCK_STREAM, 0);
    if (fd < 0) return fd;
    int err = prepare(fd, family, options);
    if (err == 0) err = asyncio__loop_own(server->loop, fd);
    if (err < 0) goto fail_fd;
    err = asyncio__sys_bind(fd, address, len);
    if (err < 0) goto fail_own;
    err =
        asyncio__sys_listen(fd, options->backlog ? options->backlog : BACKLOG);
    if (err < 0) goto fail_path;
    server->listeners[server->listener_count++] =
        (struct asyncio__listener){.server = server, .fd = fd};
    return 0;

fail_path:
    unbind(address);
fail_own:
    asyncio__loop_disown(server->loop, fd);
fail_fd:
    asyncio__sys_close(fd);
    return err;
}

static void close_all(struct asyncio__server *server)
{
    while (server->listener_count > 0)
        asyncio__listener_close(&server->listeners[--server->listener_count]);
}

static in_port_t *port_of(struct asyncio__address *address)
{
    if (address->any.sa_family == AF_INET6) return &address->v6.sin6_port;
    return &address->v4.sin_port;
}

// This machine has no such family, or no address of it.
static bool is_missing(int err)
{
    return err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL ||
           err == -EPROTONOSUPPORT;
}

// Listens at each of the addresses that there are. One of the first port that
// was given out for a 0 is used for all.
static int listen_at_each(struct asyncio__server *server,
                          const struct asyncio_server_options *options,
                          struct asyncio__address *addresses, size_t count)
{
    int missing = -EADDRNOTAVAIL;
    bool any_port = *port_of(&addresses[0]) == 0;
    for (size_t i = 0; i < count; i++) {
        struct asyncio__address *address = &addresses[i];
        struct asyncio__address first = {.len = sizeof first.storage};
        int err = 0;
        if (any_port && server->listener_count > 0)
            err = asyncio__sys_getsockname(server->listeners[0].fd, &first.any,
                                           &first.len);
        if (err == 0 && any_port && server->listener_count > 0)
            *port_of(address) = *port_of(&first);
        if (err == 0)
            err = listen_at(server, options, &address->any, address->len);
        if (is_missing(err)) missing = err;
        if (err < 0 && !is_missing(err)) {
            close_all(server);
            for (size_t j = 0; any_port && j < count; j++)
                *port_of(&addresses[j]) = 0;
            return err;
        }
    }
    return server->listener_count > 0 ? 0 : missing;
}

// The port that is free for one address may be taken for another.
static int listen_at_all(struct asyncio__server *server,
                         const struct asyncio_server_options *options,
                         struct asyncio__address *addresses, size_t count)
{
    bool any_port = *port_of(&addresses[0]) == 0;
    for (int tries = 1;; tries++) {
        int err = listen_at_each(server, options, addresses, count);
        bool again = err == -EADDRINUSE && any_port && tries < PORTS_TO_TRY;
        if (!again) return err;
    }
}

static int check(const void *arg, const struct asyncio_server_options *options)
{
    if (!asyncio__task()) return -EPERM;
    if (options->limit < 0 || options->backlog < 0) return -EINVAL;
    int err = asyncio__compact_may_keep(arg);
    return err < 0 ? err : asyncio__checkpoint();
}

static const struct asyncio_server_options defaults;

static int start_at_host(struct asyncio_server *handle,
                         asyncio_client_fn *on_client,
                         asyncio_protocol_factory *factory, void *arg,
                         const char *host, int port,
                         const struct asyncio_server_options *options)
{
    *handle = (struct asyncio_server){0};
    int err = check(arg, options);
    if (err < 0) return err;
    struct asyncio__address addresses[ADDRESSES_MAX];
    size_t count = 0;
    err = asyncio__addresses(host, port, options->service, options->family,
                             true, addresses, ADDRESSES_MAX, &count);
    if (err < 0) return err;
    struct asyncio__server *server;
    err = asyncio__server_new(&server, count, options);
    if (err < 0) return err;
    server->on_client = on_client;
    server->factory = factory;
    server->arg = arg;
    err = listen_at_all(server, options, addresses, count);
    if (err < 0)
        asyncio__server_free(server);
    else
        asyncio__server_open(server, handle, !options->manual_start);
    return err;
}

int(asyncio_start_server)(struct asyncio_server *server,
                          asyncio_client_fn *on_client, void *arg,
                          const char *host, int port,
                          const struct asyncio_server_options *options)
{
    if (!on_client) return -EINVAL;
    return start_at_host(server, on_client, NULL, arg, host, port,
                         options ? options : &defaults);
}

int(asyncio_create_server)(struct asyncio_server *server,
                           asyncio_protocol_factory *factory, void *arg,
                           const char *host, int port,
                           const struct asyncio_server_options *options)
{
    if (!factory) return -EINVAL;
    return start_at_host(server, NULL, factory, arg, host, port,
                         options ? options : &defaults);
}

// --- Unix sockets -----------------------------------------------------------

// A socket that nobody serves any more stands in the way; anything else is not
// ours to remove.
static void make_way(const char *path)
{
    struct statx found = {0};
    if (asyncio__sys_statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE,
                           &found) == 0 &&
        S_ISSOCK(found.stx_mode))
        asyncio__sys_unlinkat(AT_FDCWD, path, 0);
}

static int listen_at_path(struct asyncio__server *server, const char *path,
                          const struct asyncio_server_options *options)
{
    struct asyncio__address address;
    int err = asyncio__address_of_path(path, &address);
    if (err < 0) return err;
    if (path[0] != '@') make_way(path);
    err = listen_at(server, options, &address.any, address.len);
    if (err < 0 || path[0] == '@' || options->keep_path) return err;
    struct asyncio__listener *listener = &server->listeners[0];
    listener->path = asyncio__strdup(path);
    if (listener->path && asyncio__listener_identify(listener, path)) return 0;
    // Without knowing what is ours there, it cannot be told from another's
    // later; now it is.
    asyncio__sys_unlinkat(AT_FDCWD, path, 0);
    asyncio__free(listener->path);
    listener->path = NULL;
    close_all(server);
    return -ENOMEM;
}

static int start_at_path(struct asyncio_server *handle,
                         asyncio_client_fn *on_client,
                         asyncio_protocol_factory *factory, void *arg,
                         const char *path,
                         const struct asyncio_server_options *options)
{
    *handle = (struct asyncio_server){0};
    int err = check(arg, options);
    if (err < 0) return err;
    if (!path) return -EINVAL;
    struct asyncio__server *server;
    err = asyncio__server_new(&server, 1, options);
    if (err < 0) return err;
    server->on_client = on_client;
    server->factory = factory;
    server->arg = arg;
    err = listen_at_path(server, path, options);
    if (err < 0)
        asyncio__server_free(server);
    else
        asyncio__server_open(server, handle, !options->manual_start);
    return err;
}

int(asyncio_start_unix_server)(struct asyncio_server *server,
                               asyncio_client_fn *on_client, void *arg,
                               const char *path,
                               const struct asyncio_server_options *options)
{
    if (!on_client) return -EINVAL;
    return start_at_path(server, on_client, NULL, arg, path,
                         options ? options : &defaults);
}

int(asyncio_create_unix_server)(struct asyncio_server *server,
                                asyncio_protocol_factory *factory, void *arg,
                                const char *path,
                                const struct asyncio_server_options *options)
{
    if (!factory) return -EINVAL;
    return start_at_path(server, NULL, factory, arg, path,
                         options ? options : &defaults);
}

// --- a socket of the user's -------------------------------------------------

int(asyncio_start_server_on)(struct asyncio_server *handle,
                             asyncio_client_fn *on_client, void *arg, int fd,
                             const struct asyncio_server_options *options)
{
    if (!options) options = &defaults;
    *handle = (struct asyncio_server){0};
    if (!on_client) return -EINVAL;
    int err = check(arg, options);
    if (err < 0) return err;
    int type = asyncio__sys_socket_type(fd);
    if (type < 0) return type == -ENOTSOCK ? -EINVAL : type;
    if (type != SOCK_STREAM) return -EINVAL;
    struct asyncio__server *server;
    err = asyncio__server_new(&server, 1, options);
    if (err < 0) return err;
    server->on_client = on_client;
    server->arg = arg;
    err =
        asyncio__sys_listen(fd, options->backlog ? options->backlog : BACKLOG);
    if (err == 0) err = asyncio__loop_own(server->loop, fd);
    if (err < 0) {
        asyncio__server_free(server);
        return err;
    }
    server->listeners[server->listener_count++] =
        (struct asyncio__listener){.server = server, .fd = fd, .shared = true};
    asyncio__server_open(server, handle, !options->manual_start);
    return 0;
}
