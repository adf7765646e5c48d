// A thread asks the loop to do something: it hands a coroutine in and waits for
// its outcome, or posts a callback and goes on. Any thread may; this one is of
// the pool. Nothing else of a loop may be touched there.
//
// expect: the thread asked, and got 42
// expect: the loop heard: the half is done
// expect: the thread has ended

#include <stdio.h>

#include <asyncio.h>

static int look_up(void *arg) // a coroutine, on the loop
{
    (void)arg;
    int err = asyncio_sleep(0.05);
    return err < 0 ? err : 42;
}

static int hear(void *word) // a callback, on the loop: it must not wait
{
    printf("the loop heard: %s\n", (char *)word);
    return 0;
}

static int in_thread(void *arg)
{
    static char word[] = "the half is done"; // outlives the call
    struct asyncio_loop *loop = arg;
    int answer = asyncio_from_thread_run(loop, look_up, NULL);
    if (answer < 0) return answer; // -ECANCELED, if the loop was closed
    printf("the thread asked, and got %d\n", answer);
    return asyncio_call_soon_threadsafe(loop, hear, word);
}

static int async_main(void *arg)
{
    (void)arg;
    int err = asyncio_to_thread(in_thread, asyncio_get_running_loop());
    if (err == 0) err = asyncio_sleep(0); // what was posted has its turn
    if (err == 0) printf("the thread has ended\n");
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
