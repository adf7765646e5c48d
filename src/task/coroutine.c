// Coroutine objects: how one is doing, and those that were never run.
//
// An object lies in its owner's memory, and the language does not say when that
// ends. So only two ends are seen: that of a block which was told to close it,
// and a call that took it and could not do anything with it.

#include <stdio.h>

#include "platform/symbol.h"
#include "task/future.h"

static bool is_unused(const struct asyncio_coroutine *coroutine)
{
    return coroutine && coroutine->fn &&
           coroutine->state_ == ASYNCIO__COROUTINE_UNUSED;
}

void asyncio__coroutine_refused(const struct asyncio_coroutine *coroutine,
                                const char *call, int code)
{
    struct asyncio_loop *loop = asyncio_get_event_loop();
    if (code >= 0 || !is_unused(coroutine) || !asyncio__debug_here()) return;
    char name[128];
    asyncio__symbol(asyncio__address_of(coroutine->fn), name, sizeof name);
    asyncio__report(loop, code, NULL, coroutine->site_,
                    "coroutine %s was never awaited: %s refused it (%s)", name,
                    call, asyncio__failure_text(NULL, code));
}

void asyncio_coroutine_close(struct asyncio_coroutine *coroutine)
{
    if (!coroutine) return;
    struct asyncio_loop *loop = asyncio_get_event_loop();
    if (is_unused(coroutine) && asyncio__debug_here()) {
        char name[128];
        asyncio__symbol(asyncio__address_of(coroutine->fn), name, sizeof name);
        asyncio__report(loop, -EINVAL, NULL, coroutine->site_,
                        "coroutine %s was never awaited: await it, or make a "
                        "task of it, before its block ends",
                        name);
    }
    if (coroutine->state_ == ASYNCIO__COROUTINE_UNUSED)
        coroutine->state_ = ASYNCIO__COROUTINE_USED;
}

char *asyncio_coroutine_describe(const struct asyncio_coroutine *coroutine,
                                 char *buffer, size_t size)
{
    const char *word = "used up";
    if (coroutine->state_ == ASYNCIO__COROUTINE_UNUSED) word = "unused";
    if (coroutine->state_ == ASYNCIO__COROUTINE_RUNNING) word = "running";
    snprintf(buffer, size, "%s", word);
    return buffer;
}
