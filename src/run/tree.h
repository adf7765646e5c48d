// Drawing a graph of tasks.
#pragma once

#include "platform/symbols.h"
#include "run/graph.h"

// Prints `root` with its frames, and below it the nodes at the other end of its
// edges, and so on; each edge begins with `words`. A node that was shown before
// is only named: `shown` has a flag for each. Returns 0 or -ENOMEM, then having
// printed nothing.
int asyncio__tree_draw(const struct asyncio__graph *graph,
                       const struct asyncio__edges *edges, size_t root,
                       const char *words, bool *shown,
                       struct asyncio__symbols *symbols, FILE *file);
