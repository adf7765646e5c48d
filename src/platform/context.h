// The context switch: how one stack becomes another.
//
// A context that does not run is four words, kept here: where its stack, its
// frame and its code go on. All other registers that matter are spilled by the
// compiler to the context's own stack, and only those in use, because a switch
// is expanded in place. It leaves by an indirect jump and neither calls nor
// returns, so the processor's stack of return addresses stays as it was and is
// right again whenever two tasks wait in the same function:
//
//     context.pc, sp --> | frames of the task ...           |
//                        | start: fn and arg, read once     | <- top
//
// `errno` and, where a C++ runtime is linked, the two words of its exception
// state belong to a context and survive a switch, on its own stack; where they
// are the thread knows. Floating-point modes and the signal mask belong to the
// thread and are left alone. Each switch is announced to the sanitizers and to
// Valgrind. A context stays on the thread that made it.
#pragma once

#include <asyncio/base.h>

#include "platform/compiler.h"
#include "platform/sanitizer.h"

struct asyncio__stack;

// What a C++ runtime keeps for each thread, and would mix up between tasks: the
// exceptions being handled, and how many are on their way.
struct asyncio__exceptions {
    void *caught;
    unsigned uncaught;
};

struct asyncio__context {
    void *sp;   // where the stack stands, while the context does not run
    void *fp;   // rbp, x29
    void *base; // rbx, x19: finds the locals of a frame that was realigned
    void *pc;   // where it goes on
#ifdef ASYNCIO__SANITIZED
    struct asyncio__sanitizer sanitizer;
#endif
};

// Where the thread has what belongs to the context that runs on it. Set by
// asyncio__context_adopt, which comes first on each thread.
struct asyncio__context_home {
    int *error_number;                      // &errno
    struct asyncio__exceptions *exceptions; // NULL without C++
};
extern ASYNCIO__THREAD_LOCAL struct asyncio__context_home asyncio__context_home;

// Makes `context` begin with fn(arg) on `stack` when it is first switched to.
// `fn` must never return: it leaves by asyncio__context_leave. Writes to the
// upper end of the stack, so nobody may be running on it.
void asyncio__context_make(struct asyncio__context *context,
                           struct asyncio__stack *stack, void (*fn)(void *arg),
                           void *arg);

// Makes `context` stand for what runs now, as the place to return to: usually
// the thread's own stack.
void asyncio__context_adopt(struct asyncio__context *context);

// Stands still as `from`, which must be what runs now, and goes on as `to`.
// Returns `from` when somebody switches back to it: whoever finds all that it
// goes on with from there keeps no register for that meanwhile.
static inline struct asyncio__context *
asyncio__context_switch(struct asyncio__context *from,
                        struct asyncio__context *to);

// The same in three steps, for frames that keep nothing in registers meanwhile:
// what belongs to the context that runs, the switch, and all of it back.
struct asyncio__kept {
    void *caught; // this one and `uncaught` with C++ alone
    unsigned uncaught;
    int error_number;
};
static inline void asyncio__context_keep(struct asyncio__kept *kept);
static inline struct asyncio__context *
asyncio__context_switch_kept(struct asyncio__context *from,
                             struct asyncio__context *to);
static inline void
asyncio__context_bring_back(const struct asyncio__kept *kept);

// The same, never to come back: as soon as `to` runs, the stack of `from` may
// be used by others, and `from` may be destroyed. `to` must be on another
// stack.
static inline _Noreturn void
asyncio__context_leave(struct asyncio__context *from,
                       struct asyncio__context *to);

// What runs now, on a stack that ran something else before, is to find errno
// and the exception state as new.
static inline void asyncio__context_renew(void);

// `context` takes the place of `other`, the one that runs: on its stack, and
// before it is switched away from.
static inline void
asyncio__context_replace(struct asyncio__context *context,
                         const struct asyncio__context *other);

// Copies frames, which are whole words. In pieces of two, unlike memcpy: what
// is read back at once, by the task that returns into them, comes right out of
// the stores that way.
static inline void asyncio__context_copy(void *to, const void *from,
                                         size_t len);

// Frees what the sanitizers keep of a context that was left or never begun, or
// that was adopted. Accepts a zeroed struct and a second call.
void asyncio__context_destroy(struct asyncio__context *context);

// Calls fn(arg) such that whoever unwinds the stack from there finds the frames
// of `context`, which stands still and has run before, below those of fn. The
// context stays as it is.
void asyncio__context_call(struct asyncio__context *context,
                           void (*fn)(void *arg), void *arg);

// ---- How it is done ---------------------------------------------------------

#if defined(ASYNCIO_CONTEXT_UCONTEXT)
struct asyncio__context *asyncio__switch(struct asyncio__context *from,
                                         struct asyncio__context *to);
_Noreturn void asyncio__jump(struct asyncio__context *to);
static inline char *asyncio__context_frame_end(void)
{
    return (char *)__builtin_frame_address(0);
}
#elif defined(__x86_64__) && defined(__LP64__)
#include "platform/context_x86_64.h"
#elif defined(__aarch64__) && defined(__LP64__)
#include "platform/context_aarch64.h"
#else
#error "no context switch for this machine: define ASYNCIO_CONTEXT_UCONTEXT"
#endif

// Whether a context may switch to itself, and goes on: that is rare, and
// whoever switches all the time need not ask.
#if defined(ASYNCIO_CONTEXT_UCONTEXT) || defined(ASYNCIO__SANITIZED)
#define ASYNCIO__CONTEXT_MAY_STAY false
#else
#define ASYNCIO__CONTEXT_MAY_STAY true
#endif

static inline struct asyncio__sanitizer *
asyncio__context_sanitizer(struct asyncio__context *context)
{
#ifdef ASYNCIO__SANITIZED
    return &context->sanitizer;
#else
    (void)context;
    return NULL;
#endif
}

static inline void asyncio__context_keep(struct asyncio__kept *kept)
{
    const struct asyncio__exceptions *exceptions =
        asyncio__context_home.exceptions;
    *kept = (struct asyncio__kept){.error_number =
                                       *asyncio__context_home.error_number};
    if (!exceptions) return;
    kept->caught = exceptions->caught;
    kept->uncaught = exceptions->uncaught;
}

static inline void asyncio__context_bring_back(const struct asyncio__kept *kept)
{
    struct asyncio__exceptions *exceptions = asyncio__context_home.exceptions;
    int *error_number = asyncio__context_home.error_number;
    if (exceptions)
        *exceptions = (struct asyncio__exceptions){.caught = kept->caught,
                                                   .uncaught = kept->uncaught};
    // Mostly nothing has changed it, and not to write is cheaper.
    if (*error_number != kept->error_number) *error_number = kept->error_number;
}

static inline struct asyncio__context *
asyncio__context_switch_kept(struct asyncio__context *from,
                             struct asyncio__context *to)
{
    asyncio__sanitizer_switch(asyncio__context_sanitizer(from),
                              asyncio__context_sanitizer(to));
    from = asyncio__switch(from, to);
    asyncio__sanitizer_arrive(asyncio__context_sanitizer(from));
    return from;
}

static inline struct asyncio__context *
asyncio__context_switch(struct asyncio__context *from,
                        struct asyncio__context *to)
{
    int error_number = *asyncio__context_home.error_number;
    // Two copies of it, so that without C++ nothing is asked on arrival.
    if (asyncio__context_home.exceptions) {
        struct asyncio__exceptions exceptions =
            *asyncio__context_home.exceptions;
        from = asyncio__context_switch_kept(from, to);
        *asyncio__context_home.exceptions = exceptions;
    } else {
        from = asyncio__context_switch_kept(from, to);
    }
    // Mostly nothing has changed it, and not to write is cheaper.
    if (*asyncio__context_home.error_number != error_number)
        *asyncio__context_home.error_number = error_number;
    return from;
}

static inline void asyncio__context_copy(void *to, const void *from, size_t len)
{
    typedef uint64_t words
        __attribute__((vector_size(16), aligned(8), may_alias));
    words *out = (words *)to, *end = out + len / sizeof(words);
    const words *in = (const words *)from;
    while (out < end) {
        *out++ = *in++;
        __asm__ volatile("" ::: "memory"); // it is not made into memcpy
    }
    if (len % sizeof(words)) __builtin_memcpy(out, in, sizeof(uint64_t));
}

static inline void asyncio__context_renew(void)
{
    struct asyncio__exceptions *exceptions = asyncio__context_home.exceptions;
    *asyncio__context_home.error_number = 0;
    if (exceptions) *exceptions = (struct asyncio__exceptions){NULL, 0};
}

static inline void
asyncio__context_replace(struct asyncio__context *context,
                         const struct asyncio__context *other)
{
    // The rest is written by the switch.
#ifdef ASYNCIO__SANITIZED
    context->sanitizer = other->sanitizer;
#else
    (void)context;
    (void)other;
#endif
}

static inline _Noreturn void
asyncio__context_leave(struct asyncio__context *from,
                       struct asyncio__context *to)
{
    asyncio__sanitizer_leave(asyncio__context_sanitizer(from),
                             asyncio__context_sanitizer(to));
    asyncio__jump(to);
}
