// The name server, and the listener that nobody gets through to.

#include "http_server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TYPE_A 1

struct query {
    unsigned char packet[512];
    size_t len; // of header and question
    char name[256];
    unsigned type;
    struct sockaddr_in from;
};

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)port),
    };
}

// ---- Names ------------------------------------------------------------------

// Takes the name out of the question. Returns false if it is none.
static bool parse(struct query *query, size_t len)
{
    size_t at = 12, out = 0;
    while (at < len && query->packet[at]) {
        size_t label = query->packet[at++];
        if (at + label >= len || out + label + 2 > sizeof query->name)
            return false;
        memcpy(query->name + out, query->packet + at, label);
        out += label;
        query->name[out++] = '.';
        at += label;
    }
    if (at + 5 > len || out == 0) return false;
    query->name[out - 1] = '\0';
    query->type = (unsigned)query->packet[at + 1] << 8 | query->packet[at + 2];
    query->len = at + 5;
    return true;
}

static size_t add_address(unsigned char *packet, size_t len, unsigned last)
{
    // The name is that of the question; type A, class IN, one minute, 4 bytes.
    const unsigned char record[] = {
        0xc0, 12, 0, TYPE_A, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, (uint8_t)last};
    memcpy(packet + len, record, sizeof record);
    packet[7]++;
    return len + sizeof record;
}

static void reply(struct name_server *server, struct query *query,
                  unsigned code)
{
    unsigned char *packet = query->packet;
    size_t len = query->len;
    packet[2] = 0x81; // an answer; recursion desired
    packet[3] = (unsigned char)(0x80 | code);
    memset(packet + 6, 0, 6);
    bool two = strcmp(query->name, "two.test") == 0;
    if (code == 0 && query->type == TYPE_A) {
        if (two) len = add_address(packet, len, 2);
        len = add_address(packet, len, 1);
    }
    sendto(server->fd, packet, len, 0, (void *)&query->from,
           sizeof query->from);
}

static void answer(struct name_server *server, struct query *query,
                   struct query *late)
{
    const char *name = query->name;
    if (query->type == TYPE_A) atomic_fetch_add(&server->queries, 1);
    if (strcmp(name, "dead.test") == 0) return;
    if (strcmp(name, "nonsense.test") == 0) {
        memset(query->packet + 2, 0xff, query->len - 2);
        sendto(server->fd, query->packet, query->len, 0, (void *)&query->from,
               sizeof query->from);
    } else if (strcmp(name, "late.test") == 0 && query->type == TYPE_A &&
               !atomic_load(&server->released)) {
        *late = *query;
    } else {
        reply(server, query,
              strcmp(name, "none.test") == 0   ? 3
              : strcmp(name, "fail.test") == 0 ? 2
                                               : 0);
    }
}

// A packet without bytes is a word from the test: look at the flags.
static void *serve_names(void *arg)
{
    struct name_server *server = arg;
    struct query query, late = {.len = 0};
    while (!atomic_load(&server->stopping)) {
        socklen_t from_len = sizeof query.from;
        ssize_t len = recvfrom(server->fd, query.packet, sizeof query.packet, 0,
                               (void *)&query.from, &from_len);
        if (atomic_load(&server->released) && late.len > 0) {
            reply(server, &late, 0);
            late.len = 0;
        }
        if (len > 0 && parse(&query, (size_t)len))
            answer(server, &query, &late);
    }
    return NULL;
}

static void wake(struct name_server *server)
{
    struct sockaddr_in to = loopback(server->port);
    sendto(server->fd, "", 0, 0, (void *)&to, sizeof to);
}

int name_server_start(struct name_server *server)
{
    memset(server, 0, sizeof *server);
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (server->fd < 0 || bind(server->fd, (void *)&address, len) < 0 ||
        getsockname(server->fd, (void *)&address, &len) < 0)
        return -errno;
    server->port = ntohs(address.sin_port);
    snprintf(server->address, sizeof server->address, "127.0.0.1:%u",
             server->port);
    return -pthread_create(&server->thread, NULL, serve_names, server);
}

void name_server_stop(struct name_server *server)
{
    atomic_store(&server->stopping, 1);
    wake(server);
    pthread_join(server->thread, NULL);
    close(server->fd);
}

void name_server_release(struct name_server *server)
{
    atomic_store(&server->released, 1);
    wake(server);
}

// ---- The full listener ------------------------------------------------------

int full_listener_open(struct full_listener *full)
{
    memset(full, -1, sizeof *full);
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    full->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (full->listener < 0 || bind(full->listener, (void *)&address, len) < 0 ||
        listen(full->listener, 0) < 0 ||
        getsockname(full->listener, (void *)&address, &len) < 0)
        return -errno;
    full->port = ntohs(address.sin_port);
    // The first one or two fill the queue, the others never get an answer.
    for (size_t i = 0; i < sizeof full->fillers / sizeof *full->fillers; i++) {
        full->fillers[i] =
            socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (full->fillers[i] < 0) return -errno;
        if (connect(full->fillers[i], (void *)&address, len) < 0 &&
            errno != EINPROGRESS)
            return -errno;
    }
    return 0;
}

void full_listener_close(struct full_listener *full)
{
    close(full->listener);
    for (size_t i = 0; i < sizeof full->fillers / sizeof *full->fillers; i++)
        close(full->fillers[i]);
}
