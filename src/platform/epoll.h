// What the two halves of the epoll poller share: epoll.c, which waits for
// descriptors and gives files to its lane, and epoll_transfer.c.
#pragma once

#include "platform/lane.h"

struct asyncio__epoll_page;

struct asyncio__epoll {
    struct asyncio__poller base;
    int epfd;
    int wake_fd;
    struct asyncio__epoll_page **pages; // those in use, by descriptor
    size_t page_count;
    struct asyncio__lane files;
};

// Reads or writes, without ever waiting, on a descriptor that has just been
// ready. Returns a count, or a negative errno; -EAGAIN: it has to wait again.
int asyncio__epoll_transfer(const struct asyncio__op *op);
