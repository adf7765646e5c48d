// The loop's turn: how a run is stopped and ended, how it waits, and what
// reaches it from other threads.

#include <pthread.h>
#include <unistd.h>

#include "runner/runner.h"

static int count_call(void *arg)
{
    ++*(int *)arg;
    return 0;
}

static int stop_loop(void *arg)
{
    (void)arg;
    asyncio_loop_stop(asyncio_get_running_loop());
    return 0;
}

// Callers return when it is NULL: a call was made to fail.
static struct asyncio_loop *new_loop(void)
{
    struct asyncio_loop *loop = NULL;
    EXPECT_EQ(asyncio_new_event_loop(&loop), 0);
    return loop;
}

// --- stop -------------------------------------------------------------------

TEST_PLAIN(stop_before_a_run_makes_one_pass_that_does_not_wait)
{
    CONFORMS("LOOP-07");
    int calls = 0;
    struct asyncio_loop *loop = new_loop();
    EXPECT_OR_RETURN(loop != NULL);
    double start = asyncio_time();
    EXPECT_EQ(asyncio_call_later(3600, count_call, &calls), 0);
    asyncio_loop_stop(loop);
    EXPECT_EQ(asyncio_loop_run_forever(loop), 0);
    EXPECT_EQ(asyncio_loop_passes(loop), 1);
    EXPECT_EQ(asyncio_time(), start); // virtual: it jumps when a loop waits
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    EXPECT_EQ(calls, 0);
}

static int queue_another(void *arg)
{
    trace("first");
    return asyncio_call_soon(count_call, arg);
}

TEST_PLAIN(one_pass_of_a_stopped_loop_runs_what_was_queued_before)
{
    int calls = 0;
    struct asyncio_loop *loop = new_loop();
    EXPECT_OR_RETURN(loop != NULL);
    EXPECT_EQ(asyncio_call_soon(queue_another, &calls), 0);
    asyncio_loop_stop(loop);
    EXPECT_EQ(asyncio_loop_run_forever(loop), 0);
    EXPECT_TRACE("first");
    EXPECT_EQ(calls, 0); // it was queued by the pass, for the next one
    asyncio_loop_stop(loop);
    EXPECT_EQ(asyncio_loop_run_forever(loop), 0);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(asyncio_loop_passes(loop), 2);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}

TEST_PLAIN(stop_lets_the_pass_under_way_end)
{
    int calls = 0;
    struct asyncio_loop *loop = new_loop();
    EXPECT_OR_RETURN(loop != NULL);
    EXPECT_EQ(asyncio_call_soon(stop_loop, NULL), 0);
    EXPECT_EQ(asyncio_call_soon(count_call, &calls), 0);
    asyncio_loop_stop(loop); // what stands here ends a run that has no stop
    EXPECT_EQ(asyncio_loop_run_forever(loop), 0);
    EXPECT_EQ(calls, 1);
    EXPECT(!asyncio_loop_is_running(loop));
    EXPECT_SAME(asyncio_get_running_loop(), NULL);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}

static int three_steps(void *arg)
{
    int *steps = arg, err = 0;
    for (; err == 0 && *steps < 3; err = asyncio_sleep(0))
        if (++*steps == 2) stop_loop(NULL);
    return err < 0 ? err : 3;
}

TEST_PLAIN(run_until_complete_that_is_stopped_leaves_the_task_pending)
{
    CONFORMS("LOOP-08");
    int steps = 0;
    struct asyncio_loop *loop = new_loop();
    EXPECT_OR_RETURN(loop != NULL);
    struct asyncio_task *task = asyncio_create_task(three_steps, &steps);
    if (!asyncio_task_done(task)) {
        EXPECT_EQ(asyncio_loop_run_until_complete(loop, task), -EINTR);
        EXPECT(!asyncio_task_done(task));
        EXPECT_EQ(asyncio_task_cancelling(task), 0);
        EXPECT_EQ(steps, 2);
        EXPECT_EQ(asyncio_loop_run_until_complete(loop, task), 3);
        EXPECT_EQ(steps, 3);
    }
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}

static int complete_and_stop(void *arg)
{
    stop_loop(NULL);
    return asyncio_future_set_result(arg, 3);
}

TEST_PLAIN(stop_as_the_future_completes_does_not_reach_into_the_next_run)
{
    int steps = 2; // it will not stop the loop by itself
    struct asyncio_future future = {0};
    struct asyncio_loop *loop = new_loop();
    EXPECT_OR_RETURN(loop != NULL);
    if (asyncio_call_soon(complete_and_stop, &future) == 0)
        EXPECT_EQ(asyncio_loop_run_until_complete(loop, &future), 3);
    struct asyncio_task *task = asyncio_create_task(three_steps, &steps);
    EXPECT_EQ(asyncio_loop_run_until_complete(loop, task), 3);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}

static void *run_elsewhere(void *arg)
{
    int calls = 0;
    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(count_call, &calls);
    EXPECT_EQ(
        asyncio_loop_run_until_complete((struct asyncio_loop *)arg, &coroutine),
        0);
    EXPECT_EQ(calls, 1);
    return NULL;
}

TEST_PLAIN(loop_may_be_made_in_one_thread_and_run_in_another)
{
    pthread_t thread;
    struct asyncio_loop *loop = new_loop();
    EXPECT_OR_RETURN(loop != NULL);
    if (pthread_create(&thread, NULL, run_elsewhere, loop) == 0)
        pthread_join(thread, NULL);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}

TEST_PLAIN(run_until_complete_takes_what_is_done_and_what_is_not_begun)
{
    int calls = 0;
    struct asyncio_future future = {0};
    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(count_call, &calls);
    struct asyncio_loop *loop = new_loop();
    EXPECT_OR_RETURN(loop != NULL);
    EXPECT_EQ(asyncio_future_set_result(&future, 5), 0);
    EXPECT_EQ(asyncio_loop_run_until_complete(loop, &future), 5);
    EXPECT_EQ(asyncio_loop_run_until_complete(loop, &coroutine), 0);
    EXPECT_EQ(asyncio_loop_run_until_complete(loop, &coroutine), -EALREADY);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}

TEST_PLAIN(loop_does_not_run_for_a_future_of_another)
{
    CONFORMS("LOOP-09");
    int calls = 0;
    struct asyncio_future theirs = {0};
    struct asyncio_loop *other = new_loop();
    EXPECT_OR_RETURN(other != NULL);
    asyncio_future_init(&theirs);
    struct asyncio_task *task = asyncio_create_task(count_call, &calls);
    bool spawned = !asyncio_task_done(task);
    struct asyncio_loop *loop = new_loop();
    if (loop && spawned) {
        EXPECT_EQ(asyncio_call_soon(count_call, &calls), 0);
        EXPECT_EQ(asyncio_loop_run_until_complete(loop, &theirs), -EXDEV);
        EXPECT_EQ(asyncio_loop_run_until_complete(loop, task), -EXDEV);
        EXPECT_EQ(asyncio_loop_passes(loop), 0);
        EXPECT_EQ(calls, 0);
        EXPECT_EQ(asyncio_loop_run_until_complete(other, task), 0);
    } else if (spawned) {
        asyncio_ignore(asyncio_loop_run_until_complete(other, task));
    }
    asyncio_task_release(task);
    asyncio_loop_free(loop);
    asyncio_loop_free(other);
}

// --- the poll ---------------------------------------------------------------

struct pipe_reader {
    int fds[2];
    int calls;
};

static int read_a_byte(void *arg)
{
    struct pipe_reader *reader = arg;
    char byte;
    reader->calls++;
    return (int)read(reader->fds[0], &byte, 1);
}

static void run_stopped(struct asyncio_loop *loop, int times)
{
    for (int i = 0; i < times; i++) {
        asyncio_loop_stop(loop);
        EXPECT_EQ(asyncio_loop_run_forever(loop), 0);
    }
}

TEST_PLAIN(readiness_in_the_pass_of_a_stop_is_delivered_once)
{
    CONFORMS("LOOP-10");
    struct pipe_reader reader = {.calls = 0};
    EXPECT_OR_RETURN(pipe(reader.fds) == 0);
    EXPECT_EQ(write(reader.fds[1], "x", 1), 1);
    struct asyncio_loop *loop = new_loop();
    if (loop && asyncio_add_reader(reader.fds[0], read_a_byte, &reader) == 0) {
        EXPECT_EQ(asyncio_call_soon(stop_loop, NULL), 0);
        run_stopped(loop, 1);
        EXPECT_EQ(reader.calls, 1);
        run_stopped(loop, 3);
        EXPECT_EQ(reader.calls, 1);
        EXPECT_EQ(asyncio_remove_reader(reader.fds[0]), 1);
    }
    asyncio_loop_free(loop);
    close(reader.fds[0]);
    close(reader.fds[1]);
}

TEST(sleeps_shorter_than_the_poll_resolution_do_not_spin, .real_time = true)
{
    CONFORMS("LOOP-11");
    struct asyncio_loop *loop = asyncio_get_running_loop();
    const double delays[] = {1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9};
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        uint64_t passes = asyncio_loop_passes(loop);
        double start = asyncio_time();
        EXPECT_EQ(asyncio_sleep(delays[i]), 0);
        EXPECT_GE(asyncio_time(), start + delays[i]);
        EXPECT_LE(asyncio_loop_passes(loop) - passes, 3);
    }
}

// --- other threads ----------------------------------------------------------

#define POSTERS 4
#define POSTS   100

struct poster {
    struct asyncio_loop *loop;
    unsigned sent, next;
    bool in_order;
    struct arrival {
        struct poster *poster;
        unsigned number;
    } arrivals[POSTS];
};

static int arrive(void *arg)
{
    struct arrival *arrival = arg;
    struct poster *poster = arrival->poster;
    if (arrival->number != poster->next) poster->in_order = false;
    poster->next = arrival->number + 1;
    return 0;
}

static void *post_all(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < POSTS; i++) {
        poster->arrivals[i] = (struct arrival){poster, i};
        if (asyncio_call_soon_threadsafe(poster->loop, arrive,
                                         &poster->arrivals[i]) == 0)
            poster->sent++;
    }
    return NULL;
}

// How often the end was not posted for want of memory does not matter.
static void *post_stop(void *arg)
{
    while (asyncio_call_soon_threadsafe(arg, stop_loop, NULL) < 0)
        ;
    return NULL;
}

TEST_PLAIN(calls_from_threads_all_arrive_in_order_of_each_thread)
{
    static struct poster posters[POSTERS];
    pthread_t threads[POSTERS], last;
    bool running[POSTERS];
    struct asyncio_loop *loop = new_loop();
    EXPECT_OR_RETURN(loop != NULL);
    for (int i = 0; i < POSTERS; i++) {
        posters[i].loop = loop;
        posters[i].in_order = true;
        running[i] =
            pthread_create(&threads[i], NULL, post_all, &posters[i]) == 0;
    }
    for (int i = 0; i < POSTERS; i++)
        if (running[i]) pthread_join(threads[i], NULL);
    bool stopped = pthread_create(&last, NULL, post_stop, loop) == 0;
    if (stopped) EXPECT_EQ(asyncio_loop_run_forever(loop), 0);
    if (stopped) pthread_join(last, NULL);
    for (int i = 0; i < POSTERS; i++) {
        EXPECT_EQ(posters[i].next, posters[i].sent);
        EXPECT_EQ(posters[i].sent, POSTS);
        EXPECT(posters[i].in_order);
    }
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}

TEST_PLAIN(call_from_a_thread_wakes_a_loop_that_sleeps)
{
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        struct asyncio_loop *loop = new_loop();
        if (!loop) continue;
        if (pthread_create(&thread, NULL, post_stop, loop) == 0) {
            EXPECT_EQ(asyncio_loop_run_forever(loop), 0);
            pthread_join(thread, NULL);
        }
        EXPECT_EQ(asyncio_loop_free(loop), 0);
    }
}
