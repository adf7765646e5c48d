// TLS: encryption under any stream, as client or as server (library
// libasyncio-tls, on OpenSSL).
//
//     struct asyncio_tls_context *context;
//     int err = asyncio_tls_context_create(&context);
//     if (err < 0) return err;
//     struct asyncio_stream *stream;
//     err = asyncio_open_tls_connection(&stream, context, "example.org", 443);
//     ... read and write it as any other ...
//     asyncio_tls_context_free(context);
//
// A context says whom to trust and who we are, for any number of connections.
// A client checks the server's certificate and its name, against the system's
// certificates, unless told otherwise; TLS 1.2 is the least that is spoken.
// Sessions are kept by the context and taken up again. Keys are never written
// anywhere.
//
// A peer that hangs up without a close notice may have been cut off by somebody
// else: a reader then gets -ECONNRESET, or the end of file with `.lenient`.
// Bytes that are no TLS are -EPROTO. Closing sends what is unsent and a close
// notice, and does not wait for the peer's. asyncio_stream_write_eof sends the
// notice and leaves the other direction open, which some peers take for the end
// of both.
//
// Call all of it on the thread of the loop that the connections belong to.
#pragma once

#include <asyncio/server.h>
#include <asyncio/stream.h>

ASYNCIO__BEGIN

// --- contexts ---------------------------------------------------------------

struct asyncio_tls_context;

// What is asked of the peer's certificate.
enum asyncio_tls_verify {
    ASYNCIO_TLS_VERIFY_DEFAULT,  // clients REQUIRED, servers NONE
    ASYNCIO_TLS_VERIFY_NONE,     // nothing: anybody may be the peer
    ASYNCIO_TLS_VERIFY_OPTIONAL, // one that is shown has to be good
    ASYNCIO_TLS_VERIFY_REQUIRED, // there has to be one, and it has to be good
};

// The least version of the protocol that is spoken.
enum asyncio_tls_version {
    ASYNCIO_TLS_VERSION_DEFAULT, // at least 1.2
    ASYNCIO_TLS_1_2,
    ASYNCIO_TLS_1_3,
};

struct asyncio_tls_context_options {
    ASYNCIO__OPTIONS_HEAD
    // Files in PEM: who we are, its issuers behind it; and the key, if it is
    // not in the same file.
    const char *certificate ASYNCIO__UNSET;
    const char *key ASYNCIO__UNSET;
    const char *ca_file ASYNCIO__UNSET; // whom we trust, in place of the system
    // "h2,http/1.1": the best one first. A server refuses who offers others
    // only.
    const char *alpn ASYNCIO__UNSET;
    enum asyncio_tls_verify verify ASYNCIO__UNSET;
    uint8_t minimum ASYNCIO__UNSET; // enum asyncio_tls_version
    uint8_t maximum ASYNCIO__UNSET; // the same
    bool server ASYNCIO__UNSET;     // else a client
    bool lenient ASYNCIO__UNSET;    // an end without a close notice is an end
    bool no_resumption ASYNCIO__UNSET; // each connection has a new session
    void *reserved_[2] ASYNCIO__UNSET;
};

// Makes a context. Reads files, and so blocks for a moment.
//
// returns   0, or with words that name the file: -ENOENT, -EACCES and the like
//           if it cannot be read; -EINVAL if there is no certificate or key in
//           it, a key that is encrypted or another's, a server without a
//           certificate, or options that cannot be; -ENOMEM
// suspends  never
// owns      asyncio_tls_context_free
// like      ssl.create_default_context
ASYNCIO_API int(asyncio_tls_context_create)(
    struct asyncio_tls_context **context,
    const struct asyncio_tls_context_options *options);
#define asyncio_tls_context_create(...)                                        \
    ASYNCIO__TLS_CONTEXT_CREATE(__VA_ARGS__, )
#define ASYNCIO__TLS_CONTEXT_CREATE(context, ...)                              \
    (asyncio_tls_context_create)(                                              \
        context, ASYNCIO__OPTIONS(asyncio_tls_context_options, __VA_ARGS__))

// Frees it; connections that are there go on. Accepts NULL.
ASYNCIO_API void asyncio_tls_context_free(struct asyncio_tls_context *context);

// How long a handshake may take, else 60 seconds; and how long it may take,
// once all else was sent, to send the close notice, else 30. For connections
// that say nothing else.
//
// returns   0; -EINVAL unless both are more than 0
// like      ssl_handshake_timeout, ssl_shutdown_timeout
ASYNCIO_API int
asyncio_tls_context_set_limits(struct asyncio_tls_context *context,
                               double handshake, double shutdown);

// --- connections ------------------------------------------------------------

struct asyncio_tls_options {
    ASYNCIO__OPTIONS_HEAD
    // Of the server, a name or an address: what its certificate has to be for.
    // Needed by clients that verify, unless they connect by a name.
    const char *server_hostname ASYNCIO__UNSET;
    double handshake_limit ASYNCIO__UNSET; // seconds, else the context's
    double shutdown_limit ASYNCIO__UNSET;
    long limit ASYNCIO__UNSET; // of lines, where a stream is made
    void *reserved_[2] ASYNCIO__UNSET;
};

// Turns an open stream into an encrypted one, and shakes hands. What was read
// ahead is the beginning of that; what was written before goes out first, and
// what is written meanwhile is sent encrypted. Nobody may be reading.
//
// returns   0, or with words that say why:
//           -EKEYREJECTED  the peer's certificate, or its name, or ours to the
//                          peer, is not to be trusted
//           -EPROTO        the peer speaks no TLS, or none that we have in
//                          common
//           -ECONNRESET    it hung up
//           -ECONNABORTED  it was too slow: the handshake's limit
//           -EBADF         the stream was closed meanwhile
//           and then the stream is closed; or else nothing has happened:
//           -EINVAL        a limit of 0 or less, no context, no name
//           -EBUSY, -EBADF, -EPERM, -EXDEV, -ENOMEM
// suspends  until the handshake has ended
// cancel    the stream is aborted
// like      StreamWriter.start_tls, loop.start_tls
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_stream_start_tls)(
    struct asyncio_stream *stream, struct asyncio_tls_context *context,
    const struct asyncio_tls_options *options);
#define asyncio_stream_start_tls(...) ASYNCIO__STREAM_START_TLS(__VA_ARGS__, )
#define ASYNCIO__STREAM_START_TLS(stream, context, ...)                        \
    (asyncio_stream_start_tls)(                                                \
        stream, context, ASYNCIO__OPTIONS(asyncio_tls_options, __VA_ARGS__))

// Connects as asyncio_open_connection and shakes hands. Without a context,
// NULL, the connection stays a plain one.
//
// returns   as these two; -EINVAL too for limits or a name without a context
// suspends  always
// cancel    no connection is left behind
// owns      asyncio_stream_free
// like      asyncio.open_connection with ssl=
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_open_tls_connection)(
    struct asyncio_stream **stream, struct asyncio_tls_context *context,
    const char *host, int port, const struct asyncio_tls_options *options);
#define asyncio_open_tls_connection(...)                                       \
    ASYNCIO__OPEN_TLS_CONNECTION(__VA_ARGS__, )
#define ASYNCIO__OPEN_TLS_CONNECTION(stream, context, host, port, ...)         \
    (asyncio_open_tls_connection)(                                             \
        stream, context, host, port,                                           \
        ASYNCIO__OPTIONS(asyncio_tls_options, __VA_ARGS__))

// Serves connections by TLS: give its address to a server, as
//
//     struct asyncio_tls_service service = {context, on_client, arg};
//     err = asyncio_start_server(&server, asyncio_serve_tls, &service, host,
//     0);
//
// on_client is called when the handshake has succeeded; a handshake that fails
// concerns that connection only, and is reported as the server's handlers are.
// like      asyncio.start_server with ssl=
struct asyncio_tls_service {
    struct asyncio_tls_context *context;
    asyncio_client_fn *on_client;
    void *arg;
    void *reserved_[2] ASYNCIO__UNSET;
};
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_serve_tls(struct asyncio_stream *stream, void *service);

// --- what was agreed on -----------------------------------------------------

// All of these are about a stream that shook hands, until it is gone. Strings
// are good as long; NULL is: there is none.

// Of the context's `.alpn`, the protocol that both speak.
// like      SSLObject.selected_alpn_protocol
ASYNCIO_API const char *asyncio_tls_alpn(const struct asyncio_stream *stream);

// "TLSv1.3"; "TLS_AES_256_GCM_SHA384"; the name that a client has asked a
// server for.
// like      SSLObject.version, cipher
ASYNCIO_API const char *
asyncio_tls_protocol(const struct asyncio_stream *stream);
ASYNCIO_API const char *asyncio_tls_cipher(const struct asyncio_stream *stream);
ASYNCIO_API const char *
asyncio_tls_server_name(const struct asyncio_stream *stream);

// What went wrong with it, as a sentence, where TLS knows more than a code
// says: "the peer does not trust our certificate: unknown CA".
ASYNCIO_API const char *
asyncio_tls_trouble(const struct asyncio_stream *stream);

// True if the session is one of before.
// like      SSLObject.session_reused
ASYNCIO_API bool asyncio_tls_resumed(const struct asyncio_stream *stream);

// Who the peer says that it is: what was verified, if that was asked for.
struct asyncio_tls_certificate {
    char subject[256]; // "CN=example.org,O=Example": RFC 2253, perhaps cut
    char issuer[256];
    int64_t not_before, not_after; // seconds since 1970
    unsigned char sha256[32];      // fingerprint
    bool verified;
    void *reserved_[4] ASYNCIO__UNSET;
};

// Fills in `certificate` with the peer's own.
//
// returns   0; -ENOENT if the peer has shown none; -EINVAL for a stream without
//           TLS
// like      SSLObject.getpeercert
ASYNCIO_API int
asyncio_tls_peer_certificate(const struct asyncio_stream *stream,
                             struct asyncio_tls_certificate *certificate);

ASYNCIO__END
