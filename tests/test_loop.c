// The loop's life: how one is made, run and closed, what it refuses then, and
// where its reports go.

#include <asyncio/executor.h>

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/runner.h"

static int count_call(void *arg)
{
    ++*(int *)arg;
    return 0;
}

static int stop_loop(void *arg)
{
    (void)arg;
    asyncio_loop_stop(asyncio_get_running_loop());
    return 0;
}

static int return_seven(void *arg)
{
    (void)arg;
    return 7;
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return asyncio_sleep(ASYNCIO_FOREVER);
}

// Callers return when it is NULL: a call was made to fail.
static struct asyncio_loop *new_loop(void)
{
    struct asyncio_loop *loop = NULL;
    EXPECT_EQ(asyncio_new_event_loop(&loop), 0);
    return loop;
}

// --- asyncio_run ------------------------------------------------------------

// A reference to its task keeps the loop's memory, so that it can be asked
// after the run.
static int yield_and_return_seven(void *arg)
{
    int err = asyncio_sleep(0);
    if (err < 0) return err;
    *(struct asyncio_task **)arg = asyncio_task_retain(asyncio_current_task());
    return 7;
}

TEST_PLAIN(run_hands_out_the_value_of_main_and_closes_its_loop)
{
    CONFORMS("LOOP-01");
    struct asyncio_task *task = NULL;
    EXPECT_EQ(asyncio_run(yield_and_return_seven, &task), 7);
    EXPECT_SAME(asyncio_get_running_loop(), NULL);
    EXPECT_SAME(asyncio_get_event_loop(), NULL);
    EXPECT_OR_RETURN(task != NULL);

    struct asyncio_loop *loop =
        asyncio_future_get_loop(asyncio_task_future(task));
    EXPECT(asyncio_loop_is_closed(loop));
    EXPECT(!asyncio_loop_is_running(loop));
    asyncio_task_release(task);
}

struct ending {
    int code;
    bool cleaned_up;
    struct asyncio_task *task;
};

static int clean_up_late(void *arg)
{
    struct ending *ending = arg;
    int err = asyncio_sleep(ASYNCIO_FOREVER);
    asyncio_ignore(asyncio_sleep(5));
    ending->cleaned_up = true;
    return err;
}

static int fail_beside_a_task(void *arg)
{
    struct ending *ending = arg;
    asyncio_task_release(asyncio_create_task(clean_up_late, ending));
    ending->task = asyncio_task_retain(asyncio_current_task());
    int err = asyncio_sleep(1);
    return err < 0 ? err : ending->code;
}

static void expect_code_after_teardown(int code)
{
    struct ending ending = {.code = code};
    EXPECT_EQ(asyncio_run(fail_beside_a_task, &ending), code);
    EXPECT(ending.cleaned_up);
    EXPECT_OR_RETURN(ending.task != NULL);
    EXPECT(asyncio_loop_is_closed(
        asyncio_future_get_loop(asyncio_task_future(ending.task))));
    asyncio_task_release(ending.task);
}

TEST_PLAIN(run_returns_the_code_of_main_after_the_teardown)
{
    CONFORMS("LOOP-02");
    expect_code_after_teardown(-EPROTO);
    expect_code_after_teardown(-ECANCELED);
    expect_code_after_teardown(-5000); // an application's own
}

TEST(run_inside_a_running_loop_is_refused_at_once)
{
    CONFORMS("LOOP-03");
    int begun = 0;
    uint64_t passes = asyncio_loop_passes(asyncio_get_running_loop());
    EXPECT_EQ(asyncio_run(count_call, &begun), -EBUSY);
    EXPECT_EQ(asyncio_loop_passes(asyncio_get_running_loop()), passes);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(begun, 0);
}

static int run_in_a_callback(void *arg)
{
    EXPECT_EQ(asyncio_run(count_call, arg), -EBUSY);
    trace("refused");
    return 0;
}

TEST(run_inside_a_callback_is_refused_too)
{
    int begun = 0;
    EXPECT_EQ(asyncio_call_soon(run_in_a_callback, &begun), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("refused");
    EXPECT_EQ(begun, 0);
}

TEST(second_loop_cannot_run_inside_the_first)
{
    struct asyncio_loop *outer = asyncio_get_running_loop();
    int begun = 0;
    struct asyncio_coroutine other = ASYNCIO_COROUTINE(count_call, &begun);
    struct asyncio_loop *inner = new_loop();
    EXPECT_OR_RETURN(inner != NULL);

    EXPECT_EQ(asyncio_loop_run_forever(inner), -EBUSY);
    EXPECT_EQ(asyncio_loop_run_until_complete(inner, &other), -EBUSY);
    EXPECT_EQ(begun, 0);
    EXPECT_EQ(asyncio_await(&other), 0); // it was not used up
    EXPECT_EQ(begun, 1);
    EXPECT_SAME(asyncio_get_event_loop(), outer);
    EXPECT_EQ(asyncio_loop_free(inner), 0);
}

static int stop_and_sleep(void *arg)
{
    stop_loop(NULL);
    int err = asyncio_sleep(60);
    *(int *)arg = err;
    return err;
}

TEST_PLAIN(run_that_is_stopped_before_main_ends_is_interrupted)
{
    int end = 0;
    EXPECT_EQ(asyncio_run(stop_and_sleep, &end), -EINTR);
    EXPECT_EQ(end, -ECANCELED); // and main was wound up
}

TEST_PLAIN(run_after_run_finds_nothing_of_the_first)
{
    for (int i = 0; i < 3; i++) {
        struct asyncio_task *task = NULL;
        EXPECT_EQ(asyncio_run(yield_and_return_seven, &task), 7);
        if (task) asyncio_task_release(task);
    }
}

// In a process forked by a task: nothing of the parent's loop is there.
static int try_in_child(void)
{
    int calls = 0;
    if (asyncio_get_event_loop() || asyncio_current_task()) return 1;
    if (asyncio_sleep(0) != -EPERM) return 2;
    if (asyncio_call_soon(count_call, &calls) != -EPERM) return 3;
    return asyncio_run(return_seven, NULL) == 7 ? 0 : 4;
}

TEST(forked_process_has_no_loop_and_leaves_the_parents_alone, .real_time = true)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) _exit(try_in_child());
    EXPECT_OR_RETURN(child > 0);
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(asyncio_sleep(0.001), 0);
}

// --- close ------------------------------------------------------------------

TEST_PLAIN(loop_can_be_closed_again_and_again)
{
    CONFORMS("LOOP-04");
    struct asyncio_loop *loop = new_loop();
    EXPECT_OR_RETURN(loop != NULL);
    EXPECT(!asyncio_loop_is_closed(loop));
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(asyncio_loop_close(loop), 0);
        EXPECT(asyncio_loop_is_closed(loop));
    }
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    EXPECT_EQ(asyncio_loop_free(NULL), 0);
}

static int close_running_loop(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    (void)arg;
    EXPECT_EQ(asyncio_loop_close(loop), -EBUSY);
    EXPECT_EQ(asyncio_loop_free(loop), -EBUSY);
    EXPECT(asyncio_loop_is_running(loop));
    EXPECT(!asyncio_loop_is_closed(loop));
    trace("refused");
    return 0;
}

TEST(running_loop_cannot_be_closed_and_stays_usable)
{
    CONFORMS("LOOP-05");
    int calls = 0;
    close_running_loop(NULL);
    EXPECT_EQ(asyncio_call_soon(close_running_loop, NULL), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("refused", "refused");

    EXPECT_EQ(asyncio_call_soon(count_call, &calls), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(calls, 1);
}

static void expect_no_callbacks(struct asyncio_loop *loop, int *calls)
{
    EXPECT_EQ(asyncio_call_soon(count_call, calls), -ESHUTDOWN);
    EXPECT_EQ(asyncio_call_later(1, count_call, calls), -ESHUTDOWN);
    EXPECT_EQ(asyncio_call_at(1, count_call, calls), -ESHUTDOWN);
    EXPECT_EQ(asyncio_call_soon(count_call, calls, .loop = loop), -ESHUTDOWN);
    EXPECT_EQ(asyncio_call_later(0, count_call, calls, .loop = loop),
              -ESHUTDOWN);
    EXPECT_EQ(asyncio_call_at(0, count_call, calls, .loop = loop), -ESHUTDOWN);
    EXPECT_EQ(asyncio_call_soon_threadsafe(loop, count_call, calls),
              -ESHUTDOWN);
    EXPECT_EQ(asyncio_add_reader(0, count_call, calls), -ESHUTDOWN);
    EXPECT_EQ(asyncio_add_writer(1, count_call, calls), -ESHUTDOWN);
    EXPECT_EQ(asyncio_add_signal_handler(SIGUSR1, count_call, calls),
              -ESHUTDOWN);
    EXPECT_EQ(asyncio_remove_reader(0), 0); // there is none
    EXPECT_EQ(asyncio_remove_writer(1), 0);
    EXPECT_EQ(asyncio_remove_signal_handler(SIGUSR1), 0);
    EXPECT_EQ(asyncio_to_thread(count_call, calls), -ESHUTDOWN);
    EXPECT_EQ(asyncio_run_in_executor(NULL, count_call, calls), -ESHUTDOWN);
    EXPECT_EQ(asyncio_loop_timers(loop), 0);
}

static void expect_no_tasks(struct asyncio_loop *loop, int *calls)
{
    int code = 0;
    struct asyncio_task *task = asyncio_create_task(count_call, calls);
    EXPECT_EQ(asyncio_task_exception(task, &code), 0);
    EXPECT_EQ(code, -ESHUTDOWN);
    asyncio_task_release(task);

    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(count_call, calls);
    task = asyncio_coroutine_create_task(&coroutine, .loop = loop);
    EXPECT_EQ(asyncio_task_exception(task, &code), 0);
    EXPECT_EQ(code, -ESHUTDOWN);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_loop_run_until_complete(loop, &coroutine), -ESHUTDOWN);
    EXPECT_EQ(asyncio_all_tasks(loop, NULL, 0), 0);
}

TEST_PLAIN(closed_loop_refuses_everything_and_queues_nothing)
{
    CONFORMS("LOOP-06");
    int calls = 0;
    struct asyncio_future future = {0};
    struct asyncio_loop *loop = new_loop();
    EXPECT_OR_RETURN(loop != NULL);
    EXPECT_EQ(asyncio_loop_close(loop), 0);

    EXPECT_EQ(asyncio_loop_run_forever(loop), -ESHUTDOWN);
    EXPECT_EQ(asyncio_loop_run_until_complete(loop, &future), -ESHUTDOWN);
    expect_no_callbacks(loop, &calls);
    expect_no_tasks(loop, &calls);
    EXPECT_EQ(asyncio_loop_passes(loop), 0);
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}

TEST_PLAIN(closing_drops_what_is_queued)
{
    int calls = 0;
    struct asyncio_handle handle = {0};
    struct asyncio_loop *loop = new_loop();
    EXPECT_OR_RETURN(loop != NULL);
    EXPECT_EQ(asyncio_call_soon(count_call, &calls), 0);
    EXPECT_EQ(asyncio_call_later(5, count_call, &calls), 0);
    EXPECT_EQ(asyncio_call_later(5, count_call, &calls, .handle = &handle), 0);
    EXPECT_EQ(asyncio_call_soon_threadsafe(loop, count_call, &calls), 0);
    EXPECT_EQ(asyncio_loop_close(loop), 0);
    EXPECT_EQ(asyncio_loop_timers(loop), 0);
    EXPECT(asyncio_handle_cancelled(&handle));
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    EXPECT_EQ(calls, 0);
}

static int note_done(struct asyncio_future *future, void *arg)
{
    (void)future;
    return count_call(arg);
}

TEST_PLAIN(closing_drops_callbacks_of_futures_that_did_not_run)
{
    int calls = 0;
    struct asyncio_future future = {0};
    struct asyncio_loop *loop = new_loop();
    EXPECT_OR_RETURN(loop != NULL);
    EXPECT_EQ(asyncio_future_add_done_callback(&future, note_done, &calls), 0);
    EXPECT_EQ(asyncio_future_set_result(&future, 1), 0);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    EXPECT_EQ(calls, 0);
}

TEST_PLAIN(task_that_is_pending_when_its_loop_closes_is_reported)
{
    int calls = 0;
    struct asyncio_loop *loop = new_loop();
    EXPECT_OR_RETURN(loop != NULL);
    struct asyncio_task *task =
        asyncio_create_task(sleep_for_ever, NULL, .name = "left over");
    asyncio_ignore(asyncio_future_add_done_callback(asyncio_task_future(task),
                                                    note_done, &calls));
    asyncio_loop_stop(loop);
    EXPECT_EQ(asyncio_loop_run_forever(loop), 0);
    EXPECT(!asyncio_task_done(task));
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    EXPECT_CONTAINS(expect_report(-ECANCELED), "pending");
    EXPECT(asyncio_task_cancelled(task));
    asyncio_task_release(task);
    EXPECT_EQ(calls, 0);
}

static int count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;
    if (!folder) return -1;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

TEST_PLAIN(closed_loop_has_given_back_every_descriptor)
{
    CONFORMS("LOOP-12");
    int before = count_descriptors(), calls = 0;
    struct asyncio_loop *loop = new_loop();
    EXPECT_OR_RETURN(loop != NULL);
    EXPECT_GT(count_descriptors(), before);

    EXPECT_EQ(asyncio_call_soon_threadsafe(loop, count_call, &calls), 0);
    asyncio_loop_stop(loop);
    EXPECT_EQ(asyncio_loop_run_forever(loop), 0);
    EXPECT_EQ(asyncio_loop_close(loop), 0);
    EXPECT_EQ(count_descriptors(), before);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}

// --- which loop -------------------------------------------------------------

TEST_PLAIN(current_loop_is_the_one_made_or_set_last)
{
    EXPECT_SAME(asyncio_get_event_loop(), NULL);
    EXPECT_EQ(asyncio_call_soon(stop_loop, NULL), -EPERM);
    struct asyncio_loop *first = new_loop(), *second = new_loop();
    if (first && second) {
        EXPECT_SAME(asyncio_get_event_loop(), second);
        EXPECT_SAME(asyncio_get_running_loop(), NULL);
        asyncio_set_event_loop(first);
        EXPECT_SAME(asyncio_get_event_loop(), first);
        EXPECT_EQ(asyncio_loop_free(first), 0);
        EXPECT_SAME(asyncio_get_event_loop(), NULL);
        first = NULL;
    }
    asyncio_loop_free(second);
    asyncio_loop_free(first);
}

TEST_PLAIN(unknown_backend_is_refused_and_a_known_one_is_named)
{
    struct asyncio_loop *loop = NULL;
    EXPECT_EQ(asyncio_new_event_loop(&loop, .backend = "abacus"), -EINVAL);
    EXPECT_SAME(loop, NULL);
    if (asyncio_new_event_loop(&loop, .backend = "epoll") < 0) return;
    EXPECT_STR(asyncio_loop_backend(loop), "epoll");
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}

// --- reports ----------------------------------------------------------------

static void note_report(const struct asyncio_report *report, void *arg)
{
    (void)arg;
    trace("%d %s [%s] [%s]", report->code, report->text, report->task,
          report->site);
}

static int fail(void *arg)
{
    (void)arg;
    return -EPROTO;
}

TEST(reports_go_to_the_handler_and_missing_texts_are_empty)
{
    struct asyncio_call_options elsewhere = {.site = "cellar.c:1"};
    EXPECT_EQ(asyncio_set_exception_handler(note_report, NULL), 0);
    asyncio_call_exception_handler(&(struct asyncio_report){.code = -5000});
    EXPECT_TRACE("-5000  [] []");
    EXPECT_EQ((asyncio_call_soon)(fail, NULL, &elsewhere), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("-71 a callback failed: Protocol error [] "
                 "[cellar.c:1]");
    EXPECT_EQ(asyncio_set_exception_handler(NULL, NULL), 0);
    asyncio_call_exception_handler(
        &(struct asyncio_report){.code = -5002, .text = "to the default"});
    EXPECT_CONTAINS(expect_report(-5002), "to the default");
}

TEST_PLAIN(handler_needs_a_loop)
{
    EXPECT_EQ(asyncio_set_exception_handler(note_report, NULL), -EPERM);
}
