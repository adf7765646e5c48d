// The name of the function that an address lies in, static functions included.
//
// dladdr knows only what a program exports. This reads the symbol tables of the
// program and its libraries from their files, each when it is first needed, and
// keeps them until closed. Any thread may have a table of its own; none of it
// is for signal handlers.
#pragma once

#include <asyncio/base.h>

struct asyncio__module;

// All zero is ready.
struct asyncio__symbols {
    struct asyncio__module *modules; // read so far
};

// Frees what was read.
void asyncio__symbols_close(struct asyncio__symbols *symbols);

// Writes the function's name, or "module+0x1f" where the file does not tell it
// (or there is no memory), or the bare address.
void asyncio__symbols_name(struct asyncio__symbols *symbols,
                           const void *address, char *text, size_t size);

// True if the address lies in this library.
bool asyncio__symbols_ours(struct asyncio__symbols *symbols,
                           const void *address);
