// Sessions to take up again: a client's, by the name of the server.
//
// With TLS 1.3 a server hands out tickets after the handshake, and each is good
// for one connection, so that nobody can tell two connections of a client to be
// of the same one: it is taken out when it is used. Those of 1.2 stay. A server
// keeps nothing: its sessions are in the tickets.

#include "adapters/tls/tls.h"

#include <stdlib.h>
#include <string.h>

#define SESSIONS_MAX 64

static void drop_after(struct asyncio_tls_context *context,
                       struct asyncio__tls_session **place)
{
    struct asyncio__tls_session *kept = *place;
    *place = kept->next;
    context->session_count--;
    SSL_SESSION_free(kept->session);
    free(kept);
}

static void drop_last(struct asyncio_tls_context *context)
{
    struct asyncio__tls_session **place = &context->sessions;
    while ((*place)->next)
        place = &(*place)->next;
    drop_after(context, place);
}

// OpenSSL has a new session. 1: it is ours now.
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    const struct asyncio__tls *tls = SSL_get_app_data(ssl);
    struct asyncio_tls_context *context = tls->context;
    if (!tls->host || !SSL_SESSION_is_resumable(session)) return 0;
    size_t size = strlen(tls->host) + 1;
    struct asyncio__tls_session *kept = malloc(sizeof *kept + size);
    if (!kept) return 0; // the next one is a new session, then
    memcpy(kept->host, tls->host, size);
    kept->session = session;
    kept->next = context->sessions;
    context->sessions = kept;
    if (++context->session_count > SESSIONS_MAX) drop_last(context);
    return 1;
}

void asyncio__tls_keep_sessions(struct asyncio_tls_context *context)
{
    SSL_CTX_set_session_cache_mode(
        context->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context->ssl, on_session);
}

void asyncio__tls_drop_sessions(struct asyncio_tls_context *context)
{
    while (context->sessions)
        drop_after(context, &context->sessions);
}

void asyncio__tls_offer_session(struct asyncio__tls *tls)
{
    struct asyncio_tls_context *context = tls->context;
    struct asyncio__tls_session **place = &context->sessions;
    while (*place && strcmp((*place)->host, tls->host) != 0)
        place = &(*place)->next;
    if (!*place) return;
    // Where it cannot be offered the handshake is a full one.
    SSL_SESSION *session = (*place)->session;
    SSL_set_session(tls->ssl, session);
    if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
        drop_after(context, place);
}
