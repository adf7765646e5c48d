// A retry helper: any coroutine function, a time limit for each attempt,
// growing pauses. A cancellation is not a failure to retry: it goes straight
// up.
//
//     cc 03_retry.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

struct retry {
    int attempts;
    double limit, pause;
};

static int retry(int (*fn)(void *), void *arg, struct retry how)
{
    for (int attempt = 1;; attempt++) {
        int err = asyncio_wait_for(fn(arg), how.limit);
        if (err >= 0 || err == -ECANCELED || attempt == how.attempts)
            return err;
        printf("attempt %d: %s\n", attempt, asyncio_strerror(err));
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
    int got = retry(flaky, &calls, (struct retry){3, 0.5, 0.1});
    printf("got %d after %d calls\n", got, calls);
    return got < 0 ? got : 0;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: attempt 1: bad chunk size 'zz'
// expect: attempt 2: Connection timed out
// expect: got 7 after 3 calls
