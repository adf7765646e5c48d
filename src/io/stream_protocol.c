// Callback protocols: what a task would wait for, as calls.
//
// Everything that a protocol is told by the loop is told by one step of the
// stream, in this order: that the connection is there, what was read ahead,
// what the last read has brought, that it is lost. Then the next read begins.
// So no callback is called from inside a call of the user's, but for the two
// about writing, which would come too late.

#include "io/stream.h"

#include <assert.h>

#include "io/server.h"
#include "loop/debug.h"
#include "platform/sys.h"
#include "task/compact.h"

// Most connections idle. Where the poller lends nothing (stream_lent.c) they
// have their buffer all the time: it begins small, and grows when a read has
// filled it.
#define BUFFER_FIRST 4096
#define BUFFER_MOST  16384

static void serve(struct asyncio__step *step);
static void lose(struct asyncio__step *step);

void asyncio__stream_wants_step(struct asyncio_stream *stream)
{
    bool gone = stream->state == ASYNCIO__STREAM_GONE;
    stream->step.run = gone ? lose : serve;
    if (!list_linked(&stream->step.link))
        asyncio__loop_queue(stream->loop, &stream->step);
}

static void calls(const struct asyncio_stream *stream, const void *fn)
{
    asyncio__debug_calls(stream->loop, fn, stream->site);
}

// True if the next bytes may come.
static bool wants_bytes(const struct asyncio_stream *stream)
{
    return stream->state == ASYNCIO__STREAM_OPEN && stream->protocol &&
           stream->made && !stream->reading_paused;
}

// That have come, and were not handed over.
static bool has_bytes(const struct asyncio_stream *stream)
{
    return stream->len > 0 || stream->fds.lent;
}

// --- what comes -------------------------------------------------------------

// The bytes in the buffer.
static void give_buffer(struct asyncio_stream *stream)
{
    const struct asyncio_protocol *protocol = stream->protocol;
    void *arg = stream->protocol_arg;
    size_t len = stream->len;
    if (protocol->data_received) {
        const char *bytes = stream->buffer + stream->head;
        asyncio__stream_drop(stream, len);
        calls(stream, asyncio__address_of(protocol->data_received));
        protocol->data_received(stream, arg, bytes, len);
        return;
    }
    size_t size = 0;
    void *memory = protocol->get_buffer(stream, arg, &size);
    if (!memory || size == 0) {
        stream->read_error = -ENOBUFS;
        asyncio_stream_abort(stream);
        return;
    }
    len = asyncio__stream_take(stream, memory, size);
    calls(stream, asyncio__address_of(protocol->buffer_updated));
    protocol->buffer_updated(stream, arg, len);
}

static void give_eof(struct asyncio_stream *stream)
{
    const struct asyncio_protocol *protocol = stream->protocol;
    stream->eof = true;
    bool stays = false;
    if (protocol->eof_received) {
        calls(stream, asyncio__address_of(protocol->eof_received));
        stays = protocol->eof_received(stream, stream->protocol_arg);
    }
    if (!stays) asyncio_stream_close(stream);
}

// What a read has brought.
static void give(struct asyncio_stream *stream, int result)
{
    if (result < 0) {
        stream->read_error = result;
        asyncio_stream_abort(stream);
    } else if (result == 0) {
        give_eof(stream);
    } else if (stream->lender) {
        const struct asyncio_protocol *lender = stream->lender;
        calls(stream, asyncio__address_of(lender->buffer_updated));
        lender->buffer_updated(stream, stream->lender_arg, (size_t)result);
    } else {
        stream->len += (size_t)result;
        stream->was_full = stream->len == stream->size;
        give_buffer(stream);
    }
}

static void *memory_for_read(struct asyncio_stream *stream, size_t *size)
{
    const struct asyncio_protocol *protocol = stream->protocol;
    stream->lender = protocol->get_buffer ? protocol : NULL;
    if (stream->lender) {
        stream->lender_arg = stream->protocol_arg;
        calls(stream, asyncio__address_of(protocol->get_buffer));
        return protocol->get_buffer(stream, stream->protocol_arg, size);
    }
    bool grows = stream->was_full && stream->size < BUFFER_MOST;
    stream->was_full = false;
    if (asyncio__stream_reserve(stream, grows ? BUFFER_MOST : BUFFER_FIRST) < 0)
        return NULL;
    *size = stream->size;
    return stream->buffer;
}

// With memory of the stream's or the protocol's.
static int read_to_memory(struct asyncio_stream *stream)
{
    size_t size = 0;
    void *memory = memory_for_read(stream, &size);
    if (!wants_bytes(stream)) return -ECANCELED;
    if (!memory || size == 0) return -ENOBUFS;
    return stream->transport->read(stream, stream->transport_arg, memory,
                                   size < INT32_MAX ? size : INT32_MAX);
}

static void read_next(struct asyncio_stream *stream)
{
    if (!wants_bytes(stream) || stream->reading || stream->has_fed ||
        stream->eof || stream->read_error)
        return;
    if (has_bytes(stream)) return; // which come first
    int got = -EOPNOTSUPP;
    if (stream->io->lends && !stream->protocol->get_buffer)
        got = asyncio__stream_receive(stream);
    if (got == -EOPNOTSUPP) got = read_to_memory(stream);
    stream->reading = got == -EINPROGRESS;
    if (!stream->reading) asyncio__stream_fed(stream, got);
}

void asyncio__stream_fed(struct asyncio_stream *stream, int result)
{
    if (stream->state != ASYNCIO__STREAM_OPEN) return;
    stream->fed = result;
    stream->has_fed = result != -ECANCELED; // it was paused, and may go on
    asyncio__stream_wants_step(stream);
}

// --- the step ---------------------------------------------------------------

// Writing was paused before the connection was made: who wrote so early waits
// to hear that it goes on.
static void tell_late(struct asyncio_stream *stream)
{
    const struct asyncio_protocol *protocol = stream->protocol;
    stream->pause_untold = false;
    if (protocol && protocol->pause_writing)
        protocol->pause_writing(stream, stream->protocol_arg);
    protocol = stream->protocol;
    if (!stream->paused && protocol && protocol->resume_writing)
        protocol->resume_writing(stream, stream->protocol_arg);
}

static void make_connection(struct asyncio_stream *stream)
{
    stream->made = true;
    const struct asyncio_protocol *protocol = stream->protocol;
    if (protocol->connection_made) {
        calls(stream, asyncio__address_of(protocol->connection_made));
        protocol->connection_made(stream, stream->protocol_arg);
    }
    if (stream->pause_untold) tell_late(stream);
}

// A server's connection: who serves it?
static void ask_factory(struct asyncio_stream *stream)
{
    asyncio_protocol_factory *factory = stream->factory;
    stream->factory = NULL;
    calls(stream, asyncio__address_of(factory));
    int err = factory(stream, stream->protocol_arg);
    if (err < 0 && stream->server) asyncio__server_report(stream, err);
    if (err < 0 || !stream->protocol) asyncio_stream_abort(stream);
}

static void serve(struct asyncio__step *step)
{
    struct asyncio_stream *stream =
        list_entry(step, struct asyncio_stream, step);
    stream->references++;
    if (stream->factory) ask_factory(stream);
    if (stream->protocol && !stream->made) make_connection(stream);
    if (wants_bytes(stream) && stream->len > 0) give_buffer(stream);
    if (wants_bytes(stream) && stream->fds.lent && stream->len == 0)
        asyncio__stream_give_lent(stream);
    if (wants_bytes(stream) && stream->has_fed && !has_bytes(stream)) {
        stream->has_fed = false;
        give(stream, stream->fed);
    }
    read_next(stream);
    if (stream->fds.lent && stream->reading_paused)
        asyncio__stream_keep_lent(stream);
    if (wants_bytes(stream) && has_bytes(stream))
        asyncio__stream_wants_step(stream);
    asyncio__stream_unref(stream);
}

// --- the end ----------------------------------------------------------------

static void lose(struct asyncio__step *step)
{
    asyncio__stream_lost(list_entry(step, struct asyncio_stream, step));
}

void asyncio__stream_lose(struct asyncio_stream *stream)
{
    struct asyncio__io *io = stream->loop->io;
    stream->references++;
    list_add_tail(&io->lost, &stream->link);
    if (io->closing)
        asyncio__stream_lost(stream); // no step will run any more
    else
        asyncio__stream_wants_step(stream);
}

void asyncio__stream_lost(struct asyncio_stream *stream)
{
    const struct asyncio_protocol *protocol = stream->protocol;
    list_remove(&stream->link);
    if (list_linked(&stream->step.link)) list_remove(&stream->step.link);
    stream->lost = true;
    if (!stream->made) make_connection(stream);
    if (protocol->connection_lost) {
        int err =
            stream->write_error ? stream->write_error : stream->read_error;
        calls(stream, asyncio__address_of(protocol->connection_lost));
        protocol->connection_lost(stream, stream->protocol_arg, err);
    }
    asyncio__wake_all(&stream->closers, 0);
    if (stream->server) asyncio__server_client_lost(stream);
    asyncio__stream_unref(stream);
}

void asyncio__stream_tell_pause(struct asyncio_stream *stream)
{
    const struct asyncio_protocol *protocol = stream->protocol;
    void (*tell)(struct asyncio_stream *, void *) =
        stream->paused ? protocol->pause_writing : protocol->resume_writing;
    if (!stream->made)
        stream->pause_untold = true;
    else if (tell)
        tell(stream, stream->protocol_arg);
}

// --- calls ------------------------------------------------------------------

static bool can_receive(const struct asyncio_protocol *protocol)
{
    return protocol->data_received ||
           (protocol->get_buffer && protocol->buffer_updated);
}

int asyncio_stream_set_protocol(struct asyncio_stream *stream,
                                const struct asyncio_protocol *protocol,
                                void *arg)
{
    if (protocol && !can_receive(protocol)) return -EINVAL;
    if (!stream || stream->state != ASYNCIO__STREAM_OPEN) return -EBADF;
    if (asyncio__wrong_thread(stream->loop, __func__)) return -EPERM;
    int err = asyncio__compact_may_keep(protocol);
    if (err == 0) err = asyncio__compact_may_keep(arg);
    if (err < 0) return err;
    bool busy = stream->reading || stream->has_fed || stream->fds.lent;
    if (stream->in_read || (!protocol && busy)) return -EBUSY;
    stream->protocol = protocol;
    stream->protocol_arg = arg;
    if (protocol)
        asyncio__stream_wants_step(stream);
    else if (list_linked(&stream->step.link))
        list_remove(&stream->step.link);
    return 0;
}

void asyncio__stream_ask_factory(struct asyncio_stream *stream,
                                 asyncio_protocol_factory *factory, void *arg)
{
    stream->factory = factory;
    stream->protocol_arg = arg;
    asyncio__stream_wants_step(stream);
}

const struct asyncio_protocol *
asyncio_stream_get_protocol(const struct asyncio_stream *stream, void **arg)
{
    if (!stream) return NULL;
    if (arg) *arg = stream->protocol_arg;
    return stream->protocol;
}

int asyncio_stream_pause_reading(struct asyncio_stream *stream)
{
    if (!stream) return -EBADF;
    if (!stream->protocol) return -EINVAL;
    if (stream->state != ASYNCIO__STREAM_OPEN) return 0;
    if (asyncio__wrong_thread(stream->loop, __func__)) return -EPERM;
    stream->reading_paused = true;
    if (stream->reading)
        stream->transport->cancel_read(stream, stream->transport_arg);
    return 0;
}

int asyncio_stream_resume_reading(struct asyncio_stream *stream)
{
    if (!stream) return -EBADF;
    if (!stream->protocol) return -EINVAL;
    if (stream->state != ASYNCIO__STREAM_OPEN) return 0;
    if (asyncio__wrong_thread(stream->loop, __func__)) return -EPERM;
    stream->reading_paused = false;
    asyncio__stream_wants_step(stream);
    return 0;
}

bool asyncio_stream_is_reading(const struct asyncio_stream *stream)
{
    return stream && stream->state == ASYNCIO__STREAM_OPEN &&
           stream->protocol && !stream->reading_paused && !stream->eof;
}
