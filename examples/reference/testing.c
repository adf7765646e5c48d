// A program that tests its own code, without a framework: time that jumps, a
// ledger of what is in use, calls that fail, cancels, and many orders.
//
//     cc testing.c $(pkg-config --cflags --libs libasyncio)
//     ./a.out --cancel race:3        # what failed, once more

#include <stdio.h>

#include <asyncio.h>
#include <asyncio/testing.h>

// --- the code to be tested: three fetches, one at a time, that try again -----

static struct asyncio_semaphore line = ASYNCIO_SEMAPHORE(1);
static int calls;

static int call_server(void) // refuses every other time
{
    int err = asyncio_sleep(0.5);
    if (err < 0) return err;
    return ++calls % 2 ? -ECONNREFUSED : 0;
}

static int fetch(void *arg)
{
    (void)arg;
    int err = asyncio_semaphore_acquire(&line);
    if (err < 0) return err;
    while ((err = call_server()) == -ECONNREFUSED)
        if ((err = asyncio_sleep(3600)) < 0) break;
    asyncio_semaphore_release(&line); // on every way out
    return err;
}

static int fetch_all(void *arg)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, fetch, arg);
    return asyncio_task_group_exit(&group, 0);
}

// --- by hand: a clock that moves when it is told to --------------------------

static struct asyncio_testing_clock test_clock =
    ASYNCIO_TESTING_CLOCK(0, ASYNCIO_FOREVER);

static int jump_through_a_fetch(void *arg)
{
    struct asyncio_task *task = asyncio_create_task(fetch, arg);
    int err = asyncio_testing_wait_all_tasks_blocked(0); // it is in its call
    asyncio_testing_clock_jump(&test_clock, 0.5);
    if (err == 0) err = asyncio_testing_wait_all_tasks_blocked(0);
    printf("at %g: %d call\n", asyncio_testing_clock_time(&test_clock), calls);

    // From here on by itself, whenever every task waits.
    asyncio_testing_clock_set_autojump_threshold(&test_clock, 0);
    if (err == 0) err = asyncio_await(task);
    printf("at %g: %d calls\n", asyncio_testing_clock_time(&test_clock), calls);
    asyncio_task_release(task);
    return err;
}

static void test_time(void)
{
    asyncio_testing_clock_use(&test_clock);
    printf("fetched: %d\n", asyncio_run(jump_through_a_fetch, NULL));

    asyncio_testing_clock_set_rate(&test_clock, 60);
    double when = asyncio_testing_clock_time(&test_clock) + 3600;
    double left = asyncio_testing_clock_left(&test_clock, when);
    printf("an hour takes a minute: %d\n", left > 50 && left <= 60);
    asyncio_testing_clock_set_rate(&test_clock, 0);
}

// --- by hand: each allocation fails once, and nothing may be lost ------------

static uint64_t failures;

static void count_failure(int code, const char *site)
{
    (void)code, (void)site;
    failures++;
}

static void print_leak(const char *what, size_t size, const char *site,
                       void *ordinal)
{
    printf("%s (%zu) of %s is lost if allocation %llu fails\n", what, size,
           site, *(unsigned long long *)ordinal);
}

static void ignore_report(const struct asyncio_report *report, void *arg)
{
    (void)report, (void)arg; // failures that nobody could be told of
}

static void test_without_memory(void)
{
    struct asyncio_testing_ledger ledger = ASYNCIO__ZERO;
    asyncio_testing_reports(ignore_report, NULL);
    asyncio_testing_on_failure(count_failure);
    unsigned long long ordinal = 0;
    do {
        asyncio_testing_ledger_start();
        asyncio_testing_fail_at("alloc", ++ordinal);
        asyncio_ignore(asyncio_run(fetch_all, NULL));
        asyncio_testing_ledger_settle(1); // threads that were left may end
        asyncio_testing_ledger_read(&ledger);
        asyncio_testing_ledger_each(print_leak, &ordinal);
    } while (asyncio_testing_calls() >= ordinal);
    asyncio_testing_fail_at("alloc", 0);
    printf("each failed once: %d, bytes lost: %zu\n", failures == ordinal - 1,
           ledger.bytes);
}

// Whatever way a system call fails in, the program returns; and in those that
// nobody is to notice, it succeeds.
static void fail_a_system_call(void)
{
    unsigned way = 0, noticed = 0;
    do {
        asyncio_testing_fail_at("syscall", 1);
        asyncio_testing_fail_in_way(way);
        int err = asyncio_run(fetch_all, NULL);
        if (err < 0 && asyncio_testing_failure_is_harmless()) noticed++;
    } while (++way < asyncio_testing_ways());
    asyncio_testing_fail_at("syscall", 0);
    printf("noticed without need: %u\n", noticed);
}

// --- by hand: a cancel in a certain order, and what a bug would look like ----

static void print_cancel(struct asyncio_task *task)
{
    char text[256];
    fprintf(stderr, "%s\n", asyncio_task_describe(task, text, sizeof text));
    printf("cancel at await %d\n", (int)asyncio_testing_awaits());
}

static int force_an_end(void *arg)
{
    struct asyncio_task *task = asyncio_create_task(fetch, arg);
    asyncio_testing_force_done(task, -EIO);
    int err = asyncio_await(task);
    asyncio_task_release(task);
    return err;
}

static void test_cancel(void)
{
    asyncio_testing_seed(7);
    asyncio_testing_on_cancel(print_cancel);
    asyncio_testing_cancel_at("task", 1);
    int err = asyncio_run(fetch_all, NULL);
    printf("after %d awaits: %s, swallowed: %d\n",
           (int)asyncio_testing_awaits(), asyncio_strerror(err),
           (int)asyncio_testing_swallowed());
    printf("forced: %d\n", asyncio_run(force_an_end, NULL) == -EIO);
}

int main(int argc, char **argv)
{
    test_time();
    test_without_memory();
    fail_a_system_call();
    test_cancel();
    // All of it by the loops that are there, each run in a process of its own.
    return asyncio_testing_main(argc, argv, fetch_all, NULL, .seeds = 50);
}
// expect: at 1000.5: 1 call
// expect: at 4601: 2 calls
// expect: fetched: 0
// expect: an hour takes a minute: 1
// expect: each failed once: 1, bytes lost: 0
// expect: noticed without need: 0
// expect: cancel at await 1
// expect: after 5 awaits: a test cancels here, swallowed: 0
// expect: forced: 1
// expect: passed
