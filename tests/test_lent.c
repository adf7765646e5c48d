// Receiving into memory that the poller lends: what the operation promises,
// where a poller has it.

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/poller.h"
#include "platform/sys.h"
#include "runner/runner.h"

static struct asyncio__poller *poller;
static int fds[2]; // a pair: what is received at [0] is sent at [1]

// What has come by one operation.
static char got[64];
static size_t got_len;
static struct asyncio__lent *kept, *last_kept; // not given back yet
static size_t kept_count;
static bool keeps;
static int calls, ends;

static void give_all_back(void)
{
    struct asyncio__lent *lent;
    while ((lent = kept)) {
        kept = lent->next;
        asyncio__poller_give_back(poller, lent);
    }
    kept_count = 0;
}

static void take(struct asyncio__lent *lent)
{
    if (got_len + lent->len <= sizeof got)
        memcpy(got + got_len, lent->bytes, lent->len);
    got_len += lent->len;
    lent->next = NULL;
    if (kept)
        last_kept->next = lent;
    else
        kept = lent;
    last_kept = lent;
    kept_count++;
}

static void on_lent(struct asyncio__op *op)
{
    struct asyncio__lent *lent = asyncio__op_take_lent(op);
    calls++;
    if (op->state == ASYNCIO__OP_IDLE) ends++;
    while (lent) {
        struct asyncio__lent *next = lent->next;
        take(lent);
        lent = next;
    }
    if (!keeps) give_all_back();
}

static void forget(void)
{
    memset(got, 0, sizeof got);
    got_len = 0;
    calls = ends = 0;
}

// False: it does not lend, and nothing is open.
static bool open_pair(int mode)
{
    keeps = false;
    forget();
    if (!EXPECT_EQ(asyncio__poller_open(&poller, ASYNCIO__BACKEND_AUTO), 0))
        return false;
    if (!asyncio__poller_lends(poller))
        SKIP("this poller lends nothing");
    else if (EXPECT_EQ(
                 asyncio__sys_socketpair(AF_UNIX, SOCK_STREAM | mode, 0, fds),
                 0))
        return true;
    asyncio__poller_close(poller);
    return false;
}

static void close_pair(void)
{
    give_all_back();
    asyncio__sys_close(fds[0]);
    asyncio__sys_close(fds[1]);
    asyncio__poller_close(poller);
}

static struct asyncio__op op_lent(unsigned flags)
{
    return (struct asyncio__op){.code = ASYNCIO__OP_RECV_LENT,
                                .done = on_lent,
                                .fd = fds[0],
                                .len = ASYNCIO__LENT_SIZE,
                                .flags = flags};
}

static bool start(struct asyncio__op *op)
{
    return EXPECT_EQ(asyncio__poller_submit(poller, op), 0);
}

// Lets the kernel have what is queued, and time to answer.
static void look(void)
{
    for (int i = 0; i < 10; i++)
        EXPECT_EQ(asyncio__poller_wait(poller, 0), 0);
}

static void say(const char *text)
{
    EXPECT_EQ(write(fds[1], text, strlen(text)), strlen(text));
}

static void end(struct asyncio__op *op)
{
    asyncio__poller_cancel(poller, op);
    while (op->state != ASYNCIO__OP_IDLE)
        EXPECT_EQ(asyncio__poller_wait(poller, -1), 0);
    EXPECT_EQ(asyncio__poller_pending(poller), 0);
}

// ---- What comes -------------------------------------------------------------

static void receive_once(int mode)
{
    if (!open_pair(mode)) return;
    struct asyncio__op op = op_lent(0);
    if (start(&op)) {
        look();
        EXPECT_EQ(calls, 0);
        say("hello");
        look();
        EXPECT_EQ(op.result, 5);
        EXPECT_STR(got, "hello");
        EXPECT_EQ(calls, 1);
        EXPECT_EQ(ends, 1);
        end(&op);
    }
    close_pair();
}

TEST_PLAIN(bytes_come_in_lent_memory, .short_counts = true)
{
    receive_once(0);
    receive_once(SOCK_NONBLOCK);
}

static void receive_on(int mode)
{
    if (!open_pair(mode)) return;
    struct asyncio__op op = op_lent(ASYNCIO__RECV_MORE);
    if (start(&op)) {
        say("a");
        look();
        EXPECT_STR(got, "a");
        say("b");
        look();
        say("c");
        look();
        EXPECT_STR(got, "abc");
        EXPECT_EQ(ends, 0);
        EXPECT_EQ(asyncio__poller_pending(poller), 1);
        say("d");
        shutdown(fds[1], SHUT_WR);
        look();
        EXPECT_STR(got, "abcd");
        EXPECT_EQ(ends, 1);
        EXPECT_EQ(op.result, 0);
        end(&op);
    }
    close_pair();
}

TEST_PLAIN(one_operation_goes_on_until_the_end, .short_counts = true)
{
    receive_on(0);
    receive_on(SOCK_NONBLOCK);
}

TEST_PLAIN(a_piece_is_its_owners_until_it_is_given_back, .short_counts = true)
{
    if (!open_pair(0)) return;
    struct asyncio__op op = op_lent(ASYNCIO__RECV_MORE);
    keeps = true;
    if (start(&op)) {
        char text[2] = "";
        for (char c = 'a'; c <= 'z'; c++) {
            *text = c;
            say(text);
            look();
        }
        EXPECT_STR(got, "abcdefghijklmnopqrstuvwxyz");
        char c = 'a';
        for (struct asyncio__lent *lent = kept; lent; lent = lent->next, c++)
            EXPECT_EQ(*lent->bytes, c);
        EXPECT_EQ(c, 'z' + 1);
        end(&op);
    }
    close_pair();
}

// ---- All is lent ------------------------------------------------------------

TEST_PLAIN(when_all_is_lent_it_is_said_and_nothing_is_lost,
           .short_counts = true)
{
    if (!open_pair(0)) return;
    struct asyncio__op op = op_lent(ASYNCIO__RECV_MORE);
    size_t sent = 0, times = 0;
    keeps = true;
    // It may be said early: then there is more the next time, up to a number.
    while (times < 20 && start(&op)) {
        while (op.state != ASYNCIO__OP_IDLE) {
            say("x");
            sent++;
            asyncio__poller_wait(poller, 0);
        }
        EXPECT_EQ(op.result, -ENOBUFS);
        times++;
    }
    EXPECT_GE(kept_count, 512);
    EXPECT_LE(kept_count, 1024);
    EXPECT_LT(got_len, sent);

    keeps = false;
    give_all_back();
    if (start(&op)) {
        look();
        EXPECT_EQ(got_len, sent);
        end(&op);
    }
    close_pair();
}

// ---- Cancels ----------------------------------------------------------------

TEST_PLAIN(a_cancel_while_nothing_comes_takes_nothing, .short_counts = true)
{
    for (unsigned flags = 0; flags < 2; flags++) {
        if (!open_pair(0)) return;
        struct asyncio__op op = op_lent(flags);
        if (start(&op)) {
            look();
            end(&op);
            EXPECT_EQ(op.result, -ECANCELED);
            EXPECT_EQ(ends, 1);
            EXPECT_EQ(got_len, 0);
        }
        close_pair();
    }
}

// Whatever has come is handed out, the rest is still there, in order.
static void cancel_among_bytes(unsigned flags, bool looks)
{
    if (!open_pair(0)) return;
    struct asyncio__op op = op_lent(flags), again = op_lent(0);
    if (start(&op)) {
        if (looks) look();
        say("abc");
        if (looks) asyncio__poller_wait(poller, 0);
        say("def");
        end(&op);
        EXPECT_EQ(ends, 1);
        size_t first = got_len;
        if (first < 6 && start(&again)) look();
        EXPECT_STR(got, "abcdef");
        end(&again);
    }
    close_pair();
}

TEST_PLAIN(a_cancel_among_bytes_loses_none, .short_counts = true)
{
    for (int i = 0; i < 4; i++)
        cancel_among_bytes(i & 1 ? ASYNCIO__RECV_MORE : 0, i & 2);
}

static void cancel_first(struct asyncio__op *op)
{
    on_lent(op);
    if (op->state == ASYNCIO__OP_IDLE) return;
    asyncio__poller_cancel(poller, op);
    EXPECT_EQ(op->state, ASYNCIO__OP_CANCELLING);
}

TEST_PLAIN(it_may_be_cancelled_from_its_own_call, .short_counts = true)
{
    if (!open_pair(0)) return;
    struct asyncio__op op = op_lent(ASYNCIO__RECV_MORE);
    op.done = cancel_first;
    if (start(&op)) {
        look();
        say("a");
        look();
        EXPECT_EQ(op.state, ASYNCIO__OP_IDLE);
        EXPECT_EQ(op.result, -ECANCELED);
        EXPECT_EQ(calls, 2);
        EXPECT_STR(got, "a");
    }
    close_pair();
}

TEST_PLAIN(many_share_what_a_few_need, .short_counts = true)
{
    enum { MANY = 200 };
    static struct asyncio__op ops[MANY];
    static int pairs[MANY][2];
    if (!open_pair(0)) return;
    int made = 0;
    while (made < MANY && EXPECT_EQ(asyncio__sys_socketpair(
                                        AF_UNIX, SOCK_STREAM, 0, pairs[made]),
                                    0)) {
        ops[made] = op_lent(ASYNCIO__RECV_MORE);
        ops[made].fd = pairs[made][0];
        start(&ops[made++]);
    }
    look();
    EXPECT_EQ(calls, 0); // they wait, and none wants for memory
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < made; i++) {
            EXPECT_EQ(write(pairs[i][1], "x", 1), 1);
            look();
        }
    EXPECT_EQ(got_len, 3 * made);
    EXPECT_EQ(ends, 0);
    for (int i = 0; i < made; i++)
        asyncio__poller_cancel(poller, &ops[i]);
    while (asyncio__poller_pending(poller) > 0)
        EXPECT_EQ(asyncio__poller_wait(poller, -1), 0);
    for (int i = 0; i < made; i++) {
        asyncio__sys_close(pairs[i][0]);
        asyncio__sys_close(pairs[i][1]);
    }
    close_pair();
}

// ---- Faults -----------------------------------------------------------------

static const struct asyncio__sys_hooks *others;
static enum asyncio__sys_call failing_call;
static int failing_code, passes; // so many calls before the one that fails

static int before(enum asyncio__sys_call call, const char *site, size_t *len)
{
    if (call == failing_call && failing_code && passes-- == 0)
        return failing_code;
    return others && others->before ? others->before(call, site, len) : 0;
}

static void fail(enum asyncio__sys_call call, int code, int after)
{
    static struct asyncio__sys_hooks hooks;
    others = asyncio__sys_hooks;
    if (others) hooks = *others;
    hooks.before = before;
    failing_call = call;
    failing_code = code;
    passes = after;
    asyncio__sys_hooks = &hooks;
}

TEST_PLAIN(where_the_kernel_does_not_lend_it_says_so)
{
    if (!open_pair(0)) return;
    struct asyncio__op op = op_lent(0);
    fail(ASYNCIO__SYS_URING, -EINVAL, 0);
    EXPECT_EQ(asyncio__poller_submit(poller, &op), -EOPNOTSUPP);
    EXPECT_EQ(asyncio__poller_submit(poller, &op), -EOPNOTSUPP);
    asyncio__sys_hooks = others;
    close_pair();
}

TEST_PLAIN(a_later_result_may_fail_like_the_first, .short_counts = true)
{
    if (!open_pair(0)) return;
    struct asyncio__op op = op_lent(ASYNCIO__RECV_MORE);
    fail(ASYNCIO__SYS_RECV, -ECONNRESET, 2);
    if (start(&op)) {
        say("a");
        look();
        EXPECT_EQ(ends, 0);
        say("b");
        look();
        EXPECT_STR(got, "ab");
        EXPECT_EQ(ends, 1);
        EXPECT_EQ(op.result, -ECONNRESET);
        end(&op);
    }
    asyncio__sys_hooks = others;
    close_pair();
}
