// Events: a flag, and all who wait for it. The smallest thing that waits.
//
// Set wakes everybody, with nothing to hand over: so there is nothing to give
// back when one of them is cancelled first, and nothing to look at again when
// they run.

#include <asyncio/event.h>

#include "base/list.h"
#include "task/park.h"

static const struct asyncio__wait_kind waiting = {
    .name = "an event",
    .movable = true,
};

void asyncio_event_set(struct asyncio_event *event)
{
    if (asyncio__waiters_elsewhere(&event->waiters_, __func__)) return;
    event->set_ = true;
    asyncio__wake_all(&event->waiters_, 0);
}

void asyncio_event_clear(struct asyncio_event *event)
{
    if (asyncio__waiters_elsewhere(&event->waiters_, __func__)) return;
    event->set_ = false;
}

bool asyncio_event_is_set(const struct asyncio_event *event)
{
    return event->set_;
}

int asyncio_event_wait(struct asyncio_event *event)
{
    if (asyncio__waiters_elsewhere(&event->waiters_, __func__)) return -EPERM;
    if (!asyncio__task()) return -EPERM;
    int err = asyncio__checkpoint();
    if (err < 0) return err;
    if (event->set_) return 0;
    return asyncio__park(&waiting, event, &event->waiters_);
}

size_t asyncio_event_waiting(const struct asyncio_event *event)
{
    return list_count(&event->waiters_);
}
