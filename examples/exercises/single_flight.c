// Answer to exercise 10: ten tasks ask for the same thing at once; it is
// fetched once. One that gives up does not take the answer from the others; if
// all have given up, the fetch ends.
//
// The fetch is a task, and each asker waits for it behind a shield: cancelling
// an asker ends its wait and nothing else. The last one out cancels the task,
// and joins it: its argument is ours.
//
// expect: the impatient one: Connection timed out
// expect: fetched once, 9 answers of 42
// expect: all gave up: the fetch was cancelled

#include <stdio.h>

#include <asyncio.h>

struct flight {
    struct asyncio_task *task; // NULL: nobody asks
    int askers;
};

static int fetches;
static bool was_cancelled;

static int fetch(void *seconds)
{
    fetches++;
    int err = asyncio_sleep(*(double *)seconds);
    was_cancelled = err == -ECANCELED;
    return err < 0 ? err : 42;
}

static int ask(struct flight *flight, double *seconds)
{
    if (flight->askers++ == 0)
        flight->task = asyncio_create_task(fetch, seconds);
    struct asyncio_task *task = flight->task;
    int answer = asyncio_shield(task);
    if (--flight->askers > 0) return answer;
    flight->task = NULL;
    if (asyncio_task_cancel(task)) // it is not done: we are the last
        asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
    return answer;
}

static struct flight flight;
static double seconds = 0.1;
static int answers;

static int patient(void *arg)
{
    int answer = ask(&flight, arg);
    answers += answer == 42;
    return answer < 0 ? answer : 0;
}

static int impatient(void *arg)
{
    int err = asyncio_wait_for(ask(&flight, arg), 0.05);
    printf("the impatient one: %s\n", asyncio_strerror(err));
    return err == -ETIMEDOUT ? 0 : err;
}

static int ask_together(void)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 10; i++)
        asyncio_task_group_create_task(&group, i == 4 ? impatient : patient,
                                       &seconds);
    return asyncio_task_group_exit(&group, 0);
}

static int async_main(void *arg)
{
    (void)arg;
    int err = ask_together();
    if (err < 0) return err;
    printf("fetched %s, %d answers of 42\n",
           fetches == 1 ? "once" : "more than once", answers);
    err = asyncio_wait_for(ask(&flight, &seconds), 0.05);
    if (err == -ETIMEDOUT && was_cancelled)
        printf("all gave up: the fetch was cancelled\n");
    return err == -ETIMEDOUT ? 0 : err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
