// Loops whose tasks can never run again, and loops that only look like it.

#include <asyncio/introspect.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gates.h"
#include "loop/loop.h"
#include "platform/sys.h"
#include "runner/runner.h"

struct pair {
    struct asyncio_task *a, *b;
    const char *text; // of the report; "" for none
    unsigned reports;
    struct asyncio_loop *loop;
};

static char told[600];
static _Atomic(unsigned) reports;

// Takes the report, and ends what could not end: the circle by a cancel.
static void break_circle(const struct asyncio_report *report, void *arg)
{
    struct pair *pair = arg;
    EXPECT_EQ(report->code, -EDEADLK);
    snprintf(told, sizeof told, "%s [%s]", report->text, report->task);
    reports++;
    if (pair->a) asyncio_task_cancel(pair->a);
}

static void do_nothing(int number)
{
    (void)number;
}

// A deadlock that is not reported, for want of memory say, would never end. So
// the loop is woken now and then, and looks again.
static void look_again_every(int milliseconds)
{
    struct sigaction action = {.sa_handler = do_nothing};
    struct timeval interval = {milliseconds / 1000, milliseconds % 1000 * 1000};
    struct itimerval timer = {interval, interval};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static int await_other(void *other)
{
    return asyncio_await_task(*(struct asyncio_task **)other);
}

static int await_each_other(void *arg)
{
    struct pair *pair = arg;
    if (asyncio_set_exception_handler(break_circle, pair) < 0) return -EPERM;
    pair->a = asyncio_create_task(await_other, &pair->b, .name = "a");
    pair->b = asyncio_create_task(await_other, &pair->a, .name = "b");
    int err = asyncio_await(pair->a);
    asyncio_ignore(asyncio_await(pair->b));
    asyncio_task_release(pair->a);
    asyncio_task_release(pair->b);
    pair->a = NULL;
    return err;
}

TEST_PLAIN(tasks_that_wait_for_each_other_for_ever_are_reported,
           .ordered = true, .stuck = true)
{
    struct pair pair = {0};
    look_again_every(50);
    EXPECT_EQ(asyncio_run(await_each_other, &pair), -ECANCELED);
    if (!EXPECT_EQ(reports, 1)) return;
    EXPECT_CONTAINS(told, "in a circle, and nothing can wake them: ");
    EXPECT_CONTAINS(told, "a waits for a task (b), b waits for a task (a)");
    EXPECT_CONTAINS(told, "[a]");
}

TEST_PLAIN(deadlock_is_reported_in_real_time_too, .real_time = true,
           .stuck = true)
{
    struct pair pair = {0};
    look_again_every(3000);
    EXPECT_EQ(asyncio_run(await_each_other, &pair), -ECANCELED);
    EXPECT_EQ(reports, 1);
}

static int await_my_owner(void *owner)
{
    return asyncio_shield_task(owner);
}

static int own_who_waits_for_me(void *arg)
{
    struct pair *pair = arg;
    if (asyncio_set_exception_handler(break_circle, pair) < 0) return -EPERM;
    pair->a = asyncio_current_task();
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, await_my_owner, pair->a,
                                   .name = "child");
    return asyncio_task_group_exit(&group, 0);
}

TEST_PLAIN(circle_through_a_group_is_reported, .stuck = true)
{
    struct pair pair = {0};
    look_again_every(50);
    asyncio_ignore(asyncio_run(own_who_waits_for_me, &pair));
    if (!EXPECT_EQ(reports, 1)) return;
    EXPECT_CONTAINS(told, "waits for the tasks of a group (child)");
    EXPECT_CONTAINS(told, "child waits for a shield (Task-");
}

struct locks {
    struct asyncio_lock *first, *second;
};

static int take_both(void *arg)
{
    struct locks *locks = arg;
    int err = asyncio_lock_acquire(locks->first);
    if (err < 0) return err;
    err = asyncio_sleep(1); // the other one takes its first
    if (err == 0) err = asyncio_lock_acquire(locks->second);
    if (err == 0) asyncio_lock_release(locks->second);
    asyncio_lock_release(locks->first);
    return err;
}

static int lock_crosswise(void *arg)
{
    struct pair *pair = arg;
    struct asyncio_lock one = {0}, other = {0};
    struct locks there = {&one, &other}, back = {&other, &one};
    if (asyncio_set_exception_handler(break_circle, pair) < 0) return -EPERM;
    pair->a = asyncio_create_task(take_both, &there, .name = "a");
    pair->b = asyncio_create_task(take_both, &back, .name = "b");
    int err = asyncio_await(pair->a);
    asyncio_ignore(asyncio_await(pair->b));
    asyncio_task_release(pair->a);
    asyncio_task_release(pair->b);
    pair->a = NULL;
    return err;
}

TEST_PLAIN(locks_taken_crosswise_are_reported, .stuck = true)
{
    struct pair pair = {0};
    look_again_every(50);
    EXPECT_EQ(asyncio_run(lock_crosswise, &pair), -ECANCELED);
    if (!EXPECT_EQ(reports, 1)) return;
    EXPECT_CONTAINS(told, "a waits for a lock (b)");
    EXPECT_CONTAINS(told, "b waits for a lock (a)");
}

// --- what is no deadlock ----------------------------------------------------

static int end_later(void *task)
{
    asyncio_task_cancel(task);
    return 0;
}

static int await_each_other_with_a_timer(void *arg)
{
    struct pair *pair = arg;
    pair->a = asyncio_create_task(await_other, &pair->b, .name = "a");
    pair->b = asyncio_create_task(await_other, &pair->a, .name = "b");
    int err = asyncio_call_later(3600, end_later, pair->a);
    if (!EXPECT_EQ(err, 0)) asyncio_task_cancel(pair->a);
    asyncio_ignore(asyncio_await(pair->a));
    asyncio_ignore(asyncio_await(pair->b));
    asyncio_task_release(pair->a);
    asyncio_task_release(pair->b);
    return 0;
}

// A report would be one that nobody expects, and fail the test.
TEST_PLAIN(circle_that_a_timer_will_end_is_no_deadlock)
{
    struct pair pair = {0};
    EXPECT_EQ(asyncio_run(await_each_other_with_a_timer, &pair), 0);
}

struct other_thread {
    struct asyncio_loop *loop;
    struct asyncio_future future;
    struct asyncio_task *victim;
    pthread_t thread;
    atomic_bool over; // nobody waits for it any more
};

static int finish(void *arg)
{
    struct other_thread *other = arg;
    if (other->victim) asyncio_task_cancel(other->victim);
    return asyncio_future_set_result(&other->future, 7);
}

// True if that thread sleeps in the kernel until it is woken, or has ended; not
// if it is only held up for a moment, on its way through a page fault (D).
static bool is_asleep(pid_t process, pid_t thread)
{
    char path[64], state = 'S';
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", process, thread);
    FILE *file = fopen(path, "re");
    if (!file) return true;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 'S';
    fclose(file);
    return state != 'R' && state != 'D';
}

static void wait_until_asleep(pid_t process, pid_t thread)
{
    while (!is_asleep(process, thread))
        sched_yield();
}

// Lets the loop fall asleep: by then it was asked whether it is stuck.
static void *post_late(void *arg)
{
    struct other_thread *other = arg;
    while (!atomic_load(&other->loop->sleeping) && !atomic_load(&other->over))
        sched_yield();
    while (asyncio_call_soon_threadsafe(other->loop, finish, other) == -ENOMEM)
        sched_yield(); // somebody has to call
    return NULL;
}

static int wait_for_thread(void *arg)
{
    struct other_thread *other = arg;
    other->loop = asyncio_get_running_loop();
    if (pthread_create(&other->thread, NULL, post_late, other) != 0)
        return -EAGAIN;
    int value = asyncio_await(&other->future);
    atomic_store(&other->over, true);
    pthread_join(other->thread, NULL);
    return value;
}

TEST_PLAIN(waiting_for_another_thread_is_no_deadlock)
{
    struct other_thread other = {0};
    EXPECT_EQ(asyncio_run(wait_for_thread, &other), 7);
}

TEST_PLAIN(waiting_for_another_thread_is_no_deadlock_in_debug_mode)
{
    struct other_thread other = {0};
    EXPECT_EQ(asyncio_run(wait_for_thread, &other, .debug = true), 7);
}

static int circle_and_a_thread(void *arg)
{
    struct other_thread *other = arg;
    struct pair pair = {0};
    pair.a = asyncio_create_task(await_other, &pair.b, .name = "a");
    pair.b = asyncio_create_task(await_other, &pair.a, .name = "b");
    other->victim = pair.a;
    int value = wait_for_thread(other);
    asyncio_ignore(asyncio_await(pair.a));
    asyncio_ignore(asyncio_await(pair.b));
    asyncio_task_release(pair.a);
    asyncio_task_release(pair.b);
    return value;
}

TEST_PLAIN(circle_that_a_thread_may_end_is_reported_in_debug_mode_alone,
           .stuck = true)
{
    struct other_thread other = {0};
    EXPECT_EQ(asyncio_run(circle_and_a_thread, &other), 7);
    struct other_thread again = {0};
    EXPECT_EQ(asyncio_run(circle_and_a_thread, &again, .debug = true), 7);
    EXPECT_CONTAINS(expect_report(-EDEADLK),
                    "only another thread could wake them");
}

// The only other thread posts, and is gone, between the loop's look at what was
// posted and its count of the threads.
static struct other_thread racing;
static sem_t may_post;

static void *post_when_told(void *arg)
{
    (void)arg;
    down(&may_post);
    EXPECT_EQ(asyncio_call_soon_threadsafe(racing.loop, finish, &racing), 0);
    return NULL;
}

static int before_threads_are_counted(enum asyncio__sys_call call,
                                      const char *site, size_t *len)
{
    (void)call;
    (void)len;
    if (strcmp(site, "asyncio__sys_threads") != 0 || !racing.loop) return 0;
    sem_post(&may_post);
    pthread_join(racing.thread, NULL);
    racing.loop = NULL;
    return 0;
}

static int wait_in_a_circle(void *arg)
{
    struct pair pair = {0};
    (void)arg;
    racing.loop = asyncio_get_running_loop();
    int err = -pthread_create(&racing.thread, NULL, post_when_told, NULL);
    if (!EXPECT_EQ(err, 0)) return err;
    pair.a = asyncio_create_task(await_other, &pair.b, .name = "a");
    pair.b = asyncio_create_task(await_other, &pair.a, .name = "b");
    racing.victim = pair.a;
    err = asyncio_await(pair.a);
    asyncio_ignore(asyncio_await(pair.b));
    asyncio_task_release(pair.a);
    asyncio_task_release(pair.b);
    return err;
}

TEST_PLAIN(thread_that_has_posted_before_it_went_is_not_forgotten,
           .faulty = true)
{
    static struct asyncio__sys_hooks hooks;
    hooks = *asyncio__sys_hooks;
    hooks.before = before_threads_are_counted;
    asyncio__sys_hooks = &hooks;
    sem_init(&may_post, 0, 0);
    EXPECT_EQ(asyncio_run(wait_in_a_circle, NULL), -ECANCELED);
    EXPECT_SAME(racing.loop, NULL);
}

static int wait_for_signal(void *arg)
{
    struct other_thread *other = arg;
    int err = asyncio_add_signal_handler(SIGUSR1, finish, other);
    if (!EXPECT_EQ(err, 0)) return err;
    pid_t child = fork();
    if (child == 0) {
        wait_until_asleep(getppid(), getppid());
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    int value = asyncio_await(&other->future);
    waitpid(child, NULL, 0);
    return value;
}

TEST_PLAIN(waiting_for_a_signal_is_no_deadlock)
{
    struct other_thread other = {0};
    EXPECT_EQ(asyncio_run(wait_for_signal, &other, .debug = true), 7);
}

// --- nobody is there to wake them -------------------------------------------

static int await_nobody(void *arg)
{
    struct pair *pair = arg;
    struct asyncio_future future = {0};
    if (asyncio_set_exception_handler(break_circle, pair) < 0) return -EPERM;
    pair->a = asyncio_current_task();
    return asyncio_await(&future);
}

TEST_PLAIN(task_that_nobody_can_wake_is_reported_in_debug_mode, .stuck = true)
{
    struct pair pair = {0};
    look_again_every(50);
    EXPECT_EQ(asyncio_run(await_nobody, &pair, .debug = true), -ECANCELED);
    if (!EXPECT_EQ(reports, 1)) return;
    EXPECT_CONTAINS(told, "every task waits, and nothing is under way");
    EXPECT_CONTAINS(told, "Task-");
    EXPECT_CONTAINS(told, " waits for a future");
}

// In a process of its own, which ends with 1 if there is a report. It is killed
// when it sleeps: by then there would have been one.
static void end_process(const struct asyncio_report *report, void *arg)
{
    (void)report;
    (void)arg;
    _exit(1);
}

static bool is_quiet_for_ever(int (*fn)(void *arg), bool debug)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        asyncio_testing_reports(end_process, NULL);
        _exit(asyncio_run(fn, NULL, .debug = debug) < 0 ? 2 : 3);
    }
    while (waitpid(child, &status, WNOHANG) == 0) {
        wait_until_asleep(child, child);
        kill(child, SIGKILL);
    }
    return WIFSIGNALED(status);
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return asyncio_sleep(ASYNCIO_FOREVER);
}

TEST_PLAIN(sleeping_for_ever_is_no_deadlock, .stuck = true)
{
    EXPECT(is_quiet_for_ever(sleep_for_ever, true));
    EXPECT(is_quiet_for_ever(sleep_for_ever, false));
}

static int wait_for_ever(void *arg)
{
    (void)arg;
    struct asyncio_future future = {0};
    return asyncio_await(&future);
}

// A program may wait for the signal that ends it.
TEST_PLAIN(waiting_for_nobody_is_reported_in_debug_mode_alone, .stuck = true)
{
    EXPECT(is_quiet_for_ever(wait_for_ever, false));
}

static int many_in_a_circle(void *arg)
{
    struct pair *pair = arg;
    enum { COUNT = 60 };
    static struct asyncio_task *tasks[COUNT];
    char name[40];
    if (asyncio_set_exception_handler(break_circle, pair) < 0) return -EPERM;
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "a task with a long name %d", i);
        tasks[i] = asyncio_create_task(await_other, &tasks[(i + 1) % COUNT],
                                       .name = name);
    }
    pair->a = tasks[0];
    int err = asyncio_await(tasks[0]);
    pair->a = NULL;
    for (int i = 0; i < COUNT; i++) {
        asyncio_ignore(asyncio_await(tasks[i]));
        asyncio_task_release(tasks[i]);
    }
    return err;
}

TEST_PLAIN(long_circle_is_cut_to_one_line, .stuck = true)
{
    struct pair pair = {0};
    look_again_every(50);
    EXPECT_EQ(asyncio_run(many_in_a_circle, &pair), -ECANCELED);
    if (!EXPECT_EQ(reports, 1)) return;
    EXPECT_CONTAINS(told, "...");
    EXPECT(!strchr(told, '\n'));
}
