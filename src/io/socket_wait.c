// How a task waits for a socket: one operation of the poller, in its control
// block. What ends at once is not waited for, until others have to run.
//
// While it waits, its step is in the socket's list. Closing the socket takes it
// out, marks its wait by taking the socket away from it, and asks the poller to
// end the operation: so the closed socket may be gone at once, and the wait
// ends with -EBADF instead of a cancellation that nobody asked for.

#include "io/socket.h"

#include <fcntl.h>
#include <limits.h>

#include "platform/sys.h"

static const struct asyncio__wait_kind of_socket =
    ASYNCIO__OPERATION("a socket");
static const struct asyncio__wait_kind of_descriptor =
    ASYNCIO__OPERATION("a descriptor");

static bool was_closed(const struct asyncio_task *task)
{
    return task->wait.kind == &of_socket && !task->wait.object;
}

static void operation_done(struct asyncio__op *op)
{
    struct asyncio_task *task = list_entry(op, struct asyncio_task, op);
    bool closed = op->result == -ECANCELED && was_closed(task);
    asyncio__wake(task, closed ? -EBADF : op->result);
}

int asyncio__check_nonblocking(int fd)
{
    struct asyncio_loop *loop = asyncio__running_loop;
    if (!loop || !asyncio__debug(loop)) return 0;
    int flags = asyncio__sys_status_flags(fd);
    if (flags < 0) return flags;
    return flags & O_NONBLOCK ? 0 : -EINVAL;
}

static int check(const struct asyncio_socket *socket,
                 const struct asyncio__op *op)
{
    if (!socket) return asyncio__check_nonblocking(op->fd);
    return socket->fd_ == 0 ? -EBADF : 0;
}

int asyncio__socket_operate(struct asyncio_socket *socket,
                            const struct asyncio__op *op)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    struct asyncio__poller *poller = task->future.loop_->poller;
    int err = check(socket, op);
    if (err == 0) err = asyncio__begin_await(task);
    if (err == 0) err = asyncio__checkpoint();
    if (err < 0) return err;

    task->op = *op;
    task->op.done = operation_done;
    if (op->fd < 0 && socket) task->op.fd = asyncio__socket_fd(socket);
    err = asyncio__poller_submit(poller, &task->op);
    if (err < 0) return err;
    if (asyncio__poller_take(poller, &task->op)) return task->op.result;
    if (!socket) return asyncio__park(&of_descriptor, NULL, NULL);
    return asyncio__park(&of_socket, socket, &socket->waiters_);
}

int asyncio__socket_let_go(struct asyncio_socket *socket)
{
    struct asyncio_link *link;
    int fd = asyncio__socket_fd(socket);
    socket->fd_ = 0;
    while ((link = list_pop(&socket->waiters_))) {
        struct asyncio_task *task = asyncio__task_of(link);
        task->wait.object = NULL;
        asyncio__poller_cancel(task->future.loop_->poller, &task->op);
    }
    return fd;
}

void asyncio_socket_close(struct asyncio_socket *socket)
{
    if (!socket || socket->fd_ == 0) return;
    asyncio__sys_close(asyncio__socket_let_go(socket));
}

struct asyncio__op asyncio__op_data(enum asyncio__op_code code, int fd,
                                    const void *data, size_t len, int flags)
{
    return (struct asyncio__op){
        .code = (uint8_t)code,
        .fd = fd,
        .buffer = (void *)(uintptr_t)data, // what sends only reads it
        .len = len > INT_MAX ? INT_MAX : (uint32_t)len,
        .flags = (uint32_t)flags,
    };
}
