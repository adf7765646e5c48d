// Calls from another thread than the loop's, in debug mode: refused and told.

#include "base/list.h"
#include "runner/runner.h"

// What the loop's own task hands to the thread.
struct things {
    struct asyncio_loop *loop;
    struct asyncio_future pending, done;
    struct asyncio_task *task;
    struct asyncio_handle handle;
    struct asyncio_task_group *group;
    struct asyncio_timeout *limit;
    struct asyncio_semaphore *semaphore; // somebody waits for it
    unsigned refused;                    // calls that should have been reported
};

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int on_done(struct asyncio_future *future, void *arg)
{
    (void)future;
    (void)arg;
    return 0;
}

static int sleep_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(3600);
}

static int acquire(void *arg)
{
    return asyncio_semaphore_acquire(arg);
}

// --- what the thread tries --------------------------------------------------

static void refused(struct things *things, long code, const char *what)
{
    things->refused++;
    if (code != -EPERM) FAIL("%s returned %ld", what, code);
}
#define REFUSED(call) refused(things, call, #call)

static int misuse_loop(void *arg)
{
    struct things *things = arg;
    struct asyncio_loop *loop = things->loop;
    struct asyncio_task *none;
    REFUSED(asyncio_call_soon(nothing, NULL, .loop = loop));
    REFUSED(asyncio_call_later(1, nothing, NULL, .loop = loop));
    REFUSED(asyncio_call_at(1, nothing, NULL, .loop = loop));
    REFUSED(asyncio_loop_set_debug(loop, false));
    REFUSED(asyncio_loop_set_slow_callback_duration(loop, 1));
    asyncio_loop_stop(loop);
    asyncio_loop_set_eager(loop, true);
    things->refused += 2;
    EXPECT_EQ(asyncio_all_tasks(loop, &none, 1), 0);
    things->refused++;
    asyncio_set_event_loop(loop);
    REFUSED(asyncio_call_soon(nothing, NULL));
    REFUSED(asyncio_set_exception_handler(NULL, NULL));
    REFUSED(asyncio_add_reader(0, nothing, NULL));
    REFUSED(asyncio_add_signal_handler(1, nothing, NULL));
    asyncio_set_event_loop(NULL);
    asyncio_handle_cancel(&things->handle);
    things->refused++;
    return 0;
}

static int misuse_futures(void *arg)
{
    struct things *things = arg;
    int value;
    struct asyncio_future *pending = &things->pending;
    REFUSED(asyncio_future_set_result(pending, 1));
    REFUSED(asyncio_future_set_exception(pending, -EIO));
    REFUSED(asyncio_future_set_result_unless_cancelled(pending, 1));
    REFUSED(asyncio_future_result(&things->done, &value));
    REFUSED(asyncio_future_exception(&things->done, &value));
    REFUSED(asyncio_future_add_done_callback(pending, on_done, NULL));
    REFUSED(asyncio_future_remove_done_callback(pending, on_done, NULL));
    EXPECT(!asyncio_future_cancel(pending));
    asyncio_future_reset(&things->done);
    things->refused += 2;
    EXPECT(!asyncio_future_done(pending));
    EXPECT(asyncio_future_done(&things->done));
    return 0;
}

static int misuse_tasks(void *arg)
{
    struct things *things = arg;
    struct asyncio_task *task = things->task;
    int value;
    EXPECT(!asyncio_task_cancel(task));
    things->refused++;
    REFUSED(asyncio_task_uncancel(task));
    REFUSED(asyncio_task_set_name(task, "another"));
    REFUSED(asyncio_task_result(task, &value));
    REFUSED(asyncio_task_exception(task, &value));
    asyncio_task_retain(task);
    asyncio_task_release(task);
    things->refused += 2;
    REFUSED(asyncio_await(task));
    REFUSED(asyncio_await(&things->pending));
    REFUSED(asyncio_shield(task));

    struct asyncio_task *failed =
        asyncio_create_task(nothing, NULL, .loop = things->loop);
    EXPECT_EQ(asyncio_task_exception(failed, &value), 0);
    REFUSED(value);
    asyncio_task_release(failed);
    return 0;
}

static int misuse_scopes(void *arg)
{
    struct things *things = arg;
    REFUSED(asyncio_task_group_create_task(things->group, nothing, NULL));
    REFUSED(asyncio_task_group_start(things->group, nothing, NULL));
    REFUSED(asyncio_task_group_exit(things->group, 0));
    asyncio_task_group_cancel(things->group);
    asyncio_task_group_close(things->group);
    things->refused += 2;
    REFUSED(asyncio_timeout_reschedule(things->limit, 1));
    REFUSED(asyncio_timeout_exit(things->limit, 0));
    asyncio_timeout_close(things->limit);
    things->refused++;
    REFUSED(asyncio_semaphore_release(things->semaphore));
    REFUSED(asyncio_semaphore_acquire_nowait(things->semaphore));
    return 0;
}

// --- the loop's own side ----------------------------------------------------

// Makes everything that the thread may lay hands on, sends it there, and sees
// that nothing has happened to it.
static void let_a_thread_try(int (*misuse)(void *arg))
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    EXPECT_EQ(asyncio_loop_set_debug(loop, true), 0);
    struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE(0);
    struct things things = {.loop = loop, .semaphore = &semaphore};

    asyncio_future_init(&things.pending);
    asyncio_future_init(&things.done);
    EXPECT_EQ(asyncio_future_set_result(&things.done, 7), 0);
    EXPECT_EQ(asyncio_call_later(1000, nothing, NULL, .handle = &things.handle),
              0);
    ASYNCIO_WITH_TASK_GROUP(group);
    ASYNCIO_WITH_TIMEOUT(limit, 2000);
    things.group = &group;
    things.limit = &limit;
    asyncio_task_group_create_task(&group, acquire, &semaphore);
    things.task = asyncio_create_task(sleep_long, NULL, .name = "sleeper");
    EXPECT_EQ(asyncio_sleep(0.1), 0);

    EXPECT_EQ(asyncio_to_thread(misuse, &things), 0);
    for (unsigned i = 0; i < things.refused; i++)
        EXPECT_CONTAINS(expect_report(-EPERM), "but the loop runs on another");
    EXPECT_EQ(unexpected_reports(), 0);

    EXPECT(asyncio_loop_get_debug(loop));
    EXPECT(!asyncio_loop_is_eager(loop));
    EXPECT(!asyncio_future_done(&things.pending));
    EXPECT(!asyncio_handle_cancelled(&things.handle));
    EXPECT_STR(asyncio_task_name(things.task), "sleeper");
    EXPECT_EQ(asyncio_task_cancelling(things.task), 0);
    EXPECT_EQ(asyncio_sleep(0), 0); // the loop was not stopped

    asyncio_handle_cancel(&things.handle);
    asyncio_task_cancel(things.task);
    EXPECT_EQ(asyncio_await(things.task), -ECANCELED);
    asyncio_task_release(things.task);
    EXPECT_EQ(asyncio_semaphore_release(&semaphore), 0);
    EXPECT_EQ(asyncio_timeout_exit(&limit, 0), 0);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
}

TEST(loop_is_used_on_its_own_thread_only)
{
    let_a_thread_try(misuse_loop);
}

TEST(futures_are_used_on_their_loops_thread_only)
{
    let_a_thread_try(misuse_futures);
}

TEST(tasks_are_used_on_their_loops_thread_only)
{
    let_a_thread_try(misuse_tasks);
}

TEST(groups_and_limits_are_used_on_their_loops_thread_only)
{
    let_a_thread_try(misuse_scopes);
}

static int name_itself(void *arg)
{
    struct things *things = arg;
    EXPECT_EQ(asyncio_future_set_result(&things->pending, 1), -EPERM);
    return 0;
}

TEST(report_names_the_call)
{
    struct things things = {0};
    EXPECT_EQ(asyncio_loop_set_debug(asyncio_get_running_loop(), true), 0);
    asyncio_future_init(&things.pending);
    EXPECT_EQ(asyncio_to_thread(name_itself, &things), 0);
    EXPECT_CONTAINS(expect_report(-EPERM),
                    "asyncio_future_set_result was called on thread ");
}

static int report_from_here(void *arg)
{
    asyncio_set_event_loop(arg);
    asyncio_call_exception_handler(
        &(struct asyncio_report){.code = -EIO, .text = "from a thread"});
    asyncio_set_event_loop(NULL);
    return 0;
}

static void note_code(const struct asyncio_report *report, void *arg)
{
    *(int *)arg = report->code;
}

TEST(report_from_another_thread_is_not_lost_and_not_for_the_handler)
{
    int code = 0;
    struct asyncio_loop *loop = asyncio_get_running_loop();
    EXPECT_EQ(asyncio_loop_set_debug(loop, true), 0);
    EXPECT_EQ(asyncio_set_exception_handler(note_code, &code), 0);
    EXPECT_EQ(asyncio_to_thread(report_from_here, loop), 0);
    EXPECT_EQ(asyncio_set_exception_handler(NULL, NULL), 0);
    EXPECT_EQ(code, -EPERM); // of the misuse alone
    EXPECT_CONTAINS(expect_report(-EIO), "from a thread");
}

static int cross(void *arg)
{
    struct things *things = arg;
    return asyncio_call_soon_threadsafe(things->loop, nothing, NULL);
}

TEST(calls_that_may_cross_threads_are_not_refused)
{
    struct things things = {.loop = asyncio_get_running_loop()};
    EXPECT_EQ(asyncio_loop_set_debug(things.loop, true), 0);
    EXPECT_EQ(asyncio_to_thread(cross, &things), 0);
    EXPECT_EQ(unexpected_reports(), 0);
}

static int tie_to_this_loop(void *arg)
{
    asyncio_future_init((struct asyncio_future *)arg);
    return 0;
}

static int run_a_loop(void *arg)
{
    return asyncio_run(tie_to_this_loop, arg, .debug = true);
}

TEST(future_whose_loop_is_gone_belongs_to_nobody)
{
    struct asyncio_future future = {0};
    EXPECT_EQ(asyncio_loop_set_debug(asyncio_get_running_loop(), true), 0);
    EXPECT_EQ(asyncio_to_thread(run_a_loop, &future), 0);
    EXPECT_EQ(asyncio_future_set_result(&future, 3), 0);
    asyncio_future_reset(&future);
    EXPECT_EQ(unexpected_reports(), 0);
}

TEST_PLAIN(loop_that_does_not_run_belongs_to_whoever_uses_it)
{
    struct asyncio_future future = {0};
    EXPECT_EQ(asyncio_run(tie_to_this_loop, &future, .debug = true), 0);
    int value = 0;
    EXPECT_EQ(asyncio_future_set_result(&future, 3), 0);
    EXPECT_EQ(asyncio_future_result(&future, &value), 0);
    EXPECT_EQ(value, 3);
    asyncio_future_reset(&future);

    struct asyncio_loop *loop;
    EXPECT_OR_RETURN(asyncio_new_event_loop(&loop, .debug = true) == 0);
    EXPECT_EQ(asyncio_call_soon(nothing, NULL), 0);
    asyncio_loop_free(loop);
}

// --- things that belong to no loop but by those who wait --------------------

struct shared {
    struct asyncio_lock lock;
    struct asyncio_event event;
    struct asyncio_queue queue;
};

static int wait_for_event(void *arg)
{
    return asyncio_event_wait(arg);
}

static int acquire_lock(void *arg)
{
    int err = asyncio_lock_acquire(arg);
    return err < 0 ? err : asyncio_lock_release(arg);
}

static int get_item(void *arg)
{
    void *item;
    return asyncio_queue_get(arg, &item);
}

static int misuse_shared(void *arg)
{
    struct shared *shared = arg;
    void *item;
    asyncio_event_set(&shared->event);
    asyncio_event_clear(&shared->event);
    EXPECT_EQ(asyncio_lock_release(&shared->lock), -EPERM);
    EXPECT_EQ(asyncio_lock_acquire_nowait(&shared->lock), -EPERM);
    EXPECT_EQ(asyncio_queue_put_nowait(&shared->queue, &item), -EPERM);
    EXPECT_EQ(asyncio_queue_get_nowait(&shared->queue, &item), -EPERM);
    EXPECT_EQ(asyncio_queue_task_done(&shared->queue), -EPERM);
    asyncio_queue_shutdown(&shared->queue);
    return 0;
}

TEST(what_tasks_wait_for_is_used_on_their_thread_only)
{
    void *slots[2];
    struct shared shared = {0};
    struct asyncio_loop *loop = asyncio_get_running_loop();
    EXPECT_EQ(asyncio_loop_set_debug(loop, true), 0);
    EXPECT_EQ(asyncio_queue_init(&shared.queue, slots, 2), 0);
    EXPECT_OR_RETURN(asyncio_lock_acquire_nowait(&shared.lock) == 0);

    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, wait_for_event, &shared.event);
    asyncio_task_group_create_task(&group, acquire_lock, &shared.lock);
    asyncio_task_group_create_task(&group, get_item, &shared.queue);
    EXPECT_EQ(asyncio_sleep(0.1), 0);
    EXPECT_EQ(asyncio_to_thread(misuse_shared, &shared), 0);
    for (int i = 0; i < 8; i++)
        EXPECT_CONTAINS(expect_report(-EPERM), "but the loop runs on another");
    EXPECT_EQ(unexpected_reports(), 0);

    EXPECT(!asyncio_event_is_set(&shared.event));
    EXPECT(asyncio_lock_locked(&shared.lock));
    asyncio_event_set(&shared.event);
    EXPECT_EQ(asyncio_lock_release(&shared.lock), 0);
    EXPECT_EQ(asyncio_queue_put_nowait(&shared.queue, &shared), 0);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    asyncio_queue_destroy(&shared.queue);
}

// --- scopes, owner locks, conditions and channels ---------------------------

ASYNCIO_CHANNEL_TYPE(words, const char *);

struct late {
    struct asyncio_cancel_scope *scope;
    struct asyncio_owner_lock owner_lock;
    struct asyncio_condition condition;
    struct words_sender out;
    struct words_receiver in;
    unsigned refused;
};

static int wait_for_notice(void *arg)
{
    int err = asyncio_condition_acquire(arg);
    if (err == 0) err = asyncio_condition_wait(arg);
    asyncio_condition_release(arg);
    return err;
}

static int receive_word(void *arg)
{
    struct late *late = arg;
    const char *word;
    return asyncio_receiver_receive(&late->in, &word);
}

static void late_refused(struct late *late, long code, const char *what)
{
    late->refused++;
    if (code != -EPERM) FAIL("%s returned %ld", what, code);
}
#define LATE(call) late_refused(late, call, #call)

static int misuse_late(void *arg)
{
    struct late *late = arg;
    const char *word = "no";
    struct words_sender another = {0};
    struct asyncio_channel_statistics statistics;
    asyncio_cancel_scope_cancel(late->scope);
    asyncio_cancel_scope_set_shield(late->scope, true);
    asyncio_cancel_scope_close(late->scope);
    late->refused += 3;
    LATE(asyncio_cancel_scope_set_deadline(late->scope, 0));
    LATE(asyncio_cancel_scope_exit(late->scope, 0));
    LATE(asyncio_owner_lock_release(&late->owner_lock));
    LATE(asyncio_owner_lock_acquire_nowait(&late->owner_lock));
    LATE(asyncio_condition_notify_all(&late->condition));
    LATE(asyncio_sender_send_nowait(&late->out, &word));
    LATE(asyncio_receiver_receive_nowait(&late->in, &word));
    LATE(asyncio_sender_clone(&late->out, &another));
    LATE(asyncio_sender_statistics(&late->out, &statistics));
    asyncio_sender_close(&another);
    asyncio_sender_close(&late->out);
    asyncio_receiver_close(&late->in);
    late->refused += 2;
    return 0;
}

TEST(scopes_owner_locks_conditions_and_channels_are_their_loops_own)
{
    struct late late = {0};
    struct asyncio_loop *loop = asyncio_get_running_loop();
    EXPECT_OR_RETURN(asyncio_loop_set_debug(loop, true) == 0);
    EXPECT_OR_RETURN(asyncio_channel_create(&late.out, &late.in, 0) == 0);
    EXPECT_OR_RETURN(asyncio_owner_lock_acquire_nowait(&late.owner_lock) == 0);
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    late.scope = &scope;

    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, wait_for_notice, &late.condition);
    asyncio_task_group_create_task(&group, receive_word, &late);
    EXPECT_EQ(asyncio_sleep(0.1), 0);
    EXPECT_EQ(asyncio_to_thread(misuse_late, &late), 0);
    for (unsigned i = 0; i < late.refused; i++)
        EXPECT_CONTAINS(expect_report(-EPERM), "but the loop runs on another");
    EXPECT_EQ(unexpected_reports(), 0);

    EXPECT(!asyncio_cancel_scope_cancelled(&scope));
    EXPECT(!asyncio_cancel_scope_shield(&scope));
    EXPECT_EQ(asyncio_owner_lock_release(&late.owner_lock), 0);
    EXPECT_EQ(asyncio_condition_acquire_nowait(&late.condition), 0);
    EXPECT_EQ(asyncio_condition_notify_all(&late.condition), 0);
    EXPECT_EQ(asyncio_condition_release(&late.condition), 0);
    const char *word = "yes";
    EXPECT_EQ(asyncio_sender_send_nowait(&late.out, &word), 0);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, 0), 0);
    asyncio_sender_close(&late.out);
    asyncio_receiver_close(&late.in);
}

// --- calls that would wait --------------------------------------------------

// A task of the loop waits for each of these, or has it.
struct awaited {
    struct asyncio_event event;
    struct asyncio_barrier barrier;
    struct asyncio_lock lock; // taken, and nobody waits for it
    struct asyncio_owner_lock owner_lock;
    struct asyncio_semaphore semaphore;
    struct asyncio_limiter limiter;
    struct asyncio_queue queue;
    struct asyncio_condition condition;
    struct asyncio_condition locked; // its lock is taken; nobody waits
    struct asyncio_as_completed *iteration;
    struct words_sender out;
    struct words_receiver in;
    unsigned refused;
};

static int wait_at_barrier(void *arg)
{
    int place = asyncio_barrier_wait(arg);
    return place < 0 ? place : 0;
}

static int take_unit(void *arg)
{
    int err = asyncio_semaphore_acquire(arg);
    return err < 0 ? err : asyncio_semaphore_release(arg);
}

static int borrow(void *arg)
{
    int err = asyncio_limiter_acquire(arg, NULL);
    return err < 0 ? err : asyncio_limiter_release(arg, NULL);
}

static int receive_one(void *arg)
{
    struct awaited *awaited = arg;
    const char *word;
    return asyncio_receiver_receive(&awaited->in, &word);
}

static int always(void *arg)
{
    (void)arg;
    return 1;
}

static void expect_refusal(struct awaited *awaited, long code, const char *what)
{
    awaited->refused++;
    if (code != -EPERM) FAIL("%s returned %ld", what, code);
}
#define WAITS(call) expect_refusal(awaited, call, #call)

static int try_to_wait(void *arg)
{
    struct awaited *awaited = arg;
    void *item = awaited;
    const char *word = "no";
    WAITS(asyncio_event_wait(&awaited->event));
    WAITS(asyncio_barrier_wait(&awaited->barrier));
    WAITS(asyncio_lock_acquire(&awaited->lock));
    WAITS(asyncio_lock_acquire_nowait(&awaited->lock));
    WAITS(asyncio_lock_release(&awaited->lock));
    WAITS(asyncio_owner_lock_acquire(&awaited->owner_lock));
    WAITS(asyncio_semaphore_acquire(&awaited->semaphore));
    WAITS(asyncio_limiter_acquire(&awaited->limiter, arg));
    WAITS(asyncio_limiter_release(&awaited->limiter, arg));
    WAITS(asyncio_queue_put(&awaited->queue, &item));
    WAITS(asyncio_queue_get(&awaited->queue, &item));
    WAITS(asyncio_queue_join(&awaited->queue));
    WAITS(asyncio_condition_wait(&awaited->condition));
    WAITS(asyncio_condition_wait_for(&awaited->condition, always, NULL));
    WAITS(asyncio_condition_acquire(&awaited->locked));
    WAITS(asyncio_condition_wait(&awaited->locked));
    WAITS(asyncio_condition_notify(&awaited->locked, 1));
    WAITS(asyncio_sender_send(&awaited->out, &word));
    WAITS(asyncio_receiver_receive(&awaited->in, &word));
    WAITS(asyncio_as_completed_next(awaited->iteration, NULL));
    asyncio_as_completed_close(awaited->iteration);
    awaited->refused++;
    return 0;
}

static int select_elsewhere(void *arg)
{
    struct awaited *awaited = arg;
    const char *word;
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_RECEIVE(&awaited->in, &word)};
    WAITS(asyncio_select_nowait(cases, 1));
    WAITS(asyncio_select(cases, 1));
    return try_to_wait(arg);
}

static int try_in_another_loop(void *arg)
{
    return asyncio_run(select_elsewhere, arg);
}

static int make_awaited(struct awaited *awaited, void **slots)
{
    *awaited = (struct awaited){.barrier = ASYNCIO_BARRIER(2),
                                .semaphore = ASYNCIO_SEMAPHORE(0)};
    int err = asyncio_queue_init(&awaited->queue, slots, 1);
    if (err == 0) err = asyncio_limiter_init(&awaited->limiter, 1);
    if (err == 0) err = asyncio_lock_acquire_nowait(&awaited->lock);
    if (err == 0) err = asyncio_owner_lock_acquire_nowait(&awaited->owner_lock);
    if (err == 0) err = asyncio_condition_acquire_nowait(&awaited->locked);
    if (err == 0) err = asyncio_limiter_acquire(&awaited->limiter, awaited);
    if (err == 0) err = asyncio_channel_create(&awaited->out, &awaited->in, 0);
    return err;
}

static void begin_waits(struct awaited *awaited,
                        struct asyncio_task_group *group)
{
    asyncio_task_group_create_task(group, wait_for_event, &awaited->event);
    asyncio_task_group_create_task(group, wait_at_barrier, &awaited->barrier);
    asyncio_task_group_create_task(group, take_unit, &awaited->semaphore);
    asyncio_task_group_create_task(group, borrow, &awaited->limiter);
    asyncio_task_group_create_task(group, get_item, &awaited->queue);
    asyncio_task_group_create_task(group, wait_for_notice, &awaited->condition);
    asyncio_task_group_create_task(group, receive_one, awaited);
}

// False if one of them was cancelled: a thread would find its thing to be free,
// and wait there.
static bool all_wait(struct awaited *awaited)
{
    struct asyncio_channel_statistics words = {0};
    asyncio_receiver_statistics(&awaited->in, &words);
    return asyncio_event_waiting(&awaited->event) == 1 &&
           asyncio_barrier_n_waiting(&awaited->barrier) == 1 &&
           !list_empty(&awaited->semaphore.waiters_) &&
           !list_empty(&awaited->limiter.semaphore_.waiters_) &&
           asyncio_queue_getters(&awaited->queue) == 1 &&
           asyncio_condition_waiting(&awaited->condition) == 1 &&
           words.waiting_receivers == 1;
}

// Nothing has happened to any of it: everybody gets what they wait for.
static void end_waits(struct awaited *awaited)
{
    const char *word = "yes";
    EXPECT(asyncio_lock_locked(&awaited->lock));
    EXPECT(asyncio_condition_locked(&awaited->locked));
    asyncio_event_set(&awaited->event);
    if (EXPECT_EQ(asyncio_barrier_n_waiting(&awaited->barrier), 1))
        EXPECT_EQ(asyncio_barrier_wait(&awaited->barrier), 1);
    EXPECT_EQ(asyncio_lock_release(&awaited->lock), 0);
    EXPECT_EQ(asyncio_owner_lock_release(&awaited->owner_lock), 0);
    EXPECT_EQ(asyncio_condition_release(&awaited->locked), 0);
    EXPECT_EQ(asyncio_semaphore_release(&awaited->semaphore), 0);
    EXPECT_EQ(asyncio_limiter_release(&awaited->limiter, awaited), 0);
    EXPECT_EQ(asyncio_queue_put_nowait(&awaited->queue, &awaited), 0);
    EXPECT_EQ(asyncio_condition_acquire_nowait(&awaited->condition), 0);
    EXPECT_EQ(asyncio_condition_notify_all(&awaited->condition), 0);
    EXPECT_EQ(asyncio_condition_release(&awaited->condition), 0);
    EXPECT_EQ(asyncio_sender_send_nowait(&awaited->out, &word), 0);
}

static void destroy_awaited(struct awaited *awaited)
{
    asyncio_sender_close(&awaited->out);
    asyncio_receiver_close(&awaited->in);
    asyncio_queue_destroy(&awaited->queue);
    if (asyncio_owner_lock_owner(&awaited->owner_lock))
        asyncio_ignore(asyncio_owner_lock_release(&awaited->owner_lock));
    asyncio_ignore(asyncio_limiter_release(&awaited->limiter, awaited));
}

static void let_a_thread_wait(int (*misuse)(void *arg))
{
    void *slots[1];
    struct awaited awaited;
    struct asyncio_loop *loop = asyncio_get_running_loop();
    EXPECT_OR_RETURN(asyncio_loop_set_debug(loop, true) == 0);
    if (!EXPECT_EQ(make_awaited(&awaited, slots), 0)) {
        destroy_awaited(&awaited);
        return;
    }
    struct asyncio_task *sleeper = asyncio_create_task(sleep_long, NULL);
    ASYNCIO_WITH_AS_COMPLETED(iteration, &sleeper, 1);
    awaited.iteration = &iteration;

    ASYNCIO_WITH_TASK_GROUP(group);
    begin_waits(&awaited, &group);
    EXPECT_EQ(asyncio_sleep(0.1), 0);
    if (EXPECT(all_wait(&awaited)))
        EXPECT_EQ(asyncio_to_thread(misuse, &awaited), 0);
    for (unsigned i = 0; i < awaited.refused; i++)
        EXPECT_CONTAINS(expect_report(-EPERM), "but the loop runs on another");
    EXPECT_EQ(unexpected_reports(), 0);

    end_waits(&awaited);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    asyncio_task_cancel(sleeper);
    EXPECT_EQ(asyncio_as_completed_next(&iteration, NULL), 0);
    asyncio_as_completed_close(&iteration);
    asyncio_task_release(sleeper);
    destroy_awaited(&awaited);
}

TEST(calls_that_wait_are_refused_to_a_thread_without_a_loop)
{
    let_a_thread_wait(try_to_wait);
}

TEST(calls_that_wait_are_refused_to_a_task_of_another_loop)
{
    let_a_thread_wait(try_in_another_loop);
}

static int lock_and_leave(void *arg)
{
    return asyncio_lock_acquire(arg);
}

static int run_locking_loop(void *arg)
{
    return asyncio_run(lock_and_leave, arg, .debug = true);
}

TEST(lock_that_was_left_by_a_loop_that_is_gone_belongs_to_nobody)
{
    struct asyncio_lock lock = {0};
    EXPECT_EQ(asyncio_loop_set_debug(asyncio_get_running_loop(), true), 0);
    EXPECT_EQ(asyncio_to_thread(run_locking_loop, &lock), 0);
    EXPECT_EQ(asyncio_lock_acquire_nowait(&lock), -EAGAIN);
    EXPECT_EQ(asyncio_lock_release(&lock), 0);
    EXPECT_EQ(asyncio_lock_acquire(&lock), 0);
    EXPECT_EQ(asyncio_lock_release(&lock), 0);
    EXPECT_EQ(unexpected_reports(), 0);
}
