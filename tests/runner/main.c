// The program around a file of tests: which of them run, how, and in which
// words the world hears of it.
//
//     test_queue [--seed N | --seeds N] [NAME...]
//                [--inject alloc|syscall|cancel [--every] [--share N]]
//                [--fail syscall:N:WAY | --cancel task:N] [--here]
//
// A NAME may have wildcards. --seed, or $ASYNCIO_TEST_SEED, changes the order
// of ready tasks; --seeds runs each test in so many orders. --inject runs the
// fault loop, with --every for all calls, also of those that are alike, with
// --share for one of N; --fail and --cancel are one turn of it; --here runs in
// this process, for a debugger. The backend comes from $ASYNCIO_BACKEND; where
// the kernel denies it every test is skipped. The exit status is 0 if no test
// failed, and 2 for a wrong command.

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runner/run.h"

static struct test *tests, **tests_end = &tests;
static const char *backend;

static struct {
    uint64_t seed, seeds, ordinal;
    const char *inject, *fail;
    unsigned way;
    bool here;
    char **names;
} options;

// Called before main, in the order of the tests in their file.
void test__register(struct test *test)
{
    *tests_end = test;
    tests_end = &test->next;
}

// ---- The backend ------------------------------------------------------------

// A ring such as ours, as large.
static int open_ring(void)
{
    // IORING_SETUP_CQSIZE, _R_DISABLED, _SINGLE_ISSUER and _DEFER_TASKRUN.
    uint32_t flags = 1u << 3 | 1u << 6 | 1u << 12 | 1u << 13;
    uint32_t params[30] = {0, 4096, flags};
    return (int)syscall(SYS_io_uring_setup, 256, params);
}

// Asks the kernel itself: if the library were asked, a fault of ours could look
// like a denial. Rings that others have just closed may leave no room for one
// more; the kernel undoes them soon.
static bool uring_denied(void)
{
    int fd = open_ring();
    for (int ms = 0; fd < 0 && errno == ENOMEM && ms < 1000; ms++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        fd = open_ring();
    }
    if (fd >= 0) close(fd);
    return fd < 0;
}

const char *test_backend(void)
{
    return backend;
}

// Settles it for the library too, so that what is recorded is what was tested.
// Returns false if the one that was asked for cannot be had.
static bool find_backend(void)
{
    const char *asked = getenv("ASYNCIO_BACKEND");
    bool denied = uring_denied();

    backend = asked && *asked ? asked : denied ? "epoll" : "uring";
    setenv("ASYNCIO_BACKEND", backend, 1);
    return !denied || strcmp(backend, "uring") != 0;
}

// ---- Options ----------------------------------------------------------------

_Noreturn static void refuse(const char *what, const char *value)
{
    fprintf(stderr,
            "%s: %s\n"
            "usage: [--seed N | --seeds N]"
            " [--inject alloc|syscall|cancel [--every] [--share N]]"
            " [--fail syscall:N:WAY | --cancel task:N] [--here] [NAME...]\n",
            what, value);
    exit(2);
}

static uint64_t number(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-')
        refuse("not a number", text);
    return n;
}

// The one of the words, up to a NULL, that is meant.
static const char *one_of(const char *const *words, const char *text)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0) return *words;
    refuse("there is no such kind", text);
}

static const char *const injected[] = {"alloc", "syscall", "cancel", NULL};
static const char *const calls[] = {"alloc", "syscall", NULL};
static const char *const cancels[] = {"task", "twice", "race", "scope", NULL};

// "alloc:17", or "syscall:17:2" for the third way in which that one can fail.
static void parse_fail(const char *const *words, char *text)
{
    char *colon = strchr(text, ':');
    if (!colon) refuse("not like alloc:17, or task:17", text);
    char *second = strchr(colon + 1, ':');
    *colon = '\0';
    if (second) {
        *second = '\0';
        options.way = (unsigned)number(second + 1);
    }
    options.fail = one_of(words, text);
    options.ordinal = number(colon + 1);
}

static void parse(int argc, char **argv)
{
    static const struct option known[] = {
        {"seed", required_argument, NULL, 's'},
        {"seeds", required_argument, NULL, 'n'},
        {"inject", required_argument, NULL, 'i'},
        {"fail", required_argument, NULL, 'f'},
        {"cancel", required_argument, NULL, 'c'},
        {"every", no_argument, NULL, 'e'},
        {"share", required_argument, NULL, 'p'},
        {"here", no_argument, NULL, 'h'},
        {0}};
    const char *seed = getenv("ASYNCIO_TEST_SEED");
    int c;

    if (seed && *seed) options.seed = number(seed);
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 's': options.seed = number(optarg); break;
        case 'n': options.seeds = number(optarg); break;
        case 'i': options.inject = one_of(injected, optarg); break;
        case 'f': parse_fail(calls, optarg); break;
        case 'c': parse_fail(cancels, optarg); break;
        case 'e': test__every = true; break;
        case 'p': test__share = number(optarg); break;
        case 'h': options.here = true; break;
        default: refuse("options", "see below");
        }
    }
    if (test__share == 0) refuse("not a share", "0");
    options.names = argv + optind;
}

static bool chosen(const struct test *test)
{
    if (!*options.names) return true;
    for (char **name = options.names; *name; name++)
        if (fnmatch(*name, test->name, 0) == 0) return true;
    return false;
}

// ---- Running ----------------------------------------------------------------

static bool run_one(const struct test *test, unsigned number)
{
    struct test__run run = {.test = test,
                            .seed = options.seed,
                            .calls = options.fail,
                            .ordinal = options.ordinal,
                            .way = options.way,
                            .lenient = options.fail != NULL};

    if (options.inject)
        return test__inject(test, number, options.seed, options.inject);
    if (options.seeds > 0) return test__seeds(test, number, options.seeds);

    int err = options.here ? test__run_here(&run) : test__run(&run);
    if (err < 0) {
        printf("not ok %u - %s\n# cannot run it: %s\n", number, test->name,
               strerrorname_np(-err));
    } else {
        test__print_verdict(number, &run);
        if (!options.fail) test__record_promises(&run);
    }
    test__run_close(&run);
    return err == 0 && run.verdict == TEST__PASSED;
}

static unsigned count_chosen(void)
{
    unsigned count = 0;
    for (const struct test *test = tests; test; test = test->next)
        if (chosen(test)) count++;
    return count;
}

int main(int argc, char **argv)
{
    unsigned number = 0, failed = 0;

    parse(argc, argv);
    signal(SIGCHLD,
           SIG_DFL); // an ignored one would have no children to wait for
    unsigned count = count_chosen();
    if (count == 0)
        refuse("no such test", *options.names ? *options.names : "");
    if (options.here && count > 1) refuse("--here", "is for one test");

    bool skip = !find_backend();
    printf("1..%u\n", count);
    for (const struct test *test = tests; test; test = test->next) {
        if (!chosen(test)) continue;
        number++;
        if (skip)
            printf("ok %u - %s # SKIP io_uring is denied here\n", number,
                   test->name);
        else if (!run_one(test, number))
            failed++;
        fflush(stdout);
    }
    if (options.inject)
        test__inject_summary(options.inject);
    else if (options.seeds > 0)
        test__seeds_summary();
    return failed == 0 ? 0 : 1;
}
