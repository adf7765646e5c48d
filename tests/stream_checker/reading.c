// Reading: what is there, lines, separators, exact amounts, and the end.

#include "stream_checker/pair.h"

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

CHECK(separator_stands_behind_many_that_begin_like_it)
{
    static const int counts[] = {0, 1, 15, 16, 17, 40};
    MAKE_OR_RETURN(pair);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        char text[128] = "", line[128];
        for (int n = 0; n < counts[i]; n++)
            strcat(text, "A-");
        strcat(text, "AAB");
        int len = (int)strlen(text);
        put(&pair, text);
        put(&pair, "rest");
        EXPECT_EQ(asyncio_stream_readuntil(pair.reader, line, 128, "AAB", 3),
                  len);
        EXPECT_EQ(memcmp(line, text, (size_t)len), 0);
        expect_read(&pair, "rest");
    }
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
    // Of two that end together the limit is that of the shorter one.
    const struct iovec twins[] = {{"ome dataA", 9}, {"A", 1}, {"ome dataA", 9}};
    EXPECT_EQ(asyncio_stream_set_limit(pair.reader, 3), 0);
    put(&pair, "some dataA");
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(
            asyncio_stream_readuntil_any(pair.reader, out, 64, twins + i, 2),
            -EMSGSIZE);
    expect_read(&pair, "some dataA");
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
