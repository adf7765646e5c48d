// What a task's select stands on: a place for each case in the line, the
// waiters, the timers or the poller that it belongs to.
//
// The places are part of the task: one array, made for its first select that
// waits, and kept for the next ones.
#pragma once

#include <asyncio/select.h>

#include <stdatomic.h>

#include "sync/channel.h"
#include "task/park.h"

struct asyncio__select_place {
    struct asyncio__select *select;
    enum asyncio_select_kind kind; // NOTHING: it is in no line
    void *object;                  // the channel or the future, held
    union {
        struct asyncio__waiter waiter; // of a channel
        struct asyncio__step step;     // of a future
        struct asyncio__timer timer;
        struct asyncio__op op;
    };
};

// OPEN -> claimed -> over, with `chosen` known -> polls 0: the task is woken
struct asyncio__select {
    // By whoever serves one of the places: all others are dead from then on.
    _Atomic(bool) claimed;
    bool over;
    int chosen; // the number of a place, or a code
    struct asyncio_task *task;
    size_t polls; // operations of the poller that have not ended
    size_t room, count;
    struct asyncio__select_place places[];
};

// True for a case that is never chosen.
bool asyncio__select_disabled(const struct asyncio_select_case *one);

// Says what is wrong with a case, or 0.
int asyncio__select_check(const struct asyncio_select_case *one,
                          struct asyncio_loop *loop);

// Lets one of the cases that can go ahead now do so: its number; -EAGAIN if
// there is none; or another code if the kernel could not tell.
int asyncio__select_at_once(struct asyncio_select_case *cases, size_t count,
                            struct asyncio_loop *loop, int64_t now_ns);

// The deadline of a DELAYS or TIMES, or -EINVAL.
int asyncio__select_deadline(const struct asyncio_select_case *one,
                             int64_t now_ns, int64_t *when_ns);

// The channel of a SENDS or RECEIVES, or NULL; the future of a FUTURES or
// TASKS.
struct asyncio__channel *
asyncio__select_channel(const struct asyncio_select_case *one);
struct asyncio_future *
asyncio__select_future(const struct asyncio_select_case *one);

// True for whoever is the first to claim it, and so has to settle it.
bool asyncio__select_claim(struct asyncio__select *select);

// Takes a place for each case, as far as that goes. -EAGAIN: a thread has
// changed a channel, and it is worth looking again.
int asyncio__select_take_places(struct asyncio__select *select,
                                const struct asyncio_select_case *cases,
                                size_t count, int64_t now_ns);

// Says what comes of it, a number or a code, and gives up the other places. It
// is woken with that when the poller has let go of all.
void asyncio__select_settle(struct asyncio__select *select, int chosen);
void asyncio__select_wake_if_over(struct asyncio__select *select);

// Lets go of what a place holds; it is in no line any more.
void asyncio__select_release(struct asyncio__select_place *place);
