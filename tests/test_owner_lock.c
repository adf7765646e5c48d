// Locks that know their owner: mistakes are told, and a lock whose owner is
// gone keeps nobody waiting.

#include <asyncio/group.h>
#include <asyncio/lock.h>
#include <asyncio/timeout.h>

#include "tasks.h"

struct actor {
    struct asyncio_owner_lock *lock;
    const char *name;
    double seconds;              // for which it has the lock
    bool forgets;                // to release it
    int code;                    // of acquire, as it came
    struct asyncio_task *victim; // cancelled by who does not get it
};

static int act(void *arg)
{
    struct actor *actor = arg;
    actor->code = asyncio_owner_lock_acquire(actor->lock);
    trace("%s %s", actor->name, actor->code < 0 ? "not" : "has it");
    if (actor->code < 0 && actor->victim) asyncio_task_cancel(actor->victim);
    if (actor->code < 0) return actor->code;
    int err = asyncio_sleep(actor->seconds);
    if (!actor->forgets) EXPECT_EQ(asyncio_owner_lock_release(actor->lock), 0);
    return err;
}

// So that the reference to a task that is gone is let go.
static void clean_up(struct asyncio_owner_lock *lock)
{
    if (asyncio_owner_lock_recover(lock) == 0)
        EXPECT_EQ(asyncio_owner_lock_release(lock), 0);
}

// --- mistakes ---------------------------------------------------------------

static int release_it(void *lock)
{
    return asyncio_owner_lock_release(lock);
}

TEST(owner_cannot_take_it_twice_and_nobody_else_can_release_it)
{
    CONFORMS("LOCK-08");
    struct asyncio_owner_lock lock = {0};
    EXPECT_EQ(asyncio_owner_lock_release(&lock), -EPERM);
    EXPECT(!asyncio_owner_lock_locked(&lock));
    if (asyncio_owner_lock_acquire(&lock) < 0) return;
    EXPECT_EQ(asyncio_owner_lock_acquire(&lock), -EDEADLK);
    EXPECT_EQ(asyncio_owner_lock_acquire_nowait(&lock), -EDEADLK);
    EXPECT_SAME(asyncio_owner_lock_owner(&lock), asyncio_current_task());
    struct asyncio_task *task = asyncio_create_task(release_it, &lock);
    int err = asyncio_wait_for(task, 1000);
    EXPECT(err == -EPERM || err == -ENOMEM); // no memory for the task itself
    asyncio_task_release(task);
    EXPECT(asyncio_owner_lock_locked(&lock));
    EXPECT_EQ(asyncio_owner_lock_release(&lock), 0);
    EXPECT(!asyncio_owner_lock_locked(&lock));
    EXPECT_SAME(asyncio_owner_lock_owner(&lock), NULL);
}

TEST_PLAIN(owner_has_to_be_a_task)
{
    CONFORMS("LOCK-08");
    struct asyncio_owner_lock lock = {0};
    EXPECT_EQ(asyncio_owner_lock_acquire(&lock), -EPERM);
    EXPECT_EQ(asyncio_owner_lock_acquire_nowait(&lock), -EPERM);
    EXPECT_EQ(asyncio_owner_lock_release(&lock), -EPERM);
    EXPECT_EQ(asyncio_owner_lock_recover(&lock), -EPERM);
    EXPECT(!asyncio_owner_lock_locked(&lock));
}

// --- order and cancelling ---------------------------------------------------

TEST(owner_lock_is_handed_over_in_order, .ordered = true)
{
    struct asyncio_owner_lock lock = {0};
    struct actor actors[] = {{.lock = &lock, .name = "a", .seconds = 1},
                             {.lock = &lock, .name = "b", .seconds = 1},
                             {.lock = &lock, .name = "c", .seconds = 1}};
    struct asyncio_task *tasks[3];
    if (asyncio_owner_lock_acquire(&lock) < 0) return;
    start_all(tasks, act, actors, 3);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_owner_lock_waiting(&lock), 3);
    EXPECT_EQ(asyncio_owner_lock_release(&lock), 0);
    // Its owner is a task that has not run yet.
    EXPECT_SAME(asyncio_owner_lock_owner(&lock), tasks[0]);
    EXPECT_EQ(asyncio_owner_lock_acquire_nowait(&lock), -EAGAIN);
    EXPECT_EQ(asyncio_owner_lock_release(&lock), -EPERM);
    EXPECT_EQ(asyncio_sleep(5), 0);
    EXPECT_TRACE("a has it", "b has it", "c has it");
    EXPECT(!asyncio_owner_lock_locked(&lock));
    end_all(tasks, 3);
}

TEST(cancelled_waiter_is_passed_over, .ordered = true)
{
    struct asyncio_owner_lock lock = {0};
    struct actor actors[] = {{.lock = &lock, .name = "a"},
                             {.lock = &lock, .name = "b"},
                             {.lock = &lock, .name = "c"}};
    struct asyncio_task *tasks[3];
    if (asyncio_owner_lock_acquire(&lock) < 0) return;
    start_all(tasks, act, actors, 3);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_task_cancel(tasks[0]); // before the hand-over
    EXPECT_EQ(asyncio_owner_lock_release(&lock), 0);
    asyncio_task_cancel(tasks[1]); // after it
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("a not", "b not", "c has it");
    EXPECT(!asyncio_owner_lock_locked(&lock));
    end_all(tasks, 3);
}

static int run_body(void *arg)
{
    struct actor *actor = arg;
    ASYNCIO_WITH_LOCK(held, actor->lock);
    if (held_entered < 0) return held_entered;
    EXPECT_SAME(asyncio_owner_lock_owner(actor->lock), asyncio_current_task());
    return actor->seconds > 0 ? asyncio_sleep(actor->seconds) : actor->code;
}

TEST(block_releases_an_owner_lock_however_it_ends)
{
    CONFORMS("LOCK-07");
    struct asyncio_owner_lock lock = {0};
    struct actor actors[] = {
        {.lock = &lock, .name = "ends well", .code = 1},
        {.lock = &lock, .name = "fails", .code = -EINVAL},
        {.lock = &lock, .name = "is cancelled", .seconds = 3600}};
    const int codes[] = {1, -EINVAL, -ECANCELED};
    for (int i = 0; i < 3; i++) {
        struct asyncio_task *task = asyncio_create_task(run_body, &actors[i]);
        EXPECT_EQ(asyncio_sleep(0.01), 0);
        if (i == 2) asyncio_task_cancel(task);
        EXPECT_EQ(asyncio_wait_for(task, 1000), codes[i]);
        EXPECT(!asyncio_owner_lock_locked(&lock));
        asyncio_task_release(task);
    }
}

// --- owners that are gone ---------------------------------------------------

// trio's test_lock_multiple_acquire.
TEST(owner_that_ends_wakes_those_who_wait, .ordered = true)
{
    CONFORMS("LOCK-08");
    struct asyncio_owner_lock lock = {0}, other = {0};
    struct actor actors[] = {
        {.lock = &lock, .name = "owner", .seconds = 1, .forgets = true},
        {.lock = &lock, .name = "b", .code = 1},
        {.lock = &lock, .name = "c", .code = 1},
        {.lock = &other, .name = "stranger", .seconds = 10},
        {.lock = &other, .name = "waits for the stranger", .seconds = 1}};
    struct asyncio_task *tasks[5];
    start_all(tasks, act, actors, 5);
    EXPECT_EQ(asyncio_sleep(0.5), 0);
    EXPECT_TRACE("owner has it", "stranger has it");
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("b not", "c not");
    EXPECT_EQ(actors[1].code, -EOWNERDEAD);
    EXPECT_EQ(actors[2].code, -EOWNERDEAD);
    EXPECT_EQ(asyncio_owner_lock_waiting(&lock), 0);
    EXPECT_EQ(asyncio_owner_lock_waiting(&other), 1);
    EXPECT_EQ(asyncio_sleep(20), 0);
    EXPECT_TRACE("waits for the stranger has it");
    end_all(tasks, 5);
    clean_up(&lock);
}

// trio's test_lock_acquire_unowned_lock.
// More than are counted, and one that is forgotten.
#define MANY 300

static int take_many(void *arg)
{
    struct asyncio_owner_lock *locks = arg;
    for (int i = 0; i < MANY; i++)
        if (asyncio_owner_lock_acquire(&locks[i]) < 0) return -EIO;
    int err = asyncio_sleep(1);
    for (int i = 0; i < MANY - 1; i++)
        EXPECT_EQ(asyncio_owner_lock_release(&locks[i]), 0);
    return err;
}

TEST(owner_of_more_than_are_counted_wakes_those_who_wait)
{
    static struct asyncio_owner_lock locks[MANY];
    struct asyncio_task *owner = asyncio_create_task(take_many, locks);
    if (asyncio_sleep(0.5) == 0 && !asyncio_task_done(owner))
        EXPECT_EQ(asyncio_owner_lock_acquire(&locks[MANY - 1]), -EOWNERDEAD);
    asyncio_ignore(asyncio_await(owner));
    asyncio_task_release(owner);
    for (int i = 0; i < MANY; i++)
        clean_up(&locks[i]);
}

TEST(lock_of_a_task_that_has_ended_is_refused_until_it_is_recovered)
{
    struct asyncio_owner_lock lock = {0};
    struct actor actor = {.lock = &lock, .name = "owner", .forgets = true};
    struct asyncio_task *task = asyncio_create_task(act, &actor);
    if (asyncio_wait_for(task, 1000) < 0) {
        asyncio_task_release(task);
        clean_up(&lock);
        return;
    }
    EXPECT_EQ(asyncio_task_set_name(task, "forgetful"), 0);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_owner_lock_acquire(&lock), -EOWNERDEAD);
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), "forgetful");
    EXPECT_EQ(asyncio_owner_lock_acquire_nowait(&lock), -EOWNERDEAD);
    EXPECT_EQ(asyncio_owner_lock_release(&lock), -EPERM);
    EXPECT(asyncio_owner_lock_locked(&lock));
    EXPECT(asyncio_task_done(asyncio_owner_lock_owner(&lock)));

    EXPECT_EQ(asyncio_owner_lock_recover(&lock), 0);
    EXPECT_SAME(asyncio_owner_lock_owner(&lock), asyncio_current_task());
    EXPECT_EQ(asyncio_owner_lock_recover(&lock), -EPERM);
    EXPECT_EQ(asyncio_owner_lock_acquire(&lock), -EDEADLK);
    EXPECT_EQ(asyncio_owner_lock_release(&lock), 0);
    EXPECT_EQ(asyncio_owner_lock_recover(&lock), -EPERM);
    EXPECT_EQ(asyncio_owner_lock_acquire(&lock), 0);
    EXPECT_EQ(asyncio_owner_lock_release(&lock), 0);
}

TEST(waiter_that_is_cancelled_as_the_owner_ends_is_cancelled, .ordered = true)
{
    struct asyncio_owner_lock lock = {0};
    struct actor actors[] = {
        {.lock = &lock, .name = "owner", .seconds = 1, .forgets = true},
        {.lock = &lock, .name = "before"},
        {.lock = &lock, .name = "witness"},
        {.lock = &lock, .name = "after"}};
    struct asyncio_task *tasks[4];
    start_all(tasks, act, actors, 4);
    actors[2].victim = tasks[3]; // has been woken by then and has not run
    EXPECT_EQ(asyncio_sleep(0.5), 0);
    asyncio_task_cancel(tasks[1]);
    asyncio_task_cancel(tasks[0]);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("owner has it", "before not", "witness not", "after not");
    EXPECT_EQ(actors[1].code, -ECANCELED);
    EXPECT_EQ(actors[2].code, -EOWNERDEAD);
    EXPECT_EQ(actors[3].code, -ECANCELED);
    end_all(tasks, 4);
    clean_up(&lock);
}

static int recover_it(void *lock)
{
    int err = asyncio_owner_lock_recover(lock);
    return err < 0 ? err : asyncio_owner_lock_release(lock);
}

TEST_PLAIN(lock_of_a_task_of_a_loop_that_is_gone_can_be_recovered)
{
    // Nothing but the lock knows that task any more.
    static struct asyncio_owner_lock lock;
    static struct actor actor = {
        .lock = &lock, .name = "owner", .forgets = true};
    static struct actor second = {.lock = &lock, .name = "second"};
    EXPECT_EQ(asyncio_run(act, &actor), 0);
    EXPECT_EQ(asyncio_run(act, &second), -EOWNERDEAD);
    int err = asyncio_run(recover_it, &lock);
    EXPECT_EQ(err, 0);
    if (err < 0) asyncio_ignore(asyncio_run(recover_it, &lock));
    EXPECT(!asyncio_owner_lock_locked(&lock));
}
