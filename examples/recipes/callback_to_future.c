// A library that calls back becomes one that can be awaited: the callback sets
// a future that lies beside the result.
//
// expect: 1234 bytes
// expect: too slow: Connection timed out

#include <stdio.h>

#include <asyncio.h>

// The library, as others have written it: it calls back from the loop, once.
typedef void on_size(long size, void *arg);
struct query {
    struct asyncio_handle timer;
    on_size *callback;
    void *arg;
};
static int answer(void *arg)
{
    struct query *query = arg;
    query->callback(1234, query->arg);
    return 0;
}
static int query_start(struct query *query, double latency)
{
    return asyncio_call_later(latency, answer, query, .handle = &query->timer);
}
static void query_stop(struct query *query)
{
    asyncio_handle_cancel(&query->timer);
}

struct waiting {
    long size;
    struct asyncio_future done;
};

static void on_answer(long size, void *arg)
{
    struct waiting *waiting = arg;
    waiting->size = size;
    asyncio_future_set_result_unless_cancelled(&waiting->done, 0);
}

static int file_size(double latency, long *size)
{
    struct waiting waiting = {0};
    struct query query = {.callback = on_answer, .arg = &waiting};
    int err = query_start(&query, latency);
    if (err < 0) return err;
    err = asyncio_await(&waiting.done);
    query_stop(&query); // when cancelled, it must not call back any more
    *size = waiting.size;
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    long size;
    int err = file_size(0.1, &size);
    if (err < 0) return err;
    printf("%ld bytes\n", size);
    err = asyncio_wait_for(file_size(3600, &size), 0.1);
    printf("too slow: %s\n", asyncio_strerror(err));
    return err == -ETIMEDOUT ? 0 : err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
