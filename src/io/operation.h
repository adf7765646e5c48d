// One operation of the poller, for which a task parks.
//
// The block lies in the task, paths and buffers in the frames of the caller,
// which stands still until `done`. So a cancelled call may not return early: it
// asks the poller, and returns when the operation has ended one way or the
// other. With a result, that is delivered and the request stays for the next
// wait; only -ECANCELED, which the poller says to those who asked, uses it up.
#pragma once

#include "task/park.h"

// Asks the poller to end the task's operation early: for wait kinds.
bool asyncio__cancel_operation(struct asyncio_task *task,
                               const struct asyncio_cancel_options *options);

// What waits for `of`, words for people, as "a file".
#define ASYNCIO__OPERATION(of)                                                 \
    {                                                                          \
        .name = (of), .cancel = asyncio__cancel_operation,                     \
        .keeps_result = true                                                   \
    }

// Carries `op` out, unless the task has been cancelled already. Returns its
// result, or a negative errno; -EPERM outside a task.
int asyncio__operate(const struct asyncio__op *op,
                     const struct asyncio__wait_kind *kind);

// The same for what has to happen although the task was or is being cancelled:
// the request stays for the next wait.
int asyncio__operate_always(const struct asyncio__op *op);

// Closes `fd` in any case. Outside a task, or where the poller has no room, by
// a call that may block.
int asyncio__close(int fd);
