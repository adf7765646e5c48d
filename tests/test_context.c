// Stacks and switches, as a program on the library meets them: what survives a
// switch, how deep a task may go, and how it ends when it goes deeper.

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/runner.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

// --- what survives a switch -------------------------------------------------

// Sets errno, lets others set theirs, and finds it as it was.
static int keep_errno(void *arg)
{
    int mine = *(int *)arg;
    for (int i = 0; i < 5; i++) {
        errno = mine + i;
        int err = asyncio_sleep(i % 2);
        EXPECT_EQ(errno, mine + i);
        if (err < 0) return err;
    }
    return 0;
}

TEST(errno_belongs_to_a_task)
{
    int first[] = {100, 200, 300};
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, keep_errno, &first[i]);
    errno = 7;
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(errno, 7);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
}

static int set_errno(void *arg)
{
    errno = *(int *)arg;
    return 0;
}

TEST(errno_is_kept_while_callbacks_and_timers_run)
{
    int other = 99;
    EXPECT_EQ(asyncio_call_soon(set_errno, &other), 0);
    EXPECT_EQ(asyncio_call_later(1, set_errno, &other), 0);
    errno = 7;
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(errno, 7);
    EXPECT_EQ(asyncio_sleep(2), 0);
    EXPECT_EQ(errno, 7);
}

struct sums {
    uint64_t whole;
    double part;
    long double extended;
};

static struct sums sums_of(unsigned seed, bool yields)
{
    struct sums sums = {seed, seed, seed};
    uint64_t a = seed, b = a + 1, c = a + 2, d = a + 3, e = a + 4, f = a + 5;
    for (unsigned i = 0; i < 200; i++) {
        a += b * i, b ^= c + a, c += d * 3, d ^= e + i, e += f, f += a;
        sums.part += 1.0 / (seed + i + 1);
        sums.extended *= 1.000001L;
        if (yields && asyncio_sleep(0) < 0) break;
    }
    sums.whole = a ^ b ^ c ^ d ^ e ^ f;
    return sums;
}

static int compute(void *arg)
{
    unsigned seed = *(unsigned *)arg;
    struct sums alone = sums_of(seed, false), among = sums_of(seed, true);
    EXPECT_EQ(among.whole, alone.whole);
    EXPECT_EQ(among.part, alone.part);
    EXPECT_EQ(among.extended, alone.extended);
    return 0;
}

// Enough values at once to keep every register and spill slot in use.
TEST(values_in_registers_survive_switches)
{
    unsigned seeds[8];
    ASYNCIO_WITH_TASK_GROUP(group);
    for (unsigned i = 0; i < 8; i++) {
        seeds[i] = i * 1000 + 1;
        asyncio_task_group_create_task(&group, compute, &seeds[i]);
    }
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
}

static int fill_and_check(void *arg)
{
    unsigned char pattern = *(unsigned char *)arg, frame[8192];
    memset(frame, pattern, sizeof frame);
    for (int i = 0; i < 4; i++) {
        int err = asyncio_sleep(i % 2);
        if (err < 0) return err;
        for (size_t at = 0; at < sizeof frame; at++)
            if (frame[at] != pattern) return -EILSEQ;
    }
    return 0;
}

TEST(frames_of_many_tasks_do_not_touch)
{
    unsigned char patterns[100];
    ASYNCIO_WITH_TASK_GROUP(group);
    for (unsigned i = 0; i < 100; i++) {
        patterns[i] = (unsigned char)i;
        asyncio_task_group_create_task(&group, fill_and_check, &patterns[i]);
    }
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
}

static int write_into_parent(void *arg)
{
    int err = asyncio_sleep(1);
    *(int *)arg = 64;
    return err;
}

static int parent_of_two(void *arg)
{
    int mine[2] = {0, 0};
    (void)arg;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, write_into_parent, &mine[0]);
    asyncio_task_group_create_task(&group, write_into_parent, &mine[1]);
    int err = asyncio_task_group_exit(&group, 0);
    return err < 0 ? err : mine[0] + mine[1];
}

TEST(children_write_into_the_frame_of_their_parent)
{
    struct asyncio_task *task = asyncio_create_task(parent_of_two, NULL);
    EXPECT_EQ(asyncio_await(task), 128);
    asyncio_task_release(task);
}

static int jump(void *arg)
{
    jmp_buf place;
    volatile int jumps = 0;
    (void)arg;
    if (setjmp(place) < 3) {
        int err = asyncio_sleep(0);
        if (err < 0) return err;
        longjmp(place, ++jumps);
    }
    return jumps;
}

TEST(task_may_jump_within_its_own_stack)
{
    struct asyncio_task *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = asyncio_create_task(jump, NULL);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(asyncio_await(tasks[i]), 3);
        asyncio_task_release(tasks[i]);
    }
}

// --- how deep ---------------------------------------------------------------

#define FRAME 512

// Each level needs a frame of that many bytes, and a little more.
__attribute__((noinline)) static int descend(int levels)
{
    volatile char frame[FRAME];
    frame[0] = (char)levels;
    frame[FRAME - 1] = 1;
    if (levels == 0) return 0;
    return descend(levels - 1) + frame[FRAME - 1];
}

static int descend_levels(void *arg)
{
    int err = asyncio_sleep(0);
    return err < 0 ? err : descend(*(int *)arg);
}

TEST(usual_stack_holds_more_than_32_kilobytes_of_frames)
{
    int levels = 32 * 1024 / FRAME;
    struct asyncio_task *task = asyncio_create_task(descend_levels, &levels);
    EXPECT_EQ(asyncio_await(task), levels);
    asyncio_task_release(task);
}

TEST(task_gets_the_stack_that_it_asks_for)
{
    int levels = 3 * 1024 * 1024 / FRAME;
    struct asyncio_task *task = asyncio_create_task(
        descend_levels, &levels, .stack_size = 16 * 1024 * 1024);
    EXPECT_EQ(asyncio_await(task), levels);
    asyncio_task_release(task);
}

TEST(stacks_of_all_sizes_are_given_back)
{
    int levels = 10;
    for (uint32_t size = 1; size < 32u * 1024 * 1024; size *= 3) {
        ASYNCIO_WITH_TASK_GROUP(group);
        for (int i = 0; i < 4; i++)
            asyncio_task_group_create_task(&group, descend_levels, &levels,
                                           .stack_size = size);
        EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    }
}

TEST(stack_that_nobody_can_have_is_a_task_out_of_memory)
{
    int levels = 1;
    struct asyncio_task *task =
        asyncio_create_task(descend_levels, &levels, .stack_size = UINT32_MAX);
    EXPECT_EQ(asyncio_await(task), -ENOMEM);
    asyncio_task_release(task);
}

// --- too deep ---------------------------------------------------------------

struct downfall {
    uint32_t stack_size;
    const char *name;
    bool eager; // it falls in its eager first step
};

static int descend_for_ever(void *arg)
{
    const struct downfall *downfall = arg;
    int err = downfall->eager ? 0 : asyncio_sleep(0);
    return err < 0 ? err : descend(1 << 28);
}

static int spawn_downfall(void *arg)
{
    const struct downfall *downfall = arg;
    struct asyncio_task *task = asyncio_create_task(
        descend_for_ever, arg, .name = downfall->name,
        .stack_size = downfall->stack_size, .eager = downfall->eager);
    int err = asyncio_await(task);
    asyncio_task_release(task);
    return err;
}

// In the child: dies of it, or exits.
_Noreturn static void fall(const struct downfall *downfall, int stderr_fd)
{
    dup2(stderr_fd, STDERR_FILENO);
    alarm(5);
    asyncio_ignore(asyncio_run(spawn_downfall, (void *)(uintptr_t)downfall));
    _exit(0);
}

static size_t read_all(int fd, char *text, size_t size)
{
    size_t len = 0;
    ssize_t got;
    while (len + 1 < size && (got = read(fd, text + len, size - len - 1)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    return len;
}

// Runs it in a child and returns how that ended, with what it wrote.
static int watch_downfall(const struct downfall *downfall, char *text,
                          size_t size)
{
    int fds[2], status = 0;
    if (pipe(fds) < 0) return 0;
    pid_t child = fork();
    if (child == 0) fall(downfall, fds[1]);
    close(fds[1]);
    read_all(fds[0], text, size);
    close(fds[0]);
    if (child > 0) waitpid(child, &status, 0);
    return status;
}

// An emulator of the processor adds a line of its own.
static void expect_one_line(const char *text)
{
    const char *end = strchr(text, '\n');
    EXPECT(end != NULL && (end[1] == '\0' || strncmp(end + 1, "qemu", 4) == 0));
}

static void expect_downfall(const struct downfall *downfall, const char *size,
                            const char *advice)
{
    char text[4096];
    int status = watch_downfall(downfall, text, sizeof text);
    EXPECT(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGSEGV);
    EXPECT_CONTAINS(text, "overflow");
    EXPECT_CONTAINS(text, downfall->name ? downfall->name : "Task-2");
    EXPECT_CONTAINS(text, "test_context.c:");
    EXPECT_CONTAINS(text, size);
    EXPECT_CONTAINS(text, advice);
    expect_one_line(text);
}

TEST_PLAIN(overflow_of_a_stack_ends_in_one_readable_line)
{
    struct downfall downfall = {0, "digger", false};
    expect_downfall(&downfall, " 65536 bytes", ".stack_size = 131072");
}

TEST_PLAIN(overflow_of_a_stack_without_a_name_says_its_number)
{
    struct downfall downfall = {0, NULL, false};
    expect_downfall(&downfall, "bytes", ".stack_size = ");
}

TEST_PLAIN(overflow_of_a_small_stack_says_its_size_rounded_up)
{
    struct downfall downfall = {20000, "shallow digger", false};
    expect_downfall(&downfall, " 32768 bytes", ".stack_size = 65536");
}

TEST_PLAIN(overflow_in_an_eager_first_step_names_the_child)
{
    struct downfall downfall = {20000, "eager digger", true};
    expect_downfall(&downfall, " 32768 bytes", ".stack_size = 65536");
}

TEST_PLAIN(overflow_of_a_larger_stack_says_its_size)
{
    struct downfall downfall = {1024 * 1024, "deep digger", false};
    expect_downfall(&downfall, " 1048576 bytes", ".stack_size = 2097152");
}
