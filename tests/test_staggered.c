// The staggered race: who begins when, who wins, and what is left of the rest.

#include <asyncio/staggered.h>

#include "runner/runner.h"

struct attempt {
    const char *name;
    double seconds; // negative: it ends at once
    int result;
};

static int try(void *arg)
{
    const struct attempt *attempt = arg;
    trace("%s begins", attempt->name);
    int err = attempt->seconds < 0 ? 0 : asyncio_sleep(attempt->seconds);
    if (err < 0) trace("%s lost", attempt->name);
    return err < 0 ? err : attempt->result;
}

static void fill(struct asyncio_coroutine list[], struct attempt attempts[],
                 int count)
{
    for (int i = 0; i < count; i++)
        list[i] = ASYNCIO_COROUTINE(try, &attempts[i]);
}

static bool near(double seconds, double wanted)
{
    return seconds > wanted - 1e-6 && seconds < wanted + 1e-6;
}

static void end_task(struct asyncio_task *task)
{
    asyncio_task_cancel(task);
    while (!asyncio_task_done(task))
        asyncio_ignore(asyncio_await(task));
    int result;
    EXPECT_EQ(asyncio_task_result(task, &result), 0);
    asyncio_task_release(task);
}

// --- who wins ---------------------------------------------------------------

TEST(race_of_nobody_has_no_winner)
{
    CONFORMS("STAG-01");
    struct asyncio_coroutine *none = NULL;
    size_t started = 9;
    int results[1] = {77};
    uint64_t before = asyncio_loop_passes(asyncio_get_running_loop());
    EXPECT_EQ(asyncio_staggered_race(none, 0, 1, .results = results,
                                     .started = &started),
              -ENODATA);
    EXPECT_EQ(asyncio_loop_passes(asyncio_get_running_loop()), before);
    EXPECT_EQ(started, 0);
    EXPECT_EQ(results[0], 77);
}

TEST(attempt_that_succeeds_at_once_runs_alone, .ordered = true)
{
    CONFORMS("STAG-02");
    double delays[] = {10, ASYNCIO_FOREVER, 0, -1};
    for (int i = 0; i < 4; i++) {
        struct attempt attempts[] = {{"a", -1, 5}, {"b", -1, 6}};
        struct asyncio_coroutine list[2];
        fill(list, attempts, 2);
        int results[2] = {77, 77};
        size_t started = 0;
        double begin = asyncio_time();
        EXPECT_EQ(asyncio_staggered_race(list, 2, delays[i], .results = results,
                                         .started = &started),
                  0);
        EXPECT(near(asyncio_time() - begin, 0));
        EXPECT_EQ(started, 1);
        EXPECT_EQ(results[0], 5);
        EXPECT_EQ(results[1], 77);
        EXPECT_TRACE("a begins");
        EXPECT_EQ(asyncio_await(&list[1]), 6); // it was never used
        EXPECT_TRACE("b begins");
    }
}

TEST(second_attempt_begins_beside_a_slow_one)
{
    CONFORMS("STAG-03");
    struct attempt attempts[] = {{"a", 10, 5}, {"b", 1, 6}};
    struct asyncio_coroutine list[2];
    fill(list, attempts, 2);
    int results[2] = {0, 0};
    size_t started = 0;
    double begin = asyncio_time();
    EXPECT_EQ(asyncio_staggered_race(list, 2, 0.2, .results = results,
                                     .started = &started),
              1);
    EXPECT(near(asyncio_time() - begin, 1.2));
    EXPECT_EQ(started, 2);
    EXPECT_EQ(results[0], -ECANCELED);
    EXPECT_EQ(results[1], 6);
    EXPECT_TRACE("a begins", "b begins", "a lost");
}

TEST(two_that_succeed_in_one_pass_have_one_winner)
{
    CONFORMS("STAG-04");
    struct attempt attempts[] = {{"a", 3, 5}, {"b", 2, 6}};
    struct asyncio_coroutine list[2];
    fill(list, attempts, 2);
    int results[2] = {0, 0};
    int winner = asyncio_staggered_race(list, 2, 1, .results = results);
    if (winner < 0) return;
    EXPECT_LE(winner, 1);
    EXPECT_EQ(results[winner], winner == 0 ? 5 : 6);
    EXPECT_EQ(results[1 - winner], -ECANCELED);
}

TEST(futures_that_succeed_in_one_pass_have_one_winner)
{
    CONFORMS("STAG-04");
    struct asyncio_future a = {0}, b = {0}, *list[] = {&a, &b};
    EXPECT_EQ(asyncio_future_set_result(&a, 5), 0);
    EXPECT_EQ(asyncio_future_set_result(&b, 6), 0);
    int results[2] = {0, 0};
    size_t started = 0;
    EXPECT_EQ(asyncio_staggered_race(list, 2, 0, .results = results,
                                     .started = &started),
              0);
    EXPECT_EQ(started, 1);
    EXPECT_EQ(results[0], 5);
}

TEST(failure_starts_the_next_one_early)
{
    struct attempt attempts[] = {
        {"a", 0.5, -EPROTO}, {"b", -1, -EIO}, {"c", 1, 7}, {"d", 1, 8}};
    struct asyncio_coroutine list[4];
    fill(list, attempts, 4);
    int results[4] = {0};
    size_t started = 0;
    double begin = asyncio_time();
    EXPECT_EQ(asyncio_staggered_race(list, 4, 10, .results = results,
                                     .started = &started),
              2);
    EXPECT(near(asyncio_time() - begin, 1.5));
    EXPECT_EQ(started, 3);
    EXPECT_EQ(results[0], -EPROTO);
    EXPECT_EQ(results[1], -EIO);
    EXPECT_EQ(results[2], 7);
    EXPECT_TRACE("a begins", "b begins", "c begins");
}

TEST(failure_of_an_earlier_one_does_not_hurry_the_next)
{
    struct attempt attempts[] = {
        {"a", 1.5, -EPROTO}, {"b", 10, 1}, {"c", 1, 7}};
    struct asyncio_coroutine list[3];
    fill(list, attempts, 3);
    double begin = asyncio_time();
    // c begins at 2, a second after b, whatever becomes of a.
    EXPECT_EQ(asyncio_staggered_race(list, 3, 1), 2);
    EXPECT(near(asyncio_time() - begin, 3));
}

TEST(without_a_delay_all_begin_side_by_side)
{
    struct attempt attempts[] = {{"a", 3, 5}, {"b", 2, 6}, {"c", 4, 7}};
    struct asyncio_coroutine list[3];
    fill(list, attempts, 3);
    double begin = asyncio_time();
    EXPECT_EQ(asyncio_staggered_race(list, 3, 0), 1);
    EXPECT(near(asyncio_time() - begin, 2));
}

TEST(without_an_end_of_the_delay_only_failures_go_on)
{
    struct attempt attempts[] = {{"a", 100, -EIO}, {"b", 100, 6}, {"c", 1, 7}};
    struct asyncio_coroutine list[3];
    fill(list, attempts, 3);
    size_t started = 0;
    EXPECT_EQ(
        asyncio_staggered_race(list, 3, ASYNCIO_FOREVER, .started = &started),
        1);
    EXPECT_EQ(started, 2);
}

static int fail_with_words(void *arg)
{
    return asyncio_raise(-EPROTO, "%s", (const char *)arg);
}

TEST(race_that_nobody_won_ends_with_the_first_code_and_its_words)
{
    struct asyncio_coroutine list[] = {
        ASYNCIO_COROUTINE(fail_with_words, "these are the words"),
        ASYNCIO_COROUTINE(fail_with_words, "these are not"),
    };
    int results[2] = {0, 0};
    int err = asyncio_staggered_race(list, 2, 1, .results = results);
    if (err == -ENOMEM) return;
    EXPECT_EQ(err, -EPROTO);
    EXPECT_EQ(results[1], -EPROTO);
    EXPECT_STR(asyncio_strerror(err), "these are the words");
}

static int cancel_oneself(void *arg)
{
    (void)arg;
    return -ECANCELED;
}

TEST(attempt_that_was_cancelled_has_failed)
{
    struct attempt attempt = {"b", -1, -EIO};
    struct asyncio_coroutine list[] = {
        ASYNCIO_COROUTINE(cancel_oneself, NULL),
        ASYNCIO_COROUTINE(try, &attempt),
    };
    EXPECT_EQ(asyncio_staggered_race(list, 2, ASYNCIO_FOREVER), -EIO);
    struct asyncio_coroutine alone = ASYNCIO_COROUTINE(cancel_oneself, NULL);
    EXPECT_EQ(asyncio_staggered_race(&alone, 1, 1), -ECANCELED);
    EXPECT_EQ(asyncio_sleep(0), 0); // nobody had cancelled the caller
    EXPECT_TRACE("b begins");
}

// --- the rest ---------------------------------------------------------------

static int slow_to_end(void *arg)
{
    asyncio_ignore(asyncio_sleep(3600));
    int err = asyncio_sleep(2);
    *(bool *)arg = true;
    return err < 0 ? err : 9;
}

TEST(losers_have_ended_when_the_race_has)
{
    bool cleaned = false;
    struct attempt attempt = {"b", 1, 6};
    struct asyncio_coroutine list[] = {
        ASYNCIO_COROUTINE(slow_to_end, &cleaned),
        ASYNCIO_COROUTINE(try, &attempt),
    };
    int results[2] = {0, 0};
    int winner = asyncio_staggered_race(list, 2, 1, .results = results);
    if (winner != 1) return;
    EXPECT(cleaned);
    EXPECT_EQ(results[0], -ECANCELED); // its 9 came too late
    EXPECT_EQ(results[1], 6);
}

TEST(tasks_of_yours_go_on_when_they_lose)
{
    struct attempt attempts[] = {{"a", 10, 5}, {"b", 1, 6}};
    struct asyncio_task *tasks[2];
    for (int i = 0; i < 2; i++)
        tasks[i] = asyncio_create_task(try, &attempts[i]);
    int results[2] = {0, 0};
    EXPECT_EQ(asyncio_staggered_race(tasks, 2, 0.1, .results = results), 1);
    EXPECT_EQ(results[0], -ECANCELED);
    EXPECT_EQ(asyncio_await(tasks[0]), 5);
    for (int i = 0; i < 2; i++)
        end_task(tasks[i]);
}

// --- cancelling -------------------------------------------------------------

struct racer {
    struct asyncio_coroutine list[2];
    size_t started;
    int result;
};

static int race(void *arg)
{
    struct racer *racer = arg;
    racer->result =
        asyncio_staggered_race(racer->list, 2, 1, .started = &racer->started);
    return racer->result;
}

TEST(cancelled_race_cancels_and_joins_its_attempts)
{
    // Before the second attempt, and when both run.
    double when[] = {0.5, 1.5};
    for (int i = 0; i < 2; i++) {
        bool cleaned = false;
        struct attempt attempt = {"b", 10, 6};
        struct racer racer = {{ASYNCIO_COROUTINE(slow_to_end, &cleaned),
                               ASYNCIO_COROUTINE(try, &attempt)},
                              0,
                              0};
        struct asyncio_task *task = asyncio_create_task(race, &racer);
        EXPECT_EQ(asyncio_sleep(when[i]), 0);
        asyncio_task_cancel(task);
        asyncio_ignore(asyncio_await(task));
        if (asyncio_task_cancelled(task)) {
            EXPECT_EQ(racer.result, -ECANCELED);
            EXPECT_EQ(racer.started, i + 1);
            EXPECT(cleaned);
        }
        EXPECT_EQ(asyncio_loop_timers(asyncio_get_running_loop()), 0);
        end_task(task);
    }
}

TEST(cancel_twice_still_joins)
{
    bool cleaned = false;
    struct attempt attempt = {"b", 10, 6};
    struct racer racer = {{ASYNCIO_COROUTINE(slow_to_end, &cleaned),
                           ASYNCIO_COROUTINE(try, &attempt)},
                          0,
                          0};
    struct asyncio_task *task = asyncio_create_task(race, &racer);
    EXPECT_EQ(asyncio_sleep(0.5), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_sleep(0.5), 0);
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    EXPECT(cleaned || !asyncio_task_cancelled(task));
    end_task(task);
}

TEST(request_that_is_pending_ends_the_race)
{
    struct attempt attempts[] = {{"a", 10, 5}, {"b", 1, 6}};
    struct asyncio_coroutine list[2];
    fill(list, attempts, 2);
    asyncio_task_cancel(asyncio_current_task());
    int err = asyncio_staggered_race(list, 2, 1);
    asyncio_task_uncancel(asyncio_current_task());
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_TRACE();
}

TEST(race_within_a_limit_is_ended_by_it)
{
    struct attempt attempts[] = {{"a", 10, 5}, {"b", 10, 6}};
    struct asyncio_coroutine list[2];
    fill(list, attempts, 2);
    EXPECT_EQ(asyncio_wait_for(asyncio_staggered_race(list, 2, 1), 5),
              -ETIMEDOUT);
}

// --- misuse -----------------------------------------------------------------

TEST(refuses_what_cannot_race)
{
    struct attempt attempt = {"a", -1, 5};
    struct asyncio_coroutine used = ASYNCIO_COROUTINE(try, &attempt);
    struct asyncio_coroutine empty = {0};
    EXPECT_EQ(asyncio_staggered_race(&used, 1, __builtin_nan("")), -EINVAL);
    EXPECT_EQ(asyncio_staggered_race(&empty, 1, 1), -EINVAL);
    EXPECT_EQ((asyncio_staggered_race)(ASYNCIO_COROUTINES, NULL, 1, 1, NULL),
              -EINVAL);
    struct asyncio_task *me = asyncio_current_task();
    EXPECT_EQ(asyncio_staggered_race(&me, 1, 1), -EDEADLK);
    EXPECT_EQ(asyncio_await(&used), 5);
    EXPECT_EQ(asyncio_staggered_race(&used, 1, 1), -EALREADY);
    EXPECT_TRACE("a begins");
}

TEST(object_that_stands_twice_begins_once)
{
    struct attempt attempt = {"a", 3, -EPROTO};
    struct asyncio_coroutine a = ASYNCIO_COROUTINE(try, &attempt);
    struct asyncio_any list[] = {ASYNCIO_ANY(&a), ASYNCIO_ANY(&a)};
    int results[2] = {0, 0};
    int err = asyncio_staggered_race(list, 2, 1, .results = results);
    if (err == -ENOMEM) return;
    EXPECT_EQ(err, -EPROTO);
    EXPECT_EQ(results[1], -EALREADY);
    EXPECT_TRACE("a begins");
}

TEST_PLAIN(racing_wants_a_task)
{
    struct asyncio_future future = {0}, *list[] = {&future};
    EXPECT_EQ(asyncio_staggered_race(list, 1, 1), -EPERM);
}
