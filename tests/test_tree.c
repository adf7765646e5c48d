// The tree and the table of a loop's tasks.

#include <asyncio/introspect.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "printed.h"
#include "runner/runner.h"

#define STAY() __asm__ volatile("" ::: "memory")

static void settle(void)
{
    for (int i = 0; i < 6; i++)
        asyncio_ignore(asyncio_sleep(0));
}

static void end(struct asyncio_task *task)
{
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
}

static int wait_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(3600);
}

__attribute__((noinline)) static int lead(void *name)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    char child[40];
    for (int i = 1; i <= 2; i++) {
        snprintf(child, sizeof child, "%s.%d", (char *)name, i);
        asyncio_task_group_create_task(&group, wait_long, NULL, .name = child);
    }
    int err = asyncio_task_group_exit(&group, 0);
    STAY();
    return err;
}

static int root(void *name)
{
    int err = lead(name);
    STAY();
    return err;
}

// The part of a printed tree that begins with this line; cut behind the lines
// wanted, so that only they are compared.
static bool has_lines(const char *text, const char *const *lines)
{
    const char *at = text;
    for (; *lines; lines++) {
        at = strstr(at, *lines);
        if (!at) {
            FAIL("no \"%s\" (in this order) in:\n%s", *lines, text);
            return false;
        }
        at += strlen(*lines);
    }
    return true;
}
#define HAS_LINES(text, ...)                                                   \
    has_lines(text, (const char *const[]){__VA_ARGS__, NULL})

TEST(each_root_is_a_tree_with_its_children_below_its_frames)
{
    CONFORMS("INTR-05");
    struct printed printed;
    struct asyncio_task *a = asyncio_create_task(root, "a", .name = "a");
    struct asyncio_task *b = asyncio_create_task(root, "b", .name = "b");
    settle();
    EXPECT_EQ(asyncio_print_task_tree(NULL, print_begin(&printed)->file), 0);
    HAS_LINES(print_text(&printed), "(T) ",
              "\n(T) a: pending, waits for the tasks of a group",
              "\n│   lead\n│   root\n├── (T) a.1: pending, waits for sleep",
              "\n│       wait_long\n└── (T) a.2: pending, waits for sleep",
              "\n        wait_long\n(T) b: pending",
              "\n│   lead\n│   root\n├── (T) b.1: ", "\n└── (T) b.2: ");
    print_end(&printed);
    end(a);
    end(b);
}

// --- circles ----------------------------------------------------------------

static int await_other(void *other)
{
    return asyncio_await_task(*(struct asyncio_task **)other);
}

TEST(tasks_in_a_circle_are_reported_and_the_table_still_has_all,
     .ordered = true)
{
    CONFORMS("INTR-06");
    struct printed printed;
    struct asyncio_task *a = NULL, *b = NULL, *c = NULL;
    a = asyncio_create_task(await_other, &b, .name = "a");
    b = asyncio_create_task(await_other, &c, .name = "b");
    c = asyncio_create_task(await_other, &a, .name = "c");
    struct asyncio_task *d = asyncio_create_task(await_other, &a, .name = "d");
    settle();
    EXPECT_EQ(asyncio_print_task_tree(NULL, print_begin(&printed)->file),
              -EDEADLK);
    EXPECT_STR(print_text(&printed), "tasks wait for each other in a circle: "
                                     "a -> b -> c -> a\n");
    print_end(&printed);

    struct asyncio_task_row rows[8];
    EXPECT_EQ(asyncio_task_table(NULL, rows, 8), 6); // two wait for a
    EXPECT_SAME(rows[0].task, asyncio_current_task());
    EXPECT_SAME(rows[1].task, a);
    EXPECT_SAME(rows[1].awaiter, c);
    EXPECT_SAME(rows[2].awaiter, d);
    EXPECT_SAME(rows[3].task, b);
    EXPECT_SAME(rows[3].awaiter, a);
    EXPECT_SAME(rows[4].task, c);
    EXPECT_SAME(rows[4].awaiter, b);
    EXPECT_SAME(rows[5].task, d);
    EXPECT_SAME(rows[5].awaiter, NULL);
    EXPECT_EQ(asyncio_print_task_table(NULL, print_begin(&printed)->file), 0);
    HAS_LINES(print_text(&printed), "\na ", "\na ", "\nb ", "\nc ", "\nd ");
    print_end(&printed);
    end(a);
    end(b);
    end(c);
    end(d);
}

TEST(circle_is_shown_in_the_graph_of_a_future_once)
{
    struct printed printed;
    struct asyncio_task *a = NULL, *b = NULL;
    a = asyncio_create_task(await_other, &b, .name = "a");
    b = asyncio_create_task(await_other, &a, .name = "b");
    settle();
    EXPECT_EQ(asyncio_print_call_graph(asyncio_task_future(a),
                                       print_begin(&printed)->file),
              0);
    HAS_LINES(print_text(&printed), "(T) a: pending",
              "└── awaited by (T) b: pending",
              "└── awaited by (T) a, shown above\n");
    print_end(&printed);
    end(a);
    end(b);
}

static int await_my_owner(void *owner)
{
    return asyncio_shield_task(owner);
}

static int wait_for_a_child_that_waits_for_me(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, await_my_owner,
                                   asyncio_current_task(), .name = "child");
    return asyncio_task_group_exit(&group, 0);
}

TEST(child_that_waits_for_the_owner_of_its_group_is_a_circle)
{
    struct printed printed;
    struct asyncio_task *task = asyncio_create_task(
        wait_for_a_child_that_waits_for_me, NULL, .name = "owner");
    settle();
    EXPECT_EQ(asyncio_print_task_tree(NULL, print_begin(&printed)->file),
              -EDEADLK);
    EXPECT_CONTAINS(print_text(&printed), "owner -> child -> owner");
    print_end(&printed);
    end(task);
}

// --- the table --------------------------------------------------------------

static int await_task(void *task)
{
    return asyncio_await_task(task);
}

TEST(table_has_a_row_for_each_awaiter_and_one_for_a_root, .ordered = true)
{
    CONFORMS("INTR-07");
    struct printed printed;
    struct asyncio_task *leaf =
        asyncio_create_task(wait_long, NULL, .name = "leaf");
    struct asyncio_task *waiters[3];
    char name[16];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "waiter %d", i);
        waiters[i] = asyncio_create_task(await_task, leaf, .name = name);
    }
    settle();
    struct asyncio_task_row rows[8];
    EXPECT_EQ(asyncio_task_table(NULL, rows, 8), 7);
    for (int i = 0; i < 3; i++) {
        EXPECT_SAME(rows[1 + i].task, leaf);
        EXPECT_SAME(rows[1 + i].awaiter, waiters[i]);
        EXPECT_SAME(rows[4 + i].task, waiters[i]);
        EXPECT_SAME(rows[4 + i].awaiter, NULL);
    }
    rows[2].task = NULL;
    EXPECT_EQ(asyncio_task_table(NULL, rows, 2), 7);
    EXPECT_SAME(rows[1].task, leaf);
    EXPECT_SAME(rows[2].task, NULL); // no more than asked for
    EXPECT_EQ(asyncio_task_table(NULL, NULL, 0), 7);

    EXPECT_EQ(asyncio_print_task_table(NULL, print_begin(&printed)->file), 0);
    HAS_LINES(print_text(&printed), "awaited by\n", "leaf ", "wait_long",
              "waiter 0\n", "leaf ", "waiter 1\n", "leaf ", "waiter 2\n",
              "waiter 0 ", "await_task", "-\n", "waiter 2 ");
    print_end(&printed);
    for (int i = 0; i < 3; i++)
        end(waiters[i]);
    end(leaf);
}

TEST_PLAIN(tree_and_table_want_a_loop)
{
    struct asyncio_task_row row;
    EXPECT_EQ(asyncio_print_task_tree(NULL, NULL), -EPERM);
    EXPECT_EQ(asyncio_print_task_table(NULL, NULL), -EPERM);
    EXPECT_EQ(asyncio_task_table(NULL, &row, 1), -EPERM);
}

TEST_PLAIN(loop_without_tasks_has_an_empty_tree)
{
    struct asyncio_loop *loop = NULL;
    struct printed printed;
    EXPECT_OR_RETURN(asyncio_new_event_loop(&loop) == 0);
    EXPECT_EQ(asyncio_print_task_tree(loop, print_begin(&printed)->file), 0);
    EXPECT_STR(print_text(&printed), "");
    print_end(&printed);
    EXPECT_EQ(asyncio_task_table(loop, NULL, 0), 0);
    asyncio_loop_free(loop);
}

struct stranger {
    struct asyncio_loop *loop;
    struct asyncio_task *task;
    int tree, table, graph;
    size_t frames;
};

static void *look_from_another_thread(void *arg)
{
    struct stranger *stranger = arg;
    struct asyncio_frame frame;
    struct asyncio_call_graph graph;
    stranger->tree = asyncio_print_task_tree(stranger->loop, NULL);
    stranger->table = asyncio_task_table(stranger->loop, NULL, 0);
    stranger->graph =
        asyncio_capture_call_graph(&graph, asyncio_task_future(stranger->task));
    stranger->frames = asyncio_task_get_stack(stranger->task, &frame, 1);
    return NULL;
}

TEST(loop_that_runs_on_another_thread_is_not_looked_at)
{
    struct stranger stranger = {.loop = asyncio_get_running_loop(),
                                .task = asyncio_current_task()};
    pthread_t thread;
    if (pthread_create(&thread, NULL, look_from_another_thread, &stranger) != 0)
        return;
    pthread_join(thread, NULL);
    EXPECT_EQ(stranger.tree, -EPERM);
    EXPECT_EQ(stranger.table, -EPERM);
    EXPECT_EQ(stranger.graph, -EPERM);
    EXPECT_EQ(stranger.frames, 0);
}

// --- size -------------------------------------------------------------------

struct pair {
    struct asyncio_task *of[2];
};

static int await_both(void *arg)
{
    struct pair *pair = arg;
    return asyncio_gather(pair->of, 2);
}

// Two tasks at each level, which both wait for both of the level below: so the
// ways through it double with each level.
TEST(task_that_several_wait_for_is_drawn_once, .limit = 30)
{
    enum { LEVELS = 40 };
    static struct pair pairs[LEVELS];
    struct printed printed;
    for (int level = 0; level < LEVELS; level++)
        for (int i = 0; i < 2; i++)
            pairs[level].of[i] =
                level == 0 ? asyncio_create_task(wait_long, NULL)
                           : asyncio_create_task(await_both, &pairs[level - 1]);
    for (int i = 0; i < LEVELS; i++)
        asyncio_ignore(asyncio_sleep(0));
    EXPECT_EQ(asyncio_print_task_tree(NULL, print_begin(&printed)->file), 0);
    EXPECT_LT(printed.size, 100000);
    EXPECT_CONTAINS(print_text(&printed), ", shown above");
    EXPECT_CONTAINS(print_text(&printed), "(33 deep) ");
    print_end(&printed);
    for (int level = LEVELS - 1; level >= 0; level--)
        for (int i = 0; i < 2; i++)
            asyncio_task_cancel(pairs[level].of[i]);
    for (int level = 0; level < LEVELS; level++)
        for (int i = 0; i < 2; i++) {
            asyncio_ignore(asyncio_await(pairs[level].of[i]));
            asyncio_task_release(pairs[level].of[i]);
        }
}

TEST(long_chain_of_tasks_is_drawn_without_recursion, .limit = 30)
{
    enum { LENGTH = 300 };
    static struct asyncio_task *chain[LENGTH];
    struct printed printed;
    for (int i = 0; i < LENGTH; i++)
        chain[i] = i == 0 ? asyncio_create_task(wait_long, NULL)
                          : asyncio_create_task(await_task, chain[i - 1],
                                                .stack_size = 16384);
    for (int i = 0; i < 4; i++)
        asyncio_ignore(asyncio_sleep(0));
    EXPECT_EQ(asyncio_print_task_tree(NULL, print_begin(&printed)->file), 0);
    if (LENGTH == asyncio_all_tasks(asyncio_get_running_loop(), NULL, 0) - 1)
        EXPECT_CONTAINS(print_text(&printed), "(299 deep) ");
    print_end(&printed);
    asyncio_task_cancel(chain[0]);
    for (int i = 0; i < LENGTH; i++) {
        asyncio_ignore(asyncio_await(chain[i]));
        asyncio_task_release(chain[i]);
    }
}
