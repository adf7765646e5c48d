// asyncio/staggered.h: three mirrors, of which the next one is asked only when
// the one before fails or is slow.
//
//     cc staggered.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

struct mirror {
    const char *name;
    double seconds;
    int outcome;
};

static int fetch(void *arg)
{
    struct mirror *mirror = arg;
    printf("%s is asked\n", mirror->name);
    int err = asyncio_sleep(mirror->seconds);
    return err < 0 ? err : mirror->outcome;
}

static int async_main(void *arg)
{
    struct mirror *mirrors = arg;
    struct asyncio_coroutine fetches[4];
    for (int i = 0; i < 4; i++)
        fetches[i] = ASYNCIO_COROUTINE(fetch, &mirrors[i]);

    int results[4];
    size_t started;
    int winner = asyncio_staggered_race(fetches, 4, 0.2, .results = results,
                                        .started = &started);
    if (winner < 0) return winner;

    printf("%s wins with %d\n", mirrors[winner].name, results[winner]);
    for (size_t i = 0; i < started; i++)
        if (results[i] < 0)
            printf("%s: %s\n", mirrors[i].name,
                   results[i] == -ECANCELED ? "too slow" : "failed");
    printf("%zu of 4 were asked\n", started);
    return 0;
}

int main(void)
{
    struct mirror mirrors[] = {
        {"north", 600, 1},
        {"east", 0.05, -ECONNREFUSED},
        {"south", 0.1, 1500},
        {"west", 0.1, 1500},
    };
    return asyncio_main(async_main, mirrors);
}
// expect: north is asked
// expect: east is asked
// expect: south is asked
// expect: south wins with 1500
// expect: north: too slow
// expect: east: failed
// expect: 3 of 4 were asked
