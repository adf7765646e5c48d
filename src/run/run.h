// What run.c does for the rest of its room.
#pragma once

#include "loop/loop.h"

// Runs until the future is done, and does not look at its outcome. 0, -EINTR,
// or why it could not be.
int asyncio__run_until_done(struct asyncio_loop *loop,
                            struct asyncio_future *future);
