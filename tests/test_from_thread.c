// Jobs that block for a coroutine of the loop, and whose callers are cancelled:
// the coroutine is told, ends in its own time, and the job after it.
//
// Real time: nothing may be armed that the virtual clock would jump to while a
// thread is on its way.

#include <asyncio/threadsafe.h>

#include "threads.h"

static struct asyncio_loop *loop;
static int inside;        // coroutines that have begun
static atomic_int answer; // of one, as its job saw it
static atomic_bool over;  // the job that nobody waits for

// What is to end when so many coroutines have begun.
static int last;
static struct asyncio_timeout *limit;
static struct asyncio_cancel_scope *scope;

static void count_inside(void)
{
    if (++inside != last) return;
    if (limit) EXPECT_EQ(asyncio_timeout_reschedule(limit, asyncio_time()), 0);
    if (scope)
        EXPECT_EQ(asyncio_cancel_scope_set_deadline(scope, asyncio_time()), 0);
}

struct question {
    bool begun, told;
};

static int wait_for_ever(void *arg)
{
    struct question *question = arg;
    question->begun = true;
    count_inside();
    int err = asyncio_sleep(ASYNCIO_FOREVER);
    question->told = err == -ECANCELED;
    return err;
}

static int ask_the_loop(void *arg)
{
    (void)arg;
    struct question question = {0}; // in the frame of the job
    int code = asyncio_from_thread_run(loop, wait_for_ever, &question);
    EXPECT_EQ(question.told, question.begun && code == -ECANCELED);
    atomic_store(&answer, code);
    return code;
}

static struct asyncio_task *begin_asking(struct call *call)
{
    loop = asyncio_get_running_loop();
    struct asyncio_task *task = begin_call(call);
    while (!inside && !asyncio_task_done(task))
        asyncio_ignore(asyncio_sleep(0.001));
    return task;
}

// Whatever comes in between: the call is in the caller's frame.
static int end_asking(struct asyncio_task *task)
{
    int code = -EINVAL;
    asyncio_task_cancel(task);
    while (!asyncio_task_done(task))
        asyncio_ignore(asyncio_await(task));
    EXPECT_EQ(asyncio_task_result(task, &code), 0);
    asyncio_task_release(task);
    return code;
}

TEST(cancelled_job_takes_the_coroutine_along_that_it_waits_for,
     .real_time = true)
{
    struct call call = {.fn = ask_the_loop};
    EXPECT_EQ(end_asking(begin_asking(&call)), -ECANCELED);
    EXPECT_EQ(answer, -ECANCELED);
}

TEST(time_limit_ends_a_job_that_waits_for_the_loop, .real_time = true)
{
    loop = asyncio_get_running_loop();
    ASYNCIO_WITH_TIMEOUT(mine, ASYNCIO_FOREVER);
    limit = &mine;
    last = 1;
    int err = asyncio_to_thread(ask_the_loop, NULL);
    EXPECT_EQ(asyncio_timeout_exit(&mine, err), -ETIMEDOUT);
    EXPECT_EQ(answer, -ECANCELED);
}

TEST(scope_ends_a_job_that_waits_for_the_loop, .real_time = true)
{
    loop = asyncio_get_running_loop();
    ASYNCIO_WITH_CANCEL_SCOPE(mine);
    scope = &mine;
    last = 1;
    int err = asyncio_to_thread(ask_the_loop, NULL);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_EQ(asyncio_cancel_scope_exit(&mine, err), 0);
    EXPECT_EQ(answer, -ECANCELED);
}

static int clean_up_slowly(void *arg)
{
    count_inside();
    int err = asyncio_sleep(ASYNCIO_FOREVER);
    for (int i = 0; i < 5; i++)
        asyncio_ignore(asyncio_sleep(0));
    *(bool *)arg = true;
    return err == -ECANCELED ? 7 : err;
}

static int ask_for_a_clean_up(void *arg)
{
    bool ended = false;
    (void)arg;
    answer = asyncio_from_thread_run(loop, clean_up_slowly, &ended);
    EXPECT_EQ(ended, answer == 7);
    return answer;
}

TEST(cancelled_job_waits_until_its_coroutine_has_cleaned_up, .real_time = true)
{
    struct call call = {.fn = ask_for_a_clean_up};
    EXPECT_EQ(end_asking(begin_asking(&call)), -ECANCELED);
    EXPECT_EQ(answer, 7);
}

static int ask_too_late(void *arg)
{
    (void)arg;
    sem_post(&begun);
    down(&gate);
    for (int i = 0; i < 3000; i++)
        answer = asyncio_from_thread_run(loop, count_call, NULL);
    return asyncio_check_cancelled();
}

TEST(job_that_was_cancelled_before_begins_no_coroutine, .real_time = true)
{
    make_gates();
    loop = asyncio_get_running_loop();
    struct call call = {.fn = ask_too_late};
    struct asyncio_task *task = begin_running(&call);
    EXPECT_OR_RETURN(task);
    asyncio_task_cancel(task);
    sem_post(&gate);
    EXPECT_EQ(end_asking(task), -ECANCELED);
    EXPECT_EQ(answer, -ECANCELED);
    EXPECT_EQ(atomic_load(&calls), 0);
}

static int ask_behind_their_back(void *arg)
{
    (void)arg;
    sem_post(&begun);
    down(&gate);
    answer = asyncio_from_thread_run(loop, count_call, NULL);
    atomic_store(&over, true);
    return answer;
}

TEST(job_that_was_left_behind_goes_on_asking, .real_time = true)
{
    make_gates();
    loop = asyncio_get_running_loop();
    struct call call = {.fn = ask_behind_their_back, .abandon = true};
    struct asyncio_task *task = begin_running(&call);
    EXPECT_OR_RETURN(task);
    EXPECT_EQ(end_asking(task), -ECANCELED);
    sem_post(&gate);
    while (!atomic_load(&over))
        asyncio_ignore(asyncio_sleep(0.001));
    EXPECT_EQ(answer, 0);
    EXPECT_EQ(atomic_load(&calls), 1);
}

static int item_asks(void *item)
{
    (void)item;
    return ask_the_loop(NULL);
}

static int map_questions(void)
{
    int items[2] = {0};
    return asyncio_executor_map(NULL, item_asks, items, sizeof *items, 2);
}

TEST(cancelled_map_ends_items_that_wait_for_the_loop, .real_time = true)
{
    loop = asyncio_get_running_loop();
    ASYNCIO_WITH_TIMEOUT(mine, 3); // if one of them cannot begin
    limit = &mine;
    last = 2;
    int err = map_questions();
    EXPECT_EQ(asyncio_timeout_exit(&mine, err), -ETIMEDOUT);
}

static int ask_in_vain(void *arg)
{
    (void)arg;
    return asyncio_from_thread_run(loop, count_call, NULL);
}

TEST(cancel_races_the_end_of_what_the_job_waits_for, .real_time = true)
{
    make_gates();
    loop = asyncio_get_running_loop();
    for (size_t i = 0; i < test_amount(200, 16); i++) {
        struct call call = {.fn = ask_in_vain};
        struct asyncio_task *task = begin_call(&call);
        for (size_t pass = 0; pass < i % 8; pass++)
            asyncio_ignore(asyncio_sleep(0));
        bool had_ended = asyncio_task_done(task);
        int code = end_asking(task);
        if (!had_ended) EXPECT_EQ(code, -ECANCELED);
    }
}
