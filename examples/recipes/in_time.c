// What has come within the time counts, the rest is let go of: wait tells which
// are done, and leaves the others to you.
//
// expect: a waits for 0.1 s: in time, 10
// expect: b waits for 0.2 s: in time, 20
// expect: c waits for 9.0 s: too late

#include <stdio.h>

#include <asyncio.h>

struct source {
    char name;
    double seconds;
    int value;
};

static int ask(void *arg)
{
    struct source *source = arg;
    int err = asyncio_sleep(source->seconds);
    return err < 0 ? err : source->value;
}

static int ask_all(struct source *sources, bool *in_time, int *values)
{
    struct asyncio_task *tasks[3];
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, ask, &sources[i],
                                       .task = &tasks[i]);
    int count = asyncio_wait(tasks, 3, 0.5, .done = in_time);
    for (int i = 0; i < 3 && count >= 0; i++)
        if (in_time[i]) asyncio_task_result(tasks[i], &values[i]);
    asyncio_task_group_cancel(&group); // those that are late
    return asyncio_task_group_exit(&group, count < 0 ? count : 0);
}

static int async_main(void *arg)
{
    (void)arg;
    struct source sources[] = {{'a', 0.1, 10}, {'b', 0.2, 20}, {'c', 9, 30}};
    bool in_time[3];
    int values[3];
    int err = ask_all(sources, in_time, values);
    for (int i = 0; i < 3 && err == 0; i++) {
        printf("%c waits for %.1f s: ", sources[i].name, sources[i].seconds);
        if (in_time[i])
            printf("in time, %d\n", values[i]);
        else
            printf("too late\n");
    }
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
