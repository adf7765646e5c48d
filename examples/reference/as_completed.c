// asyncio/as_completed.h: answers are taken as they come, and who has had
// enough leaves: what still runs is cancelled and joined.
//
//     cc as_completed.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

struct question {
    double seconds;
    int answer;
};

static int ask(void *arg)
{
    struct question *question = arg;
    int err = asyncio_sleep(question->seconds);
    return err < 0 ? err : question->answer;
}

// The first good answer, within a second.
static int first_good(struct asyncio_coroutine asks[], size_t count)
{
    ASYNCIO_WITH_AS_COMPLETED(answers, asks, count, .timeout = 1);
    int index, result;
    while ((index = asyncio_as_completed_next(&answers, &result)) >= 0) {
        printf("%d answers %d\n", index, result);
        if (result >= 0) return result;
    }
    return index; // -ETIMEDOUT, or -ENODATA: there was none
}

// Two answers, each laid claim to and awaited like any coroutine object.
static int two_of(struct asyncio_coroutine asks[], size_t count)
{
    struct asyncio_as_completed answers = {0};
    struct asyncio_coroutine slots[2];
    int results[2];
    int err = asyncio_as_completed_enter(&answers, asks, count);
    for (int i = 0; i < 2 && err == 0; i++)
        err = asyncio_as_completed_slot(&answers, &slots[i]);
    if (err == 0) err = asyncio_gather(slots, 2, .results = results);
    if (err == 0) printf("together %d\n", results[0] + results[1]);
    asyncio_as_completed_close(&answers); // cancels the third
    return err;
}

static int async_main(void *arg)
{
    struct question *questions = arg;
    struct asyncio_coroutine asks[3];
    for (int i = 0; i < 3; i++)
        asks[i] = ASYNCIO_COROUTINE(ask, &questions[i]);
    int answer = first_good(asks, 3);
    if (answer < 0) return answer;
    for (int i = 0; i < 3; i++)
        asks[i] = ASYNCIO_COROUTINE(ask, &questions[i + 2]);
    return two_of(asks, 3);
}

int main(void)
{
    struct question questions[] = {
        {600, 1}, {0.05, -EPROTO}, {0.2, 40}, {0.1, 2}, {600, 5}};
    return asyncio_main(async_main, questions);
}
// expect: 1 answers -71
// expect: 2 answers 40
// expect: together 42
