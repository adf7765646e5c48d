// Questions: who waits for them, and the line that each has.
//
//     QUEUED -> ASKING -> answered; QUEUED, ASKING -> dropped
//
// A question is in its chain, where equal ones find it, from the first waiter
// until it is answered or dropped. Waiters are in the frames of their tasks and
// leave by themselves; a question without one is dropped, and c-ares is told,
// so that nothing more is sent. c-ares answers inside calls of ours, where a
// line must not be closed: that waits until the call is over.

#include "io/question.h"

#include <asyncio/error.h>

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <stdio.h>
#include <string.h>

#include "io/name_read.h"
#include "platform/sys.h"

// A server on Linux that left its socket as it was made has room for about a
// hundred datagrams that it has not read, and each question is one or two. Of a
// thousand at once most would be lost, and be asked for again seconds later. So
// only so many are started in a moment, and then one for each that is answered.
#define FRESH_MAX 32
#define MOMENT_S  0.05

#define LINES_MAX 256 // in use at a time; each has a socket or two
#define SPARE_MAX 16

struct question {
    struct asyncio_link link;   // asyncio_resolver.questions
    struct asyncio_link queued; // asyncio_resolver.queue
    struct asyncio_link waiters;
    struct asyncio_resolver *resolver;
    struct asyncio__name_line *line; // NULL: it waits for one
    unsigned edition;                // of the files, when it was first asked
    struct asyncio__answer *answer;  // or NULL,
    int code;                        // and why
    struct asyncio__name_subject subject;
    char key[];
};

struct waiter {
    struct asyncio_link link; // question.waiters or asyncio_resolver.served
    struct question *question;
    struct asyncio_future done;
    struct asyncio__answer *answer;
    int code;
};

// ---- Keys -------------------------------------------------------------------

#define KEY_SIZE 320 // a longer name cannot be

// "4 host", "6 host", "* host" or "? address". False: no name is that long.
static bool make_key(const struct asyncio__name_subject *subject,
                     char key[static KEY_SIZE])
{
    if (!subject->host) {
        key[0] = '?';
        key[1] = ' ';
        return inet_ntop(subject->address.family, &subject->address.v4, key + 2,
                         KEY_SIZE - 2) != NULL;
    }
    size_t len = strlen(subject->host);
    if (len > KEY_SIZE - 3) return false;
    key[0] = subject->family == AF_INET    ? '4'
             : subject->family == AF_INET6 ? '6'
                                           : '*';
    key[1] = ' ';
    for (size_t i = 0; i <= len; i++) {
        char c = subject->host[i];
        key[i + 2] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    return true;
}

static struct asyncio_link *chain_of(struct asyncio_resolver *resolver,
                                     const char *key)
{
    return &resolver
                ->questions[asyncio__name_hash(key) % ASYNCIO__QUESTION_CHAINS];
}

static struct question *find_question(struct asyncio_resolver *resolver,
                                      const char *key)
{
    list_for_each (link, chain_of(resolver, key)) {
        struct question *q = list_entry(link, struct question, link);
        if (q->edition == resolver->edition && strcmp(q->key, key) == 0)
            return q;
    }
    return NULL;
}

static struct question *
make_question(struct asyncio_resolver *resolver, const char *key,
              const struct asyncio__name_subject *subject)
{
    size_t key_size = strlen(key) + 1;
    struct question *q = asyncio__alloc(sizeof *q + key_size);
    if (!q) return NULL;
    memcpy(q->key, key, key_size);
    q->resolver = resolver;
    q->edition = resolver->edition;
    q->subject = *subject;
    if (subject->host) q->subject.host = q->key + 2;
    list_add_tail(chain_of(resolver, key), &q->link);
    return q;
}

// ---- Answers of c-ares ------------------------------------------------------

// The question is over for c-ares; also from inside the call that asks.
static void put_answer(struct question *q, struct asyncio__answer *answer)
{
    q->answer = answer;
    q->code = answer ? 0 : -ENOMEM;
    q->line->over = true;
}

static void on_addresses(void *arg, int status, int timeouts,
                         struct ares_addrinfo *found)
{
    (void)timeouts;
    struct question *q = arg;
    put_answer(q, status == ARES_SUCCESS && found
                      ? asyncio__answer_of(found)
                      : asyncio__answer_without(status));
    ares_freeaddrinfo(found);
}

static void on_name(void *arg, int status, int timeouts, unsigned char *packet,
                    int len)
{
    (void)timeouts;
    struct question *q = arg;
    put_answer(q, status == ARES_SUCCESS ? asyncio__answer_in_packet(
                                               &q->subject.address, packet, len)
                                         : asyncio__answer_without(status));
}

// ---- Asking -----------------------------------------------------------------

// 192.0.2.7 is 7.2.0.192.in-addr.arpa; an IPv6 address has each of its 32
// digits.
static void name_of_address(const struct asyncio__name_address *address,
                            char text[static 80])
{
    const unsigned char *bytes = (const unsigned char *)&address->v4;
    char *at = text;
    if (address->family == AF_INET) {
        snprintf(text, 80, "%u.%u.%u.%u.in-addr.arpa", bytes[3], bytes[2],
                 bytes[1], bytes[0]);
        return;
    }
    for (int i = 15; i >= 0; i--, at += 4)
        snprintf(at, 5, "%x.%x.", bytes[i] & 15U, bytes[i] >> 4U);
    memcpy(at, "ip6.arpa", sizeof "ip6.arpa");
}

static void ask_line(struct question *q)
{
    ares_channel channel = q->line->channel;
    if (q->subject.host) {
        const struct ares_addrinfo_hints hints = {
            .ai_family = q->subject.family,
            .ai_socktype = SOCK_STREAM,
            .ai_flags = ARES_AI_CANONNAME,
        };
        ares_getaddrinfo(channel, q->subject.host, NULL, &hints, on_addresses,
                         q);
    } else {
        char name[80];
        name_of_address(&q->subject.address, name);
        ares_query(channel, name, ns_c_in, ns_t_ptr, on_name, q);
    }
    asyncio__name_line_turn(q->line);
}

// The question is over: those who wait have what has become of it.
static void deliver(struct question *q)
{
    struct asyncio_resolver *resolver = q->resolver;
    struct asyncio_link *link;
    if (q->answer && q->edition == resolver->edition)
        asyncio__name_cache_put(resolver->cache, q->key, q->answer,
                                asyncio_time());
    while ((link = list_pop(&q->waiters))) {
        struct waiter *waiter = list_entry(link, struct waiter, link);
        waiter->question = NULL;
        waiter->answer = q->answer ? asyncio__answer_ref(q->answer) : NULL;
        waiter->code = q->code;
        list_add_tail(&resolver->served, &waiter->link);
        asyncio_ignore(
            asyncio_future_set_result_unless_cancelled(&waiter->done, 0));
    }
}

static void free_question(struct question *q)
{
    list_remove(&q->link);
    if (list_linked(&q->queued)) list_remove(&q->queued);
    asyncio__answer_unref(q->answer);
    asyncio__free(q);
}

void asyncio__spare_line(struct asyncio_resolver *resolver,
                         struct asyncio__name_line *line)
{
    line->over = false;
    line->owner = NULL;
    if (line->blind || line->edition != resolver->edition ||
        resolver->spare_count == SPARE_MAX) {
        asyncio__name_line_close(line);
        return;
    }
    resolver->spare_count++;
    list_add_head(&resolver->spare, &line->link);
}

void asyncio__close_spare_lines(struct asyncio_resolver *resolver)
{
    struct asyncio_link *link;
    while ((link = list_pop(&resolver->spare)))
        asyncio__name_line_close(
            list_entry(link, struct asyncio__name_line, link));
    resolver->spare_count = 0;
}

static void start_queued(struct asyncio_resolver *resolver);

static void line_ended(struct asyncio__name_line *line)
{
    struct question *q = line->owner;
    struct asyncio_resolver *resolver = q->resolver;
    if (line->blind && (!q->answer || q->answer->status == ARES_ECANCELLED)) {
        asyncio__answer_unref(q->answer);
        q->answer = NULL;
        q->code = -ENOMEM;
    }
    resolver->busy--;
    if (resolver->fresh > 0) resolver->fresh--;
    asyncio__spare_line(resolver, line);
    deliver(q);
    free_question(q);
    start_queued(resolver);
}

static int find_line(struct asyncio_resolver *resolver,
                     struct asyncio__name_line **line)
{
    struct asyncio_link *link = list_pop(&resolver->spare);
    if (link) {
        resolver->spare_count--;
        *line = list_entry(link, struct asyncio__name_line, link);
        return 0;
    }
    int err = asyncio__name_line_open(line, &resolver->line);
    if (err == 0) (*line)->edition = resolver->edition;
    return err;
}

// The question may be over, and gone, when this returns.
static void start(struct question *q)
{
    struct asyncio_resolver *resolver = q->resolver;
    q->code = find_line(resolver, &q->line);
    if (q->code < 0) {
        deliver(q);
        free_question(q);
        return;
    }
    resolver->busy++;
    resolver->fresh++;
    q->line->owner = q;
    q->line->ended = line_ended;
    ask_line(q);
}

static int on_moment(void *arg)
{
    struct asyncio_resolver *resolver = arg;
    resolver->resting = false;
    resolver->fresh = 0;
    start_queued(resolver);
    return 0;
}

// False: there is no memory for that.
static bool rest(struct asyncio_resolver *resolver)
{
    if (!resolver->resting)
        resolver->resting =
            asyncio_call_later(MOMENT_S, on_moment, resolver,
                               .handle = &resolver->moment) == 0;
    return resolver->resting;
}

static bool may_start(struct asyncio_resolver *resolver)
{
    if (list_empty(&resolver->queue) || resolver->busy == LINES_MAX)
        return false;
    return resolver->fresh < FRESH_MAX || !rest(resolver);
}

// One that is over at once calls this again, and leaves the rest to the first
// call: no deeper stack for a longer queue.
static void start_queued(struct asyncio_resolver *resolver)
{
    if (resolver->starting) return;
    resolver->starting = true;
    while (may_start(resolver))
        start(list_entry(list_pop(&resolver->queue), struct question, queued));
    resolver->starting = false;
}

// Nobody waits for it any more: what c-ares says to that is not kept.
static void drop_question(struct question *q)
{
    if (!q->line) {
        free_question(q);
        return;
    }
    ares_cancel(q->line->channel);
    asyncio__name_line_turn(q->line);
}

// ---- Waiting ----------------------------------------------------------------

static int join(struct question *q, struct asyncio__answer **answer)
{
    struct waiter waiter = {.question = q};
    asyncio_future_init(&waiter.done);
    list_add_tail(&q->waiters, &waiter.link);
    if (!q->line && !list_linked(&q->queued)) {
        list_add_tail(&q->resolver->queue, &q->queued);
        start_queued(q->resolver);
    }

    int err = asyncio_await(&waiter.done);
    asyncio_future_reset(&waiter.done);
    if (list_linked(&waiter.link)) list_remove(&waiter.link);
    if (waiter.question && list_empty(&waiter.question->waiters))
        drop_question(waiter.question);
    if (err >= 0) err = waiter.code;
    if (err < 0)
        asyncio__answer_unref(waiter.answer);
    else
        *answer = waiter.answer;
    return err;
}

static int ask_servers(struct asyncio_resolver *resolver,
                       const struct asyncio__name_subject *subject,
                       struct asyncio__answer **answer)
{
    char key[KEY_SIZE];
    if (!make_key(subject, key)) {
        *answer = asyncio__answer_without(ARES_EBADNAME);
        return *answer ? 0 : -ENOMEM;
    }
    struct asyncio__answer *known =
        asyncio__name_cache_get(resolver->cache, key, asyncio_time());
    if (known) {
        *answer = asyncio__answer_ref(known);
        return 0;
    }
    struct question *q = find_question(resolver, key);
    if (!q) q = make_question(resolver, key, subject);
    return q ? join(q, answer) : -ENOMEM;
}

// In files a name is written without the dot of the root.
static int look_in_hosts(struct asyncio_resolver *resolver,
                         const struct asyncio__name_subject *subject,
                         struct asyncio__answer **answer)
{
    char name[KEY_SIZE];
    if (!resolver->hosts) return -ENOENT;
    if (!subject->host)
        return asyncio__hosts_find_address(resolver->hosts, &subject->address,
                                           answer);
    size_t len = strlen(subject->host);
    if (len == 0 || len >= sizeof name) return -ENOENT;
    memcpy(name, subject->host, len + 1);
    if (name[len - 1] == '.') name[len - 1] = '\0';
    return asyncio__hosts_find(resolver->hosts, name, subject->family, answer);
}

int asyncio__resolver_known(struct asyncio_resolver *resolver,
                            const struct asyncio__name_subject *subject,
                            struct asyncio__answer **answer)
{
    *answer = NULL;
    int err = asyncio__resolver_look(resolver);
    return err < 0 ? err : look_in_hosts(resolver, subject, answer);
}

int asyncio__resolver_ask(struct asyncio_resolver *resolver,
                          const struct asyncio__name_subject *subject,
                          struct asyncio__answer **answer)
{
    int err = asyncio__resolver_known(resolver, subject, answer);
    return err == -ENOENT ? ask_servers(resolver, subject, answer) : err;
}

// ---- The end ----------------------------------------------------------------

void asyncio__end_questions(struct asyncio_resolver *resolver)
{
    for (size_t i = 0; i < ASYNCIO__QUESTION_CHAINS; i++) {
        struct asyncio_link *link;
        while ((link = list_first(&resolver->questions[i]))) {
            struct question *q = list_entry(link, struct question, link);
            struct asyncio__name_line *line = q->line;
            if (line) asyncio__name_line_close(line);
            asyncio__answer_unref(q->answer);
            q->answer = NULL;
            q->code = -ESHUTDOWN;
            deliver(q);
            free_question(q);
        }
    }
    asyncio_handle_cancel(&resolver->moment);
    resolver->resting = false;
    resolver->busy = resolver->fresh = 0;
}

void asyncio__take_back_answers(struct asyncio_resolver *resolver)
{
    struct asyncio_link *link;
    while ((link = list_pop(&resolver->served))) {
        struct waiter *waiter = list_entry(link, struct waiter, link);
        asyncio__answer_unref(waiter->answer);
        waiter->answer = NULL;
        waiter->code = -ESHUTDOWN;
    }
}
