// Semaphores: a number, and a line of tasks that wait for it to be more than 0.
//
// A released unit goes straight to the first in line. Until that one has run,
// the semaphore counts as locked, so a newcomer queues up behind it even if
// there are units left; when it has run it serves those behind it.

#include <asyncio/semaphore.h>

#include <limits.h>

#include "base/list.h"
#include "platform/sys.h"
#include "task/park_here.h"

int asyncio_semaphore_init(struct asyncio_semaphore *semaphore, long value)
{
    if (value < 0) return -EINVAL;
    *semaphore = (struct asyncio_semaphore){.value = value};
    return 0;
}

int asyncio_bounded_semaphore_init(struct asyncio_semaphore *semaphore,
                                   long value, long bound)
{
    if (value < 0 || bound < 1 || bound < value) return -EINVAL;
    *semaphore = (struct asyncio_semaphore){.value = value, .bound = bound};
    return 0;
}

static inline bool is_locked(const struct asyncio_semaphore *semaphore)
{
    return semaphore->value <= 0 || semaphore->granted_ > 0 ||
           !list_empty(&semaphore->waiters_);
}

bool asyncio_semaphore_locked(const struct asyncio_semaphore *semaphore)
{
    return is_locked(semaphore);
}

size_t asyncio_semaphore_waiting(const struct asyncio_semaphore *semaphore)
{
    return list_count(&semaphore->waiters_);
}

// Hands units to those who wait, as far as they go.
static inline void serve(struct asyncio_semaphore *semaphore)
{
    while (semaphore->value > 0 && !list_empty(&semaphore->waiters_)) {
        semaphore->value--;
        semaphore->granted_++;
        asyncio__wake_first(&semaphore->waiters_, 0);
    }
}

static void give_back(struct asyncio_task *task)
{
    struct asyncio_semaphore *semaphore = task->wait.object;
    semaphore->granted_--;
    semaphore->value++;
    serve(semaphore);
}

static const struct asyncio__wait_kind waiting = {
    .name = "a semaphore",
    .give_back = give_back,
    .movable = true,
};

// In debug mode: whether those who wait are of a loop on another thread.
static bool is_elsewhere(const struct asyncio_semaphore *semaphore,
                         const char *call)
{
    return asyncio__waiters_elsewhere(&semaphore->waiters_, call);
}

static int take(struct asyncio_semaphore *semaphore)
{
    if (is_locked(semaphore)) return -EAGAIN;
    semaphore->value--;
    return 0;
}

ASYNCIO__APART static int wait_and_take(struct asyncio_semaphore *semaphore)
{
    int err = asyncio__park_here(&waiting, semaphore, &semaphore->waiters_);
    if (err < 0) return err;
    semaphore->granted_--;
    serve(semaphore);
    return 0;
}

int asyncio_semaphore_acquire(struct asyncio_semaphore *semaphore)
{
    if (is_elsewhere(semaphore, __func__) || !asyncio__task()) return -EPERM;
    int err = asyncio__checkpoint();
    if (err < 0) return err;
    err = take(semaphore);
    return err == -EAGAIN ? wait_and_take(semaphore) : err;
}

int asyncio_semaphore_acquire_nowait(struct asyncio_semaphore *semaphore)
{
    if (is_elsewhere(semaphore, __func__)) return -EPERM;
    return take(semaphore);
}

int asyncio_semaphore_release(struct asyncio_semaphore *semaphore)
{
    if (is_elsewhere(semaphore, __func__)) return -EPERM;
    long bound = semaphore->bound ? semaphore->bound : LONG_MAX;
    if (semaphore->value >= bound) return -EOVERFLOW;
    semaphore->value++;
    serve(semaphore);
    return 0;
}

// --- limiters ---------------------------------------------------------------

struct borrower {
    struct asyncio_link link; // asyncio_limiter.borrowers_
    const void *who;
    bool has; // a unit; else it waits for one
};

static struct borrower *find(const struct asyncio_limiter *limiter,
                             const void *who)
{
    list_for_each (link, &limiter->borrowers_) {
        struct borrower *borrower = list_entry(link, struct borrower, link);
        if (borrower->who == who) return borrower;
    }
    return NULL;
}

int asyncio_limiter_init(struct asyncio_limiter *limiter, long units)
{
    *limiter = (struct asyncio_limiter){0};
    return asyncio_limiter_set_units(limiter, units);
}

static int borrow(struct asyncio_limiter *limiter, const void *who,
                  int (*acquire)(struct asyncio_semaphore *semaphore))
{
    if (find(limiter, who)) return -EALREADY;
    struct borrower *entry = asyncio__alloc(sizeof *entry);
    if (!entry) return -ENOMEM;

    entry->who = who;
    list_add_tail(&limiter->borrowers_, &entry->link);
    int err = acquire(&limiter->semaphore_);
    entry->has = err == 0;
    if (err == 0) return 0;
    list_remove(&entry->link);
    asyncio__free(entry);
    return err;
}

int asyncio_limiter_acquire(struct asyncio_limiter *limiter,
                            const void *borrower)
{
    if (is_elsewhere(&limiter->semaphore_, __func__)) return -EPERM;
    if (!asyncio__task()) return -EPERM;
    if (!borrower) borrower = asyncio__task();
    return borrow(limiter, borrower, asyncio_semaphore_acquire);
}

int asyncio_limiter_acquire_nowait(struct asyncio_limiter *limiter,
                                   const void *borrower)
{
    if (is_elsewhere(&limiter->semaphore_, __func__)) return -EPERM;
    if (!borrower) borrower = asyncio__task();
    if (!borrower) return -EPERM;
    return borrow(limiter, borrower, asyncio_semaphore_acquire_nowait);
}

int asyncio_limiter_release(struct asyncio_limiter *limiter,
                            const void *borrower)
{
    if (is_elsewhere(&limiter->semaphore_, __func__)) return -EPERM;
    if (!borrower) borrower = asyncio__task();
    struct borrower *entry = find(limiter, borrower);
    if (!entry || !entry->has) return -EPERM;
    list_remove(&entry->link);
    asyncio__free(entry);
    return asyncio_semaphore_release(&limiter->semaphore_);
}

// The value is below 0 while more are lent than there are now.
int asyncio_limiter_set_units(struct asyncio_limiter *limiter, long units)
{
    struct asyncio_semaphore *semaphore = &limiter->semaphore_;
    if (units < 0) return -EINVAL;
    if (is_elsewhere(semaphore, __func__)) return -EPERM;
    semaphore->value += units - semaphore->bound;
    semaphore->bound = units;
    serve(semaphore);
    return 0;
}

long asyncio_limiter_units(const struct asyncio_limiter *limiter)
{
    return limiter->semaphore_.bound;
}

long asyncio_limiter_borrowed(const struct asyncio_limiter *limiter)
{
    return limiter->semaphore_.bound - limiter->semaphore_.value;
}

size_t asyncio_limiter_waiting(const struct asyncio_limiter *limiter)
{
    return asyncio_semaphore_waiting(&limiter->semaphore_);
}
