// Something every tenth of a second, without drift: the next time is counted
// from the last one, and not from when the work was finished.
//
// expect: 0.1 s: tick
// expect: 0.2 s: tick
// expect: 0.3 s: tick

#include <stdio.h>

#include <asyncio.h>

static double start;

static int work(void)
{
    int err = asyncio_sleep(0.03); // takes its time
    if (err == 0) printf("%.1f s: tick\n", asyncio_time() - start);
    return err;
}

static int every(double seconds, int times)
{
    double next = asyncio_time();
    for (int i = 0; i < times; i++) {
        next += seconds;
        int err = asyncio_sleep(next - asyncio_time());
        if (err == 0) err = work();
        if (err < 0) return err;
    }
    return 0;
}

static int async_main(void *arg)
{
    (void)arg;
    start = asyncio_time();
    return every(0.1, 3);
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
