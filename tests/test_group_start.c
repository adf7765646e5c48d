// Children that say when they are ready, and who waits for that.

#include <asyncio/group.h>

#include "runner/runner.h"

struct service {
    double before, after; // seconds, around the report
    int value;            // that it reports, or -1 for no report
    int code;             // that it ends with
    int cleanup_code;     // if it is cancelled, else -ECANCELED
    bool stubborn;        // it reports all the same if cancelled before
    bool cancelled;
    int second; // what a second report returned
    int ready;  // how often it has reported
};

static int serve(void *arg)
{
    struct service *service = arg;
    int err = service->before > 0 ? asyncio_sleep(service->before) : 0;
    if (err < 0 && !service->stubborn) goto cancelled;
    if (service->value >= 0) {
        if (asyncio_task_group_started(service->value) == 0) service->ready++;
        service->second = asyncio_task_group_started(service->value);
    }
    err = service->after > 0 ? asyncio_sleep(service->after) : 0;
    if (err == 0) return service->code;
cancelled:
    service->cancelled = true;
    return service->cleanup_code ? service->cleanup_code : err;
}

// --- reporting --------------------------------------------------------------

TEST(starter_gets_the_value_while_the_child_goes_on)
{
    CONFORMS("TG-25");
    struct service service = {.before = 1, .after = 5, .value = 42};
    struct asyncio_task *task;
    double start = asyncio_time();
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_task_group_start(&group, serve, &service, .task = &task),
              42);
    EXPECT_LT(asyncio_time() - start, 2);
    EXPECT(!asyncio_task_done(task));
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT(asyncio_task_done(task));
    EXPECT_GE(asyncio_time() - start, 6);
}

TEST(child_that_reports_and_ends_at_once_is_no_failure)
{
    struct service service = {.value = 0};
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_task_group_start(&group, serve, &service), 0);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
}

TEST(failure_after_the_report_is_the_groups)
{
    struct service service = {.value = 3, .after = 1, .code = -EPROTO};
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_task_group_start(&group, serve, &service), 3);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), -EPROTO);
}

TEST(second_report_is_refused_and_the_child_goes_on)
{
    CONFORMS("TG-27");
    struct service service = {.value = 3, .after = 1, .code = 8};
    struct asyncio_task *task;
    int result = 0;
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_task_group_start(&group, serve, &service, .task = &task),
              3);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(service.second, -EALREADY);
    EXPECT_EQ(asyncio_task_result(task, &result), 0);
    EXPECT_EQ(result, 8);
}

static int report_late(void *arg)
{
    int err = asyncio_task_group_started(0);
    if (err == 0) err = asyncio_sleep(1);
    *(int *)arg = asyncio_task_group_started(0);
    return err;
}

TEST(report_that_comes_long_after_the_first_is_refused_too)
{
    CONFORMS("TG-27");
    int late = 0;
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_task_group_start(&group, report_late, &late), 0);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(late, -EALREADY);
}

static int report_wrongly(void *arg)
{
    *(int *)arg = asyncio_task_group_started(-1);
    return asyncio_task_group_started(6);
}

TEST(only_values_are_reported_and_only_by_such_children)
{
    int wrong = 0;
    EXPECT_EQ(asyncio_task_group_started(0), -EPERM);
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_task_group_start(&group, report_wrongly, &wrong), 6);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(wrong, -EINVAL);
}

// --- children that never report ---------------------------------------------

static int fail_with_words(void *arg)
{
    (void)arg;
    return asyncio_raise(-EPROTO, "no port is free");
}

TEST(failure_before_the_report_is_the_starters_alone)
{
    CONFORMS("TG-26");
    struct service ends = {.before = 1, .value = -1};
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_task_group_start(&group, fail_with_words, NULL), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "no port is free");
    EXPECT_EQ(asyncio_task_group_start(&group, serve, &ends), -EPROTO);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT(asyncio_task_group_errors(&group) == NULL);
}

TEST(child_that_cannot_be_made_is_the_starters_failure_alone)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_task_group_start(&group, NULL, NULL), -EINVAL);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
}

// --- starters that are cancelled --------------------------------------------

struct starter {
    struct asyncio_task_group *group;
    struct service *service;
    int result;
};

static int start_it(void *arg)
{
    struct starter *starter = arg;
    starter->result =
        asyncio_task_group_start(starter->group, serve, starter->service);
    return 0;
}

// A task starts the service and is cancelled after `seconds`. Returns what
// start returned, and through `left` the code of the group.
static int start_and_cancel(struct service *service, double seconds, int *left)
{
    struct asyncio_task_group group = {0};
    struct starter starter = {&group, service, 0};
    asyncio_ignore(asyncio_task_group_enter(&group));
    struct asyncio_task *task = asyncio_create_task(start_it, &starter);
    asyncio_ignore(asyncio_sleep(seconds));
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    *left = asyncio_task_group_exit(&group, 0);
    asyncio_task_group_close(&group);
    asyncio_task_release(task);
    return starter.result;
}

TEST(cancelled_starter_cancels_the_child_and_waits_for_its_end)
{
    struct service service = {.before = 9, .value = 1};
    int left;
    EXPECT_EQ(start_and_cancel(&service, 1, &left), -ECANCELED);
    EXPECT(service.cancelled);
    EXPECT_EQ(service.ready, 0);
    EXPECT_EQ(left, 0);
}

TEST(starter_cancelled_before_the_child_ran_starts_nothing)
{
    struct service service = {.before = 9, .value = 1};
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_cancel(asyncio_current_task());
    EXPECT_EQ(asyncio_task_group_start(&group, serve, &service), -ECANCELED);
    EXPECT_EQ(asyncio_task_uncancel(asyncio_current_task()), 0);
    EXPECT(!service.cancelled);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
}

TEST(cancelled_starter_hears_of_a_clean_up_that_failed)
{
    struct service service = {.before = 9, .value = 1, .cleanup_code = -EIO};
    int left;
    EXPECT_EQ(start_and_cancel(&service, 1, &left), -EIO);
    EXPECT_EQ(left, 0);
}

TEST(child_that_reports_in_spite_of_the_cancel_stays_a_member)
{
    struct service service = {
        .before = 9, .value = 1, .after = 2, .code = -EPIPE, .stubborn = true};
    int left;
    EXPECT_EQ(start_and_cancel(&service, 1, &left), -ECANCELED);
    EXPECT_EQ(service.ready, 1);
    EXPECT(!service.cancelled);
    EXPECT_EQ(left, -EPIPE);
}

TEST(starter_cancelled_after_the_report_leaves_the_child_alone)
{
    struct service service = {.before = 1, .value = 1, .after = 9};
    int left;
    EXPECT_EQ(start_and_cancel(&service, 3, &left), 1);
    EXPECT(!service.cancelled);
    EXPECT_EQ(left, 0);
}

struct race {
    struct asyncio_task *starter;
    bool report; // or fail
    int end;     // how the child's last sleep ended
};

static int race_with_cancel(void *arg)
{
    struct race *race = arg;
    if (race->report) asyncio_ignore(asyncio_task_group_started(1));
    asyncio_task_cancel(race->starter);
    if (!race->report) return -EPIPE;
    return race->end = asyncio_sleep(1);
}

// The word is there, and the starter has not run when it is cancelled.
TEST(cancel_wins_over_a_report_but_not_over_a_failure, .ordered = true)
{
    struct race race = {.starter = asyncio_current_task(), .report = true};
    ASYNCIO_WITH_TASK_GROUP(group);
    EXPECT_EQ(asyncio_task_group_start(&group, race_with_cancel, &race),
              -ECANCELED);
    EXPECT_EQ(asyncio_task_uncancel(asyncio_current_task()), 0);

    struct race failing = {.starter = asyncio_current_task()};
    EXPECT_EQ(asyncio_task_group_start(&group, race_with_cancel, &failing),
              -EPIPE);
    EXPECT_EQ(asyncio_task_uncancel(asyncio_current_task()), 0);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(race.end, 0);
}

TEST(child_that_is_cancelled_before_its_report_cancels_the_call)
{
    struct service service = {.before = 9, .value = 1};
    ASYNCIO_WITH_TASK_GROUP(group);
    struct starter starter = {&group, &service, 0};
    struct asyncio_task *task = asyncio_create_task(start_it, &starter);
    int err = asyncio_sleep(1);
    asyncio_task_group_cancel(&group);
    asyncio_ignore(asyncio_task_group_exit(&group, err));
    asyncio_ignore(asyncio_await(task));
    EXPECT_EQ(starter.result, -ECANCELED);
    EXPECT_EQ(asyncio_task_cancelling(task), 0);
    asyncio_task_release(task);
}

// --- the group waits --------------------------------------------------------

// Runs a service in a group whose body has ended, from a task outside it.
static int exit_while_starting(struct service *service, int *started)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    struct starter starter = {&group, service, 0};
    struct asyncio_task *task = asyncio_create_task(start_it, &starter);
    int err = asyncio_sleep(1);
    err = asyncio_task_group_exit(&group, err);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
    *started = starter.result;
    return err;
}

TEST(exit_waits_for_a_start_under_way_and_for_its_child)
{
    CONFORMS("TG-28");
    struct service good = {.before = 2, .value = 5, .after = 4};
    struct service bad = {.before = 2, .value = -1, .code = -EPROTO};
    double start = asyncio_time();
    int started = 0;
    EXPECT_EQ(exit_while_starting(&good, &started), 0);
    EXPECT_EQ(started, 5);
    EXPECT_GE(asyncio_time() - start, 6);

    start = asyncio_time();
    EXPECT_EQ(exit_while_starting(&bad, &started), 0);
    EXPECT_EQ(started, -EPROTO);
    EXPECT_GE(asyncio_time() - start, 2);
}
