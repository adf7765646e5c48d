// The main of a program that tests itself: runs in processes of their own, and
// the loops over orders, failing calls and cancels.
//
//     program: fork ----------------- wait ----- what it found, how to replay
//                \                  /
//     run:        set up, fn, look at what is left, exit
//
// A run ends itself by a timer when its limit has passed. What it finds goes
// into memory that both share, to be printed when it is over. None of this
// passes platform/sys.h: what makes calls fail is not to fail by that.

#include <asyncio/testing.h>

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asyncio/error.h>
#include <asyncio/run.h>
#include <asyncio/scope.h>

#include "loop/loop.h"
#include "loop/testing.h"
#include "platform/trace.h"

#define BAD_MAX  5 // runs that fail, until the loop they are in is given up
#define PATIENCE 2 // seconds, with threads that a closed loop has left

// Of one run; shared with its process.
struct found {
    atomic_bool finished, bad, stuck;
    _Atomic(uint64_t) calls; // that could have failed, or awaits
    unsigned ways;           // in which the one that failed can
    size_t len;
    char words[8 * 1024];
};

struct how {
    uint64_t seed;
    const char *kind; // "alloc", "syscall", "task", ...; NULL: nothing fails
    uint64_t ordinal;
    uint64_t way; // in which it fails
};

static struct {
    const char *program;
    int (*fn)(void *arg);
    void *arg;
    struct asyncio_testing_options options;
    struct found *found;
    const struct how *here; // the run of this very process, if it is that
    unsigned threads;       // of the process, when the run began
    uint64_t runs, bad;
} test;

static const char *const ways[] = {"task", "twice", "race", "scope", NULL};
static const char *const kinds[] = {"alloc", "syscall", NULL};

static bool is_one_of(const char *const *words, const char *word)
{
    while (*words && strcmp(*words, word) != 0)
        words++;
    return *words;
}

// --- in the run's process ---------------------------------------------------

static void __attribute__((format(printf, 1, 2))) note(const char *format, ...)
{
    struct found *found = test.found;
    size_t room = sizeof found->words - found->len;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(found->words + found->len, room, format, args);
    va_end(args);
    if (len > 0) found->len += (size_t)len < room ? (size_t)len : room - 1;
}

static void note_report(const struct asyncio_report *report, void *lenient)
{
    if (lenient) return;
    test.found->bad = true;
    note("  report: %s %s %s\n", report->text, report->task, report->site);
}

static void note_failure(int code, const char *site)
{
    if (code < 0)
        note("  the call that failed, with %d: %s\n", code, site);
    else
        note("  the call that came back short: %s\n", site);
}

static void note_cancel(struct asyncio_task *task)
{
    char line[256];
    note("  cancelled: %s\n", asyncio_task_describe(task, line, sizeof line));
}

static void note_leak(const char *what, size_t size, const char *site,
                      void *arg)
{
    (void)arg;
    test.found->bad = true;
    note("  leak: %s (%zu) made at %s\n", what, size, site);
}

// By the kernel's count: a list of them ends early when one that it was just
// about to name ends. One that writes a trace has no say in anything.
static unsigned count_threads(void)
{
    char line[512];
    unsigned count = 0;
    FILE *stat = fopen("/proc/self/stat", "re");
    if (!stat) return 0;
    char *rest = fgets(line, sizeof line, stat) ? strrchr(line, ')') : NULL;
    fclose(stat);
    if (rest)
        sscanf(rest,
               ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u"
               " %*u %*d %*d %*d %*d %u",
               &count);
    unsigned writers = (unsigned)asyncio__trace_threads();
    return count > writers ? count - writers : 0;
}

static bool judge(const struct how *how, int status);
static void say_result(void);

// Every task waits for ever, unless another thread has a say in it. Where
// nobody waits for this process, it has to say so itself.
static void give_up(struct asyncio_loop *loop)
{
    struct asyncio_task *tasks[32];
    char line[256];
    if (count_threads() > test.threads || atomic_load(&loop->posts)) return;

    note("  every task waits, and nothing is under way that could wake one\n");
    size_t count = asyncio_all_tasks(loop, tasks, 32);
    for (size_t i = 0; i < count && i < 32; i++)
        note("    %s\n", asyncio_task_describe(tasks[i], line, sizeof line));
    test.found->stuck = true;
    if (test.here) {
        judge(test.here, 0);
        say_result();
        fflush(stdout);
    }
    _exit(1);
}

static int set_up(const struct how *how)
{
    static struct asyncio_testing_clock clock_of_run;
    asyncio_testing_clock_use(test.options.real_time ? NULL : &clock_of_run);
    asyncio_testing_seed(how->seed);
    asyncio_testing_reports(note_report, (void *)(uintptr_t)how->kind);
    asyncio_testing_on_failure(note_failure);
    asyncio_testing_on_cancel(note_cancel);
    test.threads = count_threads();
    asyncio__testing.stuck = give_up;

    // The program may have tried something of the kind before.
    asyncio__testing.watched = false;
    int err = asyncio_testing_fail_at("alloc", 0);
    if (err == 0) err = asyncio_testing_ledger_start();
    if (err < 0 || !how->kind) return err;
    if (is_one_of(ways, how->kind))
        return asyncio_testing_cancel_at(how->kind, how->ordinal);
    err = asyncio_testing_fail_at(how->kind, how->ordinal);
    asyncio_testing_fail_in_way((unsigned)how->way);
    return err;
}

// So that there is a scope to be cancelled.
static int call_in_scope(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    return asyncio_cancel_scope_exit(&scope, test.fn(test.arg));
}

static void perform(const struct how *how)
{
    int err = set_up(how);
    if (err == 0)
        err = (asyncio_run)(call_in_scope, NULL,
                            &(struct asyncio_run_options){
                                .site = test.options.site});
    bool harmless = !how->kind || asyncio_testing_failure_is_harmless();
    test.found->ways = asyncio_testing_ways();
    if (err < 0 && harmless) {
        test.found->bad = true;
        note("  it returned %d: %s\n", err, asyncio_strerror(err));
    }

    bool cancels = how->kind && is_one_of(ways, how->kind);
    test.found->calls =
        cancels ? asyncio_testing_awaits() : asyncio_testing_calls();
    if (asyncio_testing_swallowed() > 0) {
        test.found->bad = true;
        note("  the cancel was swallowed: its wait went on\n");
    }
    asyncio_testing_ledger_settle(PATIENCE);
    asyncio_testing_ledger_each(note_leak, NULL);
    test.found->finished = true;
}

_Noreturn static void be_the_run(const struct how *how)
{
    double limit = test.options.limit > 0 ? test.options.limit : 10;
    double us = (limit - (double)(int64_t)limit) * 1e6;
    struct itimerval timer = {
        .it_value = {.tv_sec = (time_t)limit, .tv_usec = (suseconds_t)us}};
    const struct rlimit no_core = {0};
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGALRM, SIG_DFL);
    setitimer(ITIMER_REAL, &timer, NULL);
    perform(how);
    exit(0); // not _exit: leak checkers work at exit
}

// --- one run ----------------------------------------------------------------

static void print_replay(const struct how *how)
{
    const char *backend = getenv("ASYNCIO_BACKEND");
    printf("replay: ");
    if (backend && *backend) printf("ASYNCIO_BACKEND=%s ", backend);
    printf("%s", test.program);
    if (how->seed > 0 || !how->kind) printf(" --seed %" PRIu64, how->seed);
    if (how->kind)
        printf(" --%s %s:%" PRIu64,
               is_one_of(ways, how->kind) ? "cancel" : "fail", how->kind,
               how->ordinal);
    if (how->way > 0) printf(":%" PRIu64, how->way);
    printf("\n");
}

// Says how it ended if that was not as it should be. True if it was.
static bool judge(const struct how *how, int status)
{
    struct found *found = test.found;
    bool well = found->finished && !found->bad && status == 0;
    test.runs++;
    if (well) return true;

    test.bad++;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        printf("it did not end within its limit\n");
    else if (WIFSIGNALED(status))
        printf("it was killed by SIG%s\n", sigabbrev_np(WTERMSIG(status)));
    else if (found->stuck)
        printf("it hangs\n");
    else if (!found->finished)
        printf("it ended too early, with status %d\n", WEXITSTATUS(status));
    else
        printf("it failed\n");
    fputs(found->words, stdout);
    print_replay(how);
    return false;
}

// Runs it once. True if all is well.
static bool run_once(const struct how *how, bool here)
{
    int status = 0;
    memset(test.found, 0, sizeof *test.found);
    fflush(NULL);
    if (here) {
        test.here = how;
        perform(how);
        return judge(how, 0);
    }
    pid_t pid = fork();
    if (pid == 0) be_the_run(how);
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) pid = -1;
    if (pid > 0) return judge(how, status);
    printf("there is no process to run it in\n");
    test.bad++;
    return false;
}

// --- the loops --------------------------------------------------------------

static void say_counts(const char *what, uint64_t runs, uint64_t bad)
{
    fprintf(stderr, "%s: %" PRIu64 " runs, %" PRIu64 " failed\n", what,
            test.runs - runs, test.bad - bad);
}

static void try_orders(uint64_t seeds)
{
    uint64_t runs = test.runs, bad = test.bad;
    struct how how = {.seed = 0};
    for (; how.seed <= seeds && test.bad - bad < BAD_MAX; how.seed++)
        run_once(&how, false);
    say_counts("orders", runs, bad);
}

// The call fails in each of its ways; the first run tells how many there are.
static void try_ways(const struct how *how)
{
    struct how each = *how;
    run_once(&each, false);
    uint64_t count = test.found->ways;
    while (++each.way < count)
        run_once(&each, false);
}

static void try_each(const char *kind, uint64_t seed)
{
    uint64_t runs = test.runs, bad = test.bad;
    struct how how = {.seed = seed, .kind = kind};
    uint64_t count = run_once(&how, false) ? test.found->calls : 0;
    while (how.ordinal++ < count && test.bad - bad < BAD_MAX)
        try_ways(&how);
    say_counts(kind, runs, bad);
}

static void inject(const char *what, uint64_t seed)
{
    if (strcmp(what, "cancel") != 0) {
        try_each(what, seed);
        return;
    }
    for (const char *const *way = ways; *way; way++)
        try_each(*way, seed);
}

// --- the command ------------------------------------------------------------

struct command {
    struct how how;
    uint64_t seeds;
    const char *inject;
    bool one, here;
};

static bool read_number(const char *text, uint64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *text != '-';
}

// "race:4", with one of these words; or "syscall:4:2", the third way to fail.
static bool read_ordinal(char *text, const char *const *words, struct how *how)
{
    char *colon = strchr(text, ':');
    char *second = colon ? strchr(colon + 1, ':') : NULL;
    if (second && (words != kinds || !read_number(second + 1, &how->way)))
        return false;
    if (second) *second = '\0';
    if (!colon || !read_number(colon + 1, &how->ordinal)) return false;
    for (; *words; words++) {
        size_t len = strlen(*words);
        if (len != (size_t)(colon - text) || strncmp(text, *words, len) != 0)
            continue;
        how->kind = *words;
        return true;
    }
    return false;
}

static bool read_option(const char *name, char *value, struct command *command)
{
    if (!value) return false;
    command->one |= strcmp(name, "--seeds") != 0;
    if (strcmp(name, "--seeds") == 0)
        return read_number(value, &command->seeds);
    if (strcmp(name, "--seed") == 0)
        return read_number(value, &command->how.seed);
    if (strcmp(name, "--fail") == 0)
        return read_ordinal(value, kinds, &command->how);
    if (strcmp(name, "--cancel") == 0)
        return read_ordinal(value, ways, &command->how);
    if (strcmp(name, "--inject") != 0) return false;
    command->inject = value;
    return is_one_of(kinds, value) || strcmp(value, "cancel") == 0;
}

static bool read_command(char **args, struct command *command)
{
    for (; *args; args++) {
        if (strcmp(*args, "--here") == 0) {
            command->here = command->one = true;
            continue;
        }
        if (!read_option(args[0], args[1], command)) return false;
        args++;
    }
    return true;
}

static void obey(const struct command *command)
{
    uint64_t seeds = test.options.seeds > 0 ? test.options.seeds : 20;
    if (command->inject) {
        inject(command->inject, command->how.seed);
    } else if (command->one) {
        run_once(&command->how, command->here);
    } else if (command->seeds > 0) {
        try_orders(command->seeds);
    } else {
        try_orders(seeds);
        inject("cancel", 0);
        inject("alloc", 0);
    }
}

static void say_result(void)
{
    puts(test.bad == 0 ? "passed" : "failed");
}

int(asyncio_testing_main)(int argc, char **argv, int (*fn)(void *arg),
                          void *arg,
                          const struct asyncio_testing_options *options)
{
    struct command command = {.seeds = 0};
    if (argc < 1 || !read_command(argv + 1, &command)) {
        fprintf(stderr, "options: --seeds N, --inject alloc|syscall|cancel,"
                        " --seed N, --fail alloc:N, --cancel task:N, --here\n");
        return 2;
    }
    void *shared = mmap(NULL, sizeof *test.found, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        fprintf(stderr, "there is no memory to share with the runs\n");
        return 1;
    }
    memset(&test, 0, sizeof test);
    test.program = argv[0];
    test.fn = fn;
    test.arg = arg;
    test.found = shared;
    if (options) test.options = *options;

    obey(&command);
    munmap(shared, sizeof *test.found);
    say_result();
    return test.bad == 0 ? 0 : 1;
}
