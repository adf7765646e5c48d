// What a cancelled scope does not cut short: functions in threads, closing,
// joining.

#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include <asyncio/file.h>

#include "runner/runner.h"

static int sleep_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(1000);
}

static int count_call(void *calls)
{
    ++*(int *)calls;
    return 0;
}

struct job {
    struct asyncio_cancel_scope scope;
    struct asyncio_loop *loop;
    struct asyncio_event at_work; // the thread is, or never will be
    atomic_bool begun, go_on, asked;
};

static int set_event(void *arg)
{
    asyncio_event_set(arg);
    return 0;
}

static int wait_in_thread(void *arg)
{
    struct job *job = arg;
    job->begun = true;
    if (job->loop &&
        asyncio_call_soon_threadsafe(job->loop, set_event, &job->at_work) < 0)
        return 7; // whoever waits hears of it by the end
    while (!job->go_on && !job->asked)
        job->asked = asyncio_check_cancelled() == -ECANCELED;
    return 7;
}

// Cancels the scope once the thread is at work.
static int cancel_when_begun(void *arg)
{
    struct job *job = arg;
    if (job->begun)
        asyncio_cancel_scope_cancel(&job->scope);
    else if (asyncio_call_soon(cancel_when_begun, job) < 0)
        job->go_on = true;
    return 0;
}

TEST(thread_runs_to_its_end_and_its_result_counts)
{
    CONFORMS("SCOPE-16");
    struct job job = {0};
    EXPECT_EQ(asyncio_cancel_scope_enter(&job.scope), 0);
    job.go_on = asyncio_call_soon(cancel_when_begun, &job) < 0;
    EXPECT_EQ(asyncio_to_thread(wait_in_thread, &job), 7);
    job.begun = true;
    EXPECT(job.asked);
    EXPECT(asyncio_cancel_scope_cancelled(&job.scope));
    EXPECT_EQ(asyncio_sleep(0), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&job.scope, -ECANCELED), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
}

static int request_when_begun(void *arg)
{
    struct job *job = arg;
    int err = asyncio_event_wait(&job->at_work);
    asyncio_cancel_scope_cancel(&job->scope);
    return err;
}

static int call_thread(void *arg)
{
    struct job *job = arg;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, request_when_begun, job);
    EXPECT_EQ(asyncio_cancel_scope_enter(&job->scope), 0);
    int err = asyncio_to_thread(wait_in_thread, job);
    asyncio_event_set(&job->at_work);
    EXPECT_EQ(err, -ECANCELED); // the request to the task takes no result
    err = asyncio_cancel_scope_exit(&job->scope, err);
    return asyncio_task_group_exit(&group, err);
}

TEST(request_to_the_task_drops_the_result_of_the_thread)
{
    struct job job = {.loop = asyncio_get_running_loop()};
    struct asyncio_task *task = asyncio_create_task(call_thread, &job);
    if (!asyncio_task_done(task))
        asyncio_ignore(asyncio_event_wait(&job.at_work));
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_release(task);
}

static int call_in_pool(void *pool)
{
    int calls = 0;
    int err = asyncio_run_in_executor(pool, count_call, &calls);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(calls, 0);
    return err;
}

static int hold_thread(void *arg)
{
    struct job *job = arg;
    while (!job->go_on)
        ;
    return 7;
}

// The only thread is busy until the scope has been cancelled.
static int cancel_and_let_go(void *arg)
{
    struct job *job = arg;
    asyncio_cancel_scope_cancel(&job->scope);
    job->go_on = true;
    return 0;
}

TEST(function_that_no_thread_has_begun_is_taken_back)
{
    struct job job = {0};
    struct asyncio_executor *pool = NULL;
    EXPECT_EQ(asyncio_thread_pool_create(&pool, .max_workers = 1), 0);
    EXPECT_OR_RETURN(pool);
    struct asyncio_task *busy =
        asyncio_create_task(hold_thread, &job, .executor = pool);
    EXPECT_EQ(asyncio_sleep(0), 0); // its function is in the queue
    EXPECT_EQ(asyncio_cancel_scope_enter(&job.scope), 0);
    {
        ASYNCIO_WITH_TASK_GROUP(group);
        asyncio_task_group_create_task(&group, call_in_pool, pool);
        asyncio_ignore(asyncio_sleep(0));
        cancel_and_let_go(&job);
        EXPECT_EQ(asyncio_task_group_exit(&group, 0), -ECANCELED);
    }
    EXPECT_EQ(asyncio_cancel_scope_exit(&job.scope, -ECANCELED), 0);
    EXPECT_EQ(asyncio_await(busy), 7);
    asyncio_task_release(busy);
    asyncio_executor_shutdown(pool);
}

TEST(close_happens_in_a_cancelled_scope)
{
    CONFORMS("SCOPE-16");
    char byte;
    int ends[2];
    EXPECT_OR_RETURN(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    asyncio_cancel_scope_cancel(&scope);
    EXPECT_EQ(asyncio_close(ends[1]), 0);
    EXPECT_EQ(read(ends[0], &byte, 1), 0); // -1 while somebody could write
    EXPECT_EQ(asyncio_sleep(0), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, -ECANCELED), 0);
    close(ends[0]);
}

// What has to happen in any case happens, and the next await ends.
TEST(joins_and_ends_happen_in_a_cancelled_scope)
{
    struct asyncio_coroutine job = ASYNCIO_COROUTINE(sleep_long, NULL);
    struct asyncio_executor *pool = NULL;
    struct asyncio_gather gather = {0};
    EXPECT_EQ(asyncio_thread_pool_create(&pool, .max_workers = 1), 0);
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    EXPECT_EQ(asyncio_gather_start(&gather, &job, 1), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_cancel_scope_cancel(&scope);
    asyncio_gather_close(&gather);
    asyncio_executor_shutdown(pool);
    EXPECT_EQ(asyncio_sleep(0), -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, -ECANCELED), 0);
}
