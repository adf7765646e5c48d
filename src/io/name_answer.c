// Answers, and the cache of them: a table of chains for finding, and one list
// through all of it, the entry that was used last in front.
//
// Nothing runs by itself: an entry that is too old goes when it is asked for,
// or when it is the last of the list and room is needed. So a cache has no
// timer that would keep a loop awake or a test's clock from jumping.

#include "io/name_answer.h"

#include <string.h>

#include "base/list.h"
#include "platform/sys.h"

#define CHAINS 256

struct entry {
    struct asyncio_link link; // asyncio__name_cache.recent
    struct entry *next;       // in its chain
    struct asyncio__answer *answer;
    double until;
    char key[];
};

struct asyncio__name_cache {
    struct asyncio_link recent; // entry.link
    size_t max, count;
    struct entry *chains[CHAINS];
};

// ---- Answers ----------------------------------------------------------------

struct asyncio__answer *asyncio__answer_make(size_t max, const char *name)
{
    size_t name_size = name ? strlen(name) + 1 : 1;
    struct asyncio__answer *answer = NULL;
    size_t room = max * sizeof *answer->addresses;
    answer = asyncio__alloc(sizeof *answer + room + name_size);
    if (!answer) return NULL;
    char *copy = (char *)(answer + 1) + room;
    if (name) memcpy(copy, name, name_size);
    answer->refs = 1;
    answer->name = copy;
    answer->max = max;
    return answer;
}

void asyncio__answer_add(struct asyncio__answer *answer,
                         const struct asyncio__name_address *address)
{
    if (answer->count < answer->max)
        answer->addresses[answer->count++] = *address;
}

struct asyncio__answer *asyncio__answer_ref(struct asyncio__answer *answer)
{
    answer->refs++;
    return answer;
}

void asyncio__answer_unref(struct asyncio__answer *answer)
{
    if (answer && --answer->refs == 0) asyncio__free(answer);
}

// ---- The cache --------------------------------------------------------------

uint32_t asyncio__name_hash(const char *key)
{
    uint32_t hash = 2166136261U; // FNV-1a
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619U;
    return hash;
}

static struct entry **place_of(struct asyncio__name_cache *cache,
                               const char *key)
{
    struct entry **place = &cache->chains[asyncio__name_hash(key) % CHAINS];
    while (*place && strcmp((*place)->key, key) != 0)
        place = &(*place)->next;
    return place;
}

static void drop_entry(struct asyncio__name_cache *cache, struct entry **place)
{
    struct entry *entry = *place;
    *place = entry->next;
    list_remove(&entry->link);
    cache->count--;
    asyncio__answer_unref(entry->answer);
    asyncio__free(entry);
}

int asyncio__name_cache_open(struct asyncio__name_cache **cache, size_t max)
{
    *cache = asyncio__alloc(sizeof **cache);
    if (!*cache) return -ENOMEM;
    (*cache)->max = max;
    return 0;
}

void asyncio__name_cache_clear(struct asyncio__name_cache *cache)
{
    for (size_t i = 0; i < CHAINS; i++)
        while (cache->chains[i])
            drop_entry(cache, &cache->chains[i]);
}

void asyncio__name_cache_close(struct asyncio__name_cache *cache)
{
    if (!cache) return;
    asyncio__name_cache_clear(cache);
    asyncio__free(cache);
}

struct asyncio__answer *
asyncio__name_cache_get(struct asyncio__name_cache *cache, const char *key,
                        double now)
{
    struct entry **place = place_of(cache, key);
    struct entry *entry = *place;
    if (!entry) return NULL;
    if (now >= entry->until) {
        drop_entry(cache, place);
        return NULL;
    }
    list_remove(&entry->link);
    list_add_head(&cache->recent, &entry->link);
    return entry->answer;
}

void asyncio__name_cache_put(struct asyncio__name_cache *cache, const char *key,
                             struct asyncio__answer *answer, double now)
{
    struct entry **place = place_of(cache, key);
    if (*place) drop_entry(cache, place);
    if (cache->max == 0 || answer->keep_s <= 0) return;

    size_t key_size = strlen(key) + 1;
    struct entry *entry = asyncio__alloc(sizeof *entry + key_size);
    if (!entry) return;
    if (cache->count == cache->max) {
        struct asyncio_link *last = list_last(&cache->recent);
        const struct entry *oldest = list_entry(last, struct entry, link);
        drop_entry(cache, place_of(cache, oldest->key));
    }
    memcpy(entry->key, key, key_size);
    entry->answer = asyncio__answer_ref(answer);
    entry->until = now + answer->keep_s;
    place = &cache->chains[asyncio__name_hash(key) % CHAINS];
    entry->next = *place;
    *place = entry;
    list_add_head(&cache->recent, &entry->link);
    cache->count++;
}
