// The life of a resolver: its options, its files, and the one that each loop
// has of its own.

#include "io/resolver.h"

#include <asyncio/error.h>

#include <string.h>

#include "io/question.h"
#include "platform/sys.h"

#define CACHE_MAX  1024
#define LOOK_EVERY 1.0 // seconds

// ---- Files ------------------------------------------------------------------

// What was known, and the lines that were opened, are of another time now.
// Questions under way go on, but nobody new joins them.
static void turn_over(struct asyncio_resolver *resolver)
{
    resolver->edition++;
    asyncio__name_cache_clear(resolver->cache);
    asyncio__close_spare_lines(resolver);
}

static int look_at_hosts(struct asyncio_resolver *resolver)
{
    struct asyncio__file_stamp before = resolver->hosts_stamp;
    struct asyncio__hosts *hosts;
    if (!asyncio__file_changed(resolver->hosts_path, &resolver->hosts_stamp) &&
        resolver->hosts)
        return 0;
    int err = asyncio__hosts_read(&hosts, resolver->hosts_path);
    if (err < 0) {
        resolver->hosts_stamp = before; // the next look tries again
        return err == -ENOMEM ? err : 0;
    }
    asyncio__hosts_free(resolver->hosts);
    resolver->hosts = hosts;
    turn_over(resolver);
    return 0;
}

int asyncio__resolver_look(struct asyncio_resolver *resolver)
{
    double now = asyncio_time();
    if (resolver->has_looked && now - resolver->looked_at < LOOK_EVERY)
        return 0;
    int err = look_at_hosts(resolver);
    if (err < 0) return err;
    if (asyncio__file_changed(resolver->line.resolv_conf,
                              &resolver->resolv_stamp))
        turn_over(resolver);
    if (asyncio__file_changed(resolver->nsswitch_path,
                              &resolver->nsswitch_stamp))
        resolver->other_sources =
            asyncio__has_other_sources(resolver->nsswitch_path);
    resolver->looked_at = now;
    resolver->has_looked = true;
    return 0;
}

// ---- Making one -------------------------------------------------------------

static int check(const struct asyncio_resolver_options *options)
{
    if (!(options->try_seconds >= 0 && options->try_seconds <= 3600) ||
        options->tries < 0 || options->tries > 100)
        return asyncio_raise(-EINVAL,
                             "a resolver cannot make %d tries of %g "
                             "seconds",
                             options->tries, options->try_seconds);
    if (options->port < 0 || options->port > 65535)
        return asyncio_raise(-EINVAL, "name servers have no port %d",
                             options->port);
    return 0;
}

// Copies `text`, or else `otherwise`, to `*end`.
static char *put_text(char **end, const char *text, const char *otherwise)
{
    if (!text) text = otherwise;
    if (!text) return NULL;
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*end, text, size);
    *end += size;
    return copy;
}

static size_t size_of(const char *text, const char *otherwise)
{
    if (!text) text = otherwise;
    return text ? strlen(text) + 1 : 0;
}

static struct asyncio_resolver *
make(const struct asyncio_resolver_options *options)
{
    static const char hosts[] = "/etc/hosts", resolv[] = "/etc/resolv.conf",
                      nsswitch[] = "/etc/nsswitch.conf";
    struct asyncio_resolver *resolver = asyncio__alloc(
        sizeof *resolver + size_of(options->servers, NULL) +
        size_of(options->hosts, hosts) + size_of(options->resolv_conf, resolv) +
        size_of(options->nsswitch_conf, nsswitch));
    if (!resolver) return NULL;
    char *end = resolver->texts;
    resolver->line = (struct asyncio__name_line_options){
        .servers = put_text(&end, options->servers, NULL),
        .resolv_conf = put_text(&end, options->resolv_conf, resolv),
        .port = options->port,
        .try_ms = (int)(options->try_seconds * 1e3 + 0.5),
        .tries = options->tries,
    };
    resolver->hosts_path = put_text(&end, options->hosts, hosts);
    resolver->nsswitch_path = put_text(&end, options->nsswitch_conf, nsswitch);
    return resolver;
}

// What a loop that closes takes away, and what freeing does.
static void wind_up(struct asyncio_resolver *resolver)
{
    asyncio__end_questions(resolver);
    asyncio__close_spare_lines(resolver);
    asyncio__name_cache_clear(resolver->cache);
}

static void drop(struct asyncio_resolver *resolver)
{
    asyncio__name_cache_close(resolver->cache);
    asyncio__hosts_free(resolver->hosts);
    asyncio__free(resolver);
}

// Nobody who waited will run again, so that what they were given is ours.
static void loop_closes(struct asyncio__at_close *hook)
{
    struct asyncio_resolver *resolver =
        list_entry(hook, struct asyncio_resolver, at_close);
    bool own = resolver->loop->resolver == resolver;
    if (own) resolver->loop->resolver = NULL;
    asyncio__take_back_answers(resolver);
    wind_up(resolver);
    asyncio__take_back_answers(resolver);
    resolver->loop = NULL;
    if (own) drop(resolver);
}

// Servers that are none are found out now, by the first line.
static int open_first_line(struct asyncio_resolver *resolver)
{
    struct asyncio__name_line *line;
    int err = asyncio__name_line_open(&line, &resolver->line);
    if (err == -EINVAL && resolver->line.servers)
        return asyncio_raise(err, "these are no name servers: '%s'",
                             resolver->line.servers);
    if (err < 0) return err;
    line->edition = resolver->edition;
    asyncio__spare_line(resolver, line);
    return 0;
}

int(asyncio_resolver_create)(struct asyncio_resolver **out,
                             const struct asyncio_resolver_options *options)
{
    static const struct asyncio_resolver_options defaults;
    if (!options) options = &defaults;
    *out = NULL;
    struct asyncio_loop *loop = asyncio_get_running_loop();
    if (!loop) return -EPERM;
    int err = check(options);
    if (err < 0) return err;

    struct asyncio_resolver *resolver = make(options);
    if (!resolver) return -ENOMEM;
    int max = options->cache_max ? options->cache_max : CACHE_MAX;
    err = asyncio__name_cache_open(&resolver->cache, max < 0 ? 0 : (size_t)max);
    if (err == 0) err = asyncio__resolver_look(resolver);
    if (err == 0) err = open_first_line(resolver);
    if (err < 0) {
        drop(resolver);
        return err;
    }
    resolver->loop = loop;
    resolver->at_close.fn = loop_closes;
    asyncio__loop_at_close(loop, &resolver->at_close);
    *out = resolver;
    return 0;
}

void asyncio_resolver_free(struct asyncio_resolver *resolver)
{
    if (!resolver) return;
    if (resolver->loop) {
        list_remove(&resolver->at_close.link);
        wind_up(resolver);
        while (list_pop(&resolver->served))
            ; // their answers are their own
    }
    drop(resolver);
}

int asyncio__default_resolver(struct asyncio_resolver **out)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    int err = 0;
    if (!loop) return -EPERM;
    if (!loop->resolver) err = asyncio_resolver_create(&loop->resolver);
    *out = loop->resolver;
    return err;
}
