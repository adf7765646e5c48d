// Workers: one loop for each thread, all of them running the same coroutine,
// and one failure that ends them all. Every call of asyncio/workers.h.
//
//     cc workers.c $(pkg-config --cflags --libs libasyncio)

#include <stdatomic.h>
#include <stdio.h>

#include <asyncio.h>

#define ITEMS 1000

static atomic_int next_item, total;

// Takes items as long as there are any: who is faster does more.
static int worker(void *arg)
{
    (void)arg;
    int err = 0, item;
    while (err == 0 && (item = atomic_fetch_add(&next_item, 1)) < ITEMS) {
        atomic_fetch_add(&total, item);
        err = asyncio_sleep(0);
    }
    return err;
}

static atomic_int cleaned_up;

static int fail_in_one(void *arg)
{
    (void)arg;
    int last = asyncio_worker_count() - 1;
    if (asyncio_worker_number() == last)
        return asyncio_raise(-EPROTO, "worker %d has failed", last);
    int err = asyncio_sleep(3600); // until another one fails
    if (err == -ECANCELED) atomic_fetch_add(&cleaned_up, 1);
    return err;
}

int main(void)
{
    int err = asyncio_run_workers(worker, NULL, .workers = 3);
    if (err < 0) printf("error: %s\n", asyncio_strerror(err));
    printf("the sum is %d\n", total);

    err = asyncio_run_workers(fail_in_one, NULL, .workers = 3);
    printf("%s\n", asyncio_strerror(err));
    printf("the others: %s\n", cleaned_up <= 2 ? "gone" : "too many");
    printf("outside there is no number: %d\n", asyncio_worker_number());
    return 0;
}
// expect: the sum is 499500
// expect: worker 2 has failed
// expect: the others: gone
// expect: outside there is no number: -1
