// Order by seed: the same loop, the same seed, the same order.

#include "loop/testing.h"

#include "loop/loop.h"

struct asyncio__testing asyncio__testing;

// splitmix64: one word of state, any seed will do.
uint64_t asyncio__draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static bool is_callback(struct asyncio_link *link)
{
    return list_entry(link, struct asyncio__step, link)->run !=
           asyncio__testing.task_step;
}

// Each task in turn joins the list again at one of its two ends, until the next
// callback: that reaches every kind of order over some passes, and needs no
// memory.
void asyncio__testing_shuffle(struct asyncio_loop *loop)
{
    struct asyncio_link all = {NULL, NULL}, run = {NULL, NULL};
    list_splice(&all, &loop->current);

    struct asyncio_link *link;
    while ((link = list_pop(&all))) {
        if (is_callback(link)) {
            list_splice(&loop->current, &run);
            list_add_tail(&loop->current, link);
        } else if (asyncio__draw(&loop->seed) & 1) {
            list_add_head(&run, link);
        } else {
            list_add_tail(&run, link);
        }
    }
    list_splice(&loop->current, &run);
    if (!loop->seed) loop->seed = 1;
}
