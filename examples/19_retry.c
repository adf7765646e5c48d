// Retry with back-off: any coroutine function, a time limit for each attempt,
// pauses that double, so that a server in trouble is left alone.
//
// A cancellation is not a failure to retry: it goes straight up. Where many
// clients may fail at once, add a random part to the pause.
//
//     cc 19_retry.c $(pkg-config --cflags --libs libasyncio)
//
// expect: 0.0 s: attempt 1: bad chunk size 'zz'
// expect: 0.6 s: attempt 2: Connection timed out
// expect: 0.8 s: got 7 after 3 calls

#include <stdio.h>

#include <asyncio.h>

struct retry {
    int attempts;
    double limit, pause;
};

static double start;

static double now(void)
{
    return asyncio_time() - start;
}

static int retry(int (*fn)(void *), void *arg, struct retry how)
{
    for (int attempt = 1;; attempt++) {
        int err = asyncio_wait_for(fn(arg), how.limit);
        if (err >= 0 || err == -ECANCELED || attempt == how.attempts)
            return err;
        printf("%.1f s: attempt %d: %s\n", now(), attempt,
               asyncio_strerror(err));
        err = asyncio_sleep(how.pause);
        if (err < 0) return err;
        how.pause *= 2;
    }
}

static int flaky(void *arg)
{
    int *calls = arg;
    switch (++*calls) {
    case 1: return asyncio_raise(-EPROTO, "bad chunk size '%s'", "zz");
    case 2: return asyncio_sleep(3600); // too slow: the limit ends it
    default: return 7;
    }
}

static int async_main(void *arg)
{
    (void)arg;
    int calls = 0;
    start = asyncio_time();
    int got = retry(flaky, &calls, (struct retry){3, 0.5, 0.1});
    printf("%.1f s: got %d after %d calls\n", now(), got, calls);
    return got < 0 ? got : 0;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
