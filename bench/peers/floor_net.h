// What the bare servers share: a listening socket, and what is answered.
//
// An echo answers what it read. HTTP answers each head that ends in an empty
// line and has a space in it, without looking at anything else: less than that
// nobody can do.
#pragma once

#include "peer_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>

#define BUFFER_SIZE 65536
#define BACKLOG     1024
#define SERVED_MAX  65536 // descriptors

struct served {
    char bytes[BUFFER_SIZE];
    size_t len, sent; // of the answer that is on its way
};

static bool floor_http;
static struct served *floor_served[SERVED_MAX]; // by descriptor

static inline int floor_listen(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)port),
    };
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    peer_check(bind(fd, (void *)&address, sizeof address) == 0 &&
                   listen(fd, BACKLOG) == 0,
               "cannot listen");
    return fd;
}

static inline struct served *floor_accepted(int fd)
{
    int on = 1;
    peer_check(fd < SERVED_MAX, "too many connections");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!floor_served[fd]) floor_served[fd] = malloc(sizeof(struct served));
    peer_check(floor_served[fd] != NULL, "no memory");
    return floor_served[fd];
}

// Puts the answer to the `len` bytes that were read in their place. Heads come
// whole here, one or several at a time.
static inline void floor_answer(struct served *served, size_t len)
{
    char *at = served->bytes, *end = at + len, *stop;
    size_t heads = 0;
    served->sent = 0;
    served->len = len;
    if (!floor_http) return;
    while ((stop = memmem(at, (size_t)(end - at), "\r\n\r\n", 4))) {
        heads += memchr(at, ' ', (size_t)(stop - at)) != NULL;
        at = stop + 4;
    }
    for (size_t i = 0; i < heads; i++)
        memcpy(served->bytes + i * PEER_HELLO_LEN, peer_hello, PEER_HELLO_LEN);
    served->len = heads * PEER_HELLO_LEN;
}

// The port to serve at, of a program called with echo or http; else it ends.
static inline int floor_port(int argc, char **argv)
{
    if (argc != 3) exit(DOES_NOT);
    floor_http = strcmp(argv[1], "http") == 0;
    if (!floor_http && strcmp(argv[1], "echo") != 0) exit(DOES_NOT);
    return atoi(argv[2]);
}
