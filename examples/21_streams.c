// Streams: a server that has a task for each client, and three clients.
//
// Every connection is served by a function that reads as if it were alone. What
// it writes is sent behind its back; when the peer is too slow, the write
// waits. That is the back-pressure of a stream, and needs no code of yours.
//
//     cc 21_streams.c $(pkg-config --cflags --libs libasyncio)
//
// expect: one: 1 2 3
// expect: two: 2 4 6
// expect: three: 3 6 9
// expect: served 3 clients

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asyncio.h>

static int serve(struct asyncio_stream *stream, void *arg)
{
    char line[32], reply[32];
    int err, *served = arg;
    while ((err = asyncio_stream_readline(stream, line, sizeof line)) > 0) {
        int number = atoi(line);
        for (int i = 1; i <= 3 && err >= 0; i++) {
            int len = snprintf(reply, sizeof reply, "%d\n", i * number);
            err = asyncio_stream_write(stream, reply, (size_t)len);
        }
        if (err < 0) return err;
    }
    ++*served;
    return err; // 0 at the end, when the client has closed
}

struct client {
    const char *name, *request;
    int port;
    int replies[3];
};

static int ask(void *arg)
{
    struct client *client = arg;
    struct asyncio_stream *stream;
    char line[32];
    int err = asyncio_open_connection(&stream, "127.0.0.1", client->port);
    if (err < 0) return err;
    err =
        asyncio_stream_write(stream, client->request, strlen(client->request));
    for (int i = 0; i < 3 && err >= 0; i++) {
        err = asyncio_stream_readline(stream, line, sizeof line);
        client->replies[i] = err > 0 ? atoi(line) : 0;
    }
    asyncio_stream_close(stream);
    asyncio_stream_free(stream);
    return err < 0 ? err : 0;
}

static int ask_all(int port)
{
    struct client clients[] = {{"one", "1\n", port, {0}},
                               {"two", "2\n", port, {0}},
                               {"three", "3\n", port, {0}}};
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, ask, &clients[i]);
    int err = asyncio_task_group_exit(&group, 0);
    for (struct client *c = clients; c < clients + 3 && err == 0; c++)
        printf("%s: %d %d %d\n", c->name, c->replies[0], c->replies[1],
               c->replies[2]);
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    struct asyncio_server server;
    int served = 0;
    int err = asyncio_start_server(&server, serve, &served, "127.0.0.1", 0);
    if (err < 0) return err;
    err = ask_all(asyncio_server_port(&server));
    asyncio_server_close(&server);
    int closed = asyncio_server_wait_closed(&server); // all have been served
    if (err == 0) printf("served %d clients\n", served);
    return err < 0 ? err : closed;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
