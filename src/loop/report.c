// Reports: what nobody waits for, and somebody should know.
//
// The loop's own handler gets them, or else the tests', or else they are a line
// on standard error each.

#include <stdarg.h>
#include <stdio.h>

#include "loop/debug.h"
#include "loop/testing.h"

static void print_report(const struct asyncio_report *report)
{
    fprintf(stderr, "asyncio: %s%s%s%s%s%s\n", report->text,
            report->task[0] ? " [task " : "", report->task,
            report->site[0] ? (report->task[0] ? ", made at " : " [") : "",
            report->site, report->task[0] || report->site[0] ? "]" : "");
}

static void deliver_report(struct asyncio_loop *loop,
                           const struct asyncio_report *report)
{
    if (loop && loop->report)
        loop->report(report, loop->report_arg);
    else if (asyncio__testing.report)
        asyncio__testing.report(report, asyncio__testing.report_arg);
    else
        print_report(report);
}

void asyncio__report(struct asyncio_loop *loop, int code, const char *task,
                     const char *site, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    deliver_report(loop, &(struct asyncio_report){code, text, task ? task : "",
                                                  site ? site : ""});
}

int asyncio_set_exception_handler(asyncio_report_fn *fn, void *arg)
{
    struct asyncio_loop *loop = asyncio_get_event_loop();
    if (!loop || asyncio__wrong_thread(loop, __func__)) return -EPERM;
    if (asyncio__loop_lends(loop, arg)) return -EFAULT;
    loop->report = fn;
    loop->report_arg = arg;
    return 0;
}

void asyncio_call_exception_handler(const struct asyncio_report *report)
{
    struct asyncio_report whole = *report;
    if (!whole.text) whole.text = "";
    if (!whole.task) whole.task = "";
    if (!whole.site) whole.site = "";
    // The handler is the loop's own, but no report is lost.
    struct asyncio_loop *loop = asyncio_get_event_loop();
    if (loop && asyncio__wrong_thread(loop, __func__)) loop = NULL;
    deliver_report(loop, &whole);
}
