// A resolver: what is known of names, and the questions that are under way.
//
//     ask -> hosts file -> cache -> the same question under way? -> a line
//
// Tasks that have the same question wait for one; each may leave, and the last
// one takes the question along.
#pragma once

#include <asyncio/dns.h>

#include "base/list.h"
#include "io/hosts.h"
#include "io/name_answer.h"
#include "io/name_files.h"
#include "io/name_line.h"
#include "loop/loop.h"

#define ASYNCIO__QUESTION_CHAINS 64

struct asyncio_resolver {
    struct asyncio__at_close at_close;
    struct asyncio_loop *loop; // NULL: it has closed
    struct asyncio__name_cache *cache;
    struct asyncio_link questions[ASYNCIO__QUESTION_CHAINS];
    struct asyncio_link queue;  // questions that wait for a line
    struct asyncio_link served; // waiters that have an answer and have not run
    struct asyncio_link spare;  // asyncio__name_line.link
    size_t spare_count, busy;   // lines
    bool starting;              // questions of the queue, just now
    bool resting;               // until `moment`, unless one is answered before
    size_t fresh;               // questions started since then, and unanswered
    struct asyncio_handle moment;

    struct asyncio__hosts *hosts;
    struct asyncio__file_stamp hosts_stamp, resolv_stamp, nsswitch_stamp;
    double looked_at; // when the files were looked at
    unsigned edition; // how often they had changed
    bool has_looked;
    bool other_sources; // libc may know names that the servers do not

    struct asyncio__name_line_options line;
    const char *hosts_path, *nsswitch_path;
    char texts[]; // what the paths and servers point to
};

// What is asked: the addresses of a host, or, without one, the host of an
// address.
struct asyncio__name_subject {
    const char *host;
    int family; // AF_UNSPEC: both
    struct asyncio__name_address address;
};

// The running loop's own resolver, which ends with the loop. Returns 0 or what
// asyncio_resolver_create does.
int asyncio__default_resolver(struct asyncio_resolver **resolver);

// Reads the files again that have changed, at most once a second; one that
// cannot be read is as it was. Returns 0 or -ENOMEM.
int asyncio__resolver_look(struct asyncio_resolver *resolver);

// The same from files alone: -ENOENT if they do not have it. Never suspends.
int asyncio__resolver_known(struct asyncio_resolver *resolver,
                            const struct asyncio__name_subject *subject,
                            struct asyncio__answer **answer);

// Finds out. Returns 0 and an answer for asyncio__answer_unref, which may say
// that there is none; or -ECANCELED, -ENOMEM, -ESHUTDOWN if the resolver was
// freed or its loop closed. Suspends only to ask.
int asyncio__resolver_ask(struct asyncio_resolver *resolver,
                          const struct asyncio__name_subject *subject,
                          struct asyncio__answer **answer);
