// Expectations, the story, and reports: what a test says about itself.
//
// All of it ends as words and counts in the outcome, which the runner shares.
// A test may use it from several threads and from processes that it forks, so
// room for words is taken by one atomic addition and then filled.

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/run.h"

struct test__outcome *test__outcome;

// ---- Words ------------------------------------------------------------------

static void note(const char *prefix, const char *format, va_list args)
{
    char line[2048];
    struct test__outcome *outcome = test__outcome;

    int begun = snprintf(line, sizeof line, "%s", prefix);
    size_t len = begun > 0 ? (size_t)begun : 0;
    int n = vsnprintf(line + len, sizeof line - len - 1, format, args);
    if (n > 0) len = strlen(line);
    line[len++] = '\n';

    size_t at = atomic_fetch_add(&outcome->len, len);
    if (at + len < sizeof outcome->words)
        memcpy(outcome->words + at, line, len);
}

void test__note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note("", format, args);
    va_end(args);
}

void test__fail(const char *site, const char *format, ...)
{
    char prefix[512];
    va_list args;

    snprintf(prefix, sizeof prefix, "%s: ", site);
    va_start(args, format);
    note(prefix, format, args);
    va_end(args);
    atomic_fetch_add(&test__outcome->failures, 1);
}

bool test__skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(test__outcome->skipped, sizeof test__outcome->skipped, format,
              args);
    va_end(args);
    return false;
}

void test__conforms(const char *id)
{
    unsigned at = atomic_fetch_add(&test__outcome->promise_count, 1);
    if (at < TEST__PROMISES)
        snprintf(test__outcome->promises[at], sizeof *test__outcome->promises,
                 "%s", id);
    else
        test__fail("CONFORMS", "more promises than there is room for");
}

// ---- Expectations -----------------------------------------------------------

bool expect__true(bool holds, const char *condition, const char *site)
{
    if (!holds) test__fail(site, "expected %s", condition);
    return holds;
}

static bool is_whole(long double value)
{
    if (value < -0x1p63L || value >= 0x1p64L) return false;
    if (value < 0) return value == (long double)(long long)value;
    return value == (long double)(unsigned long long)value;
}

// A negative errno gets its name: nobody knows all of them by heart.
static const char *show(long double value, char *text, size_t size)
{
    bool whole = is_whole(value);
    const char *name = NULL;
    if (whole && value < 0 && value > -4096)
        name = strerrorname_np((int)-value);

    if (name)
        snprintf(text, size, "-%s (%.0Lf)", name, value);
    else
        snprintf(text, size, whole ? "%.0Lf" : "%.17Lg", value);
    return text;
}

static bool compare(long double a, const char *op, long double b)
{
    bool or_equal = op[1] == '=';
    switch (op[0]) {
    case '=': return a == b;
    case '!': return a != b;
    case '<': return or_equal ? a <= b : a < b;
    default: return or_equal ? a >= b : a > b;
    }
}

bool expect__compare(long double a, const char *op, long double b,
                     const char *a_text, const char *b_text, const char *site)
{
    char found[64], wanted[64];
    if (compare(a, op, b)) return true;

    show(a, found, sizeof found);
    show(b, wanted, sizeof wanted);
    if (strncmp(wanted, b_text, strlen(b_text)) == 0)
        test__fail(site, "%s is %s, expected %s %s", a_text, found, op, wanted);
    else
        test__fail(site, "%s is %s, expected %s %s, which is %s", a_text, found,
                   op, b_text, wanted);
    return false;
}

bool expect__same(const void *a, const void *b, const char *a_text,
                  const char *b_text, const char *site)
{
    if (a == b) return true;
    test__fail(site, "%s is %p, expected %s, which is %p", a_text, a, b_text,
               b);
    return false;
}

bool expect__str(const char *a, const char *b, const char *a_text,
                 const char *site)
{
    if (a == b || (a && b && strcmp(a, b) == 0)) return true;
    test__fail(site, "%s is \"%s\", expected \"%s\"", a_text, a ? a : "(NULL)",
               b ? b : "(NULL)");
    return false;
}

bool expect__contains(const char *a, const char *part, const char *a_text,
                      const char *site)
{
    if (a && part && strstr(a, part)) return true;
    test__fail(site, "%s is \"%s\", expected something with \"%s\" in it",
               a_text, a ? a : "(NULL)", part ? part : "(NULL)");
    return false;
}

// ---- The story --------------------------------------------------------------

#define STORY_MAX 1024

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *story[STORY_MAX];
static size_t story_count; // may exceed STORY_MAX: told, but not kept

void trace(const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);

    pthread_mutex_lock(&lock);
    if (story_count < STORY_MAX) story[story_count] = strdup(line);
    story_count++;
    pthread_mutex_unlock(&lock);
}

static bool story_is(const char *const lines[], size_t count)
{
    if (count != story_count || count > STORY_MAX) return false;
    for (size_t i = 0; i < count; i++)
        if (!story[i] || strcmp(story[i], lines[i]) != 0) return false;
    return true;
}

static void show_story(const char *const lines[], size_t count)
{
    for (size_t i = 0; i < count || i < story_count; i++) {
        const char *wanted = i < count ? lines[i] : "(nothing)";
        const char *found = "(nothing)";
        if (i < story_count) found = i < STORY_MAX ? story[i] : "(not kept)";
        if (!found) found = "(no memory)";
        bool same = strcmp(found, wanted) == 0;
        test__note("    %s%-30s%s%s", same ? "  " : "* ", found,
                   same ? "" : " expected: ", same ? "" : wanted);
    }
}

bool expect__trace(const char *const lines[], size_t count, const char *site)
{
    pthread_mutex_lock(&lock);
    bool same = story_is(lines + 1, count);
    if (!same) {
        test__fail(site, "the story is not the one that was expected:");
        show_story(lines + 1, count);
    }
    for (size_t i = 0; i < story_count && i < STORY_MAX; i++) {
        free(story[i]);
        story[i] = NULL;
    }
    story_count = 0;
    pthread_mutex_unlock(&lock);
    return same;
}

// ---- Reports ----------------------------------------------------------------

#define REPORTS_MAX 256

static struct {
    int code;
    bool expected;
    char text[512];
} reports[REPORTS_MAX];
static unsigned report_count; // may exceed REPORTS_MAX

void test__collect_report(const struct asyncio_report *report, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    if (report_count < REPORTS_MAX) {
        reports[report_count].code = report->code;
        snprintf(reports[report_count].text, sizeof reports->text,
                 "%s [task '%s', %s]", report->text, report->task,
                 report->site);
    }
    report_count++;
    pthread_mutex_unlock(&lock);
}

static unsigned reports_kept(void)
{
    return report_count < REPORTS_MAX ? report_count : REPORTS_MAX;
}

const char *expect__report(int code, const char *site)
{
    char name[64];
    const char *text = NULL;

    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < reports_kept() && !text; i++) {
        if (reports[i].expected || reports[i].code != code) continue;
        reports[i].expected = true;
        text = reports[i].text;
    }
    pthread_mutex_unlock(&lock);
    if (text) return text;
    test__fail(site, "expected a report of %s", show(code, name, sizeof name));
    return "";
}

unsigned unexpected_reports(void)
{
    unsigned count = 0;
    pthread_mutex_lock(&lock);
    if (report_count > REPORTS_MAX) count = report_count - REPORTS_MAX;
    for (unsigned i = 0; i < reports_kept(); i++)
        if (!reports[i].expected) count++;
    pthread_mutex_unlock(&lock);
    return count;
}

void test__check_reports(void)
{
    char name[64];
    for (unsigned i = 0; i < reports_kept(); i++) {
        if (reports[i].expected) continue;
        test__fail("report", "nobody expected %s: %s",
                   show(reports[i].code, name, sizeof name), reports[i].text);
    }
    if (report_count > REPORTS_MAX)
        test__fail("report", "%u in all, more than are kept", report_count);
}
