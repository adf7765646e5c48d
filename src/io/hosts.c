// The hosts file, read whole: one record for each name of each line, sorted by
// name, and in the order of the file where names are equal. Names point into
// the text, which is cut into words in place.
//
//     127.0.0.1  localhost           # what follows is a comment
//     ::1        localhost ip6-localhost
//     ^ address  ^ canonical  ^ another name

#include "io/hosts.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/name_files.h"
#include "platform/sys.h"

#define BYTES_MAX ((size_t)64 << 20)

struct record {
    const char *name, *canonical;
    size_t order; // in the file
    struct asyncio__name_address address;
};

struct asyncio__hosts {
    char *text;
    size_t count, max;
    struct record *records;       // by name
    const struct record **firsts; // by address, the first name of each line
    size_t firsts_count;
};

// ---- Reading ----------------------------------------------------------------

static int add_record(struct asyncio__hosts *hosts, const struct record *record)
{
    if (hosts->count == hosts->max) {
        size_t max = hosts->max ? hosts->max * 2 : 16;
        struct record *more = asyncio__realloc_array(
            hosts->records, hosts->max, max, sizeof *hosts->records);
        if (!more) return -ENOMEM;
        hosts->records = more;
        hosts->max = max;
    }
    hosts->records[hosts->count] = *record;
    hosts->records[hosts->count].order = hosts->count;
    hosts->count++;
    return 0;
}

static bool read_address(const char *word, struct asyncio__name_address *to)
{
    *to = (struct asyncio__name_address){.family = AF_INET};
    if (inet_pton(AF_INET, word, &to->v4) == 1) return true;
    *to = (struct asyncio__name_address){.family = AF_INET6};
    return inet_pton(AF_INET6, word, &to->v6) == 1;
}

// A line whose address is none says nothing.
static int read_line(struct asyncio__hosts *hosts, char *line)
{
    static const char blanks[] = " \t\r\f\v";
    struct record record = {0};
    char *rest = NULL, *word;
    line[strcspn(line, "#")] = '\0';
    word = strtok_r(line, blanks, &rest);
    if (!word || !read_address(word, &record.address)) return 0;
    while ((word = strtok_r(NULL, blanks, &rest))) {
        if (!record.canonical) record.canonical = word;
        record.name = word;
        int err = add_record(hosts, &record);
        if (err < 0) return err;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    int order = strcasecmp(x->name, y->name);
    if (order != 0) return order;
    return (x->order > y->order) - (x->order < y->order);
}

static int compare_addresses(const struct asyncio__name_address *a,
                             const struct asyncio__name_address *b)
{
    if (a->family != b->family) return a->family - b->family;
    return a->family == AF_INET ? memcmp(&a->v4, &b->v4, sizeof a->v4)
                                : memcmp(&a->v6, &b->v6, sizeof a->v6);
}

static int by_address(const void *a, const void *b)
{
    const struct record *x = *(const struct record *const *)a;
    const struct record *y = *(const struct record *const *)b;
    int order = compare_addresses(&x->address, &y->address);
    if (order != 0) return order;
    return (x->order > y->order) - (x->order < y->order);
}

static int sort(struct asyncio__hosts *hosts)
{
    if (hosts->count == 0) return 0;
    qsort(hosts->records, hosts->count, sizeof *hosts->records, by_name);
    hosts->firsts =
        asyncio__realloc_array(NULL, 0, hosts->count, sizeof *hosts->firsts);
    if (!hosts->firsts) return -ENOMEM;
    for (size_t i = 0; i < hosts->count; i++)
        if (hosts->records[i].name == hosts->records[i].canonical)
            hosts->firsts[hosts->firsts_count++] = &hosts->records[i];
    qsort(hosts->firsts, hosts->firsts_count, sizeof *hosts->firsts,
          by_address);
    return 0;
}

void asyncio__hosts_free(struct asyncio__hosts *hosts)
{
    if (!hosts) return;
    asyncio__free(hosts->firsts);
    asyncio__free(hosts->records);
    asyncio__free(hosts->text);
    asyncio__free(hosts);
}

int asyncio__hosts_parse(struct asyncio__hosts **out, char *text, size_t len)
{
    struct asyncio__hosts *hosts = asyncio__alloc(sizeof *hosts);
    int err = hosts ? 0 : -ENOMEM;
    if (!hosts) {
        asyncio__free(text);
        return err;
    }
    hosts->text = text;
    for (char *line = text, *end = text + len; line < end && err == 0;) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        if (!newline) newline = end;
        *newline = '\0'; // there is room for one behind the text
        err = read_line(hosts, line);
        line = newline + 1;
    }
    if (err == 0) err = sort(hosts);
    if (err < 0) {
        asyncio__hosts_free(hosts);
        return err;
    }
    *out = hosts;
    return 0;
}

int asyncio__hosts_read(struct asyncio__hosts **hosts, const char *path)
{
    char *text = NULL;
    size_t len = 0;
    int err = asyncio__read_small_file(path, BYTES_MAX, &text, &len);
    return err < 0 ? err : asyncio__hosts_parse(hosts, text, len);
}

// ---- Finding ----------------------------------------------------------------

// The first record of a name, or where it would stand.
static size_t find_name(const struct asyncio__hosts *hosts, const char *name)
{
    size_t low = 0, high = hosts->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcasecmp(hosts->records[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int asyncio__hosts_find(const struct asyncio__hosts *hosts, const char *name,
                        int family, struct asyncio__answer **answer)
{
    size_t first = find_name(hosts, name), count = 0, end = first;
    const struct record *found = NULL;
    for (; end < hosts->count; end++) {
        const struct record *record = &hosts->records[end];
        if (strcasecmp(record->name, name) != 0) break;
        if (family != AF_UNSPEC && family != record->address.family) continue;
        if (!found) found = record;
        count++;
    }
    if (!found) return -ENOENT;
    *answer = asyncio__answer_make(count, found->canonical);
    if (!*answer) return -ENOMEM;
    for (size_t i = first; i < end; i++)
        if (family == AF_UNSPEC || family == hosts->records[i].address.family)
            asyncio__answer_add(*answer, &hosts->records[i].address);
    return 0;
}

int asyncio__hosts_find_address(const struct asyncio__hosts *hosts,
                                const struct asyncio__name_address *address,
                                struct asyncio__answer **answer)
{
    size_t low = 0, high = hosts->firsts_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_addresses(&hosts->firsts[middle]->address, address) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == hosts->firsts_count ||
        compare_addresses(&hosts->firsts[low]->address, address) != 0)
        return -ENOENT;
    *answer = asyncio__answer_make(0, hosts->firsts[low]->canonical);
    return *answer ? 0 : -ENOMEM;
}
