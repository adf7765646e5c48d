// Reading: straight into the reader's memory, or by way of the buffer.
//
// The transport has one read under way at most, on behalf of one task or of the
// protocol. Its outcome is entered into the books as soon as it is there
// (`took`), so that these are right whether or not the task runs before others
// ask. A cancelled task returns when the transport has let go of the memory: if
// bytes had come by then, they are the call's result, and the request stays.
//
//     buffer   [ head, head + len )   bytes that nobody has taken yet

#include "io/stream.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "platform/sys.h"
#include "task/compact.h"

// What the buffer begins with; and what is worth a read of its own.
#define BUFFER_MIN   1024
#define DIRECT_LEAST 16384

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

// --- the buffer -------------------------------------------------------------

size_t asyncio__stream_take(struct asyncio_stream *stream, void *out,
                            size_t size)
{
    size_t count = smaller(size, stream->len);
    if (count == 0) return 0;
    memcpy(out, stream->buffer + stream->head, count);
    asyncio__stream_drop(stream, count);
    return count;
}

void asyncio__stream_drop(struct asyncio_stream *stream, size_t count)
{
    assert(count <= stream->len);
    stream->head += count;
    stream->len -= count;
    if (stream->len == 0) stream->head = 0;
}

static int grow(struct asyncio_stream *stream, size_t size)
{
    size_t larger = stream->size ? stream->size : BUFFER_MIN;
    while (larger < size)
        larger *= 2;
    char *buffer = asyncio__alloc(larger);
    if (!buffer) return -ENOMEM;
    if (stream->len > 0)
        memcpy(buffer, stream->buffer + stream->head, stream->len);
    asyncio__free(stream->buffer);
    stream->buffer = buffer;
    stream->size = larger;
    stream->head = 0;
    return 0;
}

int asyncio__stream_reserve(struct asyncio_stream *stream, size_t size)
{
    if (stream->size < size) return grow(stream, size);
    if (stream->head + size > stream->size || stream->len == 0) {
        memmove(stream->buffer, stream->buffer + stream->head, stream->len);
        stream->head = 0;
    }
    return 0;
}

// --- one read of the transport ----------------------------------------------

// Enters what a read has brought.
static int took(struct asyncio_stream *stream, int result)
{
    if (result == 0) stream->eof = true;
    if (result < 0 && result != -ECANCELED) stream->read_error = result;
    if (result <= 0 || !stream->filling) return result;
    stream->len += (size_t)result;
    stream->was_full = stream->head + stream->len == stream->size;
    return result;
}

// What the task is told: it may have been cancelled, the stream closed, or
// somebody says that it has ended. Bytes that have come go before all of that.
static int meaning(const struct asyncio_stream *stream, int result)
{
    if (stream->given_up && (result <= 0 || stream->filling))
        return result > 0 && stream->state == ASYNCIO__STREAM_OPEN ? result
                                                                   : -ECANCELED;
    if (stream->state != ASYNCIO__STREAM_OPEN)
        return result > 0 && !stream->filling ? result : -EBADF;
    if (result == -ECANCELED && stream->eof) return 0;
    return result;
}

void asyncio_stream_did_read(struct asyncio_stream *stream, int result)
{
    assert(stream->reading);
    if (result == -EINPROGRESS) result = -EIO; // nothing that has ended says so
    stream->reading = false;
    if (stream->protocol && !stream->reader) {
        asyncio__stream_fed(stream, result);
    } else {
        struct asyncio_task *task = stream->reader;
        stream->reader = NULL;
        int told = meaning(stream, result);
        if (stream->state == ASYNCIO__STREAM_OPEN) took(stream, result);
        if (task) {
            asyncio__fetch_frames(task);
            asyncio__wake(task, told);
        }
    }
    asyncio__stream_settle(stream);
}

void asyncio__stream_readable(struct asyncio_stream *stream)
{
    struct asyncio_task *task = stream->reader;
    stream->reading = false;
    stream->reader = NULL;
    asyncio__wake(task, meaning(stream, -EINPROGRESS));
    asyncio__stream_settle(stream);
}

static bool cancel_read(struct asyncio_task *task,
                        const struct asyncio_cancel_options *options)
{
    (void)options;
    struct asyncio_stream *stream = task->wait.object;
    stream->given_up = true;
    if (stream->reading)
        stream->transport->cancel_read(stream, stream->transport_arg);
    return true;
}

static const struct asyncio__wait_kind reading = {
    .name = "a stream",
    .cancel = cancel_read,
    .keeps_result = true,
    .movable = true,
};

// Begins a read for `task`, and waits for it. -EINPROGRESS: there is something
// now, and the task is to take it.
static int begin_receiving(struct asyncio_stream *stream,
                           struct asyncio_task *task, void *memory, size_t size,
                           bool filling)
{
    int err = asyncio__begin_movable_await(task);
    if (err < 0) return err;
    if (stream->state != ASYNCIO__STREAM_OPEN) return -EBADF;
    stream->filling = filling;
    int got =
        stream->transport->read(stream, stream->transport_arg, memory, size);
    if (got == -ENOMEM || got == -EAGAIN) return got; // it has not begun
    if (got != -EINPROGRESS) return took(stream, got);
    stream->reading = true;
    stream->reader = task;
    stream->given_up = false;
    return asyncio__park(&reading, stream, NULL);
}

// What was there may be gone, or the stream; and who was cancelled meanwhile
// has what was there all the same.
static int receive_ready(struct asyncio_stream *stream, void *memory,
                         size_t size)
{
    if (stream->state != ASYNCIO__STREAM_OPEN) return -EBADF;
    if (stream->eof) return 0;
    int got = asyncio__fds_receive(stream, memory, size);
    if (got == -EAGAIN) return -EINPROGRESS;
    return got == -ENOMEM ? got : took(stream, got);
}

// Reads once, for `task`.
static int receive(struct asyncio_stream *stream, struct asyncio_task *task,
                   void *memory, size_t size, bool filling)
{
    int got;
    size = smaller(size, INT_MAX);
    do {
        got = begin_receiving(stream, task, memory, size, filling);
        if (got == -EINPROGRESS) got = receive_ready(stream, memory, size);
    } while (got == -EINPROGRESS);
    return got;
}

int asyncio__stream_fill(struct asyncio_stream *stream,
                         struct asyncio_task *task, size_t size)
{
    // Who fills it each time gets a larger one.
    bool full = stream->size > 0 && stream->was_full;
    if (full && stream->size < ASYNCIO_STREAM_LIMIT && size < 2 * stream->size)
        size = 2 * stream->size;
    int err = asyncio__stream_reserve(stream, size);
    if (err < 0) return err;
    size_t end = stream->head + stream->len;
    return receive(stream, task, stream->buffer + end, stream->size - end,
                   true);
}

void asyncio__stream_feed_eof(struct asyncio_stream *stream)
{
    if (stream->state != ASYNCIO__STREAM_OPEN) return;
    stream->eof = true;
    if (stream->reading && !stream->protocol)
        stream->transport->cancel_read(stream, stream->transport_arg);
}

// --- calls ------------------------------------------------------------------

int asyncio__stream_begin_read(struct asyncio_stream *stream,
                               struct asyncio_task **task)
{
    *task = asyncio__task();
    if (!*task) return -EPERM;
    int err = asyncio__checkpoint();
    if (err < 0) return err;
    if (!stream || stream->state != ASYNCIO__STREAM_OPEN) return -EBADF;
    if (stream->loop != (*task)->future.loop_) return -EXDEV;
    if (stream->in_read || stream->protocol) return -EBUSY;
    if (stream->read_error) return stream->read_error;
    stream->in_read = true;
    stream->calls++;
    return 0;
}

int asyncio__stream_end_read(struct asyncio_stream *stream, int result)
{
    stream->in_read = false;
    asyncio__stream_leave(stream);
    return result;
}

// Into a caller's memory; by way of the stream's own where that may be somebody
// else's when the bytes come.
static int receive_for(struct asyncio_stream *stream, struct asyncio_task *task,
                       void *buffer, size_t size)
{
    if (!asyncio__is_in_compact(task, buffer))
        return receive(stream, task, buffer, size, false);
    size = smaller(size, DIRECT_LEAST);
    int got = asyncio__stream_fill(stream, task, size);
    return got <= 0 ? got : (int)asyncio__stream_take(stream, buffer, size);
}

int asyncio_stream_read(struct asyncio_stream *stream, void *buffer,
                        size_t size)
{
    struct asyncio_task *task;
    int result = asyncio__stream_begin_read(stream, &task);
    if (result < 0) return result;
    if (stream->len > 0 && size > 0)
        result =
            (int)asyncio__stream_take(stream, buffer, smaller(size, INT_MAX));
    else if (size > 0 && !stream->eof)
        result = receive_for(stream, task, buffer, size);
    return asyncio__stream_end_read(stream, result);
}

// Puts bytes that were read straight into a caller's memory, and that it will
// not have after all, behind those in the buffer. Without memory for them the
// stream has failed: nobody must read on as if nothing were missing.
static void put_back(struct asyncio_stream *stream, const char *bytes,
                     size_t count)
{
    if (count == 0 || stream->state != ASYNCIO__STREAM_OPEN) return;
    int err = asyncio__stream_reserve(stream, stream->len + count);
    if (err < 0) {
        stream->read_error = err;
        return;
    }
    memcpy(stream->buffer + stream->head + stream->len, bytes, count);
    stream->len += count;
}

// The rest, of which `have` bytes are in the buffer and stay there until all of
// it has come: a large one is read straight to where it belongs.
static int read_rest(struct asyncio_stream *stream, struct asyncio_task *task,
                     char *out, size_t size, size_t *partial)
{
    size_t direct = 0; // bytes behind those of the buffer, in `out`
    int err = 1;
    while (err > 0 && stream->len + direct < size) {
        size_t rest = size - stream->len - direct;
        bool straight = direct > 0 || rest >= DIRECT_LEAST;
        if (asyncio__is_in_compact(task, out)) straight = false;
        if (stream->eof)
            err = 0;
        else if (!straight)
            err = asyncio__stream_fill(stream, task, size);
        else
            err =
                receive(stream, task, out + stream->len + direct, rest, false);
        if (straight && err > 0) direct += (size_t)err;
    }
    if (err < 0) {
        put_back(stream, out + stream->len, direct);
        return err;
    }
    size_t count = asyncio__stream_take(stream, out, size) + direct;
    if (partial) *partial = count;
    return count < size ? -ENODATA : (int)size;
}

int(asyncio_stream_readexactly)(struct asyncio_stream *stream, void *buffer,
                                size_t size,
                                const struct asyncio_partial_options *options)
{
    size_t *partial = options ? options->partial : NULL;
    if (partial) *partial = 0;
    if (size > INT_MAX) return -EINVAL;
    struct asyncio_task *task;
    int err = asyncio__stream_begin_read(stream, &task);
    if (err < 0) return err;
    if (size > 0) err = read_rest(stream, task, buffer, size, partial);
    return asyncio__stream_end_read(stream, err);
}

bool asyncio_stream_at_eof(struct asyncio_stream *stream)
{
    if (!stream || stream->state != ASYNCIO__STREAM_OPEN) return true;
    if (stream->len > 0 || stream->fds.lent) return false;
    if (stream->eof) return true;
    if (stream->reading || stream->read_error || !stream->transport->at_eof)
        return false;
    stream->eof = stream->transport->at_eof(stream, stream->transport_arg);
    return stream->eof;
}

int asyncio_stream_set_limit(struct asyncio_stream *stream, long limit)
{
    if (!stream) return -EBADF;
    if (limit < 1) return -EINVAL;
    if (asyncio__wrong_thread(stream->loop, __func__)) return -EPERM;
    stream->limit = (size_t)limit;
    return 0;
}
