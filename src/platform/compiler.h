// Words to the compiler, where the way that code takes all the time is to be
// straight.
#pragma once

// Of functions that are hardly ever called: they stand elsewhere, a branch to
// one is taken to be unlikely, and their callers keep no registers for them.
#define ASYNCIO__COLD __attribute__((cold, noinline))

// Of what a function goes on with when it cannot end at once: whoever can,
// saves no registers for that.
#define ASYNCIO__APART __attribute__((noinline))

// Of a condition that mostly holds: the other way stands out of line.
#define ASYNCIO__LIKELY(condition) __builtin_expect(!!(condition), 1)

// Of the few functions that are worth a copy at each place of their use.
#define ASYNCIO__INLINE static inline __attribute__((always_inline))

// A variable of each thread that is looked at all the time: its place is known
// when the library is loaded, where each look would cost a call otherwise. If
// that is late, by dlopen, all such variables of the library come out of a
// reserve of the C library's of more than a thousand bytes: so they are small.
#define ASYNCIO__THREAD_LOCAL                                                  \
    _Thread_local __attribute__((tls_model("initial-exec")))
