// Futures that threads share, and their reflections on a loop.

#include <asyncio/executor.h>
#include <asyncio/thread_future.h>

#include <pthread.h>

#include "runner/runner.h"

static int set_seven(void *arg)
{
    return asyncio_thread_future_set_result(arg, 7);
}

static int set_words(void *arg)
{
    int code = asyncio_raise(-EPROTO, "the thread does not like it");
    return asyncio_thread_future_set_exception(arg, code);
}

// What a callback saw of the thread it ran on.
struct witness {
    pthread_t thread;
    int calls;
};

static int note_thread(struct asyncio_future *future, void *arg)
{
    struct witness *witness = arg;
    (void)future;
    witness->thread = pthread_self();
    witness->calls++;
    return 0;
}

TEST(value_from_a_thread_arrives_on_the_loops_thread)
{
    CONFORMS("FUT-11");
    struct asyncio_thread_future *future;
    struct asyncio_wrapped_future wrapped = {0};
    struct witness witness = {0};
    EXPECT_OR_RETURN(asyncio_thread_future_create(&future) == 0);
    int err = asyncio_wrap_future(&wrapped, future);
    if (err < 0) goto end;
    err = asyncio_future_add_done_callback(&wrapped.future, note_thread,
                                           &witness);
    if (err < 0) goto end;

    EXPECT(!asyncio_future_done(&wrapped.future));
    err = asyncio_to_thread(set_seven, future);
    if (err < 0) goto end;
    EXPECT_EQ(asyncio_await(&wrapped.future), 7);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(witness.calls, 1);
    EXPECT(pthread_equal(witness.thread, pthread_self()));
end:
    EXPECT_EQ(err, 0);
    asyncio_future_remove_done_callback(&wrapped.future, note_thread, &witness);
    asyncio_wrapped_future_close(&wrapped);
    asyncio_wrapped_future_close(&wrapped);
    asyncio_thread_future_release(future);
}

TEST(code_from_a_thread_arrives_with_its_words)
{
    struct asyncio_thread_future *future;
    struct asyncio_wrapped_future wrapped = {0};
    EXPECT_OR_RETURN(asyncio_thread_future_create(&future) == 0);
    int err = asyncio_wrap_future(&wrapped, future);
    if (err == 0) err = asyncio_to_thread(set_words, future);
    if (err == 0) {
        EXPECT_EQ(asyncio_await(&wrapped.future), -EPROTO);
        EXPECT_STR(asyncio_strerror(-EPROTO), "the thread does not like it");
    }
    EXPECT_EQ(err, 0);
    asyncio_wrapped_future_close(&wrapped);
    asyncio_thread_future_release(future);
}

TEST(future_that_was_done_before_is_reflected_too)
{
    struct asyncio_thread_future *future;
    struct asyncio_wrapped_future wrapped = {0};
    EXPECT_OR_RETURN(asyncio_thread_future_create(&future) == 0);
    EXPECT_EQ(asyncio_thread_future_set_result(future, 3), 0);
    int err = asyncio_wrap_future(&wrapped, future);
    if (EXPECT_EQ(err, 0)) EXPECT_EQ(asyncio_await(&wrapped.future), 3);
    asyncio_wrapped_future_close(&wrapped);
    asyncio_thread_future_release(future);
}

TEST(cancelled_reflection_cancels_the_threads_future)
{
    CONFORMS("FUT-12");
    struct asyncio_thread_future *future;
    struct asyncio_wrapped_future wrapped = {0};
    EXPECT_OR_RETURN(asyncio_thread_future_create(&future) == 0);
    if (EXPECT_EQ(asyncio_wrap_future(&wrapped, future), 0)) {
        EXPECT(asyncio_future_cancel(&wrapped.future));
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT(asyncio_thread_future_cancelled(future));
        EXPECT_EQ(asyncio_thread_future_set_result(future, 1), -EINVAL);
    }
    asyncio_wrapped_future_close(&wrapped);
    asyncio_thread_future_release(future);
}

TEST(reflection_cancelled_and_closed_at_once_cancels_too)
{
    struct asyncio_thread_future *future;
    struct asyncio_wrapped_future wrapped = {0};
    EXPECT_OR_RETURN(asyncio_thread_future_create(&future) == 0);
    if (EXPECT_EQ(asyncio_wrap_future(&wrapped, future), 0)) {
        EXPECT(asyncio_future_cancel(&wrapped.future));
        asyncio_wrapped_future_close(&wrapped);
        EXPECT(asyncio_thread_future_cancelled(future));
        EXPECT_EQ(asyncio_sleep(0), 0);
    }
    asyncio_thread_future_release(future);
}

TEST(value_that_the_reflection_has_not_heard_of_survives_its_cancel)
{
    CONFORMS("FUT-13");
    struct asyncio_thread_future *future;
    struct asyncio_wrapped_future wrapped = {0};
    int result = 0;
    EXPECT_OR_RETURN(asyncio_thread_future_create(&future) == 0);
    if (EXPECT_EQ(asyncio_wrap_future(&wrapped, future), 0)) {
        EXPECT_EQ(asyncio_thread_future_set_result(future, 5), 0);
        EXPECT(asyncio_future_cancel(&wrapped.future));
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT(asyncio_future_cancelled(&wrapped.future));
        EXPECT(!asyncio_thread_future_cancelled(future));
        EXPECT_EQ(asyncio_thread_future_result(future, &result), 0);
        EXPECT_EQ(result, 5);
    }
    asyncio_wrapped_future_close(&wrapped);
    asyncio_thread_future_release(future);
}

TEST(cancel_from_a_thread_cancels_the_reflection)
{
    struct asyncio_thread_future *future;
    struct asyncio_wrapped_future wrapped = {0};
    EXPECT_OR_RETURN(asyncio_thread_future_create(&future) == 0);
    if (EXPECT_EQ(asyncio_wrap_future(&wrapped, future), 0)) {
        EXPECT(asyncio_thread_future_cancel(future));
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT(asyncio_future_cancelled(&wrapped.future));
    }
    asyncio_wrapped_future_close(&wrapped);
    asyncio_thread_future_release(future);
}

TEST(closed_reflection_hears_nothing_more)
{
    struct asyncio_thread_future *future;
    struct asyncio_wrapped_future wrapped = {0}, other = {0};
    EXPECT_OR_RETURN(asyncio_thread_future_create(&future) == 0);
    int err = asyncio_wrap_future(&wrapped, future);
    int other_err = asyncio_wrap_future(&other, future);
    asyncio_wrapped_future_close(&wrapped);
    EXPECT_EQ(asyncio_thread_future_set_result(future, 9), 0);
    if (EXPECT_EQ(err, 0) && EXPECT_EQ(other_err, 0)) {
        EXPECT_EQ(asyncio_await(&other.future), 9);
        EXPECT(!asyncio_future_done(&wrapped.future));
    }
    asyncio_wrapped_future_close(&other);
    asyncio_thread_future_release(future);
}

static struct asyncio_wrapped_future left_behind;

static int wrap_and_leave(void *future)
{
    return asyncio_wrap_future(&left_behind, future);
}

TEST_PLAIN(thread_that_completes_it_after_the_loop_touches_nothing_of_that)
{
    struct asyncio_thread_future *future;
    EXPECT_OR_RETURN(asyncio_thread_future_create(&future) == 0);
    EXPECT_EQ(asyncio_run(wrap_and_leave, future), 0);
    EXPECT_EQ(asyncio_thread_future_set_result(future, 1), 0);
    asyncio_wrapped_future_close(&left_behind);
    asyncio_thread_future_release(future);
}

// --- threads among themselves -----------------------------------------------

static void *wait_for_it(void *future)
{
    int result = asyncio_thread_future_wait(future, ASYNCIO_FOREVER);
    return (void *)(intptr_t)result;
}

TEST_PLAIN(thread_waits_for_another_ones_value)
{
    struct asyncio_thread_future *future;
    pthread_t thread;
    void *result = NULL;
    EXPECT_OR_RETURN(asyncio_thread_future_create(&future) == 0);
    EXPECT_EQ(pthread_create(&thread, NULL, wait_for_it, future), 0);
    EXPECT_EQ(asyncio_thread_future_set_result(future, 11), 0);
    pthread_join(thread, &result);
    EXPECT_EQ((intptr_t)result, 11);
    asyncio_thread_future_release(future);
}

TEST_PLAIN(future_is_set_once)
{
    struct asyncio_thread_future *future;
    int result = -1;
    EXPECT_OR_RETURN(asyncio_thread_future_create(&future) == 0);
    EXPECT_EQ(asyncio_thread_future_result(future, &result), -EINVAL);
    EXPECT_EQ(asyncio_thread_future_wait(future, 0), -ETIMEDOUT);
    EXPECT_EQ(asyncio_thread_future_wait(future, __builtin_nan("")), -EINVAL);
    EXPECT_EQ(asyncio_thread_future_set_result(future, -1), -EINVAL);
    EXPECT_EQ(asyncio_thread_future_set_exception(future, 0), -EINVAL);
    EXPECT(!asyncio_thread_future_done(future));

    EXPECT_EQ(asyncio_thread_future_set_exception(future, -EIO), 0);
    EXPECT(asyncio_thread_future_done(future));
    EXPECT(!asyncio_thread_future_cancel(future));
    EXPECT_EQ(asyncio_thread_future_set_result(future, 1), -EINVAL);
    EXPECT_EQ(asyncio_thread_future_result(future, &result), 0);
    EXPECT_EQ(result, -EIO);
    asyncio_thread_future_release(future);
}

TEST(waiting_on_a_loops_thread_is_refused)
{
    struct asyncio_thread_future *future;
    EXPECT_OR_RETURN(asyncio_thread_future_create(&future) == 0);
    EXPECT_EQ(asyncio_thread_future_wait(future, 1), -EDEADLK);
    asyncio_thread_future_release(future);
}

TEST_PLAIN(reflection_needs_a_loop)
{
    struct asyncio_thread_future *future;
    struct asyncio_wrapped_future wrapped = {0};
    EXPECT_OR_RETURN(asyncio_thread_future_create(&future) == 0);
    EXPECT_EQ(asyncio_wrap_future(&wrapped, future), -EPERM);
    asyncio_wrapped_future_close(&wrapped);
    asyncio_thread_future_release(future);
}
