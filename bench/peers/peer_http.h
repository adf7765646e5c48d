// Hello over HTTP, as every server here that parses for itself says it: a head
// is read up to the empty line, and has a space in its first line.
#pragma once

#include "peer.h"

#define PEER_HEAD_MAX 4096

static const char peer_hello[] = "HTTP/1.1 200 OK\r\n"
                                 "Content-Type: text/plain\r\n"
                                 "Content-Length: 13\r\n\r\n"
                                 "Hello, World!";
#define PEER_HELLO_LEN (sizeof peer_hello - 1)

// What has come of a connection and was not answered yet.
struct peer_heads {
    char bytes[PEER_HEAD_MAX];
    size_t len;
};

// Takes the whole heads out of what has come; returns how many were good.
static inline size_t peer_take_heads(struct peer_heads *heads)
{
    char *at = heads->bytes, *end = at + heads->len, *stop;
    size_t count = 0;
    while ((stop = (char *)memmem(at, (size_t)(end - at), "\r\n\r\n", 4))) {
        count += memchr(at, ' ', (size_t)(stop - at)) != NULL;
        at = stop + 4;
    }
    heads->len = (size_t)(end - at);
    memmove(heads->bytes, at, heads->len);
    return count;
}
