// What every stream has to do, whatever it stands on.

#include "stream_checker.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT(text) (text), sizeof(text) - 1

// --- surroundings -----------------------------------------------------------

static bool make(const struct stream_maker *maker, struct stream_pair *pair)
{
    *pair = (struct stream_pair){0};
    return EXPECT_EQ(maker->make(pair), 0);
}

static void drop(struct asyncio_stream **stream)
{
    asyncio_stream_abort(*stream);
    if (*stream) EXPECT_LE(asyncio_stream_wait_closed(*stream), 0);
    asyncio_stream_free(*stream);
    *stream = NULL;
}

static void unmake(const struct stream_maker *maker, struct stream_pair *pair)
{
    drop(&pair->writer);
    drop(&pair->reader);
    if (maker->unmake) maker->unmake(pair);
}

// Everybody else has had several turns.
static void let_others_run(void)
{
    for (int i = 0; i < 8; i++)
        EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0.001), 0);
}

// Nobody is to wait for what could not be written.
static void put(struct stream_pair *pair, const char *text)
{
    int err = asyncio_stream_write(pair->writer, text, strlen(text));
    if (!EXPECT_EQ(err, 0)) asyncio_stream_abort(pair->writer);
}

static void end(struct stream_pair *pair)
{
    asyncio_stream_close(pair->writer);
    EXPECT_EQ(asyncio_stream_wait_closed(pair->writer), 0);
}

// Reads and compares. It may come in pieces; for "" the end is expected.
static void expect_read(struct stream_pair *pair, const char *text)
{
    char buffer[256] = "";
    size_t len = 0;
    int got;
    do {
        got = asyncio_stream_read(pair->reader, buffer + len,
                                  sizeof buffer - 1 - len);
        if (got > 0) len += (size_t)got;
    } while (got > 0 && len < strlen(text));
    if (*text == '\0') EXPECT_EQ(got, 0);
    EXPECT_STR(buffer, text);
}

// Writes until the system takes no more. Returns how much was written.
static size_t stuff(struct asyncio_stream *stream)
{
    static char bytes[32768];
    size_t written = 0;
    EXPECT_EQ(asyncio_stream_set_write_limits(stream, LONG_MAX, 0), 0);
    for (int idle = 0; idle < 3;) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)((written + i) % 251);
        int err = asyncio_stream_write_nowait(stream, bytes, sizeof bytes);
        EXPECT_OR_RETURN(err == 0, written);
        written += sizeof bytes;
        size_t before = asyncio_stream_write_buffer_size(stream);
        let_others_run();
        bool stuck = asyncio_stream_write_buffer_size(stream) == before;
        idle = stuck && before >= sizeof bytes ? idle + 1 : 0;
    }
    return written;
}

// Reads to the end; returns how much, or a negative errno. -EILSEQ for bytes
// that are not those of `stuff`.
static long read_stuff(struct asyncio_stream *stream)
{
    static char bytes[65536];
    size_t total = 0;
    for (;;) {
        int len = asyncio_stream_read(stream, bytes, sizeof bytes);
        if (len < 0) asyncio_stream_abort(stream); // its writer is not to wait
        if (len <= 0) return len < 0 ? len : (long)total;
        for (int i = 0; i < len; i++, total++)
            if (bytes[i] != (char)(total % 251)) return -EILSEQ;
    }
}

struct job {
    struct asyncio_stream *stream;
    char buffer[256];
    size_t size;
    int result;
    bool done;
};

static int read_job(void *arg)
{
    struct job *job = arg;
    job->result = asyncio_stream_read(job->stream, job->buffer, job->size);
    job->done = true;
    return job->result;
}

static int exactly_job(void *arg)
{
    struct job *job = arg;
    job->result =
        asyncio_stream_readexactly(job->stream, job->buffer, job->size);
    job->done = true;
    return job->result;
}

static int drain_job(void *arg)
{
    struct job *job = arg;
    job->result = asyncio_stream_drain(job->stream);
    job->done = true;
    return job->result;
}

static int write_job(void *arg)
{
    struct job *job = arg;
    job->result = asyncio_stream_write(job->stream, TEXT("late"));
    job->done = true;
    return job->result;
}

// Runs fn(job). What cannot be spawned nobody waits for.
static struct asyncio_task *spawn(struct stream_pair *pair, int (*fn)(void *),
                                  struct job *job)
{
    struct asyncio_task *task = asyncio_create_task(fn, job);
    if (asyncio_task_done(task)) {
        asyncio_stream_abort(pair->reader);
        asyncio_stream_abort(pair->writer);
    }
    return task;
}

// The same, and lets it come as far as it can.
static struct asyncio_task *begin(struct stream_pair *pair, int (*fn)(void *),
                                  struct job *job)
{
    struct asyncio_task *task = spawn(pair, fn, job);
    let_others_run();
    return task;
}

static int finish(struct asyncio_task *task)
{
    int result = asyncio_await(task);
    asyncio_task_release(task);
    return result;
}

static int cancel(struct asyncio_task *task)
{
    asyncio_task_cancel(task);
    return finish(task);
}

#define CHECK(name) void stream_check_##name(const struct stream_maker *maker)
#define MAKE_OR_RETURN(pair)                                                   \
    struct stream_pair pair;                                                   \
    if (!make(maker, &pair)) return

// --- reading ----------------------------------------------------------------

CHECK(read_returns_what_is_there)
{
    CONFORMS("STRM-01");
    MAKE_OR_RETURN(pair);
    char buffer[30];
    put(&pair, "eighteen bytes, so");
    let_others_run();
    EXPECT_EQ(asyncio_stream_read(pair.reader, buffer, sizeof buffer), 18);

    // The same out of the buffer.
    put(&pair, "x\neighteen bytes, so");
    let_others_run();
    EXPECT_EQ(asyncio_stream_readline(pair.reader, buffer, sizeof buffer), 2);
    EXPECT_EQ(asyncio_stream_read(pair.reader, buffer, sizeof buffer), 18);
    EXPECT_EQ(memcmp(buffer, TEXT("eighteen bytes, so")), 0);
    unmake(maker, &pair);
}

CHECK(read_of_nothing_takes_nothing)
{
    CONFORMS("STRM-02");
    MAKE_OR_RETURN(pair);
    char buffer[30];
    put(&pair, "line\nrest");
    EXPECT_EQ(asyncio_stream_readline(pair.reader, buffer, sizeof buffer), 5);
    EXPECT_EQ(asyncio_stream_read(pair.reader, NULL, 0), 0);
    expect_read(&pair, "rest");
    EXPECT_EQ(asyncio_stream_read(pair.reader, NULL, 0), 0); // no wait either
    unmake(maker, &pair);
}

CHECK(last_line_may_lack_its_newline)
{
    CONFORMS("STRM-03");
    MAKE_OR_RETURN(pair);
    char line[32];
    put(&pair, "first\n\nsome data");
    end(&pair);
    EXPECT_EQ(asyncio_stream_readline(pair.reader, line, sizeof line), 6);
    EXPECT_STR(line, "first\n");
    EXPECT_EQ(asyncio_stream_readline(pair.reader, line, sizeof line), 1);
    EXPECT_STR(line, "\n");
    EXPECT_EQ(asyncio_stream_readline(pair.reader, line, sizeof line), 9);
    EXPECT_STR(line, "some data");
    EXPECT_EQ(asyncio_stream_readline(pair.reader, line, sizeof line), 0);
    EXPECT_STR(line, "");
    unmake(maker, &pair);
}

static int until_job(void *arg)
{
    struct job *job = arg;
    job->result =
        asyncio_stream_readuntil(job->stream, job->buffer, job->size, "AAB", 3);
    job->done = true;
    return job->result;
}

CHECK(separator_may_come_in_pieces)
{
    CONFORMS("STRM-04");
    MAKE_OR_RETURN(pair);
    struct job job = {.stream = pair.reader, .size = sizeof job.buffer};
    struct asyncio_task *task = begin(&pair, until_job, &job);
    static const char *const pieces[] = {"A", "AC", "AB x A", "A", "AAA", "B"};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        EXPECT(!job.done);
        put(&pair, pieces[i]);
        let_others_run();
    }
    EXPECT_EQ(finish(task), 14);
    EXPECT_EQ(memcmp(job.buffer, TEXT("AACAB x AAAAAB")), 0);
    put(&pair, "next");
    expect_read(&pair, "next");
    unmake(maker, &pair);
}

CHECK(empty_separator_is_refused)
{
    CONFORMS("STRM-05");
    MAKE_OR_RETURN(pair);
    char buffer[30];
    struct iovec empty = {.iov_base = buffer, .iov_len = 0};
    put(&pair, "data");
    EXPECT_EQ(asyncio_stream_readuntil(pair.reader, buffer, 30, "", 0),
              -EINVAL);
    EXPECT_EQ(asyncio_stream_readuntil_any(pair.reader, buffer, 30, NULL, 0),
              -EINVAL);
    EXPECT_EQ(asyncio_stream_readuntil_any(pair.reader, buffer, 30, &empty, 1),
              -EINVAL);
    expect_read(&pair, "data");
    unmake(maker, &pair);
}

CHECK(end_before_the_separator_hands_over_the_rest)
{
    CONFORMS("STRM-06");
    MAKE_OR_RETURN(pair);
    char buffer[30] = "";
    size_t partial = 99;
    put(&pair, "some dataAA");
    end(&pair);
    EXPECT_EQ(asyncio_stream_readuntil(pair.reader, buffer, sizeof buffer,
                                       "AAA", 3, .partial = &partial),
              -ENODATA);
    EXPECT_EQ(partial, 11);
    EXPECT_STR(buffer, "some dataAA");
    EXPECT(asyncio_stream_at_eof(pair.reader));
    EXPECT_EQ(asyncio_stream_readuntil(pair.reader, buffer, sizeof buffer,
                                       "AAA", 3, .partial = &partial),
              -ENODATA);
    EXPECT_EQ(partial, 0);
    unmake(maker, &pair);
}

CHECK(too_long_for_readuntil_stays)
{
    CONFORMS("STRM-07");
    MAKE_OR_RETURN(pair);
    char buffer[64] = "";
    EXPECT_EQ(asyncio_stream_set_limit(pair.reader, 3), 0);
    // Found, but too far away.
    put(&pair, "some dataAAA");
    EXPECT_EQ(asyncio_stream_readuntil(pair.reader, buffer, 64, "AAA", 3),
              -EMSGSIZE);
    EXPECT_EQ(asyncio_stream_readuntil(pair.reader, buffer, 64, "AAA", 3),
              -EMSGSIZE);
    expect_read(&pair, "some dataAAA");
    // Not found by then.
    put(&pair, "some dataAA");
    EXPECT_EQ(asyncio_stream_readuntil(pair.reader, buffer, 64, "AAA", 3),
              -EMSGSIZE);
    expect_read(&pair, "some dataAA");
    // It does not fit.
    EXPECT_EQ(asyncio_stream_set_limit(pair.reader, 60), 0);
    put(&pair, "four!");
    EXPECT_EQ(asyncio_stream_readuntil(pair.reader, buffer, 4, "!", 1),
              -EMSGSIZE);
    EXPECT_EQ(asyncio_stream_readuntil(pair.reader, buffer, 5, "!", 1), 5);
    unmake(maker, &pair);
}

CHECK(too_long_for_readline_is_dropped)
{
    CONFORMS("STRM-07");
    MAKE_OR_RETURN(pair);
    char line[64] = "";
    EXPECT_EQ(asyncio_stream_set_limit(pair.reader, 7), 0);
    put(&pair, "chunk1chunk2\nchunk3\n");
    EXPECT_EQ(asyncio_stream_readline(pair.reader, line, 64), -EMSGSIZE);
    EXPECT_STR(line, "");
    EXPECT_EQ(asyncio_stream_readline(pair.reader, line, 64), 7);
    EXPECT_STR(line, "chunk3\n");
    // Without a newline in sight all of it goes.
    put(&pair, "123456789");
    EXPECT_EQ(asyncio_stream_readline(pair.reader, line, 64), -EMSGSIZE);
    put(&pair, "new\n");
    EXPECT_EQ(asyncio_stream_readline(pair.reader, line, 64), 4);
    // What does not fit goes, too; and the zero byte needs a place.
    put(&pair, "1234\n123\n");
    EXPECT_EQ(asyncio_stream_readline(pair.reader, line, 5), -EMSGSIZE);
    EXPECT_EQ(asyncio_stream_readline(pair.reader, line, 5), 4);
    EXPECT_STR(line, "123\n");
    EXPECT_EQ(asyncio_stream_readline(pair.reader, line, 0), -EINVAL);
    unmake(maker, &pair);
}

CHECK(limits_are_strict)
{
    CONFORMS("STRM-07");
    MAKE_OR_RETURN(pair);
    char line[64] = "";
    EXPECT_EQ(asyncio_stream_set_limit(pair.reader, 7), 0);
    put(&pair, "1234567\n12345678\nrest");
    EXPECT_EQ(asyncio_stream_readline(pair.reader, line, 64), 8);
    EXPECT_STR(line, "1234567\n");
    EXPECT_EQ(asyncio_stream_readline(pair.reader, line, 64), -EMSGSIZE);
    expect_read(&pair, "rest");
    put(&pair, "1234567AAA");
    EXPECT_EQ(asyncio_stream_readuntil(pair.reader, line, 64, "AAA", 3), 10);
    put(&pair, "12345678AAA");
    EXPECT_EQ(asyncio_stream_readuntil(pair.reader, line, 64, "AAA", 3),
              -EMSGSIZE);
    unmake(maker, &pair);
}

CHECK(of_several_separators_the_first_end_counts)
{
    MAKE_OR_RETURN(pair);
    char out[64] = "";
    const struct iovec either[] = {{"line end", 8}, {"\r\n", 2}, {"\n", 1}};
    put(&pair, "some data\r\nmore\nand line end");
    EXPECT_EQ(asyncio_stream_readuntil_any(pair.reader, out, 64, either, 3),
              11);
    EXPECT_EQ(asyncio_stream_readuntil_any(pair.reader, out, 64, either, 3), 5);
    EXPECT_EQ(asyncio_stream_readuntil_any(pair.reader, out, 64, either, 3),
              12);
    // One that is the end of another comes first, if it ends first.
    const struct iovec nested[] = {{"ABC", 3}, {"B", 1}};
    put(&pair, "xABC");
    EXPECT_EQ(asyncio_stream_readuntil_any(pair.reader, out, 64, nested, 2), 3);
    expect_read(&pair, "C");
    unmake(maker, &pair);
}

CHECK(readexactly_of_nothing_or_too_much)
{
    CONFORMS("STRM-08");
    MAKE_OR_RETURN(pair);
    char out[8];
    put(&pair, "data");
    EXPECT_EQ(asyncio_stream_readexactly(pair.reader, out, 0), 0);
    EXPECT_EQ(asyncio_stream_readexactly(pair.reader, out, (size_t)-1),
              -EINVAL);
    EXPECT_EQ(asyncio_stream_readexactly(pair.reader, out, (size_t)INT_MAX + 1),
              -EINVAL);
    expect_read(&pair, "data");
    unmake(maker, &pair);
}

CHECK(readexactly_waits_for_all)
{
    MAKE_OR_RETURN(pair);
    struct job job = {.stream = pair.reader, .size = 10};
    struct asyncio_task *task = begin(&pair, exactly_job, &job);
    put(&pair, "0123");
    let_others_run();
    EXPECT(!job.done);
    put(&pair, "456789more");
    EXPECT_EQ(finish(task), 10);
    EXPECT_STR(job.buffer, "0123456789");
    expect_read(&pair, "more");
    unmake(maker, &pair);
}

CHECK(readexactly_hands_over_what_there_was)
{
    MAKE_OR_RETURN(pair);
    static char large[100000];
    size_t partial = 0;
    put(&pair, "line\nsome data");
    end(&pair);
    EXPECT_EQ(asyncio_stream_readline(pair.reader, large, sizeof large), 5);
    EXPECT_EQ(asyncio_stream_readexactly(pair.reader, large, sizeof large,
                                         .partial = &partial),
              -ENODATA);
    EXPECT_EQ(partial, 9);
    EXPECT_EQ(memcmp(large, "some data", 9), 0);
    EXPECT_EQ(asyncio_stream_readexactly(pair.reader, large, 1), -ENODATA);
    unmake(maker, &pair);
}

static int large_job(void *arg)
{
    static char large[100000];
    struct job *job = arg;
    job->result = asyncio_stream_readexactly(job->stream, large, sizeof large);
    return job->result;
}

// What has been read straight into the caller's memory comes back.
CHECK(cancelled_readexactly_loses_nothing)
{
    MAKE_OR_RETURN(pair);
    struct job small = {.stream = pair.reader, .size = 100};
    struct job large = {.stream = pair.reader};
    char line[16];
    put(&pair, "line\nstart ");
    EXPECT_EQ(asyncio_stream_readline(pair.reader, line, sizeof line), 5);
    struct asyncio_task *task = begin(&pair, large_job, &large);
    put(&pair, "some data");
    let_others_run();
    EXPECT_EQ(cancel(task), -ECANCELED);
    task = begin(&pair, exactly_job, &small);
    put(&pair, " and more");
    let_others_run();
    EXPECT_EQ(cancel(task), -ECANCELED);
    expect_read(&pair, "start some data and more");
    unmake(maker, &pair);
}

CHECK(end_of_file_waits_for_the_buffer)
{
    CONFORMS("STRM-09");
    MAKE_OR_RETURN(pair);
    char out[16];
    EXPECT(!asyncio_stream_at_eof(pair.reader));
    put(&pair, "some data");
    end(&pair);
    let_others_run();
    EXPECT(!asyncio_stream_at_eof(pair.reader));
    EXPECT_EQ(asyncio_stream_readexactly(pair.reader, out, 4), 4);
    EXPECT(!asyncio_stream_at_eof(pair.reader));
    expect_read(&pair, " data");
    EXPECT(asyncio_stream_at_eof(pair.reader));
    EXPECT_EQ(asyncio_stream_read(pair.reader, out, sizeof out), 0);
    EXPECT_EQ(asyncio_stream_read(pair.reader, out, sizeof out), 0);
    EXPECT(asyncio_stream_at_eof(pair.reader));
    unmake(maker, &pair);
}

// A connection whose end throws bytes away that it has not read is reset.
CHECK(failure_reaches_the_blocked_reader_and_later_ones)
{
    MAKE_OR_RETURN(pair);
    if (!pair.both_ways) {
        unmake(maker, &pair);
        return;
    }
    CONFORMS("STRM-10");
    struct job job = {.stream = pair.reader, .size = 10};
    char out[8];
    EXPECT_EQ(asyncio_stream_write(pair.reader, TEXT("unread")), 0);
    let_others_run();
    struct asyncio_task *task = begin(&pair, read_job, &job);
    asyncio_stream_abort(pair.writer);
    EXPECT_EQ(finish(task), -ECONNRESET);
    EXPECT_EQ(asyncio_stream_read(pair.reader, out, 8), -ECONNRESET);
    EXPECT_EQ(asyncio_stream_readline(pair.reader, out, 8), -ECONNRESET);
    EXPECT_EQ(asyncio_stream_readexactly(pair.reader, out, 1), -ECONNRESET);
    EXPECT_EQ(asyncio_stream_read(pair.reader, out, 8), -ECONNRESET);
    unmake(maker, &pair);
}

CHECK(cancelled_reader_is_not_touched_by_a_later_end)
{
    CONFORMS("STRM-11");
    MAKE_OR_RETURN(pair);
    struct job job = {.stream = pair.reader, .size = 10};
    if (pair.both_ways)
        EXPECT_EQ(asyncio_stream_write(pair.reader, TEXT("unread")), 0);
    struct asyncio_task *task = begin(&pair, read_job, &job);
    asyncio_task_cancel(task);
    asyncio_stream_abort(pair.writer);
    EXPECT_EQ(finish(task), -ECANCELED);
    let_others_run();
    char out[8];
    EXPECT_EQ(asyncio_stream_read(pair.reader, out, 8),
              pair.both_ways ? -ECONNRESET : 0);
    unmake(maker, &pair);
}

CHECK(limit_has_to_be_positive)
{
    CONFORMS("STRM-12");
    MAKE_OR_RETURN(pair);
    EXPECT_EQ(asyncio_stream_set_limit(pair.reader, 0), -EINVAL);
    EXPECT_EQ(asyncio_stream_set_limit(pair.reader, -1), -EINVAL);
    struct asyncio_stream *stream = NULL;
    EXPECT_EQ(asyncio_open_pair(&stream, &stream, .limit = -1), -EINVAL);
    EXPECT_SAME(stream, NULL);
    unmake(maker, &pair);
}

// --- writing ----------------------------------------------------------------

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

// --- who waits --------------------------------------------------------------

CHECK(second_reader_is_refused)
{
    MAKE_OR_RETURN(pair);
    struct job job = {.stream = pair.reader, .size = 4};
    char out[8];
    struct asyncio_task *task = begin(&pair, exactly_job, &job);
    if (EXPECT(!job.done)) {
        EXPECT_EQ(asyncio_stream_read(pair.reader, out, 8), -EBUSY);
        EXPECT_EQ(asyncio_stream_readline(pair.reader, out, 8), -EBUSY);
        EXPECT_EQ(asyncio_stream_readexactly(pair.reader, out, 8), -EBUSY);
    }
    put(&pair, "data");
    EXPECT_EQ(finish(task), 4);
    unmake(maker, &pair);
}

CHECK(cancelled_read_loses_no_byte)
{
    MAKE_OR_RETURN(pair);
    struct job job = {.stream = pair.reader, .size = 10};
    struct asyncio_task *task = begin(&pair, read_job, &job);
    EXPECT_EQ(cancel(task), -ECANCELED);
    task = begin(&pair, until_job, &job);
    EXPECT_EQ(cancel(task), -ECANCELED);
    put(&pair, "some");
    task = begin(&pair, until_job, &job);
    EXPECT_EQ(cancel(task), -ECANCELED);
    put(&pair, " data");
    EXPECT_EQ(asyncio_stream_readexactly(pair.reader, job.buffer, 9), 9);
    EXPECT_EQ(memcmp(job.buffer, "some data", 9), 0);
    unmake(maker, &pair);
}

// Whether bytes or the cancel win, nothing is lost.
CHECK(cancel_races_the_arrival)
{
    MAKE_OR_RETURN(pair);
    for (int cancels_first = 0; cancels_first < 2; cancels_first++) {
        struct job job = {.stream = pair.reader, .size = 10};
        struct asyncio_task *task = begin(&pair, read_job, &job);
        if (cancels_first) asyncio_task_cancel(task);
        put(&pair, "data");
        if (!cancels_first) {
            // The bytes are there, and the task has not run yet.
            EXPECT_EQ(asyncio_sleep(0), 0);
            asyncio_task_cancel(task);
        }
        int result = finish(task);
        EXPECT(result > 0 || result == -ECANCELED);
        // A value with a request undelivered counts as cancelled: what the call
        // has returned is in the job.
        int had = job.result > 0 ? job.result : 0;
        EXPECT_EQ(memcmp(job.buffer, "data", (size_t)had), 0);
        if (had < 4) expect_read(&pair, &"data"[had]);
    }
    unmake(maker, &pair);
}

CHECK(cancelled_write_takes_nothing)
{
    MAKE_OR_RETURN(pair);
    struct job late = {.stream = pair.writer}, drain = late;
    size_t written = stuff(pair.writer);
    EXPECT_EQ(asyncio_stream_set_write_limits(pair.writer, 100, 50), 0);
    struct asyncio_task *task = begin(&pair, write_job, &late);
    struct asyncio_task *other = begin(&pair, drain_job, &drain);
    EXPECT(!late.done && !drain.done);
    EXPECT_EQ(cancel(task), -ECANCELED);
    EXPECT_EQ(cancel(other), -ECANCELED);
    asyncio_stream_close(pair.writer);
    EXPECT_EQ(read_stuff(pair.reader), written);
    unmake(maker, &pair);
}

CHECK(close_ends_those_who_wait)
{
    MAKE_OR_RETURN(pair);
    struct job read = {.stream = pair.reader, .size = 10};
    struct job write = {.stream = pair.writer}, drain = write;
    stuff(pair.writer);
    EXPECT_EQ(asyncio_stream_set_write_limits(pair.writer, 100, 50), 0);
    struct asyncio_task *writing = begin(&pair, write_job, &write);
    struct asyncio_task *draining = begin(&pair, drain_job, &drain);
    asyncio_stream_close(pair.writer);
    EXPECT_EQ(finish(writing), -EBADF);
    EXPECT_EQ(finish(draining), -EBADF);
    asyncio_stream_abort(pair.writer);
    EXPECT_GT(read_stuff(pair.reader), 0);
    drop(&pair.reader);
    drop(&pair.writer);
    if (maker->unmake) maker->unmake(&pair);

    if (!make(maker, &pair)) return;
    read.stream = pair.reader;
    struct asyncio_task *reading = begin(&pair, read_job, &read);
    asyncio_stream_close(pair.reader);
    EXPECT_EQ(finish(reading), -EBADF);
    unmake(maker, &pair);
}

CHECK(nothing_is_read_ahead)
{
    MAKE_OR_RETURN(pair);
    size_t written = stuff(pair.writer);
    size_t unsent = asyncio_stream_write_buffer_size(pair.writer);
    let_others_run();
    EXPECT_EQ(asyncio_stream_write_buffer_size(pair.writer), unsent);
    asyncio_stream_close(pair.writer);
    EXPECT_EQ(read_stuff(pair.reader), written);
    unmake(maker, &pair);
}

// --- much -------------------------------------------------------------------

#define MUCH ((size_t)3 * 1024 * 1024)

// More than sockets and streams hold, also in a fault loop.
static size_t much(void)
{
    return test_amount(MUCH, (size_t)512 * 1024);
}

static int much_job(void *arg)
{
    static char bytes[50000];
    struct job *job = arg;
    size_t step = 1, size = much();
    for (size_t written = 0; written < size;) {
        size_t len = step < size - written ? step : size - written;
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)((written + i) % 251);
        int err = asyncio_stream_write(job->stream, bytes, len);
        if (err < 0) {
            asyncio_stream_abort(job->stream);
            return err;
        }
        written += len;
        step = step * 7 % 49999 + 1;
    }
    asyncio_stream_close(job->stream);
    return 0;
}

CHECK(megabytes_arrive_in_order)
{
    MAKE_OR_RETURN(pair);
    struct job job = {.stream = pair.writer};
    struct asyncio_task *task = spawn(&pair, much_job, &job);
    EXPECT_EQ(read_stuff(pair.reader), much());
    EXPECT_EQ(finish(task), 0);
    unmake(maker, &pair);
}

// --- files ------------------------------------------------------------------

// A file of so many bytes, those of `stuff` from the first on.
static int make_file(size_t size)
{
    static char bytes[4096];
    char path[256];
    snprintf(path, sizeof path, "%s/sent", test_folder());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    EXPECT_EQ(unlink(path), 0);
    for (size_t at = 0; fd >= 0 && at < size; at += sizeof bytes) {
        size_t len = size - at < sizeof bytes ? size - at : sizeof bytes;
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)((at + i) % 251);
        if (write(fd, bytes, len) != (ssize_t)len) {
            close(fd);
            fd = -1;
        }
    }
    EXPECT_GE(fd, 0);
    return fd;
}

struct file_job {
    struct job job; // first
    int fd;
    off_t offset;
    size_t sent;
};

static int file_job(void *arg)
{
    struct file_job *file = arg;
    return asyncio_stream_sendfile(file->job.stream, file->fd, file->offset, 0,
                                   .sent = &file->sent);
}

static int end_job(void *arg)
{
    struct job *job = arg;
    int err = asyncio_stream_write(job->stream, "end", 3);
    asyncio_stream_close(job->stream);
    return err;
}

// The file goes on where what was written before it ends.
CHECK(file_goes_between_what_is_written)
{
    static char bytes[251 * 40];
    MAKE_OR_RETURN(pair);
    size_t size = much();
    int fd = make_file(size);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i % 251);
    EXPECT_EQ(asyncio_stream_write(pair.writer, bytes, sizeof bytes), 0);
    struct file_job file = {.job.stream = pair.writer, .fd = fd};
    struct job last = {.stream = pair.writer};
    struct asyncio_task *sends = spawn(&pair, file_job, &file.job);
    let_others_run();
    EXPECT_EQ(asyncio_stream_write_nowait(pair.writer, "x", 1), -EAGAIN);
    struct asyncio_task *ends = spawn(&pair, end_job, &last);

    static char all[sizeof bytes + MUCH + 16];
    size_t len = 0;
    for (int n = 1; n > 0 && len<sizeof all; len += n> 0 ? (size_t)n : 0)
        n = asyncio_stream_read(pair.reader, all + len, sizeof all - len);
    if (len < sizeof bytes + size + 3) asyncio_stream_abort(pair.writer);
    EXPECT_EQ(finish(sends), size);
    EXPECT_EQ(finish(ends), 0);
    EXPECT_EQ(file.sent, size);
    EXPECT_EQ(len, sizeof bytes + size + 3);
    size_t wrong = 0;
    for (size_t i = 0; i < size; i++)
        wrong += all[sizeof bytes + i] != (char)(i % 251);
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(memcmp(all, bytes, sizeof bytes), 0);
    EXPECT_EQ(memcmp(all + sizeof bytes + size, "end", 3), 0);
    if (fd >= 0) close(fd);
    unmake(maker, &pair);
}

CHECK(part_of_a_file_moves_its_position)
{
    MAKE_OR_RETURN(pair);
    char buffer[16] = "";
    int fd = make_file(1000);
    size_t sent = 0;
    EXPECT_EQ(asyncio_stream_sendfile(pair.writer, fd, 'a', 5, .sent = &sent),
              5);
    EXPECT_EQ(sent, 5);
    EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 'a' + 5);
    EXPECT_EQ(asyncio_stream_sendfile(pair.writer, fd, 998, 5), 2);
    EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 1000);
    EXPECT_EQ(asyncio_stream_sendfile(pair.writer, fd, 5000, 5), 0);
    asyncio_stream_close(pair.writer);
    EXPECT_EQ(asyncio_stream_readexactly(pair.reader, buffer, 7), 7);
    EXPECT_EQ(memcmp(buffer, "abcde", 5), 0);
    EXPECT_EQ(asyncio_stream_read(pair.reader, buffer, 1), 0);
    if (fd >= 0) close(fd);
    unmake(maker, &pair);
}

CHECK(cancelled_file_says_how_much_went)
{
    MAKE_OR_RETURN(pair);
    struct file_job file = {.job.stream = pair.writer, .fd = make_file(much())};
    struct asyncio_task *sends = spawn(&pair, file_job, &file.job);
    let_others_run();
    asyncio_task_cancel(sends);
    EXPECT_EQ(finish(sends), -ECANCELED);
    EXPECT_LT(file.sent, much());
    EXPECT_EQ(lseek(file.fd, 0, SEEK_CUR), file.sent);
    asyncio_stream_close(pair.writer);
    EXPECT_EQ(read_stuff(pair.reader), file.sent);
    if (file.fd >= 0) close(file.fd);
    unmake(maker, &pair);
}

CHECK(abort_ends_a_file)
{
    MAKE_OR_RETURN(pair);
    struct file_job file = {.job.stream = pair.writer, .fd = make_file(much())};
    struct asyncio_task *sends = spawn(&pair, file_job, &file.job);
    let_others_run();
    asyncio_stream_abort(pair.writer);
    EXPECT_EQ(finish(sends), -EBADF);
    EXPECT_EQ(asyncio_stream_wait_closed(pair.writer), 0);
    EXPECT_LT(read_stuff(pair.reader), much());
    if (file.fd >= 0) close(file.fd);
    unmake(maker, &pair);
}

CHECK(file_that_cannot_be_sent_is_refused)
{
    MAKE_OR_RETURN(pair);
    int fd = make_file(10);
    EXPECT_EQ(asyncio_stream_sendfile(pair.writer, fd, -1, 5), -EINVAL);
    EXPECT_EQ(asyncio_stream_sendfile(pair.writer, -1, 0, 5), -EBADF);
    int sent =
        asyncio_stream_sendfile(pair.writer, fd, 0, 5, .no_fallback = true);
    EXPECT(sent == 5 || sent == -ENOTSUP || sent == -EBADF);
    put(&pair, "goes on");
    asyncio_stream_close(pair.writer);
    EXPECT_EQ(asyncio_stream_sendfile(pair.writer, fd, 0, 5), -EBADF);
    EXPECT_EQ(read_stuff(pair.reader) < 0, true);
    if (fd >= 0) close(fd);
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

// --- descriptors ------------------------------------------------------------

static int never(void *arg)
{
    (void)arg;
    FAIL("a watcher was called");
    return 0;
}

CHECK(watchers_are_refused)
{
    MAKE_OR_RETURN(pair);
    int fd = asyncio_stream_fileno(pair.reader);
    if (fd < 0) {
        unmake(maker, &pair);
        return;
    }
    CONFORMS("SOCK-08");
    struct asyncio_stream *twice = NULL;
    EXPECT_EQ(asyncio_add_reader(fd, never, NULL), -EBUSY);
    EXPECT_EQ(asyncio_add_writer(fd, never, NULL), -EBUSY);
    EXPECT_EQ(asyncio_remove_reader(fd), -EBUSY);
    EXPECT_EQ(asyncio_remove_writer(fd), -EBUSY);
    EXPECT_EQ(asyncio_stream_open(&twice, fd), -EBUSY);
    drop(&pair.reader);
    EXPECT_EQ(asyncio_remove_reader(fd), 0);
    unmake(maker, &pair);
}

static void drop_silently(struct asyncio_stream **stream)
{
    asyncio_stream_free(*stream);
    *stream = NULL;
    let_others_run();
}

CHECK(dropped_stream_is_reported)
{
    CONFORMS("DBG-07");
    MAKE_OR_RETURN(pair);
    int fd = asyncio_stream_fileno(pair.reader);
    char number[32];
    snprintf(number, sizeof number, "descriptor %d", fd);
    EXPECT_EQ(asyncio_loop_set_debug(asyncio_get_running_loop(), true), 0);
    drop_silently(&pair.reader);
    const char *text = expect_report(-EBADF);
    if (fd >= 0) {
        EXPECT_CONTAINS(text, number);
        EXPECT_EQ(fcntl(fd, F_GETFD), -1);
    }
    drop_silently(&pair.writer);
    expect_report(-EBADF);
    EXPECT_EQ(unexpected_reports(), 0);

    // One that was closed is not, and without debug mode none is.
    if (maker->unmake) maker->unmake(&pair);
    if (!make(maker, &pair)) return;
    asyncio_stream_close(pair.reader);
    drop_silently(&pair.reader);
    EXPECT_EQ(asyncio_loop_set_debug(asyncio_get_running_loop(), false), 0);
    drop_silently(&pair.writer);
    EXPECT_EQ(unexpected_reports(), 0);
    if (maker->unmake) maker->unmake(&pair);
}

CHECK(closing_twice_and_freeing_nothing_is_fine)
{
    MAKE_OR_RETURN(pair);
    asyncio_stream_free(NULL);
    asyncio_stream_close(NULL);
    asyncio_stream_abort(NULL);
    asyncio_stream_close(pair.reader);
    asyncio_stream_close(pair.reader);
    asyncio_stream_abort(pair.reader);
    asyncio_stream_abort(pair.reader);
    asyncio_stream_close(pair.reader);
    unmake(maker, &pair);
}

// --- protocols --------------------------------------------------------------

struct told {
    struct asyncio_stream *stream;
    char bytes[256];
    size_t len;
    char lent[8];
    int lost, paused, resumed;
    bool made, stays;
};

static void on_made(struct asyncio_stream *stream, void *arg)
{
    struct told *told = arg;
    told->stream = stream;
    told->made = true;
    trace("made");
}

static void on_data(struct asyncio_stream *stream, void *arg, const void *data,
                    size_t len)
{
    struct told *told = arg;
    EXPECT_SAME(stream, told->stream);
    if (len > sizeof told->bytes - told->len)
        len = sizeof told->bytes - told->len;
    memcpy(told->bytes + told->len, data, len);
    told->len += len;
    trace("data %.*s", (int)len, (const char *)data);
}

static bool on_eof(struct asyncio_stream *stream, void *arg)
{
    (void)stream;
    struct told *told = arg;
    trace("eof");
    return told->stays;
}

static void on_lost(struct asyncio_stream *stream, void *arg, int err)
{
    (void)stream;
    struct told *told = arg;
    told->lost++;
    trace("lost %d", err);
}

static const struct asyncio_protocol listens = {
    .connection_made = on_made,
    .data_received = on_data,
    .eof_received = on_eof,
    .connection_lost = on_lost,
};

CHECK(protocol_is_told_in_order)
{
    MAKE_OR_RETURN(pair);
    struct told told = {0};
    char out[8];
    put(&pair, "a\nb");
    EXPECT_EQ(asyncio_stream_readline(pair.reader, out, 8), 2);
    EXPECT_EQ(asyncio_stream_set_protocol(pair.reader, &listens, &told), 0);
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_stream_read(pair.reader, out, 8), -EBUSY);
    let_others_run();
    EXPECT_TRACE("made", "data b");
    put(&pair, "c");
    let_others_run();
    EXPECT_TRACE("data c");
    end(&pair);
    let_others_run();
    EXPECT_TRACE("eof", "lost 0");
    EXPECT(asyncio_stream_is_closing(pair.reader));
    EXPECT_EQ(told.lost, 1);
    unmake(maker, &pair);
}

static void *lend(struct asyncio_stream *stream, void *arg, size_t *size)
{
    (void)stream;
    struct told *told = arg;
    *size = sizeof told->lent;
    return told->lent;
}

static void on_updated(struct asyncio_stream *stream, void *arg, size_t len)
{
    struct told *told = arg;
    EXPECT_LE(len, sizeof told->lent);
    on_data(stream, arg, told->lent, len);
}

static const struct asyncio_protocol lends = {
    .connection_made = on_made,
    .get_buffer = lend,
    .buffer_updated = on_updated,
    .connection_lost = on_lost,
};

CHECK(protocol_lends_its_buffer)
{
    MAKE_OR_RETURN(pair);
    struct told told = {0};
    char out[8];
    struct asyncio_protocol none = {.connection_made = on_made};
    EXPECT_EQ(asyncio_stream_set_protocol(pair.reader, &none, &told), -EINVAL);
    none.get_buffer = lend;
    EXPECT_EQ(asyncio_stream_set_protocol(pair.reader, &none, &told), -EINVAL);
    put(&pair, "a\n0123456789");
    EXPECT_EQ(asyncio_stream_readline(pair.reader, out, 8), 2);
    EXPECT_EQ(asyncio_stream_set_protocol(pair.reader, &lends, &told), 0);
    let_others_run();
    put(&pair, "abcdefghijklmnopq");
    let_others_run();
    end(&pair);
    let_others_run();
    EXPECT_EQ(told.len, 27);
    EXPECT_EQ(memcmp(told.bytes, "0123456789abcdefghijklmnopq", 27), 0);
    EXPECT_EQ(told.lost, 1);
    unmake(maker, &pair);
}

// What is in the buffer takes two calls, and more has come already: that must
// not be read to memory which is still needed.
CHECK(protocol_lends_its_buffer_to_one_at_a_time)
{
    MAKE_OR_RETURN(pair);
    struct told told = {0};
    char out[8];
    put(&pair, "a\n0123456789");
    let_others_run();
    EXPECT_EQ(asyncio_stream_readline(pair.reader, out, 8), 2);
    put(&pair, "abcdefghijklmnopq");
    let_others_run();
    EXPECT_EQ(asyncio_stream_set_protocol(pair.reader, &lends, &told), 0);
    let_others_run();
    end(&pair);
    let_others_run();
    EXPECT_EQ(told.len, 27);
    EXPECT_EQ(memcmp(told.bytes, "0123456789abcdefghijklmnopq", 27), 0);
    unmake(maker, &pair);
}

CHECK(protocol_pauses)
{
    MAKE_OR_RETURN(pair);
    struct told told = {.stays = true};
    EXPECT_EQ(asyncio_stream_pause_reading(pair.reader), -EINVAL);
    EXPECT(!asyncio_stream_is_reading(pair.reader));
    EXPECT_EQ(asyncio_stream_set_protocol(pair.reader, &listens, &told), 0);
    EXPECT(asyncio_stream_is_reading(pair.reader));
    let_others_run();
    EXPECT_EQ(asyncio_stream_pause_reading(pair.reader), 0);
    EXPECT_EQ(asyncio_stream_pause_reading(pair.reader), 0);
    EXPECT(!asyncio_stream_is_reading(pair.reader));
    put(&pair, "data");
    let_others_run();
    EXPECT_EQ(told.len, 0);
    EXPECT_EQ(asyncio_stream_resume_reading(pair.reader), 0);
    EXPECT_EQ(asyncio_stream_resume_reading(pair.reader), 0);
    let_others_run();
    EXPECT_EQ(told.len, 4);

    // And back to a task.
    EXPECT_EQ(asyncio_stream_set_protocol(pair.reader, NULL, NULL), -EBUSY);
    EXPECT_EQ(asyncio_stream_pause_reading(pair.reader), 0);
    let_others_run();
    EXPECT_EQ(asyncio_stream_set_protocol(pair.reader, NULL, NULL), 0);
    put(&pair, "more");
    expect_read(&pair, "more");
    EXPECT_EQ(told.lost, 0);
    EXPECT_TRACE("made", "data data");
    unmake(maker, &pair);
}

static void on_pause(struct asyncio_stream *stream, void *arg)
{
    (void)stream;
    ((struct told *)arg)->paused++;
}

static void on_resume(struct asyncio_stream *stream, void *arg)
{
    (void)stream;
    ((struct told *)arg)->resumed++;
}

static const struct asyncio_protocol sends = {
    .connection_made = on_made,
    .data_received = on_data,
    .connection_lost = on_lost,
    .pause_writing = on_pause,
    .resume_writing = on_resume,
};

CHECK(protocol_hears_of_the_marks)
{
    MAKE_OR_RETURN(pair);
    struct told told = {0};
    EXPECT_EQ(asyncio_stream_set_protocol(pair.writer, &sends, &told), 0);
    let_others_run();
    if (!told.lost) { // the end of a pipe that is only written has no reads
        size_t written = stuff(pair.writer);
        EXPECT_EQ(told.paused, 0);
        EXPECT_EQ(asyncio_stream_set_write_limits(pair.writer, 512, 128), 0);
        EXPECT_EQ(told.paused, 1);
        EXPECT_EQ(told.resumed, 0);
        asyncio_stream_close(pair.writer);
        EXPECT_EQ(read_stuff(pair.reader), written);
        let_others_run();
        EXPECT_EQ(told.paused, 1);
        EXPECT_EQ(told.resumed, 1);
    }
    EXPECT_EQ(told.lost, 1);
    unmake(maker, &pair);
}
