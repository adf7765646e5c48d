// Where tasks stand, whose they are, and who waits for a future.

#include <asyncio/introspect.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <asyncio/trace.h>

#include "printed.h"
#include "runner/runner.h"

// Keeps a call a call: the frame of whoever makes it stays until it returns.
#define STAY() __asm__ volatile("" ::: "memory")

__attribute__((noinline)) static int deep(void *arg)
{
    int err = asyncio_await_future(arg);
    STAY();
    return err;
}

__attribute__((noinline)) static int middle(void *arg)
{
    int err = deep(arg);
    STAY();
    return err;
}

__attribute__((noinline)) static int shallow(void *arg)
{
    int err = middle(arg);
    STAY();
    return err;
}

// Lets what was spawned go as far as it comes.
static void settle(void)
{
    for (int i = 0; i < 4; i++)
        asyncio_ignore(asyncio_sleep(0));
}

static void end(struct asyncio_task *task)
{
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
}

// --- current and all tasks --------------------------------------------------

struct player {
    struct asyncio_semaphore *mine, *other;
    struct asyncio_task_group *group;
    struct asyncio_task *self;
};

static int take_turns(struct player *player)
{
    for (int i = 0; i < 10; i++) {
        int err = asyncio_semaphore_acquire(player->mine);
        EXPECT_SAME(asyncio_current_task(), player->self);
        if (err < 0) return err;
        asyncio_semaphore_release(player->other);
        err = asyncio_sleep(i % 2 ? 0 : 1);
        EXPECT_SAME(asyncio_current_task(), player->self);
        if (err < 0) return err;
    }
    return 0;
}

// Who leaves in the middle takes the other along, who would wait for ever.
static int play(void *arg)
{
    struct player *player = arg;
    player->self = asyncio_current_task();
    int err = take_turns(player);
    if (err < 0) asyncio_task_group_cancel(player->group);
    return err;
}

TEST(each_of_two_tasks_that_wake_each_other_is_the_current_one_in_turn)
{
    CONFORMS("INTR-01");
    struct asyncio_task *body = asyncio_current_task();
    struct asyncio_semaphore a = ASYNCIO_SEMAPHORE(1), b = ASYNCIO_SEMAPHORE(0);
    ASYNCIO_WITH_TASK_GROUP(group);
    struct player players[] = {{&a, &b, &group, NULL}, {&b, &a, &group, NULL}};
    asyncio_task_group_create_task(&group, play, &players[0]);
    asyncio_task_group_create_task(&group, play, &players[1]);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_SAME(asyncio_current_task(), body);
    EXPECT(!players[0].self || players[0].self != players[1].self);
}

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

TEST_PLAIN(there_is_no_current_task_without_a_loop)
{
    EXPECT_SAME(asyncio_current_task(), NULL);
}

TEST(all_tasks_are_those_of_the_loop_that_are_not_done)
{
    CONFORMS("INTR-02");
    struct asyncio_loop *here = asyncio_get_running_loop(), *other = NULL;
    struct asyncio_future never = {0};
    EXPECT_OR_RETURN(asyncio_new_event_loop(&other) == 0);
    asyncio_set_event_loop(here);
    struct asyncio_task *done = asyncio_create_task(end_at_once, NULL);
    struct asyncio_task *stays = asyncio_create_task(deep, &never);
    struct asyncio_task *far =
        asyncio_create_task(end_at_once, NULL, .loop = other);
    EXPECT_EQ(asyncio_await(done), 0);

    struct asyncio_task *tasks[8];
    EXPECT_EQ(asyncio_all_tasks(here, tasks, 8), 2);
    EXPECT_SAME(tasks[0], asyncio_current_task());
    EXPECT_SAME(tasks[1], stays);
    EXPECT_EQ(asyncio_all_tasks(other, tasks, 8), 1);
    EXPECT_SAME(tasks[0], far);
    EXPECT_EQ(asyncio_all_tasks(here, NULL, 0), 2);

    end(stays);
    EXPECT_EQ(asyncio_all_tasks(here, tasks, 8), 1);
    asyncio_task_release(done);
    asyncio_task_cancel(far);
    asyncio_task_release(far);
    asyncio_loop_free(other);
    expect_report(-ECANCELED); // it was pending when its loop was closed
}

// --- stacks -----------------------------------------------------------------

TEST(stack_of_a_suspended_task_has_no_more_frames_than_asked_for)
{
    CONFORMS("INTR-03");
    struct asyncio_future never = {0};
    struct asyncio_frame frames[8];
    struct asyncio_task *task = asyncio_create_task(shallow, &never);
    settle();
    if (EXPECT_EQ(asyncio_task_get_stack(task, frames, 1), 1))
        EXPECT_STR(frames[0].function, "deep");

    struct printed printed;
    asyncio_task_print_stack(task, 1, print_begin(&printed)->file);
    EXPECT_CONTAINS(print_text(&printed), "pending");
    EXPECT_CONTAINS(print_text(&printed), "waits for a future");
    EXPECT_CONTAINS(print_text(&printed), "\n    deep\n");
    EXPECT(!strstr(print_text(&printed), "middle"));
    print_end(&printed);

    asyncio_task_cancel(task);
    asyncio_task_print_stack(task, 1, print_begin(&printed)->file);
    EXPECT_CONTAINS(print_text(&printed), "cancelling");
    print_end(&printed);
    end(task);
}

// Where somebody looks on, a task waits in parts of the library that are hardly
// ever run.
TEST(stack_of_a_task_that_is_traced_is_no_other)
{
    struct asyncio_future never = {0};
    struct asyncio_frame frames[8];
    char path[256];
    snprintf(path, sizeof path, "%s/trace.json", test_folder());
    int started = asyncio_trace_start(path);
    if (started != -EALREADY) EXPECT_EQ(started, 0); // the whole run is traced
    EXPECT_EQ(asyncio_sleep(0), 0);
    struct asyncio_task *task = asyncio_create_task(shallow, &never);
    settle();
    if (EXPECT_EQ(asyncio_task_get_stack(task, frames, 8), 3)) {
        EXPECT_STR(frames[0].function, "deep");
        EXPECT_STR(frames[1].function, "middle");
        EXPECT_STR(frames[2].function, "shallow");
    }
    end(task);
    if (started == 0) EXPECT_EQ(asyncio_trace_stop(), 0);
    unlink(path);
}

TEST(stack_has_the_frames_of_the_program_innermost_first)
{
    struct asyncio_future never = {0};
    struct asyncio_frame frames[8];
    struct asyncio_task *task = asyncio_create_task(shallow, &never);
    settle();
    size_t count = asyncio_task_get_stack(task, frames, 8);
    if (EXPECT_EQ(count, 3)) {
        EXPECT_STR(frames[0].function, "deep");
        EXPECT_STR(frames[1].function, "middle");
        EXPECT_STR(frames[2].function, "shallow");
        EXPECT(frames[0].address != frames[1].address);
    }
    EXPECT_EQ(asyncio_task_get_stack(task, frames, 0), 0);
    end(task);
}

TEST(task_that_has_not_begun_stands_in_its_function)
{
    struct asyncio_future never = {0};
    struct asyncio_frame frames[8];
    struct asyncio_task *task = asyncio_create_task(shallow, &never);
    if (EXPECT_EQ(asyncio_task_get_stack(task, frames, 8), 1))
        EXPECT_STR(frames[0].function, "shallow");
    end(task);
}

TEST(task_that_has_ended_has_no_stack)
{
    struct asyncio_frame frames[8];
    struct asyncio_task *task = asyncio_create_task(end_at_once, NULL);
    asyncio_ignore(asyncio_await(task));
    EXPECT_EQ(asyncio_task_get_stack(task, frames, 8), 0);
    struct printed printed;
    asyncio_task_print_stack(task, 0, print_begin(&printed)->file);
    EXPECT_CONTAINS(print_text(&printed), "finished");
    EXPECT_CONTAINS(print_text(&printed), "no stack");
    print_end(&printed);
    asyncio_task_release(task);
}

TEST(spawn_that_failed_has_no_stack)
{
    struct asyncio_frame frames[8];
    struct asyncio_task *task = asyncio_create_task(NULL, NULL);
    EXPECT_EQ(asyncio_task_get_stack(task, frames, 8), 0);
    EXPECT_SAME(asyncio_task_parent(task), NULL);
    asyncio_task_release(task);
}

__attribute__((noinline)) static size_t
look_at_myself(struct asyncio_frame *frames, size_t limit)
{
    size_t count =
        asyncio_task_get_stack(asyncio_current_task(), frames, limit);
    STAY();
    return count;
}

TEST(current_task_stands_where_it_asks)
{
    struct asyncio_frame frames[8];
    size_t count = look_at_myself(frames, 8);
    if (EXPECT_GE(count, 2)) {
        EXPECT_STR(frames[0].function, "look_at_myself");
        EXPECT_STR(frames[1].function,
                   "test_current_task_stands_where_it_asks");
    }
}

static int wake(void *future)
{
    return asyncio_future_set_result(future, 0);
}

TEST(task_that_was_woken_still_stands_where_it_waited)
{
    struct asyncio_future done = {0};
    struct asyncio_frame frames[8];
    struct asyncio_task *task = asyncio_create_task(shallow, &done);
    settle();
    EXPECT_EQ(wake(&done), 0);
    EXPECT_EQ(asyncio_task_get_stack(task, frames, 8), 3);
    EXPECT_STR(frames[0].function, "deep");
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
}

__attribute__((noinline)) static int dive(int depth, struct asyncio_future *at)
{
    int err = depth > 0 ? dive(depth - 1, at) : asyncio_await_future(at);
    STAY();
    return err;
}

static int dive_far(void *at)
{
    return dive(300, at);
}

TEST(deeper_stack_than_is_looked_at_is_cut)
{
    struct asyncio_future never = {0};
    static struct asyncio_frame frames[400];
    struct asyncio_task *task = asyncio_create_task(dive_far, &never);
    settle();
    size_t count = asyncio_task_get_stack(task, frames, 400);
    EXPECT_GT(count, ASYNCIO_STACK_FRAMES_MAX / 2);
    EXPECT_LE(count, ASYNCIO_STACK_FRAMES_MAX);
    if (count > 0) EXPECT_STR(frames[count - 1].function, "dive");
    end(task);
}

struct look {
    struct asyncio_task *at;
    size_t frames;
};

static int look_from_callback(void *arg)
{
    struct look *look = arg;
    struct asyncio_frame frames[8];
    look->frames = asyncio_task_get_stack(look->at, frames, 8);
    return 0;
}

TEST(stack_can_be_asked_for_in_a_callback)
{
    struct look look = {.at = asyncio_current_task()};
    if (asyncio_call_soon(look_from_callback, &look) < 0) return;
    asyncio_ignore(asyncio_sleep(0));
    EXPECT_GE(look.frames, 1);
}

TEST_PLAIN(task_of_a_loop_that_was_stopped_has_a_stack)
{
    struct asyncio_loop *loop = NULL;
    struct asyncio_future never = {0};
    struct asyncio_frame frames[8];
    EXPECT_OR_RETURN(asyncio_new_event_loop(&loop) == 0);
    struct asyncio_task *task = asyncio_create_task(shallow, &never);
    asyncio_loop_stop(loop);
    asyncio_loop_run_forever(loop);
    EXPECT_EQ(asyncio_task_get_stack(task, frames, 8), 3);
    asyncio_loop_free(loop);
    EXPECT_EQ(asyncio_task_get_stack(task, frames, 8), 0);
    asyncio_task_release(task);
    expect_report(-ECANCELED);
}

// --- parents ----------------------------------------------------------------

struct family {
    struct asyncio_task_group *group;
    struct asyncio_task *child, *grandchild;
};

static int wait_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(3600);
}

static int spawn_sibling(void *arg)
{
    struct family *family = arg;
    return asyncio_task_group_create_task(family->group, wait_long, NULL,
                                          .task = &family->grandchild);
}

TEST(parent_is_the_owner_of_the_group_whoever_spawned)
{
    CONFORMS("INTR-08");
    struct asyncio_task *body = asyncio_current_task();
    ASYNCIO_WITH_TASK_GROUP(group);
    struct family family = {.group = &group};
    EXPECT_EQ(asyncio_task_group_create_task(&group, spawn_sibling, &family,
                                             .task = &family.child),
              0);
    EXPECT_SAME(asyncio_task_parent(family.child), body);
    settle();
    if (EXPECT(family.grandchild != NULL))
        EXPECT_SAME(asyncio_task_parent(family.grandchild), body);
    EXPECT_SAME(asyncio_task_parent(body), NULL);
    asyncio_task_group_cancel(&group);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    if (family.grandchild)
        EXPECT_SAME(asyncio_task_parent(family.grandchild), NULL);
}

// --- the graph of a future --------------------------------------------------

static const struct asyncio_call_node *
node_of(const struct asyncio_call_graph *graph, const struct asyncio_task *task)
{
    for (size_t i = 0; i < graph->count; i++)
        if (graph->nodes[i].task == task) return &graph->nodes[i];
    return NULL;
}

static bool awaits(const struct asyncio_call_graph *graph,
                   const struct asyncio_call_node *awaited,
                   const struct asyncio_task *awaiter)
{
    for (size_t i = 0; awaited && i < awaited->awaiter_count; i++)
        if (graph->nodes[awaited->awaiters[i]].task == awaiter) return true;
    return false;
}

TEST(both_awaiters_of_a_future_appear_with_their_calls)
{
    CONFORMS("INTR-04");
    struct asyncio_future future = {0};
    struct asyncio_call_graph graph;
    struct asyncio_task *a = asyncio_create_task(shallow, &future, .name = "a");
    struct asyncio_task *b = asyncio_create_task(middle, &future, .name = "b");
    settle();
    EXPECT_EQ(asyncio_capture_call_graph(&graph, &future), 0);
    if (EXPECT_EQ(graph.count, 3)) {
        EXPECT_SAME(graph.nodes[0].future, &future);
        EXPECT_SAME(graph.nodes[0].task, NULL);
        EXPECT_EQ(graph.nodes[0].awaiter_count, 2);
        EXPECT(awaits(&graph, &graph.nodes[0], a));
        EXPECT(awaits(&graph, &graph.nodes[0], b));
        const struct asyncio_call_node *node = node_of(&graph, a);
        EXPECT_CONTAINS(node->text, "a: pending");
        if (EXPECT_EQ(node->frame_count, 3)) {
            EXPECT_STR(node->frames[0].function, "deep");
            EXPECT_STR(node->frames[1].function, "middle");
            EXPECT_STR(node->frames[2].function, "shallow");
        }
        EXPECT_EQ(node_of(&graph, b)->frame_count, 2);
    }
    asyncio_call_graph_free(&graph);
    asyncio_call_graph_free(&graph);

    EXPECT_EQ(asyncio_capture_call_graph(&graph, &future, .limit = 1), 0);
    if (graph.count == 3) EXPECT_EQ(graph.nodes[2].frame_count, 1);
    asyncio_call_graph_free(&graph);

    struct printed printed;
    EXPECT_EQ(asyncio_print_call_graph(&future, print_begin(&printed)->file),
              0);
    EXPECT_CONTAINS(print_text(&printed), "(F) future");
    EXPECT_CONTAINS(print_text(&printed), "├── awaited by (T) a: pending");
    EXPECT_CONTAINS(print_text(&printed), "│       deep\n│       middle\n");
    EXPECT_CONTAINS(print_text(&printed), "└── awaited by (T) b: pending");
    print_end(&printed);
    EXPECT_EQ(wake(&future), 0);
    end(a);
    end(b);
}

static int await_task(void *task)
{
    return asyncio_await_task(task);
}

static int gather_two(void *arg)
{
    struct asyncio_task **tasks = arg;
    return asyncio_gather(tasks, 2);
}

static int shield_it(void *task)
{
    return asyncio_shield_task(task);
}

static int own_a_group(void *arg)
{
    struct asyncio_task **task = arg;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, wait_long, NULL, .task = task);
    return asyncio_task_group_exit(&group, 0);
}

TEST(task_is_awaited_through_gather_shield_and_chains)
{
    struct asyncio_call_graph graph;
    struct asyncio_task *leaf = asyncio_create_task(wait_long, NULL);
    struct asyncio_task *pair[] = {leaf, leaf};
    struct asyncio_task *gather = asyncio_create_task(gather_two, pair);
    struct asyncio_task *shield = asyncio_create_task(shield_it, leaf);
    struct asyncio_task *outer = asyncio_create_task(await_task, gather);
    settle();
    EXPECT_EQ(asyncio_capture_call_graph(&graph, asyncio_task_future(leaf)), 0);
    EXPECT_EQ(graph.count, 4);
    const struct asyncio_call_node *node = node_of(&graph, leaf);
    if (EXPECT(node != NULL)) {
        EXPECT_EQ(node->awaiter_count, 2);
        EXPECT(awaits(&graph, node, gather));
        EXPECT(awaits(&graph, node, shield));
    }
    EXPECT(awaits(&graph, node_of(&graph, gather), outer));
    asyncio_call_graph_free(&graph);
    end(outer);
    end(shield);
    end(gather);
    end(leaf);
}

static int wait_for_two(void *arg)
{
    struct asyncio_task **tasks = arg;
    return asyncio_wait(tasks, 2, ASYNCIO_FOREVER);
}

TEST(task_is_awaited_by_who_waits_for_a_list)
{
    struct asyncio_call_graph graph;
    struct asyncio_task *pair[] = {asyncio_create_task(wait_long, NULL),
                                   asyncio_create_task(wait_long, NULL)};
    struct asyncio_task *waiter = asyncio_create_task(wait_for_two, pair);
    settle();
    EXPECT_EQ(asyncio_capture_call_graph(&graph, asyncio_task_future(pair[1])),
              0);
    EXPECT(awaits(&graph, node_of(&graph, pair[1]), waiter));
    EXPECT(!node_of(&graph, pair[0]));
    asyncio_call_graph_free(&graph);
    end(waiter);
    end(pair[0]);
    end(pair[1]);
}

TEST(child_is_awaited_by_who_leaves_the_group)
{
    struct asyncio_call_graph graph;
    struct asyncio_task *child = NULL;
    struct asyncio_task *owner = asyncio_create_task(own_a_group, &child);
    settle();
    EXPECT_OR_RETURN(child != NULL);
    EXPECT_EQ(asyncio_capture_call_graph(&graph, asyncio_task_future(child)),
              0);
    EXPECT(awaits(&graph, node_of(&graph, child), owner));
    asyncio_call_graph_free(&graph);
    end(owner);
}

static int starts_slowly(void *arg)
{
    int err = wait_long(arg);
    return err < 0 ? err : asyncio_task_group_started(0);
}

static int start_one(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_TASK_GROUP(group);
    int err = asyncio_task_group_start(&group, starts_slowly, NULL,
                                       .name = "starting");
    return asyncio_task_group_exit(&group, err);
}

TEST(child_that_is_starting_is_awaited_by_who_starts_it)
{
    struct asyncio_task *tasks[8];
    struct asyncio_task_row rows[8];
    struct asyncio_task *starter = asyncio_create_task(start_one, NULL);
    settle();
    size_t count = asyncio_all_tasks(asyncio_get_running_loop(), tasks, 8);
    EXPECT_EQ(asyncio_task_table(NULL, rows, 8), 3);
    if (EXPECT_EQ(count, 3)) {
        EXPECT_SAME(rows[2].task, tasks[2]);
        EXPECT_SAME(rows[2].awaiter, starter);
    }
    end(starter);
}

TEST(graph_of_nothing_is_that_of_the_current_task)
{
    struct asyncio_call_graph graph;
    EXPECT_EQ(asyncio_capture_call_graph(&graph, NULL), 0);
    EXPECT_EQ(graph.count, 1);
    if (graph.count == 1)
        EXPECT_SAME(graph.nodes[0].task, asyncio_current_task());
    asyncio_call_graph_free(&graph);
}

TEST_PLAIN(graph_wants_a_future_or_a_task)
{
    struct asyncio_call_graph graph;
    struct asyncio_future future = {0};
    EXPECT_EQ(asyncio_capture_call_graph(&graph, NULL), -EPERM);
    EXPECT_EQ(asyncio_capture_call_graph(&graph, &future), -EPERM);
    EXPECT_EQ(asyncio_print_call_graph(NULL, NULL), -EPERM);
    asyncio_call_graph_free(&graph);
}

TEST(graph_of_a_task_that_has_ended_is_that_task)
{
    struct asyncio_call_graph graph;
    struct asyncio_task *task = asyncio_create_task(end_at_once, NULL);
    asyncio_ignore(asyncio_await(task));
    EXPECT_EQ(asyncio_capture_call_graph(&graph, asyncio_task_future(task)), 0);
    if (EXPECT_EQ(graph.count, 1)) EXPECT_EQ(graph.nodes[0].frame_count, 0);
    asyncio_call_graph_free(&graph);
    asyncio_task_release(task);
}
