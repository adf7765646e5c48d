// Home: the loop as other threads may know it, for as long as it is open.
//
// A thread that finishes work for a loop must not touch a loop that is closed.
// It holds a home instead, which outlives the loop, and posts through that.
// What stays on the loop for longer than a call, jobs that are out, pools of
// processes, reflections of futures, is a guest there, and is told to leave
// when the loop closes.
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "loop/loop.h"

struct asyncio__guest {
    struct asyncio_link link; // asyncio__home.guests
    // The loop closes: nothing of the guest's runs on it any more. Called once,
    // after it was taken out of the list. A post of the guest's that has not
    // run is queued in a list, or not queued at all.
    void (*leave)(struct asyncio__guest *guest);
};

struct asyncio__home {
    atomic_uint references;     // the loop's, and of each thread that may post
    pthread_mutex_t lock;       // for `loop`
    struct asyncio_loop *loop;  // NULL once it is closed
    struct asyncio_link guests; // asyncio__guest.link; the loop's thread only
    struct asyncio__at_close at_close;
};

// The home of an open loop, made when first asked for. Borrowed from the loop.
// Returns 0 or -ENOMEM.
int asyncio__home_of(struct asyncio_loop *loop, struct asyncio__home **home);

struct asyncio__home *asyncio__home_ref(struct asyncio__home *home);
void asyncio__home_unref(struct asyncio__home *home); // accepts NULL

// Posts to the loop, from any thread. False if it is closed: `post` was not
// touched.
bool asyncio__home_post(struct asyncio__home *home, struct asyncio__post *post);

// On the loop's thread.
static inline void asyncio__home_enter(struct asyncio__home *home,
                                       struct asyncio__guest *guest)
{
    list_add_tail(&home->guests, &guest->link);
}

// Harmless if it is no guest.
static inline void asyncio__home_exit(struct asyncio__guest *guest)
{
    if (list_linked(&guest->link)) list_remove(&guest->link);
}
