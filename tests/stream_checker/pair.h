// What the checks of streams share: a pair, and those who read and write at it.
#pragma once

#include "stream_checker.h"

#include <limits.h>
#include <string.h>

#define TEXT(text) (text), sizeof(text) - 1

static inline bool make(const struct stream_maker *maker,
                        struct stream_pair *pair)
{
    *pair = (struct stream_pair){0};
    return EXPECT_EQ(maker->make(pair), 0);
}

static inline void drop(struct asyncio_stream **stream)
{
    asyncio_stream_abort(*stream);
    if (*stream) EXPECT_LE(asyncio_stream_wait_closed(*stream), 0);
    asyncio_stream_free(*stream);
    *stream = NULL;
}

static inline void unmake(const struct stream_maker *maker,
                          struct stream_pair *pair)
{
    drop(&pair->writer);
    drop(&pair->reader);
    if (maker->unmake) maker->unmake(pair);
}

// Everybody else has had several turns.
static inline void let_others_run(void)
{
    for (int i = 0; i < 8; i++)
        EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0.001), 0);
}

// Nobody is to wait for what could not be written.
static inline void put(struct stream_pair *pair, const char *text)
{
    int err = asyncio_stream_write(pair->writer, text, strlen(text));
    if (!EXPECT_EQ(err, 0)) asyncio_stream_abort(pair->writer);
}

static inline void end(struct stream_pair *pair)
{
    asyncio_stream_close(pair->writer);
    EXPECT_EQ(asyncio_stream_wait_closed(pair->writer), 0);
}

// Reads and compares. It may come in pieces; for "" the end is expected.
static inline void expect_read(struct stream_pair *pair, const char *text)
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
static inline size_t stuff(struct asyncio_stream *stream)
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
static inline long read_stuff(struct asyncio_stream *stream)
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

static inline int read_job(void *arg)
{
    struct job *job = arg;
    job->result = asyncio_stream_read(job->stream, job->buffer, job->size);
    job->done = true;
    return job->result;
}

static inline int exactly_job(void *arg)
{
    struct job *job = arg;
    job->result =
        asyncio_stream_readexactly(job->stream, job->buffer, job->size);
    job->done = true;
    return job->result;
}

static inline int until_job(void *arg)
{
    struct job *job = arg;
    job->result =
        asyncio_stream_readuntil(job->stream, job->buffer, job->size, "AAB", 3);
    job->done = true;
    return job->result;
}

static inline int drain_job(void *arg)
{
    struct job *job = arg;
    job->result = asyncio_stream_drain(job->stream);
    job->done = true;
    return job->result;
}

// Runs fn(job). What cannot be spawned nobody waits for.
static inline struct asyncio_task *spawn(struct stream_pair *pair,
                                         int (*fn)(void *), struct job *job)
{
    struct asyncio_task *task = asyncio_create_task(fn, job);
    if (asyncio_task_done(task)) {
        asyncio_stream_abort(pair->reader);
        asyncio_stream_abort(pair->writer);
    }
    return task;
}

// The same, and lets it come as far as it can.
static inline struct asyncio_task *begin(struct stream_pair *pair,
                                         int (*fn)(void *), struct job *job)
{
    struct asyncio_task *task = spawn(pair, fn, job);
    let_others_run();
    return task;
}

static inline int finish(struct asyncio_task *task)
{
    int result = asyncio_await(task);
    asyncio_task_release(task);
    return result;
}

static inline int cancel(struct asyncio_task *task)
{
    asyncio_task_cancel(task);
    return finish(task);
}

#define CHECK(name) void stream_check_##name(const struct stream_maker *maker)
#define MAKE_OR_RETURN(pair)                                                   \
    struct stream_pair pair;                                                   \
    if (!make(maker, &pair)) return

#define MUCH ((size_t)3 * 1024 * 1024)

// More than sockets and streams hold, also in a fault loop.
static inline size_t much(void)
{
    return test_amount(MUCH, (size_t)512 * 1024);
}
