// A limit around one call, and around several statements; the last known value
// where the fresh one is late.
//
//     cc 13_timeout_fallback.c $(pkg-config --cflags --libs libasyncio)
//
// expect: 10.5 fresh, 10.0 cached
// expect: two: Connection timed out

#include <stdio.h>

#include <asyncio.h>

struct quote {
    double price;
    bool fresh;
};

static int fetch_quote(struct quote *quote, double latency)
{
    int err = asyncio_sleep(latency); // stands for a request
    if (err < 0) return err;
    *quote = (struct quote){.price = 10.5, .fresh = true};
    return 0;
}

// One call: wait_for.
static int quote_or_cached(struct quote *quote, double latency)
{
    int err = asyncio_wait_for(fetch_quote(quote, latency), 0.5);
    if (err == -ETIMEDOUT) {
        *quote = (struct quote){.price = 10};
        return 0;
    }
    return err;
}

// Several statements: a limit for the rest of the block.
static int two_quotes(struct quote *first, struct quote *second)
{
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    int err = fetch_quote(first, 0.7);
    if (err >= 0) err = fetch_quote(second, 0.7);
    return asyncio_timeout_exit(&limit, err);
}

static int async_main(void *arg)
{
    (void)arg;
    struct quote a = {0}, b = {0};
    int err = quote_or_cached(&a, 0.1);
    if (err < 0) return err;
    err = quote_or_cached(&b, 3);
    if (err < 0) return err;
    printf("%.1f %s, %.1f %s\n", a.price, a.fresh ? "fresh" : "cached", b.price,
           b.fresh ? "fresh" : "cached");
    printf("two: %s\n", asyncio_strerror(two_quotes(&a, &b)));
    return 0;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
