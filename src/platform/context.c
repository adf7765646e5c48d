// How a context begins, and the switch by ucontext for other machines.
//
// A new context holds the address of asyncio__context_entry (a few lines of
// assembly) as the place where it goes on. That calls asyncio__context_begin,
// which gives the context a clean errno and exception state of its own and then
// runs its function. What to run lies at the top of the new stack, so that a
// parked task does not pay for it.

#include "platform/context.h"

#include "platform/stack.h"

struct start {
    void (*fn)(void *arg);
    void *arg;
};

// Room at the top of a stack, which keeps it aligned.
#define START_SIZE ((sizeof(struct start) + 15) & ~(size_t)15)

// The C++ runtime's, if there is one in the process when we are loaded.
extern void *__cxa_get_globals(void) __attribute__((weak));

#ifdef ASYNCIO__ASAN
__thread struct asyncio__sanitizer *asyncio__sanitizer_previous;
#endif

// Called from assembly, which link-time optimisation does not see.
__attribute__((used)) _Noreturn void
asyncio__context_begin(struct asyncio__context *context);

ASYNCIO__THREAD_LOCAL struct asyncio__context_home asyncio__context_home;

static void arrive(struct asyncio__context *context)
{
    asyncio__sanitizer_arrive(asyncio__context_sanitizer(context));
    asyncio__context_renew();
}

static _Noreturn void run(const struct start *start)
{
    start->fn(start->arg);
    __builtin_trap(); // It returned, and there is nowhere to return to.
}

void asyncio__context_adopt(struct asyncio__context *context)
{
    *context = (struct asyncio__context){.sp = NULL};
    asyncio__context_home = (struct asyncio__context_home){
        .error_number = &errno,
        .exceptions = __cxa_get_globals ? __cxa_get_globals() : NULL,
    };
    asyncio__sanitizer_adopt(asyncio__context_sanitizer(context));
}

void asyncio__context_destroy(struct asyncio__context *context)
{
    asyncio__sanitizer_destroy(asyncio__context_sanitizer(context));
}

#ifndef ASYNCIO_CONTEXT_UCONTEXT

void asyncio__context_entry(void);

void asyncio__context_make(struct asyncio__context *context,
                           struct asyncio__stack *stack, void (*fn)(void *arg),
                           void *arg)
{
    struct start *start = (void *)(stack->top - START_SIZE);
    *start = (struct start){fn, arg};
    *context = (struct asyncio__context){.sp = start};
    context->pc = (void *)(uintptr_t)asyncio__context_entry;
    asyncio__sanitizer_make(asyncio__context_sanitizer(context), stack->low,
                            (size_t)(stack->top - stack->low));
}

_Noreturn void asyncio__context_begin(struct asyncio__context *context)
{
    arrive(context);
    run(context->sp);
}

#else

#include <stdlib.h>
#include <ucontext.h>

// Between `start` and the frames lies what ucontext keeps of the beginning.
// Later it is in the frame that switches, and context.sp points there.
struct first {
    ucontext_t saved;
    struct start start;
};

#define FIRST_SIZE ((sizeof(struct first) + 15) & ~(size_t)15)

// makecontext passes ints only: the pointer travels in two halves.
static void enter(unsigned high, unsigned low)
{
    uintptr_t address = (uintptr_t)((uint64_t)high << 32 | low);
    asyncio__context_begin((struct asyncio__context *)address);
}

void asyncio__context_make(struct asyncio__context *context,
                           struct asyncio__stack *stack, void (*fn)(void *arg),
                           void *arg)
{
    struct first *first = (void *)(stack->top - FIRST_SIZE);
    uint64_t address = (uintptr_t)context;

    *context = (struct asyncio__context){.sp = first};
    first->start = (struct start){fn, arg};
    if (getcontext(&first->saved) < 0) abort(); // Cannot fail on Linux.
    first->saved.uc_stack.ss_sp = stack->low;
    first->saved.uc_stack.ss_size = (size_t)((char *)first - stack->low);
    first->saved.uc_link = NULL;
    makecontext(&first->saved, (void (*)(void))enter, 2,
                (unsigned)(address >> 32), (unsigned)address);
    asyncio__sanitizer_make(asyncio__context_sanitizer(context), stack->low,
                            (size_t)(stack->top - stack->low));
}

_Noreturn void asyncio__context_begin(struct asyncio__context *context)
{
    arrive(context);
    run(&((struct first *)context->sp)->start);
}

// Who wants to run on a stack that stands still, and where to go on then. The
// registers in a ucontext have other names on each machine, so such a stack is
// not described to the unwinder, as elsewhere, but visited.
static __thread struct {
    void (*fn)(void *arg);
    void *arg;
    struct asyncio__context *from;
} visitor;

static void receive_visitor(struct asyncio__context *here, ucontext_t *saved)
{
    void (*fn)(void *arg) = visitor.fn;
    struct asyncio__context *from = visitor.from;
    visitor.fn = NULL;
    asyncio__sanitizer_arrive(asyncio__context_sanitizer(here));
    fn(visitor.arg);
    asyncio__sanitizer_switch(asyncio__context_sanitizer(here),
                              asyncio__context_sanitizer(from));
    if (swapcontext(saved, from->sp) < 0) abort();
}

struct asyncio__context *asyncio__switch(struct asyncio__context *from,
                                         struct asyncio__context *to)
{
    ucontext_t saved;
    from->sp = &saved;
    if (swapcontext(&saved, to->sp) < 0) abort();
    while (visitor.fn)
        receive_visitor(from, &saved);
    return from;
}

void asyncio__context_call(struct asyncio__context *context,
                           void (*fn)(void *arg), void *arg)
{
    struct asyncio__context here;
    asyncio__context_adopt(&here);
    visitor.fn = fn;
    visitor.arg = arg;
    visitor.from = &here;
    asyncio__context_switch(&here, context);
    asyncio__context_destroy(&here);
}

_Noreturn void asyncio__jump(struct asyncio__context *to)
{
    setcontext(to->sp);
    abort();
}

#endif
