// Child processes: real ones, of programs that every system has.

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

// What only a bug makes wait for so long, in seconds; or, in a fault loop, a
// signal that was not sent.
#define WITHIN(call) asyncio_wait_for(call, (double)test_amount(8, 3))

static const char *const cat[] = {"cat", NULL};
static const char *const sleeper[] = {"sleep", "1000", NULL};

static bool has_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

// Without those of files in /proc: a thread of ours that has nothing to do
// looks at the load of the machine now and then.
static int count_descriptors(void)
{
    int count = 0;
    char target[16] = "";
    struct dirent *entry;
    DIR *folder = opendir("/proc/self/fd");
    EXPECT_OR_RETURN(folder, -1);
    while ((entry = readdir(folder))) {
        ssize_t len = readlinkat(dirfd(folder), entry->d_name, target, 6);
        if (len > 0 && strncmp(target, "/proc/", 6) != 0) count++;
    }
    closedir(folder);
    return count;
}

// How `process` ended, and nothing else of it is left.
static int end_of(struct asyncio_subprocess *process)
{
    int code = 1000;
    EXPECT_EQ(WITHIN(asyncio_subprocess_wait(process, &code)), 0);
    asyncio_subprocess_free(process);
    return code;
}

// --- talking ----------------------------------------------------------------

TEST(what_a_child_copies_comes_back, .real_time = true)
{
    CONFORMS("SUBP-01");
    struct asyncio_subprocess *process;
    char back[32] = "";
    int code = -1;
    EXPECT_OR_RETURN(
        asyncio_create_subprocess_exec(&process, cat, .stdin = ASYNCIO_PIPE,
                                       .stdout = ASYNCIO_PIPE) == 0);
    struct asyncio_stream *in = asyncio_subprocess_stdin(process);
    struct asyncio_stream *out = asyncio_subprocess_stdout(process);
    EXPECT(!asyncio_subprocess_stderr(process));
    EXPECT_EQ(asyncio_subprocess_returncode(process, &code), -EAGAIN);
    EXPECT_EQ(WITHIN(asyncio_stream_write(in, "some data", 9)), 0);
    asyncio_stream_close(in);
    EXPECT_EQ(WITHIN(asyncio_stream_readexactly(out, back, 9)), 9);
    EXPECT_EQ(WITHIN(asyncio_stream_read(out, back + 9, 8)), 0);
    EXPECT_STR(back, "some data");
    EXPECT_EQ(WITHIN(asyncio_subprocess_wait(process, &code)), 0);
    EXPECT_EQ(code, 0);
    code = -1;
    EXPECT_EQ(asyncio_subprocess_returncode(process, &code), 0);
    EXPECT_EQ(code, 0);
    asyncio_subprocess_free(process);
}

static void communicate_with(const char *text)
{
    struct asyncio_subprocess *process;
    struct asyncio_subprocess_result result;
    EXPECT_OR_RETURN(asyncio_create_subprocess_shell(
                         &process, "cat; echo oh >&2; exit 3",
                         .stdin = ASYNCIO_PIPE, .stdout = ASYNCIO_PIPE,
                         .stderr = ASYNCIO_PIPE) == 0);
    struct asyncio_stream *in = asyncio_subprocess_stdin(process);
    int err = WITHIN(asyncio_subprocess_communicate(
        process, &result, .input = text, .input_len = text ? strlen(text) : 0));
    if (EXPECT_EQ(err, 0)) {
        EXPECT(asyncio_stream_is_closing(in));
        EXPECT_STR(result.output, text ? text : "");
        EXPECT_EQ(result.output_len, text ? strlen(text) : 0);
        EXPECT_STR(result.errors, "oh\n");
        EXPECT_EQ(result.returncode, 3);
    }
    asyncio_subprocess_result_free(&result);
    asyncio_subprocess_free(process);
}

TEST(communicate_closes_the_input_with_or_without_data, .real_time = true)
{
    CONFORMS("SUBP-02");
    communicate_with(NULL);
    communicate_with("data");
}

TEST(status_of_a_shell_is_that_of_its_command, .real_time = true)
{
    CONFORMS("SUBP-03");
    struct asyncio_subprocess *process;
    EXPECT_OR_RETURN(asyncio_create_subprocess_shell(&process, "exit 7") == 0);
    EXPECT_EQ(end_of(process), 7);
}

TEST(more_than_all_pipes_hold_is_communicated, .real_time = true)
{
    struct asyncio_subprocess_result result;
    size_t len = test_amount((size_t)1 << 20, (size_t)1 << 18);
    char *data = malloc(len);
    EXPECT_OR_RETURN(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 31 >> 3);
    int err = WITHIN(asyncio_subprocess_run(
        &result, ASYNCIO_ARGV("tee", "/dev/stderr"), .input = data,
        .input_len = len, .stdout = ASYNCIO_PIPE, .stderr = ASYNCIO_PIPE));
    if (EXPECT_EQ(err, 0) && EXPECT_EQ(result.output_len, len) &&
        EXPECT_EQ(result.errors_len, len)) {
        EXPECT_EQ(memcmp(result.output, data, len), 0);
        EXPECT_EQ(memcmp(result.errors, data, len), 0);
    }
    asyncio_subprocess_result_free(&result);
    free(data);
}

TEST(child_that_wants_none_of_its_input_is_no_error, .real_time = true)
{
    static const char data[1 << 18];
    struct asyncio_subprocess_result result;
    int err =
        WITHIN(asyncio_subprocess_run(&result, ASYNCIO_ARGV("true"),
                                      .input = data, .input_len = sizeof data));
    if (EXPECT_EQ(err, 0)) EXPECT_EQ(result.returncode, 0);
    asyncio_subprocess_result_free(&result);
}

TEST(output_has_a_bound, .real_time = true)
{
    struct asyncio_subprocess_result result;
    int err = WITHIN(asyncio_subprocess_run(&result, ASYNCIO_ARGV("yes"),
                                            .stdout = ASYNCIO_PIPE,
                                            .max_size = 5000));
    EXPECT_EQ(err, -EFBIG);
    EXPECT(!result.output);
    EXPECT(!has_children());
    err = WITHIN(asyncio_subprocess_run(&result, ASYNCIO_ARGV("echo", "1234"),
                                        .stdout = ASYNCIO_PIPE, .max_size = 5));
    if (EXPECT_EQ(err, 0)) EXPECT_STR(result.output, "1234\n");
    asyncio_subprocess_result_free(&result);
}

TEST(writing_to_a_child_that_has_ended_fails, .real_time = true)
{
    CONFORMS("SUBP-07");
    static const char data[1 << 16];
    struct asyncio_subprocess *process;
    EXPECT_OR_RETURN(
        asyncio_create_subprocess_exec(&process, ASYNCIO_ARGV("true"),
                                       .stdin = ASYNCIO_PIPE) == 0);
    struct asyncio_stream *in = asyncio_subprocess_stdin(process);
    int err = 0;
    for (int i = 0; i < 8 && err == 0; i++)
        err = asyncio_stream_write_nowait(in, data, sizeof data);
    if (err == 0 || err == -EAGAIN) err = WITHIN(asyncio_stream_drain(in));
    EXPECT(err == -EPIPE || err == -ECONNRESET);
    EXPECT_EQ(end_of(process), 0);
}

TEST(errors_go_where_the_output_goes, .real_time = true)
{
    CONFORMS("SUBP-08");
    struct asyncio_subprocess *process;
    struct asyncio_subprocess_result result;
    EXPECT_OR_RETURN(
        asyncio_create_subprocess_shell(&process, "echo out; echo err >&2",
                                        .stdout = ASYNCIO_PIPE,
                                        .stderr = ASYNCIO_STDOUT) == 0);
    EXPECT(!asyncio_subprocess_stderr(process));
    int err = WITHIN(asyncio_subprocess_communicate(process, &result));
    if (EXPECT_EQ(err, 0)) {
        EXPECT_STR(result.output, "out\nerr\n");
        EXPECT(!result.errors);
    }
    asyncio_subprocess_result_free(&result);
    asyncio_subprocess_free(process);
}

TEST(output_is_all_there_after_the_exit, .real_time = true)
{
    CONFORMS("SUBP-11");
    enum { SIZE = 1 << 18 };
    struct asyncio_subprocess *process;
    char piece[4096];
    int got, all = 0;
    EXPECT_OR_RETURN(
        asyncio_create_subprocess_shell(&process, "head -c 262144 /dev/zero",
                                        .stdout = ASYNCIO_PIPE) == 0);
    struct asyncio_stream *out = asyncio_subprocess_stdout(process);
    // As much as lets it go: the rest fits into the pipe.
    while (all < SIZE - (1 << 16)) {
        got = WITHIN(asyncio_stream_read(out, piece, sizeof piece));
        if (!EXPECT_GT(got, 0)) {
            asyncio_stream_abort(out); // or it waits for a reader
            break;
        }
        all += got;
    }
    int code = -1;
    EXPECT_EQ(WITHIN(asyncio_subprocess_wait(process, &code)), 0);
    EXPECT_EQ(code, 0);
    while ((got = WITHIN(asyncio_stream_read(out, piece, 1000))) > 0) {
        all += got;
        EXPECT_EQ(asyncio_sleep(0), 0);
    }
    EXPECT_EQ(got, 0);
    EXPECT_EQ(all, SIZE);
    asyncio_subprocess_free(process);
}

// --- the end ----------------------------------------------------------------

TEST(signal_that_ended_a_child_is_its_status, .real_time = true)
{
    CONFORMS("SUBP-04");
    struct asyncio_subprocess *process;
    EXPECT_OR_RETURN(asyncio_create_subprocess_exec(&process, sleeper) == 0);
    EXPECT_EQ(asyncio_subprocess_kill(process), 0);
    EXPECT_EQ(end_of(process), -SIGKILL);
    EXPECT_OR_RETURN(asyncio_create_subprocess_exec(&process, sleeper) == 0);
    EXPECT_EQ(asyncio_subprocess_terminate(process), 0);
    EXPECT_EQ(end_of(process), -SIGTERM);
    EXPECT_OR_RETURN(asyncio_create_subprocess_exec(&process, sleeper) == 0);
    EXPECT_EQ(asyncio_subprocess_send_signal(process, SIGUSR1), 0);
    EXPECT_EQ(asyncio_subprocess_send_signal(process, 65), -EINVAL);
    EXPECT_EQ(asyncio_subprocess_send_signal(process, -1), -EINVAL);
    EXPECT_EQ(end_of(process), -SIGUSR1);
}

TEST(reaped_child_gets_no_signal, .real_time = true)
{
    CONFORMS("SUBP-05");
    struct asyncio_subprocess *process;
    EXPECT_OR_RETURN(asyncio_create_subprocess_exec(
                         &process, ASYNCIO_ARGV("true"),
                         .process_group = ASYNCIO_NEW_GROUP) == 0);
    EXPECT_GT(asyncio_subprocess_pid(process), 0);
    EXPECT_EQ(WITHIN(asyncio_subprocess_wait(process, NULL)), 0);
    EXPECT_EQ(asyncio_subprocess_send_signal(process, SIGTERM), -ESRCH);
    EXPECT_EQ(asyncio_subprocess_terminate(process), -ESRCH);
    EXPECT_EQ(asyncio_subprocess_kill(process), -ESRCH);
    EXPECT_EQ(asyncio_subprocess_signal_group(process, SIGTERM), -ESRCH);
    asyncio_subprocess_free(process);
}

TEST(signal_that_comes_as_a_child_ends_hides_no_status, .real_time = true)
{
    CONFORMS("SUBP-06");
    for (int i = 0; i < 12; i++) {
        struct asyncio_subprocess *process;
        EXPECT_OR_RETURN(asyncio_create_subprocess_shell(&process, "exit 5") ==
                         0);
        // Before, about when, and after it ends, but before it is reaped.
        for (int turn = 0; turn < i % 4; turn++)
            EXPECT_EQ(asyncio_sleep(0), 0);
        siginfo_t info;
        if (i % 4 == 3)
            waitid(P_PID, (id_t)asyncio_subprocess_pid(process), &info,
                   WEXITED | WNOWAIT);
        int err = asyncio_subprocess_send_signal(process, SIGTERM);
        EXPECT(err == 0 || err == -ESRCH);
        int code = end_of(process);
        EXPECT(code == 5 || (code == -SIGTERM && i % 4 != 3));
    }
}

TEST(child_is_waited_for_and_not_its_pipe, .real_time = true)
{
    CONFORMS("SUBP-12");
    struct asyncio_subprocess *process;
    char line[32] = "";
    EXPECT_OR_RETURN(asyncio_create_subprocess_shell(
                         &process, "sleep 1000 & echo ready; exit 3",
                         .stdout = ASYNCIO_PIPE,
                         .process_group = ASYNCIO_NEW_GROUP) == 0);
    struct asyncio_stream *out = asyncio_subprocess_stdout(process);
    EXPECT_GT(WITHIN(asyncio_stream_readline(out, line, sizeof line)), 0);
    int code = -1;
    EXPECT_EQ(WITHIN(asyncio_subprocess_wait(process, &code)), 0);
    EXPECT_EQ(code, 3);
    EXPECT(!asyncio_stream_at_eof(out));
    kill(-asyncio_subprocess_pid(process), SIGKILL); // it is still in there
    asyncio_subprocess_free(process);
}

TEST(each_of_two_that_end_at_once_has_its_own_status, .real_time = true)
{
    CONFORMS("SUBP-13");
    struct asyncio_subprocess *one, *other;
    EXPECT_OR_RETURN(asyncio_create_subprocess_shell(
                         &one, "read x; exit 11", .stdin = ASYNCIO_PIPE) == 0);
    int err = asyncio_create_subprocess_shell(&other, "read x; exit 12",
                                              .stdin = ASYNCIO_PIPE);
    asyncio_stream_close(asyncio_subprocess_stdin(one));
    if (EXPECT_EQ(err, 0)) {
        siginfo_t info;
        asyncio_stream_close(asyncio_subprocess_stdin(other));
        // Both have ended before the loop looks at either.
        waitid(P_PID, (id_t)asyncio_subprocess_pid(one), &info,
               WEXITED | WNOWAIT);
        waitid(P_PID, (id_t)asyncio_subprocess_pid(other), &info,
               WEXITED | WNOWAIT);
        EXPECT_EQ(end_of(other), 12);
    }
    EXPECT_EQ(end_of(one), 11);
}

static int await_child(void *process)
{
    int code = -1;
    int err = asyncio_subprocess_wait(process, &code);
    return err < 0 ? err : code;
}

TEST(any_number_of_tasks_wait_and_each_can_leave, .real_time = true)
{
    struct asyncio_subprocess *process;
    EXPECT_OR_RETURN(asyncio_create_subprocess_shell(&process, "read x; exit 4",
                                                     .stdin = ASYNCIO_PIPE) ==
                     0);
    struct asyncio_task *a = asyncio_create_task(await_child, process);
    struct asyncio_task *b = asyncio_create_task(await_child, process);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_task_cancel(a);
    EXPECT_EQ(WITHIN(asyncio_await(a)), -ECANCELED);
    asyncio_stream_close(asyncio_subprocess_stdin(process));
    EXPECT_EQ(WITHIN(asyncio_await(b)), 4);
    asyncio_task_release(a);
    asyncio_task_release(b);
    EXPECT_EQ(end_of(process), 4);
}

TEST(freeing_kills_while_somebody_waits, .real_time = true)
{
    struct asyncio_subprocess *process;
    EXPECT_OR_RETURN(asyncio_create_subprocess_exec(
                         &process, sleeper, .stdout = ASYNCIO_PIPE) == 0);
    struct asyncio_task *a = asyncio_create_task(await_child, process);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_subprocess_free(process);
    EXPECT_EQ(WITHIN(asyncio_await(a)), -SIGKILL);
    asyncio_task_release(a);
    asyncio_subprocess_free(NULL);
}

TEST(freed_child_leaves_no_zombie, .real_time = true)
{
    struct asyncio_subprocess *process;
    EXPECT_OR_RETURN(asyncio_create_subprocess_exec(&process, sleeper) == 0);
    asyncio_subprocess_free(process);
    for (int i = 0; i < 800 && has_children(); i++)
        EXPECT_OR_RETURN(asyncio_sleep(0.01) == 0);
    EXPECT(!has_children());
}

TEST(detached_child_goes_on_and_is_reaped, .real_time = true)
{
    struct asyncio_subprocess *process;
    int fds[2];
    char text[8] = "";
    EXPECT_OR_RETURN(pipe2(fds, O_CLOEXEC) == 0);
    int err = asyncio_create_subprocess_exec(
        &process, cat, .stdin = ASYNCIO_PIPE, .stdout = fds[1]);
    close(fds[1]);
    if (EXPECT_EQ(err, 0)) {
        struct asyncio_stream *in = asyncio_subprocess_stdin(process);
        pid_t pid = asyncio_subprocess_pid(process);
        EXPECT_EQ(asyncio_stream_write_nowait(in, "late", 4), 0);
        asyncio_subprocess_detach(process);
        for (int i = 0; i < 800 && has_children(); i++)
            if (asyncio_sleep(0.01) < 0) break;
        if (!EXPECT(!has_children())) { // its loop will not do it
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        EXPECT_EQ(read(fds[0], text, sizeof text - 1), 4);
        EXPECT_STR(text, "late");
    }
    close(fds[0]);
}

static int stop_at_once(void *arg)
{
    (void)arg;
    asyncio_loop_stop(asyncio_get_running_loop());
    return 0;
}

static int detach_at_once(void *arg)
{
    struct asyncio_subprocess *process;
    siginfo_t info;
    (void)arg;
    int err = asyncio_create_subprocess_exec(&process, ASYNCIO_ARGV("true"));
    if (EXPECT_EQ(err, 0)) {
        waitid(P_PID, (id_t)asyncio_subprocess_pid(process), &info,
               WEXITED | WNOWAIT);
        asyncio_subprocess_detach(process);
    }
    asyncio_loop_stop(asyncio_get_running_loop());
    return 0;
}

TEST_PLAIN(detached_child_that_has_ended_is_reaped_by_a_loop_that_closes,
           .real_time = true, .stuck = true)
{
    struct asyncio_loop *loop = NULL;
    if (!EXPECT_EQ(asyncio_new_event_loop(&loop), 0)) return;
    struct asyncio_task *task = asyncio_create_task(detach_at_once, NULL);
    // It may get no stack.
    if (EXPECT_EQ(asyncio_call_later(1, stop_at_once, NULL), 0))
        EXPECT_EQ(asyncio_loop_run_forever(loop), 0);
    asyncio_loop_free(loop);
    EXPECT(!has_children());
    asyncio_task_release(task);
}

TEST(status_that_somebody_else_took_is_not_made_up, .real_time = true)
{
    struct asyncio_subprocess *process;
    int code = 77;
    EXPECT_OR_RETURN(
        asyncio_create_subprocess_exec(&process, ASYNCIO_ARGV("true")) == 0);
    waitpid(asyncio_subprocess_pid(process), NULL, 0);
    EXPECT_EQ(WITHIN(asyncio_subprocess_wait(process, &code)), -ECHILD);
    EXPECT_EQ(asyncio_subprocess_returncode(process, &code), -ECHILD);
    EXPECT_EQ(code, 77);
    asyncio_subprocess_free(process);
}

static int leave_running(void *arg)
{
    return asyncio_create_subprocess_exec((struct asyncio_subprocess **)arg,
                                          sleeper, .stdin = ASYNCIO_PIPE);
}

TEST_PLAIN(loop_that_closes_ends_its_children, .real_time = true)
{
    struct asyncio_subprocess *process = NULL;
    int code = 0;
    int err = asyncio_run(leave_running, &process);
    EXPECT_EQ(err, 0);
    EXPECT(!has_children());
    if (process) { // also if the loop failed
        EXPECT_EQ(asyncio_subprocess_returncode(process, &code), 0);
        EXPECT_EQ(code, -SIGKILL);
        EXPECT_EQ(asyncio_subprocess_kill(process), -ESRCH);
    }
    asyncio_subprocess_free(process);
}

TEST_PLAIN(loop_closed_in_the_middle_of_a_start_leaves_nothing,
           .real_time = true, .stuck = true)
{
    struct asyncio_subprocess *process = NULL;
    struct asyncio_loop *loop = NULL;
    if (!EXPECT_EQ(asyncio_new_event_loop(&loop), 0)) return;
    struct asyncio_task *task = asyncio_create_task(leave_running, &process);
    if (EXPECT_EQ(asyncio_call_soon(stop_at_once, NULL), 0))
        EXPECT_EQ(asyncio_loop_run_forever(loop), 0);
    bool begun = process;
    asyncio_loop_free(loop);
    EXPECT(!has_children());
    if (!begun) expect_report(-ECANCELED);
    asyncio_subprocess_free(process);
    asyncio_task_release(task);
}

// --- starting ---------------------------------------------------------------

static int start_cat(void *arg)
{
    return asyncio_create_subprocess_exec(
        (struct asyncio_subprocess **)arg, cat, .stdin = ASYNCIO_PIPE,
        .stdout = ASYNCIO_PIPE, .stderr = ASYNCIO_PIPE);
}

TEST(start_that_is_cancelled_leaves_nothing, .real_time = true)
{
    CONFORMS("SUBP-09");
    int before = count_descriptors();
    for (int i = 0; i < 6; i++) {
        struct asyncio_subprocess *process = NULL;
        struct asyncio_task *task = asyncio_create_task(start_cat, &process);
        EXPECT_EQ(asyncio_sleep(0), 0); // it waits now
        // While it is made, and after that, but before the loop has seen it.
        if (i % 2) usleep(3000);
        asyncio_task_cancel(task);
        if (i % 3 == 2) asyncio_task_cancel(task);
        int err = WITHIN(asyncio_await(task));
        EXPECT_EQ(err, -ECANCELED);
        asyncio_task_release(task);
        EXPECT(!process);
        EXPECT(!has_children());
    }
    // The epoll instances and threads that the first of them has made are the
    // loop's.
    EXPECT_LE(count_descriptors(), before + 2);
}

TEST(task_that_was_cancelled_before_starts_nothing, .real_time = true)
{
    struct asyncio_subprocess *process = NULL;
    struct asyncio_task *task = asyncio_create_task(start_cat, &process);
    asyncio_task_cancel(task);
    EXPECT_EQ(WITHIN(asyncio_await(task)), -ECANCELED);
    asyncio_task_release(task);
    EXPECT(!process);
}

static int try_to_start(const char *const *argv)
{
    struct asyncio_subprocess *process;
    int err = asyncio_create_subprocess_exec(
        &process, argv, .stdin = ASYNCIO_PIPE, .stdout = ASYNCIO_PIPE,
        .stderr = ASYNCIO_PIPE);
    if (err == 0) asyncio_subprocess_free(process);
    return err;
}

TEST(program_that_is_not_there_leaves_no_descriptors, .real_time = true)
{
    CONFORMS("SUBP-10");
    asyncio_ignore(try_to_start(ASYNCIO_ARGV("/no/such/program")));
    int before = count_descriptors();
    EXPECT_EQ(try_to_start(ASYNCIO_ARGV("/no/such/program")), -ENOENT);
    EXPECT_CONTAINS(asyncio_strerror(-ENOENT), "/no/such/program");
    // Whoever may not search a folder of PATH does not know what is there.
    EXPECT_EQ(setenv("PATH", "/usr/bin:/bin", 1), 0);
    EXPECT_EQ(try_to_start(ASYNCIO_ARGV("no-such-program")), -ENOENT);
    EXPECT_EQ(try_to_start(ASYNCIO_ARGV("/etc/passwd")), -EACCES);
    EXPECT_EQ(try_to_start(ASYNCIO_ARGV("")), -ENOENT);
    EXPECT_EQ(count_descriptors(), before);
    EXPECT(!has_children());
}

TEST(arguments_that_cannot_be_are_refused, .real_time = true)
{
    struct asyncio_subprocess *process;
    const char *const nothing[] = {NULL};
    EXPECT_EQ(asyncio_create_subprocess_exec(&process, nothing), -EINVAL);
    EXPECT_EQ((asyncio_create_subprocess_exec)(&process, NULL, NULL), -EINVAL);
    EXPECT_EQ(asyncio_create_subprocess_shell(&process, NULL), -EINVAL);
    EXPECT_EQ(asyncio_create_subprocess_exec(&process, cat, .stdin = -9),
              -EINVAL);
    EXPECT_EQ(
        asyncio_create_subprocess_exec(&process, cat, .stdout = ASYNCIO_STDOUT),
        -EINVAL);
    EXPECT_EQ(
        asyncio_create_subprocess_exec(&process, cat, .process_group = -9),
        -EINVAL);
    EXPECT_EQ(asyncio_create_subprocess_exec(&process, cat, .limit = -1,
                                             .stdin = ASYNCIO_PIPE),
              -EINVAL);
    EXPECT_EQ(asyncio_create_subprocess_exec(&process, cat, .cwd = "/no/such"),
              -ENOENT);
    EXPECT_CONTAINS(asyncio_strerror(-ENOENT), "/no/such");
    EXPECT_EQ(asyncio_create_subprocess_exec(&process, cat,
                                             .pass_fds = (int[]){999, -1}),
              -EBADF);
}

TEST_PLAIN(children_need_a_task)
{
    struct asyncio_subprocess *process;
    EXPECT_EQ(asyncio_create_subprocess_exec(&process, cat), -EPERM);
}

// --- what a child gets ------------------------------------------------------

TEST(child_gets_its_folder_and_environment, .real_time = true)
{
    static const char *const env[] = {"WORD=hello", "PATH=/bin:/usr/bin", NULL};
    struct asyncio_subprocess_result result;
    int err = WITHIN(asyncio_subprocess_run(
        &result, ASYNCIO_ARGV("sh", "-c", "echo $WORD $HOME; pwd"),
        .stdout = ASYNCIO_PIPE, .cwd = "/usr", .env = env));
    if (EXPECT_EQ(err, 0)) EXPECT_STR(result.output, "hello\n/usr\n");
    asyncio_subprocess_result_free(&result);
}

TEST(program_is_looked_for_in_the_path_that_it_gets, .real_time = true)
{
    static const char *const env[] = {"PATH=/no/such:/etc/passwd", NULL};
    struct asyncio_subprocess *process;
    int err = asyncio_create_subprocess_exec(&process, cat, .env = env);
    EXPECT_EQ(err, -ENOENT);
    if (err == 0) asyncio_subprocess_free(process);
}

static int look_for(int fd, const int *pass_fds)
{
    struct asyncio_subprocess *process;
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    EXPECT_OR_RETURN(asyncio_create_subprocess_exec(
                         &process, ASYNCIO_ARGV("test", "-e", path),
                         .pass_fds = pass_fds) == 0,
                     -1);
    return end_of(process);
}

TEST(child_has_no_descriptor_by_accident, .real_time = true)
{
    int fd = open("/dev/null", O_RDONLY); // NOLINT: as a careless library does
    EXPECT_OR_RETURN(fd > 2);
    EXPECT_EQ(look_for(fd, NULL), 1);
    EXPECT_EQ(look_for(fd, (int[]){fd, -1}), 0);
    EXPECT_EQ(look_for(2, NULL), 0);
    close(fd);
}

TEST(standard_descriptors_may_be_exchanged, .real_time = true)
{
    struct asyncio_subprocess_result result;
    int err = WITHIN(asyncio_subprocess_run(
        &result,
        ASYNCIO_ARGV("sh", "-c",
                     "test /proc/self/fd/1 -ef /proc/$PPID/fd/2 && "
                     "test /proc/self/fd/2 -ef /proc/$PPID/fd/1"),
        .stdin = ASYNCIO_DEVNULL, .stdout = 2, .stderr = 1));
    if (EXPECT_EQ(err, 0)) EXPECT_EQ(result.returncode, 0);
    asyncio_subprocess_result_free(&result);
}

static int run_command(const char *command, int process_group)
{
    struct asyncio_subprocess_result result;
    int err = WITHIN(asyncio_subprocess_run_shell(
        &result, command, .stdin = ASYNCIO_DEVNULL, .stdout = ASYNCIO_DEVNULL,
        .process_group = process_group));
    EXPECT_OR_RETURN(err == 0, 1000);
    return result.returncode;
}

TEST(nothing_is_read_from_where_there_is_nothing, .real_time = true)
{
    EXPECT_EQ(run_command("read x || exit 9", 0), 9);
}

TEST(interrupted_open_of_nothing_is_made_again, .real_time = true,
     .faulty = true)
{
    fail_next(ASYNCIO__SYS_OPEN, -EINTR);
    EXPECT_EQ(run_command("read x || exit 9", 0), 9);
    EXPECT_EQ(faults__call, -1);
}

TEST(signals_are_as_a_program_expects_them, .real_time = true)
{
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    EXPECT_EQ(run_command("kill -TERM $$; exit 1", 0), -SIGTERM);
    EXPECT_EQ(run_command("kill -PIPE $$; exit 1", 0), -SIGPIPE);
    EXPECT_EQ(run_command("kill -HUP $$; exit 1", 0), 1);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

TEST(child_has_the_group_that_it_was_given, .real_time = true)
{
    // The fifth and sixth words are group and session.
    static const char look[] =
        "set -- $(cat /proc/$$/stat); [ $5 = $$ ] || exit 1;"
        "[ $6 = $$ ] || exit 2; exit 3";
    EXPECT_EQ(run_command(look, 0), 1);
    EXPECT_EQ(run_command(look, ASYNCIO_NEW_GROUP), 2);
    EXPECT_EQ(run_command(look, ASYNCIO_NEW_SESSION), 3);
}

TEST(signal_reaches_the_whole_group, .real_time = true)
{
    struct asyncio_subprocess *process;
    char text[16] = "";
    EXPECT_OR_RETURN(asyncio_create_subprocess_shell(
                         &process, "sleep 1000 & echo ready; wait",
                         .stdout = ASYNCIO_PIPE,
                         .process_group = ASYNCIO_NEW_GROUP) == 0);
    struct asyncio_stream *out = asyncio_subprocess_stdout(process);
    EXPECT_GT(WITHIN(asyncio_stream_readline(out, text, sizeof text)), 0);
    EXPECT_EQ(asyncio_subprocess_signal_group(process, SIGTERM), 0);
    EXPECT_EQ(WITHIN(asyncio_stream_read(out, text, sizeof text)), 0);
    EXPECT_EQ(end_of(process), -SIGTERM);
}

TEST(without_a_group_of_its_own_there_is_none_to_signal, .real_time = true)
{
    struct asyncio_subprocess *process;
    EXPECT_OR_RETURN(asyncio_create_subprocess_exec(&process, sleeper) == 0);
    EXPECT_EQ(asyncio_subprocess_signal_group(process, SIGTERM), -EINVAL);
    asyncio_subprocess_free(process);
}

// --- running to completion --------------------------------------------------

struct run {
    const char *command;
    double grace;
    int fd;
    int err;
};

static int run_in_scope(void *arg)
{
    struct run *run = arg;
    struct asyncio_subprocess_result result;
    run->err = asyncio_subprocess_run_shell(
        &result, run->command, .stdout = run->fd, .grace = run->grace,
        .process_group = ASYNCIO_NEW_GROUP);
    asyncio_subprocess_result_free(&result);
    return run->err;
}

// The child may have spoken before the loop hears that it has begun.
static void let_it_begin(const struct asyncio_task *task)
{
    char line[256];
    while (strstr(asyncio_task_describe(task, line, sizeof line), "to begin"))
        if (asyncio_sleep(0.001) < 0) return;
}

static bool nobody_is_asked; // to end: the signal cannot be sent

// Cancels it when the child has said that it is ready, and returns how it ended
// and that it had ended by then.
static int run_and_cancel(const char *command, double grace)
{
    int fds[2];
    char line[32] = "";
    struct asyncio_stream *out;
    EXPECT_OR_RETURN(pipe2(fds, O_CLOEXEC) == 0, 0);
    int err = asyncio_stream_open(&out, fds[0]);
    if (err < 0) {
        close(fds[0]);
        close(fds[1]);
        return err;
    }
    struct run run = {.command = command, .grace = grace, .fd = fds[1]};
    struct asyncio_task *task = asyncio_create_task(run_in_scope, &run);
    int got = WITHIN(asyncio_stream_readline(out, line, sizeof line));
    EXPECT_GT(got, 0);
    let_it_begin(task);
    if (nobody_is_asked) fail_next(ASYNCIO__SYS_OTHER, -EPERM);
    asyncio_task_cancel(task);
    err = WITHIN(asyncio_await(task));
    EXPECT(!has_children());
    asyncio_task_release(task);
    close(fds[1]);
    EXPECT_EQ(WITHIN(asyncio_stream_read(out, line, sizeof line)), 0);
    asyncio_stream_close(out);
    asyncio_stream_free(out);
    return err;
}

TEST(cancelled_run_asks_first_and_then_kills, .real_time = true)
{
    CONFORMS("SUBP-14");
    EXPECT_EQ(run_and_cancel("echo ready; exec sleep 1000", 60), -ECANCELED);
    EXPECT_EQ(run_and_cancel("trap '' TERM; echo ready; exec sleep 1000", 0.05),
              -ECANCELED);
    EXPECT_EQ(run_and_cancel("trap '' TERM; echo ready; exec sleep 1000", -1),
              -ECANCELED);
}

TEST(child_that_cannot_be_asked_to_end_is_killed_at_once, .real_time = true,
     .faulty = true)
{
    nobody_is_asked = true;
    EXPECT_EQ(run_and_cancel("echo ready; exec sleep 1000", 60), -ECANCELED);
    EXPECT_EQ(faults__call, -1);
}

TEST(run_in_a_scope_that_is_left_early_has_ended, .real_time = true)
{
    CONFORMS("SUBP-14");
    struct asyncio_subprocess_result result;
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    EXPECT_EQ(asyncio_cancel_scope_set_deadline(&scope, asyncio_time() + 0.05),
              0);
    int err = asyncio_subprocess_run_shell(
        &result, "trap '' TERM; while :; do :; done", .grace = 0.05);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT(!has_children());
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
}

TEST(a_grace_that_is_no_number_is_refused)
{
    struct asyncio_subprocess_result result;
    double none = (double)NAN;
    EXPECT_EQ(asyncio_subprocess_run(&result, cat, .grace = none), -EINVAL);
    EXPECT_EQ(asyncio_subprocess_run_shell(&result, "true", .grace = none),
              -EINVAL);
    EXPECT(!has_children());
}

// --- many -------------------------------------------------------------------

static char *many_data;
static size_t many_len; // more than pipes hold

static int feed_one(void *arg)
{
    struct asyncio_subprocess_result result;
    (void)arg;
    int err =
        asyncio_subprocess_run(&result, cat, .input = many_data,
                               .input_len = many_len, .stdout = ASYNCIO_PIPE);
    if (err < 0) return err;
    bool same = result.returncode == 0 && result.output_len == many_len &&
                memcmp(result.output, many_data, many_len) == 0;
    asyncio_subprocess_result_free(&result);
    return same ? 0 : -EPROTO;
}

// A thousand with FULL=1, at the same time.
TEST(many_children_are_fed_a_megabyte_each, .real_time = true, .limit = 300)
{
    int count = getenv("FULL") ? 1000 : (int)test_amount(30, 2);
    many_len = test_amount((size_t)1 << 20, 200000);
    many_data = malloc(many_len);
    EXPECT_OR_RETURN(many_data);
    for (size_t i = 0; i < many_len; i++)
        many_data[i] = (char)(i * 7 >> 2);
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < count; i++)
        asyncio_task_group_create_task(&group, feed_one, NULL);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT(!has_children());
    free(many_data);
}
