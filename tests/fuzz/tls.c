// TLS with somebody in the middle: whatever he changes, cuts off or makes up,
// both sides come to an end, and nobody reads what the other has not written.
//
// The input: settings, and then changes to what goes by, of four bytes each:
// where in which direction, and what happens to the byte there. Or else, what a
// peer says that speaks no TLS.

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <asyncio.h>
#include <asyncio/testing.h>
#include <asyncio/tls.h>

#include "fuzz.h"

#define CHANGES_MAX 16
#define HOST        "localhost"
#define TEXT        "what the other side has written"

enum { TLS_1_2 = 1, STRANGER = 2, STRANGER_SERVES = 4, PIECES = 8 };

struct middle {
    unsigned settings;
    const uint8_t *bytes; // the changes, or what the stranger says
    size_t len;
    struct asyncio_tls_context *contexts[2]; // client's, server's
};

// ---- Certificates -----------------------------------------------------------

static char folder[] = "/tmp/fuzz_tls_XXXXXX", file[sizeof folder + 8];

static void remove_file(void)
{
    unlink(file);
    rmdir(folder);
}

static void write_file(X509 *x509, EVP_PKEY *key)
{
    FILE *out = fopen(file, "we");
    MUST(out);
    MUST(PEM_write_X509(out, x509) == 1);
    MUST(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1);
    MUST(fclose(out) == 0);
}

// One that signs itself, and is trusted.
static void make_certificate(void)
{
    X509 *x509 = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    MUST(x509 && key && mkdtemp(folder));
    snprintf(file, sizeof file, "%s/pem", folder);
    atexit(remove_file);
    X509_set_version(x509, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), 1000000);
    X509_set_pubkey(x509, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               (const unsigned char *)HOST, -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(x509));
    X509_EXTENSION *names =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:" HOST);
    MUST(names && X509_add_ext(x509, names, -1) == 1);
    MUST(X509_sign(x509, key, EVP_sha256()) > 0);
    write_file(x509, key);
    X509_EXTENSION_free(names);
    X509_free(x509);
    EVP_PKEY_free(key);
}

static void make_contexts(struct middle *middle)
{
    uint8_t most =
        middle->settings & TLS_1_2 ? ASYNCIO_TLS_1_2 : ASYNCIO_TLS_1_3;
    MUST(asyncio_tls_context_create(&middle->contexts[0], .ca_file = file,
                                    .alpn = "one,two", .maximum = most) == 0);
    MUST(asyncio_tls_context_create(&middle->contexts[1], .certificate = file,
                                    .alpn = "two", .maximum = most,
                                    .server = true) == 0);
}

// ---- The two sides ----------------------------------------------------------

struct side {
    struct asyncio_stream *stream;
    struct asyncio_tls_context *context;
    int handshake;
};

static void open_streams(struct asyncio_stream *streams[2])
{
    int ends[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    for (int i = 0; i < 2; i++)
        MUST(asyncio_stream_open(&streams[i], ends[i]) == 0);
}

// Reads to the end: nothing but what the other side has written, in order.
static void read_all(struct side *side)
{
    char got[sizeof TEXT];
    size_t len = 0;
    int n = 1;
    while (n > 0) {
        n = asyncio_stream_read(side->stream, got + len, sizeof got - len);
        if (n > 0) len += (size_t)n;
        MUST(len < sizeof got && memcmp(got, TEXT, len) == 0);
    }
    // An end that was not cut off comes after all of it.
    MUST(n < 0 || len == sizeof TEXT - 1);
}

static int be_side(void *arg)
{
    struct side *side = arg;
    side->handshake = asyncio_stream_start_tls(side->stream, side->context,
                                               .server_hostname = HOST);
    if (side->handshake == 0) {
        asyncio_ignore(
            asyncio_stream_write(side->stream, TEXT, sizeof TEXT - 1));
        asyncio_ignore(asyncio_stream_write_eof(side->stream));
        read_all(side);
    }
    asyncio_stream_close(side->stream);
    asyncio_ignore(asyncio_stream_wait_closed(side->stream));
    asyncio_stream_free(side->stream);
    return 0;
}

// ---- Who is in the middle ---------------------------------------------------

struct relay {
    const struct middle *middle;
    unsigned direction; // 0: from the client
    struct asyncio_stream *from, *to;
    size_t passed;
};

// Changes what goes by, and returns how much of it may.
static size_t change(const struct relay *relay, uint8_t *bytes, size_t len)
{
    const struct middle *middle = relay->middle;
    size_t last = middle->len / 4;
    if (last > CHANGES_MAX) last = CHANGES_MAX;
    for (size_t i = 0; i < last; i++) {
        const uint8_t *told = middle->bytes + 4 * i;
        size_t where = (size_t)(told[1] & 0x1f) << 8 | told[2];
        if ((told[0] & 1) != relay->direction || where < relay->passed ||
            where - relay->passed >= len)
            continue;
        if (told[3] == 0) return where - relay->passed; // a cut
        bytes[where - relay->passed] ^= told[3];
    }
    return len;
}

static int pass_on(void *arg)
{
    struct relay *relay = arg;
    uint8_t bytes[4096];
    size_t most = relay->middle->settings & PIECES ? 7 : sizeof bytes;
    for (;;) {
        int n = asyncio_stream_read(relay->from, bytes, most);
        if (n <= 0) break;
        size_t len = change(relay, bytes, (size_t)n);
        if (asyncio_stream_write(relay->to, bytes, len) < 0) break;
        relay->passed += (size_t)n;
        if (len < (size_t)n) break;
    }
    asyncio_ignore(asyncio_stream_write_eof(relay->to));
    return 0;
}

static int meet(const struct middle *middle)
{
    struct asyncio_stream *client[2], *server[2];
    open_streams(client);
    open_streams(server);
    struct side sides[2] = {{client[0], middle->contexts[0], 0},
                            {server[0], middle->contexts[1], 0}};
    struct relay relays[2] = {{middle, 0, client[1], server[1], 0},
                              {middle, 1, server[1], client[1], 0}};
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 2; i++) {
        asyncio_task_group_create_task(&group, be_side, &sides[i]);
        asyncio_task_group_create_task(&group, pass_on, &relays[i]);
    }
    int err = asyncio_task_group_exit(&group, 0);
    // Who is left alone has to succeed.
    MUST(middle->len >= 4 ||
         (sides[0].handshake == 0 && sides[1].handshake == 0));
    asyncio_stream_free(client[1]);
    asyncio_stream_free(server[1]);
    return err;
}

// ---- A stranger -------------------------------------------------------------

static int hear_stranger(const struct middle *middle)
{
    struct asyncio_stream *ends[2];
    bool serves = middle->settings & STRANGER_SERVES;
    open_streams(ends);
    struct side side = {ends[0], middle->contexts[serves ? 0 : 1], 0};
    int err = asyncio_stream_write(ends[1], middle->bytes, middle->len);
    if (err == 0) err = asyncio_stream_write_eof(ends[1]);
    MUST(err == 0);
    asyncio_ignore(be_side(&side));
    MUST(side.handshake < 0);
    asyncio_stream_free(ends[1]);
    return 0;
}

static int be_middle(void *arg)
{
    struct middle *middle = arg;
    make_contexts(middle);
    int err =
        middle->settings & STRANGER ? hear_stranger(middle) : meet(middle);
    asyncio_tls_context_free(middle->contexts[0]);
    asyncio_tls_context_free(middle->contexts[1]);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct asyncio_testing_clock clock; // it jumps to a limit
    if (!*file) {
        setenv("ASYNCIO_BACKEND", "epoll", 1);
        make_certificate();
    }
    if (size == 0) return 0;
    struct middle middle = {data[0], data + 1, size - 1, {NULL, NULL}};
    asyncio_testing_clock_use(&clock);
    MUST(asyncio_run(be_middle, &middle) == 0);
    return 0;
}
