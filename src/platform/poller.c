// The front of all pollers: which one to use, the states of operations, and the
// delivery of what has ended.
//
// A wait collects first and delivers then, and delivers only what had ended
// when it began to: an operation that `done` submits, and that ends at once, is
// done in the next wait. So no wait lasts for ever. One that goes on lies among
// the finished ones, too, and leaves them without having ended.

#include "platform/poller.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/list.h"
#include "platform/backend.h"
#include "platform/simulated.h"
#include "platform/sys.h"

// The backend that this thread's world or the environment names, or -EINVAL.
static int named_backend(void)
{
    if (asyncio__sim_is_here()) return ASYNCIO__BACKEND_SIM;
    const char *name = getenv("ASYNCIO_BACKEND");
    if (!name || !*name || strcmp(name, "auto") == 0)
        return ASYNCIO__BACKEND_AUTO;
    if (strcmp(name, "uring") == 0) return ASYNCIO__BACKEND_URING;
    if (strcmp(name, "epoll") == 0) return ASYNCIO__BACKEND_EPOLL;
    if (strcmp(name, "sim") == 0) return ASYNCIO__BACKEND_SIM;
    return -EINVAL;
}

int asyncio__poller_open(struct asyncio__poller **poller,
                         enum asyncio__backend backend)
{
    int choice = (int)backend;
    if (choice == ASYNCIO__BACKEND_AUTO) choice = named_backend();
    if (choice < 0) return choice;

    if (choice == ASYNCIO__BACKEND_URING)
        return asyncio__uring_open(poller, true);
    if (choice == ASYNCIO__BACKEND_EPOLL) return asyncio__epoll_open(poller);
    if (choice == ASYNCIO__BACKEND_SIM) return asyncio__sim_open(poller);

    // Containers deny rings, old kernels lack them, a limit on locked memory
    // may leave no room: whatever the reason, epoll says the same.
    int err = asyncio__uring_open(poller, false);
    return err < 0 ? asyncio__epoll_open(poller) : 0;
}

void asyncio__poller_close(struct asyncio__poller *poller)
{
    if (!poller) return;
    assert(poller->pending == 0);
    poller->kind->close(poller);
}

const char *asyncio__poller_name(const struct asyncio__poller *poller)
{
    return poller->kind->name;
}

int asyncio__poller_submit(struct asyncio__poller *poller,
                           struct asyncio__op *op)
{
    assert(op->state == ASYNCIO__OP_IDLE);

    op->state = ASYNCIO__OP_PENDING;
    op->link = (struct asyncio_link){0};
    asyncio__op_begin(op);
    poller->pending++;
    int err = poller->kind->submit(poller, op);
    if (err < 0) {
        op->state = ASYNCIO__OP_IDLE;
        poller->pending--;
    }
    return err;
}

bool asyncio__poller_take(struct asyncio__poller *poller,
                          struct asyncio__op *op)
{
    if (op->state != ASYNCIO__OP_ENDED) return false;
    list_remove(&op->link);
    op->state = ASYNCIO__OP_IDLE;
    poller->pending--;
    poller->delivered++;
    return true;
}

void asyncio__poller_cancel(struct asyncio__poller *poller,
                            struct asyncio__op *op)
{
    if (op->state != ASYNCIO__OP_PENDING) return;

    op->state = ASYNCIO__OP_CANCELLING;
    // A close that does not happen is a descriptor lost.
    if (op->code != ASYNCIO__OP_CLOSE) poller->kind->cancel(poller, op);
}

void asyncio__poller_forget(struct asyncio__poller *poller, int fd)
{
    if (poller->kind->forget) poller->kind->forget(poller, fd);
}

int asyncio__op_meaning(const struct asyncio__op *op, int result)
{
    bool cancelling = op->state == ASYNCIO__OP_CANCELLING;

    if (cancelling && (result == -EINTR || result == -EAGAIN))
        result = -ECANCELED;
    if (!cancelling && result == -ECANCELED) result = -EIO;
    return asyncio__op_outcome(op, result);
}

void asyncio__poller_came(struct asyncio__poller *poller,
                          struct asyncio__op *op, struct asyncio__lent *lent)
{
    struct asyncio__lent *last = op->buffer2;
    bool first = !op->buffer;
    lent->next = NULL;
    op->buffer2 = lent;
    if (first)
        op->buffer = lent;
    else
        last->next = lent;
    if (!first || op->state != ASYNCIO__OP_PENDING) return;
    if (list_linked(&op->link)) list_remove(&op->link);
    list_add_tail(&poller->finished, &op->link);
}

static void deliver(struct asyncio__poller *poller)
{
    struct asyncio_link batch = {0};
    struct asyncio_link *link;

    list_splice(&batch, &poller->finished);
    while ((link = list_pop(&batch))) {
        struct asyncio__op *op = list_entry(link, struct asyncio__op, link);
        poller->delivered++;
        if (__builtin_expect(op->state == ASYNCIO__OP_ENDED, 1)) {
            op->state = ASYNCIO__OP_IDLE;
            poller->pending--;
        } else {
            list_add_tail(&poller->going_on, &op->link);
        }
        op->done(op);
    }
}

// ---- What is lent -----------------------------------------------------------

bool asyncio__poller_lends(const struct asyncio__poller *poller)
{
    return poller->kind->give_back;
}

void asyncio__poller_give_back(struct asyncio__poller *poller,
                               struct asyncio__lent *lent)
{
    poller->kind->give_back(poller, lent);
}

// ---- Sockets and pipes ------------------------------------------------------

int asyncio__poller_mode(const struct asyncio__poller *poller)
{
    return poller->kind->mode;
}

int(asyncio__poller_socket)(struct asyncio__poller *poller, int family,
                            int type, int protocol, const char *site)
{
    type |= poller->kind->mode | SOCK_CLOEXEC;
    if (poller->kind->socket)
        return poller->kind->socket(poller, family, type, protocol);
    return (asyncio__sys_socket)(family, type, protocol, site);
}

int(asyncio__poller_socketpair)(struct asyncio__poller *poller, int family,
                                int type, int protocol, int fds[2],
                                const char *site)
{
    type |= poller->kind->mode | SOCK_CLOEXEC;
    if (poller->kind->socketpair)
        return poller->kind->socketpair(poller, family, type, protocol, fds);
    return (asyncio__sys_socketpair)(family, type, protocol, fds, site);
}

int(asyncio__poller_pipe)(struct asyncio__poller *poller, int fds[2],
                          const char *site)
{
    int flags = O_CLOEXEC | (poller->kind->mode ? O_NONBLOCK : 0);
    if (poller->kind->pipe) return poller->kind->pipe(poller, fds, flags);
    return (asyncio__sys_pipe)(fds, flags, site);
}

// ---- Waiting ----------------------------------------------------------------

int asyncio__poller_wait(struct asyncio__poller *poller, int64_t timeout_ns)
{
    int err = poller->kind->wait(poller, timeout_ns);
    deliver(poller);
    return err;
}

enum asyncio__news
asyncio__poller_has_news(const struct asyncio__poller *poller)
{
    if (!list_empty(&poller->finished)) return ASYNCIO__NEWS_CERTAIN;
    return poller->kind->news(poller);
}

uint64_t asyncio__poller_delivered(const struct asyncio__poller *poller)
{
    return poller->delivered;
}

size_t asyncio__poller_working(const struct asyncio__poller *poller)
{
    size_t count = poller->kind->working(poller);
    list_for_each (link, &poller->finished)
        count++;
    return count;
}

void asyncio__poller_wake(struct asyncio__poller *poller)
{
    poller->kind->wake(poller);
}

int64_t asyncio__poller_begin(struct asyncio__poller *poller,
                              int64_t (*clock)(void *arg), void *arg)
{
    return poller->kind->begin ? poller->kind->begin(poller, clock, arg) : -1;
}

int64_t asyncio__poller_next(const struct asyncio__poller *poller)
{
    return poller->kind->next ? poller->kind->next(poller) : INT64_MAX;
}

// ---- Hooks ------------------------------------------------------------------

enum asyncio__sys_call asyncio__op_call(const struct asyncio__op *op)
{
    switch (op->code) {
    case ASYNCIO__OP_POLL: return ASYNCIO__SYS_URING_ENTER;
    case ASYNCIO__OP_OPEN: return ASYNCIO__SYS_OPEN;
    case ASYNCIO__OP_READ:
    case ASYNCIO__OP_READV: return ASYNCIO__SYS_READ;
    case ASYNCIO__OP_WRITE:
    case ASYNCIO__OP_WRITEV: return ASYNCIO__SYS_WRITE;
    case ASYNCIO__OP_ACCEPT: return ASYNCIO__SYS_ACCEPT;
    case ASYNCIO__OP_CONNECT: return ASYNCIO__SYS_CONNECT;
    case ASYNCIO__OP_RECV:
    case ASYNCIO__OP_RECV_LENT:
    case ASYNCIO__OP_RECVMSG: return ASYNCIO__SYS_RECV;
    case ASYNCIO__OP_SEND:
    case ASYNCIO__OP_SENDMSG: return ASYNCIO__SYS_SEND;
    case ASYNCIO__OP_CLOSE: return ASYNCIO__SYS_CLOSE;
    case ASYNCIO__OP_FSYNC: return ASYNCIO__SYS_FSYNC;
    case ASYNCIO__OP_RENAME:
    case ASYNCIO__OP_LINK:
    case ASYNCIO__OP_SYMLINK:
    case ASYNCIO__OP_MKDIR: return ASYNCIO__SYS_NAME;
    case ASYNCIO__OP_UNLINK: return ASYNCIO__SYS_UNLINK;
    case ASYNCIO__OP_STATX:
    case ASYNCIO__OP_READLINK: return ASYNCIO__SYS_LOOK;
    case ASYNCIO__OP_LIST: return ASYNCIO__SYS_LIST;
    case ASYNCIO__OP_TRUNCATE:
    case ASYNCIO__OP_ALLOCATE: return ASYNCIO__SYS_RESIZE;
    case ASYNCIO__OP_CHMOD: return ASYNCIO__SYS_CHMOD;
    case ASYNCIO__OP_SEEK: return ASYNCIO__SYS_SEEK;
    case ASYNCIO__OP_COPY:
    case ASYNCIO__OP_SENDFILE:
    case ASYNCIO__OP_SPLICE: return ASYNCIO__SYS_COPY;
    default: return ASYNCIO__SYS_OTHER;
    }
}
