// Traces: what is in them, and what becomes of the program where they cannot be
// written. That their form is right, tests/trace/ sees to.

#include "runner/runner.h"

#include <asyncio/trace.h>

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asyncio/executor.h>
#include <asyncio/gather.h>
#include <asyncio/runner.h>
#include <asyncio/semaphore.h>
#include <asyncio/threadsafe.h>
#include <asyncio/workers.h>

// Tests run in a process each.
static char path[256];
static char text[1 << 20]; // of the trace, once it was read

static const char *trace_path(void)
{
    snprintf(path, sizeof path, "%s/trace.json", test_folder());
    return path;
}

// From the next pass on, and that pass.
static bool begin_trace(void)
{
    if (!EXPECT_EQ(asyncio_trace_start(trace_path()), 0)) {
        unlink(path); // it may have come to be
        return false;
    }
    asyncio_ignore(asyncio_sleep(0));
    return true;
}

// What is in the file, which goes.
static const char *take_file(void)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0) close(fd);
    unlink(path);
    return text;
}

static const char *end_trace(void)
{
    EXPECT_EQ(asyncio_trace_stop(), 0);
    return take_file();
}

// An event has a line. How many lines have all of these parts in them, the last
// of which is NULL; and the first of them.
static size_t count_lines(char *first, size_t size, va_list parts)
{
    size_t count = 0;
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        char copy[4096];
        snprintf(copy, sizeof copy, "%.*s", (int)len, line);
        va_list each;
        va_copy(each, parts);
        const char *part;
        while ((part = va_arg(each, const char *)) && strstr(copy, part))
            continue;
        va_end(each);
        if (!part && count++ == 0 && first) snprintf(first, size, "%s", copy);
        line += len + (line[len] != '\0');
    }
    return count;
}

__attribute__((sentinel)) static size_t lines(const char *unused, ...)
{
    va_list parts;
    (void)unused;
    va_start(parts, unused);
    size_t count = count_lines(NULL, 0, parts);
    va_end(parts);
    return count;
}
#define LINES(...) lines("", __VA_ARGS__, (char *)NULL)

// A number in the first such line, or -1.
__attribute__((sentinel)) static double number(const char *key, ...)
{
    char line[4096] = "", quoted[32];
    va_list parts;
    va_start(parts, key);
    count_lines(line, sizeof line, parts);
    va_end(parts);
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(line, quoted);
    return at ? strtod(at + strlen(quoted), NULL) : -1;
}
#define NUMBER(key, ...) number(key, __VA_ARGS__, (char *)NULL)

static int nap(void *arg)
{
    (void)arg;
    return asyncio_sleep(10);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int fail(void *arg)
{
    (void)arg;
    return -EPROTO;
}

// --- tasks ------------------------------------------------------------------

static int boil_eggs(void)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, nap, NULL, .name = "eggs");
    return asyncio_task_group_exit(&group, 0);
}

TEST(a_task_has_a_row_with_its_waits_and_its_steps_are_slices)
{
    if (!begin_trace()) return;
    EXPECT_EQ(boil_eggs(), 0);
    end_trace();
    EXPECT_EQ(LINES("\"b\"", "\"eggs\"", "\"runs\":\"nap\"", "test_trace.c"),
              1);
    EXPECT_EQ(LINES("\"e\"", "\"name\":\"eggs\""), 1);
    EXPECT_EQ(LINES("\"X\"", "\"name\":\"eggs\"", "\"then\":\"sleep\""), 1);
    EXPECT_EQ(LINES("\"X\"", "\"name\":\"eggs\"", "\"then\":\"end\""), 1);

    char id[32];
    snprintf(id, sizeof id, "\"id\":%.0f,",
             NUMBER("id", "\"b\"", "\"name\":\"eggs\""));
    id[strlen(id) - 1] = '\0';
    EXPECT_EQ(LINES("\"b\"", "\"sleep\"", id), 1);
    EXPECT_EQ(LINES("\"e\"", "\"sleep\"", id), 1);
    EXPECT_GE(LINES("\"b\"", "the tasks of a group"), 1);
}

TEST(an_outcome_is_in_the_last_slice)
{
    if (!begin_trace()) return;
    struct asyncio_task *bad = asyncio_create_task(fail, NULL, .name = "bad");
    struct asyncio_task *gone = asyncio_create_task(nap, NULL, .name = "gone");
    EXPECT_EQ(asyncio_await(bad), -EPROTO);
    asyncio_task_cancel(gone);
    EXPECT_EQ(asyncio_await(gone), -ECANCELED);
    asyncio_task_release(bad);
    asyncio_task_release(gone);
    end_trace();
    EXPECT_EQ(LINES("\"X\"", "\"bad\"", "end, failed: Protocol error"), 1);
    EXPECT_EQ(LINES("\"X\"", "\"gone\"", "end, cancelled"), 1);
    EXPECT_EQ(LINES("\"a task\"", "\"for\":\"bad\""), 1);
}

static int look_around(void *arg)
{
    (void)arg;
    return asyncio_sleep(0);
}

TEST(an_eager_task_runs_within_its_maker)
{
    if (!begin_trace()) return;
    struct asyncio_task *task =
        asyncio_create_task(look_around, NULL, .name = "eager", .eager = true);
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
    end_trace();
    EXPECT_EQ(LINES("\"X\"", "\"eager\"", "\"then\":\"others run\""), 1);
    EXPECT_EQ(LINES("\"X\"", "\"eager\"", "\"then\":\"end\""), 1);
    double begun = NUMBER("ts", "\"X\"", "\"eager\"");
    double ended = begun + NUMBER("dur", "\"X\"", "\"eager\"");
    double outer = NUMBER("ts", "\"X\"", "\"then\":\"a task\"");
    EXPECT_LT(outer, begun);
    EXPECT_LT(ended, outer + NUMBER("dur", "\"X\"", "\"then\":\"a task\""));
}

TEST(names_are_json_whatever_is_in_them)
{
    char longest[300];
    memset(longest, 'l', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    if (!begin_trace()) return;
    asyncio_trace_mark("a \"quoted\\ \n name, \xe2\x82\xac and \xff\xc0\xaf");
    asyncio_trace_mark("\xed\xa0\x80 is half of a pair, \xf0\x9f\x8d\xb3 one");
    asyncio_trace_mark(longest);
    end_trace();
    EXPECT_EQ(LINES("\"a \\\"quoted\\\\ \\u000a name, \xe2\x82\xac and "
                    "\\ufffd\\ufffd\\ufffd\""),
              1);
    EXPECT_EQ(LINES("\"\\ufffd\\ufffd\\ufffd is half of a pair, "
                    "\xf0\x9f\x8d\xb3 one\""),
              1);
    EXPECT_EQ(LINES("llll"), 1);
    EXPECT(!strstr(text, longest));
}

TEST(a_task_that_is_renamed_goes_on_under_the_new_name)
{
    if (!begin_trace()) return;
    struct asyncio_task *task = asyncio_create_task(nap, NULL, .name = "old");
    EXPECT_EQ(asyncio_sleep(1), 0);
    int err = asyncio_task_set_name(task, "new");
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
    end_trace();
    EXPECT_EQ(err, 0);
    EXPECT_EQ(LINES("\"b\"", "\"old\""), 1);
    EXPECT_EQ(LINES("\"e\"", "\"old\""), 1);
    EXPECT_EQ(LINES("\"b\"", "\"name\":\"new\""), 1);
    EXPECT_EQ(LINES("\"e\"", "\"name\":\"new\""), 1);
}

TEST(tasks_that_were_there_before_are_in_it)
{
    struct asyncio_task *task = asyncio_create_task(nap, NULL, .name = "old");
    EXPECT_EQ(asyncio_sleep(1), 0);
    if (begin_trace()) {
        end_trace();
        EXPECT_EQ(LINES("\"b\"", "\"old\""), 1);
        EXPECT_EQ(LINES("\"b\"", "\"sleep\""), 1);
    }
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
}

static int on_call(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

TEST(callbacks_are_slices)
{
    static bool called;
    if (!begin_trace()) return;
    EXPECT_EQ(asyncio_call_soon(on_call, &called), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT(called);
    end_trace();
    EXPECT_EQ(LINES("\"X\"", "\"callback\"", "\"on_call\""), 1);
}

// --- arrows -----------------------------------------------------------------

static struct asyncio_semaphore gate = ASYNCIO_SEMAPHORE(0);

static int pass(void *arg)
{
    (void)arg;
    return asyncio_semaphore_acquire(&gate);
}

static bool is_within(double at, const char *name, const char *then)
{
    double begun = NUMBER("ts", "\"X\"", name, then);
    return begun >= 0 && begun < at &&
           at < begun + NUMBER("dur", "\"X\"", name, then);
}

// The time of the end of the arrow with this number.
static double arrow_end(double arrow)
{
    char id[48];
    snprintf(id, sizeof id, "\"id\":%.0f,", arrow);
    return NUMBER("ts", "\"f\"", id);
}

TEST(an_arrow_goes_from_who_wakes_to_who_is_woken, .ordered = true)
{
    if (!begin_trace()) return;
    struct asyncio_task *task = asyncio_create_task(pass, NULL, .name = "pass");
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_trace_mark("now");
    asyncio_semaphore_release(&gate);
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
    end_trace();
    EXPECT(is_within(NUMBER("ts", "\"now\""), "Task-", "\"then\":\"a task\""));
    // Its making, its wake, and its end, which wakes us.
    double first = NUMBER("id", "\"ph\":\"s\"");
    EXPECT_EQ(LINES("\"ph\":\"s\""), 3);
    EXPECT_EQ(LINES("\"f\""), 3);
    EXPECT(is_within(arrow_end(first), "\"pass\"", "\"then\":\"a semaphore\""));
    EXPECT(is_within(arrow_end(first + 1), "\"pass\"", "\"then\":\"end\""));
}

TEST(an_arrow_goes_from_the_last_child_to_its_group_and_its_gather,
     .ordered = true)
{
    struct asyncio_coroutine two[] = {ASYNCIO_COROUTINE(nap, NULL),
                                      ASYNCIO_COROUTINE(nap, NULL)};
    if (!begin_trace()) return;
    EXPECT_EQ(boil_eggs(), 0);
    size_t made = 3; // two tasks that were made, and one end of a child
    EXPECT_EQ(asyncio_gather(two, 2), 0);
    end_trace();
    EXPECT_EQ(LINES("\"ph\":\"s\""), made + 2);
    EXPECT_EQ(LINES("\"f\""), made + 2);
}

// --- jobs -------------------------------------------------------------------

static int add(void *arg)
{
    int *sum = arg;
    return *sum += 1;
}

TEST(a_job_in_a_thread_has_a_slice_and_arrows_there_and_back, .ordered = true)
{
    int sum = 41;
    if (!begin_trace()) return;
    int result = asyncio_to_thread(add, &sum);
    end_trace();
    EXPECT_EQ(result, 42);
    EXPECT_EQ(LINES("\"job\"", "\"add\"", "\"result\":42", "test_trace.c"), 1);
    EXPECT_EQ(LINES("thread_name", "asyncio-0"), 1);
    EXPECT_NE(NUMBER("tid", "\"job\""), NUMBER("tid", "\"task\""));
    EXPECT_EQ(LINES("\"ph\":\"s\""), 2);
    EXPECT_EQ(LINES("\"f\""), 2);
}

static int crash(void *arg)
{
    (void)arg;
    abort();
}

// A worker writes no trace of its own.
static int trace_in_worker(void *arg)
{
    (void)arg;
    return asyncio_trace_start("never") == -EPERM ? 0 : -EPROTO;
}

TEST(a_job_in_a_process_has_a_slice_also_if_it_dies, .ordered = true)
{
    struct asyncio_executor *pool;
    int sum = 41;
#ifdef ASYNCIO_EMULATED
    SKIP("threads of the test before are still counted by an emulator");
    return;
#endif
    if (!begin_trace()) return;
    // No matter that a thread is writing: processes can be forked.
    int err = asyncio_process_pool_create(&pool, .max_workers = 1);
    if (EXPECT_EQ(err, 0)) {
        EXPECT_EQ(asyncio_run_in_executor(pool, add, &sum, .size = sizeof sum),
                  42);
        EXPECT_EQ(asyncio_run_in_executor(pool, crash, NULL), -EOWNERDEAD);
        EXPECT_EQ(asyncio_run_in_executor(pool, trace_in_worker, NULL), 0);
        asyncio_executor_shutdown(pool);
    }
    end_trace();
    EXPECT_EQ(sum, 42);
    EXPECT_EQ(LINES("\"job\"", "\"add\"", "\"result\":42"), 1);
    EXPECT_EQ(LINES("\"job\"", "\"crash\"", "failed: Owner died"), 1);
    EXPECT_EQ(LINES("thread_name", "worker process 0"), 1);
}

// --- beginnings and ends ----------------------------------------------------

TEST(one_trace_at_a_time)
{
    EXPECT_EQ(asyncio_trace_stop(), -ENOENT);
    EXPECT_EQ(asyncio_trace_start(NULL), -EINVAL);
    EXPECT_EQ(asyncio_trace_start(""), -EINVAL);
    EXPECT_EQ(asyncio_trace_start("/no/such/folder/trace.json"), -ENOENT);
    EXPECT_EQ(asyncio_trace_start(test_folder()), -EISDIR);
    asyncio_trace_mark("nowhere");
    if (!begin_trace()) return;
    EXPECT_EQ(asyncio_trace_start(path), -EALREADY);
    asyncio_trace_mark(NULL);
    end_trace();
    EXPECT_EQ(LINES("nowhere"), 0);
    if (!begin_trace()) return;
    asyncio_trace_mark("here");
    end_trace();
    EXPECT_EQ(LINES("\"mark\"", "\"here\""), 1);
    EXPECT_EQ(asyncio_trace_stop(), -ENOENT);
}

TEST(what_is_longer_than_the_file_has_room_for_is_refused)
{
    static char name[5000];
    memset(name, 'n', sizeof name - 1);
    EXPECT_EQ(asyncio_trace_start(name), -ENAMETOOLONG);
}

TEST(a_percent_p_is_the_process)
{
    char pattern[256];
    snprintf(path, sizeof path, "%s/%d%%-trace", test_folder(), (int)getpid());
    snprintf(pattern, sizeof pattern, "%s/%%p%%-trace", test_folder());
    EXPECT_EQ(asyncio_trace_start(pattern), 0);
    end_trace();
    EXPECT_EQ(LINES("process_name", "test_trace"), 1);
}

TEST(a_file_that_somebody_else_writes_is_left_alone)
{
    int other = open(trace_path(), O_WRONLY | O_CREAT, 0600);
    EXPECT_EQ(write(other, "theirs", 6), 6);
    EXPECT_EQ(flock(other, LOCK_EX), 0);
    EXPECT_EQ(asyncio_trace_start(path), -EBUSY);
    close(other);
    EXPECT_STR(take_file(), "theirs");
}

static int run_for_a_while(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++)
        EXPECT_EQ(asyncio_sleep(0), 0);
    return 0;
}

TEST_PLAIN(a_trace_begins_and_ends_in_the_middle_of_a_run)
{
    EXPECT_EQ(asyncio_trace_start(trace_path()), 0);
    EXPECT_EQ(asyncio_run(run_for_a_while, NULL), 0);
    end_trace();
    EXPECT_EQ(LINES("\"X\"", "others run"), 1000);
    EXPECT_EQ(asyncio_run(run_for_a_while, NULL), 0);
}

static int trace_a_part(void *arg)
{
    (void)arg;
    asyncio_ignore(asyncio_sleep(0));
    if (!begin_trace()) return 0;
    asyncio_ignore(asyncio_sleep(0));
    end_trace();
    asyncio_ignore(asyncio_sleep(0));
    return 0;
}

TEST_PLAIN(debug_mode_and_a_trace_look_on_at_the_same_loop)
{
    EXPECT_EQ(asyncio_run(trace_a_part, NULL, .debug = true), 0);
    EXPECT_GE(LINES("\"X\"", "others run"), 1);
}

static int switch_debug(void *arg)
{
    (void)arg;
    struct asyncio_loop *loop = asyncio_get_running_loop();
    if (!begin_trace()) return 0;
    for (int i = 0; i < 4; i++) {
        asyncio_ignore(asyncio_loop_set_debug(loop, i % 2 == 0));
        asyncio_ignore(asyncio_sleep(0));
    }
    end_trace();
    asyncio_ignore(asyncio_loop_set_debug(loop, true));
    asyncio_ignore(asyncio_sleep(0));
    return 0;
}

TEST_PLAIN(debug_mode_comes_and_goes_during_a_trace)
{
    EXPECT_EQ(asyncio_run(switch_debug, NULL), 0);
    EXPECT_GE(LINES("\"X\"", "others run"), 4);
}

static int leave_one_behind(void *arg)
{
    (void)arg;
    asyncio_task_release(asyncio_create_task(nap, NULL, .name = "left"));
    return 0;
}

TEST_PLAIN(what_is_left_behind_ends_with_its_loop)
{
    struct asyncio_loop *loop;
    EXPECT_EQ(asyncio_trace_start(trace_path()), 0);
    if (EXPECT_EQ(asyncio_new_event_loop(&loop), 0)) {
        struct asyncio_coroutine main =
            ASYNCIO_COROUTINE(leave_one_behind, NULL);
        EXPECT_EQ(asyncio_loop_run_until_coroutine(loop, &main), 0);
        EXPECT_EQ(asyncio_loop_free(loop), 0);
        expect_report(-ECANCELED);
    }
    end_trace();
    EXPECT_EQ(LINES("\"b\"", "\"left\""), 1);
    EXPECT_EQ(LINES("\"e\"", "\"left\""), 1);
}

// --- several loops ----------------------------------------------------------

static atomic_int arrived;

// Worker 0 begins the trace when all are there.
static int take_part(void *arg)
{
    (void)arg;
    int err = 0;
    atomic_fetch_add(&arrived, 1);
    while (err == 0 && atomic_load(&arrived) < 2)
        err = asyncio_sleep(0);
    if (asyncio_worker_number() == 0) {
        EXPECT_EQ(asyncio_trace_start(path), 0);
        atomic_fetch_add(&arrived, 1);
    }
    while (err == 0 && atomic_load(&arrived) < 3)
        err = asyncio_sleep(0);
    for (int i = 0; err == 0 && i < 50; i++)
        err = asyncio_sleep(0.001);
    return err;
}

TEST_PLAIN(loops_of_all_threads_are_in_it, .real_time = true)
{
    trace_path();
    EXPECT_EQ(asyncio_run_workers(take_part, NULL, .workers = 2), 0);
    end_trace();
    EXPECT_EQ(LINES("thread_name", "\"loop 0\""), 1);
    EXPECT_EQ(LINES("thread_name", "\"loop 1\""), 1);
}

// --- the environment --------------------------------------------------------

static int nap_once(void *arg)
{
    (void)arg;
    return asyncio_sleep(1);
}

TEST_PLAIN(runs_of_one_process_follow_each_other_in_one_file)
{
    setenv("ASYNCIO_TRACE", trace_path(), 1);
    EXPECT_EQ(asyncio_run(nap_once, NULL), 0);
    EXPECT_EQ(asyncio_run(nap_once, NULL), 0);
    take_file();
    EXPECT_EQ(LINES("process_name"), 1);
    EXPECT_EQ(LINES("\"b\"", "nap_once"), 2);
    EXPECT_EQ(text[strlen(text) - 2], ']');

    // One that is not ours any more is written anew.
    EXPECT_EQ(asyncio_run(nap_once, NULL), 0);
    take_file();
    EXPECT_EQ(LINES("process_name"), 1);
    EXPECT_EQ(LINES("\"b\"", "nap_once"), 1);
    unsetenv("ASYNCIO_TRACE");
    EXPECT_EQ(asyncio_run(nap_once, NULL), 0);
    EXPECT_LT(access(path, F_OK), 0);
}

TEST_PLAIN(a_loop_that_does_not_ask_the_environment_is_in_no_trace)
{
    struct asyncio_loop *loop;
    setenv("ASYNCIO_TRACE", trace_path(), 1);
    if (EXPECT_EQ(asyncio_new_event_loop(&loop, .ignore_environment = true),
                  0)) {
        struct asyncio_coroutine main = ASYNCIO_COROUTINE(nothing, NULL);
        EXPECT_EQ(asyncio_loop_run_until_coroutine(loop, &main), 0);
        EXPECT_EQ(asyncio_loop_free(loop), 0);
    }
    EXPECT_LT(access(path, F_OK), 0);
    setenv("ASYNCIO_TRACE", "", 1);
    EXPECT_EQ(asyncio_run(nothing, NULL), 0);
    unsetenv("ASYNCIO_TRACE");
}

static int stop_it(void *arg)
{
    (void)arg;
    char another[256];
    snprintf(another, sizeof another, "%s/another.json", test_folder());
    EXPECT_EQ(asyncio_trace_start(another), -EALREADY);
    int err = asyncio_trace_stop();
    unlink(another); // there is one if nothing could be written before
    return err;
}

TEST_PLAIN(a_trace_that_was_ended_does_not_begin_again)
{
    setenv("ASYNCIO_TRACE", trace_path(), 1);
    EXPECT_EQ(asyncio_run(stop_it, NULL), 0);
    take_file();
    EXPECT_GE(LINES("\"ph\""), 3);
    EXPECT_EQ(asyncio_run(nothing, NULL), 0);
    EXPECT_LT(unlink(path), 0);
    unsetenv("ASYNCIO_TRACE");
}

static int fork_and_go_on(void *arg)
{
    (void)arg;
    int status = -1;
    asyncio_trace_mark("before");
    pid_t child = fork();
    if (child == 0) {
        asyncio_trace_mark("in the child");
        _exit(asyncio_run(nothing, NULL) == 0 ? 0 : 1);
    }
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    asyncio_trace_mark("after");
    return 0;
}

TEST_PLAIN(a_forked_process_leaves_the_file_to_its_parent, .faulty = true)
{
    setenv("ASYNCIO_TRACE", trace_path(), 1);
    EXPECT_EQ(asyncio_run(fork_and_go_on, NULL), 0);
    unsetenv("ASYNCIO_TRACE");
    take_file();
    EXPECT_EQ(LINES("\"before\""), 1);
    EXPECT_EQ(LINES("\"after\""), 1);
    EXPECT_EQ(LINES("process_name"), 1);
    EXPECT(!strstr(text, "in the child"));
}

// --- files that take nothing ------------------------------------------------

TEST_PLAIN(a_file_that_cannot_be_opened_is_reported_once_for_each_run)
{
    setenv("ASYNCIO_TRACE", "/no/such/folder/trace.json", 1);
    EXPECT_EQ(asyncio_run(nap_once, NULL), 0);
    EXPECT_CONTAINS(expect_report(-ENOENT), "/no/such/folder/trace.json");
    unsetenv("ASYNCIO_TRACE");
}

TEST_PLAIN(a_full_disk_ends_the_trace_and_not_the_program, .faulty = true)
{
    setenv("ASYNCIO_TRACE", "/dev/full", 1);
    EXPECT_EQ(asyncio_run(nap_once, NULL), 0);
    EXPECT_CONTAINS(expect_report(-ENOSPC), "/dev/full cannot be written");
    unsetenv("ASYNCIO_TRACE");
}

static int make_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5000; i++) {
        struct asyncio_task *task = asyncio_create_task(nothing, NULL);
        asyncio_ignore(asyncio_await(task));
        asyncio_task_release(task);
    }
    return 0;
}

TEST_PLAIN(a_file_that_is_full_in_the_middle_is_whole_up_to_there,
           .faulty = true)
{
    struct rlimit old, small = {200000, RLIM_INFINITY};
    setenv("ASYNCIO_TRACE", trace_path(), 1);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    EXPECT_EQ(asyncio_run(make_many, NULL), 0);
    setrlimit(RLIMIT_FSIZE, &old);
    EXPECT_CONTAINS(expect_report(-EFBIG), "trace.json cannot be written");
    unsetenv("ASYNCIO_TRACE");
    take_file();
    EXPECT_LE(strlen(text), 200000);
    size_t len = strlen(text);
    if (len > 0) EXPECT_CONTAINS(text + (len > 8 ? len - 8 : 0), "}\n]\n");
}

TEST_PLAIN(a_pipe_gets_a_whole_array, .faulty = true)
{
    int fds[2];
    if (!EXPECT_EQ(pipe(fds), 0)) return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fds[1]);
    EXPECT_EQ(asyncio_trace_start(path), 0);
    EXPECT_EQ(asyncio_run(nap_once, NULL), 0);
    EXPECT_EQ(asyncio_trace_stop(), 0);
    close(fds[1]);
    ssize_t n = read(fds[0], text, sizeof text - 1);
    close(fds[0]);
    EXPECT_GT(n, 4);
    text[n > 0 ? n : 0] = '\0';
    EXPECT_EQ(LINES("\"b\"", "nap_once"), 1);
    EXPECT_EQ(text[0], '[');
    if (n > 4) EXPECT_STR(text + n - 3, "\n]\n");
}

TEST_PLAIN(a_pipe_without_readers_ends_the_trace_and_not_the_program,
           .faulty = true)
{
    int fds[2];
    if (!EXPECT_EQ(pipe(fds), 0)) return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fds[1]);
    setenv("ASYNCIO_TRACE", path, 1);
    struct asyncio_runner runner;
    asyncio_runner_init(&runner);
    EXPECT_EQ(asyncio_runner_run(&runner, nothing, NULL), 0);
    close(fds[0]);
    EXPECT_EQ(asyncio_runner_run(&runner, nothing, NULL), 0);
    asyncio_runner_close(&runner);
    close(fds[1]);
    unsetenv("ASYNCIO_TRACE");
    EXPECT_CONTAINS(expect_report(-EPIPE), "ends early");
}
