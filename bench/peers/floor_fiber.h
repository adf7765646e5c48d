// The least that tasks with a stack of their own can be, on x86-64.
//
// One mapping holds a stack for each, 16 KiB apart, of which a task that does
// little touches one page; its block stands at the top of that page. A line of
// ready tasks, a wheel of timers, and a switch that saves nothing but what the
// compiler has to: there are no errors, scopes, names or limits. What others
// take beyond this is the price of what they can do.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

#include "peer.h"

#ifndef __x86_64__
#error "the switch is written for x86-64"
#endif

#define STRIDE      16384
#define WHEEL_SLOTS 4096 // a millisecond each; later ones wait for their turn

struct fiber {
    void *sp;           // while it does not run
    struct fiber *next; // in a line
    struct fiber *joiner;
    void (*fn)(void *arg);
    void *arg;
    uint64_t due_ms; // 0: no timer is armed
    struct fiber *later, **slot;
    bool done, cancelled;
};

struct fiber_line {
    struct fiber *first, **last;
};

static struct fiber fiber_main, *fiber_now = &fiber_main;
static struct fiber_line fiber_ready = {.last = &fiber_ready.first};
static struct fiber *fiber_free;
static char *fiber_stacks, *fiber_stacks_end;
static struct fiber *fiber_wheel[WHEEL_SLOTS];
static uint64_t fiber_wheel_ms, fiber_armed;

// ---- Lines ------------------------------------------------------------------

static inline void fiber_add(struct fiber_line *line, struct fiber *fiber)
{
    fiber->next = NULL;
    *line->last = fiber;
    line->last = &fiber->next;
}

static inline struct fiber *fiber_take(struct fiber_line *line)
{
    struct fiber *fiber = line->first;
    if (!fiber) return NULL;
    line->first = fiber->next;
    if (!line->first) line->last = &line->first;
    return fiber;
}

// ---- Timers -----------------------------------------------------------------

static inline uint64_t fiber_clock_ms(void)
{
    return (uint64_t)(peer_now_ns() / 1e6);
}

static inline void fiber_arm(struct fiber *fiber, uint64_t ms)
{
    struct fiber **slot = &fiber_wheel[(fiber_wheel_ms + ms) % WHEEL_SLOTS];
    fiber->due_ms = fiber_wheel_ms + ms;
    fiber->later = *slot;
    if (*slot) (*slot)->slot = &fiber->later;
    fiber->slot = slot;
    *slot = fiber;
    fiber_armed++;
}

static inline void fiber_disarm(struct fiber *fiber)
{
    *fiber->slot = fiber->later;
    if (fiber->later) fiber->later->slot = fiber->slot;
    fiber->due_ms = 0;
    fiber_armed--;
}

// Makes ready whoever is due by now.
static inline void fiber_turn_wheel(void)
{
    for (uint64_t now = fiber_clock_ms(); fiber_wheel_ms < now;) {
        struct fiber *fiber = fiber_wheel[++fiber_wheel_ms % WHEEL_SLOTS];
        while (fiber) {
            struct fiber *later = fiber->later;
            if (fiber->due_ms <= fiber_wheel_ms) {
                fiber_disarm(fiber);
                fiber_add(&fiber_ready, fiber);
            }
            fiber = later;
        }
    }
}

// ---- Switching --------------------------------------------------------------

// Goes on at `to`, and comes back when somebody goes on at *save. An indirect
// jump, as a return would be predicted wrong. There must be no red zone.
static inline __attribute__((always_inline)) void fiber_switch(void **save,
                                                               void *to)
{
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rbp\n\t"
                     "pushq %%rax\n\t"
                     "movq %%rsp, (%%rdi)\n\t"
                     "movq %%rsi, %%rsp\n\t"
                     "popq %%rax\n\t"
                     "jmpq *%%rax\n"
                     "1:\n\t"
                     "popq %%rbp"
                     : "+D"(save), "+S"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11",
                       "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2",
                       "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                       "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
                       "memory", "cc");
}

static __attribute__((noinline)) struct fiber *fiber_wait_for_ready(void)
{
    peer_check(fiber_armed > 0, "all wait, and nothing will happen");
    while (!fiber_ready.first) {
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
        fiber_turn_wheel();
    }
    return fiber_take(&fiber_ready);
}

// Waits until somebody makes this one ready.
static inline void fiber_park(void)
{
    struct fiber *me = fiber_now, *next = fiber_take(&fiber_ready);
    if (!next) next = fiber_wait_for_ready();
    if (next == me) return;
    fiber_now = next;
    fiber_switch(&me->sp, next->sp);
}

static inline void fiber_yield(void)
{
    fiber_add(&fiber_ready, fiber_now);
    fiber_park();
}

static inline void fiber_sleep(uint64_t ms)
{
    fiber_arm(fiber_now, ms);
    fiber_park();
}

// ---- Life -------------------------------------------------------------------

static void fiber_begin(void)
{
    struct fiber *me = fiber_now;
    me->fn(me->arg);
    me->done = true;
    if (me->joiner) fiber_add(&fiber_ready, me->joiner);
    fiber_park();
    __builtin_unreachable();
}

// Room for so many at a time, this one's caller among them.
static inline void fiber_open(long count)
{
    size_t size = (size_t)count * STRIDE;
    fiber_stacks = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    peer_check(fiber_stacks != MAP_FAILED, "no memory");
    madvise(fiber_stacks, size, MADV_NOHUGEPAGE);
    fiber_stacks_end = fiber_stacks + size;
    fiber_wheel_ms = fiber_clock_ms();
}

static inline struct fiber *fiber_make(void)
{
    struct fiber *fiber = fiber_free;
    if (fiber) {
        fiber_free = fiber->next;
        return fiber;
    }
    peer_check(fiber_stacks < fiber_stacks_end, "too many");
    fiber_stacks += STRIDE;
    return (struct fiber *)(void *)(fiber_stacks - sizeof *fiber);
}

// The stack begins below the block, as if fiber_begin had been called there.
static inline struct fiber *fiber_spawn(void (*fn)(void *arg), void *arg)
{
    struct fiber *fiber = fiber_make();
    void **sp = (void **)((uintptr_t)fiber & ~(uintptr_t)15);
    *--sp = NULL;
    *--sp = (void *)fiber_begin;
    fiber->sp = sp;
    fiber->fn = fn;
    fiber->arg = arg;
    fiber->joiner = NULL;
    fiber->due_ms = 0;
    fiber->done = fiber->cancelled = false;
    fiber_add(&fiber_ready, fiber);
    return fiber;
}

static inline void fiber_join(struct fiber *fiber)
{
    if (!fiber->done) {
        fiber->joiner = fiber_now;
        fiber_park();
    }
    fiber->next = fiber_free;
    fiber_free = fiber;
}

static inline void fiber_cancel(struct fiber *fiber)
{
    fiber->cancelled = true;
    if (fiber->due_ms == 0) return;
    fiber_disarm(fiber);
    fiber_add(&fiber_ready, fiber);
}
