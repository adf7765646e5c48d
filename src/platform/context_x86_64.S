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

// Calls fn(arg) as if `context`, which stands still, had called it: the unwind
// tables say that the caller's registers are those kept in the context. Nothing
// is written to the context's stack. rdi is the context, rsi fn, rdx arg.
//
// The escapes are expressions over the word below rbp, where the context is:
// CFA is its sp; rip, rbp and rbx (16, 6 and 3) are at its bytes 24, 8 and 16.

    .text
    .globl asyncio__context_call
    .hidden asyncio__context_call
    .type asyncio__context_call, @function
    .p2align 4
asyncio__context_call:
    .cfi_startproc
    endbr64
    pushq %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset rbp, -16
    movq %rsp, %rbp
    .cfi_def_cfa_register rbp
    subq $16, %rsp
    movq %rdi, -8(%rbp)
    movq %rdx, %rdi
    .cfi_remember_state
    .cfi_escape 0x0f, 4, 0x76, 0x78, 0x06, 0x06
    .cfi_escape 0x10, 16, 5, 0x76, 0x78, 0x06, 0x23, 24
    .cfi_escape 0x10, 6, 5, 0x76, 0x78, 0x06, 0x23, 8
    .cfi_escape 0x10, 3, 5, 0x76, 0x78, 0x06, 0x23, 16
    call *%rsi
    .cfi_restore_state
    leave
    .cfi_def_cfa rsp, 8
    ret
    .cfi_endproc
    .size asyncio__context_call, . - asyncio__context_call

// Indirect jumps land on pads (bit 0, IBT). A shadow stack (bit 1) is not
// claimed, since a switch does not move it along: the linker then drops the
// claim for the whole program or library.
    .section .note.gnu.property, "a", @note
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000002, 4, 1, 0

    .section .note.GNU-stack, "", @progbits
