// Names for addresses of code.
#pragma once

#include <asyncio/base.h>

// Writes "function (program+0x1a2b)" about an address, or without a function
// if none that the dynamic linker knows of is there; addr2line takes the rest.
// Returns `text`.
char *asyncio__symbol(const void *address, char *text, size_t size);
