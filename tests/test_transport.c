// Transports that somebody brings: a veil over another stream, which turns each
// byte into another, made with the public headers alone. What stands on it has
// to pass the checks for all streams; encryption will be of the same shape.

#include <stdlib.h>
#include <string.h>

#include "stream_checker.h"

#define VEIL 0x5a

struct veil {
    struct asyncio_stream *outer, *inner;
    char bytes[4096]; // that came from inner, as they came
    size_t head, len;
    bool ended; // inner has no more
    int err;
    char *wanted; // where a read wants them, or NULL
    size_t wanted_size;
    struct iovec parts[8]; // of a write that waits for inner
    size_t part_count;
    bool writing, closing;
    bool lost; // inner is gone, and has said so
};

static void veiled(char *to, const char *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (char)(from[i] ^ VEIL);
}

// --- what inner says --------------------------------------------------------

static size_t take(struct veil *veil, char *out, size_t size)
{
    size_t len = size < veil->len ? size : veil->len;
    veiled(out, veil->bytes + veil->head, len);
    veil->head += len;
    veil->len -= len;
    return len;
}

static int answer(struct veil *veil, char *out, size_t size)
{
    if (veil->len > 0) return (int)take(veil, out, size);
    if (veil->err) return veil->err;
    return veil->ended ? 0 : -EINPROGRESS;
}

static void serve_reader(struct veil *veil)
{
    if (!veil->wanted) return;
    int result = answer(veil, veil->wanted, veil->wanted_size);
    if (result == -EINPROGRESS) return;
    veil->wanted = NULL;
    asyncio_stream_did_read(veil->outer, result);
}

static void *lend(struct asyncio_stream *stream, void *arg, size_t *size)
{
    struct veil *veil = arg;
    (void)stream;
    *size = sizeof veil->bytes;
    return veil->bytes;
}

static void on_updated(struct asyncio_stream *stream, void *arg, size_t len)
{
    struct veil *veil = arg;
    veil->head = 0;
    veil->len = len;
    EXPECT_EQ(asyncio_stream_pause_reading(stream), 0);
    serve_reader(veil);
}

static bool on_eof(struct asyncio_stream *stream, void *arg)
{
    struct veil *veil = arg;
    (void)stream;
    veil->ended = true;
    serve_reader(veil);
    return true;
}

static void try_write(struct veil *veil);

static void on_resume(struct asyncio_stream *stream, void *arg)
{
    (void)stream;
    try_write(arg);
}

static void on_lost(struct asyncio_stream *stream, void *arg, int err)
{
    struct veil *veil = arg;
    veil->ended = true;
    veil->err = err;
    if (veil->writing) {
        veil->writing = false;
        asyncio_stream_did_write(veil->outer, err ? err : -EPIPE);
    }
    serve_reader(veil);
    // Not before: what they were told may have had them close.
    veil->lost = true;
    if (!veil->closing) return;
    asyncio_stream_free(stream);
    asyncio_stream_did_close(veil->outer, 0);
    free(veil);
}

static const struct asyncio_protocol inside = {
    .get_buffer = lend,
    .buffer_updated = on_updated,
    .eof_received = on_eof,
    .connection_lost = on_lost,
    .resume_writing = on_resume,
};

// --- what outer wants -------------------------------------------------------

static int veil_read(struct asyncio_stream *stream, void *arg, void *buffer,
                     size_t size)
{
    struct veil *veil = arg;
    int result = answer(veil, buffer, size);
    (void)stream;
    if (result != -EINPROGRESS) return result;
    veil->wanted = buffer;
    veil->wanted_size = size;
    EXPECT_EQ(asyncio_stream_resume_reading(veil->inner), 0);
    return result;
}

static void veil_cancel_read(struct asyncio_stream *stream, void *arg)
{
    struct veil *veil = arg;
    if (!veil->wanted) return;
    veil->wanted = NULL;
    asyncio_stream_pause_reading(veil->inner);
    asyncio_stream_did_read(stream, -ECANCELED);
}

// Writes the parts to inner: how much that was, -EAGAIN if it has to wait.
static int write_parts(struct veil *veil)
{
    static char bytes[8 * 16384];
    size_t len = 0;
    for (size_t i = 0; i < veil->part_count; i++) {
        struct iovec part = veil->parts[i];
        if (part.iov_len > sizeof bytes - len)
            part.iov_len = sizeof bytes - len;
        veiled(bytes + len, part.iov_base, part.iov_len);
        len += part.iov_len;
    }
    int err = asyncio_stream_write_nowait(veil->inner, bytes, len);
    return err < 0 ? err : (int)len;
}

static void try_write(struct veil *veil)
{
    if (!veil->writing) return;
    int result = write_parts(veil);
    if (result == -EAGAIN) return;
    veil->writing = false;
    asyncio_stream_did_write(veil->outer, result);
}

static int veil_write(struct asyncio_stream *stream, void *arg,
                      const struct iovec *parts, size_t count)
{
    struct veil *veil = arg;
    (void)stream;
    veil->part_count = count < 8 ? count : 8;
    memcpy(veil->parts, parts, veil->part_count * sizeof *parts);
    int result = write_parts(veil);
    if (result == -EBADF && veil->err) return veil->err;
    if (result != -EAGAIN) return result;
    veil->writing = true;
    return -EINPROGRESS;
}

static void veil_cancel_write(struct asyncio_stream *stream, void *arg)
{
    struct veil *veil = arg;
    if (!veil->writing) return;
    veil->writing = false;
    asyncio_stream_did_write(stream, -ECANCELED);
}

static int veil_write_eof(struct asyncio_stream *stream, void *arg)
{
    (void)stream;
    return asyncio_stream_write_eof(((struct veil *)arg)->inner);
}

static int veil_close(struct asyncio_stream *stream, void *arg, bool abort)
{
    struct veil *veil = arg;
    (void)stream;
    veil->closing = true;
    if (!veil->lost) {
        if (abort)
            asyncio_stream_abort(veil->inner);
        else
            asyncio_stream_close(veil->inner);
        return -EINPROGRESS;
    }
    asyncio_stream_free(veil->inner);
    free(veil);
    return 0;
}

static bool veil_at_eof(const struct asyncio_stream *stream, void *arg)
{
    const struct veil *veil = arg;
    (void)stream;
    if (veil->len > 0) return false;
    return veil->ended || asyncio_stream_at_eof(veil->inner);
}

static int veil_fileno(const struct asyncio_stream *stream, void *arg)
{
    (void)stream;
    return asyncio_stream_fileno(((struct veil *)arg)->inner);
}

static const struct asyncio_transport veils = {
    .name = "veiled connection",
    .read = veil_read,
    .cancel_read = veil_cancel_read,
    .write = veil_write,
    .cancel_write = veil_cancel_write,
    .write_eof = veil_write_eof,
    .close = veil_close,
    .at_eof = veil_at_eof,
    .fileno = veil_fileno,
};

static int veil_over(struct asyncio_stream *stream)
{
    struct veil *veil = calloc(1, sizeof *veil);
    if (!veil) return -ENOMEM;
    veil->outer = stream;
    int err = asyncio_stream_upgrade(stream, &veils, veil, &veil->inner);
    if (err < 0) {
        free(veil);
        return err;
    }
    EXPECT_EQ(asyncio_stream_set_protocol(veil->inner, &inside, veil), 0);
    EXPECT_EQ(asyncio_stream_pause_reading(veil->inner), 0);
    // What outer keeps back counts as unsent, so inner keeps little.
    return asyncio_stream_set_write_limits(veil->inner, 0, 0);
}

static int make_veiled(struct stream_pair *pair)
{
    pair->both_ways = true;
    int err = asyncio_open_pair(&pair->reader, &pair->writer);
    if (err < 0) return err;
    err = veil_over(pair->reader);
    if (err == 0) err = veil_over(pair->writer);
    if (err == 0) return 0;
    asyncio_stream_close(pair->reader);
    asyncio_stream_free(pair->reader);
    asyncio_stream_close(pair->writer);
    asyncio_stream_free(pair->writer);
    return err;
}

STREAM_CHECKS(veiled, .make = make_veiled)
