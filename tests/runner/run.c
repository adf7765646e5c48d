// A process and a limit for each run of a test.
//
//     runner: fork ------------ wait, at most `limit` ----- verdict, words
//               \                                        /
//     test:      own group, output to a file: perform, exit
//
// The runner waits for SIGCHLD with a time limit; nothing here polls or sleeps.
// It is also the subreaper: what a test's processes leave behind becomes its
// child, is waited for, and is killed if it does not end by itself.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner/run.h"

#define LIMIT         10.0       // seconds, for a test that names none
#define LAST_WORDS_NS 1000000000 // for a test that hangs, to say where

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static sigset_t only_sigchld(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    return set;
}

// ---- The test's process -----------------------------------------------------

_Noreturn static void be_test(const struct test__run *run)
{
    const struct rlimit no_core = {0};
    sigset_t sigchld = only_sigchld();

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &no_core);
    sigprocmask(SIG_UNBLOCK, &sigchld, NULL);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null, STDIN_FILENO);
    dup2(run->output, STDOUT_FILENO);
    dup2(run->output, STDERR_FILENO);
    close(null);
    close(run->output);
    setenv("TMPDIR", run->folder, 1);

    signal(SIGINT, SIG_DFL); // a shell's background jobs ignore it
    signal(SIGQUIT, test__last_words);
    test__perform(run);
    exit(0); // not _exit: leak checkers and coverage work at exit
}

// ---- Waiting ----------------------------------------------------------------

// Waits for `pid`, or with -1 for every child. Returns 0, or -ETIMEDOUT.
static int wait_until(int64_t deadline_ns, pid_t pid, int *status)
{
    const sigset_t sigchld = only_sigchld();
    for (;;) {
        pid_t ended = waitpid(pid, status, WNOHANG);
        if (ended < 0 && errno == ECHILD) return 0;
        if (ended > 0 && pid > 0) return 0;
        if (ended > 0) continue;

        int64_t left = deadline_ns - now_ns();
        if (left <= 0) return -ETIMEDOUT;
        struct timespec timeout = {left / 1000000000, left % 1000000000};
        sigtimedwait(&sigchld, NULL, &timeout);
    }
}

// Kills every child that we have, and those that we inherit thereby.
static void kill_children(void)
{
    int status;
    for (;;) {
        int pid, n = 0;
        FILE *children = fopen("/proc/thread-self/children", "re");
        while (children && fscanf(children, "%d", &pid) == 1) {
            kill(pid, SIGKILL);
            n++;
        }
        if (children) fclose(children);
        if (n == 0) return;
        waitpid(-1, &status, 0);
    }
}

static enum test__verdict judge(const struct test__run *run, int status)
{
    const struct test__outcome *outcome = run->outcome;
    if (WIFSIGNALED(status)) {
        test__note("crash: killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
        return TEST__CRASHED;
    }
    if (outcome->stuck) return TEST__HUNG;
    if (!outcome->finished) {
        test__note("crash: it ended by itself, with status %d",
                   WEXITSTATUS(status));
        return TEST__CRASHED;
    }
    if (WEXITSTATUS(status) != 0) {
        test__note("leak: the leak checker ended it with status %d",
                   WEXITSTATUS(status));
        return TEST__LEAKED;
    }
    if (outcome->leaks > 0) return TEST__LEAKED;
    if (outcome->swallowed) return TEST__SWALLOWED;
    bool lenient = run->lenient && !outcome->harmless;
    if (outcome->failures > 0 && !lenient) return TEST__FAILED;
    return TEST__PASSED;
}

static enum test__verdict attend(const struct test__run *run, pid_t pid)
{
    double limit = run->test->limit > 0 ? run->test->limit : LIMIT;
    int64_t deadline_ns = now_ns() + (int64_t)(limit * 1e9);
    int status = 0;

    if (wait_until(deadline_ns, pid, &status) < 0) {
        test__note("hang: still running after %g seconds", limit);
        kill(pid, SIGQUIT);
        wait_until(now_ns() + LAST_WORDS_NS, pid, &status);
        kill(-pid, SIGKILL);
        kill_children();
        return TEST__HUNG;
    }
    enum test__verdict verdict = judge(run, status);
    if (verdict == TEST__CRASHED) kill(-pid, SIGKILL);
    if (wait_until(deadline_ns, -1, &status) < 0) {
        test__note("leak: a process that it started was still running after"
                   " %g seconds",
                   limit);
        kill_children();
        if (verdict < TEST__LEAKED) verdict = TEST__LEAKED;
    }
    return verdict;
}

// ---- Temporary files --------------------------------------------------------

static int make_folder(struct test__run *run)
{
    const char *parent = getenv("TMPDIR");
    int n = snprintf(run->folder, sizeof run->folder, "%s/asyncio-XXXXXX",
                     parent && *parent ? parent : "/tmp");
    if (n < 0 || (size_t)n >= sizeof run->folder)
        strcpy(run->folder, "/tmp/asyncio-XXXXXX");
    return mkdtemp(run->folder) ? 0 : -errno;
}

// What is left in it is a leak; it is named and removed.
static void remove_folder(struct test__run *run)
{
    char line[4096];
    if (rmdir(run->folder) == 0) return;

    snprintf(line, sizeof line,
             "cd '%s' && find . -mindepth 1 && cd / && rm -rf '%s'",
             run->folder, run->folder);
    FILE *left = popen(line, "re");
    while (left && fgets(line, sizeof line, left)) {
        line[strcspn(line, "\n")] = '\0';
        test__note("leak: left in its temporary folder: %s", line);
    }
    if (left) pclose(left);
    if (run->verdict < TEST__LEAKED) run->verdict = TEST__LEAKED;
}

// ---- One run ----------------------------------------------------------------

static int prepare(struct test__run *run)
{
    run->outcome = NULL;
    run->output = -1;
    void *shared = mmap(NULL, sizeof *run->outcome, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return -errno;
    run->outcome = shared;
    run->output = memfd_create("output", MFD_CLOEXEC);
    if (run->output < 0) return -errno;
    fcntl(run->output, F_SETFL, O_APPEND);
    return make_folder(run);
}

int test__run(struct test__run *run)
{
    struct test__outcome *outer = test__outcome;
    sigset_t sigchld = only_sigchld(), mask;

    int err = prepare(run);
    if (err < 0) return err;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigprocmask(SIG_BLOCK, &sigchld, &mask);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) be_test(run);

    test__outcome = run->outcome;
    if (pid > 0) setpgid(pid, pid); // whoever of the two is first
    err = pid < 0 ? -errno : 0;
    if (pid > 0) run->verdict = attend(run, pid);
    remove_folder(run);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    test__outcome = outer;
    return err;
}

int test__run_here(struct test__run *run)
{
    int err = prepare(run);
    if (err < 0) return err;

    setenv("TMPDIR", run->folder, 1);
    test__perform(run);
    run->verdict = judge(run, 0);
    remove_folder(run);
    return 0;
}

void test__run_close(struct test__run *run)
{
    if (!run->outcome) return;
    if (run->output >= 0) close(run->output);
    munmap(run->outcome, sizeof *run->outcome);
    run->outcome = NULL;
}
