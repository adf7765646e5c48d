// The same with ten tasks that take the next order when they have finished one.
// A thousand tasks and a semaphore of ten would be served as well, but each of
// them takes up memory while it waits; what has not begun here costs nothing.
//
// expect: 1000 served, 0 turned away

#include <stdio.h>

#include <asyncio.h>

#define ORDERS 1000

static int at_work, served, turned_away;

static int server(void)
{
    if (at_work == 10) return -EBUSY;
    at_work++;
    int err = asyncio_sleep(0.1);
    at_work--;
    return err;
}

static int order_in_turn(void *arg)
{
    int *left = arg; // tasks of one loop share it without a lock
    while (*left > 0) {
        --*left;
        int err = server();
        served += err == 0;
        turned_away += err == -EBUSY;
        if (err < 0 && err != -EBUSY) return err;
    }
    return 0;
}

static int order_all(void)
{
    int left = ORDERS;
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 10; i++)
        asyncio_task_group_create_task(&group, order_in_turn, &left);
    return asyncio_task_group_exit(&group, 0);
}

static int async_main(void *arg)
{
    (void)arg;
    int err = order_all();
    printf("%d served, %d turned away\n", served, turned_away);
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
