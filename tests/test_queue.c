// Queues: items and room go to whoever waits, in order of arrival, and none is
// lost or given twice, whoever is cancelled.

#include <asyncio/group.h>
#include <asyncio/queue.h>
#include <asyncio/timeout.h>

#include "tasks.h"

static int numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

// --- two kinds of tasks -----------------------------------------------------

struct actor {
    struct asyncio_queue *queue;
    const char *name;
    int item;                    // to put
    struct asyncio_task *victim; // cancelled when it goes on
};

static int get_one(void *arg)
{
    struct actor *actor = arg;
    int *item = NULL;
    int err = asyncio_queue_get(actor->queue, &item);
    if (err == 0)
        trace("%s got %d", actor->name, *item);
    else
        trace("%s %s", actor->name, err == -ESHUTDOWN ? "shut" : "not");
    EXPECT_EQ(!item, err < 0);
    if (actor->victim) asyncio_task_cancel(actor->victim);
    return err;
}

static int put_one(void *arg)
{
    struct actor *actor = arg;
    int err = asyncio_queue_put(actor->queue, &numbers[actor->item]);
    if (err == 0)
        trace("%s put %d", actor->name, actor->item);
    else
        trace("%s %s", actor->name, err == -ESHUTDOWN ? "shut" : "not");
    return err;
}

static int put_now(struct asyncio_queue *queue, int number)
{
    return asyncio_queue_put_nowait(queue, &numbers[number]);
}

// The item that is next, or the code.
static int get_now(struct asyncio_queue *queue)
{
    int *item;
    int err = asyncio_queue_get_nowait(queue, &item);
    return err < 0 ? err : *item;
}

static int compare_numbers(const void *a, const void *b)
{
    const int *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

// --- order ------------------------------------------------------------------

TEST_PLAIN(items_come_out_first_in_first_out)
{
    void *slots[3];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    EXPECT_EQ(asyncio_queue_maxsize(&queue), 3);
    for (int round = 0; round < 5; round++) { // the ring goes round
        EXPECT(asyncio_queue_empty(&queue));
        EXPECT_EQ(put_now(&queue, 1), 0);
        EXPECT_EQ(put_now(&queue, 3), 0);
        EXPECT_EQ(get_now(&queue), 1);
        EXPECT_EQ(put_now(&queue, 2), 0);
        EXPECT_EQ(put_now(&queue, 4), 0);
        EXPECT(asyncio_queue_full(&queue));
        EXPECT_EQ(asyncio_queue_size(&queue), 3);
        EXPECT_EQ(get_now(&queue), 3);
        EXPECT_EQ(get_now(&queue), 2);
        EXPECT_EQ(get_now(&queue), 4);
    }
}

TEST_PLAIN(items_come_out_last_in_first_out)
{
    CONFORMS("QUE-01");
    void *slots[3];
    struct asyncio_queue queue = ASYNCIO_LIFO_QUEUE(slots);
    EXPECT_EQ(put_now(&queue, 1), 0);
    EXPECT_EQ(put_now(&queue, 3), 0);
    EXPECT_EQ(put_now(&queue, 2), 0);
    EXPECT_EQ(put_now(&queue, 4), -EAGAIN);
    EXPECT_EQ(get_now(&queue), 2);
    EXPECT_EQ(get_now(&queue), 3);
    EXPECT_EQ(get_now(&queue), 1);
    EXPECT_EQ(get_now(&queue), -EAGAIN);
}

TEST_PLAIN(items_come_out_lowest_first)
{
    CONFORMS("QUE-02");
    struct asyncio_priority_slot slots[10];
    struct asyncio_queue queue = ASYNCIO_PRIORITY_QUEUE(slots, compare_numbers);
    EXPECT_EQ(put_now(&queue, 1), 0);
    EXPECT_EQ(put_now(&queue, 3), 0);
    EXPECT_EQ(put_now(&queue, 2), 0);
    for (int i = 1; i <= 3; i++)
        EXPECT_EQ(get_now(&queue), i);
    const int mixed[] = {7, 2, 9, 0, 5, 1, 8, 3, 6, 4};
    for (int i = 0; i < 10; i++)
        EXPECT_EQ(put_now(&queue, mixed[i]), 0);
    EXPECT_EQ(put_now(&queue, 0), -EAGAIN);
    for (int i = 0; i < 10; i++)
        EXPECT_EQ(get_now(&queue), i);
    EXPECT_EQ(get_now(&queue), -EAGAIN);
}

struct order {
    int priority, arrival;
};

static int compare_orders(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    return x->priority - y->priority;
}

TEST_PLAIN(equals_come_out_in_the_order_in_which_they_came)
{
    enum { COUNT = 200 };
    struct asyncio_priority_slot slots[COUNT];
    struct asyncio_queue queue = ASYNCIO_PRIORITY_QUEUE(slots, compare_orders);
    struct order orders[COUNT], *before = NULL;
    for (int i = 0; i < COUNT; i++) {
        orders[i] = (struct order){i * 7 % 5, i};
        EXPECT_EQ(asyncio_queue_put_nowait(&queue, &orders[i]), 0);
    }
    for (int i = 0; i < COUNT; i++) {
        struct order *order;
        if (asyncio_queue_get_nowait(&queue, &order) < 0) break;
        if (before)
            EXPECT(before->priority < order->priority ||
                   (before->priority == order->priority &&
                    before->arrival < order->arrival));
        before = order;
    }
    EXPECT(asyncio_queue_empty(&queue));
}

TEST_PLAIN(queue_is_made_with_slots_and_their_number_or_neither)
{
    void *slots[2];
    struct asyncio_priority_slot heap[2];
    struct asyncio_queue queue;
    EXPECT_EQ(asyncio_queue_init(&queue, slots, 0), -EINVAL);
    EXPECT_EQ(asyncio_queue_init(&queue, NULL, 1), -EINVAL);
    EXPECT_EQ(asyncio_lifo_queue_init(&queue, slots, 0), -EINVAL);
    EXPECT_EQ(asyncio_priority_queue_init(&queue, heap, 0, compare_numbers),
              -EINVAL);
    EXPECT_EQ(asyncio_priority_queue_init(&queue, heap, 2, NULL), -EINVAL);
    EXPECT_EQ(asyncio_priority_queue_init(&queue, heap, 2, compare_numbers), 0);
    EXPECT_EQ(asyncio_queue_maxsize(&queue), 2);
    EXPECT_EQ(asyncio_lifo_queue_init(&queue, slots, 2), 0);
    EXPECT_EQ(asyncio_queue_init(&queue, slots, 2), 0);
    EXPECT_EQ(put_now(&queue, 1), 0);
    asyncio_queue_destroy(&queue);
    asyncio_queue_destroy(&queue);
    asyncio_queue_destroy(NULL);
    EXPECT_EQ(put_now(&queue, 1), -ESHUTDOWN);
    EXPECT_EQ(get_now(&queue), -ESHUTDOWN);
}

// --- without bound ----------------------------------------------------------

// Fills and empties it so that each kind has to grow while it is in use.
static void fill_and_empty(struct asyncio_queue *queue, const int expected[])
{
    EXPECT_EQ(asyncio_queue_maxsize(queue), 0);
    EXPECT(asyncio_queue_empty(queue));
    for (int i = 0; i < 10; i++)
        EXPECT_OR_RETURN(put_now(queue, i) == 0);
    for (int i = 0; i < 10; i++)
        EXPECT_EQ(get_now(queue), expected[i]);

    int before = -1, count = 0, put = 0;
    for (int i = 0; i < 1000; i++) {
        if (put_now(queue, i % 10) < 0) break;
        put++;
        if (i % 3 == 0 && get_now(queue) >= 0) count++;
    }
    EXPECT(!asyncio_queue_full(queue));
    EXPECT_EQ(asyncio_queue_size(queue), put - count);
    if (expected[0] == 0 && expected[1] == 1 && !queue->compare_) {
        before = count; // first in, first out: the next one is known
        EXPECT_EQ(get_now(queue), before % 10);
        count++;
    }
    while (get_now(queue) >= 0)
        count++;
    EXPECT_EQ(count, put);
}

TEST_PLAIN(queue_without_slots_grows)
{
    const int up[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    const int down[] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
    struct asyncio_queue zeroed = {0}, queue;
    fill_and_empty(&zeroed, up);
    asyncio_queue_destroy(&zeroed);
    EXPECT_EQ(asyncio_queue_init(&queue, NULL, 0), 0);
    fill_and_empty(&queue, up);
    asyncio_queue_destroy(&queue);
    EXPECT_EQ(asyncio_lifo_queue_init(&queue, NULL, 0), 0);
    fill_and_empty(&queue, down);
    asyncio_queue_destroy(&queue);
    EXPECT_EQ(asyncio_priority_queue_init(&queue, NULL, 0, compare_numbers), 0);
    fill_and_empty(&queue, up);
    asyncio_queue_destroy(&queue);
    asyncio_queue_destroy(&queue);
}

TEST_PLAIN(queue_that_cannot_grow_is_as_it_was)
{
    struct asyncio_queue queue = {0};
    EXPECT_EQ(asyncio_testing_fail_at("alloc", 1), 0);
    EXPECT_EQ(put_now(&queue, 1), -ENOMEM);
    EXPECT_EQ(asyncio_queue_size(&queue), 0);
    EXPECT_EQ(asyncio_queue_task_done(&queue), -EOVERFLOW);
    EXPECT_EQ(put_now(&queue, 2), 0);
    EXPECT_EQ(get_now(&queue), 2);
    asyncio_queue_destroy(&queue);
}

// --- waiting ----------------------------------------------------------------

TEST_PLAIN(waiting_at_a_queue_wants_a_task)
{
    void *slots[1], *item;
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    EXPECT_EQ(asyncio_queue_put(&queue, &numbers[1]), -EPERM);
    EXPECT_EQ(asyncio_queue_get(&queue, &item), -EPERM);
    EXPECT_EQ(asyncio_queue_join(&queue), -EPERM);
    EXPECT_EQ(asyncio_queue_size(&queue), 0);
}

static int put_three(void *arg)
{
    struct asyncio_queue *queue = arg;
    for (int i = 1; i <= 3; i++) {
        int err = asyncio_queue_put(queue, &numbers[i]);
        if (err < 0) return err;
        trace("put %d", i);
    }
    return 0;
}

TEST(putter_waits_while_the_queue_is_full)
{
    CONFORMS("QUE-03");
    void *slots[2];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    struct asyncio_task *task = asyncio_create_task(put_three, &queue);
    EXPECT_EQ(asyncio_sleep(10), 0);
    EXPECT_TRACE("put 1", "put 2");
    EXPECT(asyncio_queue_full(&queue));
    EXPECT_EQ(asyncio_queue_putters(&queue), 1);
    EXPECT(!asyncio_task_done(task));
    EXPECT_EQ(get_now(&queue), 1);
    EXPECT_EQ(asyncio_wait_for(task, 1000), 0);
    EXPECT_TRACE("put 3");
    EXPECT_EQ(asyncio_queue_size(&queue), 2);
    EXPECT_EQ(get_now(&queue), 2);
    EXPECT_EQ(get_now(&queue), 3);
    asyncio_task_release(task);
}

TEST_PLAIN(tries_return_eagain_instead_of_waiting)
{
    CONFORMS("QUE-04");
    void *slots[1];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    EXPECT_EQ(get_now(&queue), -EAGAIN);
    EXPECT_EQ(put_now(&queue, 1), 0);
    EXPECT_EQ(put_now(&queue, 2), -EAGAIN);
    EXPECT_EQ(get_now(&queue), 1);
    EXPECT_EQ(get_now(&queue), -EAGAIN);
}

static int put_from_a_timer(void *queue)
{
    return put_now(queue, 7);
}

TEST(getter_gets_what_a_timer_puts)
{
    CONFORMS("QUE-05");
    void *slots[1];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    if (asyncio_call_later(0.01, put_from_a_timer, &queue) < 0) return;
    const int *item = NULL;
    double start = asyncio_time();
    EXPECT_EQ(asyncio_wait_for(asyncio_queue_get(&queue, &item), 1), 0);
    EXPECT_SAME(item, &numbers[7]);
    EXPECT_GE(asyncio_time() - start, 0.0099);
    EXPECT(asyncio_queue_empty(&queue));
}

TEST(getters_are_served_in_order_and_nobody_slips_in, .ordered = true)
{
    void *slots[4];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    struct actor actors[] = {{.queue = &queue, .name = "a"},
                             {.queue = &queue, .name = "b"}};
    struct asyncio_task *tasks[2];
    start_all(tasks, get_one, actors, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_queue_getters(&queue), 2);
    EXPECT_EQ(put_now(&queue, 1), 0);
    EXPECT_EQ(asyncio_queue_size(&queue), 1);
    EXPECT(asyncio_queue_empty(&queue)); // it is promised
    EXPECT_EQ(get_now(&queue), -EAGAIN);
    EXPECT_EQ(put_now(&queue, 2), 0);
    EXPECT_EQ(put_now(&queue, 3), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("a got 1", "b got 2");
    EXPECT_EQ(get_now(&queue), 3);
    end_all(tasks, 2);
}

TEST(putters_are_served_in_order_and_nobody_slips_in, .ordered = true)
{
    void *slots[1];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    struct actor actors[] = {{.queue = &queue, .name = "a", .item = 1},
                             {.queue = &queue, .name = "b", .item = 2}};
    struct asyncio_task *tasks[2];
    EXPECT_EQ(put_now(&queue, 0), 0);
    start_all(tasks, put_one, actors, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_queue_putters(&queue), 2);
    EXPECT_EQ(get_now(&queue), 0);
    EXPECT(asyncio_queue_full(&queue)); // the room is promised
    EXPECT_EQ(put_now(&queue, 9), -EAGAIN);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("a put 1");
    EXPECT_EQ(get_now(&queue), 1);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("b put 2");
    EXPECT_EQ(get_now(&queue), 2);
    end_all(tasks, 2);
}

TEST(getter_of_a_priority_queue_gets_what_is_first_when_it_runs)
{
    struct asyncio_priority_slot slots[4];
    struct asyncio_queue queue = ASYNCIO_PRIORITY_QUEUE(slots, compare_numbers);
    struct actor actor = {.queue = &queue, .name = "a"};
    struct asyncio_task *task;
    start_all(&task, get_one, &actor, 1);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    EXPECT_EQ(put_now(&queue, 5), 0);
    EXPECT_EQ(put_now(&queue, 1), 0);
    EXPECT_EQ(asyncio_wait_for(task, 1000), 0);
    EXPECT_TRACE("a got 1");
    EXPECT_EQ(get_now(&queue), 5);
    asyncio_task_release(task);
}

static int set_flag(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

TEST(loop_of_puts_and_gets_lets_others_run_now_and_then)
{
    void *slots[1], *item;
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    bool ran = false;
    if (asyncio_call_soon(set_flag, &ran) < 0) return;
    EXPECT_EQ(asyncio_queue_put(&queue, numbers), 0);
    EXPECT_EQ(asyncio_queue_get(&queue, &item), 0);
    EXPECT(!ran);
    for (int i = 0; i < 1000 && !ran; i++) {
        if (asyncio_queue_put(&queue, numbers) < 0) break;
        if (asyncio_queue_get(&queue, &item) < 0) break;
    }
    EXPECT(ran);
}

static int put_five(void *arg)
{
    struct asyncio_queue *queue = arg;
    for (int i = 0; i < 5; i++) {
        int err = asyncio_queue_put(queue, &numbers[i]);
        if (err < 0) return err;
    }
    return 0;
}

static int get_five(void *arg)
{
    struct asyncio_queue *queue = arg;
    for (int i = 0; i < 5; i++) {
        int *item;
        int err = asyncio_queue_get(queue, &item);
        if (err < 0) return err;
        EXPECT_EQ(*item, i);
    }
    return 0;
}

TEST(producer_and_consumer_at_a_queue_of_one_both_finish)
{
    CONFORMS("QUE-16");
    void *slots[1];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, put_five, &queue);
    asyncio_task_group_create_task(&group, get_five, &queue);
    EXPECT_EQ(asyncio_wait_for(asyncio_task_group_exit(&group, 0), 10), 0);
    EXPECT_EQ(asyncio_queue_size(&queue), 0);
}

// --- cancelling -------------------------------------------------------------

// The first getter is cancelled before or after the put.
static void cancel_the_first_getter(bool put_first)
{
    void *slots[2];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    struct actor actors[] = {{.queue = &queue, .name = "a"},
                             {.queue = &queue, .name = "b"}};
    struct asyncio_task *tasks[2];
    start_all(tasks, get_one, actors, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    if (put_first) EXPECT_EQ(put_now(&queue, 1), 0);
    asyncio_task_cancel(tasks[0]);
    if (!put_first) EXPECT_EQ(put_now(&queue, 1), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("a not", "b got 1");
    EXPECT_EQ(asyncio_queue_size(&queue), 0);
    EXPECT_EQ(put_now(&queue, 2), 0); // and nothing is promised any more
    EXPECT_EQ(get_now(&queue), 2);
    end_all(tasks, 2);
}

TEST(item_goes_to_the_next_if_the_first_is_cancelled, .ordered = true)
{
    CONFORMS("QUE-06");
    cancel_the_first_getter(false);
    cancel_the_first_getter(true);
}

// asyncio's test_get_cancel_drop_one_pending_reader.
TEST(item_of_a_cancelled_getter_stays_the_first)
{
    CONFORMS("QUE-06");
    void *slots[2];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    struct actor actor = {.queue = &queue, .name = "a"};
    struct asyncio_task *task;
    start_all(&task, get_one, &actor, 1);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    EXPECT_EQ(put_now(&queue, 1), 0);
    EXPECT_EQ(put_now(&queue, 2), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_wait_for(task, 1000), -ECANCELED);
    EXPECT_TRACE("a not");
    EXPECT_EQ(get_now(&queue), 1);
    EXPECT_EQ(get_now(&queue), 2);
    asyncio_task_release(task);
}

TEST(putter_that_is_cancelled_after_its_wake_adds_nothing)
{
    CONFORMS("QUE-07");
    void *slots[1];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    struct actor actor = {.queue = &queue, .name = "a", .item = 2};
    struct asyncio_task *task;
    EXPECT_EQ(put_now(&queue, 1), 0);
    start_all(&task, put_one, &actor, 1);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    EXPECT_EQ(get_now(&queue), 1);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_wait_for(task, 1000), -ECANCELED);
    EXPECT_TRACE("a not");
    EXPECT(asyncio_queue_empty(&queue));
    EXPECT(!asyncio_queue_full(&queue));
    EXPECT_EQ(asyncio_queue_size(&queue), 0);
    EXPECT_EQ(asyncio_wait_for(asyncio_queue_put(&queue, &numbers[3]), 1), 0);
    EXPECT_EQ(get_now(&queue), 3);
    EXPECT_EQ(asyncio_queue_task_done(&queue), 0);
    EXPECT_EQ(asyncio_queue_task_done(&queue), 0);
    EXPECT_EQ(asyncio_queue_task_done(&queue), -EOVERFLOW);
    asyncio_task_release(task);
}

TEST(room_of_a_cancelled_putter_goes_to_the_next, .ordered = true)
{
    CONFORMS("QUE-07");
    void *slots[1];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    struct actor actors[] = {{.queue = &queue, .name = "a", .item = 1},
                             {.queue = &queue, .name = "b", .item = 2},
                             {.queue = &queue, .name = "c", .item = 3}};
    struct asyncio_task *tasks[3];
    EXPECT_EQ(put_now(&queue, 0), 0);
    start_all(tasks, put_one, actors, 3);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_task_cancel(tasks[0]);
    EXPECT_EQ(get_now(&queue), 0);
    asyncio_task_cancel(tasks[1]);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("a not", "b not", "c put 3");
    EXPECT_EQ(get_now(&queue), 3);
    EXPECT_EQ(get_now(&queue), -EAGAIN);
    end_all(tasks, 3);
}

TEST(who_gave_up_does_not_stay_in_line)
{
    CONFORMS("QUE-08");
    void *slots[1], *item;
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    struct actor actors[] = {{.queue = &queue, .name = "a", .item = 1},
                             {.queue = &queue, .name = "b", .item = 2}};
    struct asyncio_task *tasks[2];
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(asyncio_wait_for(asyncio_queue_get(&queue, &item), 0.1),
                  -ETIMEDOUT);
    EXPECT_EQ(asyncio_queue_getters(&queue), 0);
    start_all(tasks, get_one, actors, 2);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    EXPECT_EQ(asyncio_queue_getters(&queue), 2);
    end_all(tasks, 2);
    EXPECT_EQ(asyncio_queue_getters(&queue), 0);

    EXPECT_EQ(put_now(&queue, 0), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(asyncio_wait_for(asyncio_queue_put(&queue, &numbers[1]), 0.1),
                  -ETIMEDOUT);
    EXPECT_EQ(asyncio_queue_putters(&queue), 0);
    start_all(tasks, put_one, actors, 2);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    EXPECT_EQ(asyncio_queue_putters(&queue), 2);
    end_all(tasks, 2);
    EXPECT_EQ(asyncio_queue_putters(&queue), 0);
    EXPECT_EQ(asyncio_queue_size(&queue), 1);
    EXPECT_EQ(get_now(&queue), 0);
}

// --- work that has to be finished -------------------------------------------

static int join_it(void *queue)
{
    int err = asyncio_queue_join(queue);
    trace("joined");
    return err;
}

static void join_after_each_is_done(struct asyncio_queue *queue)
{
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(put_now(queue, i), 0);
    struct asyncio_task *task = asyncio_create_task(join_it, queue);
    for (int i = 0; i < 3; i++) {
        EXPECT_GE(get_now(queue), 0);
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT_TRACE();
        EXPECT_EQ(asyncio_queue_task_done(queue), 0);
    }
    EXPECT_EQ(asyncio_wait_for(task, 1000), 0);
    EXPECT_TRACE("joined");
    EXPECT_EQ(asyncio_queue_task_done(queue), -EOVERFLOW);
    asyncio_task_release(task);
}

TEST(join_returns_when_all_that_was_put_is_done)
{
    CONFORMS("QUE-09");
    void *slots[3];
    struct asyncio_priority_slot heap[3];
    struct asyncio_queue fifo = ASYNCIO_QUEUE(slots);
    join_after_each_is_done(&fifo);
    struct asyncio_queue lifo = ASYNCIO_LIFO_QUEUE(slots);
    join_after_each_is_done(&lifo);
    struct asyncio_queue first = ASYNCIO_PRIORITY_QUEUE(heap, compare_numbers);
    join_after_each_is_done(&first);
}

TEST(join_of_a_queue_that_had_no_item_returns_at_once)
{
    CONFORMS("QUE-10");
    struct asyncio_queue queue = {0};
    bool ran = false;
    if (asyncio_call_soon(set_flag, &ran) < 0) return;
    EXPECT_EQ(asyncio_queue_join(&queue), 0);
    EXPECT_EQ(asyncio_queue_join(&queue), 0);
    EXPECT(!ran);
}

TEST(cancelled_join_leaves_the_work_as_it_is)
{
    void *slots[1];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    EXPECT_EQ(put_now(&queue, 1), 0);
    EXPECT_EQ(asyncio_wait_for(asyncio_queue_join(&queue), 1), -ETIMEDOUT);
    EXPECT_EQ(get_now(&queue), 1);
    EXPECT_EQ(asyncio_queue_task_done(&queue), 0);
    EXPECT_EQ(asyncio_queue_join(&queue), 0);
}

TEST_PLAIN(task_done_without_a_task_overflows)
{
    CONFORMS("QUE-11");
    void *slots[1];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    EXPECT_EQ(asyncio_queue_task_done(&queue), -EOVERFLOW);
    EXPECT_EQ(put_now(&queue, 1), 0);
    EXPECT_EQ(asyncio_queue_task_done(&queue), 0);
    EXPECT_EQ(asyncio_queue_task_done(&queue), -EOVERFLOW);
    EXPECT_EQ(get_now(&queue), 1);
}

// --- the end ----------------------------------------------------------------

static void expect_shut(struct asyncio_queue *queue)
{
    void *item = NULL;
    EXPECT_EQ(get_now(queue), -ESHUTDOWN);
    EXPECT_EQ(asyncio_wait_for(asyncio_queue_get(queue, &item), 1), -ESHUTDOWN);
    EXPECT_EQ(put_now(queue, 1), -ESHUTDOWN);
    EXPECT_EQ(asyncio_wait_for(asyncio_queue_put(queue, numbers), 1),
              -ESHUTDOWN);
    EXPECT_SAME(item, NULL);
}

TEST(shutdown_of_an_empty_queue_ends_all_that_wait)
{
    CONFORMS("QUE-12");
    for (int immediate = 0; immediate < 2; immediate++) {
        void *slots[1];
        struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
        struct actor actor = {.queue = &queue, .name = "a"};
        struct asyncio_task *task;
        start_all(&task, get_one, &actor, 1);
        EXPECT_EQ(asyncio_sleep(0.01), 0);
        asyncio_queue_shutdown(&queue, .immediate = immediate);
        EXPECT_EQ(asyncio_queue_getters(&queue), 0);
        expect_shut(&queue);
        EXPECT_EQ(asyncio_wait_for(task, 1000), -ESHUTDOWN);
        EXPECT_TRACE("a shut");
        EXPECT_EQ(asyncio_queue_join(&queue), 0);
        asyncio_queue_shutdown(&queue); // again
        expect_shut(&queue);
        asyncio_task_release(task);
    }
}

TEST(shutdown_leaves_what_is_in_the_queue)
{
    CONFORMS("QUE-13");
    void *slots[2];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    struct actor actor = {.queue = &queue, .name = "a", .item = 3};
    struct asyncio_task *task;
    EXPECT_EQ(put_now(&queue, 1), 0);
    EXPECT_EQ(put_now(&queue, 2), 0);
    start_all(&task, put_one, &actor, 1);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    asyncio_queue_shutdown(&queue);
    EXPECT_EQ(asyncio_wait_for(task, 1000), -ESHUTDOWN);
    EXPECT_TRACE("a shut");
    EXPECT_EQ(put_now(&queue, 4), -ESHUTDOWN);
    int *item = NULL;
    EXPECT_EQ(asyncio_queue_get(&queue, &item), 0);
    EXPECT_SAME(item, &numbers[1]);
    EXPECT_EQ(put_now(&queue, 4), -ESHUTDOWN); // though there is room
    EXPECT_EQ(get_now(&queue), 2);
    expect_shut(&queue);

    // The work has to be finished all the same.
    EXPECT_EQ(asyncio_wait_for(asyncio_queue_join(&queue), 1), -ETIMEDOUT);
    EXPECT_EQ(asyncio_queue_task_done(&queue), 0);
    EXPECT_EQ(asyncio_queue_task_done(&queue), 0);
    EXPECT_EQ(asyncio_queue_join(&queue), 0);
    asyncio_task_release(task);
}

TEST(putter_that_was_woken_before_the_shutdown_adds_nothing)
{
    CONFORMS("QUE-13");
    void *slots[1];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    struct actor actor = {.queue = &queue, .name = "a", .item = 2};
    struct asyncio_task *task;
    EXPECT_EQ(put_now(&queue, 1), 0);
    start_all(&task, put_one, &actor, 1);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    EXPECT_EQ(get_now(&queue), 1);
    asyncio_queue_shutdown(&queue);
    EXPECT_EQ(asyncio_wait_for(task, 1000), -ESHUTDOWN);
    EXPECT_TRACE("a shut");
    EXPECT_EQ(asyncio_queue_size(&queue), 0);
    asyncio_task_release(task);
}

TEST(getter_that_was_woken_before_the_shutdown_gets_its_item, .ordered = true)
{
    CONFORMS("QUE-13");
    void *slots[1], *item;
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    struct actor actors[] = {{.queue = &queue, .name = "a"},
                             {.queue = &queue, .name = "b"}};
    struct asyncio_task *tasks[2];
    start_all(tasks, get_one, actors, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(put_now(&queue, 1), 0);
    asyncio_queue_shutdown(&queue);
    // Nobody else may have it, nor has to wait for ever because of that.
    EXPECT_EQ(get_now(&queue), -EAGAIN);
    EXPECT_EQ(asyncio_wait_for(asyncio_queue_get(&queue, &item), 1),
              -ESHUTDOWN);
    EXPECT_TRACE("a got 1", "b shut");
    expect_shut(&queue);
    end_all(tasks, 2);
}

TEST(item_given_back_after_the_shutdown_goes_to_the_next, .ordered = true)
{
    CONFORMS("QUE-13");
    void *slots[1], *item = NULL;
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    struct actor actor = {.queue = &queue, .name = "a"};
    struct asyncio_task *task;
    start_all(&task, get_one, &actor, 1);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(put_now(&queue, 1), 0);
    asyncio_task_cancel(task);
    asyncio_queue_shutdown(&queue);
    EXPECT_EQ(asyncio_wait_for(asyncio_queue_get(&queue, &item), 1), 0);
    EXPECT_SAME(item, &numbers[1]);
    EXPECT_TRACE("a not");
    expect_shut(&queue);
    end_all(&task, 1);
}

static void count_drop(void *item, void *arg)
{
    trace("dropped %d", *(int *)item);
    ++*(int *)arg;
}

TEST(immediate_shutdown_drops_what_is_in_the_queue, .ordered = true)
{
    CONFORMS("QUE-14");
    void *slots[2];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    struct actor actor = {.queue = &queue, .name = "a", .item = 3};
    struct asyncio_task *tasks[2];
    int drops = 0;
    EXPECT_EQ(put_now(&queue, 1), 0);
    EXPECT_EQ(put_now(&queue, 2), 0);
    start_all(tasks, put_one, &actor, 1);
    tasks[1] = asyncio_create_task(join_it, &queue);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE();
    asyncio_queue_shutdown(&queue, .drop = count_drop, .arg = &drops,
                           .immediate = true);
    EXPECT_EQ(drops, 2);
    EXPECT_EQ(asyncio_queue_size(&queue), 0);
    EXPECT(asyncio_queue_empty(&queue));
    EXPECT_EQ(get_now(&queue), -ESHUTDOWN);
    EXPECT_EQ(asyncio_wait_for(tasks[0], 1000), -ESHUTDOWN);
    EXPECT_EQ(asyncio_wait_for(tasks[1], 1000), 0);
    expect_shut(&queue);
    EXPECT_EQ(asyncio_queue_task_done(&queue), -EOVERFLOW);
    end_all(tasks, 2);
    EXPECT_TRACE("dropped 1", "dropped 2", "a shut", "joined");
}

TEST(promise_of_what_an_immediate_shutdown_drops_is_void, .ordered = true)
{
    CONFORMS("QUE-14");
    void *slots[1];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    struct actor actors[] = {{.queue = &queue, .name = "a"},
                             {.queue = &queue, .name = "b"}};
    struct asyncio_task *tasks[2];
    start_all(tasks, get_one, actors, 1);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    EXPECT_EQ(put_now(&queue, 1), 0);
    asyncio_queue_shutdown(&queue, .immediate = true);
    start_all(tasks + 1, get_one, actors + 1, 1);
    expect_shut(&queue);
    EXPECT_EQ(asyncio_wait_for(tasks[0], 1000), -ESHUTDOWN);
    EXPECT_EQ(asyncio_wait_for(tasks[1], 1000), -ESHUTDOWN);
    EXPECT_EQ(asyncio_queue_join(&queue), 0);
    EXPECT_TRACE("a shut", "b shut");
    end_all(tasks, 2);
}

TEST(immediate_shutdown_counts_only_what_was_queued_as_done)
{
    CONFORMS("QUE-15");
    void *slots[2];
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    EXPECT_EQ(put_now(&queue, 1), 0);
    EXPECT_EQ(put_now(&queue, 2), 0);
    EXPECT_EQ(get_now(&queue), 1);
    struct asyncio_task *task = asyncio_create_task(join_it, &queue);
    EXPECT_EQ(asyncio_sleep(0.01), 0);
    asyncio_queue_shutdown(&queue, .immediate = true);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_queue_task_done(&queue), 0);
    EXPECT_EQ(asyncio_wait_for(task, 1000), 0);
    EXPECT_TRACE("joined");
    EXPECT_EQ(asyncio_queue_task_done(&queue), -EOVERFLOW);
    asyncio_task_release(task);
}

// --- all at once ------------------------------------------------------------

enum { ITEMS = 200, WORKERS = 5 };

struct factory {
    struct asyncio_queue queue;
    int next;
    int seen[ITEMS];
    int indices[ITEMS];
};

static int produce(void *arg)
{
    struct factory *factory = arg;
    while (factory->next < ITEMS) {
        int i = factory->next++;
        int err = asyncio_queue_put(&factory->queue, &factory->indices[i]);
        if (err < 0) factory->seen[i]++; // not added: nobody else sees it
        if (err < 0) return err;
        err = asyncio_sleep(i % 3 * 0.01);
        if (err < 0) return err;
    }
    return 0;
}

static int consume(void *arg)
{
    struct factory *factory = arg;
    for (;;) {
        int *item;
        int err =
            asyncio_wait_for(asyncio_queue_get(&factory->queue, &item), 0.015);
        if (err == -ETIMEDOUT) continue;
        if (err < 0) return err == -ESHUTDOWN ? 0 : err;
        factory->seen[*item]++;
        EXPECT_EQ(asyncio_queue_task_done(&factory->queue), 0);
        err = asyncio_sleep(*item % 5 * 0.01);
        if (err < 0) return err;
    }
}

TEST(every_item_arrives_once_whoever_gives_up_meanwhile)
{
    static struct factory factory;
    void *slots[2];
    factory = (struct factory){.queue = ASYNCIO_QUEUE(slots)};
    for (int i = 0; i < ITEMS; i++)
        factory.indices[i] = i;
    struct asyncio_task *producers[WORKERS];
    struct asyncio_task *consumer = asyncio_create_task(consume, &factory);
    for (int i = 0; i < WORKERS; i++)
        producers[i] = asyncio_create_task(produce, &factory);
    for (int i = 0; i < WORKERS - 1; i++) { // they end one by one
        EXPECT_EQ(asyncio_sleep(0.1), 0);
        asyncio_task_cancel(producers[i]);
    }
    int err = asyncio_wait_for(producers[WORKERS - 1], 1000);
    if (err == 0 && !asyncio_task_done(consumer))
        EXPECT_EQ(asyncio_wait_for(asyncio_queue_join(&factory.queue), 1000),
                  0);
    asyncio_queue_shutdown(&factory.queue);
    if (err == 0 && asyncio_await(consumer) == 0)
        for (int i = 0; i < ITEMS; i++)
            EXPECT_EQ(factory.seen[i], 1);
    end_all(producers, WORKERS);
    end_all(&consumer, 1);
}
