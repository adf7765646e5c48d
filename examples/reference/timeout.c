// Time limits: around a block, at a time of day of the loop, moved, and on one
// call.
//
//     cc timeout.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

static int too_slow(void)
{
    ASYNCIO_WITH_TIMEOUT(limit, 0.01);
    int err = asyncio_sleep(10);
    printf("in the block: %s\n", err == -ECANCELED ? "ECANCELED" : "?");
    err = asyncio_timeout_exit(&limit, err);
    printf("after it: %s, expired: %d\n", err == -ETIMEDOUT ? "ETIMEDOUT" : "?",
           asyncio_timeout_expired(&limit));
    return err == -ETIMEDOUT ? 0 : err;
}

static int moved(void)
{
    struct asyncio_timeout limit = {0};
    double soon = asyncio_time() + 0.01;
    int err = asyncio_timeout_enter_at(&limit, soon);
    if (err < 0) return err;
    err = asyncio_timeout_reschedule(&limit, soon + 60);
    if (err == 0) err = asyncio_sleep(0.02);
    printf("moved by %.0f s: %s\n", asyncio_timeout_when(&limit) - soon,
           err == 0 ? "in time" : "too late");
    err = asyncio_timeout_exit(&limit, err);
    asyncio_timeout_close(&limit);
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = too_slow();
    if (err == 0) err = moved();
    if (err < 0) return err;
    err = asyncio_wait_for(asyncio_sleep(10), 0.01);
    printf("one call: %s\n", err == -ETIMEDOUT ? "ETIMEDOUT" : "?");
    return err == -ETIMEDOUT ? 0 : err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: in the block: ECANCELED
// expect: after it: ETIMEDOUT, expired: 1
// expect: moved by 60 s: in time
// expect: one call: ETIMEDOUT
