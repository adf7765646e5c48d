// The switch on x86-64, expanded where it is used. Included by context.h.
//
// To the compiler it is a statement that changes every register. So it saves
// what it needs and nothing else; rbp and rbx are saved by hand, because some
// frames are found through them and may not be declared as changed. Nothing is
// pushed, so the unwind tables of the enclosing function hold at each
// instruction. The compiler may keep values in the red zone: of a context that
// stands still, the 128 bytes below its sp are in use too.
#pragma once

// The offsets below are those of the first four fields.
_Static_assert(offsetof(struct asyncio__context, sp) == 0 &&
                   offsetof(struct asyncio__context, fp) == 8 &&
                   offsetof(struct asyncio__context, base) == 16 &&
                   offsetof(struct asyncio__context, pc) == 24,
               "the assembly knows where these are");

#ifdef __AVX512F__
#define ASYNCIO__AVX512                                                        \
    "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",    \
        "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30",         \
        "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7",
#else
#define ASYNCIO__AVX512
#endif

// On arrival rsi is the context that arrives: the entry of a new one reads it,
// and whoever comes back is told again who it is.
static inline __attribute__((always_inline)) struct asyncio__context *
asyncio__switch(struct asyncio__context *from, struct asyncio__context *to)
{
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rsp, 0(%%rdi)\n\t"
                     "movq %%rbp, 8(%%rdi)\n\t"
                     "movq %%rbx, 16(%%rdi)\n\t"
                     "movq %%rax, 24(%%rdi)\n\t"
                     "movq 0(%%rsi), %%rsp\n\t"
                     "movq 8(%%rsi), %%rbp\n\t"
                     "movq 16(%%rsi), %%rbx\n\t"
                     "jmpq *24(%%rsi)\n"
                     "1:\n\t"
                     "endbr64"
                     : "+D"(from), "+S"(to)
                     :
                     : ASYNCIO__AVX512 "rax", "rcx", "rdx", "r8", "r9", "r10",
                       "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1",
                       "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)",
                       "st(5)", "st(6)", "st(7)", "cc", "memory");
    return to;
}

#undef ASYNCIO__AVX512

// Where the frame of the function that asks ends: those of the functions that
// it calls are below.
ASYNCIO__INLINE char *asyncio__context_frame_end(void)
{
    char *sp;
    __asm__ volatile("movq %%rsp, %0" : "=r"(sp));
    return sp;
}

// The second half alone: goes on as `to` and keeps nothing of what runs now.
static inline _Noreturn void asyncio__jump(struct asyncio__context *to)
{
    __asm__ volatile("movq 0(%%rsi), %%rsp\n\t"
                     "movq 8(%%rsi), %%rbp\n\t"
                     "movq 16(%%rsi), %%rbx\n\t"
                     "jmpq *24(%%rsi)"
                     :
                     : "S"(to)
                     : "memory");
    __builtin_unreachable();
}
