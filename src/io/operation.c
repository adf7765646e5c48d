// How a task waits for an operation of the poller.

#include "io/operation.h"

#include "platform/sys.h"
#include "task/compact.h"

bool asyncio__cancel_operation(struct asyncio_task *task,
                               const struct asyncio_cancel_options *options)
{
    (void)options;
    asyncio__poller_cancel(task->future.loop_->poller, &task->op);
    return true;
}

static bool leave_for_later(struct asyncio_task *task,
                            const struct asyncio_cancel_options *options)
{
    (void)task;
    (void)options;
    return false;
}

static const struct asyncio__wait_kind to_the_end = {
    .name = "the end of an operation",
    .cancel = leave_for_later,
    .keeps_result = true,
};

static void operation_done(struct asyncio__op *op)
{
    asyncio__wake(list_entry(op, struct asyncio_task, op), op->result);
}

static int submit(struct asyncio_task *task, const struct asyncio__op *op)
{
    task->op = *op;
    task->op.done = operation_done;
    return asyncio__poller_submit(task->future.loop_->poller, &task->op);
}

int asyncio__operate(const struct asyncio__op *op,
                     const struct asyncio__wait_kind *kind)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    int err = asyncio__begin_await(task);
    if (err == 0) err = submit(task, op);
    return err < 0 ? err : asyncio__park(kind, NULL, NULL);
}

int asyncio__operate_always(const struct asyncio__op *op)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    int err = asyncio__refuse_compact();
    if (err == 0) err = submit(task, op);
    return err < 0 ? err : asyncio__park(&to_the_end, NULL, NULL);
}

int asyncio__close(int fd)
{
    struct asyncio_task *task = asyncio__task();
    struct asyncio__op op = {.code = ASYNCIO__OP_CLOSE, .fd = fd};
    // A poller that cannot take it must not keep the descriptor open.
    if (!task || task->compact || submit(task, &op) < 0)
        return asyncio__sys_close(fd);
    return asyncio__park(&to_the_end, NULL, NULL);
}
