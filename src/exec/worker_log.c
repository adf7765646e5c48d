// The parent's side of a log: entries that nobody vouches for.
//
// An address from there is compared with what is loaded here and never
// followed; a count is cut to what there is room for.

#include "exec/worker_log.h"

#include <stdio.h>
#include <string.h>

#include "exec/harmless.h"
#include "platform/symbols.h"
#include "platform/sys.h"

#define SHOWN 6 // functions

// An entry is written in one piece, and may come in several.
static bool read_whole(int log, struct asyncio__log_entry *entry)
{
    size_t len = 0;
    while (len < sizeof *entry) {
        ssize_t n =
            asyncio__sys_read(log, (char *)entry + len, sizeof *entry - len);
        if (n == -EINTR) continue;
        if (n <= 0) return false;
        len += (size_t)n;
    }
    return true;
}

void asyncio__log_read(int log, struct asyncio__log_entry *entry)
{
    if (!read_whole(log, entry)) *entry = (struct asyncio__log_entry){0};

    entry->text[sizeof entry->text - 1] = '\0';
    asyncio__make_harmless(entry->text);
    if (entry->frame_count > ASYNCIO__LOG_FRAMES)
        entry->frame_count = ASYNCIO__LOG_FRAMES;
}

static const void *pointer(uint64_t address)
{
    return (const void *)(uintptr_t)address; // NOLINT(*-no-int-to-ptr)
}

// Appends to what stands in `text`, as far as there is room.
static void append(char *text, size_t size, const char *between,
                   const char *what)
{
    size_t len = strlen(text);
    snprintf(text + len, size - len, "%s%s", between, what);
}

static void describe_stack(const struct asyncio__log_entry *fault,
                           struct asyncio__symbols *symbols, const char *last,
                           char *text, size_t size)
{
    for (uint32_t i = 0; i < fault->frame_count && i < SHOWN; i++) {
        char name[64];
        asyncio__symbols_name(symbols, pointer(fault->frames[i]), name,
                              sizeof name);
        append(text, size, i == 0 ? " in " : " < ", name);
        if (strcmp(name, last) == 0) return;
    }
    if (fault->frame_count > SHOWN) append(text, size, " < ", "...");
}

void asyncio__log_describe(const struct asyncio__log_entry *fault,
                           struct asyncio__symbols *symbols,
                           int (*last)(void *arg), char *text, size_t size)
{
    char name[64];

    text[0] = '\0';
    if (fault->kind != ASYNCIO__LOG_FAULT) return;
    if (fault->has_address)
        snprintf(text, size, " at %#llx", (unsigned long long)fault->address);
    asyncio__symbols_name(symbols, pointer((uintptr_t)last), name, sizeof name);
    describe_stack(fault, symbols, name, text, size);
}
