// Debug mode: what a program does wrong is said, in one line each.
//
//     cc debug.c $(pkg-config --cflags --libs libasyncio)

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <asyncio.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

// In place of standard error. The text names addresses of this very run.
static void on_report(const struct asyncio_report *report, void *arg)
{
    (void)arg;
    const char *what = strstr(report->text, "held the lock") ? "holds a lock"
                       : strstr(report->text, "never awaited")
                           ? "was never awaited"
                           : report->text;
    printf("%s: %s\n", report->task[0] ? report->task : "a coroutine", what);
}

static int doze(void *arg)
{
    (void)arg;
    return asyncio_sleep(0.01);
}

static int hold_a_mutex(void *arg)
{
    pthread_mutex_lock(&mutex);
    int err = doze(arg); // others may want it meanwhile: use a lock of asyncio
    pthread_mutex_unlock(&mutex);
    return err;
}

static int forget(void *arg)
{
    ASYNCIO_WITH_COROUTINE(dozing, doze, arg);
    return dozing.fn ? 0 : -EINVAL; // neither awaited nor spawned
}

static int misbehave(void)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, hold_a_mutex, NULL,
                                   .name = "holder");
    asyncio_task_group_create_task(&group, forget, NULL, .name = "forgetter");
    return asyncio_task_group_exit(&group, 0);
}

static int async_main(void *arg)
{
    (void)arg;
    struct asyncio_loop *loop = asyncio_get_running_loop();
    int err = asyncio_loop_set_slow_callback_duration(loop, 3600);
    if (err == 0) err = asyncio_set_exception_handler(on_report, NULL);
    if (err == 0) err = misbehave();
    printf("a step may take %.0f s\n",
           asyncio_loop_get_slow_callback_duration(loop));
    if (err == 0) err = asyncio_loop_set_debug(loop, false);
    printf("debug mode is %s\n", asyncio_loop_get_debug(loop) ? "on" : "off");
    return err;
}

int main(void)
{
    int status = asyncio_main(async_main, NULL, .debug = true);
    struct asyncio_stack_use uses[8];
    size_t count = asyncio_debug_stacks(uses, 8);
    printf("%zu places made tasks\n", count);
    if (count > 8) asyncio_debug_print_stacks(stderr);
    return status;
}
// expect: holder: holds a lock
// expect: a coroutine: was never awaited
// expect: a step may take 3600 s
// expect: debug mode is off
// expect: 3 places made tasks
