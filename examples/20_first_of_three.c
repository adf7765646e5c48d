// Three mirrors, the first good answer wins. Once as a race, once spelled out
// over as_completed, which shows what the race does.
//
//     cc 20_first_of_three.c $(pkg-config --cflags --libs libasyncio)
//
// expect: a.example is told to stop
// expect: race: c.example
// expect: a.example is told to stop
// expect: by hand: c.example

#include <stdio.h>

#include <asyncio.h>

struct mirror {
    const char *name;
    double seconds; // that it takes to answer
    bool broken;
};

static int fetch(void *arg) // stands for asyncio_http_get
{
    struct mirror *mirror = arg;
    int err = asyncio_sleep(mirror->seconds);
    if (err == -ECANCELED) printf("%s is told to stop\n", mirror->name);
    if (err < 0) return err;
    return mirror->broken ? asyncio_raise(-EPROTO, "no page") : 200;
}

// A mirror that answers within 0.2 s is never disturbed by a second one.
static int race(struct mirror mirrors[3])
{
    struct asyncio_coroutine fetches[3];
    for (int i = 0; i < 3; i++)
        fetches[i] = ASYNCIO_COROUTINE(fetch, &mirrors[i]);
    return asyncio_staggered_race(fetches, 3, 0.2);
}

// The same by hand, all at once. `return` ends the block, which cancels and
// joins the losers first: they read `mirrors`.
static int race_by_hand(struct mirror mirrors[3])
{
    struct asyncio_coroutine fetches[3];
    for (int i = 0; i < 3; i++)
        fetches[i] = ASYNCIO_COROUTINE(fetch, &mirrors[i]);
    ASYNCIO_WITH_AS_COMPLETED(answers, fetches, 3);
    int index, result = -ENODATA;
    while ((index = asyncio_as_completed_next(&answers, &result)) >= 0)
        if (result >= 0) return index;
    return index == -ENODATA ? result : index;
}

static int async_main(void *arg)
{
    (void)arg;
    struct mirror mirrors[3] = {
        {.name = "a.example", .seconds = 1.5},
        {.name = "b.example", .seconds = 0.1, .broken = true},
        {.name = "c.example", .seconds = 0.3},
    };
    int winner = race(mirrors);
    if (winner >= 0) printf("race: %s\n", mirrors[winner].name);
    int first = race_by_hand(mirrors);
    if (first >= 0) printf("by hand: %s\n", mirrors[first].name);
    return winner < 0 ? winner : first < 0 ? first : 0;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
