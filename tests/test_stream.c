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

// --- much at a time ---------------------------------------------------------

#define LARGE 16384

static char large[LARGE], came[3 * LARGE];

// One large message goes through, read with `size` bytes at a time. False if
// that has failed, which a fault loop may bring about.
static bool pass_large(const struct stream_pair *pair, size_t size)
{
    memset(large, 'L', sizeof large);
    memset(came, 0, sizeof came);
    int err = asyncio_stream_write(pair->writer, large, sizeof large);
    for (size_t got = 0; err >= 0 && got < sizeof large; got += (size_t)err) {
        err = asyncio_stream_read(pair->reader, came + got, size);
        if (err == 0) err = -ENODATA;
    }
    return EXPECT_GE(err, 0) && EXPECT_EQ(memcmp(came, large, LARGE), 0);
}

// Who has been sent much waits in another way.
static int make_after_much(struct stream_pair *pair)
{
    int err = make_unix(pair);
    if (err < 0) return err;
    if (pass_large(pair, (size_t)2 * LARGE)) return 0;
    asyncio_stream_abort(pair->reader);
    asyncio_stream_abort(pair->writer);
    asyncio_stream_free(pair->reader);
    asyncio_stream_free(pair->writer);
    return -EIO;
}

static int wait_for_byte(void *arg)
{
    const struct stream_pair *pair = arg;
    char byte;
    return asyncio_stream_read(pair->reader, &byte, 1);
}

// Who has often waited is told in another way that there is something.
static int make_after_many(struct stream_pair *pair)
{
    int got = make_tcp(pair);
    if (got < 0) return got;
    for (int i = 0; i < 8 && got >= 0; i++) {
        // By the system, so that the reader waits, and begins before.
        struct asyncio_task *task = asyncio_create_task(wait_for_byte, pair);
        got = asyncio_sleep(0);
        int fd = asyncio_stream_fileno(pair->writer);
        EXPECT_EQ(send(fd, "x", 1, MSG_NOSIGNAL), 1);
        int len = asyncio_await(task);
        asyncio_task_release(task);
        if (got >= 0) got = len;
    }
    if (got >= 0) return 0;
    asyncio_stream_abort(pair->reader);
    asyncio_stream_abort(pair->writer);
    asyncio_stream_free(pair->reader);
    asyncio_stream_free(pair->writer);
    return got;
}

STREAM_CHECKS(tcp, .make = make_tcp)
STREAM_CHECKS(local, .make = make_unix)
STREAM_CHECKS(pipe, .make = make_pipe)
STREAM_CHECKS(after_much, .make = make_after_much)
STREAM_CHECKS(after_many, .make = make_after_many)

static void drop_pair(struct stream_pair *pair)
{
    asyncio_stream_abort(pair->reader);
    asyncio_stream_abort(pair->writer);
    asyncio_stream_free(pair->reader);
    asyncio_stream_free(pair->writer);
}

static int read_small(void *arg)
{
    struct stream_pair *pair = arg;
    char bytes[8];
    int got = asyncio_stream_read(pair->reader, bytes, sizeof bytes);
    pair->more = got > 0 ? "read" : "failed";
    return got;
}

static struct asyncio_task *begin_to_read(struct stream_pair *pair)
{
    struct asyncio_task *task = asyncio_create_task(read_small, pair);
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(asyncio_sleep(0), 0);
    return task;
}

static int result_of(struct asyncio_task *task)
{
    int result = asyncio_await(task);
    asyncio_task_release(task);
    return result;
}

// A read that is filled is followed by a try for more. There never is any, and
// then there is.
TEST(messages_may_have_the_size_of_the_buffer)
{
    struct stream_pair pair = {0};
    EXPECT_OR_RETURN(make_unix(&pair) == 0);
    bool fine = true;
    for (int i = 0; i < 40 && fine; i++)
        fine = pass_large(&pair, LARGE);
    for (int i = 0; i < 40 && fine; i++)
        fine = pass_large(&pair, LARGE / 4 + LARGE * (size_t)(i % 2));
    drop_pair(&pair);
}

static int count_turns(void *arg)
{
    int *turns = arg;
    while (asyncio_sleep(0) == 0)
        ++*turns;
    return -ECANCELED;
}

// What is there at once is read without waiting, but not for ever.
TEST(reader_of_much_lets_others_run, .short_counts = true)
{
    const int size = 1 << 20;
    struct stream_pair pair = {0};
    int turns = 0, got = LARGE / 4;
    EXPECT_OR_RETURN(make_after_much(&pair) == 0);
    int fd = asyncio_stream_fileno(pair.writer);
    EXPECT_EQ(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    while (send(fd, large, sizeof large, MSG_DONTWAIT) > 0)
        continue;
    struct asyncio_task *task = asyncio_create_task(count_turns, &turns);
    for (int i = 0; i < 40 && got == LARGE / 4; i++) {
        if (i == 2) turns = 0; // the first ones wait
        got = asyncio_stream_read(pair.reader, came, LARGE / 4);
    }
    EXPECT_EQ(got, LARGE / 4);
    EXPECT_GT(turns, 0);
    asyncio_task_cancel(task);
    EXPECT_LE(result_of(task), 0);
    drop_pair(&pair);
}

// Twice: before and after the poller has looked.
TEST(bytes_that_came_before_a_close_are_read_or_dropped)
{
    for (int turns = 0; turns < 2; turns++) {
        struct stream_pair pair = {0};
        EXPECT_OR_RETURN(make_after_much(&pair) == 0);
        struct asyncio_task *task = begin_to_read(&pair);
        EXPECT_EQ(asyncio_stream_write(pair.writer, "late", 4), 0);
        for (int i = 0; i < turns; i++)
            EXPECT_EQ(asyncio_sleep(0), 0);
        asyncio_stream_close(pair.reader);
        int result = result_of(task);
        EXPECT(result == 4 || result == -EBADF);
        drop_pair(&pair);
    }
}

// Of two readers that are woken together the first takes away what the other
// was sent.
struct thief {
    struct stream_pair own, other;
    struct asyncio_task *cancels; // who is cancelled then, or NULL
    bool closes;                  // the other is closed instead
    bool stole;
};

// Closes the other's stream, whose number then means something else.
static void replace(struct stream_pair *pair)
{
    int fds[2];
    asyncio_stream_close(pair->reader);
    EXPECT_OR_RETURN(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(send(fds[i], "foreign", 7, MSG_NOSIGNAL), 7);
    EXPECT_EQ(asyncio_sleep(0), 0);
    close(fds[0]);
    close(fds[1]);
}

static int steal(void *arg)
{
    struct thief *thief = arg;
    char bytes[8];
    int got = asyncio_stream_read(thief->own.reader, bytes, sizeof bytes);
    if (thief->closes) {
        replace(&thief->other);
        return got;
    }
    int from = asyncio_stream_fileno(thief->other.reader);
    thief->stole = recv(from, bytes, sizeof bytes, MSG_DONTWAIT) == 5;
    if (thief->cancels) asyncio_task_cancel(thief->cancels);
    return got;
}

static void send_to(const struct stream_pair *pair, const char *text)
{
    int fd = asyncio_stream_fileno(pair->writer);
    EXPECT_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

enum robbery { TAKES, TAKES_AND_CANCELS, CLOSES };

// Returns what the robbed one has come to.
static int rob(enum robbery robbery, bool *stole)
{
    struct thief thief = {.closes = robbery == CLOSES};
    struct stream_pair *own = &thief.own, *other = &thief.other;
    EXPECT_OR_RETURN(make_after_much(own) == 0, -EIO);
    if (!EXPECT_EQ(make_after_much(other), 0)) {
        drop_pair(own);
        return -EIO;
    }
    struct asyncio_task *first = asyncio_create_task(steal, &thief);
    struct asyncio_task *robbed = begin_to_read(other);
    if (robbery == TAKES_AND_CANCELS) thief.cancels = robbed;
    send_to(own, "own");
    send_to(other, "first");
    EXPECT_EQ(result_of(first), 3);
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(asyncio_sleep(0), 0);
    *stole = thief.stole;
    if (*stole && robbery == TAKES) {
        EXPECT(!asyncio_task_done(robbed));
        send_to(other, "next");
    }
    int result = result_of(robbed);
    drop_pair(other);
    drop_pair(own);
    return result;
}

// What was there when the task was woken may be gone when it runs: it waits
// for the next.
TEST(reader_whose_bytes_were_taken_waits_again)
{
    bool stole = false;
    int result = rob(TAKES, &stole);
    EXPECT_EQ(result, stole ? 4 : 5);
}

TEST(reader_whose_bytes_were_taken_can_be_cancelled)
{
    bool stole = false;
    int result = rob(TAKES_AND_CANCELS, &stole);
    EXPECT(result == -ECANCELED || (!stole && result == 5));
}

TEST(reader_whose_stream_was_closed_reads_nothing_else)
{
    bool stole = false;
    int result = rob(CLOSES, &stole);
    EXPECT(result == -EBADF || result == 5);
}

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

    if (EXPECT_EQ(asyncio_stream_write(writer, "abc", 3), 0)) {
        EXPECT_EQ(asyncio_stream_readexactly(reader, out, 3), 3);
        EXPECT_STR(out, "abc");
    }
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
