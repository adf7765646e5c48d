// Answer to exercise 12: a cache that loads itself once, and the test that
// found the mistake in its first version.
//
// That one returned right after a load that was cancelled, with `loading` still
// set: whoever waited for it waited for ever. No ordinary run shows that. A
// cancel at each await does in a moment, and prints the line that has it again:
// write the marked line once more, right behind the load, and see.
//
// expect: passed

#include <stdio.h>

#include <asyncio.h>
#include <asyncio/testing.h>

struct cache {
    bool loading, filled;
    int value;
    struct asyncio_event changed;
};

static int load(struct cache *cache)
{
    int err = asyncio_sleep(1); // stands for a request
    if (err < 0) return err;
    cache->value = 42;
    cache->filled = true;
    return 0;
}

static int cache_get(struct cache *cache)
{
    while (!cache->filled) {
        int err = 0;
        if (cache->loading) {
            err = asyncio_event_wait(&cache->changed);
        } else {
            cache->loading = true;
            asyncio_event_clear(&cache->changed);
            err = load(cache);
            cache->loading = false;
            asyncio_event_set(&cache->changed);
        }
        if (err < 0) return err; // <- the line
    }
    return cache->value;
}

// --- the test ---------------------------------------------------------------

static int ask(void *arg)
{
    int value = cache_get(arg);
    return value < 0 || value == 42 ? value : -EPROTO;
}

static int test(void *arg)
{
    (void)arg;
    struct cache cache = {0};
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 3; i++)
        asyncio_task_group_create_task(&group, ask, &cache);
    int err = asyncio_task_group_exit(&group, 0);
    return err < 0 ? err : cache_get(&cache) == 42 ? 0 : -EPROTO;
}

int main(int argc, char **argv)
{
    return asyncio_testing_main(argc, argv, test, NULL);
}
