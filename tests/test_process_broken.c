// Pools that break: initializers that fail, workers that cannot be started, a
// foreman that talks nonsense; and pools that change their size.

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "faults.h"
#include "processes.h"

static struct asyncio_pool_statistics look(struct asyncio_executor *pool)
{
    struct asyncio_pool_statistics now;
    EXPECT_EQ(asyncio_executor_statistics(pool, &now), 0);
    return now;
}

// --- initializers -----------------------------------------------------------

static int prepared_with;

static int prepare(void *arg)
{
    prepared_with += *(int *)arg;
    return prepared_with;
}

static int tell_preparation(void *arg)
{
    (void)arg;
    return prepared_with;
}

TEST(initializer_has_run_once_in_each_process)
{
    struct asyncio_executor *pool;
    static int seven = 7;
    EXPECT_OR_RETURN(share_memory());
    int err =
        asyncio_process_pool_create(&pool, .max_workers = 2, .max_jobs = 2,
                                    .initializer = prepare, .initarg = &seven);
    EXPECT_OR_RETURN(err == 0);
    for (int i = 0; i < 5; i++)
        EXPECT_EQ(asyncio_run_in_executor(pool, tell_preparation, NULL), 7);
    EXPECT_EQ(prepared_with, 0); // here
    asyncio_executor_shutdown(pool);
}

static int fail_to_prepare(void *arg)
{
    (void)arg;
    return asyncio_raise(-ENODATA, "no model to load");
}

static int die_preparing(void *arg)
{
    (void)arg;
    abort();
}

static void expect_broken(int (*initializer)(void *arg), const char *words)
{
    struct asyncio_executor *pool;
    struct asyncio_task *tasks[4];
    EXPECT_OR_RETURN(share_memory());
    int err = asyncio_process_pool_create(
        &pool, .max_workers = 2, .max_queued = 1, .initializer = initializer);
    EXPECT_OR_RETURN(err == 0);
    for (int i = 0; i < 4; i++)
        tasks[i] = asyncio_create_task(count_call, NULL, .executor = pool);
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(asyncio_await(tasks[i]), -EOWNERDEAD);
        EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), words);
        asyncio_task_release(tasks[i]);
    }
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), -EOWNERDEAD);
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), words);
    EXPECT_EQ(asyncio_executor_kill(pool), 0); // PROC-11, broken
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), -EOWNERDEAD);
    EXPECT_EQ(atomic_load(&shared->calls), 0);
    asyncio_executor_shutdown(pool);
}

TEST(initializer_that_fails_breaks_the_pool)
{
    CONFORMS("PROC-09");
    CONFORMS("PROC-11");
    expect_broken(fail_to_prepare, "initializer failed: no model to load");
}

TEST(initializer_that_crashes_breaks_the_pool)
{
    CONFORMS("PROC-09");
    expect_broken(die_preparing, "initializer ended its process: signal 6");
}

// One that a stranger kills says nothing about the next one.
static int be_killed_once(void *arg)
{
    (void)arg;
    if (atomic_fetch_add(&shared->calls, 1) > 0) return 0;
    kill(getpid(), SIGKILL);
    pause();
    return 0;
}

TEST(initializer_that_is_killed_from_outside_breaks_nothing)
{
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(share_memory());
    int err = asyncio_process_pool_create(&pool, .max_workers = 1,
                                          .initializer = be_killed_once);
    EXPECT_OR_RETURN(err == 0);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 2); // elsewhere
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 3);
    asyncio_executor_shutdown(pool);
}

TEST(initializer_that_workers_do_not_have_is_refused)
{
    struct asyncio_executor *pool;
    int nowhere;
    int err = asyncio_process_pool_create(
        &pool, .initializer = (int (*)(void *arg))(uintptr_t)&nowhere);
    EXPECT_EQ(err, -EINVAL);
}

// --- no workers -------------------------------------------------------------

static int let_descriptors(pid_t pid, rlim_t count, struct rlimit *old)
{
    struct rlimit limit;
    if (prlimit(pid, RLIMIT_NOFILE, NULL, old) < 0) return -1;
    limit = (struct rlimit){.rlim_cur = count, .rlim_max = old->rlim_max};
    return prlimit(pid, RLIMIT_NOFILE, &limit, NULL);
}

// The last worker retires, and `pid` has no descriptors for another one.
static void expect_no_replacement(bool here)
{
    struct asyncio_executor *pool;
    struct rlimit old;
    EXPECT_OR_RETURN(share_memory());
    int err =
        asyncio_process_pool_create(&pool, .max_workers = 1, .max_jobs = 1);
    EXPECT_OR_RETURN(err == 0);
    struct call call = {.pool = pool, .fn = pass_gate};
    struct call next = {.pool = pool, .fn = count_call};
    struct asyncio_task *last = begin_gate(&call);
    if (last) {
        pid_t pid = here ? getpid() : atomic_load(&shared->foreman);
        struct asyncio_task *first = begin_call(&next);
        next.entered = false;
        struct asyncio_task *second = begin_call(&next);
        EXPECT_EQ(let_descriptors(pid, 3, &old), 0);
        sem_post(&shared->gate);
        EXPECT_EQ(asyncio_await(last), 0);
        EXPECT_EQ(asyncio_await(first), -EOWNERDEAD);
        EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), "could be started");
        EXPECT_EQ(asyncio_await(second), -EOWNERDEAD);
        prlimit(pid, RLIMIT_NOFILE, &old, NULL);
        EXPECT_EQ(atomic_load(&shared->calls), 1);
        EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 1);
        asyncio_task_release(first);
        asyncio_task_release(second);
    }
    asyncio_task_release(last);
    asyncio_executor_shutdown(pool);
}

TEST(jobs_without_a_replacement_for_the_last_worker_fail)
{
    CONFORMS("PROC-08");
    expect_no_replacement(true);
}

TEST(jobs_fail_if_the_foreman_cannot_start_a_replacement)
{
    CONFORMS("PROC-08");
    expect_no_replacement(false);
}

// --- answers that mean nothing ----------------------------------------------

static int say_too_much(void *arg)
{
    static char words[4000];
    (void)arg;
    memset(words, 'w', sizeof words - 1);
    return asyncio_raise(-EPROTO, "%s", words);
}

// The foreman's socket, by a second descriptor; -1 if that is not allowed.
static int steal_socket(pid_t foreman)
{
    int pidfd = (int)syscall(SYS_pidfd_open, foreman, 0);
    int found = -1;
    for (int fd = 3; pidfd >= 0 && found < 0 && fd < 16; fd++) {
        struct stat about;
        found = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
        if (found < 0 || (fstat(found, &about) == 0 && S_ISSOCK(about.st_mode)))
            continue;
        close(found);
        found = -1;
    }
    if (pidfd >= 0) close(pidfd);
    return found;
}

// Nothing is encoded here: of a result that does not fit, the words are cut.
// What a worker says cannot be nonsense to its parent, what the foreman says
// can.
TEST(answer_that_does_not_fit_fails_one_job_and_nonsense_the_pool)
{
    CONFORMS("PROC-05");
    struct asyncio_executor *pool = make_pool(1);
    pid_t before = 0, after = 0;
    EXPECT_OR_RETURN(pool);
    asyncio_ignore(asyncio_run_in_executor(pool, report_pid, &before,
                                           .size = sizeof before));
    EXPECT_EQ(asyncio_run_in_executor(pool, say_too_much, NULL), -EPROTO);
    EXPECT_CONTAINS(asyncio_strerror(-EPROTO), "wwww");
    asyncio_ignore(asyncio_run_in_executor(pool, report_pid, &after,
                                           .size = sizeof after));
    EXPECT_EQ(after, before);

    struct call call = {.pool = pool, .fn = pass_gate};
    struct asyncio_task *task = begin_gate(&call);
    int socket = task ? steal_socket(atomic_load(&shared->foreman)) : -1;
    if (task && socket < 0) sem_post(&shared->gate);
    if (socket >= 0) {
        EXPECT_EQ(write(socket, "huh", 3), 3);
        EXPECT_EQ(asyncio_await(task), -EOWNERDEAD);
        EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), -EOWNERDEAD);
        close(socket);
    } else if (task) {
        EXPECT_EQ(asyncio_await(task), 0);
    }
    asyncio_task_release(task);
    asyncio_executor_shutdown(pool);
}

// --- orders that cannot be sent ---------------------------------------------

// A call that says that nobody is at the other end is believed: then the
// foreman, if it was there, is told to go, and the pool hears of its end.
static void expect_end_if_send_fails(int code)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    fail_next(ASYNCIO__SYS_SEND, code);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), -EOWNERDEAD);
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), "has gone");
    asyncio_executor_shutdown(pool);
}

TEST(socket_that_has_failed_for_one_order_ends_the_pool, .faulty = true)
{
    expect_end_if_send_fails(-EPIPE);
    expect_end_if_send_fails(-ECONNRESET);
}

// No answer is on its way that would say when there is room.
TEST(order_that_was_refused_though_none_was_sent_before_is_sent_again,
     .faulty = true)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    fail_next(ASYNCIO__SYS_SEND, -EAGAIN);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}

TEST(call_that_would_not_wait_is_made_again_where_waiting_is_meant,
     .faulty = true)
{
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(share_memory());
    fail_next(ASYNCIO__SYS_SEND, -EAGAIN);
    if (!EXPECT_EQ(asyncio_process_pool_create(&pool, .max_workers = 1), 0))
        return;
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}

// --- another size -----------------------------------------------------------

TEST(pool_that_grows_runs_more_side_by_side)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_executor_resize(pool, 0), -EINVAL);
    struct call calls[3];
    struct asyncio_task *tasks[3];
    for (int i = 0; i < 3; i++) {
        calls[i] = (struct call){.pool = pool, .fn = pass_gate};
        tasks[i] = begin_call(&calls[i]);
    }
    int workers = asyncio_executor_resize(pool, 3) == 0 ? 3 : 1;
    for (int i = 0; i < workers && !asyncio_task_done(tasks[i]); i++)
        EXPECT(down_meanwhile(&shared->begun, tasks[i]));
    EXPECT_LE(look(pool).workers, (size_t)workers);
    for (int i = 0; i < 3; i++)
        sem_post(&shared->gate);
    for (int i = 0; i < 3; i++) {
        EXPECT_GE(asyncio_await(tasks[i]), 0);
        asyncio_task_release(tasks[i]);
    }
    asyncio_executor_shutdown(pool);
}

TEST(pool_that_shrinks_ends_who_has_nothing_to_do)
{
    enum { WORKERS = 4 };
    struct asyncio_executor *pool = make_pool(WORKERS);
    struct call calls[WORKERS];
    struct asyncio_task *tasks[WORKERS];
    EXPECT_OR_RETURN(pool);
    for (int i = 0; i < WORKERS; i++) {
        calls[i] = (struct call){.pool = pool, .fn = pass_gate};
        tasks[i] = begin_call(&calls[i]);
    }
    EXPECT_EQ(asyncio_executor_resize(pool, 2), 0);
    EXPECT_LE(look(pool).workers, WORKERS); // they are at work
    for (int i = 0; i < WORKERS; i++)
        sem_post(&shared->gate);
    for (int i = 0; i < WORKERS; i++) {
        EXPECT_GE(asyncio_await(tasks[i]), 0);
        asyncio_task_release(tasks[i]);
    }
    EXPECT_LE(look(pool).idle, 2);
    EXPECT_EQ(look(pool).crashed, 0);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), WORKERS);
    asyncio_executor_shutdown(pool);
}

static int fail_quietly(void *arg)
{
    (void)arg;
    return -EDOM;
}

static int exit_at_once(void *arg)
{
    (void)arg;
    _exit(0);
}

TEST(statistics_count_what_has_happened)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(look(pool).workers, 0);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    EXPECT_EQ(asyncio_run_in_executor(pool, fail_quietly, NULL), -EDOM);
    EXPECT_EQ(asyncio_run_in_executor(pool, exit_at_once, NULL), -EOWNERDEAD);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 1);
    struct asyncio_pool_statistics now = look(pool);
    EXPECT_EQ(now.workers, 1);
    EXPECT_EQ(now.idle, 1);
    EXPECT_EQ(now.running, 0);
    EXPECT_EQ(now.finished, 2);
    EXPECT_EQ(now.failed, 1);
    EXPECT_EQ(now.crashed, 1);
    EXPECT_EQ(now.replaced, 1);
    asyncio_executor_shutdown(pool);
    EXPECT_EQ(asyncio_executor_statistics(pool, &now), -ESHUTDOWN);
    EXPECT_EQ(asyncio_executor_resize(pool, 1), -ESHUTDOWN);
}
