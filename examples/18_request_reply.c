// Values of any type: a future sits in the struct that it announces. Requests
// go out on one connection, replies come back in any order and find their
// waiter.
//
//     cc 18_request_reply.c $(pkg-config --cflags --libs libasyncio)
//
// expect: 6000000042

#include <stdint.h>
#include <stdio.h>

#include <asyncio.h>

struct request {
    int64_t question, answer; // larger than an int: lives beside the future
    struct asyncio_future done;
};

static int answer_later(void *arg) // stands for the connection's reader
{
    struct request *request = arg;
    int err = asyncio_sleep(0.1);
    if (err < 0) return err;
    request->answer = request->question * INT64_C(1000000007);
    return asyncio_future_set_result(&request->done, 0);
}

static int ask(struct request *request)
{
    int err = asyncio_wait_for(&request->done, 2);
    if (err < 0) return err;
    printf("%lld\n", (long long)request->answer);
    return 0;
}

static int async_main(void *arg)
{
    (void)arg;
    struct request request = {.question = 6};

    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, answer_later, &request);
    int err = ask(&request);
    return asyncio_task_group_exit(&group, err);
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
