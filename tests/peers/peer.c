// The commands, and all of them that are not about Redis.

#include "peers.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Servers ----------------------------------------------------------------

static int signals; // that came while it served

static int count_signal(void *arg)
{
    (void)arg;
    signals++;
    return 0;
}

static int stop(struct asyncio_server *server)
{
    asyncio_server_close(server);
    asyncio_server_close_clients(server);
    int err = asyncio_wait_for(asyncio_server_wait_closed(server), 5);
    if (err != -ETIMEDOUT) return err;
    asyncio_server_abort_clients(server);
    return asyncio_server_wait_closed(server);
}

int peer_serve(asyncio_client_fn *on_client)
{
    struct asyncio_server server;
    int err = asyncio_start_server(&server, on_client, NULL, "127.0.0.1", 0);
    if (err == 0) err = asyncio_add_signal_handler(SIGUSR1, count_signal, NULL);
    if (err < 0) return err;
    printf("%d\n", asyncio_server_port(&server));
    fflush(stdout);

    err = asyncio_wait_signal(SIGTERM);
    int stopped = stop(&server);
    asyncio_remove_signal_handler(SIGUSR1);
    printf("%d signals\n", signals);
    return err < 0 ? err : stopped;
}

static int copy(struct asyncio_stream *from, struct asyncio_stream *to)
{
    char piece[4096];
    int n;
    while ((n = asyncio_stream_read(from, piece, sizeof piece)) > 0) {
        int err = asyncio_stream_write(to, piece, (size_t)n);
        if (err < 0) return err;
    }
    return n;
}

static int on_echo(struct asyncio_stream *stream, void *arg)
{
    (void)arg;
    int err = copy(stream, stream);
    return err == -ECONNRESET || err == -EPIPE ? 0 : err;
}

// Sends what comes back to whom it came from.
static int echo(char **words)
{
    (void)words;
    return peer_serve(on_echo);
}

// ---- Clients ----------------------------------------------------------------

struct talk {
    struct asyncio_stream *peer, *user;
};

static int send_input(void *arg)
{
    struct talk *talk = arg;
    int err = copy(talk->user, talk->peer);
    return err < 0 ? err : asyncio_stream_write_eof(talk->peer);
}

static int show_output(void *arg)
{
    struct talk *talk = arg;
    return copy(talk->peer, talk->user);
}

static int carry_on(struct talk *talk)
{
    int err = asyncio_open_stdio(&talk->user);
    if (err < 0) return err;
    {
        ASYNCIO_WITH_TASK_GROUP(group);
        asyncio_task_group_create_task(&group, send_input, talk);
        asyncio_task_group_create_task(&group, show_output, talk);
        err = asyncio_task_group_exit(&group, 0);
    }
    asyncio_stream_close(talk->user);
    int closed = asyncio_stream_wait_closed(talk->user);
    asyncio_stream_free(talk->user);
    return err < 0 ? err : closed;
}

// Standard input goes to the peer, and what it says to standard output.
static int talk_to(char **words)
{
    struct talk talk;
    int err =
        strchr(words[0], '/')
            ? asyncio_open_unix_connection(&talk.peer, words[0])
            : asyncio_open_connection(&talk.peer, words[0], atoi(words[1]));
    if (err < 0) return err;
    err = carry_on(&talk);
    asyncio_stream_free(talk.peer);
    return err;
}

static long read_head(struct asyncio_stream *stream)
{
    char line[1024];
    long length = -EPROTO;
    int len, lines = 0;
    while ((len = asyncio_stream_readline(stream, line, sizeof line)) > 0) {
        if (lines++ == 0 && strncmp(line, "HTTP/1.1 200 ", 13) != 0)
            return -EPROTO;
        if (strncasecmp(line, "Content-Length: ", 16) == 0)
            length = strtol(line + 16, NULL, 10);
        if (strcmp(line, "\r\n") == 0) return length;
    }
    return len < 0 ? len : -ENODATA;
}

static int fetch_one(struct asyncio_stream *stream, const char *path)
{
    char text[4096];
    int len = snprintf(text, sizeof text,
                       "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
    int err = asyncio_stream_write(stream, text, (size_t)len);
    if (err < 0) return err;
    long left = read_head(stream);
    if (left < 0) return (int)left;
    while (left > 0) {
        size_t size = left < (long)sizeof text ? (size_t)left : sizeof text;
        int n = asyncio_stream_readexactly(stream, text, size);
        if (n < 0) return n;
        fwrite(text, 1, size, stdout);
        left -= n;
    }
    return 0;
}

// Fetches pages of a web server, one after the other on one connection.
static int fetch(char **words)
{
    struct asyncio_stream *stream;
    int err = asyncio_open_connection(&stream, words[0], atoi(words[1]));
    if (err < 0) return err;
    for (words += 2; *words && err == 0; words++)
        err = fetch_one(stream, *words);
    asyncio_stream_free(stream);
    return err;
}

// ---- Commands ---------------------------------------------------------------

static const struct command {
    const char *name;
    int (*run)(char **words);
    int words; // at least
} commands[] = {
    {"echo", echo, 0},
    {"talk", talk_to, 1},
    {"fetch", fetch, 3},
    {"redis-server", peer_redis_server, 0},
    {"redis-client", peer_redis_client, 1},
#ifdef PEER_TLS
    {"tls-echo", peer_tls_echo, 1},
    {"tls-page", peer_tls_page, 1},
    {"tls-ask", peer_tls_ask, 4},
#endif
#ifdef PEER_DNS
    {"names", peer_names, 0},
#endif
};

static int run_command(void *arg)
{
    char **words = arg;
    int count = 0;
    while (words[count])
        count++;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (count > 0 && strcmp(words[0], commands[i].name) == 0 &&
            count - 1 >= commands[i].words)
            return commands[i].run(words + 1);
    return -EINVAL;
}

int main(int argc, char **argv)
{
    (void)argc;
#ifdef PEER_DNS
    if (argv[1] && strcmp(argv[1], "names") == 0) peer_names_clock();
#endif
    return asyncio_main(run_command, argv + 1);
}
