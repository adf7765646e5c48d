// Streams of descriptors: the checks for all of them, over TCP, Unix sockets
// and pipes, and what only some can do.

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream_checker.h"

static int make_unix(struct stream_pair *pair)
{
    pair->both_ways = true;
    return asyncio_open_pair(&pair->reader, &pair->writer);
}

static int make_pipe(struct stream_pair *pair)
{
    return asyncio_open_pipe(&pair->reader, &pair->writer);
}

// A connection of this process with itself; nothing of it waits. Its buffers
// are small, so that a writer is soon ahead of its reader.
static int connect_to_self(int fds[2])
{
    const int size = 16384;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *any = (struct sockaddr *)&address;
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    for (int i = 0; i < 2; i++) {
        int fd = i == 0 ? listener : fds[0];
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    bool fine = bind(listener, any, len) == 0 && listen(listener, 1) == 0 &&
                getsockname(listener, any, &len) == 0 &&
                connect(fds[0], any, len) == 0;
    fds[1] = fine ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
    close(listener);
    if (fds[1] >= 0) return 0;
    close(fds[0]);
    return -EIO;
}

static int make_tcp(struct stream_pair *pair)
{
    int fds[2];
    int err = connect_to_self(fds);
    if (err < 0) return err;
    pair->both_ways = true;
    err = asyncio_stream_open(&pair->reader, fds[0]);
    if (err < 0) goto fail_fds;
    err = asyncio_stream_open(&pair->writer, fds[1]);
    if (err == 0) return 0;
    asyncio_stream_close(pair->reader);
    asyncio_stream_free(pair->reader);
    close(fds[1]);
    return err;

fail_fds:
    close(fds[0]);
    close(fds[1]);
    return err;
}

STREAM_CHECKS(tcp, .make = make_tcp)
STREAM_CHECKS(local, .make = make_unix)
STREAM_CHECKS(pipe, .make = make_pipe)

// --- a failed write ---------------------------------------------------------

// The peer reads no more, and does not say that it is gone: nothing but the
// write tells that no answer will come.
TEST(a_failed_write_ends_the_reads_that_wait)
{
    struct asyncio_stream *stream, *peer;
    char out[8] = "";
    EXPECT_OR_RETURN(asyncio_open_pair(&stream, &peer) == 0);
    EXPECT_EQ(asyncio_stream_write(peer, "before", 6), 0);
    EXPECT_EQ(asyncio_stream_drain(peer), 0);
    EXPECT_EQ(asyncio_sleep(0.001), 0);
    EXPECT_EQ(shutdown(asyncio_stream_fileno(peer), SHUT_RD), 0);
    asyncio_ignore(asyncio_stream_write(stream, "question", 8));
    EXPECT_EQ(asyncio_sleep(0.001), 0);
    EXPECT_EQ(asyncio_stream_drain(stream), -EPIPE);

    int len = asyncio_wait_for(asyncio_stream_readexactly(stream, out, 6), 5);
    EXPECT_EQ(len, 6);
    EXPECT_STR(out, "before");
    EXPECT(!asyncio_stream_at_eof(stream));
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(asyncio_wait_for(asyncio_stream_read(stream, out, 6), 5),
                  -EPIPE);
    EXPECT(!asyncio_stream_at_eof(stream));
    asyncio_stream_abort(stream);
    asyncio_stream_free(stream);
    asyncio_stream_abort(peer);
    asyncio_stream_free(peer);
}

static int read_one(void *stream)
{
    char byte;
    return asyncio_stream_read(stream, &byte, 1);
}

TEST(a_failed_write_ends_the_read_under_way)
{
    struct asyncio_stream *stream, *peer;
    EXPECT_OR_RETURN(asyncio_open_pair(&stream, &peer) == 0);
    struct asyncio_task *task = asyncio_create_task(read_one, stream);
    EXPECT_EQ(asyncio_sleep(0.001), 0);
    EXPECT_EQ(shutdown(asyncio_stream_fileno(peer), SHUT_RD), 0);
    asyncio_ignore(asyncio_stream_write(stream, "question", 8));
    EXPECT_EQ(asyncio_wait_for(asyncio_await(task), 5), -EPIPE);
    asyncio_task_release(task);
    // The peer writes, too, and is told.
    EXPECT_EQ(asyncio_stream_write(peer, "x", 1), 0);
    EXPECT_EQ(asyncio_sleep(0.001), 0);
    EXPECT_EQ(asyncio_stream_drain(peer), -EPIPE);
    asyncio_stream_abort(stream);
    asyncio_stream_free(stream);
    asyncio_stream_abort(peer);
    asyncio_stream_free(peer);
}

// An end that the peer has made itself is one, whatever became of the writes.
TEST(a_failed_write_leaves_the_end_that_had_come)
{
    struct asyncio_stream *stream, *peer;
    char out[8] = "";
    EXPECT_OR_RETURN(asyncio_open_pair(&stream, &peer) == 0);
    EXPECT_EQ(asyncio_stream_write(peer, "bye", 3), 0);
    EXPECT_EQ(asyncio_sleep(0.001), 0);
    EXPECT_EQ(shutdown(asyncio_stream_fileno(peer), SHUT_RDWR), 0);
    asyncio_ignore(asyncio_stream_write(stream, "question", 8));
    EXPECT_EQ(asyncio_sleep(0.001), 0);
    EXPECT_EQ(asyncio_stream_drain(stream), -EPIPE);
    EXPECT_EQ(asyncio_wait_for(asyncio_stream_readexactly(stream, out, 3), 5),
              3);
    EXPECT_EQ(asyncio_wait_for(asyncio_stream_read(stream, out, 8), 5), 0);
    EXPECT(asyncio_stream_at_eof(stream));
    asyncio_stream_abort(stream);
    asyncio_stream_free(stream);
    asyncio_stream_abort(peer);
    asyncio_stream_free(peer);
}

// --- what there is not ------------------------------------------------------

TEST(what_can_only_be_read_is_not_written)
{
    struct asyncio_stream *reader, *writer;
    char out[4] = "";
    EXPECT_OR_RETURN(asyncio_open_pipe(&reader, &writer) == 0);
    EXPECT_EQ(asyncio_stream_write(reader, "x", 1), -EBADF);
    EXPECT_EQ(asyncio_stream_write_nowait(reader, "x", 1), -EBADF);
    EXPECT(!asyncio_stream_can_write_eof(reader));
    EXPECT_EQ(asyncio_stream_read(writer, out, 1), -EBADF);

    EXPECT_EQ(asyncio_stream_write(writer, "abc", 3), 0);
    EXPECT_EQ(asyncio_stream_readexactly(reader, out, 3), 3);
    EXPECT_STR(out, "abc");
    asyncio_stream_close(reader);
    EXPECT_EQ(asyncio_stream_wait_closed(reader), 0);
    asyncio_stream_free(reader);
    asyncio_stream_abort(writer);
    asyncio_stream_free(writer);
}

TEST(what_is_dropped_by_an_abort_is_not_counted_any_more, .short_counts = true)
{
    static char much[1 << 20];
    struct asyncio_stream *stream, *peer;
    EXPECT_OR_RETURN(asyncio_open_pair(&stream, &peer) == 0);
    EXPECT_EQ(asyncio_stream_write(stream, much, sizeof much), 0);
    EXPECT_GT(asyncio_stream_write_buffer_size(stream), 0);
    asyncio_stream_abort(stream);
    EXPECT_EQ(asyncio_stream_write_buffer_size(stream), 0);
    EXPECT_EQ(asyncio_stream_wait_closed(stream), 0);
    asyncio_stream_free(stream);
    asyncio_stream_abort(peer);
    asyncio_stream_free(peer);
}
