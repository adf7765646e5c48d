// What the parts of the epoll poller share: epoll.c, which waits for
// descriptors and gives files to its lane, and epoll_transfer.c and
// epoll_socket.c, which make the calls of those that are ready.
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

    // Those that the kernel calls ready and does not serve, and when they are
    // tried again.
    struct asyncio_link stalled;
    int64_t retry_ns;
    unsigned looks_saved; // waits in a row that did not ask the kernel
};

// Reads or writes, without ever waiting, on a descriptor that has just been
// ready. Returns a count, or a negative errno; -EAGAIN: it has to wait again.
int asyncio__epoll_transfer(const struct asyncio__op *op);

// The same for an operation of a socket, ready or not.
int asyncio__epoll_socket(const struct asyncio__op *op);
