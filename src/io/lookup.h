// What both directions of a lookup share.
#pragma once

#include "io/resolver.h"

// The resolver that was named, or else the loop's own. Returns 0, -EXDEV for
// one of another loop, -ESHUTDOWN if its loop has closed, or why there is none.
int asyncio__pick_resolver(struct asyncio_resolver **resolver);

// The code for one of c-ares', with its own in the words.
int asyncio__explain_ares(const char *host, int status);

// An answer that is here already is awaited too: a cancelled scope ends that.
int asyncio__await_nothing(void);
