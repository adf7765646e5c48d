// Datagram sockets. What is sent over the network may be lost, come twice, or
// be overtaken, and is dropped where nobody receives at its address or the
// receiver is full; a sender that is connected hears of the former. A Unix
// socket loses nothing: its sender waits until the receiver has room.

#include "platform/sim.h"

#include <string.h>
#include <sys/socket.h>

#include "platform/sys.h"

#define SIZE_MAX_UDP 65507
#define UNIX_QUEUE   11

struct datagram {
    struct asyncio_link link; // sim_socket.datagrams, or those under way
    struct sim_event event;
    struct sim_host *from_host, *to_host;
    union sim_address from, to;
    socklen_t from_len;
    struct sim_file **rights;
    size_t rights_count;
    size_t size;
    char data[];
};

static struct datagram *datagram_of(struct asyncio_link *link)
{
    return list_entry(link, struct datagram, link);
}

static void free_datagram(struct asyncio_simulator *world,
                          struct datagram *datagram)
{
    asyncio__sim_disarm(&datagram->event);
    asyncio__sim_drop_rights(world, datagram->rights, datagram->rights_count);
    asyncio__free(datagram);
}

void asyncio__sim_drop_datagrams(struct asyncio_simulator *world,
                                 struct asyncio_link *datagrams)
{
    struct asyncio_link *link;
    while ((link = list_pop(datagrams)))
        free_datagram(world, datagram_of(link));
}

static int take_error(struct sim_socket *socket)
{
    int err = -socket->error;
    socket->error = 0;
    return err;
}

static bool same(const union sim_address *a, const union sim_address *b)
{
    if (a->any.sa_family != b->any.sa_family) return false;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_port == b->v4.sin_port &&
               a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    return a->v6.sin6_port == b->v6.sin6_port &&
           memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16) == 0;
}

// ---- Arrival ----------------------------------------------------------------

static void queue(struct asyncio_simulator *world, struct sim_socket *to,
                  struct datagram *datagram)
{
    list_add_tail(&to->datagrams, &datagram->link);
    to->datagram_bytes += datagram->size;
    to->datagram_count++;
    asyncio__sim_poke(world, &to->file);
}

static void tell_sender(struct asyncio_simulator *world,
                        const struct datagram *datagram)
{
    struct sim_socket *sender = asyncio__sim_bound_at(
        world, datagram->from_host, &datagram->from, SOCK_DGRAM, SIM_FRESH);
    if (!sender || sender->state != SIM_CONNECTED) return;
    sender->error = ECONNREFUSED;
    asyncio__sim_poke(world, &sender->file);
}

static void deliver(struct asyncio_simulator *world, struct datagram *datagram)
{
    bool cut =
        asyncio__sim_is_cut(world, datagram->from_host, datagram->to_host);
    struct sim_socket *to =
        cut ? NULL
            : asyncio__sim_bound_at(world, datagram->to_host, &datagram->to,
                                    SOCK_DGRAM, SIM_FRESH);
    if (!cut && !to) tell_sender(world, datagram);
    bool welcome =
        to && (to->state != SIM_CONNECTED || same(&to->peer, &datagram->from));
    size_t room = to ? asyncio__sim_buffer(world, to) : 0;
    if (welcome && to->datagram_bytes + datagram->size <= room)
        queue(world, to, datagram);
    else
        free_datagram(world, datagram);
    asyncio__sim_note(world, "datagram", welcome, (int64_t)room);
}

static void arrive(struct asyncio_simulator *world, struct sim_event *event)
{
    struct datagram *datagram = list_entry(event, struct datagram, event);
    list_remove(&datagram->link);
    deliver(world, datagram);
    asyncio__sim_settle(world);
}

// ---- Sending ----------------------------------------------------------------

static struct datagram *make_datagram(struct asyncio_simulator *world,
                                      const struct sim_socket *socket,
                                      const struct sim_bytes *bytes, int *err)
{
    struct datagram *datagram =
        asyncio__sim_alloc(sizeof *datagram + bytes->len);
    *err = -ENOMEM;
    if (!datagram) return NULL;
    datagram->size = bytes->len;
    datagram->from = socket->local;
    datagram->from_len = socket->local_len;
    datagram->from_host = socket->host;
    asyncio__sim_bytes_get(bytes, 0, datagram->data, bytes->len);
    *err = asyncio__sim_take_rights(world, bytes, &datagram->rights,
                                    &datagram->rights_count);
    if (*err == 0) return datagram;
    asyncio__free(datagram);
    return NULL;
}

static int post(struct asyncio_simulator *world,
                const struct sim_socket *socket, struct sim_host *to_host,
                const union sim_address *to, const struct sim_bytes *bytes)
{
    int err;
    if (asyncio__sim_strikes(world, world->faults.loss)) return 0;
    struct datagram *datagram = make_datagram(world, socket, bytes, &err);
    if (!datagram) return err;
    datagram->to = *to;
    datagram->to_host = to_host;
    int64_t takes_ns = asyncio__sim_latency(world);
    if (takes_ns == 0) {
        deliver(world, datagram);
        return 0;
    }
    list_add_tail(&world->network.datagrams, &datagram->link);
    asyncio__sim_arm(world, &datagram->event, world->now_ns + takes_ns, arrive);
    return 0;
}

static int send_inet(struct asyncio_simulator *world, struct sim_socket *socket,
                     const union sim_address *to, const struct sim_bytes *bytes)
{
    if (bytes->len > SIZE_MAX_UDP) return -EMSGSIZE;
    struct sim_host *host = asyncio__sim_owner(world, socket->host, to);
    if (!host) return -ENETUNREACH;
    int err = asyncio__sim_autobind(world, socket, to);
    int copies = asyncio__sim_strikes(world, world->faults.duplication) ? 2 : 1;
    while (err == 0 && copies-- > 0)
        err = post(world, socket, host, to, bytes);
    return err < 0 ? err : (int)bytes->len;
}

static int send_unix(struct asyncio_simulator *world, struct sim_socket *socket,
                     const union sim_address *to, socklen_t len,
                     const struct sim_bytes *bytes)
{
    int err;
    struct sim_socket *receiver = asyncio__sim_unix_at(world, to, len, &err);
    if (!receiver) return err;
    if (receiver->type != SOCK_DGRAM) return -EPROTOTYPE;
    if (bytes->len > asyncio__sim_buffer(world, socket)) return -EMSGSIZE;
    if (receiver->datagram_count >= UNIX_QUEUE) {
        if (!list_linked(&socket->in_backlog))
            list_add_tail(&receiver->knocking, &socket->in_backlog);
        return -EAGAIN;
    }
    struct datagram *datagram = make_datagram(world, socket, bytes, &err);
    if (!datagram) return err;
    queue(world, receiver, datagram);
    return (int)bytes->len;
}

static int send_one(struct asyncio_simulator *world, struct sim_socket *socket,
                    const struct sim_bytes *bytes)
{
    union sim_address to = socket->peer;
    socklen_t len = socket->state == SIM_CONNECTED ? socket->peer_len : 0;
    const struct msghdr *message = bytes->message;
    if (socket->error) return take_error(socket);
    if (socket->write_shut) return -EPIPE;
    if (message && message->msg_name && message->msg_namelen > 0) {
        len = message->msg_namelen;
        if (len > sizeof to || len < sizeof to.any.sa_family) return -EINVAL;
        to = (union sim_address){0};
        memcpy(&to, message->msg_name, len);
        if (to.any.sa_family != socket->family) return -EAFNOSUPPORT;
    }
    if (len == 0) return socket->family == AF_UNIX ? -ENOTCONN : -EDESTADDRREQ;
    return socket->family == AF_UNIX ? send_unix(world, socket, &to, len, bytes)
                                     : send_inet(world, socket, &to, bytes);
}

// ---- Receiving --------------------------------------------------------------

static void fill_in(struct asyncio_simulator *world,
                    const struct sim_bytes *bytes, struct datagram *datagram)
{
    struct msghdr *message = bytes->message;
    if (!message) return;
    message->msg_flags = datagram->size > bytes->len ? MSG_TRUNC : 0;
    if (message->msg_name)
        asyncio__sim_give_address(&datagram->from, datagram->from_len,
                                  message->msg_name, &message->msg_namelen);
    if (bytes->flags & MSG_PEEK) return;
    asyncio__sim_give_rights(world, bytes, datagram->rights,
                             datagram->rights_count);
    datagram->rights = NULL;
    datagram->rights_count = 0;
}

static void take_off(struct asyncio_simulator *world, struct sim_socket *socket,
                     struct datagram *datagram)
{
    list_remove(&datagram->link);
    socket->datagram_bytes -= datagram->size;
    socket->datagram_count--;
    free_datagram(world, datagram);
    struct asyncio_link *link = list_pop(&socket->knocking);
    if (!link) return;
    struct sim_socket *sender = list_entry(link, struct sim_socket, in_backlog);
    asyncio__sim_poke(world, &sender->file);
}

static int receive(struct asyncio_simulator *world, struct sim_socket *socket,
                   const struct sim_bytes *bytes)
{
    if (socket->error) return take_error(socket);
    struct asyncio_link *link = list_first(&socket->datagrams);
    if (!link) return socket->read_shut ? 0 : -EAGAIN;
    struct datagram *datagram = datagram_of(link);
    size_t size = datagram->size;
    size_t len = size < bytes->len ? size : bytes->len;
    asyncio__sim_bytes_put(bytes, 0, datagram->data, len);
    fill_in(world, bytes, datagram);
    if (!(bytes->flags & MSG_PEEK)) take_off(world, socket, datagram);
    return (int)(bytes->flags & MSG_TRUNC ? size : len);
}

// ---- Operations -------------------------------------------------------------

static int connect_to(struct asyncio_simulator *world,
                      struct sim_socket *socket, const struct asyncio__op *op)
{
    const struct sockaddr *name = op->buffer;
    if (op->len < sizeof name->sa_family || op->len > sizeof socket->peer)
        return -EINVAL;
    if (name->sa_family == AF_UNSPEC) {
        socket->state = SIM_FRESH;
        return 0;
    }
    if (name->sa_family != socket->family) return -EAFNOSUPPORT;
    union sim_address to = {0};
    memcpy(&to, name, op->len);
    int err = 0;
    if (socket->family == AF_UNIX)
        asyncio__sim_unix_at(world, &to, (socklen_t)op->len, &err);
    else if (!asyncio__sim_owner(world, socket->host, &to))
        err = -ENETUNREACH;
    else
        err = asyncio__sim_autobind(world, socket, &to);
    if (err < 0) return err;
    socket->peer = to;
    socket->peer_len = (socklen_t)op->len;
    socket->state = SIM_CONNECTED;
    return 0;
}

int asyncio__sim_datagram_attempt(struct asyncio_simulator *world,
                                  struct sim_socket *socket,
                                  struct asyncio__op *op)
{
    struct sim_bytes bytes;
    if (op->code == ASYNCIO__OP_ACCEPT) return -EOPNOTSUPP;
    if (op->code == ASYNCIO__OP_CONNECT) return connect_to(world, socket, op);
    int err = asyncio__sim_bytes(&bytes, op);
    if (err < 0) return err;
    switch ((enum asyncio__op_code)op->code) {
    case ASYNCIO__OP_READ:
    case ASYNCIO__OP_READV:
    case ASYNCIO__OP_RECV:
    case ASYNCIO__OP_RECVMSG: return receive(world, socket, &bytes);
    default: return send_one(world, socket, &bytes);
    }
}

uint16_t asyncio__sim_datagram_ready(const struct sim_socket *socket)
{
    bool readable = !list_empty(&socket->datagrams) || socket->read_shut;
    return POLLOUT | POLLWRNORM | (readable ? POLLIN | POLLRDNORM : 0);
}

void asyncio__sim_datagram_close(struct asyncio_simulator *world,
                                 struct sim_socket *socket)
{
    struct asyncio_link *link;
    if (list_linked(&socket->in_backlog)) list_remove(&socket->in_backlog);
    asyncio__sim_drop_datagrams(world, &socket->datagrams);
    while ((link = list_pop(&socket->knocking)))
        asyncio__sim_poke(
            world, &list_entry(link, struct sim_socket, in_backlog)->file);
}
