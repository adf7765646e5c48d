// The main of a program that tests itself: what it finds, and that the line it
// prints has the same again.

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/runner.h"

#define ARGS_MAX 8

static char printed[16 * 1024];
static double limit = 10; // of a run

// Calls it with these words, which spaces separate.
static int call(int (*fn)(void *arg), const char *words)
{
    char text[256], *args[ARGS_MAX] = {"program"};
    int count = 1;
    snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok(text, " "); word && count < ARGS_MAX - 1;
         word = strtok(NULL, " "))
        args[count++] = word;
    return asyncio_testing_main(count, args, fn, NULL, .seeds = 10,
                                .limit = limit);
}

// In a process of its own, for a run in that very process that may end it.
static int call_apart(int (*fn)(void *arg), const char *words)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        status = call(fn, words);
        fflush(stdout);
        _exit(status);
    }
    if (child > 0) waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Calls it by one of these, and keeps what it prints.
static int keep_printed(int (*caller)(int (*fn)(void *arg), const char *words),
                        int (*fn)(void *arg), const char *words)
{
    char path[256];
    snprintf(path, sizeof path, "%s/printed", test_folder());
    fflush(stdout);
    int before = dup(STDOUT_FILENO);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    dup2(file, STDOUT_FILENO);
    int status = caller(fn, words);
    fflush(stdout);
    dup2(before, STDOUT_FILENO);
    close(before);
    ssize_t len = pread(file, printed, sizeof printed - 1, 0);
    printed[len > 0 ? len : 0] = '\0';
    close(file);
    unlink(path);
    return status;
}

static int call_main(int (*fn)(void *arg), const char *words)
{
    return keep_printed(call, fn, words);
}

// Takes the first line that says how to replay, and does so. True if the run
// fails again, with the same words.
static bool replays(int (*fn)(void *arg))
{
    static char line[256], first[sizeof printed];
    const char *found = strstr(printed, "replay: ");
    if (!EXPECT(found != NULL)) return false;
    snprintf(line, sizeof line, "%.*s", (int)strcspn(found, "\n"), found);
    const char *words = strstr(line, "program ");
    if (!EXPECT(words != NULL)) return false;

    size_t len = (size_t)(found - printed);
    memcpy(first, printed, len);
    bool fails = EXPECT_EQ(call_main(fn, words + strlen("program ")), 1);
    return fails && EXPECT(strncmp(printed, first, len) == 0);
}

// --- what is right ----------------------------------------------------------

static int sleep_for_a_while(void *arg)
{
    (void)arg;
    return asyncio_sleep(3600);
}

static int wait_in_a_group(void *arg)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, sleep_for_a_while, arg);
    return asyncio_task_group_exit(&group, 0);
}

TEST_PLAIN(careful_program_passes_every_run, .ordered = true, .limit = 60)
{
    const char *const commands[] = {
        "",
        "--seeds 30",
        "--seed 3",
        "--inject alloc",
        "--inject syscall",
        "--inject cancel",
        "--inject cancel --seed 5",
        "--fail alloc:2",
        "--cancel race:2",
        "--cancel scope:1",
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        EXPECT_EQ(call_main(wait_in_a_group, commands[i]), 0);
        EXPECT_STR(printed, "passed\n");
    }
}

TEST_PLAIN(run_can_be_in_this_very_process)
{
    EXPECT_EQ(call_main(wait_in_a_group, "--here --seed 4"), 0);
}

TEST_PLAIN(wrong_command_runs_nothing)
{
    const char *const commands[] = {
        "--seeds",        "--seeds many",  "--inject",
        "--inject tasks", "--fail task:1", "--cancel alloc:1",
        "--cancel task",  "--fail alloc:", "--cancel task:-1",
        "hello",          "--hello 1",
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        EXPECT_EQ(call_main(wait_in_a_group, commands[i]), 2);
        EXPECT_STR(printed, "");
    }
}

// --- what is not ------------------------------------------------------------

static bool first_ran;

static int run_first(void *arg)
{
    (void)arg;
    first_ran = true;
    return 0;
}

static int run_second(void *arg)
{
    (void)arg;
    return first_ran ? 0 : asyncio_raise(-EPROTO, "the first has not run");
}

static int rely_on_order(void *arg)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, run_first, arg);
    asyncio_task_group_create_task(&group, run_second, arg);
    return asyncio_task_group_exit(&group, 0);
}

TEST_PLAIN(order_that_a_program_relies_on_is_found_and_replays, .ordered = true)
{
    EXPECT_EQ(call_main(rely_on_order, "--seeds 20"), 1);
    EXPECT_CONTAINS(printed, "it returned -71");
    EXPECT_CONTAINS(printed, "replay: ASYNCIO_BACKEND=");
    EXPECT_CONTAINS(printed, "program --seed ");
    EXPECT_CONTAINS(printed, "failed\n");
    EXPECT(replays(rely_on_order));
}

static int forget_a_task(void *arg)
{
    struct asyncio_task *task = asyncio_create_task(sleep_for_a_while, arg);
    int err = asyncio_await(task);
    if (err < 0) return err;
    asyncio_task_release(task);
    return 0;
}

TEST_PLAIN(leak_after_a_cancel_is_found_and_replays, .ordered = true)
{
    EXPECT_EQ(call_main(forget_a_task, "--seeds 5"), 0);
    EXPECT_EQ(call_main(forget_a_task, "--inject cancel"), 1);
    EXPECT_CONTAINS(printed, "leak: task");
    EXPECT_CONTAINS(printed, "program --cancel task:1\n");
    EXPECT(replays(forget_a_task));
}

static int trust_in_memory(void *arg)
{
    struct asyncio_task *task = asyncio_create_task(sleep_for_a_while, arg);
    if (asyncio_await(task) == -ENOMEM) abort();
    asyncio_task_release(task);
    return 0;
}

TEST_PLAIN(crash_without_memory_is_found_and_replays, .ordered = true)
{
    EXPECT_EQ(call_main(trust_in_memory, "--seeds 5"), 0);
    EXPECT_EQ(call_main(trust_in_memory, "--inject alloc"), 1);
    EXPECT_CONTAINS(printed, "killed by SIGABRT");
    EXPECT_CONTAINS(printed, "program --fail alloc:");
    EXPECT(replays(trust_in_memory));
}

static int wait_for_nothing(void *arg)
{
    (void)arg;
    struct asyncio_future never = ASYNCIO__ZERO;
    return asyncio_await(&never);
}

TEST_PLAIN(wait_for_what_never_comes_is_found_at_once)
{
    EXPECT_EQ(call_main(wait_for_nothing, "--seed 0"), 1);
    EXPECT_CONTAINS(printed, "it hangs\n");
    EXPECT_CONTAINS(printed, "every task waits");
    EXPECT_CONTAINS(printed, "waits for a future");
    EXPECT_CONTAINS(printed, "program --seed 0\n");
}

// Takes it for granted that the other has set it.
static int wait_for_the_other(void *arg)
{
    (void)arg;
    struct asyncio_event set = ASYNCIO__ZERO;
    if (asyncio_sleep(1) == 0) asyncio_event_set(&set);
    return asyncio_event_wait(&set);
}

// What is on the heap may be elsewhere in another process.
static void leave_out_addresses(char *text)
{
    for (char *at = text; (at = strstr(at, "0x"));) {
        at += strlen("0x");
        char *end = at + strspn(at, "0123456789abcdef");
        memmove(at, end, strlen(end) + 1);
    }
}

TEST_PLAIN(run_in_this_very_process_says_the_same_of_a_hang, .ordered = true)
{
    static char before[sizeof printed];
    const struct {
        int (*fn)(void *arg);
        const char *words, *here;
    } runs[] = {
        {wait_for_nothing, "--seed 3", "--seed 3 --here"},
        {wait_for_the_other, "--cancel task:1", "--cancel task:1 --here"},
        {wait_for_the_other, "--cancel race:1", "--here --cancel race:1"},
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        EXPECT_EQ(call_main(runs[i].fn, runs[i].words), 1);
        EXPECT_CONTAINS(printed, "it hangs\n");
        memcpy(before, printed, sizeof printed);
        EXPECT_EQ(keep_printed(call_apart, runs[i].fn, runs[i].here), 1);
        leave_out_addresses(before);
        leave_out_addresses(printed);
        EXPECT_STR(printed, before);
    }
}

TEST_PLAIN(main_task_is_said_to_be_made_for_the_function_under_test)
{
    EXPECT_EQ(keep_printed(call_apart, wait_for_nothing, "--seed 1"), 1);
    EXPECT_CONTAINS(printed, "test_testing_main.c:");
    EXPECT_CONTAINS(printed, " for fn\n");
    EXPECT(strstr(printed, "src/run/") == NULL);
}

static int spin(void *arg)
{
    while (!arg)
        asyncio_ignore(asyncio_sleep(0));
    return 0;
}

TEST_PLAIN(run_that_does_not_end_is_ended, .ordered = true)
{
    limit = 1;
    EXPECT_EQ(call_main(spin, "--seed 1"), 1);
    EXPECT_CONTAINS(printed, "did not end within its limit");
}

static int leave_a_failure(void *arg)
{
    struct asyncio_task *task = asyncio_create_task(rely_on_order, arg);
    struct asyncio_task *failing = asyncio_create_task(run_second, arg);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
    asyncio_task_release(failing);
    return asyncio_sleep(1);
}

TEST_PLAIN(report_fails_a_run, .ordered = true)
{
    EXPECT_EQ(call_main(leave_a_failure, "--seeds 20"), 1);
    EXPECT_CONTAINS(printed, "report: ");
    EXPECT(replays(leave_a_failure));
}
