// Events: something that has happened, for any number of tasks that wait.
//
//     static struct asyncio_event ready; // all zero is ready for use: not set
//
//     int err = asyncio_event_wait(&ready); // here
//     asyncio_event_set(&ready);            // there
//
// An event carries no value; for one value, once, use a future. Waiting
// allocates nothing. Call all of it on the loop's thread.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

// All zero is one that is not set. There is nothing to destroy.
struct asyncio_event {
    struct asyncio_link waiters_ ASYNCIO__UNSET;
    bool set_ ASYNCIO__UNSET;
    void *reserved_[2] ASYNCIO__UNSET;
};

// Says that it has happened: wakes all who wait. They return even if it is
// cleared before they run.
//
// suspends  never
// like      asyncio.Event.set
ASYNCIO_API void asyncio_event_set(struct asyncio_event *event);

// Takes that back: who waits from now on waits for the next set.
//
// suspends  never
// like      Event.clear
ASYNCIO_API void asyncio_event_clear(struct asyncio_event *event);

// True from a set to the next clear.
// like      Event.is_set
ASYNCIO_API bool asyncio_event_is_set(const struct asyncio_event *event);

// Waits until the event is set.
//
// returns   0; -ECANCELED; -EPERM outside a task
// suspends  only while it is not set
// like      Event.wait
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_event_wait(struct asyncio_event *event);

// How many tasks wait.
ASYNCIO_API size_t asyncio_event_waiting(const struct asyncio_event *event);

ASYNCIO__END
