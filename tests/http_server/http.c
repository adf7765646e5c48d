// The web server: a thread that accepts, and one for each connection.

#include "http_server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct conversation {
    int fd;
    struct http_server *server;
    char request[16384]; // what has been read and not yet worked off
    size_t len;
    const char *rest; // of the path, behind the word that says what to do
};

// ---- Saying things ----------------------------------------------------------

static bool say(struct conversation *c, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(c->fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

__attribute__((format(printf, 2, 3))) static bool sayf(struct conversation *c,
                                                       const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return say(c, text, (size_t)len);
}

static bool say_bytes(struct conversation *c, uint64_t from, uint64_t count)
{
    char part[8192];
    while (count > 0) {
        size_t len = count < sizeof part ? (size_t)count : sizeof part;
        for (size_t i = 0; i < len; i++)
            part[i] = http_server_byte(from + i);
        if (!say(c, part, len)) return false;
        from += len;
        count -= len;
    }
    return true;
}

// Says nothing more until the other side has hung up.
static bool wait_for_end(struct conversation *c)
{
    atomic_fetch_add(&c->server->waiting, 1);
    char nothing[64];
    while (recv(c->fd, nothing, sizeof nothing, 0) > 0)
        continue;
    return false;
}

// ---- What it can do: each returns whether the conversation goes on ----------

static bool do_ok(struct conversation *c)
{
    uint64_t count = strtoull(c->rest, NULL, 10);
    return sayf(c, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
                (unsigned long long)count) &&
           say_bytes(c, 0, count);
}

static bool do_chunked(struct conversation *c)
{
    uint64_t count = strtoull(c->rest, NULL, 10), from = 0;
    if (!sayf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
        return false;
    while (from < count) {
        uint64_t len = 1 + from % 5000;
        if (len > count - from) len = count - from;
        if (!sayf(c, "%llx\r\n", (unsigned long long)len) ||
            !say_bytes(c, from, len) || !sayf(c, "\r\n"))
            return false;
        from += len;
    }
    return sayf(c, "0\r\n\r\n");
}

static bool do_close(struct conversation *c)
{
    if (sayf(c, "HTTP/1.0 200 OK\r\n\r\n"))
        say_bytes(c, 0, strtoull(c->rest, NULL, 10));
    return false;
}

static bool do_status(struct conversation *c)
{
    int status = atoi(c->rest);
    return sayf(c, "HTTP/1.1 %d %s\r\nContent-Length: 5\r\n\r\nhello", status,
                status == 404 ? "Not Found" : "As Asked");
}

static bool redirect(struct conversation *c, const char *location)
{
    return sayf(c,
                "HTTP/1.1 302 Found\r\nLocation: %s\r\n"
                "Content-Length: 5\r\n\r\nmoved",
                location);
}

static bool do_redirect(struct conversation *c)
{
    int left = atoi(c->rest);
    char location[64];
    // Relative: what replaces the last part of the path.
    snprintf(location, sizeof location, left > 1 ? "%d" : "/ok/10", left - 1);
    return redirect(c, location);
}

static bool do_loop(struct conversation *c)
{
    return redirect(c, "/loop");
}

static bool do_to(struct conversation *c)
{
    return redirect(c, c->rest);
}

static bool do_long_way(struct conversation *c)
{
    uint64_t from = 0;
    bool on = sayf(c, "HTTP/1.1 302 Found\r\nLocation: /ok/10\r\n\r\n");
    for (; on; from += 8192)
        on = say_bytes(c, from, 8192);
    return false;
}

static bool do_truncated(struct conversation *c)
{
    if (sayf(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"))
        say_bytes(c, 0, 100);
    return false;
}

static bool do_nothing(struct conversation *c)
{
    (void)c;
    return false;
}

static bool do_reset(struct conversation *c)
{
    const struct linger now = {.l_onoff = 1};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    return false;
}

static bool do_garbage(struct conversation *c)
{
    sayf(c, "SSH-2.0-OpenSSH_9.2\r\n");
    return false;
}

static bool do_headers(struct conversation *c)
{
    bool on = sayf(c, "HTTP/1.1 200 OK\r\n");
    for (unsigned i = 0; on; i++)
        on = sayf(c, "X-%u: there is always one more of these\r\n", i);
    return false;
}

static bool do_endless(struct conversation *c)
{
    uint64_t from = 0;
    bool on = sayf(c, "HTTP/1.1 200 OK\r\n\r\n");
    for (; on; from += 8192)
        on = say_bytes(c, from, 8192);
    return false;
}

static bool do_slow(struct conversation *c)
{
    bool on = sayf(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    struct pollfd pollfd = {.fd = c->fd, .events = POLLIN};
    while (on) {
        on = sayf(c, "x");
        atomic_fetch_add(&c->server->waiting, 1);
        if (poll(&pollfd, 1, 5) > 0) return wait_for_end(c);
    }
    return false;
}

static bool do_stall(struct conversation *c)
{
    return sayf(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n") &&
           say_bytes(c, 0, 100) && wait_for_end(c);
}

static bool do_silence(struct conversation *c)
{
    return wait_for_end(c);
}

static const struct {
    const char *path;
    bool (*fn)(struct conversation *c);
} deeds[] = {
    {"/ok/", do_ok},
    {"/chunked/", do_chunked},
    {"/close/", do_close},
    {"/status/", do_status},
    {"/redirect/", do_redirect},
    {"/loop", do_loop},
    {"/to?", do_to},
    {"/long-way", do_long_way},
    {"/truncated", do_truncated},
    {"/nothing", do_nothing},
    {"/reset", do_reset},
    {"/garbage", do_garbage},
    {"/headers", do_headers},
    {"/endless", do_endless},
    {"/slow", do_slow},
    {"/stall", do_stall},
    {"/silence", do_silence},
};

// ---- One connection ---------------------------------------------------------

// Reads a request to its end. Returns its length, 0 when there is no more.
static size_t read_request(struct conversation *c)
{
    for (;;) {
        c->request[c->len] = '\0';
        char *end = strstr(c->request, "\r\n\r\n");
        if (end) return (size_t)(end + 4 - c->request);
        size_t room = sizeof c->request - 1 - c->len;
        ssize_t len = room ? recv(c->fd, c->request + c->len, room, 0) : 0;
        if (len <= 0) return 0;
        c->len += (size_t)len;
    }
}

static bool answer(struct conversation *c)
{
    char path[8300] = "";
    if (sscanf(c->request, "GET %8299s HTTP/1.1\r\n", path) != 1) return false;
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        size_t len = strlen(deeds[i].path);
        if (strncmp(path, deeds[i].path, len) != 0) continue;
        c->rest = path + len;
        return deeds[i].fn(c);
    }
    c->rest = "404";
    return do_status(c);
}

// A descriptor's number may be given to somebody else as soon as it is closed,
// so that and the shutdown by http_server_stop exclude each other.
static void end_connection(struct http_connection *connection, bool close_it)
{
    pthread_mutex_lock(&connection->closing);
    int fd = atomic_load(&connection->fd);
    if (fd >= 0 && close_it) {
        atomic_store(&connection->fd, -1);
        close(fd);
    } else if (fd >= 0) {
        shutdown(fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&connection->closing);
}

static void *converse(void *arg)
{
    struct http_connection *connection = arg;
    struct http_server *server = connection->server;
    struct conversation c = {.fd = connection->fd, .server = server};
    bool on = true;
    size_t len;
    while (on && (len = read_request(&c)) > 0) {
        atomic_fetch_add(&server->requests, 1);
        on = answer(&c);
        memmove(c.request, c.request + len, c.len - len);
        c.len -= len;
    }
    end_connection(connection, true);
    atomic_fetch_add(&server->ended, 1);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct http_server *server = arg;
    for (;;) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        int n = atomic_load(&server->accepted);
        if (fd < 0 || atomic_load(&server->stopping) ||
            n == HTTP_SERVER_CONNECTIONS) {
            if (fd >= 0) close(fd);
            return NULL;
        }
        struct http_connection *connection = &server->connections[n];
        connection->server = server;
        connection->fd = fd;
        pthread_mutex_init(&connection->closing, NULL);
        pthread_create(&connection->thread, NULL, converse, connection);
        atomic_fetch_add(&server->accepted, 1);
    }
}

// ---- Its life ---------------------------------------------------------------

int http_server_start(struct http_server *server)
{
    memset(server, 0, sizeof *server);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 ||
        bind(server->listener, (void *)&address, len) < 0 ||
        listen(server->listener, 128) < 0 ||
        getsockname(server->listener, (void *)&address, &len) < 0)
        return -errno;
    server->port = ntohs(address.sin_port);
    return -pthread_create(&server->thread, NULL, accept_all, server);
}

void http_server_stop(struct http_server *server)
{
    atomic_store(&server->stopping, 1);
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    int count = atomic_load(&server->accepted);
    for (int i = 0; i < count; i++) {
        end_connection(&server->connections[i], false);
        pthread_join(server->connections[i].thread, NULL);
    }
    close(server->listener);
}
