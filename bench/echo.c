// What does it cost to answer over TCP what was read?
//
//     ./dev bench core W8
//
// which starts `echo PORT` and the servers of others, one after the other, and
// has bench/peers/load.c ask them. Each connection is a task that reads and
// writes, with nothing between; `echo PORT protocol` serves by callbacks.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asyncio.h>

#define BACKLOG 1024

static int serve(struct asyncio_stream *stream, void *arg)
{
    char bytes[16384];
    int len;
    (void)arg;
    while ((len = asyncio_stream_read(stream, bytes, sizeof bytes)) > 0) {
        int err = asyncio_stream_write(stream, bytes, (size_t)len);
        if (err < 0) return err;
    }
    return len;
}

static void on_data(struct asyncio_stream *stream, void *arg, const void *data,
                    size_t len)
{
    (void)arg;
    if (asyncio_stream_write_nowait(stream, data, len) < 0)
        asyncio_stream_abort(stream);
}

static int choose(struct asyncio_stream *stream, void *arg)
{
    static const struct asyncio_protocol echo = {.data_received = on_data};
    return asyncio_stream_set_protocol(stream, &echo, arg);
}

static int async_main(void *arg)
{
    char **argv = arg;
    struct asyncio_server server;
    int port = atoi(argv[1]);
    int err = argv[2]
                  ? asyncio_create_server(&server, choose, NULL, "127.0.0.1",
                                          port, .backlog = BACKLOG)
                  : asyncio_start_server(&server, serve, NULL, "127.0.0.1",
                                         port, .backlog = BACKLOG);
    return err < 0 ? err : asyncio_server_serve_forever(&server);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3 ||
        (argc == 3 && strcmp(argv[2], "protocol") != 0)) {
        fprintf(stderr, "usage: echo PORT [protocol]\n");
        return 2;
    }
    return asyncio_main(async_main, argv);
}
