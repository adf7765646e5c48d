// The layout of what tools read from outside, as a note of the binary. See
// docs/layout.md.
#pragma once

#include "platform/elf_note.h"

#define ASYNCIO__LAYOUT_VERSION 2
#define ASYNCIO__LAYOUT_FIELDS  37

// Type 1 of the notes named "asyncio".
struct asyncio__layout {
    struct asyncio__note_head head;
    uint32_t version;
    uint32_t count;
    struct {
        char name[24];
        uint32_t offset, size; // bytes
    } fields[ASYNCIO__LAYOUT_FIELDS];
};

extern const struct asyncio__layout asyncio__layout;
