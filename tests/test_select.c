// Select: one thing of several happens, and of the others nothing is left.

#include <asyncio/group.h>
#include <asyncio/select.h>

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "runner/runner.h"

ASYNCIO_CHANNEL_TYPE(numbers, int);

struct pair {
    struct numbers_sender out;
    struct numbers_receiver in;
};

static int open_pairs(struct pair *pairs, int count, long capacity)
{
    int err = 0;
    for (int i = 0; i < count; i++)
        pairs[i] = (struct pair){0};
    for (int i = 0; i < count && err == 0; i++)
        err = asyncio_channel_create(&pairs[i].out, &pairs[i].in, capacity);
    return err;
}

static void close_pairs(struct pair *pairs, int count)
{
    for (int i = 0; i < count; i++) {
        asyncio_sender_close(&pairs[i].out);
        asyncio_receiver_close(&pairs[i].in);
    }
}

static int put(struct pair *pair, int number)
{
    return asyncio_sender_send_nowait(&pair->out, &number);
}

static int take(struct pair *pair)
{
    int number = 0;
    int err = asyncio_receiver_receive_nowait(&pair->in, &number);
    return err < 0 ? err : number;
}

static size_t waiting(struct pair *pair)
{
    struct asyncio_channel_statistics now = {0};
    asyncio_receiver_statistics(&pair->in, &now);
    return now.waiting_senders + now.waiting_receivers;
}

// A task that selects among cases that somebody else has made.
struct chooser {
    struct asyncio_select_case *cases;
    size_t count;
    const char *name;
};

static int choose(void *arg)
{
    struct chooser *chooser = arg;
    int which = asyncio_select(chooser->cases, chooser->count);
    trace("%s %d %d", chooser->name, which,
          which < 0 ? 0 : chooser->cases[which].result);
    return which;
}

// Waits, or has ended for want of memory, when this returns.
static struct asyncio_task *begin(struct chooser *chooser)
{
    struct asyncio_task *task = asyncio_create_task(choose, chooser);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    return task;
}

static int end(struct asyncio_task *task)
{
    int result = asyncio_await(task);
    asyncio_task_release(task);
    return result;
}

static int end_cancelled(struct asyncio_task *task)
{
    asyncio_task_cancel(task);
    return end(task);
}

// --- at once ----------------------------------------------------------------

TEST(one_that_can_go_ahead_does)
{
    CONFORMS("SEL-01");
    struct pair pairs[2];
    int got = 0, sent = 5;
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_RECEIVE(&pairs[0].in, &got),
        ASYNCIO_SELECT_SEND(&pairs[1].out, &sent),
        ASYNCIO_SELECT_AFTER(10),
    };
    if (open_pairs(pairs, 2, 1) == 0) {
        double start = asyncio_time();
        uint64_t pass = asyncio_loop_passes(asyncio_get_running_loop());
        EXPECT_EQ(asyncio_select(cases, 3), 1);
        EXPECT_EQ(cases[1].result, 0);
        EXPECT_EQ(put(&pairs[0], 6), 0);
        EXPECT_EQ(asyncio_select(cases, 3), 0);
        EXPECT_EQ(cases[0].result, 0);
        EXPECT_EQ(got, 6);
        EXPECT_EQ(take(&pairs[1]), 5);
        EXPECT_EQ(asyncio_loop_passes(asyncio_get_running_loop()), pass);
        EXPECT_EQ(asyncio_time(), start);
    }
    close_pairs(pairs, 2);
}

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

TEST(tasks_futures_times_and_descriptors_go_ahead_at_once_too)
{
    CONFORMS("SEL-01");
    int fds[2];
    struct asyncio_future future = {0};
    struct asyncio_task *task = asyncio_create_task(seven, NULL);
    int expected = asyncio_await(task);
    EXPECT_EQ(asyncio_future_set_exception(&future, -EIO), 0);
    struct asyncio_select_case one = ASYNCIO_SELECT_TASK(task);
    EXPECT_EQ(asyncio_select(&one, 1), 0);
    EXPECT_EQ(one.result, expected);
    one = ASYNCIO_SELECT_FUTURE(&future);
    EXPECT_EQ(asyncio_select(&one, 1), 0);
    EXPECT_EQ(one.result, -EIO);
    one = ASYNCIO_SELECT_AFTER(0);
    EXPECT_EQ(asyncio_select(&one, 1), 0);
    EXPECT_EQ(one.result, 0);
    one = ASYNCIO_SELECT_AT(asyncio_time());
    EXPECT_EQ(asyncio_select(&one, 1), 0);

    EXPECT_OR_RETURN(pipe(fds) == 0);
    one = ASYNCIO_SELECT_WRITABLE(fds[1]);
    EXPECT_EQ(asyncio_select(&one, 1), 0);
    EXPECT_EQ(one.result, POLLOUT);
    EXPECT_EQ(write(fds[1], "x", 1), 1);
    one = ASYNCIO_SELECT_READABLE(fds[0]);
    EXPECT_EQ(asyncio_select(&one, 1), 0);
    EXPECT_EQ(one.result, POLLIN);
    close(fds[0]);
    close(fds[1]);
    EXPECT_EQ(asyncio_select(&one, 1), 0);
    EXPECT_EQ(one.result, -EBADF);
    asyncio_task_release(task);
}

TEST(nothing_can_go_ahead)
{
    CONFORMS("SEL-02");
    struct pair pairs[2];
    int got = 0, sent = 5, fds[2];
    EXPECT_OR_RETURN(pipe(fds) == 0);
    struct asyncio_future future = {0};
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_RECEIVE(&pairs[0].in, &got),
        ASYNCIO_SELECT_SEND(&pairs[1].out, &sent),
        ASYNCIO_SELECT_TASK(asyncio_current_task()),
        ASYNCIO_SELECT_FUTURE(&future),
        ASYNCIO_SELECT_READABLE(fds[0]),
        ASYNCIO_SELECT_AFTER(3),
    };
    cases[2].disabled = true;
    if (open_pairs(pairs, 2, 0) == 0) {
        EXPECT_EQ(asyncio_select_nowait(cases, 6), -EAGAIN);
        EXPECT_EQ(waiting(&pairs[0]) + waiting(&pairs[1]), 0);
        double start = asyncio_time();
        int which = asyncio_select(cases, 6);
        if (which >= 0) {
            EXPECT_EQ(which, 5);
            EXPECT_GE(asyncio_time(), start + 3);
        }
        EXPECT_EQ(waiting(&pairs[0]) + waiting(&pairs[1]), 0);
        EXPECT_EQ(take(&pairs[1]), -EAGAIN);
    }
    close_pairs(pairs, 2);
    close(fds[0]);
    close(fds[1]);
}

// --- waiting for the first --------------------------------------------------

TEST(receive_waits_for_the_first_that_is_sent, .ordered = true)
{
    CONFORMS("SEL-02");
    struct pair pairs[2];
    int got[2] = {0};
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_RECEIVE(&pairs[0].in, &got[0]),
        ASYNCIO_SELECT_RECEIVE(&pairs[1].in, &got[1]),
    };
    struct chooser chooser = {cases, 2, "a"};
    if (open_pairs(pairs, 2, 0) == 0) {
        struct asyncio_task *task = begin(&chooser);
        if (!asyncio_task_done(task)) {
            EXPECT_EQ(put(&pairs[1], 8), 0);
            // It is served, and listens no more, before it has run.
            EXPECT_EQ(put(&pairs[0], 9), -EAGAIN);
            EXPECT_EQ(end(task), 1);
            EXPECT_EQ(got[1], 8);
            EXPECT_EQ(got[0], 0);
        } else {
            EXPECT_EQ(end(task), -ENOMEM);
        }
    }
    close_pairs(pairs, 2);
}

TEST(send_waits_for_the_first_that_receives, .ordered = true)
{
    CONFORMS("SEL-02");
    struct pair pairs[2];
    int sent[2] = {1, 2};
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_SEND(&pairs[0].out, &sent[0]),
        ASYNCIO_SELECT_SEND(&pairs[1].out, &sent[1]),
    };
    struct chooser chooser = {cases, 2, "a"};
    if (open_pairs(pairs, 2, 0) == 0) {
        struct asyncio_task *task = begin(&chooser);
        if (!asyncio_task_done(task)) {
            EXPECT_EQ(take(&pairs[1]), 2);
            EXPECT_EQ(take(&pairs[0]), -EAGAIN);
            EXPECT_EQ(take(&pairs[1]), -EAGAIN);
            EXPECT_EQ(end(task), 1);
        } else {
            EXPECT_EQ(end(task), -ENOMEM);
        }
    }
    close_pairs(pairs, 2);
}

TEST(two_selects_meet_each_other, .ordered = true)
{
    struct pair pair;
    int sent = 3, got = 0, sent2 = 4, got2 = 0;
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_SEND(&pair.out, &sent),
        ASYNCIO_SELECT_RECEIVE(&pair.in, &got),
    };
    struct asyncio_select_case others[] = {
        ASYNCIO_SELECT_SEND(&pair.out, &sent2),
        ASYNCIO_SELECT_RECEIVE(&pair.in, &got2),
    };
    struct chooser chooser = {cases, 2, "a"};
    if (open_pairs(&pair, 1, 0) == 0) {
        struct asyncio_task *task = begin(&chooser);
        bool waits = !asyncio_task_done(task); // it does not meet itself
        if (waits) {
            int which = asyncio_select(others, 2);
            int theirs = end(task);
            EXPECT_NE(which, theirs);
            EXPECT_EQ(which == 0 ? got : got2, which == 0 ? 4 : 3);
        } else {
            EXPECT_EQ(end(task), -ENOMEM);
        }
        EXPECT_EQ(waiting(&pair), 0);
    }
    close_pairs(&pair, 1);
}

static int nap(void *arg)
{
    int err = asyncio_sleep(*(double *)arg);
    return err < 0 ? err : 42;
}

TEST(task_that_ends_first_is_chosen)
{
    double naps[] = {2, 1};
    struct asyncio_task *tasks[] = {asyncio_create_task(nap, &naps[0]),
                                    asyncio_create_task(nap, &naps[1])};
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_TASK(tasks[0]),
        ASYNCIO_SELECT_TASK(tasks[1]),
        ASYNCIO_SELECT_AFTER(10),
    };
    int which = asyncio_select(cases, 3);
    if (cases[1].result == 42) {
        EXPECT_EQ(which, 1);
        EXPECT(!asyncio_task_done(tasks[0]));
    }
    int first = end(tasks[0]);
    if (first >= 0) EXPECT_EQ(first, 42);
    asyncio_ignore(end(tasks[1]));
}

static int cancelled(void *arg)
{
    (void)arg;
    return -ECANCELED;
}

static int failing(void *arg)
{
    (void)arg;
    return asyncio_raise(-EPROTO, "no such luck");
}

TEST(outcome_of_a_task_is_the_result_whatever_it_is)
{
    struct asyncio_task *task = asyncio_create_task(cancelled, NULL);
    struct asyncio_select_case one = ASYNCIO_SELECT_TASK(task);
    int which = asyncio_select(&one, 1);
    if (which == 0) EXPECT_EQ(one.result, asyncio_await(task));
    asyncio_task_release(task);

    task = asyncio_create_task(failing, NULL);
    one = ASYNCIO_SELECT_TASK(task);
    which = asyncio_select(&one, 1);
    if (which == 0 && one.result == -EPROTO)
        EXPECT_STR(asyncio_strerror(-EPROTO), "no such luck");
    asyncio_ignore(end(task));
}

TEST(future_that_is_set_is_chosen, .ordered = true)
{
    struct asyncio_future set = {0}, other = {0};
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_FUTURE(&other),
        ASYNCIO_SELECT_FUTURE(&set),
    };
    struct chooser chooser = {cases, 2, "a"};
    struct asyncio_task *task = begin(&chooser);
    if (!asyncio_task_done(task)) {
        EXPECT_EQ(asyncio_future_set_result(&set, 6), 0);
        EXPECT_EQ(asyncio_future_set_result(&other, 5), 0);
        EXPECT_EQ(end(task), 1);
        EXPECT_EQ(cases[1].result, 6);
    } else {
        EXPECT_EQ(end(task), -ENOMEM);
    }
}

// --- exactly one ------------------------------------------------------------

TEST(of_many_that_can_go_ahead_one_takes_effect)
{
    CONFORMS("SEL-03");
    enum { N = 4 };
    struct pair pairs[N];
    int got[N] = {0}, chosen[N] = {0};
    struct asyncio_select_case cases[N];
    for (int i = 0; i < N; i++)
        cases[i] = ASYNCIO_SELECT_RECEIVE(&pairs[i].in, &got[i]);
    if (open_pairs(pairs, N, 1) == 0) {
        for (int i = 0; i < N; i++)
            EXPECT_EQ(put(&pairs[i], 100 + i), 0);
        for (int round = 0; round < 200; round++) {
            memset(got, 0, sizeof got);
            int which = asyncio_select(cases, N);
            if (!EXPECT_GE(which, 0)) break;
            chosen[which]++;
            for (int i = 0; i < N; i++)
                EXPECT_EQ(got[i], i == which ? 100 + i : 0);
            EXPECT_EQ(put(&pairs[which], 100 + which), 0);
        }
        // By lot: none is passed over for long.
        for (int i = 0; i < N; i++)
            EXPECT_GE(chosen[i], 20);
    }
    close_pairs(pairs, N);
}

struct double_select {
    struct pair *pairs;
    int sent, total;
};

static int send_to_either(void *arg)
{
    struct double_select *run = arg;
    int err = 0;
    for (int i = 1; i <= run->total && err >= 0; i++) {
        struct asyncio_select_case cases[] = {
            ASYNCIO_SELECT_SEND(&run->pairs[0].out, &i),
            ASYNCIO_SELECT_SEND(&run->pairs[1].out, &i),
        };
        err = asyncio_select(cases, 2);
    }
    asyncio_sender_close(&run->pairs[0].out);
    asyncio_sender_close(&run->pairs[1].out);
    return err < 0 ? err : 0;
}

static int receive_all(struct double_select *run)
{
    int open = 2, last = 0, got = 0;
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_RECEIVE(&run->pairs[0].in, &got),
        ASYNCIO_SELECT_RECEIVE(&run->pairs[1].in, &got),
    };
    while (open > 0) {
        int which = asyncio_select(cases, 2);
        if (which < 0) return which;
        if (cases[which].result == -ENODATA) {
            cases[which].disabled = true;
            open--;
        } else if (cases[which].result == 0) {
            EXPECT_EQ(got, last + 1);
            last = got;
        } else {
            return cases[which].result;
        }
    }
    run->sent = last;
    return 0;
}

static int receive_from_either(void *arg)
{
    struct double_select *run = arg;
    int err = receive_all(run);
    asyncio_receiver_close(&run->pairs[0].in);
    asyncio_receiver_close(&run->pairs[1].in);
    return err;
}

// Go's doubleselect.go: both sides select, and no item is there twice.
TEST(both_sides_select_and_each_item_arrives_once)
{
    CONFORMS("SEL-03");
    struct pair pairs[2];
    struct double_select run = {.pairs = pairs, .total = 300};
    if (open_pairs(pairs, 2, 0) == 0) {
        ASYNCIO_WITH_TASK_GROUP(group);
        asyncio_task_group_create_task(&group, send_to_either, &run);
        asyncio_task_group_create_task(&group, receive_from_either, &run);
        if (asyncio_task_group_exit(&group, 0) == 0)
            EXPECT_EQ(run.sent, run.total);
    }
    close_pairs(pairs, 2);
}

TEST(things_that_happen_in_one_pass_are_one, .ordered = true)
{
    CONFORMS("SEL-03");
    struct pair pairs[2];
    struct asyncio_future future = {0};
    int got[2] = {0};
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_FUTURE(&future),
        ASYNCIO_SELECT_RECEIVE(&pairs[0].in, &got[0]),
        ASYNCIO_SELECT_RECEIVE(&pairs[1].in, &got[1]),
    };
    struct chooser chooser = {cases, 3, "a"};
    if (open_pairs(pairs, 2, 1) == 0) {
        struct asyncio_task *task = begin(&chooser);
        if (!asyncio_task_done(task)) {
            EXPECT_EQ(asyncio_future_set_result(&future, 1), 0);
            EXPECT_EQ(put(&pairs[0], 1), 0);
            EXPECT_EQ(put(&pairs[1], 2), 0);
            int which = end(task);
            EXPECT_EQ(which, 1);
            EXPECT_EQ(got[0], 1);
            EXPECT_EQ(take(&pairs[0]), -EAGAIN);
            EXPECT_EQ(take(&pairs[1]), 2);
        } else {
            EXPECT_EQ(end(task), -ENOMEM);
        }
    }
    close_pairs(pairs, 2);
}

// --- those that lose --------------------------------------------------------

// Go's select6.go.
TEST(loser_stands_in_nobodys_way, .ordered = true)
{
    CONFORMS("SEL-04");
    struct pair pairs[2];
    int got[2] = {0}, plain = 0, plain2 = 0;
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_RECEIVE(&pairs[0].in, &got[0]),
        ASYNCIO_SELECT_RECEIVE(&pairs[1].in, &got[1]),
    };
    struct asyncio_select_case other =
        ASYNCIO_SELECT_RECEIVE(&pairs[0].in, &plain);
    struct asyncio_select_case other2 =
        ASYNCIO_SELECT_RECEIVE(&pairs[0].in, &plain2);
    struct chooser choosers[] = {
        {&other, 1, "before"}, {cases, 2, "both"}, {&other2, 1, "after"}};
    struct asyncio_task *tasks[3];
    if (open_pairs(pairs, 2, 0) == 0) {
        for (int i = 0; i < 3; i++)
            tasks[i] = begin(&choosers[i]);
        if (waiting(&pairs[0]) == 3) {
            EXPECT_EQ(put(&pairs[1], 1), 0);
            EXPECT_EQ(waiting(&pairs[0]), 2);
            EXPECT_EQ(waiting(&pairs[1]), 0);
            EXPECT_EQ(put(&pairs[0], 2), 0);
            EXPECT_EQ(put(&pairs[0], 3), 0);
            EXPECT_EQ(put(&pairs[0], 4), -EAGAIN);
            EXPECT_EQ(asyncio_sleep(1), 0);
            EXPECT_TRACE("both 1 0", "before 0 0", "after 0 0");
            EXPECT_EQ(plain, 2);
            EXPECT_EQ(plain2, 3);
        }
        for (int i = 0; i < 3; i++)
            asyncio_ignore(end_cancelled(tasks[i]));
    }
    close_pairs(pairs, 2);
}

TEST(losing_timers_descriptors_and_futures_are_gone, .ordered = true)
{
    CONFORMS("SEL-04");
    struct pair pair;
    struct asyncio_future future = {0};
    int got = 0, fds[2];
    EXPECT_OR_RETURN(pipe(fds) == 0);
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_AFTER(100),
        ASYNCIO_SELECT_READABLE(fds[0]),
        ASYNCIO_SELECT_FUTURE(&future),
        ASYNCIO_SELECT_RECEIVE(&pair.in, &got),
    };
    struct chooser chooser = {cases, 4, "a"};
    if (open_pairs(&pair, 1, 0) == 0) {
        for (int round = 0; round < 3; round++) {
            struct asyncio_task *task = begin(&chooser);
            if (!asyncio_task_done(task)) {
                EXPECT_EQ(asyncio_loop_timers(asyncio_get_running_loop()), 1);
                EXPECT_EQ(put(&pair, round), 0);
                EXPECT_EQ(asyncio_loop_timers(asyncio_get_running_loop()), 0);
                EXPECT_EQ(write(fds[1], "x", 1), 1);
                EXPECT_EQ(end(task), 3);
                EXPECT_EQ(got, round);
                char byte;
                EXPECT_EQ(read(fds[0], &byte, 1), 1);
            } else {
                asyncio_ignore(end(task));
            }
        }
        EXPECT_EQ(asyncio_future_set_result(&future, 1), 0);
        EXPECT_EQ(asyncio_sleep(0), 0);
    }
    close_pairs(&pair, 1);
    close(fds[0]);
    close(fds[1]);
}

// --- never chosen -----------------------------------------------------------

TEST(disabled_case_is_never_chosen)
{
    CONFORMS("SEL-05");
    struct pair pair;
    int got = 0, fds[2];
    EXPECT_OR_RETURN(pipe(fds) == 0);
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_RECEIVE(&pair.in, &got),
        ASYNCIO_SELECT_AFTER(0),
        ASYNCIO_SELECT_WRITABLE(fds[1]),
        ASYNCIO_SELECT_READABLE(-1),
        ASYNCIO_SELECT_TASK((struct asyncio_task *)NULL),
        ASYNCIO_SELECT_RECEIVE((struct numbers_receiver *)NULL, &got),
        {0},
    };
    cases[0].disabled = cases[1].disabled = cases[2].disabled = true;
    if (open_pairs(&pair, 1, 1) == 0) {
        EXPECT_EQ(put(&pair, 1), 0);
        EXPECT_EQ(asyncio_select_nowait(cases, 7), -EAGAIN);
        int err = asyncio_wait_for(asyncio_select(cases, 7), 5);
        if (err != -ENOMEM) EXPECT_EQ(err, -ETIMEDOUT);
        EXPECT_EQ(got, 0);
        cases[0].disabled = false;
        for (int round = 0; round < 50; round++) {
            EXPECT_EQ(asyncio_select(cases, 7), 0);
            EXPECT_EQ(put(&pair, 1), 0);
        }
    }
    close_pairs(&pair, 1);
    close(fds[0]);
    close(fds[1]);
}

TEST(select_of_nothing_waits_until_it_is_cancelled)
{
    CONFORMS("SEL-05");
    EXPECT_EQ(asyncio_select_nowait(NULL, 0), -EAGAIN);
    int err = asyncio_wait_for(asyncio_select(NULL, 0), 5);
    if (err != -ENOMEM) EXPECT_EQ(err, -ETIMEDOUT);
}

// --- closed channels --------------------------------------------------------

TEST(what_would_fail_at_once_can_go_ahead, .ordered = true)
{
    struct pair pairs[2];
    int got = 0, sent = 1;
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_RECEIVE(&pairs[0].in, &got),
        ASYNCIO_SELECT_SEND(&pairs[1].out, &sent),
    };
    if (open_pairs(pairs, 2, 0) == 0) {
        asyncio_sender_close(&pairs[0].out);
        EXPECT_EQ(asyncio_select(cases, 2), 0);
        EXPECT_EQ(cases[0].result, -ENODATA);
        asyncio_receiver_close(&pairs[0].in);
        EXPECT_EQ(asyncio_select(cases, 2), 0);
        EXPECT_EQ(cases[0].result, -EBADF);
        cases[0].disabled = true;
        asyncio_receiver_close(&pairs[1].in);
        EXPECT_EQ(asyncio_select(cases, 2), 1);
        EXPECT_EQ(cases[1].result, -EPIPE);
    }
    close_pairs(pairs, 2);
}

TEST(closing_while_it_waits_is_chosen, .ordered = true)
{
    for (int how = 0; how < 4; how++) {
        struct pair pairs[2];
        int got = 0, sent = 1;
        struct asyncio_select_case cases[] = {
            ASYNCIO_SELECT_RECEIVE(&pairs[0].in, &got),
            ASYNCIO_SELECT_SEND(&pairs[1].out, &sent),
        };
        struct chooser chooser = {cases, 2, "a"};
        if (open_pairs(pairs, 2, 0) < 0) {
            close_pairs(pairs, 2);
            return;
        }
        struct asyncio_task *task = begin(&chooser);
        bool waits = !asyncio_task_done(task);
        if (how == 0) asyncio_sender_close(&pairs[0].out);
        if (how == 1) asyncio_receiver_close(&pairs[0].in);
        if (how == 2) asyncio_sender_close(&pairs[1].out);
        if (how == 3) asyncio_receiver_close(&pairs[1].in);
        // Once more, before it has run: this is not heard of any more.
        if (how == 0) asyncio_receiver_close(&pairs[1].in);
        static const int codes[] = {-ENODATA, -EBADF, -EBADF, -EPIPE};
        int which = end(task);
        if (waits) {
            EXPECT_EQ(which, how / 2);
            EXPECT_EQ(cases[how / 2].result, codes[how]);
        }
        close_pairs(pairs, 2);
    }
}

// --- cancelling -------------------------------------------------------------

TEST(cancelled_select_has_done_nothing, .ordered = true)
{
    struct pair pairs[2];
    int got = 0, sent = 1, fds[2];
    EXPECT_OR_RETURN(pipe(fds) == 0);
    struct asyncio_future future = {0};
    double second = 1;
    struct asyncio_task *napper = asyncio_create_task(nap, &second);
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_RECEIVE(&pairs[0].in, &got),
        ASYNCIO_SELECT_SEND(&pairs[1].out, &sent),
        ASYNCIO_SELECT_FUTURE(&future),
        ASYNCIO_SELECT_TASK(napper),
        ASYNCIO_SELECT_READABLE(fds[0]),
        ASYNCIO_SELECT_AFTER(7),
    };
    struct chooser chooser = {cases, 6, "a"};
    if (open_pairs(pairs, 2, 0) == 0) {
        struct asyncio_task *task = begin(&chooser);
        if (!asyncio_task_done(task)) {
            asyncio_task_cancel(task);
            EXPECT_EQ(put(&pairs[0], 2), -EAGAIN);
            EXPECT_EQ(take(&pairs[1]), -EAGAIN);
            asyncio_task_cancel(task);
            EXPECT_EQ(end(task), -ECANCELED);
            EXPECT(!asyncio_future_done(&future));
            EXPECT_EQ(asyncio_await(napper), 42);
        } else {
            asyncio_ignore(end(task));
        }
    }
    asyncio_ignore(end(napper));
    close_pairs(pairs, 2);
    close(fds[0]);
    close(fds[1]);
}

// The other order: it was served, and the cancel came before it ran.
static void cancel_served(long capacity, bool with_descriptor)
{
    struct pair pairs[2];
    int got = 0, sent = 1, fds[2];
    EXPECT_OR_RETURN(pipe(fds) == 0);
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_RECEIVE(&pairs[0].in, &got),
        ASYNCIO_SELECT_SEND(&pairs[1].out, &sent),
        ASYNCIO_SELECT_READABLE(with_descriptor ? fds[0] : -1),
    };
    struct chooser chooser = {cases, 3, "a"};
    if (open_pairs(pairs, 2, capacity) == 0) {
        if (capacity == 1) EXPECT_EQ(put(&pairs[1], 8), 0);
        struct asyncio_task *task = begin(&chooser);
        if (!asyncio_task_done(task)) {
            EXPECT_EQ(put(&pairs[0], 2), 0);
            EXPECT_EQ(end_cancelled(task), -ECANCELED);
            EXPECT_EQ(take(&pairs[0]), 2);
            EXPECT_EQ(got, 0);
        } else {
            asyncio_ignore(end(task));
        }

        task = begin(&chooser);
        if (!asyncio_task_done(task)) {
            EXPECT_EQ(take(&pairs[1]), capacity == 1 ? 8 : 1);
            asyncio_task_cancel(task);
            int which = asyncio_await(task);
            if (capacity == 1) { // it had a place; nobody received it
                EXPECT_EQ(which, -ECANCELED);
                EXPECT_TRACE("a -125 0", "a -125 0");
                EXPECT_EQ(take(&pairs[1]), -EAGAIN);
            } else { // received: select says so, and the request stays
                EXPECT_EQ(which, -ECANCELED);
                EXPECT_TRACE("a -125 0", "a 1 0");
            }
        }
        asyncio_ignore(end(task));
    }
    close_pairs(pairs, 2);
    close(fds[0]);
    close(fds[1]);
}

TEST(select_that_is_cancelled_after_it_was_served_gives_it_back,
     .ordered = true)
{
    cancel_served(0, false);
    cancel_served(1, false);
    cancel_served(0, true);
    cancel_served(1, true);
}

TEST(cancel_that_is_pending_ends_it_before_it_waits)
{
    struct pair pair;
    int got = 0, fds[2];
    EXPECT_OR_RETURN(pipe(fds) == 0);
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_RECEIVE(&pair.in, &got),
        ASYNCIO_SELECT_READABLE(fds[0]),
    };
    if (open_pairs(&pair, 1, 1) == 0) {
        asyncio_task_cancel(asyncio_current_task());
        int which = asyncio_select(cases, 2);
        if (which != -ENOMEM) EXPECT_EQ(which, -ECANCELED);
        asyncio_task_uncancel(asyncio_current_task());
        EXPECT_EQ(put(&pair, 1), 0);
        EXPECT_EQ(asyncio_select(cases, 2), 0);
        EXPECT_EQ(got, 1);
    }
    close_pairs(&pair, 1);
    close(fds[0]);
    close(fds[1]);
}

// --- descriptors ------------------------------------------------------------

struct reading {
    int fd, calls;
};

static int count_read(void *arg)
{
    struct reading *reading = arg;
    char byte;
    reading->calls++;
    EXPECT_EQ(read(reading->fd, &byte, 1), 1);
    return 0;
}

TEST(reader_beside_it_goes_on)
{
    int fds[2];
    EXPECT_OR_RETURN(pipe(fds) == 0);
    struct reading reading = {.fd = fds[0]};
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_READABLE(fds[0]),
        ASYNCIO_SELECT_AFTER(1),
    };
    if (asyncio_add_reader(fds[0], count_read, &reading) == 0) {
        int which = asyncio_select(cases, 2);
        if (which >= 0) EXPECT_EQ(which, 1);
        for (int i = 1; i <= 3; i++) {
            EXPECT_EQ(write(fds[1], "x", 1), 1);
            while (reading.calls < i)
                if (asyncio_sleep(0) < 0) break;
            asyncio_ignore(asyncio_select(cases, 2));
        }
        EXPECT_EQ(reading.calls, 3);
        EXPECT_EQ(asyncio_remove_reader(fds[0]), 1);
    }
    close(fds[0]);
    close(fds[1]);
}

static int write_later(void *arg)
{
    int err = asyncio_sleep(1);
    if (err == 0 && write(*(int *)arg, "x", 1) != 1) err = -EIO;
    return err;
}

TEST(descriptors_that_become_ready_are_chosen)
{
    enum { N = 20 };
    int fds[N][2];
    struct asyncio_select_case cases[N];
    for (int i = 0; i < N; i++) {
        EXPECT_OR_RETURN(pipe(fds[i]) == 0);
        cases[i] = ASYNCIO_SELECT_READABLE(fds[i][0]);
    }
    for (int i = 0, which = 0; i < N && which >= 0; i += 7) {
        struct asyncio_task *task =
            asyncio_create_task(write_later, &fds[i][1]);
        which = asyncio_wait_for(asyncio_select(cases, N), 5);
        if (which >= 0) {
            EXPECT_EQ(which, i);
            EXPECT_EQ(cases[which].result, POLLIN);
            char byte;
            EXPECT_EQ(read(fds[which][0], &byte, 1), 1);
        }
        asyncio_ignore(end_cancelled(task));
    }
    for (int i = 0; i < N; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
}

TEST(hang_up_is_readable)
{
    int fds[2];
    EXPECT_OR_RETURN(pipe(fds) == 0);
    close(fds[1]);
    struct asyncio_select_case one = ASYNCIO_SELECT_READABLE(fds[0]);
    EXPECT_EQ(asyncio_select(&one, 1), 0);
    EXPECT(one.result & POLLHUP);
    close(fds[0]);
}

// --- what is refused --------------------------------------------------------

TEST(misuse_has_codes)
{
    struct pair pair;
    int got = 0;
    char wrong = 0;
    struct asyncio_select_case one = ASYNCIO_SELECT_AFTER(__builtin_nan(""));
    EXPECT_EQ(asyncio_select(&one, 1), -EINVAL);
    EXPECT_EQ(asyncio_select_nowait(&one, 1), -EINVAL);
    one = ASYNCIO_SELECT_AFTER(1e30);
    EXPECT_EQ(asyncio_select(&one, 1), -EINVAL);
    one = ASYNCIO_SELECT_TASK(asyncio_current_task());
    EXPECT_EQ(asyncio_select(&one, 1), -EDEADLK);
    EXPECT_EQ(asyncio_select(NULL, 1), -EINVAL);
    one.kind = (enum asyncio_select_kind)99;
    EXPECT_EQ(asyncio_select(&one, 1), -EINVAL);
    if (open_pairs(&pair, 1, 1) == 0) {
        one = ASYNCIO_SELECT_RECEIVE(&pair.in, &got);
        one.item = &wrong;
        one.size = sizeof wrong;
        EXPECT_EQ(asyncio_select(&one, 1), -EINVAL);
    }
    close_pairs(&pair, 1);
}

TEST_PLAIN(select_wants_a_loop_and_a_task)
{
    struct asyncio_loop *loop;
    struct asyncio_select_case one = ASYNCIO_SELECT_AFTER(0);
    EXPECT_EQ(asyncio_select(&one, 1), -EPERM);
    EXPECT_EQ(asyncio_select_nowait(&one, 1), -EPERM);
    if (asyncio_new_event_loop(&loop) == 0) {
        EXPECT_EQ(asyncio_select(&one, 1), -EPERM);
        EXPECT_EQ(asyncio_select_nowait(&one, 1), 0);
        asyncio_loop_free(loop);
    }
}

TEST_PLAIN(future_of_another_loop_is_refused)
{
    struct asyncio_loop *loops[2];
    struct asyncio_future future = {0};
    struct asyncio_select_case one = ASYNCIO_SELECT_FUTURE(&future);
    if (asyncio_new_event_loop(&loops[0]) < 0) return;
    asyncio_future_init(&future);
    if (asyncio_new_event_loop(&loops[1]) == 0) {
        EXPECT_EQ(asyncio_select_nowait(&one, 1), -EXDEV);
        asyncio_loop_free(loops[1]);
    }
    asyncio_loop_free(loops[0]);
}

// --- a loop that closes -----------------------------------------------------

TEST_PLAIN(select_is_dropped_with_its_loop, .ordered = true)
{
    struct asyncio_loop *loop;
    struct pair pairs[2];
    int got = 0, sent = 1, fds[2];
    EXPECT_OR_RETURN(pipe(fds) == 0);
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_RECEIVE(&pairs[0].in, &got),
        ASYNCIO_SELECT_SEND(&pairs[1].out, &sent),
        ASYNCIO_SELECT_READABLE(fds[0]),
        ASYNCIO_SELECT_AFTER(1),
    };
    struct chooser choosers[] = {{cases, 4, "a"}, {cases, 4, "b"}};
    struct asyncio_task *tasks[2];
    if (open_pairs(pairs, 2, 0) == 0 && asyncio_new_event_loop(&loop) == 0) {
        for (int i = 0; i < 2; i++)
            tasks[i] = asyncio_create_task(choose, &choosers[i]);
        asyncio_loop_stop(loop);
        EXPECT_EQ(asyncio_loop_run_forever(loop), 0);
        // One was served and has not run, its descriptor not let go of.
        if (waiting(&pairs[0]) > 0) EXPECT_EQ(put(&pairs[0], 2), 0);
        asyncio_loop_free(loop);
        while (unexpected_reports() > 0)
            expect_report(-ECANCELED);
        EXPECT_EQ(waiting(&pairs[0]) + waiting(&pairs[1]), 0);
        EXPECT_EQ(got, 0);
        asyncio_task_release(tasks[0]);
        asyncio_task_release(tasks[1]);
    }
    close_pairs(pairs, 2);
    close(fds[0]);
    close(fds[1]);
}
