// What the two halves of the epoll poller share: epoll.c, which waits for
// descriptors, and epoll_file.c, which gives files to threads.
#pragma once

#include <stdatomic.h>

#include "platform/backend.h"
#include "platform/offload.h"

struct asyncio__epoll_page;
struct asyncio__epoll_job;

struct asyncio__epoll {
    struct asyncio__poller base;
    int epfd;
    int wake_fd;
    struct asyncio__epoll_page **pages; // those in use, by descriptor
    size_t page_count;

    struct asyncio__offload *crew; // made with the first file operation
    size_t jobs;                   // file operations under way
    // What threads have finished, the latest first. Any thread adds, the
    // loop's thread takes all.
    _Atomic(struct asyncio__epoll_job *) posted;
    atomic_bool asleep; // or about to: whoever posts has to wake it
};

// Hands a file operation to a thread. Returns 0 or a negative errno.
int asyncio__epoll_file(struct asyncio__epoll *e, struct asyncio__op *op);

// Takes a file operation back, and finishes it, if no thread has begun it.
void asyncio__epoll_retract(struct asyncio__epoll *e, struct asyncio__op *op);

// Finishes what threads have posted.
void asyncio__epoll_take_posted(struct asyncio__epoll *e);

// Reads or writes, without ever waiting, on a descriptor that has just been
// ready. Returns a count, or a negative errno; -EAGAIN: it has to wait again.
int asyncio__epoll_transfer(const struct asyncio__op *op);
