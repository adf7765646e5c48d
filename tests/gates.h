// Semaphores by which tests know what a thread or a process is doing, and let
// it go on.
#pragma once

#include <errno.h>
#include <semaphore.h>
#include <stdbool.h>
#include <time.h>

static inline void down(sem_t *semaphore)
{
    while (sem_wait(semaphore) < 0)
        continue;
}

// False if nobody ups it: a job that was taken back before it began.
static inline bool down_soon(sem_t *semaphore)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 2;
    while (sem_timedwait(semaphore, &until) < 0)
        if (errno == ETIMEDOUT) return false;
    return true;
}
