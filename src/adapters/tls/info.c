// What both sides have agreed on, and who the peer says that it is.

#include "adapters/tls/tls.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

// NULL before the handshake has ended, too.
static SSL *ssl_of(const struct asyncio_stream *stream)
{
    const struct asyncio__tls *tls = asyncio__tls_of(stream);
    return tls && SSL_is_init_finished(tls->ssl) ? tls->ssl : NULL;
}

const char *asyncio_tls_alpn(const struct asyncio_stream *stream)
{
    SSL *ssl = ssl_of(stream);
    const unsigned char *name = NULL;
    unsigned len = 0;
    if (!ssl) return NULL;
    SSL_get0_alpn_selected(ssl, &name, &len);
    if (len == 0) return NULL;
    struct asyncio__tls *tls = asyncio__tls_of(stream);
    memcpy(tls->alpn, name, len); // a length is one byte
    tls->alpn[len] = '\0';
    return tls->alpn;
}

const char *asyncio_tls_protocol(const struct asyncio_stream *stream)
{
    SSL *ssl = ssl_of(stream);
    return ssl ? SSL_get_version(ssl) : NULL;
}

const char *asyncio_tls_cipher(const struct asyncio_stream *stream)
{
    SSL *ssl = ssl_of(stream);
    return ssl ? SSL_get_cipher_name(ssl) : NULL;
}

const char *asyncio_tls_server_name(const struct asyncio_stream *stream)
{
    SSL *ssl = ssl_of(stream);
    return ssl ? SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) : NULL;
}

const char *asyncio_tls_trouble(const struct asyncio_stream *stream)
{
    const struct asyncio__tls *tls = asyncio__tls_of(stream);
    return tls && *tls->words ? tls->words : NULL;
}

bool asyncio_tls_resumed(const struct asyncio_stream *stream)
{
    SSL *ssl = ssl_of(stream);
    return ssl && SSL_session_reused(ssl);
}

// --- certificates -----------------------------------------------------------

static int print_name(const X509_NAME *name, char *out, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio) return -ENOMEM;
    int len = -1;
    if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0)
        len = BIO_read(bio, out, (int)size - 1);
    out[len > 0 ? len : 0] = '\0';
    BIO_free(bio);
    return 0;
}

static int64_t seconds(const ASN1_TIME *time)
{
    struct tm parts;
    return ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

int asyncio_tls_peer_certificate(const struct asyncio_stream *stream,
                                 struct asyncio_tls_certificate *out)
{
    SSL *ssl = ssl_of(stream);
    *out = (struct asyncio_tls_certificate){.verified = false};
    if (!ssl) return -EINVAL;
    ERR_clear_error();
    const X509 *peer = SSL_get0_peer_certificate(ssl);
    if (!peer) return -ENOENT;
    int err = print_name(X509_get_subject_name(peer), out->subject,
                         sizeof out->subject);
    if (err == 0)
        err = print_name(X509_get_issuer_name(peer), out->issuer,
                         sizeof out->issuer);
    out->not_before = seconds(X509_get0_notBefore(peer));
    out->not_after = seconds(X509_get0_notAfter(peer));
    X509_digest(peer, EVP_sha256(), out->sha256, NULL);
    out->verified = asyncio__tls_of(stream)->context->verifies;
    ERR_clear_error();
    return err;
}
