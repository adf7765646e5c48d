// The submission ring of the poller on io_uring: what is asked of the kernel.
//
// A request is queued when it is asked for, and handed over with the others
// when the loop waits. What waits for others, RECV and POLL, is queued last,
// right before that: by then all that this turn has to send is on its way, and
// may have been answered. To receive what is there takes the kernel less than
// to wait for it.
//
// Some entries are kept back for cancels. If even these are used up and the
// kernel takes none, the operation goes to the to_cancel list, and the next
// wait tries again.

#include "platform/uring.h"

#include "platform/sys.h"

int asyncio__uring_enter(struct asyncio__uring *u, bool sleep, unsigned flags,
                         const struct timespec *timeout)
{
    if (!u->enabled) {
        int err = asyncio__sys_uring_enable(&u->ring);
        if (err < 0) return err;
        u->enabled = true;
    }
    int n = asyncio__sys_uring_enter(&u->ring, sleep ? 1 : 0, flags, timeout);
    return n < 0 ? n : 0;
}

static int hand_over(struct asyncio__uring *u)
{
    int err;
    do
        err = asyncio__uring_enter(u, false, 0, NULL);
    while (err == -EINTR);
    return err;
}

int asyncio__uring_flush(struct asyncio__uring *u, unsigned spare)
{
    int err = hand_over(u);
    if (err < 0) return err;
    return io_uring_sq_space_left(&u->ring) > spare ? 0 : -EAGAIN;
}

int asyncio__uring_queue(struct asyncio__uring *u, struct asyncio__op *op,
                         unsigned spare, bool shorter)
{
    struct io_uring_sqe *sqe;
    int err = asyncio__uring_take(u, spare, &sqe);
    if (err < 0) return err;

    asyncio__uring_prepare(sqe, op);
    if (!shorter) return 0;
    u->shortened = op;
    u->shortened_part = asyncio__uring_last_part(op);
    if (u->shortened_part)
        u->shortened_part->iov_len--;
    else
        asyncio__uring_shorten(sqe, op);
    return 0;
}

void asyncio__uring_make_whole(struct asyncio__uring *u)
{
    if (u->shortened_part) u->shortened_part->iov_len++;
    u->shortened_part = NULL;
    u->shortened = NULL;
}

// False if there is no room, which leaves `op` to a later try.
static bool queue_cancel(struct asyncio__uring *u, struct asyncio__op *op)
{
    struct io_uring_sqe *sqe;
    if (asyncio__uring_take(u, 0, &sqe) < 0) return false;

    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data64(sqe, ASYNCIO__DATA_CANCEL);
    // Only a failure is worth an entry in the completion ring, and that only
    // because it cannot be suppressed: the operation has ended by itself.
    io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
    return true;
}

void asyncio__uring_cancel_in_ring(struct asyncio__uring *u,
                                   struct asyncio__op *op)
{
    if (queue_cancel(u, op)) return;

    if (list_linked(&op->link)) list_remove(&op->link);
    list_add_tail(&u->to_cancel, &op->link);
}

void asyncio__uring_arm_wake(struct asyncio__uring *u)
{
    struct io_uring_sqe *sqe;
    if (u->wake_armed || asyncio__uring_take(u, 0, &sqe) < 0) return;

    io_uring_prep_read(sqe, u->wake_fd, &u->wake_count, sizeof u->wake_count,
                       0);
    io_uring_sqe_set_data64(sqe, ASYNCIO__DATA_WAKE);
    u->wake_armed = true;
}

// A receive that nothing was there for the last time is to wait first, instead
// of looking in vain. Its pace says so; then, until it ends, in which wait the
// kernel was told of it.
static void prepare_receive(const struct asyncio__uring *u,
                            struct asyncio__op *op, struct io_uring_sqe *sqe)
{
    asyncio__uring_prepare_simple(sqe, op);
    if (op->pace && !op->flags) sqe->ioprio = IORING_RECVSEND_POLL_FIRST;
    op->pace = u->waits;
}

int asyncio__uring_queue_last(struct asyncio__uring *u)
{
    struct io_uring_sqe *sqe;
    while (!list_empty(&u->last)) {
        int err = asyncio__uring_take(u, ASYNCIO__SQ_KEPT_BACK, &sqe);
        if (err < 0) return err;
        struct asyncio__op *op = asyncio__uring_op(list_pop(&u->last));
        if (op->code == ASYNCIO__OP_RECV && !op->events)
            prepare_receive(u, op, sqe);
        else
            asyncio__uring_prepare(sqe, op);
    }
    return 0;
}

void asyncio__uring_list(struct asyncio__uring *u, struct asyncio__op *op)
{
    bool waits = op->code == ASYNCIO__OP_POLL || asyncio__op_is_of_socket(op);
    if (!waits) list_add_tail(&u->files, &op->link);
}

void asyncio__uring_send_late_cancels(struct asyncio__uring *u)
{
    struct asyncio_link *link;
    while ((link = list_first(&u->to_cancel))) {
        struct asyncio__op *op = asyncio__uring_op(link);
        if (!queue_cancel(u, op)) return;
        list_remove(link);
        asyncio__uring_list(u, op);
    }
}
