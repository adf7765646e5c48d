// Names asked of a name server of others.
//
//     names [servers=LIST] [port=N] [hosts=FILE] [resolv=FILE] [try=SECONDS]
//           [tries=N]
//
// What to do comes by lines on standard input, and each is answered by a line,
// which may be empty:
//
//     look NAME       its addresses, or the name of the code
//     name ADDRESS    its name, as getnameinfo has it
//     start NAME      begins to look
//     end             what "look" would have said of that
//     cancel          cancels it first
//     many COUNT      looks for 0.load.test and so on at once; how many have
//     one later SECONDS   the clock jumps by so much

#include "peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asyncio/dns.h>
#include <asyncio/testing.h>

#define TEXT_SIZE 32768
#define MANY_MAX  1000

// It runs as the system's does, and jumps when it is told to.
static struct asyncio_testing_clock test_clock =
    ASYNCIO_TESTING_CLOCK(1, ASYNCIO_FOREVER);
static struct asyncio_resolver *resolver;

void peer_names_clock(void)
{
    asyncio_testing_clock_use(&test_clock);
}

// ---- One name ---------------------------------------------------------------

struct lookup {
    char host[256];
    char text[TEXT_SIZE]; // what is to be said of it
};

static void put_code(char *text, int err)
{
    snprintf(text, TEXT_SIZE, "%s", strerrorname_np(-err));
}

static void add_address(char *text, const struct asyncio_addrinfo *info)
{
    char one[INET6_ADDRSTRLEN];
    const struct sockaddr_in *v4 = (const void *)info->addr;
    const struct sockaddr_in6 *v6 = (const void *)info->addr;
    inet_ntop(info->family,
              info->family == AF_INET ? (const void *)&v4->sin_addr
                                      : (const void *)&v6->sin6_addr,
              one, sizeof one);
    size_t len = strlen(text);
    snprintf(text + len, TEXT_SIZE - len, "%s%s", len > 0 ? " " : "", one);
}

static int look_up(void *arg)
{
    struct lookup *lookup = arg;
    struct asyncio_addrinfo *list;
    int err =
        asyncio_getaddrinfo(lookup->host, NULL, &list, .resolver = resolver);
    lookup->text[0] = '\0';
    if (err < 0) put_code(lookup->text, err);
    for (struct asyncio_addrinfo *at = list; at; at = at->next)
        add_address(lookup->text, at);
    asyncio_freeaddrinfo(list);
    return err;
}

static const char *look(const char *host)
{
    static struct lookup lookup;
    snprintf(lookup.host, sizeof lookup.host, "%s", host);
    (void)look_up(&lookup);
    return lookup.text;
}

static const char *name(const char *address)
{
    static char text[TEXT_SIZE];
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    if (!is_v4) inet_pton(AF_INET6, address, &v6.sin6_addr);
    int err = asyncio_getnameinfo(is_v4 ? (void *)&v4 : (void *)&v6,
                                  is_v4 ? sizeof v4 : sizeof v6, text,
                                  sizeof text, NULL, 0, .resolver = resolver);
    if (err < 0) put_code(text, err);
    return text;
}

// ---- One name, while other things are done ----------------------------------

static struct asyncio_task *task;
static struct lookup begun;

static const char *start(const char *host)
{
    snprintf(begun.host, sizeof begun.host, "%s", host);
    task = asyncio_create_task(look_up, &begun);
    return "";
}

static const char *end(const char *none)
{
    (void)none;
    int err = asyncio_await(task);
    if (err < 0) put_code(begun.text, err);
    asyncio_task_release(task);
    task = NULL;
    return begun.text;
}

static const char *cancel(const char *none)
{
    if (task) asyncio_task_cancel(task);
    return end(none);
}

// ---- Many names -------------------------------------------------------------

static int look_one_up(void *arg)
{
    char host[32];
    int *number = arg;
    struct asyncio_addrinfo *list;
    snprintf(host, sizeof host, "%d.load.test", *number);
    *number = asyncio_getaddrinfo(host, NULL, &list, .resolver = resolver);
    asyncio_freeaddrinfo(list);
    return 0;
}

static const char *many(const char *how_many)
{
    static int numbers[MANY_MAX];
    static char text[16];
    int count = atoi(how_many), found = 0;
    if (count > MANY_MAX) count = MANY_MAX;
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < count; i++) {
        numbers[i] = i;
        asyncio_task_group_create_task(&group, look_one_up, &numbers[i]);
    }
    int err = asyncio_task_group_exit(&group, 0);
    if (err < 0) return strerrorname_np(-err);
    for (int i = 0; i < count; i++)
        found += numbers[i] == 0;
    snprintf(text, sizeof text, "%d", found);
    return text;
}

static const char *later(const char *seconds)
{
    int err = asyncio_testing_clock_jump(&test_clock, atof(seconds));
    return err < 0 ? strerrorname_np(-err) : "";
}

// ---- What is to be done -----------------------------------------------------

static const struct {
    const char *word;
    const char *(*run)(const char *what);
} wishes[] = {
    {"look", look},     {"name", name}, {"start", start}, {"end", end},
    {"cancel", cancel}, {"many", many}, {"later", later},
};

static const char *fulfil(char *line)
{
    char *rest = NULL;
    const char *word = strtok_r(line, " \n", &rest);
    const char *what = strtok_r(NULL, " \n", &rest);
    for (size_t i = 0; word && i < sizeof wishes / sizeof *wishes; i++)
        if (strcmp(word, wishes[i].word) == 0)
            return wishes[i].run(what ? what : "");
    return NULL;
}

static int converse(struct asyncio_stream *user)
{
    char line[512];
    int len;
    while ((len = asyncio_stream_readline(user, line, sizeof line)) > 0) {
        const char *text = fulfil(line);
        if (!text) return -EINVAL;
        int err = asyncio_stream_write(user, text, strlen(text));
        if (err == 0) err = asyncio_stream_write(user, "\n", 1);
        if (err < 0) return err;
    }
    return len;
}

static void take_option(struct asyncio_resolver_options *options,
                        const char *word)
{
    const char *value = strchr(word, '=');
    if (!value++) return;
    if (strncmp(word, "servers=", 8) == 0) options->servers = value;
    if (strncmp(word, "port=", 5) == 0) options->port = atoi(value);
    if (strncmp(word, "hosts=", 6) == 0) options->hosts = value;
    if (strncmp(word, "resolv=", 7) == 0) options->resolv_conf = value;
    if (strncmp(word, "try=", 4) == 0) options->try_seconds = atof(value);
    if (strncmp(word, "tries=", 6) == 0) options->tries = atoi(value);
}

int peer_names(char **words)
{
    struct asyncio_resolver_options options = {.hosts = "/dev/null",
                                               .nsswitch_conf = "/dev/null"};
    struct asyncio_stream *user;
    for (; *words; words++)
        take_option(&options, *words);
    int err = (asyncio_resolver_create)(&resolver, &options);
    if (err < 0) return err;
    err = asyncio_open_stdio(&user);
    if (err == 0) {
        err = converse(user);
        asyncio_stream_free(user);
    }
    asyncio_resolver_free(resolver);
    return err;
}
