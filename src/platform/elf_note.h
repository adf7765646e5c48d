// How data becomes a note of the binary: found by readers of the file, and, as
// it is loaded, of a process.
#pragma once

#include <asyncio/base.h>

// A note's head. Both sizes are multiples of 4.
struct asyncio__note_head {
    uint32_t name_size;
    uint32_t data_size;
    uint32_t type;
    char name[8];
};

// In front of the definition of a constant that is a whole note, head and all.
// AddressSanitizer would put its marks between notes.
#ifdef __clang__
#define ASYNCIO__NOTE                                                          \
    __attribute__((section(".note.asyncio"), used, aligned(4),                 \
                   no_sanitize("address")))
#else
#define ASYNCIO__NOTE                                                          \
    __attribute__((section(".note.asyncio"), used, aligned(4)))
#endif

// A note whose data is 8 bytes: how far the symbol is from these very bytes. So
// it holds wherever the binary is loaded, without the loader's help.
#define ASYNCIO__NOTE_DISTANCE(type, symbol)                                   \
    __asm__(".pushsection .note.asyncio, \"a\", %note\n\t"                     \
            ".p2align 2\n\t"                                                   \
            ".long 8, 8, " #type "\n\t"                                        \
            ".asciz \"asyncio\"\n\t"                                           \
            ".quad " #symbol " - .\n\t"                                        \
            ".popsection")
