// TLS: a server with a certificate of its own making, a client that trusts it,
// and one that does not. `openssl` makes the certificate.
//
//     cc tls.c $(pkg-config --cflags --libs libasyncio-tls)

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <asyncio.h>
#include <asyncio/tls.h>

static int on_client(struct asyncio_stream *stream, void *arg)
{
    char line[64];
    (void)arg;
    printf("asked for %s by %s\n", asyncio_tls_server_name(stream),
           asyncio_tls_alpn(stream));
    int len = asyncio_stream_readline(stream, line, sizeof line);
    return len < 0 ? len : asyncio_stream_write(stream, line, (size_t)len);
}

static int talk(struct asyncio_stream *stream)
{
    struct asyncio_tls_certificate peer;
    char line[64] = "";
    int err = asyncio_tls_peer_certificate(stream, &peer);
    if (err == 0) err = asyncio_stream_write(stream, "hello\n", 6);
    if (err == 0) err = asyncio_stream_readline(stream, line, sizeof line);
    if (err < 0) return err;
    printf("%s %s, %s %s, %s", asyncio_tls_protocol(stream),
           asyncio_tls_cipher(stream) ? "encrypted" : "plain", peer.subject,
           asyncio_tls_resumed(stream) ? "again" : "for the first time", line);
    return asyncio_tls_trouble(stream) ? -EPROTO : 0;
}

// Connects, and then starts TLS for a name that is not the host's.
static int by_name(struct asyncio_tls_context *client, int port)
{
    struct asyncio_stream *stream;
    int err = asyncio_open_connection(&stream, "127.0.0.1", port);
    if (err < 0) return err;
    err = asyncio_stream_start_tls(stream, client, .server_hostname = "a.test");
    if (err == 0) err = talk(stream);
    asyncio_stream_close(stream);
    asyncio_stream_free(stream);
    return err;
}

static int use(struct asyncio_tls_context *client, int port)
{
    int err = by_name(client, port);
    if (err < 0) return err;
    struct asyncio_stream *stream; // 127.0.0.1 is not in the certificate
    err = asyncio_open_tls_connection(&stream, client, "127.0.0.1", port);
    const char *why = strstr(asyncio_strerror(err), "trusted");
    printf("not by its address: %s\n", why ? why : "for no reason");
    return err == -EKEYREJECTED ? 0 : -EPROTO;
}

static int serve(struct asyncio_tls_context *context,
                 struct asyncio_tls_context *client)
{
    struct asyncio_server server;
    struct asyncio_tls_service service = {context, on_client, NULL, {NULL}};
    int err = asyncio_start_server(&server, asyncio_serve_tls, &service,
                                   "127.0.0.1", 0);
    if (err < 0) return err;
    err = use(client, asyncio_server_port(&server));
    asyncio_server_close(&server);
    int closed = asyncio_server_wait_closed(&server);
    return err < 0 ? err : closed;
}

static int async_main(void *file)
{
    struct asyncio_tls_context *server, *client = NULL;
    int err = asyncio_tls_context_create(&server, .certificate = file,
                                         .alpn = "echo", .server = true);
    if (err == 0) err = asyncio_tls_context_set_limits(server, 10, 10);
    if (err == 0)
        err = asyncio_tls_context_create(&client, .ca_file = file,
                                         .alpn = "shout,echo");
    if (err == 0) err = serve(server, client);
    asyncio_tls_context_free(client);
    asyncio_tls_context_free(server);
    return err;
}

int main(void)
{
    char file[] = "/tmp/tlsXXXXXX", command[256];
    close(mkstemp(file));
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
             "-nodes -subj /CN=mine -addext subjectAltName=DNS:a.test "
             "-keyout %s -out %s.crt 2>/dev/null && cat %s.crt >>%s; rm %s.crt",
             file, file, file, file, file);
    int failed = system(command) != 0;
    if (!failed) failed = asyncio_main(async_main, file);
    unlink(file);
    return failed;
}
// expect: asked for a.test by echo
// expect: TLSv1.3 encrypted, CN=mine for the first time, hello
// expect: not by its address: trusted: IP address mismatch
