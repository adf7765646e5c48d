// Signals as callbacks: delivered on the loop, each time, to one loop, and
// nothing of it stays behind.

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

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

static bool is_default(int signal)
{
    struct sigaction now;
    return sigaction(signal, NULL, &now) == 0 && now.sa_handler == SIG_DFL;
}

TEST(signal_runs_its_callback_on_the_loop, .real_time = true)
{
    CONFORMS("SIG-02");
    struct asyncio_future got = {0};
    EXPECT_OR_RETURN(asyncio_add_signal_handler(SIGUSR1, note, &got) == 0);
    raise(SIGUSR1);
    EXPECT_EQ(calls, 0); // not from inside the signal
    EXPECT_EQ(asyncio_wait_for(&got, LONG), 1);
    EXPECT(!is_default(SIGUSR1));
    EXPECT_EQ(asyncio_remove_signal_handler(SIGUSR1), 1);
    EXPECT(is_default(SIGUSR1));
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
    CONFORMS("SIG-01");
    int none = 0;
    EXPECT_EQ(asyncio_add_signal_handler(SIGSTOP, count, &none), -EINVAL);
    EXPECT_EQ(asyncio_add_signal_handler(-1, count, &none), -EINVAL);
    EXPECT_EQ(asyncio_add_signal_handler(SIGKILL, count, &none), -EINVAL);
    EXPECT_EQ(asyncio_add_signal_handler(0, count, &none), -EINVAL);
    EXPECT_EQ(asyncio_add_signal_handler(65, count, &none), -EINVAL);
    EXPECT_EQ(asyncio_add_signal_handler(SIGUSR1, NULL, &none), -EINVAL);
    EXPECT_EQ(asyncio_remove_signal_handler(65), -EINVAL);

    struct asyncio_signal_stream stream = {0};
    EXPECT_EQ((asyncio_wait_signal)(NULL, 1), -EINVAL);
    EXPECT_EQ((asyncio_signal_stream_open)(&stream, NULL, 1), -EINVAL);
    asyncio_signal_stream_close(&stream);
}

static int handle_until_the_end(void *arg)
{
    int err = asyncio_add_signal_handler(SIGUSR1, count, arg);
    EXPECT(err < 0 || !is_ignored(SIGUSR1));
    if (err == 0) err = asyncio_add_signal_handler(SIGUSR2, count, arg);
    return err;
}

TEST_PLAIN(disposition_comes_back_when_the_loop_ends)
{
    CONFORMS("SIG-03");
    int none = 0;
    signal(SIGUSR1, SIG_IGN);
    EXPECT_EQ(asyncio_run(handle_until_the_end, &none), 0);
    EXPECT(is_ignored(SIGUSR1));
    EXPECT(is_default(SIGUSR2));
    raise(SIGUSR1);
    EXPECT_EQ(none, 0);
}

static int handle_one(void *arg)
{
    struct asyncio_future *got = arg;
    if (asyncio_add_signal_handler(SIGUSR1, note, got) != 0) return -EIO;
    raise(SIGUSR1);
    return asyncio_wait_for(got, LONG);
}

// In a process forked by a task. Calls are made to fail in the other one.
static int handle_signals_in_child(void)
{
    struct asyncio_future got = {0};
    if (asyncio_testing_fail_at("syscall", 0) < 0) return 3;
    if (!is_default(SIGUSR1) || !is_ignored(SIGUSR2)) return 1;
    return asyncio_run(handle_one, &got) == 1 && calls == 1 ? 0 : 2;
}

TEST(forked_process_has_signals_of_its_own, .real_time = true)
{
    int status = -1;
    struct asyncio_future got = {0};
    signal(SIGUSR2, SIG_IGN);
    EXPECT_OR_RETURN(asyncio_add_signal_handler(SIGUSR1, note, &got) == 0);
    EXPECT_EQ(asyncio_add_signal_handler(SIGUSR2, note, &got), 0);
    pid_t child = fork();
    if (child == 0) _exit(handle_signals_in_child());
    EXPECT_OR_RETURN(child > 0);
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(calls, 0);
    raise(SIGUSR1);
    EXPECT_EQ(asyncio_wait_for(&got, LONG), 1);
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

// --- elsewhere --------------------------------------------------------------

static int refuse(void *arg)
{
    struct asyncio_signal_stream stream = {0};
    EXPECT_EQ(asyncio_add_signal_handler(SIGUSR1, count, arg), -EPERM);
    EXPECT_EQ(asyncio_signal_stream_open(&stream, SIGUSR1), -EPERM);
    EXPECT_EQ(asyncio_wait_signal(SIGUSR1), -EPERM);
    EXPECT(is_default(SIGUSR1));
    return 0;
}

static void *run_elsewhere(void *arg)
{
    EXPECT_EQ(asyncio_run(refuse, arg), 0);
    return NULL;
}

TEST_PLAIN(only_the_main_thread_handles_signals)
{
    CONFORMS("SIG-04");
    pthread_t thread;
    int none = 0;
    EXPECT_OR_RETURN(pthread_create(&thread, NULL, run_elsewhere, &none) == 0);
    pthread_join(thread, NULL);
}

// --- waiting ----------------------------------------------------------------

static int wait_for_both(void *arg)
{
    (void)arg;
    return asyncio_wait_signal(SIGUSR1, SIGUSR2);
}

TEST(task_waits_for_one_of_several, .real_time = true, .ordered = true)
{
    int none = 0;
    EXPECT_OR_RETURN(asyncio_add_signal_handler(SIGUSR2, count, &none) == 0);
    struct asyncio_task *task = asyncio_create_task(wait_for_both, NULL);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_add_signal_handler(SIGUSR1, count, &none), -EBUSY);
    EXPECT_EQ(asyncio_remove_signal_handler(SIGUSR1), -EBUSY);
    if (!asyncio_task_done(task)) // else nothing keeps this one from waiting
        EXPECT_EQ(asyncio_wait_signal(SIGUSR2), -EBUSY);
    raise(SIGUSR2);
    EXPECT_EQ(asyncio_wait_for(asyncio_await(task), LONG), SIGUSR2);
    asyncio_task_release(task);
    EXPECT(is_default(SIGUSR1));
    EXPECT_EQ(none, 0);
    EXPECT_EQ(asyncio_remove_signal_handler(SIGUSR2), 1);
}

// --- streams ----------------------------------------------------------------

TEST(signals_that_keep_coming_take_turns, .real_time = true)
{
    CONFORMS("SIG-05");
    struct asyncio_signal_stream stream = {0};
    signal(SIGUSR1, SIG_IGN); // one that is left in the end does nothing
    signal(SIGUSR2, SIG_IGN);
    EXPECT_OR_RETURN(asyncio_signal_stream_open(&stream, SIGUSR1, SIGUSR2) ==
                     0);
    int before = 0;
    for (int i = 0; i < 8; i++) {
        raise(SIGUSR1);
        raise(SIGUSR2);
        int got = asyncio_wait_for(asyncio_signal_stream_read(&stream), LONG);
        EXPECT(got == SIGUSR1 || got == SIGUSR2);
        EXPECT_NE(got, before);
        before = got;
        if (i > 4) EXPECT_EQ(asyncio_sleep(0.001), 0);
    }
    asyncio_signal_stream_close(&stream);
}

TEST(one_bad_signal_leaves_the_others_as_they_were)
{
    CONFORMS("SIG-06");
    struct asyncio_signal_stream stream = {0};
    int none = 0;
    signal(SIGUSR1, SIG_IGN);
    EXPECT_OR_RETURN(asyncio_add_signal_handler(SIGUSR2, count, &none) == 0);
    EXPECT_EQ(asyncio_signal_stream_open(&stream, SIGUSR1, SIGUSR2, SIGKILL),
              -EINVAL);
    EXPECT(is_ignored(SIGUSR1));
    EXPECT_EQ(asyncio_signal_stream_open(&stream, SIGUSR1, 1000), -EINVAL);
    EXPECT(is_ignored(SIGUSR1));
    EXPECT_EQ((asyncio_signal_stream_open)(&stream, NULL, 0), -EINVAL);
    EXPECT_EQ(asyncio_remove_signal_handler(SIGUSR2), 1);
    EXPECT(is_default(SIGUSR2));
    asyncio_signal_stream_close(&stream);
}

static int read_stream(void *stream)
{
    return asyncio_signal_stream_read(stream);
}

TEST(stream_of_signals_has_one_reader, .real_time = true, .ordered = true)
{
    CONFORMS("SIG-07");
    struct asyncio_signal_stream stream = {0};
    signal(SIGUSR1, SIG_IGN); // one that is left in the end does nothing
    EXPECT_OR_RETURN(asyncio_signal_stream_open(&stream, SIGUSR1) == 0);
    struct asyncio_task *task = asyncio_create_task(read_stream, &stream);
    EXPECT_EQ(asyncio_sleep(0), 0);
    int err = asyncio_wait_for(asyncio_signal_stream_read(&stream), 0.1);
    EXPECT_EQ(err, -EBUSY);
    raise(SIGUSR1);
    EXPECT_EQ(asyncio_wait_for(asyncio_await(task), LONG), SIGUSR1);
    asyncio_task_release(task);
    asyncio_signal_stream_close(&stream);
}

TEST(cancelled_reader_loses_no_signal, .real_time = true, .ordered = true)
{
    struct asyncio_signal_stream stream = {0};
    signal(SIGUSR1, SIG_IGN); // one that is left in the end does nothing
    EXPECT_OR_RETURN(asyncio_signal_stream_open(&stream, SIGUSR1) == 0);
    struct asyncio_task *task = asyncio_create_task(read_stream, &stream);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_task_cancel(task);
    raise(SIGUSR1);
    EXPECT_EQ(asyncio_wait_for(asyncio_await(task), LONG), -ECANCELED);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_wait_for(asyncio_signal_stream_read(&stream), LONG),
              SIGUSR1);
    asyncio_signal_stream_close(&stream);
}

TEST(closing_ends_the_read_and_the_next, .real_time = true)
{
    struct asyncio_signal_stream stream = {0};
    EXPECT_OR_RETURN(asyncio_signal_stream_open(&stream, SIGUSR1) == 0);
    struct asyncio_task *task = asyncio_create_task(read_stream, &stream);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_signal_stream_close(&stream);
    EXPECT_EQ(asyncio_wait_for(asyncio_await(task), LONG), -EBADF);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_signal_stream_read(&stream), -EBADF);
    asyncio_signal_stream_close(&stream);
    asyncio_signal_stream_close(NULL);
    EXPECT(is_default(SIGUSR1));
}

TEST(signal_that_was_not_read_goes_to_whom_it_went_before, .real_time = true)
{
    struct asyncio_signal_stream stream = {0};
    struct asyncio_future got = {0};
    EXPECT_OR_RETURN(asyncio_add_signal_handler(SIGUSR1, note, &got) == 0);
    EXPECT_OR_RETURN(asyncio_signal_stream_open(&stream, SIGUSR1) == 0);
    raise(SIGUSR1);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    EXPECT_EQ(calls, 0);
    asyncio_signal_stream_close(&stream);
    EXPECT_EQ(asyncio_wait_for(&got, LONG), 1);
    EXPECT_EQ(asyncio_remove_signal_handler(SIGUSR1), 1);
}

static int open_and_leave(void *stream)
{
    return asyncio_signal_stream_open(stream, SIGUSR1);
}

TEST_PLAIN(stream_of_signals_may_outlive_its_loop)
{
    struct asyncio_signal_stream stream = {0};
    EXPECT_EQ(asyncio_run(open_and_leave, &stream), 0);
    EXPECT(is_default(SIGUSR1));
    asyncio_signal_stream_close(&stream);
    EXPECT(is_default(SIGUSR1));
}
