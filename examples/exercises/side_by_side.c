// Answer to exercise 2: three questions side by side, every answer in its
// place, and the time of the slowest.
//
// The answers are doubles, so they lie in the structs of the questions; the
// group joins its children before the frame that holds these is left.
//
// expect: Oslo -3.5, Rome 14.0, Lima 22.5
// expect: after 0.3 s

#include <stdio.h>

#include <asyncio.h>

struct city {
    const char *name;
    double seconds, temperature, answer;
};

static int ask(void *arg)
{
    struct city *city = arg;
    int err = asyncio_sleep(city->seconds); // stands for a request
    if (err < 0) return err;
    city->answer = city->temperature;
    return 0;
}

static int ask_all(struct city *cities, int count)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < count; i++)
        asyncio_task_group_create_task(&group, ask, &cities[i],
                                       .name = cities[i].name);
    return asyncio_task_group_exit(&group, 0);
}

static int async_main(void *arg)
{
    (void)arg;
    struct city cities[] = {
        {.name = "Oslo", .seconds = 0.3, .temperature = -3.5},
        {.name = "Rome", .seconds = 0.1, .temperature = 14},
        {.name = "Lima", .seconds = 0.2, .temperature = 22.5}};
    double start = asyncio_time();
    int err = ask_all(cities, 3);
    if (err < 0) return err;
    for (int i = 0; i < 3; i++)
        printf("%s %.1f%s", cities[i].name, cities[i].answer,
               i < 2 ? ", " : "\n");
    printf("after %.1f s\n", asyncio_time() - start);
    return 0;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
