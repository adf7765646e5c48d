// Debug mode: slow steps, what was never looked at or never run, and who is
// told of it.

#include "runner/runner.h"

#include <asyncio/debug.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop/testing.h"

// The reports of one test, as a handler of its own sees them.
struct reports {
    int code;         // those of this code are counted,
    const char *site; // and of this site, if not NULL
    unsigned count;
    char text[512], task[64];
};

static void count_report(const struct asyncio_report *report, void *arg)
{
    struct reports *reports = arg;
    if (report->code != reports->code) return;
    if (reports->site && strcmp(report->site, reports->site) != 0) return;
    reports->count++;
    snprintf(reports->text, sizeof reports->text, "%s", report->text);
    snprintf(reports->task, sizeof reports->task, "%s", report->task);
}

static struct asyncio_loop *loop(void)
{
    return asyncio_get_running_loop();
}

// Debug mode from the next pass on, and that pass.
static void begin_debug(double slow)
{
    EXPECT_EQ(asyncio_loop_set_slow_callback_duration(loop(), slow), 0);
    EXPECT_EQ(asyncio_loop_set_debug(loop(), true), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

// --- slow steps -------------------------------------------------------------

TEST(callback_that_reaches_the_threshold_is_reported_once)
{
    CONFORMS("DBG-01");
    begin_debug(ASYNCIO_FOREVER);
    const char *site = "here:1";
    struct reports reports = {.code = -ETIME, .site = site};
    asyncio_set_exception_handler(count_report, &reports);
    struct asyncio_call_options options = {.site = site};

    EXPECT_EQ((asyncio_call_soon)(nothing, NULL, &options), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(reports.count, 0); // it took less than for ever

    asyncio_loop_set_slow_callback_duration(loop(), 0);
    EXPECT_EQ((asyncio_call_soon)(nothing, NULL, &options), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(reports.count, 1);
    EXPECT_CONTAINS(reports.text, "a callback (nothing) took ");
    EXPECT_CONTAINS(reports.text, " seconds");
    asyncio_loop_set_slow_callback_duration(loop(), ASYNCIO_FOREVER);
    asyncio_set_exception_handler(NULL, NULL);
}

TEST(step_of_a_task_that_reaches_the_threshold_names_the_task)
{
    CONFORMS("DBG-01");
    begin_debug(ASYNCIO_FOREVER);
    struct reports reports = {.code = -ETIME, .site = "there:2"};
    asyncio_set_exception_handler(count_report, &reports);
    asyncio_loop_set_slow_callback_duration(loop(), 0);
    struct asyncio_task *task =
        (asyncio_create_task)(nothing, NULL,
                              &(struct asyncio_task_options){.site = "there:2",
                                                             .name = "slow"});
    EXPECT_EQ(asyncio_await(task), 0);
    EXPECT_EQ(reports.count, 1); // one step
    EXPECT_STR(reports.task, "slow");
    EXPECT_CONTAINS(reports.text, "a step of a task took ");
    EXPECT_CONTAINS(reports.text, " seconds; ");
    asyncio_task_release(task);

    reports.count = 0;
    asyncio_loop_set_slow_callback_duration(loop(), 3600);
    task = (asyncio_create_task)(nothing, NULL,
                                 &(struct asyncio_task_options){.site =
                                                                    "there:2"});
    EXPECT_EQ(asyncio_await(task), 0);
    EXPECT_EQ(reports.count, 0);
    asyncio_task_release(task);
    asyncio_set_exception_handler(NULL, NULL);
}

static void count_callback(const struct asyncio_report *report, void *count)
{
    if (strstr(report->text, "a callback (")) ++*(int *)count;
}

// Calls from threads lie together, and are looked at one by one.
TEST(each_call_from_a_thread_is_a_step_of_its_own)
{
    CONFORMS("DBG-01");
    int count = 0;
    begin_debug(ASYNCIO_FOREVER);
    asyncio_set_exception_handler(count_callback, &count);
    asyncio_loop_set_slow_callback_duration(loop(), 0);
    for (int i = 0; i < 5; i++)
        EXPECT_EQ(asyncio_call_soon_threadsafe(loop(), nothing, NULL), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(count, 5);
    asyncio_loop_set_slow_callback_duration(loop(), ASYNCIO_FOREVER);
    asyncio_set_exception_handler(NULL, NULL);
}

TEST(without_debug_mode_no_step_is_slow)
{
    CONFORMS("DBG-01");
    asyncio_loop_set_slow_callback_duration(loop(), 0);
    EXPECT_EQ(asyncio_loop_set_debug(loop(), false), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(unexpected_reports(), 0);
}

static int fail(struct asyncio_future *future, void *arg)
{
    (void)future;
    (void)arg;
    return 0;
}

TEST(every_kind_of_callback_is_named)
{
    begin_debug(ASYNCIO_FOREVER);
    struct reports reports = {.code = -ETIME};
    asyncio_set_exception_handler(count_report, &reports);
    struct asyncio_future future = {0};
    EXPECT_EQ(asyncio_future_add_done_callback(&future, fail, NULL), 0);
    EXPECT_EQ(asyncio_future_set_result(&future, 0), 0);
    asyncio_loop_set_slow_callback_duration(loop(), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_loop_set_slow_callback_duration(loop(), ASYNCIO_FOREVER);
    EXPECT_GE(reports.count, 1);
    asyncio_set_exception_handler(NULL, NULL);
}

TEST_PLAIN(threshold_is_an_option_and_a_call)
{
    struct asyncio_loop *made;
    asyncio__testing.slow_ns = 0; // as in any program
    EXPECT_EQ(asyncio_new_event_loop(&made, .slow_step = -1), -EINVAL);
    EXPECT_EQ(asyncio_new_event_loop(&made, .slow_step = (double)NAN), -EINVAL);
    EXPECT_OR_RETURN(asyncio_new_event_loop(&made) == 0);
    EXPECT_EQ(asyncio_loop_get_slow_callback_duration(made), 0.1);
    EXPECT_EQ(asyncio_loop_set_slow_callback_duration(made, -0.1), -EINVAL);
    EXPECT_EQ(asyncio_loop_set_slow_callback_duration(made, (double)NAN),
              -EINVAL);
    EXPECT_EQ(asyncio_loop_get_slow_callback_duration(made), 0.1);
    EXPECT_EQ(asyncio_loop_set_slow_callback_duration(made, 0), 0);
    EXPECT_EQ(asyncio_loop_get_slow_callback_duration(made), 0);
    EXPECT_EQ(asyncio_loop_set_slow_callback_duration(made, ASYNCIO_FOREVER),
              0);
    EXPECT(isinf(asyncio_loop_get_slow_callback_duration(made)));
    asyncio_loop_free(made);
    EXPECT_OR_RETURN(asyncio_new_event_loop(&made, .slow_step = 0.5) == 0);
    EXPECT_EQ(asyncio_loop_get_slow_callback_duration(made), 0.5);
    asyncio_loop_free(made);
}

// --- who wants it -----------------------------------------------------------

// Whether a loop made with these options is in debug mode.
static bool debug_of(const struct asyncio_loop_options *options)
{
    struct asyncio_loop *made;
    if (!EXPECT((asyncio_new_event_loop)(&made, options) == 0)) return false;
    bool on = asyncio_loop_get_debug(made);
    asyncio_loop_free(made);
    return on;
}

TEST_PLAIN(environment_switches_debug_mode_unless_it_is_ignored)
{
    CONFORMS("DBG-06");
    struct asyncio_loop_options none = {0}, ignoring = {0};
    ignoring.ignore_environment = true;
    unsetenv("ASYNCIO_DEBUG");
    EXPECT(!debug_of(&none));
    EXPECT(!debug_of(NULL));
    setenv("ASYNCIO_DEBUG", "", 1);
    EXPECT(!debug_of(&none));
    setenv("ASYNCIO_DEBUG", "0", 1);
    EXPECT(!debug_of(&none));
    setenv("ASYNCIO_DEBUG", "1", 1);
    EXPECT(debug_of(&none));
    EXPECT(debug_of(NULL));
    EXPECT(!debug_of(&ignoring));
}

TEST_PLAIN(flag_wins_over_the_environment)
{
    struct asyncio_loop_options on = {.debug = true},
                                off = {.debug = ASYNCIO_DEBUG_OFF};
    setenv("ASYNCIO_DEBUG", "1", 1);
    EXPECT(debug_of(&on));
    EXPECT(!debug_of(&off));
    unsetenv("ASYNCIO_DEBUG");
    EXPECT(debug_of(&on));
    EXPECT(!debug_of(&off));
    on.ignore_environment = true;
    EXPECT(debug_of(&on));
}

TEST_PLAIN(backend_of_the_environment_can_be_ignored_too)
{
    struct asyncio_loop *made = NULL;
    setenv("ASYNCIO_BACKEND", "none such", 1);
    EXPECT_EQ(asyncio_new_event_loop(&made), -EINVAL);
    EXPECT_EQ(asyncio_new_event_loop(&made, .ignore_environment = true), 0);
    asyncio_loop_free(made);
}

static int expect_debug(void *arg)
{
    EXPECT_EQ(asyncio_loop_get_debug(loop()), *(bool *)arg);
    return 0;
}

TEST_PLAIN(run_takes_the_flag)
{
    bool on = true, off = false;
    EXPECT_EQ(asyncio_run(expect_debug, &on, .debug = true), 0);
    EXPECT_EQ(asyncio_run(expect_debug, &off, .debug = ASYNCIO_DEBUG_OFF), 0);
}

TEST_PLAIN(closed_loop_has_no_debug_mode_to_set)
{
    struct asyncio_loop *made;
    EXPECT_OR_RETURN(asyncio_new_event_loop(&made, .debug = true) == 0);
    asyncio_loop_close(made);
    EXPECT_EQ(asyncio_loop_set_debug(made, false), -ESHUTDOWN);
    EXPECT_EQ(asyncio_loop_run_forever(made), -ESHUTDOWN);
    EXPECT(asyncio_loop_get_debug(made));
    asyncio_loop_free(made);
}

// --- switching while it runs ------------------------------------------------

static int take_turns(void *arg)
{
    const char *name = arg;
    for (int i = 1; i <= 3; i++) {
        trace("%s %d", name, i);
        int err = asyncio_sleep(0);
        if (err < 0) return err;
    }
    return 0;
}

static int note(void *arg)
{
    trace("%s", (const char *)arg);
    return 0;
}

static void play(void)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, take_turns, "a");
    EXPECT_EQ(asyncio_call_soon(note, "callback"), 0);
    asyncio_task_group_create_task(&group, take_turns, "b");
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_TRACE("a 1", "callback", "b 1", "a 2", "b 2", "a 3", "b 3");
}

TEST(order_is_the_same_with_and_without_debug_mode, .ordered = true)
{
    uint64_t start = asyncio_loop_passes(loop());
    play();
    uint64_t passes = asyncio_loop_passes(loop()) - start;
    begin_debug(ASYNCIO_FOREVER);
    start = asyncio_loop_passes(loop());
    play();
    EXPECT_EQ(asyncio_loop_passes(loop()) - start, passes);
    EXPECT_EQ(asyncio_loop_set_debug(loop(), false), 0);
    play();
}

static int switch_debug(void *arg)
{
    int *times = arg;
    for (int i = 0; i < *times; i++) {
        EXPECT_EQ(asyncio_loop_set_debug(loop(), i % 2 == 0), 0);
        EXPECT_EQ(asyncio_loop_set_debug(loop(), i % 2 == 0), 0);
        int err = i % 3 ? asyncio_sleep(0) : 0;
        if (err < 0) return err;
    }
    return 0;
}

TEST(mode_may_be_switched_at_any_time, .ordered = true)
{
    int times = 12;
    asyncio_loop_set_slow_callback_duration(loop(), ASYNCIO_FOREVER);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, take_turns, "a");
    asyncio_task_group_create_task(&group, switch_debug, &times);
    asyncio_task_group_create_task(&group, take_turns, "b");
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_TRACE("a 1", "b 1", "a 2", "b 2", "a 3", "b 3");
}

static void switch_off(const struct asyncio_report *report, void *arg)
{
    ++*(int *)arg;
    EXPECT_EQ(report->code, -ETIME);
    EXPECT_EQ(asyncio_loop_set_debug(loop(), false), 0);
}

TEST(handler_may_switch_it_off)
{
    int reports = 0;
    begin_debug(ASYNCIO_FOREVER);
    asyncio_set_exception_handler(switch_off, &reports);
    asyncio_loop_set_slow_callback_duration(loop(), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(reports, 1);
    EXPECT(!asyncio_loop_get_debug(loop()));
    asyncio_set_exception_handler(NULL, NULL);
}

// --- what is left behind ----------------------------------------------------

static int sleep_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(3600);
}

TEST_PLAIN(task_that_is_pending_when_its_loop_closes_is_reported)
{
    CONFORMS("DBG-02");
    struct asyncio_loop *made;
    EXPECT_OR_RETURN(asyncio_new_event_loop(&made, .debug = true) == 0);
    struct reports reports = {.code = -ECANCELED};
    asyncio_set_exception_handler(count_report, &reports);
    struct asyncio_task *task =
        (asyncio_create_task)(sleep_long, NULL,
                              &(struct asyncio_task_options){.site = "there:3",
                                                             .name = "left"});
    asyncio_loop_stop(made);
    EXPECT_EQ(asyncio_loop_run_forever(made), 0);
    EXPECT(!asyncio_task_done(task));
    reports.site = "there:3";
    asyncio_loop_close(made);
    EXPECT_EQ(reports.count, 1);
    EXPECT_STR(reports.task, "left");
    EXPECT_CONTAINS(reports.text, "pending");
    asyncio_task_release(task);
    asyncio_loop_free(made);
}

TEST(future_that_failed_unseen_is_reported_with_its_place)
{
    CONFORMS("DBG-05");
    begin_debug(ASYNCIO_FOREVER);
    struct reports reports = {.code = -EPROTO, .site = "there:4"};
    asyncio_set_exception_handler(count_report, &reports);
    struct asyncio_future future;
    asyncio_future_init_at(&future, "there:4");
    asyncio_future_set_exception(&future, asyncio_raise(-EPROTO, "bad size"));
    asyncio_future_reset(&future);
    EXPECT_EQ(reports.count, 1);
    EXPECT_CONTAINS(reports.text, "bad size");

    // One that somebody has looked at, or a cancelled one, is none.
    int code;
    asyncio_future_init_at(&future, "there:4");
    asyncio_future_set_exception(&future, -EPROTO);
    EXPECT_EQ(asyncio_future_exception(&future, &code), 0);
    asyncio_future_reset(&future);
    asyncio_future_init_at(&future, "there:4");
    asyncio_future_set_exception(&future, -EPROTO);
    EXPECT_EQ(asyncio_await(&future), -EPROTO);
    asyncio_future_reset(&future);
    asyncio_future_init_at(&future, "there:4");
    asyncio_future_cancel(&future);
    asyncio_future_reset(&future);
    EXPECT_EQ(reports.count, 1);
    asyncio_set_exception_handler(NULL, NULL);
}

static int fail_with(void *arg)
{
    return *(int *)arg;
}

TEST(task_that_failed_unseen_is_reported_with_its_place)
{
    CONFORMS("DBG-05");
    begin_debug(ASYNCIO_FOREVER);
    int code = -EPROTO;
    struct reports reports = {.code = code, .site = "there:5"};
    asyncio_set_exception_handler(count_report, &reports);
    struct asyncio_task *task =
        (asyncio_create_task)(fail_with, &code,
                              &(struct asyncio_task_options){.site =
                                                                 "there:5"});
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_task_release(task);
    EXPECT_EQ(reports.count, 1);
    EXPECT_CONTAINS(reports.text, "nobody looked");
    asyncio_set_exception_handler(NULL, NULL);
}

TEST(callback_that_fails_is_reported_and_the_others_run, .ordered = true)
{
    CONFORMS("DBG-03");
    CONFORMS("DBG-05");
    begin_debug(ASYNCIO_FOREVER);
    int code = -EIO;
    struct reports reports = {.code = code, .site = "there:6"};
    asyncio_set_exception_handler(count_report, &reports);
    struct asyncio_call_options options = {.site = "there:6"};
    EXPECT_EQ(asyncio_call_soon(note, "before"), 0);
    EXPECT_EQ((asyncio_call_soon)(fail_with, &code, &options), 0);
    EXPECT_EQ(asyncio_call_soon(note, "after"), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("before", "after");
    EXPECT_EQ(reports.count, 1);
    EXPECT_CONTAINS(reports.text, "Input/output error");
    asyncio_set_exception_handler(NULL, NULL);
}

TEST(without_its_own_handler_a_loop_reports_to_the_default_one)
{
    CONFORMS("DBG-04");
    struct reports reports = {.code = -EIO};
    struct asyncio_report report = {.code = -EIO, .text = "one"};
    EXPECT_EQ(asyncio_set_exception_handler(count_report, &reports), 0);
    asyncio_call_exception_handler(&report);
    EXPECT_EQ(reports.count, 1);
    EXPECT_EQ(unexpected_reports(), 0);
    EXPECT_EQ(asyncio_set_exception_handler(NULL, NULL), 0);
    asyncio_call_exception_handler(&report);
    EXPECT_EQ(reports.count, 1);
    EXPECT_CONTAINS(expect_report(-EIO), "one");
}

// What the default handler does where no test collects: one line.
TEST(default_handler_prints_one_line)
{
    CONFORMS("DBG-04");
    struct reports reports = {.code = -EIO};
    struct asyncio_report report = {-EIO, "it broke", "reader", "there:7"};
    char path[256], line[128] = "";
    snprintf(path, sizeof path, "%s/printed", test_folder());
    asyncio_testing_reports(NULL, NULL);
    asyncio_set_exception_handler(count_report, &reports);
    asyncio_set_exception_handler(NULL, NULL);

    int saved = dup(2);
    EXPECT(freopen(path, "w", stderr) != NULL);
    asyncio_call_exception_handler(&report);
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    FILE *printed = fopen(path, "r");
    EXPECT_OR_RETURN(printed != NULL);
    EXPECT(fgets(line, sizeof line, printed) != NULL);
    EXPECT_STR(line, "asyncio: it broke [task reader, made at there:7]\n");
    EXPECT(fgets(line, sizeof line, printed) == NULL);
    fclose(printed);
    unlink(path);
    EXPECT_EQ(reports.count, 0);
}

// --- coroutine objects ------------------------------------------------------

TEST(object_that_its_block_forgot_is_reported)
{
    begin_debug(ASYNCIO_FOREVER);
    {
        ASYNCIO_WITH_COROUTINE(forgotten, nothing, NULL);
        ASYNCIO_WITH_COROUTINE(awaited, nothing, NULL);
        ASYNCIO_WITH_COROUTINE(spawned, nothing, NULL);
        EXPECT_EQ(asyncio_await(&awaited), 0);
        struct asyncio_task *task = asyncio_coroutine_create_task(&spawned);
        EXPECT_EQ(asyncio_await(task), 0);
        asyncio_task_release(task);
        EXPECT_EQ(unexpected_reports(), 0);
        EXPECT(forgotten.fn == nothing);
    }
    EXPECT_CONTAINS(expect_report(-EINVAL), "was never awaited");
}

TEST(closed_object_is_used_up)
{
    struct asyncio_coroutine object = ASYNCIO_COROUTINE(nothing, NULL);
    EXPECT_EQ(asyncio_loop_set_debug(loop(), false), 0);
    asyncio_coroutine_close(&object);
    asyncio_coroutine_close(&object);
    EXPECT_EQ(asyncio_await(&object), -EALREADY);
    struct asyncio_coroutine none = {0};
    asyncio_coroutine_close(&none);
}

TEST(object_that_was_refused_is_reported_with_its_place)
{
    begin_debug(ASYNCIO_FOREVER);
    struct reports reports = {.code = -EBUSY};
    asyncio_set_exception_handler(count_report, &reports);
    struct asyncio_coroutine object = ASYNCIO_COROUTINE(nothing, NULL);
    reports.site = object.site_;
    EXPECT_EQ(asyncio_loop_run_until_complete(loop(), &object), -EBUSY);
    EXPECT_EQ(reports.count, 1);
    EXPECT_CONTAINS(reports.text, "never awaited");

    struct asyncio_coroutine list[2] = {ASYNCIO_COROUTINE(nothing, NULL)};
    reports.code = -EINVAL;
    reports.site = list[0].site_;
    EXPECT_EQ(asyncio_gather(list, 2), -EINVAL);
    EXPECT_EQ(reports.count, 2);
    asyncio_set_exception_handler(NULL, NULL);
}
