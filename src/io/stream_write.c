// Writing: what is written is copied to chunks, and sent behind the writers.
//
// The transport has a write of the first chunks under way for as long as there
// are any; what is written meanwhile is for the next one. So a task that writes
// and then reads has asked for both before anybody waits. Between the marks
// writing is paused: writers and drains wait in one line, and all of them go on
// when no more than `low` is unsent.
//
// Much at once, with nothing before it, is offered to the system from where it
// lies; what that has no room for is copied. So nobody waits for it either.
// With a poller that has to ask the system first (epoll), all is offered like
// that.

#include "io/stream.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "loop/debug.h"
#include "platform/compiler.h"
#include "platform/sys.h"

// So much to copy costs more than a call of the system that takes it at once.
#define DIRECT_LEAST 16384

static struct asyncio__chunk *chunk_of(struct asyncio_link *link)
{
    return list_entry(link, struct asyncio__chunk, link);
}

static void put_all(struct asyncio_stream *stream, struct asyncio_link *chunks)
{
    struct asyncio_link *link;
    while ((link = list_pop(chunks)))
        asyncio__chunk_put(stream->io, chunk_of(link));
}

// --- the marks --------------------------------------------------------------

static const struct asyncio__wait_kind draining = {
    .name = "a stream's peer",
    .movable = true,
};
// The same, until nothing is unsent.
static const struct asyncio__wait_kind flushing = {
    .name = "a stream's peer",
    .movable = true,
};

static void resume(struct asyncio_stream *stream)
{
    if (stream->file_sender) {
        if (stream->unsent == 0 && asyncio__parked(stream->file_sender) &&
            stream->file_sender->wait.kind == &flushing)
            asyncio__wake(stream->file_sender, 0);
        return;
    }
    if (!stream->paused || stream->unsent > stream->low) return;
    stream->paused = false;
    asyncio__wake_all(&stream->drainers, 0);
    if (stream->protocol) asyncio__stream_tell_pause(stream);
}

void asyncio__stream_pause(struct asyncio_stream *stream)
{
    if (stream->paused) return;
    stream->paused = true;
    if (stream->protocol) asyncio__stream_tell_pause(stream);
}

static void pause_above_mark(struct asyncio_stream *stream)
{
    if (stream->unsent > stream->high) asyncio__stream_pause(stream);
}

// --- sending ----------------------------------------------------------------

static void send_more(struct asyncio_stream *stream);

void asyncio__stream_drop_unsent(struct asyncio_stream *stream)
{
    assert(!stream->writing);
    put_all(stream, &stream->chunks);
    stream->unsent = 0;
}

static void cut_off(struct asyncio_stream *stream, int err)
{
    if (stream->transport == &asyncio__fd_transport)
        asyncio__fds_cut_off(stream, err);
}

static void fail(struct asyncio_stream *stream, int err)
{
    stream->write_error = err;
    stream->paused = false;
    asyncio__stream_drop_unsent(stream);
    asyncio__wake_all(&stream->drainers, err);
    if (stream->state != ASYNCIO__STREAM_OPEN) return;
    if (stream->protocol)
        asyncio_stream_abort(stream);
    else
        cut_off(stream, err);
}

static void consume(struct asyncio_stream *stream, size_t sent)
{
    assert(sent <= stream->unsent);
    stream->unsent -= sent;
    while (sent > 0) {
        struct asyncio__chunk *chunk = chunk_of(list_first(&stream->chunks));
        uint32_t had = chunk->end - chunk->start;
        if (sent < had) {
            chunk->start += (uint32_t)sent;
            return;
        }
        sent -= had;
        list_remove(&chunk->link);
        asyncio__chunk_put(stream->io, chunk);
    }
}

static void retry(struct asyncio__step *step)
{
    struct asyncio_stream *stream =
        list_entry(step, struct asyncio_stream, retry);
    stream->references++;
    send_more(stream);
    resume(stream);
    asyncio__stream_settle(stream);
    asyncio__stream_unref(stream);
}

// Enters what a write has come to. True: the next one may begin.
static bool took(struct asyncio_stream *stream, int result)
{
    // There was no memory to ask the system: it is asked again in the next
    // pass, since the bytes were accepted.
    if (result == -ENOMEM || result == -ENOBUFS || result == -EAGAIN) {
        stream->retry.run = retry;
        if (!list_linked(&stream->retry.link))
            asyncio__loop_queue(stream->loop, &stream->retry);
        return false;
    }
    if (result <= 0) {
        fail(stream, result < 0 ? result : -EIO);
        return false;
    }
    consume(stream, (size_t)result);
    return true;
}

static size_t gather(const struct asyncio_stream *stream, struct iovec *parts)
{
    size_t count = 0;
    list_for_each (link, &stream->chunks) {
        struct asyncio__chunk *chunk = chunk_of(link);
        parts[count++] = (struct iovec){.iov_base = chunk->data + chunk->start,
                                        .iov_len = chunk->end - chunk->start};
        if (count == ASYNCIO__PARTS_MAX) break;
    }
    return count;
}

static void end_direction(struct asyncio_stream *stream)
{
    if (!stream->ends_writing || stream->write_ended || stream->write_error)
        return;
    stream->write_ended = true;
    int err = stream->transport->write_eof(stream, stream->transport_arg);
    if (err == -ENOTCONN)
        cut_off(stream, 0); // a peer that is gone needs not be told
    else if (err < 0)
        fail(stream, err);
}

ASYNCIO__APART static int write_parts(struct asyncio_stream *stream)
{
    struct iovec parts[ASYNCIO__PARTS_MAX];
    size_t count = gather(stream, parts);
    return stream->transport->write(stream, stream->transport_arg, parts,
                                    count);
}

static int write_chunks(struct asyncio_stream *stream)
{
    struct asyncio_link *first = list_first(&stream->chunks);
    if (first != list_last(&stream->chunks)) return write_parts(stream);
    struct asyncio__chunk *chunk = chunk_of(first);
    struct iovec part = {.iov_base = chunk->data + chunk->start,
                         .iov_len = chunk->end - chunk->start};
    return stream->transport->write(stream, stream->transport_arg, &part, 1);
}

// Begins to send what is there, unless that is under way.
static void send_more(struct asyncio_stream *stream)
{
    while (stream->unsent > 0 && !stream->writing) {
        int sent = write_chunks(stream);
        if (sent == -EINPROGRESS)
            stream->writing = true;
        else if (!took(stream, sent))
            return;
    }
    if (stream->unsent == 0) end_direction(stream);
}

void asyncio_stream_did_write(struct asyncio_stream *stream, int result)
{
    assert(stream->writing);
    stream->writing = false;
    stream->references++; // a protocol may free it
    if (stream->aborting) {
        asyncio__stream_drop_unsent(stream);
    } else if (took(stream, result)) {
        send_more(stream);
        resume(stream);
    }
    asyncio__stream_settle(stream);
    asyncio__stream_unref(stream);
}

// --- taking -----------------------------------------------------------------

// Makes as many chunks as the bytes need that do not fit into the last one; a
// small one for little, with nothing unsent before it. Where the system was
// asked first, so that what is left is rare, all have the one size.
static int make_room(struct asyncio_stream *stream, size_t need,
                     struct asyncio_link *more)
{
    bool small = need <= ASYNCIO__CHUNK_SMALL && stream->unsent == 0 &&
                 !stream->io->tries_first;
    while (need > 0) {
        struct asyncio__chunk *chunk = asyncio__chunk_get(
            stream->io, small ? ASYNCIO__CHUNK_SMALL : ASYNCIO__CHUNK_SIZE);
        if (!chunk) goto fail_chunks;
        list_add_tail(more, &chunk->link);
        need -= need < ASYNCIO__CHUNK_SIZE ? need : ASYNCIO__CHUNK_SIZE;
    }
    return 0;

fail_chunks:
    put_all(stream, more);
    return -ENOMEM;
}

static struct asyncio__chunk *copy(struct asyncio__chunk *chunk,
                                   const char *bytes, size_t len)
{
    while (len > 0) {
        size_t room = chunk->size - chunk->end;
        if (room == 0) {
            chunk = chunk_of(chunk->link.next);
            continue;
        }
        if (room > len) room = len;
        memcpy(chunk->data + chunk->end, bytes, room);
        chunk->end += (uint32_t)room;
        bytes += room;
        len -= room;
    }
    return chunk;
}

// The same for all parts, but for what was sent of them already.
static void copy_rest(struct asyncio__chunk *chunk, const struct iovec *parts,
                      size_t count, size_t sent)
{
    for (size_t i = 0; i < count; i++) {
        size_t skipped = sent < parts[i].iov_len ? sent : parts[i].iov_len;
        sent -= skipped;
        if (skipped == parts[i].iov_len) continue; // it may have no base
        chunk = copy(chunk, (const char *)parts[i].iov_base + skipped,
                     parts[i].iov_len - skipped);
    }
}

static size_t chunks_for(size_t len)
{
    return len / ASYNCIO__CHUNK_SIZE + (len % ASYNCIO__CHUNK_SIZE != 0);
}

// Offers `len` bytes to the system where they lie. Returns how many it took,
// and gives back those of the chunks that the rest does not need. What the
// system says against it fails the stream, as it would later.
static size_t send_directly(struct asyncio_stream *stream,
                            const struct iovec *parts, size_t count, size_t len,
                            struct asyncio_link *chunks)
{
    int sent = asyncio__fds_send(stream, parts, count);
    if (sent == 0) return 0;
    if (sent < 0) {
        put_all(stream, chunks);
        fail(stream, sent);
        return len;
    }
    size_t spare = chunks_for(len) - chunks_for(len - (size_t)sent);
    while (spare-- > 0 && !list_empty(chunks))
        asyncio__chunk_put(stream->io, chunk_of(list_pop(chunks)));
    return (size_t)sent;
}

// Whether the system is to be asked before anything is copied.
static bool goes_directly(const struct asyncio_stream *stream, size_t len)
{
    return stream->unsent == 0 &&
           (len >= DIRECT_LEAST || stream->io->tries_first);
}

ASYNCIO__APART static int take_any(struct asyncio_stream *stream,
                                   const struct iovec *parts, size_t count)
{
    struct asyncio_link more = {0}, *last = list_last(&stream->chunks);
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        if (__builtin_add_overflow(len, parts[i].iov_len, &len)) return -EINVAL;
    if (len == 0) return 0;

    size_t room = last ? chunk_of(last)->size - chunk_of(last)->end : 0;
    size_t need = len > room ? len - room : 0, sent = 0;
    bool directly = goes_directly(stream, len);
    // A chunk that is spare will still be there when the system was asked.
    bool certain =
        directly && len <= ASYNCIO__CHUNK_SIZE && stream->io->spare.count > 0;
    int err = certain ? 0 : make_room(stream, need, &more);
    if (err < 0) return err;
    if (directly) sent = send_directly(stream, parts, count, len, &more);
    if (sent == len) return 0;
    if (certain) err = make_room(stream, len - sent, &more);
    assert(err == 0);
    if (!last) last = list_first(&more);
    list_splice(&stream->chunks, &more);
    copy_rest(chunk_of(last), parts, count, sent);
    stream->unsent += len - sent;
    if (!list_linked(&stream->retry.link)) send_more(stream);
    pause_above_mark(stream);
    return 0;
}

// Takes all of it, or nothing. Most is little, in one piece, with nothing
// unsent before it, and the system is not asked first.
static int take(struct asyncio_stream *stream, const struct iovec *parts,
                size_t count)
{
    bool little = count == 1 && parts->iov_len - 1 < ASYNCIO__CHUNK_SMALL;
    if (!little || stream->unsent > 0 || stream->io->tries_first)
        return take_any(stream, parts, count);

    struct asyncio__chunk *chunk =
        asyncio__chunk_get(stream->io, ASYNCIO__CHUNK_SMALL);
    if (!chunk) return -ENOMEM;
    memcpy(chunk->data, parts->iov_base, parts->iov_len);
    chunk->end = (uint32_t)parts->iov_len;
    list_add_tail(&stream->chunks, &chunk->link);
    stream->unsent = parts->iov_len;
    send_more(stream);
    pause_above_mark(stream);
    return 0;
}

// Whether there is any use in writing: 0, or why not.
static int check(const struct asyncio_stream *stream)
{
    if (!stream) return -EBADF;
    if (stream->write_error) return stream->write_error;
    return stream->state == ASYNCIO__STREAM_OPEN ? 0 : -EBADF;
}

static int check_open(const struct asyncio_stream *stream)
{
    int err = check(stream);
    return err == 0 && stream->ends_writing ? -EBADF : err;
}

int asyncio_stream_writev_nowait(struct asyncio_stream *stream,
                                 const struct iovec *parts, size_t count)
{
    int err = check_open(stream);
    if (err < 0) return err;
    if (asyncio__wrong_thread(stream->loop, __func__)) return -EPERM;
    if (stream->paused) return -EAGAIN;
    return take(stream, parts, count);
}

int asyncio_stream_write_nowait(struct asyncio_stream *stream, const void *data,
                                size_t len)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    return asyncio_stream_writev_nowait(stream, &part, 1);
}

// --- waiting ----------------------------------------------------------------

// Waits while writing is paused. 0: it is not, and the stream is open.
static int wait_for_low(struct asyncio_stream *stream,
                        struct asyncio_task *task)
{
    int err = check(stream);
    if (err < 0) return err;
    if (stream->loop != task->future.loop_) return -EXDEV;
    if (!stream->paused) return 0;
    stream->calls++;
    err = asyncio__park(&draining, stream, &stream->drainers);
    if (err == 0) err = check(stream);
    asyncio__stream_leave(stream);
    return err;
}

int asyncio_stream_writev(struct asyncio_stream *stream,
                          const struct iovec *parts, size_t count)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    int err = asyncio__checkpoint();
    if (err == 0) err = check_open(stream);
    if (err == 0 && stream->loop != task->future.loop_) err = -EXDEV;
    if (err == 0 && stream->paused) {
        err = wait_for_low(stream, task);
        if (err == 0) err = check_open(stream);
    }
    return err < 0 ? err : take(stream, parts, count);
}

int asyncio__stream_wait_to_write(struct asyncio_stream *stream)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    int err = asyncio__checkpoint();
    if (err == 0) err = check_open(stream);
    while (err == 0 && stream->paused) {
        err = wait_for_low(stream, task);
        if (err == 0) err = check_open(stream);
    }
    return err == 0 && stream->loop != task->future.loop_ ? -EXDEV : err;
}

int asyncio__stream_flush(struct asyncio_stream *stream)
{
    if (stream->unsent > 0 || stream->writing) {
        int err = asyncio__park(&flushing, stream, &stream->drainers);
        if (err < 0) return err;
    }
    return check(stream);
}

int asyncio__stream_add(struct asyncio_stream *stream, const void *data,
                        size_t len)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    int err = check(stream);
    return err < 0 ? err : take(stream, &part, 1);
}

// What the other end has done is the stream's from now on; what happened to the
// file concerns its sender alone.
void asyncio__stream_file_ended(struct asyncio_stream *stream, int err)
{
    bool lost = err == -EPIPE || err == -ECONNRESET || err == -ETIMEDOUT;
    stream->references++;
    if (stream->aborting) {
        asyncio__stream_drop_unsent(stream);
    } else if (lost && !stream->write_error) {
        fail(stream, err);
    } else if (!stream->write_error) {
        send_more(stream);
        resume(stream);
    }
    asyncio__stream_settle(stream);
    asyncio__stream_unref(stream);
}

int asyncio_stream_write(struct asyncio_stream *stream, const void *data,
                         size_t len)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    return asyncio_stream_writev(stream, &part, 1);
}

int asyncio_stream_drain(struct asyncio_stream *stream)
{
    if (!stream) return -EBADF;
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    int err = asyncio__checkpoint();
    return err < 0 ? err : wait_for_low(stream, task);
}

// --- marks and the end ------------------------------------------------------

int asyncio_stream_set_write_limits(struct asyncio_stream *stream, long high,
                                    long low)
{
    if (!stream) return -EBADF;
    if (low < 0 || high < low) return -EINVAL;
    if (asyncio__wrong_thread(stream->loop, __func__)) return -EPERM;
    stream->high = (size_t)high;
    stream->low = (size_t)low;
    if (stream->unsent > stream->high)
        pause_above_mark(stream);
    else
        resume(stream);
    return 0;
}

void asyncio_stream_get_write_limits(const struct asyncio_stream *stream,
                                     size_t *high, size_t *low)
{
    if (high) *high = stream ? stream->high : 0;
    if (low) *low = stream ? stream->low : 0;
}

size_t asyncio_stream_write_buffer_size(const struct asyncio_stream *stream)
{
    return !stream || stream->aborting ? 0 : stream->unsent;
}

bool asyncio_stream_can_write_eof(const struct asyncio_stream *stream)
{
    if (!stream || !stream->transport->write_eof) return false;
    return stream->transport != &asyncio__fd_transport ||
           asyncio__fds_can_end(&stream->fds);
}

int asyncio_stream_write_eof(struct asyncio_stream *stream)
{
    int err = check(stream);
    if (err < 0) return err;
    if (asyncio__wrong_thread(stream->loop, __func__)) return -EPERM;
    if (stream->ends_writing) return 0;
    if (!asyncio_stream_can_write_eof(stream)) return -ENOTSUP;
    stream->ends_writing = true;
    if (stream->unsent == 0) end_direction(stream);
    return stream->write_error;
}
