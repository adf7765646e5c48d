// What the runner says: lines of TAP, and the record of promises.

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/run.h"

static void print_comment(const char *text, size_t len)
{
    while (len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t line = end ? (size_t)(end - text) : len;
        printf("#   %.*s\n", (int)line, text);
        if (!end) return;
        len -= line + 1;
        text = end + 1;
    }
}

static void print_words(const struct test__outcome *outcome)
{
    size_t len = outcome->len;
    bool cut = len >= sizeof outcome->words;
    if (cut) len = strnlen(outcome->words, sizeof outcome->words);
    print_comment(outcome->words, len);
    if (cut) printf("#   ... and more\n");
}

// The first part is where a sanitizer says what it found.
static void print_output(int output)
{
    char text[8192];
    ssize_t len = pread(output, text, sizeof text, 0);
    if (len <= 0) return;
    printf("# it printed:\n");
    print_comment(text, (size_t)len);
    if ((size_t)len == sizeof text) printf("#   ... and more\n");
}

static void print_replay(const struct test__run *run)
{
    char program[4096];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    program[len > 0 ? len : 0] = '\0';

    printf("# replay: ASYNCIO_BACKEND=%s %s", test_backend(), program);
    if (run->seed > 0) printf(" --seed %" PRIu64, run->seed);
    if (run->calls)
        printf(" --%s %s:%" PRIu64,
               test__is_cancel(run->calls) ? "cancel" : "fail", run->calls,
               run->ordinal);
    if (run->way > 0) printf(":%u", run->way);
    printf(" %s\n", run->test->name);
}

void test__print_reasons(const struct test__run *run)
{
    print_words(run->outcome);
    print_output(run->output);
    print_replay(run);
}

void test__print_verdict(unsigned number, const struct test__run *run)
{
    bool passed = run->verdict == TEST__PASSED;
    const char *why = passed ? run->outcome->skipped : "";
    printf("%s %u - %s%s%s\n", passed ? "ok" : "not ok", number,
           run->test->name, *why ? " # SKIP " : "", why);
    if (!passed) test__print_reasons(run);
}

// One write for each line, appended: suites that run at the same time do not
// tear each other's lines apart.
void test__record_promises(const struct test__run *run)
{
    const struct test__outcome *outcome = run->outcome;
    const char *path = getenv("ASYNCIO_TEST_RECORD");
    const char *verdict = run->verdict == TEST__PASSED ? "pass" : "fail";
    if (!path || !*path) return;

    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    for (unsigned i = 0; i < outcome->promise_count; i++) {
        if (i == TEST__PROMISES) break;
        if (dprintf(fd, "%s\t%s\t%s\t%s\n", test_backend(),
                    outcome->promises[i], run->test->name, verdict) < 0)
            printf("# cannot write to ASYNCIO_TEST_RECORD=%s\n", path);
    }
    if (fd >= 0) close(fd);
}
