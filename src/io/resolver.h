// A resolver: a channel of c-ares, tied to the loop by its sockets and its
// clock.
//
// c-ares says which sockets it wants watched and when it wants to be called
// next; the loop calls it back, and it calls the lookups that have an answer.
#pragma once

#include <asyncio/dns.h>

#include <ares.h>

struct watch;

struct asyncio_resolver {
    ares_channel channel;
    struct asyncio_loop *loop;
    struct asyncio_handle timer; // when c-ares wants to be called next
    struct watch *watches;
    size_t waiting; // lookups without an answer whose task is there
    bool blind;     // a socket or the time could not be watched
};

// To be called after c-ares was called and before anybody waits: arms the
// timer. If c-ares cannot be served any more, every lookup ends with
// ARES_ECANCELLED.
void asyncio__resolver_turn(struct asyncio_resolver *resolver);
