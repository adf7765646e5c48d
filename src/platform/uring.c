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
// What waits for others, RECV and POLL, is queued last, right before the system
// is entered: by then all that this turn has to send is on its way, and may
// have been answered. To receive what is there takes the kernel less than to
// wait for it.
//
// Some entries are kept back for cancels. If even these are used up and the
// kernel takes none, the operation goes to the to_cancel list, and the next
// wait tries again.
//
// One operation may have several results, RECV_LENT: then the entry's flags say
// whether more will come, and in which buffer (uring_lend.h) the bytes are.
//
// What no ring of any kernel can do (to list a folder, say), and what only
// younger kernels' can, is given to the threads of a lane.

#include <liburing.h>

#include "platform/lane.h"

#include <assert.h>
#include <sys/socket.h>
#include <time.h>

#include "base/list.h"
#include "platform/compiler.h"
#include "platform/sys.h"
#include "platform/uring_lend.h"
#include "platform/uring_request.h"

#define SQ_ENTRIES   256
#define SQ_KEPT_BACK 16 // for cancels and the wake-up
#define CQ_ENTRIES   4096

// User data of entries of our own; no operation has such an address.
#define DATA_WAKE   1
#define DATA_CANCEL 2

// Operations that are one request to the kernel, where nothing goes wrong.
#define SIMPLE (ASYNCIO__OP_BIT(RECV) | ASYNCIO__OP_BIT(SEND))

// Those to be queued last, and those that nobody minds being queued before them
// although they were asked for later: they neither take what is received nor
// change what the descriptor is.
#define LAST     (ASYNCIO__OP_BIT(RECV) | ASYNCIO__OP_BIT(POLL))
#define UNMINDED (ASYNCIO__OP_BIT(SEND) | ASYNCIO__OP_BIT(SENDMSG))

struct uring {
    struct asyncio__poller base;
    struct io_uring ring;
    // Operations in the submission ring or with the kernel, but for those that
    // wait for somebody else: these are in no list, because their neighbours
    // would be written to at their end, long after they were last in use.
    struct asyncio_link files;
    struct asyncio_link to_cancel; // not in there: the cancel is still to send
    struct asyncio_link last;      // not in there yet: to be queued last
    int wake_fd;
    bool enabled;
    bool wake_armed;     // an entry reads from wake_fd
    uint64_t wake_count; // where it reads to
    uint32_t waits;      // calls of wait, ever
    struct asyncio__lane lane;
    struct asyncio__uring_lender lender;
    // For a test, the operation that is to come back short, and where its
    // caller's length is one less until then.
    struct asyncio__op *shortened;
    struct iovec *shortened_part;
};

static struct uring *uring_of(struct asyncio__poller *poller)
{
    return (struct uring *)poller;
}

static struct asyncio__op *op_of(struct asyncio_link *link)
{
    return list_entry(link, struct asyncio__op, link);
}

static bool is_for_lane(const struct asyncio__op *op)
{
    return asyncio__op_is_one_of(
        op, ASYNCIO__OP_BIT(READLINK) | ASYNCIO__OP_BIT(LIST) |
                ASYNCIO__OP_BIT(TRUNCATE) | ASYNCIO__OP_BIT(CHMOD) |
                ASYNCIO__OP_BIT(SEEK) | ASYNCIO__OP_BIT(COPY) |
                ASYNCIO__OP_BIT(SENDFILE) | ASYNCIO__OP_BIT(SPLICE));
}

// ---- The submission ring ----------------------------------------------------

// Hands over all that is queued. With `sleep` it returns when something has
// been completed, or after `timeout` (NULL: none).
static int enter(struct uring *u, bool sleep, unsigned flags,
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

static int hand_over(struct uring *u)
{
    int err;
    do
        err = enter(u, false, 0, NULL);
    while (err == -EINTR);
    return err;
}

// Makes room for an entry and `spare` others.
ASYNCIO__COLD static int flush(struct uring *u, unsigned spare)
{
    int err = hand_over(u);
    if (err < 0) return err;
    return io_uring_sq_space_left(&u->ring) > spare ? 0 : -EAGAIN;
}

// The next free entry, leaving `spare` others; flushes the ring if it must.
static int take_sqe(struct uring *u, unsigned spare, struct io_uring_sqe **sqe)
{
    struct io_uring_sq *sq = &u->ring.sq;
    if (io_uring_sq_space_left(&u->ring) <= spare) {
        int err = flush(u, spare);
        if (err < 0) return err;
    }
    *sqe = &sq->sqes[sq->sqe_tail++ & sq->ring_mask];
    return 0;
}

// Queues an entry for `op` and leaves `spare` others free. With `shorter` it is
// to move one byte less.
static int queue(struct uring *u, struct asyncio__op *op, unsigned spare,
                 bool shorter)
{
    struct io_uring_sqe *sqe;
    int err = take_sqe(u, spare, &sqe);
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

static void make_whole(struct uring *u)
{
    if (u->shortened_part) u->shortened_part->iov_len++;
    u->shortened_part = NULL;
    u->shortened = NULL;
}

// False if there is no room, which leaves `op` to a later try.
static bool queue_cancel(struct uring *u, struct asyncio__op *op)
{
    struct io_uring_sqe *sqe;
    if (take_sqe(u, 0, &sqe) < 0) return false;

    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data64(sqe, DATA_CANCEL);
    // Only a failure is worth an entry in the completion ring, and that only
    // because it cannot be suppressed: the operation has ended by itself.
    io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
    return true;
}

static void cancel_in_ring(struct uring *u, struct asyncio__op *op)
{
    if (queue_cancel(u, op)) return;

    if (list_linked(&op->link)) list_remove(&op->link);
    list_add_tail(&u->to_cancel, &op->link);
}

static void arm_wake(struct uring *u)
{
    struct io_uring_sqe *sqe;
    if (u->wake_armed || take_sqe(u, 0, &sqe) < 0) return;

    io_uring_prep_read(sqe, u->wake_fd, &u->wake_count, sizeof u->wake_count,
                       0);
    io_uring_sqe_set_data64(sqe, DATA_WAKE);
    u->wake_armed = true;
}

// A receive that nothing was there for the last time is to wait first, instead
// of looking in vain. Its pace says so; then, until it ends, in which wait the
// kernel was told of it.
static void prepare_receive(const struct uring *u, struct asyncio__op *op,
                            struct io_uring_sqe *sqe)
{
    asyncio__uring_prepare_simple(sqe, op);
    if (op->pace && !op->flags) sqe->ioprio = IORING_RECVSEND_POLL_FIRST;
    op->pace = u->waits;
}

static void learn_pace(const struct uring *u, struct asyncio__op *op)
{
    if (op->code == ASYNCIO__OP_RECV) op->pace = op->pace != u->waits;
}

// Those that stay behind find no room: the next wait tries again.
static int queue_last(struct uring *u)
{
    struct io_uring_sqe *sqe;
    while (!list_empty(&u->last)) {
        int err = take_sqe(u, SQ_KEPT_BACK, &sqe);
        if (err < 0) return err;
        struct asyncio__op *op = op_of(list_pop(&u->last));
        if (op->code == ASYNCIO__OP_RECV && !op->events)
            prepare_receive(u, op, sqe);
        else
            asyncio__uring_prepare(sqe, op);
    }
    return 0;
}

static void list_for_its_kind(struct uring *u, struct asyncio__op *op)
{
    bool waits = op->code == ASYNCIO__OP_POLL || asyncio__op_is_of_socket(op);
    if (!waits) list_add_tail(&u->files, &op->link);
}

static void send_late_cancels(struct uring *u)
{
    struct asyncio_link *link;
    while ((link = list_first(&u->to_cancel))) {
        struct asyncio__op *op = op_of(link);
        if (!queue_cancel(u, op)) return;
        list_remove(link);
        list_for_its_kind(u, op);
    }
}

// ---- The completion ring ----------------------------------------------------

// Tries again what the kernel broke off. Returns false if this is the end of
// it, with the outcome in *result.
static bool tries_again(struct uring *u, struct asyncio__op *op, int *result)
{
    if (!asyncio__uring_goes_on(op, result)) return false;
    if (op->state == ASYNCIO__OP_CANCELLING) return false;

    int err = queue(u, op, 0, false);
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
static void ask_hooks_again(struct uring *u, struct asyncio__op *op)
{
    if (op->moved) return;
    int err = asyncio__sys_denied(ASYNCIO__SYS_RECV, __func__);
    if (err == 0 || err == -EINTR || err == -EAGAIN) return;
    op->moved = (uint32_t)-err;
    cancel_in_ring(u, op);
}

// Takes up a result of RECV_LENT. True: there will be others.
static bool goes_on(struct uring *u, struct asyncio__op *op, unsigned flags,
                    int *result)
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

ASYNCIO__APART static void complete(struct uring *u, uint64_t data,
                                    unsigned flags, int result)
{
    if (data == DATA_CANCEL) return;
    if (data == DATA_WAKE) {
        u->wake_armed = false;
        return;
    }

    struct asyncio__op *op = (struct asyncio__op *)(uintptr_t)data;
    if (op->code == ASYNCIO__OP_RECV_LENT && goes_on(u, op, flags, &result))
        return;
    if (op == u->shortened) make_whole(u);
    if (tries_again(u, op, &result)) return;
    if (list_linked(&op->link)) list_remove(&op->link);
    if (asyncio__op_has_position(op)) asyncio__uring_mend_position(op, result);
    learn_pace(u, op);
    asyncio__poller_finish(&u->base, op, settle(op, result));
}

// Whether a completion is all that there is to say about its operation: bytes
// have moved, as many as it needs. Most are like that.
static bool is_simple(const struct uring *u, uint64_t data, int result)
{
    if (data <= DATA_CANCEL || result <= 0) return false;
    const struct asyncio__op *op = (const void *)(uintptr_t)data;
    return asyncio__op_is_one_of(op, SIMPLE) && op->events == 0 &&
           !(op->flags & MSG_WAITALL) && op != u->shortened &&
           !list_linked(&op->link);
}

static void end_simply(struct uring *u, struct asyncio__op *op, int result)
{
    learn_pace(u, op);
    asyncio__poller_finish(&u->base, op, result);
}

static void reap(struct uring *u)
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

// True if the kernel has work that it does only inside enter: completions not
// yet made, or made when the ring was full.
static bool kernel_waits(const struct uring *u)
{
    unsigned flags = __atomic_load_n(u->ring.sq.kflags, __ATOMIC_RELAXED);
    return flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

static int uring_wait(struct asyncio__poller *poller, int64_t timeout_ns)
{
    struct uring *u = uring_of(poller);
    struct timespec timeout = {.tv_sec = timeout_ns / 1000000000,
                               .tv_nsec = timeout_ns % 1000000000};
    send_late_cancels(u);
    reap(u);
    u->waits++;
    // Not before: the end of the one that was armed may have been reaped. A
    // sleep without one could not be ended from another thread.
    arm_wake(u);
    (void)queue_last(u);
    asyncio__lane_collect(&u->lane);

    bool sleep = timeout_ns != 0 && u->wake_armed && list_empty(&u->last) &&
                 list_empty(&poller->finished) &&
                 asyncio__lane_may_sleep(&u->lane);
    int err = 0;
    if (sleep || kernel_waits(u) || io_uring_sq_ready(&u->ring) > 0) {
        err = enter(u, sleep, IORING_ENTER_GETEVENTS,
                    sleep && timeout_ns > 0 ? &timeout : NULL);
        reap(u);
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
    const struct uring *u = (const struct uring *)poller;

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
static int deny(struct uring *u, struct asyncio__op *op, int denied)
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

ASYNCIO__APART static int submit_any(struct uring *u, struct asyncio__op *op)
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
    err = asyncio__op_is_one_of(op, UNMINDED) ? 0 : queue_last(u);
    if (asyncio__op_has_position(op)) asyncio__uring_mark_position(op);
    if (err == 0) err = queue(u, op, SQ_KEPT_BACK, shorter);
    if (err == 0) {
        if (op->code == ASYNCIO__OP_CLOSE && op->fd >= 0)
            asyncio__sys_gone(ASYNCIO__DESCRIPTOR, (uintptr_t)op->fd);
        list_for_its_kind(u, op);
        return 0;
    }
    // A close cannot be refused for want of room.
    if (op->code != ASYNCIO__OP_CLOSE) return err;
    asyncio__poller_finish(&u->base, op, asyncio__sys_close(op->fd));
    return 0;
}

static int uring_submit(struct asyncio__poller *poller, struct asyncio__op *op)
{
    struct uring *u = uring_of(poller);
    struct io_uring_sqe *sqe;
    if (!asyncio__op_is_one_of(op, SIMPLE) || asyncio__sys_hooks)
        return submit_any(u, op);
    if (op->code == ASYNCIO__OP_RECV) {
        list_add_tail(&u->last, &op->link);
        return 0;
    }
    int err = take_sqe(u, SQ_KEPT_BACK, &sqe);
    if (err == 0) asyncio__uring_prepare_simple(sqe, op);
    return err;
}

static void uring_cancel(struct asyncio__poller *poller, struct asyncio__op *op)
{
    struct uring *u = uring_of(poller);
    if (is_for_lane(op)) {
        asyncio__lane_retract(&u->lane, op);
        return;
    }
    if (asyncio__op_is_one_of(op, LAST) && list_linked(&op->link)) {
        list_remove(&op->link); // the kernel has not heard of it
        asyncio__poller_finish(poller, op, -ECANCELED);
        return;
    }
    cancel_in_ring(u, op);
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
    const struct uring *u = (const struct uring *)poller;
    size_t count = u->lane.jobs;

    list_for_each (link, &u->files)
        count += ends_by_itself(op_of(link));
    list_for_each (link, &u->to_cancel)
        count += ends_by_itself(op_of(link));
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
static void disarm_wake(struct uring *u)
{
    uring_wake(&u->base);
    while (u->enabled && u->wake_armed) {
        int err = enter(u, true, IORING_ENTER_GETEVENTS, NULL);
        reap(u);
        if (err < 0 && err != -EINTR) return;
    }
}

static void uring_close(struct asyncio__poller *poller)
{
    struct uring *u = uring_of(poller);

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

static int open_ring(struct uring *u)
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

int asyncio__uring_open(struct asyncio__poller **poller)
{
    struct uring *u = asyncio__alloc(sizeof *u);
    if (!u) return -ENOMEM;

    u->base.kind = &kind;
    u->lane.poller = &u->base;
    // Blocking, or the ring's read would return at once with -EAGAIN.
    int err = asyncio__sys_eventfd(0, 0);
    if (err < 0) goto free_uring;
    u->wake_fd = err;
    err = open_ring(u);
    if (err < 0) goto close_wake;

    *poller = &u->base;
    return 0;

close_wake:
    asyncio__sys_close(u->wake_fd);
free_uring:
    asyncio__free(u);
    return err;
}
