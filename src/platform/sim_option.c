// Options of sockets: those that mean something here act, the others are
// remembered and told again, as a program under test may ask.

#include "platform/sim.h"

#include <string.h>
#include <sys/socket.h>

static struct sim_option *find(const struct sim_socket *socket, int level,
                               int name)
{
    for (unsigned i = 0; i < socket->option_count; i++) {
        const struct sim_option *option = &socket->options[i];
        if (option->level == level && option->name == name)
            return (struct sim_option *)(uintptr_t)option;
    }
    return NULL;
}

int asyncio__sim_option(const struct sim_socket *socket, int level, int name)
{
    const struct sim_option *option = find(socket, level, name);
    return option ? option->value : 0;
}

size_t asyncio__sim_buffer(const struct asyncio_simulator *world,
                           const struct sim_socket *socket)
{
    int in = asyncio__sim_option(socket, SOL_SOCKET, SO_RCVBUF);
    int out = asyncio__sim_option(socket, SOL_SOCKET, SO_SNDBUF);
    size_t half = world->network.buffer_size / 2;
    return (in > 0 ? (size_t)in : half) + (out > 0 ? (size_t)out : half);
}

static int remember(struct sim_socket *socket, int level, int name, int value)
{
    struct sim_option *option = find(socket, level, name);
    if (!option && socket->option_count == SIM_OPTIONS) return -ENOBUFS;
    if (!option) option = &socket->options[socket->option_count++];
    *option = (struct sim_option){level, name, value};
    return 0;
}

static void resize(struct asyncio_simulator *world, struct sim_socket *socket)
{
    size_t size = asyncio__sim_buffer(world, socket);
    if (!socket->connection) return;
    socket->connection->flow[socket->side].capacity = size;
    if (socket->connection->host[0]) return;
    socket->connection->flow[!socket->side].capacity = size;
}

static int set(struct asyncio_simulator *world, struct sim_socket *socket,
               int level, int name, const void *value, socklen_t len)
{
    int number = 0;
    if (level == SOL_SOCKET && name == SO_LINGER) {
        struct linger linger;
        if (len < sizeof linger) return -EINVAL;
        memcpy(&linger, value, sizeof linger);
        socket->abrupt = linger.l_onoff && linger.l_linger == 0;
        return 0;
    }
    memcpy(&number, value, len < sizeof number ? len : sizeof number);
    bool size = level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF);
    if (size) number = number < 2048 ? 4096 : 2 * number; // as Linux does
    int err = remember(socket, level, name, number);
    if (err == 0 && size) resize(world, socket);
    return err;
}

int asyncio__sim_setsockopt(int fd, int level, int name, const void *value,
                            socklen_t len)
{
    struct asyncio_simulator *world = asyncio__sim_world;
    struct sim_socket *socket = asyncio__sim_socket_of(world, fd);
    if (!socket) return asyncio__sim_fd_flags(fd) < 0 ? -EBADF : -ENOTSOCK;
    int err = set(world, socket, level, name, value, len);
    asyncio__sim_poke(world, &socket->file);
    asyncio__sim_settle(world);
    return err;
}

static int get(const struct asyncio_simulator *world, struct sim_socket *socket,
               int level, int name)
{
    int error = socket->error;
    if (level != SOL_SOCKET) return asyncio__sim_option(socket, level, name);
    switch (name) {
    case SO_ERROR: socket->error = 0; return error;
    case SO_TYPE: return socket->type;
    case SO_DOMAIN: return socket->family;
    case SO_PROTOCOL: return socket->protocol;
    case SO_ACCEPTCONN: return socket->state == SIM_LISTENING;
    case SO_SNDBUF:
    case SO_RCVBUF:
        if (find(socket, level, name)) break;
        return (int)(world->network.buffer_size / 2);
    default: break;
    }
    return asyncio__sim_option(socket, level, name);
}

int asyncio__sim_getsockopt(int fd, int level, int name, void *value,
                            socklen_t *len)
{
    struct asyncio_simulator *world = asyncio__sim_world;
    struct sim_socket *socket = asyncio__sim_socket_of(world, fd);
    if (!socket) return asyncio__sim_fd_flags(fd) < 0 ? -EBADF : -ENOTSOCK;
    if (level == SOL_SOCKET && name == SO_LINGER) {
        struct linger linger = {.l_onoff = socket->abrupt};
        if (*len > sizeof linger) *len = sizeof linger;
        memcpy(value, &linger, *len);
        return 0;
    }
    int number = get(world, socket, level, name);
    if (*len > sizeof number) *len = sizeof number;
    memcpy(value, &number, *len);
    return 0;
}
