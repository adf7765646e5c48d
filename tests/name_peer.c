// The name server of name_peer.h.

#include "name_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_PTR = 12, TYPE_AAAA = 28 };
enum { MANY = 300, LIE = 66, SIZE = 16384 };

struct name_peer_query {
    unsigned char packet[SIZE]; // the answer grows behind the question
    size_t len;
    char name[256];
    unsigned type;
    int fd; // where to answer: UDP, or TCP without an address
    bool tcp;
    struct sockaddr_in from;
};

// ---- Packets ----------------------------------------------------------------

// Takes the name out of the question. False if it is none.
static bool parse(struct name_peer_query *query, size_t len)
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

static size_t put_name(unsigned char *to, const char *name)
{
    size_t len = 0;
    while (*name) {
        size_t label = strcspn(name, ".");
        to[len++] = (unsigned char)label;
        memcpy(to + len, name, label);
        len += label;
        name += label + (name[label] == '.');
    }
    to[len++] = 0;
    return len;
}

// A record; a name of NULL is that of the question.
static void put(struct name_peer_query *query, const char *name, unsigned type,
                unsigned life_s, const void *data, size_t size)
{
    unsigned char *to = query->packet + query->len;
    size_t len = 2;
    if (name)
        len = put_name(to, name);
    else
        memcpy(to, "\xc0\x0c", 2);
    const unsigned char head[] = {0,
                                  (unsigned char)type,
                                  0,
                                  1,
                                  (unsigned char)(life_s >> 24),
                                  (unsigned char)(life_s >> 16),
                                  (unsigned char)(life_s >> 8),
                                  (unsigned char)life_s,
                                  (unsigned char)(size >> 8),
                                  (unsigned char)size};
    memcpy(to + len, head, sizeof head);
    memcpy(to + len + sizeof head, data, size);
    query->len += len + sizeof head + size;
    if (++query->packet[7] == 0) query->packet[6]++;
}

static void put_address(struct name_peer_query *query, const char *name,
                        unsigned life_s, unsigned last)
{
    const unsigned char v4[] = {192, 0, (unsigned char)(2 + last / 256),
                                (unsigned char)last};
    put(query, name, TYPE_A, life_s, v4, sizeof v4);
}

static void put_loopback(struct name_peer_query *query, unsigned char last)
{
    put(query, NULL, TYPE_A, 60, (unsigned char[]){127, 0, 0, last}, 4);
}

static void put_alias(struct name_peer_query *query, const char *name,
                      unsigned type, unsigned life_s, const char *other)
{
    unsigned char text[256];
    put(query, name, type, life_s, text, put_name(text, other));
}

static void begin(struct name_peer_query *query, unsigned code)
{
    query->packet[2] = 0x81; // an answer; recursion desired
    query->packet[3] = (unsigned char)(0x80 | code);
    memset(query->packet + 6, 0, 6);
}

static void send_reply(struct name_peer_query *query)
{
    if (!query->tcp) {
        sendto(query->fd, query->packet, query->len, 0, (void *)&query->from,
               sizeof query->from);
        return;
    }
    const unsigned char size[] = {(unsigned char)(query->len >> 8),
                                  (unsigned char)query->len};
    bool bytewise = strncmp(query->name, "bytewise.", 9) == 0;
    send(query->fd, size, sizeof size, MSG_NOSIGNAL | MSG_MORE);
    for (size_t sent = 0; sent < query->len;) {
        size_t part = bytewise ? 1 : query->len - sent;
        ssize_t n = send(query->fd, query->packet + sent, part, MSG_NOSIGNAL);
        if (n <= 0) return;
        sent += (size_t)n;
    }
}

// ---- What is answered -------------------------------------------------------

static bool is(const struct name_peer_query *query, const char *label)
{
    size_t len = strlen(label);
    return strncmp(query->name, label, len) == 0 && query->name[len] == '.';
}

static void tell_truth(struct name_peer *peer, struct name_peer_query *query)
{
    unsigned life_s = 60;
    sscanf(query->name, "ttl%u.", &life_s);
    begin(query, is(query, "none")      ? 3
                 : is(query, "fail")    ? 2
                 : is(query, "refused") ? 5
                                        : 0);
    if ((query->packet[3] & 15) != 0 || is(query, "empty")) {
        // That is all.
    } else if (is(query, "six")) {
        static const unsigned char v6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
        if (query->type == TYPE_AAAA)
            put(query, NULL, TYPE_AAAA, 60, v6, sizeof v6);
    } else if (is(query, "ring")) {
        put_alias(query, NULL, TYPE_CNAME, 30, query->name);
    } else if (is(query, "chain")) {
        put_alias(query, NULL, TYPE_CNAME, 30, "second.test");
        put_alias(query, "second.test", TYPE_CNAME, 60, "third.test");
        if (query->type == TYPE_A) put_address(query, "third.test", 60, 1);
    } else if (query->type == TYPE_A &&
               (is(query, "here") || is(query, "both"))) {
        if (is(query, "both")) put_loopback(query, 2);
        put_loopback(query, 1);
    } else if (query->type == TYPE_A && is(query, "foreign")) {
        put_address(query, "other.test", 60, LIE);
    } else if (query->type == TYPE_A && is(query, "many")) {
        for (unsigned i = 0; i < MANY; i++)
            put_address(query, NULL, 60, i);
    } else if (query->type == TYPE_A) {
        put_address(query, NULL, life_s, atomic_load(&peer->last));
    }
    send_reply(query);
}

static void tell_name(struct name_peer_query *query)
{
    begin(query, strncmp(query->name, "9.2.", 4) == 0 ? 3 : 0);
    if (strncmp(query->name, "7.2.", 4) == 0) {
        put_alias(query, NULL, TYPE_PTR, 7, "host.test");
    } else if (strncmp(query->name, "10.2.", 5) == 0) {
        put_alias(query, NULL, TYPE_CNAME, 60, "10.part.test");
        put_alias(query, "10.part.test", TYPE_PTR, 60, "behind.test");
    } else if (strncmp(query->name, "66.2.", 5) == 0) {
        put_alias(query, NULL, TYPE_PTR, 60, "a b\n<c>.test");
    } else if (strncmp(query->name, "1.0.0.", 6) == 0) {
        put_alias(query, NULL, TYPE_PTR, 60, "six.test"); // of 2001:db8::1
    }
    send_reply(query);
}

// Something that is not true, for the same question or nearly so.
static void lie(const struct name_peer_query *query)
{
    struct name_peer_query *other = malloc(sizeof *other);
    if (!other) return;
    *other = *query;
    begin(other, 0);
    if (is(query, "wrongname"))
        other->packet[13] ^= 1; // another letter in the question
    else
        other->packet[0] ^= 0x55;
    if (query->type == TYPE_A) put_address(other, NULL, 60, LIE);
    send_reply(other);
    free(other);
}

static bool is_cut_short(const struct name_peer_query *query)
{
    return !query->tcp && (is(query, "many") || is(query, "hangup") ||
                           is(query, "nonsense") || is(query, "bytewise"));
}

static void answer(struct name_peer *peer, struct name_peer_query *query)
{
    if (query->type == TYPE_A || query->type == TYPE_PTR)
        atomic_fetch_add(&peer->queries, 1);
    if (is(query, "dead")) return;
    if (is(query, "wrongid") || is(query, "wrongname") || is(query, "onlylies"))
        lie(query);
    if (is(query, "onlylies")) return;
    if (query->type == TYPE_PTR) {
        tell_name(query);
    } else if (is_cut_short(query)) {
        begin(query, 0);
        query->packet[2] |= 2;
        send_reply(query);
    } else if (is(query, "noise") || is(query, "nonsense")) {
        memset(query->packet + 2, 0xff, query->len - 2);
        send_reply(query);
    } else if (is(query, "slow") && !atomic_load(&peer->released)) {
        if (query->type == TYPE_A) *peer->slow = *query;
        if (query->type != TYPE_A) tell_truth(peer, query);
    } else {
        tell_truth(peer, query);
    }
}

// ---- The thread -------------------------------------------------------------

static void hear_datagram(struct name_peer *peer, struct name_peer_query *query)
{
    socklen_t from_len = sizeof query->from;
    ssize_t len = recvfrom(peer->udp, query->packet, 512, 0,
                           (void *)&query->from, &from_len);
    if (atomic_load(&peer->released) && peer->slow->len > 0) {
        tell_truth(peer, peer->slow);
        peer->slow->len = 0;
    }
    query->fd = peer->udp;
    query->tcp = false;
    if (len > 0 && parse(query, (size_t)len)) answer(peer, query);
}

static void accept_client(struct name_peer *peer)
{
    int fd = accept4(peer->tcp, NULL, NULL, SOCK_CLOEXEC);
    atomic_fetch_add(&peer->connections, 1);
    for (int i = 0; i < NAME_PEER_CLIENTS && fd >= 0; i++)
        if (peer->clients[i] < 0) {
            peer->clients[i] = fd;
            return;
        }
    if (fd >= 0) close(fd);
}

// One question; false when the connection has to end.
static bool hear_client(struct name_peer *peer, struct name_peer_query *query,
                        int fd)
{
    unsigned char size[2];
    if (recv(fd, size, 2, MSG_WAITALL) != 2) return false;
    size_t len = (size_t)(size[0] << 8 | size[1]);
    if (len > 512 ||
        recv(fd, query->packet, len, MSG_WAITALL) != (ssize_t)len ||
        !parse(query, len))
        return false;
    if (is(query, "hangup")) return false;
    query->fd = fd;
    query->tcp = true;
    answer(peer, query);
    return true;
}

static void *serve(void *arg)
{
    struct name_peer *peer = arg;
    struct name_peer_query *query = calloc(1, sizeof *query);
    while (query && !atomic_load(&peer->stopping)) {
        struct pollfd fds[NAME_PEER_CLIENTS + 2];
        for (int i = 0; i < NAME_PEER_CLIENTS; i++)
            fds[i] = (struct pollfd){peer->clients[i], POLLIN, 0};
        fds[NAME_PEER_CLIENTS] = (struct pollfd){peer->udp, POLLIN, 0};
        fds[NAME_PEER_CLIENTS + 1] = (struct pollfd){peer->tcp, POLLIN, 0};
        if (poll(fds, NAME_PEER_CLIENTS + 2, -1) < 0) continue;
        if (fds[NAME_PEER_CLIENTS].revents) hear_datagram(peer, query);
        for (int i = 0; i < NAME_PEER_CLIENTS; i++)
            if (fds[i].revents && !hear_client(peer, query, fds[i].fd)) {
                close(peer->clients[i]);
                peer->clients[i] = -1;
            }
        if (fds[NAME_PEER_CLIENTS + 1].revents) accept_client(peer);
    }
    free(query);
    return NULL;
}

static void wake(struct name_peer *peer)
{
    struct sockaddr_in to;
    socklen_t len = sizeof to;
    if (getsockname(peer->udp, (void *)&to, &len) == 0)
        sendto(peer->udp, "", 0, 0, (void *)&to, sizeof to);
}

static int open_sockets(struct name_peer *peer, const char *host, unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof address;
    int on = 1;
    inet_pton(AF_INET, host, &address.sin_addr);
    peer->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    peer->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (peer->tcp < 0 || peer->udp < 0) return -errno;
    setsockopt(peer->tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(peer->tcp, (void *)&address, len) < 0 ||
        listen(peer->tcp, 8) < 0 ||
        getsockname(peer->tcp, (void *)&address, &len) < 0 ||
        bind(peer->udp, (void *)&address, len) < 0)
        return -errno;
    peer->port = ntohs(address.sin_port);
    return 0;
}

static void close_sockets(struct name_peer *peer)
{
    if (peer->udp >= 0) close(peer->udp);
    if (peer->tcp >= 0) close(peer->tcp);
    for (int i = 0; i < NAME_PEER_CLIENTS; i++)
        if (peer->clients[i] >= 0) close(peer->clients[i]);
    free(peer->slow);
}

int name_peer_start(struct name_peer *peer, const char *host, unsigned port)
{
    memset(peer, 0, sizeof *peer);
    peer->udp = peer->tcp = -1;
    for (int i = 0; i < NAME_PEER_CLIENTS; i++)
        peer->clients[i] = -1;
    atomic_store(&peer->last, 1);
    peer->slow = calloc(1, sizeof *peer->slow);
    // A port that is free for TCP may not be so for UDP: another one then.
    int err = peer->slow ? open_sockets(peer, host, port) : -ENOMEM;
    for (int i = 0; i < 20 && err == -EADDRINUSE && port == 0; i++) {
        close(peer->udp);
        close(peer->tcp);
        err = open_sockets(peer, host, port);
    }
    snprintf(peer->address, sizeof peer->address, "%s:%u", host, peer->port);
    if (err == 0) err = -pthread_create(&peer->thread, NULL, serve, peer);
    if (err < 0) close_sockets(peer);
    return err;
}

void name_peer_stop(struct name_peer *peer)
{
    atomic_store(&peer->stopping, 1);
    wake(peer);
    pthread_join(peer->thread, NULL);
    close_sockets(peer);
}

void name_peer_release(struct name_peer *peer)
{
    atomic_store(&peer->released, 1);
    wake(peer);
}
