// Signals as callbacks: delivered on the loop, each time, to one loop, and
// nothing of it stays behind.

#include <signal.h>

#include "runner/runner.h"

#define LONG 5 // seconds; only a bug waits for so long

static int calls;

static int note(void *arg)
{
    calls++;
    return asyncio_future_set_result_unless_cancelled(arg, calls);
}

static int count(void *arg)
{
    *(int *)arg += 1;
    return 0;
}

static int fail(void *arg)
{
    note(arg);
    return -EIO;
}

static bool is_ignored(int signal)
{
    struct sigaction now;
    return sigaction(signal, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

TEST(signal_runs_its_callback_on_the_loop, .real_time = true)
{
    struct asyncio_future got = {0};
    EXPECT_OR_RETURN(asyncio_add_signal_handler(SIGUSR1, note, &got) == 0);
    raise(SIGUSR1);
    EXPECT_EQ(calls, 0); // not from inside the signal
    EXPECT_EQ(asyncio_wait_for(&got, LONG), 1);
    EXPECT_EQ(asyncio_remove_signal_handler(SIGUSR1), 1);
    EXPECT_EQ(asyncio_remove_signal_handler(SIGUSR1), 0);
}

TEST(each_of_several_signals_is_delivered, .real_time = true)
{
    struct asyncio_future last = {0};
    int first = 0;
    EXPECT_OR_RETURN(asyncio_add_signal_handler(SIGUSR1, count, &first) == 0);
    EXPECT_OR_RETURN(asyncio_add_signal_handler(SIGUSR2, note, &last) == 0);
    for (int i = 0; i < 3; i++)
        raise(SIGUSR1);
    raise(SIGUSR2);
    EXPECT_EQ(asyncio_wait_for(&last, LONG), 1);
    EXPECT_EQ(first, 3);
}

TEST(second_handler_replaces_the_first, .real_time = true)
{
    struct asyncio_future got = {0};
    int first = 0;
    EXPECT_OR_RETURN(asyncio_add_signal_handler(SIGUSR1, count, &first) == 0);
    EXPECT_EQ(asyncio_add_signal_handler(SIGUSR1, note, &got), 0);
    raise(SIGUSR1);
    EXPECT_EQ(asyncio_wait_for(&got, LONG), 1);
    EXPECT_EQ(first, 0);
}

TEST(code_of_a_signal_callback_is_reported, .real_time = true)
{
    struct asyncio_future got = {0};
    EXPECT_OR_RETURN(asyncio_add_signal_handler(SIGUSR1, fail, &got) == 0);
    raise(SIGUSR1);
    EXPECT_EQ(asyncio_wait_for(&got, LONG), 1);
    expect_report(-EIO);
}

TEST(what_cannot_be_caught_is_refused)
{
    int none = 0;
    EXPECT_EQ(asyncio_add_signal_handler(SIGKILL, count, &none), -EINVAL);
    EXPECT_EQ(asyncio_add_signal_handler(0, count, &none), -EINVAL);
    EXPECT_EQ(asyncio_add_signal_handler(65, count, &none), -EINVAL);
    EXPECT_EQ(asyncio_add_signal_handler(SIGUSR1, NULL, &none), -EINVAL);
    EXPECT_EQ(asyncio_remove_signal_handler(65), -EINVAL);
}

static int handle_until_the_end(void *arg)
{
    int err = asyncio_add_signal_handler(SIGUSR1, count, arg);
    EXPECT(err < 0 || !is_ignored(SIGUSR1));
    return err;
}

TEST_PLAIN(disposition_comes_back_when_the_loop_ends)
{
    int none = 0;
    signal(SIGUSR1, SIG_IGN);
    EXPECT_EQ(asyncio_run(handle_until_the_end, &none), 0);
    EXPECT(is_ignored(SIGUSR1));
    raise(SIGUSR1);
    EXPECT_EQ(none, 0);
}

TEST_PLAIN(signal_belongs_to_one_loop_at_a_time)
{
    struct asyncio_loop *first = NULL, *second = NULL;
    int none = 0;
    if (!EXPECT_EQ(asyncio_new_event_loop(&first), 0)) return;
    EXPECT_EQ(asyncio_add_signal_handler(SIGUSR1, count, &none), 0);
    if (EXPECT_EQ(asyncio_new_event_loop(&second), 0)) {
        EXPECT_EQ(asyncio_add_signal_handler(SIGUSR1, count, &none), -EBUSY);
        EXPECT_EQ(asyncio_remove_signal_handler(SIGUSR1), 0);
        asyncio_loop_free(first);
        EXPECT_EQ(asyncio_add_signal_handler(SIGUSR1, count, &none), 0);
        asyncio_loop_free(second);
    } else {
        asyncio_loop_free(first);
    }
}
