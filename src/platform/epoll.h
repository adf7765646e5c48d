// What the parts of the epoll poller share: epoll.c, which waits for events and
// gives files to its lane; epoll_entry.c, which knows what epoll was told of
// each descriptor; and epoll_transfer.c and epoll_socket.c, which make the
// calls of those that are ready.
#pragma once

#include <sys/types.h>

#include "base/list.h"
#include "platform/lane.h"

#define ASYNCIO__EPOLL_PAGE 256

// The key of wake_fd; no other key has such a descriptor in its lower half.
#define ASYNCIO__EPOLL_WAKE UINT64_MAX

// What waits for a descriptor, and what the kernel was told of that.
struct asyncio__epoll_entry {
    struct asyncio_link ops;
    uint32_t generation; // of the registration that the kernel holds
    bool kept;           // which tells of input again and again
    uint8_t shy;         // polls from now on that it is not to be kept for
    uint8_t was_shy;     // how many it were after the last event for nobody
    uint8_t met;         // events since, that somebody waited for
};

struct asyncio__epoll_page {
    struct asyncio__epoll_entry entries[ASYNCIO__EPOLL_PAGE];
};

struct asyncio__epoll {
    struct asyncio__poller base;
    int epfd;
    int wake_fd;
    pid_t pid;    // whose it is
    bool haunted; // it tells of what is closed, and cannot be named any more
    struct asyncio__epoll_page **pages; // those in use, by descriptor
    size_t page_count;
    struct asyncio__lane files;

    // Those that the kernel calls ready and does not serve, and when they are
    // tried again.
    struct asyncio_link stalled;
    int64_t retry_ns;
    unsigned looks_saved; // waits in a row that did not ask the kernel
};

// ---- epoll_entry.c ----------------------------------------------------------

// A new instance of epoll that knows wake_fd, or a negative errno.
int asyncio__epoll_instance(struct asyncio__epoll *e);
void asyncio__epoll_free_entries(struct asyncio__epoll *e);

// The entry of a descriptor, or NULL.
static inline struct asyncio__epoll_entry *
asyncio__epoll_at(const struct asyncio__epoll *e, int fd)
{
    size_t page = (size_t)fd / ASYNCIO__EPOLL_PAGE;
    if (page >= e->page_count || !e->pages[page]) return NULL;
    return &e->pages[page]->entries[fd % ASYNCIO__EPOLL_PAGE];
}

// Whether what is registered for it may be kept.
static inline bool asyncio__epoll_comes_again(const struct asyncio__op *op)
{
    return op->code == ASYNCIO__OP_POLL && op->flags & ASYNCIO__POLL_AGAIN;
}

// Has `op` wait for what the kernel tells of in any case. False: it has to be
// told.
static inline bool asyncio__epoll_join(struct asyncio__epoll *e,
                                       struct asyncio__op *op)
{
    if (!asyncio__epoll_comes_again(op)) return false;
    struct asyncio__epoll_entry *entry = asyncio__epoll_at(e, op->fd);
    if (!entry || !entry->kept) return false;
    list_add_tail(&entry->ops, &op->link);
    return true;
}

// Tells it, and has `op` wait. Returns 0, or a negative errno.
int asyncio__epoll_add(struct asyncio__epoll *e, struct asyncio__op *op);

// Ends an operation that is in a list.
void asyncio__epoll_take(struct asyncio__epoll *e, struct asyncio__op *op,
                         int result);

// The descriptor of an event's key, and the entry of those whom it may concern;
// NULL: nobody.
static inline int asyncio__epoll_fd(uint64_t key)
{
    return (int)(uint32_t)key;
}
struct asyncio__epoll_entry *asyncio__epoll_meets(struct asyncio__epoll *e,
                                                  uint64_t key);

// Those that a one-shot event has not ended wait for another.
void asyncio__epoll_go_on(struct asyncio__epoll *e, int fd,
                          struct asyncio__epoll_entry *entry);

// Undoes what the kernel keeps of a descriptor.
void asyncio__epoll_drop(struct asyncio__epoll *e, int fd);

// Begins anew with an instance that is not haunted, as far as there is one.
void asyncio__epoll_move_out(struct asyncio__epoll *e);

// ---- epoll_transfer.c, epoll_socket.c ---------------------------------------

// Reads or writes, without ever waiting, on a descriptor that has just been
// ready. Returns a count, or a negative errno; -EAGAIN: it has to wait again.
int asyncio__epoll_transfer(const struct asyncio__op *op);

// The same for an operation of a socket, ready or not.
int asyncio__epoll_socket(const struct asyncio__op *op);
