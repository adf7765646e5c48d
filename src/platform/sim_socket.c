// Sockets: what they have in common, and what they are told and asked without
// waiting. Streams and datagrams go their own ways in sim_stream.c and
// sim_datagram.c.

#include "platform/sim.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "platform/sys.h"

#define TYPE_MASK (SOCK_NONBLOCK | SOCK_CLOEXEC)

static struct sim_socket *socket_of(struct sim_file *file)
{
    return (struct sim_socket *)file;
}

struct sim_socket *asyncio__sim_socket_of(const struct asyncio_simulator *world,
                                          int fd)
{
    struct sim_file *file = world ? asyncio__sim_file(world, fd) : NULL;
    if (!file || file->kind != &asyncio__sim_socket_kind) return NULL;
    return socket_of(file);
}

bool asyncio__sim_is_stream(const struct sim_socket *socket)
{
    return socket->type != SOCK_DGRAM || socket->connection;
}

// ---- Its kind ---------------------------------------------------------------

static int attempt(struct asyncio_simulator *world, struct sim_file *file,
                   struct asyncio__op *op)
{
    struct sim_socket *socket = socket_of(file);
    switch ((enum asyncio__op_code)op->code) {
    case ASYNCIO__OP_STATX:
        return asyncio__sim_stat_special(world, file, S_IFSOCK | 0777, op);
    case ASYNCIO__OP_SEEK: return -ESPIPE;
    case ASYNCIO__OP_READ:
    case ASYNCIO__OP_READV:
    case ASYNCIO__OP_WRITE:
    case ASYNCIO__OP_WRITEV:
    case ASYNCIO__OP_ACCEPT:
    case ASYNCIO__OP_CONNECT:
    case ASYNCIO__OP_RECV:
    case ASYNCIO__OP_SEND:
    case ASYNCIO__OP_RECVMSG:
    case ASYNCIO__OP_SENDMSG: break;
    default: return -EINVAL;
    }
    return asyncio__sim_is_stream(socket)
               ? asyncio__sim_stream_attempt(world, socket, op)
               : asyncio__sim_datagram_attempt(world, socket, op);
}

static uint16_t ready(struct asyncio_simulator *world, struct sim_file *file)
{
    (void)world;
    const struct sim_socket *socket = socket_of(file);
    uint16_t events = asyncio__sim_is_stream(socket)
                          ? asyncio__sim_stream_ready(socket)
                          : asyncio__sim_datagram_ready(socket);
    return socket->error ? events | POLLERR | POLLIN | POLLOUT : events;
}

static void closed(struct asyncio_simulator *world, struct sim_file *file)
{
    struct sim_socket *socket = socket_of(file);
    if (list_linked(&socket->bound)) list_remove(&socket->bound);
    if (socket->inode) {
        socket->inode->socket = NULL;
        asyncio__sim_inode_unref(world, socket->inode);
        socket->inode = NULL;
    }
    if (asyncio__sim_is_stream(socket))
        asyncio__sim_stream_close(world, socket);
    else
        asyncio__sim_datagram_close(world, socket);
}

static struct sim_connection *connection_of(struct sim_file *file, int *side)
{
    *side = socket_of(file)->side;
    return socket_of(file)->connection;
}

const struct sim_kind asyncio__sim_socket_kind = {
    .name = "a simulated socket",
    .attempt = attempt,
    .ready = ready,
    .connection = connection_of,
    .closed = closed,
};

// ---- Made -------------------------------------------------------------------

static int check_kind(int family, int type, int protocol)
{
    bool inet = family == AF_INET || family == AF_INET6;
    if (!inet && family != AF_UNIX) return -EAFNOSUPPORT;
    switch (type) {
    case SOCK_STREAM:
        if (inet && protocol && protocol != IPPROTO_TCP)
            return -EPROTONOSUPPORT;
        return 0;
    case SOCK_DGRAM:
        if (inet && protocol && protocol != IPPROTO_UDP)
            return -EPROTONOSUPPORT;
        return 0;
    case SOCK_SEQPACKET: return inet ? -ESOCKTNOSUPPORT : 0;
    case SOCK_RAW:
    case SOCK_RDM: return -ESOCKTNOSUPPORT;
    default: return -EINVAL;
    }
}

struct sim_socket *asyncio__sim_socket_new(struct asyncio_simulator *world,
                                           int family, int type, int protocol)
{
    int flags = O_RDWR | (type & SOCK_NONBLOCK ? O_NONBLOCK : 0);
    struct sim_socket *socket = asyncio__sim_file_new(
        world, &asyncio__sim_socket_kind, sizeof *socket, flags);
    if (!socket) return NULL;
    socket->family = family;
    socket->type = type & ~TYPE_MASK;
    socket->protocol = protocol;
    if (family != AF_UNIX) socket->host = world->network.here;
    return socket;
}

int asyncio__sim_socket(int family, int type, int protocol)
{
    struct asyncio_simulator *world = asyncio__sim_world;
    int err = check_kind(family, type & ~TYPE_MASK, protocol);
    if (err < 0) return err;
    struct sim_socket *socket =
        asyncio__sim_socket_new(world, family, type, protocol);
    if (!socket) return -ENOMEM;
    return asyncio__sim_hand_out(world, &socket->file);
}

static void join(struct asyncio_simulator *world, struct sim_socket *ends[2],
                 struct sim_connection *connection)
{
    for (int side = 0; side < 2; side++) {
        struct sim_socket *socket = ends[side];
        if (!socket) continue;
        socket->state = SIM_CONNECTED;
        socket->connection = connection;
        socket->side = side;
        connection->end[side] = &socket->file;
    }
    connection->records = ends[0] && ends[0]->type != SOCK_STREAM;
    (void)world;
}

// Datagrams of a pair go through a connection as well, kept apart.
int asyncio__sim_socketpair(int family, int type, int protocol, int fds[2])
{
    struct asyncio_simulator *world = asyncio__sim_world;
    struct sim_socket *ends[2];
    struct sim_file *files[2];
    if (family != AF_UNIX) return -EOPNOTSUPP;
    int err = check_kind(family, type & ~TYPE_MASK, protocol);
    if (err < 0) return err;
    struct sim_connection *connection =
        asyncio__sim_connect(world->network.buffer_size);
    if (!connection) return -ENOMEM;
    for (int i = 0; i < 2; i++) {
        ends[i] = asyncio__sim_socket_new(world, family, type, protocol);
        files[i] = ends[i] ? &ends[i]->file : NULL;
    }
    join(world, ends, connection);
    return asyncio__sim_hand_out_pair(world, connection, files[0], files[1],
                                      fds);
}

// ---- What is told and asked -------------------------------------------------

int asyncio__sim_listen(int fd, int backlog)
{
    struct asyncio_simulator *world = asyncio__sim_world;
    struct sim_socket *socket = asyncio__sim_socket_of(world, fd);
    if (!socket) return -EBADF;
    if (!asyncio__sim_is_stream(socket)) return -EOPNOTSUPP;
    if (socket->state != SIM_FRESH && socket->state != SIM_LISTENING)
        return -EINVAL;
    if (socket->local_len == 0) {
        int err = asyncio__sim_bind_anywhere(world, socket);
        if (err < 0) return err;
    }
    socket->backlog_max = (size_t)(backlog < 0 ? 0 : backlog) + 1;
    if (socket->backlog_max > 4097) socket->backlog_max = 4097;
    socket->state = SIM_LISTENING;
    return 0;
}

int asyncio__sim_shutdown(int fd, int how)
{
    struct asyncio_simulator *world = asyncio__sim_world;
    struct sim_socket *socket = asyncio__sim_socket_of(world, fd);
    if (!socket) return -EBADF;
    if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
    int err = asyncio__sim_stream_shutdown(world, socket, how);
    asyncio__sim_poke(world, &socket->file);
    asyncio__sim_settle(world);
    return err;
}
