// The cancel at a chosen await: that it comes where and when it is said, and
// that the loop of them finds what it is there for. The bugs are planted here.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "runner/run.h"
#include "task/park.h"

// --- where and when ---------------------------------------------------------

static int cancels;
static struct asyncio_task *cancelled;

static void note(struct asyncio_task *task)
{
    cancels++;
    cancelled = task;
}

TEST(cancel_comes_at_the_await_that_was_named)
{
    asyncio_testing_on_cancel(note);
    EXPECT_EQ(asyncio_testing_cancel_at("task", 2), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(cancels, 0);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(cancels, 1);
    EXPECT_SAME(cancelled, asyncio_current_task());
    EXPECT_EQ(asyncio_testing_awaits(), 3);
    EXPECT_EQ(asyncio_testing_swallowed(), 0);
    EXPECT_EQ(asyncio_task_uncancel(asyncio_current_task()), 0);
}

TEST(yield_is_an_await)
{
    EXPECT_EQ(asyncio_testing_cancel_at("task", 1), 0);
    EXPECT_EQ(asyncio_sleep(0), -ECANCELED);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_task_uncancel(asyncio_current_task());
}

TEST(no_ordinal_only_counts)
{
    EXPECT_EQ(asyncio_testing_cancel_at("race", 0), 0);
    for (int i = 0; i < 10; i++)
        EXPECT_EQ(asyncio_sleep(i % 2), 0);
    EXPECT_EQ(asyncio_testing_awaits(), 10);
}

TEST(second_cancel_comes_at_the_next_await_of_that_task)
{
    asyncio_testing_on_cancel(note);
    EXPECT_EQ(asyncio_testing_cancel_at("twice", 1), 0);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(cancels, 2);
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 2);
    while (asyncio_task_uncancel(asyncio_current_task()) > 0)
        continue;
}

static int take_slot(void *slots)
{
    return asyncio_semaphore_acquire(slots);
}

TEST(race_comes_between_the_wake_and_the_run, .ordered = true)
{
    struct asyncio_semaphore slots = ASYNCIO_SEMAPHORE(0);
    struct asyncio_task *task = asyncio_create_task(take_slot, &slots);
    asyncio_testing_on_cancel(note);
    EXPECT_EQ(asyncio_testing_cancel_at("race", 2), 0);
    EXPECT_EQ(asyncio_sleep(1), 0); // 1: our own; 2: the other's
    EXPECT_EQ(cancels, 0);
    EXPECT_EQ(asyncio_semaphore_release(&slots), 0);
    EXPECT_EQ(cancels, 1);
    EXPECT_SAME(cancelled, task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(slots.value, 1);
    EXPECT_EQ(asyncio_testing_swallowed(), 0);
    asyncio_task_release(task);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(100);
}

TEST(scope_is_the_innermost_around_the_task, .ordered = true)
{
    ASYNCIO_WITH_CANCEL_SCOPE(outer);
    ASYNCIO_WITH_CANCEL_SCOPE(inner);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, sleep_long, NULL);
    EXPECT_EQ(asyncio_testing_cancel_at("scope", 2), 0);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), -ECANCELED);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED); // and all that follow
    EXPECT_EQ(asyncio_cancel_scope_exit(&inner, -ECANCELED), 0);
    EXPECT(asyncio_cancel_scope_caught(&inner));
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&outer, 0), 0);
    EXPECT(!asyncio_cancel_scope_cancelled(&outer));
    EXPECT_EQ(asyncio_testing_swallowed(), 0);
}

TEST(task_without_a_scope_goes_on)
{
    struct asyncio_task *task = asyncio_create_task(sleep_long, NULL);
    EXPECT_EQ(asyncio_testing_cancel_at("scope", 2), 0);
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
}

TEST_PLAIN(there_is_no_other_way_to_cancel)
{
    EXPECT_EQ(asyncio_testing_cancel_at("tasks", 1), -EINVAL);
    EXPECT_EQ(asyncio_testing_cancel_at("", 1), -EINVAL);
}

// --- planted bugs -----------------------------------------------------------

static struct test inner = {.name = "inner", .site = "here:1", .limit = 2};

static bool inject(void (*body)(void))
{
    inner.body = body;
    return test__inject(&inner, 1, 0, "cancel");
}

// The first way and await that the test does not survive, or PASSED.
static enum test__verdict first_verdict(void (*body)(void), const char *how,
                                        struct test__run *run)
{
    inner.body = body;
    *run = (struct test__run){.test = &inner, .calls = how, .lenient = true};
    for (run->ordinal = 1; run->ordinal < 20; run->ordinal++) {
        EXPECT_EQ(test__run(run), 0);
        if (run->verdict != TEST__PASSED) return run->verdict;
        test__run_close(run);
    }
    return TEST__PASSED;
}

static bool forget_the_cancel(struct asyncio_task *task,
                              const struct asyncio_cancel_options *options)
{
    (void)options;
    asyncio__wake(task, 0);
    return true;
}

static const struct asyncio__wait_kind deaf = {
    .name = "nothing",
    .cancel = forget_the_cancel,
};

static struct asyncio_task *waiter;

static int wake_waiter(void *arg)
{
    (void)arg;
    if (asyncio__parked(waiter)) asyncio__wake(waiter, 0);
    return 0;
}

static void swallow_the_cancel(void)
{
    waiter = asyncio_current_task();
    asyncio_ignore(asyncio_sleep(1));
    EXPECT_EQ(asyncio_call_later(1, wake_waiter, NULL), 0);
    EXPECT_EQ(asyncio__park(&deaf, NULL, NULL), 0);
    asyncio_ignore(asyncio_sleep(1));
}

TEST_PLAIN(swallowed_cancel_is_found, .ordered = true)
{
    struct test__run run;
    EXPECT_EQ(first_verdict(swallow_the_cancel, "task", &run), TEST__SWALLOWED);
    EXPECT_EQ(run.ordinal, 2);
    EXPECT_CONTAINS(run.outcome->words, "swallowed");
    EXPECT_CONTAINS(run.outcome->words, "waits for nothing");
    test__run_close(&run);
    EXPECT(!inject(swallow_the_cancel));
}

// A lock whose holder hands it to the next, who may be cancelled by then; and
// nobody has thought of that.
static struct {
    bool held;
    struct asyncio_link waiters;
} lock;

static const struct asyncio__wait_kind waiting_for_lock = {.name = "my lock"};

static int hold_the_lock(void *arg)
{
    (void)arg;
    int err =
        lock.held ? asyncio__park(&waiting_for_lock, &lock, &lock.waiters) : 0;
    if (err < 0) return err;
    lock.held = true;
    err = asyncio_sleep(1);
    struct asyncio_task *next = asyncio__first_waiter(&lock.waiters);
    if (next)
        asyncio__wake(next, 0);
    else
        lock.held = false;
    return err;
}

static void lose_the_lock(void)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, hold_the_lock, NULL);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
}

TEST_PLAIN(lost_wake_up_is_found, .ordered = true)
{
    struct test__run run;
    EXPECT_EQ(first_verdict(lose_the_lock, "race", &run), TEST__HUNG);
    EXPECT(run.outcome->stuck);
    EXPECT_CONTAINS(run.outcome->words, "lost wake-up");
    EXPECT_CONTAINS(run.outcome->words, "waits for my lock");
    test__run_close(&run);
    EXPECT(!inject(lose_the_lock));
}

// The thread that writes the trace could wake nobody.
TEST_PLAIN(lost_wake_up_is_found_while_a_trace_is_written, .ordered = true)
{
    struct test__run run;
    char name[256];
    snprintf(name, sizeof name, "%s/trace.json", test_folder());
    setenv("ASYNCIO_TRACE", name, 1);
    EXPECT_EQ(first_verdict(lose_the_lock, "race", &run), TEST__HUNG);
    EXPECT(run.outcome->stuck);
    unsetenv("ASYNCIO_TRACE");
    test__run_close(&run);
    unlink(name);
}

static void forget_a_task(void)
{
    struct asyncio_task *task = asyncio_create_task(sleep_long, NULL);
    if (asyncio_await(task) < 0) return;
    asyncio_task_release(task);
}

TEST_PLAIN(leak_is_found, .ordered = true)
{
    struct test__run run;
    EXPECT_EQ(first_verdict(forget_a_task, "task", &run), TEST__LEAKED);
    test__run_close(&run);
    EXPECT(!inject(forget_a_task));
}

static void sleep_or_die(void)
{
    if (asyncio_sleep(1) < 0) abort();
}

static void die_of_the_second(void)
{
    if (asyncio_sleep(1) < 0 && asyncio_sleep(1) < 0) abort();
}

TEST_PLAIN(crash_is_found, .ordered = true)
{
    EXPECT(!inject(sleep_or_die));
    struct test__run run;
    EXPECT_EQ(first_verdict(die_of_the_second, "task", &run), TEST__PASSED);
    EXPECT_EQ(first_verdict(die_of_the_second, "twice", &run), TEST__CRASHED);
    EXPECT_EQ(run.ordinal, 1);
    test__run_close(&run);
}

// --- what is right passes, and replays --------------------------------------

static struct asyncio_semaphore slots = ASYNCIO_SEMAPHORE(1);

static int use_slot(void *arg)
{
    (void)arg;
    int err = asyncio_semaphore_acquire(&slots);
    if (err < 0) return err;
    err = asyncio_sleep(1);
    asyncio_semaphore_release(&slots);
    return err;
}

static void share_a_slot(void)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, use_slot, NULL);
    asyncio_ignore(asyncio_task_group_exit(&group, 0));
    EXPECT_EQ(slots.value, 1);
}

TEST_PLAIN(careful_code_passes, .ordered = true)
{
    EXPECT(inject(share_a_slot));
}

// The same ordinal is the same await in each run of one order.
TEST_PLAIN(ordinal_replays, .ordered = true)
{
    static char words[sizeof((struct test__outcome *)NULL)->words];
    inner.body = share_a_slot;
    for (int i = 0; i < 3; i++) {
        struct test__run run = {.test = &inner,
                                .calls = "race",
                                .ordinal = 3,
                                .seed = 7,
                                .lenient = true};
        EXPECT_EQ(test__run(&run), 0);
        EXPECT(run.outcome->fault_made);
        if (i == 0)
            snprintf(words, sizeof words, "%s", run.outcome->words);
        else
            EXPECT_STR(run.outcome->words, words);
        test__run_close(&run);
    }
    EXPECT_CONTAINS(words, "cancelled: ");
}

// --- what is alike ----------------------------------------------------------

#define OFTEN     1000
#define HAPPENING 500

static void do_the_same_often(void)
{
    for (int i = 0; i < OFTEN; i++) {
        EXPECT_EQ(asyncio_sleep(0), 0);
        if (i == HAPPENING) EXPECT_EQ(asyncio_sleep(1), 0);
    }
}

// The first and the last, some between, and all about what happens but once.
TEST_PLAIN(of_awaits_that_are_alike_some_are_taken, .ordered = true)
{
    struct test__run run = {.test = &inner, .calls = "task", .lenient = true};
    inner.body = do_the_same_often;
    EXPECT_OR_RETURN(test__alike_open() == 0);
    EXPECT_EQ(test__run(&run), 0);
    EXPECT_EQ(run.verdict, TEST__PASSED);
    EXPECT_EQ(run.outcome->calls, OFTEN + 1);
    test__run_close(&run);

    bool *taken = test__alike_choose(OFTEN + 1);
    int sum = 0;
    for (int i = 1; i <= OFTEN + 1; i++)
        sum += taken[i];
    EXPECT_GE(sum, 12);
    EXPECT_LE(sum, 24);
    for (int i = 1; i <= 6; i++)
        EXPECT(taken[i]);
    for (int i = OFTEN - 2; i <= OFTEN + 1; i++)
        EXPECT(taken[i]);
    for (int i = HAPPENING + 2; i <= HAPPENING + 4; i++)
        EXPECT(taken[i]);
    free(taken);
    test__alike_close();
}

static void ask_how_much(void)
{
    EXPECT_EQ(test_amount(1000, 7), 7);
    EXPECT_EQ(asyncio_sleep(0), 0);
}

TEST_PLAIN(in_a_fault_loop_less_will_do)
{
    struct test__run run = {.test = &inner, .calls = "alloc"};
    inner.body = ask_how_much;
    EXPECT_EQ(test_amount(1000, 7), 1000);
    EXPECT_EQ(test__run(&run), 0);
    EXPECT_EQ(run.verdict, TEST__PASSED);
    test__run_close(&run);
}

// --- many orders ------------------------------------------------------------

static bool first_ran;

static int run_first(void *arg)
{
    (void)arg;
    first_ran = true;
    return 0;
}

static int run_second(void *arg)
{
    (void)arg;
    EXPECT(first_ran);
    return 0;
}

// Right only if tasks run in the order of their making.
static void rely_on_order(void)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, run_first, NULL);
    asyncio_task_group_create_task(&group, run_second, NULL);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
}

TEST_PLAIN(seeds_find_what_relies_on_an_order, .ordered = true)
{
    struct test careless = inner, ordered = inner;
    careless.body = ordered.body = rely_on_order;
    ordered.ordered = true;
    EXPECT(!test__seeds(&careless, 1, 20));
    EXPECT(test__seeds(&ordered, 1, 20));
}
