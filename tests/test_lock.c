// Locks: handed over in order of arrival, never lost, released on any way out
// of a block.

#include <asyncio/group.h>
#include <asyncio/lock.h>
#include <asyncio/timeout.h>

#include "tasks.h"

struct actor {
    struct asyncio_lock *lock;
    const char *name;
    bool keeps; // the lock
};

static int act(void *arg)
{
    struct actor *actor = arg;
    int err = asyncio_lock_acquire(actor->lock);
    trace("%s %s", actor->name, err < 0 ? "not" : "has it");
    if (err < 0 || actor->keeps) return err;
    EXPECT_EQ(asyncio_lock_release(actor->lock), 0);
    return 0;
}

// --- taking and releasing ---------------------------------------------------

TEST_PLAIN(lock_that_is_free_cannot_be_released)
{
    CONFORMS("LOCK-02");
    struct asyncio_lock lock = {0};
    EXPECT_EQ(asyncio_lock_release(&lock), -EPERM);
    EXPECT(!asyncio_lock_locked(&lock));
    EXPECT_EQ(asyncio_lock_acquire_nowait(&lock), 0);
    EXPECT_EQ(asyncio_lock_release(&lock), 0);
    EXPECT_EQ(asyncio_lock_release(&lock), -EPERM);
    EXPECT(!asyncio_lock_locked(&lock));
}

TEST(release_without_waiters_frees_the_lock_at_once)
{
    CONFORMS("LOCK-03");
    struct asyncio_lock lock = {0};
    if (asyncio_lock_acquire(&lock) < 0) return;
    EXPECT(asyncio_lock_locked(&lock));
    EXPECT_EQ(asyncio_lock_acquire_nowait(&lock), -EAGAIN);
    EXPECT_EQ(asyncio_lock_release(&lock), 0);
    EXPECT(!asyncio_lock_locked(&lock));
    EXPECT_EQ(asyncio_lock_acquire_nowait(&lock), 0);
}

TEST_PLAIN(waiting_for_a_lock_wants_a_task)
{
    struct asyncio_lock lock = {0};
    EXPECT_EQ(asyncio_lock_acquire(&lock), -EPERM);
    EXPECT(!asyncio_lock_locked(&lock));
}

static int release_it(void *lock)
{
    return asyncio_lock_release(lock);
}

TEST(another_task_or_a_callback_may_release)
{
    struct asyncio_lock lock = {0};
    if (asyncio_lock_acquire(&lock) < 0) return;
    if (asyncio_call_soon(release_it, &lock) < 0) return;
    EXPECT_EQ(asyncio_wait_for(asyncio_lock_acquire(&lock), 1), 0);
    struct asyncio_task *task = asyncio_create_task(release_it, &lock);
    if (asyncio_wait_for(task, 1000) == 0) EXPECT(!asyncio_lock_locked(&lock));
    asyncio_task_release(task);
}

static int set_flag(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

TEST(loop_of_acquires_of_a_free_lock_lets_others_run_now_and_then)
{
    struct asyncio_lock lock = {0};
    bool ran = false;
    if (asyncio_call_soon(set_flag, &ran) < 0) return;
    EXPECT_EQ(asyncio_lock_acquire(&lock), 0);
    EXPECT(!ran);
    EXPECT_EQ(asyncio_lock_release(&lock), 0);
    for (int i = 0; i < 1000 && !ran; i++) {
        if (asyncio_lock_acquire(&lock) < 0) break;
        EXPECT_EQ(asyncio_lock_release(&lock), 0);
    }
    EXPECT(ran);
}

// --- order ------------------------------------------------------------------

// asyncio's test_acquire.
TEST(waiters_get_the_lock_in_order_of_arrival, .ordered = true)
{
    CONFORMS("LOCK-01");
    struct asyncio_lock lock = {0};
    struct actor actors[] = {{.lock = &lock, .name = "a", .keeps = true},
                             {.lock = &lock, .name = "b", .keeps = true},
                             {.lock = &lock, .name = "c", .keeps = true}};
    struct asyncio_task *tasks[3];
    EXPECT_EQ(asyncio_lock_acquire_nowait(&lock), 0);
    start_all(tasks, act, actors, 3);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_lock_waiting(&lock), 3);
    EXPECT_TRACE();
    const char *lines[] = {"a has it", "b has it", "c has it"};
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(asyncio_lock_release(&lock), 0);
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT_TRACE(lines[i]);
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT_TRACE();
        EXPECT(asyncio_lock_locked(&lock));
    }
    EXPECT_EQ(asyncio_lock_release(&lock), 0);
    EXPECT(!asyncio_lock_locked(&lock));
    end_all(tasks, 3);
}

TEST(newcomer_does_not_get_past_who_was_woken, .ordered = true)
{
    CONFORMS("LOCK-01");
    struct asyncio_lock lock = {0};
    struct actor actors[] = {{.lock = &lock, .name = "first"},
                             {.lock = &lock, .name = "second"}};
    struct asyncio_task *tasks[2];
    EXPECT_EQ(asyncio_lock_acquire_nowait(&lock), 0);
    start_all(tasks, act, actors, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_lock_release(&lock), 0);
    // Handed over, and the first has not run: nobody else can touch it.
    EXPECT(asyncio_lock_locked(&lock));
    EXPECT_EQ(asyncio_lock_acquire_nowait(&lock), -EAGAIN);
    EXPECT_EQ(asyncio_lock_release(&lock), -EPERM);
    EXPECT_EQ(asyncio_wait_for(asyncio_lock_acquire(&lock), 1), 0);
    EXPECT_TRACE("first has it", "second has it");
    EXPECT_EQ(asyncio_lock_release(&lock), 0);
    end_all(tasks, 2);
}

static int take_two_turns(void *arg)
{
    struct actor *actor = arg;
    for (int i = 1; i <= 2; i++) {
        ASYNCIO_WITH_LOCK(held, actor->lock);
        if (held_entered < 0) return held_entered;
        trace("%s %d", actor->name, i);
        int err = asyncio_sleep(0.01);
        if (err < 0) return err;
    }
    return 0;
}

TEST(who_releases_and_asks_again_goes_to_the_end_of_the_line, .ordered = true)
{
    struct asyncio_lock lock = {0};
    struct actor actors[] = {{.lock = &lock, .name = "a"},
                             {.lock = &lock, .name = "b"},
                             {.lock = &lock, .name = "c"}};
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, take_two_turns, &actors[i]);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_TRACE("a 1", "b 1", "c 1", "a 2", "b 2", "c 2");
}

// --- cancelling -------------------------------------------------------------

TEST(cancelled_waiter_leaves_the_line, .ordered = true)
{
    CONFORMS("LOCK-04");
    struct asyncio_lock lock = {0};
    struct actor actor = {.lock = &lock, .name = "a"};
    struct asyncio_task *task;
    EXPECT_EQ(asyncio_lock_acquire_nowait(&lock), 0);
    start_all(&task, act, &actor, 1);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_lock_waiting(&lock), 1);
    asyncio_task_cancel(task);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_lock_waiting(&lock), 0);
    EXPECT_EQ(asyncio_wait_for(task, 1000), -ECANCELED);
    EXPECT_TRACE("a not");
    EXPECT_EQ(asyncio_lock_waiting(&lock), 0);
    EXPECT(asyncio_lock_locked(&lock));
    EXPECT_EQ(asyncio_lock_release(&lock), 0);
    EXPECT(!asyncio_lock_locked(&lock));
    asyncio_task_release(task);
}

// asyncio's test_cancel_race: A is the test itself.
static void race(bool release_first)
{
    struct asyncio_lock lock = {0};
    struct actor actors[] = {{.lock = &lock, .name = "b"},
                             {.lock = &lock, .name = "c"}};
    struct asyncio_task *tasks[2];
    EXPECT_EQ(asyncio_lock_acquire_nowait(&lock), 0);
    start_all(tasks, act, actors, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    if (release_first) EXPECT_EQ(asyncio_lock_release(&lock), 0);
    asyncio_task_cancel(tasks[0]);
    if (!release_first) EXPECT_EQ(asyncio_lock_release(&lock), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_wait_for(tasks[0], 1000), -ECANCELED);
    EXPECT(asyncio_task_done(tasks[1]));
    EXPECT_TRACE("b not", "c has it");
    EXPECT(!asyncio_lock_locked(&lock));
    end_all(tasks, 2);
}

TEST(next_gets_the_lock_if_the_first_is_cancelled_meanwhile, .ordered = true)
{
    CONFORMS("LOCK-05");
    race(false);
    race(true);
}

TEST(grant_of_a_cancelled_waiter_without_others_frees_the_lock)
{
    CONFORMS("LOCK-05");
    struct asyncio_lock lock = {0};
    struct actor actor = {.lock = &lock, .name = "a"};
    struct asyncio_task *task;
    EXPECT_EQ(asyncio_lock_acquire_nowait(&lock), 0);
    start_all(&task, act, &actor, 1);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    EXPECT_EQ(asyncio_lock_release(&lock), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_wait_for(task, 1000), -ECANCELED);
    EXPECT_TRACE("a not");
    EXPECT(!asyncio_lock_locked(&lock));
    EXPECT_EQ(asyncio_lock_release(&lock), -EPERM);
    asyncio_task_release(task);
}

struct trigger {
    struct asyncio_lock *lock;
    struct asyncio_task *victim;
};

static int cancel_and_release(void *arg)
{
    struct trigger *trigger = arg;
    asyncio_task_cancel(trigger->victim);
    EXPECT_EQ(asyncio_lock_release(trigger->lock), 0);
    return 0;
}

// asyncio's test_cancel_release_race.
TEST(one_of_those_behind_a_cancelled_waiter_gets_it, .ordered = true)
{
    CONFORMS("LOCK-06");
    struct asyncio_lock lock = {0};
    struct actor actors[] = {{.lock = &lock, .name = "a", .keeps = true},
                             {.lock = &lock, .name = "b", .keeps = true},
                             {.lock = &lock, .name = "c", .keeps = true}};
    struct asyncio_task *tasks[3];
    EXPECT_EQ(asyncio_lock_acquire_nowait(&lock), 0);
    start_all(tasks, act, actors, 3);
    EXPECT_EQ(asyncio_sleep(0), 0);
    struct trigger trigger = {&lock, tasks[0]};
    if (asyncio_call_soon(cancel_and_release, &trigger) == 0)
        EXPECT_EQ(asyncio_wait_for(tasks[0], 1000), -ECANCELED);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("a not", "b has it");
    EXPECT(asyncio_task_done(tasks[1]));
    EXPECT(!asyncio_task_done(tasks[2]));
    EXPECT_EQ(asyncio_lock_waiting(&lock), 1);
    end_all(tasks, 3);
    EXPECT_TRACE("c not");
}

TEST(time_limit_takes_no_lock_with_it)
{
    struct asyncio_lock lock = {0};
    EXPECT_EQ(asyncio_lock_acquire_nowait(&lock), 0);
    EXPECT_EQ(asyncio_wait_for(asyncio_lock_acquire(&lock), 1), -ETIMEDOUT);
    EXPECT_EQ(asyncio_lock_waiting(&lock), 0);
    EXPECT_EQ(asyncio_lock_release(&lock), 0);
    EXPECT_EQ(asyncio_lock_acquire_nowait(&lock), 0);
}

TEST(description_of_a_waiter_names_the_lock)
{
    struct asyncio_lock lock = {0};
    struct actor actor = {.lock = &lock, .name = "a"};
    struct asyncio_task *task;
    char line[200];
    EXPECT_EQ(asyncio_lock_acquire_nowait(&lock), 0);
    start_all(&task, act, &actor, 1);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    EXPECT_CONTAINS(asyncio_task_describe(task, line, sizeof line), "a lock");
    end_all(&task, 1);
}

// --- blocks -----------------------------------------------------------------

struct body {
    struct asyncio_lock *lock;
    int code; // with which it ends
};

static int run_body(void *arg)
{
    struct body *body = arg;
    ASYNCIO_WITH_LOCK(held, body->lock);
    if (held_entered < 0) return held_entered;
    EXPECT(asyncio_lock_locked(body->lock));
    return body->code == -ECANCELED ? asyncio_sleep(3600) : body->code;
}

TEST(block_releases_its_lock_however_it_ends)
{
    CONFORMS("LOCK-07");
    const int codes[] = {0, 7, -EINVAL, -ECANCELED};
    struct asyncio_lock lock = {0};
    for (int i = 0; i < 4; i++) {
        struct body body = {&lock, codes[i]};
        struct asyncio_task *task = asyncio_create_task(run_body, &body);
        EXPECT_EQ(asyncio_sleep(0.01), 0);
        if (codes[i] == -ECANCELED) {
            EXPECT(asyncio_lock_locked(&lock));
            asyncio_task_cancel(task);
        }
        EXPECT_EQ(asyncio_wait_for(task, 1000), codes[i]);
        EXPECT(!asyncio_lock_locked(&lock));
        asyncio_task_release(task);
    }
}

TEST(block_that_did_not_get_the_lock_releases_nothing)
{
    CONFORMS("LOCK-07");
    struct asyncio_lock lock = {0};
    struct body body = {&lock, 0};
    EXPECT_EQ(asyncio_lock_acquire_nowait(&lock), 0);
    struct asyncio_task *task = asyncio_create_task(run_body, &body);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_wait_for(task, 1000), -ECANCELED);
    EXPECT(asyncio_lock_locked(&lock));
    asyncio_task_release(task);
}

TEST(block_may_let_go_before_its_end)
{
    CONFORMS("LOCK-07");
    struct asyncio_lock lock = {0};
    struct asyncio_held nothing = {0};
    asyncio_held_leave(&nothing);
    {
        ASYNCIO_WITH_LOCK(held, &lock);
        if (held_entered < 0) return;
        asyncio_held_leave(&held);
        EXPECT(!asyncio_lock_locked(&lock));
        EXPECT_EQ(asyncio_lock_acquire_nowait(&lock), 0);
    }
    EXPECT(asyncio_lock_locked(&lock)); // the second one is not the block's
}
