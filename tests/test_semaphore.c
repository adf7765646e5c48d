// Semaphores: units are handed over in order of arrival, and none is lost when
// whoever was to get it is cancelled. Limiters know who has one.

#include <asyncio/group.h>
#include <asyncio/semaphore.h>

#include <limits.h>

#include "tasks.h"

struct actor {
    struct asyncio_semaphore *semaphore;
    const char *name;
    int releases;                // made first
    struct asyncio_task *victim; // cancelled when it has its unit
};

static int act(void *arg)
{
    struct actor *actor = arg;
    for (int i = 0; i < actor->releases; i++)
        EXPECT_EQ(asyncio_semaphore_release(actor->semaphore), 0);
    int err = asyncio_semaphore_acquire(actor->semaphore);
    trace("%s %s", actor->name, err < 0 ? "not" : "has it");
    return err;
}

// --- values -----------------------------------------------------------------

TEST_PLAIN(semaphore_has_at_least_no_unit)
{
    CONFORMS("SEM-01");
    struct asyncio_semaphore semaphore;
    EXPECT_EQ(asyncio_semaphore_init(&semaphore, -1), -EINVAL);
    EXPECT_EQ(asyncio_bounded_semaphore_init(&semaphore, -1, 1), -EINVAL);
    EXPECT_EQ(asyncio_semaphore_init(&semaphore, 0), 0);
    EXPECT(asyncio_semaphore_locked(&semaphore));
    EXPECT_EQ(asyncio_semaphore_acquire_nowait(&semaphore), -EAGAIN);
    EXPECT_EQ(asyncio_semaphore_init(&semaphore, 1), 0);
    EXPECT(!asyncio_semaphore_locked(&semaphore));
    struct asyncio_semaphore wrong = ASYNCIO_SEMAPHORE(-1);
    EXPECT(asyncio_semaphore_locked(&wrong));
}

TEST_PLAIN(bound_is_not_passed)
{
    CONFORMS("SEM-02");
    struct asyncio_semaphore semaphore = ASYNCIO_BOUNDED_SEMAPHORE(2);
    EXPECT_EQ(asyncio_semaphore_release(&semaphore), -EOVERFLOW);
    EXPECT_EQ(semaphore.value, 2);
    EXPECT_EQ(asyncio_semaphore_acquire_nowait(&semaphore), 0);
    EXPECT_EQ(asyncio_semaphore_release(&semaphore), 0);
    EXPECT_EQ(asyncio_semaphore_release(&semaphore), -EOVERFLOW);
    EXPECT_EQ(semaphore.value, 2);

    struct asyncio_semaphore full = ASYNCIO_SEMAPHORE(LONG_MAX);
    EXPECT_EQ(asyncio_semaphore_release(&full), -EOVERFLOW);
    EXPECT_EQ(full.value, LONG_MAX);
}

TEST_PLAIN(bound_is_not_below_the_value)
{
    CONFORMS("SEM-08");
    struct asyncio_semaphore semaphore;
    EXPECT_EQ(asyncio_bounded_semaphore_init(&semaphore, 2, 1), -EINVAL);
    EXPECT_EQ(asyncio_bounded_semaphore_init(&semaphore, 0, 0), -EINVAL);
    EXPECT_EQ(asyncio_bounded_semaphore_init(&semaphore, 1, 2), 0);
    EXPECT_EQ(asyncio_semaphore_release(&semaphore), 0);
    EXPECT_EQ(asyncio_semaphore_release(&semaphore), -EOVERFLOW);
}

TEST_PLAIN(waiting_wants_a_task)
{
    struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE(1);
    EXPECT_EQ(asyncio_semaphore_acquire(&semaphore), -EPERM);
    EXPECT_EQ(semaphore.value, 1);
}

static int set_flag(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

TEST(acquire_of_a_free_unit_lets_nobody_else_run)
{
    struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE(1);
    bool ran = false;
    EXPECT_EQ(asyncio_call_soon(set_flag, &ran), 0);
    EXPECT_EQ(asyncio_semaphore_acquire(&semaphore), 0);
    EXPECT(!ran);
    EXPECT_EQ(asyncio_sleep(0), 0);
}

TEST(loop_of_acquires_lets_others_run_now_and_then)
{
    struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE(1);
    bool ran = false;
    if (asyncio_call_soon(set_flag, &ran) < 0) return;
    for (int i = 0; i < 1000 && !ran; i++) {
        if (asyncio_semaphore_acquire(&semaphore) < 0) break;
        EXPECT_EQ(asyncio_semaphore_release(&semaphore), 0);
    }
    EXPECT(ran);
}

// --- order ------------------------------------------------------------------

TEST(units_go_to_waiters_in_order_of_arrival, .ordered = true)
{
    struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE(0);
    struct actor actors[] = {{.semaphore = &semaphore, .name = "a"},
                             {.semaphore = &semaphore, .name = "b"},
                             {.semaphore = &semaphore, .name = "c"}};
    struct asyncio_task *tasks[3];
    start_all(tasks, act, actors, 3);
    EXPECT_EQ(asyncio_sleep(0), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(asyncio_semaphore_release(&semaphore), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("a has it", "b has it", "c has it");
    EXPECT_EQ(semaphore.value, 0);
    end_all(tasks, 3);
}

struct turns {
    struct asyncio_semaphore *semaphore;
    const char *name;
};

static int take_two_turns(void *arg)
{
    struct turns *turns = arg;
    for (int i = 1; i <= 2; i++) {
        int err = asyncio_semaphore_acquire(turns->semaphore);
        if (err < 0) return err;
        trace("%s %d", turns->name, i);
        err = asyncio_sleep(0.01);
        asyncio_semaphore_release(turns->semaphore);
        if (err < 0) return err;
    }
    return 0;
}

// asyncio's test_acquire_fifo_order.
TEST(who_releases_and_asks_again_goes_to_the_end_of_the_line, .ordered = true)
{
    struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE(1);
    struct turns turns[] = {{.semaphore = &semaphore, .name = "a"},
                            {.semaphore = &semaphore, .name = "b"},
                            {.semaphore = &semaphore, .name = "c"}};
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, take_two_turns, &turns[i]);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_TRACE("a 1", "b 1", "c 1", "a 2", "b 2", "c 2");
}

static int release_and_take_again(void *arg)
{
    struct actor *actor = arg;
    int err = asyncio_semaphore_acquire(actor->semaphore);
    if (err < 0) return err;
    trace("%s has it", actor->name);
    EXPECT_EQ(asyncio_semaphore_release(actor->semaphore), 0);
    err = asyncio_semaphore_acquire(actor->semaphore);
    trace("%s has it again", actor->name);
    return err;
}

// asyncio's test_acquire_fifo_order_2 and _3.
TEST(released_unit_does_not_come_back_past_those_who_wait, .ordered = true)
{
    struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE(0);
    struct actor actors[] = {{.semaphore = &semaphore, .name = "a"},
                             {.semaphore = &semaphore, .name = "b"},
                             {.semaphore = &semaphore, .name = "c"}};
    struct asyncio_task *tasks[] = {
        asyncio_create_task(act, &actors[0]),
        asyncio_create_task(release_and_take_again, &actors[1]),
        asyncio_create_task(act, &actors[2])};
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_task_cancel(tasks[0]);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_semaphore_release(&semaphore), 0);
    EXPECT_EQ(asyncio_semaphore_release(&semaphore), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("a not", "b has it", "c has it", "b has it again");
    end_all(tasks, 3);
}

// asyncio's test_acquire_fifo_order_4.
TEST(newcomer_queues_behind_those_who_were_woken, .ordered = true)
{
    CONFORMS("SEM-05");
    struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE(0);
    struct actor actors[] = {
        {.semaphore = &semaphore, .name = "first"},
        {.semaphore = &semaphore, .name = "second", .releases = 3},
        {.semaphore = &semaphore, .name = "third"}};
    struct asyncio_task *tasks[3];
    start_all(tasks, act, actors, 3);
    EXPECT_EQ(asyncio_sleep(0), 0);
    // The first was handed a unit and has not run, so the others wait.
    EXPECT_EQ(semaphore.value, 2);
    EXPECT(asyncio_semaphore_locked(&semaphore));
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(semaphore.value, 0); // it served them when it ran
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("first has it", "second has it", "third has it");
    end_all(tasks, 3);
}

TEST(unit_that_was_handed_over_is_not_to_be_had, .ordered = true)
{
    CONFORMS("SEM-06");
    struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE(0);
    struct actor actor = {.semaphore = &semaphore, .name = "a"};
    struct asyncio_task *task = asyncio_create_task(act, &actor);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_semaphore_release(&semaphore), 0);
    EXPECT_EQ(asyncio_semaphore_acquire_nowait(&semaphore), -EAGAIN);
    EXPECT(asyncio_semaphore_locked(&semaphore));
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("a has it");
    end_all(&task, 1);
}

// --- cancelling -------------------------------------------------------------

TEST(unit_passes_over_waiters_that_were_cancelled, .ordered = true)
{
    CONFORMS("SEM-03");
    struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE(0);
    struct actor actors[] = {{.semaphore = &semaphore, .name = "a"},
                             {.semaphore = &semaphore, .name = "b"},
                             {.semaphore = &semaphore, .name = "c"},
                             {.semaphore = &semaphore, .name = "d"}};
    struct asyncio_task *tasks[4];
    start_all(tasks, act, actors, 4);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_task_cancel(tasks[0]);
    asyncio_task_cancel(tasks[1]);
    EXPECT_EQ(asyncio_semaphore_release(&semaphore), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("a not", "b not", "c has it");
    EXPECT(!asyncio_task_done(tasks[3]));
    EXPECT(asyncio_semaphore_locked(&semaphore));
    end_all(tasks, 4);
    EXPECT_TRACE("d not");
}

static int hold_and_cancel(void *arg)
{
    struct actor *actor = arg;
    int err = asyncio_semaphore_acquire(actor->semaphore);
    if (err < 0) return err;
    err = asyncio_sleep(0);
    asyncio_semaphore_release(actor->semaphore);
    asyncio_task_cancel(actor->victim);
    return err;
}

// asyncio's test_acquire_no_hang.
TEST(holder_that_cancels_the_next_leaves_a_free_unit, .ordered = true)
{
    CONFORMS("SEM-04");
    struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE(1);
    struct actor holder = {.semaphore = &semaphore, .name = "holder"},
                 next = {.semaphore = &semaphore, .name = "next"};
    struct asyncio_task *tasks[2];
    tasks[0] = asyncio_create_task(hold_and_cancel, &holder);
    tasks[1] = holder.victim = asyncio_create_task(act, &next);
    EXPECT_EQ(asyncio_await(tasks[0]), 0);
    EXPECT_EQ(asyncio_await(tasks[1]), -ECANCELED);
    uint64_t pass = asyncio_loop_passes(asyncio_get_running_loop());
    EXPECT_EQ(asyncio_wait_for(asyncio_semaphore_acquire(&semaphore), 1), 0);
    EXPECT_EQ(asyncio_loop_passes(asyncio_get_running_loop()), pass);
    EXPECT_TRACE("next not");
    end_all(tasks, 2);
}

TEST(cancelled_waiter_gives_its_unit_back)
{
    CONFORMS("SEM-07");
    struct asyncio_semaphore semaphore = ASYNCIO_BOUNDED_SEMAPHORE(1);
    EXPECT_EQ(asyncio_semaphore_acquire_nowait(&semaphore), 0);
    struct actor actor = {.semaphore = &semaphore, .name = "a"};
    struct asyncio_task *task = asyncio_create_task(act, &actor);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_semaphore_release(&semaphore), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(semaphore.value, 1);
    EXPECT(!asyncio_semaphore_locked(&semaphore));
    EXPECT_EQ(asyncio_semaphore_release(&semaphore), -EOVERFLOW);
    end_all(&task, 1);
}

TEST(unit_of_a_cancelled_waiter_goes_to_the_next, .ordered = true)
{
    struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE(0);
    struct actor actors[] = {{.semaphore = &semaphore, .name = "a"},
                             {.semaphore = &semaphore, .name = "b"}};
    struct asyncio_task *tasks[2];
    start_all(tasks, act, actors, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_semaphore_release(&semaphore), 0);
    asyncio_task_cancel(tasks[0]);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("a not", "b has it");
    EXPECT_EQ(semaphore.value, 0);
    end_all(tasks, 2);
}

TEST(time_limit_takes_no_unit_with_it)
{
    struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE(0);
    EXPECT_EQ(asyncio_wait_for(asyncio_semaphore_acquire(&semaphore), 1),
              -ETIMEDOUT);
    EXPECT_EQ(asyncio_semaphore_release(&semaphore), 0);
    EXPECT_EQ(asyncio_semaphore_acquire_nowait(&semaphore), 0);
}

// --- limiters ---------------------------------------------------------------

static int borrow(void *arg)
{
    struct asyncio_limiter *limiter = arg;
    int err = asyncio_limiter_acquire(limiter, NULL);
    if (err < 0) return err;
    EXPECT_EQ(asyncio_limiter_acquire(limiter, NULL), -EALREADY);
    err = asyncio_sleep(1);
    EXPECT_EQ(asyncio_limiter_release(limiter, NULL), 0);
    EXPECT_EQ(asyncio_limiter_release(limiter, NULL), -EPERM);
    return err;
}

TEST(borrower_has_one_unit_and_returns_what_it_has)
{
    CONFORMS("SEM-09");
    struct asyncio_limiter limiter;
    EXPECT_EQ(asyncio_limiter_init(&limiter, -1), -EINVAL);
    EXPECT_EQ(asyncio_limiter_init(&limiter, 2), 0);
    EXPECT_EQ(asyncio_limiter_release(&limiter, NULL), -EPERM);
    int err = asyncio_limiter_acquire(&limiter, NULL);
    if (err < 0) return;
    EXPECT_EQ(asyncio_limiter_acquire(&limiter, NULL), -EALREADY);
    EXPECT_EQ(asyncio_limiter_borrowed(&limiter), 1);
    EXPECT_EQ(asyncio_limiter_release(&limiter, &limiter), -EPERM);
    EXPECT_EQ(asyncio_limiter_release(&limiter, NULL), 0);
    EXPECT_EQ(asyncio_limiter_release(&limiter, NULL), -EPERM);
    EXPECT_EQ(asyncio_limiter_borrowed(&limiter), 0);
}

TEST(borrowers_may_be_named)
{
    CONFORMS("SEM-09");
    struct asyncio_limiter limiter;
    int a, b;
    EXPECT_EQ(asyncio_limiter_init(&limiter, 2), 0);
    int got_a = asyncio_limiter_acquire(&limiter, &a);
    int got_b = asyncio_limiter_acquire(&limiter, &b);
    EXPECT_EQ(got_a, 0);
    EXPECT_EQ(got_b, 0);
    EXPECT_EQ(asyncio_limiter_borrowed(&limiter), 2);
    if (got_a == 0) {
        EXPECT_EQ(asyncio_limiter_acquire(&limiter, &a), -EALREADY);
        EXPECT_EQ(asyncio_limiter_release(&limiter, &a), 0);
    }
    if (got_b == 0) EXPECT_EQ(asyncio_limiter_release(&limiter, &b), 0);
}

TEST(limiter_lends_no_more_than_it_has)
{
    struct asyncio_limiter limiter;
    EXPECT_EQ(asyncio_limiter_init(&limiter, 2), 0);
    double start = asyncio_time();
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 6; i++)
        asyncio_task_group_create_task(&group, borrow, &limiter);
    int err = asyncio_sleep(0.5);
    EXPECT_EQ(asyncio_limiter_borrowed(&limiter), 2);
    EXPECT_EQ(asyncio_task_group_exit(&group, err), 0);
    EXPECT_GE(asyncio_time() - start, 2.9);
    EXPECT_EQ(asyncio_limiter_borrowed(&limiter), 0);
}

TEST(cancelled_borrower_waits_no_more)
{
    struct asyncio_limiter limiter;
    int waiting, holding;
    EXPECT_EQ(asyncio_limiter_init(&limiter, 1), 0);
    if (asyncio_limiter_acquire(&limiter, &holding) < 0) return;
    EXPECT_EQ(asyncio_wait_for(asyncio_limiter_acquire(&limiter, &waiting), 1),
              -ETIMEDOUT);
    EXPECT_EQ(asyncio_limiter_release(&limiter, &waiting), -EPERM);
    EXPECT_EQ(asyncio_limiter_release(&limiter, &holding), 0);
    EXPECT_EQ(asyncio_limiter_borrowed(&limiter), 0);
}

TEST(limiter_is_tried_without_waiting)
{
    struct asyncio_limiter limiter;
    int a, b;
    EXPECT_EQ(asyncio_limiter_init(&limiter, 1), 0);
    if (asyncio_limiter_acquire_nowait(&limiter, &a) < 0) return;
    EXPECT_EQ(asyncio_limiter_acquire_nowait(&limiter, &a), -EALREADY);
    EXPECT_EQ(asyncio_limiter_acquire_nowait(&limiter, &b), -EAGAIN);
    EXPECT_EQ(asyncio_limiter_acquire_nowait(&limiter, NULL), -EAGAIN);
    EXPECT_EQ(asyncio_limiter_release(&limiter, &b), -EPERM);
    EXPECT_EQ(asyncio_limiter_borrowed(&limiter), 1);
    EXPECT_EQ(asyncio_limiter_release(&limiter, &a), 0);
}

TEST_PLAIN(limiter_is_tried_for_somebody_outside_tasks)
{
    struct asyncio_limiter limiter;
    int a;
    EXPECT_EQ(asyncio_limiter_init(&limiter, 1), 0);
    EXPECT_EQ(asyncio_limiter_acquire_nowait(&limiter, NULL), -EPERM);
    if (asyncio_limiter_acquire_nowait(&limiter, &a) < 0) return;
    EXPECT_EQ(asyncio_limiter_release(&limiter, &a), 0);
}

static int borrow_for_a_while(void *arg)
{
    struct asyncio_limiter *limiter = arg;
    int err = asyncio_limiter_acquire(limiter, NULL);
    if (err < 0) return err;
    err = asyncio_sleep(1);
    EXPECT_EQ(asyncio_limiter_release(limiter, NULL), 0);
    return err;
}

TEST(limiter_with_more_units_lends_them_to_those_who_wait)
{
    struct asyncio_limiter limiter;
    EXPECT_EQ(asyncio_limiter_init(&limiter, 1), 0);
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 4; i++)
        asyncio_task_group_create_task(&group, borrow_for_a_while, &limiter);
    int err = asyncio_sleep(0.5);
    EXPECT_EQ(asyncio_limiter_borrowed(&limiter), 1);
    EXPECT_EQ(asyncio_limiter_waiting(&limiter), 3);
    EXPECT_EQ(asyncio_limiter_set_units(&limiter, -1), -EINVAL);
    EXPECT_EQ(asyncio_limiter_set_units(&limiter, 3), 0);
    EXPECT_EQ(asyncio_limiter_units(&limiter), 3);
    EXPECT_EQ(asyncio_limiter_borrowed(&limiter), 3);
    EXPECT_EQ(asyncio_limiter_waiting(&limiter), 1);
    EXPECT_EQ(asyncio_task_group_exit(&group, err), 0);
    EXPECT_EQ(asyncio_limiter_borrowed(&limiter), 0);
}

TEST(limiter_with_fewer_units_lends_none_until_so_many_came_back)
{
    struct asyncio_limiter limiter;
    int who[4];
    bool fine = true;
    EXPECT_EQ(asyncio_limiter_init(&limiter, 3), 0);
    for (int i = 0; i < 3; i++)
        if (asyncio_limiter_acquire_nowait(&limiter, &who[i]) < 0) fine = false;
    EXPECT_EQ(asyncio_limiter_set_units(&limiter, 1), 0);
    if (fine) EXPECT_EQ(asyncio_limiter_borrowed(&limiter), 3);
    for (int i = 0; i < 3; i++) {
        if (fine)
            EXPECT_EQ(asyncio_limiter_acquire_nowait(&limiter, &who[3]),
                      -EAGAIN);
        int err = asyncio_limiter_release(&limiter, &who[i]);
        EXPECT(err == 0 || !fine);
    }
    EXPECT_EQ(asyncio_limiter_borrowed(&limiter), 0);
    if (asyncio_limiter_acquire_nowait(&limiter, &who[3]) < 0) return;
    EXPECT_EQ(asyncio_limiter_release(&limiter, &who[3]), 0);
}

// Who was promised a unit has it for all others.
TEST(unit_that_comes_back_is_lent_to_the_next_at_once)
{
    struct asyncio_limiter limiter;
    int holder, third;
    EXPECT_EQ(asyncio_limiter_init(&limiter, 1), 0);
    if (asyncio_limiter_acquire_nowait(&limiter, &holder) < 0) return;
    struct asyncio_task *task =
        asyncio_create_task(borrow_for_a_while, &limiter);
    EXPECT_EQ(asyncio_sleep(0.5), 0);
    EXPECT_EQ(asyncio_limiter_release(&limiter, &holder), 0);
    EXPECT_EQ(asyncio_limiter_borrowed(&limiter), 1);
    int err = asyncio_limiter_acquire_nowait(&limiter, &third);
    EXPECT_EQ(err, -EAGAIN);
    if (err == 0) EXPECT_EQ(asyncio_limiter_release(&limiter, &third), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(asyncio_limiter_borrowed(&limiter), 0);
    asyncio_task_release(task);
}

// trio's test_CapacityLimiter_zero_limit_tokens.
TEST(limiter_of_no_units_lets_all_wait_until_it_has_some)
{
    struct asyncio_limiter limiter;
    EXPECT_EQ(asyncio_limiter_init(&limiter, 0), 0);
    EXPECT_EQ(asyncio_limiter_acquire_nowait(&limiter, &limiter), -EAGAIN);
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, borrow_for_a_while, &limiter);
    int err = asyncio_sleep(5);
    EXPECT_EQ(asyncio_limiter_borrowed(&limiter), 0);
    EXPECT_EQ(asyncio_limiter_set_units(&limiter, 3), 0);
    if (err == 0) err = asyncio_sleep(0.5);
    EXPECT_EQ(asyncio_limiter_set_units(&limiter, 0), 0);
    EXPECT_EQ(asyncio_limiter_units(&limiter), 0);
    EXPECT_EQ(asyncio_task_group_exit(&group, err), 0);
    EXPECT_EQ(asyncio_limiter_borrowed(&limiter), 0);
    EXPECT_EQ(asyncio_limiter_acquire_nowait(&limiter, &limiter), -EAGAIN);
}
