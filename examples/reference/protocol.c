// Callback protocols: both ends of a conversation without a task, on the
// client's side and on the server's, with bytes counted in memory of one's own.
//
//     cc protocol.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <asyncio.h>

// --- the server's side: answers in pieces that it reads into its own memory --

struct counter {
    char bytes[16];
    size_t total;
};

static void *lend(struct asyncio_stream *stream, void *arg, size_t *size)
{
    struct counter *counter = arg;
    (void)stream;
    *size = sizeof counter->bytes;
    return counter->bytes;
}

static void on_updated(struct asyncio_stream *stream, void *arg, size_t len)
{
    struct counter *counter = arg;
    counter->total += len;
    asyncio_ignore(asyncio_stream_write_nowait(stream, counter->bytes, len));
}

static void on_lost(struct asyncio_stream *stream, void *arg, int err)
{
    struct counter *counter = arg;
    (void)stream;
    printf("lost after %zu bytes: %d\n", counter->total, err);
    free(counter);
}

static const struct asyncio_protocol counts = {.get_buffer = lend,
                                               .buffer_updated = on_updated,
                                               .connection_lost = on_lost};

static int on_connect(struct asyncio_stream *stream, void *arg)
{
    (void)arg;
    struct counter *counter = calloc(1, sizeof *counter);
    if (!counter) return -ENOMEM;
    int err = asyncio_stream_set_protocol(stream, &counts, counter);
    if (err < 0) free(counter);
    return err;
}

// --- the client's side ------------------------------------------------------

struct caller {
    struct asyncio_event heard;
    size_t len;
};

static void on_made(struct asyncio_stream *stream, void *arg)
{
    (void)arg;
    asyncio_ignore(
        asyncio_stream_write_nowait(stream, "twenty-six bytes of it all", 26));
}

static void on_answer(struct asyncio_stream *stream, void *arg,
                      const void *data, size_t len)
{
    struct caller *caller = arg;
    (void)data;
    caller->len += len;
    if (caller->len < 26) return;
    asyncio_ignore(asyncio_stream_pause_reading(stream)); // that is enough
    asyncio_event_set(&caller->heard);
}

static bool on_eof(struct asyncio_stream *stream, void *arg)
{
    (void)stream, (void)arg;
    return false; // close it, too
}

static const struct asyncio_protocol calls = {.connection_made = on_made,
                                              .data_received = on_answer,
                                              .eof_received = on_eof};

static int call(struct asyncio_stream *stream, void *arg)
{
    return asyncio_stream_set_protocol(stream, &calls, arg);
}

static int talk(struct asyncio_stream *stream, struct caller *caller)
{
    void *arg = NULL;
    int err = asyncio_event_wait(&caller->heard);
    printf("heard %zu bytes, reading: %d\n", caller->len,
           asyncio_stream_is_reading(stream));
    if (err == 0) err = asyncio_stream_resume_reading(stream);
    bool ours = asyncio_stream_get_protocol(stream, &arg) == &calls;
    printf("the protocol is %s\n", ours && arg == caller ? "ours" : "gone");
    asyncio_stream_close(stream);
    int closed = asyncio_stream_wait_closed(stream);
    asyncio_stream_free(stream);
    return err < 0 ? err : closed;
}

static int async_main(void *path)
{
    struct asyncio_server server, unix_server;
    struct asyncio_stream *stream;
    struct caller one = {0}, two = {0};
    int err = asyncio_create_server(&server, on_connect, NULL, "127.0.0.1", 0);
    if (err < 0) return err;
    int port = asyncio_server_port(&server);
    err = asyncio_create_connection(&stream, call, &one, "127.0.0.1", port);
    if (err == 0) err = talk(stream, &one);
    asyncio_server_close(&server);
    int closed = asyncio_server_wait_closed(&server);
    if (err == 0) err = closed;

    if (err == 0)
        err = asyncio_create_unix_server(&unix_server, on_connect, NULL, path);
    if (err < 0) return err;
    err = asyncio_create_unix_connection(&stream, call, &two, path);
    if (err == 0) err = talk(stream, &two);
    asyncio_server_close(&unix_server);
    closed = asyncio_server_wait_closed(&unix_server);
    return err < 0 ? err : closed;
}

int main(void)
{
    char folder[] = "/tmp/asyncio-XXXXXX", path[64];
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/socket", folder);
    int status = asyncio_main(async_main, path);
    rmdir(folder);
    return status;
}
// expect: heard 26 bytes, reading: 0
// expect: the protocol is ours
// expect: lost after 26 bytes: 0
// expect: heard 26 bytes, reading: 0
// expect: the protocol is ours
// expect: lost after 26 bytes: 0
