// The completion ring of the poller on io_uring: what the kernel has answered.
//
// Mostly that some bytes have moved; of operations of which more is to be said,
// `complete` says it. One operation may have several results, RECV_LENT: then
// the entry's flags say whether more will come, and in which buffer
// (uring_lend.h) the bytes are.

#include "platform/uring.h"

#include <sys/socket.h>

#include "platform/sys.h"

// Tries again what the kernel broke off. Returns false if this is the end of
// it, with the outcome in *result.
static bool tries_again(struct asyncio__uring *u, struct asyncio__op *op,
                        int *result)
{
    if (!asyncio__uring_goes_on(op, result)) return false;
    if (op->state == ASYNCIO__OP_CANCELLING) return false;

    int err = asyncio__uring_queue(u, op, 0, false);
    if (err < 0) *result = err;
    u->base.delivered++;
    return err == 0;
}

// What our own books have to say about an outcome.
static int settle(const struct asyncio__op *op, int result)
{
    bool makes = op->code == ASYNCIO__OP_OPEN || op->code == ASYNCIO__OP_ACCEPT;
    if (makes && result >= 0)
        asyncio__sys_made(ASYNCIO__DESCRIPTOR, (uintptr_t)result, 0,
                          ASYNCIO_SITE);
    // The kernel dropped the request, and the descriptor must not stay.
    if (op->code == ASYNCIO__OP_CLOSE && result == -ECANCELED)
        return asyncio__sys_close(op->fd);
    return result;
}

// A test may have each call fail that one operation stands for. The kernel is
// asked to stop, and how it says that it has is replaced by this error.
static void ask_hooks_again(struct asyncio__uring *u, struct asyncio__op *op)
{
    if (op->moved) return;
    int err = asyncio__sys_denied(ASYNCIO__SYS_RECV, __func__);
    if (err == 0 || err == -EINTR || err == -EAGAIN) return;
    op->moved = (uint32_t)-err;
    asyncio__uring_cancel_in_ring(u, op);
}

// Takes up a result of RECV_LENT. True: there will be others.
static bool goes_on(struct asyncio__uring *u, struct asyncio__op *op,
                    unsigned flags, int *result)
{
    bool more = flags & IORING_CQE_F_MORE;
    if (*result == -ENOBUFS) asyncio__uring_lend_more(&u->lender);
    if (flags & IORING_CQE_F_BUFFER) {
        size_t len = *result > 0 ? (size_t)*result : 0;
        struct asyncio__lent *lent =
            asyncio__uring_lent(&u->lender, flags, len);
        op->vain = 0;
        if (len > 0)
            asyncio__poller_came(&u->base, op, lent);
        else
            asyncio__uring_give_back(&u->lender, lent);
    }
    if (__builtin_expect(more && asyncio__sys_hooks != NULL, 0))
        ask_hooks_again(u, op);
    if (!more && op->moved) *result = -(int)op->moved;
    return more;
}

ASYNCIO__APART static void complete(struct asyncio__uring *u, uint64_t data,
                                    unsigned flags, int result)
{
    if (data == ASYNCIO__DATA_CANCEL) return;
    if (data == ASYNCIO__DATA_WAKE) {
        u->wake_armed = false;
        return;
    }

    struct asyncio__op *op = (struct asyncio__op *)(uintptr_t)data;
    if (op->code == ASYNCIO__OP_RECV_LENT && goes_on(u, op, flags, &result))
        return;
    if (op == u->shortened) asyncio__uring_make_whole(u);
    if (tries_again(u, op, &result)) return;
    if (list_linked(&op->link)) list_remove(&op->link);
    if (asyncio__op_has_position(op)) asyncio__uring_mend_position(op, result);
    asyncio__uring_learn_pace(u, op);
    asyncio__poller_finish(&u->base, op, settle(op, result));
}

// Whether a completion is all that there is to say about its operation: bytes
// have moved, as many as it needs. Most are like that.
static bool is_simple(const struct asyncio__uring *u, uint64_t data, int result)
{
    if (data <= ASYNCIO__DATA_CANCEL || result <= 0) return false;
    const struct asyncio__op *op = (const void *)(uintptr_t)data;
    return asyncio__op_is_one_of(op, ASYNCIO__URING_SIMPLE) &&
           op->events == 0 && !(op->flags & MSG_WAITALL) &&
           op != u->shortened && !list_linked(&op->link);
}

static void end_simply(struct asyncio__uring *u, struct asyncio__op *op,
                       int result)
{
    asyncio__uring_learn_pace(u, op);
    asyncio__poller_finish(&u->base, op, result);
}

void asyncio__uring_reap(struct asyncio__uring *u)
{
    struct io_uring_cq *cq = &u->ring.cq;
    // What arrives meanwhile is for the next time.
    unsigned count = io_uring_cq_ready(&u->ring);

    while (count-- > 0) {
        const struct io_uring_cqe *cqe = &cq->cqes[*cq->khead & cq->ring_mask];
        uint64_t data = cqe->user_data;
        unsigned flags = cqe->flags;
        int result = cqe->res;
        io_uring_cq_advance(&u->ring, 1);
        if (ASYNCIO__LIKELY(is_simple(u, data, result)))
            end_simply(u, (void *)(uintptr_t)data, result);
        else
            complete(u, data, flags, result);
    }
}
