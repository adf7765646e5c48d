// A loop whose tasks can never run again.
#pragma once

#include "loop/loop.h"

// For asyncio_loop.stuck: reports what can be said for certain, once.
void asyncio__deadlock_check(struct asyncio_loop *loop);
