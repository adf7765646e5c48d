// Events: set wakes all who wait, and who comes later does not wait.

#include <asyncio/event.h>
#include <asyncio/group.h>
#include <asyncio/timeout.h>

#include "tasks.h"

struct actor {
    struct asyncio_event *event;
    const char *name;
};

static int act(void *arg)
{
    struct actor *actor = arg;
    int err = asyncio_event_wait(actor->event);
    trace("%s %s", actor->name, err < 0 ? "not" : "goes on");
    return err;
}

static int set_flag(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

TEST(wait_for_what_is_set_returns_at_once)
{
    CONFORMS("EVT-01");
    struct asyncio_event event = {0};
    bool ran = false;
    asyncio_event_set(&event);
    EXPECT(asyncio_event_is_set(&event));
    if (asyncio_call_soon(set_flag, &ran) < 0) return;
    EXPECT_EQ(asyncio_event_wait(&event), 0);
    EXPECT_EQ(asyncio_event_wait(&event), 0);
    EXPECT(!ran);
    // But it lets others run now and then.
    for (int i = 0; i < 1000 && !ran; i++)
        if (asyncio_event_wait(&event) < 0) break;
    EXPECT(ran);
}

TEST_PLAIN(waiting_for_an_event_wants_a_task)
{
    struct asyncio_event event = {0};
    EXPECT_EQ(asyncio_event_wait(&event), -EPERM);
    asyncio_event_set(&event);
    EXPECT_EQ(asyncio_event_wait(&event), -EPERM);
}

TEST(set_wakes_all_in_order_of_arrival, .ordered = true)
{
    struct asyncio_event event = {0};
    struct actor actors[] = {{&event, "a"}, {&event, "b"}, {&event, "c"}};
    struct asyncio_task *tasks[3];
    start_all(tasks, act, actors, 3);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_event_waiting(&event), 3);
    EXPECT_TRACE();
    asyncio_event_set(&event);
    asyncio_event_set(&event);
    EXPECT_EQ(asyncio_event_waiting(&event), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("a goes on", "b goes on", "c goes on");
    end_all(tasks, 3);
}

TEST(cancelled_waiter_leaves_no_trace, .ordered = true)
{
    CONFORMS("EVT-02");
    struct asyncio_event event = {0};
    struct actor actors[] = {{&event, "a"}, {&event, "b"}};
    struct asyncio_task *tasks[2];
    start_all(tasks, act, actors, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_task_cancel(tasks[0]);
    EXPECT_EQ(asyncio_event_waiting(&event), 1);
    EXPECT_EQ(asyncio_wait_for(tasks[0], 1000), -ECANCELED);
    EXPECT_TRACE("a not");
    asyncio_event_set(&event);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("b goes on");
    EXPECT_EQ(asyncio_event_waiting(&event), 0);
    end_all(tasks, 2);
}

TEST(cancel_after_the_set_and_before_the_run_wins, .ordered = true)
{
    CONFORMS("EVT-02");
    struct asyncio_event event = {0};
    struct actor actors[] = {{&event, "a"}, {&event, "b"}};
    struct asyncio_task *tasks[2];
    start_all(tasks, act, actors, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_event_set(&event);
    asyncio_task_cancel(tasks[0]);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("a not", "b goes on");
    EXPECT(asyncio_event_is_set(&event));
    end_all(tasks, 2);
}

TEST(time_limit_ends_a_wait_for_an_event)
{
    CONFORMS("EVT-02");
    struct asyncio_event event = {0};
    EXPECT_EQ(asyncio_wait_for(asyncio_event_wait(&event), 1), -ETIMEDOUT);
    EXPECT_EQ(asyncio_event_waiting(&event), 0);
    EXPECT(!asyncio_event_is_set(&event));
}

TEST(wait_after_a_clear_waits_for_the_next_set)
{
    CONFORMS("EVT-03");
    struct asyncio_event event = {0};
    asyncio_event_clear(&event);
    asyncio_event_set(&event);
    asyncio_event_clear(&event);
    EXPECT(!asyncio_event_is_set(&event));
    struct actor actor = {&event, "a"};
    struct asyncio_task *task;
    start_all(&task, act, &actor, 1);
    EXPECT_EQ(asyncio_sleep(10), 0);
    EXPECT(!asyncio_task_done(task));
    EXPECT_TRACE();
    asyncio_event_set(&event);
    EXPECT_EQ(asyncio_wait_for(task, 1000), 0);
    EXPECT_TRACE("a goes on");
    asyncio_task_release(task);
}

// asyncio's test_clear_with_waiters.
TEST(clear_does_not_take_a_set_back_from_who_waited)
{
    CONFORMS("EVT-03");
    struct asyncio_event event = {0};
    struct actor actor = {&event, "a"};
    struct asyncio_task *task;
    start_all(&task, act, &actor, 1);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    asyncio_event_set(&event);
    asyncio_event_clear(&event);
    asyncio_event_set(&event);
    asyncio_event_clear(&event);
    EXPECT_EQ(asyncio_wait_for(task, 1000), 0);
    EXPECT_TRACE("a goes on");
    EXPECT(!asyncio_event_is_set(&event));
    EXPECT_EQ(asyncio_event_waiting(&event), 0);
    asyncio_task_release(task);
}

static int set_it(void *event)
{
    asyncio_event_set(event);
    return 0;
}

static int wait_for_a_callback(void *arg)
{
    struct asyncio_event *event = arg;
    if (!asyncio_event_is_set(event)) {
        int err = asyncio_call_soon(set_it, event);
        if (err < 0) return err;
    }
    int err = asyncio_wait_for(asyncio_event_wait(event), 1);
    if (err < 0) return err;
    asyncio_event_clear(event);
    return asyncio_wait_for(asyncio_event_wait(event), 1);
}

TEST_PLAIN(event_made_before_any_loop_works_in_each)
{
    CONFORMS("EVT-04");
    struct asyncio_event event = {0};
    EXPECT(!asyncio_event_is_set(&event));
    EXPECT_EQ(asyncio_run(wait_for_a_callback, &event), -ETIMEDOUT);
    asyncio_event_set(&event);
    EXPECT(asyncio_event_is_set(&event));
    EXPECT_EQ(asyncio_run(wait_for_a_callback, &event), -ETIMEDOUT);
    EXPECT(!asyncio_event_is_set(&event));
}
