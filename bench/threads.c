// What does it cost to cross threads, in both directions?
//
//     ./dev bench threads [ROUNDS]
//
// Another thread hands a million calls to the loop. Then fifty thousand calls
// of a function that does nothing are awaited, one after the other, which a
// thread of the pool runs. ./dev bench executors has more of both.

#include "bench.h"

#define POSTS 1000000
#define CALLS 50000

static long seen;

static int count_one(void *arg)
{
    (void)arg;
    seen++;
    return 0;
}

static int post_all(void *loop)
{
    int err = 0;
    for (int i = 0; i < POSTS && err >= 0; i++)
        err = asyncio_call_soon_threadsafe(loop, count_one, NULL);
    return err;
}

// Calls per second, from the start of the thread to the last call.
static int posts(double *figure)
{
    seen = 0;
    double start = bench_now_ns();
    int err = asyncio_to_thread(post_all, asyncio_get_running_loop());
    while (err >= 0 && seen < POSTS)
        err = asyncio_sleep(0);
    *figure = POSTS / (bench_now_ns() - start) * 1e9;
    return err;
}

static int one_more(void *arg)
{
    ++*(long *)arg;
    return 0;
}

// Microseconds for one call.
static int calls(double *figure)
{
    long made = 0;
    int err = asyncio_to_thread(one_more, &made); // the thread is there now
    double start = bench_now_ns();
    for (int i = 0; i < CALLS && err >= 0; i++)
        err = asyncio_to_thread(one_more, &made);
    *figure = (bench_now_ns() - start) / CALLS / 1e3;
    return err >= 0 && made != CALLS + 1 ? -EIO : err;
}

static int async_main(void *arg)
{
    double post[BENCH_ROUNDS_MAX], call[BENCH_ROUNDS_MAX];
    (void)arg;
    for (int i = 0; i < bench_rounds; i++) {
        int err = posts(&post[i]);
        if (err >= 0) err = calls(&call[i]);
        if (err < 0) return err;
    }
    bench_print("W11", "post", post, "ops/s");
    bench_print("W11", "to_thread", call, "us");
    return 0;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, async_main);
}
