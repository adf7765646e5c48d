// Which locks of the C library this thread holds: mutexes, reader-writer locks,
// spin locks, and C11's mtx_t, taken by calls from one object into another.
//
// While somebody watches, calls that take or give back a lock pass through here
// (see redirect.h); each thread has a short list of those that it has taken
// since. What is taken and given back inside one object that has the C library
// linked in is not seen.
#pragma once

#include <asyncio/base.h>

struct asyncio__held_lock {
    const void *lock;
    const void *taken_at; // the place in the code
};

// The locks that a thread can hold and be seen to hold.
#define ASYNCIO__HELD_LOCKS 32

// Watching is counted, and may be begun and ended on any thread.
void asyncio__locks_watch(void);
void asyncio__locks_unwatch(void);

// Hands out a lock that this thread holds, and that was not handed out before;
// false if there is none. Where nobody watches there is none.
bool asyncio__next_held_lock(struct asyncio__held_lock *lock);
