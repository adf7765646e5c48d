// What a loop keeps for its streams and servers: lists of them, and chunks of
// memory for what is to be sent.
//
// A chunk is in use only while something is unsent, so a few of them serve any
// number of connections, and the one that was used last is handed out first.
// But what a turn writes is all unsent at its end, however many connections it
// has served: for as much as most messages have, there are small ones.

#include "io/io.h"

#include <string.h>

#include "io/server.h"
#include "io/stream.h"
#include "platform/sys.h"

// A megabyte of each.
#define SPARE_MAX       64
#define SPARE_SMALL_MAX 1024

static void drop(struct asyncio__io *io)
{
    struct asyncio_link *link;
    while ((link = list_pop(&io->spare.chunks)) ||
           (link = list_pop(&io->spare_small.chunks)))
        asyncio__free(list_entry(link, struct asyncio__chunk, link));
    io->loop->io = NULL;
    asyncio__free(io);
}

// What the poller still has to let go of is waited for by the loop, and the
// last stream to go takes the rest along.
static void loop_closes(struct asyncio__at_close *hook)
{
    struct asyncio__io *io = list_entry(hook, struct asyncio__io, at_close);
    struct asyncio_link *link;
    io->closing = true;
    io->users++;
    list_for_each_safe (server, after, &io->servers)
        asyncio__server_loop_closes(
            list_entry(server, struct asyncio__server, link));
    while ((link = list_first(&io->lost)))
        asyncio__stream_lost(list_entry(link, struct asyncio_stream, link));
    // Closing one may close another that it stands on.
    struct asyncio_link all = {0};
    list_splice(&all, &io->streams);
    while ((link = list_pop(&all))) {
        list_add_tail(&io->streams, link);
        asyncio_stream_abort(list_entry(link, struct asyncio_stream, link));
    }
    asyncio__io_unuse(io);
}

static int make(struct asyncio_loop *loop)
{
    struct asyncio__io *io = asyncio__alloc(sizeof *io);
    if (!io) return -ENOMEM;
    io->loop = loop;
    io->tries_first = strcmp(asyncio__poller_name(loop->poller), "epoll") == 0;
    io->lends = asyncio__poller_lends(loop->poller);
    io->at_close.fn = loop_closes;
    asyncio__loop_at_close(loop, &io->at_close);
    loop->io = io;
    return 0;
}

int asyncio__io_use(struct asyncio_loop *loop, struct asyncio__io **io)
{
    int err = loop->io ? 0 : make(loop);
    if (err < 0) return err;
    if (loop->io->closing) return -ESHUTDOWN;
    *io = loop->io;
    (*io)->users++;
    return 0;
}

void asyncio__io_unuse(struct asyncio__io *io)
{
    if (--io->users == 0 && io->closing) drop(io);
}

static struct asyncio__chunk *make_chunk(uint32_t size)
{
    struct asyncio__chunk *chunk =
        asyncio__alloc(offsetof(struct asyncio__chunk, data) + size);
    if (chunk) chunk->size = size;
    return chunk;
}

struct asyncio__chunk *asyncio__chunk_get(struct asyncio__io *io, uint32_t size)
{
    bool small = size == ASYNCIO__CHUNK_SMALL;
    struct asyncio__spares *spare = small ? &io->spare_small : &io->spare;
    struct asyncio_link *link = list_pop(&spare->chunks);
    if (!link) return make_chunk(size);
    spare->count--;
    struct asyncio__chunk *chunk =
        list_entry(link, struct asyncio__chunk, link);
    chunk->start = chunk->end = 0;
    return chunk;
}

void asyncio__chunk_put(struct asyncio__io *io, struct asyncio__chunk *chunk)
{
    bool small = chunk->size == ASYNCIO__CHUNK_SMALL;
    struct asyncio__spares *spare = small ? &io->spare_small : &io->spare;
    if (spare->count >= (small ? SPARE_SMALL_MAX : SPARE_MAX)) {
        asyncio__free(chunk);
        return;
    }
    spare->count++;
    list_add_head(&spare->chunks, &chunk->link);
}
