// A web crawler: from one page to all that can be reached, gently.
//
//     crawler URL [PAGES [PER_HOST [SECONDS]]]
//
// Each page is a task, which makes tasks of the pages that it links to, all in
// one group: when the group has ended, there is nothing left to be found. Two
// limits keep that within bounds. PER_HOST (2) pages are fetched from a host at
// a time, and a place is given back only SECONDS (0) after its page has come; a
// few hosts that are slow then hold up nobody else, because a task asks for its
// host's place first, and only then for one of all that there are.
//
// At most PAGES (100) are fetched. Each is printed, with the links in it, or
// with why it could not be had; a broken link stops nothing.

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asyncio.h>
#include <asyncio/http.h>

#include "links.h"

#define AT_ONCE      16 // pages, of all hosts
#define PAGE_SIZE    (1 << 20)
#define PAGE_SECONDS 30

static struct asyncio_semaphore places = ASYNCIO_SEMAPHORE(AT_ONCE);
static struct asyncio_http_client *client;
static struct asyncio_task_group *everything;
static struct {
    int pages_max, per_host;
    double pause;
} limits = {100, 2, 0};
static struct {
    int pages, hosts, broken;
} count;

// ---- What is known ----------------------------------------------------------

struct host {
    char *name; // first: both trees are sorted by it
    struct asyncio_semaphore places;
};

struct page {
    char *url;
    struct host *host;
};

static void *hosts, *pages; // trees, of search.h

static int compare(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

static void drop(void *entry)
{
    free(*(char **)entry);
    free(entry);
}

// The entry of that name in a tree. `name` goes into a new one of `size` bytes,
// with the rest zero, or is freed. NULL without memory.
static void *find_or_add(void **tree, char *name, size_t size, bool *added)
{
    char **entry = calloc(1, size);
    if (entry) *entry = name;
    void **place = entry && name ? tsearch(entry, tree, compare) : NULL;
    *added = place && *place == entry;
    if (*added) return entry;
    free(entry);
    free(name);
    return place ? *place : NULL;
}

static struct host *host_of(const char *url)
{
    bool added;
    struct host *host =
        find_or_add(&hosts, links_host(url), sizeof *host, &added);
    if (!added) return host;
    asyncio_semaphore_init(&host->places, limits.per_host);
    count.hosts++;
    return host;
}

// ---- A page -----------------------------------------------------------------

static int visit(void *page);

// Makes a task of each page that was not seen before; takes `url`.
static int discover(char *url)
{
    bool added;
    if (count.pages == limits.pages_max) {
        free(url);
        return 0;
    }
    struct page *page = find_or_add(&pages, url, sizeof *page, &added);
    if (!page) return -ENOMEM;
    if (!added) return 0;
    page->host = host_of(page->url);
    if (!page->host) return -ENOMEM;
    count.pages++;
    return asyncio_task_group_create_task(everything, visit, page,
                                          .name = page->url);
}

static int follow_links(const struct page *page, const char *text)
{
    int found = 0, err = 0;
    char *link;
    while (err == 0 && (link = links_next(&text))) {
        char *url = links_resolve(page->url, link);
        free(link);
        if (!url) continue; // mailto: and the like
        found++;
        err = discover(url);
    }
    if (err == 0) printf("%s: %d links\n", page->url, found);
    return err;
}

static int read_page(const struct page *page)
{
    char *text = malloc(PAGE_SIZE);
    if (!text) return -ENOMEM;
    int err = asyncio_semaphore_acquire(&places);
    if (err == 0) {
        err = asyncio_http_get(client, page->url, text, PAGE_SIZE,
                               .timeout = PAGE_SECONDS);
        asyncio_semaphore_release(&places);
    }
    if (err >= 0) err = follow_links(page, text);
    free(text);
    return err;
}

static int visit(void *arg)
{
    struct page *page = arg;
    int err = asyncio_semaphore_acquire(&page->host->places);
    if (err < 0) return err;
    err = read_page(page);
    if (err < 0 && err != -ECANCELED && err != -ENOMEM) {
        printf("%s: %s\n", page->url, asyncio_strerror(err));
        count.broken++;
        err = 0;
    }
    if (err == 0) err = asyncio_sleep(limits.pause);
    asyncio_semaphore_release(&page->host->places);
    return err;
}

// ---- The program ------------------------------------------------------------

static int crawl(const char *from)
{
    char *url = links_resolve(NULL, from);
    if (!url) return asyncio_raise(-EINVAL, "%s: not a URL of the web", from);
    ASYNCIO_WITH_TASK_GROUP(group);
    everything = &group;
    return asyncio_task_group_exit(&group, discover(url));
}

static int async_main(void *from)
{
    int err = asyncio_http_client_create(&client);
    if (err < 0) return err;
    err = crawl(from);
    if (err == 0)
        printf("%d pages of %d hosts, %d broken\n", count.pages, count.hosts,
               count.broken);
    asyncio_http_client_free(client);
    tdestroy(pages, drop);
    tdestroy(hosts, drop);
    return err;
}

int main(int argc, char **argv)
{
    if (argc > 2) limits.pages_max = atoi(argv[2]);
    if (argc > 3) limits.per_host = atoi(argv[3]);
    if (argc > 4) limits.pause = atof(argv[4]);
    if (argc < 2 || argc > 5 || limits.pages_max < 1 || limits.per_host < 1 ||
        limits.pause < 0) {
        fprintf(stderr, "usage: crawler URL [PAGES [PER_HOST [SECONDS]]]\n");
        return 2;
    }
    return asyncio_main(async_main, argv[1]);
}
