// What does a web server cost that says hello, written as a coroutine?
//
//     ./dev bench core W9
//
// which starts `http PORT` and the servers of others, one after the other, and
// has bench/peers/load.c ask them over 50 connections that are kept. A request
// is its head: it is read up to the empty line, and its first line is parsed.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asyncio.h>

#define HEAD_MAX 4096

static const char hello[] = "HTTP/1.1 200 OK\r\n"
                            "Content-Type: text/plain\r\n"
                            "Content-Length: 13\r\n\r\n"
                            "Hello, World!";
static const char refusal[] = "HTTP/1.1 400 Bad Request\r\n"
                              "Connection: close\r\n\r\n";

// Whether the head begins with a line of three words: GET / HTTP/1.1
static bool is_request(const char *head, size_t len)
{
    const char *end = memchr(head, '\r', len);
    const char *path = memchr(head, ' ', (size_t)(end - head));
    if (!path) return false;
    const char *version = memchr(path + 1, ' ', (size_t)(end - path - 1));
    return version && end - version == 9 &&
           memcmp(version + 1, "HTTP/1.", 7) == 0;
}

static int serve(struct asyncio_stream *stream, void *arg)
{
    char head[HEAD_MAX];
    (void)arg;
    for (;;) {
        int len =
            asyncio_stream_readuntil(stream, head, sizeof head, "\r\n\r\n", 4);
        if (len == -ENODATA) return 0; // the client has gone
        if (len < 0) return len;
        bool good = is_request(head, (size_t)len);
        int err =
            good ? asyncio_stream_write(stream, hello, sizeof hello - 1)
                 : asyncio_stream_write(stream, refusal, sizeof refusal - 1);
        if (err < 0 || !good) return err;
    }
}

static int async_main(void *port)
{
    struct asyncio_server server;
    int err = asyncio_start_server(&server, serve, NULL, "127.0.0.1",
                                   atoi(port), .backlog = 1024);
    return err < 0 ? err : asyncio_server_serve_forever(&server);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: http PORT\n");
        return 2;
    }
    return asyncio_main(async_main, argv[1]);
}
