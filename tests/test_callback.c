// Callbacks: their order within a pass and from pass to pass, handles that
// cancel them, timers by delay and by time, and descriptors.

#include <math.h>
#include <unistd.h>

#include "runner/runner.h"

static int say(void *arg)
{
    trace("%s", (const char *)arg);
    return 0;
}

static int count_call(void *arg)
{
    ++*(int *)arg;
    return 0;
}

static uint64_t passes(void)
{
    return asyncio_loop_passes(asyncio_get_running_loop());
}

// --- passes -----------------------------------------------------------------

static int say_second(void *arg)
{
    (void)arg;
    trace("second");
    return asyncio_call_soon(say, "third");
}

static int say_first(void *arg)
{
    trace("first");
    EXPECT_EQ(write(*(int *)arg, "x", 1), 1);
    int err = asyncio_call_soon(say_second, NULL);
    trace("first ends");
    return err;
}

static int read_a_byte(void *arg)
{
    char byte;
    trace("reader");
    return (int)read(*(int *)arg, &byte, 1);
}

// The descriptor becomes ready in the first callback's pass. Its callback runs
// in the second's, so there was a poll between the two.
TEST(callback_queued_by_a_callback_runs_in_the_next_pass, .ordered = true)
{
    CONFORMS("SCHED-01");
    int fds[2];
    EXPECT_OR_RETURN(pipe(fds) == 0);
    EXPECT_EQ(asyncio_add_reader(fds[0], read_a_byte, &fds[0]), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);

    uint64_t before = passes();
    EXPECT_EQ(asyncio_call_soon(say_first, &fds[1]), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(passes(), before + 1);
    EXPECT_TRACE("first", "first ends");
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(passes(), before + 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("second", "reader", "third");
    EXPECT_EQ(asyncio_remove_reader(fds[0]), 1);
    close(fds[0]);
    close(fds[1]);
}

TEST(callbacks_run_in_order_of_the_calls)
{
    EXPECT_EQ(asyncio_call_soon(say, "a"), 0);
    EXPECT_EQ(asyncio_call_soon(say, "b"), 0);
    EXPECT_EQ(asyncio_call_soon(say, "c"), 0);
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("a", "b", "c");
}

TEST(pass_runs_queued_callbacks_then_descriptors_then_timers)
{
    CONFORMS("SCHED-08");
    int fds[2];
    EXPECT_OR_RETURN(pipe(fds) == 0);
    EXPECT_EQ(write(fds[1], "x", 1), 1);
    EXPECT_EQ(asyncio_call_later(-1, say, "earlier timer"), 0);
    EXPECT_EQ(asyncio_call_later(0, say, "timer"), 0);
    EXPECT_EQ(asyncio_add_reader(fds[0], read_a_byte, &fds[0]), 0);
    EXPECT_EQ(asyncio_call_soon(say, "queued"), 0);
    EXPECT_EQ(asyncio_call_soon(say, "queued last"), 0);
    uint64_t before = passes();
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(passes(), before + 1);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("queued", "queued last", "reader", "earlier timer", "timer");
    EXPECT_EQ(asyncio_remove_reader(fds[0]), 1);
    close(fds[0]);
    close(fds[1]);
}

struct ticker {
    int calls;
    bool stop;
};

static int tick(void *arg)
{
    struct ticker *ticker = arg;
    ticker->calls++;
    return ticker->stop ? 0 : asyncio_call_soon(tick, ticker);
}

static int step_ten_times(void *arg)
{
    int *steps = arg;
    while (*steps < 10) {
        ++*steps;
        int err = asyncio_sleep(0);
        if (err < 0) return err;
    }
    return 0;
}

TEST(callback_that_requeues_itself_starves_nobody)
{
    CONFORMS("SCHED-11");
    struct ticker ticker = {.calls = 0};
    int a = 0, b = 0, timers = 0;
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_call_soon(tick, &ticker), 0);
    EXPECT_EQ(asyncio_call_later(0, count_call, &timers), 0);
    asyncio_task_group_create_task(&group, step_ten_times, &a);
    asyncio_task_group_create_task(&group, step_ten_times, &b);
    uint64_t before = passes();
    for (int i = 1; i <= 10; i++) {
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT_EQ(passes(), before + (uint64_t)i);
        EXPECT_GE(a, i - 1); // this pass's step may come after ours
        EXPECT_GE(b, i - 1);
        EXPECT_GE(ticker.calls, i - 1);
        EXPECT_LE(ticker.calls, i + 1);
    }
    EXPECT_EQ(timers, 1);
    ticker.stop = true;
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(a, 10);
    EXPECT_EQ(b, 10);
    EXPECT_EQ(asyncio_sleep(0), 0);
}

// --- handles ----------------------------------------------------------------

static int cancel_handle(void *arg)
{
    trace("cancel");
    asyncio_handle_cancel(arg);
    return 0;
}

TEST(callback_cancels_another_of_the_same_pass)
{
    CONFORMS("SCHED-02");
    struct asyncio_handle first = {0}, second = {0};
    EXPECT_EQ(asyncio_call_soon(cancel_handle, &second, .handle = &first), 0);
    EXPECT_EQ(asyncio_call_soon(say, "never", .handle = &second), 0);
    EXPECT_EQ(asyncio_call_soon(say, "third"), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("cancel", "third");
    EXPECT(asyncio_handle_cancelled(&second));
    asyncio_handle_cancel(&first);
    asyncio_handle_cancel(&second);
}

TEST(timer_is_cancelled_in_the_pass_in_which_it_is_due)
{
    struct asyncio_handle first = {0}, second = {0};
    double when = asyncio_time() + 1;
    EXPECT_EQ(asyncio_call_at(when, cancel_handle, &second, .handle = &first),
              0);
    EXPECT_EQ(asyncio_call_at(when, say, "never", .handle = &second), 0);
    EXPECT_EQ(asyncio_sleep(2), 0);
    EXPECT_TRACE("cancel");
    EXPECT(asyncio_handle_cancelled(&second));
    asyncio_handle_cancel(&first);
    asyncio_handle_cancel(&second);
}

TEST(handle_that_was_cancelled_can_be_cancelled_again)
{
    CONFORMS("SCHED-03");
    struct asyncio_handle soon = {0}, later = {0};
    EXPECT_EQ(asyncio_call_soon(say, "never", .handle = &soon), 0);
    EXPECT_EQ(asyncio_call_later(1, say, "never", .handle = &later), 0);
    EXPECT(!asyncio_handle_cancelled(&soon));
    EXPECT(!asyncio_handle_cancelled(&later));
    for (int i = 0; i < 3; i++) {
        asyncio_handle_cancel(&soon);
        asyncio_handle_cancel(&later);
        EXPECT(asyncio_handle_cancelled(&soon));
        EXPECT(asyncio_handle_cancelled(&later));
    }
    EXPECT_EQ(asyncio_sleep(2), 0);
    asyncio_handle_cancel(&soon);
    EXPECT(asyncio_handle_cancelled(&soon));
    EXPECT_TRACE();
}

TEST(cancel_after_the_callback_ran_is_harmless)
{
    struct asyncio_handle handle = {0};
    EXPECT_EQ(asyncio_call_soon(say, "ran", .handle = &handle), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_handle_cancel(&handle);
    EXPECT_TRACE("ran");
}

TEST(handle_is_busy_while_it_is_queued_and_free_again_after)
{
    struct asyncio_handle handle = {0};
    int calls = 0;
    if (asyncio_call_later(1, count_call, &calls, .handle = &handle) < 0)
        return;
    EXPECT_EQ(asyncio_call_soon(count_call, &calls, .handle = &handle), -EBUSY);
    EXPECT_EQ(asyncio_sleep(2), 0);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(asyncio_call_soon(count_call, &calls, .handle = &handle), 0);
    EXPECT_EQ(asyncio_call_later(1, count_call, &calls, .handle = &handle),
              -EBUSY);
    asyncio_handle_cancel(&handle);
    EXPECT_EQ(asyncio_call_soon(count_call, &calls, .handle = &handle), 0);
    EXPECT(!asyncio_handle_cancelled(&handle));
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(calls, 2);
}

struct repeater {
    struct asyncio_handle handle;
    int calls;
};

static int repeat(void *arg)
{
    struct repeater *repeater = arg;
    if (++repeater->calls == 5) return 0;
    return asyncio_call_later(1, repeat, arg, .handle = &repeater->handle);
}

TEST(callback_queues_its_own_handle_again)
{
    struct repeater repeater = {.calls = 0};
    double start = asyncio_time();
    EXPECT_EQ(
        asyncio_call_later(1, repeat, &repeater, .handle = &repeater.handle),
        0);
    EXPECT_EQ(asyncio_sleep(4.5), 0);
    EXPECT_EQ(repeater.calls, 4);
    EXPECT_EQ(asyncio_sleep(10), 0);
    EXPECT_EQ(repeater.calls, 5);
    EXPECT_EQ(asyncio_handle_when(&repeater.handle), start + 5);
    asyncio_handle_cancel(&repeater.handle);
}

// --- timers -----------------------------------------------------------------

TEST(timer_that_is_due_at_once_does_not_run_inside_the_call)
{
    CONFORMS("SCHED-04");
    const double delays[] = {0, -0.0, -1, -1e300, -INFINITY};
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        int calls = 0;
        uint64_t before = passes();
        EXPECT_EQ(asyncio_call_later(delays[i], count_call, &calls), 0);
        EXPECT_EQ(calls, 0);
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT_EQ(calls, 1);
        EXPECT_GT(passes(), before);
    }
}

struct chain {
    int left;
    uint64_t pass;
};

static int go_on(void *arg)
{
    struct chain *chain = arg;
    EXPECT_GT(passes(), chain->pass);
    chain->pass = passes();
    return --chain->left ? asyncio_call_later(0, go_on, chain) : 0;
}

TEST(timer_armed_by_a_timer_waits_for_the_next_pass)
{
    struct chain chain = {.left = 20, .pass = passes()};
    EXPECT_EQ(asyncio_call_later(0, go_on, &chain), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(chain.left, 0);
}

static int note_time(void *arg)
{
    *(double *)arg = asyncio_time();
    return 0;
}

static void expect_not_before_its_time(double start)
{
    const double delays[] = {1e-9, 1e-7, 3e-5, 0.001, 0.0123456789, 0.1};
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        struct asyncio_handle handle = {0};
        double ran = 0, when = start + delays[i];
        EXPECT_EQ(asyncio_call_at(when, note_time, &ran, .handle = &handle), 0);
        while (ran == 0 && asyncio_time() < when + 5)
            if (!EXPECT_EQ(asyncio_sleep(0.01), 0)) break;
        EXPECT_GE(ran, when);
        asyncio_handle_cancel(&handle);
    }
}

TEST(callback_at_a_time_runs_no_earlier_than_that)
{
    CONFORMS("SCHED-05");
    expect_not_before_its_time(asyncio_time());
}

TEST(callback_at_a_time_runs_no_earlier_by_the_systems_clock, .real_time = true)
{
    CONFORMS("SCHED-05");
    expect_not_before_its_time(asyncio_time());
}

TEST(handle_tells_its_deadline_before_and_after_it_ran)
{
    CONFORMS("SCHED-07");
    struct asyncio_handle at = {0}, later = {0}, soon = {0};
    double start = asyncio_time(), when = start + 0.1234567890123;
    int calls = 0;
    EXPECT_EQ(asyncio_call_at(when, count_call, &calls, .handle = &at), 0);
    EXPECT_EQ(asyncio_call_later(0.7, count_call, &calls, .handle = &later), 0);
    EXPECT_EQ(asyncio_call_soon(count_call, &calls, .handle = &soon), 0);
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(asyncio_handle_when(&at), when);
        EXPECT_EQ(asyncio_handle_when(&later), start + 0.7);
        EXPECT_EQ(asyncio_handle_when(&soon), 0);
        EXPECT_EQ(asyncio_sleep(1), 0);
    }
    EXPECT_EQ(calls, 3);
    asyncio_handle_cancel(&at);
    asyncio_handle_cancel(&later);
    asyncio_handle_cancel(&soon);
}

TEST(cancelled_timer_still_tells_its_deadline)
{
    struct asyncio_handle handle = {0};
    double when = asyncio_time() + 3;
    EXPECT_EQ(asyncio_call_at(when, say, "never", .handle = &handle), 0);
    asyncio_handle_cancel(&handle);
    EXPECT_EQ(asyncio_handle_when(&handle), when);
}

TEST(bad_timers_and_callbacks_are_refused)
{
    size_t timers = asyncio_loop_timers(asyncio_get_running_loop());
    const double bad[] = {NAN, 1e300, 9.3e9};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EXPECT_EQ(asyncio_call_later(bad[i], say, "never"), -EINVAL);
        EXPECT_EQ(asyncio_call_at(bad[i], say, "never"), -EINVAL);
    }
    EXPECT_EQ(asyncio_call_soon(NULL, NULL), -EINVAL);
    EXPECT_EQ(asyncio_call_later(1, NULL, NULL), -EINVAL);
    EXPECT_EQ(asyncio_call_at(1, NULL, NULL), -EINVAL);
    EXPECT_EQ(
        asyncio_call_soon_threadsafe(asyncio_get_running_loop(), NULL, NULL),
        -EINVAL);
    EXPECT_EQ(asyncio_loop_timers(asyncio_get_running_loop()), timers);
    EXPECT_EQ(asyncio_sleep(1), 0);
}

TEST(timer_for_ever_never_runs_and_can_be_cancelled)
{
    struct asyncio_handle handle = {0};
    EXPECT_EQ(asyncio_call_later(ASYNCIO_FOREVER, say, "never"), 0);
    EXPECT_EQ(asyncio_call_at(ASYNCIO_FOREVER, say, "never", .handle = &handle),
              0);
    EXPECT_EQ(asyncio_sleep(1e9), 0);
    EXPECT(isinf(asyncio_handle_when(&handle)));
    asyncio_handle_cancel(&handle);
    EXPECT(asyncio_handle_cancelled(&handle));
    EXPECT_TRACE();
}

static int fail(void *arg)
{
    (void)arg;
    return -EPROTO;
}

TEST(code_of_a_callback_is_reported_with_the_place_of_the_call)
{
    if (asyncio_call_soon(fail, NULL) < 0) return;
    EXPECT_EQ(asyncio_sleep(0), 0);
    const char *text = expect_report(-EPROTO);
    EXPECT_CONTAINS(text, "callback failed");
    EXPECT_CONTAINS(text, "test_callback.c:");
    EXPECT_EQ(asyncio_call_soon(say, "the loop goes on"), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("the loop goes on");
}

static int wait_in_a_callback(void *arg)
{
    struct asyncio_future future = {0};
    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(say, "never");
    (void)arg;
    EXPECT_SAME(asyncio_current_task(), NULL);
    EXPECT_EQ(asyncio_sleep(1), -EPERM);
    EXPECT_EQ(asyncio_sleep(0), -EPERM);
    EXPECT_EQ(asyncio_await(&future), -EPERM);
    EXPECT_EQ(asyncio_await(&coroutine), -EPERM);
    trace("refused");
    return 0;
}

TEST(callback_is_no_task_and_cannot_wait)
{
    EXPECT_EQ(asyncio_call_soon(wait_in_a_callback, NULL), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("refused");
}

// --- on the system's clock, which is read late
// --------------------------------

TEST(callback_in_real_time_is_never_early, .real_time = true)
{
    struct asyncio_handle handle = {0};
    double start = asyncio_time();
    EXPECT_EQ(asyncio_call_later(0.005, say, "late", .handle = &handle), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    double when = asyncio_handle_when(&handle);
    EXPECT(when >= start + 0.005 && when <= asyncio_time() + 0.005);
    while (asyncio_time() < when)
        EXPECT_EQ(asyncio_sleep(0.001), 0);
    EXPECT_EQ(asyncio_sleep(0), 0); // it is called behind this task, perhaps
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT(asyncio_handle_when(&handle) == when);
    EXPECT_TRACE("late");
}

TEST(callback_that_is_cancelled_at_once_had_a_time, .real_time = true)
{
    struct asyncio_handle handle = {0};
    struct asyncio_loop *loop = asyncio_get_running_loop();
    size_t before = asyncio_loop_timers(loop);
    double start = asyncio_time();
    EXPECT_EQ(asyncio_call_later(100, say, "never", .handle = &handle), 0);
    EXPECT_EQ(asyncio_loop_timers(loop), before + 1);
    asyncio_handle_cancel(&handle);
    EXPECT_EQ(asyncio_loop_timers(loop), before);
    double when = asyncio_handle_when(&handle);
    EXPECT(when >= start + 100 && when < start + 160);
    EXPECT(asyncio_handle_when(&handle) == when);
}

TEST(callbacks_in_real_time_run_in_order_of_the_calls, .real_time = true)
{
    EXPECT_EQ(asyncio_call_later(0.002, say, "first"), 0);
    EXPECT_EQ(asyncio_call_later(0.002, say, "second"), 0);
    double when = asyncio_time() + 0.002;
    EXPECT_EQ(asyncio_call_at(when, say, "third"), 0);
    EXPECT_EQ(asyncio_call_later(0.002, say, "fourth"), 0);
    while (asyncio_time() < when + 0.002)
        EXPECT_EQ(asyncio_sleep(0.002), 0);
    EXPECT_EQ(asyncio_sleep(0.002), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("first", "second", "third", "fourth");
}
