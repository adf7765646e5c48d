// Calls from other threads into a loop: a thread of the program asks questions,
// takes one back, and finds out that the loop has ended. Every call of
// asyncio/threadsafe.h.
//
//     cc threadsafe.c $(pkg-config --cflags --libs libasyncio) -pthread

#include <pthread.h>
#include <stdio.h>

#include <asyncio.h>

static struct asyncio_loop *loop;

static int double_it(void *arg) // on the loop
{
    int err = asyncio_sleep(0.01);
    return err < 0 ? err : 2 * *(int *)arg;
}

static int never_end(void *arg)
{
    (void)arg;
    return asyncio_sleep(3600);
}

// Goes on with other work while the loop is at it.
static int ask(int number)
{
    struct asyncio_thread_future *answer;
    int err =
        asyncio_run_coroutine_threadsafe(loop, double_it, &number, &answer);
    if (err < 0) return err;
    int result = asyncio_thread_future_wait(answer, ASYNCIO_FOREVER);
    asyncio_thread_future_release(answer);
    return result;
}

static int take_back(void)
{
    struct asyncio_thread_future *answer;
    int err = asyncio_run_coroutine_threadsafe(loop, never_end, NULL, &answer,
                                               .name = "not needed");
    if (err < 0) return err;
    asyncio_thread_future_cancel(answer);
    int result = asyncio_thread_future_wait(answer, ASYNCIO_FOREVER);
    asyncio_thread_future_release(answer);
    return result;
}

static int use_loop(void *arg) // on a thread of the executor
{
    int number = 4;
    (void)arg;
    printf("3 doubled is %d\n", ask(3));
    printf("4 doubled is %d\n",
           asyncio_from_thread_run(loop, double_it, &number));
    printf("taken back: %s\n", take_back() == -ECANCELED ? "yes" : "no");
    return 0;
}

static int async_main(void *arg)
{
    (void)arg;
    loop = asyncio_loop_retain(asyncio_get_running_loop());
    return asyncio_to_thread(use_loop, NULL);
}

static void *come_late(void *arg)
{
    *(int *)arg = ask(5);
    return NULL;
}

int main(void)
{
    pthread_t thread;
    int status = asyncio_main(async_main, NULL), late = 0;
    if (pthread_create(&thread, NULL, come_late, &late) == 0)
        pthread_join(thread, NULL);
    printf("too late: %s\n", late == -ESHUTDOWN ? "yes" : "no");
    asyncio_loop_release(loop);
    return status;
}
// expect: 3 doubled is 6
// expect: 4 doubled is 8
// expect: taken back: yes
// expect: too late: yes
