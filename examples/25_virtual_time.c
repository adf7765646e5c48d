// Testing with virtual time: hours pass in a moment, exactly, and a failure
// comes again.
//
// The code under test polls every ten minutes and gives up after a day; nobody
// wants to wait for that, and no test should depend on how fast a machine is. A
// test clock jumps whenever every task waits. asyncio_testing_main runs a test
// in many orders, with a cancel at every await, and with each allocation
// failing once; it prints the command that has a failure again.
//
//     cc 25_virtual_time.c $(pkg-config --cflags --libs libasyncio)
//     ./a.out                # all of it
//     ./a.out --seeds 1000   # more orders
//
// expect: ready after 3000 s
// expect: given up after 86400 s: Connection timed out
// expect: passed

#include <stdio.h>

#include <asyncio.h>
#include <asyncio/testing.h>

// --- the code under test ----------------------------------------------------

struct job {
    int polls_left; // until the server says that it is ready
};

static int wait_until_ready(struct job *job)
{
    ASYNCIO_WITH_TIMEOUT(limit, 24 * 3600);
    int err = 0;
    while (err == 0 && job->polls_left-- > 0)
        err = asyncio_sleep(600);
    return asyncio_timeout_exit(&limit, err);
}

// --- the tests --------------------------------------------------------------

static int test_by_hand(void *arg)
{
    (void)arg;
    struct job quick = {5}, hopeless = {1000000};
    double start = asyncio_time();
    int err = wait_until_ready(&quick);
    if (err < 0) return err;
    printf("ready after %.0f s\n", asyncio_time() - start);

    start = asyncio_time();
    err = wait_until_ready(&hopeless);
    printf("given up after %.0f s: %s\n", asyncio_time() - start,
           asyncio_strerror(err));
    return err == -ETIMEDOUT ? 0 : err;
}

static int wait_for_one(void *job)
{
    return wait_until_ready(job);
}

static int test_side_by_side(void *arg)
{
    (void)arg;
    struct job jobs[] = {{1}, {2}, {3}};
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, wait_for_one, &jobs[i]);
    return asyncio_task_group_exit(&group, 0);
}

int main(int argc, char **argv)
{
    static struct asyncio_testing_clock clock;
    asyncio_testing_clock_use(&clock);
    if (asyncio_run(test_by_hand, NULL) < 0) return 1;
    return asyncio_testing_main(argc, argv, test_side_by_side, NULL);
}
