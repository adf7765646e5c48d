// Names for addresses, as far as the dynamic linker has them: those of static
// functions it does not know.

#include "platform/symbol.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static const char *file_of(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path ? path : "?";
}

char *asyncio__symbol(const void *address, char *text, size_t size)
{
    Dl_info info;
    if (!address || dladdr(address, &info) == 0) {
        snprintf(text, size, "%p", address);
        return text;
    }
    size_t offset = (uintptr_t)address - (uintptr_t)info.dli_fbase;
    if (info.dli_sname)
        snprintf(text, size, "%s (%s+0x%zx)", info.dli_sname,
                 file_of(info.dli_fname), offset);
    else
        snprintf(text, size, "%s+0x%zx", file_of(info.dli_fname), offset);
    return text;
}
