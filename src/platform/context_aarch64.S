// Where a new context begins on aarch64; the switch itself is in
// context_aarch64.h.
//
// A first switch arrives here by a jump, on the empty stack, with the context
// in x1. The frame has no caller: x30 is declared undefined and x29 is zero, so
// gdb, perf and the C++ unwinder all stop here. `hint #34` is the landing pad
// (BTI) for a jump through x16.

    .text
    .globl asyncio__context_entry
    .hidden asyncio__context_entry
    .type asyncio__context_entry, %function
    .p2align 4
asyncio__context_entry:
    .cfi_startproc
    .cfi_undefined x30
    hint #34
    mov x0, x1
    bl asyncio__context_begin
    brk #1
    .cfi_endproc
    .size asyncio__context_entry, . - asyncio__context_entry

// Indirect jumps land on pads (bit 0, BTI).
    .section .note.gnu.property, "a", %note
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000000, 4, 1, 0

    .section .note.GNU-stack, "", %progbits
