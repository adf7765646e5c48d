// Signals: an echo server that stops well. On SIGINT or SIGTERM it takes no
// more clients, gives those it has a moment to end, then lets go of the rest.
//
// A signal is something that a task waits for, so nothing here runs in a signal
// handler, where hardly a function may be called. (Without that, Ctrl-C cancels
// the main task, which is all that most programs want.)
//
//     cc 22_signals.c $(pkg-config --cflags --libs libasyncio)
//
// expect: echo: hello
// expect: told to stop by SIGTERM
// expect: a client would not go, and was let go of
// expect: stopped

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <asyncio.h>

static int echo(struct asyncio_stream *stream, void *arg)
{
    (void)arg;
    char line[512];
    int len;
    while ((len = asyncio_stream_readline(stream, line, sizeof line)) > 0) {
        int err = asyncio_stream_write(stream, line, (size_t)len);
        if (err < 0) return err;
    }
    return len;
}

// Has an echo, has the server told to stop, and stays.
static int stubborn_client(void *arg)
{
    struct asyncio_stream *stream;
    char line[32];
    int port = asyncio_server_port(arg);
    int err = asyncio_open_connection(&stream, "127.0.0.1", port);
    if (err < 0) return err;
    err = asyncio_stream_write(stream, "hello\n", 6);
    if (err >= 0) err = asyncio_stream_readline(stream, line, sizeof line);
    if (err > 0) printf("echo: %s", line);
    kill(getpid(), SIGTERM);
    if (err > 0) err = asyncio_stream_readline(stream, line, sizeof line);
    asyncio_stream_close(stream);
    asyncio_stream_free(stream);
    return err == -ECONNRESET ? 0 : err; // it was let go of
}

static int serve_until_told(struct asyncio_server *server)
{
    int signal = asyncio_wait_signal(SIGINT, SIGTERM);
    if (signal < 0) return signal;
    printf("told to stop by %s\n", signal == SIGINT ? "SIGINT" : "SIGTERM");

    asyncio_server_close(server);
    int err = asyncio_wait_for(asyncio_server_wait_closed(server), 0.2);
    if (err != -ETIMEDOUT) return err;
    printf("a client would not go, and was let go of\n");
    asyncio_server_abort_clients(server);
    return asyncio_server_wait_closed(server);
}

static int async_main(void *arg)
{
    (void)arg;
    struct asyncio_server server;
    int err = asyncio_start_server(&server, echo, NULL, "127.0.0.1", 0);
    if (err < 0) return err;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, stubborn_client, &server);
    err = serve_until_told(&server);
    err = asyncio_task_group_exit(&group, err);
    if (err == 0) printf("stopped\n");
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
