// Answer to exercise 11: an echo server that serves two clients at a time, and
// hangs up on one that says nothing for 0.2 s.
//
// The limit is around one read, not around the connection: who goes on talking
// may stay. The semaphore is taken in the handler, so further clients are
// accepted and wait; their bytes wait with them.
//
// expect: talker: hears "one" and "two"
// expect: hung up on 3, with 2 at a time

#include <stdio.h>
#include <string.h>

#include <asyncio.h>

static struct asyncio_semaphore places = ASYNCIO_SEMAPHORE(2);
static int now, most;

static int echo(struct asyncio_stream *stream)
{
    char line[64];
    for (;;) {
        int len = asyncio_wait_for(
            asyncio_stream_readline(stream, line, sizeof line), 0.2);
        if (len == -ETIMEDOUT) return 0; // leaving hangs up
        if (len <= 0) return len;
        int err = asyncio_stream_write(stream, line, (size_t)len);
        if (err < 0) return err;
    }
}

static int on_client(struct asyncio_stream *stream, void *arg)
{
    (void)arg;
    int err = asyncio_semaphore_acquire(&places);
    if (err < 0) return err;
    if (++now > most) most = now;
    err = echo(stream);
    now--;
    asyncio_semaphore_release(&places);
    return err;
}

static int say(struct asyncio_stream *stream, const char *word, char reply[64])
{
    int err = asyncio_stream_write(stream, word, strlen(word));
    if (err == 0) err = asyncio_stream_readline(stream, reply, 64);
    if (err > 0) reply[strcspn(reply, "\n")] = '\0';
    return err;
}

struct clients {
    int port, hung_up_on;
};

static int talker(void *arg)
{
    struct clients *clients = arg;
    char one[64] = "", two[64] = "";
    struct asyncio_stream *stream;
    int err = asyncio_open_connection(&stream, "127.0.0.1", clients->port);
    if (err < 0) return err;
    err = say(stream, "one\n", one);
    if (err > 0) err = asyncio_sleep(0.01); // not too long
    if (err == 0) err = say(stream, "two\n", two);
    printf("talker: hears \"%s\" and \"%s\"\n", one, two);
    asyncio_stream_close(stream);
    asyncio_stream_free(stream);
    return err < 0 ? err : 0;
}

static int silent(void *arg)
{
    struct clients *clients = arg;
    char byte;
    struct asyncio_stream *stream;
    int err = asyncio_open_connection(&stream, "127.0.0.1", clients->port);
    if (err < 0) return err;
    err = asyncio_stream_read(stream, &byte, 1);
    if (err == 0) clients->hung_up_on++; // the end of the stream
    asyncio_stream_close(stream);
    asyncio_stream_free(stream);
    return err;
}

static int run_clients(struct clients *clients)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, talker, clients);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, silent, clients);
    return asyncio_task_group_exit(&group, 0);
}

static int async_main(void *arg)
{
    (void)arg;
    struct asyncio_server server;
    int err = asyncio_start_server(&server, on_client, NULL, "127.0.0.1", 0);
    if (err < 0) return err;
    struct clients clients = {.port = asyncio_server_port(&server)};
    err = run_clients(&clients);
    asyncio_server_close(&server);
    int closed = asyncio_server_wait_closed(&server);
    if (err == 0)
        printf("hung up on %d, with %d at a time\n", clients.hung_up_on, most);
    return err < 0 ? err : closed;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
