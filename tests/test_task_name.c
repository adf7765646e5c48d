// What tasks are called, and how they are described to people.

#include <stdio.h>
#include <string.h>

#include "runner/runner.h"

static int count_call(void *arg)
{
    return ++*(int *)arg;
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return asyncio_sleep(ASYNCIO_FOREVER);
}

static int await_task(void *arg)
{
    return asyncio_await((struct asyncio_task *)arg);
}

static int exception_of(struct asyncio_task *task)
{
    int code = 1;
    return asyncio_task_exception(task, &code) < 0 ? 1 : code;
}

// --- names ------------------------------------------------------------------

TEST(automatic_names_are_unique_and_their_numbers_grow)
{
    CONFORMS("TASK-02");
    long last = -1;
    for (int i = 0; i < 2100; i++) {
        int calls = 0;
        struct asyncio_task *task = asyncio_create_task(count_call, &calls);
        if (i % 20 < 2) { // a name that is asked for costs memory
            long number = -1;
            EXPECT_EQ(sscanf(asyncio_task_name(task), "Task-%ld", &number), 1);
            EXPECT_GT(number, last);
            last = number;
        }
        EXPECT_EQ(asyncio_await(task), 1);
        asyncio_task_release(task);
    }
}

static int keep_own_number(void *arg)
{
    return sscanf(asyncio_task_name(asyncio_current_task()), "Task-%ld",
                  (long *)arg);
}

TEST_PLAIN(automatic_names_do_not_come_again_in_another_loop)
{
    long first = 0, second = 0;
    EXPECT_EQ(asyncio_run(keep_own_number, &first), 1);
    EXPECT_EQ(asyncio_run(keep_own_number, &second), 1);
    EXPECT_GT(second, first);
}

TEST(task_has_the_name_it_was_given_last)
{
    CONFORMS("TASK-03");
    char name[] = "reader";
    int calls = 0;
    struct asyncio_task *task =
        asyncio_create_task(count_call, &calls, .name = name);
    memset(name, 'x', sizeof name - 1); // it was copied
    EXPECT_STR(asyncio_task_name(task), "reader");
    EXPECT_EQ(asyncio_task_set_name(task, "writer"), 0);
    EXPECT_STR(asyncio_task_name(task), "writer");
    EXPECT_EQ(asyncio_await(task), 1);
    EXPECT_STR(asyncio_task_name(task), "writer");
    EXPECT_EQ(asyncio_task_set_name(task, "ended"), 0);
    EXPECT_STR(asyncio_task_name(task), "ended");
    asyncio_task_release(task);
}

TEST(task_that_was_renamed_does_not_take_its_number_again)
{
    int calls = 0;
    struct asyncio_task *task = asyncio_create_task(count_call, &calls);
    EXPECT_EQ(asyncio_task_set_name(task, "a"), 0);
    EXPECT_STR(asyncio_task_name(task), "a");
    EXPECT_EQ(asyncio_task_set_name(task, asyncio_task_name(task)), 0);
    EXPECT_STR(asyncio_task_name(task), "a");
    EXPECT_EQ(asyncio_await(task), 1);
    asyncio_task_release(task);
}

// --- descriptions -----------------------------------------------------------

static const char *describe(const struct asyncio_task *task)
{
    static char line[256];
    return asyncio_task_describe(task, line, sizeof line);
}

static void expect_only(const char *line, const char *word)
{
    const char *const words[] = {"pending", "cancelling", "cancelled",
                                 "finished"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        bool expected = strcmp(words[i], word) == 0;
        if ((strstr(line, words[i]) != NULL) != expected)
            FAIL("\"%s\" does not say \"%s\" alone", line, word);
    }
}

static int swallow_a_cancel(void *arg)
{
    (void)arg;
    asyncio_ignore(asyncio_sleep(10));
    return asyncio_sleep(10);
}

TEST(description_of_a_task_tells_its_state)
{
    CONFORMS("TASK-06");
    struct asyncio_task *task =
        asyncio_create_task(swallow_a_cancel, NULL, .name = "worker");
    if (exception_of(task) < 0) return;
    expect_only(describe(task), "pending");
    EXPECT_CONTAINS(describe(task), "worker");
    EXPECT_CONTAINS(describe(task), "test_task_name.c:");
    EXPECT_EQ(asyncio_sleep(1), 0);
    expect_only(describe(task), "pending");
    asyncio_task_cancel(task);
    expect_only(describe(task), "cancelling");
    EXPECT_EQ(asyncio_sleep(1), 0);
    expect_only(describe(task), "cancelling");
    EXPECT_EQ(asyncio_await(task), 0);
    expect_only(describe(task), "finished");
    asyncio_task_release(task);

    task = asyncio_create_task(sleep_for_ever, NULL);
    asyncio_task_cancel(task);
    expect_only(describe(task), "cancelling");
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    expect_only(describe(task), "cancelled");
    asyncio_task_release(task);
}

TEST(description_of_a_task_fits_into_any_buffer)
{
    struct asyncio_task *task =
        asyncio_create_task(sleep_for_ever, NULL, .name = "long name");
    char line[8];
    EXPECT_STR(asyncio_task_describe(task, line, 5), "long");
    EXPECT_STR(asyncio_task_describe(task, line, 1), "");
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_release(task);
}

static int describe_itself(void *arg)
{
    int err = asyncio_await((struct asyncio_future *)arg);
    EXPECT(!strstr(describe(asyncio_current_task()), "waits for"));
    trace("resumed");
    return err < 0 ? err : asyncio_sleep(100);
}

TEST(description_of_a_task_names_what_it_waits_for)
{
    CONFORMS("TASK-07");
    struct asyncio_future future = {0};
    char address[32];
    snprintf(address, sizeof address, "%p", (void *)&future);
    struct asyncio_task *task = asyncio_create_task(describe_itself, &future);
    if (exception_of(task) < 0) return;
    EXPECT(!strstr(describe(task), "waits for"));
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_CONTAINS(describe(task), "waits for a future");
    EXPECT_CONTAINS(describe(task), address);
    EXPECT_EQ(asyncio_future_set_result(&future, 0), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("resumed");
    EXPECT(!strstr(describe(task), address));
    EXPECT_CONTAINS(describe(task), "waits for sleep");
    EXPECT_EQ(asyncio_await(task), 0);
    EXPECT(!strstr(describe(task), "waits for"));
    asyncio_task_release(task);
}

TEST(description_of_a_task_names_the_task_it_waits_for)
{
    struct asyncio_task *inner =
        asyncio_create_task(sleep_for_ever, NULL, .name = "the inner one");
    struct asyncio_task *outer = asyncio_create_task(await_task, inner);
    if (exception_of(inner) > 0 && exception_of(outer) > 0) {
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT_CONTAINS(describe(outer), "the inner one");
    }
    asyncio_task_cancel(inner);
    EXPECT_EQ(asyncio_await(outer), -ECANCELED);
    asyncio_ignore(asyncio_await(inner));
    asyncio_task_release(outer);
    asyncio_task_release(inner);
}
