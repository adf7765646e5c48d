// Pitfall: tasks that are made and let go of. Nobody hears that one failed, but
// for a report on standard error; and one that is not ready when the program
// ends is cancelled in the middle.
//
// expect: main has nothing more to do
// expect: report: "upload" failed and nobody asked: the disk is full
// expect: the log is cut off

#include <stdio.h>

#include <asyncio.h>

static int upload(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(0.1);
    return err < 0 ? err : asyncio_raise(-ENOSPC, "the disk is full");
}

static int write_log(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(0.5);
    printf("the log is %s\n", err == 0 ? "written" : "cut off");
    return err;
}

static void on_report(const struct asyncio_report *report, void *arg)
{
    (void)arg;
    printf("report: \"%s\" failed and nobody asked: %s\n", report->task,
           report->code == -ENOSPC ? "the disk is full" : report->text);
}

static int async_main(void *arg)
{
    int err = asyncio_set_exception_handler(on_report, NULL);
    if (err < 0) return err;
    asyncio_task_release(asyncio_create_task(upload, arg, .name = "upload"));
    asyncio_task_release(asyncio_create_task(write_log, arg, .name = "log"));
    printf("main has nothing more to do\n");
    return asyncio_sleep(0.2); // and the program ends
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
