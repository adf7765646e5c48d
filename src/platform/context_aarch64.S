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

// Calls fn(arg) as if `context`, which stands still, had called it: the unwind
// tables say that the caller's registers are those kept in the context. Nothing
// is written to the context's stack. x0 is the context, x1 fn, x2 arg.
//
// The escapes are expressions over the word 16 above x29, where the context is:
// CFA is its sp; x30, x29 and x19 are at its bytes 24, 8 and 16.

    .text
    .globl asyncio__context_call
    .hidden asyncio__context_call
    .type asyncio__context_call, %function
    .p2align 4
asyncio__context_call:
    .cfi_startproc
    hint #34
    stp x29, x30, [sp, #-32]!
    .cfi_def_cfa_offset 32
    .cfi_offset x29, -32
    .cfi_offset x30, -24
    mov x29, sp
    .cfi_def_cfa_register x29
    str x0, [x29, #16]
    mov x0, x2
    .cfi_remember_state
    .cfi_escape 0x0f, 4, 0x8d, 16, 0x06, 0x06
    .cfi_escape 0x10, 30, 5, 0x8d, 16, 0x06, 0x23, 24
    .cfi_escape 0x10, 29, 5, 0x8d, 16, 0x06, 0x23, 8
    .cfi_escape 0x10, 19, 5, 0x8d, 16, 0x06, 0x23, 16
    blr x1
    .cfi_restore_state
    ldp x29, x30, [sp], #32
    .cfi_def_cfa sp, 0
    .cfi_restore x29
    .cfi_restore x30
    ret
    .cfi_endproc
    .size asyncio__context_call, . - asyncio__context_call

// Indirect jumps land on pads (bit 0, BTI).
    .section .note.gnu.property, "a", %note
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000000, 4, 1, 0

    .section .note.GNU-stack, "", %progbits
