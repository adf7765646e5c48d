// Barriers: nobody goes on before a certain number of tasks has come.
//
//     static struct asyncio_barrier start = ASYNCIO_BARRIER(3);
//
//     int place = asyncio_barrier_wait(&start); // 0, 1 or 2
//     if (place < 0) return place;
//
// When the last of them comes the barrier opens, and as soon as all have left
// it, it fills again. Who comes before that waits for the next round. Waiting
// allocates nothing. Call all of it on the loop's thread.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

// Begins with ASYNCIO_BARRIER or asyncio_barrier_init. There is nothing to
// destroy.
struct asyncio_barrier {
    int parties_ ASYNCIO__UNSET;
    int state_ ASYNCIO__UNSET;
    size_t waiting_ ASYNCIO__UNSET; // in line
    size_t leaving_ ASYNCIO__UNSET; // let go, and have not run yet
    struct asyncio_link waiters_ ASYNCIO__UNSET;
    void *reserved_[2] ASYNCIO__UNSET;
};

// How one for `parties` tasks begins its life, wherever it is declared.
// clang-format off
#define ASYNCIO_BARRIER(parties)                                               \
    {(parties), 0, 0, 0, {NULL, NULL}, {NULL, NULL}}
// clang-format on

// The same, later.
//
// returns   0; -EINVAL for less than one party
// like      asyncio.Barrier
ASYNCIO_API int asyncio_barrier_init(struct asyncio_barrier *barrier,
                                     int parties);

// Waits until as many tasks wait as the barrier has parties. The last of them
// does not wait.
//
// returns   the place in the order of arrival: 0 to parties - 1, each once;
//           -ESTALE if the barrier is broken, or was aborted or reset before
//           this task went on; -ECANCELED: it does not count as having come, if
//           the barrier had not opened; -EPERM outside a task; -EINVAL for a
//           barrier without parties
// suspends  unless it is the last, or the barrier is broken
// like      Barrier.wait
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_barrier_wait(struct asyncio_barrier *barrier);

// Empties the barrier and mends it. Who waits in it, or was let go and has not
// run yet, gets -ESTALE; who waits for the next round is not concerned.
//
// suspends  never
// like      Barrier.reset
ASYNCIO_API void asyncio_barrier_reset(struct asyncio_barrier *barrier);

// Breaks the barrier: -ESTALE for all who are there and all who come, until it
// is reset.
//
// suspends  never
// like      Barrier.abort
ASYNCIO_API void asyncio_barrier_abort(struct asyncio_barrier *barrier);

// How many tasks it takes; how many have come for this round, 0 while those of
// the last one leave; whether it was aborted.
// like      Barrier.parties, n_waiting, broken
ASYNCIO_API int asyncio_barrier_parties(const struct asyncio_barrier *barrier);
ASYNCIO_API int
asyncio_barrier_n_waiting(const struct asyncio_barrier *barrier);
ASYNCIO_API bool asyncio_barrier_broken(const struct asyncio_barrier *barrier);

ASYNCIO__END
