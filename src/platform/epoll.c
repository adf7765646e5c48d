// The poller on epoll, for kernels and containers without io_uring.
//
// What can be polled waits in the entry of its descriptor (epoll_entry.c), and
// is told there of events.
//
// Files are always ready for epoll, and block all the same: they are given to
// the threads of a lane. Sockets are tried at once, before anybody asks whether
// they are ready; what ended like that is no reason to ask the kernel for more
// news, but now and then it is asked, so that nobody starves.

#include "platform/epoll.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "base/list.h"
#include "platform/clock.h"
#include "platform/sys.h"

#define EVENTS      256 // taken from the kernel at once
#define LOOKS_SAVED 16  // waits in a row that do not ask it

static struct asyncio__epoll *epoll_of(struct asyncio__poller *poller)
{
    return (struct asyncio__epoll *)poller;
}

static struct asyncio__op *op_of(struct asyncio_link *link)
{
    return list_entry(link, struct asyncio__op, link);
}

// ---- Events -----------------------------------------------------------------

// An operation that is never served though it is told that it is ready comes
// again after a while instead.
static void stall(struct asyncio__epoll *e, struct asyncio__op *op,
                  int64_t pause_ns)
{
    int64_t when_ns = asyncio__clock_real_ns() + pause_ns;
    if (when_ns < e->retry_ns) e->retry_ns = when_ns;
    list_remove(&op->link);
    list_add_tail(&e->stalled, &op->link);
}

// Makes the call of an operation that waits in some list. True if that has
// ended it.
static bool try_transfer(struct asyncio__epoll *e, struct asyncio__op *op)
{
    int result = asyncio__op_is_of_socket(op) ? asyncio__epoll_socket(op)
                                              : asyncio__epoll_transfer(op);
    if (result == -EINTR || asyncio__op_goes_on(op, &result)) return false;
    asyncio__epoll_take(e, op, result);
    return true;
}

static void retry_stalled(struct asyncio__epoll *e)
{
    if (list_empty(&e->stalled) || asyncio__clock_real_ns() < e->retry_ns)
        return;
    e->retry_ns = INT64_MAX;
    list_for_each_safe (link, after, &e->stalled) {
        int64_t pause_ns = asyncio__op_pause_ns(op_of(link));
        if (!try_transfer(e, op_of(link))) stall(e, op_of(link), pause_ns);
    }
}

static void give_event(struct asyncio__epoll *e, struct asyncio__op *op,
                       uint32_t events)
{
    // Errors and hang-ups concern everybody.
    events &= op->events | (uint32_t)EPOLLERR | (uint32_t)EPOLLHUP;
    if (!events) return;

    if (op->code == ASYNCIO__OP_POLL) {
        asyncio__epoll_take(e, op, (int)events);
        return;
    }
    if (try_transfer(e, op)) return;
    int64_t pause_ns = asyncio__op_pause_ns(op);
    if (pause_ns > 0) stall(e, op, pause_ns);
}

static void give_events(struct asyncio__epoll *e,
                        const struct epoll_event *event)
{
    int fd = asyncio__epoll_fd(event->data.u64);
    struct asyncio__epoll_entry *entry =
        asyncio__epoll_meets(e, event->data.u64);
    if (!entry) return;

    list_for_each_safe (link, after, &entry->ops)
        give_event(e, op_of(link), event->events);
    if (!entry->kept) asyncio__epoll_go_on(e, fd, entry);
}

static bool may_sleep(struct asyncio__epoll *e)
{
    return list_empty(&e->base.finished) && asyncio__lane_may_sleep(&e->files);
}

// How long to sleep, with a look at who comes again by the clock.
static int64_t until_retry(const struct asyncio__epoll *e, int64_t timeout_ns)
{
    if (list_empty(&e->stalled)) return timeout_ns;
    int64_t left_ns = e->retry_ns - asyncio__clock_real_ns();
    if (left_ns < 0) left_ns = 0;
    return timeout_ns < 0 || left_ns < timeout_ns ? left_ns : timeout_ns;
}

static int ask_kernel(struct asyncio__epoll *e, int64_t timeout_ns)
{
    struct epoll_event events[EVENTS];
    struct timespec timeout = {.tv_sec = timeout_ns / 1000000000,
                               .tv_nsec = timeout_ns % 1000000000};

    if (e->haunted) asyncio__epoll_move_out(e);
    int n = asyncio__sys_epoll_pwait2(e->epfd, events, EVENTS,
                                      timeout_ns < 0 ? NULL : &timeout);
    asyncio__lane_woke(&e->files);
    if (n != 0) e->base.delivered++;

    for (int i = 0; i < n; i++) {
        // The counter of wake_fd is never read: edge-triggered, each write to
        // it is an event of its own.
        if (events[i].data.u64 != ASYNCIO__EPOLL_WAKE)
            give_events(e, &events[i]);
    }
    return n < 0 && n != -EINTR ? n : 0;
}

static int epoll_wait_for(struct asyncio__poller *poller, int64_t timeout_ns)
{
    struct asyncio__epoll *e = epoll_of(poller);
    int err = 0;

    timeout_ns = until_retry(e, timeout_ns);
    if (timeout_ns != 0 && !may_sleep(e)) timeout_ns = 0;
    if (list_empty(&e->base.finished) || ++e->looks_saved > LOOKS_SAVED) {
        e->looks_saved = 0;
        err = ask_kernel(e, timeout_ns);
    }
    retry_stalled(e);
    asyncio__lane_collect(&e->files);
    return err;
}

static enum asyncio__news epoll_news(const struct asyncio__poller *poller)
{
    const struct asyncio__epoll *e = (const struct asyncio__epoll *)poller;
    return asyncio__lane_has_news(&e->files) ? ASYNCIO__NEWS_CERTAIN
                                             : ASYNCIO__NEWS_UNKNOWN;
}

// ---- Operations -------------------------------------------------------------

// epoll refuses what can never make anybody wait. To poll it succeeds at once,
// as it does for poll(2); to read from it or to write to it is work for
// threads.
static int submit_always_ready(struct asyncio__epoll *e, struct asyncio__op *op)
{
    if (op->code != ASYNCIO__OP_POLL)
        return asyncio__lane_submit(&e->files, op);

    int ready = op->events & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
    asyncio__poller_finish(&e->base, op, ready ? ready : -EINVAL);
    return 0;
}

static int submit_waiting(struct asyncio__epoll *e, struct asyncio__op *op)
{
    if (op->code != ASYNCIO__OP_POLL) op->events = asyncio__op_readiness(op);

    int err = asyncio__epoll_add(e, op);
    if (err == 0) return 0;

    if (err == -EPERM) return submit_always_ready(e, op);
    if (err != -EBADF) return err;
    asyncio__poller_finish(&e->base, op, err);
    return 0;
}

// Whether others wait already for what this one would take.
static bool comes_later(struct asyncio__epoll *e, const struct asyncio__op *op)
{
    const struct asyncio__epoll_entry *entry = asyncio__epoll_at(e, op->fd);
    if (!entry) return false;
    list_for_each (link, &entry->ops)
        if (op_of(link)->events & asyncio__op_readiness(op)) return true;
    return false;
}

static int submit_socket(struct asyncio__epoll *e, struct asyncio__op *op)
{
    if (comes_later(e, op)) return submit_waiting(e, op);

    int result = asyncio__epoll_socket(op);
    if (asyncio__op_goes_on(op, &result)) return submit_waiting(e, op);
    asyncio__poller_finish(&e->base, op, result);
    return 0;
}

static int epoll_submit(struct asyncio__poller *poller, struct asyncio__op *op)
{
    struct asyncio__epoll *e = epoll_of(poller);

    if (asyncio__epoll_join(e, op)) return 0;
    if (asyncio__op_is_of_socket(op)) return submit_socket(e, op);
    if (op->code == ASYNCIO__OP_POLL || asyncio__op_transfers(op))
        return submit_waiting(e, op);
    if (op->code != ASYNCIO__OP_NONE)
        return asyncio__lane_submit(&e->files, op);
    asyncio__poller_finish(&e->base, op, 0);
    return 0;
}

// The registration stays until its next event, which then finds nobody, or
// until the next submit.
static void epoll_cancel(struct asyncio__poller *poller, struct asyncio__op *op)
{
    struct asyncio__epoll *e = epoll_of(poller);
    bool waits = op->code == ASYNCIO__OP_POLL ||
                 (asyncio__op_transfers(op) && op->events);

    if (waits)
        asyncio__epoll_take(e, op, -ECANCELED);
    else
        asyncio__lane_retract(&e->files, op);
}

static void epoll_forget(struct asyncio__poller *poller, int fd)
{
    asyncio__epoll_drop(epoll_of(poller), fd);
}

static size_t epoll_working(const struct asyncio__poller *poller)
{
    return ((const struct asyncio__epoll *)poller)->files.jobs;
}

static void epoll_wake(struct asyncio__poller *poller)
{
    asyncio__sys_eventfd_signal(epoll_of(poller)->wake_fd);
}

// ---- Open and close ---------------------------------------------------------

static void epoll_close(struct asyncio__poller *poller)
{
    struct asyncio__epoll *e = epoll_of(poller);

    // First: until they are joined, threads may look at the rest.
    asyncio__lane_close(&e->files);
    asyncio__epoll_free_entries(e);
    asyncio__sys_close(e->wake_fd);
    asyncio__sys_close(e->epfd);
    asyncio__free(e);
}

static const struct asyncio__poller_kind kind = {
    .name = "epoll",
    .close = epoll_close,
    .submit = epoll_submit,
    .cancel = epoll_cancel,
    .forget = epoll_forget,
    .wait = epoll_wait_for,
    .news = epoll_news,
    .working = epoll_working,
    .wake = epoll_wake,
    .mode = SOCK_NONBLOCK,
};

int asyncio__epoll_open(struct asyncio__poller **poller)
{
    struct asyncio__epoll *e = asyncio__alloc(sizeof *e);
    if (!e) return -ENOMEM;

    e->base.kind = &kind;
    e->files.poller = &e->base;
    e->retry_ns = INT64_MAX;
    e->pid = asyncio__sys_getpid();
    int err = e->wake_fd = asyncio__sys_eventfd(0, EFD_NONBLOCK);
    if (err < 0) goto free_epoll;
    err = e->epfd = asyncio__epoll_instance(e);
    if (err < 0) goto close_wake;

    *poller = &e->base;
    return 0;

close_wake:
    asyncio__sys_close(e->wake_fd);
free_epoll:
    asyncio__free(e);
    return err;
}
