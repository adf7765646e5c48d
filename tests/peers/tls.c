// TLS with programs of others: an echo, a page, and a client.

#include "peers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asyncio/tls.h>

static asyncio_client_fn *served;
static struct asyncio_tls_context *context;

// A peer that is refused, or goes, is what the tests are about: it is said on
// standard output, and no failure of the server's.
static int on_client(struct asyncio_stream *stream, void *arg)
{
    int err = asyncio_stream_start_tls(stream, context, .handshake_limit = 5);
    if (err < 0) {
        printf("refused: %s\n", asyncio_strerror(err));
        return 0;
    }
    printf("%s %s %s\n", asyncio_tls_protocol(stream),
           asyncio_tls_alpn(stream) ? asyncio_tls_alpn(stream) : "-",
           asyncio_tls_resumed(stream) ? "resumed" : "new");
    err = served(stream, arg);
    return err == -ECONNRESET || err == -EPIPE ? 0 : err;
}

static int serve(asyncio_client_fn *fn, char **words)
{
    served = fn;
    int err = asyncio_tls_context_create(
        &context, .certificate = words[0],
        .ca_file = words[1] ? words[1] : NULL, .alpn = "http/1.1",
        .verify =
            words[1] ? ASYNCIO_TLS_VERIFY_REQUIRED : ASYNCIO_TLS_VERIFY_DEFAULT,
        .server = true);
    if (err < 0) return err;
    err = peer_serve(on_client);
    asyncio_tls_context_free(context);
    return err;
}

static int on_echo(struct asyncio_stream *stream, void *arg)
{
    char piece[4096];
    int n;
    (void)arg;
    while ((n = asyncio_stream_read(stream, piece, sizeof piece)) > 0) {
        int err = asyncio_stream_write(stream, piece, (size_t)n);
        if (err < 0) return err;
    }
    return n;
}

int peer_tls_echo(char **words)
{
    return serve(on_echo, words);
}

// Answers each request by a million bytes.
static int on_request(struct asyncio_stream *stream, void *arg)
{
    static char page[1000000];
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n"
                               "\r\n";
    char line[1024];
    int len;
    (void)arg;
    memset(page, 'p', sizeof page);
    while ((len = asyncio_stream_readline(stream, line, sizeof line)) > 0) {
        if (strcmp(line, "\r\n") != 0) continue;
        int err = asyncio_stream_write(stream, head, sizeof head - 1);
        if (err == 0) err = asyncio_stream_write(stream, page, sizeof page);
        if (err < 0) return err;
    }
    return len;
}

int peer_tls_page(char **words)
{
    return serve(on_request, words);
}

// --- the client -------------------------------------------------------------

static int show(struct asyncio_stream *stream, const char *request)
{
    char piece[4096];
    int err = asyncio_stream_write(stream, request, strlen(request));
    if (err < 0) return err;
    while ((err = asyncio_stream_read(stream, piece, sizeof piece)) > 0)
        fwrite(piece, 1, (size_t)err, stdout);
    return err;
}

static int ask(struct asyncio_tls_context *client, char **words)
{
    struct asyncio_stream *stream;
    int err = asyncio_open_tls_connection(&stream, client, "127.0.0.1",
                                          atoi(words[1]),
                                          .server_hostname = words[2]);
    if (err < 0) return err;
    fprintf(stderr, "%s %s\n", asyncio_tls_protocol(stream),
            asyncio_tls_resumed(stream) ? "resumed" : "new");
    err = show(stream, words[3]);
    asyncio_stream_close(stream);
    int closed = asyncio_stream_wait_closed(stream);
    asyncio_stream_free(stream);
    return err < 0 ? err : closed;
}

// CA PORT NAME REQUEST [TIMES [CERTIFICATE]]: sends the request and shows
// what comes, to its end; as often as it is told. What is wrong with a
// server is said on standard output.
int peer_tls_ask(char **words)
{
    struct asyncio_tls_context *client;
    const char *certificate = words[4] ? words[5] : NULL;
    int err = asyncio_tls_context_create(&client, .certificate = certificate,
                                         .ca_file = words[0], .lenient = true);
    if (err < 0) return err;
    for (int i = words[4] ? atoi(words[4]) : 1; i > 0 && err == 0; i--)
        err = ask(client, words);
    asyncio_tls_context_free(client);
    if (err < 0) printf("refused: %s\n", asyncio_strerror(err));
    return 0;
}
