// Stream sockets: how a connection comes about, and how it ends.
//
//      connect                         listener
//        | SYN   --- latency --->  none: refused
//        |                         full: tried again, after 1, 2, 4, ... s
//        |                         else: a socket in the backlog
//        | <--- latency ---   answer
//      CONNECTED
//
// TCP gives up after 127 s. Unix sockets are connected at once, or wait for a
// place in the backlog.
//
// A reset is told once, by whatever call comes next, after what had arrived was
// read. It is sent where a socket is closed with bytes that nobody has read, or
// gets bytes after it was closed: as Linux does.

#include "platform/sim.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "platform/sys.h"

#define SECOND_NS  INT64_C(1000000000)
#define GIVE_UP_NS (127 * SECOND_NS)

static struct sim_socket *waiting_of(struct asyncio_link *link)
{
    return list_entry(link, struct sim_socket, in_backlog);
}

static bool is_reader(const struct asyncio__op *op)
{
    return op->code == ASYNCIO__OP_READ || op->code == ASYNCIO__OP_READV ||
           op->code == ASYNCIO__OP_RECV || op->code == ASYNCIO__OP_RECVMSG;
}

static int take_error(struct sim_socket *socket)
{
    int err = -socket->error;
    socket->error = 0;
    return err;
}

// ---- Accepting --------------------------------------------------------------

// Lets whoever waits for a place knock again.
static void call_next(struct asyncio_simulator *world,
                      struct sim_socket *listener)
{
    struct asyncio_link *link = list_pop(&listener->knocking);
    if (link) asyncio__sim_poke(world, &waiting_of(link)->file);
}

static int accept_one(struct asyncio_simulator *world,
                      struct sim_socket *listener, struct asyncio__op *op)
{
    if (listener->state != SIM_LISTENING) return -EINVAL;
    struct asyncio_link *link = list_first(&listener->backlog);
    if (!link) return -EAGAIN;
    struct sim_socket *socket = waiting_of(link);
    int fd = asyncio__sim_install(world, &socket->file);
    if (fd < 0) return fd;

    list_remove(link);
    listener->backlog_count--;
    socket->listener = NULL;
    if (op->flags & SOCK_NONBLOCK) socket->file.flags |= O_NONBLOCK;
    asyncio__sim_give_address(&socket->peer, socket->peer_len, op->buffer,
                              op->buffer2);
    asyncio__sim_file_unref(world, &socket->file); // the backlog's
    call_next(world, listener);
    return fd;
}

// The socket at the listener's end of a new connection, in its backlog.
static struct sim_socket *make_peer(struct asyncio_simulator *world,
                                    struct sim_socket *listener,
                                    struct sim_socket *client)
{
    struct sim_socket *socket = asyncio__sim_socket_new(
        world, listener->family, listener->type, listener->protocol);
    if (!socket) return NULL;
    bool is_unix = listener->family == AF_UNIX;
    socket->host = listener->host;
    socket->local = is_unix ? listener->local : client->peer;
    socket->local_len = is_unix ? listener->local_len : client->peer_len;
    socket->peer = client->local;
    socket->peer_len = client->local_len;
    if (is_unix && socket->peer_len == 0) {
        socket->peer.any.sa_family = AF_UNIX;
        socket->peer_len = sizeof socket->peer.any.sa_family;
    }
    socket->state = SIM_CONNECTED;
    socket->side = 1;
    return socket;
}

static bool join_backlog(struct asyncio_simulator *world,
                         struct sim_socket *listener, struct sim_socket *client)
{
    struct sim_connection *connection =
        asyncio__sim_connect(asyncio__sim_buffer(world, client));
    struct sim_socket *socket =
        connection ? make_peer(world, listener, client) : NULL;
    if (!socket) {
        asyncio__free(connection);
        return false;
    }
    connection->end[0] = &client->file;
    connection->end[1] = &socket->file;
    connection->host[0] = client->host;
    connection->host[1] = listener->host;
    connection->records = client->type == SOCK_SEQPACKET;
    client->connection = socket->connection = connection;
    socket->listener = listener;
    list_add_tail(&listener->backlog, &socket->in_backlog);
    listener->backlog_count++;
    asyncio__sim_poke(world, &listener->file);
    return true;
}

static bool is_full(const struct sim_socket *listener)
{
    return listener->backlog_count >= listener->backlog_max;
}

// ---- Connecting -------------------------------------------------------------

static void knock(struct asyncio_simulator *world, struct sim_event *event);

static void fail(struct sim_socket *socket, int code)
{
    socket->state = SIM_FRESH;
    socket->error = code;
}

static void hear_answer(struct asyncio_simulator *world,
                        struct sim_socket *socket)
{
    if (socket->state != SIM_CONNECTING) return; // it is reset already
    if (socket->answer < 0)
        fail(socket, -socket->answer);
    else
        socket->state = SIM_CONNECTED;
    asyncio__sim_note(world, "connected", (int64_t)socket->file.number,
                      socket->answer);
    asyncio__sim_poke(world, &socket->file);
}

static void try_again(struct asyncio_simulator *world,
                      struct sim_socket *socket)
{
    if (world->now_ns - socket->dialled_ns + socket->backoff_ns > GIVE_UP_NS) {
        socket->answer = -ETIMEDOUT;
        hear_answer(world, socket);
        return;
    }
    asyncio__sim_arm(world, &socket->dial, world->now_ns + socket->backoff_ns,
                     socket->dial.fire);
    socket->backoff_ns *= 2;
}

static void answer_arrives(struct asyncio_simulator *world,
                           struct sim_event *event)
{
    struct sim_socket *socket = list_entry(event, struct sim_socket, dial);
    if (asyncio__sim_is_cut(world, socket->host, socket->callee))
        try_again(world, socket);
    else
        hear_answer(world, socket);
    asyncio__sim_settle(world);
}

static void send_answer(struct asyncio_simulator *world,
                        struct sim_socket *socket, int answer)
{
    int64_t takes_ns = asyncio__sim_latency(world);
    socket->answer = answer;
    if (takes_ns == 0) {
        hear_answer(world, socket);
        return;
    }
    // No byte from there overtakes it.
    int64_t when_ns = world->now_ns + takes_ns;
    if (answer == 0) socket->connection->flow[1].last_ns = when_ns;
    asyncio__sim_arm(world, &socket->dial, when_ns, answer_arrives);
}

static void knock_now(struct asyncio_simulator *world,
                      struct sim_socket *socket)
{
    socket->dial.fire = knock;
    if (asyncio__sim_is_cut(world, socket->host, socket->callee) ||
        asyncio__sim_strikes(world, world->faults.loss)) {
        try_again(world, socket);
        return;
    }
    struct sim_socket *listener = asyncio__sim_bound_at(
        world, socket->callee, &socket->peer, socket->type, SIM_LISTENING);
    if (!listener)
        send_answer(world, socket, -ECONNREFUSED);
    else if (is_full(listener) || !join_backlog(world, listener, socket))
        try_again(world, socket);
    else
        send_answer(world, socket, 0);
}

static void knock(struct asyncio_simulator *world, struct sim_event *event)
{
    knock_now(world, list_entry(event, struct sim_socket, dial));
    asyncio__sim_settle(world);
}

// What was taken over from an address: itself, or for "any" the local one.
static void aim(struct sim_socket *socket)
{
    union sim_address local,
        any = {.any.sa_family = socket->peer.any.sa_family};
    asyncio__sim_source(socket->host, &any, &local);
    if (socket->family == AF_INET) {
        if (socket->peer.v4.sin_addr.s_addr == INADDR_ANY)
            socket->peer.v4.sin_addr = local.v4.sin_addr;
    } else if (IN6_IS_ADDR_UNSPECIFIED(&socket->peer.v6.sin6_addr)) {
        socket->peer.v6.sin6_addr = local.v6.sin6_addr;
    }
}

static int dial(struct asyncio_simulator *world, struct sim_socket *socket)
{
    aim(socket);
    socket->callee = asyncio__sim_owner(world, socket->host, &socket->peer);
    if (!socket->callee) return -ENETUNREACH;
    int err = asyncio__sim_autobind(world, socket, &socket->peer);
    if (err < 0) return err;

    socket->state = SIM_CONNECTING;
    socket->dialled_ns = world->now_ns;
    socket->backoff_ns = SECOND_NS;
    int64_t takes_ns = asyncio__sim_latency(world);
    if (takes_ns > 0)
        asyncio__sim_arm(world, &socket->dial, world->now_ns + takes_ns, knock);
    else
        knock_now(world, socket);
    if (socket->state == SIM_CONNECTING) return -EINPROGRESS;
    return socket->state == SIM_CONNECTED ? 0 : take_error(socket);
}

static int connect_unix(struct asyncio_simulator *world,
                        struct sim_socket *socket)
{
    int err;
    struct sim_socket *listener =
        asyncio__sim_unix_at(world, &socket->peer, socket->peer_len, &err);
    if (!listener) return err;
    if (listener->type != socket->type) return -EPROTOTYPE;
    if (listener->state != SIM_LISTENING) return -ECONNREFUSED;
    if (is_full(listener)) {
        if (!list_linked(&socket->in_backlog))
            list_add_tail(&listener->knocking, &socket->in_backlog);
        return -EAGAIN;
    }
    if (!join_backlog(world, listener, socket)) return -ENOMEM;
    socket->state = SIM_CONNECTED;
    return 0;
}

static int connect_to(struct asyncio_simulator *world,
                      struct sim_socket *socket, const struct asyncio__op *op)
{
    switch (socket->state) {
    case SIM_CONNECTED: return -EISCONN;
    case SIM_CONNECTING: return -EALREADY;
    case SIM_LISTENING: return -EINVAL;
    case SIM_BROKEN: return socket->error ? take_error(socket) : -ECONNABORTED;
    case SIM_FRESH: break;
    }
    if (socket->error) return take_error(socket);
    const struct sockaddr *name = op->buffer;
    if (op->len < sizeof name->sa_family || op->len > sizeof socket->peer)
        return -EINVAL;
    if (name->sa_family != socket->family) return -EAFNOSUPPORT;
    socket->peer = (union sim_address){0};
    memcpy(&socket->peer, name, op->len);
    socket->peer_len = (socklen_t)op->len;
    return socket->family == AF_UNIX ? connect_unix(world, socket)
                                     : dial(world, socket);
}

// ---- Bytes ------------------------------------------------------------------

static int receive(struct asyncio_simulator *world, struct sim_socket *socket,
                   const struct sim_bytes *bytes)
{
    if (bytes->flags & MSG_OOB) return -EINVAL;
    if (socket->state == SIM_FRESH && socket->error) return take_error(socket);
    if (socket->state == SIM_FRESH || socket->state == SIM_LISTENING)
        return -ENOTCONN;
    int result = -EAGAIN;
    if (socket->connection && socket->state != SIM_CONNECTING)
        result = asyncio__sim_flow_receive(world, socket->connection,
                                           socket->side, bytes);
    // What has arrived comes first, then how it ended.
    if (result > 0) return result;
    if (socket->error) return take_error(socket);
    if (socket->state == SIM_BROKEN || socket->read_shut) return 0;
    return result;
}

static bool peer_is_gone(const struct sim_socket *socket)
{
    const struct sim_connection *connection = socket->connection;
    return !connection->host[0] && !connection->end[!socket->side];
}

// Over a network nobody learns that the other end reads no more; on one machine
// it is known at once (unix(7)).
static bool peer_is_deaf(const struct sim_socket *socket)
{
    const struct sim_connection *connection = socket->connection;
    const struct sim_file *peer = connection->end[!socket->side];
    if (connection->host[0] || !peer) return false;
    return peer->kind == &asyncio__sim_socket_kind &&
           ((const struct sim_socket *)peer)->read_shut;
}

static int send_bytes(struct asyncio_simulator *world,
                      struct sim_socket *socket, const struct sim_bytes *bytes)
{
    if (bytes->flags & MSG_OOB) return -EOPNOTSUPP;
    if (socket->error) return take_error(socket);
    if (socket->state == SIM_BROKEN || socket->write_shut) return -EPIPE;
    if (socket->state == SIM_CONNECTING) return -EAGAIN;
    if (socket->state != SIM_CONNECTED) return -ENOTCONN;
    if (peer_is_gone(socket))
        return socket->type == SOCK_DGRAM ? -ECONNREFUSED : -EPIPE;
    if (peer_is_deaf(socket)) return -EPIPE;
    return asyncio__sim_flow_send(world, socket->connection, socket->side,
                                  bytes);
}

int asyncio__sim_stream_attempt(struct asyncio_simulator *world,
                                struct sim_socket *socket,
                                struct asyncio__op *op)
{
    struct sim_bytes bytes;
    if (op->code == ASYNCIO__OP_ACCEPT) return accept_one(world, socket, op);
    if (op->code == ASYNCIO__OP_CONNECT) return connect_to(world, socket, op);
    int err = asyncio__sim_bytes(&bytes, op);
    if (err < 0) return err;
    return is_reader(op) ? receive(world, socket, &bytes)
                         : send_bytes(world, socket, &bytes);
}

static uint16_t connected_ready(const struct sim_socket *socket)
{
    const struct sim_connection *connection = socket->connection;
    const struct sim_flow *in = &connection->flow[!socket->side];
    const struct sim_flow *out = &connection->flow[socket->side];
    bool ended = in->arrived_end != SIM_OPEN || socket->read_shut;
    uint16_t events = 0;
    if (ended || !list_empty(&in->arrived)) events |= POLLIN | POLLRDNORM;
    if (ended) events |= POLLRDHUP;
    if (ended && (socket->write_shut || peer_is_gone(socket)))
        events |= POLLHUP;
    if (asyncio__sim_flow_room(out) > 0 || peer_is_gone(socket) ||
        peer_is_deaf(socket))
        events |= POLLOUT | POLLWRNORM;
    return events;
}

uint16_t asyncio__sim_stream_ready(const struct sim_socket *socket)
{
    switch (socket->state) {
    case SIM_FRESH: return POLLOUT | POLLHUP;
    case SIM_LISTENING:
        return list_empty(&socket->backlog) ? 0 : POLLIN | POLLRDNORM;
    case SIM_CONNECTING: return 0;
    case SIM_CONNECTED: return connected_ready(socket);
    case SIM_BROKEN: break;
    }
    return POLLIN | POLLOUT | POLLRDHUP | POLLHUP;
}

// ---- The end ----------------------------------------------------------------

void asyncio__sim_was_reset(struct asyncio_simulator *world,
                            struct sim_file *file, int code)
{
    if (!file || file->kind != &asyncio__sim_socket_kind) return;
    struct sim_socket *socket = (struct sim_socket *)file;
    if (socket->connection) socket->connection->end[socket->side] = NULL;
    asyncio__sim_note(world, "was reset", (int64_t)file->number, code);
    socket->error = code;
    socket->state = SIM_BROKEN;
    asyncio__sim_poke(world, file);
}

int asyncio__sim_stream_shutdown(struct asyncio_simulator *world,
                                 struct sim_socket *socket, int how)
{
    if (socket->state == SIM_LISTENING) return 0;
    if (socket->state != SIM_CONNECTED) return -ENOTCONN;
    if (how != SHUT_WR) {
        socket->read_shut = true;
        if (socket->connection && !socket->connection->host[0])
            asyncio__sim_poke(world, socket->connection->end[!socket->side]);
    }
    if (how == SHUT_RD) return 0;
    socket->write_shut = true;
    if (socket->connection)
        asyncio__sim_flow_end(world, socket->connection, socket->side, SIM_FIN);
    return 0;
}

static void drop_backlog(struct asyncio_simulator *world,
                         struct sim_socket *listener)
{
    struct asyncio_link *link;
    while ((link = list_pop(&listener->backlog))) {
        struct sim_socket *socket = waiting_of(link);
        socket->state = SIM_BROKEN; // so that its client is told of a reset
        asyncio__sim_stream_close(world, socket);
        asyncio__sim_file_unref(world, &socket->file);
    }
    while (!list_empty(&listener->knocking))
        call_next(world, listener);
}

static bool must_reset(const struct sim_socket *socket)
{
    const struct sim_flow *in = &socket->connection->flow[!socket->side];
    return socket->state != SIM_CONNECTED || socket->abrupt ||
           !list_empty(&in->arrived);
}

void asyncio__sim_stream_close(struct asyncio_simulator *world,
                               struct sim_socket *socket)
{
    asyncio__sim_disarm(&socket->dial);
    if (list_linked(&socket->in_backlog)) list_remove(&socket->in_backlog);
    drop_backlog(world, socket);
    if (!socket->connection) return;
    asyncio__sim_disconnect(world, socket->connection, socket->side,
                            must_reset(socket));
    socket->connection = NULL;
}
