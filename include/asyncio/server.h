// Servers: each connection that comes gets a task that serves it.
//
//     static int on_client(struct asyncio_stream *stream, void *arg)
//     {
//         char line[512];
//         int len;
//         while ((len = asyncio_stream_readline(stream, line, sizeof line)) >
//         0)
//             ... asyncio_stream_write(stream, line, len) ...
//         return len;
//     }
//
//     struct asyncio_server server;
//     err = asyncio_start_server(&server, on_client, NULL, "127.0.0.1", 8080);
//     if (err == 0) err = asyncio_server_serve_forever(&server);
//
// The stream belongs to the server: it is closed when the function has ended,
// and freed when it is gone. The task begins with a copy of the variables
// (asyncio/context.h) that there were where the server was made. A failure is
// reported, once, and concerns that connection only; a handler that was
// cancelled is not. Where a protocol (asyncio/protocol.h) serves the
// connections there are no tasks.
//
// A server ends in this order: no more connections, by close; those that are
// there end by themselves, or are told to (close_clients, abort_clients);
// wait_closed returns. The struct is a handle in your memory; the server itself
// lives until that, or as long as the loop.
//
// While descriptors or memory are exhausted no connection is accepted, until
// one of this loop's has ended, or a second has passed.
//
// Call all of it on the loop's thread.
#pragma once

#include <asyncio/protocol.h>
#include <asyncio/stream.h>

ASYNCIO__BEGIN

// All zero is a server that is closed.
struct asyncio_server {
    void *server_ ASYNCIO__UNSET;
    uint64_t serial_ ASYNCIO__UNSET;
    void *reserved_[2] ASYNCIO__UNSET;
};

// Serves one connection, in a task of its own.
typedef int asyncio_client_fn(struct asyncio_stream *stream, void *arg);

struct asyncio_server_options {
    ASYNCIO__OPTIONS_HEAD
    const char *service ASYNCIO__UNSET; // "http", in place of the port
    long limit ASYNCIO__UNSET;          // of each stream
    int backlog ASYNCIO__UNSET;         // connections not accepted yet: 100
    int family ASYNCIO__UNSET;          // AF_INET or AF_INET6, else both
    bool reuse_port ASYNCIO__UNSET;     // several servers share the port
    bool manual_start ASYNCIO__UNSET;   // nothing is accepted before start
    bool keep_path ASYNCIO__UNSET;      // closing leaves a Unix path there
    void *reserved_[3] ASYNCIO__UNSET;
};

// Listens at all addresses of `host`, a name or an address; NULL and "" are
// all interfaces of this machine. Port 0 is one that is free, the same for all
// addresses: asyncio_server_port tells.
//
// returns   0; -EADDRINUSE, -EACCES and what else the system says; -ENOENT for
//           a name that is not known; -EINVAL for a port, limit, backlog or
//           family that cannot be; -EPERM outside a task; -ENOMEM; -EFAULT if
//           `arg` lies in the frames of the compact task that calls. Nothing
//           stays open then
// suspends  always
// like      asyncio.start_server
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_start_server)(
    struct asyncio_server *server, asyncio_client_fn *on_client, void *arg,
    const char *host, int port, const struct asyncio_server_options *options);
#define asyncio_start_server(...) ASYNCIO__START_SERVER(__VA_ARGS__, )
#define ASYNCIO__START_SERVER(server, on_client, arg, host, port, ...)         \
    (asyncio_start_server)(                                                    \
        server, on_client, arg, host, port,                                    \
        ASYNCIO__OPTIONS(asyncio_server_options, __VA_ARGS__))

// The same with callbacks in place of tasks: the factory gives each connection
// its protocol.
// like      loop.create_server
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_create_server)(
    struct asyncio_server *server, asyncio_protocol_factory *factory, void *arg,
    const char *host, int port, const struct asyncio_server_options *options);
#define asyncio_create_server(...) ASYNCIO__CREATE_SERVER(__VA_ARGS__, )
#define ASYNCIO__CREATE_SERVER(server, factory, arg, host, port, ...)          \
    (asyncio_create_server)(                                                   \
        server, factory, arg, host, port,                                      \
        ASYNCIO__OPTIONS(asyncio_server_options, __VA_ARGS__))

// Listen at a Unix socket that is made at `path`; a socket that is there is
// replaced. Closing removes it, unless another has taken its place meanwhile.
// "@name" is a name in the abstract namespace.
// like      asyncio.start_unix_server, loop.create_unix_server
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_start_unix_server)(
    struct asyncio_server *server, asyncio_client_fn *on_client, void *arg,
    const char *path, const struct asyncio_server_options *options);
#define asyncio_start_unix_server(...) ASYNCIO__START_UNIX_SERVER(__VA_ARGS__, )
#define ASYNCIO__START_UNIX_SERVER(server, on_client, arg, path, ...)          \
    (asyncio_start_unix_server)(                                               \
        server, on_client, arg, path,                                          \
        ASYNCIO__OPTIONS(asyncio_server_options, __VA_ARGS__))
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_create_unix_server)(
    struct asyncio_server *server, asyncio_protocol_factory *factory, void *arg,
    const char *path, const struct asyncio_server_options *options);
#define asyncio_create_unix_server(...)                                        \
    ASYNCIO__CREATE_UNIX_SERVER(__VA_ARGS__, )
#define ASYNCIO__CREATE_UNIX_SERVER(server, factory, arg, path, ...)           \
    (asyncio_create_unix_server)(                                              \
        server, factory, arg, path,                                            \
        ASYNCIO__OPTIONS(asyncio_server_options, __VA_ARGS__))

// Serves a socket that you have bound; it begins to listen, if it does not.
//
// returns   0; -EINVAL for one that is no stream socket
// owns      the descriptor goes to the server, on 0
// like      asyncio.start_server with sock=
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_start_server_on)(
    struct asyncio_server *server, asyncio_client_fn *on_client, void *arg,
    int fd, const struct asyncio_server_options *options);
#define asyncio_start_server_on(...) ASYNCIO__START_SERVER_ON(__VA_ARGS__, )
#define ASYNCIO__START_SERVER_ON(server, on_client, arg, fd, ...)              \
    (asyncio_start_server_on)(                                                 \
        server, on_client, arg, fd,                                            \
        ASYNCIO__OPTIONS(asyncio_server_options, __VA_ARGS__))

// Begins to accept, where that was left out with `.manual_start`. A second call
// changes nothing.
//
// returns   0; -ESHUTDOWN if it is closed
// like      Server.start_serving, is_serving
ASYNCIO_API int asyncio_server_start(struct asyncio_server *server);
ASYNCIO_API bool asyncio_server_is_serving(const struct asyncio_server *server);

// Starts the server and waits until it is cancelled; then closes it, waits for
// its connections, and returns.
//
// returns   -ECANCELED; -ESHUTDOWN if it is closed, before or meanwhile; -EBUSY
//           if another task is in here
// suspends  always
// like      Server.serve_forever
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_server_serve_forever(struct asyncio_server *server);

// Accepts no more. Connections that are there go on. Accepts a zeroed struct
// and a second call.
// like      Server.close
ASYNCIO_API void asyncio_server_close(struct asyncio_server *server);

// Tells the connections to end: handlers read the end of file, and what they
// write is still sent; those of protocols are closed.
// like      Server.close_clients
// unlike    it, handlers may go on writing
ASYNCIO_API void asyncio_server_close_clients(struct asyncio_server *server);

// Ends the connections at once: handlers are cancelled, what is unsent is
// dropped.
// like      Server.abort_clients
ASYNCIO_API void asyncio_server_abort_clients(struct asyncio_server *server);

// Waits until the server is closed, its last connection is gone and its last
// handler has ended.
//
// returns   0, also when that was before
// suspends  until then
// cancel    the server goes on
// like      Server.wait_closed
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_server_wait_closed(struct asyncio_server *server);

// The port that it listens at; -ENOENT without one, -ESHUTDOWN once closed.
ASYNCIO_API int asyncio_server_port(const struct asyncio_server *server);

// The descriptor of its socket number `index`, from 0; -ENOENT if there are
// fewer, -ESHUTDOWN once closed. It stays the server's.
// like      Server.sockets
ASYNCIO_API int asyncio_server_fileno(const struct asyncio_server *server,
                                      size_t index);

// How many connections there are.
ASYNCIO_API size_t asyncio_server_clients(const struct asyncio_server *server);

ASYNCIO__END
