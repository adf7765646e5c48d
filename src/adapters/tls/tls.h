// What the files of the TLS library share.
//
//     context.c      whom to trust, who we are
//     session.c      sessions to take up again
//     wire.c         what OpenSSL reads from and writes to: the inner stream
//     connection.c   a transport under the outer stream
//     handshake.c    how that begins
//     failure.c      what OpenSSL says, as codes and words
//     info.c         what was agreed on
//
//        user        outer stream      read and written by tasks, as any other
//                       |  transport
//                   struct tls         one SSL object, one buffer of 16 KiB
//                       |  protocol
//                    inner stream      on what the outer one stood before
//
// Nothing is read from the inner stream unless OpenSSL cannot go on without,
// and nothing is written to it while it has something unsent. So memory is
// bounded whatever the peer does, and who does not read is not read for.
#pragma once

#include <asyncio.h>
#include <asyncio/tls.h>

#include <openssl/ssl.h>

#define ASYNCIO__TLS_WORDS 256

// --- context.c --------------------------------------------------------------

struct asyncio__tls_session {
    struct asyncio__tls_session *next;
    SSL_SESSION *session;
    char host[]; // as it was asked for
};

struct asyncio_tls_context {
    SSL_CTX *ssl;
    unsigned references; // the user's, and of each connection
    double handshake_limit, shutdown_limit;
    bool server, verifies, lenient, resumes;
    unsigned char *alpn; // as in the protocol: a length before each
    unsigned alpn_len;
    struct asyncio__tls_session *sessions; // of a client, the latest first
    unsigned session_count;
};

void asyncio__tls_context_unref(struct asyncio_tls_context *context);

// --- connection.c -----------------------------------------------------------

// HANDSHAKE -> OPEN -> ENDING; HANDSHAKE -> FAILED -> ENDING
enum asyncio__tls_state {
    ASYNCIO__TLS_HANDSHAKE, // no bytes of the user's pass
    ASYNCIO__TLS_OPEN,
    ASYNCIO__TLS_FAILED, // the handshake has; `error` says how
    ASYNCIO__TLS_ENDING, // the outer stream waits for the inner one's end
};

#define ASYNCIO__TLS_PARTS 8

// A task that waits for the handshake. In its frame, since the connection may
// end before it runs again.
struct asyncio__tls_waiter {
    struct asyncio_future done;
    bool is_done;
    int err;
    char words[ASYNCIO__TLS_WORDS];
};

struct asyncio__tls {
    struct asyncio_stream *outer, *inner;
    struct asyncio_tls_context *context;
    SSL *ssl;
    char *host;     // that a client asked for, or NULL
    char alpn[256]; // as a string, for those who ask
    struct asyncio__tls_waiter *waiter;
    struct asyncio_handle start, limit, drain;
    double handshake_limit, shutdown_limit;
    unsigned references; // calls that are in here, and the outer stream
    uint8_t state;       // enum asyncio__tls_state
    bool ended;          // inner has no more
    bool lost;           // inner is gone, and has said so
    bool closing;        // outer was told to close
    bool owes_notice;    // our close notice is not out yet
    bool sent_notice;
    int error;                      // of what the handshake or reading came to
    int wire_error;                 // of inner
    int end_error;                  // of closing
    char words[ASYNCIO__TLS_WORDS]; // of `error`, or ""
    int drains; // passes that are left to drop what has come

    char *wanted; // where a read wants its bytes, or NULL
    size_t wanted_size;
    struct iovec parts[ASYNCIO__TLS_PARTS]; // of a write that waits
    size_t part_count;
    bool writing;

    size_t head, len; // of what came from inner
    char bytes[16384 + 1024];
};

extern const struct asyncio_transport asyncio__tls_transport;
extern const struct asyncio_protocol asyncio__tls_protocol;

// Goes on with whatever was waiting for the wire.
void asyncio__tls_proceed(struct asyncio__tls *tls);

// What is between these may end the connection.
void asyncio__tls_hold(struct asyncio__tls *tls);
void asyncio__tls_let_go(struct asyncio__tls *tls);

// The connection of a stream, or NULL.
struct asyncio__tls *asyncio__tls_of(const struct asyncio_stream *stream);

// --- handshake.c ------------------------------------------------------------

void asyncio__tls_shake(struct asyncio__tls *tls);
// It ends, with 0 or a negative errno, whose words are in `words`.
void asyncio__tls_shaken(struct asyncio__tls *tls, int err);

// --- wire.c -----------------------------------------------------------------

// Lets the SSL object read and write the inner stream.
int asyncio__tls_wire(struct asyncio__tls *tls);

// --- failure.c --------------------------------------------------------------

// What a call on the SSL object has come to that returned `result`, not to be
// repeated: a negative errno, and words in `words`.
int asyncio__tls_failure(struct asyncio__tls *tls, int result);
// What the oldest error of this thread's list means for a file.
int asyncio__tls_file_failure(const char *file, const char *what);

// --- session.c --------------------------------------------------------------

void asyncio__tls_keep_sessions(struct asyncio_tls_context *context);
void asyncio__tls_drop_sessions(struct asyncio_tls_context *context);
// Offers the peer the session that it had last.
void asyncio__tls_offer_session(struct asyncio__tls *tls);
