// Ends of channels for other threads: they block, stand in line with tasks, and
// learn when nobody is there any more, be it the loop itself.
//
// That a thread blocks is known by the line that it stands in.

#include <asyncio/executor.h>
#include <asyncio/group.h>
#include <asyncio/select.h>
#include <asyncio/thread_channel.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "runner/runner.h"

ASYNCIO_CHANNEL_TYPE(numbers, int);

// A channel with all kinds of ends, and what a thread does at one.
struct line {
    struct numbers_sender out;
    struct numbers_receiver in;
    struct numbers_thread_sender feed;
    struct numbers_thread_receiver drain;
};

struct worker {
    struct line *line;
    pthread_t thread;
    int first, count; // numbers to send
    double seconds;
    int result;
    long sum;
};

static int open_line(struct line *line, long capacity)
{
    *line = (struct line){0};
    int err = asyncio_channel_create(&line->out, &line->in, capacity);
    if (err == 0) err = asyncio_thread_sender_create(&line->feed, &line->out);
    if (err == 0) err = asyncio_thread_receiver_create(&line->drain, &line->in);
    return err;
}

static void close_line(struct line *line)
{
    asyncio_sender_close(&line->out);
    asyncio_receiver_close(&line->in);
    asyncio_thread_sender_release(&line->feed);
    asyncio_thread_receiver_release(&line->drain);
}

static int put(struct line *line, int number)
{
    return asyncio_sender_send_nowait(&line->out, &number);
}

static int take(struct line *line)
{
    int number = 0;
    int err = asyncio_receiver_receive_nowait(&line->in, &number);
    return err < 0 ? err : number;
}

static size_t waiting(struct line *line)
{
    struct asyncio_channel_statistics now = {0};
    asyncio_receiver_statistics(&line->in, &now);
    return now.waiting_senders + now.waiting_receivers;
}

static void *send_numbers(void *arg)
{
    struct worker *worker = arg;
    int last = worker->first + worker->count;
    worker->result = 0;
    for (int i = worker->first; i < last && worker->result == 0; i++) {
        worker->result = asyncio_thread_sender_send(&worker->line->feed, &i,
                                                    worker->seconds);
        if (worker->result == 0) worker->sum += i;
    }
    return NULL;
}

static void *receive_numbers(void *arg)
{
    struct worker *worker = arg;
    int number;
    while ((worker->result = asyncio_thread_receiver_receive(
                &worker->line->drain, &number, worker->seconds)) == 0)
        worker->sum += number;
    return NULL;
}

static void start(struct worker *worker, void *(*fn)(void *))
{
    EXPECT_EQ(pthread_create(&worker->thread, NULL, fn, worker), 0);
}

static void join(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
}

// Until so many stand in line.
static void until_waiting(struct line *line, size_t count)
{
    while (waiting(line) < count)
        sched_yield();
}

// --- across -----------------------------------------------------------------

#define LAST 100

struct sink {
    struct line *line;
    long sum;
    int last;
};

static int receive_all(void *arg)
{
    struct sink *sink = arg;
    int number, err;
    while ((err = asyncio_receiver_receive(&sink->line->in, &number)) == 0) {
        EXPECT_EQ(number, sink->last + 1);
        sink->last = number;
        sink->sum += number;
    }
    return err == -ENODATA ? 0 : err;
}

static void *send_and_close(void *arg)
{
    struct worker *worker = arg;
    send_numbers(worker);
    asyncio_thread_sender_close(&worker->line->feed);
    return NULL;
}

static void send_across(long capacity)
{
    struct line line;
    struct sink sink = {.line = &line};
    struct worker worker = {
        .line = &line, .first = 1, .count = LAST, .seconds = ASYNCIO_FOREVER};
    if (open_line(&line, capacity) == 0) {
        asyncio_sender_close(&line.out);
        start(&worker, send_and_close);
        int err = receive_all(&sink);
        asyncio_receiver_close(&line.in);
        asyncio_thread_receiver_close(&line.drain);
        join(&worker);
        if (sink.last == LAST) {
            EXPECT_EQ(worker.result, 0);
            EXPECT_EQ(sink.sum, worker.sum);
        } else {
            EXPECT_EQ(err, -ENOMEM);
        }
    }
    close_line(&line);
}

TEST(task_receives_what_a_thread_sends_in_order)
{
    send_across(0);
    send_across(3);
}

static void receive_across(long capacity)
{
    struct line line;
    struct worker worker = {.line = &line, .seconds = ASYNCIO_FOREVER};
    if (open_line(&line, capacity) == 0) {
        long sum = 0;
        int err = 0;
        asyncio_receiver_close(&line.in);
        asyncio_thread_sender_close(&line.feed);
        start(&worker, receive_numbers);
        for (int i = 1; i <= LAST && err == 0; i++) {
            err = asyncio_sender_send(&line.out, &i);
            if (err == 0) sum += i;
        }
        asyncio_sender_close(&line.out);
        join(&worker);
        if (worker.result != -ENOMEM) EXPECT_EQ(worker.result, -ENODATA);
        EXPECT_EQ(worker.sum, sum);
    }
    close_line(&line);
}

TEST(thread_receives_what_a_task_sends)
{
    receive_across(0);
    receive_across(3);
}

TEST(thread_wakes_a_loop_that_sleeps)
{
    struct line line;
    int number = 0;
    struct worker worker = {
        .line = &line, .first = 7, .count = 1, .seconds = ASYNCIO_FOREVER};
    if (open_line(&line, 0) == 0) {
        start(&worker, send_numbers);
        int err = asyncio_receiver_receive(&line.in, &number);
        if (err == 0) EXPECT_EQ(number, 7);
        asyncio_receiver_close(&line.in);
        asyncio_thread_receiver_close(&line.drain);
        join(&worker);
        EXPECT_EQ(worker.result, err == 0 ? 0 : -EPIPE);
    }
    close_line(&line);
}

static void *send_one(void *arg)
{
    struct worker *worker = arg;
    worker->result = asyncio_thread_sender_send(
        &worker->line->feed, &worker->first, ASYNCIO_FOREVER);
    return NULL;
}

TEST(threads_and_tasks_stand_in_one_line, .ordered = true)
{
    struct line line;
    struct worker first = {.line = &line, .first = 1};
    struct worker second = {.line = &line, .first = 2};
    if (open_line(&line, 1) == 0) {
        EXPECT_EQ(put(&line, 0), 0);
        start(&first, send_one);
        until_waiting(&line, 1);
        start(&second, send_one);
        until_waiting(&line, 2);
        EXPECT_EQ(put(&line, 3), -EAGAIN);
        EXPECT_EQ(take(&line), 0);
        EXPECT_EQ(put(&line, 3), -EAGAIN);
        EXPECT_EQ(take(&line), 1);
        EXPECT_EQ(take(&line), 2);
        EXPECT_EQ(take(&line), -EAGAIN);
        join(&first);
        join(&second);
        EXPECT_EQ(first.result, 0);
        EXPECT_EQ(second.result, 0);
    }
    close_line(&line);
}

// --- limits -----------------------------------------------------------------

TEST_PLAIN(time_limit_sends_and_takes_nothing)
{
    struct asyncio_loop *loop;
    struct line line;
    int number = 5;
    if (asyncio_new_event_loop(&loop) < 0) return;
    if (open_line(&line, 1) == 0) {
        int err = asyncio_thread_receiver_receive(&line.drain, &number, 0.001);
        if (err != -ENOMEM) EXPECT_EQ(err, -ETIMEDOUT);
        EXPECT_EQ(asyncio_thread_sender_send(&line.feed, &number, 0), 0);
        EXPECT_EQ(asyncio_thread_sender_send(&line.feed, &number, 0.001),
                  -ETIMEDOUT);
        EXPECT_EQ(asyncio_thread_sender_send(&line.feed, &number, -1),
                  -ETIMEDOUT);
        EXPECT_EQ(asyncio_thread_sender_send_nowait(&line.feed, &number),
                  -EAGAIN);
        EXPECT_EQ(waiting(&line), 0);
        EXPECT_EQ(take(&line), 5);
        EXPECT_EQ(take(&line), -EAGAIN);
        EXPECT_EQ(asyncio_thread_receiver_receive_nowait(&line.drain, &number),
                  -EAGAIN);
    }
    close_line(&line);
    asyncio_loop_free(loop);
}

TEST_PLAIN(misuse_has_codes)
{
    struct asyncio_loop *loop;
    struct line line;
    struct numbers_sender out;
    struct numbers_receiver in;
    struct numbers_thread_sender feed;
    char wrong = 0;
    int number = 0;
    EXPECT_OR_RETURN(asyncio_channel_create(&out, &in, 1) == 0);
    EXPECT_EQ(asyncio_thread_sender_create(&feed, &out), -EPERM);
    EXPECT_EQ(asyncio_thread_sender_send(&feed, &number, 1), -EBADF);
    asyncio_thread_sender_close(&feed);
    asyncio_thread_sender_release(&feed);
    asyncio_sender_close(&out);
    asyncio_receiver_close(&in);

    if (asyncio_new_event_loop(&loop) < 0) return;
    if (open_line(&line, 1) == 0) {
        EXPECT_EQ((asyncio_thread_sender_send)(line.feed.end_, &wrong, 1, 0),
                  -EINVAL);
        EXPECT_EQ(
            asyncio_thread_sender_send(&line.feed, &number, __builtin_nan("")),
            -EINVAL);
        asyncio_sender_close(&line.out);
        EXPECT_EQ(asyncio_thread_sender_create(&feed, &line.out), -EBADF);
    }
    close_line(&line);
    asyncio_loop_free(loop);
}

TEST(blocking_on_a_loops_thread_is_refused)
{
    struct line line;
    int number = 1;
    if (open_line(&line, 1) == 0) {
        EXPECT_EQ(asyncio_thread_sender_send(&line.feed, &number, 1), -EDEADLK);
        EXPECT_EQ(asyncio_thread_receiver_receive(&line.drain, &number, 1),
                  -EDEADLK);
        EXPECT_EQ(asyncio_thread_sender_send_nowait(&line.feed, &number), 0);
        EXPECT_EQ(asyncio_thread_receiver_receive_nowait(&line.drain, &number),
                  0);
    }
    close_line(&line);
}

TEST_PLAIN(channel_belongs_to_one_loop)
{
    struct asyncio_loop *loops[2];
    struct line line;
    struct numbers_thread_sender feed = {0};
    if (asyncio_new_event_loop(&loops[0]) < 0) return;
    int err = open_line(&line, 1);
    if (asyncio_new_event_loop(&loops[1]) == 0) {
        if (err == 0)
            EXPECT_EQ(asyncio_thread_sender_create(&feed, &line.out), -EXDEV);
        asyncio_loop_free(loops[1]);
    }
    close_line(&line);
    asyncio_loop_free(loops[0]);
}

// --- closing ----------------------------------------------------------------

TEST(thread_learns_that_nobody_receives)
{
    struct line line;
    struct worker worker = {.line = &line, .first = 1};
    if (open_line(&line, 0) == 0) {
        asyncio_thread_receiver_close(&line.drain);
        start(&worker, send_one);
        until_waiting(&line, 1);
        asyncio_receiver_close(&line.in);
        join(&worker);
        EXPECT_EQ(worker.result, -EPIPE);
        EXPECT_EQ(asyncio_thread_sender_send_nowait(&line.feed, &worker.first),
                  -EPIPE);
    }
    close_line(&line);
}

TEST(thread_learns_that_its_end_was_closed)
{
    struct line line;
    struct worker worker = {.line = &line, .first = 1};
    if (open_line(&line, 0) == 0) {
        start(&worker, send_one);
        until_waiting(&line, 1);
        asyncio_thread_sender_close(&line.feed);
        asyncio_thread_sender_close(&line.feed);
        join(&worker);
        EXPECT_EQ(worker.result, -EBADF);
        EXPECT_EQ(asyncio_thread_sender_send_nowait(&line.feed, &worker.first),
                  -EBADF);
        EXPECT_EQ(take(&line), -EAGAIN);
    }
    close_line(&line);
}

TEST(end_for_threads_lives_as_long_as_somebody_holds_it)
{
    struct line line;
    int number = 1;
    if (open_line(&line, 1) == 0) {
        asyncio_sender_close(&line.out);
        struct numbers_thread_sender other = line.feed;
        asyncio_thread_sender_retain(&other);
        asyncio_thread_sender_release(&line.feed);
        line.feed = (struct numbers_thread_sender){0};
        EXPECT_EQ(asyncio_thread_sender_send_nowait(&other, &number), 0);
        EXPECT_EQ(take(&line), 1);
        EXPECT_EQ(take(&line), -EAGAIN);
        asyncio_thread_sender_release(&other);
        EXPECT_EQ(take(&line), -ENODATA);

        struct numbers_thread_receiver drain = line.drain;
        asyncio_thread_receiver_retain(&drain);
        asyncio_thread_receiver_release(&drain);
    }
    close_line(&line);
}

// --- the loop's end ---------------------------------------------------------

static struct line left;
static struct worker workers[2];

static int block_and_leave(void *arg)
{
    (void)arg;
    int err = open_line(&left, 0);
    if (err < 0) return err;
    start(&workers[0], send_one);
    until_waiting(&left, 1);
    return 0;
}

TEST_PLAIN(thread_that_blocks_learns_that_the_loop_has_ended)
{
    workers[0] = (struct worker){.line = &left, .first = 1};
    int err = asyncio_run(block_and_leave, NULL);
    if (err == 0) {
        join(&workers[0]);
        EXPECT_EQ(workers[0].result, -ESHUTDOWN);
        EXPECT_EQ(asyncio_thread_sender_send(&left.feed, &workers[0].first, 1),
                  -ESHUTDOWN);
        EXPECT_EQ(
            asyncio_thread_sender_send_nowait(&left.feed, &workers[0].first),
            -ESHUTDOWN);
        EXPECT_EQ(asyncio_thread_receiver_receive_nowait(&left.drain,
                                                         &workers[0].first),
                  -ESHUTDOWN);
    }
    close_line(&left);
}

static int receive_forever(void *arg)
{
    int number;
    return asyncio_thread_receiver_receive(
        (struct numbers_thread_receiver *)arg, &number, ASYNCIO_FOREVER);
}

static int call_and_give_up(void *arg)
{
    (void)arg;
    int err = open_line(&left, 0);
    if (err < 0) return err;
    struct asyncio_task *task =
        asyncio_create_task(receive_forever, &left.drain);
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
    err =
        asyncio_wait_for(asyncio_run_in_executor(NULL, receive_forever,
                                                 &left.drain, .abandon = true),
                         0.001);
    return err;
}

// The loop waits for the threads of its pool, which wait for the loop.
TEST_PLAIN(thread_of_the_pool_that_blocks_does_not_hold_the_loop,
           .real_time = true)
{
    int err = asyncio_run(call_and_give_up, NULL);
    if (err != -ENOMEM) EXPECT_EQ(err, -ETIMEDOUT);
    close_line(&left);
}

TEST_PLAIN(task_that_a_thread_has_served_is_dropped_with_its_loop,
           .ordered = true)
{
    struct asyncio_loop *loop;
    struct sink sink = {.line = &left};
    if (asyncio_new_event_loop(&loop) < 0) return;
    struct asyncio_task *task = NULL;
    if (open_line(&left, 1) == 0) {
        task = asyncio_create_task(receive_all, &sink);
        asyncio_loop_stop(loop);
        EXPECT_EQ(asyncio_loop_run_forever(loop), 0);
        bool waits = waiting(&left) == 1;
        workers[0] = (struct worker){.line = &left, .first = 1};
        start(&workers[0], send_one);
        join(&workers[0]);
        EXPECT_EQ(workers[0].result, 0);
        EXPECT_EQ(waiting(&left), 0);
        asyncio_loop_close(loop);
        int code = waits ? -ECANCELED : -ENOMEM;
        while (unexpected_reports() > 0 && *expect_report(code))
            continue;
        EXPECT_EQ(sink.last, 0);
        EXPECT_EQ(take(&left), 1);
    }
    asyncio_task_release(task);
    asyncio_loop_free(loop);
    close_line(&left);
}

// --- cancelling and selecting against threads -------------------------------

static atomic_bool stop;

static void *send_until_stopped(void *arg)
{
    struct worker *worker = arg;
    int number = 1;
    while (!atomic_load(&stop)) {
        int err =
            asyncio_thread_sender_send(&worker->line->feed, &number, 0.0005);
        if (err == 0) worker->sum++;
        if (err < 0 && err != -ETIMEDOUT) break;
    }
    return NULL;
}

static void *receive_until_stopped(void *arg)
{
    struct worker *worker = arg;
    int number = 0;
    while (!atomic_load(&stop)) {
        int err = asyncio_thread_receiver_receive(&worker->line->drain, &number,
                                                  0.0005);
        if (err == 0) worker->sum += number;
        if (err < 0 && err != -ETIMEDOUT && err != -ENOMEM) break;
    }
    return NULL;
}

struct client {
    struct line *lines;
    long received, sent;
};

static int receive_or_give_up(void *arg)
{
    struct client *client = arg;
    int number = 0;
    if (asyncio_receiver_receive(&client->lines[0].in, &number) == 0)
        client->received += number;
    return 0;
}

static int select_or_give_up(void *arg)
{
    struct client *client = arg;
    int got[2] = {0}, one = 1;
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_RECEIVE(&client->lines[0].in, &got[0]),
        ASYNCIO_SELECT_RECEIVE(&client->lines[1].in, &got[1]),
        ASYNCIO_SELECT_SEND(&client->lines[2].out, &one),
    };
    int which = asyncio_select(cases, 3);
    if (which < 0 || cases[which].result < 0) return 0;
    if (which == 2)
        client->sent++;
    else
        client->received += got[which];
    EXPECT(got[0] == 0 || got[1] == 0);
    return 0;
}

// Tasks that come and go at both lines, while threads do so too.
static void run_clients(struct client *client, int (*fn)(void *), int rounds)
{
    unsigned dice = 1;
    for (int round = 0; round < rounds; round++) {
        struct asyncio_task *tasks[4];
        for (int i = 0; i < 4; i++)
            tasks[i] = asyncio_create_task(fn, client);
        for (int i = 0; i < 4; i++) {
            dice = dice * 1103515245 + 12345;
            for (unsigned passes = dice >> 16 & 7; passes > 0; passes--)
                asyncio_ignore(asyncio_sleep(0));
            asyncio_task_cancel(tasks[dice >> 20 & 3]);
        }
        for (int i = 0; i < 4; i++) {
            asyncio_task_cancel(tasks[i]);
            asyncio_ignore(asyncio_await(tasks[i]));
            asyncio_task_release(tasks[i]);
        }
    }
}

static long drained(struct line *line)
{
    long sum = 0;
    int number;
    while ((number = take(line)) > 0)
        sum += number;
    return sum;
}

TEST(nothing_is_lost_between_threads_and_tasks_that_give_up)
{
    struct line line;
    struct client client = {.lines = &line};
    atomic_store(&stop, false);
    for (long capacity = 0; capacity < 3; capacity++) {
        if (open_line(&line, capacity) == 0) {
            struct worker pair[2] = {{.line = &line}, {.line = &line}};
            client = (struct client){.lines = &line};
            atomic_store(&stop, false);
            start(&pair[0], send_until_stopped);
            start(&pair[1], receive_until_stopped);
            run_clients(&client, receive_or_give_up, 10);
            atomic_store(&stop, true);
            join(&pair[0]);
            join(&pair[1]);
            EXPECT_EQ(client.received + pair[1].sum + drained(&line),
                      pair[0].sum);
            EXPECT_EQ(waiting(&line), 0);
        }
        close_line(&line);
    }
}

TEST(select_takes_one_thing_while_threads_offer_three)
{
    struct line lines[3];
    struct client client = {.lines = lines};
    int err = 0;
    for (int i = 0; i < 3; i++) {
        int failed = open_line(&lines[i], 0);
        if (failed < 0) err = failed;
    }
    if (err == 0) {
        struct worker crew[3] = {
            {.line = &lines[0]}, {.line = &lines[1]}, {.line = &lines[2]}};
        atomic_store(&stop, false);
        start(&crew[0], send_until_stopped);
        start(&crew[1], send_until_stopped);
        start(&crew[2], receive_until_stopped);
        run_clients(&client, select_or_give_up, 30);
        atomic_store(&stop, true);
        for (int i = 0; i < 3; i++)
            join(&crew[i]);
        EXPECT_EQ(client.received + drained(&lines[0]) + drained(&lines[1]),
                  crew[0].sum + crew[1].sum);
        EXPECT_EQ(client.sent, crew[2].sum + drained(&lines[2]));
        for (int i = 0; i < 3; i++)
            EXPECT_EQ(waiting(&lines[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        close_line(&lines[i]);
}
