// Tells AddressSanitizer, ThreadSanitizer and Valgrind which stack runs: the
// one place that knows of them.
//
// Without a watcher there is no struct asyncio__sanitizer, every function here
// is empty, and their arguments are NULL. Valgrind is told in a build with
// -DASYNCIO_VALGRIND.
#pragma once

#include <asyncio/base.h>

#if defined(__SANITIZE_ADDRESS__)
#define ASYNCIO__ASAN
#endif
#if defined(__SANITIZE_THREAD__)
#define ASYNCIO__TSAN
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASYNCIO__ASAN
#endif
#if __has_feature(thread_sanitizer)
#define ASYNCIO__TSAN
#endif
#if __has_feature(memory_sanitizer)
#define ASYNCIO__MSAN
#endif
#endif

#ifdef ASYNCIO__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef ASYNCIO__TSAN
#include <sanitizer/tsan_interface.h>
#endif
#ifdef ASYNCIO__MSAN
#include <sanitizer/msan_interface.h>
#endif
#ifdef ASYNCIO_VALGRIND
#include <valgrind/valgrind.h>
#endif

#if defined(ASYNCIO__ASAN) || defined(ASYNCIO__TSAN) ||                        \
    defined(ASYNCIO_VALGRIND)
#define ASYNCIO__SANITIZED

struct asyncio__sanitizer {
    char *low;         // lowest byte of the stack; NULL: not yet known
    size_t size;       // of the stack, in bytes
    void *fake_stack;  // ASan's frames on the heap, while it does not run
    void *fiber;       // TSan's
    unsigned valgrind; // Valgrind's number of the stack
    bool adopted;      // a stack that we did not make, and do not end
};

#ifdef ASYNCIO__ASAN
// Who switched last on this thread, for whoever arrives: ASan tells the bounds
// of the stack that was left, and that is how those of the thread's own stack
// become known. NULL if it left for good.
extern __thread struct asyncio__sanitizer *asyncio__sanitizer_previous;
#endif
#else
struct asyncio__sanitizer;
#endif

// A context was made on the `size` bytes from `low` on.
static inline void asyncio__sanitizer_make(struct asyncio__sanitizer *self,
                                           char *low, size_t size)
{
    (void)self, (void)low, (void)size;
#ifdef ASYNCIO__SANITIZED
    *self = (struct asyncio__sanitizer){.low = low, .size = size};
#endif
#ifdef ASYNCIO__TSAN
    self->fiber = __tsan_create_fiber(0);
#endif
#ifdef ASYNCIO_VALGRIND
    self->valgrind = VALGRIND_STACK_REGISTER(low, low + size);
#endif
}

// What runs now is a context.
static inline void asyncio__sanitizer_adopt(struct asyncio__sanitizer *self)
{
    (void)self;
#ifdef ASYNCIO__SANITIZED
    *self = (struct asyncio__sanitizer){.adopted = true};
#endif
#ifdef ASYNCIO__TSAN
    self->fiber = __tsan_get_current_fiber();
#endif
}

// The next thing that happens is the switch. Always inlined, since TSan counts
// calls and returns for each fiber: this must not return on another one.
static inline __attribute__((always_inline)) void
asyncio__sanitizer_switch(struct asyncio__sanitizer *self,
                          struct asyncio__sanitizer *to)
{
    (void)self, (void)to;
#ifdef ASYNCIO__ASAN
    asyncio__sanitizer_previous = self;
    __sanitizer_start_switch_fiber(&self->fake_stack, to->low, to->size);
#endif
#ifdef ASYNCIO__TSAN
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

// The same, and `self` never runs again. NULL in place of its fake stack has
// ASan free that.
static inline __attribute__((always_inline)) void
asyncio__sanitizer_leave(struct asyncio__sanitizer *self,
                         struct asyncio__sanitizer *to)
{
    (void)self, (void)to;
#ifdef ASYNCIO__ASAN
    asyncio__sanitizer_previous = NULL;
    __sanitizer_start_switch_fiber(NULL, to->low, to->size);
#endif
#ifdef ASYNCIO__TSAN
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

// The switch has happened and `self` runs, for the first time or again.
static inline void asyncio__sanitizer_arrive(struct asyncio__sanitizer *self)
{
    (void)self;
#ifdef ASYNCIO__ASAN
    const void *low;
    size_t size;
    __sanitizer_finish_switch_fiber(self->fake_stack, &low, &size);
    struct asyncio__sanitizer *previous = asyncio__sanitizer_previous;
    if (!previous || !previous->adopted) return;
    previous->low = (char *)(uintptr_t)low;
    previous->size = size;
#endif
}

// `self` was left, never begun, or adopted. Zero is accepted.
static inline void asyncio__sanitizer_destroy(struct asyncio__sanitizer *self)
{
    (void)self;
#ifdef ASYNCIO__TSAN
    if (self->fiber && !self->adopted) __tsan_destroy_fiber(self->fiber);
#endif
#ifdef ASYNCIO_VALGRIND
    if (self->low && !self->adopted) VALGRIND_STACK_DEREGISTER(self->valgrind);
#endif
#ifdef ASYNCIO__SANITIZED
    *self = (struct asyncio__sanitizer){0};
#endif
}

// Whoever looks at a stack from outside, between `true` and `false`, is not to
// be told that nobody stands there.
static inline void asyncio__sanitizer_look_away(bool away)
{
    (void)away;
#ifdef ASYNCIO_VALGRIND
    if (away)
        VALGRIND_DISABLE_ERROR_REPORTING;
    else
        VALGRIND_ENABLE_ERROR_REPORTING;
#endif
}

// The `size` bytes from `low` on are a stack for somebody new: what the last
// one left behind, the marks around variables of frames that never returned, no
// longer holds.
static inline void asyncio__sanitizer_reuse(char *low, size_t size)
{
    (void)low, (void)size;
#ifdef ASYNCIO__ASAN
    __asan_unpoison_memory_region(low, size);
#endif
#ifdef ASYNCIO__MSAN
    __msan_unpoison(low, size);
#endif
}
