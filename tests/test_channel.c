// Channels: items come out in the order in which they went in, to whoever is
// first in line, and none is lost or doubled when somebody is cancelled.

#include <asyncio/channel.h>
#include <asyncio/group.h>

#include <limits.h>
#include <string.h>

#include "runner/runner.h"

ASYNCIO_CHANNEL_TYPE(numbers, int);

struct actor {
    struct numbers_sender *out;
    struct numbers_receiver *in;
    const char *name;
    int number;
};

static int send_one(void *arg)
{
    struct actor *actor = arg;
    int err = asyncio_sender_send(actor->out, &actor->number);
    trace("%s %d", actor->name, err);
    return err;
}

static int receive(void *arg)
{
    struct actor *actor = arg;
    int err = asyncio_receiver_receive(actor->in, &actor->number);
    trace("%s %d", actor->name, err < 0 ? err : actor->number);
    return err;
}

// A task that waits in its call, or has ended, when this returns.
static struct asyncio_task *begin(int (*fn)(void *arg), struct actor *actor)
{
    struct asyncio_task *task = asyncio_create_task(fn, actor);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    return task;
}

// Its outcome; it has ended when this returns.
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

// What is there, without waiting: the number, or a code.
static int take(struct numbers_receiver *in)
{
    int number = 0;
    int err = asyncio_receiver_receive_nowait(in, &number);
    return err < 0 ? err : number;
}

static int put(struct numbers_sender *out, int number)
{
    return asyncio_sender_send_nowait(out, &number);
}

static size_t waiting(struct numbers_receiver *in)
{
    struct asyncio_channel_statistics now = {0};
    EXPECT_EQ(asyncio_receiver_statistics(in, &now), 0);
    return now.waiting_senders + now.waiting_receivers;
}

// Opens a channel, or leaves the test.
#define OPEN(out, in, capacity)                                                \
    struct numbers_sender out;                                                 \
    struct numbers_receiver in;                                                \
    EXPECT_OR_RETURN(asyncio_channel_create(&out, &in, capacity) == 0)

static void close_both(struct numbers_sender *out, struct numbers_receiver *in)
{
    asyncio_sender_close(out);
    asyncio_receiver_close(in);
}

// --- items ------------------------------------------------------------------

TEST(unbuffered_item_goes_from_hand_to_hand, .ordered = true)
{
    CONFORMS("CHAN-01");
    OPEN(out, in, 0);
    EXPECT_EQ(put(&out, 1), -EAGAIN);
    EXPECT_EQ(take(&in), -EAGAIN);

    struct actor a = {.out = &out, .name = "sent", .number = 2};
    struct asyncio_task *task = begin(send_one, &a);
    EXPECT(!asyncio_task_done(task));
    trace("receive");
    EXPECT_EQ(take(&in), 2);
    EXPECT_EQ(end(task), 0);
    EXPECT_TRACE("receive", "sent 0");
    EXPECT_EQ(take(&in), -EAGAIN);
    EXPECT_EQ(put(&out, 3), -EAGAIN);
    close_both(&out, &in);
}

TEST(unbuffered_receiver_waits_for_a_sender, .ordered = true)
{
    CONFORMS("CHAN-01");
    OPEN(out, in, 0);
    struct actor a = {.in = &in, .name = "a"};
    struct asyncio_task *task = begin(receive, &a);
    // A refused receive waits for nothing and is not in line.
    if (asyncio_task_done(task)) goto end;
    EXPECT_EQ(put(&out, 4), 0);
    EXPECT_EQ(put(&out, 5), -EAGAIN);
    EXPECT_EQ(end(task), 0);
    EXPECT_TRACE("a 4");
    close_both(&out, &in);
    return;
end:
    asyncio_ignore(end(task));
    close_both(&out, &in);
}

TEST_PLAIN(items_come_out_in_order_and_are_bounded)
{
    CONFORMS("CHAN-02");
    OPEN(out, in, 2);
    for (int round = 0; round < 5; round++) {
        EXPECT_EQ(put(&out, 10), 0);
        EXPECT_EQ(put(&out, 11), 0);
        EXPECT_EQ(put(&out, 12), -EAGAIN);
        EXPECT_EQ(take(&in), 10);
        EXPECT_EQ(put(&out, 13), 0);
        EXPECT_EQ(take(&in), 11);
        EXPECT_EQ(take(&in), 13);
        EXPECT_EQ(take(&in), -EAGAIN);
    }
    close_both(&out, &in);
}

TEST_PLAIN(capacity_is_not_negative)
{
    CONFORMS("CHAN-03");
    struct numbers_sender out;
    struct numbers_receiver in;
    EXPECT_EQ(asyncio_channel_create(&out, &in, -1), -EINVAL);
    EXPECT_EQ(put(&out, 1), -EBADF);
    EXPECT_EQ(take(&in), -EBADF);
    EXPECT_EQ(asyncio_channel_create(&out, &in, LONG_MIN), -EINVAL);
    EXPECT_EQ(asyncio_channel_create(&out, &in, LONG_MAX), -ENOMEM);
    close_both(&out, &in);
}

TEST_PLAIN(channel_carries_what_has_the_size_of_its_items)
{
    struct asyncio_sender out;
    struct asyncio_receiver in;
    char text[5] = "abcd", copy[5];
    EXPECT_OR_RETURN(
        (asyncio_channel_create)(&out, &in, sizeof text, 1, NULL) == 0);
    EXPECT_EQ((asyncio_sender_send_nowait)(&out, text, 4), -EINVAL);
    EXPECT_EQ((asyncio_sender_send_nowait)(&out, text, sizeof text), 0);
    memset(text, 0, sizeof text);
    EXPECT_EQ((asyncio_receiver_receive_nowait)(&in, copy, 6), -EINVAL);
    EXPECT_EQ((asyncio_receiver_receive_nowait)(&in, copy, sizeof copy), 0);
    EXPECT_STR(copy, "abcd");
    (asyncio_sender_close)(&out);
    (asyncio_receiver_close)(&in);
}

TEST_PLAIN(waiting_wants_a_task)
{
    OPEN(out, in, 1);
    int number = 1;
    EXPECT_EQ(asyncio_sender_send(&out, &number), -EPERM);
    EXPECT_EQ(asyncio_receiver_receive(&in, &number), -EPERM);
    EXPECT_EQ(take(&in), -EAGAIN);
    close_both(&out, &in);
}

static int set_flag(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

TEST(loop_of_sends_lets_others_run_now_and_then)
{
    OPEN(out, in, 1);
    bool ran = false;
    int number = 0;
    int err = asyncio_call_soon(set_flag, &ran);
    for (int i = 0; i < 1000 && !ran && err == 0; i++) {
        err = asyncio_sender_send(&out, &number);
        if (err == 0) err = asyncio_receiver_receive(&in, &number);
    }
    if (err == 0) EXPECT(ran);
    close_both(&out, &in);
}

// --- turns ------------------------------------------------------------------

TEST(freed_place_is_the_blocked_senders, .ordered = true)
{
    CONFORMS("CHAN-08");
    OPEN(out, in, 1);
    EXPECT_EQ(put(&out, 1), 0);
    struct actor a = {.out = &out, .name = "a", .number = 2};
    struct actor b = {.out = &out, .name = "b", .number = 3};
    struct asyncio_task *first = begin(send_one, &a),
                        *second = begin(send_one, &b);
    EXPECT_EQ(take(&in), 1);
    EXPECT_EQ(put(&out, 9), -EAGAIN);
    EXPECT_EQ(take(&in), 2);
    EXPECT_EQ(put(&out, 9), -EAGAIN);
    EXPECT_EQ(take(&in), 3);
    EXPECT_EQ(put(&out, 4), 0);
    EXPECT_TRACE();
    EXPECT_EQ(end(first), 0);
    EXPECT_EQ(end(second), 0);
    EXPECT_TRACE("a 0", "b 0");
    EXPECT_EQ(take(&in), 4);
    close_both(&out, &in);
}

// Those that were made may be fewer than asked for, without memory.
static int begin_receivers(struct numbers_receiver *in, struct actor actors[],
                           struct asyncio_task *tasks[], int count)
{
    static const char *const names[] = {"a", "b", "c"};
    int waiting = 0;
    for (int i = 0; i < count; i++) {
        actors[i] = (struct actor){.in = in, .name = names[i]};
        tasks[i] = begin(receive, &actors[i]);
        waiting += !asyncio_task_done(tasks[i]);
    }
    return waiting;
}

static void end_all(struct asyncio_task *tasks[], int count)
{
    for (int i = 0; i < count; i++)
        asyncio_ignore(end_cancelled(tasks[i]));
}

TEST(item_is_the_first_receivers_and_nobody_elses, .ordered = true)
{
    OPEN(out, in, 2);
    struct actor actors[2];
    struct asyncio_task *tasks[2];
    if (begin_receivers(&in, actors, tasks, 2) == 2) {
        EXPECT_EQ(put(&out, 1), 0);
        EXPECT_EQ(take(&in), -EAGAIN);
        EXPECT_EQ(put(&out, 2), 0);
        EXPECT_EQ(take(&in), -EAGAIN);
        // The channel itself is still empty.
        EXPECT_EQ(put(&out, 3), 0);
        EXPECT_EQ(put(&out, 4), 0);
        EXPECT_EQ(put(&out, 5), -EAGAIN);
        EXPECT_EQ(take(&in), 3);
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT_TRACE("a 1", "b 2");
        EXPECT_EQ(take(&in), 4);
    }
    end_all(tasks, 2);
    close_both(&out, &in);
}

struct stream {
    struct numbers_sender out;
    struct numbers_receiver in;
    int count, sum;
};

static int produce(void *arg)
{
    struct stream *stream = arg;
    int err = 0;
    for (int i = 1; i <= stream->count && err == 0; i++)
        err = asyncio_sender_send(&stream->out, &i);
    asyncio_sender_close(&stream->out);
    return err;
}

static int consume(void *arg)
{
    struct stream *stream = arg;
    int number, last = 0, err;
    while ((err = asyncio_receiver_receive(&stream->in, &number)) == 0) {
        EXPECT_EQ(number, last + 1);
        last = number;
        stream->sum += number;
    }
    asyncio_receiver_close(&stream->in);
    return err == -ENODATA ? 0 : err;
}

static void stream_through(long capacity)
{
    struct stream stream = {.count = 500};
    EXPECT_OR_RETURN(
        asyncio_channel_create(&stream.out, &stream.in, capacity) == 0);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, produce, &stream);
    asyncio_task_group_create_task(&group, consume, &stream);
    if (EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0))
        EXPECT_EQ(stream.sum, 500 * 501 / 2);
    close_both(&stream.out, &stream.in);
}

TEST(every_item_arrives_once_and_in_order)
{
    stream_through(0);
    stream_through(1);
    stream_through(7);
}

// --- closing ----------------------------------------------------------------

TEST(sender_learns_that_nobody_receives, .ordered = true)
{
    CONFORMS("CHAN-04");
    OPEN(out, in, 1);
    EXPECT_EQ(put(&out, 1), 0);
    struct actor a = {.out = &out, .name = "a", .number = 2};
    struct asyncio_task *task = begin(send_one, &a);
    asyncio_receiver_close(&in);
    EXPECT_EQ(end(task), -EPIPE);
    EXPECT_EQ(put(&out, 3), -EPIPE);
    EXPECT_EQ(asyncio_sender_send(&out, &a.number), -EPIPE);
    asyncio_sender_close(&out);
}

TEST(closing_an_end_ends_the_waits_on_it, .ordered = true)
{
    CONFORMS("CHAN-05");
    OPEN(out, in, 0);
    struct actor a = {.in = &in, .name = "a"};
    struct asyncio_task *task = begin(receive, &a);
    asyncio_receiver_close(&in);
    EXPECT_EQ(end(task), -EBADF);
    EXPECT_EQ(take(&in), -EBADF);
    EXPECT_EQ(asyncio_receiver_receive(&in, &a.number), -EBADF);
    asyncio_sender_close(&out);

    EXPECT_OR_RETURN(asyncio_channel_create(&out, &in, 0) == 0);
    struct actor b = {.out = &out, .name = "b", .number = 1};
    task = begin(send_one, &b);
    asyncio_sender_close(&out);
    EXPECT_EQ(end(task), -EBADF);
    EXPECT_EQ(put(&out, 1), -EBADF);
    EXPECT_EQ(asyncio_sender_send(&out, &b.number), -EBADF);
    EXPECT_EQ(take(&in), -ENODATA);
    asyncio_receiver_close(&in);
}

TEST(channel_is_over_with_its_last_sender, .ordered = true)
{
    CONFORMS("CHAN-06");
    OPEN(out, in, 1);
    struct numbers_sender second, third;
    EXPECT_EQ(asyncio_sender_clone(&out, &second), 0);
    EXPECT_EQ(asyncio_sender_clone(&second, &third), 0);
    struct actor a = {.in = &in, .name = "a"};
    struct asyncio_task *task = begin(receive, &a);
    if (!asyncio_task_done(task)) {
        asyncio_sender_close(&out);
        asyncio_sender_close(&third);
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT(!asyncio_task_done(task));
        EXPECT_EQ(put(&second, 1), 0);
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT_TRACE("a 1");
        EXPECT_EQ(put(&second, 2), 0);
    }
    asyncio_sender_close(&out);
    asyncio_sender_close(&second);
    asyncio_sender_close(&third);
    asyncio_ignore(end(task));
    int left = take(&in);
    if (left != -ENODATA) EXPECT_EQ(left, 2);
    EXPECT_EQ(take(&in), -ENODATA);
    EXPECT_EQ(asyncio_receiver_receive(&in, &left), -ENODATA);
    asyncio_receiver_close(&in);
}

TEST(receivers_in_line_learn_that_it_is_over, .ordered = true)
{
    CONFORMS("CHAN-06");
    OPEN(out, in, 0);
    struct actor actors[3];
    struct asyncio_task *tasks[3];
    if (begin_receivers(&in, actors, tasks, 3) == 3) {
        EXPECT_EQ(put(&out, 1), 0);
        asyncio_sender_close(&out);
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT_TRACE("a 1", "b -61", "c -61");
    }
    end_all(tasks, 3);
    close_both(&out, &in);
}

TEST(only_the_clone_that_is_closed_fails, .ordered = true)
{
    CONFORMS("CHAN-07");
    OPEN(out, in, 0);
    struct numbers_sender clone;
    EXPECT_EQ(asyncio_sender_clone(&out, &clone), 0);
    struct actor a = {.out = &out, .name = "a", .number = 1};
    struct actor b = {.out = &clone, .name = "b", .number = 2};
    struct asyncio_task *first = begin(send_one, &a),
                        *second = begin(send_one, &b);
    asyncio_sender_close(&out);
    EXPECT_EQ(end(first), -EBADF);
    EXPECT(!asyncio_task_done(second));
    EXPECT_EQ(take(&in), 2);
    EXPECT_EQ(end(second), 0);
    asyncio_sender_close(&clone);
    asyncio_receiver_close(&in);
}

TEST(only_the_receiving_clone_that_is_closed_fails, .ordered = true)
{
    CONFORMS("CHAN-07");
    OPEN(out, in, 0);
    struct numbers_receiver clone;
    EXPECT_EQ(asyncio_receiver_clone(&in, &clone), 0);
    struct actor a = {.in = &in, .name = "a"}, b = {.in = &clone, .name = "b"};
    struct asyncio_task *first = begin(receive, &a);
    struct asyncio_task *second = begin(receive, &b);
    asyncio_receiver_close(&in);
    int err = end(first);
    if (!asyncio_task_done(second)) {
        EXPECT_EQ(err, -EBADF);
        EXPECT_EQ(put(&out, 2), 0);
    }
    err = end_cancelled(second);
    asyncio_receiver_close(&clone);
    asyncio_sender_close(&out);
}

TEST_PLAIN(closed_end_has_no_clones)
{
    CONFORMS("CHAN-11");
    OPEN(out, in, 1);
    struct numbers_sender out2;
    struct numbers_receiver in2;
    asyncio_sender_close(&out);
    asyncio_sender_close(&out);
    EXPECT_EQ(asyncio_sender_clone(&out, &out2), -EBADF);
    asyncio_sender_close(&out2);
    asyncio_receiver_close(&in);
    asyncio_receiver_close(&in);
    EXPECT_EQ(asyncio_receiver_clone(&in, &in2), -EBADF);
    asyncio_receiver_close(&in2);

    struct numbers_sender never = {0};
    asyncio_sender_close(&never);
    EXPECT_EQ(put(&never, 1), -EBADF);
}

TEST(end_may_be_moved_into_a_task, .ordered = true)
{
    OPEN(out, in, 0);
    struct actor a = {.out = &out, .name = "a", .number = 1};
    struct asyncio_task *task = begin(send_one, &a);
    struct numbers_sender moved = out;
    out = (struct numbers_sender){0};
    asyncio_sender_close(&moved);
    EXPECT_EQ(end(task), -EBADF);
    close_both(&out, &in);
}

static int dropped;

static void drop(void *item)
{
    dropped = dropped * 10 + *(int *)item;
}

TEST(items_that_nobody_will_receive_are_dropped, .ordered = true)
{
    struct numbers_sender out;
    struct numbers_receiver in;
    EXPECT_OR_RETURN(asyncio_channel_create(&out, &in, 2, .drop = drop) == 0);
    EXPECT_EQ(put(&out, 1), 0);
    EXPECT_EQ(put(&out, 2), 0);
    EXPECT_EQ(put(&out, 3), -EAGAIN);
    EXPECT_EQ(take(&in), 1);
    EXPECT_EQ(put(&out, 4), 0);
    asyncio_receiver_close(&in);
    EXPECT_EQ(dropped, 24);
    EXPECT_EQ(put(&out, 5), -EPIPE);
    asyncio_sender_close(&out);
    EXPECT_EQ(dropped, 24);
}

TEST(promised_item_is_dropped_too_if_its_receiver_is_cancelled, .ordered = true)
{
    struct numbers_sender out;
    struct numbers_receiver in;
    EXPECT_OR_RETURN(asyncio_channel_create(&out, &in, 0, .drop = drop) == 0);
    struct actor a = {.in = &in, .name = "a"};
    struct asyncio_task *task = begin(receive, &a);
    if (!asyncio_task_done(task)) {
        EXPECT_EQ(put(&out, 7), 0);
        asyncio_receiver_close(&in);
        EXPECT_EQ(end_cancelled(task), -ECANCELED);
        EXPECT_EQ(dropped, 7);
    } else {
        asyncio_ignore(end(task));
    }
    close_both(&out, &in);
}

TEST(promised_item_outlives_the_closing_of_its_end, .ordered = true)
{
    OPEN(out, in, 0);
    struct actor a = {.in = &in, .name = "a"};
    struct asyncio_task *task = begin(receive, &a);
    if (!asyncio_task_done(task)) {
        EXPECT_EQ(put(&out, 7), 0);
        close_both(&out, &in);
        EXPECT_EQ(end(task), 0);
        EXPECT_TRACE("a 7");
        return;
    }
    asyncio_ignore(end(task));
    close_both(&out, &in);
}

TEST_PLAIN(statistics_tell_what_there_is)
{
    OPEN(out, in, 3);
    struct numbers_sender clone;
    struct asyncio_channel_statistics now;
    EXPECT_EQ(asyncio_sender_clone(&out, &clone), 0);
    EXPECT_EQ(put(&out, 1), 0);
    EXPECT_EQ(asyncio_sender_statistics(&out, &now), 0);
    EXPECT_EQ(now.items, 1);
    EXPECT_EQ(now.capacity, 3);
    EXPECT_EQ(now.senders, 2);
    EXPECT_EQ(now.receivers, 1);
    EXPECT_EQ(now.waiting_senders, 0);
    EXPECT_EQ(now.waiting_receivers, 0);
    asyncio_sender_close(&clone);
    close_both(&out, &in);
    EXPECT_EQ(asyncio_sender_statistics(&out, &now), -EBADF);
    EXPECT_EQ(asyncio_receiver_statistics(&in, &now), -EBADF);
}

// --- cancelling -------------------------------------------------------------

// anyio's test_send_to_natively_cancelled_receiver.
TEST(item_sent_after_the_cancel_stays, .ordered = true)
{
    CONFORMS("CHAN-09");
    OPEN(out, in, 1);
    struct actor a = {.in = &in, .name = "a"};
    struct asyncio_task *task = begin(receive, &a);
    asyncio_task_cancel(task);
    EXPECT_EQ(put(&out, 1), 0);
    asyncio_ignore(end(task));
    EXPECT_EQ(a.number, 0);
    EXPECT_EQ(take(&in), 1);
    close_both(&out, &in);
}

static void cancel_after_promise(long capacity)
{
    OPEN(out, in, capacity);
    struct actor a = {.in = &in, .name = "a"};
    struct asyncio_task *task = begin(receive, &a);
    if (!asyncio_task_done(task)) {
        EXPECT_EQ(put(&out, 1), 0);
        EXPECT_EQ(end_cancelled(task), -ECANCELED);
        EXPECT_EQ(a.number, 0);
        EXPECT_EQ(take(&in), 1);
    } else {
        asyncio_ignore(end(task));
    }
    EXPECT_EQ(take(&in), -EAGAIN);
    close_both(&out, &in);
}

TEST(item_sent_before_the_cancel_stays_too, .ordered = true)
{
    CONFORMS("CHAN-09");
    cancel_after_promise(1);
    cancel_after_promise(0);
}

TEST(item_of_a_cancelled_receiver_goes_to_the_next, .ordered = true)
{
    CONFORMS("CHAN-09");
    OPEN(out, in, 0);
    struct actor actors[3];
    struct asyncio_task *tasks[3];
    if (begin_receivers(&in, actors, tasks, 3) == 3) {
        EXPECT_EQ(put(&out, 1), 0);
        EXPECT_EQ(put(&out, 2), 0);
        asyncio_task_cancel(tasks[0]);
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT_TRACE("a -125", "b 2", "c 1");
    }
    end_all(tasks, 3);
    EXPECT_EQ(take(&in), -EAGAIN);
    close_both(&out, &in);
}

TEST(items_come_back_in_their_order, .ordered = true)
{
    OPEN(out, in, 1);
    struct actor actors[3];
    struct asyncio_task *tasks[3];
    if (begin_receivers(&in, actors, tasks, 3) == 3) {
        for (int i = 1; i <= 4; i++)
            EXPECT_EQ(put(&out, i), 0);
        EXPECT_EQ(put(&out, 5), -EAGAIN);
        for (int i = 0; i < 3; i++)
            asyncio_task_cancel(tasks[i]);
        end_all(tasks, 3);
        // More than the capacity: nothing fits in until that is taken.
        EXPECT_EQ(put(&out, 5), -EAGAIN);
        for (int i = 1; i <= 4; i++)
            EXPECT_EQ(take(&in), i);
        EXPECT_EQ(put(&out, 5), 0);
    } else {
        end_all(tasks, 3);
    }
    close_both(&out, &in);
}

TEST(item_that_may_come_back_keeps_the_channel_from_being_over, .ordered = true)
{
    OPEN(out, in, 0);
    struct actor actors[2];
    struct asyncio_task *tasks[2];
    if (begin_receivers(&in, actors, tasks, 2) == 2) {
        EXPECT_EQ(put(&out, 1), 0);
        asyncio_sender_close(&out);
        EXPECT_EQ(take(&in), -EAGAIN);
        asyncio_task_cancel(tasks[0]);
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT_TRACE("a -125", "b 1");
        EXPECT_EQ(take(&in), -ENODATA);
    }
    end_all(tasks, 2);
    close_both(&out, &in);
}

TEST(item_of_a_cancelled_sender_is_not_there, .ordered = true)
{
    CONFORMS("CHAN-10");
    OPEN(out, in, 1);
    EXPECT_EQ(put(&out, 1), 0);
    struct actor a = {.out = &out, .name = "a", .number = 2};
    struct asyncio_task *task = begin(send_one, &a);
    asyncio_task_cancel(task);
    EXPECT_EQ(take(&in), 1);
    EXPECT_EQ(take(&in), -EAGAIN);
    EXPECT_EQ(end(task), -ECANCELED);
    EXPECT_EQ(take(&in), -EAGAIN);
    close_both(&out, &in);
}

// The place was given to it, and the cancel came before it ran.
TEST(item_of_a_sender_cancelled_after_its_turn_is_not_there, .ordered = true)
{
    CONFORMS("CHAN-10");
    OPEN(out, in, 1);
    EXPECT_EQ(put(&out, 1), 0);
    struct actor a = {.out = &out, .name = "a", .number = 2};
    struct actor b = {.out = &out, .name = "b", .number = 3};
    struct asyncio_task *first = begin(send_one, &a),
                        *second = begin(send_one, &b);
    EXPECT_EQ(take(&in), 1);
    EXPECT_EQ(end_cancelled(first), -ECANCELED);
    EXPECT_EQ(end(second), 0);
    EXPECT_TRACE("a -125", "b 0");
    EXPECT_EQ(take(&in), 3);
    EXPECT_EQ(take(&in), -EAGAIN);
    close_both(&out, &in);
}

static int send_twice(void *arg)
{
    struct actor *actor = arg;
    int err = send_one(actor);
    return err < 0 ? err : send_one(actor);
}

// What was received cannot be taken back: the send is complete, and the request
// ends the next wait.
TEST(sender_cancelled_after_its_item_was_received_has_sent_it, .ordered = true)
{
    CONFORMS("CHAN-10");
    for (long capacity = 0; capacity <= 1; capacity++) {
        OPEN(out, in, capacity);
        if (capacity > 0) EXPECT_EQ(put(&out, 1), 0);
        struct actor a = {.out = &out, .name = "a", .number = 2};
        struct asyncio_task *task = begin(send_twice, &a);
        if (capacity > 0) EXPECT_EQ(take(&in), 1);
        EXPECT_EQ(take(&in), 2);
        if (capacity > 0) EXPECT_EQ(put(&out, 3), 0);
        EXPECT_EQ(end_cancelled(task), -ECANCELED);
        EXPECT_TRACE("a 0", "a -125");
        if (capacity > 0) EXPECT_EQ(take(&in), 3);
        EXPECT_EQ(take(&in), -EAGAIN);
        close_both(&out, &in);
    }
}

TEST(cancelled_waiters_leave_the_line, .ordered = true)
{
    OPEN(out, in, 0);
    struct actor actors[3];
    struct asyncio_task *tasks[3];
    int count = begin_receivers(&in, actors, tasks, 3);
    EXPECT_EQ(waiting(&in), count);
    end_all(tasks, 3);
    EXPECT_EQ(waiting(&in), 0);
    EXPECT_EQ(put(&out, 1), -EAGAIN);

    struct actor a = {.out = &out, .name = "a", .number = 2};
    struct asyncio_task *task = begin(send_one, &a);
    EXPECT_EQ(waiting(&in), 1);
    asyncio_task_cancel(task);
    EXPECT_EQ(end_cancelled(task), -ECANCELED);
    EXPECT_EQ(waiting(&in), 0);
    EXPECT_EQ(take(&in), -EAGAIN);
    close_both(&out, &in);
}

TEST(task_that_was_cancelled_before_sends_only_without_waiting)
{
    OPEN(out, in, 1);
    int number = 1;
    asyncio_task_cancel(asyncio_current_task());
    EXPECT_EQ(asyncio_sender_send(&out, &number), 0);
    EXPECT_EQ(asyncio_sender_send(&out, &number), -ECANCELED);
    asyncio_task_uncancel(asyncio_current_task());
    EXPECT_EQ(take(&in), 1);
    EXPECT_EQ(take(&in), -EAGAIN);
    EXPECT_EQ(waiting(&in), 0);
    close_both(&out, &in);
}

TEST(time_limit_takes_no_item_with_it)
{
    OPEN(out, in, 1);
    int number = 0;
    int err = asyncio_wait_for(asyncio_receiver_receive(&in, &number), 1);
    if (err != -ENOMEM) EXPECT_EQ(err, -ETIMEDOUT);
    EXPECT_EQ(put(&out, 1), 0);
    EXPECT_EQ(take(&in), 1);
    close_both(&out, &in);
}

// Tasks that give up at any moment: every item that was sent arrives once.
struct crowd {
    struct numbers_sender out;
    struct numbers_receiver in;
    int sent, received, items;
};

static int send_or_give_up(void *arg)
{
    struct crowd *crowd = arg;
    int number = ++crowd->items;
    int err = asyncio_sender_send(&crowd->out, &number);
    if (err == 0) crowd->sent += number;
    return 0;
}

static int receive_or_give_up(void *arg)
{
    struct crowd *crowd = arg;
    int number = 0;
    int err = asyncio_receiver_receive(&crowd->in, &number);
    if (err == 0) crowd->received += number;
    return 0;
}

static void meet(struct crowd *crowd, unsigned *dice)
{
    struct asyncio_task *tasks[16];
    for (int i = 0; i < 16; i++) {
        *dice = *dice * 1103515245 + 12345;
        tasks[i] = asyncio_create_task(
            *dice >> 16 & 1 ? send_or_give_up : receive_or_give_up, crowd);
        if (*dice >> 18 & 1) asyncio_task_cancel(tasks[i / 2]);
        if (*dice >> 19 & 1) EXPECT_EQ(asyncio_sleep(0), 0);
        if (*dice >> 20 & 1) asyncio_task_cancel(tasks[i / 3]);
    }
    end_all(tasks, 16);
}

TEST(crowd_that_comes_and_goes_loses_nothing)
{
    unsigned dice = 1;
    for (long capacity = 0; capacity < 4; capacity++) {
        struct crowd crowd = {0};
        EXPECT_OR_RETURN(
            asyncio_channel_create(&crowd.out, &crowd.in, capacity) == 0);
        for (int round = 0; round < 20; round++)
            meet(&crowd, &dice);
        int left;
        while ((left = take(&crowd.in)) > 0)
            crowd.received += left;
        EXPECT_EQ(left, -EAGAIN);
        EXPECT_EQ(waiting(&crowd.in), 0);
        EXPECT_EQ(crowd.received, crowd.sent);
        close_both(&crowd.out, &crowd.in);
    }
}

// --- a loop that closes -----------------------------------------------------

static struct numbers_sender out_left;
static struct numbers_receiver in_left;

static int run_one_pass(struct asyncio_loop *loop)
{
    asyncio_loop_stop(loop);
    return asyncio_loop_run_forever(loop);
}

TEST_PLAIN(channel_outlives_a_loop_whose_tasks_wait_at_it, .ordered = true)
{
    struct asyncio_loop *loop;
    EXPECT_OR_RETURN(asyncio_channel_create(&out_left, &in_left, 1) == 0);
    if (asyncio_new_event_loop(&loop) < 0) goto close;
    struct actor a = {.in = &in_left, .name = "a"};
    struct actor b = {.in = &in_left, .name = "b"};
    struct asyncio_task *first = asyncio_create_task(receive, &a);
    struct asyncio_task *second = asyncio_create_task(receive, &b);
    EXPECT_EQ(run_one_pass(loop), 0);
    if (waiting(&in_left) == 2) {
        EXPECT_EQ(put(&out_left, 1), 0); // promised, and never taken
        asyncio_loop_free(loop);
        expect_report(-ECANCELED);
        expect_report(-ECANCELED);
        EXPECT_EQ(waiting(&in_left), 0);
        EXPECT_EQ(take(&in_left), 1);
    } else {
        asyncio_loop_free(loop);
        while (unexpected_reports() > 0)
            expect_report(-ECANCELED);
    }
    asyncio_task_release(first);
    asyncio_task_release(second);
close:
    close_both(&out_left, &in_left);
}
