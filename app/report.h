// What the picture programs print: one line at a time, and a closing report.
//
//     struct report report;
//     report_start(&report);
//     ... download ...
//     report_downloaded(&report);
//     ... process ...
//     report_processed(&report);
//     return report_print(&report, count);
#pragma once

#include <stddef.h>

// Moments of a run, in seconds of the monotonic clock.
struct report {
    double started, downloaded, processed;
};

// Prints one line, formatted as by printf and without its line end, straight to
// standard output. Lines of threads and processes do not mix, and their order
// is the order of the calls. Any thread may call it.
//
// returns  0, or a negative errno
int report_line(const char *format, ...);

void report_start(struct report *report);      // the downloads begin
void report_downloaded(struct report *report); // and the processing begins
void report_processed(struct report *report);  // the end

// Prints how long each step took for `count` images, for people, and a last
// line for scripts.
//
// returns  0, or a negative errno when standard output took not all of it
int report_print(const struct report *report, size_t count);
