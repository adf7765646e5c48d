// Context variables: each task has its own, begun as a copy of its maker's;
// contexts hold a set of them for tasks and calls to share.

#include <asyncio/context.h>
#include <asyncio/executor.h>
#include <asyncio/group.h>
#include <asyncio/threadsafe.h>

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include "runner/runner.h"
#include "task/variables.h"

static struct asyncio_context_var user = ASYNCIO_CONTEXT_VAR("user");
static struct asyncio_context_var colour =
    ASYNCIO_CONTEXT_VAR_DEFAULT("colour", "grey");

static const char *user_here(void)
{
    return asyncio_context_var_get(&user);
}

static int set_user(void *arg)
{
    int err = asyncio_context_var_set(&user, arg);
    return err < 0 ? err : asyncio_sleep(1);
}

static int expect_user(void *arg)
{
    EXPECT_STR(user_here(), arg);
    return 0;
}

// --- children ---------------------------------------------------------------

TEST(variable_that_was_never_set_has_its_default)
{
    EXPECT(user_here() == NULL);
    EXPECT_STR(asyncio_context_var_get(&colour), "grey");
    if (asyncio_context_var_set(&user, "ann") < 0) return;
    EXPECT_STR(asyncio_context_var_get(&colour), "grey");
    EXPECT_STR(user_here(), "ann");
}

TEST(what_a_child_sets_is_its_own)
{
    CONFORMS("CTX-01");
    if (asyncio_context_var_set(&user, "ann") < 0) return;
    struct asyncio_task *child = asyncio_create_task(set_user, "bob");
    EXPECT_EQ(asyncio_await(child), 0);
    EXPECT_STR(user_here(), "ann");
    asyncio_task_release(child);
}

TEST(child_sets_what_its_parent_never_had)
{
    CONFORMS("CTX-01");
    struct asyncio_task *child = asyncio_create_task(set_user, "bob");
    EXPECT_EQ(asyncio_await(child), 0);
    EXPECT(user_here() == NULL);
    asyncio_task_release(child);
}

TEST(child_has_what_there_was_at_its_spawn)
{
    CONFORMS("CTX-02");
    if (asyncio_context_var_set(&user, "ann") < 0) return;
    struct asyncio_task *child = asyncio_create_task(expect_user, "ann");
    EXPECT_EQ(asyncio_context_var_set(&user, "bob"), 0);
    EXPECT_EQ(asyncio_await(child), 0);
    EXPECT_STR(user_here(), "bob");
    asyncio_task_release(child);
}

static int spawn_grandchild(void *arg)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, expect_user, arg);
    return asyncio_task_group_exit(&group, 0);
}

TEST(values_reach_grandchildren_and_coroutine_objects)
{
    if (asyncio_context_var_set(&user, "ann") < 0) return;
    struct asyncio_coroutine jobs[] = {
        ASYNCIO_COROUTINE(spawn_grandchild, "ann"),
        ASYNCIO_COROUTINE(expect_user, "ann"),
    };
    EXPECT_EQ(asyncio_gather(jobs, 2), 0);
}

struct nap {
    double seconds;
    char name[8];
};

static int set_sleep_and_read(void *arg)
{
    struct nap *nap = arg;
    int err = asyncio_context_var_set(&user, nap->name);
    for (int i = 0; i < 3 && err == 0; i++) {
        err = asyncio_sleep(nap->seconds);
        EXPECT_SAME(user_here(), nap->name);
    }
    return err;
}

TEST(hundred_tasks_each_see_their_own)
{
    CONFORMS("CTX-03");
    struct nap naps[100];
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 100; i++) {
        naps[i] = (struct nap){.seconds = (i * 37 % 100) / 100.0};
        asyncio_task_group_create_task(&group, set_sleep_and_read, &naps[i]);
    }
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT(user_here() == NULL);
}

TEST(many_variables_keep_their_values)
{
    static struct asyncio_context_var many[300];
    static int values[300];
    for (int i = 0; i < 300; i++) {
        int place = i * 7 % 300;
        if (asyncio_context_var_set(&many[place], &values[place]) < 0) return;
    }
    struct asyncio_context before = {0};
    asyncio_copy_context(&before);
    for (int i = 0; i < 300; i += 2)
        if (asyncio_context_var_set(&many[i], &values[0]) < 0) break;
    for (int i = 0; i < 300; i++) {
        EXPECT_SAME(asyncio_context_get(&before, &many[i]), &values[i]);
        EXPECT_SAME(asyncio_context_var_get(&many[i]), &values[i % 2 ? i : 0]);
    }
    EXPECT_EQ(asyncio_context_close(&before), 0);
}

// --- contexts ---------------------------------------------------------------

TEST(tasks_in_one_context_share_it)
{
    CONFORMS("CTX-04");
    struct asyncio_context context;
    asyncio_copy_context(&context);
    struct asyncio_task *first =
        asyncio_create_task(set_user, "ann", .context = &context);
    int err = asyncio_await(first);
    asyncio_task_release(first);
    if (err == 0) {
        struct asyncio_task *second =
            asyncio_create_task(expect_user, "ann", .context = &context);
        EXPECT_EQ(asyncio_await(second), 0);
        asyncio_task_release(second);
        EXPECT_STR(asyncio_context_get(&context, &user), "ann");
        EXPECT_STR(asyncio_context_get(&context, &colour), "grey");
    }
    EXPECT(user_here() == NULL);
    EXPECT_EQ(asyncio_context_close(&context), 0);
}

TEST(children_of_a_group_share_a_context_too)
{
    CONFORMS("CTX-04");
    struct asyncio_context context = {0};
    int err;
    {
        ASYNCIO_WITH_TASK_GROUP(group);
        asyncio_task_group_create_task(&group, set_user, "ann",
                                       .context = &context);
        EXPECT_EQ(asyncio_sleep(0.5), 0);
        asyncio_task_group_create_task(&group, expect_user, "ann",
                                       .context = &context);
        EXPECT_EQ(asyncio_context_close(&context), -EBUSY);
        err = asyncio_task_group_exit(&group, 0);
    }
    if (err == 0) EXPECT_STR(asyncio_context_get(&context, &user), "ann");
    EXPECT_EQ(asyncio_context_close(&context), 0);
    EXPECT(asyncio_context_get(&context, &user) == NULL);
    EXPECT_EQ(asyncio_context_close(&context), 0);
}

TEST(task_that_never_began_leaves_its_context)
{
    struct asyncio_context context = {0};
    struct asyncio_task *task =
        asyncio_create_task(set_user, "ann", .context = &context);
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_context_close(&context), 0);
}

TEST(copy_is_a_copy)
{
    if (asyncio_context_var_set(&user, "ann") < 0) return;
    struct asyncio_context context;
    asyncio_copy_context(&context);
    if (asyncio_context_var_set(&user, "bob") == 0)
        EXPECT_STR(user_here(), "bob");
    EXPECT_STR(asyncio_context_get(&context, &user), "ann");
    EXPECT_EQ(asyncio_context_close(&context), 0);
}

static int set_in_call(void *arg)
{
    int err = asyncio_context_var_set(&user, arg);
    if (err < 0) return err;
    err = asyncio_sleep(1); // what it is in stays
    EXPECT_STR(user_here(), arg);
    struct asyncio_task *child = asyncio_create_task(expect_user, arg);
    err = asyncio_await(child);
    asyncio_task_release(child);
    return err < 0 ? err : 42;
}

TEST(call_runs_in_a_context_and_leaves_it)
{
    struct asyncio_context context = {0};
    if (asyncio_context_var_set(&user, "ann") < 0) return;
    int result = asyncio_context_run(&context, set_in_call, "bob");
    if (result >= 0) {
        EXPECT_EQ(result, 42);
        EXPECT_STR(asyncio_context_get(&context, &user), "bob");
    }
    EXPECT_STR(user_here(), "ann");
    EXPECT_EQ(asyncio_context_run(&context, NULL, NULL), -EINVAL);
    EXPECT_EQ(asyncio_context_close(&context), 0);
}

static struct asyncio_context outer, inner;

static int close_both(void *arg)
{
    (void)arg;
    EXPECT_EQ(asyncio_context_close(&inner), -EBUSY);
    EXPECT_EQ(asyncio_context_close(&outer), -EBUSY);
    return asyncio_context_var_set(&user, "inner");
}

static int go_deeper(void *arg)
{
    int err = asyncio_context_var_set(&user, "outer");
    if (err == 0) err = asyncio_context_run(&inner, close_both, arg);
    if (err == 0) EXPECT_STR(user_here(), "outer");
    return err;
}

TEST(contexts_nest)
{
    if (asyncio_context_run(&outer, go_deeper, NULL) == 0)
        EXPECT_STR(asyncio_context_get(&inner, &user), "inner");
    EXPECT_EQ(asyncio_context_close(&inner), 0);
    EXPECT_EQ(asyncio_context_close(&outer), 0);
}

// --- outside tasks ----------------------------------------------------------

TEST_PLAIN(outside_tasks_there_is_nothing_to_set)
{
    EXPECT_EQ(asyncio_context_var_set(&user, "ann"), -EPERM);
    EXPECT(user_here() == NULL);
    struct asyncio_context_token none = {0};
    EXPECT_EQ(asyncio_context_var_reset(&none), -EINVAL);
}

static int call_back(void *arg)
{
    EXPECT_STR(user_here(), "ann");
    EXPECT_EQ(asyncio_context_var_set(&user, "cat"), -EPERM);
    return asyncio_context_run(arg, expect_user, "bob");
}

TEST(callback_has_the_context_that_it_is_handed)
{
    struct asyncio_context context;
    if (asyncio_context_var_set(&user, "bob") < 0) return;
    asyncio_copy_context(&context);
    if (asyncio_context_var_set(&user, "ann") == 0 &&
        asyncio_call_soon(call_back, &context) == 0)
        EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_context_close(&context), 0);
}

// --- what callbacks see -----------------------------------------------------

static int note_user(void *arg)
{
    const char *here = user_here();
    trace("%s: %s", (const char *)arg, here ? here : "nobody");
    return 0;
}

static int note_future(struct asyncio_future *future, void *arg)
{
    (void)future;
    return note_user(arg);
}

// asyncio's call_soon, call_later and add_done_callback copy the context.
TEST(callbacks_see_what_their_maker_had, .ordered = true)
{
    struct asyncio_future future = {0};
    struct asyncio_handle handle = {0};
    EXPECT_EQ(asyncio_call_soon(note_user, "before"), 0);
    EXPECT_EQ(asyncio_context_var_set(&user, "ann"), 0);
    EXPECT_EQ(asyncio_call_soon(note_user, "soon"), 0);
    EXPECT_EQ(asyncio_call_later(1, note_user, "later"), 0);
    EXPECT_EQ(
        asyncio_call_at(asyncio_time() + 2, note_user, "at", .handle = &handle),
        0);
    EXPECT_EQ(asyncio_future_add_done_callback(&future, note_future, "done"),
              0);
    EXPECT_EQ(asyncio_context_var_set(&user, "bob"), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_future_set_result(&future, 0), 0);
    EXPECT_EQ(asyncio_sleep(3), 0);
    EXPECT_TRACE("before: nobody", "soon: ann", "done: ann", "later: ann",
                 "at: ann");

    EXPECT_EQ(asyncio_call_soon(note_user, "again", .handle = &handle), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("again: bob");
    asyncio_handle_cancel(&handle); // a fault may have left them
    asyncio_future_remove_done_callback(&future, note_future, "done");
}

TEST(callbacks_that_do_not_run_keep_nothing)
{
    struct asyncio_handle soon = {0}, later = {0}, never = {0};
    struct asyncio_future future = {0};
    EXPECT_EQ(asyncio_context_var_set(&user, "ann"), 0);
    EXPECT_EQ(asyncio_call_soon(note_user, "", .handle = &soon), 0);
    EXPECT_EQ(asyncio_call_later(1, note_user, "", .handle = &later), 0);
    EXPECT_EQ(
        asyncio_call_later(ASYNCIO_FOREVER, note_user, "", .handle = &never),
        0);
    EXPECT_EQ(asyncio_future_add_done_callback(&future, note_future, ""), 0);
    EXPECT_EQ(asyncio_call_later(3600, note_user, ""), 0); // the loop closes
    asyncio_handle_cancel(&soon);
    asyncio_handle_cancel(&later);
    asyncio_handle_cancel(&never);
    EXPECT_EQ(asyncio_future_remove_done_callback(&future, note_future, ""), 1);
    EXPECT_TRACE();
}

static struct asyncio_task *made;

static int make_child(void *arg)
{
    (void)arg;
    made = asyncio_create_task(expect_user, "ann");
    return 0;
}

TEST(task_that_a_callback_makes_begins_with_that)
{
    EXPECT_EQ(asyncio_context_var_set(&user, "ann"), 0);
    EXPECT_EQ(asyncio_call_soon(make_child, NULL), 0);
    EXPECT_EQ(asyncio_context_var_set(&user, "bob"), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_ignore(asyncio_await(made));
    asyncio_task_release(made);
}

static int read_and_note(void *arg)
{
    const int *fd = arg;
    char byte;
    if (read(*fd, &byte, 1) == 1) note_user("read");
    return 0;
}

TEST(reader_sees_it_each_time, .real_time = true)
{
    int ends[2];
    EXPECT_OR_RETURN(pipe(ends) == 0);
    EXPECT_EQ(asyncio_context_var_set(&user, "ann"), 0);
    EXPECT_EQ(asyncio_add_reader(ends[0], read_and_note, &ends[0]), 0);
    EXPECT_EQ(asyncio_context_var_set(&user, "bob"), 0);
    for (int i = 1; i <= 2; i++) {
        EXPECT_EQ(write(ends[1], "", 1), 1);
        EXPECT_EQ(asyncio_sleep(0.01), 0);
    }
    EXPECT_TRACE("read: ann", "read: ann");
    EXPECT_EQ(asyncio_remove_reader(ends[0]), 1);
    close(ends[0]);
    close(ends[1]);
}

TEST(signal_handlers_see_it_each_their_own, .real_time = true)
{
    EXPECT_EQ(asyncio_context_var_set(&user, "ann"), 0);
    EXPECT_OR_RETURN(asyncio_add_signal_handler(SIGUSR1, note_user, "one") ==
                     0);
    EXPECT_EQ(asyncio_context_var_set(&user, "bob"), 0);
    EXPECT_OR_RETURN(asyncio_add_signal_handler(SIGUSR2, note_user, "two") ==
                     0);
    struct asyncio_signal_stream stream = {0};
    EXPECT_EQ(asyncio_signal_stream_open(&stream, SIGUSR1), 0);
    asyncio_signal_stream_close(&stream);
    raise(SIGUSR1);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    raise(SIGUSR2);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    EXPECT_TRACE("one: ann", "two: bob");
    EXPECT_EQ(asyncio_remove_signal_handler(SIGUSR1), 1);
    EXPECT_EQ(asyncio_remove_signal_handler(SIGUSR2), 1);
}

static int run_twice(void *arg)
{
    int err = asyncio_context_var_set(&user, arg);
    if (err == 0) err = asyncio_run(expect_user, arg);
    return err;
}

TEST_PLAIN(run_within_a_context_begins_with_it)
{
    struct asyncio_context context = {0};
    asyncio_ignore(asyncio_context_run(&context, run_twice, "ann"));
    EXPECT_EQ(asyncio_context_close(&context), 0);
}

// What a runner does: each of its runs is a task in one context.
static int run_in(struct asyncio_loop *loop, struct asyncio_context *context,
                  int (*fn)(void *arg), void *arg)
{
    struct asyncio_task *task =
        asyncio_create_task(fn, arg, .loop = loop, .context = context);
    int err = asyncio_loop_run_until_complete(loop, task);
    asyncio_task_release(task);
    return err;
}

TEST_PLAIN(runs_in_one_context_see_what_the_last_one_set)
{
    struct asyncio_loop *loop;
    struct asyncio_context context = {0};
    if (asyncio_new_event_loop(&loop) < 0) return;
    if (run_in(loop, &context, set_user, "ann") == 0)
        EXPECT_EQ(run_in(loop, &context, expect_user, "ann"), 0);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    EXPECT_EQ(asyncio_context_close(&context), 0);
}

// A thread reads and writes a copy, while the task goes on with its own.
static void *in_a_thread(void *arg)
{
    struct asyncio__variables **before;
    if (!EXPECT_EQ(asyncio__variables_enter(arg, &before), 0)) return NULL;
    EXPECT_STR(user_here(), "ann");
    if (asyncio_context_var_set(&user, "thread") == 0)
        EXPECT_STR(user_here(), "thread");
    asyncio__variables_leave(arg, before);
    EXPECT(user_here() == NULL);
    return NULL;
}

TEST(thread_has_the_context_that_it_is_handed)
{
    if (asyncio_context_var_set(&user, "ann") < 0) return;
    struct asyncio_context context;
    asyncio_copy_context(&context);
    pthread_t thread;
    if (EXPECT_EQ(pthread_create(&thread, NULL, in_a_thread, &context), 0)) {
        if (asyncio_context_var_set(&user, "bob") == 0)
            EXPECT_STR(user_here(), "bob");
        pthread_join(thread, NULL);
    }
    EXPECT_EQ(asyncio_context_close(&context), 0);
}

static int read_and_set(void *arg)
{
    EXPECT_STR(user_here(), arg);
    if (asyncio_context_var_set(&user, "the job") < 0) return 0;
    EXPECT_STR(user_here(), "the job");
    return 0;
}

TEST(function_in_a_thread_has_a_copy_of_its_callers_variables)
{
    if (asyncio_context_var_set(&user, "ann") < 0) return;
    EXPECT_EQ(asyncio_to_thread(read_and_set, "ann"), 0);
    EXPECT_STR(user_here(), "ann");
    EXPECT_EQ(asyncio_context_var_set(&user, "bob"), 0);
    EXPECT_EQ(asyncio_to_thread(read_and_set, "bob"), 0);
    EXPECT_EQ(asyncio_run_in_executor(NULL, read_and_set, "bob"), 0);
}

static int ask_in_a_loop(void *arg)
{
    EXPECT_STR(user_here(), "the job");
    return asyncio_context_var_set(&user, arg);
}

static int go_back(void *arg)
{
    EXPECT_STR(user_here(), "ann");
    if (asyncio_context_var_set(&user, "the job") < 0) return 0;
    int err = asyncio_from_thread_run(arg, ask_in_a_loop, "the coroutine");
    EXPECT_STR(user_here(), "the job");
    return err;
}

TEST(coroutine_from_a_thread_begins_with_the_variables_of_there)
{
    if (asyncio_context_var_set(&user, "ann") < 0) return;
    EXPECT_EQ(asyncio_to_thread(go_back, asyncio_get_running_loop()), 0);
    EXPECT_STR(user_here(), "ann");
}

TEST(coroutine_from_a_thread_has_them_on_an_eager_loop_too)
{
    asyncio_loop_set_eager(asyncio_get_running_loop(), true);
    if (asyncio_context_var_set(&user, "ann") < 0) return;
    EXPECT_EQ(asyncio_to_thread(go_back, asyncio_get_running_loop()), 0);
    EXPECT_STR(user_here(), "ann");
}

static int wait_at(void *arg)
{
    EXPECT_STR(user_here(), "ann");
    sem_wait(arg);
    EXPECT_STR(user_here(), "ann");
    return 0;
}

static int abandon_at(void *arg)
{
    return asyncio_to_thread(wait_at, arg, .abandon = true);
}

TEST(job_that_is_left_behind_keeps_its_variables)
{
    sem_t gate;
    sem_init(&gate, 0, 0);
    if (asyncio_context_var_set(&user, "ann") < 0) return;
    struct asyncio_task *task = asyncio_create_task(abandon_at, &gate);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_context_var_set(&user, "bob"), 0);
    sem_post(&gate);
    asyncio_executor_shutdown(ASYNCIO_THREADS);
    sem_destroy(&gate);
}

// --- tokens -----------------------------------------------------------------

TEST(token_puts_back_what_was)
{
    struct asyncio_context_token first = {0}, second = {0};
    if (asyncio_context_var_set(&user, "ann", .token = &first) < 0) return;
    if (asyncio_context_var_set(&user, "bob", .token = &second) < 0) return;
    EXPECT_EQ(asyncio_context_var_reset(&second), 0);
    EXPECT_STR(user_here(), "ann");
    EXPECT_EQ(asyncio_context_var_reset(&second), -EALREADY);
    EXPECT_EQ(asyncio_context_var_reset(&first), 0);
    EXPECT(user_here() == NULL);
}

TEST(token_takes_a_variable_out_from_among_others)
{
    struct asyncio_context_token token = {0}, again = {0};
    if (asyncio_context_var_set(&user, "ann") < 0) return;
    if (asyncio_context_var_set(&colour, "red", .token = &token) < 0) return;
    struct asyncio_context context;
    asyncio_copy_context(&context);
    if (asyncio_context_var_reset(&token) == 0) {
        EXPECT_STR(asyncio_context_var_get(&colour), "grey");
        EXPECT_STR(user_here(), "ann");
        EXPECT_STR(asyncio_context_get(&context, &colour), "red");
    }
    if (asyncio_context_var_set(&user, NULL, .token = &again) == 0) {
        EXPECT(user_here() == NULL);
        EXPECT_EQ(asyncio_context_var_reset(&again), 0);
        EXPECT_STR(user_here(), "ann");
    }
    EXPECT_EQ(asyncio_context_close(&context), 0);
}

static int reset_elsewhere(void *arg)
{
    EXPECT_EQ(asyncio_context_var_reset(arg), -EINVAL);
    return 0;
}

TEST(token_of_another_task_is_refused)
{
    struct asyncio_context_token token = {0};
    if (asyncio_context_var_set(&user, "ann", .token = &token) < 0) return;
    struct asyncio_task *child = asyncio_create_task(reset_elsewhere, &token);
    EXPECT_EQ(asyncio_await(child), 0);
    asyncio_task_release(child);
    struct asyncio_context context = {0};
    EXPECT_EQ(asyncio_context_run(&context, reset_elsewhere, &token), 0);
    EXPECT_EQ(asyncio_context_close(&context), 0);
    EXPECT_EQ(asyncio_context_var_reset(&token), 0);
}

// --- ends -------------------------------------------------------------------

TEST_PLAIN(task_that_a_closed_loop_gives_up_lets_go_of_its_variables)
{
    struct asyncio_loop *loop;
    struct asyncio_context context = {0};
    if (asyncio_new_event_loop(&loop) < 0) return;
    struct asyncio_task *task =
        asyncio_create_task(set_user, "ann", .context = &context);
    EXPECT_EQ(asyncio_loop_close(loop), 0);
    if (asyncio_task_cancelled(task)) expect_report(-ECANCELED);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    EXPECT_EQ(asyncio_context_close(&context), 0);
}
