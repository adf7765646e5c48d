// A connection: the transport of the outer stream, and the protocol of the
// inner one.
//
// Whatever happens on the wire lets everything go on that waits for it: the
// handshake, a write, a read, our close notice. OpenSSL may need to write in
// order to read, and the other way round; trying all costs little and is always
// right. Reading from the wire goes on only when a read finds nothing to
// decrypt, one buffer at a time.

#include "adapters/tls/tls.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <openssl/err.h>

// Passes in which what has come is dropped before the end: the system would
// answer bytes that nobody reads by a reset, and throw away with it what the
// peer has not been sent yet. Two are the tickets of a server that we never
// read from.
#define DRAINS 3

// --- life -------------------------------------------------------------------

void asyncio__tls_hold(struct asyncio__tls *tls)
{
    tls->references++;
}

void asyncio__tls_let_go(struct asyncio__tls *tls)
{
    if (--tls->references > 0) return;
    asyncio_handle_cancel(&tls->start);
    asyncio_handle_cancel(&tls->limit);
    asyncio_handle_cancel(&tls->drain);
    // OpenSSL would take no session up again that ended without notices. Those
    // of TLS 1.1 and later lose nothing by that.
    if (tls->ssl)
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    asyncio__tls_context_unref(tls->context);
    free(tls->host);
    free(tls);
}

struct asyncio__tls *asyncio__tls_of(const struct asyncio_stream *stream)
{
    void *tls = NULL;
    if (asyncio_stream_get_transport(stream, &tls) != &asyncio__tls_transport)
        return NULL;
    return tls;
}

static int on_retry(void *arg)
{
    asyncio__tls_proceed(arg);
    return 0;
}

// OpenSSL waits to write. The inner stream says when it can, unless there was
// only no memory: then it is asked again in the next pass.
static void wait_to_write(struct asyncio__tls *tls)
{
    if (tls->wire_error != -ENOMEM) return;
    tls->wire_error = 0;
    asyncio_call_soon(on_retry, tls, .handle = &tls->start);
}

// --- reading ----------------------------------------------------------------

// There is nothing to decrypt: asks for more, or says how it ended.
static int wait_for_wire(struct asyncio__tls *tls)
{
    if (tls->ended) {
        // A peer that takes no more bytes has gone, too.
        if (tls->wire_error == -EPIPE) return -ECONNRESET;
        if (tls->wire_error) return tls->wire_error;
        return tls->context->lenient ? 0 : -ECONNRESET;
    }
    asyncio_stream_resume_reading(tls->inner);
    return -EINPROGRESS;
}

static int take(struct asyncio__tls *tls, void *buffer, size_t size)
{
    if (tls->error) return tls->error;
    ERR_clear_error();
    int len =
        SSL_read(tls->ssl, buffer, size < INT32_MAX ? (int)size : INT32_MAX);
    if (len > 0) return len;
    switch (SSL_get_error(tls->ssl, len)) {
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_WANT_READ: return wait_for_wire(tls);
    case SSL_ERROR_WANT_WRITE: wait_to_write(tls); return -EINPROGRESS;
    default: tls->error = asyncio__tls_failure(tls, len); return tls->error;
    }
}

static void serve_reader(struct asyncio__tls *tls)
{
    if (!tls->wanted) return;
    int result = take(tls, tls->wanted, tls->wanted_size);
    if (result == -EINPROGRESS) return;
    tls->wanted = NULL;
    asyncio_stream_did_read(tls->outer, result);
}

static int tls_read(struct asyncio_stream *stream, void *arg, void *buffer,
                    size_t size)
{
    struct asyncio__tls *tls = arg;
    (void)stream;
    int result = -EINPROGRESS;
    if (tls->state != ASYNCIO__TLS_HANDSHAKE) result = take(tls, buffer, size);
    if (result != -EINPROGRESS) return result;
    tls->wanted = buffer;
    tls->wanted_size = size;
    return result;
}

static void tls_cancel_read(struct asyncio_stream *stream, void *arg)
{
    struct asyncio__tls *tls = arg;
    if (!tls->wanted) return;
    tls->wanted = NULL;
    if (tls->state == ASYNCIO__TLS_OPEN)
        asyncio_stream_pause_reading(tls->inner);
    asyncio_stream_did_read(stream, -ECANCELED);
}

static bool tls_at_eof(const struct asyncio_stream *stream, void *arg)
{
    struct asyncio__tls *tls = arg;
    (void)stream;
    if (tls->state != ASYNCIO__TLS_OPEN || tls->error) return false;
    char byte;
    ERR_clear_error();
    int len = SSL_peek(tls->ssl, &byte, 1);
    if (len > 0) return false;
    switch (SSL_get_error(tls->ssl, len)) {
    case SSL_ERROR_ZERO_RETURN: return true;
    case SSL_ERROR_WANT_READ:
        return tls->ended && !tls->wire_error && tls->context->lenient;
    case SSL_ERROR_WANT_WRITE: return false;
    default: tls->error = asyncio__tls_failure(tls, len); return false;
    }
}

// --- writing ----------------------------------------------------------------

// One part, as far as it goes: how much that was.
static int put(struct asyncio__tls *tls, const char *bytes, size_t len)
{
    ERR_clear_error();
    int sent =
        SSL_write(tls->ssl, bytes, len < INT32_MAX ? (int)len : INT32_MAX);
    if (sent > 0) return sent;
    switch (SSL_get_error(tls->ssl, sent)) {
    case SSL_ERROR_WANT_READ: return wait_for_wire(tls);
    case SSL_ERROR_WANT_WRITE: break;
    default: return asyncio__tls_failure(tls, sent);
    }
    bool refused = tls->wire_error == -ENOMEM; // the stream asks again
    if (refused) tls->wire_error = 0;
    return refused ? -ENOMEM : -EINPROGRESS;
}

static int put_parts(struct asyncio__tls *tls)
{
    size_t total = 0;
    for (size_t i = 0; i < tls->part_count; i++) {
        const char *bytes = tls->parts[i].iov_base;
        size_t left = tls->parts[i].iov_len;
        while (left > 0) {
            int sent = put(tls, bytes, left);
            if (sent < 0) return total > 0 ? (int)total : sent;
            bytes += sent;
            left -= (size_t)sent;
            total += (size_t)sent;
        }
    }
    return (int)total;
}

// What a write comes to when inner is gone. A lack of memory has ended it, too,
// but told to a writer, that would have it try again.
static int lost(const struct asyncio__tls *tls)
{
    switch (tls->wire_error) {
    case 0:
    case -ENOMEM:
    case -ENOBUFS:
    case -EAGAIN: return -EPIPE;
    default: return tls->wire_error;
    }
}

static int try_parts(struct asyncio__tls *tls)
{
    if (tls->state == ASYNCIO__TLS_HANDSHAKE) return -EINPROGRESS;
    if (tls->state == ASYNCIO__TLS_FAILED) return tls->error;
    if (tls->lost) return lost(tls);
    return put_parts(tls);
}

static void serve_writer(struct asyncio__tls *tls)
{
    if (!tls->writing) return;
    int result = try_parts(tls);
    if (result == -EINPROGRESS) return;
    tls->writing = false;
    asyncio_stream_did_write(tls->outer, result);
}

static int tls_write(struct asyncio_stream *stream, void *arg,
                     const struct iovec *parts, size_t count)
{
    struct asyncio__tls *tls = arg;
    (void)stream;
    tls->part_count = count < ASYNCIO__TLS_PARTS ? count : ASYNCIO__TLS_PARTS;
    memcpy(tls->parts, parts, tls->part_count * sizeof *parts);
    int result = try_parts(tls);
    tls->writing = result == -EINPROGRESS;
    return result;
}

static void tls_cancel_write(struct asyncio_stream *stream, void *arg)
{
    struct asyncio__tls *tls = arg;
    if (!tls->writing) return;
    tls->writing = false;
    asyncio_stream_did_write(stream, -ECANCELED);
}

// --- ending -----------------------------------------------------------------

// Sends our close notice. True if there is nothing more to send.
static bool send_notice(struct asyncio__tls *tls)
{
    if (tls->sent_notice) return true;
    ERR_clear_error();
    int result = tls->error || tls->lost ? 0 : SSL_shutdown(tls->ssl);
    tls->owes_notice =
        result < 0 && SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_WRITE;
    tls->sent_notice = !tls->owes_notice;
    if (tls->owes_notice) wait_to_write(tls);
    ERR_clear_error();
    return tls->sent_notice;
}

static int tls_write_eof(struct asyncio_stream *stream, void *arg)
{
    struct asyncio__tls *tls = arg;
    (void)stream;
    // A handshake that is under way sends it when it is done.
    tls->owes_notice = true;
    if (tls->state == ASYNCIO__TLS_OPEN) send_notice(tls);
    return 0;
}

static int on_drain(void *arg)
{
    struct asyncio__tls *tls = arg;
    tls->drains--;
    if (tls->drains > 0 && !tls->ended)
        asyncio_call_soon(on_drain, tls, .handle = &tls->drain);
    else
        asyncio_stream_close(tls->inner);
    return 0;
}

// All was sent, and the connection has to end.
static void wind_up(struct asyncio__tls *tls)
{
    if (tls->drains > 0 || asyncio_stream_is_closing(tls->inner)) return;
    if (!send_notice(tls)) return;
    bool finished = SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN;
    if (finished || tls->ended || tls->error) {
        asyncio_stream_close(tls->inner);
        return;
    }
    tls->drains = DRAINS;
    tls->len = 0;
    asyncio_stream_resume_reading(tls->inner);
    if (asyncio_call_soon(on_drain, tls, .handle = &tls->drain) < 0)
        asyncio_stream_close(tls->inner);
}

static int on_end_limit(void *arg)
{
    struct asyncio__tls *tls = arg;
    tls->end_error = -ETIMEDOUT;
    asyncio_stream_abort(tls->inner);
    return 0;
}

static int tls_close(struct asyncio_stream *stream, void *arg, bool abort)
{
    struct asyncio__tls *tls = arg;
    (void)stream;
    if (tls->lost) {
        int err = tls->end_error;
        asyncio_stream_free(tls->inner);
        asyncio__tls_let_go(tls);
        return err;
    }
    bool shaking = tls->state == ASYNCIO__TLS_HANDSHAKE;
    tls->closing = true;
    asyncio__tls_hold(tls);
    if (shaking) asyncio__tls_shaken(tls, -EBADF);
    tls->state = ASYNCIO__TLS_ENDING;
    if (abort || shaking ||
        asyncio_call_later(tls->shutdown_limit, on_end_limit, tls,
                           .handle = &tls->limit) < 0)
        asyncio_stream_abort(tls->inner);
    else
        wind_up(tls);
    asyncio__tls_let_go(tls);
    return -EINPROGRESS;
}

static int tls_fileno(const struct asyncio_stream *stream, void *arg)
{
    (void)stream;
    return asyncio_stream_fileno(((struct asyncio__tls *)arg)->inner);
}

const struct asyncio_transport asyncio__tls_transport = {
    .name = "TLS connection",
    .read = tls_read,
    .cancel_read = tls_cancel_read,
    .write = tls_write,
    .cancel_write = tls_cancel_write,
    .write_eof = tls_write_eof,
    .close = tls_close,
    .at_eof = tls_at_eof,
    .fileno = tls_fileno,
};

// --- what inner says --------------------------------------------------------

void asyncio__tls_proceed(struct asyncio__tls *tls)
{
    asyncio__tls_hold(tls);
    if (tls->state == ASYNCIO__TLS_HANDSHAKE) asyncio__tls_shake(tls);
    if (tls->state != ASYNCIO__TLS_HANDSHAKE &&
        tls->state != ASYNCIO__TLS_ENDING) {
        serve_writer(tls);
        if (tls->owes_notice && !tls->writing) send_notice(tls);
        serve_reader(tls);
    }
    if (tls->state == ASYNCIO__TLS_ENDING) wind_up(tls);
    asyncio__tls_let_go(tls);
}

static void *lend(struct asyncio_stream *stream, void *arg, size_t *size)
{
    struct asyncio__tls *tls = arg;
    (void)stream;
    *size = sizeof tls->bytes;
    return tls->bytes;
}

static void on_updated(struct asyncio_stream *stream, void *arg, size_t len)
{
    struct asyncio__tls *tls = arg;
    if (tls->state == ASYNCIO__TLS_ENDING) return; // it is dropped
    tls->head = 0;
    tls->len = len;
    asyncio_stream_pause_reading(stream);
    asyncio__tls_proceed(tls);
}

static bool on_eof(struct asyncio_stream *stream, void *arg)
{
    struct asyncio__tls *tls = arg;
    (void)stream;
    tls->ended = true;
    asyncio__tls_proceed(tls);
    return true;
}

static void on_resume(struct asyncio_stream *stream, void *arg)
{
    (void)stream;
    asyncio__tls_proceed(arg);
}

static void on_lost(struct asyncio_stream *stream, void *arg, int err)
{
    struct asyncio__tls *tls = arg;
    tls->ended = tls->lost = true;
    if (err < 0) tls->wire_error = err;
    asyncio__tls_hold(tls);
    if (!tls->closing) asyncio__tls_proceed(tls);
    // It is held. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
    if (tls->closing && tls->state == ASYNCIO__TLS_ENDING) {
        asyncio_stream_free(stream);
        asyncio_stream_did_close(tls->outer, tls->end_error);
        tls->references--; // the connection's; ours is still there
    }
    asyncio__tls_let_go(tls);
}

const struct asyncio_protocol asyncio__tls_protocol = {
    .get_buffer = lend,
    .buffer_updated = on_updated,
    .eof_received = on_eof,
    .connection_lost = on_lost,
    .resume_writing = on_resume,
};
