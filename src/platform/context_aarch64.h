// The switch on aarch64, expanded where it is used. Included by context.h.
//
// To the compiler it is a statement that changes every register. So it saves
// what it needs and nothing else; x29 and x19 are saved by hand, because some
// frames are found through them and may not be declared as changed.
#pragma once

// The offsets below are those of the first four fields.
_Static_assert(offsetof(struct asyncio__context, sp) == 0 &&
                   offsetof(struct asyncio__context, fp) == 8 &&
                   offsetof(struct asyncio__context, base) == 16 &&
                   offsetof(struct asyncio__context, pc) == 24,
               "the assembly knows where these are");

#ifdef __ARM_FEATURE_SVE
#define ASYNCIO__SVE                                                           \
    "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11",  \
        "p12", "p13", "p14", "p15",
#else
#define ASYNCIO__SVE
#endif

// On arrival x1 is the context that arrives: the entry of a new one reads it,
// and whoever comes back is told again who it is. `hint #36` is the landing pad
// for an indirect jump, nothing on older machines.
static inline __attribute__((always_inline)) struct asyncio__context *
asyncio__switch(struct asyncio__context *from, struct asyncio__context *to)
{
    register struct asyncio__context *x0 __asm__("x0") = from;
    register struct asyncio__context *x1 __asm__("x1") = to;
    __asm__ volatile("adr x9, 1f\n\t"
                     "mov x10, sp\n\t"
                     "stp x10, x29, [x0]\n\t"
                     "stp x19, x9, [x0, #16]\n\t"
                     "ldp x10, x29, [x1]\n\t"
                     "ldp x19, x16, [x1, #16]\n\t"
                     "mov sp, x10\n\t"
                     "br x16\n"
                     "1:\n\t"
                     "hint #36"
                     : "+r"(x0), "+r"(x1)
                     :
                     : ASYNCIO__SVE "x2", "x3", "x4", "x5", "x6", "x7", "x8",
                       "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
                       "x17", "x18", "x20", "x21", "x22", "x23", "x24", "x25",
                       "x26", "x27", "x28", "x30", "v0", "v1", "v2", "v3", "v4",
                       "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13",
                       "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21",
                       "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29",
                       "v30", "v31", "cc", "memory");
    return x1;
}

#undef ASYNCIO__SVE

// The second half alone: goes on as `to` and keeps nothing of what runs now.
static inline _Noreturn void asyncio__jump(struct asyncio__context *to)
{
    register struct asyncio__context *x1 __asm__("x1") = to;
    __asm__ volatile("ldp x10, x29, [x1]\n\t"
                     "ldp x19, x16, [x1, #16]\n\t"
                     "mov sp, x10\n\t"
                     "br x16"
                     :
                     : "r"(x1)
                     : "memory");
    __builtin_unreachable();
}

// Where the frame of the function that asks ends: those of the functions that
// it calls are below.
ASYNCIO__INLINE char *asyncio__context_frame_end(void)
{
    char *sp;
    __asm__ volatile("mov %0, sp" : "=r"(sp));
    return sp;
}
