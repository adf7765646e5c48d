// What a loop keeps for its streams and servers.
//
// It is made with the first of them and ends with the loop: everything that is
// still open then is closed at once.
#pragma once

#include "base/list.h"
#include "loop/loop.h"

struct asyncio__io {
    struct asyncio__at_close at_close;
    struct asyncio_loop *loop;
    struct asyncio_link streams; // asyncio_stream.link: those not gone
    struct asyncio_link lost;    // the same: connection_lost is still to call
    struct asyncio_link servers; // asyncio__server.link
    struct asyncio__spares {
        struct asyncio_link chunks; // asyncio__chunk.link, for reuse
        unsigned count;
    } spare, spare_small;
    size_t users;     // streams and servers that need this
    uint64_t serial;  // of the server made last
    bool tries_first; // a system call before a request to the poller pays
    bool lends;       // the poller may have memory to receive into
    bool closing;     // the loop closes: nothing will be waited for
};

// A piece of what is to be sent: data[start] to data[end]. It has one of two
// sizes.
#define ASYNCIO__CHUNK_SIZE  16384
#define ASYNCIO__CHUNK_SMALL 960
struct asyncio__chunk {
    struct asyncio_link link;
    uint32_t start, end;
    uint32_t size; // of data
    char data[];
};

// Finds or makes it, and counts one more user; unuse counts one less.
int asyncio__io_use(struct asyncio_loop *loop, struct asyncio__io **io);
void asyncio__io_unuse(struct asyncio__io *io);

// An empty chunk of that size, or NULL; gives it back.
struct asyncio__chunk *asyncio__chunk_get(struct asyncio__io *io,
                                          uint32_t size);
void asyncio__chunk_put(struct asyncio__io *io, struct asyncio__chunk *chunk);
