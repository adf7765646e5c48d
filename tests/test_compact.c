// Compact tasks: tasks like others, whose frames are elsewhere while they wait.
// What others would have to find in those frames is refused.

#include <asyncio.h>

#include <stdlib.h>
#include <string.h>

#include "runner/runner.h"

// More than there are slots.
#define MANY 300

// Random, and the same in each run.
static unsigned roll(unsigned *state, unsigned sides)
{
    *state = *state * 1103515245u + 12345u;
    return (*state >> 16) % sides;
}

// --- like any task ----------------------------------------------------------

static int return_later(void *arg)
{
    int err = asyncio_sleep(1);
    return err < 0 ? err : *(int *)arg;
}

TEST(compact_task_returns_its_result)
{
    static int seven = 7;
    struct asyncio_task *task =
        asyncio_create_task(return_later, &seven, .compact = true);
    EXPECT(!asyncio_task_done(task));
    EXPECT_EQ(asyncio_await(task), 7);
    asyncio_task_release(task);
}

static int at_once(void *arg)
{
    (void)arg;
    return asyncio_raise(-EPROTO, "no use");
}

TEST(compact_task_returns_its_failure)
{
    struct asyncio_task *task =
        asyncio_create_task(at_once, NULL, .compact = true);
    EXPECT_EQ(asyncio_await(task), -EPROTO);
    EXPECT_CONTAINS(asyncio_strerror(-EPROTO), "no use");
    asyncio_task_release(task);
}

TEST(compact_task_keeps_a_copy_and_a_name)
{
    int eight = 8;
    struct asyncio_task *task =
        asyncio_create_task(return_later, &eight, .compact = true,
                            .copy = sizeof eight, .name = "small");
    eight = 0;
    EXPECT_STR(asyncio_task_name(task), "small");
    EXPECT_EQ(asyncio_await(task), 8);
    asyncio_task_release(task);
}

// Fills its frames with numbers of its own, and waits in the midst of them.
struct worker {
    unsigned seed;
    unsigned rounds;
    unsigned depth_max;
    long sum;
};

static int dig(struct worker *worker, unsigned depth)
{
    volatile unsigned own[16];
    for (unsigned i = 0; i < 16; i++)
        own[i] = worker->seed * 31 + depth * 7 + i;
    int err = depth > 0 ? dig(worker, depth - 1)
              : roll(&worker->seed, 4) == 0
                  ? asyncio_sleep(0)
                  : asyncio_sleep(0.001 * roll(&worker->seed, 50));
    if (err < 0) return err;
    // The seed has moved on, but what is here must be in step with itself.
    unsigned first = own[0];
    for (unsigned i = 0; i < 16; i++)
        if (own[i] != first + i) return -EIO;
    worker->sum++;
    return 0;
}

static int work(void *arg)
{
    struct worker *worker = arg;
    for (unsigned i = 0; i < worker->rounds; i++) {
        int err = dig(worker, roll(&worker->seed, worker->depth_max));
        if (err < 0) return err;
    }
    return (int)worker->rounds;
}

static void work_together(size_t count, unsigned rounds, unsigned depth_max)
{
    struct worker *workers = calloc(count, sizeof *workers);
    struct asyncio_task **tasks = calloc(count, sizeof(*tasks));
    for (size_t i = 0; i < count; i++) {
        workers[i] = (struct worker){
            .seed = (unsigned)i + 1, .rounds = rounds, .depth_max = depth_max};
        // Some of another kind are among them.
        tasks[i] =
            asyncio_create_task(work, &workers[i], .compact = i % 10 != 9);
    }
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++)
        wrong += asyncio_await(tasks[i]) != (int)rounds;
    EXPECT_EQ(wrong, 0);
    for (size_t i = 0; i < count; i++)
        asyncio_task_release(tasks[i]);
    free(workers);
    free(tasks);
}

TEST(frames_come_back_as_they_were)
{
    work_together(test_amount(3000, MANY), 10, 3);
}

TEST(frames_may_be_deep)
{
    work_together(MANY, 5, 150);
}

static int go_deep(void *arg)
{
    volatile char large[50000];
    large[0] = 1;
    large[sizeof large - 1] = (char)(intptr_t)arg;
    int err = asyncio_sleep(1);
    if (err < 0) return err;
    return large[0] == 1 ? large[sizeof large - 1] : -EIO;
}

TEST(frames_may_fill_the_slot)
{
    struct asyncio_task *tasks[MANY];
    for (int i = 0; i < MANY; i++)
        tasks[i] = asyncio_create_task(go_deep, (void *)(intptr_t)(i % 100),
                                       .compact = true);
    for (int i = 0; i < MANY; i++) {
        EXPECT_EQ(asyncio_await(tasks[i]), i % 100);
        asyncio_task_release(tasks[i]);
    }
}

// --- the order --------------------------------------------------------------

static int say(void *arg)
{
    const char *name = arg;
    for (int i = 0; i < 3; i++) {
        trace("%s %d", name, i);
        int err = asyncio_sleep(0);
        if (err < 0) return err;
    }
    return 0;
}

TEST(they_take_turns_with_all_others, .ordered = true)
{
    struct asyncio_task *a = asyncio_create_task(say, "a", .compact = true);
    struct asyncio_task *b = asyncio_create_task(say, "b");
    struct asyncio_task *c = asyncio_create_task(say, "c", .compact = true);
    EXPECT_EQ(asyncio_await(c), 0);
    EXPECT_TRACE("a 0", "b 0", "c 0", "a 1", "b 1", "c 1", "a 2", "b 2", "c 2");
    asyncio_task_release(a);
    asyncio_task_release(b);
    asyncio_task_release(c);
}

struct turns {
    int *next, own;
    int wrong;
};

static int take_turns(void *arg)
{
    struct turns *turns = arg;
    for (int i = 0; i < 5; i++) {
        if (*turns->next != turns->own) turns->wrong++;
        *turns->next = (turns->own + 1) % MANY;
        int err = asyncio_sleep(0);
        if (err < 0) return err;
    }
    return turns->wrong;
}

TEST(more_than_have_room_take_turns_in_order, .ordered = true)
{
    static struct turns turns[MANY];
    static struct asyncio_task *tasks[MANY];
    int next = 0;
    for (int i = 0; i < MANY; i++) {
        turns[i] = (struct turns){.next = &next, .own = i};
        tasks[i] = asyncio_create_task(take_turns, &turns[i], .compact = true);
    }
    for (int i = 0; i < MANY; i++) {
        EXPECT_EQ(asyncio_await(tasks[i]), 0);
        asyncio_task_release(tasks[i]);
    }
}

// --- each thing that is waited for ------------------------------------------

ASYNCIO_CHANNEL_TYPE(numbers, int);

static struct {
    struct asyncio_lock lock;
    struct asyncio_owner_lock owner_lock;
    struct asyncio_semaphore semaphore;
    struct asyncio_event event;
    struct asyncio_condition condition;
    struct asyncio_barrier barrier;
    struct asyncio_queue queue, full;
    struct asyncio_future future;
    struct asyncio_task *task;
    struct asyncio_task_group *group;
    struct numbers_sender sender, full_sender;
    struct numbers_receiver receiver, full_receiver;
    void *slots[1], *full_slots[1];
    int flag;
} things;

enum thing {
    LOCK,
    OWNER_LOCK,
    SEMAPHORE,
    EVENT,
    CONDITION,
    BARRIER,
    GET,
    PUT,
    JOIN,
    FUTURE,
    SHIELD,
    TASK,
    SLEEP,
    SEND,
    RECEIVE,
    THINGS,
};

static int is_set(void *arg)
{
    return *(int *)arg;
}

static int wait_for_condition(void)
{
    int err = asyncio_condition_acquire(&things.condition);
    if (err < 0) return err;
    err = asyncio_condition_wait_for(&things.condition, is_set, &things.flag);
    asyncio_condition_release(&things.condition);
    return err < 0 ? err : 0;
}

static int take_owner_lock(void)
{
    int err = asyncio_owner_lock_acquire(&things.owner_lock);
    return err < 0 ? err : asyncio_owner_lock_release(&things.owner_lock);
}

static int send_one(void)
{
    static const int item = 1;
    return asyncio_sender_send(&things.full_sender, &item);
}

static int wait_for_thing(void *arg)
{
    int number;
    void *item;
    switch ((enum thing)(intptr_t)arg) {
    case LOCK: return asyncio_lock_acquire(&things.lock);
    case OWNER_LOCK: return take_owner_lock();
    case SEMAPHORE: return asyncio_semaphore_acquire(&things.semaphore);
    case EVENT: return asyncio_event_wait(&things.event);
    case CONDITION: return wait_for_condition();
    case BARRIER: return asyncio_barrier_wait(&things.barrier);
    case GET: return asyncio_queue_get(&things.queue, &item);
    case PUT: return asyncio_queue_put(&things.full, "more");
    case JOIN: return asyncio_queue_join(&things.full);
    case FUTURE: return asyncio_await(&things.future);
    case SHIELD: return asyncio_shield(&things.future);
    case TASK: return asyncio_await(things.task);
    case SLEEP: return asyncio_sleep(5);
    case SEND: return send_one();
    case RECEIVE: return asyncio_receiver_receive(&things.receiver, &number);
    default: return -EINVAL;
    }
}

static void close_things(void)
{
    asyncio_sender_close(&things.sender);
    asyncio_sender_close(&things.full_sender);
    asyncio_receiver_close(&things.receiver);
    asyncio_receiver_close(&things.full_receiver);
    asyncio_owner_lock_release(&things.owner_lock);
    asyncio_task_cancel(things.task);
    asyncio_ignore(asyncio_await(things.task));
    asyncio_task_release(things.task);
    asyncio_future_reset(&things.future);
}

static int end_late(void *arg)
{
    (void)arg;
    return asyncio_sleep(10);
}

// All of them so that whoever comes has to wait.
static void make_things(void)
{
    memset(&things, 0, sizeof things);
    things.semaphore = (struct asyncio_semaphore)ASYNCIO_SEMAPHORE(0);
    asyncio_barrier_init(&things.barrier, 2);
    asyncio_queue_init(&things.queue, things.slots, 1);
    asyncio_queue_init(&things.full, things.full_slots, 1);
    EXPECT_EQ(asyncio_queue_put_nowait(&things.full, "one"), 0);
    EXPECT_EQ(asyncio_lock_acquire_nowait(&things.lock), 0);
    EXPECT_EQ(asyncio_owner_lock_acquire_nowait(&things.owner_lock), 0);
    EXPECT_EQ(asyncio_channel_create(&things.sender, &things.receiver, 1), 0);
    EXPECT_EQ(
        asyncio_channel_create(&things.full_sender, &things.full_receiver, 1),
        0);
    int one = 1;
    EXPECT_EQ(asyncio_sender_send_nowait(&things.full_sender, &one), 0);
    things.task = asyncio_create_task(end_late, NULL);
}

// Enough others that whoever waits is put aside.
static struct asyncio_task *crowd[MANY];

static void begin_crowd(void)
{
    for (int i = 0; i < MANY; i++)
        crowd[i] = asyncio_create_task(end_late, NULL, .compact = true);
    asyncio_ignore(asyncio_sleep(0));
    asyncio_ignore(asyncio_sleep(0));
}

static void end_crowd(void)
{
    for (int i = 0; i < MANY; i++) {
        asyncio_task_cancel(crowd[i]);
        asyncio_ignore(asyncio_await(crowd[i]));
        asyncio_task_release(crowd[i]);
    }
}

static void satisfy(enum thing thing)
{
    void *item;
    int number = 3;
    switch (thing) {
    case LOCK: asyncio_lock_release(&things.lock); break;
    case OWNER_LOCK: asyncio_owner_lock_release(&things.owner_lock); break;
    case SEMAPHORE: asyncio_semaphore_release(&things.semaphore); break;
    case EVENT: asyncio_event_set(&things.event); break;
    case CONDITION:
        things.flag = 1;
        EXPECT_EQ(asyncio_condition_acquire(&things.condition), 0);
        asyncio_condition_notify(&things.condition, 1);
        asyncio_condition_release(&things.condition);
        break;
    case BARRIER: EXPECT_GE(asyncio_barrier_wait(&things.barrier), 0); break;
    case GET: asyncio_ignore(asyncio_queue_put(&things.queue, "x")); break;
    case PUT:
        asyncio_ignore(asyncio_queue_get_nowait(&things.full, &item));
        break;
    case JOIN: asyncio_queue_task_done(&things.full); break;
    case FUTURE:
    case SHIELD: asyncio_future_set_result(&things.future, 0); break;
    case TASK: asyncio_task_cancel(things.task); break;
    case SLEEP: break;
    case SEND:
        asyncio_ignore(
            asyncio_receiver_receive(&things.full_receiver, &number));
        break;
    case RECEIVE:
        asyncio_ignore(asyncio_sender_send(&things.sender, &number));
        break;
    default: break;
    }
}

TEST(each_wait_ends_when_it_is_aside)
{
    for (enum thing thing = 0; thing < THINGS; thing++) {
        make_things();
        struct asyncio_task *task = asyncio_create_task(
            wait_for_thing, (void *)(intptr_t)thing, .compact = true);
        begin_crowd();
        if (EXPECT(!asyncio_task_done(task))) satisfy(thing);
        int result = asyncio_await(task);
        if (thing == TASK)
            EXPECT_EQ(result, -ECANCELED);
        else if (result < 0)
            FAIL("thing %d: %d", thing, result);
        asyncio_task_release(task);
        end_crowd();
        close_things();
    }
}

TEST(each_wait_can_be_cancelled_when_it_is_aside)
{
    for (enum thing thing = 0; thing < THINGS; thing++) {
        make_things();
        struct asyncio_task *task = asyncio_create_task(
            wait_for_thing, (void *)(intptr_t)thing, .compact = true);
        begin_crowd();
        EXPECT(asyncio_task_cancel(task));
        int result = asyncio_await(task);
        if (result != -ECANCELED) FAIL("thing %d: %d", thing, result);
        asyncio_task_release(task);
        end_crowd();
        close_things();
    }
}

TEST(grant_of_one_that_is_cancelled_goes_to_the_next)
{
    struct asyncio_semaphore *semaphore = &things.semaphore;
    make_things();
    struct asyncio_task *first = asyncio_create_task(
        wait_for_thing, (void *)(intptr_t)SEMAPHORE, .compact = true);
    struct asyncio_task *second = asyncio_create_task(
        wait_for_thing, (void *)(intptr_t)SEMAPHORE, .compact = true);
    begin_crowd();
    asyncio_semaphore_release(semaphore);
    asyncio_task_cancel(first);
    EXPECT_EQ(asyncio_await(second), 0);
    EXPECT_EQ(asyncio_await(first), -ECANCELED);
    asyncio_task_release(first);
    asyncio_task_release(second);
    end_crowd();
    close_things();
}

TEST(cancelled_before_it_began_it_never_runs)
{
    struct asyncio_task *task =
        asyncio_create_task(say, "never", .compact = true);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_TRACE();
    asyncio_task_release(task);
}

// --- what makes more of them -------------------------------------------------

static int make_more(void *arg)
{
    int depth = (int)(intptr_t)arg;
    if (depth == 0) return 1;
    struct asyncio_task *left = asyncio_create_task(
        make_more, (void *)(intptr_t)(depth - 1), .compact = true);
    struct asyncio_task *right = asyncio_create_task(
        make_more, (void *)(intptr_t)(depth - 1), .compact = depth % 2);
    int a = asyncio_await(left);
    int b = asyncio_await(right);
    asyncio_task_release(left);
    asyncio_task_release(right);
    if (a < 0 || b < 0) return a < 0 ? a : b;
    return a + b;
}

TEST(they_may_make_and_await_others)
{
    struct asyncio_task *task =
        asyncio_create_task(make_more, (void *)(intptr_t)9, .compact = true);
    EXPECT_EQ(asyncio_await(task), 512);
    asyncio_task_release(task);
}

static int begin_eager(void *arg)
{
    struct asyncio_task *eager = asyncio_create_task(say, arg, .eager = true);
    int err = asyncio_await(eager);
    asyncio_task_release(eager);
    return err;
}

TEST(they_may_begin_eager_ones)
{
    struct asyncio_task *task =
        asyncio_create_task(begin_eager, "e", .compact = true);
    EXPECT_EQ(asyncio_await(task), 0);
    EXPECT_TRACE("e 0", "e 1", "e 2");
    asyncio_task_release(task);
}

TEST(they_are_children_like_others)
{
    static int nine = 9;
    ASYNCIO_WITH_TASK_GROUP(group);
    struct asyncio_task *child;
    asyncio_task_group_create_task(&group, return_later, &nine, .compact = true,
                                   .task = &child);
    for (int i = 0; i < MANY; i++)
        asyncio_task_group_create_task(&group, end_late, NULL, .compact = true);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    int result = 0;
    EXPECT_EQ(asyncio_task_result(child, &result), 0);
    EXPECT_EQ(result, 9);
}

TEST(failing_child_cancels_those_that_are_aside)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < MANY; i++)
        asyncio_task_group_create_task(&group, end_late, NULL, .compact = true);
    asyncio_task_group_create_task(&group, at_once, NULL, .compact = true);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), -EPROTO);
}

// --- refusals ---------------------------------------------------------------

TEST(some_options_do_not_go_together)
{
    struct asyncio_task *task =
        asyncio_create_task(say, "x", .compact = true, .eager = true);
    EXPECT_EQ(asyncio_await(task), -EINVAL);
    task = asyncio_create_task(say, "x", .compact = true, .stack_size = 4096);
    EXPECT_EQ(asyncio_await(task), -EINVAL);
    task = asyncio_create_task(say, "x", .compact = true,
                               .executor = asyncio_default_executor());
    EXPECT_EQ(asyncio_await(task), -EINVAL);
}

TEST(on_an_eager_loop_they_begin_later)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    asyncio_loop_set_eager(loop, true);
    struct asyncio_task *task = asyncio_create_task(say, "a", .compact = true);
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_await(task), 0);
    EXPECT_TRACE("a 0", "a 1", "a 2");
    asyncio_task_release(task);
    asyncio_loop_set_eager(loop, false);
}

// Calls that would leave addresses of a compact task's frames with others.
static int wait_on_own_event(void)
{
    struct asyncio_event event = {0};
    return asyncio_event_wait(&event);
}

static int wait_on_own_lock(void)
{
    struct asyncio_lock lock = {0};
    asyncio_ignore(asyncio_lock_acquire_nowait(&lock));
    return asyncio_lock_acquire(&lock);
}

static int wait_on_own_semaphore(void)
{
    struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE(0);
    return asyncio_semaphore_acquire(&semaphore);
}

static int wait_on_own_queue(void)
{
    void *slots[1], *item;
    struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
    return asyncio_queue_get(&queue, &item);
}

static int await_own_future(void)
{
    struct asyncio_future future = {0};
    return asyncio_await(&future);
}

static int lend_argument(void)
{
    char own = 'x';
    struct asyncio_task *task = asyncio_create_task(say, &own);
    int err = asyncio_await(task);
    asyncio_task_release(task);
    return err;
}

static int shield_own_argument(void)
{
    char own = 'x';
    struct asyncio_coroutine coroutine = ASYNCIO_COROUTINE(say, &own);
    int err = asyncio_shield(&coroutine);
    asyncio_coroutine_close(&coroutine);
    return err;
}

static int open_group(void)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    return asyncio_task_group_exit(&group, 0);
}

static int start_child(void)
{
    // Of somebody else, who has opened it.
    return asyncio_task_group_start(things.group, say, "x");
}

static int gather_here(void)
{
    struct asyncio_coroutine both[] = {ASYNCIO_COROUTINE(say, "x")};
    int err = asyncio_gather(both, 1);
    asyncio_coroutine_close(&both[0]);
    return err;
}

static int wait_for_list(void)
{
    struct asyncio_task *list[] = {things.task};
    return asyncio_wait(list, 1, 5);
}

static int complete_here(void)
{
    struct asyncio_task *list[] = {things.task};
    struct asyncio_as_completed it = {0};
    int err = asyncio_as_completed_enter(&it, list, 1);
    asyncio_as_completed_close(&it);
    return err;
}

static int race_here(void)
{
    struct asyncio_task *list[] = {things.task};
    return asyncio_staggered_race(list, 1, 0);
}

static int select_here(void)
{
    struct asyncio_select_case cases[] = {ASYNCIO_SELECT_AFTER(1)};
    return asyncio_select(cases, 1);
}

static int send_own_item(void)
{
    int own = 1;
    return asyncio_sender_send(&things.sender, &own);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int call_back_soon(void)
{
    char own = 'x';
    return asyncio_call_soon(nothing, &own);
}

static int call_back_later(void)
{
    struct asyncio_handle handle = {0};
    return asyncio_call_later(1, nothing, NULL, .handle = &handle);
}

static int call_back_from_thread(void)
{
    char own = 'x';
    return asyncio_call_soon_threadsafe(asyncio_get_running_loop(), nothing,
                                        &own);
}

static int submit_from_thread(void)
{
    char own = 'x';
    return asyncio_run_coroutine_threadsafe(asyncio_get_running_loop(), nothing,
                                            &own, NULL);
}

static int be_told(struct asyncio_future *future, void *arg)
{
    (void)future;
    (void)arg;
    return 0;
}

static int have_callback_told(void)
{
    char own = 'x';
    return asyncio_future_add_done_callback(&things.future, be_told, &own);
}

static int be_told_of_own_future(void)
{
    struct asyncio_future future = {0};
    int err = asyncio_future_add_done_callback(&future, be_told, NULL);
    asyncio_future_reset(&future);
    return err;
}

static int watch_descriptor(void)
{
    char own = 'x';
    int err = asyncio_add_writer(1, nothing, &own);
    return err == -EFAULT ? asyncio_add_reader(0, nothing, &own) : err;
}

static int handle_signal(void)
{
    char own = 'x';
    return asyncio_add_signal_handler(10, nothing, &own);
}

static void hear(const struct asyncio_report *report, void *arg)
{
    (void)report;
    (void)arg;
}

static int handle_reports(void)
{
    char own = 'x';
    return asyncio_set_exception_handler(hear, &own);
}

static int serve_client(struct asyncio_stream *stream, void *arg)
{
    (void)arg;
    asyncio_stream_free(stream);
    return 0;
}

static int serve(void)
{
    char own = 'x';
    struct asyncio_server server;
    return asyncio_start_server(&server, serve_client, &own, "127.0.0.1", 0);
}

static int begin_thread(void)
{
    char own = 'x';
    struct asyncio_executor *pool;
    return asyncio_thread_pool_create(&pool, .initializer = nothing,
                                      .initarg = &own);
}

static int begin_process(void)
{
    char own = 'x';
    struct asyncio_executor *pool;
    return asyncio_process_pool_create(&pool, .initializer = nothing,
                                       .initarg = &own);
}

static void receive(struct asyncio_stream *stream, void *arg, const void *data,
                    size_t len)
{
    (void)stream;
    (void)arg;
    (void)data;
    (void)len;
}

static int receive_in_frames(void)
{
    char own = 'x';
    struct asyncio_protocol protocol = {.data_received = receive};
    struct asyncio_stream *near, *far;
    int err = asyncio_open_pair(&near, &far);
    if (err < 0) return err;
    err = asyncio_stream_set_protocol(near, &protocol, NULL);
    static const struct asyncio_protocol elsewhere = {.data_received = receive};
    if (err == -EFAULT)
        err = asyncio_stream_set_protocol(near, &elsewhere, &own);
    asyncio_stream_free(near);
    asyncio_stream_free(far);
    return err;
}

static int map_items(void)
{
    int items[2] = {1, 2};
    return asyncio_executor_map(NULL, nothing, items, sizeof *items, 2);
}

static int change_context(void)
{
    struct asyncio_context context = {0};
    return asyncio_context_run(&context, nothing, NULL);
}

static int call_thread(void)
{
    return asyncio_to_thread(nothing, NULL);
}

static int read_file(void)
{
    char byte;
    return asyncio_read(0, &byte, 1);
}

static int wait_for_signal(void)
{
    return asyncio_wait_signal(1);
}

static const struct refused {
    const char *name;
    int (*call)(void);
} refused[] = {
    {"event", wait_on_own_event},
    {"lock", wait_on_own_lock},
    {"semaphore", wait_on_own_semaphore},
    {"queue", wait_on_own_queue},
    {"future", await_own_future},
    {"argument", lend_argument},
    {"shield", shield_own_argument},
    {"group", open_group},
    {"start", start_child},
    {"gather", gather_here},
    {"wait", wait_for_list},
    {"as_completed", complete_here},
    {"race", race_here},
    {"select", select_here},
    {"send", send_own_item},
    {"call_soon", call_back_soon},
    {"call_later", call_back_later},
    {"call_soon_threadsafe", call_back_from_thread},
    {"run_coroutine_threadsafe", submit_from_thread},
    {"add_done_callback", have_callback_told},
    {"add_done_callback of its own", be_told_of_own_future},
    {"add_reader, add_writer", watch_descriptor},
    {"add_signal_handler", handle_signal},
    {"set_exception_handler", handle_reports},
    {"start_server", serve},
    {"thread pool", begin_thread},
    {"process pool", begin_process},
    {"set_protocol", receive_in_frames},
    {"map", map_items},
    {"context", change_context},
    {"thread", call_thread},
    {"file", read_file},
    {"signal", wait_for_signal},
};

static int try_refused(void *arg)
{
    const struct refused *one = arg;
    int err = one->call();
    if (err != -EFAULT) FAIL("%s: %d", one->name, err);
    // It goes on as if nothing had been.
    return asyncio_sleep(1);
}

TEST(what_others_would_find_in_its_frames_is_refused)
{
    make_things();
    ASYNCIO_WITH_TASK_GROUP(group);
    things.group = &group;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct asyncio_task *task = asyncio_create_task(
            try_refused, (void *)(uintptr_t)&refused[i], .compact = true);
        EXPECT_EQ(asyncio_await(task), 0);
        asyncio_task_release(task);
    }
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    close_things();
}

// --- the end of a loop ------------------------------------------------------

#define SOME 80 // reports of no more are kept

static int leave_some(void *arg)
{
    (void)arg;
    for (int i = 0; i < SOME; i++)
        asyncio_task_release(
            asyncio_create_task(end_late, NULL, .compact = true));
    return asyncio_sleep(1);
}

TEST_PLAIN(loop_may_close_while_some_are_aside)
{
    struct asyncio_loop *loop;
    EXPECT_OR_RETURN(asyncio_new_event_loop(&loop) == 0);
    struct asyncio_coroutine main = ASYNCIO_COROUTINE(leave_some, NULL);
    EXPECT_EQ(asyncio_loop_run_until_complete(loop, &main), 0);
    asyncio_loop_close(loop);
    for (int i = 0; i < SOME; i++)
        expect_report(-ECANCELED);
    asyncio_loop_free(loop);
}

// --- debug mode -------------------------------------------------------------

static char *lent; // an address in the frames of a compact task

static int lend_frame(void *arg)
{
    volatile char own[64] = {0};
    lent = (char *)(uintptr_t)own;
    (void)arg;
    int err = asyncio_sleep(1);
    lent = NULL;
    return err < 0 ? err : own[5];
}

TEST(debug_mode_tells_of_strangers_in_its_frames)
{
    EXPECT_EQ(asyncio_loop_set_debug(asyncio_get_running_loop(), true), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    struct asyncio_task *task =
        asyncio_create_task(lend_frame, NULL, .compact = true, .name = "lax");
    EXPECT_EQ(asyncio_sleep(0.5), 0);
    char *stranger = lent;
    if (stranger) stranger[5] = 1;
    int result = asyncio_await(task);
    // Where its stack is its own, the write has come to pass.
    if (result == 0) {
        const char *text = expect_report(-EFAULT);
        EXPECT_CONTAINS(text, "wrote into the stack of a compact task");
    }
    asyncio_task_release(task);
}

TEST(debug_mode_tells_of_refusals)
{
    EXPECT_EQ(asyncio_loop_set_debug(asyncio_get_running_loop(), true), 0);
    make_things();
    struct asyncio_task *task = asyncio_create_task(
        try_refused, (void *)(uintptr_t)&refused[0], .compact = true);
    EXPECT_EQ(asyncio_await(task), 0);
    EXPECT_CONTAINS(expect_report(-EFAULT), "an event");
    asyncio_task_release(task);
    close_things();
}

TEST(debug_mode_changes_nothing_else)
{
    EXPECT_EQ(asyncio_loop_set_debug(asyncio_get_running_loop(), true), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    work_together(MANY, 5, 3);
}

// --- looking at them --------------------------------------------------------

static int stand_here(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(1);
    return err < 0 ? err : 3;
}

TEST(stack_of_one_that_is_aside_can_be_shown)
{
    struct asyncio_frame frames[16];
    struct asyncio_task *task =
        asyncio_create_task(stand_here, NULL, .compact = true);
    begin_crowd();
    size_t count = asyncio_task_get_stack(task, frames, 16);
    if (EXPECT_GE(count, 1))
        EXPECT_CONTAINS(frames[count - 1].function, "stand_here");
    EXPECT_EQ(asyncio_await(task), 3);
    asyncio_task_release(task);
    end_crowd();
}

// --- streams ----------------------------------------------------------------

// So that each slot is somebody else's.
static void begin_more(void)
{
    end_crowd();
    begin_crowd();
}

static struct {
    struct asyncio_stream *near, *far;
} pair;

static int read_in_frame(void *arg)
{
    char byte[4] = {0}, all[3] = {0};
    (void)arg;
    int n = asyncio_stream_read(pair.near, byte, sizeof byte);
    if (n < 0) return n;
    if (n != 1 || byte[0] != 'x') return -EIO;
    n = asyncio_stream_readexactly(pair.near, all, sizeof all);
    if (n < 0) return n;
    return memcmp(all, "abc", 3) == 0 ? 0 : -EIO;
}

TEST(stream_is_read_into_its_frames_when_they_are_back, .real_time = true)
{
    EXPECT_OR_RETURN(asyncio_open_pair(&pair.near, &pair.far) == 0);
    struct asyncio_task *task =
        asyncio_create_task(read_in_frame, NULL, .compact = true);
    begin_crowd();
    EXPECT_EQ(asyncio_stream_write(pair.far, "x", 1), 0);
    begin_more();
    EXPECT_EQ(asyncio_stream_write(pair.far, "ab", 2), 0);
    begin_more();
    EXPECT_EQ(asyncio_stream_write(pair.far, "c", 1), 0);
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
    end_crowd();
    asyncio_stream_free(pair.near);
    asyncio_stream_free(pair.far);
}
