// Channels: a producer and its consumers, and what closing an end means.
//
//     cc channel.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

struct job {
    int number;
    const char *what;
};

ASYNCIO_CHANNEL_TYPE(jobs, struct job);

static struct jobs_sender out;
static struct jobs_receiver in;

static int produce(void *arg)
{
    struct job job = {.what = arg};
    struct jobs_sender mine; // a clone: it is over when all of them are closed
    int err = asyncio_sender_clone(&out, &mine);
    for (int i = 0; i < 2 && err == 0; i++) {
        job.number = i;
        err = asyncio_sender_send(&mine, &job); // waits while there is no room
    }
    asyncio_sender_close(&mine);
    return err;
}

static int consume(void *arg)
{
    struct jobs_receiver mine;
    struct job job;
    (void)arg;
    int err = asyncio_receiver_clone(&in, &mine), count = 0;
    while (err == 0 && (err = asyncio_receiver_receive(&mine, &job)) == 0)
        count++;
    printf("%d jobs, and then %s\n", count,
           err == -ENODATA ? "ENODATA" : asyncio_strerror(err));
    asyncio_receiver_close(&mine);
    return err == -ENODATA ? 0 : err;
}

static int hand_over(void)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, produce, "wash");
    asyncio_task_group_create_task(&group, produce, "dry");
    asyncio_task_group_create_task(&group, consume, NULL);
    int err = asyncio_sleep(0.01);
    asyncio_sender_close(&out); // the producers have theirs
    return asyncio_task_group_exit(&group, err);
}

static int without_waiting(void)
{
    struct job job = {1, "iron"};
    struct asyncio_channel_statistics now;
    int err = asyncio_channel_create(&out, &in, 1);
    if (err < 0) return err;
    err = asyncio_sender_send_nowait(&out, &job);
    int full = asyncio_sender_send_nowait(&out, &job);
    if (err == 0) err = asyncio_sender_statistics(&out, &now);
    if (err == 0)
        printf("%zu of %zu; full: %s\n", now.items, now.capacity,
               full == -EAGAIN ? "EAGAIN" : "?");
    if (err == 0) err = asyncio_receiver_receive_nowait(&in, &job);
    if (err == 0) err = asyncio_receiver_statistics(&in, &now);
    if (err == 0) printf("%s, then %zu\n", job.what, now.items);
    asyncio_receiver_close(&in);
    if (asyncio_sender_send(&out, &job) == -EPIPE) printf("nobody receives\n");
    asyncio_sender_close(&out);
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = asyncio_channel_create(&out, &in, 1);
    if (err < 0) return err;
    err = hand_over();
    asyncio_sender_close(&out); // closed before: that does no harm
    asyncio_receiver_close(&in);
    return err < 0 ? err : without_waiting();
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: 4 jobs, and then ENODATA
// expect: 1 of 1; full: EAGAIN
// expect: iron, then 0
// expect: nobody receives
