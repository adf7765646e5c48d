// How long does it take to gather a hundred thousand coroutines?
//
//     ./dev bench gather [ROUNDS] [compact]
//
// Each lets the others run once and returns, so that all are alive at the same
// time. The first time in a process is called cold, because the memory for
// stacks is touched for the first time then; the later ones are warm. `ready`
// are coroutines that never wait. Compact tasks are made one by one, as no
// coroutine says how its task is to be, and gathered then.

#include "bench.h"

#define COUNT 100000

static struct asyncio_coroutine *entries;
static struct asyncio_task **tasks; // in their place, if they are compact

static int yield_once(void *arg)
{
    (void)arg;
    return asyncio_sleep(0);
}

static int return_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static int gather_compact(int (*fn)(void *arg), long count)
{
    for (long i = 0; i < count; i++)
        tasks[i] = asyncio_create_task(fn, NULL, .compact = true);
    int err = asyncio_gather(tasks, (size_t)count);
    for (long i = 0; i < count; i++)
        asyncio_task_release(tasks[i]);
    return err;
}

static int gather(int (*fn)(void *arg), long count)
{
    if (bench_compact) return gather_compact(fn, count);
    for (long i = 0; i < count; i++)
        entries[i] = ASYNCIO_COROUTINE(fn, NULL);
    return asyncio_gather(entries, (size_t)count);
}

// Prints milliseconds for all of them, in `rounds` rounds.
static int figure(const char *metric, int (*fn)(void *arg), int rounds)
{
    double figures[BENCH_ROUNDS_MAX];
    for (int i = 0; i < rounds; i++) {
        double start = bench_now_ns();
        int err = gather(fn, COUNT);
        if (err < 0) return err;
        figures[i] = (bench_now_ns() - start) / 1e6;
    }
    int all = bench_rounds;
    bench_rounds = rounds;
    bench_print("W3", metric, figures, "ms");
    bench_rounds = all;
    return 0;
}

static int once(long count)
{
    return count <= COUNT ? gather(return_at_once, count) : -EINVAL;
}

static int async_main(void *arg)
{
    (void)arg;
    entries = calloc(COUNT, sizeof *entries);
    tasks = calloc(COUNT, sizeof(*tasks));
    int err = entries && tasks ? 0 : -ENOMEM;
    if (err == 0 && bench_only) {
        err = bench_figure("W3", "ready", once, COUNT);
    } else {
        if (err >= 0) err = figure("cold_ms", yield_once, 1);
        if (err >= 0) err = figure("warm_ms", yield_once, bench_rounds);
        if (err >= 0) err = figure("ready_ms", return_at_once, bench_rounds);
    }
    free(entries);
    free(tasks);
    return err;
}

int main(int argc, char **argv)
{
    bench_take_compact(&argc, argv);
    return bench_main(argc, argv, async_main);
}
