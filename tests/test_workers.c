// Workers: many loops, one for each thread, and how one failure ends them all.

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include <asyncio/threadsafe.h>
#include <asyncio/workers.h>

#include "runner/runner.h"

#define WORKERS 4

static atomic_int ran[WORKERS], ended;
static atomic_int codes[WORKERS];

static int note_number(void *arg)
{
    int number = asyncio_worker_number();
    EXPECT_EQ(asyncio_worker_count(), WORKERS);
    if (EXPECT(number >= 0 && number < WORKERS)) ran[number]++;
    EXPECT_SAME(arg, ran);
    return number;
}

TEST_PLAIN(each_worker_runs_once_with_its_number)
{
    EXPECT_EQ(asyncio_run_workers(note_number, ran, .workers = WORKERS), 0);
    for (int i = 0; i < WORKERS; i++)
        EXPECT_EQ(ran[i], 1);
    EXPECT_EQ(asyncio_worker_number(), -1);
    EXPECT_EQ(asyncio_worker_count(), 0);
}

static int count_one(void *arg)
{
    EXPECT(asyncio_worker_count() >= 1);
    atomic_fetch_add((atomic_int *)arg, 1);
    return asyncio_sleep(1);
}

TEST_PLAIN(there_is_a_worker_for_each_processor)
{
    atomic_int count = 0;
    EXPECT_EQ(asyncio_run_workers(count_one, &count), 0);
    EXPECT_GE(count, 1);
    int once = count;
    EXPECT_EQ((asyncio_run_workers)(count_one, &count, NULL), 0);
    EXPECT_EQ(count, 2 * once);
}

TEST_PLAIN(what_cannot_be_run_is_refused)
{
    EXPECT_EQ(asyncio_run_workers(NULL, NULL), -EINVAL);
    EXPECT_EQ(asyncio_run_workers(count_one, NULL, .workers = -1), -EINVAL);
    EXPECT_EQ(asyncio_run_workers(count_one, NULL, .backend = "none such"),
              -EINVAL);
}

TEST(workers_in_a_running_loop_are_refused)
{
    EXPECT_EQ(asyncio_run_workers(count_one, NULL), -EBUSY);
}

// --- failures ---------------------------------------------------------------

// The others wait for something that never comes: only a cancel ends them.
static int fail_or_wait(void *arg)
{
    int number = asyncio_worker_number();
    struct asyncio_future never = {0};
    if (number == *(int *)arg)
        return asyncio_raise(-EPROTO, "worker %d is lost", number);
    int err = asyncio_await(&never);
    codes[number] = err;
    asyncio_ignore(asyncio_sleep(0)); // its clean-up may wait
    atomic_fetch_add(&ended, 1);
    return err;
}

TEST_PLAIN(first_failure_cancels_the_others_and_is_what_comes_out)
{
    for (int bad = 0; bad < WORKERS; bad++) {
        ended = 0;
        EXPECT_EQ(asyncio_run_workers(fail_or_wait, &bad, .workers = WORKERS),
                  -EPROTO);
        EXPECT_CONTAINS(asyncio_strerror(-EPROTO), "is lost");
        EXPECT_LE(ended, WORKERS - 1);
        for (int i = 0; i < WORKERS; i++)
            EXPECT(codes[i] == 0 || codes[i] == -ECANCELED);
    }
}

static int fail_both(void *arg)
{
    (void)arg;
    int err = fail_or_wait(&(int){2});
    return err == -ECANCELED ? asyncio_raise(-EDOM, "in the clean-up") : err;
}

TEST_PLAIN(later_failures_do_not_hide_the_first)
{
    EXPECT_EQ(asyncio_run_workers(fail_both, NULL, .workers = WORKERS),
              -EPROTO);
}

static int end_cancelled(void *arg)
{
    (void)arg;
    if (asyncio_worker_number() == 1)
        asyncio_task_cancel(asyncio_current_task());
    struct asyncio_future never = {0};
    return asyncio_await(&never);
}

TEST_PLAIN(worker_that_ends_cancelled_ends_the_others)
{
    EXPECT_EQ(asyncio_run_workers(end_cancelled, NULL, .workers = WORKERS),
              -ECANCELED);
}

static int swallow(void *arg)
{
    int err = fail_or_wait(arg);
    return err == -ECANCELED ? 0 : err;
}

TEST_PLAIN(worker_that_swallows_its_cancel_changes_nothing)
{
    EXPECT_EQ(asyncio_run_workers(swallow, &(int){0}, .workers = WORKERS),
              -EPROTO);
}

// Cancels meet workers that begin, wait, end, and have ended.
TEST_PLAIN(failure_races_the_beginnings_and_ends_of_the_others)
{
    for (int i = 0; i < 100; i++) {
        int bad = i % 3;
        EXPECT_EQ(asyncio_run_workers(swallow, &bad, .workers = 3), -EPROTO);
    }
}

static int be_interrupted(void *arg)
{
    if (asyncio_worker_number() == 0) raise(SIGINT);
    return fail_or_wait(arg);
}

TEST_PLAIN(ctrl_c_ends_all_of_them)
{
    EXPECT_EQ(
        asyncio_run_workers(be_interrupted, &(int){-1}, .workers = WORKERS),
        -EINTR);
    struct sigaction now;
    EXPECT_EQ(sigaction(SIGINT, NULL, &now), 0);
    EXPECT(now.sa_handler == SIG_DFL);
}

// --- from one to the other --------------------------------------------------

static _Atomic(struct asyncio_loop *) loops[WORKERS];
static struct asyncio_future tokens[WORKERS];

static int accept_token(void *arg)
{
    return asyncio_future_set_result(arg, asyncio_worker_number());
}

// Each hands a token to the next one's loop, and waits for its own.
static int pass_on(void *arg)
{
    (void)arg;
    int number = asyncio_worker_number(), next = (number + 1) % WORKERS;
    int err = 0;
    asyncio_future_init(&tokens[number]);
    loops[number] = asyncio_get_running_loop();
    while (err == 0 && !loops[next]) {
        for (int i = 0; i < 1000 && !loops[next]; i++)
            sched_yield();
        err = asyncio_sleep(0); // the next one may never begin
    }
    if (err == 0)
        err = asyncio_call_soon_threadsafe(loops[next], accept_token,
                                           &tokens[next]);
    return err < 0 ? err : asyncio_await(&tokens[number]);
}

TEST_PLAIN(workers_reach_each_other_by_their_loops)
{
    EXPECT_EQ(asyncio_run_workers(pass_on, NULL, .workers = WORKERS), 0);
    int result = -1;
    for (int i = 0; i < WORKERS; i++)
        if (asyncio_future_result(&tokens[i], &result) == 0)
            EXPECT_EQ(result, i);
}
