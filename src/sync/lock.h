// What a condition needs of its lock.
#pragma once

#include <asyncio/lock.h>

// In debug mode: whether it was taken in a loop on another thread, or those who
// wait are of one; then that was reported, and `call` returns -EPERM.
bool asyncio__lock_elsewhere(const struct asyncio_lock *lock, const char *call);

// True if whoever runs now may act as the holder: it took the lock, or the task
// that took it has ended and left it to anybody.
bool asyncio__lock_held(const struct asyncio_lock *lock);

// Takes the lock in any case: a cancel that comes meanwhile is left for the
// next wait. In a task.
void asyncio__lock_take_again(struct asyncio_lock *lock);
