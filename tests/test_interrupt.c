// Ctrl-C: what it does to main, whose handler SIGINT has, and how the process
// ends by it. SIGINT is raised, or sent by a forked child that dies of it.

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asyncio/runner.h>

#include "runner/runner.h"

static bool has_handler(void (*handler)(int signal))
{
    struct sigaction now;
    return sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler == handler;
}

static int seen;

static void on_sigint(int signal)
{
    seen = signal;
}

// Refuses where the handler could not be set, and the process would end.
static int press_ctrl_c(void)
{
    if (has_handler(SIG_DFL)) return -EIO;
    raise(SIGINT);
    return 0;
}

// --- the first one ----------------------------------------------------------

static int yield_until_cancelled(void *arg)
{
    int yields = 0, err = press_ctrl_c();
    for (; err == 0 && yields < 100; yields++)
        err = asyncio_sleep(0);
    *(int *)arg = yields;
    return err;
}

TEST_PLAIN(next_yield_after_ctrl_c_is_cancelled)
{
    CONFORMS("RUN-08");
    int yields = 0;
    EXPECT_EQ(asyncio_run(yield_until_cancelled, &yields), -EINTR);
    EXPECT_EQ(yields, 1);
    EXPECT(has_handler(SIG_DFL));
}

static int yield_for_ever(void *arg)
{
    (void)arg;
    int err = 0;
    while (err == 0)
        err = asyncio_sleep(0);
    return 0;
}

static int yield_among_others(void *arg)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, yield_for_ever, NULL);
    int err = asyncio_sleep(0);
    if (err == 0) err = yield_until_cancelled(arg);
    return asyncio_task_group_exit(&group, err);
}

TEST_PLAIN(next_yield_is_cancelled_among_others_that_yield)
{
    int yields = 0;
    EXPECT_EQ(asyncio_run(yield_among_others, &yields), -EINTR);
    EXPECT_EQ(yields, 1);
}

static int sleep_long(void *arg)
{
    if (arg && press_ctrl_c() < 0) return -EIO;
    int err = asyncio_sleep(3600);
    trace("%s", asyncio_strerror(err));
    return err;
}

TEST_PLAIN(ctrl_c_ends_a_wait_with_a_reason)
{
    bool yes = true;
    double start = asyncio_time();
    EXPECT_EQ(asyncio_run(sleep_long, &yes), -EINTR);
    EXPECT_LT(asyncio_time() - start, 3600);
    EXPECT_TRACE("interrupted by Ctrl-C");
}

// A thread sends it while the loop sleeps in the kernel.
static void *send_sigint(void *arg)
{
    pthread_kill(*(pthread_t *)arg, SIGINT);
    return NULL;
}

static int wait_for_a_signal(void *arg)
{
    pthread_t thread, self = pthread_self();
    struct asyncio_future never = {0};
    if (pthread_create(&thread, NULL, send_sigint, &self) != 0) return -EAGAIN;
    int err = asyncio_await(&never);
    pthread_join(thread, NULL);
    *(bool *)arg = true;
    return err;
}

TEST_PLAIN(ctrl_c_wakes_a_loop_that_sleeps, .real_time = true, .faulty = true)
{
    bool cleaned = false;
    EXPECT_EQ(asyncio_run(wait_for_a_signal, &cleaned), -EINTR);
    EXPECT(cleaned);
}

static int swallow(void *arg)
{
    asyncio_ignore(sleep_long(arg));
    return 7;
}

TEST_PLAIN(main_that_goes_on_after_ctrl_c_ends_as_it_likes)
{
    bool yes = true;
    EXPECT_EQ(asyncio_run(swallow, &yes), 7);
    EXPECT_TRACE("interrupted by Ctrl-C");
    EXPECT(has_handler(SIG_DFL));
}

static int cancel_main(void *arg)
{
    asyncio_task_cancel((struct asyncio_task *)arg, .reason = "by a task");
    return press_ctrl_c();
}

static int be_cancelled_twice(void *arg)
{
    struct asyncio_task *task =
        asyncio_create_task(cancel_main, asyncio_current_task());
    int err = asyncio_sleep(3600);
    *(int *)arg = err;
    // The second request, Ctrl-C's, ends a wait of the clean-up.
    asyncio_ignore(asyncio_sleep(3600));
    asyncio_task_release(task);
    return err;
}

TEST_PLAIN(main_that_was_cancelled_before_ctrl_c_is_cancelled)
{
    CONFORMS("RUN-06");
    int err = 0;
    EXPECT_EQ(asyncio_run(be_cancelled_twice, &err), -ECANCELED);
    EXPECT_EQ(err, -ECANCELED);
}

TEST_PLAIN(runner_goes_on_after_an_interrupted_run)
{
    bool yes = true;
    struct asyncio_runner runner = {0};
    EXPECT_EQ(asyncio_runner_run(&runner, sleep_long, &yes), -EINTR);
    EXPECT(has_handler(SIG_DFL));
    EXPECT_EQ(asyncio_runner_run(&runner, swallow, NULL), 7);
    EXPECT_EQ(asyncio_runner_run(&runner, sleep_long, &yes), -EINTR);
    EXPECT_EQ(asyncio_runner_close(&runner), 0);
    EXPECT_TRACE("interrupted by Ctrl-C", "no error", "interrupted by Ctrl-C");
}

// --- whose handler it is ----------------------------------------------------

static int check_handler(void *arg)
{
    void (**handler)(int) = arg;
    EXPECT_EQ(has_handler(*handler), true);
    raise(SIGINT);
    return asyncio_sleep(0);
}

TEST_PLAIN(disposition_of_the_programs_own_is_left_alone)
{
    CONFORMS("RUN-07");
    void (*handlers[])(int) = {on_sigint, SIG_IGN};
    for (int i = 0; i < 2; i++) {
        signal(SIGINT, handlers[i]);
        EXPECT_EQ(asyncio_run(check_handler, &handlers[i]), 0);
        EXPECT(has_handler(handlers[i]));
    }
    EXPECT_EQ(seen, SIGINT);
    signal(SIGINT, SIG_DFL);
}

static int see_default(void *arg)
{
    *(bool *)arg = has_handler(SIG_DFL);
    return 0;
}

TEST_PLAIN(disposition_of_ours_is_gone_when_the_run_is)
{
    bool was_default = true;
    EXPECT_EQ(asyncio_run(see_default, &was_default), 0);
    EXPECT(!was_default);
    EXPECT(has_handler(SIG_DFL));
}

static int install_one(void *arg)
{
    (void)arg;
    signal(SIGINT, on_sigint);
    return 0;
}

TEST_PLAIN(handler_that_main_installs_outlives_the_run)
{
    EXPECT_EQ(asyncio_run(install_one, NULL), 0);
    EXPECT(has_handler(on_sigint));
    signal(SIGINT, SIG_DFL);
}

static int on_loop(void *arg)
{
    return asyncio_future_set_result_unless_cancelled(arg, 3);
}

static int handle_it_on_the_loop(void *arg)
{
    (void)arg;
    struct asyncio_future got = {0};
    int err = asyncio_add_signal_handler(SIGINT, on_loop, &got);
    if (err < 0) return err;
    raise(SIGINT);
    return asyncio_await(&got);
}

TEST_PLAIN(callback_of_the_loop_takes_the_place_of_ours, .real_time = true)
{
    EXPECT_EQ(asyncio_run(handle_it_on_the_loop, NULL), 3);
    EXPECT(has_handler(SIG_DFL));
    struct asyncio_runner runner = {0};
    bool yes = true;
    EXPECT_EQ(asyncio_runner_run(&runner, handle_it_on_the_loop, NULL), 3);
    EXPECT_EQ(asyncio_runner_close(&runner), 0);
    EXPECT_OR_RETURN(has_handler(SIG_DFL));
    EXPECT_EQ(asyncio_run(sleep_long, &yes), -EINTR);
    EXPECT_TRACE("interrupted by Ctrl-C");
}

static void *run_here(void *arg)
{
    EXPECT_EQ(asyncio_run(see_default, arg), 0);
    return NULL;
}

TEST_PLAIN(other_threads_leave_it_alone)
{
    pthread_t thread;
    bool was_default = false;
    EXPECT_OR_RETURN(pthread_create(&thread, NULL, run_here, &was_default) ==
                     0);
    pthread_join(thread, NULL);
    EXPECT(was_default);
}

// --- the end of the process -------------------------------------------------

static int ignore_ctrl_c(void *arg)
{
    (void)arg;
    raise(SIGINT);
    asyncio_ignore(asyncio_sleep(3600));
    raise(SIGINT);
    _exit(3); // not reached
}

static int never_yield(void *arg)
{
    (void)arg;
    raise(SIGINT);
    raise(SIGINT);
    _exit(3);
}

static int end_with_ctrl_c_on_its_way(void *arg)
{
    (void)arg;
    raise(SIGINT);
    return 0;
}

static int fork_and_run(int (*fn)(void *arg), bool whole_program)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        bool yes = true;
        int result =
            whole_program ? asyncio_main(fn, &yes) : asyncio_run(fn, &yes);
        _exit(result < 0 ? 4 : result);
    }
    if (child > 0) waitpid(child, &status, 0);
    return status;
}

TEST_PLAIN(second_ctrl_c_ends_the_process)
{
    int status = fork_and_run(ignore_ctrl_c, false);
    EXPECT(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGINT);
    status = fork_and_run(never_yield, false);
    EXPECT(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGINT);
}

static int fork_and_interrupt(void *arg)
{
    int *status = arg;
    pid_t child = fork();
    if (child == 0) {
        raise(SIGINT);
        _exit(3); // not reached
    }
    if (child > 0) waitpid(child, status, 0);
    return asyncio_sleep(0.01);
}

TEST_PLAIN(ctrl_c_ends_a_process_that_main_has_forked)
{
    int status = -1;
    EXPECT_EQ(asyncio_run(fork_and_interrupt, &status), 0);
    EXPECT(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGINT);
}

TEST_PLAIN(ctrl_c_that_finds_main_done_ends_the_process)
{
    int status = fork_and_run(end_with_ctrl_c_on_its_way, false);
    EXPECT(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGINT);
}

TEST_PLAIN(program_that_ctrl_c_ended_exits_as_a_shell_shows_it)
{
    int status = fork_and_run(sleep_long, true);
    EXPECT(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 130);
    EXPECT_EQ(fork_and_run(swallow, true), 0);
}
