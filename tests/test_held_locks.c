// Locks of threads that are held while a task waits.

#include "runner/runner.h"

#include <pthread.h>

#include "platform/sanitizer.h"

// Sanitizers that are linked into the program take these calls, so they do not
// leave it; and to ThreadSanitizer a task is a thread, which has to unlock what
// it has locked.
#if defined(ASYNCIO__TSAN) || (defined(ASYNCIO__ASAN) && defined(__clang__))
#define SEES_LOCKS 0
#else
#define SEES_LOCKS 1
#endif

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void begin_debug(void)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    EXPECT_EQ(asyncio_loop_set_debug(loop, true), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
}

static int wait_with_it(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&mutex);
    int err = asyncio_sleep(1);
    pthread_mutex_unlock(&mutex);
    return err;
}

static int wait_without(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    int err = asyncio_sleep(1);
    return err;
}

static void run_and_join(int (*fn)(void *arg), const char *name)
{
    struct asyncio_task *task = asyncio_create_task(fn, NULL, .name = name);
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
}

static void expect_one(const char *name, const char *what)
{
    if (!SEES_LOCKS) return;
    const char *text = expect_report(-EDEADLK);
    EXPECT_CONTAINS(text, name);
    EXPECT_CONTAINS(text, what);
    EXPECT_CONTAINS(text, "taken in test_held_locks+");
    EXPECT_EQ(unexpected_reports(), 0);
}

TEST(task_that_waits_with_a_mutex_in_its_hands_is_reported)
{
    begin_debug();
    run_and_join(wait_with_it, "holder");
    expect_one("holder", "a task was suspended while it held the lock");
}

TEST(mutex_that_was_given_back_before_is_not)
{
    begin_debug();
    run_and_join(wait_without, "fair");
    EXPECT_EQ(unexpected_reports(), 0);
}

TEST(one_place_is_reported_once)
{
    begin_debug();
    for (int i = 0; i < 3; i++)
        run_and_join(wait_with_it, "holder");
    expect_one("holder", "suspended");
}

static int look_on(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        int err = asyncio_sleep(0.1);
        if (err < 0) return err;
    }
    return 0;
}

TEST(others_are_not_blamed_for_it)
{
    begin_debug();
    struct asyncio_task *other =
        asyncio_create_task(look_on, NULL, .name = "other");
    run_and_join(wait_with_it, "holder");
    EXPECT_EQ(asyncio_await(other), 0);
    asyncio_task_release(other);
    expect_one("holder", "suspended");
}

static int begin_and_look_on(void *arg)
{
    begin_debug();
    int err = look_on(arg);
    pthread_mutex_lock(&mutex); // that is another one than the thread's
    pthread_mutex_unlock(&mutex);
    EXPECT_EQ(unexpected_reports(), 0);
    return err;
}

TEST_PLAIN(what_the_thread_held_before_is_its_own_affair)
{
    pthread_mutex_t before = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&before);
    EXPECT_EQ(asyncio_run(begin_and_look_on, NULL, .debug = true), 0);
    pthread_mutex_unlock(&before);
}

static int keep_it(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&mutex);
    return 0;
}

TEST(task_that_ends_with_a_mutex_is_reported)
{
    if (!SEES_LOCKS) return;
    begin_debug();
    run_and_join(keep_it, "keeper");
    expect_one("keeper", "a task ended while it held the lock");
    pthread_mutex_unlock(&mutex);
}

TEST(callback_that_returns_with_a_mutex_is_reported)
{
    if (!SEES_LOCKS) return;
    begin_debug();
    EXPECT_EQ(asyncio_call_soon(keep_it, NULL), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    expect_one("test_held_locks.c", "a callback returned while it held");
    pthread_mutex_unlock(&mutex);
}

// --- other locks ------------------------------------------------------------

static int wait_with_a_spin_lock(void *arg)
{
    pthread_spinlock_t *lock = arg;
    pthread_spin_lock(lock);
    int err = asyncio_sleep(0);
    pthread_spin_unlock(lock);
    return err;
}

static int wait_with_a_reader(void *arg)
{
    pthread_rwlock_t *lock = arg;
    pthread_rwlock_rdlock(lock);
    int err = asyncio_sleep(0);
    pthread_rwlock_unlock(lock);
    return err;
}

static int try_twice(void *arg)
{
    (void)arg;
    EXPECT_EQ(pthread_mutex_trylock(&mutex), 0);
    EXPECT_EQ(pthread_mutex_trylock(&mutex), EBUSY); // is not held twice
    pthread_mutex_unlock(&mutex);
    return asyncio_sleep(0);
}

TEST(locks_of_every_kind_are_seen)
{
    if (!SEES_LOCKS) return;
    pthread_spinlock_t spin;
    pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
    begin_debug();
    struct asyncio_task *tasks[] = {
        asyncio_create_task(wait_with_a_spin_lock, (void *)(uintptr_t)&spin),
        asyncio_create_task(wait_with_a_reader, &rwlock, .name = "rwlock"),
        asyncio_create_task(try_twice, NULL, .name = "trier")};
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(asyncio_await(tasks[i]), 0);
        asyncio_task_release(tasks[i]);
    }
    for (int i = 0; i < 2; i++)
        EXPECT_CONTAINS(expect_report(-EDEADLK), "suspended");
    EXPECT_EQ(unexpected_reports(), 0);
    pthread_rwlock_destroy(&rwlock);
    pthread_spin_destroy(&spin);
}

// Out of order, and one within the other.
static int lock_crosswise(void *arg)
{
    (void)arg;
    pthread_mutex_t other = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    pthread_mutex_lock(&other);
    pthread_mutex_unlock(&mutex);
    pthread_mutex_unlock(&other);
    return asyncio_sleep(0);
}

static int lock_and_unlock(void *arg)
{
    for (int i = 0; i < *(int *)arg; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
    return 0;
}

TEST(locks_are_followed_through_threads_and_any_order)
{
    int times = 1000;
    begin_debug();
    run_and_join(lock_crosswise, "crosswise");
    struct asyncio_task *tasks[4];
    for (int i = 0; i < 4; i++)
        tasks[i] = asyncio_create_task(lock_and_unlock, &times,
                                       .executor = ASYNCIO_THREADS);
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(asyncio_await(tasks[i]), 0);
        asyncio_task_release(tasks[i]);
    }
    EXPECT_EQ(unexpected_reports(), 0);
}

TEST(calls_go_their_old_way_when_debug_mode_ends)
{
    begin_debug();
    EXPECT_EQ(asyncio_loop_set_debug(asyncio_get_running_loop(), false), 0);
    run_and_join(wait_with_it, "holder");
    EXPECT_EQ(unexpected_reports(), 0);
    begin_debug();
    run_and_join(wait_with_it, "holder");
    expect_one("holder", "suspended");
}
