// Bytes that the kernel would move by itself: sendfile and splice.
//
//     look at what there is -> give as much as is taken -> take that away
//
// Nothing is lost in between, since nobody else runs.

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "platform/sim.h"
#include "platform/sys.h"

#define AT_ONCE 65536

struct move {
    int in, out;
    int64_t in_offset, out_offset; // -1: the position, or none
    size_t len;
    char *buffer;
};

static bool is_stream(const struct asyncio_simulator *world, int fd)
{
    struct sim_file *file = asyncio__sim_file(world, fd);
    return file && !file->kind->is_disk;
}

// What can be had without taking it.
static int peek(struct asyncio_simulator *world, const struct move *move)
{
    struct sim_file *file = asyncio__sim_file(world, move->in);
    struct asyncio__op op = {
        .fd = move->in, .buffer = move->buffer, .len = (uint32_t)move->len};
    int64_t offset = move->in_offset;
    if (is_stream(world, move->in))
        return asyncio__sim_look(world, file, move->buffer, move->len);
    if (offset < 0) offset = asyncio__sim_lseek(move->in, 0, SEEK_CUR);
    op.code = ASYNCIO__OP_READ;
    op.offset = offset;
    return file->kind->attempt(world, file, &op);
}

static int give(struct asyncio_simulator *world, const struct move *move,
                int len)
{
    struct sim_file *file = asyncio__sim_file(world, move->out);
    struct asyncio__op op = {.code = ASYNCIO__OP_WRITE,
                             .fd = move->out,
                             .buffer = move->buffer,
                             .len = (uint32_t)len,
                             .offset = move->out_offset};
    return file->kind->attempt(world, file, &op);
}

static void take_away(struct asyncio_simulator *world, const struct move *move,
                      int len)
{
    struct sim_file *file = asyncio__sim_file(world, move->in);
    struct asyncio__op op = {.code = ASYNCIO__OP_READ,
                             .fd = move->in,
                             .buffer = move->buffer,
                             .len = (uint32_t)len,
                             .offset = -1};
    if (!is_stream(world, move->in)) {
        if (move->in_offset < 0) asyncio__sim_lseek(move->in, len, SEEK_CUR);
        return;
    }
    // A call may be made to come short.
    while (op.len > 0) {
        int n = file->kind->attempt(world, file, &op);
        if (n <= 0) return;
        op.len -= (uint32_t)n;
    }
}

static int move_bytes(struct asyncio_simulator *world, struct move *move)
{
    move->buffer = asyncio__sim_alloc(AT_ONCE);
    if (!move->buffer) return -ENOMEM;
    int len = peek(world, move);
    if (len > 0) len = give(world, move, len);
    if (len > 0) take_away(world, move, len);
    asyncio__free(move->buffer);
    return len;
}

int asyncio__sim_move(struct asyncio_simulator *world,
                      const struct asyncio__op *op)
{
    bool sends = op->code == ASYNCIO__OP_SENDFILE;
    struct move move = {
        .in = sends ? op->fd2 : op->fd,
        .out = sends ? op->fd : op->fd2,
        .in_offset = op->offset,
        .out_offset = sends ? -1 : op->size,
        .len = op->len < AT_ONCE ? op->len : AT_ONCE,
    };
    if (!asyncio__sim_file(world, move.in) ||
        !asyncio__sim_file(world, move.out))
        return -EINVAL; // one of them is not of this world
    if (sends && is_stream(world, move.in)) return -EINVAL;
    return move_bytes(world, &move);
}
