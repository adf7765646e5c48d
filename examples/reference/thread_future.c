// A future that a thread sets and a task awaits, and the other way round.
//
//     cc thread_future.c $(pkg-config --cflags --libs libasyncio)

#include <pthread.h>
#include <stdio.h>

#include <asyncio.h>

static void *set_answer(void *arg)
{
    struct asyncio_thread_future *answer = arg;
    asyncio_thread_future_set_result(answer, 42);
    asyncio_thread_future_release(answer);
    return NULL;
}

static int from_a_thread(void)
{
    struct asyncio_thread_future *answer;
    struct asyncio_wrapped_future reflection = {0};
    pthread_t thread;
    int err = asyncio_thread_future_create(&answer);
    if (err < 0) return err;
    err = asyncio_wrap_future(&reflection, answer);
    if (err < 0) goto fail_answer;
    if (pthread_create(&thread, NULL, set_answer,
                       asyncio_thread_future_retain(answer)) != 0) {
        asyncio_thread_future_release(answer);
        err = -EAGAIN;
        goto fail_reflection;
    }
    err = asyncio_await(&reflection.future);
    printf("the thread says %d\n", err);
    pthread_join(thread, NULL);

fail_reflection:
    asyncio_wrapped_future_close(&reflection);
fail_answer:
    asyncio_thread_future_release(answer);
    return err < 0 ? err : 0;
}

static int async_main(void *arg)
{
    (void)arg;
    return from_a_thread();
}

int main(void)
{
    struct asyncio_thread_future *failed, *cancelled;
    int status = asyncio_main(async_main, NULL), result = 0;

    // Without a loop it is what it is for two threads.
    if (asyncio_thread_future_create(&failed) < 0) return 1;
    asyncio_thread_future_set_exception(failed, -EPROTO);
    printf("waited: %s\n",
           asyncio_thread_future_wait(failed, 1) == -EPROTO ? "EPROTO" : "?");
    asyncio_ignore(asyncio_thread_future_result(failed, &result));
    printf("done: %d, the same: %d\n", asyncio_thread_future_done(failed),
           result == -EPROTO);
    asyncio_thread_future_release(failed);

    if (asyncio_thread_future_create(&cancelled) < 0) return 1;
    asyncio_thread_future_cancel(cancelled);
    printf("cancelled: %d\n", asyncio_thread_future_cancelled(cancelled));
    asyncio_thread_future_release(cancelled);
    return status;
}
// expect: the thread says 42
// expect: waited: EPROTO
// expect: done: 1, the same: 1
// expect: cancelled: 1
