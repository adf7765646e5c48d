// Bytes under way from one end of a connection to the other.
//
//                  send            arrival             receive
//      sender ------------> flight --------> arrived ------------> receiver
//             <------------------------- notice of room ----------
//
// `used` is what the sender believes to be there; it may send while that is
// below the capacity, so a reader that does not read stops it. Packets that are
// lost are sent again and only come later, and all that follows waits for them:
// the order is kept. The one event of a direction is the arrival of its first
// chunk, or of its end. While hosts are cut off, it is tried again and again,
// at growing distances, until the sender gives up.
//
// In what is no network (Unix sockets, pipes) everything arrives at once.

#include "platform/sim.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "platform/sys.h"

#define SECOND_NS    INT64_C(1000000000)
#define RETRY_NS     (SECOND_NS / 5) // of a lost packet, and the first of many
#define RETRY_MAX_NS (120 * SECOND_NS)
#define GIVE_UP_NS   (924 * SECOND_NS)
#define LOSSES_MAX   12 // in a row: what is worse is a partition

static struct sim_connection *connection_of(struct sim_flow *flow)
{
    struct sim_flow *first = flow - flow->side;
    return list_entry(first, struct sim_connection, flow);
}

static struct sim_chunk *chunk_of(struct asyncio_link *link)
{
    return list_entry(link, struct sim_chunk, link);
}

static bool is_network(const struct sim_connection *connection)
{
    return connection->host[0];
}

struct sim_connection *asyncio__sim_connect(size_t capacity)
{
    struct sim_connection *connection = asyncio__sim_alloc(sizeof *connection);
    if (!connection) return NULL;
    connection->flow[1].side = 1;
    connection->flow[0].capacity = connection->flow[1].capacity = capacity;
    connection->holders = 2;
    return connection;
}

void asyncio__sim_chunk_free(struct asyncio_simulator *world,
                             struct sim_chunk *chunk)
{
    asyncio__sim_drop_rights(world, chunk->rights, chunk->rights_count);
    asyncio__free(chunk);
}

static void drop_chunks(struct asyncio_simulator *world,
                        struct asyncio_link *chunks)
{
    struct asyncio_link *link;
    while ((link = list_pop(chunks)))
        asyncio__sim_chunk_free(world, chunk_of(link));
}

// ---- Arrival ----------------------------------------------------------------

static void arrive(struct asyncio_simulator *world, struct sim_event *event);

static void arm_arrival(struct asyncio_simulator *world, struct sim_flow *flow)
{
    struct asyncio_link *first = list_first(&flow->flight);
    if (first)
        asyncio__sim_arm(world, &flow->arrival, chunk_of(first)->when_ns,
                         arrive);
    else if (flow->sent != flow->arrived_end)
        asyncio__sim_arm(world, &flow->arrival, flow->end_ns, arrive);
}

// True while nothing gets through; `event` is armed again then.
static bool is_held_up(struct asyncio_simulator *world, struct sim_flow *flow,
                       struct sim_event *event)
{
    const struct sim_connection *connection = connection_of(flow);
    if (!asyncio__sim_is_cut(world, connection->host[0], connection->host[1])) {
        flow->cut_ns = 0;
        return false;
    }
    if (flow->cut_ns == 0) {
        flow->cut_ns = world->now_ns;
        flow->backoff_ns = RETRY_NS;
    }
    asyncio__sim_arm(world, event, world->now_ns + flow->backoff_ns,
                     event->fire);
    if (flow->backoff_ns < RETRY_MAX_NS) flow->backoff_ns *= 2;
    return true;
}

static bool gives_up(const struct asyncio_simulator *world,
                     const struct sim_flow *flow)
{
    return flow->cut_ns != 0 && world->now_ns - flow->cut_ns > GIVE_UP_NS;
}

// Nothing was heard of the receiver for too long.
static void give_up(struct asyncio_simulator *world, struct sim_flow *flow)
{
    asyncio__sim_note(world, "gave up", flow->side, 0);
    drop_chunks(world, &flow->flight);
    asyncio__sim_was_reset(world, connection_of(flow)->end[flow->side],
                           ETIMEDOUT);
}

// One chunk is there; who has closed answers it by a reset.
static void hand_over(struct asyncio_simulator *world, struct sim_flow *flow,
                      struct sim_chunk *chunk)
{
    struct sim_connection *connection = connection_of(flow);
    list_remove(&chunk->link);
    if (!connection->end[!flow->side]) {
        asyncio__sim_chunk_free(world, chunk);
        asyncio__sim_was_reset(world, connection->end[flow->side], ECONNRESET);
        return;
    }
    list_add_tail(&flow->arrived, &chunk->link);
    flow->readable += chunk->size;
}

static void end_arrives(struct asyncio_simulator *world, struct sim_flow *flow)
{
    struct sim_connection *connection = connection_of(flow);
    bool ended = flow->arrived_end == SIM_FIN;
    flow->arrived_end = flow->sent;
    if (flow->sent == SIM_RST)
        asyncio__sim_was_reset(world, connection->end[!flow->side],
                               ended ? EPIPE : ECONNRESET);
}

static void take_arrivals(struct asyncio_simulator *world,
                          struct sim_flow *flow)
{
    struct asyncio_link *link;
    asyncio__sim_note(world, "arrived", flow->side, (int64_t)flow->used);
    while ((link = list_first(&flow->flight))) {
        if (chunk_of(link)->when_ns > world->now_ns) break;
        hand_over(world, flow, chunk_of(link));
    }
    if (list_empty(&flow->flight) && flow->sent != flow->arrived_end &&
        flow->end_ns <= world->now_ns)
        end_arrives(world, flow);
    arm_arrival(world, flow);
    asyncio__sim_poke(world, connection_of(flow)->end[!flow->side]);
}

static void arrive(struct asyncio_simulator *world, struct sim_event *event)
{
    struct sim_flow *flow = list_entry(event, struct sim_flow, arrival);
    if (gives_up(world, flow))
        give_up(world, flow);
    else if (!is_held_up(world, flow, event))
        take_arrivals(world, flow);
    asyncio__sim_settle(world);
}

// When what is sent now arrives: not before what was sent earlier.
static int64_t arrival_ns(struct asyncio_simulator *world,
                          struct sim_connection *connection,
                          struct sim_flow *flow)
{
    int64_t when_ns = world->now_ns;
    if (!is_network(connection)) return when_ns;
    when_ns += asyncio__sim_latency(world);
    int64_t retry_ns = RETRY_NS;
    for (int i = 0; i < LOSSES_MAX; i++) {
        if (!asyncio__sim_strikes(world, world->faults.loss)) break;
        when_ns += retry_ns;
        retry_ns *= 2;
    }
    if (when_ns < flow->last_ns) when_ns = flow->last_ns;
    flow->last_ns = when_ns;
    return when_ns;
}

// What arrives at once needs no event, unless others are before it.
static void set_off(struct asyncio_simulator *world, struct sim_flow *flow)
{
    const struct sim_connection *connection = connection_of(flow);
    if (list_linked(&flow->arrival.link)) return;
    if (is_network(connection) &&
        asyncio__sim_is_cut(world, connection->host[0], connection->host[1]))
        arm_arrival(world, flow);
    else
        take_arrivals(world, flow);
}

// ---- Sending ----------------------------------------------------------------

static struct sim_chunk *make_chunk(struct asyncio_simulator *world,
                                    const struct sim_bytes *bytes, size_t len,
                                    int *err)
{
    struct sim_chunk *chunk = asyncio__sim_alloc(sizeof *chunk + len);
    *err = -ENOMEM;
    if (!chunk) return NULL;
    chunk->size = len;
    asyncio__sim_bytes_get(bytes, 0, chunk->data, len);
    *err = asyncio__sim_take_rights(world, bytes, &chunk->rights,
                                    &chunk->rights_count);
    if (*err == 0) return chunk;
    asyncio__free(chunk);
    return NULL;
}

// How much of it goes now; -EAGAIN: nothing.
static int share_of(struct asyncio_simulator *world,
                    const struct sim_connection *connection,
                    const struct sim_flow *flow, size_t len)
{
    size_t room = asyncio__sim_flow_room(flow);
    if (connection->records || len <= connection->atomic) {
        if (len > flow->capacity) return -EMSGSIZE;
        return len <= room ? (int)len : -EAGAIN;
    }
    if (room == 0) return -EAGAIN;
    if (len > room) len = room;
    return (int)asyncio__sim_shortened(world, world->faults.short_writes, len);
}

int asyncio__sim_flow_send(struct asyncio_simulator *world,
                           struct sim_connection *connection, int side,
                           const struct sim_bytes *bytes)
{
    struct sim_flow *flow = &connection->flow[side];
    struct sim_chunk *chunk;
    int err;
    if (bytes->len == 0 && !connection->records) return 0;
    int len = share_of(world, connection, flow, bytes->len);
    if (len < 0) return len;
    chunk = make_chunk(world, bytes, (size_t)len, &err);
    if (!chunk) return err;

    asyncio__sim_note(world, "sent", side, len);
    chunk->when_ns = arrival_ns(world, connection, flow);
    list_add_tail(&flow->flight, &chunk->link);
    flow->used += (size_t)len;
    set_off(world, flow);
    if (is_network(connection) &&
        asyncio__sim_strikes(world, world->faults.reset))
        asyncio__sim_break(world, connection);
    return len;
}

void asyncio__sim_flow_end(struct asyncio_simulator *world,
                           struct sim_connection *connection, int side,
                           enum sim_end_mark mark)
{
    struct sim_flow *flow = &connection->flow[side];
    if (flow->sent >= mark) return;
    flow->sent = mark;
    flow->end_ns = arrival_ns(world, connection, flow);
    set_off(world, flow);
}

// ---- Receiving --------------------------------------------------------------

static void free_room(struct asyncio_simulator *world, struct sim_flow *flow)
{
    flow->used -= flow->freed;
    flow->freed = 0;
    asyncio__sim_poke(world, connection_of(flow)->end[flow->side]);
}

static void room_is_told(struct asyncio_simulator *world,
                         struct sim_event *event)
{
    struct sim_flow *flow = list_entry(event, struct sim_flow, notice);
    if (gives_up(world, flow))
        give_up(world, flow);
    else if (!is_held_up(world, flow, event))
        free_room(world, flow);
    asyncio__sim_settle(world);
}

static void give_room(struct asyncio_simulator *world, struct sim_flow *flow,
                      size_t len)
{
    struct sim_connection *connection = connection_of(flow);
    flow->readable -= len;
    flow->freed += len;
    if (list_linked(&flow->notice.link)) return;
    int64_t takes_ns = is_network(connection) ? asyncio__sim_latency(world) : 0;
    bool cut =
        asyncio__sim_is_cut(world, connection->host[0], connection->host[1]);
    if (takes_ns > 0 || cut) {
        asyncio__sim_arm(world, &flow->notice, world->now_ns + takes_ns,
                         room_is_told);
        return;
    }
    free_room(world, flow);
}

static void take_rights(struct asyncio_simulator *world,
                        const struct sim_bytes *bytes, struct sim_chunk *chunk)
{
    if (bytes->flags & MSG_PEEK) return;
    asyncio__sim_give_rights(world, bytes, chunk->rights, chunk->rights_count);
    chunk->rights = NULL;
    chunk->rights_count = 0;
}

static int receive_record(struct asyncio_simulator *world,
                          struct sim_flow *flow, const struct sim_bytes *bytes)
{
    struct sim_chunk *chunk = chunk_of(list_first(&flow->arrived));
    size_t size = chunk->size, len = size < bytes->len ? size : bytes->len;
    bool whole = bytes->flags & MSG_TRUNC;
    asyncio__sim_bytes_put(bytes, 0, chunk->data, len);
    if (bytes->message) {
        bytes->message->msg_flags = len < size ? MSG_TRUNC : 0;
        bytes->message->msg_flags |= MSG_EOR;
    }
    take_rights(world, bytes, chunk);
    if (!(bytes->flags & MSG_PEEK)) {
        list_remove(&chunk->link);
        asyncio__sim_chunk_free(world, chunk);
        give_room(world, flow, size);
    }
    return (int)(whole ? size : len);
}

// Stops before a chunk that brings descriptors, as the kernel does.
static size_t copy_out(struct asyncio_simulator *world, struct sim_flow *flow,
                       const struct sim_bytes *bytes, size_t len)
{
    size_t done = 0;
    list_for_each_safe (link, after, &flow->arrived) {
        struct sim_chunk *chunk = chunk_of(link);
        size_t n = chunk->size - chunk->taken;
        if (done == len || (done > 0 && chunk->rights_count > 0)) break;
        if (n > len - done) n = len - done;
        asyncio__sim_bytes_put(bytes, done, chunk->data + chunk->taken, n);
        if (chunk->rights_count > 0) take_rights(world, bytes, chunk);
        done += n;
        if (bytes->flags & MSG_PEEK) continue;
        chunk->taken += n;
        if (chunk->taken < chunk->size) break;
        list_remove(link);
        asyncio__sim_chunk_free(world, chunk);
    }
    return done;
}

static int receive_bytes(struct asyncio_simulator *world, struct sim_flow *flow,
                         const struct sim_bytes *bytes)
{
    size_t len = bytes->len < flow->readable ? bytes->len : flow->readable;
    if (!(bytes->flags & MSG_PEEK))
        len = asyncio__sim_shortened(world, world->faults.short_reads, len);
    len = copy_out(world, flow, bytes, len);
    if (!(bytes->flags & MSG_PEEK)) give_room(world, flow, len);
    asyncio__sim_note(world, "received", flow->side, (int64_t)len);
    return (int)len;
}

int asyncio__sim_flow_receive(struct asyncio_simulator *world,
                              struct sim_connection *connection, int side,
                              const struct sim_bytes *bytes)
{
    struct sim_flow *flow = &connection->flow[!side];
    if (bytes->message) {
        bytes->message->msg_flags = 0;
        bytes->message->msg_namelen = 0;
    }
    if (list_empty(&flow->arrived)) {
        if (flow->arrived_end != SIM_OPEN) {
            if (bytes->message) bytes->message->msg_controllen = 0;
            return 0;
        }
        return -EAGAIN;
    }
    if (connection->records) return receive_record(world, flow, bytes);
    if (bytes->len == 0) return 0;
    int len = receive_bytes(world, flow, bytes);
    return len;
}

int asyncio__sim_look(struct asyncio_simulator *world, struct sim_file *file,
                      char *buffer, size_t size)
{
    int side;
    struct iovec part = {buffer, size};
    struct sim_bytes bytes = {
        .parts = &part, .count = 1, .len = size, .flags = MSG_PEEK};
    struct sim_connection *connection =
        file->kind->connection ? file->kind->connection(file, &side) : NULL;
    if (!connection) return -EINVAL;
    return asyncio__sim_flow_receive(world, connection, side, &bytes);
}

// ---- The end of it ----------------------------------------------------------

static void stop(struct asyncio_simulator *world, struct sim_flow *flow)
{
    asyncio__sim_disarm(&flow->arrival);
    asyncio__sim_disarm(&flow->notice);
    drop_chunks(world, &flow->flight);
}

void asyncio__sim_break(struct asyncio_simulator *world,
                        struct sim_connection *connection)
{
    asyncio__sim_note(world, "reset", 0, 0);
    for (int side = 0; side < 2; side++) {
        stop(world, &connection->flow[side]);
        asyncio__sim_was_reset(world, connection->end[side], ECONNRESET);
    }
}

void asyncio__sim_disconnect(struct asyncio_simulator *world,
                             struct sim_connection *connection, int side,
                             bool reset)
{
    struct sim_flow *to_me = &connection->flow[!side];
    connection->end[side] = NULL;
    if (--connection->holders > 0) {
        drop_chunks(world, &to_me->arrived);
        to_me->readable = 0;
        asyncio__sim_flow_end(world, connection, side,
                              reset ? SIM_RST : SIM_FIN);
        asyncio__sim_poke(world, connection->end[!side]);
        return;
    }
    for (int i = 0; i < 2; i++) {
        stop(world, &connection->flow[i]);
        drop_chunks(world, &connection->flow[i].arrived);
    }
    asyncio__free(connection);
}
