// How an operation is put into the words of io_uring, and of the hooks.
#pragma once

#include "platform/poller.h"
#include "platform/sys.h"

struct io_uring_sqe;

// Fills in an entry for `op`, whose address becomes the user data. A transfer
// with `events` set is to wait for these first, or for some time.
void asyncio__uring_prepare(struct io_uring_sqe *sqe,
                            const struct asyncio__op *op);

// The same for RECV and SEND that are to wait for nothing first.
void asyncio__uring_prepare_simple(struct io_uring_sqe *sqe,
                                   const struct asyncio__op *op);

// Takes up what the kernel has answered to such an entry. True: the operation
// has to be queued again. Else *result is the outcome.
bool asyncio__uring_goes_on(struct asyncio__op *op, int *result);

// Where a file's position is moved by less than was asked for, because an error
// came then, the kernel forgets to move it, and the next call would go over the
// same bytes again. To be called before the request, and when it has ended.
void asyncio__uring_mark_position(struct asyncio__op *op);
void asyncio__uring_mend_position(const struct asyncio__op *op, int result);

// How many bytes the request is to move, of which the kernel may move fewer; 0
// for what is carried out whole or not at all.
size_t asyncio__uring_bytes(const struct asyncio__op *op);

// Makes the entry of a request without parts move one byte less, by one call.
void asyncio__uring_shorten(struct io_uring_sqe *sqe,
                            const struct asyncio__op *op);

// Of several parts, the last that is not empty; NULL: there is only one.
struct iovec *asyncio__uring_last_part(const struct asyncio__op *op);
