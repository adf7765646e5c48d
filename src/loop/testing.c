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

static struct asyncio__step *step_of(struct asyncio_link *link)
{
    return list_entry(link, struct asyncio__step, link);
}

static bool is_callback(struct asyncio_link *link)
{
    return step_of(link)->run != asyncio__testing.task_step;
}

static void queue_all(struct asyncio_loop *loop, struct asyncio_link *steps)
{
    struct asyncio_link *link;
    while ((link = list_pop(steps)))
        asyncio__loop_queue(loop, step_of(link));
}

// Each task in turn joins the list again at one of its two ends, until the next
// callback: that reaches every kind of order over some passes, and needs no
// memory.
void asyncio__testing_shuffle(struct asyncio_loop *loop)
{
    struct asyncio_link all = {NULL, NULL}, run = {NULL, NULL};
    struct asyncio__step *step;
    while ((step = asyncio__loop_take(loop)))
        list_add_tail(&all, &step->link);

    struct asyncio_link *link;
    while ((link = list_pop(&all))) {
        if (is_callback(link)) {
            queue_all(loop, &run);
            asyncio__loop_queue(loop, step_of(link));
        } else if (asyncio__draw(&loop->seed) & 1) {
            list_add_head(&run, link);
        } else {
            list_add_tail(&run, link);
        }
    }
    queue_all(loop, &run);
    loop->callbacks_ready = false;
    if (asyncio__loop_has_ready(loop)) asyncio__loop_begin_pass(loop);
    if (!loop->seed) loop->seed = 1;
}
