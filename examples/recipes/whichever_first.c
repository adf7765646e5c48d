// Wait for whatever comes first: a job, the order to stop, or nothing for too
// long. Exactly one of them takes effect.
//
// expect: job 1
// expect: job 2
// expect: nothing for 0.2 s
// expect: told to stop

#include <stdio.h>

#include <asyncio.h>

ASYNCIO_CHANNEL_TYPE(jobs, int);

struct worker {
    struct jobs_receiver jobs;
    struct asyncio_future stop;
};

static int work(void *arg)
{
    struct worker *worker = arg;
    for (;;) {
        int job;
        struct asyncio_select_case cases[] = {
            ASYNCIO_SELECT_FUTURE(&worker->stop),
            ASYNCIO_SELECT_RECEIVE(&worker->jobs, &job),
            ASYNCIO_SELECT_AFTER(0.2),
        };
        int which = asyncio_select(cases, 3);
        if (which < 0) return which; // cancelled: nothing was taken
        if (which == 0) break;
        if (which == 2) {
            printf("nothing for 0.2 s\n");
            continue;
        }
        if (cases[1].result < 0) return cases[1].result;
        printf("job %d\n", job);
    }
    printf("told to stop\n");
    return 0;
}

static int send_jobs(struct jobs_sender *out, struct asyncio_future *stop)
{
    int err = 0;
    for (int job = 1; job <= 2 && err == 0; job++)
        err = asyncio_sender_send(out, &job);
    if (err == 0) err = asyncio_sleep(0.3);
    return err < 0 ? err : asyncio_future_set_result(stop, 0);
}

static int run_worker(struct worker *worker, struct jobs_sender *out)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, work, worker);
    return asyncio_task_group_exit(&group, send_jobs(out, &worker->stop));
}

static int async_main(void *arg)
{
    (void)arg;
    struct worker worker = {0};
    struct jobs_sender out;
    int err = asyncio_channel_create(&out, &worker.jobs, 0);
    if (err < 0) return err;
    err = run_worker(&worker, &out);
    asyncio_sender_close(&out);
    asyncio_receiver_close(&worker.jobs);
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
