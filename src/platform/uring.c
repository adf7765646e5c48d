// The poller on io_uring.
//
//     submit, cancel -> | submission ring | -> kernel -> | completion ring |
//                                                  wait: reap -> finished list
//
// Requests gather in the submission ring, and one io_uring_enter per wait hands
// them all over and sleeps. DEFER_TASKRUN makes the kernel do its part of a
// completion only inside that call, so nothing interrupts the loop's thread;
// TASKRUN_FLAG shows in shared memory that there is such work. The ring is made
// disabled and enabled by the first enter: that thread is the single issuer.
//
// The user data of an entry is the operation's address, or one of two small
// numbers for entries of our own. No generation is needed: a block is reused
// only after `done`, and the ring is worked off in order, so a cancel never
// meets a later operation of the same address.
//
// What no ring of any kernel can do (to list a folder, say), and what only
// younger kernels' can, is given to the threads of a lane.

#include "platform/uring.h"

#include <time.h>

#include "platform/sys.h"

#define SQ_ENTRIES 256
#define CQ_ENTRIES 4096

#define REST_NS   1000000
#define RESTS_MAX 1000

// Those to be queued last, and those that nobody minds being queued before them
// although they were asked for later: they neither take what is received nor
// change what the descriptor is.
#define LAST     (ASYNCIO__OP_BIT(RECV) | ASYNCIO__OP_BIT(POLL))
#define UNMINDED (ASYNCIO__OP_BIT(SEND) | ASYNCIO__OP_BIT(SENDMSG))

static struct asyncio__uring *uring_of(struct asyncio__poller *poller)
{
    return (struct asyncio__uring *)poller;
}

static bool is_for_lane(const struct asyncio__op *op)
{
    return asyncio__op_is_one_of(
        op, ASYNCIO__OP_BIT(READLINK) | ASYNCIO__OP_BIT(LIST) |
                ASYNCIO__OP_BIT(TRUNCATE) | ASYNCIO__OP_BIT(CHMOD) |
                ASYNCIO__OP_BIT(SEEK) | ASYNCIO__OP_BIT(COPY) |
                ASYNCIO__OP_BIT(SENDFILE) | ASYNCIO__OP_BIT(SPLICE));
}

// True if the kernel has work that it does only inside enter: completions not
// yet made, or made when the ring was full.
static bool kernel_waits(const struct asyncio__uring *u)
{
    unsigned flags = __atomic_load_n(u->ring.sq.kflags, __ATOMIC_RELAXED);
    return flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

static int uring_wait(struct asyncio__poller *poller, int64_t timeout_ns)
{
    struct asyncio__uring *u = uring_of(poller);
    struct timespec timeout = {.tv_sec = timeout_ns / 1000000000,
                               .tv_nsec = timeout_ns % 1000000000};
    asyncio__uring_send_late_cancels(u);
    asyncio__uring_reap(u);
    u->waits++;
    // Not before: the end of the one that was armed may have been reaped. A
    // sleep without one could not be ended from another thread.
    asyncio__uring_arm_wake(u);
    (void)asyncio__uring_queue_last(u);
    asyncio__lane_collect(&u->lane);

    bool sleep = timeout_ns != 0 && u->wake_armed && list_empty(&u->last) &&
                 list_empty(&poller->finished) &&
                 asyncio__lane_may_sleep(&u->lane);
    int err = 0;
    if (sleep || kernel_waits(u) || io_uring_sq_ready(&u->ring) > 0) {
        err = asyncio__uring_enter(u, sleep, IORING_ENTER_GETEVENTS,
                                   sleep && timeout_ns > 0 ? &timeout : NULL);
        asyncio__uring_reap(u);
    }
    asyncio__lane_woke(&u->lane);
    asyncio__lane_collect(&u->lane);

    // Time is up, a signal came, or the kernel wants its completions fetched
    // first: the caller comes again.
    if (err < 0 && err != -ETIME) poller->delivered++;
    if (err == -ETIME || err == -EINTR || err == -EAGAIN || err == -EBUSY)
        return 0;
    return err;
}

static enum asyncio__news uring_news(const struct asyncio__poller *poller)
{
    const struct asyncio__uring *u = (const struct asyncio__uring *)poller;

    if (io_uring_cq_ready(&u->ring) > 0 || kernel_waits(u) ||
        asyncio__lane_has_news(&u->lane))
        return ASYNCIO__NEWS_CERTAIN;
    if (io_uring_sq_ready(&u->ring) > 0 || !u->wake_armed ||
        !list_empty(&u->to_cancel) || !list_empty(&u->last))
        return ASYNCIO__NEWS_UNKNOWN;
    return ASYNCIO__NEWS_NONE;
}

// ---- Operations -------------------------------------------------------------

// A request that the hooks deny fails as it would in the kernel: by `done`, and
// a close closes.
static int deny(struct asyncio__uring *u, struct asyncio__op *op, int denied)
{
    if (op->code == ASYNCIO__OP_POLL) return denied;

    int err = 0;
    if (op->code == ASYNCIO__OP_CLOSE) err = asyncio__sys_close(op->fd);
    asyncio__poller_finish(&u->base, op, err < 0 ? err : denied);
    return 0;
}

// Asks whether the request has to fail, or to come back short.
static int ask_hooks(const struct asyncio__op *op, bool *shorter)
{
    enum asyncio__sys_call call = asyncio__op_call(op);
    size_t bytes = asyncio__uring_bytes(op), len = bytes;
    int err = bytes > 1 ? asyncio__sys_denied_bytes(call, __func__, &len)
                        : asyncio__sys_denied(call, __func__);
    *shorter = len < bytes;
    return err;
}

ASYNCIO__APART static int submit_any(struct asyncio__uring *u,
                                     struct asyncio__op *op)
{
    bool shorter = false;
    int err = 0;
    if (is_for_lane(op)) return asyncio__lane_submit(&u->lane, op);
    if (op->code == ASYNCIO__OP_RECV_LENT &&
        !asyncio__uring_lender_open(&u->lender, &u->ring))
        return -EOPNOTSUPP;

    if (__builtin_expect(asyncio__sys_hooks != NULL, 0))
        err = ask_hooks(op, &shorter);
    if (err < 0 && !asyncio__uring_goes_on(op, &err)) return deny(u, op, err);

    if (asyncio__op_is_one_of(op, LAST) && !shorter) {
        list_add_tail(&u->last, &op->link);
        return 0;
    }
    err =
        asyncio__op_is_one_of(op, UNMINDED) ? 0 : asyncio__uring_queue_last(u);
    if (asyncio__op_has_position(op)) asyncio__uring_mark_position(op);
    if (err == 0)
        err = asyncio__uring_queue(u, op, ASYNCIO__SQ_KEPT_BACK, shorter);
    if (err == 0) {
        if (op->code == ASYNCIO__OP_CLOSE && op->fd >= 0)
            asyncio__sys_gone(ASYNCIO__DESCRIPTOR, (uintptr_t)op->fd);
        asyncio__uring_list(u, op);
        return 0;
    }
    // A close cannot be refused for want of room.
    if (op->code != ASYNCIO__OP_CLOSE) return err;
    asyncio__poller_finish(&u->base, op, asyncio__sys_close(op->fd));
    return 0;
}

static int uring_submit(struct asyncio__poller *poller, struct asyncio__op *op)
{
    struct asyncio__uring *u = uring_of(poller);
    struct io_uring_sqe *sqe;
    if (!asyncio__op_is_one_of(op, ASYNCIO__URING_SIMPLE) || asyncio__sys_hooks)
        return submit_any(u, op);
    if (op->code == ASYNCIO__OP_RECV) {
        list_add_tail(&u->last, &op->link);
        return 0;
    }
    int err = asyncio__uring_take(u, ASYNCIO__SQ_KEPT_BACK, &sqe);
    if (err == 0) asyncio__uring_prepare_simple(sqe, op);
    return err;
}

static void uring_cancel(struct asyncio__poller *poller, struct asyncio__op *op)
{
    struct asyncio__uring *u = uring_of(poller);
    if (is_for_lane(op)) {
        asyncio__lane_retract(&u->lane, op);
        return;
    }
    if (asyncio__op_is_one_of(op, LAST) && list_linked(&op->link)) {
        list_remove(&op->link); // the kernel has not heard of it
        asyncio__poller_finish(poller, op, -ECANCELED);
        return;
    }
    asyncio__uring_cancel_in_ring(u, op);
}

// Reading from a pipe may last for ever, reading from a file ends by itself;
// the kernel knows which it is, and is asked only when somebody wants to know.
static bool ends_by_itself(const struct asyncio__op *op)
{
    if (op->code == ASYNCIO__OP_POLL || asyncio__op_is_of_socket(op))
        return false;
    return !asyncio__op_transfers(op) || asyncio__sys_is_storage(op->fd);
}

static size_t uring_working(const struct asyncio__poller *poller)
{
    const struct asyncio__uring *u = (const struct asyncio__uring *)poller;
    size_t count = u->lane.jobs;

    list_for_each (link, &u->files)
        count += ends_by_itself(asyncio__uring_op(link));
    list_for_each (link, &u->to_cancel)
        count += ends_by_itself(asyncio__uring_op(link));
    return count;
}

static void uring_give_back(struct asyncio__poller *poller,
                            struct asyncio__lent *lent)
{
    asyncio__uring_give_back(&uring_of(poller)->lender, lent);
}

static void uring_wake(struct asyncio__poller *poller)
{
    asyncio__sys_eventfd_signal(uring_of(poller)->wake_fd);
}

// ---- Open and close ---------------------------------------------------------

// The read from wake_fd ends by a wake-up. Should the kernel refuse to wait, it
// cancels the read when the ring is closed.
static void disarm_wake(struct asyncio__uring *u)
{
    uring_wake(&u->base);
    while (u->enabled && u->wake_armed) {
        int err = asyncio__uring_enter(u, true, IORING_ENTER_GETEVENTS, NULL);
        asyncio__uring_reap(u);
        if (err < 0 && err != -EINTR) return;
    }
}

static void uring_close(struct asyncio__poller *poller)
{
    struct asyncio__uring *u = uring_of(poller);

    asyncio__lane_close(&u->lane);
    disarm_wake(u);
    asyncio__sys_uring_exit(&u->ring);
    asyncio__uring_lender_close(&u->lender);
    asyncio__sys_close(u->wake_fd);
    asyncio__free(u);
}

static const struct asyncio__poller_kind kind = {
    .name = "uring",
    .close = uring_close,
    .submit = uring_submit,
    .cancel = uring_cancel,
    .wait = uring_wait,
    .news = uring_news,
    .working = uring_working,
    .wake = uring_wake,
    .give_back = uring_give_back,
};

static int open_ring(struct asyncio__uring *u)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
                 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP |
                 IORING_SETUP_CQSIZE,
        .cq_entries = CQ_ENTRIES,
    };
    const unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
                            IORING_FEAT_RW_CUR_POS | IORING_FEAT_EXT_ARG |
                            IORING_FEAT_CQE_SKIP;

    int err = asyncio__sys_uring_init(SQ_ENTRIES, &u->ring, &params);
    // Linux before 6.1 does not know the flags.
    if (err == -EINVAL) return -ENOSYS;
    if (err < 0) return err;
    if ((params.features & needed) == needed) return 0;

    asyncio__sys_uring_exit(&u->ring);
    return -ENOSYS;
}

// Rings count against what their user may lock in memory, and the kernel takes
// a while to undo those that were closed: whoever insists waits for it.
static int open_ring_for(struct asyncio__uring *u, bool insists)
{
    int err = open_ring(u);
    for (int rests = 0; err == -ENOMEM && insists && rests < RESTS_MAX;
         rests++) {
        asyncio__sys_rest(REST_NS);
        err = open_ring(u);
    }
    return err;
}

int asyncio__uring_open(struct asyncio__poller **poller, bool insists)
{
    struct asyncio__uring *u = asyncio__alloc(sizeof *u);
    if (!u) return -ENOMEM;

    u->base.kind = &kind;
    u->lane.poller = &u->base;
    // Blocking, or the ring's read would return at once with -EAGAIN.
    int err = asyncio__sys_eventfd(0, 0);
    if (err < 0) goto free_uring;
    u->wake_fd = err;
    err = open_ring_for(u, insists);
    if (err < 0) goto close_wake;

    *poller = &u->base;
    return 0;

close_wake:
    asyncio__sys_close(u->wake_fd);
free_uring:
    asyncio__free(u);
    return err;
}
