// Writing: marks and those who wait for them, closing, pieces that stay whole.

#include "stream_checker/pair.h"

static int read_all_job(void *arg)
{
    struct job *job = arg;
    long total = read_stuff(job->stream);
    job->result = (int)total;
    return total < 0 ? (int)total : 0;
}

CHECK(drain_waits_between_the_marks)
{
    CONFORMS("STRM-13");
    MAKE_OR_RETURN(pair);
    struct job drain = {.stream = pair.writer};
    size_t written = stuff(pair.writer);
    size_t unsent = asyncio_stream_write_buffer_size(pair.writer);
    EXPECT_GT(unsent, 0);

    // At the mark: no wait.
    EXPECT_EQ(asyncio_stream_set_write_limits(pair.writer, (long)unsent, 1024),
              0);
    EXPECT_EQ(asyncio_stream_drain(pair.writer), 0);
    // Above: until the low one.
    EXPECT_EQ(
        asyncio_stream_set_write_limits(pair.writer, (long)unsent - 1, 1024),
        0);
    EXPECT_EQ(asyncio_stream_write_nowait(pair.writer, "x", 1), -EAGAIN);
    struct asyncio_task *task = begin(&pair, drain_job, &drain);
    EXPECT(!drain.done);
    struct job reader = {.stream = pair.reader};
    struct asyncio_task *reading = spawn(&pair, read_all_job, &reader);
    EXPECT_EQ(finish(task), 0);
    EXPECT_LE(asyncio_stream_write_buffer_size(pair.writer), 1024);
    end(&pair);
    EXPECT_EQ(finish(reading), 0);
    EXPECT_EQ(reader.result, written);
    unmake(maker, &pair);
}

CHECK(ten_drains_return_together)
{
    CONFORMS("STRM-14");
    MAKE_OR_RETURN(pair);
    struct job jobs[10], reader = {.stream = pair.reader};
    struct asyncio_task *tasks[10];
    stuff(pair.writer);
    EXPECT_EQ(asyncio_stream_set_write_limits(pair.writer, 100, 50), 0);
    for (int i = 0; i < 10; i++) {
        jobs[i] = (struct job){.stream = pair.writer};
        tasks[i] = spawn(&pair, drain_job, &jobs[i]);
    }
    let_others_run();
    for (int i = 0; i < 10; i++)
        EXPECT(!jobs[i].done);
    struct asyncio_task *reading = spawn(&pair, read_all_job, &reader);
    for (int i = 0; i < 10; i++)
        EXPECT_EQ(finish(tasks[i]), 0);
    EXPECT_LE(asyncio_stream_write_buffer_size(pair.writer), 50);
    EXPECT_EQ(cancel(reading), -ECANCELED);
    unmake(maker, &pair);
}

CHECK(writer_learns_that_the_peer_is_gone)
{
    CONFORMS("STRM-15");
    MAKE_OR_RETURN(pair);
    asyncio_stream_abort(pair.reader);
    int err = 0;
    for (long i = 0; i < 1000000 && err == 0; i++) {
        err = asyncio_stream_write_nowait(pair.writer, TEXT("foo\n"));
        if (err == 0 || err == -EAGAIN) err = asyncio_stream_drain(pair.writer);
    }
    EXPECT(err == -EPIPE || err == -ECONNRESET || err == -ECONNABORTED);
    EXPECT_EQ(asyncio_stream_drain(pair.writer), err);
    EXPECT_EQ(asyncio_stream_write(pair.writer, "x", 1), err);
    asyncio_stream_close(pair.writer);
    EXPECT_EQ(asyncio_stream_wait_closed(pair.writer), err);
    unmake(maker, &pair);
}

CHECK(writing_to_a_closed_stream_fails)
{
    CONFORMS("STRM-16");
    MAKE_OR_RETURN(pair);
    char out[4];
    asyncio_stream_close(pair.writer);
    EXPECT(asyncio_stream_is_closing(pair.writer));
    EXPECT_EQ(asyncio_stream_write_nowait(pair.writer, "x", 1), -EBADF);
    EXPECT_EQ(asyncio_stream_drain(pair.writer), -EBADF);
    EXPECT_EQ(asyncio_stream_write(pair.writer, "x", 1), -EBADF);
    EXPECT_EQ(asyncio_stream_wait_closed(pair.writer), 0);
    EXPECT_EQ(asyncio_stream_write(pair.writer, "x", 1), -EBADF);
    EXPECT_EQ(asyncio_stream_drain(pair.writer), -EBADF);
    EXPECT_EQ(asyncio_stream_read(pair.writer, out, 4), -EBADF);
    EXPECT_EQ(asyncio_stream_write_eof(pair.writer), -EBADF);
    EXPECT_EQ(asyncio_stream_fileno(pair.writer), -EBADF);
    EXPECT_EQ(asyncio_stream_wait_closed(pair.writer), 0);
    unmake(maker, &pair);
}

CHECK(wait_closed_waits_for_no_reader)
{
    CONFORMS("STRM-17");
    MAKE_OR_RETURN(pair);
    char line[16];
    put(&pair, "line\nrest");
    EXPECT_EQ(asyncio_stream_readline(pair.reader, line, sizeof line), 5);
    asyncio_stream_close(pair.reader);
    EXPECT_EQ(asyncio_stream_wait_closed(pair.reader), 0);
    unmake(maker, &pair);
}

CHECK(close_sends_what_is_unsent)
{
    CONFORMS("STRM-18");
    MAKE_OR_RETURN(pair);
    size_t written = stuff(pair.writer);
    EXPECT_GT(asyncio_stream_write_buffer_size(pair.writer), 0);
    asyncio_stream_close(pair.writer);
    let_others_run();
    EXPECT_GT(asyncio_stream_write_buffer_size(pair.writer), 0);
    EXPECT_EQ(read_stuff(pair.reader), written);
    EXPECT_EQ(asyncio_stream_wait_closed(pair.writer), 0);
    unmake(maker, &pair);
}

CHECK(abort_drops_what_is_unsent)
{
    CONFORMS("STRM-18");
    MAKE_OR_RETURN(pair);
    size_t written = stuff(pair.writer);
    EXPECT_GT(asyncio_stream_write_buffer_size(pair.writer), 0);
    asyncio_stream_abort(pair.writer);
    EXPECT_EQ(asyncio_stream_wait_closed(pair.writer), 0);
    EXPECT_EQ(asyncio_stream_write_buffer_size(pair.writer), 0);
    EXPECT_LT(read_stuff(pair.reader), written);
    unmake(maker, &pair);
}

CHECK(lower_mark_pauses_at_once)
{
    CONFORMS("STRM-19");
    MAKE_OR_RETURN(pair);
    size_t high = 0, low = 0;
    asyncio_stream_get_write_limits(pair.writer, &high, &low);
    EXPECT_EQ(high, ASYNCIO_STREAM_HIGH);
    EXPECT_EQ(low, ASYNCIO_STREAM_LOW);
    stuff(pair.writer);
    // 512 bytes at most are between what is unsent and the mark.
    size_t unsent = asyncio_stream_write_buffer_size(pair.writer);
    long mark = (long)unsent + 512;
    EXPECT_EQ(asyncio_stream_set_write_limits(pair.writer, mark, 128), 0);
    EXPECT_EQ(asyncio_stream_write_nowait(pair.writer, "x", 1), 0);
    EXPECT_EQ(asyncio_stream_set_write_limits(pair.writer, mark - 512, 128), 0);
    EXPECT_EQ(asyncio_stream_write_nowait(pair.writer, "x", 1), -EAGAIN);
    EXPECT_EQ(asyncio_stream_set_write_limits(pair.writer, 0, 1), -EINVAL);
    EXPECT_EQ(asyncio_stream_set_write_limits(pair.writer, 5, -1), -EINVAL);
    EXPECT_EQ(asyncio_stream_set_write_limits(pair.writer, -1, -1), -EINVAL);
    EXPECT_EQ(asyncio_stream_set_write_limits(pair.writer, LONG_MAX, LONG_MAX),
              0);
    EXPECT_EQ(asyncio_stream_write_nowait(pair.writer, "x", 1), 0);
    unmake(maker, &pair);
}
static int piece_count(void) // of each writer
{
    return (int)test_amount(100, 20);
}

static int pieces_job(void *arg)
{
    struct job *job = arg;
    char piece[1001];
    memset(piece, 'a' + job->result, 1000);
    piece[1000] = '\n';
    for (int i = 0, count = piece_count(); i < count; i++) {
        int err = asyncio_stream_write(job->stream, piece, sizeof piece);
        if (err == 0) continue;
        asyncio_stream_abort(job->stream);
        return err;
    }
    return 0;
}

CHECK(many_writers_keep_their_pieces_whole)
{
    MAKE_OR_RETURN(pair);
    struct job jobs[5];
    struct asyncio_task *tasks[5];
    int counts[5] = {0};
    EXPECT_EQ(asyncio_stream_set_write_limits(pair.writer, 3000, 1000), 0);
    for (int i = 0; i < 5; i++) {
        jobs[i] = (struct job){.stream = pair.writer, .result = i};
        tasks[i] = spawn(&pair, pieces_job, &jobs[i]);
    }
    char line[1100];
    for (int i = 0; i < 5 * piece_count(); i++) {
        int len = asyncio_stream_readline(pair.reader, line, sizeof line);
        if (!EXPECT_EQ(len, 1001)) {
            asyncio_stream_abort(pair.reader);
            break;
        }
        bool same = memcmp(line, line + 1, 999) == 0;
        if (!EXPECT(same && line[0] >= 'a' && line[0] < 'a' + 5)) break;
        counts[line[0] - 'a']++;
    }
    for (int i = 0; i < 5; i++) {
        EXPECT_EQ(finish(tasks[i]), 0);
        EXPECT_EQ(counts[i], piece_count());
    }
    unmake(maker, &pair);
}

// Much in one piece, with the memory used for something else at once: more than
// a socket takes, with a peer that does not read yet.
CHECK(what_is_written_may_change_at_once)
{
    MAKE_OR_RETURN(pair);
    static char bytes[MUCH];
    size_t size = much();
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i % 251);
    const struct iovec parts[] = {
        {bytes, 1}, {NULL, 0}, {bytes + 1, 99999}, {bytes + 100000, 40000}};
    EXPECT_EQ(asyncio_stream_set_write_limits(pair.writer, (long)size, 0), 0);
    int err = asyncio_stream_writev(pair.writer, parts, 4);
    memset(bytes, 'x', 140000);
    if (EXPECT_EQ(err, 0))
        err = asyncio_stream_write(pair.writer, bytes + 140000, size - 140000);
    EXPECT_EQ(err, 0);
    memset(bytes, 'x', size);
    asyncio_stream_close(pair.writer);
    EXPECT_EQ(read_stuff(pair.reader), err == 0 ? size : 0);
    unmake(maker, &pair);
}

CHECK(vectors_are_one_piece)
{
    MAKE_OR_RETURN(pair);
    const struct iovec parts[] = {
        {"one ", 4}, {"", 0}, {"two ", 4}, {NULL, 0}, {"three", 5}};
    if (EXPECT_EQ(asyncio_stream_writev(pair.writer, parts, 5), 0))
        expect_read(&pair, "one two three");
    if (EXPECT_EQ(asyncio_stream_writev_nowait(pair.writer, parts, 3), 0))
        expect_read(&pair, "one two ");
    EXPECT_EQ(asyncio_stream_write(pair.writer, NULL, 0), 0);
    EXPECT_EQ(asyncio_stream_writev(pair.writer, NULL, 0), 0);
    unmake(maker, &pair);
}

CHECK(half_close_leaves_the_other_half)
{
    MAKE_OR_RETURN(pair);
    char out[8];
    if (!asyncio_stream_can_write_eof(pair.writer)) {
        EXPECT_EQ(asyncio_stream_write_eof(pair.writer), -ENOTSUP);
        unmake(maker, &pair);
        return;
    }
    put(&pair, "last");
    EXPECT_EQ(asyncio_stream_write_eof(pair.writer), 0);
    EXPECT_EQ(asyncio_stream_write_eof(pair.writer), 0);
    EXPECT_EQ(asyncio_stream_write(pair.writer, "x", 1), -EBADF);
    expect_read(&pair, "last");
    expect_read(&pair, "");
    EXPECT(!asyncio_stream_is_closing(pair.writer));
    if (pair.both_ways) {
        int err = asyncio_stream_write(pair.reader, TEXT("back"));
        if (EXPECT_EQ(err, 0))
            EXPECT_EQ(asyncio_stream_readexactly(pair.writer, out, 4), 4);
    }
    unmake(maker, &pair);
}
