// Conditions: the lock is there whenever a wait returns, and a notification
// reaches somebody who acts on it.

#include <asyncio/condition.h>
#include <asyncio/group.h>
#include <asyncio/timeout.h>

#include "tasks.h"

struct actor {
    struct asyncio_condition *condition;
    const char *name;
    struct asyncio_task *victim; // cancelled when it has been notified
    double holds;                // the lock, for so long
    int code;                    // of the wait
};

static int act(void *arg)
{
    struct actor *actor = arg;
    ASYNCIO_WITH_CONDITION(held, actor->condition);
    if (held_entered < 0) return held_entered;
    actor->code = asyncio_condition_wait(actor->condition);
    trace("%s %s", actor->name, actor->code < 0 ? "not" : "notified");
    EXPECT(asyncio_condition_locked(actor->condition));
    // It is the one that holds the lock: only then may it notify.
    EXPECT_EQ(asyncio_condition_notify(actor->condition, 0), 0);
    if (actor->victim) asyncio_task_cancel(actor->victim);
    if (actor->holds > 0) {
        int err = asyncio_sleep(actor->holds);
        if (err < 0) return err;
    }
    return actor->code;
}

// Takes the lock, notifies so many, and gives it up.
static void notify(struct asyncio_condition *condition, size_t count)
{
    EXPECT_EQ(asyncio_condition_acquire_nowait(condition), 0);
    EXPECT_EQ(asyncio_condition_notify(condition, count), 0);
    EXPECT_EQ(asyncio_condition_release(condition), 0);
}

// --- whose lock it is -------------------------------------------------------

static int notify_it(void *condition)
{
    return asyncio_condition_notify_all(condition);
}

static int wait_on_it(void *condition)
{
    return asyncio_condition_wait(condition);
}

static int never(void *arg)
{
    (void)arg;
    return 0;
}

TEST(who_does_not_hold_the_lock_may_neither_wait_nor_notify)
{
    CONFORMS("COND-01");
    struct asyncio_condition condition = {0};
    EXPECT_EQ(asyncio_condition_wait(&condition), -EPERM);
    EXPECT_EQ(asyncio_condition_wait_for(&condition, never, NULL), -EPERM);
    EXPECT_EQ(asyncio_condition_notify(&condition, 1), -EPERM);
    EXPECT_EQ(asyncio_condition_notify_all(&condition), -EPERM);
    EXPECT_EQ(asyncio_condition_release(&condition), -EPERM);
    EXPECT(!asyncio_condition_locked(&condition));

    // Nor while another task has it.
    EXPECT_EQ(asyncio_condition_acquire_nowait(&condition), 0);
    int (*calls[])(void *) = {notify_it, wait_on_it};
    for (int i = 0; i < 2; i++) {
        struct asyncio_task *task = asyncio_create_task(calls[i], &condition);
        int err = asyncio_wait_for(task, 1000);
        EXPECT(err == -EPERM || err == -ENOMEM); // no memory for the task
        asyncio_task_release(task);
    }
    EXPECT(asyncio_condition_locked(&condition));
    EXPECT_EQ(asyncio_condition_release(&condition), 0);
}

TEST_PLAIN(waiting_on_a_condition_wants_a_task)
{
    struct asyncio_condition condition = {0};
    EXPECT_EQ(asyncio_condition_acquire(&condition), -EPERM);
    EXPECT_EQ(asyncio_condition_acquire_nowait(&condition), 0);
    EXPECT_EQ(asyncio_condition_wait(&condition), -EPERM);
    EXPECT_EQ(asyncio_condition_wait_for(&condition, never, NULL), -EPERM);
    EXPECT_EQ(asyncio_condition_notify(&condition, 1), 0);
    EXPECT_EQ(asyncio_condition_release(&condition), 0);
}

static int take_it(void *condition)
{
    return asyncio_condition_acquire(condition);
}

// asyncio's test_wait: the waiters end with the lock in their hands.
TEST(lock_whose_holder_has_ended_is_anybodys)
{
    struct asyncio_condition condition = {0};
    struct asyncio_task *task = asyncio_create_task(take_it, &condition);
    int err = asyncio_wait_for(task, 1000);
    asyncio_task_release(task);
    if (err < 0) return;
    EXPECT(asyncio_condition_locked(&condition));
    EXPECT_EQ(asyncio_condition_notify_all(&condition), 0);
    EXPECT_EQ(asyncio_wait_for(asyncio_condition_wait(&condition), 1),
              -ETIMEDOUT);
    EXPECT_EQ(asyncio_condition_release(&condition), 0);
}

TEST(condition_shares_the_lock_that_it_was_given)
{
    CONFORMS("COND-08");
    struct asyncio_lock lock = {0};
    struct asyncio_condition first = ASYNCIO_CONDITION(&lock), second, own;
    asyncio_condition_init(&second, &lock);
    asyncio_condition_init(&own, NULL);
    EXPECT_SAME(asyncio_condition_lock(&first), &lock);

    EXPECT_EQ(asyncio_lock_acquire(&lock), 0);
    EXPECT(asyncio_lock_locked(&lock));
    EXPECT(asyncio_condition_locked(&first));
    EXPECT(asyncio_condition_locked(&second));
    EXPECT(!asyncio_condition_locked(&own));
    EXPECT_EQ(asyncio_condition_acquire_nowait(&second), -EAGAIN);
    EXPECT_EQ(asyncio_condition_release(&second), 0);
    EXPECT(!asyncio_lock_locked(&lock));

    EXPECT_EQ(asyncio_condition_acquire(&first), 0);
    EXPECT(asyncio_lock_locked(&lock));
    EXPECT(asyncio_condition_locked(&second));
    EXPECT_EQ(asyncio_lock_release(&lock), 0);
    EXPECT(!asyncio_condition_locked(&first));
}

// --- waiting and notifying --------------------------------------------------

TEST(lock_is_free_while_the_waiter_waits_and_held_when_it_returns)
{
    CONFORMS("COND-02");
    struct asyncio_condition condition = {0};
    struct actor actor = {.condition = &condition, .name = "a", .holds = 1};
    struct asyncio_task *task;
    start_all(&task, act, &actor, 1);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    EXPECT(!asyncio_condition_locked(&condition));
    EXPECT_EQ(asyncio_condition_waiting(&condition), 1);
    notify(&condition, 1);
    EXPECT_EQ(asyncio_sleep(0.5), 0);
    EXPECT_TRACE("a notified");
    EXPECT(asyncio_condition_locked(&condition)); // by the waiter
    EXPECT_EQ(asyncio_wait_for(task, 1000), 0);
    EXPECT(!asyncio_condition_locked(&condition));
    asyncio_task_release(task);
}

TEST(notified_waiter_returns_when_the_notifier_lets_go_of_the_lock)
{
    CONFORMS("COND-03");
    struct asyncio_condition condition = {0};
    struct actor actor = {.condition = &condition, .name = "a"};
    struct asyncio_task *task;
    start_all(&task, act, &actor, 1);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    EXPECT_EQ(asyncio_condition_acquire_nowait(&condition), 0);
    EXPECT_EQ(asyncio_condition_notify(&condition, 1), 0);
    EXPECT_EQ(asyncio_sleep(10), 0);
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_condition_waiting(&condition), 0);
    EXPECT_EQ(asyncio_condition_release(&condition), 0);
    EXPECT_EQ(asyncio_wait_for(task, 1000), 0);
    EXPECT_TRACE("a notified");
    asyncio_task_release(task);
}

TEST(notify_wakes_so_many_in_order_of_arrival, .ordered = true)
{
    struct asyncio_condition condition = {0};
    struct actor actors[] = {{.condition = &condition, .name = "a"},
                             {.condition = &condition, .name = "b"},
                             {.condition = &condition, .name = "c"},
                             {.condition = &condition, .name = "d"}};
    struct asyncio_task *tasks[4];
    start_all(tasks, act, actors, 4);
    EXPECT_EQ(asyncio_sleep(0), 0);
    notify(&condition, 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE();
    notify(&condition, 1);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("a notified");
    notify(&condition, 2);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("b notified", "c notified");
    notify(&condition, 2048);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("d notified");
    EXPECT(!asyncio_condition_locked(&condition));
    end_all(tasks, 4);
}

TEST(notify_all_lets_each_return_as_it_gets_the_lock, .ordered = true)
{
    CONFORMS("COND-04");
    struct asyncio_condition condition = {0};
    struct actor actors[] = {
        {.condition = &condition, .name = "a", .holds = 1},
        {.condition = &condition, .name = "b", .holds = 1},
        {.condition = &condition, .name = "c", .holds = 1}};
    struct asyncio_task *tasks[3];
    start_all(tasks, act, actors, 3);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_condition_waiting(&condition), 3);
    EXPECT_EQ(asyncio_condition_acquire_nowait(&condition), 0);
    EXPECT_EQ(asyncio_condition_notify_all(&condition), 0);
    EXPECT_EQ(asyncio_condition_waiting(&condition), 0);
    EXPECT_EQ(asyncio_condition_release(&condition), 0);
    EXPECT_EQ(asyncio_sleep(0.5), 0);
    EXPECT_TRACE("a notified");
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("b notified");
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("c notified");
    end_all(tasks, 3);
    EXPECT(!asyncio_condition_locked(&condition));
}

// --- cancelling -------------------------------------------------------------

TEST(cancelled_waiter_has_the_lock_again)
{
    struct asyncio_condition condition = {0};
    struct actor actor = {.condition = &condition, .name = "a"};
    struct asyncio_task *task;
    start_all(&task, act, &actor, 1);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_condition_waiting(&condition), 0);
    EXPECT_EQ(asyncio_wait_for(task, 1000), -ECANCELED);
    EXPECT_TRACE("a not");
    EXPECT(!asyncio_condition_locked(&condition));
    asyncio_task_release(task);
}

// asyncio's test_wait_cancel_contested.
TEST(cancelled_waiter_waits_for_the_lock_before_it_returns)
{
    struct asyncio_condition condition = {0};
    struct actor actor = {.condition = &condition, .name = "a"};
    struct asyncio_task *task;
    start_all(&task, act, &actor, 1);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    EXPECT_EQ(asyncio_condition_acquire_nowait(&condition), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task); // one more makes no difference
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE();
    EXPECT(!asyncio_task_done(task));
    EXPECT_EQ(asyncio_condition_release(&condition), 0);
    EXPECT_EQ(asyncio_wait_for(task, 1000), -ECANCELED);
    EXPECT_TRACE("a not");
    EXPECT(!asyncio_condition_locked(&condition));
    asyncio_task_release(task);
}

// asyncio's test_cancelled_wakeup, in both orders.
static void cancel_the_first(bool notify_first)
{
    struct asyncio_condition condition = {0};
    struct actor actors[] = {{.condition = &condition, .name = "a"},
                             {.condition = &condition, .name = "b"},
                             {.condition = &condition, .name = "c"}};
    struct asyncio_task *tasks[3];
    start_all(tasks, act, actors, 3);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_condition_acquire_nowait(&condition), 0);
    if (notify_first) EXPECT_EQ(asyncio_condition_notify(&condition, 1), 0);
    asyncio_task_cancel(tasks[0]);
    if (!notify_first) EXPECT_EQ(asyncio_condition_notify(&condition, 1), 0);
    EXPECT_EQ(asyncio_condition_release(&condition), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(actors[0].code, -ECANCELED);
    EXPECT_TRACE("a not", "b notified");
    EXPECT(!asyncio_task_done(tasks[2])); // one notification, one task
    EXPECT_EQ(asyncio_condition_waiting(&condition), 1);
    end_all(tasks, 3);
    EXPECT_TRACE("c not");
}

TEST(notification_of_a_cancelled_waiter_goes_to_the_next, .ordered = true)
{
    CONFORMS("COND-05");
    cancel_the_first(true);
    cancel_the_first(false);
}

// asyncio's test_cancelled_wakeup_relock.
TEST(notification_of_one_cancelled_at_the_lock_goes_to_the_next,
     .ordered = true)
{
    CONFORMS("COND-06");
    struct asyncio_condition condition = {0};
    struct actor actors[] = {{.condition = &condition, .name = "a"},
                             {.condition = &condition, .name = "b"},
                             {.condition = &condition, .name = "c"}};
    struct asyncio_task *tasks[3];
    start_all(tasks, act, actors, 3);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_condition_acquire_nowait(&condition), 0);
    EXPECT_EQ(asyncio_condition_notify(&condition, 1), 0);
    EXPECT_EQ(asyncio_sleep(0), 0); // it stands at the lock now
    asyncio_task_cancel(tasks[0]);
    EXPECT_EQ(asyncio_condition_release(&condition), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(actors[0].code, -ECANCELED);
    EXPECT_TRACE("a not", "b notified");
    EXPECT(!asyncio_task_done(tasks[2]));
    end_all(tasks, 3);
    EXPECT_TRACE("c not");
    EXPECT(!asyncio_condition_locked(&condition));
}

TEST(cancel_between_the_grant_of_the_lock_and_the_run_is_not_lost,
     .ordered = true)
{
    CONFORMS("COND-06");
    struct asyncio_condition condition = {0};
    struct actor actors[] = {{.condition = &condition, .name = "a"},
                             {.condition = &condition, .name = "b"}};
    struct asyncio_task *tasks[2];
    start_all(tasks, act, actors, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_condition_acquire_nowait(&condition), 0);
    EXPECT_EQ(asyncio_condition_notify(&condition, 1), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_condition_release(&condition), 0);
    asyncio_task_cancel(tasks[0]);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(actors[0].code, -ECANCELED);
    EXPECT_TRACE("a not", "b notified");
    EXPECT(!asyncio_condition_locked(&condition));
    end_all(tasks, 2);
}

TEST(cancel_taken_back_while_at_the_lock_is_as_if_it_had_not_been)
{
    struct asyncio_condition condition = {0};
    struct actor actor = {.condition = &condition, .name = "a"};
    struct asyncio_task *task;
    start_all(&task, act, &actor, 1);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    EXPECT_EQ(asyncio_condition_acquire_nowait(&condition), 0);
    EXPECT_EQ(asyncio_condition_notify(&condition, 1), 0);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    asyncio_task_cancel(task);
    asyncio_task_uncancel(task);
    EXPECT_EQ(asyncio_condition_release(&condition), 0);
    EXPECT_EQ(asyncio_wait_for(task, 1000), 0);
    EXPECT_TRACE("a notified");
    asyncio_task_release(task);
}

// --- predicates and limits --------------------------------------------------

struct stock {
    struct asyncio_condition changed;
    int pieces;
    int looks;
};

static int enough(void *arg)
{
    struct stock *stock = arg;
    stock->looks++;
    EXPECT(asyncio_condition_locked(&stock->changed));
    return stock->pieces < 0 ? stock->pieces : stock->pieces / 3;
}

static int wait_for_enough(void *arg)
{
    struct stock *stock = arg;
    ASYNCIO_WITH_CONDITION(held, &stock->changed);
    if (held_entered < 0) return held_entered;
    return asyncio_condition_wait_for(&stock->changed, enough, stock);
}

TEST(wait_for_a_predicate_takes_no_notice_of_others)
{
    CONFORMS("COND-07");
    struct stock stock = {.pieces = 0};
    struct asyncio_task *task = asyncio_create_task(wait_for_enough, &stock);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    for (int i = 1; i <= 2; i++) {
        stock.pieces = i;
        notify(&stock.changed, 1);
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT(!asyncio_task_done(task));
        EXPECT_EQ(stock.looks, 1 + i);
    }
    stock.pieces = 14;
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT(!asyncio_task_done(task)); // nobody has said so
    notify(&stock.changed, 1);
    EXPECT_EQ(asyncio_wait_for(task, 1000), 4); // what the predicate returned
    EXPECT(!asyncio_condition_locked(&stock.changed));
    asyncio_task_release(task);
}

TEST(predicate_that_fails_ends_the_wait)
{
    struct stock stock = {.pieces = 0};
    struct asyncio_task *task = asyncio_create_task(wait_for_enough, &stock);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    stock.pieces = -EIO;
    notify(&stock.changed, 1);
    EXPECT_EQ(asyncio_wait_for(task, 1000), -EIO);
    asyncio_task_release(task);
}

static int three(void *arg)
{
    (void)arg;
    return 3;
}

// asyncio's test_wait_for_unacquired.
TEST(predicate_that_holds_already_needs_no_wait)
{
    CONFORMS("COND-07");
    struct asyncio_condition condition = {0};
    EXPECT_EQ(asyncio_condition_wait_for(&condition, three, NULL), 3);
    EXPECT_EQ(asyncio_condition_wait_for(&condition, never, NULL), -EPERM);
}

// asyncio's test_timeout_in_block.
TEST(waiting_for_no_predicate_is_refused)
{
    struct asyncio_condition condition = {0};
    ASYNCIO_WITH_CONDITION(held, &condition);
    EXPECT_OR_RETURN(held_entered == 0);
    EXPECT_EQ(asyncio_condition_wait_for(&condition, NULL, NULL), -EINVAL);
    EXPECT(asyncio_condition_locked(&condition));
}

TEST(time_limit_of_a_wait_leaves_the_lock_held)
{
    CONFORMS("COND-09");
    struct asyncio_condition condition = {0};
    ASYNCIO_WITH_CONDITION(held, &condition);
    if (held_entered < 0) return;
    double start = asyncio_time();
    EXPECT_EQ(asyncio_wait_for(asyncio_condition_wait(&condition), 0.5),
              -ETIMEDOUT);
    EXPECT_EQ(asyncio_time() - start, 0.5);
    EXPECT(asyncio_condition_locked(&condition));
    EXPECT_EQ(asyncio_condition_notify(&condition, 1), 0); // it is ours
    EXPECT_EQ(asyncio_condition_waiting(&condition), 0);

    EXPECT_EQ(asyncio_wait_for(
                  asyncio_condition_wait_for(&condition, never, NULL), 0.5),
              -ETIMEDOUT);
    EXPECT(asyncio_condition_locked(&condition));
}

static int hold_it(void *condition)
{
    ASYNCIO_WITH_CONDITION(held, condition);
    if (held_entered < 0) return held_entered;
    return asyncio_sleep(10);
}

TEST(time_limit_that_passes_while_the_lock_is_not_free_is_reported_then)
{
    CONFORMS("COND-09");
    struct asyncio_condition condition = {0};
    ASYNCIO_WITH_CONDITION(held, &condition);
    if (held_entered < 0) return;
    struct asyncio_task *task = asyncio_create_task(hold_it, &condition);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    double start = asyncio_time();
    EXPECT_EQ(asyncio_wait_for(asyncio_condition_wait(&condition), 1),
              -ETIMEDOUT);
    if (asyncio_wait_for(task, 1000) == 0)
        EXPECT_GE(asyncio_time() - start, 10);
    EXPECT_EQ(asyncio_condition_notify(&condition, 1), 0);
    asyncio_task_release(task);
}

// --- all at once ------------------------------------------------------------

enum { ROUNDS = 60, TAKERS = 5 };

struct store {
    struct asyncio_condition changed;
    int items;
};

static int take_items(void *arg)
{
    struct store *store = arg;
    ASYNCIO_WITH_CONDITION(held, &store->changed);
    if (held_entered < 0) return held_entered;
    for (;;) {
        int err = asyncio_condition_wait(&store->changed);
        if (err < 0) return err;
        if (store->items > 0) store->items--;
    }
}

// Adds one item with one notification, and cancels the first `victims` takers
// at one of four moments. An item that stays is a notification that was lost.
static void add_item(struct store *store, struct asyncio_task *takers[],
                     int victims, int moment)
{
    EXPECT_EQ(asyncio_condition_acquire_nowait(&store->changed), 0);
    store->items++;
    EXPECT_EQ(asyncio_condition_notify(&store->changed, 1), 0);
    if (moment == 1) EXPECT_EQ(asyncio_sleep(0.01), 0); // they want the lock
    if (moment > 1) EXPECT_EQ(asyncio_condition_release(&store->changed), 0);
    if (moment == 3) EXPECT_EQ(asyncio_sleep(0), 0); // some have run
    for (int i = 0; i < victims; i++)
        asyncio_task_cancel(takers[i]);
    if (moment < 2) EXPECT_EQ(asyncio_condition_release(&store->changed), 0);
}

TEST(no_notification_is_lost_whoever_is_cancelled)
{
    CONFORMS("COND-05");
    CONFORMS("COND-06");
    struct store store = {.items = 0};
    struct asyncio_task *takers[TAKERS];
    for (int i = 0; i < TAKERS; i++)
        takers[i] = asyncio_create_task(take_items, &store);
    for (int round = 0; round < ROUNDS; round++) {
        EXPECT_EQ(asyncio_sleep(0.01), 0);
        EXPECT_EQ(asyncio_condition_waiting(&store.changed), TAKERS);
        int victims = 1 + round / 4 % (TAKERS - 1);
        add_item(&store, takers, victims, round % 4);
        EXPECT_EQ(asyncio_sleep(0.01), 0);
        EXPECT_EQ(store.items, 0);
        EXPECT(!asyncio_condition_locked(&store.changed));
        end_all(takers, (size_t)victims);
        for (int i = 0; i < victims; i++)
            takers[i] = asyncio_create_task(take_items, &store);
    }
    end_all(takers, TAKERS);
}
