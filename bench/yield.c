// What does it cost to let another task run?
//
//     ./dev bench yield [ROUNDS]
//
// Two tasks hand over to each other: a pass of the loop is two of these. The
// figure is the time divided by the number of yields.

#include "bench.h"

static int hand_over(void *arg)
{
    int err = 0;
    for (long left = *(long *)arg; left > 0 && err >= 0; left--)
        err = asyncio_sleep(0);
    return err;
}

static int yields(long count)
{
    long each = count / 2;
    struct asyncio_coroutine both[] = {
        ASYNCIO_COROUTINE(hand_over, &each),
        ASYNCIO_COROUTINE(hand_over, &each),
    };
    return asyncio_gather(both, 2);
}

static int async_main(void *arg)
{
    (void)arg;
    return bench_figure("W1", "yield", yields, 2000000);
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, async_main);
}
