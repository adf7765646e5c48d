// Who waits, and for what: one at a time, cancelled, and when all is over.

#include "stream_checker/pair.h"

#include <fcntl.h>
#include <stdio.h>

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

static int write_job(void *arg)
{
    struct job *job = arg;
    job->result = asyncio_stream_write(job->stream, TEXT("late"));
    job->done = true;
    return job->result;
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
