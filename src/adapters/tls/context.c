// Contexts: an SSL_CTX, and what OpenSSL does not keep for us.

#include "adapters/tls/tls.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#define HANDSHAKE_LIMIT 60
#define SHUTDOWN_LIMIT  30

// Nobody is asked for a password.
static int no_password(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return -1;
}

// --- what is told by options ------------------------------------------------

static int use_certificate(SSL_CTX *ssl,
                           const struct asyncio_tls_context_options *options)
{
    const char *file = options->certificate;
    const char *key = options->key ? options->key : file;
    if (!file) {
        if (!options->server && !options->key) return 0;
        return asyncio_raise(-EINVAL, "%s without a certificate",
                             options->key ? "a key" : "a server");
    }
    if (SSL_CTX_use_certificate_chain_file(ssl, file) != 1)
        return asyncio__tls_file_failure(file, "certificate");
    if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1)
        return asyncio__tls_file_failure(key, "key");
    return 0;
}

static int use_trust(struct asyncio_tls_context *context,
                     const struct asyncio_tls_context_options *options)
{
    enum asyncio_tls_verify verify = options->verify;
    if (verify == ASYNCIO_TLS_VERIFY_DEFAULT)
        verify = options->server ? ASYNCIO_TLS_VERIFY_NONE
                                 : ASYNCIO_TLS_VERIFY_REQUIRED;
    context->verifies = verify != ASYNCIO_TLS_VERIFY_NONE;
    if (!context->verifies) return 0;
    int mode = SSL_VERIFY_PEER;
    if (verify == ASYNCIO_TLS_VERIFY_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context->ssl, mode, NULL);
    const char *file = options->ca_file;
    if (!file)
        return SSL_CTX_set_default_verify_paths(context->ssl) == 1 ? 0
                                                                   : -ENOMEM;
    if (SSL_CTX_load_verify_file(context->ssl, file) != 1)
        return asyncio__tls_file_failure(file, "certificate");
    if (!options->server) return 0;
    // A client learns whose certificates are welcome.
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);
    if (!names) return asyncio__tls_file_failure(file, "certificate");
    SSL_CTX_set_client_CA_list(context->ssl, names);
    return 0;
}

static int number_of(uint8_t version, int otherwise)
{
    switch (version) {
    case ASYNCIO_TLS_1_2: return TLS1_2_VERSION;
    case ASYNCIO_TLS_1_3: return TLS1_3_VERSION;
    default: return otherwise;
    }
}

static int use_versions(SSL_CTX *ssl,
                        const struct asyncio_tls_context_options *options)
{
    int least = number_of(options->minimum, TLS1_2_VERSION);
    int most = number_of(options->maximum, 0);
    if (SSL_CTX_set_min_proto_version(ssl, least) == 1 &&
        SSL_CTX_set_max_proto_version(ssl, most) == 1)
        return 0;
    return -EINVAL;
}

// --- protocols --------------------------------------------------------------

// Turns "h2,http/1.1" into names with a length before each.
static int parse_alpn(struct asyncio_tls_context *context, const char *text)
{
    size_t size = strlen(text) + 1;
    unsigned char *out = malloc(size), *at = out;
    if (!out) return -ENOMEM;
    context->alpn = out;
    for (;;) {
        size_t len = strcspn(text, ",");
        if (len == 0 || len > 255) return -EINVAL;
        *at++ = (unsigned char)len;
        memcpy(at, text, len);
        at += len;
        text += len;
        if (*text++ == '\0') break;
    }
    context->alpn_len = (unsigned)(at - out);
    return 0;
}

// A server chooses the best of its own that the client has, too.
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
                       const unsigned char *theirs, unsigned theirs_len,
                       void *arg)
{
    const struct asyncio_tls_context *context = arg;
    unsigned char *chosen;
    (void)ssl;
    if (SSL_select_next_proto(&chosen, len, context->alpn, context->alpn_len,
                              theirs, theirs_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int use_alpn(struct asyncio_tls_context *context, const char *text)
{
    if (!text) return 0;
    int err = parse_alpn(context, text);
    if (err == -EINVAL)
        return asyncio_raise(err, "'%s' is no list of protocols", text);
    if (err < 0) return err;
    if (context->server) {
        SSL_CTX_set_alpn_select_cb(context->ssl, choose_alpn, context);
        return 0;
    }
    return SSL_CTX_set_alpn_protos(context->ssl, context->alpn,
                                   context->alpn_len) == 0
               ? 0
               : -ENOMEM;
}

// --- sessions ---------------------------------------------------------------

static int use_sessions(struct asyncio_tls_context *context)
{
    static const unsigned char id[] = "libasyncio";
    SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
    if (!context->resumes) {
        SSL_CTX_set_options(context->ssl, SSL_OP_NO_TICKET);
        return SSL_CTX_set_num_tickets(context->ssl, 0) == 1 ? 0 : -ENOMEM;
    }
    if (!context->server) asyncio__tls_keep_sessions(context);
    return SSL_CTX_set_session_id_context(context->ssl, id, sizeof id - 1) == 1
               ? 0
               : -ENOMEM;
}

// --- calls ------------------------------------------------------------------

static int set_up(struct asyncio_tls_context *context,
                  const struct asyncio_tls_context_options *options)
{
    SSL_CTX *ssl = context->ssl;
    SSL_CTX_set_default_passwd_cb(ssl, no_password);
    SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    // What could not be written comes again, from elsewhere in memory; an idle
    // connection needs no buffers.
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    int err = use_versions(ssl, options);
    if (err == 0) err = use_certificate(ssl, options);
    if (err == 0) err = use_trust(context, options);
    if (err == 0) err = use_alpn(context, options->alpn);
    return err == 0 ? use_sessions(context) : err;
}

static bool can_be(const struct asyncio_tls_context_options *options)
{
    return options->verify <= ASYNCIO_TLS_VERIFY_REQUIRED &&
           options->minimum <= ASYNCIO_TLS_1_3 &&
           options->maximum <= ASYNCIO_TLS_1_3 &&
           (!options->maximum || options->minimum <= options->maximum);
}

int(asyncio_tls_context_create)(
    struct asyncio_tls_context **out,
    const struct asyncio_tls_context_options *options)
{
    static const struct asyncio_tls_context_options defaults;
    if (!options) options = &defaults;
    *out = NULL;
    if (!can_be(options)) return -EINVAL;
    struct asyncio_tls_context *context = calloc(1, sizeof *context);
    if (!context) return -ENOMEM;
    context->references = 1;
    context->handshake_limit = HANDSHAKE_LIMIT;
    context->shutdown_limit = SHUTDOWN_LIMIT;
    context->server = options->server;
    context->lenient = options->lenient;
    context->resumes = !options->no_resumption;
    ERR_clear_error();
    context->ssl = SSL_CTX_new(options->server ? TLS_server_method()
                                               : TLS_client_method());
    int err = context->ssl ? set_up(context, options) : -ENOMEM;
    ERR_clear_error();
    if (err < 0)
        asyncio__tls_context_unref(context);
    else
        *out = context;
    return err;
}

void asyncio__tls_context_unref(struct asyncio_tls_context *context)
{
    if (--context->references > 0) return;
    asyncio__tls_drop_sessions(context);
    SSL_CTX_free(context->ssl);
    free(context->alpn);
    free(context);
}

void asyncio_tls_context_free(struct asyncio_tls_context *context)
{
    if (context) asyncio__tls_context_unref(context);
}

int asyncio_tls_context_set_limits(struct asyncio_tls_context *context,
                                   double handshake, double shutdown)
{
    // Written so that what is no number is refused, too.
    if (!(handshake > 0) || !(shutdown > 0)) return -EINVAL;
    context->handshake_limit = handshake;
    context->shutdown_limit = shutdown;
    return 0;
}
