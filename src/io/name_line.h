// A line to the name servers: a channel of c-ares, tied to the loop by its
// sockets and its clock, for one question at a time.
//
// c-ares says which sockets it wants watched and when it wants to be called
// next; the loop calls it back. It cannot take back one question of several, so
// each has a line of its own, and lines are used again.
#pragma once

#include <asyncio/loop.h>

#include <ares.h>

struct watch;

struct asyncio__name_line {
    struct asyncio_link link; // asyncio_resolver.spare
    struct asyncio_loop *loop;
    ares_channel channel;
    struct asyncio_handle timer; // when c-ares wants to be called next
    struct watch *watches;
    bool blind; // a socket or the time could not be watched
    bool over;  // c-ares has let go of the question; its owner says so
    // Called when that is so, and nothing of c-ares is on the stack: the line
    // may be closed.
    void (*ended)(struct asyncio__name_line *line);
    void *owner;
    unsigned edition; // of the files that it was opened with
};

struct asyncio__name_line_options {
    const char *servers; // NULL: those of the file
    char *resolv_conf;
    int port, try_ms, tries; // 0: as c-ares does
};

// Returns 0; -EINVAL for servers that are none; -ENOMEM.
int asyncio__name_line_open(struct asyncio__name_line **line,
                            const struct asyncio__name_line_options *options);
void asyncio__name_line_close(struct asyncio__name_line *line);

// To be called after c-ares was called and before anybody waits: arms the
// timer, or says that the question is over. If c-ares cannot be served any
// more, it is taken back, with ARES_ECANCELLED.
void asyncio__name_line_turn(struct asyncio__name_line *line);
