// Pitfall: as many tasks as there is work, all at once. Tasks are cheap; what
// they ask for is not. This server takes ten at a time and turns the rest away.
//
// expect: 10 served, 990 turned away

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

static int order(void *arg)
{
    (void)arg;
    int err = server();
    served += err == 0;
    turned_away += err == -EBUSY;
    return err == -EBUSY ? 0 : err;
}

static int order_all(void)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < ORDERS; i++)
        asyncio_task_group_create_task(&group, order, NULL);
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
