// Callbacks in place of a reading task.

#include "stream_checker/pair.h"

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
