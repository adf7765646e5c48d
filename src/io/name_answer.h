// What is known of a name or of an address, and for how long.
//
// An answer is made once and then only read. Whoever keeps it holds a
// reference: the cache, and each task that waits for it.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <asyncio/base.h>

struct asyncio__name_address {
    int family; // AF_INET or AF_INET6
    union {
        struct in_addr v4;
        struct in6_addr v6;
    };
    uint32_t scope; // of an IPv6 address
};

struct asyncio__answer {
    size_t refs;
    int status;       // of c-ares: ARES_SUCCESS, or why there is nothing
    double keep_s;    // how long it holds; 0: for those who asked
    const char *name; // the canonical one, behind the block, or ""
    size_t max, count;
    struct asyncio__name_address addresses[];
};

// One with room for `max` addresses and a copy of `name`, which may be NULL.
// NULL: there is no memory. The reference is the caller's.
struct asyncio__answer *asyncio__answer_make(size_t max, const char *name);
void asyncio__answer_add(struct asyncio__answer *answer,
                         const struct asyncio__name_address *address);
struct asyncio__answer *asyncio__answer_ref(struct asyncio__answer *answer);
void asyncio__answer_unref(struct asyncio__answer *answer); // accepts NULL

// ---- Answers that are kept --------------------------------------------------

// Answers by question, until their time is over or, when there are too many,
// the one that was not asked for the longest has to go.
struct asyncio__name_cache;

int asyncio__name_cache_open(struct asyncio__name_cache **cache, size_t max);
void asyncio__name_cache_close(struct asyncio__name_cache *cache);
void asyncio__name_cache_clear(struct asyncio__name_cache *cache);

// NULL: it is not there, or too old. The reference stays the cache's.
struct asyncio__answer *
asyncio__name_cache_get(struct asyncio__name_cache *cache, const char *key,
                        double now);

// Keeps an answer as long as it says. Without memory it is not kept.
void asyncio__name_cache_put(struct asyncio__name_cache *cache, const char *key,
                             struct asyncio__answer *answer, double now);

// A number for a key, for tables.
uint32_t asyncio__name_hash(const char *key);
