// How deep stacks went, and what to set.

#include "runner/runner.h"

#include <asyncio/debug.h>

#include <stdlib.h>
#include <string.h>

#include "platform/stack.h"

#define KIB ((size_t)1024)

static void begin_debug(void)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    EXPECT_EQ(asyncio_loop_set_debug(loop, true), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
}

// Frames of 1 KiB, or four under a sanitizer, `depth` of them.
static int go_down(int depth);
static int (*volatile deep)(int depth) = go_down;

static int go_down(int depth)
{
    volatile char frame[KIB * ASYNCIO__STACK_FACTOR];
    for (size_t i = (size_t)depth & 1; i < sizeof frame; i += 64)
        frame[i] = (char)depth;
    int sum = depth > 1 ? deep(depth - 1) : 0;
    for (size_t i = 0; i < sizeof frame; i += 512)
        sum += frame[i];
    return sum;
}

static int use_stack(void *arg)
{
    int depth = *(int *)arg;
    return deep(depth) == -1 ? -EINVAL : 0;
}

static void run(int depth, const char *site, uint32_t stack_size)
{
    struct asyncio_task_options options = {.site = site,
                                           .stack_size = stack_size};
    struct asyncio_task *task =
        (asyncio_create_task)(use_stack, &depth, &options);
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
}

static struct asyncio_stack_use use_of(const char *site)
{
    struct asyncio_stack_use uses[32];
    size_t count = asyncio_debug_stacks(uses, 32);
    for (size_t i = 0; i < count && i < 32; i++)
        if (strcmp(uses[i].site, site) == 0) return uses[i];
    FAIL("no row for %s", site);
    return (struct asyncio_stack_use){.site = ""};
}

TEST(deepest_task_of_a_place_counts)
{
    begin_debug();
    run(2, "there:1", 0);
    run(30, "there:1", 0);
    run(10, "there:1", 0);
    struct asyncio_stack_use use = use_of("there:1");
    EXPECT_EQ(use.tasks, 3);
    EXPECT_EQ(use.size, 64 * KIB);
    EXPECT_GE(use.used, 30 * KIB);
    EXPECT_LT(use.used, 48 * KIB);
    EXPECT_EQ(use.advised, 64 * KIB);
    EXPECT_EQ(unexpected_reports(), 0);
}

TEST(shallow_task_is_told_a_smaller_stack)
{
    begin_debug();
    run(1, "there:2", 0);
    struct asyncio_stack_use use = use_of("there:2");
    EXPECT_GE(use.used, 1 * KIB);
    EXPECT_EQ(use.advised, 16 * KIB);
    EXPECT_EQ(unexpected_reports(), 0);
}

TEST(use_of_more_than_three_quarters_is_reported_once)
{
    begin_debug();
    run(54, "there:3", 0);
    run(55, "there:3", 0);
    const char *text = expect_report(-EOVERFLOW);
    EXPECT_CONTAINS(text, "of the 65536 bytes of its stack");
    EXPECT_CONTAINS(text, "set .stack_size = 131072 ");
    EXPECT_CONTAINS(text, "there:3");
    EXPECT_EQ(unexpected_reports(), 0);
    EXPECT_GE(use_of("there:3").used, 55 * KIB);
    run(55, "there:3", 128 * KIB); // another size is another row
    EXPECT_EQ(unexpected_reports(), 0);
}

TEST(large_stack_is_measured_as_well)
{
    begin_debug();
    run(500, "there:4", 1024 * KIB);
    struct asyncio_stack_use use = use_of("there:4");
    EXPECT_EQ(use.size, 1024 * KIB);
    EXPECT_GE(use.used, 500 * KIB);
    EXPECT_LT(use.used, 768 * KIB);
    EXPECT_EQ(use.advised, 1024 * KIB);
}

// What one task leaves on a stack does not count for the next that has it.
TEST(each_task_begins_with_a_clean_stack)
{
    begin_debug();
    run(40, "there:5", 0);
    run(1, "there:6", 0);
    EXPECT_LT(use_of("there:6").used, 16 * KIB);
}

static int use_and_wait(void *arg)
{
    int err = use_stack(arg);
    return err < 0 ? err : asyncio_sleep(1);
}

TEST(tasks_that_still_run_are_counted_when_asked)
{
    begin_debug();
    int depth = 20;
    struct asyncio_task *task =
        (asyncio_create_task)(use_and_wait, &depth,
                              &(struct asyncio_task_options){.site =
                                                                 "there:7"});
    EXPECT_EQ(asyncio_sleep(0.5), 0);
    struct asyncio_stack_use use = use_of("there:7");
    EXPECT_EQ(use.tasks, 0);
    EXPECT_GE(use.used, 20 * KIB);
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
    EXPECT_EQ(use_of("there:7").tasks, 1);
}

static int run_three(void *arg)
{
    (void)arg;
    run(3, "there:8", 0);
    run(6,
        "a/very/long/path/that/does/not/fit/into/a/row/of/the/table/so/that/"
        "its/beginning/is/cut/and/its/end/stays/there.c:9",
        0);
    return 0;
}

TEST_PLAIN(table_outlives_the_loop_and_is_printed_deepest_first)
{
    EXPECT_EQ(asyncio_run(run_three, NULL, .debug = true), 0);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    EXPECT_OR_RETURN(out != NULL);
    asyncio_debug_print_stacks(out);
    fclose(out);
    const char *deeper = strstr(text, "end/stays/there.c:9: set"),
               *other = strstr(text, "there:8: set .stack_size = 16384\n");
    EXPECT(deeper && other && deeper < other);
    EXPECT_CONTAINS(text, "     used        of   tasks  made at\n");
    free(text);
    EXPECT_GE(asyncio_debug_stacks(NULL, 0), 3);
}

TEST(table_that_is_full_takes_no_more)
{
    begin_debug();
    char sites[300][16];
    for (int i = 0; i < 300; i++) {
        snprintf(sites[i], sizeof sites[i], "many:%d", i);
        run(1, sites[i], 0);
    }
    EXPECT_EQ(asyncio_debug_stacks(NULL, 0), 256);
}
