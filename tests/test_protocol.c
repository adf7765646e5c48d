// Callback protocols with much to tell: bytes that come while nobody wants
// them, all at once, or from many. What a protocol is told one thing at a time
// is checked for each kind of stream, in stream_checker/protocols.c.

#include <sys/socket.h>

#include <asyncio/socket.h>

#include "platform/sys.h"
#include "runner/runner.h"

#define KILO 1024

// The bytes of a connection: which one comes when can be told from each.
static char byte_at(size_t at)
{
    return (char)(at ^ at >> 8 ^ at >> 16);
}

// One connection: bytes come from `far`, a socket, to `stream`.
struct line {
    struct asyncio_stream *stream;
    struct asyncio_socket far;
    size_t sent, heard;
    size_t most; // that came in one call
    int calls, wrong, lost, paused_calls;
    bool ended;
    bool pauses; // at each call
    bool closes; // at the first
    char lent[100];
};

static void hear(struct line *line, const char *data, size_t len)
{
    line->calls++;
    if (!asyncio_stream_is_reading(line->stream)) line->paused_calls++;
    for (size_t i = 0; i < len; i++)
        line->wrong += data[i] != byte_at(line->heard + i);
    line->heard += len;
    if (len > line->most) line->most = len;
    if (line->pauses) asyncio_stream_pause_reading(line->stream);
    if (line->closes) asyncio_stream_close(line->stream);
}

static void on_data(struct asyncio_stream *stream, void *arg, const void *data,
                    size_t len)
{
    (void)stream;
    hear(arg, data, len);
}

static bool on_eof(struct asyncio_stream *stream, void *arg)
{
    (void)stream;
    struct line *line = arg;
    line->ended = true;
    return false;
}

static void on_lost(struct asyncio_stream *stream, void *arg, int err)
{
    (void)stream, (void)err;
    struct line *line = arg;
    line->lost++;
}

static const struct asyncio_protocol hears = {.data_received = on_data,
                                              .eof_received = on_eof,
                                              .connection_lost = on_lost};

static void *lend(struct asyncio_stream *stream, void *arg, size_t *size)
{
    (void)stream;
    struct line *line = arg;
    *size = sizeof line->lent;
    return line->lent;
}

static void on_updated(struct asyncio_stream *stream, void *arg, size_t len)
{
    (void)stream;
    struct line *line = arg;
    hear(line, line->lent, len);
}

static const struct asyncio_protocol lends = {.get_buffer = lend,
                                              .buffer_updated = on_updated,
                                              .eof_received = on_eof,
                                              .connection_lost = on_lost};

// --- helpers ----------------------------------------------------------------

static void let_others_run(void)
{
    for (int i = 0; i < 8; i++)
        EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0.001), 0);
}

// False: nothing is open.
static bool open_line(struct line *line)
{
    struct asyncio_socket near;
    *line = (struct line){0};
    int err = asyncio_socket_pair(&near, &line->far, AF_UNIX, SOCK_STREAM, 0);
    if (!EXPECT_EQ(err, 0)) return false;
    err = asyncio_stream_open(&line->stream, asyncio_socket_fileno(&near));
    if (EXPECT_EQ(err, 0))
        asyncio_socket_detach(&near);
    else
        asyncio_socket_close(&near);
    if (err == 0) err = asyncio_stream_set_protocol(line->stream, &hears, line);
    if (EXPECT_EQ(err, 0)) return true;
    asyncio_stream_close(line->stream);
    asyncio_stream_free(line->stream);
    asyncio_socket_close(&line->far);
    return false;
}

static void hang_up(struct line *line)
{
    asyncio_socket_close(&line->far);
}

static void close_line(struct line *line)
{
    hang_up(line);
    asyncio_stream_close(line->stream);
    let_others_run();
    asyncio_stream_free(line->stream);
}

// Sends as many of `len` bytes as there is room for.
static size_t send_some(struct line *line, size_t len)
{
    static char bytes[256 * KILO];
    if (len > sizeof bytes) len = sizeof bytes;
    for (size_t i = 0; i < len; i++)
        bytes[i] = byte_at(line->sent + i);
    ssize_t sent = send(asyncio_socket_fileno(&line->far), bytes, len,
                        MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) line->sent += (size_t)sent;
    return sent > 0 ? (size_t)sent : 0;
}

static bool heard_all(const struct line *line)
{
    return line->heard == line->sent || line->lost > 0;
}

static void wait_until_heard(struct line *line)
{
    for (int i = 0; i < 1000 && !heard_all(line); i++)
        let_others_run();
}

static void expect_whole(const struct line *line)
{
    EXPECT_EQ(line->wrong, 0);
    if (!line->lost) EXPECT_EQ(line->heard, line->sent);
}

// Has it speak little, often enough that this is what it is known for.
static void chat(struct line *line)
{
    for (int i = 0; i < 12; i++) {
        send_some(line, 10);
        let_others_run();
    }
    wait_until_heard(line);
}

// --- the end ----------------------------------------------------------------

TEST(what_came_before_the_end_is_told_first)
{
    struct line line;
    if (!open_line(&line)) return;
    chat(&line);
    send_some(&line, 40 * KILO);
    hang_up(&line);
    for (int i = 0; i < 100 && !line.lost; i++)
        let_others_run();
    EXPECT_EQ(line.wrong, 0);
    if (line.ended) EXPECT_EQ(line.heard, line.sent);
    EXPECT_EQ(line.lost, 1);
    close_line(&line);
}

TEST(a_protocol_may_close_with_more_to_come)
{
    struct line line;
    if (!open_line(&line)) return;
    chat(&line);
    line.closes = true;
    int before = line.calls;
    send_some(&line, 60 * KILO);
    let_others_run();
    let_others_run();
    EXPECT_EQ(line.calls, before + 1);
    EXPECT_EQ(line.wrong, 0);
    EXPECT_EQ(line.lost, 1);
    close_line(&line);
}

// Whatever has come for it goes with the loop.
static int leave_more_to_come(void *arg)
{
    struct line *line = arg;
    if (!open_line(line)) return -ENOMEM;
    chat(line);
    send_some(line, 60 * KILO);
    return asyncio_sleep(0);
}

TEST_PLAIN(a_loop_may_close_with_more_to_come)
{
    static struct line line;
    EXPECT_EQ(asyncio_run(leave_more_to_come, &line), 0);
    EXPECT_EQ(line.wrong, 0);
    if (line.stream) EXPECT_EQ(line.lost, 1);
    hang_up(&line);
    asyncio_stream_free(line.stream);
}

// --- pauses -----------------------------------------------------------------

TEST(paused_after_each_call_it_hears_all_of_it_in_order)
{
    struct line line;
    if (!open_line(&line)) return;
    for (int round = 0; round < 3; round++) {
        chat(&line);
        line.pauses = true;
        send_some(&line, 100 * KILO);
        for (int i = 0; i < 1000 && !heard_all(&line); i++) {
            int before = line.calls;
            let_others_run();
            EXPECT_LE(line.calls, before + 1);
            asyncio_stream_resume_reading(line.stream);
        }
        line.pauses = false;
        let_others_run();
        expect_whole(&line);
    }
    EXPECT_EQ(line.paused_calls, 0);
    close_line(&line);
}

TEST(nothing_is_told_while_it_is_paused)
{
    struct line line;
    if (!open_line(&line)) return;
    chat(&line);
    for (int i = 0; i < 20; i++) {
        // In the same moment, in both orders, and later.
        if (i % 2) send_some(&line, 10);
        asyncio_stream_pause_reading(line.stream);
        send_some(&line, 10);
        if (i % 3) let_others_run();
        send_some(&line, 10);
        if (i % 5) EXPECT_EQ(asyncio_sleep(0), 0);
        asyncio_stream_resume_reading(line.stream);
        if (i % 4) let_others_run();
    }
    wait_until_heard(&line);
    expect_whole(&line);
    EXPECT_EQ(line.paused_calls, 0);
    close_line(&line);
}

// Who pauses for long keeps little: the rest stays with the system.
TEST(a_pause_holds_the_sender_back, .short_counts = true)
{
    struct line line;
    if (!open_line(&line)) return;
    chat(&line);
    EXPECT_EQ(asyncio_stream_pause_reading(line.stream), 0);
    let_others_run();
    size_t sent = 0, more;
    for (int idle = 0; idle < 3 && sent < 64 * KILO * KILO; idle++) {
        while ((more = send_some(&line, 256 * KILO)) > 0) {
            sent += more;
            idle = 0;
        }
        let_others_run();
    }
    EXPECT_LT(sent, 8 * KILO * KILO);
    EXPECT_EQ(asyncio_stream_resume_reading(line.stream), 0);
    wait_until_heard(&line);
    expect_whole(&line);
    close_line(&line);
}

TEST(a_task_reads_on_where_a_protocol_has_paused)
{
    struct line line;
    if (!open_line(&line)) return;
    chat(&line);
    line.pauses = true;
    send_some(&line, 40 * KILO);
    let_others_run();
    EXPECT_EQ(asyncio_stream_set_protocol(line.stream, NULL, NULL), 0);
    static char bytes[KILO];
    int got = 1;
    while (got > 0 && line.heard < line.sent) {
        got = asyncio_stream_read(line.stream, bytes, sizeof bytes);
        for (int i = 0; i < got; i++)
            line.wrong += bytes[i] != byte_at(line.heard + (size_t)i);
        if (got > 0) line.heard += (size_t)got;
    }
    EXPECT_EQ(line.wrong, 0);
    if (got > 0) EXPECT_EQ(line.heard, line.sent);
    close_line(&line);
}

// --- the end ----------------------------------------------------------------

// asyncio's StreamWriter.wait_closed: what a protocol was given may lie in the
// frame of whoever waits.
TEST(who_waits_for_the_end_comes_after_the_protocol)
{
    for (int early = 0; early < 2; early++) {
        struct line line;
        if (!open_line(&line)) return;
        let_others_run();
        hang_up(&line);
        if (early) asyncio_stream_close(line.stream);
        EXPECT_LE(asyncio_stream_wait_closed(line.stream), 0);
        EXPECT_EQ(line.lost, 1);
        EXPECT_LE(asyncio_stream_wait_closed(line.stream), 0);
        asyncio_stream_free(line.stream);
        let_others_run();
        EXPECT_EQ(line.lost, 1);
    }
}

// --- one after the other ----------------------------------------------------

TEST(another_protocol_hears_the_rest)
{
    struct line line;
    if (!open_line(&line)) return;
    for (int i = 0; i < 10; i++) {
        chat(&line);
        send_some(&line, 3 * KILO);
        EXPECT_EQ(asyncio_sleep(0), 0);
        asyncio_stream_set_protocol(line.stream, i % 2 ? &hears : &lends,
                                    &line);
        send_some(&line, 3 * KILO);
    }
    wait_until_heard(&line);
    expect_whole(&line);
    close_line(&line);
}

TEST(little_and_much_in_turns)
{
    struct line line;
    if (!open_line(&line)) return;
    for (int i = 0; i < 6; i++) {
        chat(&line);
        EXPECT_LE(line.most, 64 * KILO);
        for (int more = 0; more < 10; more++) {
            send_some(&line, 100 * KILO);
            if (more % 3) let_others_run();
        }
        wait_until_heard(&line);
    }
    expect_whole(&line);
    close_line(&line);
}

// --- many -------------------------------------------------------------------

// More than there is memory to lend at first, and all of them at once.
#define MANY 150

TEST(many_speak_at_once, .limit = 60)
{
    static struct line lines[MANY];
    int made = 0;
    while (made < MANY && open_line(&lines[made]))
        made++;
    for (int i = 0; i < 12; i++) {
        for (int j = 0; j < made; j++)
            send_some(&lines[j], i == 8 ? 20 * KILO : 10);
        let_others_run();
    }
    for (int j = 0; j < made; j++) {
        wait_until_heard(&lines[j]);
        expect_whole(&lines[j]);
    }
    for (int j = 0; j < made; j++)
        hang_up(&lines[j]);
    let_others_run();
    for (int j = 0; j < made; j++)
        EXPECT_EQ(lines[j].lost, 1);
    for (int j = 0; j < made; j++)
        close_line(&lines[j]);
}

// Those that have paused with bytes at hand are in nobody's way.
TEST(paused_ones_are_in_nobodys_way, .limit = 60)
{
    static struct line lines[MANY];
    struct line other;
    int made = 0;
    if (!open_line(&other)) return;
    while (made < MANY && open_line(&lines[made]))
        made++;
    for (int j = 0; j < made; j++) {
        chat(&lines[j]);
        lines[j].pauses = true;
        send_some(&lines[j], 30 * KILO);
    }
    let_others_run();
    chat(&other);
    expect_whole(&other);
    for (int j = 0; j < made; j++) {
        lines[j].pauses = false;
        asyncio_stream_resume_reading(lines[j].stream);
    }
    for (int j = 0; j < made; j++) {
        wait_until_heard(&lines[j]);
        expect_whole(&lines[j]);
        close_line(&lines[j]);
    }
    close_line(&other);
}
