// A stream's life: made on a transport, closed in its own time, freed by the
// last who refers to it.
//
// Closing is a direction, not a moment: what is unsent goes out, a read under
// way is called back, and when nothing is under way any more the transport is
// closed. Whatever ends asks `settle` whether that was the last of it.

#include "io/stream.h"

#include <assert.h>

#include <asyncio/error.h>

#include "io/server.h"
#include "loop/debug.h"
#include "platform/sys.h"
#include "task/compact.h"

int asyncio__stream_new(struct asyncio_loop *loop, long limit, const char *site,
                        struct asyncio_stream **out)
{
    if (limit < 0) return -EINVAL;
    struct asyncio__io *io;
    int err = asyncio__io_use(loop, &io);
    if (err < 0) return err;
    struct asyncio_stream *stream = asyncio__alloc(sizeof *stream);
    if (!stream) {
        asyncio__io_unuse(io);
        return -ENOMEM;
    }
    stream->loop = loop;
    stream->io = io;
    stream->site = site ? site : "";
    stream->references = 2; // the user's, and the connection's
    stream->limit = limit ? (size_t)limit : ASYNCIO_STREAM_LIMIT;
    stream->high = ASYNCIO_STREAM_HIGH;
    stream->low = ASYNCIO_STREAM_LOW;
    list_add_tail(&io->streams, &stream->link);
    *out = stream;
    return 0;
}

int(asyncio_stream_create)(struct asyncio_stream **stream,
                           const struct asyncio_transport *transport, void *arg,
                           const struct asyncio_stream_options *options)
{
    struct asyncio_loop *loop = NULL;
    int err = asyncio__loop_find(&loop);
    if (err < 0) return err;
    if (!transport || !transport->read || !transport->cancel_read ||
        !transport->write || !transport->cancel_write || !transport->close)
        return -EINVAL;
    err = asyncio__compact_may_keep(transport);
    if (err == 0) err = asyncio__compact_may_keep(arg);
    if (err < 0) return err;
    struct asyncio_stream *made;
    err = asyncio__stream_new(loop, options ? options->limit : 0,
                              options ? options->site : NULL, &made);
    if (err < 0) return err;
    made->transport = transport;
    made->transport_arg = arg;
    *stream = made;
    return 0;
}

static void free_unused(struct asyncio_stream *stream)
{
    if (stream->references > 0 || stream->calls > 0) return;
    assert(stream->state == ASYNCIO__STREAM_GONE);
    asyncio__free(stream->buffer);
    asyncio__free(stream);
}

void asyncio__stream_unref(struct asyncio_stream *stream)
{
    assert(stream->references > 0);
    stream->references--;
    free_unused(stream);
}

void asyncio__stream_leave(struct asyncio_stream *stream)
{
    stream->calls--;
    free_unused(stream);
}

// --- closing ----------------------------------------------------------------

static void gone(struct asyncio_stream *stream, int err)
{
    struct asyncio__io *io = stream->io;
    if (err < 0 && !stream->write_error) stream->write_error = err;
    stream->state = ASYNCIO__STREAM_GONE;
    stream->io = NULL;
    list_remove(&stream->link);
    if (list_linked(&stream->retry.link)) list_remove(&stream->retry.link);
    if (io->closing) stream->calls = 0; // their tasks will not run any more
    if (stream->protocol && !stream->lost) {
        asyncio__stream_lose(stream); // which wakes the closers
    } else {
        if (list_linked(&stream->step.link)) list_remove(&stream->step.link);
        asyncio__wake_all(&stream->closers, 0);
    }
    if (stream->server) asyncio__server_client_gone(stream);
    if (!io->closing) asyncio__servers_feed(io);
    asyncio__io_unuse(io);
    asyncio__stream_unref(stream);
}

void asyncio__stream_settle(struct asyncio_stream *stream)
{
    bool busy = stream->reading || stream->writing || stream->unsent > 0;
    if (stream->state != ASYNCIO__STREAM_CLOSING || busy || stream->ending)
        return;
    stream->ending = true;
    int err = stream->transport->close(stream, stream->transport_arg,
                                       stream->aborting);
    if (err != -EINPROGRESS) gone(stream, err);
}

void asyncio_stream_did_close(struct asyncio_stream *stream, int result)
{
    assert(stream->ending && stream->state == ASYNCIO__STREAM_CLOSING);
    gone(stream, result);
}

static void begin_closing(struct asyncio_stream *stream)
{
    stream->state = ASYNCIO__STREAM_CLOSING;
    if (stream->reading)
        stream->transport->cancel_read(stream, stream->transport_arg);
    if (stream->fds.lent) asyncio__stream_drop_lent(stream);
    asyncio__wake_all(&stream->drainers, -EBADF);
}

void asyncio_stream_close(struct asyncio_stream *stream)
{
    if (!stream || stream->state != ASYNCIO__STREAM_OPEN) return;
    if (asyncio__wrong_thread(stream->loop, __func__)) return;
    stream->references++; // what is called back may be the last of it
    begin_closing(stream);
    asyncio__stream_settle(stream);
    asyncio__stream_unref(stream);
}

void asyncio_stream_abort(struct asyncio_stream *stream)
{
    if (!stream || stream->state == ASYNCIO__STREAM_GONE || stream->aborting)
        return;
    if (asyncio__wrong_thread(stream->loop, __func__)) return;
    stream->references++;
    stream->aborting = true;
    if (stream->state == ASYNCIO__STREAM_OPEN) begin_closing(stream);
    if (stream->file_sender) asyncio__stream_stop_file(stream);
    if (stream->writing)
        stream->transport->cancel_write(stream, stream->transport_arg);
    else
        asyncio__stream_drop_unsent(stream);
    asyncio__stream_settle(stream);
    asyncio__stream_unref(stream);
}

bool asyncio_stream_is_closing(const struct asyncio_stream *stream)
{
    return !stream || stream->state != ASYNCIO__STREAM_OPEN;
}

static const struct asyncio__wait_kind closing = {
    .name = "a stream's end",
    .movable = true,
};

// It is gone, and a protocol knows: what that was given may go, too.
static bool is_over(const struct asyncio_stream *stream)
{
    return stream->state == ASYNCIO__STREAM_GONE &&
           (!stream->protocol || stream->lost);
}

int asyncio_stream_wait_closed(struct asyncio_stream *stream)
{
    if (!stream) return -EBADF;
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    int err = asyncio__checkpoint();
    if (err < 0) return err;
    if (!is_over(stream)) {
        if (stream->loop != task->future.loop_) return -EXDEV;
        stream->calls++;
        err = asyncio__park(&closing, stream, &stream->closers);
        if (err == 0)
            err =
                stream->write_error ? stream->write_error : stream->read_error;
        asyncio__stream_leave(stream);
        return err;
    }
    return stream->write_error ? stream->write_error : stream->read_error;
}

static void report_dropped(struct asyncio_stream *stream)
{
    if (!asyncio__debug(stream->loop)) return;
    asyncio__report(stream->loop, -EBADF, NULL, stream->site,
                    "a %s (descriptor %d) was dropped without being closed: "
                    "call asyncio_stream_close",
                    stream->transport->name, asyncio_stream_fileno(stream));
}

void asyncio_stream_free(struct asyncio_stream *stream)
{
    if (!stream || stream->released) return;
    bool is_gone = stream->state == ASYNCIO__STREAM_GONE;
    if (!is_gone && asyncio__wrong_thread(stream->loop, __func__)) return;
    if (stream->server) { // which frees it
        asyncio_stream_close(stream);
        return;
    }
    stream->released = true;
    if (stream->state == ASYNCIO__STREAM_OPEN) {
        report_dropped(stream);
        asyncio_stream_close(stream);
    }
    asyncio__stream_unref(stream);
}

// --- what it stands on ------------------------------------------------------

int asyncio_stream_fileno(const struct asyncio_stream *stream)
{
    if (!stream || stream->state == ASYNCIO__STREAM_GONE) return -EBADF;
    if (!stream->transport->fileno) return -ENOTSUP;
    return stream->transport->fileno(stream, stream->transport_arg);
}

// A stream between `stream` and its transport, which is moved down.
static void move_down(struct asyncio_stream *stream,
                      struct asyncio_stream *inner)
{
    bool descriptors = stream->transport == &asyncio__fd_transport;
    inner->transport = stream->transport;
    inner->transport_arg =
        descriptors ? (void *)&inner->fds : stream->transport_arg;
    inner->fds = stream->fds;
    inner->buffer = stream->buffer;
    inner->size = stream->size;
    inner->head = stream->head;
    inner->len = stream->len;
    inner->eof = stream->eof;
    stream->buffer = NULL;
    stream->size = stream->head = stream->len = 0;
    stream->eof = false;
}

const struct asyncio_transport *
asyncio_stream_get_transport(const struct asyncio_stream *stream, void **arg)
{
    if (!stream || stream->state == ASYNCIO__STREAM_GONE) return NULL;
    if (arg) *arg = stream->transport_arg;
    return stream->transport;
}

int asyncio_stream_upgrade(struct asyncio_stream *stream,
                           const struct asyncio_transport *transport, void *arg,
                           struct asyncio_stream **inner)
{
    if (!stream || stream->state != ASYNCIO__STREAM_OPEN) return -EBADF;
    if (asyncio__wrong_thread(stream->loop, __func__)) return -EPERM;
    if (stream->in_read || stream->reading || stream->unsent > 0 ||
        stream->file_sender)
        return -EBUSY;
    if (stream->protocol) return -EBUSY;
    struct asyncio_stream *made;
    int err = (asyncio_stream_create)(&made, transport, arg,
                                      &(struct asyncio_stream_options){
                                          .site = stream->site,
                                          .limit = (long)stream->limit});
    if (err < 0) return err;
    move_down(stream, made);
    stream->transport = transport;
    stream->transport_arg = arg;
    *inner = made;
    return 0;
}
