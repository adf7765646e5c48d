// Receiving for a protocol into memory that the poller lends.
//
// Most connections idle, and a buffer of each would be most of what they cost.
// So where the poller can lend, the bytes go straight from its memory to
// data_received, and back goes the memory. Who sends little at a time is
// received from by one operation that goes on by itself; who fills a whole
// piece, by one for each piece, so that no more is taken from the system than
// before while nobody wants it. When all is lent out, the connection receives
// into memory of its own for a while.
//
// What has come and cannot be handed over waits in fds.lent, behind the bytes
// of the buffer and before what the operation has ended with. A protocol that
// has paused may go on much later: its bytes move to the buffer.

#include "io/stream.h"

#include <string.h>

#include "loop/debug.h"
#include "platform/sys.h"

// So many reads that left room, and the next operation goes on by itself.
#define QUIET_LEAST 4
// So many reads go to own memory when all is lent out.
#define OWN_READS 16

// --- what has come ----------------------------------------------------------

static struct asyncio__lent *pop(struct asyncio__stream_fds *fds)
{
    struct asyncio__lent *lent = fds->lent;
    fds->lent = lent->next;
    return lent;
}

static void append(struct asyncio__stream_fds *fds, struct asyncio__lent *lent)
{
    if (!lent) return;
    if (fds->lent)
        fds->lent_last->next = lent;
    else
        fds->lent = lent;
    while (lent->next)
        lent = lent->next;
    fds->lent_last = lent;
}

void asyncio__stream_drop_lent(struct asyncio_stream *stream)
{
    while (stream->fds.lent)
        asyncio__poller_give_back(stream->loop->poller, pop(&stream->fds));
}

void asyncio__stream_keep_lent(struct asyncio_stream *stream)
{
    struct asyncio__stream_fds *fds = &stream->fds;
    while (fds->lent) {
        size_t len = fds->lent->len;
        // Without memory for them they stay where they are.
        if (asyncio__stream_reserve(stream, stream->len + len) < 0) return;
        memcpy(stream->buffer + stream->head + stream->len, fds->lent->bytes,
               len);
        stream->len += len;
        asyncio__poller_give_back(stream->loop->poller, pop(fds));
    }
}

// Copies a part of the first piece; what does not fit comes the next time.
static void give_copy(struct asyncio_stream *stream)
{
    const struct asyncio_protocol *protocol = stream->protocol;
    void *arg = stream->protocol_arg;
    size_t size = 0;
    void *memory = protocol->get_buffer(stream, arg, &size);
    struct asyncio__lent *lent = stream->fds.lent;
    if (!lent) return; // it was closed meanwhile
    if (!memory || size == 0) {
        stream->read_error = -ENOBUFS;
        asyncio_stream_abort(stream);
        return;
    }
    if (size > lent->len) size = lent->len;
    memcpy(memory, lent->bytes, size);
    lent->bytes += size;
    lent->len -= size;
    if (lent->len == 0)
        asyncio__poller_give_back(stream->loop->poller, pop(&stream->fds));
    asyncio__debug_calls(stream->loop,
                         asyncio__address_of(protocol->buffer_updated),
                         stream->site);
    protocol->buffer_updated(stream, arg, size);
}

void asyncio__stream_give_lent(struct asyncio_stream *stream)
{
    const struct asyncio_protocol *protocol = stream->protocol;
    if (!protocol->data_received) {
        give_copy(stream);
        return;
    }
    struct asyncio__poller *poller = stream->loop->poller;
    struct asyncio__lent *lent = pop(&stream->fds);
    asyncio__debug_calls(stream->loop,
                         asyncio__address_of(protocol->data_received),
                         stream->site);
    protocol->data_received(stream, stream->protocol_arg, lent->bytes,
                            lent->len);
    asyncio__poller_give_back(poller, lent);
}

// --- the operation ----------------------------------------------------------

// Remembers how the peer sends. True: it fills what it is lent.
static bool is_bulk(struct asyncio__stream_fds *fds,
                    const struct asyncio__lent *lent)
{
    bool bulk = false;
    for (; lent; lent = lent->next)
        bulk |= lent->len == ASYNCIO__LENT_SIZE;
    if (bulk)
        fds->quiet = 0;
    else if (fds->quiet < QUIET_LEAST)
        fds->quiet++;
    return bulk;
}

static void received(struct asyncio__op *op)
{
    struct asyncio_stream *stream =
        list_entry(op, struct asyncio_stream, fds.read_op);
    struct asyncio__stream_fds *fds = &stream->fds;
    struct asyncio__lent *lent = asyncio__op_take_lent(op);
    bool bulk = is_bulk(fds, lent);
    append(fds, lent);
    if (stream->state != ASYNCIO__STREAM_OPEN)
        asyncio__stream_drop_lent(stream);
    if (op->state != ASYNCIO__OP_IDLE) {
        if (bulk) asyncio__poller_cancel(stream->loop->poller, op);
        if (fds->lent) asyncio__stream_wants_step(stream);
        return;
    }
    int result = op->result;
    if (result == -ENOBUFS) fds->own_reads = OWN_READS;
    if (result > 0 || result == -ENOBUFS) result = -ECANCELED; // it may go on
    if (result == 0) result = fds->failure;
    asyncio_stream_did_read(stream, result);
}

int asyncio__stream_receive(struct asyncio_stream *stream)
{
    struct asyncio__stream_fds *fds = &stream->fds;
    if (stream->transport != &asyncio__fd_transport ||
        fds->read_kind != ASYNCIO__FD_SOCKET)
        return -EOPNOTSUPP;
    if (fds->own_reads > 0) {
        fds->own_reads--;
        return -EOPNOTSUPP;
    }
    fds->read_op = (struct asyncio__op){
        .code = ASYNCIO__OP_RECV_LENT,
        .done = received,
        .fd = fds->read_fd,
        .len = ASYNCIO__LENT_SIZE,
        .flags = fds->quiet == QUIET_LEAST ? ASYNCIO__RECV_MORE : 0,
    };
    int err = asyncio__poller_submit(stream->loop->poller, &fds->read_op);
    if (err == -EOPNOTSUPP) stream->io->lends = false;
    if (err < 0) return err;
    asyncio__free(stream->buffer); // of reads before this one
    stream->buffer = NULL;
    stream->size = 0;
    return -EINPROGRESS;
}
