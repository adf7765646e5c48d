// Parts of the library used together, where each one alone is proven elsewhere:
// scopes around channels and selects, eager tasks in groups under limits,
// variables along all ways by which tasks come into being, and so on.

#include <asyncio/introspect.h>
#include <asyncio/select.h>
#include <asyncio/testing.h>
#include <asyncio/thread_channel.h>
#include <asyncio/threadsafe.h>
#include <asyncio/workers.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "runner/runner.h"

ASYNCIO_CHANNEL_TYPE(numbers, int);

static struct numbers_sender out;
static struct numbers_receiver in;
static struct asyncio_context_var user = ASYNCIO_CONTEXT_VAR("user");

static bool make_channel(long capacity)
{
    return asyncio_channel_create(&out, &in, capacity) == 0;
}

static void close_channel(void)
{
    asyncio_sender_close(&out);
    asyncio_receiver_close(&in);
}

static void settle(void)
{
    for (int i = 0; i < 4; i++)
        asyncio_ignore(asyncio_sleep(0));
}

static int sleep_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(1000);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int give_number(void *arg)
{
    return *(const int *)arg;
}

// --- scopes around channels and select --------------------------------------

static int receive(void *arg)
{
    int number = -1;
    int err = asyncio_receiver_receive(&in, &number);
    if (arg) trace("%s %d", (const char *)arg, err < 0 ? err : number);
    return err;
}

static int receive_in_scope(void *arg)
{
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    *(struct asyncio_cancel_scope **)arg = &scope;
    int err = receive("in scope");
    *(struct asyncio_cancel_scope **)arg = NULL;
    return asyncio_cancel_scope_exit(&scope, err);
}

TEST(item_for_a_receiver_whose_scope_is_cancelled_goes_to_the_next,
     .ordered = true)
{
    EXPECT_OR_RETURN(make_channel(0));
    struct asyncio_cancel_scope *scope = NULL;
    int number = 7;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, receive_in_scope, &scope);
    asyncio_task_group_create_task(&group, receive, "next");
    settle();
    if (scope) {
        EXPECT_EQ(asyncio_sender_send_nowait(&out, &number), 0);
        asyncio_cancel_scope_cancel(scope);
    }
    asyncio_sender_close(&out);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    char first[40];
    snprintf(first, sizeof first, "in scope %d", -ECANCELED);
    EXPECT_TRACE(first, "next 7");
    close_channel();
}

static int select_in_scope(void *arg)
{
    int number = 0;
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 5);
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_RECEIVE(&in, &number),
        ASYNCIO_SELECT_TASK((struct asyncio_task *)arg),
        ASYNCIO_SELECT_AFTER(100),
    };
    int err = asyncio_select(cases, 3);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_select(cases, 3), -ECANCELED);
    err = asyncio_cancel_scope_exit(&scope, err);
    EXPECT(asyncio_cancel_scope_caught(&scope));
    return err;
}

TEST(select_is_ended_by_a_deadline_and_leaves_its_task_alone)
{
    EXPECT_OR_RETURN(make_channel(0));
    struct asyncio_task *task = asyncio_create_task(sleep_long, NULL);
    double start = asyncio_time();
    EXPECT_EQ(select_in_scope(task), 0);
    EXPECT_EQ(asyncio_time() - start, 5);
    EXPECT(!asyncio_task_done(task));
    EXPECT_EQ(asyncio_task_cancelling(task), 0);
    struct asyncio_channel_statistics now;
    EXPECT_EQ(asyncio_receiver_statistics(&in, &now), 0);
    EXPECT_EQ(now.waiting_receivers, 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_release(task);
    close_channel();
}

TEST(shield_holds_a_cancelled_scope_off_a_channel)
{
    EXPECT_OR_RETURN(make_channel(1));
    int number = 3;
    ASYNCIO_WITH_CANCEL_SCOPE(outer);
    asyncio_cancel_scope_cancel(&outer);
    {
        ASYNCIO_WITH_CANCEL_SCOPE(inner, .shield = true);
        EXPECT_EQ(asyncio_sender_send(&out, &number), 0);
        EXPECT_EQ(asyncio_receiver_receive(&in, &number), 0);
        EXPECT_EQ(asyncio_cancel_scope_exit(&inner, 0), 0);
    }
    EXPECT_EQ(asyncio_sender_send(&out, &number), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&outer, -ECANCELED), 0);
    close_channel();
}

TEST(time_limit_around_a_full_channel_is_a_timeout)
{
    EXPECT_OR_RETURN(make_channel(0));
    int number = 3;
    EXPECT_EQ(asyncio_wait_for(asyncio_sender_send(&out, &number), 2),
              -ETIMEDOUT);
    ASYNCIO_WITH_FAIL_AFTER(scope, 1);
    int err = asyncio_receiver_receive(&in, &number);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), -ETIMEDOUT);
    EXPECT_EQ(asyncio_receiver_receive_nowait(&in, &number), -EAGAIN);
    close_channel();
}

static void *send_from_thread(void *arg)
{
    struct numbers_thread_sender *sender = arg;
    int number = 9;
    EXPECT_EQ(asyncio_thread_sender_send(sender, &number, 10), 0);
    asyncio_thread_sender_release(sender);
    return NULL;
}

static int receive_once(void *arg)
{
    return asyncio_receiver_receive(&in, (int *)arg);
}

TEST(item_of_a_thread_outlives_a_cancelled_scope, .real_time = true)
{
    EXPECT_OR_RETURN(make_channel(0));
    struct numbers_thread_sender sender;
    if (asyncio_thread_sender_create(&sender, &out) < 0) {
        close_channel();
        return;
    }
    int number = 0;
    {
        ASYNCIO_WITH_CANCEL_SCOPE(scope);
        asyncio_cancel_scope_cancel(&scope);
        EXPECT_EQ(receive_once(&number), -ECANCELED);
        EXPECT_EQ(asyncio_cancel_scope_exit(&scope, -ECANCELED), 0);
    }
    pthread_t thread;
    if (EXPECT_EQ(pthread_create(&thread, NULL, send_from_thread, &sender),
                  0)) {
        if (EXPECT_EQ(receive_once(&number), 0)) EXPECT_EQ(number, 9);
        close_channel(); // the thread is not to wait if we do not
        pthread_join(thread, NULL);
    }
    close_channel();
}

// --- who waits for whom, through select -------------------------------------

static int select_task(void *arg)
{
    int number;
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_RECEIVE(&in, &number),
        ASYNCIO_SELECT_TASK(*(struct asyncio_task **)arg),
    };
    return asyncio_select(cases, 2);
}

TEST(task_is_awaited_by_who_selects_it)
{
    EXPECT_OR_RETURN(make_channel(0));
    struct asyncio_task *task = asyncio_create_task(sleep_long, NULL);
    struct asyncio_task *waiter = asyncio_create_task(select_task, &task);
    settle();
    struct asyncio_task_row rows[8];
    int count = asyncio_task_table(NULL, rows, 8);
    bool found = count < 0; // there was no memory for it
    for (int i = 0; i < count; i++)
        found |= rows[i].task == task && rows[i].awaiter == waiter;
    EXPECT(found);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(waiter), 1);
    count = asyncio_task_table(NULL, rows, 8);
    EXPECT(count <= 1);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
    asyncio_task_release(waiter);
    close_channel();
}

static int select_future(void *arg)
{
    struct asyncio_select_case one =
        ASYNCIO_SELECT_FUTURE((struct asyncio_future *)arg);
    return asyncio_select(&one, 1);
}

TEST(future_is_awaited_by_who_selects_it)
{
    struct asyncio_future future = {0};
    struct asyncio_task *waiter = asyncio_create_task(select_future, &future);
    settle();
    struct asyncio_call_graph graph;
    if (asyncio_capture_call_graph(&graph, &future) == 0) {
        if (EXPECT_EQ(graph.nodes[0].awaiter_count, 1))
            EXPECT_SAME(graph.nodes[graph.nodes[0].awaiters[0]].task, waiter);
        asyncio_call_graph_free(&graph);
    }
    asyncio_task_cancel(waiter);
    EXPECT_EQ(asyncio_await(waiter), -ECANCELED);
    EXPECT(!asyncio_future_done(&future));
    asyncio_task_release(waiter);
}

static int await_it(void *arg)
{
    return asyncio_await(*(struct asyncio_task **)arg);
}

struct circle {
    struct asyncio_task *a, *b;
    struct numbers_thread_sender sender;
    pid_t loops_thread;
};

// True unless that thread runs: it sleeps in the kernel.
static bool is_asleep(pid_t thread)
{
    char path[64], state = 'S';
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
    FILE *file = fopen(path, "re");
    if (!file) return true;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 'S';
    fclose(file);
    return state != 'R';
}

// Sends once the loop sleeps: by then it was asked whether it is stuck.
static void *send_late(void *arg)
{
    struct circle *circle = arg;
    while (!is_asleep(circle->loops_thread))
        sched_yield();
    int number = 1;
    while (asyncio_thread_sender_send(&circle->sender, &number, 5) == -ENOMEM)
        continue;
    return NULL;
}

TEST(circle_that_a_thread_opens_by_a_channel_is_no_deadlock, .stuck = true)
{
    struct circle circle = {.loops_thread = gettid()};
    struct asyncio_loop *loop = asyncio_get_running_loop();
    if (asyncio_loop_set_debug(loop, true) < 0) return;
    EXPECT_OR_RETURN(make_channel(0));
    if (asyncio_thread_sender_create(&circle.sender, &out) == 0) {
        pthread_t thread;
        circle.a = asyncio_create_task(select_task, &circle.b, .name = "a");
        circle.b = asyncio_create_task(await_it, &circle.a, .name = "b");
        if (pthread_create(&thread, NULL, send_late, &circle) == 0) {
            EXPECT_EQ(asyncio_await(circle.b), 0);
            asyncio_receiver_close(&in); // should nobody have received it
            pthread_join(thread, NULL);
        }
        asyncio_task_release(circle.a);
        asyncio_task_release(circle.b);
        asyncio_thread_sender_release(&circle.sender);
    }
    EXPECT_EQ(unexpected_reports(), 0);
    close_channel();
}

// --- eager tasks and all the rest -------------------------------------------

static int ends_at_once = 5;

TEST(eager_loop_carries_groups_lists_limits_and_races)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    asyncio_loop_set_eager(loop, true);
    struct asyncio_coroutine jobs[] = {
        ASYNCIO_COROUTINE(give_number, &ends_at_once),
        ASYNCIO_COROUTINE(sleep_long, NULL),
        ASYNCIO_COROUTINE(nothing, NULL),
    };
    int results[3] = {-1, -1, -1}, result = -1;
    EXPECT_EQ(asyncio_gather(jobs, 3, .results = results), 0);
    EXPECT_EQ(results[0], 5);

    struct asyncio_coroutine again[] = {
        ASYNCIO_COROUTINE(sleep_long, NULL),
        ASYNCIO_COROUTINE(give_number, &ends_at_once),
    };
    {
        ASYNCIO_WITH_AS_COMPLETED(it, again, 2);
        EXPECT_EQ(asyncio_as_completed_next(&it, &result), 1);
        EXPECT_EQ(result, 5);
    }
    struct asyncio_coroutine racers[] = {
        ASYNCIO_COROUTINE(give_number, &ends_at_once),
        ASYNCIO_COROUTINE(sleep_long, NULL),
    };
    size_t started = 0;
    EXPECT_EQ(asyncio_staggered_race(racers, 2, 1, .started = &started), 0);
    EXPECT_EQ(started, 1);

    ASYNCIO_WITH_COROUTINE(slow, sleep_long, NULL);
    EXPECT_EQ(asyncio_wait_for(&slow, 1), -ETIMEDOUT);
    struct asyncio_task *task = asyncio_create_task(sleep_long, NULL);
    EXPECT_EQ(asyncio_wait_for(task, 1), -ETIMEDOUT);
    EXPECT(asyncio_task_cancelled(task));
    asyncio_task_release(task);
}

static int fail(void *arg)
{
    (void)arg;
    return -EIO;
}

TEST(eager_child_that_fails_at_once_ends_its_group)
{
    asyncio_loop_set_eager(asyncio_get_running_loop(), true);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, sleep_long, NULL);
    asyncio_task_group_create_task(&group, fail, NULL);
    int err = asyncio_sleep(100);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_task_group_exit(&group, err), -EIO);
    EXPECT_EQ(asyncio_task_cancelling(asyncio_current_task()), 0);
}

static int hand_over(void *arg)
{
    int number = *(int *)arg;
    return asyncio_sender_send(&out, &number);
}

TEST(eager_tasks_meet_at_a_channel_without_room, .ordered = true)
{
    asyncio_loop_set_eager(asyncio_get_running_loop(), true);
    EXPECT_OR_RETURN(make_channel(0));
    int number = 4;
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 10); // should one of them be cancelled
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, receive, "got");
    asyncio_task_group_create_task(&group, hand_over, &number);
    int err = asyncio_task_group_exit(&group, 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT_TRACE("got 4");
    close_channel();
}

static int cancel_scope_around(void *arg)
{
    asyncio_cancel_scope_cancel(arg);
    return asyncio_sleep(0);
}

TEST(eager_child_may_cancel_the_scope_that_its_parent_is_in)
{
    asyncio_loop_set_eager(asyncio_get_running_loop(), true);
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, cancel_scope_around, &scope);
    int err = asyncio_sleep(100);
    EXPECT_EQ(err, -ECANCELED);
    err = asyncio_task_group_exit(&group, err);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT(asyncio_cancel_scope_caught(&scope));
    EXPECT_EQ(asyncio_sleep(0), 0);
}

static int cancel_myself(void *arg)
{
    (void)arg;
    asyncio_task_cancel(asyncio_current_task());
    return asyncio_sleep(0);
}

TEST(eager_task_that_cancels_itself_is_cancelled)
{
    struct asyncio_task *task =
        asyncio_create_task(cancel_myself, NULL, .eager = true);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT(asyncio_task_cancelled(task));
    asyncio_task_release(task);
}

static int limit_itself(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    int err = asyncio_sleep(10);
    return asyncio_timeout_exit(&limit, err);
}

TEST(eager_task_has_limits_scopes_and_variables_of_its_own)
{
    struct asyncio_task *task =
        asyncio_create_task(limit_itself, NULL, .eager = true);
    EXPECT_EQ(asyncio_current_effective_deadline(), ASYNCIO_FOREVER);
    EXPECT_EQ(asyncio_sleep(0.5), 0);
    EXPECT_EQ(asyncio_await(task), -ETIMEDOUT);
    asyncio_task_release(task);
}

// --- variables, however a task came into being ------------------------------

static int expect_user(void *arg)
{
    EXPECT_STR((const char *)asyncio_context_var_get(&user), arg);
    return asyncio_context_var_set(&user, "changed");
}

TEST(variables_go_along_wherever_tasks_are_made)
{
    char ann[] = "ann";
    if (asyncio_context_var_set(&user, ann) < 0) return;
    struct asyncio_coroutine one[] = {ASYNCIO_COROUTINE(expect_user, ann)};
    asyncio_ignore(asyncio_gather(one, 1));
    struct asyncio_coroutine two[] = {ASYNCIO_COROUTINE(expect_user, ann)};
    asyncio_ignore(asyncio_staggered_race(two, 1, 1));
    struct asyncio_coroutine three[] = {ASYNCIO_COROUTINE(expect_user, ann)};
    {
        ASYNCIO_WITH_AS_COMPLETED(it, three, 1);
        asyncio_ignore(asyncio_as_completed_next(&it, NULL));
    }
    ASYNCIO_WITH_COROUTINE(four, expect_user, ann);
    asyncio_ignore(asyncio_shield(&four));
    struct asyncio_task *eager =
        asyncio_create_task(expect_user, ann, .eager = true);
    asyncio_ignore(asyncio_await(eager));
    asyncio_task_release(eager);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, expect_user, ann, .eager = true);
    asyncio_ignore(asyncio_task_group_exit(&group, 0));
    asyncio_ignore(asyncio_to_thread(expect_user, ann));
    EXPECT_STR((const char *)asyncio_context_var_get(&user), "ann");

    // Awaited or limited here, a coroutine object runs in this task.
    ASYNCIO_WITH_COROUTINE(five, expect_user, ann);
    if (asyncio_wait_for(&five, 1) < 0) return;
    EXPECT_STR((const char *)asyncio_context_var_get(&user), "changed");
}

static int set_by_worker(void *arg)
{
    EXPECT(asyncio_context_var_get(&user) == NULL);
    (void)arg;
    int err = asyncio_context_var_set(&user, "worker");
    return err < 0 ? err : asyncio_sleep(0);
}

TEST_PLAIN(each_worker_has_variables_of_its_own)
{
    EXPECT_EQ(asyncio_run_workers(set_by_worker, NULL, .workers = 2), 0);
    EXPECT(asyncio_context_var_get(&user) == NULL);
}
