// One producer, three consumers, a bounded queue between them. The producer
// shuts the queue down when it has nothing more; consumers empty it and end.
//
// Three jobs are at work, four fit into the queue, and the producer waits with
// the others until there is room: whoever is fast cannot drown whoever is slow,
// and memory is what you have said it is.
//
//     cc 17_producer_consumer.c $(pkg-config --cflags --libs libasyncio)
//
// expect: 0.1 s: the last job is in the queue
// expect: 0.3 s: all are done
// expect: 0 1 4 9 16 25 36 49 64

#include <stdio.h>

#include <asyncio.h>

#define JOBS 9

struct job {
    int number, square;
};

struct line {
    struct asyncio_queue queue;
    struct job jobs[JOBS];
};

static double start;

static void say(const char *text)
{
    printf("%.1f s: %s\n", asyncio_time() - start, text);
}

static int produce(void *arg)
{
    struct line *line = arg;
    for (int i = 0; i < JOBS; i++) {
        line->jobs[i].number = i;
        int err = asyncio_queue_put(&line->queue, &line->jobs[i]);
        if (err < 0) return err;
    }
    say("the last job is in the queue");
    asyncio_queue_shutdown(&line->queue);
    return 0;
}

static int consume(void *arg)
{
    struct line *line = arg;
    struct job *job;
    int err;
    while ((err = asyncio_queue_get(&line->queue, &job)) >= 0) {
        err = asyncio_sleep(0.1);
        if (err < 0) return err;
        job->square = job->number * job->number;
    }
    return err == -ESHUTDOWN ? 0 : err;
}

static int async_main(void *arg)
{
    (void)arg;
    void *slots[4];
    start = asyncio_time();
    struct line line = {.queue = ASYNCIO_QUEUE(slots)};

    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, produce, &line);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, consume, &line);
    int err = asyncio_task_group_exit(&group, 0);
    if (err < 0) return err;

    say("all are done");
    for (int i = 0; i < JOBS; i++)
        printf("%d%c", line.jobs[i].square, i == JOBS - 1 ? '\n' : ' ');
    return 0;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
