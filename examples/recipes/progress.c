// A sign of life while something takes long: wait with a limit, which cancels
// nothing, and look again.
//
// expect: 0.1 s: still at it
// expect: 0.2 s: still at it
// expect: 0.3 s: 7

#include <stdio.h>

#include <asyncio.h>

static int work(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(0.28);
    return err < 0 ? err : 7;
}

static int await_with_progress(struct asyncio_task *task)
{
    double start = asyncio_time();
    for (;;) {
        int done = asyncio_wait(&task, 1, 0.1);
        if (done < 0) return done; // we were cancelled: the task was not
        if (done > 0) break;
        printf("%.1f s: still at it\n", asyncio_time() - start);
    }
    int result = asyncio_await(task);
    if (result >= 0) printf("%.1f s: %d\n", asyncio_time() - start, result);
    return result;
}

static int async_main(void *arg)
{
    struct asyncio_task *task;
    ASYNCIO_WITH_TASK_GROUP(group); // ends the task, if we are cancelled
    asyncio_task_group_create_task(&group, work, arg, .task = &task);
    int result = await_with_progress(task);
    return asyncio_task_group_exit(&group, result < 0 ? result : 0);
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
