// Handshakes: a veil is put under an open stream, and a task waits until both
// sides agree.
//
// The handshake itself runs in callbacks of the loop, on its stack: what there
// is to calculate needs more of one than a task may have.

#include "adapters/tls/tls.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

// --- the handshake ----------------------------------------------------------

void asyncio__tls_shaken(struct asyncio__tls *tls, int err)
{
    struct asyncio__tls_waiter *waiter = tls->waiter;
    asyncio_handle_cancel(&tls->limit);
    tls->state = err < 0 ? ASYNCIO__TLS_FAILED : ASYNCIO__TLS_OPEN;
    tls->error = err;
    tls->waiter = NULL;
    if (!waiter) return;
    waiter->is_done = true;
    waiter->err = err;
    memcpy(waiter->words, tls->words, sizeof waiter->words);
    // It is the waiter's alone: there is nothing that could go wrong.
    asyncio_future_set_result_unless_cancelled(&waiter->done, 0);
}

static void hung_up(struct asyncio__tls *tls)
{
    int err = tls->wire_error;
    if (err == 0 || err == -EPIPE) err = -ECONNRESET;
    snprintf(tls->words, sizeof tls->words,
             "the connection ended in the TLS handshake: %s", strerror(-err));
    asyncio__tls_shaken(tls, err);
}

static void failed(struct asyncio__tls *tls, int result)
{
    int err = asyncio__tls_failure(tls, result);
    if (*tls->words || err == -ENOMEM)
        asyncio__tls_shaken(tls, err);
    else
        hung_up(tls);
}

void asyncio__tls_shake(struct asyncio__tls *tls)
{
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1) {
        asyncio__tls_shaken(tls, 0);
        return;
    }
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        if (tls->ended)
            hung_up(tls);
        else
            asyncio_stream_resume_reading(tls->inner);
        return;
    case SSL_ERROR_WANT_WRITE:
        if (tls->lost)
            hung_up(tls);
        else if (tls->wire_error == -ENOMEM)
            asyncio__tls_shaken(tls, -ENOMEM);
        return;
    default: failed(tls, result);
    }
}

static int on_start(void *arg)
{
    asyncio__tls_proceed(arg);
    return 0;
}

static int on_limit(void *arg)
{
    struct asyncio__tls *tls = arg;
    snprintf(tls->words, sizeof tls->words,
             "the TLS handshake did not end within %g seconds",
             tls->handshake_limit);
    asyncio__tls_hold(tls);
    asyncio__tls_shaken(tls, -ECONNABORTED);
    asyncio__tls_proceed(tls); // tells those who read or write
    asyncio__tls_let_go(tls);
    return 0;
}

// --- what a connection needs ------------------------------------------------

static bool is_address(const char *host)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 ||
           inet_pton(AF_INET6, host, bytes) == 1;
}

// What the certificate has to be for; and what the server is told, unless it is
// an address (RFC 6066).
static int use_host(struct asyncio__tls *tls)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
    if (is_address(tls->host))
        return X509_VERIFY_PARAM_set1_ip_asc(param, tls->host) == 1 ? 0
                                                                    : -ENOMEM;
    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_host(param, tls->host, 0) != 1) return -EINVAL;
    return SSL_set_tlsext_host_name(tls->ssl, tls->host) == 1 ? 0 : -EINVAL;
}

static int use_side(struct asyncio__tls *tls)
{
    if (tls->context->server) {
        SSL_set_accept_state(tls->ssl);
        return 0;
    }
    SSL_set_connect_state(tls->ssl);
    if (!tls->host) return 0;
    int err = use_host(tls);
    if (err == 0 && tls->context->resumes) asyncio__tls_offer_session(tls);
    return err;
}

// A name may end in a dot, as in DNS; certificates and SNI know none.
static char *copy_host(const char *host)
{
    char *copy = strdup(host);
    size_t len = copy ? strlen(copy) : 0;
    if (len > 1 && copy[len - 1] == '.') copy[len - 1] = '\0';
    return copy;
}

static int make(struct asyncio_tls_context *context, const char *host,
                struct asyncio__tls **out)
{
    struct asyncio__tls *tls = calloc(1, sizeof *tls);
    if (!tls) return -ENOMEM;
    int err = -ENOMEM;
    tls->references = 1;
    tls->context = context;
    context->references++;
    ERR_clear_error();
    tls->ssl = SSL_new(context->ssl);
    if (!tls->ssl) goto fail_tls;
    SSL_set_app_data(tls->ssl, tls);
    if (host && !context->server && !(tls->host = copy_host(host)))
        goto fail_tls;
    err = asyncio__tls_wire(tls);
    if (err == 0) err = use_side(tls);
    if (err < 0) goto fail_tls;
    *out = tls;
    return 0;

fail_tls:
    ERR_clear_error();
    asyncio__tls_let_go(tls);
    return err;
}

// --- waiting ----------------------------------------------------------------

// Begins. The outer stream has the connection from here on, or it is gone.
static int begin(struct asyncio__tls *tls, struct asyncio_stream *stream)
{
    tls->outer = stream;
    int err = asyncio_stream_upgrade(stream, &asyncio__tls_transport, tls,
                                     &tls->inner);
    if (err < 0) {
        asyncio__tls_let_go(tls);
        return err;
    }
    // What outer keeps back counts as unsent, so inner keeps little.
    err = asyncio_stream_set_protocol(tls->inner, &asyncio__tls_protocol, tls);
    if (err == 0) err = asyncio_stream_pause_reading(tls->inner);
    if (err == 0) err = asyncio_stream_set_write_limits(tls->inner, 0, 0);
    if (err == 0) err = asyncio_call_soon(on_start, tls, .handle = &tls->start);
    if (err == 0)
        err = asyncio_call_later(tls->handshake_limit, on_limit, tls,
                                 .handle = &tls->limit);
    if (err < 0) asyncio_stream_abort(stream);
    return err;
}

static int wait(struct asyncio__tls *tls, struct asyncio_stream *stream)
{
    struct asyncio__tls_waiter waiter = {.err = 0};
    asyncio_future_init(&waiter.done);
    tls->waiter = &waiter;
    int err = asyncio_await(&waiter.done);
    if (!waiter.is_done) tls->waiter = NULL;
    if (err >= 0) err = waiter.err;
    if (err == -ECANCELED)
        asyncio_stream_abort(stream);
    else if (err < 0 && err != -EBADF) // closed by another, it may be gone
        asyncio_stream_close(stream);
    if (err < 0 && *waiter.words) asyncio_raise(err, "%s", waiter.words);
    return err;
}

// --- calls ------------------------------------------------------------------

static bool can_be(double limit)
{
    return limit >= 0; // 0: it was left out
}

static int check(const struct asyncio_tls_context *context,
                 const struct asyncio_tls_options *options)
{
    if (!asyncio_current_task()) return -EPERM;
    if (!context || !can_be(options->handshake_limit) ||
        !can_be(options->shutdown_limit))
        return -EINVAL;
    const char *host = options->server_hostname;
    if (!context->server && context->verifies && !(host && *host))
        return asyncio_raise(-EINVAL, "whose certificate is to be verified? "
                                      "give .server_hostname");
    return 0;
}

// What was written before goes out as it is.
static int send_plain(struct asyncio_stream *stream, double limit)
{
    size_t high, low;
    asyncio_stream_get_write_limits(stream, &high, &low);
    asyncio_stream_set_write_limits(stream, 0, 0);
    int err = asyncio_wait_for(asyncio_stream_drain(stream), limit);
    asyncio_stream_set_write_limits(stream, (long)high, (long)low);
    if (err != -ETIMEDOUT) return err;
    asyncio_stream_abort(stream);
    return asyncio_raise(-ECONNABORTED,
                         "what comes before the TLS handshake could not be "
                         "sent within %g seconds",
                         limit);
}

int(asyncio_stream_start_tls)(struct asyncio_stream *stream,
                              struct asyncio_tls_context *context,
                              const struct asyncio_tls_options *options)
{
    static const struct asyncio_tls_options defaults;
    if (!options) options = &defaults;
    int err = check(context, options);
    if (err < 0) return err;
    struct asyncio__tls *tls;
    const char *host = options->server_hostname;
    err = make(context, host && *host ? host : NULL, &tls);
    if (err < 0) return err;
    tls->handshake_limit = options->handshake_limit > 0
                               ? options->handshake_limit
                               : context->handshake_limit;
    tls->shutdown_limit = options->shutdown_limit > 0 ? options->shutdown_limit
                                                      : context->shutdown_limit;
    err = send_plain(stream, tls->handshake_limit);
    if (err < 0) {
        asyncio__tls_let_go(tls);
        return err;
    }
    err = begin(tls, stream);
    return err < 0 ? err : wait(tls, stream);
}

static int check_plain(const struct asyncio_tls_options *options)
{
    bool said = options->handshake_limit != 0 || options->shutdown_limit != 0 ||
                options->server_hostname;
    return said ? asyncio_raise(-EINVAL, "options of TLS for a plain "
                                         "connection: there is no context")
                : 0;
}

int(asyncio_open_tls_connection)(struct asyncio_stream **stream,
                                 struct asyncio_tls_context *context,
                                 const char *host, int port,
                                 const struct asyncio_tls_options *options)
{
    struct asyncio_tls_options own = {.site = NULL};
    if (options) own = *options;
    *stream = NULL;
    if (context && context->server) return -EINVAL;
    if (context && !own.server_hostname) own.server_hostname = host;
    if (!asyncio_current_task()) return -EPERM;
    int err = context ? check(context, &own) : check_plain(&own);
    if (err < 0) return err;
    struct asyncio_stream *made;
    err = (asyncio_open_connection)(&made, host, port,
                                    &(struct asyncio_connection_options){
                                        .site = own.site, .limit = own.limit});
    if (err < 0) return err;
    if (context) err = (asyncio_stream_start_tls)(made, context, &own);
    if (err < 0) {
        asyncio_stream_close(made);
        asyncio_stream_free(made);
        return err;
    }
    *stream = made;
    return 0;
}

int asyncio_serve_tls(struct asyncio_stream *stream, void *arg)
{
    const struct asyncio_tls_service *service = arg;
    int err = asyncio_stream_start_tls(stream, service->context);
    return err < 0 ? err : service->on_client(stream, service->arg);
}
