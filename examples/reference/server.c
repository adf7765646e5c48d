// Servers: clients are served by tasks or by callbacks, over TCP and Unix
// sockets, and a server that is told to stop does so in good order.
//
//     cc server.c $(pkg-config --cflags --libs libasyncio)

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <asyncio.h>

#define HERE "127.0.0.1"

static int shout(struct asyncio_stream *stream, void *arg)
{
    char line[64];
    int len, *served = arg;
    ++*served;
    while ((len = asyncio_stream_readline(stream, line, sizeof line)) > 0) {
        for (char *c = line; *c; c++)
            if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
        int err = asyncio_stream_write(stream, line, (size_t)len);
        if (err < 0) return err;
    }
    return len;
}

static int ask(struct asyncio_stream *stream, const char *what)
{
    char line[64];
    int err = asyncio_stream_write(stream, what, strlen(what));
    if (err == 0) err = asyncio_stream_readline(stream, line, sizeof line);
    if (err > 0) printf("%s", line);
    return err < 0 ? err : 0;
}

static int ask_port(struct asyncio_server *server, const char *what)
{
    struct asyncio_stream *stream;
    int port = asyncio_server_port(server);
    int err = asyncio_open_connection(&stream, HERE, port);
    if (err < 0) return err;
    err = ask(stream, what);
    asyncio_stream_close(stream);
    asyncio_stream_free(stream);
    return err;
}

// No more clients, those that are there end, whoever does not is cut off.
static int stop(struct asyncio_server *server)
{
    asyncio_server_close(server);
    asyncio_server_close_clients(server);
    int err = asyncio_wait_for(asyncio_server_wait_closed(server), 5);
    if (err != -ETIMEDOUT) return err;
    asyncio_server_abort_clients(server);
    return asyncio_server_wait_closed(server);
}

static int serve_for_ever(void *server)
{
    return asyncio_server_serve_forever(server);
}

static int use_tcp(void)
{
    struct asyncio_server server;
    int served = 0;
    int err = asyncio_start_server(&server, shout, &served, HERE, 0,
                                   .manual_start = true);
    if (err == 0) err = asyncio_server_start(&server);
    if (err < 0) return err;
    printf("serving: %d, descriptor: %d\n", asyncio_server_is_serving(&server),
           asyncio_server_fileno(&server, 0) >= 0);
    struct asyncio_task *task = asyncio_create_task(serve_for_ever, &server);
    err = ask_port(&server, "hello\n");
    if (err == 0) err = ask_port(&server, "again\n");
    asyncio_task_cancel(task);
    int ended = asyncio_await(task);
    asyncio_task_release(task);
    printf("served %d, now %zu, ended as told: %d\n", served,
           asyncio_server_clients(&server), ended == -ECANCELED);
    return err < 0 ? err : stop(&server); // it is closed already
}

// A socket that somebody else has bound.
static int use_socket(void)
{
    struct asyncio_server server;
    int served = 0;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0) return -EIO;
    int err = asyncio_start_server_on(&server, shout, &served, fd);
    if (err < 0) return err;
    err = ask_port(&server, "bound\n");
    int stopped = stop(&server);
    return err < 0 ? err : stopped;
}

// --- callbacks in place of tasks --------------------------------------------

static void on_data(struct asyncio_stream *stream, void *arg, const void *data,
                    size_t len)
{
    (void)arg;
    asyncio_ignore(asyncio_stream_write_nowait(stream, data, len));
}

static const struct asyncio_protocol echo = {.data_received = on_data};

static int on_connect(struct asyncio_stream *stream, void *arg)
{
    return asyncio_stream_set_protocol(stream, &echo, arg);
}

static int ask_path(const char *path)
{
    struct asyncio_stream *stream;
    int err = asyncio_open_unix_connection(&stream, path);
    if (err < 0) return err;
    err = ask(stream, "by a path\n");
    asyncio_stream_close(stream);
    asyncio_stream_free(stream);
    return err;
}

static int use_paths(const char *path)
{
    struct asyncio_server server;
    int served = 0;
    int err = asyncio_start_unix_server(&server, shout, &served, path);
    if (err < 0) return err;
    err = ask_path(path);
    int stopped = stop(&server);
    if (err == 0) err = stopped;
    if (err == 0)
        err = asyncio_create_unix_server(&server, on_connect, NULL, path);
    if (err < 0) return err;
    err = ask_path(path);
    stopped = stop(&server);
    printf("the path is %s\n", access(path, F_OK) < 0 ? "gone" : "there");
    return err < 0 ? err : stopped;
}

static int async_main(void *path)
{
    struct asyncio_server server;
    int err = use_tcp();
    if (err == 0) err = use_socket();
    if (err == 0) err = use_paths(path);
    if (err == 0) err = asyncio_create_server(&server, on_connect, NULL, "", 0);
    if (err < 0) return err;
    err = ask_port(&server, "by a callback\n");
    int stopped = stop(&server);
    return err < 0 ? err : stopped;
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
// expect: serving: 1, descriptor: 1
// expect: HELLO
// expect: AGAIN
// expect: served 2, now 0, ended as told: 1
// expect: BOUND
// expect: BY A PATH
// expect: by a path
// expect: the path is gone
// expect: by a callback
