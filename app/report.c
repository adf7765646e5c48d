// Lines for people and scripts, each in one write to standard output.
//
// Going around stdio keeps lines whole between threads, and leaves nothing in a
// buffer that a forked worker would print a second time.

#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 4096 // a pipe takes as much in one piece

static int write_all(const char *data, size_t size)
{
    while (size > 0) {
        ssize_t count = write(STDOUT_FILENO, data, size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -errno;
        data += count;
        size -= (size_t)count;
    }
    return 0;
}

int report_line(const char *format, ...)
{
    char line[LINE_SIZE];
    va_list words;
    va_start(words, format);
    int len = vsnprintf(line, sizeof line - 1, format, words);
    va_end(words);
    if (len < 0) return -EINVAL;

    // A line that is too long loses its end, but not its line end.
    size_t end = (size_t)len < sizeof line - 2 ? (size_t)len : sizeof line - 2;
    line[end] = '\n';
    return write_all(line, end + 1);
}

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void report_start(struct report *report)
{
    report->started = now();
}

void report_downloaded(struct report *report)
{
    report->downloaded = now();
}

void report_processed(struct report *report)
{
    report->processed = now();
}

static int print_step(const char *step, size_t count, double seconds,
                      double total)
{
    return report_line("%s %zu images took %.2f s, %.1f %% of the total", step,
                       count, seconds, total > 0 ? 100 * seconds / total : 0);
}

int report_print(const struct report *report, size_t count)
{
    double download = report->downloaded - report->started;
    double process = report->processed - report->downloaded;
    double total = report->processed - report->started;

    int err = report_line("%s", "");
    if (err == 0) err = print_step("Downloading", count, download, total);
    if (err == 0) err = print_step("Processing", count, process, total);
    if (err == 0) err = report_line("Total: %.2f s", total);
    if (err < 0) return err;
    return report_line("TIMES download_s=%.3f process_s=%.3f total_s=%.3f",
                       download, process, total);
}
