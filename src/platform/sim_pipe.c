// Pipes: a connection that is used one way, with an end for each descriptor.

#include "platform/sim.h"

#include <fcntl.h>

#include "platform/sys.h"

#define PIPE_CAPACITY 65536

struct sim_pipe_end {
    struct sim_file file;
    struct sim_connection *connection;
    int side; // 0 writes, 1 reads
};

static struct sim_pipe_end *end_of(struct sim_file *file)
{
    return (struct sim_pipe_end *)file;
}

static bool is_read(const struct asyncio__op *op)
{
    return op->code == ASYNCIO__OP_READ || op->code == ASYNCIO__OP_READV;
}

static bool is_write(const struct asyncio__op *op)
{
    return op->code == ASYNCIO__OP_WRITE || op->code == ASYNCIO__OP_WRITEV;
}

static int attempt(struct asyncio_simulator *world, struct sim_file *file,
                   struct asyncio__op *op)
{
    struct sim_pipe_end *end = end_of(file);
    struct sim_bytes bytes;
    if (asyncio__op_is_of_socket(op)) return -ENOTSOCK;
    if (op->code == ASYNCIO__OP_STATX)
        return asyncio__sim_stat_special(world, file, S_IFIFO | 0600, op);
    if (!is_read(op) && !is_write(op))
        return op->code == ASYNCIO__OP_SEEK ? -ESPIPE : -EINVAL;
    if (is_read(op) != (end->side == 1)) return -EBADF;
    int err = asyncio__sim_bytes(&bytes, op);
    if (err < 0) return err;
    if (is_read(op))
        return asyncio__sim_flow_receive(world, end->connection, 1, &bytes);
    if (!end->connection->end[1]) return -EPIPE;
    return asyncio__sim_flow_send(world, end->connection, 0, &bytes);
}

static uint16_t ready(struct asyncio_simulator *world, struct sim_file *file)
{
    const struct sim_pipe_end *end = end_of(file);
    const struct sim_flow *flow = &end->connection->flow[0];
    (void)world;
    if (end->side == 0) {
        if (!end->connection->end[1]) return POLLOUT | POLLERR;
        return asyncio__sim_flow_room(flow) >= PIPE_BUF ? POLLOUT : 0;
    }
    uint16_t events = list_empty(&flow->arrived) ? 0 : POLLIN | POLLRDNORM;
    return events | (flow->arrived_end != SIM_OPEN ? POLLHUP : 0);
}

static void closed(struct asyncio_simulator *world, struct sim_file *file)
{
    struct sim_pipe_end *end = end_of(file);
    asyncio__sim_disconnect(world, end->connection, end->side, false);
}

static struct sim_connection *connection_of(struct sim_file *file, int *side)
{
    *side = end_of(file)->side;
    return *side == 1 ? end_of(file)->connection : NULL;
}

static const struct sim_kind kind = {
    .name = "a simulated pipe",
    .attempt = attempt,
    .ready = ready,
    .connection = connection_of,
    .closed = closed,
};

static struct sim_file *make_end(struct asyncio_simulator *world,
                                 struct sim_connection *connection, int side,
                                 int flags)
{
    struct sim_pipe_end *end = asyncio__sim_file_new(
        world, &kind, sizeof *end,
        (side == 0 ? O_WRONLY : O_RDONLY) | (flags & O_NONBLOCK));
    if (!end) return NULL;
    end->connection = connection;
    end->side = side;
    connection->end[side] = &end->file;
    return &end->file;
}

int asyncio__sim_pipe(int fds[2], int flags)
{
    struct asyncio_simulator *world = asyncio__sim_world;
    struct sim_connection *connection = asyncio__sim_connect(PIPE_CAPACITY);
    if (!connection) return -ENOMEM;
    connection->atomic = PIPE_BUF;
    struct sim_file *out = make_end(world, connection, 0, flags);
    struct sim_file *in = out ? make_end(world, connection, 1, flags) : NULL;
    return asyncio__sim_hand_out_pair(world, connection, in, out, fds);
}
