// Spinning: a short look at memory, in place of a sleep, where another core is
// about to write what we wait for.
//
// To be woken from a sleep costs tens of microseconds, to see a write of
// another core a fraction of one. But whoever spins takes a core from somebody
// who could work: a look in vain makes the next ones rarer, up to one in 256
// sleeps, and so does one that takes long to find something, for a sleep would
// have let others work. One during which the kernel took our core away counts
// as many: others do want it.
#pragma once

#include <asyncio/base.h>

#include <pthread.h>

struct asyncio__spin {
    uint32_t in_vain; // looks that were not worth while, less those that were
    uint32_t skip;    // sleeps until the next one
};

struct asyncio__spin_watch { // one look
    int64_t last_ns, until_ns, ns;
    bool preempted;
};

// Looks between two readings of the clock.
#define ASYNCIO__SPIN_LOOKS 16

// How long one look may last: ASYNCIO_SPIN_US, else 20 microseconds; 0 where
// there is one processor, or a quota; and for as long as more threads of the
// machine want to run than it has processors, as far as `begin` has seen.
int64_t asyncio__spin_ns(void);

// Whether to look at all. begin_for: at most for `spin_ns`, as it was told.
// begin_for_kernel: for what comes from outside of this program, which may come
// as well while the program has one processor only.
bool asyncio__spin_begin(struct asyncio__spin *spin,
                         struct asyncio__spin_watch *watch);
bool asyncio__spin_begin_for(struct asyncio__spin *spin,
                             struct asyncio__spin_watch *watch,
                             int64_t spin_ns);
bool asyncio__spin_begin_for_kernel(struct asyncio__spin *spin,
                                    struct asyncio__spin_watch *watch);
// Whether to go on.
bool asyncio__spin_goes_on(struct asyncio__spin_watch *watch);
void asyncio__spin_end(struct asyncio__spin *spin,
                       const struct asyncio__spin_watch *watch, bool found);

// A lock for what takes less than a sleep: whoever finds it taken looks for a
// moment first. As pthread_mutex_init, but negative.
int asyncio__spin_lock_init(pthread_mutex_t *lock);

static inline void asyncio__spin_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}
