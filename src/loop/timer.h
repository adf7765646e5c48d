// Timers: a hierarchical wheel, exact to the nanosecond.
//
// Level 0 has a slot for each of the next 64 ns, level 1 for each of the next
// 64 times 64 ns, and so on: a deadline goes to the level of the highest group
// of six bits in which it differs from `now`. Arming and cancelling is a list
// operation. As time passes, the slots that it enters are emptied into lower
// levels, so timers come out in order of their deadlines, and those of one
// deadline in order of arming.
#pragma once

#include <asyncio/base.h>

#include "base/list.h"
#include "platform/clock.h"
#include "platform/sys.h"

#define ASYNCIO__NEVER INT64_MAX

struct asyncio__timer {
    struct asyncio_link link;
    int64_t when_ns;
    void (*fire)(struct asyncio__timer *timer);
};

#define ASYNCIO__WHEEL_LEVELS 11 // 6 bits each: all of an int64_t

// A slot's timers, in several lists: where each is in memory is known from the
// one before it alone, so whoever walks through them goes down all lists at
// once. Those of one deadline are in the same one.
#define ASYNCIO__SLOT_LISTS 4

struct asyncio__timer_slot {
    struct asyncio_link lists[ASYNCIO__SLOT_LISTS];
};

struct asyncio__timers {
    int64_t now_ns;  // every timer that was due then has left the wheel
    size_t count;    // armed
    uint64_t levels; // bit n: some slot of level n is in use
    uint64_t used[ASYNCIO__WHEEL_LEVELS]; // bit n: slot n is in use
    struct asyncio__timer_slot slots[ASYNCIO__WHEEL_LEVELS][64];
    struct asyncio_link due;     // armed for the past, in order
    struct asyncio_link waiting; // asyncio__timer.link: for the clock
    int64_t read_ns;             // what the clock showed last
};

// Arms the timer for `when_ns`, which may be in the past, but not
// ASYNCIO__NEVER. `fire` is called once, by asyncio__timers_run.
void asyncio__timer_arm(struct asyncio__timers *timers,
                        struct asyncio__timer *timer, int64_t when_ns);

// Disarms it if it is armed.
void asyncio__timer_disarm(struct asyncio__timers *timers,
                           struct asyncio__timer *timer);

// Reading the clock costs more than all else about a timer, and most are
// disarmed soon. Such a timer is armed without a deadline: it counts as armed,
// and when somebody reads the clock, at the end of the pass at the latest, it
// is disarmed and its `fire` called, which arms it again.
static inline void asyncio__timer_arm_waiting(struct asyncio__timers *timers,
                                              struct asyncio__timer *timer)
{
    timer->when_ns = 0;
    timers->count++;
    asyncio__sys_made(ASYNCIO__TIMER, (uintptr_t)timer, 0, __func__);
    list_add_tail(&timers->waiting, &timer->link);
}

// Whoever arms it so keeps the latest tick of the system's clock. From the
// reading on its time counts, which is never too early; and from two ticks
// after that one at the latest, however long a step computes before the pass
// ends. A system that was not run for a while, as a virtual machine, has late
// ticks: what the loop has read itself is no earlier than that.
static inline int64_t
asyncio__timer_tick_ns(const struct asyncio__timers *timers)
{
    int64_t tick_ns = asyncio__clock_tick_ns();
    return tick_ns > timers->read_ns ? tick_ns : timers->read_ns;
}

static inline int64_t asyncio__timer_latest_begin_ns(int64_t tick_ns)
{
    return tick_ns + 2 * ASYNCIO__TICK_NS_MAX;
}

static inline int64_t
asyncio__timer_begin_ns(const struct asyncio__timers *timers, int64_t tick_ns)
{
    int64_t latest_ns = asyncio__timer_latest_begin_ns(tick_ns);
    return timers->read_ns < latest_ns ? timers->read_ns : latest_ns;
}

// asyncio__timer_disarm for one that probably still waits.
static inline void asyncio__timer_disarm_soon(struct asyncio__timers *timers,
                                              struct asyncio__timer *timer)
{
    if (timer->when_ns > 0 || !list_linked(&timer->link)) {
        asyncio__timer_disarm(timers, timer);
        return;
    }
    list_remove(&timer->link);
    timers->count--;
    asyncio__sys_gone(ASYNCIO__TIMER, (uintptr_t)timer);
}

// The clock was read, see `read_ns`: all that waited for it are called.
void asyncio__timers_clock_read(struct asyncio__timers *timers);

static inline bool asyncio__timer_armed(const struct asyncio__timer *timer)
{
    return list_linked(&timer->link);
}

// When to look again: no later than the first deadline, and mostly just then;
// ASYNCIO__NEVER if no timer is armed.
int64_t asyncio__timers_next(const struct asyncio__timers *timers);

// Fires all that are due at `now_ns`, in order. Those that are armed meanwhile
// wait for the next call, however short.
void asyncio__timers_run(struct asyncio__timers *timers, int64_t now_ns);

// Turns a time in seconds of the loop's clock into a deadline that is never
// early; infinity is ASYNCIO__NEVER. -EINVAL for what is not a number or does
// not fit.
int asyncio__deadline_at(double when, int64_t *when_ns);

// The same for `seconds` from `now_ns`, and what that is as a time. What is 0
// or less is now.
int asyncio__deadline_in(int64_t now_ns, double seconds, double *when,
                         int64_t *when_ns);

// Some timer that is armed, or NULL: for whoever disarms them all.
struct asyncio__timer *
asyncio__timers_any(const struct asyncio__timers *timers);
