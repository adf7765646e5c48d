// Each await of the library, in a cancelled scope.

#include <fcntl.h>

#include <asyncio/file.h>
#include <asyncio/select.h>
#include <asyncio/testing.h>

#include "runner/runner.h"

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int sleep_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(1000);
}

ASYNCIO_CHANNEL_TYPE(numbers, int);

static struct {
    struct asyncio_task *done_task, *task;
    struct asyncio_future done_future, future;
    struct asyncio_coroutine coroutine;
    struct asyncio_semaphore free_one;
    struct asyncio_limiter limiter;
    struct asyncio_lock lock;
    struct asyncio_owner_lock owner_lock;
    struct asyncio_held held;
    struct asyncio_event event;
    struct asyncio_condition condition;
    struct asyncio_barrier barrier;
    struct asyncio_queue queue;
    void *slots[1];
    struct asyncio_task_group group;
    struct numbers_sender out;
    struct numbers_receiver in;
    int number;
    struct stat stat;
    char buffer[8];
} with;

// Those that would wait, and those that would not.
static int await_done_task(void)
{
    return asyncio_await(with.done_task);
}
static int await_task(void)
{
    return asyncio_await(with.task);
}
static int await_done_future(void)
{
    return asyncio_await(&with.done_future);
}
static int await_future(void)
{
    return asyncio_await(&with.future);
}
static int await_coroutine(void)
{
    return asyncio_await(&with.coroutine);
}
static int shield_done_task(void)
{
    return asyncio_shield(with.done_task);
}
static int shield_task(void)
{
    return asyncio_shield(with.task);
}
static int shield_future(void)
{
    return asyncio_shield(&with.future);
}
static int shield_coroutine(void)
{
    with.coroutine.fn = nothing;
    return asyncio_shield(&with.coroutine);
}
static int sleep_zero(void)
{
    return asyncio_sleep(0);
}
static int sleep_some(void)
{
    return asyncio_sleep(5);
}
static int gather_done(void)
{
    return asyncio_gather(&with.done_task, 1);
}
static int gather_tasks(void)
{
    return asyncio_gather(&with.task, 1);
}
static int gather_coroutines(void)
{
    return asyncio_gather(&with.coroutine, 1);
}
static int gather_nothing(void)
{
    return asyncio_gather(&with.task, 0);
}
static int wait_for_tasks(void)
{
    return asyncio_wait(&with.task, 1, 5);
}
static int wait_for_done_tasks(void)
{
    return asyncio_wait(&with.done_task, 1, 5);
}
static int draw(void)
{
    int result;
    ASYNCIO_WITH_AS_COMPLETED(it, &with.task, 1);
    return asyncio_as_completed_next(&it, &result);
}
static int draw_what_is_there(void)
{
    int result;
    ASYNCIO_WITH_AS_COMPLETED(it, &with.done_task, 1);
    return asyncio_as_completed_next(&it, &result);
}
static int race(void)
{
    return asyncio_staggered_race(&with.coroutine, 1, 5);
}
static int race_of_the_done(void)
{
    return asyncio_staggered_race(&with.done_task, 1, 5);
}
static int wait_for_call(void)
{
    return asyncio_wait_for(asyncio_sleep(5), 1);
}
static int wait_for_call_without_time(void)
{
    return asyncio_wait_for(asyncio_sleep(5), 0);
}
static int wait_for_task(void)
{
    return asyncio_wait_for(with.task, 1);
}
static int wait_for_done_task_without_time(void)
{
    return asyncio_wait_for(with.done_task, 0);
}
static int wait_for_future_without_time(void)
{
    return asyncio_wait_for(&with.future, 0);
}
static int wait_for_coroutine_without_time(void)
{
    return asyncio_wait_for(&with.coroutine, 0);
}
static int acquire_free(void)
{
    return asyncio_semaphore_acquire(&with.free_one);
}
static int acquire_limiter(void)
{
    return asyncio_limiter_acquire(&with.limiter, NULL);
}
static int acquire_lock(void)
{
    return asyncio_lock_acquire(&with.lock);
}
static int enter_lock(void)
{
    return asyncio_lock_enter(&with.held, &with.lock);
}
static int acquire_owner_lock(void)
{
    return asyncio_owner_lock_acquire(&with.owner_lock);
}
static int enter_owner_lock(void)
{
    return asyncio_owner_lock_enter(&with.held, &with.owner_lock);
}
static int wait_for_event(void)
{
    return asyncio_event_wait(&with.event);
}
static int wait_for_event_that_is_set(void)
{
    asyncio_event_set(&with.event);
    return asyncio_event_wait(&with.event);
}
static int acquire_condition(void)
{
    return asyncio_condition_acquire(&with.condition);
}
static int wait_for_notification(void)
{
    EXPECT_EQ(asyncio_condition_acquire_nowait(&with.condition), 0);
    int err = asyncio_condition_wait(&with.condition);
    EXPECT(asyncio_condition_locked(&with.condition)); // in any case
    asyncio_condition_release(&with.condition);
    return err;
}
static int wait_for_truth(void)
{
    EXPECT_EQ(asyncio_condition_acquire_nowait(&with.condition), 0);
    int err = asyncio_condition_wait_for(&with.condition, nothing, NULL);
    asyncio_condition_release(&with.condition);
    return err;
}
static int wait_at_barrier(void)
{
    return asyncio_barrier_wait(&with.barrier);
}
static int put(void)
{
    return asyncio_queue_put(&with.queue, with.buffer);
}
static int get(void)
{
    void *item;
    return asyncio_queue_get(&with.queue, &item);
}
static int get_what_is_there(void)
{
    EXPECT_EQ(asyncio_queue_put_nowait(&with.queue, with.buffer), 0);
    int err = get();
    EXPECT_EQ(asyncio_queue_size(&with.queue), 1);
    return err;
}
static int send_with_room(void)
{
    int err = asyncio_sender_send(&with.out, &with.number);
    struct asyncio_channel_statistics now;
    EXPECT_EQ(asyncio_sender_statistics(&with.out, &now), 0);
    EXPECT_EQ(now.items, 0);
    return err;
}
static int send_without_room(void)
{
    EXPECT_EQ(asyncio_sender_send_nowait(&with.out, &with.number), 0);
    return asyncio_sender_send(&with.out, &with.number);
}
static int receive(void)
{
    return asyncio_receiver_receive(&with.in, &with.number);
}
static int receive_what_is_there(void)
{
    EXPECT_EQ(asyncio_sender_send_nowait(&with.out, &with.number), 0);
    int err = receive();
    EXPECT_EQ(asyncio_receiver_receive_nowait(&with.in, &with.number), 0);
    return err;
}
static int send_to_nobody(void)
{
    asyncio_receiver_close(&with.in);
    return asyncio_sender_send(&with.out, &with.number);
}
static int receive_from_nobody(void)
{
    asyncio_sender_close(&with.out);
    return receive();
}
static int select_one(struct asyncio_select_case one)
{
    return asyncio_select(&one, 1);
}
static int select_receive(void)
{
    return select_one(ASYNCIO_SELECT_RECEIVE(&with.in, &with.number));
}
static int select_send(void)
{
    return select_one(ASYNCIO_SELECT_SEND(&with.out, &with.number));
}
static int select_task(void)
{
    return select_one(ASYNCIO_SELECT_TASK(with.task));
}
static int select_done_task(void)
{
    return select_one(ASYNCIO_SELECT_TASK(with.done_task));
}
static int select_future(void)
{
    return select_one(ASYNCIO_SELECT_FUTURE(&with.future));
}
static int select_time(void)
{
    return select_one(ASYNCIO_SELECT_AFTER(5));
}
static int select_now(void)
{
    return select_one(ASYNCIO_SELECT_AFTER(0));
}
static int select_descriptor(void)
{
    return select_one(ASYNCIO_SELECT_READABLE(0));
}
static int select_nothing(void)
{
    return asyncio_select(NULL, 0);
}
static int wait_until_all_block(void)
{
    return asyncio_testing_wait_all_tasks_blocked(0);
}
static int sleep_in_context(void)
{
    struct asyncio_context context = {0};
    int err = asyncio_context_run(&context, sleep_long, NULL);
    EXPECT_EQ(asyncio_context_close(&context), 0);
    return err;
}
static int join_queue(void)
{
    return asyncio_queue_join(&with.queue);
}
static int group_exit(void)
{
    return asyncio_task_group_exit(&with.group, 0);
}
static int group_start(void)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    int err = asyncio_task_group_start(&group, sleep_long, NULL);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), -ECANCELED);
    return err;
}
static int to_thread(void)
{
    return asyncio_to_thread(nothing, NULL);
}
static int in_executor(void)
{
    return asyncio_run_in_executor(ASYNCIO_THREADS, nothing, NULL);
}
static int map(void)
{
    return asyncio_executor_map(NULL, nothing, with.buffer, 1, 8);
}
static int open_file(void)
{
    return asyncio_open("/dev/null", O_RDONLY, 0);
}
static int read_file(void)
{
    return asyncio_read(0, with.buffer, 1);
}
static int write_file(void)
{
    return asyncio_write(1, with.buffer, 1);
}
static int pread_file(void)
{
    return asyncio_pread(0, with.buffer, 1, 0);
}
static int pwrite_file(void)
{
    return asyncio_pwrite(1, with.buffer, 1, 0);
}
static int write_all(void)
{
    return asyncio_write_all(1, with.buffer, 1);
}
static int sync_file(void)
{
    return asyncio_fsync(1);
}
static int sync_data(void)
{
    return asyncio_fdatasync(1);
}
static int stat_file(void)
{
    return asyncio_stat("/", &with.stat);
}
static int rename_file(void)
{
    return asyncio_rename("/nowhere/a", "/nowhere/b");
}
static int unlink_file(void)
{
    return asyncio_unlink("/nowhere/a");
}
static int make_folder(void)
{
    return asyncio_mkdir("/nowhere/a", 0755);
}

#define AWAIT(name)                                                            \
    {                                                                          \
#name, name                                                            \
    }
static const struct {
    const char *name;
    int (*call)(void);
} awaits[] = {
    AWAIT(await_done_task),
    AWAIT(await_task),
    AWAIT(await_done_future),
    AWAIT(await_future),
    AWAIT(await_coroutine),
    AWAIT(shield_done_task),
    AWAIT(shield_task),
    AWAIT(shield_future),
    AWAIT(shield_coroutine),
    AWAIT(sleep_zero),
    AWAIT(sleep_some),
    AWAIT(gather_done),
    AWAIT(gather_tasks),
    AWAIT(gather_coroutines),
    AWAIT(gather_nothing),
    AWAIT(wait_for_tasks),
    AWAIT(wait_for_done_tasks),
    AWAIT(draw),
    AWAIT(draw_what_is_there),
    AWAIT(race),
    AWAIT(race_of_the_done),
    AWAIT(wait_for_call),
    AWAIT(wait_for_call_without_time),
    AWAIT(wait_for_task),
    AWAIT(wait_for_done_task_without_time),
    AWAIT(wait_for_future_without_time),
    AWAIT(wait_for_coroutine_without_time),
    AWAIT(acquire_free),
    AWAIT(acquire_limiter),
    AWAIT(acquire_lock),
    AWAIT(enter_lock),
    AWAIT(acquire_owner_lock),
    AWAIT(enter_owner_lock),
    AWAIT(wait_for_event),
    AWAIT(wait_for_event_that_is_set),
    AWAIT(acquire_condition),
    AWAIT(wait_for_notification),
    AWAIT(wait_for_truth),
    AWAIT(wait_at_barrier),
    AWAIT(put),
    AWAIT(get),
    AWAIT(get_what_is_there),
    AWAIT(send_with_room),
    AWAIT(send_without_room),
    AWAIT(receive),
    AWAIT(receive_what_is_there),
    AWAIT(send_to_nobody),
    AWAIT(receive_from_nobody),
    AWAIT(select_receive),
    AWAIT(select_send),
    AWAIT(select_task),
    AWAIT(select_done_task),
    AWAIT(select_future),
    AWAIT(select_time),
    AWAIT(select_now),
    AWAIT(select_descriptor),
    AWAIT(select_nothing),
    AWAIT(wait_until_all_block),
    AWAIT(sleep_in_context),
    AWAIT(join_queue),
    AWAIT(group_exit),
    AWAIT(group_start),
    AWAIT(to_thread),
    AWAIT(in_executor),
    AWAIT(map),
    AWAIT(open_file),
    AWAIT(read_file),
    AWAIT(write_file),
    AWAIT(pread_file),
    AWAIT(pwrite_file),
    AWAIT(write_all),
    AWAIT(sync_file),
    AWAIT(sync_data),
    AWAIT(stat_file),
    AWAIT(rename_file),
    AWAIT(unlink_file),
    AWAIT(make_folder),
};

static void prepare(void)
{
    with.done_task = asyncio_create_task(nothing, NULL);
    asyncio_ignore(asyncio_await(with.done_task));
    with.task = asyncio_create_task(sleep_long, NULL);
    with.done_future = with.future = (struct asyncio_future){0};
    asyncio_future_set_result(&with.done_future, 0);
    with.coroutine = ASYNCIO_COROUTINE(sleep_long, NULL);
    with.free_one = (struct asyncio_semaphore)ASYNCIO_SEMAPHORE(1);
    EXPECT_EQ(asyncio_limiter_init(&with.limiter, 1), 0);
    with.group = (struct asyncio_task_group){0};
    with.event = (struct asyncio_event){0};
    with.barrier = (struct asyncio_barrier)ASYNCIO_BARRIER(1);
    with.queue = (struct asyncio_queue)ASYNCIO_QUEUE(with.slots);
    EXPECT_EQ(asyncio_channel_create(&with.out, &with.in, 1), 0);
}

static void clear(void)
{
    asyncio_task_cancel(with.task);
    asyncio_ignore(asyncio_await(with.task));
    asyncio_task_release(with.task);
    asyncio_task_release(with.done_task);
    asyncio_sender_close(&with.out);
    asyncio_receiver_close(&with.in);
}

static void await_one(const char *name, int (*call)(void))
{
    prepare();
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    EXPECT_EQ(asyncio_task_group_enter(&with.group), 0);
    asyncio_cancel_scope_cancel(&scope, .reason = "all of them");
    int err = call();
    if (err != -ECANCELED) FAIL("%s: %d, not -ECANCELED", name, err);
    EXPECT_STR(asyncio_strerror(-ECANCELED), "all of them");
    asyncio_task_group_close(&with.group);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, -ECANCELED), 0);
    EXPECT_EQ(with.free_one.value, 1);
    EXPECT(!asyncio_lock_locked(&with.lock));
    EXPECT(!asyncio_owner_lock_locked(&with.owner_lock));
    clear();
    EXPECT_EQ(asyncio_sleep(1), 0);
}

TEST(each_await_of_the_library_ends_in_a_cancelled_scope)
{
    CONFORMS("SCOPE-03");
    for (size_t i = 0; i < sizeof awaits / sizeof *awaits; i++)
        await_one(awaits[i].name, awaits[i].call);
}
