// Polls of one descriptor again and again. The poller on epoll keeps what it
// has registered for them: nothing may be lost by that, nobody may hear what is
// not for him, and what nobody wants to hear must not keep the processor busy.
// The others have the same meaning.

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asyncio/stream.h>

#include "faults.h"
#include "loop/loop.h"
#include "platform/poller.h"
#include "platform/sys.h"
#include "runner/runner.h"

// So often something is polled that it is known for it.
#define OFTEN 6

static struct asyncio__poller *poller;

static void note_end(struct asyncio__op *op)
{
    (void)op;
}

static bool begin(struct asyncio__op *op, int fd, int events, unsigned flags)
{
    *op = (struct asyncio__op){.code = ASYNCIO__OP_POLL,
                               .fd = fd,
                               .events = (uint16_t)events,
                               .flags = flags,
                               .done = note_end};
    return EXPECT_EQ(asyncio__poller_submit(poller, op), 0);
}

static bool begin_again(struct asyncio__op *op, int fd)
{
    return begin(op, fd, POLLIN, ASYNCIO__POLL_AGAIN);
}

static bool is_over(const struct asyncio__op *op)
{
    return op->state == ASYNCIO__OP_IDLE;
}

static void finish(struct asyncio__op *op)
{
    while (!is_over(op))
        EXPECT_EQ(asyncio__poller_wait(poller, -1), 0);
}

static void cancel(struct asyncio__op *op)
{
    asyncio__poller_cancel(poller, op);
    finish(op);
}

static void look(void)
{
    for (int i = 0; i < 10; i++)
        EXPECT_EQ(asyncio__poller_wait(poller, 0), 0);
}

// Nothing more comes of looking, but for a look that is interrupted.
static void expect_silence(void)
{
    look();
    uint64_t before = asyncio__poller_delivered(poller);
    look();
    EXPECT_LE(asyncio__poller_delivered(poller), before + 1);
}

static void put(int fd, const char *bytes)
{
    EXPECT_EQ(send(fd, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
}

static void take(int fd)
{
    char byte;
    EXPECT_EQ(recv(fd, &byte, 1, MSG_DONTWAIT), 1);
}

// Waits for a byte that is sent meanwhile, and takes it.
static bool hear_one(const int fds[2])
{
    struct asyncio__op op;
    if (!begin_again(&op, fds[0])) return false;
    put(fds[1], "x");
    finish(&op);
    take(fds[0]);
    return EXPECT_EQ(op.result, POLLIN);
}

// False if that has failed, which a fault loop may bring about.
static bool hear_often(const int fds[2])
{
    for (int i = 0; i < OFTEN; i++)
        if (!hear_one(fds)) return false;
    return true;
}

static bool open_fds(int fds[2])
{
    fds[0] = fds[1] = -1;
    return EXPECT_EQ(asyncio__sys_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
}

static void forget(int *fd)
{
    if (*fd < 0) return;
    asyncio__poller_forget(poller, *fd);
    asyncio__sys_close(*fd);
    *fd = -1;
}

static void close_fds(int fds[2])
{
    forget(&fds[0]);
    if (fds[1] >= 0) asyncio__sys_close(fds[1]);
}

static void close_pair(int fds[2])
{
    close_fds(fds);
    asyncio__poller_close(poller);
}

// Two connected sockets, of which the first is polled often.
static bool open_pair(int fds[2])
{
    if (!EXPECT_EQ(asyncio__poller_open(&poller, ASYNCIO__BACKEND_AUTO), 0))
        return false;
    if (open_fds(fds) && hear_often(fds)) return true;
    close_pair(fds);
    return false;
}

// --- what it is for ---------------------------------------------------------

static const struct asyncio__sys_hooks *outer;
static int told; // how often the kernel was told what to look for

static int count_calls(enum asyncio__sys_call call, const char *site,
                       size_t *len)
{
    if (call == ASYNCIO__SYS_EPOLL_CTL) told++;
    return outer && outer->before ? outer->before(call, site, len) : 0;
}

static void begin_to_count(void)
{
    static struct asyncio__sys_hooks hooks;
    outer = asyncio__sys_hooks;
    if (outer) hooks = *outer;
    hooks.before = count_calls;
    asyncio__sys_hooks = &hooks;
}

TEST_PLAIN(who_comes_again_need_not_say_so, .faulty = true)
{
    int fds[2];
    begin_to_count();
    EXPECT_OR_RETURN(open_pair(fds));
    told = 0;
    for (int i = 0; i < 100; i++)
        hear_one(fds);
    EXPECT_EQ(told, 0);
    close_pair(fds);
}

// Most connections end after one answer.
TEST_PLAIN(who_comes_twice_pays_for_nothing_more, .faulty = true)
{
    struct asyncio__op op;
    int fds[2];
    begin_to_count();
    EXPECT_OR_RETURN(open_pair(fds));
    int others[2];
    EXPECT_OR_RETURN(open_fds(others));
    told = 0;
    hear_one(others);
    begin_again(&op, others[0]);
    shutdown(others[1], SHUT_WR);
    finish(&op);
    close_fds(others);
    EXPECT_LE(told, 3); // of which one finds that it is new
    close_pair(fds);
}

// Who has other things to do each time that something comes is told once for
// each, nearly as before.
TEST_PLAIN(who_is_seldom_there_is_told_once, .faulty = true)
{
    struct asyncio__op op;
    int fds[2];
    begin_to_count();
    EXPECT_OR_RETURN(open_pair(fds));
    told = 0;
    for (int i = 0; i < 100; i++) {
        put(fds[1], "x");
        look();
        if (!begin_again(&op, fds[0])) break;
        finish(&op);
        take(fds[0]);
        look();
    }
    EXPECT_LE(told, 125);
    close_pair(fds);
}

// --- nothing is lost --------------------------------------------------------

TEST_PLAIN(what_was_left_is_told_of_again)
{
    struct asyncio__op op;
    int fds[2];
    if (!open_pair(fds)) return;
    put(fds[1], "abc");
    for (int i = 0; i < 3; i++) {
        if (!begin_again(&op, fds[0])) break;
        finish(&op);
        EXPECT_EQ(op.result, POLLIN);
        take(fds[0]);
    }
    close_pair(fds);
}

TEST_PLAIN(what_came_while_nobody_waited_is_told_later_and_once)
{
    struct asyncio__op op;
    int fds[2];
    if (!open_pair(fds)) return;
    for (int i = 0; i < 3 * OFTEN; i++) {
        put(fds[1], "x");
        expect_silence();
        if (!begin_again(&op, fds[0])) break;
        finish(&op);
        take(fds[0]);
    }
    close_pair(fds);
}

TEST_PLAIN(what_a_cancelled_poll_would_have_heard_the_next_one_does)
{
    struct asyncio__op op;
    int fds[2];
    if (!open_pair(fds)) return;
    for (int i = 0; i < 2 * OFTEN; i++) {
        if (!begin_again(&op, fds[0])) break;
        if (i % 2) put(fds[1], "x");
        cancel(&op);
        EXPECT(op.result == -ECANCELED || op.result == POLLIN);
        if (i % 2 == 0) put(fds[1], "x");
        if (!begin_again(&op, fds[0])) break;
        finish(&op);
        EXPECT_EQ(op.result, POLLIN);
        take(fds[0]);
    }
    close_pair(fds);
}

TEST_PLAIN(an_end_that_nobody_waits_for_is_told_later_and_once)
{
    struct asyncio__op op;
    int fds[2];
    if (!open_pair(fds)) return;
    asyncio__sys_close(fds[1]);
    fds[1] = -1;
    expect_silence();
    for (int i = 0; i < 2; i++) {
        if (!begin_again(&op, fds[0])) break;
        finish(&op);
        EXPECT_EQ(op.result & (POLLIN | POLLHUP), POLLIN | POLLHUP);
        expect_silence();
    }
    close_pair(fds);
}

// --- others at the same descriptor ------------------------------------------

TEST_PLAIN(who_polls_for_something_else_hears_it_and_leaves_the_rest)
{
    struct asyncio__op again, once, room;
    int fds[2];
    if (!open_pair(fds)) return;
    for (int i = 0; i < 3; i++) {
        if (!begin_again(&again, fds[0])) break;
        if (begin(&room, fds[0], POLLOUT, 0)) {
            finish(&room);
            EXPECT_EQ(room.result, POLLOUT);
        }
        expect_silence();
        EXPECT(!is_over(&again));
        bool two = begin(&once, fds[0], POLLIN, 0);
        put(fds[1], "x");
        finish(&again);
        if (two) finish(&once);
        take(fds[0]);
        if (!hear_often(fds)) break; // it is known for it anew
    }
    close_pair(fds);
}

TEST_PLAIN(who_waits_to_receive_is_served_besides)
{
    struct asyncio__op again, recv;
    char byte = 0;
    int fds[2];
    if (!open_pair(fds)) return;
    recv = (struct asyncio__op){.code = ASYNCIO__OP_RECV,
                                .fd = fds[0],
                                .buffer = &byte,
                                .len = 1,
                                .done = note_end};
    if (begin_again(&again, fds[0])) {
        bool two = EXPECT_EQ(asyncio__poller_submit(poller, &recv), 0);
        put(fds[1], "xy");
        if (two) finish(&recv);
        finish(&again);
        if (two) EXPECT_EQ(byte, 'x');
    }
    close_pair(fds);
}

// --- other descriptors of the same file -------------------------------------

TEST_PLAIN(what_was_forgotten_and_lives_on_is_not_heard, .short_counts = true)
{
    int fds[2];
    if (!open_pair(fds)) return;
    int copy = dup(fds[0]);
    forget(&fds[0]);
    look();
    uint64_t before = asyncio__poller_delivered(poller);
    put(fds[1], "x");
    look();
    EXPECT_EQ(asyncio__poller_delivered(poller), before);
    close(copy);
    close_pair(fds);
}

TEST_PLAIN(what_was_forgotten_may_be_used_again)
{
    struct asyncio__op op;
    int fds[2];
    if (!open_pair(fds)) return;
    asyncio__poller_forget(poller, fds[0]);
    asyncio__poller_forget(poller, fds[0]);
    hear_often(fds);
    asyncio__poller_forget(poller, fds[0]);
    if (begin(&op, fds[0], POLLIN, 0)) {
        put(fds[1], "x");
        finish(&op);
        EXPECT_EQ(op.result, POLLIN);
    }
    asyncio__poller_forget(poller, -1);
    asyncio__poller_forget(poller, 1000000);
    close_pair(fds);
}

TEST_PLAIN(the_next_file_of_a_number_hears_only_its_own)
{
    struct asyncio__op op;
    int fds[2], next[2];
    if (!open_pair(fds)) return;
    int number = fds[0], copy = dup(number);
    forget(&fds[0]);
    if (open_fds(next)) {
        EXPECT_EQ(next[0], number);
        put(fds[1], "old");
        if (begin_again(&op, next[0])) {
            look();
            EXPECT(!is_over(&op));
            put(next[1], "x");
            finish(&op);
            take(next[0]);
            hear_often(next);
        }
        expect_silence();
        close_fds(next);
    }
    close(copy);
    close_pair(fds);
}

// --- those who do it --------------------------------------------------------

static int read_byte(void *arg)
{
    char byte;
    return asyncio_stream_read(arg, &byte, 1);
}

static bool hear_by_stream(struct asyncio_stream *stream,
                           struct asyncio_stream *peer)
{
    bool fine = true;
    for (int i = 0; i < OFTEN && fine; i++) {
        struct asyncio_task *task = asyncio_create_task(read_byte, stream);
        EXPECT_LE(asyncio_sleep(0), 0);
        put(asyncio_stream_fileno(peer), "x");
        fine = EXPECT_EQ(asyncio_await(task), 1);
        asyncio_task_release(task);
    }
    return fine;
}

// What it stood on lives on, by another number or by its own.
static void close_stream(bool keep_open)
{
    struct asyncio_stream *stream, *peer;
    int fds[2];
    EXPECT_OR_RETURN(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    int copy = dup(fds[0]);
    int err = asyncio_stream_open(&stream, fds[0], .keep_open = keep_open);
    EXPECT_OR_RETURN(err == 0);
    EXPECT_OR_RETURN(asyncio_stream_open(&peer, fds[1]) == 0);
    hear_by_stream(stream, peer);
    asyncio_stream_abort(stream);
    EXPECT_LE(asyncio_sleep(0), 0);
    poller = asyncio_get_running_loop()->poller;
    look();
    uint64_t before = asyncio__poller_delivered(poller);
    put(fds[1], "x");
    look();
    EXPECT_EQ(asyncio__poller_delivered(poller), before);
    asyncio_stream_free(stream);
    asyncio_stream_abort(peer);
    asyncio_stream_free(peer);
    if (keep_open) close(fds[0]);
    close(copy);
}

TEST(a_stream_that_is_closed_lets_go_of_what_it_stood_on, .faulty = true)
{
    close_stream(false);
    close_stream(true);
}

// The child must not, but if it tidies up what it has inherited, its parent
// does not notice.
TEST(a_stream_that_a_forked_process_closes_goes_on_here, .faulty = true)
{
    struct asyncio_stream *stream, *peer;
    EXPECT_OR_RETURN(asyncio_open_pair(&stream, &peer) == 0);
    hear_by_stream(stream, peer);
    pid_t child = strcmp(test_backend(), "epoll") == 0 ? fork() : -1;
    if (child == 0) {
        asyncio_stream_abort(stream);
        _exit(0);
    }
    if (child > 0) EXPECT_EQ(waitpid(child, NULL, 0), child);
    hear_by_stream(stream, peer);
    asyncio_stream_abort(stream);
    asyncio_stream_free(stream);
    asyncio_stream_abort(peer);
    asyncio_stream_free(peer);
}

// --- what must not be done --------------------------------------------------

// The descriptor is closed, nobody has said so, and the file lives on. Those
// who wait for other things hear of them, the number can be used, and the
// processor rests.
static void close_too_early(int fault, bool hears)
{
    struct asyncio__op other;
    int fds[2], others[2], next[2] = {-1, -1};
    if (!open_pair(fds)) return;
    if (!open_fds(others) || !hear_often(others)) goto close_others;
    bool waits = begin_again(&other, others[0]);
    int number = fds[0], copy = dup(number);
    asyncio__sys_close(number);
    fds[0] = -1;
    if (!hears && open_fds(next)) EXPECT_EQ(next[0], number);
    put(fds[1], "x");
    if (fault) fail_next(ASYNCIO__SYS_EVENTFD, fault);
    if (!hears && next[0] >= 0) hear_often(next);
    expect_silence();
    asyncio__poller_wake(poller);
    EXPECT_EQ(asyncio__poller_wait(poller, -1), 0);
    if (waits) {
        EXPECT(!is_over(&other));
        put(others[1], "x");
        finish(&other);
        EXPECT_EQ(other.result, POLLIN);
        take(others[0]);
        hear_often(others);
    }
    close_fds(next);
    close(copy);
close_others:
    close_fds(others);
    close_pair(fds);
}

// The same where it is waited for, but not again and again.
TEST_PLAIN(the_next_file_does_not_hear_what_the_last_one_waited_for)
{
    struct asyncio__op last, op;
    int fds[2], next[2] = {-1, -1};
    if (!open_pair(fds)) return;
    int number = fds[0], copy = dup(number);
    bool waits = begin(&last, number, POLLIN, 0);
    look();
    asyncio__sys_close(number);
    fds[0] = -1;
    if (open_fds(next) && begin(&op, next[0], POLLIN, 0)) {
        put(fds[1], "old");
        look();
        EXPECT(!is_over(&op));
        put(next[1], "x");
        finish(&op);
    }
    if (waits && !is_over(&last)) cancel(&last);
    close_fds(next);
    close(copy);
    close_pair(fds);
}

TEST_PLAIN(what_is_closed_too_early_and_lives_on_haunts_nobody)
{
    close_too_early(0, true);
}

TEST_PLAIN(nor_does_it_haunt_the_next_file_of_its_number)
{
    close_too_early(0, false);
}

TEST_PLAIN(nor_where_the_system_has_no_room_to_begin_anew, .faulty = true)
{
    close_too_early(-EMFILE, true);
    bool is_epoll = strcmp(test_backend(), "epoll") == 0;
    EXPECT_EQ(faults__call, is_epoll ? -1 : ASYNCIO__SYS_EVENTFD);
}
