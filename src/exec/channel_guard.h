// What makes a channel safe for threads.
#pragma once

#include "sync/channel.h"

// Gives the channel its guard, unless it has one. From then on all of it
// happens under the lock of that. On the loop's thread. 0, -EPERM, -ESHUTDOWN,
// -ENOMEM, or -EXDEV if it has one of another loop.
int asyncio__channel_share(struct asyncio__channel *channel);

// Whether its loop has begun to close, so that nobody may block on it any more;
// under the lock.
bool asyncio__channel_cut_off(const struct asyncio__channel *channel);
