// TLS between two of ours: handshakes that fail, ends of all kinds, and all
// that any stream has to do.

#include <asyncio/tls.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/socket.h>

#include "certificates.h"
#include "faults.h"
#include "stream_checker.h"

#define TEXT(text) (text), sizeof(text) - 1
#define HOST       "server.example"

// An authority, a server's certificate, and contexts for both sides.
struct world {
    struct certificate ca, leaf;
    struct asyncio_tls_context *client, *server;
};

static void world_end(struct world *world)
{
    asyncio_tls_context_free(world->client);
    asyncio_tls_context_free(world->server);
    certificate_drop(&world->leaf);
    certificate_drop(&world->ca);
    *world = (struct world){.client = NULL};
}

static void make_certificates(struct world *world)
{
    world->ca = certificate_make(&(struct certificate_plan){.name = "ca"});
    world->leaf = certificate_make(&(struct certificate_plan){
        .name = "leaf",
        .hosts = "DNS:" HOST ",IP:127.0.0.1,IP:::1",
        .issuer = &world->ca,
    });
}

static int make_contexts(struct world *world)
{
    int err =
        asyncio_tls_context_create(&world->client, .ca_file = world->ca.file);
    if (err == 0)
        err = asyncio_tls_context_create(
            &world->server, .certificate = world->leaf.file, .server = true);
    return err;
}

static bool world_begin(struct world *world)
{
    *world = (struct world){.client = NULL};
    make_certificates(world);
    if (EXPECT_EQ(make_contexts(world), 0)) return true;
    world_end(world);
    return false;
}

// --- two sides --------------------------------------------------------------

struct side {
    struct asyncio_stream *stream;
    struct asyncio_tls_context *context;
    const char *host;
    int result;
    char words[256];
};

static int shake(void *arg)
{
    struct side *side = arg;
    side->result = asyncio_stream_start_tls(side->stream, side->context,
                                            .server_hostname = side->host);
    snprintf(side->words, sizeof side->words, "%s",
             asyncio_strerror(side->result));
    // It may not have begun, and the other side is not to wait for it.
    if (side->result == -ENOMEM) asyncio_stream_abort(side->stream);
    return 0;
}

static void drop(struct side *side)
{
    asyncio_stream_abort(side->stream);
    if (side->stream) EXPECT_LE(asyncio_stream_wait_closed(side->stream), 0);
    asyncio_stream_free(side->stream);
    side->stream = NULL;
}

// Both sides shake hands. What came of it is in `result` and `words`; without
// two sides there is nothing.
static int shake_both(struct side *client, struct side *server)
{
    int err = asyncio_open_pair(&client->stream, &server->stream);
    if (err < 0) return err;
    struct asyncio_task *task = asyncio_create_task(shake, server);
    bool begun = !asyncio_task_done(task);
    if (begun)
        shake(client);
    else
        client->result = -ENOMEM;
    err = asyncio_await(task);
    asyncio_task_release(task);
    if (err == 0) return 0;
    drop(client);
    drop(server);
    return err;
}

struct two {
    struct world world;
    struct side client, server;
};

static void two_end(struct two *two)
{
    drop(&two->client);
    drop(&two->server);
    world_end(&two->world);
}

// Shakes hands by the contexts of the world.
static bool two_shake(struct two *two)
{
    two->client = (struct side){.context = two->world.client, .host = HOST};
    two->server = (struct side){.context = two->world.server};
    return EXPECT_EQ(shake_both(&two->client, &two->server), 0) &&
           EXPECT_EQ(two->client.result, 0) && EXPECT_EQ(two->server.result, 0);
}

static bool two_begin(struct two *two)
{
    *two = (struct two){.client = {.stream = NULL}};
    if (!world_begin(&two->world)) return false;
    if (two_shake(two)) return true;
    two_end(two);
    return false;
}

// The same before the handshake.
static bool pair_begin(struct two *two)
{
    if (!world_begin(&two->world)) return false;
    int err = asyncio_open_pair(&two->client.stream, &two->server.stream);
    if (EXPECT_EQ(err, 0)) return true;
    two_end(two);
    return false;
}

// Who cannot begin is not waited for, nor what cannot be written.
static struct asyncio_task *begin_shake(struct side *side)
{
    struct asyncio_task *task = asyncio_create_task(shake, side);
    if (asyncio_task_done(task)) asyncio_stream_abort(side->stream);
    return task;
}

static void say(struct asyncio_stream *stream, const char *text)
{
    int err = asyncio_stream_write(stream, text, strlen(text));
    if (!EXPECT_EQ(err, 0)) asyncio_stream_abort(stream);
}

static void let_others_run(void)
{
    for (int i = 0; i < 8; i++)
        EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0.001), 0);
}

// --- what any stream has to do ----------------------------------------------

static void unmake_tls(struct stream_pair *pair)
{
    struct two *two = pair->more;
    if (!two) return;
    world_end(&two->world);
    free(two);
    pair->more = NULL;
}

// Lenient, because most streams know no end but the end: what others get is
// TLS-11.
static int make_lenient(struct world *world, int maximum)
{
    int err = asyncio_tls_context_create(
        &world->client, .ca_file = world->ca.file, .lenient = true);
    if (err < 0) return err;
    return asyncio_tls_context_create(
        &world->server, .certificate = world->leaf.file,
        .maximum = (uint8_t)maximum, .server = true, .lenient = true);
}

// A client that has read nothing yet has a server's tickets before it, and so
// unread bytes, which an abort turns into a reset. Here they are read.
static int read_tickets(struct two *two)
{
    char byte;
    int err = two->client.result ? two->client.result : two->server.result;
    if (err == 0) err = asyncio_stream_write(two->server.stream, "x", 1);
    if (err == 0)
        err = asyncio_stream_readexactly(two->client.stream, &byte, 1);
    return err < 0 ? err : 0;
}

static int make_by(struct stream_pair *pair, int maximum)
{
    pair->both_ways = true;
    struct two *two = calloc(1, sizeof *two);
    if (!two) return -ENOMEM;
    pair->more = two;
    make_certificates(&two->world);
    int err = make_lenient(&two->world, maximum);
    two->client = (struct side){.context = two->world.client, .host = HOST};
    two->server = (struct side){.context = two->world.server};
    if (err == 0) err = shake_both(&two->client, &two->server);
    if (err == 0) err = read_tickets(two);
    pair->writer = two->client.stream;
    pair->reader = two->server.stream;
    if (err == 0) return 0;
    drop(&two->client);
    drop(&two->server);
    unmake_tls(pair);
    return err;
}

static int make_tls(struct stream_pair *pair)
{
    return make_by(pair, ASYNCIO_TLS_1_3);
}

// By the version before, and the other way round.
static int make_tls_1_2(struct stream_pair *pair)
{
    int err = make_by(pair, ASYNCIO_TLS_1_2);
    struct asyncio_stream *client = pair->writer;
    if (err < 0) return err;
    pair->writer = pair->reader;
    pair->reader = client;
    return 0;
}

STREAM_CHECKS(tls, .make = make_tls, .unmake = unmake_tls)
STREAM_CHECKS(tls_1_2, .make = make_tls_1_2, .unmake = unmake_tls)

// --- limits -----------------------------------------------------------------

TEST(limit_of_zero_or_less_is_refused)
{
    CONFORMS("TLS-01");
    struct two two = {.client = {.stream = NULL}};
    EXPECT_OR_RETURN(pair_begin(&two));
    struct asyncio_tls_context *client = two.world.client;
    EXPECT_EQ(asyncio_tls_context_set_limits(client, 0, 1), -EINVAL);
    EXPECT_EQ(asyncio_tls_context_set_limits(client, 1, 0), -EINVAL);
    EXPECT_EQ(asyncio_tls_context_set_limits(client, -1, 1), -EINVAL);
    EXPECT_EQ(asyncio_tls_context_set_limits(client, 1, (double)NAN), -EINVAL);
    EXPECT_EQ(asyncio_tls_context_set_limits(client, 1, 1), 0);

    struct asyncio_stream *stream = two.client.stream, *none = NULL;
    EXPECT_EQ(asyncio_stream_start_tls(stream, client, .server_hostname = HOST,
                                       .handshake_limit = -1),
              -EINVAL);
    EXPECT_EQ(asyncio_stream_start_tls(stream, client, .server_hostname = HOST,
                                       .shutdown_limit = -1),
              -EINVAL);
    EXPECT_EQ(asyncio_open_tls_connection(&none, client, "127.0.0.1", 1,
                                          .handshake_limit = -0.1),
              -EINVAL);
    // For a plain connection.
    EXPECT_EQ(asyncio_stream_start_tls(stream, NULL), -EINVAL);
    EXPECT_EQ(asyncio_open_tls_connection(&none, NULL, "127.0.0.1", 1,
                                          .handshake_limit = 1),
              -EINVAL);
    EXPECT_EQ(asyncio_open_tls_connection(&none, NULL, "127.0.0.1", 1,
                                          .shutdown_limit = 1),
              -EINVAL);
    EXPECT_EQ(asyncio_open_tls_connection(&none, NULL, "127.0.0.1", 1,
                                          .server_hostname = HOST),
              -EINVAL);
    EXPECT_SAME(none, NULL);
    // Nothing has happened to the stream.
    say(stream, "plain");
    char out[8];
    EXPECT_EQ(asyncio_stream_readexactly(two.server.stream, out, 5), 5);
    EXPECT_EQ(asyncio_stream_start_tls(stream, client), -EINVAL); // whose?
    two_end(&two);
}

TEST(slow_handshake_is_given_up)
{
    struct two two = {.client = {.stream = NULL}};
    EXPECT_OR_RETURN(pair_begin(&two));
    double start = asyncio_time();
    EXPECT_EQ(asyncio_stream_start_tls(two.client.stream, two.world.client,
                                       .server_hostname = HOST),
              -ECONNABORTED);
    EXPECT_EQ((int)(asyncio_time() - start + 0.5), 60);
    EXPECT_CONTAINS(asyncio_strerror(-ECONNABORTED), "60 seconds");
    EXPECT(asyncio_stream_is_closing(two.client.stream));
    drop(&two.client);
    start = asyncio_time();
    EXPECT_EQ(asyncio_stream_start_tls(two.server.stream, two.world.server,
                                       .handshake_limit = 2),
              -ECONNRESET); // the client has gone by now
    EXPECT_LT(asyncio_time() - start, 1);
    two_end(&two);
}

// --- who is not to be trusted -----------------------------------------------

// A server with this certificate is refused; the words have `why`.
static void expect_refused(struct world *world, const char *file,
                           const char *host, const char *why)
{
    struct asyncio_tls_context *context;
    EXPECT_OR_RETURN(asyncio_tls_context_create(&context, .certificate = file,
                                                .server = true) == 0);
    struct side client = {.context = world->client, .host = host};
    struct side server = {.context = context};
    EXPECT_EQ(shake_both(&client, &server), 0);
    EXPECT_EQ(client.result, -EKEYREJECTED);
    EXPECT_CONTAINS(client.words, why);
    EXPECT_CONTAINS(client.words, host);
    if (!client.stream) {
        asyncio_tls_context_free(context);
        return;
    }
    // No byte of the user's has passed, in either direction.
    char out[8];
    EXPECT_EQ(asyncio_stream_write(client.stream, TEXT("x")), -EBADF);
    EXPECT_LT(asyncio_stream_read(server.stream, out, 8), 0);
    drop(&client);
    drop(&server);
    asyncio_tls_context_free(context);
}

TEST(certificate_that_does_not_verify_is_refused)
{
    CONFORMS("TLS-02");
    struct world world;
    EXPECT_OR_RETURN(world_begin(&world));
    struct certificate self = certificate_make(
        &(struct certificate_plan){.name = "self", .hosts = "DNS:" HOST});
    expect_refused(&world, self.file, HOST, "self-signed certificate");
    certificate_drop(&self);
    struct certificate old =
        certificate_make(&(struct certificate_plan){.name = "old",
                                                    .hosts = "DNS:" HOST,
                                                    .issuer = &world.ca,
                                                    .begins = -7200,
                                                    .ends = -3600});
    expect_refused(&world, old.file, HOST, "certificate has expired");
    certificate_drop(&old);
    struct certificate early =
        certificate_make(&(struct certificate_plan){.name = "early",
                                                    .hosts = "DNS:" HOST,
                                                    .issuer = &world.ca,
                                                    .begins = 1800});
    expect_refused(&world, early.file, HOST, "not yet valid");
    certificate_drop(&early);
    world_end(&world);
}

TEST(certificate_for_another_host_is_refused)
{
    CONFORMS("TLS-03");
    struct world world;
    EXPECT_OR_RETURN(world_begin(&world));
    const char *file = world.leaf.file;
    expect_refused(&world, file, "other.example", "hostname mismatch");
    expect_refused(&world, file, "sub." HOST, "hostname mismatch");
    expect_refused(&world, file, "127.0.0.2", "IP address mismatch");
    expect_refused(&world, file, "::2", "IP address mismatch");

    // By name, with a dot at its end, and by address.
    static const char *const good[] = {HOST, HOST ".", "127.0.0.1", "::1"};
    for (int i = 0; i < 4; i++) {
        struct side client = {.context = world.client, .host = good[i]};
        struct side server = {.context = world.server};
        if (!EXPECT_EQ(shake_both(&client, &server), 0)) break;
        EXPECT_EQ(client.result, 0);
        EXPECT_EQ(server.result, 0);
        EXPECT_STR(asyncio_tls_server_name(server.stream), i < 2 ? HOST : NULL);
        drop(&client);
        drop(&server);
    }
    world_end(&world);
}

TEST(unverified_client_takes_anybody)
{
    struct two two = {.client = {.stream = NULL}};
    EXPECT_OR_RETURN(world_begin(&two.world));
    asyncio_tls_context_free(two.world.client);
    two.world.client = NULL;
    EXPECT_EQ(asyncio_tls_context_create(&two.world.client,
                                         .verify = ASYNCIO_TLS_VERIFY_NONE),
              0);
    if (two_shake(&two)) {
        struct asyncio_tls_certificate seen;
        EXPECT_EQ(asyncio_tls_peer_certificate(two.client.stream, &seen), 0);
        EXPECT(!seen.verified);
        EXPECT_EQ(asyncio_tls_peer_certificate(two.server.stream, &seen),
                  -ENOENT);
    }
    two_end(&two);
}

// The system's authorities have not signed it.
TEST(verification_is_on_by_default)
{
    struct world world;
    EXPECT_OR_RETURN(world_begin(&world));
    asyncio_tls_context_free(world.client);
    world.client = NULL;
    EXPECT_EQ(asyncio_tls_context_create(&world.client), 0);
    expect_refused(&world, world.leaf.file, HOST, "unable to get local issuer");
    world_end(&world);
}

static void client_certificates(int maximum)
{
    struct two two = {.client = {.stream = NULL}};
    EXPECT_OR_RETURN(world_begin(&two.world));
    asyncio_tls_context_free(two.world.server);
    two.world.server = NULL;
    EXPECT_EQ(asyncio_tls_context_create(
                  &two.world.server, .certificate = two.world.leaf.file,
                  .ca_file = two.world.ca.file,
                  .verify = ASYNCIO_TLS_VERIFY_REQUIRED,
                  .maximum = (uint8_t)maximum, .server = true),
              0);
    // A client without one learns of it at once, or by its first read.
    two.client = (struct side){.context = two.world.client, .host = HOST};
    two.server = (struct side){.context = two.world.server};
    if (!EXPECT_EQ(shake_both(&two.client, &two.server), 0)) {
        two_end(&two);
        return;
    }
    EXPECT_EQ(two.server.result, -EKEYREJECTED);
    EXPECT_CONTAINS(two.server.words, "has shown no certificate");
    char out[8];
    if (maximum == ASYNCIO_TLS_1_3) {
        EXPECT_EQ(two.client.result, 0);
        EXPECT_EQ(asyncio_stream_read(two.client.stream, out, 8),
                  -EKEYREJECTED);
        EXPECT_CONTAINS(asyncio_tls_trouble(two.client.stream),
                        "our certificate");
    } else {
        // 1.2 has no word for a certificate that lacks.
        EXPECT_LT(two.client.result, 0);
    }
    drop(&two.client);
    drop(&two.server);

    asyncio_tls_context_free(two.world.client);
    two.world.client = NULL;
    EXPECT_EQ(asyncio_tls_context_create(&two.world.client,
                                         .certificate = two.world.leaf.file,
                                         .ca_file = two.world.ca.file),
              0);
    if (two_shake(&two)) {
        struct asyncio_tls_certificate seen;
        EXPECT_EQ(asyncio_tls_peer_certificate(two.server.stream, &seen), 0);
        EXPECT_STR(seen.subject, "CN=leaf");
        EXPECT_STR(seen.issuer, "CN=ca");
        EXPECT_EQ(seen.not_after - seen.not_before, 3600);
        EXPECT(seen.verified);
    }
    two_end(&two);
}

TEST(client_certificates_are_asked_for)
{
    client_certificates(ASYNCIO_TLS_1_3);
}

TEST(client_certificates_are_asked_for_by_1_2)
{
    client_certificates(ASYNCIO_TLS_1_2);
}

// --- handshakes that end ----------------------------------------------------

TEST(peer_that_drops_the_handshake_is_a_reset)
{
    CONFORMS("TLS-04");
    struct two two = {.client = {.stream = NULL}};
    EXPECT_OR_RETURN(pair_begin(&two));
    two.client.context = two.world.client;
    two.client.host = HOST;
    struct asyncio_task *task = begin_shake(&two.client);
    // It has read our greeting and goes.
    char out[4096];
    EXPECT_GT(asyncio_stream_read(two.server.stream, out, sizeof out), 0);
    drop(&two.server);
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
    EXPECT_EQ(two.client.result, -ECONNRESET);
    EXPECT_CONTAINS(two.client.words, "TLS handshake");
    two_end(&two);
}

static int count_client(struct asyncio_stream *stream, void *arg)
{
    (void)stream;
    ++*(int *)arg;
    return 0;
}

TEST(client_that_drops_the_handshake_is_not_served)
{
    CONFORMS("TLS-04");
    struct world world;
    int served = 0;
    EXPECT_OR_RETURN(world_begin(&world));
    struct asyncio_tls_service service = {
        world.server, count_client, &served, {NULL}};
    struct asyncio_server server;
    int err = asyncio_start_server(&server, asyncio_serve_tls, &service,
                                   "127.0.0.1", 0);
    if (!EXPECT_EQ(err, 0)) {
        world_end(&world);
        return;
    }
    struct asyncio_stream *stream;
    err = asyncio_open_connection(&stream, "127.0.0.1",
                                  asyncio_server_port(&server));
    EXPECT_EQ(err, 0);
    let_others_run();
    asyncio_stream_close(stream);
    asyncio_stream_free(stream);
    asyncio_server_close(&server);
    EXPECT_EQ(asyncio_server_wait_closed(&server), 0);
    EXPECT_EQ(served, 0);
    if (err == 0) EXPECT_CONTAINS(expect_report(-ECONNRESET), "TLS handshake");
    world_end(&world);
}

TEST(stream_closed_in_its_handshake_is_aborted)
{
    CONFORMS("TLS-05");
    struct two two = {.client = {.stream = NULL}};
    EXPECT_OR_RETURN(pair_begin(&two));
    int fd = asyncio_stream_fileno(two.client.stream);
    two.client.context = two.world.client;
    two.client.host = HOST;
    struct asyncio_task *task = begin_shake(&two.client);
    let_others_run();
    asyncio_stream_close(two.client.stream);
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
    EXPECT_EQ(two.client.result, -EBADF);
    EXPECT_LE(asyncio_stream_wait_closed(two.client.stream), 0);
    EXPECT_EQ(fcntl(fd, F_GETFD), -1);
    two_end(&two);
}

TEST(cancelled_handshake_leaves_nothing)
{
    struct two two = {.client = {.stream = NULL}};
    EXPECT_OR_RETURN(pair_begin(&two));
    int fd = asyncio_stream_fileno(two.client.stream);
    two.client.context = two.world.client;
    two.client.host = HOST;
    struct asyncio_task *task = begin_shake(&two.client);
    let_others_run();
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
    EXPECT_EQ(two.client.result, -ECANCELED);
    EXPECT_LE(asyncio_stream_wait_closed(two.client.stream), 0);
    EXPECT_EQ(fcntl(fd, F_GETFD), -1);
    two_end(&two);
}

TEST(peer_without_tls_is_a_protocol_error)
{
    struct two two = {.client = {.stream = NULL}};
    EXPECT_OR_RETURN(world_begin(&two.world));
    for (int i = 0; i < 2; i++) {
        int err = asyncio_open_pair(&two.client.stream, &two.server.stream);
        if (!EXPECT_EQ(err, 0)) break;
        say(two.server.stream, "HTTP/1.1 400 Bad Request\r\n");
        two.client.context = i ? two.world.server : two.world.client;
        two.client.host = HOST;
        shake(&two.client);
        EXPECT_EQ(two.client.result, -EPROTO);
        EXPECT_CONTAINS(two.client.words, "TLS");
        drop(&two.client);
        drop(&two.server);
    }
    two_end(&two);
}

// --- ends -------------------------------------------------------------------

struct reader {
    struct asyncio_stream *stream;
    char bytes[64];
    int result;
};

static int read_once(void *arg)
{
    struct reader *reader = arg;
    reader->result = asyncio_stream_read(reader->stream, reader->bytes,
                                         sizeof reader->bytes - 1);
    return 0;
}

TEST(bytes_that_are_no_record_are_a_protocol_error)
{
    CONFORMS("TLS-06");
    struct two two;
    EXPECT_OR_RETURN(two_begin(&two));
    for (int i = 0; i < 2; i++) {
        struct side *from = i ? &two.client : &two.server;
        struct reader reader = {.stream =
                                    i ? two.server.stream : two.client.stream};
        struct asyncio_task *task = asyncio_create_task(read_once, &reader);
        let_others_run();
        int fd = asyncio_stream_fileno(from->stream);
        EXPECT_GT(send(fd, TEXT("these bytes are no record"), MSG_NOSIGNAL), 0);
        EXPECT_EQ(asyncio_await(task), 0);
        asyncio_task_release(task);
        EXPECT_EQ(reader.result, -EPROTO);
        EXPECT_EQ(asyncio_stream_read(reader.stream, reader.bytes, 8), -EPROTO);
        drop(&two.client);
        drop(&two.server);
        if (i == 0 && !two_shake(&two)) break;
    }
    two_end(&two);
}

TEST(close_notice_is_the_end)
{
    CONFORMS("TLS-07");
    struct two two;
    EXPECT_OR_RETURN(two_begin(&two));
    char out[16];
    say(two.server.stream, "last words");
    asyncio_stream_close(two.server.stream);
    EXPECT_EQ(asyncio_stream_readexactly(two.client.stream, out, 10), 10);
    EXPECT_EQ(asyncio_stream_read(two.client.stream, out, 16), 0);
    EXPECT_EQ(asyncio_stream_read(two.client.stream, out, 16), 0);
    asyncio_stream_close(two.client.stream);
    EXPECT_EQ(asyncio_stream_wait_closed(two.client.stream), 0);
    EXPECT_EQ(asyncio_stream_wait_closed(two.server.stream), 0);
    two_end(&two);
}

#define MUCH (3 << 20)

static size_t write_much(struct asyncio_stream *stream)
{
    static char bytes[65536];
    EXPECT_EQ(asyncio_stream_set_write_limits(stream, MUCH, 0), 0);
    for (size_t written = 0; written < MUCH; written += sizeof bytes) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)((written + i) % 251);
        int err = asyncio_stream_write_nowait(stream, bytes, sizeof bytes);
        EXPECT_OR_RETURN(err == 0, written);
    }
    return MUCH;
}

// Reads to the end; how much it was, or a negative errno.
static long read_much(struct asyncio_stream *stream)
{
    static char bytes[65536];
    long total = 0;
    int len;
    while ((len = asyncio_stream_read(stream, bytes, sizeof bytes)) > 0)
        for (int i = 0; i < len; i++, total++)
            if (bytes[i] != (char)(total % 251)) return -EILSEQ;
    if (len < 0) asyncio_stream_abort(stream); // its writer is not to wait
    return len < 0 ? len : total;
}

TEST(close_sends_all_and_then_the_notice)
{
    CONFORMS("TLS-08");
    struct two two;
    EXPECT_OR_RETURN(two_begin(&two));
    size_t written = write_much(two.client.stream);
    let_others_run();
    EXPECT_GT(asyncio_stream_write_buffer_size(two.client.stream), 1 << 20);
    asyncio_stream_close(two.client.stream);
    let_others_run();
    EXPECT_EQ(read_much(two.server.stream), written); // 0 only by the notice
    EXPECT_EQ(asyncio_stream_wait_closed(two.client.stream), 0);
    two_end(&two);
}

TEST(notice_of_the_peer_leaves_what_is_unsent)
{
    CONFORMS("TLS-09");
    struct two two;
    EXPECT_OR_RETURN(two_begin(&two));
    char out[8];
    size_t written = write_much(two.client.stream);
    EXPECT_EQ(asyncio_stream_write_eof(two.server.stream), 0);
    EXPECT_EQ(asyncio_stream_read(two.client.stream, out, 8), 0);
    EXPECT_GT(asyncio_stream_write_buffer_size(two.client.stream), 1 << 20);
    asyncio_stream_close(two.client.stream);
    EXPECT_EQ(read_much(two.server.stream), written);
    EXPECT_EQ(asyncio_stream_wait_closed(two.client.stream), 0);
    asyncio_stream_close(two.server.stream);
    EXPECT_EQ(asyncio_stream_wait_closed(two.server.stream), 0);
    two_end(&two);
}

// The loop has no memory for a read once: that ends the connection, and writes
// must not be tried again for ever.
TEST(a_failed_read_ends_writes_that_wait, .faulty = true)
{
    struct two two;
    EXPECT_OR_RETURN(two_begin(&two));
    char out[8];
    write_much(two.client.stream);
    let_others_run();
    fail_next(ASYNCIO__SYS_RECV, -ENOMEM);
    EXPECT_EQ(asyncio_stream_read(two.client.stream, out, 8), -ENOMEM);
    asyncio_stream_close(two.client.stream);
    EXPECT_EQ(
        asyncio_wait_for(asyncio_stream_wait_closed(two.client.stream), 60),
        -EPIPE);
    two_end(&two);
}

static void on_data(struct asyncio_stream *stream, void *arg, const void *data,
                    size_t len)
{
    (void)stream, (void)arg;
    trace("data %.*s", (int)len, (const char *)data);
}

static bool on_eof(struct asyncio_stream *stream, void *arg)
{
    (void)stream, (void)arg;
    trace("eof");
    return false;
}

static void on_lost(struct asyncio_stream *stream, void *arg, int err)
{
    (void)stream, (void)arg;
    trace("lost %d", err);
}

TEST(last_bytes_come_before_the_end)
{
    CONFORMS("TLS-10");
    static const struct asyncio_protocol protocol = {.data_received = on_data,
                                                     .eof_received = on_eof,
                                                     .connection_lost =
                                                         on_lost};
    struct two two;
    EXPECT_OR_RETURN(two_begin(&two));
    struct asyncio_stream *stream = two.client.stream;
    EXPECT_EQ(asyncio_stream_set_protocol(stream, &protocol, NULL), 0);
    EXPECT_EQ(asyncio_stream_pause_reading(stream), 0);
    say(two.server.stream, "last");
    asyncio_stream_close(two.server.stream);
    EXPECT_EQ(asyncio_stream_wait_closed(two.server.stream), 0);
    let_others_run();
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_stream_resume_reading(stream), 0);
    EXPECT_EQ(asyncio_stream_wait_closed(stream), 0);
    let_others_run();
    EXPECT_TRACE("data last", "eof", "lost 0");
    two_end(&two);
}

// A peer that ends without a word.
static int end_of_silent_peer(bool lenient)
{
    struct two two = {.client = {.stream = NULL}};
    int result = -EIO;
    EXPECT_OR_RETURN(world_begin(&two.world), result);
    asyncio_tls_context_free(two.world.client);
    two.world.client = NULL;
    EXPECT_EQ(asyncio_tls_context_create(&two.world.client,
                                         .ca_file = two.world.ca.file,
                                         .lenient = lenient),
              0);
    if (two_shake(&two)) {
        char out[8];
        say(two.server.stream, "last");
        let_others_run();
        int fd = asyncio_stream_fileno(two.server.stream);
        EXPECT_EQ(shutdown(fd, SHUT_WR), 0);
        EXPECT_EQ(asyncio_stream_readexactly(two.client.stream, out, 4), 4);
        result = asyncio_stream_read(two.client.stream, out, 8);
        EXPECT_EQ(asyncio_stream_at_eof(two.client.stream), lenient);
    }
    two_end(&two);
    return result;
}

TEST(end_without_notice_is_a_reset_unless_lenient)
{
    CONFORMS("TLS-11");
    EXPECT_EQ(end_of_silent_peer(false), -ECONNRESET);
    EXPECT_EQ(end_of_silent_peer(true), 0);
}

TEST(close_gives_up_on_a_peer_that_does_not_read)
{
    struct two two;
    EXPECT_OR_RETURN(two_begin(&two));
    // The system takes no more; the notice has no place.
    int fd = asyncio_stream_fileno(two.client.stream);
    static const char zeros[65536];
    const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    while (send(fd, zeros, sizeof zeros, flags) > 0)
        continue;
    while (send(fd, zeros, 1, flags) > 0)
        continue;
    double start = asyncio_time();
    asyncio_stream_close(two.client.stream);
    EXPECT_EQ(asyncio_stream_wait_closed(two.client.stream), -ETIMEDOUT);
    EXPECT_EQ((int)(asyncio_time() - start + 0.5), 30);
    two_end(&two);
}

// --- what was agreed on -----------------------------------------------------

TEST(both_sides_know_what_was_agreed_on)
{
    struct two two = {.client = {.stream = NULL}};
    EXPECT_OR_RETURN(world_begin(&two.world));
    asyncio_tls_context_free(two.world.client);
    asyncio_tls_context_free(two.world.server);
    two.world.client = two.world.server = NULL;
    EXPECT_EQ(asyncio_tls_context_create(&two.world.client,
                                         .ca_file = two.world.ca.file,
                                         .alpn = "h2,http/1.1"),
              0);
    EXPECT_EQ(asyncio_tls_context_create(
                  &two.world.server, .certificate = two.world.leaf.file,
                  .alpn = "http/1.1,gopher", .server = true),
              0);
    if (two_shake(&two)) {
        struct asyncio_stream *stream = two.client.stream;
        EXPECT_STR(asyncio_tls_alpn(stream), "http/1.1");
        EXPECT_STR(asyncio_tls_alpn(two.server.stream), "http/1.1");
        EXPECT_STR(asyncio_tls_protocol(stream), "TLSv1.3");
        EXPECT_CONTAINS(asyncio_tls_cipher(stream), "TLS_");
        EXPECT_STR(asyncio_tls_server_name(two.server.stream), HOST);
        EXPECT(!asyncio_tls_resumed(stream));
        struct asyncio_tls_certificate seen;
        EXPECT_EQ(asyncio_tls_peer_certificate(stream, &seen), 0);
        EXPECT_STR(seen.subject, "CN=leaf");
        EXPECT(seen.verified);
    }
    drop(&two.client);
    drop(&two.server);

    // One of a plain stream, and of one that is gone.
    struct asyncio_stream *plain, *other;
    struct asyncio_tls_certificate seen;
    if (!EXPECT_EQ(asyncio_open_pair(&plain, &other), 0)) {
        two_end(&two);
        return;
    }
    EXPECT_SAME(asyncio_tls_alpn(plain), NULL);
    EXPECT_SAME(asyncio_tls_protocol(plain), NULL);
    EXPECT_EQ(asyncio_tls_peer_certificate(plain, &seen), -EINVAL);
    asyncio_stream_abort(plain);
    asyncio_stream_abort(other);
    EXPECT_EQ(asyncio_stream_wait_closed(plain), 0);
    EXPECT_SAME(asyncio_tls_cipher(plain), NULL);
    asyncio_stream_free(plain);
    asyncio_stream_free(other);
    two_end(&two);
}

static void resumption(int maximum)
{
    struct two two = {.client = {.stream = NULL}};
    EXPECT_OR_RETURN(world_begin(&two.world));
    asyncio_tls_context_free(two.world.client);
    two.world.client = NULL;
    EXPECT_EQ(asyncio_tls_context_create(&two.world.client,
                                         .ca_file = two.world.ca.file,
                                         .maximum = (uint8_t)maximum),
              0);
    for (int i = 0; i < 3 && two_shake(&two); i++) {
        EXPECT_EQ(asyncio_tls_resumed(two.client.stream), i > 0);
        EXPECT_EQ(asyncio_tls_resumed(two.server.stream), i > 0);
        struct asyncio_tls_certificate seen;
        EXPECT_EQ(asyncio_tls_peer_certificate(two.client.stream, &seen), 0);
        EXPECT(seen.verified);
        char out[8];
        say(two.server.stream, "hello");
        EXPECT_EQ(asyncio_stream_readexactly(two.client.stream, out, 5), 5);
        drop(&two.client);
        drop(&two.server);
    }
    // Of another name there is none.
    struct side client = {.context = two.world.client, .host = "127.0.0.1"};
    struct side server = {.context = two.world.server};
    EXPECT_EQ(shake_both(&client, &server), 0);
    if (client.stream) EXPECT(!asyncio_tls_resumed(client.stream));
    drop(&client);
    drop(&server);
    two_end(&two);
}

TEST(sessions_are_taken_up_again)
{
    resumption(ASYNCIO_TLS_1_3);
}

TEST(sessions_are_taken_up_again_by_1_2)
{
    resumption(ASYNCIO_TLS_1_2);
}

TEST(without_resumption_each_session_is_new)
{
    struct two two = {.client = {.stream = NULL}};
    EXPECT_OR_RETURN(world_begin(&two.world));
    asyncio_tls_context_free(two.world.server);
    two.world.server = NULL;
    EXPECT_EQ(asyncio_tls_context_create(&two.world.server,
                                         .certificate = two.world.leaf.file,
                                         .server = true, .no_resumption = true),
              0);
    for (int i = 0; i < 2 && two_shake(&two); i++) {
        char out[8];
        EXPECT(!asyncio_tls_resumed(two.client.stream));
        say(two.server.stream, "hello");
        EXPECT_EQ(asyncio_stream_readexactly(two.client.stream, out, 5), 5);
        drop(&two.client);
        drop(&two.server);
    }
    two_end(&two);
}

// --- contexts ---------------------------------------------------------------

TEST(context_says_which_file_is_wrong)
{
    struct world world = {.client = NULL};
    struct asyncio_tls_context *context;
    make_certificates(&world);
    EXPECT_EQ(asyncio_tls_context_create(&context, .ca_file = "/none"),
              -ENOENT);
    EXPECT_CONTAINS(asyncio_strerror(-ENOENT), "/none");
    EXPECT_EQ(asyncio_tls_context_create(&context, .ca_file = "/dev/null"),
              -EINVAL);
    EXPECT_CONTAINS(asyncio_strerror(-EINVAL), "/dev/null");
    EXPECT_EQ(asyncio_tls_context_create(&context, .certificate = "/none",
                                         .server = true),
              -ENOENT);
    // The key of another.
    EXPECT_EQ(asyncio_tls_context_create(&context,
                                         .certificate = world.leaf.file,
                                         .key = world.ca.file),
              -EINVAL);
    EXPECT_EQ(asyncio_tls_context_create(&context, .server = true), -EINVAL);
    EXPECT_EQ(asyncio_tls_context_create(&context, .key = world.ca.file),
              -EINVAL);
    EXPECT_EQ(asyncio_tls_context_create(&context, .alpn = ""), -EINVAL);
    EXPECT_EQ(asyncio_tls_context_create(&context, .alpn = "a,,b"), -EINVAL);
    EXPECT_EQ(asyncio_tls_context_create(&context, .minimum = ASYNCIO_TLS_1_3,
                                         .maximum = ASYNCIO_TLS_1_2),
              -EINVAL);
    EXPECT_SAME(context, NULL);
    asyncio_tls_context_free(NULL);
    world_end(&world);
}

// --- servers ----------------------------------------------------------------

static int upper(struct asyncio_stream *stream, void *arg)
{
    char line[64];
    int len;
    (void)arg;
    while ((len = asyncio_stream_readline(stream, line, sizeof line)) > 0) {
        line[0] = (char)(line[0] - 'a' + 'A');
        int err = asyncio_stream_write(stream, line, (size_t)len);
        if (err < 0) return err;
    }
    return len;
}

TEST(server_serves_by_tls)
{
    struct world world;
    EXPECT_OR_RETURN(world_begin(&world));
    struct asyncio_tls_service service = {world.server, upper, NULL, {NULL}};
    struct asyncio_server server;
    int started = asyncio_start_server(&server, asyncio_serve_tls, &service,
                                       "127.0.0.1", 0);
    if (!EXPECT_EQ(started, 0)) {
        world_end(&world);
        return;
    }
    int port = asyncio_server_port(&server);
    for (int i = 0; i < 3; i++) {
        struct asyncio_stream *stream;
        char line[64] = "";
        int err = asyncio_open_tls_connection(&stream, world.client,
                                              "127.0.0.1", port);
        if (!EXPECT_EQ(err, 0)) continue;
        say(stream, "hello\n");
        EXPECT_EQ(asyncio_stream_readline(stream, line, sizeof line), 6);
        EXPECT_STR(line, "Hello\n");
        if (i == 2) asyncio_server_close_clients(&server);
        if (i < 2) asyncio_stream_close(stream);
        EXPECT_LE(asyncio_stream_read(stream, line, 8), 0);
        asyncio_stream_close(stream);
        EXPECT_EQ(asyncio_stream_wait_closed(stream), 0);
        asyncio_stream_free(stream);
    }
    asyncio_server_close(&server);
    EXPECT_EQ(asyncio_server_wait_closed(&server), 0);
    world_end(&world);
}

TEST(plain_conversation_goes_on_by_tls)
{
    struct two two = {.client = {.stream = NULL}};
    EXPECT_OR_RETURN(pair_begin(&two));
    char line[64] = "";
    say(two.client.stream, "STARTTLS\n");
    two.client.context = two.world.client;
    two.client.host = HOST;
    struct asyncio_task *task = begin_shake(&two.client);
    let_others_run();
    // The greeting has been read ahead by now.
    EXPECT_EQ(asyncio_stream_readline(two.server.stream, line, sizeof line), 9);
    two.server.context = two.world.server;
    shake(&two.server);
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
    EXPECT_EQ(two.client.result, 0);
    EXPECT_EQ(two.server.result, 0);
    say(two.server.stream, "secret\n");
    EXPECT_EQ(asyncio_stream_readline(two.client.stream, line, sizeof line), 7);
    EXPECT_STR(line, "secret\n");
    two_end(&two);
}
