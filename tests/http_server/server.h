// Servers that misbehave on request, on threads of the test's own process.
//
// The web server does what the path says, and counts, so that a test can wait
// for what it needs to have happened:
//
//     /ok/N            N bytes, with their length   /chunked/N  in chunks
//     /close/N         N bytes, ended by hanging up
//     /status/N        a status with a short body
//     /redirect/N      N relative redirects, then /ok/10
//     /loop            redirects to itself          /to?X       redirects to X
//     /long-way        a redirect with an endless body
//     /truncated       100 bytes of 1000            /nothing    hangs up
//     /reset           resets the connection        /garbage    no HTTP
//     /headers         headers without end          /endless    a body without
//     /slow            one byte now and then        /stall      some, then none
//     /silence         never answers
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#define HTTP_SERVER_CONNECTIONS 256

struct http_connection {
    struct http_server *server;
    pthread_t thread;
    atomic_int fd;
    pthread_mutex_t closing; // held while it is closed, or shut down by stop
};

struct http_server {
    int listener;
    unsigned port;
    pthread_t thread;
    struct http_connection connections[HTTP_SERVER_CONNECTIONS];
    atomic_int accepted; // connections, since the start
    atomic_int requests; // read to their end
    atomic_int waiting;  // that have come to where nothing more is sent
    atomic_int ended;    // connections that the client or we have closed
    atomic_int stopping;
};

// Returns 0, or a negative errno.
int http_server_start(struct http_server *server);
// Hangs up on everybody and joins the threads.
void http_server_stop(struct http_server *server);

// A listener with a full queue: connecting to it neither succeeds nor fails.
struct full_listener {
    int listener;
    unsigned port;
    int fillers[8];
};
int full_listener_open(struct full_listener *full);
void full_listener_close(struct full_listener *full);

// The n-th byte of every body.
static inline char http_server_byte(uint64_t n)
{
    return (char)('a' + (n * 7 + n / 251) % 26);
}
