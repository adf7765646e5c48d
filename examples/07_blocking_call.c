// A call that blocks stalls the loop, and debug mode says so.
//
// Tasks take turns, and a turn ends where a task waits. A call that keeps the
// thread keeps all the others, timers included: the clock below misses its
// ticks. In a thread the same call disturbs nobody. Debug mode reports each
// step that took longer than 0.1 s, with the task and what to do about it.
//
//     cc 07_blocking_call.c $(pkg-config --cflags --libs libasyncio)
//
// expect: in a task:   the clock stood still
// expect: report:      a step of the task "careless" took too long
// expect: in a thread: the clock went on

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <asyncio.h>

static int ticks;

static int tick(void *arg)
{
    (void)arg;
    int err;
    while ((err = asyncio_sleep(0.01)) == 0)
        ticks++;
    return err;
}

static int block(void *arg) // as getaddrinfo, sqlite3_step or fread may do
{
    (void)arg;
    struct timespec left = {.tv_nsec = 300000000};
    while (nanosleep(&left, &left) < 0)
        continue;
    return 0;
}

static int careless(void *arg)
{
    int before = ticks;
    int err = block(arg);
    printf("in a task:   the clock %s\n",
           ticks == before ? "stood still" : "went on");
    return err;
}

static int careful(void *arg)
{
    int before = ticks;
    int err = asyncio_to_thread(block, arg); // this task waits, others run
    printf("in a thread: the clock %s\n",
           ticks == before ? "stood still" : "went on");
    return err;
}

static void on_report(const struct asyncio_report *report, void *arg)
{
    (void)arg; // without a handler the report is printed to standard error
    if (report->code == -ETIME && strcmp(report->task, "careless") == 0)
        printf("report:      a step of the task \"%s\" took too long\n",
               report->task);
}

static int async_main(void *arg)
{
    int err = asyncio_set_exception_handler(on_report, NULL);
    if (err < 0) return err;
    struct asyncio_task *clock = asyncio_create_task(tick, NULL);
    struct asyncio_task *first =
        asyncio_create_task(careless, arg, .name = "careless");
    err = asyncio_await(first);
    if (err == 0) err = careful(arg);
    asyncio_task_cancel(clock);
    int ended = asyncio_await(clock);
    asyncio_task_release(first);
    asyncio_task_release(clock);
    return ended == -ECANCELED ? err : ended;
}

int main(void)
{
    return asyncio_main(async_main, NULL, .debug = true);
}
