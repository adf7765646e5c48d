// The log that a worker process leaves: what the parent reads out of its pipe,
// which a job that has turned against it may have filled.

#include <string.h>
#include <unistd.h>

#include "exec/worker_log.h"
#include "fuzz.h"
#include "platform/symbols.h"

static int job(void *arg)
{
    (void)arg;
    return 0;
}

// Returns how many entries there were.
static int read_log(int log)
{
    static struct asyncio__symbols symbols; // read once: they are the program's
    struct asyncio__log_entry entry;
    for (int count = 0;; count++) {
        asyncio__log_read(log, &entry);
        MUST(memchr(entry.text, '\0', sizeof entry.text));
        MUST(!strpbrk(entry.text, "\033\a\r\b\x7f"));
        MUST(entry.frame_count <= ASYNCIO__LOG_FRAMES);
        char text[512];
        memset(text, 'x', sizeof text);
        asyncio__log_describe(&entry, &symbols, job, text, sizeof text);
        MUST(memchr(text, '\0', sizeof text));
        asyncio__log_describe(&entry, &symbols, job, text, 8);
        MUST(memchr(text, '\0', 8));
        if (entry.kind == ASYNCIO__LOG_NOTHING) return count;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    if (size > 4096 || pipe(ends) < 0) return 0;
    ssize_t n = write(ends[1], data, size);
    close(ends[1]);
    MUST(n == (ssize_t)size);
    (void)read_log(ends[0]);
    close(ends[0]);
    return 0;
}
