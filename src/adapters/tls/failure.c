// What OpenSSL says, as codes and words.
//
// Its errors stand in a list of the thread, which each of our calls begins by
// emptying. The oldest one is the cause; alerts are what the peer says of us.

#include "adapters/tls/tls.h"

#include <stdio.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

// The alert in a reason, or -1.
static int alert_of(unsigned long error)
{
    int reason = ERR_GET_REASON(error);
    if (ERR_GET_LIB(error) != ERR_LIB_SSL || reason < SSL_AD_REASON_OFFSET)
        return -1;
    return reason - SSL_AD_REASON_OFFSET;
}

static bool is_about_certificates(int alert)
{
    switch (alert) {
    case SSL_AD_NO_CERTIFICATE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_CERTIFICATE_REQUIRED: return true;
    default: return false;
    }
}

static const char *peer_name(const struct asyncio__tls *tls)
{
    return tls->host ? tls->host : "the peer";
}

static int refused(struct asyncio__tls *tls)
{
    long why = SSL_get_verify_result(tls->ssl);
    snprintf(tls->words, sizeof tls->words,
             "the certificate of %s is not to be trusted: %s", peer_name(tls),
             X509_verify_cert_error_string(why));
    return -EKEYREJECTED;
}

static int told(struct asyncio__tls *tls, int alert)
{
    bool ours = is_about_certificates(alert);
    snprintf(tls->words, sizeof tls->words, "the peer %s: %s",
             ours ? "does not trust our certificate" : "ended TLS",
             SSL_alert_desc_string_long(alert));
    return ours ? -EKEYREJECTED : -EPROTO;
}

// An error of OpenSSL's own.
static int explain(struct asyncio__tls *tls, unsigned long error)
{
    int reason = ERR_GET_REASON(error), alert = alert_of(error);
    bool is_ssl = ERR_GET_LIB(error) == ERR_LIB_SSL;
    if (reason == ERR_R_MALLOC_FAILURE) return -ENOMEM;
    if (alert >= 0) return told(tls, alert);
    if (is_ssl && reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return refused(tls);
    if (is_ssl && reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        snprintf(tls->words, sizeof tls->words, "%s has shown no certificate",
                 peer_name(tls));
        return -EKEYREJECTED;
    }
    const char *text = ERR_reason_error_string(error);
    snprintf(tls->words, sizeof tls->words, "this is no TLS that we speak: %s",
             text ? text : "unknown error");
    return -EPROTO;
}

int asyncio__tls_failure(struct asyncio__tls *tls, int result)
{
    int kind = SSL_get_error(tls->ssl, result);
    unsigned long error = ERR_peek_error();
    int err = -ECONNRESET;
    if (kind == SSL_ERROR_SSL && error != 0)
        err = explain(tls, error);
    else if (tls->wire_error)
        err = tls->wire_error;
    else if (kind == SSL_ERROR_SSL)
        err = -EPROTO;
    ERR_clear_error();
    return err;
}

int asyncio__tls_file_failure(const char *file, const char *what)
{
    unsigned long error = ERR_peek_error();
    if (ERR_SYSTEM_ERROR(error)) {
        int code = -ERR_GET_REASON(error);
        return asyncio_raise(code, "%s: cannot be read", file);
    }
    if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE) return -ENOMEM;
    const char *text = ERR_reason_error_string(error);
    return asyncio_raise(-EINVAL, "%s: no %s that can be used: %s", file, what,
                         text ? text : "there is none");
}
