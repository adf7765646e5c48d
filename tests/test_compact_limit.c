// Time limits and cancel scopes in compact tasks: they mean what they mean
// anywhere, wherever they lie. So most of this is told three times: by a task
// that is not compact, by one that is, and in debug mode, where that one is put
// aside whenever it waits.

#include <asyncio.h>

#include <math.h>
#include <string.h>

#include "runner/runner.h"

static struct asyncio_task *teller; // the task that runs the story

static void tell_once(int (*story)(void *arg), bool compact)
{
    teller = asyncio_create_task(story, NULL, .compact = compact);
    EXPECT_EQ(asyncio_await(teller), 0);
    asyncio_task_release(teller);
}

static void tell(int (*story)(void *arg))
{
    tell_once(story, false);
    tell_once(story, true);
    EXPECT_EQ(asyncio_loop_set_debug(asyncio_get_running_loop(), true), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    tell_once(story, true);
}

// What a story returns: none leaves a request behind.
static int told(void)
{
    return asyncio_task_cancelling(asyncio_current_task());
}

static size_t timers(void)
{
    return asyncio_loop_timers(asyncio_get_running_loop());
}

static bool same_time(double a, double b)
{
    return fabs(a - b) < 1e-6;
}

// In so many seconds, on behalf of somebody else.
static int cancel_teller(void *arg)
{
    (void)arg;
    asyncio_task_cancel(teller, .reason = "no more");
    return 0;
}

static void cancel_teller_later(double seconds)
{
    EXPECT_EQ(asyncio_call_later(seconds, cancel_teller, NULL), 0);
}

// --- one limit --------------------------------------------------------------

static int be_too_slow(void *arg)
{
    (void)arg;
    size_t before = timers();
    double start = asyncio_time();
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    EXPECT_EQ(timers(), before + 1);
    EXPECT(!asyncio_timeout_expired(&limit));
    EXPECT(same_time(asyncio_timeout_when(&limit), start + 1));
    int err = asyncio_sleep(10);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT(asyncio_timeout_expired(&limit));
    EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ETIMEDOUT);
    EXPECT(asyncio_timeout_expired(&limit));
    EXPECT(same_time(asyncio_timeout_when(&limit), start + 1));
    EXPECT(same_time(asyncio_time(), start + 1));
    EXPECT_EQ(timers(), before);
    EXPECT_EQ(asyncio_timeout_exit(&limit, 0), -EINVAL);
    EXPECT_EQ(asyncio_sleep(1), 0);
    return told();
}

TEST(limit_ends_a_long_sleep)
{
    tell(be_too_slow);
}

static int be_in_time(void *arg)
{
    (void)arg;
    size_t before = timers();
    ASYNCIO_WITH_TIMEOUT(limit, 10);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_timeout_exit(&limit, 42), 42);
    EXPECT(!asyncio_timeout_expired(&limit));
    EXPECT_EQ(timers(), before);
    EXPECT_EQ(asyncio_timeout_enter(&limit, 1), -EALREADY);
    EXPECT_EQ(asyncio_sleep(20), 0);
    return told();
}

TEST(limit_that_is_left_in_time_leaves_nothing)
{
    tell(be_in_time);
}

static int have_no_time(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_TIMEOUT(limit, 0);
    EXPECT_EQ(asyncio_timeout_exit(&limit, asyncio_sleep(1)), -ETIMEDOUT);
    ASYNCIO_WITH_TIMEOUT(endless, ASYNCIO_FOREVER);
    EXPECT(asyncio_timeout_when(&endless) == ASYNCIO_FOREVER);
    EXPECT_EQ(asyncio_timeout_exit(&endless, asyncio_sleep(1e6)), 0);
    return told();
}

TEST(limit_of_no_time_and_of_all_time)
{
    tell(have_no_time);
}

static int swallow(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    EXPECT_EQ(asyncio_sleep(10), -ECANCELED);
    EXPECT_EQ(asyncio_sleep(10), 0);
    EXPECT_EQ(told(), 1);
    EXPECT_EQ(asyncio_timeout_exit(&limit, 7), 7);
    EXPECT(asyncio_timeout_expired(&limit));
    return told();
}

TEST(body_that_swallows_goes_on)
{
    tell(swallow);
}

static int leave_early(void)
{
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    return asyncio_sleep(0);
}

static int go_any_way(void *arg)
{
    (void)arg;
    size_t before = timers();
    for (int i = 0; i < 3; i++) {
        ASYNCIO_WITH_TIMEOUT(limit, 1);
        if (i == 1) continue;
        EXPECT_EQ(leave_early(), 0);
    }
    EXPECT_EQ(timers(), before);
    EXPECT_EQ(asyncio_sleep(10), 0);
    return told();
}

TEST(any_way_out_of_the_block_ends_the_limit)
{
    tell(go_any_way);
}

// --- moved ------------------------------------------------------------------

static int move(void *arg)
{
    (void)arg;
    double start = asyncio_time();
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    EXPECT_EQ(asyncio_timeout_reschedule(&limit, start + 5), 0);
    EXPECT(asyncio_timeout_when(&limit) == start + 5);
    EXPECT_EQ(asyncio_sleep(2), 0);
    EXPECT_EQ(asyncio_timeout_reschedule(&limit, ASYNCIO_FOREVER), 0);
    EXPECT_EQ(asyncio_sleep(10), 0);
    EXPECT_EQ(asyncio_timeout_reschedule(&limit, NAN), -EINVAL);
    EXPECT_EQ(asyncio_timeout_reschedule(&limit, start), 0);
    int err = asyncio_sleep(10);
    EXPECT_EQ(asyncio_timeout_reschedule(&limit, start + 99), -EINVAL);
    EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ETIMEDOUT);
    EXPECT_EQ(asyncio_timeout_reschedule(&limit, start + 99), -EINVAL);
    EXPECT(asyncio_timeout_when(&limit) == start);
    return told();
}

TEST(deadline_is_moved)
{
    tell(move);
}

static struct asyncio_timeout shared_limit;

static int give_more_time(void *arg)
{
    (void)arg;
    return asyncio_timeout_reschedule(&shared_limit, asyncio_time() + 10);
}

static int be_given_time(void *arg)
{
    (void)arg;
    shared_limit = (struct asyncio_timeout){0};
    EXPECT_EQ(asyncio_timeout_enter(&shared_limit, 2), 0);
    EXPECT_EQ(asyncio_call_later(1, give_more_time, NULL), 0);
    int err = asyncio_sleep(5);
    EXPECT_EQ(asyncio_timeout_exit(&shared_limit, err), 0);
    return told();
}

TEST(limit_that_lies_elsewhere_is_moved_by_others)
{
    tell(be_given_time);
}

// --- several, and cancels ---------------------------------------------------

static int nest(double inner_s, double outer_s, int inner_code, int outer_code)
{
    ASYNCIO_WITH_TIMEOUT(outer, outer_s);
    ASYNCIO_WITH_TIMEOUT(inner, inner_s);
    EXPECT_EQ(asyncio_timeout_exit(&outer, 0), -EINVAL);
    int err = asyncio_sleep(10);
    err = asyncio_timeout_exit(&inner, err);
    EXPECT_EQ(err, inner_code);
    err = asyncio_timeout_exit(&outer, err);
    EXPECT_EQ(err, outer_code);
    return err;
}

static int nest_all(void *arg)
{
    (void)arg;
    EXPECT_EQ(nest(1, 2, -ETIMEDOUT, -ETIMEDOUT), -ETIMEDOUT);
    EXPECT_EQ(nest(2, 1, -ECANCELED, -ETIMEDOUT), -ETIMEDOUT);
    EXPECT_EQ(nest(20, 30, 0, 0), 0);
    double when = asyncio_time() + 1;
    struct asyncio_timeout outer = {0}, inner = {0};
    EXPECT_EQ(asyncio_timeout_enter_at(&outer, when), 0);
    EXPECT_EQ(asyncio_timeout_enter_at(&inner, when), 0);
    int err = asyncio_timeout_exit(&inner, asyncio_sleep(10));
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_timeout_exit(&outer, err), -ETIMEDOUT);
    return told();
}

TEST(nested_limits_end_their_own_parts)
{
    tell(nest_all);
}

static int be_cancelled_first(void *arg)
{
    (void)arg;
    cancel_teller_later(1);
    ASYNCIO_WITH_TIMEOUT(limit, 2);
    int err = asyncio_timeout_exit(&limit, asyncio_sleep(10));
    EXPECT_EQ(err, -ECANCELED);
    EXPECT(!asyncio_timeout_expired(&limit));
    return asyncio_task_uncancel(asyncio_current_task());
}

static int be_cancelled_later(void *arg)
{
    (void)arg;
    cancel_teller_later(2);
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    EXPECT_EQ(asyncio_sleep(10), -ECANCELED);
    int err = asyncio_sleep(10); // a clean-up, which is cut short
    EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ECANCELED);
    EXPECT(asyncio_timeout_expired(&limit));
    return asyncio_task_uncancel(asyncio_current_task());
}

static int be_cancelled_before(void *arg)
{
    (void)arg;
    asyncio_task_cancel(asyncio_current_task());
    ASYNCIO_WITH_TIMEOUT(limit, 0);
    EXPECT_EQ(asyncio_sleep(10), -ECANCELED);
    // The request was there before, so it is not what the limit has brought.
    EXPECT_EQ(asyncio_timeout_exit(&limit, -ECANCELED), -ETIMEDOUT);
    return asyncio_task_uncancel(asyncio_current_task());
}

TEST(cancel_from_outside_while_it_is_limited_wins)
{
    tell(be_cancelled_first);
    tell(be_cancelled_later);
    tell(be_cancelled_before);
}

static struct asyncio_future promise;

static int keep_promise(void *arg)
{
    (void)arg;
    asyncio_future_set_result(&promise, 5);
    return 0;
}

static int wait_for_promise(void *arg)
{
    (void)arg;
    asyncio_future_init(&promise);
    if (!EXPECT_EQ(asyncio_call_later(5, keep_promise, NULL), 0)) return 0;
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    int err = asyncio_shield(&promise);
    EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ETIMEDOUT);
    EXPECT(!asyncio_future_done(&promise));
    EXPECT_EQ(asyncio_await(&promise), 5);
    asyncio_future_reset(&promise);
    return told();
}

TEST(what_is_shielded_outlives_the_limit)
{
    tell(wait_for_promise);
}

// --- wait_for ---------------------------------------------------------------

static int sleep_long(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(10);
    if (err == -ECANCELED && arg) ++*(int *)arg;
    return err;
}

static int call_with_limits(void *arg)
{
    (void)arg;
    size_t before = timers();
    EXPECT_EQ(asyncio_wait_for(asyncio_sleep(1), 5), 0);
    EXPECT_EQ(asyncio_wait_for(asyncio_sleep(10), 1), -ETIMEDOUT);
    EXPECT_EQ(asyncio_wait_for(asyncio_sleep(10), 0), -ETIMEDOUT);
    EXPECT_EQ(asyncio_wait_for(asyncio_sleep(10), NAN), -EINVAL);
    EXPECT_EQ(asyncio_wait_for(asyncio_wait_for(asyncio_sleep(10), 2), 1),
              -ETIMEDOUT);
    EXPECT_EQ(asyncio_wait_for(asyncio_wait_for(asyncio_sleep(10), 1), 2),
              -ETIMEDOUT);
    EXPECT_EQ(timers(), before);
    return told();
}

TEST(calls_have_limits)
{
    tell(call_with_limits);
}

static int await_with_limits(void *arg)
{
    (void)arg;
    static int cleaned;
    cleaned = 0;
    struct asyncio_task *task = asyncio_create_task(sleep_long, &cleaned);
    EXPECT_EQ(asyncio_wait_for(task, 1), -ETIMEDOUT);
    EXPECT(asyncio_task_cancelled(task));
    asyncio_task_release(task);
    EXPECT_EQ(cleaned, 1);
    task = asyncio_create_task(sleep_long, &cleaned, .compact = true);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_wait_for(task, 0), -ETIMEDOUT);
    asyncio_task_release(task);
    EXPECT_EQ(cleaned, 2);
    asyncio_future_init(&promise);
    EXPECT_EQ(asyncio_wait_for(&promise, 1), -ETIMEDOUT);
    EXPECT(asyncio_future_cancelled(&promise));
    asyncio_future_reset(&promise);
    return told();
}

TEST(awaits_have_limits)
{
    tell(await_with_limits);
}

// --- scopes -----------------------------------------------------------------

static int move_on(void *arg)
{
    (void)arg;
    size_t before = timers();
    double start = asyncio_time();
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 1);
    EXPECT(same_time(asyncio_cancel_scope_deadline(&scope), start + 1));
    EXPECT(same_time(asyncio_current_effective_deadline(), start + 1));
    EXPECT_EQ(asyncio_cancel_scope_enter(&scope), -EBUSY);
    EXPECT(!asyncio_cancel_scope_cancelled(&scope));
    EXPECT_EQ(asyncio_sleep(10), -ECANCELED);
    EXPECT_EQ(asyncio_sleep(0), -ECANCELED);
    EXPECT(asyncio_cancel_scope_cancelled(&scope));
    EXPECT(!asyncio_cancel_scope_caught(&scope));
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, -ECANCELED), 0);
    EXPECT(asyncio_cancel_scope_cancelled(&scope));
    EXPECT(asyncio_cancel_scope_caught(&scope));
    EXPECT(same_time(asyncio_cancel_scope_deadline(&scope), start + 1));
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, 0), -EINVAL);
    EXPECT_EQ(asyncio_cancel_scope_enter(&scope), -EALREADY);
    EXPECT_EQ(timers(), before);
    EXPECT_EQ(asyncio_sleep(1), 0);
    return told();
}

static int fail(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_FAIL_AFTER(scope, 1);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, asyncio_sleep(10)), -ETIMEDOUT);
    ASYNCIO_WITH_FAIL_AFTER(called, 1);
    asyncio_cancel_scope_cancel(&called);
    EXPECT_EQ(asyncio_cancel_scope_exit(&called, asyncio_sleep(10)), 0);
    return told();
}

TEST(scope_is_over_when_its_time_is_up)
{
    tell(move_on);
    tell(fail);
}

static int prepare(void *arg)
{
    (void)arg;
    struct asyncio_cancel_scope scope = {0};
    asyncio_cancel_scope_cancel(&scope, .reason = "before it began");
    EXPECT_EQ(asyncio_cancel_scope_enter(&scope), 0);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    EXPECT_CONTAINS(asyncio_strerror(-ECANCELED), "before it began");
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, -ECANCELED), 0);
    asyncio_cancel_scope_close(&scope);

    struct asyncio_cancel_scope later = {0};
    double when = asyncio_time() + 3;
    EXPECT_EQ(asyncio_cancel_scope_set_deadline(&later, when), 0);
    asyncio_cancel_scope_set_shield(&later, true);
    EXPECT_EQ(asyncio_cancel_scope_enter(&later), 0);
    EXPECT(asyncio_cancel_scope_shield(&later));
    EXPECT(asyncio_cancel_scope_deadline(&later) == when);
    EXPECT_EQ(asyncio_cancel_scope_set_deadline(&later, when + 3), 0);
    EXPECT_EQ(asyncio_sleep(5), 0);
    EXPECT_EQ(asyncio_cancel_scope_set_deadline(&later, when), 0);
    EXPECT_EQ(asyncio_sleep(0), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_set_deadline(&later, when), -EINVAL);
    EXPECT_EQ(asyncio_cancel_scope_exit(&later, -ECANCELED), 0);
    EXPECT(asyncio_cancel_scope_shield(&later));
    EXPECT(asyncio_cancel_scope_deadline(&later) == when);
    return told();
}

TEST(scope_keeps_what_was_set_before_it_was_entered)
{
    tell(prepare);
}

static int stand_in_shield(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_CANCEL_SCOPE(outer);
    ASYNCIO_WITH_CANCEL_SCOPE(shield, .shield = true);
    EXPECT_EQ(asyncio_cancel_scope_exit(&outer, 0), -EINVAL);
    asyncio_cancel_scope_cancel(&outer);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_cancel_scope_set_shield(&shield, false);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    asyncio_cancel_scope_set_shield(&shield, true);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&shield, 0), 0);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&outer, -ECANCELED), 0);
    return told();
}

TEST(shield_holds_a_scope_off)
{
    tell(stand_in_shield);
}

static int be_cancelled_in_scope(void *arg)
{
    (void)arg;
    cancel_teller_later(1);
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    int err = asyncio_sleep(5);
    asyncio_cancel_scope_cancel(&scope);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), -ECANCELED);
    EXPECT(!asyncio_cancel_scope_caught(&scope));
    return asyncio_task_uncancel(asyncio_current_task());
}

TEST(cancel_from_outside_comes_out_of_a_scope)
{
    tell(be_cancelled_in_scope);
}

static int mix(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    EXPECT_EQ(asyncio_timeout_exit(&limit, 0), -EINVAL);
    int err = asyncio_cancel_scope_exit(&scope, asyncio_sleep(10));
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_timeout_exit(&limit, err), -ETIMEDOUT);

    ASYNCIO_WITH_MOVE_ON_AFTER(around, 1);
    ASYNCIO_WITH_TIMEOUT(within, 5);
    EXPECT_EQ(asyncio_cancel_scope_exit(&around, 0), -EINVAL);
    err = asyncio_timeout_exit(&within, asyncio_sleep(10));
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&around, err), 0);
    return told();
}

TEST(limits_and_scopes_nest)
{
    tell(mix);
}

// A group that lies elsewhere, opened in a scope of the frames.
static struct asyncio_task_group children;

static int end_children(void *arg)
{
    (void)arg;
    EXPECT_EQ(asyncio_task_group_enter(&children), 0);
    static int ended;
    ended = 0;
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&children, sleep_long, &ended,
                                       .compact = i % 2);
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED);
    EXPECT_EQ(asyncio_task_group_exit(&children, 0), -ECANCELED);
    asyncio_task_group_close(&children);
    EXPECT_EQ(ended, 3);
    return told();
}

static int have_children(void *arg)
{
    children = (struct asyncio_task_group){0};
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 0.5);
    int err = end_children(arg);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    return told();
}

TEST(scope_ends_the_children_that_are_born_in_it)
{
    tell(have_children);
}

static int gather_in_scope(void *arg)
{
    (void)arg;
    static struct asyncio_task *tasks[2];
    static struct asyncio_gather gather;
    for (int i = 0; i < 2; i++)
        tasks[i] = asyncio_create_task(sleep_long, NULL, .compact = i);
    EXPECT_EQ(asyncio_gather_start(&gather, tasks, 2), 0);
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 1);
    int err = asyncio_await(&gather.future);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    for (int i = 0; i < 2; i++) {
        EXPECT(asyncio_task_cancelled(tasks[i]));
        asyncio_task_release(tasks[i]);
    }
    asyncio_gather_close(&gather);
    return told();
}

TEST(scope_ends_a_gather_that_is_awaited_in_it)
{
    tell(gather_in_scope);
}

// --- what cannot be entered -------------------------------------------------

static int try_times(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_TIMEOUT(limit, NAN);
    EXPECT_EQ(limit_entered, -EINVAL);
    EXPECT(asyncio_timeout_when(&limit) == ASYNCIO_FOREVER);
    EXPECT_EQ(asyncio_timeout_exit(&limit, 0), -EINVAL);
    EXPECT_EQ(asyncio_timeout_enter(&limit, 1), 0);
    EXPECT_EQ(asyncio_timeout_enter(&limit, 1), -EBUSY);
    EXPECT_EQ(asyncio_timeout_exit(&limit, asyncio_sleep(5)), -ETIMEDOUT);
    struct asyncio_cancel_scope scope = {0};
    EXPECT_EQ(asyncio_fail_at(&scope, NAN), -EINVAL);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, 0), -EINVAL);
    EXPECT_EQ(asyncio_fail_after(&scope, 1), 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, asyncio_sleep(5)), -ETIMEDOUT);
    return told();
}

TEST(times_that_are_none_are_refused)
{
    tell(try_times);
}

static int lack_memory(void *arg)
{
    (void)arg;
    EXPECT_EQ(asyncio_testing_fail_at("alloc", 1), 0);
    ASYNCIO_WITH_TIMEOUT(limit, 5);
    EXPECT_EQ(limit_entered, -ENOMEM);
    EXPECT_EQ(asyncio_sleep(10), 0); // it limits nothing
    EXPECT_EQ(asyncio_timeout_exit(&limit, 0), -ENOMEM);
    EXPECT_EQ(asyncio_timeout_enter(&limit, 1), 0);
    EXPECT_EQ(asyncio_timeout_exit(&limit, asyncio_sleep(5)), -ETIMEDOUT);

    EXPECT_EQ(asyncio_testing_fail_at("alloc", 1), 0);
    EXPECT_EQ(asyncio_wait_for(asyncio_sleep(1), 5), -ENOMEM);

    struct asyncio_cancel_scope scope = {0};
    asyncio_cancel_scope_cancel(&scope, .reason = "it is kept");
    EXPECT_EQ(asyncio_testing_fail_at("alloc", 1), 0);
    EXPECT_EQ(asyncio_cancel_scope_enter(&scope), -ENOMEM);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, 0), -ENOMEM);
    EXPECT_EQ(asyncio_cancel_scope_enter(&scope), 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, asyncio_sleep(5)), 0);
    return told();
}

TEST(without_memory_nothing_is_entered)
{
    tell_once(lack_memory, true);
}

// --- forgotten --------------------------------------------------------------

static int forget_limits(void *arg)
{
    (void)arg;
    struct asyncio_timeout outer = {0}, inner = {0};
    EXPECT_EQ(asyncio_timeout_enter(&outer, 5), 0);
    return asyncio_timeout_enter(&inner, 1);
}

static int forget_scopes(void *arg)
{
    struct asyncio_cancel_scope outer = {0}, inner = {0};
    if (!EXPECT_EQ(asyncio_move_on_after(&outer, 5), 0)) return 0;
    asyncio_cancel_scope_cancel(&outer, .reason = "to be forgotten");
    EXPECT_EQ(asyncio_move_on_after(&inner, 1), 0);
    return forget_limits(arg);
}

TEST(what_is_not_left_ends_with_the_task)
{
    size_t before = timers();
    tell_once(forget_limits, true);
    EXPECT_EQ(timers(), before);
    tell_once(forget_scopes, true);
    EXPECT_CONTAINS(expect_report(-EINVAL), "cancel scope");
    EXPECT_EQ(timers(), before);
    EXPECT_EQ(asyncio_sleep(10), 0);
}

static int stay_inside(void *arg)
{
    (void)arg;
    ASYNCIO_WITH_TIMEOUT(limit, 100);
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 100);
    ASYNCIO_WITH_TIMEOUT(inner, 10);
    return asyncio_wait_for(asyncio_sleep(ASYNCIO_FOREVER), 1000);
}

static void close_around(bool cancelled)
{
    struct asyncio_loop *loop;
    EXPECT_OR_RETURN(asyncio_new_event_loop(&loop) == 0);
    struct asyncio_task *task =
        asyncio_create_task(stay_inside, NULL, .loop = loop, .compact = true);
    asyncio_loop_stop(loop);
    asyncio_ignore(asyncio_loop_run_forever(loop));
    if (cancelled) asyncio_task_cancel(task);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    EXPECT_CONTAINS(expect_report(-ECANCELED), "pending");
}

TEST_PLAIN(loop_closes_around_what_was_entered)
{
    close_around(false);
    close_around(true);
}
