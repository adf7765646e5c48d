// The inside of a server: sockets that accept, and connections.
//
//     MADE -> SERVING -> CLOSED -> (the last connection is gone) -> freed
//
// Each socket has one operation that accepts. A connection is a stream that
// refers to the server; it counts until it is gone, its handler has ended and
// its protocol was told. The user's handle names the server by address and
// serial number, and is compared with those that the loop has: so it may be a
// variable on a stack, which is gone first.
#pragma once

#include <asyncio/context.h>
#include <asyncio/server.h>

#include "io/io.h"
#include "io/stream.h"
#include "loop/timer.h"

struct asyncio__listener {
    struct asyncio__op op; // ACCEPT, while accepting
    struct asyncio__server *server;
    int fd; // -1: closed
    bool accepting;
    bool hungry;            // it was refused a descriptor or memory
    bool shared;            // the user's own: others may listen at it
    char *path;             // of a Unix socket that is to be removed, or NULL
    uint64_t device, inode; // of that
};

enum asyncio__server_state {
    ASYNCIO__SERVER_MADE, // it listens, and does not accept
    ASYNCIO__SERVER_SERVING,
    ASYNCIO__SERVER_CLOSED,
};

struct asyncio__server {
    struct asyncio_link link; // asyncio__io.servers
    struct asyncio__io *io;
    struct asyncio_loop *loop;
    uint64_t serial; // of this loop's servers
    const char *site;
    asyncio_client_fn *on_client;      // or
    asyncio_protocol_factory *factory; // the other
    void *arg;
    struct asyncio_context context; // of who made it, for the handlers
    long limit;
    uint8_t state;               // enum asyncio__server_state
    bool said;                   // that descriptors or memory are exhausted
    int64_t said_ns;             // when that was
    struct asyncio_link clients; // asyncio_stream.client
    size_t client_count;
    struct asyncio_link closers;  // asyncio_task.step.link: wait_closed
    struct asyncio_task *forever; // in serve_forever, or NULL
    size_t calls;                 // that wait
    struct asyncio__timer meal;   // when hungry listeners try again
    struct asyncio__listener *listeners;
    size_t listener_count;
};

// --- server.c ---------------------------------------------------------------

// A server without sockets; frees one.
int asyncio__server_new(struct asyncio__server **out, size_t listeners,
                        const struct asyncio_server_options *options);
void asyncio__server_free(struct asyncio__server *server);

// It is whole: it goes to its handle, and accepts unless that is to wait.
void asyncio__server_open(struct asyncio__server *server,
                          struct asyncio_server *handle, bool start);

// Frees the server if nothing of it is left.
void asyncio__server_settle(struct asyncio__server *server);

void asyncio__server_loop_closes(struct asyncio__server *server);

// --- server_listen.c --------------------------------------------------------

void asyncio__listener_accept(struct asyncio__listener *listener);
void asyncio__listener_close(struct asyncio__listener *listener);

// Remembers which file the path leads to now; false if there is none.
bool asyncio__listener_identify(struct asyncio__listener *listener,
                                const char *path);

// A descriptor has come free: those who were refused one try again.
void asyncio__servers_feed(struct asyncio__io *io);

// --- server_client.c --------------------------------------------------------

// Serves a connection that was accepted; the descriptor is taken over.
void asyncio__server_take(struct asyncio__server *server, int fd);

// The stream of one is gone; its protocol knows.
void asyncio__server_client_gone(struct asyncio_stream *stream);
void asyncio__server_client_lost(struct asyncio_stream *stream);

// What a handler or a factory has failed with.
void asyncio__server_report(struct asyncio_stream *stream, int code);

// Lets go of a handler that will never end: the loop closes.
void asyncio__server_forget_handler(struct asyncio_stream *stream);
