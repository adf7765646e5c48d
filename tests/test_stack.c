// What becomes of stacks that tasks needed once: seen from outside, in the
// memory that the process has.

#include <asyncio/executor.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runner/runner.h"

// What a task of a crowd uses of its stack, and what those with large stacks
// do.
#define USED       ((size_t)12 * 1024)
#define USED_LARGE ((size_t)512 * 1024)
#define LARGE      (1024 * 1024)

static struct asyncio_event leave; // set: the tasks of a crowd may end
static size_t standing;

// Bytes in memory, counted page by page. 0 where the system does not tell.
static size_t resident(void)
{
    char line[128];
    size_t kib = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Rss: %zu", &kib) == 1) break;
    if (file) fclose(file);
    return kib * 1024;
}

// Fills a part of its stack, and finds that as it was. `arg` ends it.
static int stand(void *arg)
{
    volatile char frame[USED];
    char mark = (char)(standing++ % 251);
    for (size_t i = 0; i < USED; i++)
        frame[i] = mark;
    int err = asyncio_event_wait(arg);
    size_t wrong = 0;
    for (size_t i = 0; i < USED; i++)
        wrong += frame[i] != mark;
    EXPECT_EQ(wrong, 0);
    return err < 0 ? err : 0;
}

static int use_large(void *arg)
{
    volatile char frame[USED_LARGE];
    for (size_t i = 0; i < USED_LARGE; i += 512)
        frame[i] = 1;
    return asyncio_event_wait(arg) + (frame[0] - 1);
}

// So many tasks stand side by side and end. Returns what was resident then.
static size_t crowd(size_t count, int (*fn)(void *), uint32_t stack_size)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_event_clear(&leave);
    for (size_t i = 0; i < count; i++)
        asyncio_task_group_create_task(&group, fn, &leave,
                                       .stack_size = stack_size);
    for (int i = 0; i < 2; i++) // all have run, in whatever order
        EXPECT_EQ(asyncio_sleep(0), 0);
    size_t peak = resident();
    asyncio_event_set(&leave);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    return peak;
}

// A crowd that was there: what was resident then, and what of it were stacks.
struct peak {
    size_t resident, used;
};

static struct peak make_peak(void)
{
    size_t count = test_amount(2000, 400);
    struct peak peak = {crowd(count, stand, 0), count * USED};
    if (peak.resident == 0) SKIP("the system does not tell what is resident");
    return peak;
}

// Whether most of it was given back. A sanitizer's notes about it stay.
static bool has_fallen(struct peak peak)
{
    return resident() < peak.resident - peak.used / 2;
}

TEST(unneeded_stacks_go_back_to_the_system)
{
    struct peak peak = make_peak();
    if (peak.resident == 0) return;
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT(!has_fallen(peak));

    // The first sleep finds them idle, the second that they still are.
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT(!has_fallen(peak));
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT(has_fallen(peak));

    // They are as good as new.
    make_peak();
    EXPECT(!has_fallen(peak));
}

// Those that go lie between them.
TEST(stacks_in_use_stay_as_they_are)
{
    static struct asyncio_event later;
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 600; i++)
        asyncio_task_group_create_task(&group, stand,
                                       i % 3 == 0 ? &later : &leave);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_event_set(&leave);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(asyncio_sleep(1), 0);
    make_peak();
    asyncio_event_set(&later);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
}

TEST(loop_that_has_work_now_and_then_gives_stacks_back)
{
    struct peak peak = make_peak();
    if (peak.resident == 0) return;
    for (int i = 0; i < 50; i++) {
        EXPECT_EQ(asyncio_sleep(0.1), 0);
        crowd(3, stand, 0);
    }
    EXPECT(has_fallen(peak));
}

TEST(stacks_that_are_needed_each_second_stay)
{
    struct peak peak = make_peak();
    if (peak.resident == 0) return;
    for (int i = 0; i < 10; i++) {
        EXPECT_EQ(asyncio_sleep(0.5), 0);
        EXPECT(!has_fallen(peak));
        crowd(test_amount(2000, 400), stand, 0);
    }
}

TEST(large_stacks_go_with_the_next_sleep)
{
    struct peak peak = {crowd(20, use_large, LARGE), 20 * USED_LARGE};
    if (peak.resident == 0) return;
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT(has_fallen(peak));
}

// In a thread, while the loop has nothing that would ever wake it.
static int see_it_fall(void *arg)
{
    const struct peak *peak = arg;
    size_t looks = test_amount(800, 2);
    while (looks-- > 0 && !has_fallen(*peak))
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    return has_fallen(*peak);
}

TEST(loop_that_sleeps_wakes_up_for_it, .real_time = true)
{
    struct peak peak = make_peak();
    if (peak.resident == 0) return;
    int fell = asyncio_to_thread(see_it_fall, &peak);
    if (test_amount(1, 0)) EXPECT_EQ(fell, 1);
}
