// A TCP proxy: whoever connects here talks to another server, until SIGINT or
// SIGTERM.
//
//     tcp_proxy PORT HOST HOST_PORT [SECONDS]
//
// Bytes go both ways, each way in a task of its own. Who reads slowly slows the
// sender down: a stream takes nothing more while its peer does not read, so a
// connection costs the same little memory whatever goes through it. The end of
// one direction is handed on, and the other one goes on: half of a connection
// may live longer. A connection on which nothing moves for SECONDS (60, if
// nothing is said) is ended.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <asyncio.h>

#define PIECE_SIZE      16384
#define CONNECT_SECONDS 10
#define GRACE_SECONDS   5

struct proxy {
    const char *host;
    int port;
    double seconds; // that a connection may be silent
    int served;
};

struct way {
    struct asyncio_stream *from, *to;
    struct asyncio_timeout *silence; // of both ways
    double seconds;
    uint64_t bytes;
};

static int carry(void *arg)
{
    struct way *way = arg;
    char piece[PIECE_SIZE];
    int n;
    while ((n = asyncio_stream_read(way->from, piece, sizeof piece)) > 0) {
        asyncio_timeout_reschedule(way->silence, asyncio_time() + way->seconds);
        int err = asyncio_stream_write(way->to, piece, (size_t)n);
        if (err < 0) return err;
        way->bytes += (uint64_t)n;
    }
    if (n < 0) return n;

    // All that is unsent, and then the end.
    int err = asyncio_stream_set_write_limits(way->to, 0, 0);
    if (err == 0) err = asyncio_stream_drain(way->to);
    return err < 0 ? err : asyncio_stream_write_eof(way->to);
}

// Returns when both ways have ended, or one has failed, or both are silent.
static int carry_both(struct proxy *proxy, struct asyncio_stream *client,
                      struct asyncio_stream *server, uint64_t bytes[2])
{
    ASYNCIO_WITH_TIMEOUT(silence, proxy->seconds);
    struct way there = {client, server, &silence, proxy->seconds, 0};
    struct way back = {server, client, &silence, proxy->seconds, 0};
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, carry, &there);
    asyncio_task_group_create_task(&group, carry, &back);
    int err = asyncio_task_group_exit(&group, 0);
    bytes[0] = there.bytes;
    bytes[1] = back.bytes;
    return asyncio_timeout_exit(&silence, err);
}

// What breaks on one side must not look like an end on the other.
static void reset(struct asyncio_stream *stream)
{
    const struct linger none = {.l_onoff = 1};
    int fd = asyncio_stream_fileno(stream);
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    asyncio_stream_abort(stream);
}

static int on_client(struct asyncio_stream *client, void *arg)
{
    struct proxy *proxy = arg;
    struct asyncio_stream *server;
    uint64_t bytes[2] = {0, 0};
    int number = ++proxy->served;
    int err = asyncio_wait_for(
        asyncio_open_connection(&server, proxy->host, proxy->port),
        CONNECT_SECONDS);
    if (err == 0) {
        err = carry_both(proxy, client, server, bytes);
        if (err < 0) reset(server);
        asyncio_stream_close(server);
        asyncio_stream_free(server);
    }
    if (err < 0) reset(client);
    printf("%d: %ju bytes there, %ju back: %s\n", number, bytes[0], bytes[1],
           err < 0 ? asyncio_strerror(err) : "ended");
    fflush(stdout);
    return err == -ECANCELED ? err : 0; // one connection is no failure of ours
}

static int stop(struct asyncio_server *server)
{
    asyncio_server_close(server);
    int err =
        asyncio_wait_for(asyncio_server_wait_closed(server), GRACE_SECONDS);
    if (err != -ETIMEDOUT) return err;
    asyncio_server_abort_clients(server);
    return asyncio_server_wait_closed(server);
}

static int async_main(void *arg)
{
    char **words = arg;
    struct proxy proxy = {words[2], atoi(words[3]), 60, 0};
    if (words[4]) proxy.seconds = atof(words[4]);
    struct asyncio_server server;
    int err = asyncio_start_server(&server, on_client, &proxy, "127.0.0.1",
                                   atoi(words[1]));
    if (err < 0) return err;
    printf("127.0.0.1:%d\n", asyncio_server_port(&server));
    fflush(stdout);
    int signal = asyncio_wait_signal(SIGINT, SIGTERM);
    err = stop(&server);
    return signal < 0 ? signal : err;
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc > 5) {
        fprintf(stderr, "usage: tcp_proxy PORT HOST HOST_PORT [SECONDS]\n");
        return 2;
    }
    return asyncio_main(async_main, argv);
}
