// Pitfall that only C has: a task outlives the function that made it, and the
// argument in that function's frame is gone. Debug mode says so.
//
// expect: report: a frame was left while a child's argument lies in it
// expect: done

#include <stdio.h>
#include <string.h>

#include <asyncio.h>

struct letter {
    char text[32];
};

static int post(void *arg)
{
    (void)arg; // reading the letter here would read somebody else's memory
    return asyncio_sleep(0.1);
}

// The compiler is told not to make one function of this and its caller, as it
// may where a function is as short as this one.
__attribute__((noinline)) static struct asyncio_task *write_and_post(void)
{
    struct letter letter = {"dear reader"};
    struct asyncio_task *task = asyncio_create_task(post, &letter);
    return task; // the letter is gone before the task has begun
}

static void on_report(const struct asyncio_report *report, void *arg)
{
    (void)arg;
    if (report->code == -EFAULT && strstr(report->text, "argument"))
        printf("report: a frame was left while a child's argument lies in "
               "it\n");
}

static int async_main(void *arg)
{
    (void)arg;
    int err = asyncio_set_exception_handler(on_report, NULL);
    if (err < 0) return err;
    struct asyncio_task *task = write_and_post();
    err = asyncio_await(task);
    asyncio_task_release(task);
    if (err == 0) printf("done\n");
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL, .debug = true);
}
