// A staggered race: attempts that begin one after the other, until one
// succeeds.
//
//     int winner = asyncio_staggered_race(fetches, 3, 0.2);
//
// The next attempt begins when the one before has failed, or has taken longer
// than `delay`, and runs beside it; the first that ends with a value >= 0 wins.
// A mirror that answers in time is never disturbed by a second one ("happy
// eyeballs"). All that began have ended when the call returns. Call it on the
// loop's thread.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

struct asyncio_race_options {
    ASYNCIO__OPTIONS_HEAD
    // One per attempt, for those that began: the winner's value, the code with
    // which one failed, -ECANCELED for one that lost, also if it got as far as
    // a value.
    int *results ASYNCIO__UNSET;
    size_t *started ASYNCIO__UNSET; // takes how many began
    void *reserved_[4] ASYNCIO__UNSET;
};

// Runs the race. Attempts are coroutine objects, those that never began stay
// unused; or entries of any other kind that a list may have (see
// asyncio/gather.h): a task or future of yours is looked at when its turn
// comes, and goes on if it loses. With a `delay` of ASYNCIO_FOREVER the next
// one begins only after a failure; with 0 or less in the pass after, unless the
// race is won by then.
//
// returns   the index of the winner; -ENODATA if there is no attempt; if all
//           failed the code of the first in the list that was not merely
//           cancelled; -ECANCELED if the caller was; -EINVAL for an entry that
//           is none, or a delay that is not a number; -EALREADY for a coroutine
//           object used before, -EBUSY for one that is awaited; -EDEADLK for
//           the caller itself; -EXDEV; -EPERM outside a task; -ENOMEM: then
//           nothing began
// suspends  unless there is no attempt
// cancel    cancels what it made and joins that
// like      asyncio.staggered.staggered_race
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_staggered_race)(
    enum asyncio_kind kind, const void *list, size_t count, double delay,
    const struct asyncio_race_options *options);
#define asyncio_staggered_race(...) ASYNCIO__STAGGERED_RACE(__VA_ARGS__, )
#define ASYNCIO__STAGGERED_RACE(list, count, delay, ...)                       \
    (asyncio_staggered_race)(                                                  \
        ASYNCIO__KIND(list), list, count, delay,                               \
        ASYNCIO__OPTIONS(asyncio_race_options, __VA_ARGS__))

ASYNCIO__END
