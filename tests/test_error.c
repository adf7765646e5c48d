// Words for what went wrong, and how they travel with the code.

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "runner/runner.h"

// Whatever happened before, nothing goes on behind the back of the test.
static void drop(struct asyncio_task *task)
{
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
}

// --- raising ----------------------------------------------------------------

TEST(raise_returns_the_code_and_keeps_the_words)
{
    asyncio_ignore(asyncio_task_set_name(asyncio_current_task(), "reader"));
    EXPECT_EQ(asyncio_raise(-EPROTO, "line %d: no '%c'", 7, '#'), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "line 7: no '#'");
    const struct asyncio_error *error = asyncio_last_error();
    if (!EXPECT(error)) return;
    EXPECT_EQ(error->code, -EPROTO);
    EXPECT_STR(error->text, "line 7: no '#'");
    EXPECT_CONTAINS(error->site, "test_error.c:");
    EXPECT_STR(error->task, "reader");
    EXPECT_SAME(error->children, NULL);
    EXPECT_SAME(error->next, NULL);
}

TEST(code_without_words_has_the_systems)
{
    EXPECT_SAME(asyncio_last_error(), NULL);
    EXPECT_STR(asyncio_strerror(-ENOENT), strerror(ENOENT));
    EXPECT_STR(asyncio_strerror(-ECANCELED), strerror(ECANCELED));
    EXPECT_STR(asyncio_strerror(0), "no error");
    EXPECT_STR(asyncio_strerror(12), "no error");
    EXPECT(asyncio_strerror(-100000)[0]); // an application's own
    EXPECT(asyncio_strerror(INT_MIN)[0]);
}

TEST(words_of_any_length_are_cut_and_not_lost)
{
    char longish[5000];
    memset(longish, 'x', sizeof longish - 1);
    longish[sizeof longish - 1] = 0;
    EXPECT_EQ(asyncio_raise(-EIO, "begins %s", longish), -EIO);
    EXPECT_CONTAINS(asyncio_strerror(-EIO), "begins xxx");
}

TEST(last_four_failures_are_remembered)
{
    for (int i = 1; i <= 4; i++)
        asyncio_ignore(asyncio_raise(-i, "failure %d", i));
    EXPECT_STR(asyncio_strerror(-1), "failure 1");
    EXPECT_STR(asyncio_strerror(-4), "failure 4");

    asyncio_ignore(asyncio_raise(-5, "failure 5"));
    EXPECT_STR(asyncio_strerror(-1), strerror(1)); // forgotten
    for (int i = 2; i <= 5; i++) {
        char text[32];
        snprintf(text, sizeof text, "failure %d", i);
        EXPECT_STR(asyncio_strerror(-i), text);
    }
    const struct asyncio_error *last = asyncio_last_error();
    if (EXPECT(last)) EXPECT_EQ(last->code, -5);
}

TEST(latest_words_for_a_code_are_the_ones_found)
{
    asyncio_ignore(asyncio_raise(-EIO, "first"));
    asyncio_ignore(asyncio_raise(-EPROTO, "between"));
    asyncio_ignore(asyncio_raise(-EIO, "second"));
    EXPECT_STR(asyncio_strerror(-EIO), "second");
    EXPECT_STR(asyncio_strerror(-EPROTO), "between");
}

// --- travelling -------------------------------------------------------------

static int complain(void *arg)
{
    return asyncio_raise(-EPROTO, "%s does not like it", (const char *)arg);
}

static void expect_words(const char *text, const char *task)
{
    EXPECT_STR(asyncio_strerror(-EPROTO), text);
    const struct asyncio_error *error = asyncio_last_error();
    if (!EXPECT(error)) return;
    EXPECT_EQ(error->code, -EPROTO);
    EXPECT_STR(error->text, text);
    EXPECT_STR(error->task, task);
    EXPECT_CONTAINS(error->site, "test_error.c:");
}

TEST(each_task_has_its_own_memory)
{
    char name[] = "the other";
    struct asyncio_task *task = asyncio_create_task(complain, name);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT(asyncio_task_done(task));
    EXPECT_SAME(asyncio_last_error(), NULL); // nobody has awaited it
    EXPECT_EQ(asyncio_await(task), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "the other does not like it");
    drop(task);
}

TEST(words_travel_with_an_await)
{
    char name[] = "it";
    struct asyncio_task *task =
        asyncio_create_task(complain, name, .name = "inner");
    EXPECT_EQ(asyncio_await(task), -EPROTO);
    drop(task); // the words outlive the task
    expect_words("it does not like it", "inner");
}

static int pass_it_on(void *arg)
{
    struct asyncio_task *task =
        asyncio_create_task(complain, arg, .name = "inner");
    int err = asyncio_await(task);
    drop(task);
    return err;
}

TEST(words_travel_through_tasks_that_pass_the_code_on)
{
    char name[] = "it";
    struct asyncio_task *task =
        asyncio_create_task(pass_it_on, name, .name = "outer");
    EXPECT_EQ(asyncio_await(task), -EPROTO);
    expect_words("it does not like it", "inner");
    drop(task);
}

static int clean_up_badly(void *arg)
{
    int err = complain(arg);
    for (int i = 1; i <= 3; i++)
        asyncio_ignore(asyncio_raise(-EIO, "clean-up %d failed", i));
    return err;
}

TEST(words_survive_a_clean_up_that_fails_too)
{
    char name[] = "it";
    struct asyncio_task *task =
        asyncio_create_task(clean_up_badly, name, .name = "inner");
    EXPECT_EQ(asyncio_await(task), -EPROTO);
    expect_words("it does not like it", "inner");
    drop(task);
}

static int fail_plainly(void *arg)
{
    return *(int *)arg;
}

static int await_a_plain_failure(int code)
{
    struct asyncio_task *task = asyncio_create_task(fail_plainly, &code);
    int err = asyncio_await(task);
    drop(task);
    return err;
}

TEST(failure_without_words_has_not_those_of_an_earlier_one)
{
    for (int i = 1; i <= 4; i++)
        asyncio_ignore(asyncio_raise(-i, "failure %d", i));
    asyncio_ignore(asyncio_raise(-4, "failure 4 again"));
    for (int i = 4; i >= 2; i -= 2) { // the last one; one before
        EXPECT_EQ(await_a_plain_failure(-i), -i);
        EXPECT_STR(asyncio_strerror(-i), strerror(i));
    }
    EXPECT_STR(asyncio_strerror(-3), "failure 3");
    const struct asyncio_error *last = asyncio_last_error();
    if (EXPECT(last)) EXPECT_EQ(last->code, -3);

    EXPECT_EQ(await_a_plain_failure(-3), -3);
    EXPECT_SAME(asyncio_last_error(), NULL);
    for (int i = 1; i <= 5; i++)
        asyncio_ignore(asyncio_raise(-i, "later %d", i));
    EXPECT_STR(asyncio_strerror(-1), strerror(1));
    EXPECT_STR(asyncio_strerror(-2), "later 2");
    EXPECT_STR(asyncio_strerror(-5), "later 5");
}

TEST(time_limit_has_no_words_of_an_earlier_failure)
{
    struct asyncio_future never = ASYNCIO__ZERO;
    asyncio_ignore(asyncio_raise(-ETIMEDOUT, "the server took a minute"));
    EXPECT_EQ(asyncio_wait_for(asyncio_sleep(2), 1), -ETIMEDOUT);
    EXPECT_STR(asyncio_strerror(-ETIMEDOUT), strerror(ETIMEDOUT));

    asyncio_ignore(asyncio_raise(-ETIMEDOUT, "the server took a minute"));
    EXPECT_EQ(asyncio_wait_for(asyncio_sleep(2), 0), -ETIMEDOUT);
    EXPECT_STR(asyncio_strerror(-ETIMEDOUT), strerror(ETIMEDOUT));

    asyncio_ignore(asyncio_raise(-ETIMEDOUT, "the server took a minute"));
    EXPECT_EQ(asyncio_wait_for(&never, 0), -ETIMEDOUT);
    EXPECT_STR(asyncio_strerror(-ETIMEDOUT), strerror(ETIMEDOUT));
    asyncio_future_reset(&never);
}

// What a cancel brings about fails because of it, and says nothing of its own.
TEST(reason_of_a_cancel_survives_what_ends_cancelled_because_of_it)
{
    asyncio_ignore(asyncio_raise(-ECANCELED, "the user has gone"));
    EXPECT_EQ(await_a_plain_failure(-ECANCELED), -ECANCELED);
    EXPECT_STR(asyncio_strerror(-ECANCELED), "the user has gone");
}

TEST(words_travel_with_a_future_that_is_given_the_code)
{
    struct asyncio_future future = {0};
    char name[] = "it";
    asyncio_ignore(asyncio_task_set_name(asyncio_current_task(), "setter"));
    int err = complain(name);
    EXPECT_EQ(asyncio_future_set_exception(&future, err), 0);
    for (int i = 1; i <= 4; i++) // forgotten here, but not in the future
        asyncio_ignore(asyncio_raise(-EIO, "something else"));
    EXPECT_STR(asyncio_strerror(-EPROTO), strerror(EPROTO));
    EXPECT_EQ(asyncio_await(&future), -EPROTO);
    expect_words("it does not like it", "setter");
    const struct asyncio_error *error = asyncio_future_error(&future);
    if (EXPECT(error)) EXPECT_EQ(error->code, -EPROTO);
    asyncio_future_reset(&future);
    expect_words("it does not like it", "setter");
}

static int return_it(void *arg)
{
    return *(int *)arg;
}

TEST(group_leaves_the_words_of_its_first_failure_and_a_child_for_each)
{
    char name[] = "one";
    int plain = -EINVAL;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, complain, name, .name = "a");
    asyncio_task_group_create_task(&group, return_it, &plain, .name = "b");
    int err = asyncio_task_group_exit(&group, 0);
    EXPECT(err == -EPROTO || err == -EINVAL); // the order is not ours to say
    const struct asyncio_error *error = asyncio_last_error();
    if (!EXPECT(error) || !EXPECT(error->children)) return;
    EXPECT_EQ(error->code, err);
    int seen = 0;
    const struct asyncio_error *child = error->children;
    for (; child; child = child->next, seen++) {
        bool first = child->code == -EPROTO;
        EXPECT_STR(child->task, first ? "a" : "b");
        EXPECT_STR(child->text, first ? "one does not like it" : "");
    }
    EXPECT_EQ(seen, 2);
    if (err == -EPROTO)
        EXPECT_STR(asyncio_strerror(err), "one does not like it");
}

// One group in the other, as many as are left.
static int fail_in_groups(void *arg)
{
    int *left = arg;
    if (--*left == 0) return asyncio_raise(-EPROTO, "at the bottom");
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, fail_in_groups, left);
    return asyncio_task_group_exit(&group, 0);
}

static int see_how_they_fail(void *arg)
{
    struct asyncio_task *task = asyncio_create_task(fail_in_groups, arg);
    int err = asyncio_await(task);
    EXPECT_EQ(err, -EPROTO);
    EXPECT_STR(asyncio_strerror(err), "at the bottom");
    asyncio_task_release(task);
    return 0;
}

TEST(failure_nested_deeper_than_a_stack_is_let_go_of)
{
    int left = 400;
    struct asyncio_task *task =
        asyncio_create_task(see_how_they_fail, &left, .stack_size = 16 * 1024);
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
}

TEST(report_of_a_failure_without_words_says_what_the_code_means)
{
    int plain = -EINVAL;
    struct asyncio_task *task = asyncio_create_task(return_it, &plain);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_release(task);
    EXPECT_CONTAINS(expect_report(-EINVAL), strerror(EINVAL));
}

static int raise_in_a_callback(void *arg)
{
    asyncio_ignore(asyncio_raise(-EIO, "from no task"));
    const struct asyncio_error *error = asyncio_last_error();
    if (EXPECT(error)) {
        EXPECT_STR(error->text, "from no task");
        EXPECT_STR(error->task, "");
    }
    *(bool *)arg = true;
    return -EIO;
}

TEST(callback_that_raises_is_reported_with_its_words)
{
    bool ran = false;
    struct asyncio_handle handle = {0};
    EXPECT_OR_RETURN(
        asyncio_call_soon(raise_in_a_callback, &ran, .handle = &handle) == 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT(ran);
    EXPECT_CONTAINS(expect_report(-EIO), "from no task");
    EXPECT_SAME(asyncio_last_error(), NULL); // not this task's
}

TEST_PLAIN(words_come_out_of_a_run)
{
    char name[] = "main";
    EXPECT_EQ(asyncio_run(complain, name), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "main does not like it");
}

// --- the reason of a cancel -------------------------------------------------

struct lesson {
    const char *text, *task;
    bool has_site;
};

static int learn_why(void *arg)
{
    const struct lesson *lesson = arg;
    int err = asyncio_sleep(3600);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_STR(asyncio_strerror(err),
               lesson->text[0] ? lesson->text : strerror(ECANCELED));
    const struct asyncio_error *error = asyncio_last_error();
    if (!EXPECT(error)) return err;
    EXPECT_EQ(error->code, -ECANCELED);
    EXPECT_STR(error->text, lesson->text);
    EXPECT_STR(error->task, lesson->task);
    if (lesson->has_site)
        EXPECT_CONTAINS(error->site, "test_error.c:");
    else
        EXPECT_STR(error->site, "");
    return err;
}

TEST(cancel_says_who_where_and_why)
{
    struct lesson lesson = {"the user left", "boss", true};
    asyncio_ignore(asyncio_task_set_name(asyncio_current_task(), "boss"));
    struct asyncio_task *task = asyncio_create_task(learn_why, &lesson);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task, .reason = "the user left");
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_STR(asyncio_strerror(-ECANCELED), "the user left");
    drop(task);
}

TEST(cancel_without_a_reason_says_who_and_where)
{
    struct lesson lesson = {"", "boss", true};
    asyncio_ignore(asyncio_task_set_name(asyncio_current_task(), "boss"));
    struct asyncio_task *task = asyncio_create_task(learn_why, &lesson);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    drop(task);
}

static int learn_twice(void *arg)
{
    struct lesson first = {"enough", "boss", true}, second = {"", "boss", true};
    (void)arg;
    EXPECT_EQ(learn_why(&first), -ECANCELED);
    return learn_why(&second);
}

TEST(reason_is_not_that_of_an_earlier_cancel)
{
    asyncio_ignore(asyncio_task_set_name(asyncio_current_task(), "boss"));
    struct asyncio_task *task = asyncio_create_task(learn_twice, NULL);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task, .reason = "enough");
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    drop(task);
}

static int cancel_it(void *arg)
{
    asyncio_task_cancel((struct asyncio_task *)arg, .reason = "in a callback");
    return 0;
}

TEST(cancel_from_a_callback_names_no_task)
{
    struct lesson lesson = {"in a callback", "", true};
    struct asyncio_task *task = asyncio_create_task(learn_why, &lesson);
    struct asyncio_handle handle = {0};
    if (EXPECT_EQ(asyncio_call_later(1, cancel_it, task, .handle = &handle), 0))
        EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_handle_cancel(&handle);
    drop(task);
}

static int cancel_oneself_and_wait(void *arg)
{
    asyncio_task_cancel(asyncio_current_task(), .reason = "my own wish");
    return asyncio_await(*(struct asyncio_task **)arg);
}

TEST(reason_goes_down_to_what_is_awaited)
{
    struct lesson lesson = {"all of you", "boss", true};
    struct lesson own = {"my own wish", "self", true};
    asyncio_ignore(asyncio_task_set_name(asyncio_current_task(), "boss"));

    struct asyncio_task *inner = asyncio_create_task(learn_why, &lesson);
    struct asyncio_task *list[] = {inner};
    struct asyncio_gather gather = {0};
    if (asyncio_gather_start(&gather, list, 1) == 0) {
        EXPECT_EQ(asyncio_sleep(1), 0);
        asyncio_future_cancel(&gather.future, .reason = "all of you");
        EXPECT_EQ(asyncio_await(&gather.future), -ECANCELED);
    }
    asyncio_gather_close(&gather);
    drop(inner);

    inner = asyncio_create_task(learn_why, &own);
    EXPECT_EQ(asyncio_sleep(1), 0);
    struct asyncio_task *outer =
        asyncio_create_task(cancel_oneself_and_wait, &inner, .name = "self");
    EXPECT_EQ(asyncio_await(outer), -ECANCELED);
    drop(outer);
    drop(inner);
}

static int swallow(void *arg)
{
    asyncio_ignore(asyncio_await((struct asyncio_future *)arg));
    return 1;
}

static int wait_then_be_refused(void *arg)
{
    struct asyncio_future *futures = arg;
    struct asyncio_task *inner = asyncio_create_task(swallow, &futures[0]);
    asyncio_ignore(asyncio_await(inner));
    drop(inner);
    EXPECT_EQ(asyncio_await(&futures[1]), -ECANCELED);
    EXPECT_STR(asyncio_strerror(-ECANCELED), strerror(ECANCELED));
    return 2;
}

TEST(reason_of_a_request_that_was_swallowed_is_forgotten)
{
    struct asyncio_future futures[2] = {0};
    struct asyncio_task *task =
        asyncio_create_task(wait_then_be_refused, futures);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task, .reason = "swallowed below");
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_future_cancel(&futures[1]);
    EXPECT_EQ(asyncio_await(task), 2);
    drop(task);
}
