// A test's clock given to loops, and a wait for the moment before it jumps.

#include <asyncio/testing.h>

#include "loop/testing.h"
#include "task/park.h"

void asyncio_testing_clock_use(struct asyncio_testing_clock *clock)
{
    asyncio__testing.clock = clock;
    asyncio__testing.clock_thread = pthread_self();
    if (!clock) return;
    asyncio__testing.settings = (struct asyncio_testing_clock){
        .rate = clock->rate, .autojump_threshold = clock->autojump_threshold};
}

// --- waiting until nothing runs ---------------------------------------------

static void all_wait(struct asyncio__timer *timer)
{
    asyncio__wake(list_entry(timer, struct asyncio_task, timer), 0);
}

static bool lose_interest(struct asyncio_task *task,
                          const struct asyncio_cancel_options *options)
{
    (void)options;
    list_remove(&task->timer.link);
    asyncio__wake(task, -ECANCELED);
    return true;
}

static const struct asyncio__wait_kind waiting = {
    .name = "all others to wait",
    .cancel = lose_interest,
    .movable = true,
};

int asyncio_testing_wait_all_tasks_blocked(double cushion)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    if (!(cushion >= 0) || asyncio__real_ns(cushion) == ASYNCIO__NEVER)
        return -EINVAL;

    // Not a timer of the wheel: the loop looks at these when it would sleep.
    task->timer = (struct asyncio__timer){.fire = all_wait,
                                          .when_ns = asyncio__real_ns(cushion)};
    list_add_tail(&task->future.loop_->patient, &task->timer.link);
    return asyncio__park(&waiting, NULL, NULL);
}
