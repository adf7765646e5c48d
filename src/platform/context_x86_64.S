// Where a new context begins on x86-64; the switch itself is in
// context_x86_64.h.
//
// A first switch arrives here by a jump, on the empty stack, with the context
// in rsi. The frame has no caller: rip is declared undefined and rbp is zero,
// so gdb, perf and the C++ unwinder all stop here.

    .text
    .globl asyncio__context_entry
    .hidden asyncio__context_entry
    .type asyncio__context_entry, @function
    .p2align 4
asyncio__context_entry:
    .cfi_startproc
    .cfi_undefined rip
    endbr64
    movq %rsi, %rdi
    call asyncio__context_begin
    ud2
    .cfi_endproc
    .size asyncio__context_entry, . - asyncio__context_entry

// Indirect jumps land on pads (bit 0, IBT). A shadow stack (bit 1) is not
// claimed, since a switch does not move it along: the linker then drops the
// claim for the whole program or library.
    .section .note.gnu.property, "a", @note
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000002, 4, 1, 0

    .section .note.GNU-stack, "", @progbits
