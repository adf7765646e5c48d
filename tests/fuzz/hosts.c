// The hosts file: what is found is what somebody finds who reads it from the
// top, line by line.
//
// The input: a name to look for in the first line, then the file.

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "fuzz.h"
#include "io/hosts.h"
#include "platform/sys.h"

#define FOUND_MAX 512

// What the file says, by a way of reading that is slow and plain.
struct found {
    struct asyncio__name_address addresses[FOUND_MAX];
    size_t count; // of the name's addresses
    char canonical[256];
};

static bool same_address(const struct asyncio__name_address *a,
                         const struct asyncio__name_address *b)
{
    size_t size = a->family == AF_INET ? sizeof a->v4 : sizeof a->v6;
    return a->family == b->family && memcmp(&a->v4, &b->v4, size) == 0;
}

static bool read_address(const char *word, struct asyncio__name_address *to)
{
    memset(to, 0, sizeof *to);
    to->family = strchr(word, ':') ? AF_INET6 : AF_INET;
    return inet_pton(to->family, word, &to->v4) == 1;
}

// Calls take(address, name, first) for each name of each line.
static void read_file(const char *text, size_t len,
                      void (*take)(void *arg,
                                   const struct asyncio__name_address *address,
                                   const char *name, const char *first),
                      void *arg)
{
    const char *end = text + len;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        if (!newline) newline = end;
        char *line = strndup(text, (size_t)(newline - text)), *rest = line;
        char *first = NULL, *word;
        struct asyncio__name_address address;
        MUST(line);
        line[strcspn(line, "#")] = '\0';
        bool has_address = false;
        while ((word = strsep(&rest, " \t\r\f\v"))) {
            if (!*word) continue;
            if (!has_address) {
                if (!read_address(word, &address)) break;
                has_address = true;
                continue;
            }
            if (!first) first = word;
            take(arg, &address, word, first);
        }
        free(line);
        text = newline + 1;
    }
}

// ---- Names ------------------------------------------------------------------

struct search {
    const char *name;
    int family;
    struct found found;
};

static void take_name(void *arg, const struct asyncio__name_address *address,
                      const char *name, const char *first)
{
    struct search *search = arg;
    struct found *found = &search->found;
    if (strcasecmp(name, search->name) != 0) return;
    if (search->family != AF_UNSPEC && search->family != address->family)
        return;
    if (found->count == 0)
        snprintf(found->canonical, sizeof found->canonical, "%s", first);
    if (found->count < FOUND_MAX) found->addresses[found->count] = *address;
    found->count++;
}

static void check_name(const struct asyncio__hosts *hosts, const char *name,
                       int family, const char *text, size_t len)
{
    static struct search search;
    struct asyncio__answer *answer = NULL;
    search.name = name;
    search.family = family;
    search.found.count = 0;
    read_file(text, len, take_name, &search);
    int err = asyncio__hosts_find(hosts, name, family, &answer);
    MUST(err == (search.found.count > 0 ? 0 : -ENOENT));
    if (err < 0) return;
    MUST(answer->status == 0 && answer->count == search.found.count);
    MUST(strncmp(answer->name, search.found.canonical,
                 sizeof search.found.canonical - 1) == 0);
    for (size_t i = 0; i < answer->count && i < FOUND_MAX; i++)
        MUST(same_address(&answer->addresses[i], &search.found.addresses[i]));
    asyncio__answer_unref(answer);
}

// ---- Addresses --------------------------------------------------------------

struct first_name {
    const struct asyncio__name_address *address;
    char name[256];
};

static void take_address(void *arg, const struct asyncio__name_address *address,
                         const char *name, const char *first)
{
    struct first_name *found = arg;
    (void)name;
    if (!found->name[0] && same_address(found->address, address))
        snprintf(found->name, sizeof found->name, "%s", first);
}

static void check_address(const struct asyncio__hosts *hosts,
                          const struct asyncio__name_address *address,
                          const char *text, size_t len)
{
    struct first_name found = {.address = address};
    struct asyncio__answer *answer = NULL;
    read_file(text, len, take_address, &found);
    int err = asyncio__hosts_find_address(hosts, address, &answer);
    MUST(err == (found.name[0] ? 0 : -ENOENT));
    if (err < 0) return;
    MUST(strncmp(answer->name, found.name, sizeof found.name - 1) == 0);
    asyncio__answer_unref(answer);
}

struct all {
    const struct asyncio__hosts *hosts;
    const char *text;
    size_t len;
    int left; // to look at
};

static void check_what_it_has(void *arg,
                              const struct asyncio__name_address *address,
                              const char *name, const char *first)
{
    struct all *all = arg;
    (void)first;
    if (all->left-- <= 0) return;
    check_address(all->hosts, address, all->text, all->len);
    check_name(all->hosts, name, AF_UNSPEC, all->text, all->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *newline = memchr(text, '\n', size);
    if (!newline) return 0;
    char *name = strndup(text, (size_t)(newline - text));
    size_t len = size - (size_t)(newline + 1 - text);
    char *copy = asyncio__alloc(len + 1); // it is cut up
    struct asyncio__hosts *hosts = NULL;
    MUST(name && copy);
    text = newline + 1;
    memcpy(copy, text, len);
    MUST(asyncio__hosts_parse(&hosts, copy, len) == 0);

    const struct asyncio__name_address nowhere = {.family = AF_INET};
    check_name(hosts, name, AF_UNSPEC, text, len);
    check_name(hosts, name, AF_INET, text, len);
    check_name(hosts, name, AF_INET6, text, len);
    check_address(hosts, &nowhere, text, len);
    read_file(text, len, check_what_it_has, &(struct all){hosts, text, len, 8});
    asyncio__hosts_free(hosts);
    free(name);
    return 0;
}
