// What OpenSSL reads from and writes to: a BIO on the inner stream.
//
// It behaves as a socket that does not block. What has come from the inner
// stream is in one buffer; when that is empty, reading is to be tried again.
// Writing goes straight to the inner stream, which takes it whole, or not while
// something is unsent there. So OpenSSL needs no memory of its own between, as
// two memory BIOs would, whose size a peer would decide about.

#include "adapters/tls/tls.h"

#include <stdatomic.h>
#include <string.h>

#include <openssl/bio.h>

static int wire_read(BIO *bio, char *out, int size)
{
    struct asyncio__tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (size <= 0) return 0;
    if (tls->len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t len = (size_t)size < tls->len ? (size_t)size : tls->len;
    memcpy(out, tls->bytes + tls->head, len);
    tls->head += len;
    tls->len -= len;
    return (int)len;
}

static int wire_write(BIO *bio, const char *bytes, int len)
{
    struct asyncio__tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (len <= 0) return 0;
    int err = tls->lost
                  ? -EPIPE
                  : asyncio_stream_write_nowait(tls->inner, bytes, (size_t)len);
    if (err == 0) return len;
    // Both go on when the stream is asked again.
    if (err == -EAGAIN || err == -ENOMEM) BIO_set_retry_write(bio);
    tls->wire_error = err == -EAGAIN ? tls->wire_error : err;
    return -1;
}

static long wire_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0;
}

static BIO_METHOD *make_method(void)
{
    BIO_METHOD *method =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    if (!method) return NULL;
    BIO_meth_set_read(method, wire_read);
    BIO_meth_set_write(method, wire_write);
    BIO_meth_set_ctrl(method, wire_ctrl);
    return method;
}

// Made by the first thread that needs it, and kept.
static BIO_METHOD *the_method(void)
{
    static _Atomic(BIO_METHOD *) kept;
    BIO_METHOD *method = atomic_load(&kept), *none = NULL;
    if (method) return method;
    method = make_method();
    if (!method || atomic_compare_exchange_strong(&kept, &none, method))
        return method;
    BIO_meth_free(method);
    return none;
}

int asyncio__tls_wire(struct asyncio__tls *tls)
{
    BIO_METHOD *method = the_method();
    BIO *bio = method ? BIO_new(method) : NULL;
    if (!bio) return -ENOMEM;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    return 0;
}
