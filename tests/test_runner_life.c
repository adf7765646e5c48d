// The runner: several runs on one loop, its end, and how asyncio_run uses it.
// (tests/test_runner.c is about the runner of tests.)

#include <stdlib.h>

#include <asyncio/runner.h>

#include "loop/loop.h"
#include "runner/runner.h"

static int answer(void *arg)
{
    int err = asyncio_sleep(0);
    return err < 0 ? err : *(int *)arg;
}

static int note(void *arg)
{
    trace("%s", (const char *)arg);
    return 0;
}

// --- its life ---------------------------------------------------------------

TEST_PLAIN(runner_runs_one_main_after_the_other_on_one_loop)
{
    struct asyncio_runner runner = {0};
    struct asyncio_loop *first = NULL, *second = NULL;
    int value = 5;
    EXPECT_OR_RETURN(asyncio_runner_get_loop(&runner, &first) == 0);
    EXPECT_SAME(asyncio_get_event_loop(), first);
    EXPECT_EQ(asyncio_runner_run(&runner, answer, &value), 5);
    value = 6;
    EXPECT_EQ(asyncio_runner_run(&runner, answer, &value, .name = "second"), 6);
    EXPECT_EQ(asyncio_runner_get_loop(&runner, &second), 0);
    EXPECT_SAME(second, first);
    EXPECT_EQ(asyncio_runner_close(&runner), 0);
    EXPECT_SAME(asyncio_get_event_loop(), NULL);
}

TEST_PLAIN(closed_runner_has_no_loop_and_runs_nothing)
{
    CONFORMS("RUN-01");
    struct asyncio_runner runner = {0};
    struct asyncio_loop *loop = NULL;
    int value = 5;
    EXPECT_EQ(asyncio_runner_run(&runner, answer, &value), 5);
    EXPECT_EQ(asyncio_runner_close(&runner), 0);
    EXPECT_EQ(asyncio_runner_get_loop(&runner, &loop), -ESHUTDOWN);
    EXPECT_SAME(loop, NULL);
    EXPECT_EQ(asyncio_runner_run(&runner, note, "never"), -ESHUTDOWN);
    EXPECT_EQ(asyncio_runner_close(&runner), 0);
    EXPECT_EQ(asyncio_runner_close(&runner), 0);
    EXPECT_TRACE();
}

TEST_PLAIN(runner_that_was_never_needed_is_closed_all_the_same)
{
    struct asyncio_runner runner = {0};
    struct asyncio_loop *loop = NULL;
    EXPECT_EQ(asyncio_runner_close(&runner), 0);
    EXPECT_EQ(asyncio_runner_get_loop(&runner, &loop), -ESHUTDOWN);
    asyncio_runner_init(&runner);
    EXPECT_EQ(asyncio_runner_run(&runner, note, "ready again"), 0);
    EXPECT_EQ(asyncio_runner_close(&runner), 0);
    EXPECT_TRACE("ready again");
}

TEST_PLAIN(what_is_no_coroutine_is_refused)
{
    CONFORMS("RUN-02");
    ASYNCIO_WITH_RUNNER(runner);
    struct asyncio_future future = {0};
    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(note, "object");
    struct asyncio_coroutine none = {0};
    EXPECT_EQ(asyncio_runner_run_any(&runner, ASYNCIO_ANY(&future)), -EINVAL);
    EXPECT_EQ(asyncio_runner_run_any(&runner, ASYNCIO_ANY(&none)), -EINVAL);
    EXPECT_EQ(asyncio_runner_run_any(&runner, (struct asyncio_any){0}),
              -EINVAL);
    EXPECT_EQ(asyncio_runner_run(&runner, NULL, NULL), -EINVAL);
    EXPECT_EQ(asyncio_runner_run_any(&runner, ASYNCIO_ANY(&coroutine)), 0);
    EXPECT_EQ(asyncio_runner_run_any(&runner, ASYNCIO_ANY(&coroutine)),
              -EALREADY);
    EXPECT_TRACE("object");
}

static int run_inside(void *arg)
{
    struct asyncio_runner *runner = arg;
    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(note, "inner");
    EXPECT_EQ(asyncio_runner_run(runner, note, "never"), -EBUSY);
    EXPECT_CONTAINS(expect_report(-EBUSY), "never awaited");
    EXPECT_EQ(asyncio_runner_run_any(runner, ASYNCIO_ANY(&coroutine)), -EBUSY);
    EXPECT_CONTAINS(expect_report(-EBUSY), "never awaited");
    EXPECT_EQ(asyncio_runner_close(runner), -EBUSY);

    struct asyncio_runner other = {0};
    EXPECT_EQ(asyncio_runner_run(&other, note, "never"), -EBUSY);
    expect_report(-EBUSY);
    EXPECT_EQ(asyncio_run(note, "never"), -EBUSY);
    EXPECT_TRACE();
    return asyncio_await(&coroutine); // it was not used up
}

TEST_PLAIN(run_inside_a_run_is_refused_and_reported)
{
    CONFORMS("RUN-03");
    struct asyncio_runner runner = {0};
    int result = asyncio_runner_run(&runner, run_inside, &runner);
    EXPECT_EQ(result, 0);
    EXPECT_TRACE("inner");
    EXPECT_EQ(asyncio_runner_close(&runner), 0);
}

static struct asyncio_context_var user = ASYNCIO_CONTEXT_VAR("user");

static int set_user(void *arg)
{
    return asyncio_context_var_set(&user, arg);
}

static int see_user(void *arg)
{
    *(void **)arg = asyncio_context_var_get(&user);
    return 0;
}

TEST_PLAIN(later_run_sees_the_variable_that_an_earlier_one_has_set)
{
    CONFORMS("CTX-05");
    struct asyncio_runner runner = {0};
    void *seen = NULL;
    if (asyncio_runner_run(&runner, set_user, "anna") == 0) {
        EXPECT_EQ(asyncio_runner_run(&runner, see_user, &seen), 0);
        EXPECT_STR(seen, "anna");
    }
    EXPECT_EQ(asyncio_runner_close(&runner), 0);
    EXPECT_SAME(asyncio_context_var_get(&user), NULL);
}

// --- what is left behind ----------------------------------------------------

static int sleep_for_ever(void *arg)
{
    int err = asyncio_sleep(3600);
    trace("%s: %d", (const char *)arg, err);
    // The clean-up waits, too.
    asyncio_ignore(asyncio_sleep(1));
    trace("%s is clean", (const char *)arg);
    return err;
}

static int leave_one(void *arg)
{
    asyncio_task_release(asyncio_create_task(sleep_for_ever, arg));
    return asyncio_sleep(1) < 0 ? -ECANCELED : 4;
}

TEST_PLAIN(run_cancels_and_joins_what_main_left)
{
    CONFORMS("RUN-04");
    EXPECT_EQ(asyncio_run(leave_one, "left"), 4);
    EXPECT_TRACE("left: -125", "left is clean");
}

TEST_PLAIN(what_one_run_leaves_stands_still_until_the_next)
{
    struct asyncio_runner runner = {0};
    EXPECT_EQ(asyncio_runner_run(&runner, leave_one, "left"), 4);
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_runner_run(&runner, note, "next"), 0);
    EXPECT_TRACE("next");
    EXPECT_EQ(asyncio_runner_close(&runner), 0);
    EXPECT_TRACE("left: -125", "left is clean");
}

static int fail_in_cleanup(void *arg)
{
    (void)arg;
    asyncio_ignore(asyncio_sleep(3600));
    return asyncio_raise(-EPROTO, "clean-up went wrong");
}

static int leave_a_failure(void *arg)
{
    asyncio_task_release(asyncio_create_task(fail_in_cleanup, arg));
    return asyncio_sleep(1) < 0 ? -ECANCELED : 4;
}

TEST_PLAIN(failed_cleanup_of_a_leftover_is_reported_and_changes_nothing)
{
    CONFORMS("RUN-05");
    EXPECT_EQ(asyncio_run(leave_a_failure, NULL), 4);
    EXPECT_CONTAINS(expect_report(-EPROTO), "clean-up went wrong");
}

static int leave_one_and_fail(void *arg)
{
    asyncio_ignore(leave_one(arg));
    return asyncio_raise(-EDOM, "main's own");
}

TEST_PLAIN(code_and_words_of_main_outlive_the_winding_up)
{
    EXPECT_EQ(asyncio_run(leave_one_and_fail, "left"), -EDOM);
    EXPECT_STR(asyncio_strerror(-EDOM), "main's own");
    EXPECT_TRACE("left: -125", "left is clean");
}

static int stop_in_the_middle(void *arg)
{
    asyncio_loop_stop(asyncio_get_running_loop());
    int err = asyncio_sleep(0);
    trace("%s went on: %d", (const char *)arg, err);
    return err;
}

TEST_PLAIN(stopped_run_is_interrupted_and_its_task_goes_on_in_the_next,
           .ordered = true)
{
    struct asyncio_runner runner = {0};
    EXPECT_EQ(asyncio_runner_run(&runner, stop_in_the_middle, "main"), -EINTR);
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_runner_run(&runner, note, "next"), 0);
    EXPECT_TRACE("main went on: 0", "next");
    EXPECT_EQ(asyncio_runner_close(&runner), 0);
}

// --- options ----------------------------------------------------------------

static bool debugs(int8_t flag, const char *environment)
{
    struct asyncio_loop *loop = NULL;
    if (environment)
        setenv("ASYNCIO_DEBUG", environment, 1);
    else
        unsetenv("ASYNCIO_DEBUG");
    struct asyncio_runner runner;
    asyncio_runner_init(&runner, .debug = flag);
    bool debug = asyncio_runner_get_loop(&runner, &loop) == 0 && loop->debug;
    EXPECT(loop != NULL);
    asyncio_runner_close(&runner);
    return debug;
}

TEST_PLAIN(debug_flag_wins_over_the_environment_and_that_over_the_default)
{
    CONFORMS("RUN-09");
    EXPECT(!debugs(0, NULL));
    EXPECT(!debugs(0, ""));
    EXPECT(!debugs(0, "0"));
    EXPECT(debugs(0, "1"));
    EXPECT(debugs(true, NULL));
    EXPECT(debugs(ASYNCIO_DEBUG_ON, "0"));
    EXPECT(!debugs(ASYNCIO_DEBUG_OFF, "1"));
    EXPECT(!debugs(ASYNCIO_DEBUG_OFF, NULL));
    unsetenv("ASYNCIO_DEBUG");
}

static int look_at_debug(void *arg)
{
    *(bool *)arg = asyncio_get_running_loop()->debug;
    return 0;
}

TEST_PLAIN(run_hands_its_debug_flag_to_the_loop)
{
    bool debug = true;
    setenv("ASYNCIO_DEBUG", "1", 1);
    EXPECT_EQ(asyncio_run(look_at_debug, &debug, .debug = ASYNCIO_DEBUG_OFF),
              0);
    EXPECT(!debug);
    EXPECT_EQ(asyncio_run(look_at_debug, &debug), 0);
    EXPECT(debug);
    unsetenv("ASYNCIO_DEBUG");
    EXPECT_EQ(asyncio_run(look_at_debug, &debug), 0);
    EXPECT(!debug);
}

TEST_PLAIN(wrong_backend_is_said_before_anything_runs)
{
    struct asyncio_runner runner;
    asyncio_runner_init(&runner, .backend = "none such");
    EXPECT_EQ(asyncio_runner_run(&runner, note, "never"), -EINVAL);
    EXPECT_EQ(asyncio_runner_close(&runner), 0);
    EXPECT_TRACE();
}

TEST_PLAIN(loop_of_the_thread_comes_back_if_it_is_still_there)
{
    struct asyncio_loop *outside = NULL, *loop = NULL;
    struct asyncio_runner runner = {0};
    EXPECT_OR_RETURN(asyncio_new_event_loop(&outside) == 0);
    EXPECT_EQ(asyncio_run(note, "run"), 0);
    EXPECT_SAME(asyncio_get_event_loop(), outside);
    EXPECT_EQ(asyncio_runner_get_loop(&runner, &loop), 0);
    EXPECT_EQ(asyncio_loop_free(outside), 0);
    EXPECT_EQ(asyncio_runner_close(&runner), 0);
    EXPECT_SAME(asyncio_get_event_loop(), NULL);
    EXPECT_TRACE("run");
}
